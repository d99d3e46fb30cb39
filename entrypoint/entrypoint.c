/*
 * The entrypoint: the first process of every container of a monopod Pod.
 *
 * It waits for requests in the container's control directory, runs them, and tells there how they ended. It knows
 * nothing of Tasks or Pipelines; docs/control-directory.md is all that it shares with the coordinator.
 *
 * How it works:
 *
 * - The parent is one loop around ppoll(2). Whatever woke it (a signal, the bell, the tick of each second), it looks at
 *   everything: signals, dead children, requests, orders to stop. So a wake-up that is lost only costs time.
 * - The parent allocates nothing and reads no request. A forked child does (section "The child"), so that a request can
 *   break nothing but itself. A socket brings back what the child has to say; it is closed by exec.
 * - All signals are blocked, and read from a signalfd: there are no handlers, and no system call is interrupted.
 * - A request passes through the phases below, in this order, each time as far as it can (function `advance`).
 *
 * It is built in two ways: freestanding for a release (own system calls, own _start, no libc: a few KiB that need no
 * libc to be compiled first), and hosted for the sanitizers of the tests. Both take types and constants from libc's
 * headers. Every system call gives a negative errno if it fails, and is checked, or it is said why not.
 */

#include "entrypoint.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

static struct request requests[MAX_REQUESTS];
static struct text errors[MAX_REQUESTS]; /* apart from the requests: nearly never touched, so never in memory */
static struct text leftovers;          /* the names of processes that cannot be killed */

struct self self = {.bell = -1, .next = 1, .exit_code = -1};

static bool any_in_phase(enum phase first, enum phase last)
{
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->phase >= first && request->phase <= last)
            return true;
    return false;
}

static struct text *error_of(struct request *request)
{
    return &errors[request - requests];
}

/* To the process group, which is not there before the child has called setsid. */
static void signal_group(struct request *request, int number)
{
    if (sys_kill(-request->pid, number) == -ESRCH)
        ignore(sys_kill(request->pid, number)); /* the process is our child and not yet waited for: it exists */
}

/* ------------------------------------------------------------------------------------------------------------------
 * Requests: from run.N to exited.N
 */

/* Forks. In the child, the lock of `alive` is let go, and `socket` is where it reports. */
static pid_t fork_child(struct request *request, int socket)
{
    pid_t pid = sys_fork();
    if (pid == 0) {
        sys_close(self.alive);
        child.number = request->number;
        child.socket = socket;
        child.start = request->start;
        child.monotonic = request->monotonic;
    }
    return pid;
}

static void fail_start(struct request *request, const char *words, int error)
{
    struct text *text = error_of(request);
    append(text, words);
    append(text, ": ");
    append_error(text, error);
    request->status = CODE_CANNOT_RUN << 8;
    request->phase = REPORTING;
}

static void start_request(struct request *request, int file, int locked, bool wants_mark)
{
    static struct text name;
    *request = (struct request){.phase = RUNNING, .number = self.next++, .file = file, .socket = -1,
                                .reserve = -1};
    error_of(request)->length = 0;
    request->start = request->end = read_clock(CLOCK_REALTIME);
    request->monotonic = read_clock(CLOCK_MONOTONIC);
    request->ended_at = monotonic_ms();
    if (file < 0) {
        append(error_of(request), "cannot read ");
        fail_start(request, numbered_name(&name, "run.", request->number), file);
        return;
    }
    if (locked < 0) {
        append(error_of(request), "cannot lock ");
        fail_start(request, numbered_name(&name, "run.", request->number), locked);
        return;
    }
    request->wants_mark = wants_mark && join_streams();
    int ends[2] = {-1, -1};
    pid_t parent = sys_getpid();
    int result = sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    if (result >= 0) {
        request->socket = ends[0];
        result = fork_child(request, ends[1]);
        if (result == 0) {
            sys_close(ends[0]);
            run_request(request->file, parent);
        }
        sys_close(ends[1]);
    }
    request->pid = result;
    if (result < 0)
        fail_start(request, "cannot start a process", result);
    else
        request->reserve = reserve_exited(); /* here, so that the program does not wait for it */
}

/* Whether a request with a mark has ended and is not told yet: till then, nothing may begin in its container. */
static bool marked_request_is_ending(void)
{
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->wants_mark && request->phase >= ENDING)
            return true;
    return false;
}

