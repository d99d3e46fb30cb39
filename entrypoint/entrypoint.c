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
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if __STDC_HOSTED__
#include <stdlib.h>
#endif

#ifndef VERSION
#define VERSION "unknown"
#endif

enum {
    MAX_REQUESTS = 64,               /* that run at the same time; further ones wait */
    MAX_REQUEST_BYTES = 16 << 20,    /* of one run.N; Linux takes 6 MiB of arguments and environment at most */
    MAX_ALLOCATED_BYTES = 64 << 20,  /* by one child */
    MAX_TEXT_BYTES = 4096 + 512,     /* of one line that says what is wrong: a path and a sentence */
    TICK = 1000,                     /* ms */
    GROUP_PATIENCE = 10000,          /* ms that a killed process group may take to be gone */
    TELL_PATIENCE = 60000,           /* ms in which it is tried to write exited.N */
    SWEEP_PATIENCE = 5000,           /* ms that what a request left behind may take to be gone */
    MARK_PATIENCE = 10000,           /* ms that the exit waits for room in the streams, for a mark */
    TOKEN_BYTES = 16,                /* of a mark: what nobody can guess */
    MOST_NAMED = 10,                 /* processes that are named, of those that a request left behind */
    DEFAULT_ORPHAN_SECONDS = 300,

    EXIT_USAGE = 2,
    EXIT_CANNOT = 74,                /* the control directory cannot be used */
    EXIT_ORPHAN = 75,
    EXIT_STARTED_TWICE = 76,
    CODE_CANNOT_RUN = 126,
    CODE_NOT_FOUND = 127,
};

/* ------------------------------------------------------------------------------------------------------------------
 * The kernel: system calls without a libc, the same on six architectures
 */

/* What the kernel calls struct __kernel_timespec; on 64-bit machines the same as struct timespec. */
struct moment {
    int64_t seconds;
    int64_t nanoseconds;
};

/* What wait4(2) fills in: on 32-bit machines not what libc declares. */
struct usage {
    long user_seconds, user_microseconds, system_seconds, system_microseconds, peak, others[13];
};

#ifdef SYS_clock_gettime64
#define SYS_clock_gettime_wide SYS_clock_gettime64
#define SYS_ppoll_wide SYS_ppoll_time64
#else
#define SYS_clock_gettime_wide SYS_clock_gettime
#define SYS_ppoll_wide SYS_ppoll
#endif

#if __STDC_HOSTED__

static char **environment_at_start;
extern char **environ;

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    long result = syscall(number, a, b, c, d, e, f);
    return result == -1 ? -errno : result;
}

static long fork_process(void)
{
    long pid = fork();
    return pid == -1 ? -errno : pid;
}

static void *more_memory(size_t size)
{
    return malloc(size);
}

#else

static char **environment_at_start;

#if defined(__x86_64__)

__asm__(".globl _start\n_start: xorl %ebp, %ebp\n movq %rsp, %rdi\n andq $-16, %rsp\n call begin\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n and sp, x0, #-16\n b begin\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                  x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

#elif defined(__riscv)

__asm__(".globl _start\n_start: .option push\n .option norelax\n lla gp, __global_pointer$\n .option pop\n"
        " mv a0, sp\n andi sp, sp, -16\n tail begin\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c,
                  a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
    return a0;
}

#elif defined(__powerpc64__)

/* Calls begin by way of the table of contents (r2), which r12, the address of _start, leads to. */
__asm__(".globl _start\n_start: addis 2, 12, .TOC.-_start@ha\n addi 2, 2, .TOC.-_start@l\n mr 3, 1\n clrrdi 1, 1, 4\n"
        " li 0, 0\n stdu 0, -32(1)\n mtlr 0\n bl begin\n nop\n");

/* An error comes as a positive errno, and a flag that says so. */
static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r0 __asm__("r0") = number, r3 __asm__("r3") = a, r4 __asm__("r4") = b, r5 __asm__("r5") = c,
                  r6 __asm__("r6") = d, r7 __asm__("r7") = e, r8 __asm__("r8") = f;
    __asm__ volatile("sc\n bns+ 1f\n neg 3, 3\n1:"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8)
                     :
                     : "r9", "r10", "r11", "r12", "cr0", "ctr", "xer", "memory");
    return r3;
}

#elif defined(__s390x__)

__asm__(".globl _start\n_start: lgr %r2, %r15\n aghi %r15, -160\n lghi %r0, 0\n stg %r0, 0(%r15)\n jg begin\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r1 __asm__("r1") = number, r2 __asm__("r2") = a, r3 __asm__("r3") = b, r4 __asm__("r4") = c,
                  r5 __asm__("r5") = d, r6 __asm__("r6") = e, r7 __asm__("r7") = f;
    __asm__ volatile("svc 0" : "+r"(r2) : "r"(r1), "r"(r3), "r"(r4), "r"(r5), "r"(r6), "r"(r7) : "cc", "memory");
    return r2;
}

#elif defined(__ARM_EABI__)

__asm__(".globl _start\n_start: mov fp, #0\n mov lr, #0\n mov r0, sp\n bic ip, sp, #15\n mov sp, ip\n bl begin\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r7 __asm__("r7") = number, r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c,
                  r3 __asm__("r3") = d, r4 __asm__("r4") = e, r5 __asm__("r5") = f;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
    return r0;
}

#else
#error "no system calls for this architecture"
#endif

