/*
 * The entrypoint is the first process of every container of a monopod Pod.
 *
 * It waits for requests in the container's control directory, runs them, and reports there how they ended. It knows
 * nothing about Tasks or Pipelines: docs/control-directory.md is the whole interface to the coordinator.
 *
 * This file is the supervisor:
 *
 * - It is one loop around ppoll(2). Whatever woke it (a signal, the bell, the tick every second), it checks everything:
 *   signals, dead children, requests, kill.N, exit. A lost wake-up costs time and nothing else.
 * - It allocates no memory and parses no request. A forked child does (request.c), so a request can break only itself.
 *   The child reports through a socket, which exec closes.
 * - All signals are blocked and read from a signalfd. There are no handlers, and signals interrupt no system call.
 * - A request moves through the phases of entrypoint.h in order, as far as it can each time (`advance`).
 *
 * The other files: request.c (run.N, up to exec), output.c (titles, copies, marks), make_readable.c (a helper process),
 * visit.c (shells beside a Step, and releasing one that is held), control_directory.c (the files and their formats),
 * text.c (strings and messages), kernel.h (system calls).
 */

#include "entrypoint.h"

static struct request requests[MAX_REQUESTS];
static struct text errors[MAX_REQUESTS]; /* apart from `requests`: rarely written, so they take no memory */
static struct text leftovers;            /* names of processes that cannot be killed */

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

/* Signals the process group, or only the child until it has called setsid. */
static void signal_group(struct request *request, int number)
{
    if (sys_kill(-request->pid, number) == -ESRCH)
        ignore(sys_kill(request->pid, number)); /* not reaped yet, so it exists */
}

static void signal_all(int number)
{
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->phase == RUNNING)
            signal_group(request, number);
}

/* ------------------------------------------------------------------------------------------------------------------
 * Requests: from run.N to exited.N
 */

/* Forks a child that reports through `socket` and does not hold the lock of `alive`. */
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

static void fail_start(struct request *request, const char *message, int error)
{
    struct text *text = error_of(request);
    append(text, message);
    append(text, ": ");
    append_error(text, error);
    request->status = CODE_CANNOT_RUN << 8;
    request->phase = REPORTING;
}

/*
 * Returns room for the end of a request, which must be there before its program can fill the disk. It was reserved when
 * the request before was started, so that it delays no program.
 */
static int take_reserve(void)
{
    int taken = self.reserve >= 0 ? self.reserve : reserve_exited();
    self.reserve = -1;
    return taken;
}

static void start_request(struct request *request, int file, int locked, bool wants_mark)
{
    struct name name;
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
    request->reserve = take_reserve();
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
    self.reserve = reserve_exited();
}

/* Whether a request with a mark has ended but is not reported yet. Until it is, no request may start. */
static bool marked_request_is_ending(void)
{
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->wants_mark && request->phase >= ENDING)
            return true;
    return false;
}

static void start_requests(void)
{
    struct name name;
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (self.terminated_by != 0 || self.sweeping || mark_is_pending() || marked_request_is_ending() ||
            (self.exit_at != 0 && self.exit_at <= monotonic_ms()))
            return;
        if (request->phase != FREE)
            continue;
        int file = sys_openat(self.directory, numbered_name(&name, "run.", self.next),
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
        if (file == -ENOENT || file == -EMFILE || file == -ENFILE || file == -ENOMEM)
            return; /* no request, or no resources for it now */
        int locked = file < 0 ? file : sys_flock(file, LOCK_EX | LOCK_NB);
        bool wants_mark = locked >= 0 && starts_with_mark(file);
        if (locked == -EWOULDBLOCK || (wants_mark && any_in_phase(RUNNING, REPORTING))) {
            sys_close(file);
            return; /* try again later: the lock is held, or a request with a mark must run alone */
        }
        if (wants_mark && *self.mark_of_life != '\0' && join_streams()) {
            put_mark(self.mark_of_life);
            *self.mark_of_life = '\0';
            if (mark_is_pending()) {
                sys_close(file);
                return; /* try again when it is written */
            }
        }
        start_request(request, file, locked, wants_mark);
    }
}

/* Reads what the child reported. Returns whether it and its copy processes have closed the socket. */
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