static void start_requests(void)
{
    static struct text name;
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (self.terminated_by != 0 || self.sweeping || mark_is_pending() || marked_request_is_ending() ||
            (self.exit_at != 0 && self.exit_at <= monotonic_ms()))
            return;
        if (request->phase != FREE)
            continue;
        int file = sys_openat(self.directory, numbered_name(&name, "run.", self.next),
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
        if (file == -ENOENT || file == -EMFILE || file == -ENFILE || file == -ENOMEM)
            return; /* not there, or not now */
        int locked = file < 0 ? file : sys_flock(file, LOCK_EX | LOCK_NB);
        bool wants_mark = locked >= 0 && starts_with_mark(file);
        if (locked == -EWOULDBLOCK || (wants_mark && any_in_phase(RUNNING, REPORTING))) {
            sys_close(file);
            return; /* whoever holds it lets it go, or dies; and what wants a mark is alone when it begins */
        }
        start_request(request, file, locked, wants_mark);
    }
}

/* Takes what the child said; returns whether it and its copy processes have closed the socket. */
static bool read_reports(struct request *request)
{
    static struct report report;
    for (;;) {
        ssize_t size = sys_recvfrom(request->socket, &report, sizeof report, MSG_DONTWAIT);
        if (size == -EAGAIN)
            return false;
        if (size < (ssize_t)offsetof(struct report, error.bytes))
            return true;
        request->start = report.start;
        request->has_files = report.has_files;
        append_bytes(error_of(request), report.error.bytes, report.error.length);
    }
}

/* Waits for whoever has died; returns whether there are more children. */
static bool reap_children(void)
{
    for (;;) {
        siginfo_t info = {0};
        int result = sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
        if (result < 0 || info.si_pid == 0)
            return result >= 0;
        struct request *request = requests;
        while (request < requests + MAX_REQUESTS && (request->phase != RUNNING || request->pid != info.si_pid))
            request++;
        bool found = request < requests + MAX_REQUESTS;
        if (found) /* before it is waited for, as nobody else can get its number till then */
            ignore(sys_kill(-request->pid, SIGKILL));
        int status = 0;
        struct kernel_rusage usage = {0};
        ignore(sys_wait4(info.si_pid, &status, 0, &usage)); /* it has died already: returns at once */
        if (found) {
            request->status = status;
            request->usage = usage;
            request->end = wall_clock_after(request->start, request->monotonic);
            request->ended_at = monotonic_ms();
            request->error_logged = false;
            request->phase = ENDING;
        }
        for (struct request *other = requests; other < requests + MAX_REQUESTS; other++)
            if (other->helper == info.si_pid)
                other->helper = 0;
    }
}

/*
 * Whether what requests left behind is gone, or has to stay because another request runs. That is no reason to stay for
 * a request with a mark: what runs beside it (a probe, or what the program itself asked for) ends with it.
 */
static bool kill_leftovers(const struct request *request)
{
    for (struct request *other = requests; request->wants_mark && other < requests + MAX_REQUESTS; other++)
        if (other->phase == RUNNING)
            signal_group(other, SIGKILL);
    if (request->wants_mark && any_in_phase(RUNNING, COPYING))
        return false;
    if (!self.is_init || any_in_phase(RUNNING, RUNNING))
        return true;
    if (any_in_phase(ENDING, COPYING) || any_in_phase(MAKING_READABLE, MAKING_READABLE))
        return false; /* their own processes must not be hit */
    ignore(sys_kill(-1, SIGKILL)); /* fails if there is no other process */
    self.sweeping = reap_children();
    return !self.sweeping;
}

static void start_helper(struct request *request)
{
    if (!request->has_files)
        return;
    pid_t pid = fork_child(request, -1);
    if (pid == 0)
        make_files_readable(request->file);
    if (pid < 0)
        log_error("cannot make files readable for the coordinator", "", pid);
    else
        request->helper = pid;
}

