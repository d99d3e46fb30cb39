/* The entrypoint: PID 1 of every container of a monopod Pod.
 *
 * It waits for requests in its control directory (docs/control-directory.md), runs each, and tells how it ended. It
 * knows nothing of Tasks, DAGs or Results.
 *
 * Rules:
 * - The parent allocates nothing and parses nothing: a request is read, expanded and turned into a program by the forked
 *   child, which tells what went wrong through a page of memory that both share.
 * - State is in files; the bell only wakes. Once a second everything is looked at anyway.
 * - All signals are blocked and read from a signalfd, so that there is no handler and no race.
 * - Every system call goes through `call6`, which returns -errno. The release build is freestanding: no libc is linked,
 *   since the kernel is all that is needed. Built with a libc (HOSTED), the same code runs under the sanitizers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MONOPOD_VERSION
#define MONOPOD_VERSION "unknown"
#endif

enum {
    REQUESTS = 64,             /* as many may run at the same time */
    TICK_MS = 1000,            /* how often to look without having been woken */
    SWEEP_MS = 2000,           /* how long to wait for killed processes to be gone */
    PAGE = 4096,               /* what a child and its parent share */
    RUN_BYTES = 64 << 20,      /* the largest run.N that is read */
    EXIT_ORPHANED = 75,
    EXIT_STARTED_TWICE = 76,
    EXIT_BROKEN = 70,
};

/* ---- The kernel ------------------------------------------------------------------------------------------------- */

#ifdef HOSTED

static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    long result = syscall(number, a, b, c, d, e, f);
    return result == -1 ? -errno : result;
}

#else

#if defined(__x86_64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".global _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call start\n");
#elif defined(__aarch64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
    return x0;
}
__asm__(".global _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n and sp,x0,#-16\n b start\n");
#elif defined(__arm__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    register long r3 __asm__("r3") = d;
    register long r4 __asm__("r4") = e;
    register long r5 __asm__("r5") = f;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory", "cc");
    return r0;
}
__asm__(".arm\n.global _start\n_start:\n mov fp,#0\n mov lr,#0\n mov r0,sp\n bic sp,sp,#15\n bl start\n");
#elif defined(__riscv)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
    return a0;
}
__asm__(".global _start\n_start:\n mv a0,sp\n andi sp,sp,-16\n tail start\n");
#elif defined(__powerpc64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register long r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    register long r6 __asm__("r6") = d;
    register long r7 __asm__("r7") = e;
    register long r8 __asm__("r8") = f;
    __asm__ volatile("sc\n bns+ 1f\n neg 3,3\n 1:"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8)
                     :
                     : "memory", "cr0", "ctr", "lr", "r9", "r10", "r11", "r12");
    return r3;
}
__asm__(".global _start\n.type _start,%function\n_start:\n addis 2,12,.TOC.-_start@ha\n addi 2,2,.TOC.-_start@l\n"
        " .localentry _start,.-_start\n mr 3,1\n clrrdi 1,1,4\n li 0,0\n stdu 0,-32(1)\n mtlr 0\n bl start\n nop\n");
#elif defined(__s390x__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r1 __asm__("r1") = number;
    register long r2 __asm__("r2") = a;
    register long r3 __asm__("r3") = b;
    register long r4 __asm__("r4") = c;
    register long r5 __asm__("r5") = d;
    register long r6 __asm__("r6") = e;
    register long r7 __asm__("r7") = f;
    __asm__ volatile("svc 0" : "+d"(r2) : "d"(r1), "d"(r3), "d"(r4), "d"(r5), "d"(r6), "d"(r7) : "memory");
    return r2;
}
__asm__(".global _start\n_start:\n lgr %r2,%r15\n aghi %r15,-160\n xc 0(8,%r15),0(%r15)\n jg start\n");
#else
#error "this architecture is not supported"
#endif

/* What a compiler may call by itself. */
void *memcpy(void *to, const void *from, size_t length)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    while (length--)
        *target++ = *source++;
    return to;
}

void *memset(void *to, int byte, size_t length)
{
    unsigned char *target = to;
    while (length--)
        *target++ = (unsigned char)byte;
    return to;
}

#endif

/* Kernel calls that are not the same everywhere: 32-bit arm has times of 64 bits under other numbers. */
#ifdef SYS_clock_gettime64
#define CLOCK_GETTIME SYS_clock_gettime64
#define PPOLL SYS_ppoll_time64
#else
#define CLOCK_GETTIME SYS_clock_gettime
#define PPOLL SYS_ppoll
#endif

struct kernel_time {
    int64_t seconds;
    int64_t nanoseconds;
};

struct kernel_usage {
    long user_seconds, user_microseconds, system_seconds, system_microseconds, peak_kib, rest[13];
};

static long call(long number, long a, long b, long c, long d, long e) { return call6(number, a, b, c, d, e, 0); }

#define AS_LONG(pointer) ((long)(intptr_t)(pointer))

static long os_open(int directory, const char *path, int flags, int mode)
{
    long result;
    do
        result = call(SYS_openat, directory, AS_LONG(path), flags | O_CLOEXEC, mode, 0);
    while (result == -EINTR);
    return result;
}

static void os_close(int fd) { call(SYS_close, fd, 0, 0, 0, 0); /* there is nothing to do about a failure */ }

static long os_read(int fd, void *buffer, size_t size)
{
    long result;
    do
        result = call(SYS_read, fd, AS_LONG(buffer), (long)size, 0, 0);
    while (result == -EINTR);
    return result;
}

