/*
 * The system call of each architecture, _start, what the compiler expects of libc, and small functions: see kernel.h.
 */

#include "kernel.h"

#if __STDC_HOSTED__
#include <stdlib.h>
#endif

char **initial_environment;

#if __STDC_HOSTED__

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    long result = syscall(number, a, b, c, d, e, f);
    return result == -1 ? -errno : result;
}

pid_t sys_fork(void)
{
    pid_t pid = fork();
    return pid == -1 ? -errno : pid;
}

void *heap_allocate(size_t size)
{
    return malloc(size);
}

#else

#if defined(__x86_64__)

__asm__(".globl _start\n_start: xorl %ebp, %ebp\n movq %rsp, %rdi\n andq $-16, %rsp\n call start_process\n");

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

__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n and sp, x0, #-16\n b start_process\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                  x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

#elif defined(__riscv)

__asm__(".globl _start\n_start: .option push\n .option norelax\n lla gp, __global_pointer$\n .option pop\n"
        " mv a0, sp\n andi sp, sp, -16\n tail start_process\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c,
                  a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
    return a0;
}

#elif defined(__powerpc64__)

/* The table of contents (r2) is found from r12, the address of _start. */
__asm__(".globl _start\n_start: addis 2, 12, .TOC.-_start@ha\n addi 2, 2, .TOC.-_start@l\n mr 3, 1\n clrrdi 1, 1, 4\n"
        " li 0, 0\n stdu 0, -32(1)\n mtlr 0\n bl start_process\n nop\n");

/* An error is a positive errno and a flag. */
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

__asm__(".globl _start\n_start: lgr %r2, %r15\n aghi %r15, -160\n lghi %r0, 0\n stg %r0, 0(%r15)\n jg start_process\n");

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r1 __asm__("r1") = number, r2 __asm__("r2") = a, r3 __asm__("r3") = b, r4 __asm__("r4") = c,
                  r5 __asm__("r5") = d, r6 __asm__("r6") = e, r7 __asm__("r7") = f;
    __asm__ volatile("svc 0" : "+r"(r2) : "r"(r1), "r"(r3), "r"(r4), "r"(r5), "r"(r6), "r"(r7) : "cc", "memory");
    return r2;
}

#elif defined(__ARM_EABI__)

__asm__(".globl _start\n_start: mov fp, #0\n mov lr, #0\n mov r0, sp\n bic ip, sp, #15\n mov sp, ip\n"
        " bl start_process\n");

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

pid_t sys_fork(void)
{
#ifdef __s390x__
    return (pid_t)kernel(SYS_clone, 0, SIGCHLD, 0, 0, 0, 0);
#else
    return (pid_t)kernel(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
#endif
}

/* Nothing is freed: a child keeps its memory until it execs or exits. */
void *heap_allocate(size_t size)
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

/* Functions that the compiler may call by itself, and the string functions used here. */
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

long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    do
        result = kernel(number, a, b, c, d, e, f);
    while (result == -EINTR && number != SYS_close);
    return result;
}

/*
 * A 32-bit kernel has two calls for everything that takes a time. The one with 64-bit times came with Linux 5.1: an
 * older kernel answers ENOSYS, and an older seccomp profile EPERM. Then the one with times of `long` is used.
 *
 * The tests define EMULATE_OLD_KERNEL, with which every machine has 64-bit calls that its kernel does not know.
 */
#ifdef SYS_clock_gettime32
#define SYS_clock_gettime_long SYS_clock_gettime32 /* musl's name */
#else
#define SYS_clock_gettime_long SYS_clock_gettime
#endif
#if defined EMULATE_OLD_KERNEL
#define SYS_clock_gettime_64 1000
#define SYS_ppoll_64 1000
#elif defined SYS_clock_gettime64
#define SYS_clock_gettime_64 SYS_clock_gettime64
#define SYS_ppoll_64 SYS_ppoll_time64
#endif

struct long_timespec {
    long tv_sec, tv_nsec;
};

static bool is_missing(int result)
{
    return result == -ENOSYS || result == -EPERM;
}

int sys_clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = -ENOSYS;
#ifdef SYS_clock_gettime_64
    result = (int)system_call(SYS_clock_gettime_64, clock, (long)time, 0, 0, 0, 0);
#endif
    if (is_missing(result)) {
        struct long_timespec now = {0, 0};
        result = (int)system_call(SYS_clock_gettime_long, clock, (long)&now, 0, 0, 0, 0);
        *time = (struct timespec){.tv_sec = now.tv_sec, .tv_nsec = now.tv_nsec};
    }
    return result;
}

/* The kernel writes the remaining time into the timeout, so it gets a copy. */
int sys_ppoll(struct pollfd *files, unsigned count, const struct timespec *timeout)
{
    int result = -ENOSYS;
#ifdef SYS_ppoll_64
    struct timespec rest = timeout != NULL ? *timeout : (struct timespec){.tv_sec = 0};
    result = (int)system_call(SYS_ppoll_64, (long)files, (long)count, timeout != NULL ? (long)&rest : 0, 0, 8, 0);
#endif
    if (is_missing(result)) {
        struct long_timespec left = {0, 0};
        if (timeout != NULL)
            left = (struct long_timespec){.tv_sec = (long)timeout->tv_sec, .tv_nsec = timeout->tv_nsec};
        result = (int)system_call(SYS_ppoll, (long)files, (long)count, timeout != NULL ? (long)&left : 0, 0, 8, 0);
    }
    return result;
}

struct timespec read_clock(clockid_t clock)
{
    struct timespec now = {0, 0};
    ignore(sys_clock_gettime(clock, &now)); /* every Linux has both clocks */
    return now;
}

/* The time of day, if it was `start` at the monotonic time `from`. Setting the clock in between does not count. */
struct timespec wall_clock_after(struct timespec start, struct timespec from)
{
    const long second = 1000000000;
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    now.tv_sec += start.tv_sec - from.tv_sec;
    now.tv_nsec += start.tv_nsec - from.tv_nsec;
    if (now.tv_nsec < 0) {
        now.tv_nsec += second;
        now.tv_sec--;
    } else if (now.tv_nsec >= second) {
        now.tv_nsec -= second;
        now.tv_sec++;
    }
    return now;
}

int64_t monotonic_ms(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return now.tv_sec * 1000 + (uint32_t)now.tv_nsec / 1000000;
}

int write_all(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = sys_write(descriptor, bytes, size);
        if (written < 0)
            return (int)written;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

int write_when_ready(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = sys_write(descriptor, bytes, size);
        if (written == -EAGAIN) {
            struct pollfd room = {descriptor, POLLOUT, 0};
            written = sys_ppoll(&room, 1, NULL) < 0 ? -EAGAIN : 0;
        }
        if (written < 0)
            return (int)written;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

/* The type and mode of a path or, with AT_EMPTY_PATH, of a descriptor; 0 if they are unknown. */
mode_t file_mode(int directory, const char *path, int flags)
{
    struct statx status = {0};
    if (sys_statx(directory, path, flags, STATX_TYPE | STATX_MODE, &status) < 0)
        return 0;
    return status.stx_mode;
}