/* Names the processes that a request left behind, which may be of another user, and cannot be killed. */
static void describe_leftovers(struct text *text)
{
    _Alignas(uint64_t) static char buffer[4 << 10];
    static struct text path;
    char name[32];
    unsigned named = 0;
    int processes = sys_openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    ssize_t size;
    text->length = 0;
    while (processes >= 0 && (size = sys_getdents64(processes, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < size;) { /* as in make_entries_readable */
            uint16_t length;
            memcpy(&length, buffer + at + 16, sizeof length);
            const char *digits = buffer + at + 19, *end = digits;
            at += length;
            long number = parse_number(&end);
            if (number <= 1 || *end != '\0')
                continue;
            path.length = 0;
            append(&path, "/proc/");
            append(&path, digits);
            append_bytes(&path, "/comm", 6);
            ssize_t known = read_small_file(path.bytes, name, sizeof name);
            if (known <= 0 || ++named > MAX_NAMED)
                continue; /* it has ended meanwhile */
            name[name[known - 1] == '\n' ? known - 1 : known] = '\0';
            if (named > 1)
                append(text, ", ");
            append_escaped(text, name);
            append(text, " (process ");
            append_number(text, (uint64_t)number, 1);
            append(text, ")");
        }
    }
    sys_close(processes);
    if (named > MAX_NAMED)
        append(text, " and others");
    if (named == 0)
        append(text, "unknown processes");
}

/* Brings the sweeping to an end: all is gone, or what is left is named, and no request will begin any more. */
static bool sweep_leftovers(struct request *request)
{
    int64_t now = monotonic_ms();
    if (request->sweep_until == 0)
        request->sweep_until = now + SWEEP_TIMEOUT;
    if (kill_leftovers(request))
        return true;
    if (now < request->sweep_until || any_in_phase(ENDING, COPYING) || any_in_phase(MAKING_READABLE, MAKING_READABLE))
        return false;
    describe_leftovers(&leftovers);
    request->has_leftovers = self.sweeping = true;
    return true;
}

/* How many processes of this container's cgroup the kernel has killed for their use of memory; 0 if it does not say.
 * The file is that of cgroup v2, or of v1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). */
static long read_oom_kills(void)
{
    static const char key[] = "oom_kill ";
    char buffer[256];
    if (read_small_file("/sys/fs/cgroup/memory.events", buffer, sizeof buffer) < 0 &&
        read_small_file("/sys/fs/cgroup/memory/memory.oom_control", buffer, sizeof buffer) < 0)
        return 0;
    const char *line = buffer;
    while (strlen(line) >= sizeof key && memcmp(line, key, sizeof key - 1) != 0) {
        line = strchr(line, '\n');
        if (!line)
            return 0;
        line++;
    }
    if (strlen(line) < sizeof key)
        return 0;
    line += sizeof key - 1;
    long kills = parse_number(&line);
    return kills < 0 ? 0 : kills;
}

/* Notes in all requests that run whether something was killed for its use of memory since this was called last: whose
 * process it was is not known, and to Kubernetes it is the container that ran out of memory. */
static void note_oom_kills(void)
{
    long before = self.oom_kills;
    self.oom_kills = read_oom_kills();
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        request->oom_killed = request->oom_killed || self.oom_kills > before;
}

/*
 * What is there under the next numbers when a request with a mark has ended was written while it ran, by itself or for
 * a probe: it never begins. An end under the number after them is false.
 */
static void discard_requests(void)
{
    static struct text name;
    while (remove_entry(numbered_name(&name, "run.", self.next)))
        self.next++;
    remove_entry(numbered_name(&name, "exited.", self.next));
}

static bool write_exited(struct request *request)
{
    static struct text content, temporary, name;
    note_oom_kills();
    format_exited(&content, request, self.next);
    if (request->has_leftovers)
        append_line(&content, "left=", &leftovers);
    if (error_of(request)->length > 0)
        append_line(&content, "error=", error_of(request));
    numbered_name(&temporary, ".exited.", request->number);
    numbered_name(&name, "exited.", request->number);
    int result = write_temporary(temporary.bytes, &content, request->reserve);
    if (result >= 0) {
        remove_entry(name.bytes); /* a false one, written by the request while it lived */
        if (request->file >= 0)
            ignore(sys_flock(request->file, LOCK_UN)); /* cannot fail: from here on, exited.N is believed */
        result = sys_renameat2(self.directory, temporary.bytes, self.directory, name.bytes, 0);
    }
    bool give_up = result < 0 && monotonic_ms() - request->ended_at > EXITED_TIMEOUT;
    if (give_up || (result < 0 && !request->error_logged)) {
        name.length--; /* the NUL */
        append(&name, give_up ? ", giving up" : ", retrying every second");
        append_bytes(&name, "", 1);
        log_error("cannot write ", name.bytes, result);
    }
    if (give_up)
        exit_now(EXIT_IO_ERROR);
    request->error_logged = result < 0;
    return result >= 0;
}

/* Brings a request as far as it can go. */
static void advance(struct request *request)
{
    enum phase before = request->phase;
    if (request->phase == ENDING &&
        (sys_kill(-request->pid, 0) == -ESRCH || monotonic_ms() - request->ended_at > GROUP_TIMEOUT)) {
        ignore(sys_shutdown(request->socket, SHUT_WR)); /* fails if there are no copy processes */
        request->phase = COPYING;
    }
    if (request->phase == COPYING && read_reports(request))
        request->phase = SWEEPING;
    if (request->phase == SWEEPING && sweep_leftovers(request)) {
        start_helper(request);
        request->phase = MAKING_READABLE;
    }
    if (request->phase == MAKING_READABLE && request->helper == 0)
        request->phase = MARKING;
    if (request->phase == MARKING && !mark_is_pending()) {
        if (request->wants_mark)
            make_mark(request->token);
        request->phase = REPORTING;
    }
    if (request->phase == REPORTING && request->wants_mark)
        discard_requests();
    if (request->phase == REPORTING && write_exited(request)) {
        sys_close(request->file);
        sys_close(request->socket);
        sys_close(request->reserve);
        request->phase = FREE;
        ring_coordinator();
    }
    self.check_again |= request->phase != before;
}

/* ------------------------------------------------------------------------------------------------------------------
 * What else may come: orders to stop, the order to exit, signals, the loss of the coordinator
 */

/*
 * An order is moved away before it is read. To read and then unlink it would unlink another one that has come meanwhile,
 * unread. Only what cannot be moved (the Step has put something in the way) is read where it is.
 */
static void handle_kill(struct request *request)
{
    static struct text name, taken;
    long number, grace;
    int result = read_order(numbered_name(&name, "kill.", request->number), &number, &grace);
    if (result == -ENOENT)
        return;
    numbered_name(&taken, ".taken.", request->number);
    bool moved = sys_renameat2(self.directory, name.bytes, self.directory, taken.bytes, 0) >= 0;
    if (moved)
        result = read_order(taken.bytes, &number, &grace);
    bool stays = sys_unlinkat(self.directory, moved ? taken.bytes : name.bytes, 0) < 0 && !moved;
    if (stays && (request->stopped || request->error_logged))
        return; /* one that stays is taken once */
    if (result < 0 || number < 1 || number > 64 || grace < 0) {
        log_error("ignoring malformed ", name.bytes, result == -EINVAL ? 0 : result);
        request->error_logged = stays;
        return;
    }
    request->stopped = true;
    request->error_logged = false;
    signal_group(request, (int)number);
    int64_t kill_at = monotonic_ms() + grace;
    if (request->kill_at == 0 || kill_at < request->kill_at)
        request->kill_at = kill_at;
}

/*
 * Exits if the coordinator says so and nothing is left to be done, or that has taken too long. What was read once holds
 * if a Step takes the file away; what makes no sense is a Step's, and the coordinator will write another one.
 */
static void handle_exit(int64_t now)
{
    long code, grace;
    int result = read_order("exit", &code, &grace);
    if (result == -ENOENT && self.exit_code < 0)
        return;
    if (result >= 0 && code <= 255) {
        self.exit_code = code;
        if (grace >= 0 && (self.exit_at == 0 || now + grace < self.exit_at))
            self.exit_at = now + grace;
    } else if (result != -ENOENT && !self.error_logged) {
        log_error("ignoring malformed ", "exit", result == -EINVAL ? 0 : result);
        self.error_logged = true;
    }
    if (self.exit_code < 0)
        return;
    if (self.exit_at != 0 && self.exit_at <= now) {
        for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
            if (request->phase == RUNNING)
                signal_group(request, SIGKILL);
        if (!any_in_phase(RUNNING, MARKING))
            exit_now((int)self.exit_code);
        return;
    }
    if (any_in_phase(RUNNING, REPORTING))
        return;
    start_requests(); /* what was written before `exit` goes first */
    if (any_in_phase(RUNNING, REPORTING) || mark_delays_exit(now))
        return;
    exit_now((int)self.exit_code);
}

static void handle_signals(void)
{
    struct signalfd_siginfo info;
    while (sys_read(self.signals, &info, sizeof info) == sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGCHLD)
            continue;
        bool ends = number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
        if (ends && self.terminated_by == 0)
            self.terminated_by = number;
        for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
            if (request->phase == RUNNING)
                signal_group(request, number);
    }
}