static long os_write(int fd, const void *buffer, size_t size)
{
    const char *rest = buffer;
    while (size) {
        long result = call(SYS_write, fd, AS_LONG(rest), (long)size, 0, 0);
        if (result == -EINTR)
            continue;
        if (result < 0)
            return result;
        rest += result;
        size -= (size_t)result;
    }
    return 0;
}

static long os_fork(void)
{
#ifdef __s390x__
    return call(SYS_clone, 0, SIGCHLD, 0, 0, 0);
#else
    return call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static long os_kill(long pid, int signal) { return call(SYS_kill, pid, signal, 0, 0, 0); }

static _Noreturn void os_exit(int code)
{
    for (;;)
        call(SYS_exit_group, code, 0, 0, 0, 0);
}

static long os_wait(long pid, int *status, int options, struct kernel_usage *usage)
{
    long result;
    do
        result = call(SYS_wait4, pid, AS_LONG(status), options, AS_LONG(usage), 0);
    while (result == -EINTR);
    return result;
}

static void *os_map(size_t size, int flags)
{
#ifdef SYS_mmap2
    long number = SYS_mmap2;
#else
    long number = SYS_mmap;
#endif
#ifdef __s390x__ /* takes its arguments in memory */
    long arguments[] = {0, (long)size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0};
    long result = call(number, AS_LONG(arguments), 0, 0, 0, 0);
#else
    long result = call6(number, 0, (long)size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
#endif
    return result < 0 && result > -4096 ? NULL : (void *)result;
}

static long os_mode(int directory, const char *path, int flags, unsigned *mode)
{
    struct statx about;
    long result = call(SYS_statx, directory, AS_LONG(path), flags, STATX_TYPE | STATX_MODE, AS_LONG(&about));
    if (result == 0)
        *mode = about.stx_mode;
    return result;
}

static struct kernel_time os_time(int clock)
{
    struct kernel_time now = {0, 0};
    call(CLOCK_GETTIME, clock, AS_LONG(&now), 0, 0, 0);
    return now;
}

static int64_t now_ms(void)
{
    struct kernel_time now = os_time(CLOCK_MONOTONIC);
    return now.seconds * 1000 + (int32_t)now.nanoseconds / 1000000;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------ */

struct text {
    char bytes[1536];
    size_t length;
};

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int same_start(const char *text, const char *start, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] != start[i])
            return 0;
    return 1;
}

static void add_bytes(struct text *to, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && to->length + 1 < sizeof to->bytes; i++)
        to->bytes[to->length++] = bytes[i];
    to->bytes[to->length] = 0;
}

static void add(struct text *to, const char *text) { add_bytes(to, text, length_of(text)); }

/* Add a number in decimal, at least `width` digits of it. Without division, which on arm would need a library. */
static void add_number(struct text *to, uint64_t number, int width)
{
    static const uint64_t powers[] = {
        10000000000000000000u, 1000000000000000000u, 100000000000000000u, 10000000000000000u, 1000000000000000u,
        100000000000000u,      10000000000000u,      1000000000000u,      100000000000u,      10000000000u,
        1000000000u,           100000000u,           10000000u,           1000000u,           100000u,
        10000u,                1000u,                100u,                10u,                1u,
    };
    int started = 0;
    for (int i = 0; i < 20; i++) {
        char digit = '0';
        while (number >= powers[i]) {
            number -= powers[i];
            digit++;
        }
        started = started || digit != '0' || i >= 20 - width;
        if (started)
            add_bytes(to, &digit, 1);
    }
}

/* Read a decimal number at *text and move *text behind it. Returns -1 if there is none, or it is too large. */
static int64_t read_number(const char **text)
{
    int64_t number = 0;
    if (**text < '0' || **text > '9')
        return -1;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        number = number * 10 + (**text - '0');
        if (number > INT32_MAX)
            return -1;
    }
    return number;
}

static const char *error_text(int number)
{
    switch (number) {
    case EPERM: return "Operation not permitted";
    case ENOENT: return "No such file or directory";
    case EIO: return "Input/output error";
    case E2BIG: return "Argument list too long";
    case ENOEXEC: return "Exec format error";
    case EAGAIN: return "Resource temporarily unavailable";
    case ENOMEM: return "Cannot allocate memory";
    case EACCES: return "Permission denied";
    case EEXIST: return "File exists";
    case ENOTDIR: return "Not a directory";
    case EISDIR: return "Is a directory";
    case EINVAL: return "Invalid argument";
    case ENFILE: return "Too many open files in system";
    case EMFILE: return "Too many open files";
    case ETXTBSY: return "Text file busy";
    case EFBIG: return "File too large";
    case ENOSPC: return "No space left on device";
    case EROFS: return "Read-only file system";
    case ENAMETOOLONG: return "File name too long";
    case ELOOP: return "Too many levels of symbolic links";
    case ELIBBAD: return "Accessing a corrupted shared library";
    case EDQUOT: return "Disk quota exceeded";
    default: return NULL;
    }
}

static void add_error(struct text *to, int number)
{
    const char *text = error_text(number);
    if (text) {
        add(to, text);
    } else {
        add(to, "errno ");
        add_number(to, (uint64_t)number, 1);
    }
}

/* Tell a person, on standard error. */
static void say(const char *what, const char *which, long error)
{
    struct text line = {.length = 0};
    add(&line, "monopod entrypoint: ");
    add(&line, what);
    add(&line, which);
    if (error < 0) {
        add(&line, ": ");
        add_error(&line, (int)-error);
    }
    add(&line, "\n");
    os_write(STDERR_FILENO, line.bytes, line.length); /* if nobody hears it there is nobody to tell */
}