/* Reaps all dead children. Returns whether any child is left. */
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
        bool is_program = request < requests + MAX_REQUESTS;
        if (is_program) /* before wait4, while the PID cannot be reused */
            ignore(sys_kill(-request->pid, SIGKILL));
        int status = 0;
        struct kernel_rusage usage = {0};
        ignore(sys_wait4(info.si_pid, &status, 0, &usage)); /* it is dead: returns at once */
        if (is_program) {
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
 * Kills the processes that requests left behind. Returns true when none is left, or when they have to stay because
 * another request is running. A request with a mark ends all others: a probe, or a request that its program wrote
 * itself.
 */
static bool kill_leftovers(const struct request *request)
{
    if (request->wants_mark)
        signal_all(SIGKILL);
    if (request->wants_mark && any_in_phase(RUNNING, COPYING))
        return false;
    if (!self.is_init || any_in_phase(RUNNING, RUNNING))
        return true;
    if (any_in_phase(ENDING, COPYING) || any_in_phase(MAKING_READABLE, MAKING_READABLE))
        return false; /* their copies and helpers must not be killed */
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

/* Lists the processes that a request left behind and that cannot be killed, since another user owns them. */
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
                continue; /* it has just ended, or there are too many */
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

/* Ends the sweep: no process is left, or the rest is listed and the container takes no further request. */
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
    if (self.restarts)
        self.exit_code = EXIT_RESTART; /* once the end is reported, unless `exit` gives another code */
    return true;
}

/*
 * Returns how many processes of this cgroup the OOM killer has killed, 0 if unknown. The file is that of cgroup v2 or
 * v1 (Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst).
 */
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

/*
 * Marks all requests if the OOM killer was here since the last call. Which request it hit is unknown; in Kubernetes,
 * too, it is the container that runs out of memory.
 */
static void note_oom_kills(void)
{
    long before = self.oom_kills;
    self.oom_kills = read_oom_kills();
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        request->oom_killed = request->oom_killed || self.oom_kills > before;
}

/*
 * Removes the requests that were written while a request with a mark ran, by its program or for a probe. They never
 * start. Removes the exited.N of the next request too, which would be forged.
 */
static void discard_requests(void)
{
    struct name name;
    while (remove_entry(numbered_name(&name, "run.", self.next)))
        self.next++;
    remove_entry(numbered_name(&name, "exited.", self.next));
}

static bool write_exited(struct request *request)
{
    static struct text content, unwritten;
    struct name temporary, name;
    note_oom_kills();
    format_exited(&content, request, self.next);
    if (request->has_leftovers)
        append_line(&content, "left=", &leftovers);
    if (request->has_leftovers && self.restarts)
        append(&content, "restart=1\n");
    if (error_of(request)->length > 0)
        append_line(&content, "error=", error_of(request));
    numbered_name(&temporary, ".exited.", request->number);
    numbered_name(&name, "exited.", request->number);
    int result = write_temporary(temporary.bytes, &content, request->reserve);
    sys_close(request->reserve);
    request->reserve = -1; /* it works once */
    if (result >= 0) {
        remove_entry(name.bytes); /* a forged one, written by the program */
        if (request->file >= 0)
            ignore(sys_flock(request->file, LOCK_UN)); /* cannot fail; from now on the coordinator believes exited.N */
        result = sys_renameat2(self.directory, temporary.bytes, self.directory, name.bytes, 0);
    }
    bool give_up = result < 0 && monotonic_ms() - request->ended_at > EXITED_TIMEOUT;
    if (give_up || (result < 0 && !request->error_logged)) {
        unwritten.length = 0;
        append(&unwritten, name.bytes);
        append(&unwritten, give_up ? ", giving up" : ", retrying every second");
        append_bytes(&unwritten, "", 1);
        log_error("cannot write ", unwritten.bytes, result);
    }
    if (give_up)
        exit_now(EXIT_IO_ERROR);
    request->error_logged = result < 0;
    return result >= 0;
}

/* Moves a request through its phases as far as it can go. */
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
        request->phase = FREE;
        ring_coordinator();
    }
    self.check_again |= request->phase != before;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Other events: kill.N, exit, signals, a lost coordinator
 */

/*
 * kill.N is renamed before it is read: to read and then unlink it could remove a later one unread. It is read in place
 * only if it cannot be renamed, because the Step blocked the other name.
 */
static void handle_kill(struct request *request)
{
    struct name name, taken;
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
        return; /* one that cannot be removed is handled once */
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
 * Exits once the coordinator has written `exit` and no request is left, or the grace period is over. What was read
 * stays valid if a Step removes the file. A malformed file is a Step's; the coordinator writes another one.
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
        signal_all(SIGKILL);
        if (!any_in_phase(RUNNING, MARKING))
            exit_now((int)self.exit_code);
        return;
    }
    if (any_in_phase(RUNNING, REPORTING))
        return;
    start_requests(); /* requests written before `exit` run first */
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
        signal_all(number);
    }
}