/* Ends if the coordinator was there and nobody has held its lock for too long. */
static void check_coordinator(int64_t now)
{
    int file = sys_openat(self.directory, "coordinator", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    bool free = file >= 0 && sys_flock(file, LOCK_EX | LOCK_NB) == 0;
    sys_close(file);
    if (!free) {
        self.coordinator_seen = now;
        return;
    }
    if (now - self.coordinator_seen < self.orphan_after)
        return;
    log_error("the coordinator is gone, exiting: its lock has been free for too long", "", 0);
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->phase == RUNNING)
            signal_group(request, SIGKILL);
    exit_now(EXIT_ORPHANED);
}

/* ------------------------------------------------------------------------------------------------------------------
 * The loop
 */

static void check_everything(void)
{
    handle_signals();
    reap_children();
    write_mark();
    start_requests();
    int64_t now = monotonic_ms();
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (request->phase == RUNNING)
            handle_kill(request);
        if (request->phase == RUNNING && request->kill_at != 0 && request->kill_at <= now) {
            signal_group(request, SIGKILL);
            request->kill_at = 0;
        }
        if (request->phase != REPORTING || request->error_logged == false)
            advance(request);
    }
    if (now >= self.tick_at) {
        self.tick_at = now + TICK;
        if (self.bell < 0)
            self.bell = open_fifo("bell", O_RDWR);
        for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
            advance(request);
        check_coordinator(now);
    }
    if (self.terminated_by != 0 && !any_in_phase(RUNNING, MARKING) && !mark_delays_exit(now))
        exit_now(128 + self.terminated_by);
    handle_exit(now);
}