/* ---- What a child tells its parent ------------------------------------------------------------------------------ */

enum stage { NOTHING, READING, MALFORMED, MEMORY, DIRECTORY, OUTPUT, PROGRAM, INTERPRETER, NO_PROGRAM };

struct shared {
    struct kernel_time start;
    int stage;                  /* where a child failed; NOTHING: it did not */
    int error;
    int copiers[2];             /* processes that copy standard output and error; 0: none */
    char path[1024];            /* what it failed at, cut if it is longer */
    size_t readable_length;
    char readable[PAGE - 1024 - 64]; /* paths to be made readable in the end, each with its NUL */
};

_Static_assert(sizeof(struct shared) <= PAGE, "what is shared fits a page");

static void add_failure(struct text *to, const struct shared *shared)
{
    static const char *const words[] = {
        [READING] = "cannot read the request ",
        [MALFORMED] = "malformed request: ",
        [MEMORY] = "no memory for the request",
        [DIRECTORY] = "cannot enter the working directory ",
        [OUTPUT] = "cannot copy output to ",
        [PROGRAM] = "cannot run ",
        [INTERPRETER] = "cannot run ",
        [NO_PROGRAM] = "cannot run ",
    };
    add(to, words[shared->stage]);
    for (const char *c = shared->path; *c; c++) /* a line stays a line, whatever the path holds */
        add_bytes(to, (unsigned char)*c < ' ' ? "?" : c, 1);
    if (shared->stage == INTERPRETER)
        add(to, ": the interpreter of the script was not found");
    else if (shared->stage == NO_PROGRAM)
        add(to, ": not found on the PATH");
    else if (shared->error) {
        add(to, ": ");
        add_error(to, shared->error);
    }
}

static _Noreturn void fail(struct shared *shared, enum stage stage, const char *path, long error)
{
    size_t length = length_of(path);
    if (length >= sizeof shared->path)
        length = sizeof shared->path - 1;
    memcpy(shared->path, path, length);
    shared->path[length] = 0;
    shared->error = (int)-error;
    shared->stage = stage;
    os_exit(stage == NO_PROGRAM || stage == INTERPRETER || (stage == PROGRAM && error == -ENOENT) ? 127 : 126);
}

/* ---- The child: from a request to a program --------------------------------------------------------------------- */

struct memory {
    char *free;
    size_t left;
    struct shared *shared;
};

static void *take(struct memory *memory, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (size > memory->left) {
        size_t area = size > (1 << 20) ? size : 1 << 20;
        memory->free = os_map(area, MAP_PRIVATE);
        if (!memory->free)
            fail(memory->shared, MEMORY, "", -ENOMEM);
        memory->left = area;
    }
    void *result = memory->free;
    memory->free += size;
    memory->left -= size;
    return result;
}

struct list {
    char **items;
    size_t length, room;
};

static void append(struct memory *memory, struct list *list, char *item)
{
    if (list->length + 1 >= list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        char **items = take(memory, room * sizeof *items);
        for (size_t i = 0; i < list->length; i++)
            items[i] = list->items[i];
        list->items = items;
        list->room = room;
    }
    list->items[list->length++] = item;
    list->items[list->length] = NULL;
}

/* Return the value of a variable, NULL if it is not set. */
static const char *lookup(const struct list *environment, const char *name, size_t length)
{
    for (size_t i = 0; i < environment->length; i++)
        if (same_start(environment->items[i], name, length) && environment->items[i][length] == '=')
            return environment->items[i] + length + 1;
    return NULL;
}

static void set(struct memory *memory, struct list *environment, char *entry)
{
    size_t length = 0;
    while (entry[length] != '=')
        length++;
    for (size_t i = 0; i < environment->length; i++)
        if (same_start(environment->items[i], entry, length + 1)) {
            environment->items[i] = entry;
            return;
        }
    append(memory, environment, entry);
}

/* Go through a text as the Kubernetes API expands it; write to `to` unless it is NULL. Returns the length. */
static size_t expand_into(char *to, const char *text, const struct list *environment)
{
    size_t length = 0;
    while (*text) {
        const char *piece = text;
        size_t size = 1;
        if (text[0] == '$' && text[1] == '$') {
            text += 2;
        } else if (text[0] == '$' && text[1] == '(') {
            size_t name = 0;
            while (text[2 + name] && text[2 + name] != ')')
                name++;
            if (!text[2 + name]) { /* no end: it is no reference */
                size = 2;
                text += 2;
            } else {
                const char *value = lookup(environment, text + 2, name);
                piece = value ? value : text;
                size = value ? length_of(value) : name + 3;
                text += name + 3;
            }
        } else {
            text++;
        }
        if (to)
            memcpy(to + length, piece, size);
        length += size;
    }
    return length;
}

static char *expand(struct memory *memory, const char *text, const struct list *environment)
{
    size_t length = expand_into(NULL, text, environment);
    char *result = take(memory, length + 1);
    expand_into(result, text, environment);
    result[length] = 0;
    return result;
}

/* Make the directories that lead to a path: all of them, or all but the last part. The text is changed on the way. */
static long make_directories(char *path, int all)
{
    for (char *end = path + 1; *end; end++) {
        if (*end != '/')
            continue;
        *end = 0;
        long result = call(SYS_mkdirat, AT_FDCWD, AS_LONG(path), 0777, 0, 0);
        *end = '/';
        if (result < 0 && result != -EEXIST)
            return result;
    }
    long result = all ? call(SYS_mkdirat, AT_FDCWD, AS_LONG(path), 0777, 0, 0) : 0;
    return result == -EEXIST ? 0 : result;
}