/* Exits if the coordinator has been here and nobody has held its lock for too long. */
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
    signal_all(SIGKILL);
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
        if (request->phase != REPORTING || !request->error_logged)
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
    int64_t now = monotonic_ms();
    if (self.exit_at > now && self.exit_at < until)
        until = self.exit_at;
    int64_t rest = until > now ? until - now : 0;
    struct timespec timeout = {(uint32_t)rest / 1000, (uint32_t)rest % 1000 * 1000000};
    ignore(sys_ppoll(waiting, count, &timeout)); /* whatever it returns, everything is checked */
    if (waiting[1].revents != 0) {
        char rung[512];
        if (sys_read(self.bell, rung, sizeof rung) <= 0) {
            sys_close(self.bell); /* opened again at the next tick */
            self.bell = -1;
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------------
 * The start
 */

/* Blocks all signals but those of a fault of this program. The signalfd receives them. */
static void block_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    uint64_t blocked = ~(uint64_t)0, read = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        blocked &= ~((uint64_t)1 << (faults[i] - 1));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        read |= (uint64_t)1 << (wanted[i] - 1);
    ignore(sys_sigprocmask(SIG_SETMASK, &blocked)); /* cannot fail */
    ignore(sys_reset_signal(SIGCHLD)); /* cannot fail. If SIGCHLD were ignored, children could not be reaped */
    int signals = sys_signalfd4(-1, &read, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) {
        log_error("cannot receive signals", "", signals);
        exit_now(EXIT_IO_ERROR);
    }
    self.signals = signals;
}

static _Noreturn void serve(void)
{
    /* A Step of the same user must not trace this process or open its files in /proc. exec resets this. */
    ignore(sys_prctl(PR_SET_DUMPABLE, 0)); /* cannot fail */
    block_signals();
    self.is_init = sys_getpid() == 1;
    if (!self.is_init)
        ignore(sys_prctl(PR_SET_CHILD_SUBREAPER, 1)); /* fails only in qemu; then another process reaps orphans */
    open_control_directory();
    self.oom_kills = read_oom_kills();
    self.coordinator_seen = monotonic_ms();
    make_fifos();
    self.bell = open_fifo("bell", O_RDWR);
    ring_coordinator();
    self.reserve = reserve_exited();
    for (;;) {
        check_everything();
        wait_for_event();
    }
}

static int run_command_line(int count, char **arguments)
{
    static const char usage[] = "usage: entrypoint [--restarts] [--orphan-seconds N] [DIR]\n"
                                "       entrypoint install DIR\n"
                                "       entrypoint shell [NAME=VALUE]... [-- PROGRAM [ARGUMENT]...]\n"
                                "       entrypoint continue|fail\n"
                                "       entrypoint --version\n";
    static const char version[] = "monopod entrypoint " VERSION "\n";
    long orphan_seconds = DEFAULT_ORPHAN_SECONDS;
    if (count == 2 && strcmp(arguments[1], "--version") == 0)
        return write_all(STDOUT_FILENO, version, sizeof version - 1) < 0;
    if (count == 3 && strcmp(arguments[1], "install") == 0) {
        install(arguments[2]);
        return 0;
    }
    if (count >= 2 && strcmp(arguments[1], "shell") == 0)
        visit(count - 2, arguments + 2);
    if (count >= 2 && (strcmp(arguments[1], "continue") == 0 || strcmp(arguments[1], "fail") == 0))
        return release_step(arguments[1]); /* a script with this program as interpreter adds its own path */
    int next = 1;
    if (next < count && strcmp(arguments[next], "--restarts") == 0) {
        self.restarts = true;
        next++;
    }
    if (next + 1 < count && strcmp(arguments[next], "--orphan-seconds") == 0) {
        const char *at = arguments[next + 1];
        orphan_seconds = parse_number(&at);
        next = *at == '\0' && orphan_seconds >= 0 ? next + 2 : count + 1;
    }
    self.path = next < count ? arguments[next] : "/monopod/step";
    if (next < count - 1 || next > count || *self.path == '-' || strcmp(self.path, "install") == 0) {
        ignore(write_all(STDERR_FILENO, usage, sizeof usage - 1));
        return EXIT_USAGE;
    }
    self.orphan_after = (int64_t)orphan_seconds * 1000;
    serve();
}

/* Opens closed standard streams; otherwise the next file that is opened would become one. */
static void open_standard_streams(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (sys_fcntl(descriptor, F_GETFD) == -EBADF)
            ignore(sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0)); /* there is no alternative */
}

#if __STDC_HOSTED__

int main(int count, char **arguments)
{
    initial_environment = environ;
    open_standard_streams();
    return run_command_line(count, arguments);
}

#else

/* Called by _start. On the stack are the number of arguments, the arguments, NULL, the environment, NULL. */
_Noreturn void start_process(long *stack)
{
    int count = (int)*stack;
    char **arguments = (char **)(stack + 1);
    initial_environment = arguments + count + 1;
    open_standard_streams();
    exit_now(run_command_line(count, arguments));
}

#endif