static void wait_for_event(void)
{
    struct pollfd waiting[3 + MAX_REQUESTS] = {{self.signals, POLLIN, 0}, {self.bell, POLLIN, 0}};
    unsigned count = 2;
    if (mark_is_pending())
        waiting[count++] = (struct pollfd){STDOUT_FILENO, POLLOUT, 0};
    int64_t until = self.check_again ? 0 : self.tick_at;
    self.check_again = false;
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (request->phase == COPYING)
            waiting[count++] = (struct pollfd){request->socket, POLLIN, 0};
        if (request->phase == RUNNING && request->kill_at != 0 && request->kill_at < until)
            until = request->kill_at;
    }
    if (self.exit_at > monotonic_ms() && self.exit_at < until)
        until = self.exit_at;
    int64_t rest = until - monotonic_ms();
    if (rest < 0)
        rest = 0;
    struct timespec timeout = {(uint32_t)rest / 1000, (uint32_t)rest % 1000 * 1000000};
    /* whatever comes of it, everything is looked at */
    ignore(sys_ppoll(waiting, count, &timeout));
    if (waiting[1].revents != 0) {
        char rung[512];
        if (sys_read(self.bell, rung, sizeof rung) <= 0) {
            sys_close(self.bell); /* tried again at the next tick */
            self.bell = -1;
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------------
 * The start
 */

/* Nothing but the faults of this program itself interrupts it. What is sent waits in the signalfd. */
static void block_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    uint64_t blocked = ~(uint64_t)0, read = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        blocked &= ~((uint64_t)1 << (faults[i] - 1));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        read |= (uint64_t)1 << (wanted[i] - 1);
    ignore(sys_sigprocmask(SIG_SETMASK, &blocked)); /* these two cannot fail */
    ignore(sys_reset_signal(SIGCHLD)); /* ignored, it would keep children from being waited for */
    int signals = sys_signalfd4(-1, &read, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) {
        log_error("cannot receive signals", "", signals);
        exit_now(EXIT_IO_ERROR);
    }
    self.signals = signals;
}

static _Noreturn void serve(void)
{
    /* Steps are of the same user: none may trace this process, nor open its files in /proc. An exec ends that. */
    ignore(sys_prctl(PR_SET_DUMPABLE, 0)); /* cannot fail */
    block_signals();
    self.is_init = sys_getpid() == 1;
    if (!self.is_init)
        ignore(sys_prctl(PR_SET_CHILD_SUBREAPER, 1)); /* fails in qemu alone; then somebody else reaps the orphans */
    open_control_directory();
    self.oom_kills = read_oom_kills();
    self.coordinator_seen = monotonic_ms();
    make_fifos();
    self.bell = open_fifo("bell", O_RDWR);
    ring_coordinator();
    for (;;) {
        check_everything();
        wait_for_event();
    }
}

/* Copies this program to DIR/entrypoint: how it gets into a container whose image does not have it. */
static void install(const char *path)
{
    static char buffer[64 << 10];
    static struct text temporary;
    numbered_name(&temporary, ".entrypoint.", (uint32_t)sys_getpid());
    int directory = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    int from = sys_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
    if (from < 0)
        log_error("cannot read ", "/proc/self/exe", from);
    if (directory < 0)
        log_error("cannot open ", path, directory);
    if (from < 0 || directory < 0)
        exit_now(EXIT_IO_ERROR);
    ignore(sys_unlinkat(directory, temporary.bytes, 0)); /* usually not there */
    int to = sys_openat(directory, temporary.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ssize_t result = to;
    while (result >= 0 && (result = sys_read(from, buffer, sizeof buffer)) > 0)
        result = write_all(to, buffer, (size_t)result);
    if (result >= 0)
        result = sys_fchmod(to, 0755);
    if (result >= 0)
        result = sys_renameat2(directory, temporary.bytes, directory, "entrypoint", 0);
    if (result < 0) {
        log_error("cannot install the entrypoint in ", path, (int)result);
        ignore(sys_unlinkat(directory, temporary.bytes, 0)); /* if it was not made, there is nothing to remove */
        exit_now(EXIT_IO_ERROR);
    }
}

static int run_command_line(int count, char **arguments)
{
    static const char usage[] = "usage: entrypoint [--orphan-seconds N] [DIR]\n"
                                "       entrypoint install DIR\n"
                                "       entrypoint --version\n";
    static const char version[] = "monopod entrypoint " VERSION "\n";
    long orphan_seconds = DEFAULT_ORPHAN_SECONDS;
    if (count == 2 && strcmp(arguments[1], "--version") == 0)
        return write_all(STDOUT_FILENO, version, sizeof version - 1) < 0;
    if (count == 3 && strcmp(arguments[1], "install") == 0) {
        install(arguments[2]);
        return 0;
    }
    int next = 1;
    if (count >= 3 && strcmp(arguments[1], "--orphan-seconds") == 0) {
        const char *at = arguments[2];
        orphan_seconds = parse_number(&at);
        next = *at == '\0' && orphan_seconds >= 0 ? 3 : count + 1;
    }
    self.path = next < count ? arguments[next] : "/monopod/step";
    if (next < count - 1 || next > count || *self.path == '-' || strcmp(self.path, "install") == 0) {
        ignore(write_all(STDERR_FILENO, usage, sizeof usage - 1));
        return EXIT_USAGE;
    }
    self.orphan_after = (int64_t)orphan_seconds * 1000;
    serve();
}

/* Standard streams that are closed would be taken for the next file that is opened. */
static void open_standard_streams(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (sys_fcntl(descriptor, F_GETFD) == -EBADF)
            ignore(sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0)); /* without it there is nothing else to be opened instead */
}

#if __STDC_HOSTED__

int main(int count, char **arguments)
{
    initial_environment = environ;
    open_standard_streams();
    return run_command_line(count, arguments);
}

#else

/* The kernel leaves on the stack: the number of arguments, the arguments, NULL, the environment, NULL. */
_Noreturn void start_process(long *stack)
{
    int count = (int)*stack;
    char **arguments = (char **)(stack + 1);
    initial_environment = arguments + count + 1;
    open_standard_streams();
    exit_now(run_command_line(count, arguments));
}

#endif