struct order {
    struct list arguments, environment;
    char *directory, *outputs[2];
};

/* Read run.N into memory; the text ends with a NUL. */
static char *read_request(struct memory *memory, int directory, const char *name, size_t *length)
{
    long fd = os_open(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        fail(memory->shared, READING, name, fd);
    size_t room = 1 << 16;
    char *bytes = take(memory, room);
    *length = 0;
    for (;;) {
        if (*length + 1 >= room) {
            if (room >= RUN_BYTES)
                fail(memory->shared, READING, name, -EFBIG);
            char *larger = take(memory, room * 2);
            memcpy(larger, bytes, *length);
            bytes = larger;
            room *= 2;
        }
        long got = os_read((int)fd, bytes + *length, room - 1 - *length);
        if (got < 0)
            fail(memory->shared, READING, name, got);
        if (got == 0)
            break;
        *length += (size_t)got;
    }
    os_close((int)fd);
    bytes[*length] = 0;
    return bytes;
}

/* Remember a path that is to be made readable when the request has ended. */
static void remember_readable(struct shared *shared, const char *path)
{
    size_t length = length_of(path) + 1;
    if (shared->readable_length + length > sizeof shared->readable)
        fail(shared, MALFORMED, "too many x records", 0);
    memcpy(shared->readable + shared->readable_length, path, length);
    shared->readable_length += length;
}

static void parse(struct memory *memory, char *bytes, size_t length, struct order *order)
{
    struct shared *shared = memory->shared;
    struct list raw = {NULL, 0, 0};
    int ended = 0;
    for (char *record = bytes; record < bytes + length; record += length_of(record) + 1) {
        if (ended || record + length_of(record) == bytes + length)
            fail(shared, MALFORMED, ended ? "a record after the last" : "a record without its end", 0);
        char *text = record + 1;
        switch (record[0]) {
        case 'e':
            if (text[0] == '=' || !*text)
                fail(shared, MALFORMED, "an environment variable without a name", 0);
            for (char *c = text; *c != '='; c++)
                if (!*c)
                    fail(shared, MALFORMED, "an environment variable without a value", 0);
            set(memory, &order->environment, expand(memory, text, &order->environment));
            break;
        case 'a': append(memory, &raw, text); break;
        case 'd': order->directory = text; break;
        case 'o': order->outputs[0] = text; break;
        case 'r': order->outputs[1] = text; break;
        case 'x': remember_readable(shared, text); break;
        case '.': ended = 1; break;
        default: fail(shared, MALFORMED, "an unknown record", 0);
        }
    }
    if (!ended)
        fail(shared, MALFORMED, "no last record", 0);
    if (!raw.length || !*raw.items[0])
        fail(shared, MALFORMED, "no program", 0);
    for (size_t i = 0; i < raw.length; i++)
        append(memory, &order->arguments, expand(memory, raw.items[i], &order->environment));
}

static void enter_directory(struct shared *shared, char *path)
{
    long result = call(SYS_chdir, AS_LONG(path), 0, 0, 0, 0);
    if (result == -ENOENT && *path) {
        result = make_directories(path, 1);
        if (result == 0)
            result = call(SYS_chdir, AS_LONG(path), 0, 0, 0, 0);
    }
    if (result < 0)
        fail(shared, DIRECTORY, path, result);
}

/* Copy a pipe to two places until it ends, or, once SIGTERM has come, until it is empty. */
static _Noreturn void copy(int from, int stream, int file)
{
    static char buffer[1 << 16];
    uint64_t mask = 1ull << (SIGTERM - 1);
    long signals = call(SYS_signalfd4, -1, AS_LONG(&mask), sizeof mask, SFD_NONBLOCK | SFD_CLOEXEC, 0);
    struct pollfd waits[2] = {{.fd = from, .events = POLLIN}, {.fd = (int)signals, .events = POLLIN}};
    for (int draining = 0;;) {
        long got = os_read(from, buffer, sizeof buffer);
        if (got > 0) { /* a stream that nobody reads any more does not keep the file from being written */
            os_write(stream, buffer, (size_t)got);
            os_write(file, buffer, (size_t)got);
        } else if (got != -EAGAIN || draining) {
            os_exit(0);
        } else {
            call(PPOLL, AS_LONG(waits), 2, 0, 0, sizeof mask);
            draining = waits[1].revents != 0;
        }
    }
}

/* Let standard output or error (`stream`) also go to a file: through a pipe to a process of its own. */
static void copy_output(struct shared *shared, char *path, int stream)
{
    int ends[2], status;
    long file = os_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file == -ENOENT && make_directories(path, 0) == 0)
        file = os_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        fail(shared, OUTPUT, path, file);
    long result = call(SYS_pipe2, AS_LONG(ends), O_CLOEXEC, 0, 0, 0);
    if (result < 0)
        fail(shared, OUTPUT, path, result);
    /* The copier is to be the entrypoint's child, not the program's: hence a fork between. */
    long between = os_fork();
    if (between == 0) {
        call(SYS_setsid, 0, 0, 0, 0, 0);
        long copier = os_fork();
        if (copier == 0) {
            os_close(ends[1]);
            call(SYS_fcntl, ends[0], F_SETFL, O_NONBLOCK, 0, 0);
            copy(ends[0], stream, (int)file);
        }
        shared->copiers[stream - 1] = copier > 0 ? (int)copier : 0;
        os_exit(copier > 0 ? 0 : 1);
    }
    if (between < 0 || os_wait(between, &status, 0, NULL) < 0 || status)
        fail(shared, OUTPUT, path, between < 0 ? between : -EAGAIN);
    result = call(SYS_dup3, ends[1], stream, 0, 0, 0);
    if (result < 0)
        fail(shared, OUTPUT, path, result);
    os_close(ends[0]);
    os_close(ends[1]);
    os_close((int)file);
}

