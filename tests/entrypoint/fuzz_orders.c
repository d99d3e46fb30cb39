/*
 * The entrypoint's reading of control files, fed by libFuzzer: in one process, with ASan and UBSan.
 *
 * It holds all files of the entrypoint, whose only ways to the outside are syscall(2), fork(2) and malloc(3). Here these lead to
 * a kernel that is made up: it holds one file or several, answers as the input says (short reads, EINTR, ENOSPC …), and
 * notes what is asked of it. What ends a process comes back by longjmp. So nothing is forked, opened or killed for real,
 * and an input takes microseconds.
 *
 * An input is a letter for what is read, a byte N, N bytes of luck from its end (one for each answer of the kernel that
 * may be bad), and between them the content:
 *
 *   r   one run.N, read by the child up to its exec, and once more by the helper that makes files readable
 *   k   kill.1, while request 1 runs
 *   x   exit, while nothing runs
 *   m   memory.events
 *   l   the whole loop: a list of events, each a letter, a length and a content (function `happen`)
 *
 * Each is held against an independent reading of docs/control-directory.md: what differs is a crash, as an overflow is.
 *
 *   clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all fuzz_orders.c -o fuzz_orders
 *   ./fuzz_orders -max_total_time=60 DIRECTORY-TO-KEEP-INPUTS-IN DIRECTORY-OF-FIRST-INPUTS
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long made_up_syscall(long number, long a, long b, long c, long d, long e, long f);
static int made_up_fork(void);
static void *made_up_malloc(size_t size);

#define syscall made_up_syscall
#define fork made_up_fork
#define malloc made_up_malloc
#define main entrypoint_main
#include "../../entrypoint/clean.c"
#include "../../entrypoint/control_directory.c"
#include "../../entrypoint/entrypoint.c"
#include "../../entrypoint/install.c"
#include "../../entrypoint/kernel.c"
#include "../../entrypoint/make_readable.c"
#include "../../entrypoint/output.c"
#include "../../entrypoint/request.c"
#include "../../entrypoint/text.c"
#undef syscall
#undef fork
#undef malloc
#undef main

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

enum {
    FILES = 64,          /* of the made-up kernel */
    DESCRIPTORS = 160,
    DIRECTORY = 3,       /* descriptors: the control directory's, the signalfd's, the child's socket */
    SIGNALS = 4,
    SOCKET = 5,
    FIRST = 10,          /* descriptor of what is opened */
    PROCESS = 1000,      /* the first process that is forked */
};

/* ------------------------------------------------------------------------------------------------------------------
 * What is given: bytes that the input holds, and luck
 */

static const uint8_t *luck, *luck_end;
static bool unlucky; /* something went wrong that is not the content's fault */

static unsigned draw(void)
{
    return luck < luck_end ? *luck++ : 0;
}

/* 0, or one of the errors of which a call is capable; most often 0, and always when there is no luck left. */
static int bad_luck(const int *errors, unsigned count)
{
    unsigned drawn = draw();
    if (drawn == 0 || drawn > 2 * count)
        return 0;
    unlucky = true;
    return errors[(drawn - 1) / 2];
}

#define UNLUCKY(...) bad_luck((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* ------------------------------------------------------------------------------------------------------------------
 * The kernel that is made up
 */

struct file {
    char name[64];
    const uint8_t *bytes; /* of the input, or NULL for those that the entrypoint wrote */
    size_t size;
    char *written;
    unsigned mode;
};

struct span {
    const uint8_t *bytes;
    size_t size;
};

static struct {
    jmp_buf left;             /* where exit_group and execve lead */
    int code;                 /* of exit_group */
    struct file files[FILES];
    struct {
        bool open, locked;
        struct file *file;    /* NULL: of no name (a socket, a FIFO, a pipe) */
        size_t at;
    } descriptors[DESCRIPTORS];
    int64_t now;              /* ms */
    char **arguments, **environment; /* of execve */
    struct report report;     /* the last that was sent; `reported` is its size */
    long reported;
    struct {
        long pid, number;
    } kills[256];             /* kill(2), the first ones */
    unsigned kill_count;
    unsigned forks;
    struct {
        bool alive, dead;     /* dead: to be waited for */
        int status;
    } processes[256];
    uint64_t signals[16];     /* to be read from the signalfd */
    unsigned signal_count;
    void *blocks[4096];
    unsigned block_count;
    bool in_child;            /* what is written to the socket is its report */
    struct span title;        /* what the child wrote to standard output */
    char stream[4096];        /* what was written to standard output */
    size_t streamed;
    unsigned tokens;          /* that were drawn */
    unsigned unnamed;         /* files that were made without a name */
} kernel_state;

#define K kernel_state