static long fork_process(void)
{
#ifdef __s390x__
    return kernel(SYS_clone, 0, SIGCHLD, 0, 0, 0, 0);
#else
    return kernel(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
#endif
}

/* The end of the heap is only moved up: what a child allocates, it keeps until it execs or exits. */
static void *more_memory(size_t size)
{
    static uintptr_t next, end;
    if (end == 0)
        next = end = ((uintptr_t)kernel(SYS_brk, 0, 0, 0, 0, 0, 0) + 15) & ~(uintptr_t)15;
    size = (size + 15) & ~(size_t)15;
    if (end - next < size) {
        uintptr_t wanted = next + size + (64 << 10);
        if ((uintptr_t)kernel(SYS_brk, (long)wanted, 0, 0, 0, 0, 0) < wanted)
            return NULL;
        end = wanted;
    }
    void *memory = (void *)next;
    next += size;
    return memory;
}

/* What a compiler may call though nobody wrote it, and the few string functions used here. */
void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    char *out = to;
    for (const char *in = from; size > 0; size--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    char *out = to;
    const char *in = from;
    if (out <= in)
        return memcpy(to, from, size);
    while (size-- > 0)
        out[size] = in[size];
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (char *out = to; size > 0; size--)
        *out++ = (char)value;
    return to;
}

int memcmp(const void *one, const void *other, size_t size)
{
    const unsigned char *a = one, *b = other;
    for (; size > 0; size--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

void *memchr(const void *in, int wanted, size_t size)
{
    for (const char *at = in; size > 0; size--, at++)
        if (*at == (char)wanted)
            return (void *)(uintptr_t)at;
    return NULL;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

char *strchr(const char *text, int wanted)
{
    return memchr(text, wanted, strlen(text) + 1);
}

int strcmp(const char *one, const char *other)
{
    size_t a = strlen(one), b = strlen(other);
    return memcmp(one, other, (a < b ? a : b) + 1);
}

#endif

/* CALL(name, arguments...) gives a result or a negative errno, and tries again after EINTR. */
#define CALL(name, ...) CALL_PADDED(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_PADDED(name, a, b, c, d, e, f, ...) \
    call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    do
        result = kernel(number, a, b, c, d, e, f);
    while (result == -EINTR);
    return result;
}

static _Noreturn void leave(int code)
{
    for (;;)
        kernel(SYS_exit_group, code, 0, 0, 0, 0, 0);
}

/* Nothing here depends on whether a descriptor could be closed; Linux frees it even after EINTR. */
static void close_descriptor(int descriptor)
{
    kernel(SYS_close, descriptor, 0, 0, 0, 0, 0);
}

static struct moment clock_now(int clock)
{
    struct moment now = {0, 0};
    CALL(clock_gettime_wide, clock, &now); /* both clocks are there on every Linux */
    return now;
}

/* The time of day when `start`, at the monotonic time `from`, was the time of day: it may have been set meanwhile. */
static struct moment time_since(struct moment start, struct moment from)
{
    const int64_t second = 1000000000;
    struct moment now = clock_now(CLOCK_MONOTONIC);
    now.seconds += start.seconds - from.seconds;
    now.nanoseconds += start.nanoseconds - from.nanoseconds;
    if (now.nanoseconds < 0) {
        now.nanoseconds += second;
        now.seconds--;
    } else if (now.nanoseconds >= second) {
        now.nanoseconds -= second;
        now.seconds++;
    }
    return now;
}

static int64_t milliseconds_now(void)
{
    struct moment now = clock_now(CLOCK_MONOTONIC);
    return now.seconds * 1000 + (uint32_t)now.nanoseconds / 1000000;
}

static long write_all(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        long written = CALL(write, descriptor, bytes, size);
        if (written < 0)
            return written;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

/* The type and mode of what a path or, with an empty path, a descriptor stands for; 0 if that cannot be known. */
static unsigned mode_of(int directory, const char *path, int flags)
{
    struct statx status = {0};
    if (CALL(statx, directory, path, flags, STATX_TYPE | STATX_MODE, &status) < 0)
        return 0;
    return status.stx_mode;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Words: texts of limited length, and what an errno means
 */

struct text {
    size_t length;
    char bytes[MAX_TEXT_BYTES];
};

static void add_bytes(struct text *text, const char *bytes, size_t size)
{
    size_t room = sizeof text->bytes - text->length;
    if (size > room)
        size = room;
    memcpy(text->bytes + text->length, bytes, size);
    text->length += size;
}

static void add(struct text *text, const char *words)
{
    add_bytes(text, words, strlen(words));
}

/* A path or a word that somebody else chose: on one line, whatever is in it. */
static void add_foreign(struct text *text, const char *word)
{
    for (; *word != '\0'; word++) {
        unsigned char byte = (unsigned char)*word;
        if (byte < 0x20 || byte == 0x7f) {
            char escaped[] = {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
            add_bytes(text, escaped, sizeof escaped);
        } else {
            add_bytes(text, word, 1);
        }
    }
}

/* By subtraction, since 32-bit machines have no instruction for the division of 64 bits. */
static void add_number(struct text *text, uint64_t number, int width)
{
    static const uint64_t powers[] = {1000000000000000000u, 100000000000000000u, 10000000000000000u, 1000000000000000u,
                                      100000000000000u, 10000000000000u, 1000000000000u, 100000000000u, 10000000000u,
                                      1000000000u, 100000000u, 10000000u, 1000000u, 100000u, 10000u, 1000u, 100u, 10u,
                                      1u};
    enum { COUNT = sizeof powers / sizeof *powers };
    bool started = false;
    for (int i = 0; i < COUNT; i++) {
        char digit = '0';
        for (; number >= powers[i]; number -= powers[i])
            digit++;
        if (digit != '0' || COUNT - i <= width)
            started = true;
        if (started)
            add_bytes(text, &digit, 1);
    }
}

static void add_error(struct text *text, long error)
{
    static const struct {
        int number;
        const char *words;
    } known[] = {
        {E2BIG, "Argument list too long"},
        {EACCES, "Permission denied"},
        {EAGAIN, "Resource temporarily unavailable"},
        {EBUSY, "Device or resource busy"},
        {EDQUOT, "Disk quota exceeded"},
        {EEXIST, "File exists"},
        {EFBIG, "File too large"},
        {EINVAL, "Invalid argument"},
        {EIO, "Input/output error"},
        {EISDIR, "Is a directory"},
        {ELIBBAD, "Accessing a corrupted shared library"},
        {ELOOP, "Too many levels of symbolic links"},
        {EMFILE, "Too many open files"},
        {ENAMETOOLONG, "File name too long"},
        {ENFILE, "Too many open files in system"},
        {ENODEV, "No such device"},
        {ENOENT, "No such file or directory"},
        {ENOEXEC, "Exec format error"},
        {ENOMEM, "Cannot allocate memory"},
        {ENOSPC, "No space left on device"},
        {ENOSYS, "Function not implemented"},
        {ENOTDIR, "Not a directory"},
        {ENXIO, "No such device or address"},
        {EPERM, "Operation not permitted"},
        {EPIPE, "Broken pipe"},
        {EROFS, "Read-only file system"},
        {ESTALE, "Stale file handle"},
        {ETXTBSY, "Text file busy"},
    };
    if (error < 0)
        error = -error;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].number == error) {
            add(text, known[i].words);
            return;
        }
    }
    add(text, "errno ");
    add_number(text, (uint64_t)error, 1);
}

/* Says `words`, `foreign` and the meaning of `error` on standard error. If nobody hears it, nothing can be done. */
static void complain(const char *words, const char *foreign, long error)
{
    static struct text line;
    line.length = 0;
    add(&line, "monopod: ");
    add(&line, words);
    add_foreign(&line, foreign);
    if (error != 0) {
        add(&line, ": ");
        add_error(&line, error);
    }
    add(&line, "\n");
    write_all(STDERR_FILENO, line.bytes, line.length);
}

/* "run.7": a name in the control directory. */
static const char *numbered(struct text *text, const char *prefix, uint32_t number)
{
    text->length = 0;
    add(text, prefix);
    add_number(text, number, 1);
    add_bytes(text, "", 1);
    return text->bytes;
}

/* Reads a decimal number and moves past it; -1 if there is none. More than nine digits count as nine nines. */
static long read_number(const char **at)
{
    const char *start = *at;
    long number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        number = *at - start < 9 ? number * 10 + **at - '0' : 999999999;
    return *at == start ? -1 : number;
}

/* ------------------------------------------------------------------------------------------------------------------
 * What the parent knows
 */

enum phase {
    FREE,      /* no request is here */
    RUNNING,   /* the program has not ended */
    ENDING,    /* its process group was sent SIGKILL, and must be gone */
    COPYING,   /* the copies of its output must be complete */
    SWEEPING,  /* as PID 1, and if nothing else runs: all other processes must be gone */
    READABLE,  /* its files are made readable */
    MARKING,   /* the mark of an earlier request must be in the streams, then its own is made */
    TELLING,   /* exited.N must be written */
};

struct request {
    enum phase phase;
    uint32_t number;
    int file;         /* run.N, locked until the end can be told */
    int socket;       /* to the child and its copy processes */
    int pid;          /* of the program, and its process group and session */
    int helper;       /* the process that makes files readable, 0 if there is none */
    int status;       /* as wait4(2) gives it */
    bool stopped;     /* a kill.N was taken */
    bool has_files;   /* to be made readable */
    bool wants_mark;  /* at the end of its output */
    bool left_some;   /* processes that could not be killed: `left_behind` */
    bool complained;  /* that exited.N could not be written, or that kill.N makes no sense and stays */
    bool out_of_memory; /* the kernel has killed something in this container meanwhile, for its use of memory */
    int64_t kill_at;  /* when SIGKILL follows, 0 for never */
    int64_t ended_at, sweep_until;
    char token[2 * TOKEN_BYTES + 1]; /* of its mark, empty if it has none */
    struct moment start, end;
    struct moment monotonic; /* that of the fork, by which the others are told */
    struct usage usage;
};

/* What a child says: once when all is set up for exec, with the time; once more if something went wrong. */
struct report {
    struct moment start;
    bool has_files;
    struct text error;
};

static struct request requests[MAX_REQUESTS];
static struct text errors[MAX_REQUESTS]; /* apart from the requests: nearly never touched, so never in memory */
static struct text left_behind;          /* the names of processes that cannot be killed */

static struct {
    const char *path; /* of the control directory */
    int directory, alive, signals, bell;
    bool is_init; /* PID 1 of its namespace */
    bool sweeping; /* processes are left that cannot be killed (yet): no request may begin */
    bool joined;   /* standard error is standard output */
    bool unmarked; /* `mark` must still be written */
    struct text mark;
    int64_t marked_at;
    bool complained; /* that `exit` makes no sense */
    bool again; /* something has changed that others may wait for: look at everything once more */
    int terminated_by; /* the first signal that ends the entrypoint, 0 for none */
    long exit_code;    /* that the coordinator wants, -1 if it has not said yet */
    int64_t exit_at;   /* when that does not wait for what runs any longer, 0 for never */
    uint32_t next;     /* number of the next request */
    long kills;        /* how many processes of the container the kernel has killed for their use of memory */
    int64_t tick_at, coordinator_seen, orphan_after;
} self = {.bell = -1, .next = 1, .exit_code = -1};

static bool phase_exists(enum phase first, enum phase last)
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
    if (CALL(kill, -request->pid, number) == -ESRCH)
        CALL(kill, request->pid, number); /* the process is our child and not yet waited for: it exists */
}

/* ------------------------------------------------------------------------------------------------------------------
 * The child: reads the request, sets everything up, and becomes the program
 */

static struct {
    uint32_t number;
    int socket;
    bool has_files;
    struct moment start, monotonic; /* first those of the fork */
    size_t allocated;
} child;

static void send_report(const struct text *error)
{
    static struct report report;
    report.start = child.start;
    report.has_files = child.has_files;
    report.error.length = 0;
    if (error != NULL)
        add_bytes(&report.error, error->bytes, error->length);
    size_t size = offsetof(struct report, error.bytes) + report.error.length;
    CALL(write, child.socket, &report, size); /* if the parent is gone, nobody is left to be told */
}

/* Ends the child. The sentence is `words`, then `foreign`, then the meaning of `error`, then `more`. */
static _Noreturn void refuse(int code, const char *words, const char *foreign, long error, const char *more)
{
    static struct text sentence;
    sentence.length = 0;
    add(&sentence, words);
    add_foreign(&sentence, foreign);
    if (error != 0) {
        add(&sentence, ": ");
        add_error(&sentence, error);
    }
    add(&sentence, more);
    send_report(&sentence);
    leave(code);
}

static _Noreturn void refuse_malformed(unsigned record, const char *why)
{
    static struct text words;
    words.length = 0;
    add(&words, "run.");
    add_number(&words, child.number, 1);
    add(&words, " is malformed: record ");
    add_number(&words, record, 1);
    add(&words, " ");
    add_bytes(&words, "", 1);
    refuse(CODE_CANNOT_RUN, words.bytes, why, 0, "");
}

static void *allocate(size_t size)
{
    child.allocated += size;
    void *memory = child.allocated <= MAX_ALLOCATED_BYTES ? more_memory(size) : NULL;
    if (memory == NULL)
        refuse(CODE_CANNOT_RUN, "the expanded arguments and environment are too large", "", E2BIG, "");
    return memory;
}

/*
 * Records. Letter, text and NUL make one C string, so that a request that was checked once can be walked through by
 *     for (char *record = first; *record != '.'; record += strlen(record) + 1)
 */
static char *read_records(int file)
{
    static struct text name;
    numbered(&name, "run.", child.number);
    struct statx status = {0};
    long result = CALL(statx, file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status);
    if (result < 0)
        refuse(CODE_CANNOT_RUN, "cannot read ", name.bytes, result, "");
    if (!S_ISREG(status.stx_mode))
        refuse(CODE_CANNOT_RUN, name.bytes, "", 0, " is not a regular file");
    if (status.stx_size > MAX_REQUEST_BYTES)
        refuse(CODE_CANNOT_RUN, name.bytes, "", 0, " is larger than 16 MiB");
    size_t size = (size_t)status.stx_size, have = 0;
    char *bytes = allocate(size + 1);
    result = CALL(lseek, file, 0, SEEK_SET);
    while (result >= 0 && have < size) {
        result = CALL(read, file, bytes + have, size - have);
        if (result == 0)
            break;
        if (result > 0)
            have += (size_t)result;
    }
    if (result < 0)
        refuse(CODE_CANNOT_RUN, "cannot read ", name.bytes, result, "");

    unsigned number = 1;
    bool has_program = false, seen[256] = {false};
    for (char *record = bytes;; number++) {
        size_t rest = have - (size_t)(record - bytes);
        char *end = memchr(record, '\0', rest);
        if (rest == 0)
            refuse_malformed(number, "should be the closing one, and is missing");
        if (end == NULL)
            refuse_malformed(number, "is not ended by NUL");
        switch (*record) {
        case 'e':
            if (record[1] == '=' || strchr(record, '=') == NULL)
                refuse_malformed(number, "is not e NAME=VALUE");
            break;
        case 'a':
            has_program = true;
            break;
        case 'd':
        case 'o':
        case 'r':
            if (seen[(unsigned char)*record])
                refuse_malformed(number, "is the second of its letter");
            break;
        case 'x':
            child.has_files = true;
            break;
        case 'm':
            if (record[1] != '\0' || number != 1)
                refuse_malformed(number, "asks for a mark, and has a text or is not the first");
            break;
        case '.':
            if (record[1] != '\0')
                refuse_malformed(number, "closes the request and has a text");
            if (rest != 2)
                refuse_malformed(number, "closes the request, and more follows");
            if (!has_program)
                refuse_malformed(number, "closes the request, and no argument came before");
            return bytes;
        default:
            refuse_malformed(number, "has an unknown letter");
        }
        seen[(unsigned char)*record] = true;
        record = end + 1;
    }
}

/* The text of the record with this letter, NULL if there is none. */
static const char *find_record(const char *record, char letter)
{
    for (; *record != '.'; record += strlen(record) + 1)
        if (*record == letter)
            return record + 1;
    return NULL;
}

/*
 * The environment, and the expansion of $(NAME), which is that of Kubernetes (api/core/v1, Container.args)
 */
static const char *find_variable(char **environment, const char *name, size_t length)
{
    if (memchr(name, '=', length) != NULL)
        return NULL;
    for (; *environment != NULL; environment++)
        if (strlen(*environment) > length && memcmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* Writes the expanded text to `out` unless that is NULL; returns its length, or SIZE_MAX if it is too long. */
static size_t expand_to(char *out, const char *text, char **environment)
{
    size_t length = 0;
    while (*text != '\0') {
        const char *piece = text, *close;
        size_t size = 1;
        text++;
        if (*piece == '$' && *text == '$') {
            text++;
        } else if (*piece == '$' && *text == '(' && (close = strchr(text, ')')) != NULL) {
            const char *value = find_variable(environment, text + 1, (size_t)(close - text) - 1);
            size = value != NULL ? strlen(value) : (size_t)(close - piece) + 1;
            piece = value != NULL ? value : piece;
            text = close + 1;
        }
        if (out != NULL)
            memcpy(out + length, piece, size);
        length += size;
        if (length > MAX_ALLOCATED_BYTES)
            return SIZE_MAX;
    }
    return length;
}

static char *expand(char *text, char **environment)
{
    if (strchr(text, '$') == NULL)
        return text;
    size_t length = expand_to(NULL, text, environment);
    if (length == SIZE_MAX)
        refuse(CODE_CANNOT_RUN, "the expanded arguments and environment are too large", "", E2BIG, "");
    char *expanded = allocate(length + 1);
    expand_to(expanded, text, environment);
    expanded[length] = '\0';
    return expanded;
}

static char **make_environment(char *records)
{
    size_t count = 0;
    for (char **variable = environment_at_start; *variable != NULL; variable++)
        count++;
    for (char *record = records; *record != '.'; record += strlen(record) + 1)
        count += *record == 'e';
    char **environment = allocate((count + 1) * sizeof *environment);
    char **end = environment;
    for (char **variable = environment_at_start; *variable != NULL; variable++)
        *end++ = *variable;
    *end = NULL;
    for (char *record = records; *record != '.'; record += strlen(record) + 1) {
        if (*record != 'e')
            continue;
        size_t name = (size_t)(strchr(record, '=') - record); /* the length of NAME= */
        char *variable = record + 1, *value = expand(variable + name, environment);
        if (value != variable + name) {
            size_t size = strlen(value) + 1;
            variable = allocate(name + size);
            memcpy(variable, record + 1, name);
            memcpy(variable + name, value, size);
        }
        char **kept = environment;
        for (char **other = environment; *other != NULL; other++)
            if (strlen(*other) < name || memcmp(*other, variable, name) != 0)
                *kept++ = *other;
        *kept++ = variable;
        *kept = NULL;
    }
    return environment;
}

static char **make_arguments(char *records, char **environment)
{
    size_t count = 0;
    for (char *record = records; *record != '.'; record += strlen(record) + 1)
        count += *record == 'a';
    char **arguments = allocate((count + 1) * sizeof *arguments);
    char **end = arguments;
    for (char *record = records; *record != '.'; record += strlen(record) + 1)
        if (*record == 'a')
            *end++ = expand(record + 1, environment);
    *end = NULL;
    return arguments;
}

/*
 * Directories and files
 */

/* Makes what is missing of the directories above a path; 0, or the error of the first that cannot be made. */
static long make_parents(const char *path)
{
    size_t size = strlen(path) + 1;
    char *parent = allocate(size);
    memcpy(parent, path, size);
    for (char *at = parent; *at != '\0'; at++) {
        if (*at != '/' || at == parent)
            continue;
        *at = '\0';
        long result = CALL(mkdirat, AT_FDCWD, parent, 0777);
        if (result < 0 && result != -EEXIST)
            return result;
        *at = '/';
    }
    return 0;
}

static void enter_directory(const char *path)
{
    long result = CALL(chdir, path);
    if (result == -ENOENT && *path != '\0') {
        result = make_parents(path);
        if (result == 0)
            result = CALL(mkdirat, AT_FDCWD, path, 0777);
        if (result < 0 && result != -EEXIST)
            refuse(CODE_CANNOT_RUN, "cannot make the working directory ", path, result, "");
        result = CALL(chdir, path);
    }
    if (result < 0)
        refuse(CODE_CANNOT_RUN, "cannot change to the working directory ", path, result, "");
}

static int open_copy(const char *path, const char *words)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOCTTY | O_CLOEXEC;
    long result = CALL(openat, AT_FDCWD, path, flags, 0666);
    if (result == -ENOENT) {
        result = make_parents(path);
        if (result == 0)
            result = CALL(openat, AT_FDCWD, path, flags, 0666);
    }
    if (result < 0)
        refuse(CODE_CANNOT_RUN, words, path, result, "");
    return (int)result;
}

/*
 * Copies of standard output and standard error. A copy process moves what comes out of a pipe to the stream that the
 * container has and to the file. It is of another session, so that it outlives the program, and a child of the
 * entrypoint (by being orphaned), so that the program has no child that it does not know. When the parent shuts its
 * side of the socket, it moves what is in the pipe at that time, and ends: whoever else still holds the pipe open, the
 * request is over. The parent knows that it has ended when the socket is closed.
 */
struct copy {
    int from, into, file, stream;
    const char *path;
};

static _Noreturn void copy_output(struct copy *copy)
{
    static char buffer[64 << 10];
    bool last = false;
    size_t rest = sizeof buffer;
    while (rest > 0) {
        struct pollfd waiting[] = {{copy->from, POLLIN, 0}, {child.socket, POLLIN, 0}};
        if (!last && CALL(ppoll_wide, waiting, 2, NULL, NULL, 8) < 0)
            break;
        if (!last && waiting[1].revents != 0) {
            int left = 0;
            last = true;
            if (CALL(ioctl, copy->from, FIONREAD, &left) < 0)
                break;
            rest = (size_t)left;
        }
        long size = rest > 0 ? CALL(read, copy->from, buffer, rest < sizeof buffer ? rest : sizeof buffer) : 0;
        if (size <= 0)
            break;
        if (copy->stream >= 0 && write_all(copy->stream, buffer, (size_t)size) < 0)
            copy->stream = -1; /* nobody reads it any more; the file still gets everything */
        long result = copy->file >= 0 ? write_all(copy->file, buffer, (size_t)size) : 0;
        if (result < 0) {
            complain("cannot write ", copy->path, result);
            copy->file = -1;
        }
        if (last)
            rest -= (size_t)size;
    }
    leave(0);
}

static void start_copy(struct copy *copy, const struct copy *other)
{
    long middle = fork_process();
    if (middle == 0) {
        CALL(setsid, 0); /* cannot fail: a new process leads no group. Here, so that it is done when the program starts */
        long pid = fork_process();
        if (pid != 0)
            leave(pid < 0 ? (int)-pid : 0);
        close_descriptor(copy->into);
        if (other->path != NULL)
            close_descriptor(other->into);
        copy_output(copy);
    }
    int status = 0;
    long result = middle < 0 ? middle : CALL(wait4, middle, &status, 0, NULL);
    if (result >= 0)
        result = WIFSIGNALED(status) ? -EINTR : -WEXITSTATUS(status);
    if (result < 0)
        refuse(CODE_CANNOT_RUN, "cannot start the process that copies the output to ", copy->path, result, "");
}

static void copy_streams(const char *records)
{
    struct copy copies[] = {{.stream = STDOUT_FILENO, .path = find_record(records, 'o')},
                            {.stream = STDERR_FILENO, .path = find_record(records, 'r')}};
    static const char *const words[] = {"cannot write the copy of standard output to ",
                                        "cannot write the copy of standard error to "};
    for (int i = 0; i < 2; i++) {
        if (copies[i].path == NULL)
            continue;
        copies[i].file = open_copy(copies[i].path, words[i]);
        int ends[2] = {-1, -1};
        long result = CALL(pipe2, ends, O_CLOEXEC);
        if (result < 0)
            refuse(CODE_CANNOT_RUN, words[i], copies[i].path, result, "");
        copies[i].from = ends[0];
        copies[i].into = ends[1];
    }
    for (int i = 0; i < 2; i++)
        if (copies[i].path != NULL)
            start_copy(&copies[i], &copies[1 - i]);
    for (int i = 0; i < 2; i++) {
        long result = copies[i].path != NULL ? CALL(dup3, copies[i].into, copies[i].stream, 0) : 0;
        if (result < 0)
            refuse(CODE_CANNOT_RUN, words[i], copies[i].path, result, "");
    }
}

/*
 * exec
 */

/* As if nobody had changed anything: no signal is blocked or ignored. All zero is SIG_DFL on every architecture. */
static void restore_signals(void)
{
    static const char by_default[64];
    static const uint64_t none;
    for (int number = 1; number <= 64; number++)
        CALL(rt_sigaction, number, by_default, NULL, 8); /* fails for SIGKILL and SIGSTOP alone */
    CALL(rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
}

/* The remark on a program that is there while its interpreter is not, with the interpreter that its first line names. */
static const char *no_interpreter(const char *program)
{
    static struct text more;
    static char line[128]; /* the kernel reads no more than twice that */
    more.length = 0;
    add(&more, " (it is there, but not the interpreter that it asks for");
    long file = CALL(openat, AT_FDCWD, program, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    long size = file < 0 ? 0 : CALL(read, file, line, sizeof line - 1);
    if (file >= 0)
        CALL(close, file);
    if (size > 2 && line[0] == '#' && line[1] == '!') {
        char *start = line + 2, *end;
        line[size] = '\0';
        while (*start == ' ' || *start == '\t')
            start++;
        for (end = start; *end != '\0' && *end != ' ' && *end != '\t' && *end != '\n'; end++)
            ;
        *end = '\0';
        add(&more, ": ");
        add_foreign(&more, start);
    }
    add(&more, ")");
    add_bytes(&more, "", 1);
    return more.bytes;
}

static _Noreturn void refuse_program(const char *program, long error, char **arguments, char **environment)
{
    const char *more = "";
    if (error == -ENOEXEC)
        more = " (a script needs a first line with #! and its interpreter)";
    if (error == -ENOENT && mode_of(AT_FDCWD, program, 0) != 0)
        more = no_interpreter(program);
    if (error == -E2BIG) {
        size_t longest = 0;
        for (char **text = arguments; *text != NULL; text++)
            longest = strlen(*text) > longest ? strlen(*text) : longest;
        for (char **text = environment; *text != NULL; text++)
            longest = strlen(*text) > longest ? strlen(*text) : longest;
        if (longest >= 128 << 10)
            more = " (one argument or environment variable alone is longer than 128 KiB)";
    }
    bool missing = error == -ENOENT || error == -ENOTDIR;
    refuse(missing ? CODE_NOT_FOUND : CODE_CANNOT_RUN, "cannot run ", program, error, more);
}

static _Noreturn void run_program(char **arguments, char **environment)
{
    const char *program = arguments[0];
    if (*program == '\0' || strchr(program, '/') != NULL)
        refuse_program(program, CALL(execve, program, arguments, environment), arguments, environment);
    const char *path = find_variable(environment, "PATH", 4);
    if (path == NULL)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *found = NULL; /* something of that name, which may not be run */
    size_t name = strlen(program) + 1;
    for (const char *at = path;; at++) {
        const char *colon = strchr(at, ':');
        size_t length = colon != NULL ? (size_t)(colon - at) : strlen(at);
        const char *directory = length > 0 ? at : "."; /* an empty entry is the working directory */
        length += length == 0;
        char *candidate = allocate(length + 1 + name);
        memcpy(candidate, directory, length);
        candidate[length] = '/';
        memcpy(candidate + length + 1, program, name);
        long error = CALL(execve, candidate, arguments, environment);
        if (mode_of(AT_FDCWD, candidate, 0) != 0) {
            if (error != -EACCES)
                refuse_program(candidate, error, arguments, environment);
            if (found == NULL)
                found = candidate;
        }
        if (colon == NULL)
            break;
        at = colon;
    }
    if (found != NULL)
        refuse_program(found, -EACCES, arguments, environment);
    static struct text words;
    words.length = 0;
    add(&words, ": it is on no directory of PATH (");
    add_foreign(&words, path);
    add(&words, ")");
    if (words.length == sizeof words.bytes)
        words.length--;
    add_bytes(&words, "", 1);
    refuse(CODE_NOT_FOUND, "cannot run ", program, 0, words.bytes);
}

static _Noreturn void run_request(int file, long parent)
{
    CALL(setsid, 0);                        /* cannot fail: a new process leads no group */
    CALL(prctl, PR_SET_PDEATHSIG, SIGKILL); /* cannot fail; no program shall outlive what watches over it */
    if (CALL(getppid, 0) != parent)
        leave(CODE_CANNOT_RUN);
    char *records = read_records(file);
    char **environment = make_environment(records);
    char **arguments = make_arguments(records, environment);
    const char *directory = find_record(records, 'd');
    if (directory != NULL)
        enter_directory(directory);
    copy_streams(records);
    restore_signals();
    child.start = time_since(child.start, child.monotonic);
    send_report(NULL);
    run_program(arguments, environment);
}

/* ------------------------------------------------------------------------------------------------------------------
 * The helper: makes files readable for the coordinator, which may be of another user. In a process of its own as well
 */

static void make_readable(int directory, const char *path, bool follow)
{
    unsigned mode = mode_of(directory, path, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    unsigned wanted = mode | (S_ISDIR(mode) ? 0555 : 0444);
    if (mode == 0 || mode == wanted || S_ISLNK(mode))
        return; /* what is not there was not written, which is no error */
    long result = CALL(fchmodat, directory, path, wanted & 07777);
    if (result < 0)
        complain("cannot make it readable for the coordinator: ", path, result);
}

static void make_entries_readable(const char *path)
{
    long directory = CALL(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (directory < 0)
        return; /* not a directory, or not there */
    _Alignas(uint64_t) static char buffer[32 << 10];
    for (;;) {
        long size = CALL(getdents64, directory, buffer, sizeof buffer);
        if (size < 0)
            complain("cannot read the directory ", path, size);
        if (size <= 0)
            break;
        for (long at = 0; at < size;) { /* an entry: inode and offset (8 bytes each), length (2), type (1), name */
            uint16_t length;
            memcpy(&length, buffer + at + 16, sizeof length);
            const char *name = buffer + at + 19;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
                make_readable((int)directory, name, false);
            at += length;
        }
    }
    close_descriptor((int)directory);
}

static _Noreturn void make_files_readable(int file)
{
    const char *record = read_records(file);
    const char *directory = find_record(record, 'd');
    if (directory != NULL)
        CALL(chdir, directory); /* worked before; if it is gone, so are the files below it */
    for (; *record != '.'; record += strlen(record) + 1) {
        if (*record != 'x')
            continue;
        make_readable(AT_FDCWD, record + 1, true);
        make_entries_readable(record + 1);
    }
    leave(0);
}

/* ------------------------------------------------------------------------------------------------------------------
 * Requests: from run.N to exited.N
 */

/* Makes the FIFOs of the control directory unless the coordinator was here first, so that neither misses the other. */
static void make_fifos(void)
{
    long mask = CALL(umask, 0);
    CALL(mknodat, self.directory, "bell", S_IFIFO | 0666, 0); /* without them, everything is only slower */
    CALL(mknodat, self.directory, "ring", S_IFIFO | 0666, 0);
    CALL(umask, mask);
}

/* Opens a FIFO of the control directory; a negative errno if it is not there or something else. */
static long open_fifo(const char *name, int flags)
{
    long result = CALL(openat, self.directory, name, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (result >= 0 && !S_ISFIFO(mode_of((int)result, "", AT_EMPTY_PATH))) {
        close_descriptor((int)result);
        return -EINVAL;
    }
    return result;
}

/* Wakes the coordinator. It looks by itself as well, so that nothing depends on this. */
static void ring(void)
{
    long ring = open_fifo("ring", O_WRONLY);
    if (ring < 0)
        return;
    CALL(write, ring, "\n", 1);
    close_descriptor((int)ring);
}

/* Forks. In the child, the lock of `alive` is let go, and `socket` is where it reports. */
static long fork_child(struct request *request, int socket)
{
    long pid = fork_process();
    if (pid == 0) {
        close_descriptor(self.alive);
        child.number = request->number;
        child.socket = socket;
        child.start = request->start;
        child.monotonic = request->monotonic;
    }
    return pid;
}

static void cannot_start(struct request *request, const char *words, long error)
{
    struct text *text = error_of(request);
    add(text, words);
    add(text, ": ");
    add_error(text, error);
    request->status = CODE_CANNOT_RUN << 8;
    request->phase = TELLING;
}

static bool asks_for_mark(long file)
{
    char record[2];
    return CALL(pread64, file, record, sizeof record, 0) == sizeof record && record[0] == 'm' && record[1] == '\0';
}

/*
 * Whether a request wants a mark: its first record says so, since that must be known before it runs. From then on the
 * container has one stream: who reads standard output and error from two pipes puts them together in any order, so that
 * a mark in one says nothing of the other.
 */
static bool wants_mark(long file)
{
    if (!asks_for_mark(file))
        return false;
    if (self.joined)
        return true;
    long result = CALL(dup3, STDOUT_FILENO, STDERR_FILENO, 0);
    if (result < 0) {
        complain("cannot join standard error and output", "", result);
        return false;
    }
    return self.joined = true;
}

static void start_request(struct request *request, long file, long locked)
{
    static struct text name;
    *request = (struct request){.phase = RUNNING, .number = self.next++, .file = (int)file, .socket = -1};
    error_of(request)->length = 0;
    request->start = request->end = clock_now(CLOCK_REALTIME);
    request->monotonic = clock_now(CLOCK_MONOTONIC);
    request->ended_at = milliseconds_now();
    if (file < 0) {
        add(error_of(request), "cannot read ");
        cannot_start(request, numbered(&name, "run.", request->number), file);
        return;
    }
    if (locked < 0) {
        add(error_of(request), "cannot lock ");
        cannot_start(request, numbered(&name, "run.", request->number), locked);
        return;
    }
    request->wants_mark = wants_mark(file);
    int ends[2] = {-1, -1};
    long parent = CALL(getpid, 0);
    long result = CALL(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    if (result >= 0) {
        request->socket = ends[0];
        result = fork_child(request, ends[1]);
        if (result == 0) {
            close_descriptor(ends[0]);
            run_request(request->file, parent);
        }
        close_descriptor(ends[1]);
    }
    request->pid = (int)result;
    if (result < 0)
        cannot_start(request, "cannot start a process", result);
}

/* Whether a request with a mark has ended and is not told yet: till then, nothing may begin in its container. */
static bool marked_one_ends(void)
{
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->wants_mark && request->phase >= ENDING)
            return true;
    return false;
}

static void take_requests(void)
{
    static struct text name;
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (self.terminated_by != 0 || self.sweeping || self.unmarked || marked_one_ends() ||
            (self.exit_at != 0 && self.exit_at <= milliseconds_now()))
            return;
        if (request->phase != FREE)
            continue;
        long file = CALL(openat, self.directory, numbered(&name, "run.", self.next),
                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (file == -ENOENT || file == -EMFILE || file == -ENFILE || file == -ENOMEM)
            return; /* not there, or not now */
        long locked = file < 0 ? file : CALL(flock, file, LOCK_EX | LOCK_NB);
        if (locked == -EWOULDBLOCK || (file >= 0 && asks_for_mark(file) && phase_exists(RUNNING, TELLING))) {
            close_descriptor((int)file);
            return; /* whoever holds it lets it go, or dies; and what wants a mark is alone when it begins */
        }
        start_request(request, file, locked);
    }
}

/* Takes what the child said; returns whether it and its copy processes have closed the socket. */
static bool read_reports(struct request *request)
{
    static struct report report;
    for (;;) {
        long size = CALL(recvfrom, request->socket, &report, sizeof report, MSG_DONTWAIT, NULL, NULL);
        if (size == -EAGAIN)
            return false;
        if (size < (long)offsetof(struct report, error.bytes))
            return true;
        request->start = report.start;
        request->has_files = report.has_files;
        add_bytes(error_of(request), report.error.bytes, report.error.length);
    }
}

/* Waits for whoever has died; returns whether there are more children. */
static bool reap(void)
{
    for (;;) {
        siginfo_t info = {0};
        long result = CALL(waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
        if (result < 0 || info.si_pid == 0)
            return result >= 0;
        struct request *request = requests;
        while (request < requests + MAX_REQUESTS && (request->phase != RUNNING || request->pid != info.si_pid))
            request++;
        bool found = request < requests + MAX_REQUESTS;
        if (found) /* before it is waited for, as nobody else can get its number till then */
            CALL(kill, -request->pid, SIGKILL);
        int status = 0;
        struct usage usage = {0};
        CALL(wait4, info.si_pid, &status, 0, &usage); /* it has died already: returns at once */
        if (found) {
            request->status = status;
            request->usage = usage;
            request->end = time_since(request->start, request->monotonic);
            request->ended_at = milliseconds_now();
            request->complained = false;
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
static bool swept(const struct request *request)
{
    for (struct request *other = requests; request->wants_mark && other < requests + MAX_REQUESTS; other++)
        if (other->phase == RUNNING)
            signal_group(other, SIGKILL);
    if (request->wants_mark && phase_exists(RUNNING, COPYING))
        return false;
    if (!self.is_init || phase_exists(RUNNING, RUNNING))
        return true;
    if (phase_exists(ENDING, COPYING) || phase_exists(READABLE, READABLE))
        return false; /* their own processes must not be hit */
    CALL(kill, -1, SIGKILL); /* fails if there is no other process */
    self.sweeping = reap();
    return !self.sweeping;
}

static void start_helper(struct request *request)
{
    if (!request->has_files)
        return;
    long pid = fork_child(request, -1);
    if (pid == 0)
        make_files_readable(request->file);
    if (pid < 0)
        complain("cannot make files readable for the coordinator", "", pid);
    else
        request->helper = (int)pid;
}

static void add_time(struct text *text, const char *key, int64_t seconds, int64_t fraction, int width)
{
    add(text, key);
    add_number(text, (uint64_t)seconds, 1);
    add(text, ".");
    add_number(text, (uint64_t)fraction, width);
    add(text, "\n");
}

/* Draws what nobody can guess, as 32 hexadecimal digits; -EIO or another negative errno if there is nothing to draw. */
static long draw_token(char token[2 * TOKEN_BYTES + 1])
{
    unsigned char bytes[TOKEN_BYTES];
    long result = CALL(getrandom, bytes, sizeof bytes, 0);
    if (result != sizeof bytes)
        return result < 0 ? result : -EIO;
    for (int i = 0; i < TOKEN_BYTES; i++) {
        token[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        token[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    token[2 * TOKEN_BYTES] = '\0';
    return 0;
}

/* Takes a name out of the control directory, whatever is there: a directory goes to a name that nobody can have put
 * something under. Returns whether something was there and is not any more. */
static bool take_away(const char *name)
{
    static struct text unused;
    char token[2 * TOKEN_BYTES + 1];
    long result = CALL(unlinkat, self.directory, name, 0);
    if (result != -EISDIR || draw_token(token) < 0)
        return result >= 0;
    unused.length = 0;
    add(&unused, ".discarded.");
    add_bytes(&unused, token, sizeof token);
    return CALL(renameat2, self.directory, name, self.directory, unused.bytes, 0) >= 0;
}

/* Writes a file of the control directory under a temporary name. Its mode does not depend on the umask. */
static long write_file(const char *temporary, const struct text *content)
{
    CALL(unlinkat, self.directory, temporary, 0); /* usually not there; if it stays, so does the next call fail */
    long file = CALL(openat, self.directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0)
        return file;
    long result = write_all((int)file, content->bytes, content->length);
    if (result >= 0)
        result = CALL(fchmod, file, 0644);
    close_descriptor((int)file);
    return result;
}

/* Reads a small file, of the control directory unless its path is absolute, into `buffer`, ended by NUL; a negative
 * errno if it cannot be read. */
static long read_small(const char *name, char *buffer, size_t size)
{
    long file = CALL(openat, self.directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return file;
    long result = CALL(read, file, buffer, size - 1);
    close_descriptor((int)file);
    if (result >= 0)
        buffer[result] = '\0';
    return result;
}

/* Names the processes that a request left behind, which may be of another user, and cannot be killed. */
static void name_left(struct text *text)
{
    _Alignas(uint64_t) static char buffer[4 << 10];
    static struct text path;
    char name[32];
    unsigned named = 0;
    long processes = CALL(openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), size;
    text->length = 0;
    while (processes >= 0 && (size = CALL(getdents64, processes, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < size;) { /* as in make_entries_readable */
            uint16_t length;
            memcpy(&length, buffer + at + 16, sizeof length);
            const char *digits = buffer + at + 19, *end = digits;
            at += length;
            long number = read_number(&end);
            if (number <= 1 || *end != '\0')
                continue;
            path.length = 0;
            add(&path, "/proc/");
            add(&path, digits);
            add_bytes(&path, "/comm", 6);
            long known = read_small(path.bytes, name, sizeof name);
            if (known <= 0 || ++named > MOST_NAMED)
                continue; /* it has ended meanwhile */
            name[name[known - 1] == '\n' ? known - 1 : known] = '\0';
            if (named > 1)
                add(text, ", ");
            add_foreign(text, name);
            add(text, " (process ");
            add_number(text, (uint64_t)number, 1);
            add(text, ")");
        }
    }
    if (processes >= 0)
        close_descriptor((int)processes);
    if (named > MOST_NAMED)
        add(text, " and others");
    if (named == 0)
        add(text, "processes that cannot be named");
}

/* Brings the sweeping to an end: all is gone, or what is left is named, and no request will begin any more. */
static bool sweep(struct request *request)
{
    int64_t now = milliseconds_now();
    if (request->sweep_until == 0)
        request->sweep_until = now + SWEEP_PATIENCE;
    if (swept(request))
        return true;
    if (now < request->sweep_until || phase_exists(ENDING, COPYING) || phase_exists(READABLE, READABLE))
        return false;
    name_left(&left_behind);
    request->left_some = self.sweeping = true;
    return true;
}

/*
 * Marks. What a container writes is one stream for all its requests. After the last output of a request that wants it,
 * when nothing of it lives any more, a mark is written: a line with a token that is drawn only then, so that no request
 * could have written it. A stream without room keeps the end of the request from nobody, but the next request from
 * beginning.
 */
static void write_mark(void)
{
    struct pollfd room = {STDOUT_FILENO, POLLOUT, 0};
    struct moment at_once = {0, 0};
    long result = CALL(ppoll_wide, &room, 1, &at_once, NULL, 8);
    if (result == 0)
        return;
    if (result > 0 && (room.revents & (POLLERR | POLLNVAL)) == 0)
        result = CALL(write, STDOUT_FILENO, self.mark.bytes, self.mark.length); /* a pipe takes all of it, or nothing */
    if (result != -EAGAIN)
        self.unmarked = false; /* if nobody reads it any more, nobody will miss the mark */
}

static void make_mark(struct request *request)
{
    long result = draw_token(request->token);
    if (result < 0) {
        complain("cannot draw a token for the end of the output", "", result);
        return;
    }
    self.mark.length = 0;
    add(&self.mark, "\x1emonopod ");
    add(&self.mark, request->token);
    add(&self.mark, "\n");
    self.unmarked = true;
    self.marked_at = milliseconds_now();
    write_mark();
}

/* How many processes of this container's cgroup the kernel has killed for their use of memory; 0 if it does not say.
 * The file is that of cgroup v2, or of v1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). */
static long memory_kills(void)
{
    static const char key[] = "oom_kill ";
    char buffer[256];
    if (read_small("/sys/fs/cgroup/memory.events", buffer, sizeof buffer) < 0 &&
        read_small("/sys/fs/cgroup/memory/memory.oom_control", buffer, sizeof buffer) < 0)
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
    long kills = read_number(&line);
    return kills < 0 ? 0 : kills;
}

/* Notes in all requests that run whether something was killed for its use of memory since this was called last: whose
 * process it was is not known, and to Kubernetes it is the container that ran out of memory. */
static void note_memory_kills(void)
{
    long before = self.kills;
    self.kills = memory_kills();
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        request->out_of_memory = request->out_of_memory || self.kills > before;
}

/*
 * What is there under the next numbers when a request with a mark has ended was written while it ran, by itself or for
 * a probe: it never begins. An end under the number after them is false.
 */
static void discard_requests(void)
{
    static struct text name;
    while (take_away(numbered(&name, "run.", self.next)))
        self.next++;
    take_away(numbered(&name, "exited.", self.next));
}

static bool tell(struct request *request)
{
    static struct text content, temporary, name;
    content.length = 0;
    int status = request->status;
    note_memory_kills();
    add(&content, WIFSIGNALED(status) ? "signal=" : "code=");
    add_number(&content, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)), 1);
    add(&content, "\n");
    add_time(&content, "start=", request->start.seconds, request->start.nanoseconds, 9);
    add_time(&content, "end=", request->end.seconds, request->end.nanoseconds, 9);
    add_time(&content, "user=", request->usage.user_seconds, request->usage.user_microseconds, 6);
    add_time(&content, "system=", request->usage.system_seconds, request->usage.system_microseconds, 6);
    add(&content, "peak=");
    add_number(&content, (uint64_t)request->usage.peak, 1);
    add(&content, request->stopped ? "\nstopped=1\n" : "\n");
    add(&content, "next=");
    add_number(&content, self.next, 1);
    add(&content, "\n");
    if (request->out_of_memory)
        add(&content, "oom=1\n");
    if (*request->token != '\0') {
        add(&content, "mark=");
        add(&content, request->token);
        add(&content, "\n");
    }
    if (request->left_some) {
        add(&content, "left=");
        add_bytes(&content, left_behind.bytes, left_behind.length);
        add(&content, "\n");
    }
    struct text *error = error_of(request);
    if (error->length > 0) {
        add(&content, "error=");
        add_bytes(&content, error->bytes, error->length);
        if (content.length == sizeof content.bytes)
            content.length--;
        add(&content, "\n");
    }
    numbered(&temporary, ".exited.", request->number);
    numbered(&name, "exited.", request->number);
    long result = write_file(temporary.bytes, &content);
    if (result >= 0) {
        take_away(name.bytes); /* a false one, written by the request while it lived */
        if (request->file >= 0)
            CALL(flock, request->file, LOCK_UN); /* cannot fail: from here on, exited.N is believed */
        result = CALL(renameat2, self.directory, temporary.bytes, self.directory, name.bytes, 0);
    }
    if (result < 0 && !request->complained)
        complain("cannot write the end of a request, and tries again each second: ", name.bytes, result);
    if (result < 0 && milliseconds_now() - request->ended_at > TELL_PATIENCE) {
        complain("could not write the end of a request for too long, and ends: ", name.bytes, result);
        leave(EXIT_CANNOT);
    }
    request->complained = result < 0;
    return result >= 0;
}

/* Brings a request as far as it can go. */
static void advance(struct request *request)
{
    enum phase before = request->phase;
    if (request->phase == ENDING &&
        (CALL(kill, -request->pid, 0) == -ESRCH || milliseconds_now() - request->ended_at > GROUP_PATIENCE)) {
        CALL(shutdown, request->socket, SHUT_WR); /* fails if there are no copy processes */
        request->phase = COPYING;
    }
    if (request->phase == COPYING && read_reports(request))
        request->phase = SWEEPING;
    if (request->phase == SWEEPING && sweep(request)) {
        start_helper(request);
        request->phase = READABLE;
    }
    if (request->phase == READABLE && request->helper == 0)
        request->phase = MARKING;
    if (request->phase == MARKING && !self.unmarked) {
        if (request->wants_mark)
            make_mark(request);
        request->phase = TELLING;
    }
    if (request->phase == TELLING && request->wants_mark)
        discard_requests();
    if (request->phase == TELLING && tell(request)) {
        if (request->file >= 0)
            close_descriptor(request->file);
        if (request->socket >= 0)
            close_descriptor(request->socket);
        request->phase = FREE;
        ring();
    }
    self.again |= request->phase != before;
}

/* ------------------------------------------------------------------------------------------------------------------
 * What else may come: orders to stop, the order to exit, signals, the loss of the coordinator
 */

/*
 * Reads an order, `NUMBER GRACE` or, without a grace period (then -1), `NUMBER`; a newline may follow, and nothing else.
 * A negative errno if it cannot be read, -EINVAL if it makes no sense.
 */
static long read_order(const char *name, long *number, long *grace)
{
    char buffer[32];
    const char *at = buffer;
    long size = read_small(name, buffer, sizeof buffer);
    if (size < 0)
        return size;
    *number = read_number(&at);
    *grace = -1;
    if (*number >= 0 && *at == ' ') {
        at++;
        *grace = read_number(&at);
        if (*grace < 0)
            return -EINVAL;
    }
    at += *at == '\n';
    return *number < 0 || at != buffer + size || size == sizeof buffer - 1 ? -EINVAL : 0;
}

/*
 * An order is moved away before it is read. To read and then unlink it would unlink another one that has come meanwhile,
 * unread. Only what cannot be moved (the Step has put something in the way) is read where it is.
 */
static void take_kill(struct request *request)
{
    static struct text name, taken;
    long number, grace, result = read_order(numbered(&name, "kill.", request->number), &number, &grace);
    if (result == -ENOENT)
        return;
    numbered(&taken, ".taken.", request->number);
    bool moved = CALL(renameat2, self.directory, name.bytes, self.directory, taken.bytes, 0) >= 0;
    if (moved)
        result = read_order(taken.bytes, &number, &grace);
    bool stays = CALL(unlinkat, self.directory, moved ? taken.bytes : name.bytes, 0) < 0 && !moved;
    if (stays && (request->stopped || request->complained))
        return; /* one that stays is taken once */
    if (result < 0 || number < 1 || number > 64 || grace < 0) {
        complain("makes no sense, and is ignored: ", name.bytes, result == -EINVAL ? 0 : result);
        request->complained = stays;
        return;
    }
    request->stopped = true;
    request->complained = false;
    signal_group(request, (int)number);
    int64_t kill_at = milliseconds_now() + grace;
    if (request->kill_at == 0 || kill_at < request->kill_at)
        request->kill_at = kill_at;
}

/* Whether a mark has to be written before the exit: not for ever, since the end of the streams is a mark as well. */
static bool mark_is_awaited(int64_t now)
{
    return self.unmarked && now - self.marked_at < MARK_PATIENCE;
}

/*
 * Exits if the coordinator says so and nothing is left to be done, or that has taken too long. What was read once holds
 * if a Step takes the file away; what makes no sense is a Step's, and the coordinator will write another one.
 */
static void take_exit(int64_t now)
{
    long code, grace, result = read_order("exit", &code, &grace);
    if (result == -ENOENT && self.exit_code < 0)
        return;
    if (result >= 0 && code <= 255) {
        self.exit_code = code;
        if (grace >= 0 && (self.exit_at == 0 || now + grace < self.exit_at))
            self.exit_at = now + grace;
    } else if (result != -ENOENT && !self.complained) {
        complain("makes no sense, and is ignored: ", "exit", result == -EINVAL ? 0 : result);
        self.complained = true;
    }
    if (self.exit_code < 0)
        return;
    if (self.exit_at != 0 && self.exit_at <= now) {
        for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
            if (request->phase == RUNNING)
                signal_group(request, SIGKILL);
        if (!phase_exists(RUNNING, MARKING))
            leave((int)self.exit_code);
        return;
    }
    if (phase_exists(RUNNING, TELLING))
        return;
    take_requests(); /* what was written before `exit` goes first */
    if (phase_exists(RUNNING, TELLING) || mark_is_awaited(now))
        return;
    leave((int)self.exit_code);
}

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (CALL(read, self.signals, &info, sizeof info) == sizeof info) {
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
static void look_for_coordinator(int64_t now)
{
    long file = CALL(openat, self.directory, "coordinator", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool free = file >= 0 && CALL(flock, file, LOCK_EX | LOCK_NB) == 0;
    if (file >= 0)
        close_descriptor((int)file);
    if (!free) {
        self.coordinator_seen = now;
        return;
    }
    if (now - self.coordinator_seen < self.orphan_after)
        return;
    complain("the coordinator has been gone for too long; nobody holds ", "coordinator", 0);
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
        if (request->phase == RUNNING)
            signal_group(request, SIGKILL);
    leave(EXIT_ORPHAN);
}

/* ------------------------------------------------------------------------------------------------------------------
 * The loop
 */

static void look_at_everything(void)
{
    take_signals();
    reap();
    if (self.unmarked)
        write_mark();
    take_requests();
    int64_t now = milliseconds_now();
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (request->phase == RUNNING)
            take_kill(request);
        if (request->phase == RUNNING && request->kill_at != 0 && request->kill_at <= now) {
            signal_group(request, SIGKILL);
            request->kill_at = 0;
        }
        if (request->phase != TELLING || request->complained == false)
            advance(request);
    }
    if (now >= self.tick_at) {
        self.tick_at = now + TICK;
        if (self.bell < 0)
            self.bell = (int)open_fifo("bell", O_RDWR);
        for (struct request *request = requests; request < requests + MAX_REQUESTS; request++)
            advance(request);
        look_for_coordinator(now);
    }
    if (self.terminated_by != 0 && !phase_exists(RUNNING, MARKING) && !mark_is_awaited(now))
        leave(128 + self.terminated_by);
    take_exit(now);
}

static void wait_for_something(void)
{
    struct pollfd waiting[3 + MAX_REQUESTS] = {{self.signals, POLLIN, 0}, {self.bell, POLLIN, 0}};
    unsigned count = 2;
    if (self.unmarked)
        waiting[count++] = (struct pollfd){STDOUT_FILENO, POLLOUT, 0};
    int64_t until = self.again ? 0 : self.tick_at;
    self.again = false;
    for (struct request *request = requests; request < requests + MAX_REQUESTS; request++) {
        if (request->phase == COPYING)
            waiting[count++] = (struct pollfd){request->socket, POLLIN, 0};
        if (request->phase == RUNNING && request->kill_at != 0 && request->kill_at < until)
            until = request->kill_at;
    }
    if (self.exit_at > milliseconds_now() && self.exit_at < until)
        until = self.exit_at;
    int64_t rest = until - milliseconds_now();
    if (rest < 0)
        rest = 0;
    struct moment timeout = {(uint32_t)rest / 1000, (uint32_t)rest % 1000 * 1000000};
    /* whatever comes of it, everything is looked at */
    kernel(SYS_ppoll_wide, (long)waiting, count, (long)&timeout, 0, 8, 0);
    if (waiting[1].revents != 0) {
        char rung[512];
        if (CALL(read, self.bell, rung, sizeof rung) <= 0) {
            close_descriptor(self.bell); /* tried again at the next tick */
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
    static const char by_default[64];
    uint64_t blocked = ~(uint64_t)0, read = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        blocked &= ~((uint64_t)1 << (faults[i] - 1));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        read |= (uint64_t)1 << (wanted[i] - 1);
    CALL(rt_sigprocmask, SIG_SETMASK, &blocked, NULL, 8); /* these two cannot fail */
    CALL(rt_sigaction, SIGCHLD, by_default, NULL, 8);     /* ignored, it would keep children from being waited for */
    long signals = CALL(signalfd4, -1, &read, 8, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) {
        complain("cannot receive signals", "", signals);
        leave(EXIT_CANNOT);
    }
    self.signals = (int)signals;
}

static void open_control_directory(void)
{
    long directory = CALL(openat, AT_FDCWD, self.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        complain("cannot open the control directory ", self.path, directory);
        leave(EXIT_CANNOT);
    }
    self.directory = (int)directory;
    long alive = CALL(openat, directory, "alive", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (alive == -EEXIST) {
        complain("started a second time, and no Step may run twice: there is a file alive in ", self.path, 0);
        leave(EXIT_STARTED_TWICE);
    }
    long result = alive < 0 ? alive : CALL(flock, alive, LOCK_EX);
    if (result >= 0)
        result = CALL(fchmod, alive, 0644);
    if (result < 0) {
        complain("cannot make and lock the file alive in ", self.path, result);
        leave(EXIT_CANNOT);
    }
    self.alive = (int)alive;
}

static _Noreturn void serve(void)
{
    block_signals();
    self.is_init = CALL(getpid, 0) == 1;
    if (!self.is_init)
        CALL(prctl, PR_SET_CHILD_SUBREAPER, 1); /* fails in qemu alone; then somebody else reaps the orphans */
    open_control_directory();
    self.kills = memory_kills();
    self.coordinator_seen = milliseconds_now();
    make_fifos();
    self.bell = (int)open_fifo("bell", O_RDWR);
    ring();
    for (;;) {
        look_at_everything();
        wait_for_something();
    }
}

/* Copies this program to DIR/entrypoint: how it gets into a container whose image does not have it. */
static void install(const char *path)
{
    static char buffer[64 << 10];
    static struct text temporary;
    numbered(&temporary, ".entrypoint.", (uint32_t)CALL(getpid, 0));
    long directory = CALL(openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    long from = CALL(openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (from < 0)
        complain("cannot read ", "/proc/self/exe", from);
    if (directory < 0)
        complain("cannot open ", path, directory);
    if (from < 0 || directory < 0)
        leave(EXIT_CANNOT);
    CALL(unlinkat, directory, temporary.bytes, 0); /* usually not there */
    long to = CALL(openat, directory, temporary.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    long result = to;
    while (result >= 0 && (result = CALL(read, from, buffer, sizeof buffer)) > 0)
        result = write_all((int)to, buffer, (size_t)result);
    if (result >= 0)
        result = CALL(fchmod, to, 0755);
    if (result >= 0)
        result = CALL(renameat2, directory, temporary.bytes, directory, "entrypoint", 0);
    if (result < 0) {
        complain("cannot write the entrypoint into ", path, result);
        CALL(unlinkat, directory, temporary.bytes, 0); /* if it was not made, there is nothing to remove */
        leave(EXIT_CANNOT);
    }
}

static int run(int count, char **arguments)
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
        orphan_seconds = read_number(&at);
        next = *at == '\0' && orphan_seconds >= 0 ? 3 : count + 1;
    }
    self.path = next < count ? arguments[next] : "/monopod/step";
    if (next < count - 1 || next > count || *self.path == '-' || strcmp(self.path, "install") == 0) {
        write_all(STDERR_FILENO, usage, sizeof usage - 1);
        return EXIT_USAGE;
    }
    self.orphan_after = (int64_t)orphan_seconds * 1000;
    serve();
}

/* Standard streams that are closed would be taken for the next file that is opened. */
static void open_standard_streams(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (CALL(fcntl, descriptor, F_GETFD) == -EBADF)
            CALL(openat, AT_FDCWD, "/dev/null", O_RDWR); /* without it there is nothing else to be opened instead */
}

#if __STDC_HOSTED__

int main(int count, char **arguments)
{
    environment_at_start = environ;
    open_standard_streams();
    return run(count, arguments);
}

#else

/* The kernel leaves on the stack: the number of arguments, the arguments, NULL, the environment, NULL. */
_Noreturn void begin(long *stack)
{
    int count = (int)*stack;
    char **arguments = (char **)(stack + 1);
    environment_at_start = arguments + count + 1;
    open_standard_streams();
    leave(run(count, arguments));
}

#endif