static long run_program(const char *path, const struct order *order)
{
    return call(SYS_execve, AS_LONG(path), AS_LONG(order->arguments.items), AS_LONG(order->environment.items), 0, 0);
}

/* Become the program: by its path, or found on the PATH as execvp does. Returns only by way of `fail`. */
static _Noreturn void become(struct memory *memory, const struct order *order)
{
    const char *program = order->arguments.items[0];
    size_t length = length_of(program);
    for (const char *c = program; *c; c++)
        if (*c == '/') {
            unsigned mode;
            long error = run_program(program, order);
            int there = error == -ENOENT && os_mode(AT_FDCWD, program, 0, &mode) == 0;
            fail(memory->shared, there ? INTERPRETER : PROGRAM, program, error);
        }
    const char *path = lookup(&order->environment, "PATH", 4);
    long refused = 0;
    for (const char *start = path ? path : "/usr/local/bin:/usr/bin:/bin"; start;) {
        size_t size = 0;
        while (start[size] && start[size] != ':')
            size++;
        char *file = take(memory, size + length + 3);
        memcpy(file, start, size);
        if (!size)
            file[size++] = '.';
        file[size] = '/';
        memcpy(file + size + 1, program, length);
        file[size + 1 + length] = 0;
        long error = run_program(file, order);
        if (error != -ENOENT && error != -ENOTDIR && error != -EACCES)
            fail(memory->shared, PROGRAM, file, error);
        unsigned mode;
        if (error == -ENOENT && os_mode(AT_FDCWD, file, 0, &mode) == 0)
            fail(memory->shared, INTERPRETER, file, error);
        refused = error == -EACCES ? error : refused;
        while (*start && *start != ':')
            start++;
        start = *start ? start + 1 : NULL;
    }
    fail(memory->shared, refused ? PROGRAM : NO_PROGRAM, program, refused ? refused : -ENOENT);
}

static _Noreturn void be_child(int directory, const char *name, char **environment, struct shared *shared)
{
    struct memory memory = {NULL, 0, shared};
    struct order order = {{NULL, 0, 0}, {NULL, 0, 0}, NULL, {NULL, NULL}};
    uint64_t no_signals = 0;
    size_t length;
    call(SYS_setsid, 0, 0, 0, 0, 0);
    for (; *environment; environment++)
        append(&memory, &order.environment, *environment);
    if (!order.environment.items)
        append(&memory, &order.environment, NULL), order.environment.length = 0;
    char *bytes = read_request(&memory, directory, name, &length);
    parse(&memory, bytes, length, &order);
    if (order.directory)
        enter_directory(shared, order.directory);
    for (int i = 0; i < 2; i++)
        if (order.outputs[i])
            copy_output(shared, order.outputs[i], i + 1);
    call(SYS_rt_sigprocmask, SIG_SETMASK, AS_LONG(&no_signals), 0, sizeof no_signals, 0);
    shared->start = os_time(CLOCK_REALTIME);
    become(&memory, &order);
}

/* ---- The parent: requests --------------------------------------------------------------------------------------- */

enum phase { FREE, RUNNING, COPYING, SWEEPING, TELLING };

struct request {
    enum phase phase;
    int number, stopped, status, told_failure;
    long pid;
    int64_t deadline; /* when SIGKILL follows, or sweeping is given up; 0: never */
    struct kernel_time end;
    struct kernel_usage usage;
    struct shared *shared;
};

static struct {
    int directory, bell, signals;
    int next;         /* the number of the next request */
    int active;       /* requests that are not FREE */
    int terminating;  /* the signal that asked the entrypoint to end, 0 if none has */
    int first;        /* whether it is PID 1 */
    int64_t orphaned; /* since when nobody holds the coordinator's lock, 0: somebody does */
    int64_t orphan_ms;
    char **environment;
    struct request requests[REQUESTS];
} state;

static void name_of(struct text *name, const char *prefix, int number)
{
    name->length = 0;
    add(name, prefix);
    add_number(name, (uint64_t)number, 1);
}

/* Open a FIFO of the control directory. Returns -1 if there is none, or it is something else. */
static int open_fifo(const char *name, int flags)
{
    unsigned mode;
    long fd = os_open(state.directory, name, flags | O_NONBLOCK | O_NOFOLLOW, 0);
    if (fd < 0)
        return -1;
    if (os_mode((int)fd, "", AT_EMPTY_PATH, &mode) == 0 && (mode & 0170000) == 0010000)
        return (int)fd;
    os_close((int)fd);
    return -1;
}

static void ring(void)
{
    int fd = open_fifo("ring", O_WRONLY);
    if (fd < 0)
        return; /* the coordinator looks by itself */
    os_write(fd, "\n", 1); /* a full FIFO wakes it as well */
    os_close(fd);
}