static int made_up_fork(void)
{
    int error = UNLUCKY(EAGAIN, ENOMEM);
    if (error != 0 || K.forks >= 250) {
        errno = error != 0 ? error : EAGAIN;
        return -1;
    }
    K.processes[K.forks].alive = true;
    return PROCESS + (int)K.forks++;
}

static void *made_up_malloc(size_t size)
{
    CHECK(K.block_count < sizeof K.blocks / sizeof *K.blocks);
    void *block = malloc(size);
    CHECK(block != NULL);
    K.blocks[K.block_count++] = block;
    return block;
}

static struct file *file_of(const char *name)
{
    for (struct file *file = K.files; file < K.files + FILES; file++)
        if (file->name[0] != '\0' && strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

static struct file *new_file(const char *name)
{
    struct file *file = file_of(name);
    if (file == NULL)
        for (file = K.files; file < K.files + FILES && file->name[0] != '\0'; file++)
            ;
    if (file == K.files + FILES || strlen(name) >= sizeof file->name) {
        unlucky = true;
        return NULL;
    }
    free(file->written);
    *file = (struct file){.mode = S_IFREG | 0644};
    strcpy(file->name, name);
    return file;
}

static void remove_file(struct file *file)
{
    for (int i = 0; i < DESCRIPTORS; i++)
        if (K.descriptors[i].open && K.descriptors[i].file == file)
            K.descriptors[i].file = NULL; /* what is open and unlinked reads as empty */
    free(file->written);
    *file = (struct file){0};
}

static long new_descriptor(struct file *file)
{
    for (int i = 0; i < DESCRIPTORS; i++) {
        if (!K.descriptors[i].open) {
            K.descriptors[i].open = true;
            K.descriptors[i].locked = false;
            K.descriptors[i].file = file;
            K.descriptors[i].at = 0;
            return FIRST + i;
        }
    }
    return -EMFILE;
}

/* A file without a name, which linkat gives one: here a name that nobody else uses. */
static long open_unnamed(void)
{
    char name[16];
    if (UNLUCKY(EINTR, EOPNOTSUPP, ENOSPC))
        return -EOPNOTSUPP;
    snprintf(name, sizeof name, "#%u", K.unnamed++);
    struct file *file = new_file(name);
    return file == NULL ? -ENOSPC : new_descriptor(file);
}

static long open_file(const char *name, long flags)
{
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return open_unnamed();
    struct file *file = file_of(name);
    if (file == NULL && !(flags & O_CREAT))
        return -ENOENT;
    if (file != NULL && flags & O_EXCL)
        return -EEXIST;
    int error = flags & O_CREAT ? UNLUCKY(EINTR, ENOSPC, EROFS) : UNLUCKY(EINTR, EACCES, EMFILE, ELOOP, EISDIR);
    if (error != 0)
        return -error;
    if (file == NULL)
        file = new_file(name);
    return file == NULL ? -ENOSPC : new_descriptor(file);
}

static long read_from(long descriptor, void *into, size_t size)
{
    int error = UNLUCKY(EINTR, EIO, EISDIR);
    if (error != 0)
        return -error;
    struct file *file = K.descriptors[descriptor - FIRST].file;
    if (file == NULL)
        return 0;
    size_t *at = &K.descriptors[descriptor - FIRST].at;
    size_t rest = file->size - (*at < file->size ? *at : file->size);
    if (size > rest)
        size = rest;
    unsigned piece = draw();
    if (piece != 0 && piece < size) {
        size = piece; /* a short read */
        unlucky = true;
    }
    if (size > 0)
        memcpy(into, (file->written != NULL ? (const uint8_t *)file->written : file->bytes) + *at, size);
    *at += size;
    return (long)size;
}

static long write_into(long descriptor, const char *from, size_t size)
{
    if (descriptor == STDOUT_FILENO && K.in_child) {
        CHECK(K.title.bytes == NULL); /* in one piece */
        K.title = (struct span){(const uint8_t *)from, size};
        return (long)size;
    }
    if (descriptor == STDOUT_FILENO || descriptor == STDERR_FILENO) {
        CHECK(memchr(from, '\n', size) == from + size - 1); /* one line, whatever is in it */
        CHECK((descriptor == STDOUT_FILENO) == (*from == '\x1e'));
        if (descriptor == STDOUT_FILENO && K.streamed + size <= sizeof K.stream) {
            memcpy(K.stream + K.streamed, from, size);
            K.streamed += size;
        }
        return (long)size;
    }
    int error = UNLUCKY(EINTR, ENOSPC);
    if (error != 0)
        return -error;
    struct file *file = K.descriptors[descriptor - FIRST].file;
    if (file == NULL)
        return (long)size;
    size_t *at = &K.descriptors[descriptor - FIRST].at;
    if (*at + size > file->size) {
        file->written = realloc(file->written, *at + size);
        CHECK(file->written != NULL);
        file->size = *at + size;
    }
    memcpy(file->written + *at, from, size);
    *at += size;
    return (long)size;
}

static bool is_open(long descriptor)
{
    return descriptor >= FIRST && descriptor < FIRST + DESCRIPTORS && K.descriptors[descriptor - FIRST].open;
}

static void end_process(long index, int status)
{
    K.processes[index].alive = false;
    K.processes[index].dead = true;
    K.processes[index].status = status;
}

static long signal_to(long pid, long number)
{
    CHECK(number >= 0 && number <= 64);
    if (K.kill_count < sizeof K.kills / sizeof *K.kills) {
        K.kills[K.kill_count].pid = pid;
        K.kills[K.kill_count++].number = number;
    }
    long index = (pid < 0 ? -pid : pid) - PROCESS;
    for (long each = 0; pid == -1 && each < (long)K.forks; each++)
        if (K.processes[each].alive)
            end_process(each, SIGKILL);
    if (pid == -1 || index < 0 || index >= (long)K.forks || !K.processes[index].alive)
        return -ESRCH;
    if (number == SIGKILL)
        end_process(index, SIGKILL);
    return 0;
}

/* The first that is dead, or `pid`, which then ends; 0 if nobody is dead, -ECHILD if nobody is there. */
static long wait_for(long pid, int *status)
{
    long none = -ECHILD;
    if (pid > 0 && K.processes[pid - PROCESS].alive)
        end_process(pid - PROCESS, (int)draw() << 8);
    for (long index = 0; index < (long)K.forks; index++) {
        if (K.processes[index].alive)
            none = 0;
        if (!K.processes[index].dead || (pid > 0 && pid != PROCESS + index))
            continue;
        if (status != NULL) {
            *status = K.processes[index].status;
            K.processes[index].dead = false;
        }
        return PROCESS + index;
    }
    return none;
}

static long answer(long number, long a, long b, long c, long d)
{
    switch (number) {
    case SYS_exit_group:
        K.code = (int)a;
        longjmp(K.left, 1);
    case SYS_execve:
        K.arguments = (char **)b;
        K.environment = (char **)c;
        for (char **text = K.arguments; *text != NULL; text++)
            CHECK(strlen(*text) < MAX_ALLOCATED_BYTES);
        for (char **text = K.environment; *text != NULL; text++)
            CHECK(strchr(*text, '=') != NULL && **text != '=');
        return -(UNLUCKY(EACCES, ENOEXEC, E2BIG, ENOTDIR) ?: ENOENT);
    case SYS_clock_gettime:
        *(struct timespec *)b = (struct timespec){K.now / 1000, K.now % 1000 * 1000000};
        return 0;
    case SYS_openat:
        return open_file((const char *)b, c);
    case SYS_close:
        if (is_open(a)) {
            struct file *file = K.descriptors[a - FIRST].file;
            K.descriptors[a - FIRST].open = false;
            if (file != NULL && file->name[0] == '#')
                remove_file(file);
        }
        return 0;
    case SYS_ftruncate:
        if (K.descriptors[a - FIRST].file != NULL)
            K.descriptors[a - FIRST].file->size = (size_t)b;
        return 0;
    case SYS_linkat: {
        struct file *file = K.descriptors[atoi((const char *)b + strlen("/proc/self/fd/")) - FIRST].file;
        int error = UNLUCKY(EINTR, ENOSPC, EEXIST);
        if (error != 0 || file == NULL || file->name[0] != '#' || file_of((const char *)d) != NULL)
            return -(error ?: ENOENT);
        strcpy(file->name, (const char *)d);
        return 0;
    }
    case SYS_read:
        if (a == SIGNALS) {
            if (K.signal_count == 0)
                return -EAGAIN;
            memset((void *)b, 0, (size_t)c);
            ((struct signalfd_siginfo *)b)->ssi_signo = (uint32_t)K.signals[--K.signal_count];
            return sizeof(struct signalfd_siginfo);
        }
        return is_open(a) ? read_from(a, (void *)b, (size_t)c) : -EBADF;
    case SYS_write:
        if (a == SOCKET && K.in_child) {
            CHECK(c <= (long)sizeof K.report);
            K.reported = c;
            memcpy(&K.report, (void *)b, (size_t)c);
            return c;
        }
        return a == STDOUT_FILENO || a == STDERR_FILENO || is_open(a) ? write_into(a, (const char *)b, (size_t)c) : -EBADF;
    case SYS_pread64: {
        if (!is_open(a))
            return -EBADF;
        size_t at = K.descriptors[a - FIRST].at;
        K.descriptors[a - FIRST].at = (size_t)d;
        long result = read_from(a, (void *)b, (size_t)c);
        K.descriptors[a - FIRST].at = at;
        return result;
    }
    case SYS_readlinkat: { /* of what could not be opened since it is a link: its target is the content */
        int error = UNLUCKY(EINVAL, EACCES);
        struct file *file = file_of((const char *)b);
        if (error != 0 || file == NULL)
            return -(error ?: ENOENT);
        long size = file->size < (size_t)d ? (long)file->size : d;
        memcpy((char *)c, file->written != NULL ? (const uint8_t *)file->written : file->bytes, (size_t)size);
        return size;
    }
    case SYS_lseek:
        if (is_open(a))
            K.descriptors[a - FIRST].at = (size_t)b;
        return b;
    case SYS_unlinkat: {
        int error = UNLUCKY(EINTR, EISDIR, EROFS);
        struct file *file = file_of((const char *)b);
        if (error != 0 || file == NULL)
            return -(error ?: ENOENT);
        remove_file(file);
        return 0;
    }
    case SYS_renameat2: {
        int error = UNLUCKY(EINTR, EISDIR, ENOSPC);
        struct file *from = file_of((const char *)b), *old = file_of((const char *)d);
        if (strncmp((const char *)d, "exited.", 7) == 0) /* of a request that is told, so that it can be believed */
            for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
                if (request->phase == REPORTING && request->file >= 0 && strcmp((const char *)d, "exited.") != 0 &&
                    request->number == (uint32_t)atoi((const char *)d + 7))
                    CHECK(!K.descriptors[request->file - FIRST].locked);
        if (error != 0 || from == NULL)
            return -(error ?: ENOENT);
        if (old != NULL)
            remove_file(old);
        strcpy(from->name, (const char *)d);
        return 0;
    }
    case SYS_kill:
        return signal_to(a, b);
    case SYS_waitid: {
        long pid = wait_for(-1, NULL);
        ((siginfo_t *)c)->si_pid = pid > 0 ? (int)pid : 0;
        return pid < 0 ? pid : 0;
    }
    case SYS_wait4: {
        int status = 0;
        long pid = wait_for(a, &status);
        *(int *)b = pid > 0 ? status : 0;
        return pid;
    }
    case SYS_flock:
        if (b != LOCK_UN && UNLUCKY(EINTR, EWOULDBLOCK))
            return -EWOULDBLOCK;
        if (is_open(a))
            K.descriptors[a - FIRST].locked = b != LOCK_UN;
        return 0;
    case SYS_chdir:
        return -UNLUCKY(EINTR, ENOENT, EACCES, ENOTDIR);
    case SYS_mkdirat:
        return -UNLUCKY(EINTR, EEXIST, EROFS);
    case SYS_fchmod:
    case SYS_fchmodat:
        return -UNLUCKY(EINTR, EPERM);
    case SYS_dup3:
        return -UNLUCKY(EINTR, EBUSY);
    case SYS_getdents64:
        return -UNLUCKY(EINTR, EIO);
    case SYS_getpid:
    case SYS_getppid:
        return 7;
    case SYS_pipe2:
    case SYS_socketpair: {
        int *ends = (int *)(number == SYS_pipe2 ? a : d);
        int error = UNLUCKY(EMFILE, ENFILE);
        if (error != 0)
            return -error;
        long one = new_descriptor(NULL), other = one < 0 ? one : new_descriptor(NULL);
        if (other < 0) {
            if (one >= 0)
                K.descriptors[one - FIRST].open = false;
            return other;
        }
        ends[0] = (int)one;
        ends[1] = (int)other;
        return 0;
    }
    case SYS_recvfrom: {
        unsigned drawn = draw();
        if (drawn == 1)
            return -EAGAIN;
        if (drawn != 2)
            return 0; /* closed by all that held it */
        struct report *report = (struct report *)b;
        unsigned flags = draw();
        *report = (struct report){
            .start = {K.now / 1000, 0}, .has_files = flags & 1, .error = {.length = draw() * 20}};
        memset(report->error.bytes, 'e', report->error.length < MAX_TEXT_BYTES ? report->error.length : MAX_TEXT_BYTES);
        if (report->error.length > MAX_TEXT_BYTES)
            report->error.length = MAX_TEXT_BYTES;
        return (long)(offsetof(struct report, error.bytes) + report->error.length);
    }
    case SYS_setsid:
    case SYS_prctl:
    case SYS_shutdown:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_umask:
        return 0;
    case SYS_mknodat: {
        struct file *file = file_of((const char *)b) == NULL ? new_file((const char *)b) : NULL;
        if (file != NULL)
            file->mode = (unsigned)c;
        return file == NULL ? -EEXIST : 0;
    }
    case SYS_ppoll:
        if (c != 0) {
            const struct timespec *timeout = (const struct timespec *)c;
            CHECK(timeout->tv_sec >= 0 && timeout->tv_sec <= TICK / 1000);
            CHECK(timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000);
            K.now += timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000;
        }
        for (struct pollfd *each = (struct pollfd *)a; a != 0 && each < (struct pollfd *)a + b; each++)
            each->revents = (short)(each->events & POLLOUT); /* a stream has room, or is full, or nobody reads it */
        if (b == 1 && ((struct pollfd *)a)->events == POLLOUT) {
            unsigned drawn = draw();
            ((struct pollfd *)a)->revents = drawn == 1 ? 0 : drawn == 2 ? POLLERR : POLLOUT;
            return drawn != 1;
        }
        return 0;
    case SYS_ioctl:
        CHECK(a >= STDIN_FILENO && a <= STDERR_FILENO && b == FIONBIO && *(const int *)c == 0);
        return 0;
    case SYS_getrandom:
        if (draw() == 1)
            return -EAGAIN;
        for (long i = 0; i < b; i++)
            ((uint8_t *)a)[i] = (uint8_t)(K.tokens * 7 + i);
        K.tokens++;
        return b;
    default:
        CHECK(!"a system call that is not made up yet");
    }
    return 0;
}

/* statx(2) is the only call here that gives something by its fifth argument. */
static long status_of(long descriptor, const char *path, long flags, struct statx *status)
{
    int error = UNLUCKY(EINTR, EACCES);
    struct file *file = flags & AT_EMPTY_PATH && is_open(descriptor) ? K.descriptors[descriptor - FIRST].file : file_of(path);
    if (error != 0 || file == NULL)
        return -(error ?: ENOENT);
    status->stx_mode = (uint16_t)file->mode;
    status->stx_size = file->size;
    unsigned drawn = draw();
    unlucky |= drawn > 0 && drawn <= 3;
    if (drawn == 1)
        status->stx_mode = S_IFDIR | 0755;
    else if (drawn == 2)
        status->stx_size = (uint64_t)MAX_REQUEST_BYTES + draw(); /* it shrinks, or is sparse */
    else if (drawn == 3)
        status->stx_size /= 2; /* it grows */
    return 0;
}

static long made_up_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    (void)f;
    long result = number == SYS_statx ? status_of(a, (const char *)b, c, (struct statx *)e) : answer(number, a, b, c, d);
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* ------------------------------------------------------------------------------------------------------------------
 * docs/control-directory.md, read a second time
 */

static struct span text_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* Splits off what comes before the first NUL; false if there is none. */
static bool next_record(struct span *rest, struct span *record)
{
    for (size_t size = 0; size < rest->size; size++) {
        if (rest->bytes[size] == '\0') {
            *record = (struct span){rest->bytes, size};
            *rest = (struct span){rest->bytes + size + 1, rest->size - size - 1};
            return true;
        }
    }
    return false;
}

/* Whether a run.N is well-formed. */
static bool makes_sense(struct span rest, unsigned *arguments)
{
    struct span record;
    unsigned seen[5] = {0, 0, 0, 0, 0}, records = 0;
    *arguments = 0;
    while (next_record(&rest, &record)) {
        char letter = record.size > 0 ? (char)record.bytes[0] : '\0';
        const char *once = letter != '\0' ? strchr("dormt", letter) : NULL;
        if (letter == '.')
            return record.size == 1 && rest.size == 0 && *arguments > 0;
        if (letter == '\0' || strchr("eadorxmtcn", letter) == NULL || (once != NULL && seen[once - "dormt"]++ > 0))
            return false;
        if (letter == 'm' && (record.size != 1 || records != 0))
            return false;
        records++;
        if (letter == 'e') {
            const uint8_t *equals = memchr(record.bytes, '=', record.size);
            if (equals == NULL || equals == record.bytes + 1)
                return false;
        }
        *arguments += letter == 'a';
    }
    return false;
}

enum { ENOUGH = 1 << 16 }; /* longer texts are not compared */

struct long_text {
    size_t size;
    bool too_long;
    char bytes[ENOUGH];
};

static void append_long(struct long_text *text, const void *bytes, size_t size)
{
    if (size > sizeof text->bytes - text->size) {
        text->too_long = true;
        return;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

/* The environment of the second reading: each entry NAME=VALUE, in order of their last setting. */
static struct {
    struct span entries[4096];
    unsigned count;
} variables;

static const struct span *variable(const uint8_t *name, size_t size)
{
    for (unsigned i = 0; i < variables.count; i++) {
        const struct span *each = &variables.entries[i];
        const uint8_t *equals = memchr(each->bytes, '=', each->size);
        if ((size_t)(equals - each->bytes) == size && memcmp(each->bytes, name, size) == 0)
            return each;
    }
    return NULL;
}

/* Kubernetes' $(NAME), one byte after the other. */
static void expand_into(struct long_text *out, struct span text)
{
    for (size_t at = 0; at < text.size; at++) {
        const uint8_t *here = text.bytes + at;
        const uint8_t *close = at + 1 < text.size && here[1] == '(' ? memchr(here, ')', text.size - at) : NULL;
        if (*here == '$' && at + 1 < text.size && here[1] == '$') {
            append_long(out, "$", 1);
            at++;
        } else if (*here == '$' && close != NULL) {
            size_t name = (size_t)(close - here) - 2;
            const struct span *found = variable(here + 2, name);
            if (found != NULL)
                append_long(out, found->bytes + name + 1, found->size - name - 1);
            else
                append_long(out, here, name + 3);
            at += name + 2;
        } else {
            append_long(out, here, 1);
        }
    }
}

static void set_variable(struct span entry)
{
    size_t name = (size_t)((const uint8_t *)memchr(entry.bytes, '=', entry.size) - entry.bytes);
    struct span *old = (struct span *)variable(entry.bytes, name);
    if (old != NULL)
        memmove(old, old + 1, (size_t)(variables.entries + --variables.count - old) * sizeof *old);
    CHECK(variables.count < sizeof variables.entries / sizeof *variables.entries);
    variables.entries[variables.count++] = entry;
}

static bool same(struct span wanted, const char *text)
{
    return text != NULL && strlen(text) == wanted.size && memcmp(text, wanted.bytes, wanted.size) == 0;
}

/* Whether what comes before the output of the program is the title that a well-formed request asks for. */
static void compare_with_title(struct span content)
{
    struct span record, wanted = {NULL, 0};
    for (struct span rest = content; next_record(&rest, &record);)
        if (record.bytes[0] == 't')
            wanted = (struct span){record.bytes + 1, record.size - 1};
    CHECK(K.title.size == wanted.size && (wanted.size == 0 || memcmp(K.title.bytes, wanted.bytes, wanted.size) == 0));
}

/* Whether the arguments and the environment of execve are those that a well-formed request asks for. */
static void compare_with_execve(struct span content)
{
    static struct long_text text;
    static char *kept[4096];
    unsigned kept_count = 0, argument = 0;
    struct span record;
    variables.count = 0;
    for (char **each = initial_environment; *each != NULL; each++)
        set_variable(text_of(*each));
    for (struct span rest = content; next_record(&rest, &record);) {
        if (record.bytes[0] != 'e')
            continue;
        size_t name = (size_t)((const uint8_t *)memchr(record.bytes, '=', record.size) - record.bytes);
        text.size = 0;
        append_long(&text, record.bytes + 1, name);
        expand_into(&text, (struct span){record.bytes + name + 1, record.size - name - 1});
        if (text.too_long)
            break;
        char *copy = malloc(text.size);
        CHECK(copy != NULL && kept_count < sizeof kept / sizeof *kept);
        kept[kept_count++] = memcpy(copy, text.bytes, text.size);
        set_variable((struct span){(const uint8_t *)copy, text.size});
    }
    for (unsigned i = 0; !text.too_long && i <= variables.count; i++)
        CHECK(i < variables.count ? same(variables.entries[i], K.environment[i]) : K.environment[i] == NULL);
    for (struct span rest = content; !text.too_long && next_record(&rest, &record);) {
        if (record.bytes[0] != 'a')
            continue;
        text.size = 0;
        expand_into(&text, (struct span){record.bytes + 1, record.size - 1});
        if (!text.too_long)
            CHECK(same((struct span){(const uint8_t *)text.bytes, text.size}, K.arguments[argument++]));
    }
    CHECK(text.too_long || K.arguments[argument] == NULL);
    text.too_long = false;
    while (kept_count > 0)
        free(kept[--kept_count]);
}

/* Takes a decimal number off; what is beyond nine digits counts as nine nines. */
static bool take_number(struct span *text, long *number)
{
    size_t digits = 0;
    *number = 0;
    for (; text->size > 0 && *text->bytes >= '0' && *text->bytes <= '9'; text->bytes++, text->size--, digits++)
        *number = digits < 9 ? 10 * *number + (*text->bytes - '0') : 999999999;
    return digits > 0;
}

/* `NUMBER GRACE`, or `NUMBER` (then `grace` is -1), and perhaps a newline. */
static bool is_order(struct span text, long *number, long *grace)
{
    *grace = -1;
    if (text.size >= 31 || !take_number(&text, number))
        return false;
    if (text.size > 0 && *text.bytes == ' ') {
        text.bytes++;
        text.size--;
        if (!take_number(&text, grace))
            return false;
    }
    return text.size == 0 || (text.size == 1 && *text.bytes == '\n');
}

/* ------------------------------------------------------------------------------------------------------------------
 * What is read
 */

static struct file *put(const char *name, struct span content)
{
    struct file *file = new_file(name);
    if (file != NULL) {
        file->bytes = content.bytes;
        file->size = content.size;
    }
    return file;
}

static void check_report(bool refused)
{
    struct text *error = &K.report.error;
    CHECK(K.reported == (long)(offsetof(struct report, error.bytes) + error->length));
    CHECK(!refused || error->length > 0);
    for (size_t i = 0; i < error->length; i++)
        CHECK((unsigned char)error->bytes[i] >= 0x20 && error->bytes[i] != 0x7f);
}

static void read_run(struct span content)
{
    unsigned arguments;
    bool wanted = makes_sense(content, &arguments);
    long file = new_descriptor(put("run.1", content));
    child.number = 1;
    child.socket = SOCKET;
    K.in_child = true;
    if (setjmp(K.left) == 0)
        run_request((int)file, 7);
    CHECK(K.code == CODE_CANNOT_RUN || K.code == CODE_NOT_FOUND); /* execve never works here */
    check_report(true);
    if (!wanted)
        CHECK(K.arguments == NULL);
    else if (!unlucky && K.arguments == NULL)
        CHECK(memmem(K.report.error.bytes, K.report.error.length, "too large", 9) != NULL);
    if (K.arguments != NULL && !unlucky) {
        compare_with_title(content);
        compare_with_execve(content);
    }
    child.allocated = 0;
    child.socket = -1;
    K.in_child = false;
    if (wanted && !unlucky && setjmp(K.left) == 0)
        make_files_readable((int)file);
}

static void read_kill(struct span content)
{
    long number, grace;
    bool wanted = is_order(content, &number, &grace) && number >= 1 && number <= 64 && grace >= 0;
    put("kill.1", content);
    requests[0] = (struct request){.phase = RUNNING, .number = 1, .file = -1, .socket = -1, .pid = PROCESS};
    K.processes[0].alive = true;
    K.forks = 1;
    handle_kill(&requests[0]);
    if (unlucky)
        return;
    CHECK(requests[0].stopped == wanted && file_of("kill.1") == NULL && file_of(".taken.1") == NULL);
    CHECK(K.kill_count == wanted);
    if (wanted)
        CHECK(K.kills[0].pid == -PROCESS && K.kills[0].number == number && requests[0].kill_at == K.now + grace);
}

static void read_exit(struct span content)
{
    long code, grace;
    bool wanted = is_order(content, &code, &grace) && code <= 255;
    put("exit", content);
    K.code = -1;
    if (setjmp(K.left) == 0)
        handle_exit(K.now);
    CHECK(K.code >= -1 && K.code <= 255);
    if (!unlucky)
        CHECK(K.code == (wanted ? code : -1));
}

static void read_memory_events(struct span content)
{
    struct span rest = content;
    long wanted = 0;
    if (rest.size > 255)
        rest.size = 255;
    if (memchr(rest.bytes, '\0', rest.size) != NULL)
        rest.size = strlen((const char *)rest.bytes);
    while (rest.size > 9 && memcmp(rest.bytes, "oom_kill ", 9) != 0) {
        const uint8_t *newline = memchr(rest.bytes, '\n', rest.size);
        size_t line = newline != NULL ? (size_t)(newline - rest.bytes) + 1 : rest.size;
        rest = (struct span){rest.bytes + line, rest.size - line};
    }
    if (rest.size > 9) {
        rest = (struct span){rest.bytes + 9, rest.size - 9};
        take_number(&rest, &wanted);
    }
    put("/sys/fs/cgroup/memory.events", content);
    long found = read_oom_kills();
    CHECK(found >= 0);
    if (!unlucky)
        CHECK(found == wanted);
}

/* ------------------------------------------------------------------------------------------------------------------
 * The whole loop
 */

static void happen(char what, struct span content)
{
    static const char *const names[] = {"run.1",  "run.2",  "run.3", "run.4",       "kill.1",
                                        "kill.2", "kill.3", "exit",  "coordinator", "/sys/fs/cgroup/memory.events"};
    unsigned first = content.size > 0 ? content.bytes[0] : 0;
    const char *name = names[first % (sizeof names / sizeof *names)];
    struct span rest = {content.bytes + (content.size > 0), content.size - (content.size > 0)};
    switch (what) {
    case 'f':
        put(name, rest);
        break;
    case 'u':
        if (file_of(name) != NULL)
            remove_file(file_of(name));
        break;
    case 'd':
        if (first < K.forks && K.processes[first].alive)
            end_process(first, rest.size > 0 ? rest.bytes[0] << 8 : SIGKILL);
        break;
    case 's':
        if (K.signal_count < sizeof K.signals / sizeof *K.signals)
            K.signals[K.signal_count++] = 1 + first % 64;
        break;
    case 't':
        K.now += first * 256;
        break;
    default:
        break;
    }
}

/* Nothing stays open but what is in use. */
static void check_descriptors(void)
{
    int open = 0, used = (self.bell >= 0) + (self.reserve >= 0);
    for (int i = 0; i < DESCRIPTORS; i++)
        open += K.descriptors[i].open;
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->phase != FREE)
            used += (request->file >= 0) + (request->socket >= 0) + (request->reserve >= 0);
    CHECK(open == used);
}

/* That a mark with this token was written at most once, and in no other form. */
static void check_mark(const char *token)
{
    char line[9 + 32 + 1];
    memcpy(line, "\x1emonopod ", 9);
    memcpy(line + 9, token, 32);
    line[41] = '\n';
    const char *found = memmem(K.stream, K.streamed, line, sizeof line);
    CHECK(K.streamed % sizeof line == 0);
    if (found != NULL)
        CHECK(memmem(found + 1, K.streamed - (size_t)(found + 1 - K.stream), line, sizeof line) == NULL);
}

static void check_ends(void)
{
    for (struct file *file = K.files; file < K.files + FILES; file++) {
        if (strncmp(file->name, "exited.", 7) != 0)
            continue;
        unsigned codes = 0, marks = 0;
        CHECK(file->written != NULL && file->size > 0 && file->written[file->size - 1] == '\n');
        for (char *line = file->written; line < file->written + file->size;) {
            char *end = memchr(line, '\n', (size_t)(file->written + file->size - line));
            CHECK(memchr(line, '=', (size_t)(end - line)) != NULL);
            codes += strncmp(line, "code=", 5) == 0 || strncmp(line, "signal=", 7) == 0;
            if (strncmp(line, "mark=", 5) == 0) {
                CHECK(end - line == 5 + 32);
                check_mark(line + 5);
                marks++;
            }
            line = end + 1;
        }
        CHECK(codes == 1 && marks <= 1);
    }
}

static void run_loop(struct span events)
{
    K.code = -1;
    make_fifos();
    self.bell = (int)open_fifo("bell", O_RDWR);
    self.reserve = reserve_exited();
    if (setjmp(K.left) != 0) {
        check_ends();
        check_descriptors();
        CHECK(K.code >= 0 && K.code <= 255);
        return;
    }
    while (events.size >= 2) {
        size_t size = events.bytes[1] < events.size - 2 ? events.bytes[1] : events.size - 2;
        happen((char)events.bytes[0], (struct span){events.bytes + 2, size});
        events = (struct span){events.bytes + 2 + size, events.size - 2 - size};
        check_everything();
        wait_for_event();
    }
    luck = luck_end;
    put("exit", text_of("7 0\n"));
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned index = 0; index < K.forks; index++)
            if (K.processes[index].alive && round > 0)
                end_process(index, 0);
        check_everything();
        wait_for_event();
    }
    CHECK(!"it ends");
}

/* ------------------------------------------------------------------------------------------------------------------
 * The start of each input
 */

static void begin_anew(void)
{
    static char *environment[] = {"PATH=/bin::rel", "A=1", "B=$(A)", "EMPTY=", NULL};
    for (unsigned i = 0; i < K.block_count; i++)
        free(K.blocks[i]);
    for (struct file *file = K.files; file < K.files + FILES; file++)
        free(file->written);
    memset(&K, 0, sizeof K);
    K.now = 1000000;
    memset(&child, 0, sizeof child);
    memset(requests, 0, sizeof requests);
    initial_environment = environment;
    self = (__typeof__(self)){.path = "/step", .directory = DIRECTORY, .alive = -1, .signals = SIGNALS, .bell = -1, .reserve = -1,
                          .is_init = true, .exit_code = -1, .next = 1, .coordinator_seen = K.now,
                          .orphan_after = DEFAULT_ORPHAN_SECONDS * 1000};
    mark = (__typeof__(mark)){.is_pending = false};
    streams_are_joined = false;
    unlucky = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    begin_anew();
    size_t drawn = data[1] < size - 2 ? data[1] : size - 2;
    luck_end = data + size;
    luck = luck_end - drawn;
    size_t length = size - 2 - drawn;
    uint8_t *copy = malloc(length + 1);
    CHECK(copy != NULL);
    memcpy(copy, data + 2, length);
    copy[length] = '\0'; /* for strlen in the second reading; the content ends before it */
    struct span content = {copy, length};
    switch (data[0]) {
    case 'r':
        read_run(content);
        break;
    case 'k':
        read_kill(content);
        break;
    case 'x':
        read_exit(content);
        break;
    case 'm':
        read_memory_events(content);
        break;
    case 'l':
        self.is_init = content.size % 2 == 0;
        run_loop(content);
        break;
    default:
        break;
    }
    free(copy);
    return 0;
}