/* Read a small file of the control directory as text. Returns 0 if it is not there, or not to be read. */
static int read_small(const char *name, char *bytes, size_t size)
{
    long fd = os_open(state.directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    long got = os_read((int)fd, bytes, size - 1);
    os_close((int)fd);
    bytes[got > 0 ? got : 0] = 0;
    return 1;
}

static void start_request(struct request *request, const char *name)
{
    request->number = state.next++;
    request->stopped = request->told_failure = 0;
    request->deadline = 0;
    request->phase = RUNNING;
    state.active++;
    if (!request->shared)
        request->shared = os_map(PAGE, MAP_SHARED);
    if (!request->shared) {
        say("no memory for a request", "", -ENOMEM);
        os_exit(EXIT_BROKEN);
    }
    memset(request->shared, 0, offsetof(struct shared, readable));
    request->shared->start = os_time(CLOCK_REALTIME);
    request->pid = os_fork();
    if (request->pid == 0)
        be_child(state.directory, name, state.environment, request->shared);
    if (request->pid < 0) {
        struct shared *shared = request->shared;
        shared->stage = PROGRAM;
        shared->error = (int)-request->pid;
        memcpy(shared->path, "a process", 10);
        memset(&request->usage, 0, sizeof request->usage);
        request->status = 126 << 8;
        request->end = shared->start;
        request->phase = TELLING;
    }
}

static void take_requests(void)
{
    struct text name;
    unsigned mode;
    for (int i = 0; i < REQUESTS && !state.terminating; i++) {
        if (state.requests[i].phase != FREE)
            continue;
        name_of(&name, "run.", state.next);
        if (os_mode(state.directory, name.bytes, AT_SYMLINK_NOFOLLOW, &mode) < 0)
            return;
        start_request(&state.requests[i], name.bytes);
    }
}

static void take_kills(void)
{
    struct text name;
    char bytes[64];
    for (int i = 0; i < REQUESTS; i++) {
        struct request *request = &state.requests[i];
        if (request->phase != RUNNING)
            continue;
        name_of(&name, "kill.", request->number);
        if (!read_small(name.bytes, bytes, sizeof bytes))
            continue;
        call(SYS_unlinkat, state.directory, AS_LONG(name.bytes), 0, 0, 0);
        const char *text = bytes;
        int64_t signal = read_number(&text);
        text += *text == ' ';
        int64_t grace = read_number(&text);
        request->stopped = 1;
        request->deadline = now_ms() + (grace < 0 ? 0 : grace);
        os_kill(-request->pid, signal > 0 && signal <= 64 ? (int)signal : SIGTERM);
    }
}

static void make_readable(const char *path)
{
    unsigned mode;
    if (os_mode(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &mode) < 0)
        return;
    if ((mode & 0170000) == 0100000)
        call(SYS_fchmodat, AT_FDCWD, AS_LONG(path), (mode & 07777) | 0444, 0, 0);
    else if ((mode & 0170000) == 0040000)
        call(SYS_fchmodat, AT_FDCWD, AS_LONG(path), (mode & 07777) | 0555, 0, 0);
}

struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

/* Make a path readable, and what is directly in it if it is a directory. What cannot be changed stays as it is. */
static void make_tree_readable(const char *path)
{
    static union {
        char bytes[8192];
        uint64_t aligned;
    } entries;
    make_readable(path);
    long fd = os_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return;
    long got;
    while ((got = call(SYS_getdents64, fd, AS_LONG(entries.bytes), sizeof entries.bytes, 0, 0)) > 0)
        for (long at = 0; at < got;) {
            const struct kernel_entry *entry = (const struct kernel_entry *)(entries.bytes + at);
            struct text file = {.length = 0};
            add(&file, path);
            add(&file, "/");
            add(&file, entry->name);
            if (!same(entry->name, ".") && !same(entry->name, "..") && file.length + 1 < sizeof file.bytes)
                make_readable(file.bytes);
            at += entry->length;
        }
    os_close((int)fd);
}

static void make_results_readable(const struct shared *shared)
{
    size_t length = shared->readable_length < sizeof shared->readable ? shared->readable_length : 0;
    for (size_t at = 0; at < length; at += length_of(shared->readable + at) + 1)
        make_tree_readable(shared->readable + at);
}

static void add_time(struct text *to, const char *key, int64_t seconds, uint64_t fraction, int digits)
{
    add(to, key);
    add_number(to, (uint64_t)seconds, 1);
    add(to, ".");
    add_number(to, fraction, digits);
    add(to, "\n");
}

/* Write exited.N. Returns 0, or what went wrong. */
static long write_exited(const struct request *request)
{
    const struct shared *shared = request->shared;
    const struct kernel_usage *usage = &request->usage;
    struct text lines = {.length = 0}, name, temporary;
    int killed = WIFSIGNALED(request->status);
    add(&lines, killed ? "signal=" : "code=");
    add_number(&lines, (uint64_t)(killed ? WTERMSIG(request->status) : WEXITSTATUS(request->status)), 1);
    add(&lines, "\n");
    if (shared->stage > NOTHING && shared->stage <= NO_PROGRAM) {
        add(&lines, "error=");
        add_failure(&lines, shared);
        add(&lines, "\n");
    }
    add_time(&lines, "start=", shared->start.seconds, (uint64_t)shared->start.nanoseconds, 9);
    add_time(&lines, "end=", request->end.seconds, (uint64_t)request->end.nanoseconds, 9);
    add_time(&lines, "user=", usage->user_seconds, (uint64_t)usage->user_microseconds, 6);
    add_time(&lines, "system=", usage->system_seconds, (uint64_t)usage->system_microseconds, 6);
    add(&lines, "peak=");
    add_number(&lines, (uint64_t)usage->peak_kib, 1);
    add(&lines, request->stopped ? "\nstopped=1\n" : "\n");
    name_of(&name, "exited.", request->number);
    name_of(&temporary, ".exited.", request->number);
    long fd = os_open(state.directory, temporary.bytes, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return fd;
    long result = os_write((int)fd, lines.bytes, lines.length);
    os_close((int)fd);
    if (result < 0)
        return result;
    return call(SYS_renameat2, state.directory, AS_LONG(temporary.bytes), state.directory, AS_LONG(name.bytes), 0);
}

/* Whether a request other than this one still has processes of its own. */
static int others_run(const struct request *this)
{
    for (int i = 0; i < REQUESTS; i++) {
        const struct request *request = &state.requests[i];
        if (request != this && (request->phase == RUNNING || request->phase == COPYING))
            return 1;
    }
    return 0;
}

static int copiers_run(const struct request *request)
{
    return request->shared->copiers[0] > 0 || request->shared->copiers[1] > 0;
}

/* Take a request whose program has ended one step further, as far as it goes. */
static void advance(struct request *request)
{
    if (request->phase == COPYING && !copiers_run(request)) {
        request->phase = state.first ? SWEEPING : TELLING;
        request->deadline = now_ms() + SWEEP_MS;
    }
    if (request->phase == SWEEPING) {
        int status;
        int alone = !others_run(request);
        if (alone)
            os_kill(-1, SIGKILL);
        while (alone && os_wait(-1, &status, WNOHANG, NULL) > 0)
            continue;
        if (!alone || os_wait(-1, &status, WNOHANG, NULL) == -ECHILD || now_ms() >= request->deadline)
            request->phase = TELLING;
    }
    if (request->phase == TELLING) {
        make_results_readable(request->shared);
        long result = write_exited(request);
        if (result < 0) {
            if (!request->told_failure)
                say("cannot tell how a request ended, trying on", "", result);
            request->told_failure = 1;
            return;
        }
        request->phase = FREE;
        state.active--;
        ring();
    }
}

/* A child has ended: the program of a request, a copier, or an orphan that is only to be reaped. */
static void child_ended(long pid, int status, const struct kernel_usage *usage)
{
    for (int i = 0; i < REQUESTS; i++) {
        struct request *request = &state.requests[i];
        if (request->phase == RUNNING && request->pid == pid) {
            request->status = status;
            request->usage = *usage;
            request->end = os_time(CLOCK_REALTIME);
            request->phase = COPYING;
            os_kill(-pid, SIGKILL);
            for (int j = 0; j < 2; j++)
                if (request->shared->copiers[j] > 0)
                    os_kill(request->shared->copiers[j], SIGTERM);
            return;
        }
        for (int j = 0; j < 2; j++)
            if (request->shared && request->shared->copiers[j] == pid)
                request->shared->copiers[j] = 0;
    }
}

static void reap(void)
{
    struct kernel_usage usage;
    int status;
    long pid;
    while ((pid = os_wait(-1, &status, WNOHANG, &usage)) > 0)
        child_ended(pid, status, &usage);
}

static void kill_overdue(void)
{
    int64_t now = now_ms();
    for (int i = 0; i < REQUESTS; i++) {
        struct request *request = &state.requests[i];
        if (request->phase == RUNNING && request->deadline && now >= request->deadline) {
            os_kill(-request->pid, SIGKILL);
            request->deadline = 0;
        }
    }
}

static void signal_all(int signal)
{
    for (int i = 0; i < REQUESTS; i++)
        if (state.requests[i].phase == RUNNING)
            os_kill(-state.requests[i].pid, signal);
}

/* ---- The parent: its life --------------------------------------------------------------------------------------- */

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (os_read(state.signals, &info, sizeof info) == sizeof info) {
        int signal = (int)info.ssi_signo;
        switch (signal) {
        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
        case SIGHUP: state.terminating = signal; /* fall through */
        case SIGUSR1:
        case SIGUSR2:
        case SIGCONT:
        case SIGWINCH: signal_all(signal); break;
        default: break; /* SIGCHLD is looked after at every turn, the others are not for us */
        }
    }
}

/* End if the coordinator has been gone for too long. A lock that can be had is held by nobody. */
static void check_coordinator(void)
{
    long fd = os_open(state.directory, "coordinator", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return;
    long result = call(SYS_flock, fd, LOCK_SH | LOCK_NB, 0, 0, 0);
    os_close((int)fd);
    if (result < 0) {
        state.orphaned = 0;
        return;
    }
    int64_t now = now_ms();
    if (!state.orphaned)
        state.orphaned = now;
    if (now - state.orphaned < state.orphan_ms)
        return;
    say("the coordinator is gone, and nobody will say what to run", "", 0);
    signal_all(SIGKILL);
    os_exit(EXIT_ORPHANED);
}

static void end_if_done(void)
{
    char bytes[16];
    if (state.active)
        return;
    if (state.terminating)
        os_exit(128 + state.terminating);
    if (read_small("exit", bytes, sizeof bytes)) {
        const char *text = bytes;
        int64_t code = read_number(&text);
        os_exit(code >= 0 && code <= 255 ? (int)code : EXIT_BROKEN);
    }
}

static int until_next(void)
{
    int64_t now = now_ms(), next = now + TICK_MS;
    for (int i = 0; i < REQUESTS; i++) {
        const struct request *request = &state.requests[i];
        if (request->phase == RUNNING && request->deadline && request->deadline < next)
            next = request->deadline;
        if (request->phase == SWEEPING && now + 10 < next)
            next = now + 10;
    }
    return next > now ? (int)(next - now) : 0;
}

static void wait_for_something(int milliseconds)
{
    struct kernel_time timeout = {milliseconds / 1000, (int64_t)(milliseconds % 1000) * 1000000};
    struct pollfd waits[2] = {{.fd = state.signals, .events = POLLIN}, {.fd = state.bell, .events = POLLIN}};
    char bytes[256];
    call(PPOLL, AS_LONG(waits), 2, AS_LONG(&timeout), 0, 8);
    if (state.bell >= 0 && waits[1].revents)
        while (os_read(state.bell, bytes, sizeof bytes) == sizeof bytes)
            continue;
}

static _Noreturn void serve(void)
{
    int64_t tick = 0;
    for (;;) {
        take_signals();
        reap();
        kill_overdue();
        for (int i = 0; i < REQUESTS; i++)
            if (state.requests[i].phase != FREE && state.requests[i].phase != RUNNING)
                advance(&state.requests[i]);
        take_requests();
        take_kills();
        end_if_done();
        if (now_ms() >= tick) {
            tick = now_ms() + TICK_MS;
            if (state.bell < 0)
                state.bell = open_fifo("bell", O_RDWR);
            check_coordinator();
        }
        wait_for_something(until_next());
    }
}

/* Let the coordinator see that this container lives: a file that is locked before it appears. */
static int announce(void)
{
    long fd = os_open(state.directory, ".alive", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    if (fd == -EEXIST) {
        say("this container was started a second time; a Step does not run twice", "", 0);
        return EXIT_STARTED_TWICE;
    }
    long result = fd < 0 ? fd : call(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0);
    if (result >= 0)
        result = call(SYS_linkat, state.directory, AS_LONG(".alive"), state.directory, AS_LONG("alive"), 0);
    if (result == -EEXIST) {
        say("this container was started a second time; a Step does not run twice", "", 0);
        return EXIT_STARTED_TWICE;
    }
    if (result < 0) {
        say("cannot make the file alive", "", result);
        return EXIT_BROKEN;
    }
    return 0;
}

static int live(const char *directory)
{
    uint64_t all_signals = ~0ull;
    char no_action[64] = {0};
    long fd = os_open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        say("cannot open ", directory, fd);
        return EXIT_BROKEN;
    }
    state.directory = (int)fd;
    state.next = 1;
    state.first = call(SYS_getpid, 0, 0, 0, 0, 0) == 1;
    if (!state.first)
        call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int signal = 1; signal <= 64; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            call(SYS_rt_sigaction, signal, AS_LONG(no_action), 0, sizeof all_signals, 0);
    call(SYS_rt_sigprocmask, SIG_SETMASK, AS_LONG(&all_signals), 0, sizeof all_signals, 0);
    fd = call(SYS_signalfd4, -1, AS_LONG(&all_signals), sizeof all_signals, SFD_NONBLOCK | SFD_CLOEXEC, 0);
    if (fd < 0) {
        say("cannot listen to signals", "", fd);
        return EXIT_BROKEN;
    }
    state.signals = (int)fd;
    int failed = announce();
    if (failed)
        return failed;
    state.bell = open_fifo("bell", O_RDWR);
    ring();
    serve();
}

/* Copy this program to DIRECTORY/entrypoint. */
static int install(const char *directory)
{
    static char buffer[1 << 16];
    long got = 0, to = -1, from = os_open(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0);
    long result = from;
    long place = os_open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
    if (result >= 0)
        result = place;
    if (result >= 0)
        result = to = os_open((int)place, ".entrypoint", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0755);
    while (result >= 0 && (result = got = os_read((int)from, buffer, sizeof buffer)) > 0)
        result = os_write((int)to, buffer, (size_t)got);
    if (result >= 0)
        result = call(SYS_fchmod, to, 0755, 0, 0, 0);
    if (to >= 0)
        os_close((int)to);
    if (result >= 0)
        result = call(SYS_renameat2, place, AS_LONG(".entrypoint"), place, AS_LONG("entrypoint"), 0);
    if (result >= 0)
        return 0;
    say("cannot install into ", directory, result);
    return 1;
}

static int usage(void)
{
    static const char text[] = "usage: entrypoint [--orphan-seconds N] [DIR]\n"
                               "       entrypoint install DIR\n"
                               "       entrypoint --version\n";
    os_write(STDERR_FILENO, text, sizeof text - 1);
    return 2;
}

static int command_line(int count, char **arguments, char **environment)
{
    const char *directory = "/monopod/step";
    int64_t orphan_seconds = 300;
    int at = 1;
    if (count == 2 && same(arguments[1], "--version"))
        return os_write(STDOUT_FILENO, MONOPOD_VERSION "\n", sizeof MONOPOD_VERSION) < 0;
    if (count == 3 && same(arguments[1], "install"))
        return install(arguments[2]);
    if (count > 2 && same(arguments[1], "--orphan-seconds")) {
        const char *text = arguments[2];
        orphan_seconds = read_number(&text);
        if (orphan_seconds < 0 || *text)
            return usage();
        at = 3;
    }
    if (at < count && arguments[at][0] != '-')
        directory = arguments[at++];
    if (at != count)
        return usage();
    state.orphan_ms = orphan_seconds * 1000;
    state.environment = environment;
    return live(directory);
}

#ifdef HOSTED
int main(int count, char **arguments, char **environment) { return command_line(count, arguments, environment); }
#else
_Noreturn void start(long *stack)
{
    int count = (int)stack[0];
    char **arguments = (char **)(stack + 1);
    os_exit(command_line(count, arguments, arguments + count + 1));
}
#endif
