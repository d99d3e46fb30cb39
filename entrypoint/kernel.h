/*
 * Typed system calls without a libc, the same on six architectures.
 *
 * The entrypoint is built in two ways. A release is freestanding: it has its own system calls and _start, since
 * compiling musl takes most of a minute for each architecture. For the sanitizers of the tests it is hosted. Both take
 * types and constants from libc's headers.
 *
 * `sys_NAME` takes the parameters of NAME(2) that are used here. It returns a negative errno if it fails, and retries
 * after EINTR. The compiler rejects an unused result. Where a failure does not matter, `ignore` says so and a comment
 * says why.
 */
#ifndef MONOPOD_KERNEL_H
#define MONOPOD_KERNEL_H

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

/* libc's struct timespec is the kernel's struct __kernel_timespec where time_t has 64 bits, as in musl everywhere. */
_Static_assert(sizeof(struct timespec) == 16, "time_t has 64 bits");

/* What wait4(2) writes. In libc's struct rusage, times are wider on 32-bit architectures. */
struct kernel_rusage {
    struct {
        long tv_sec, tv_usec;
    } ru_utime, ru_stime;
    long ru_maxrss, others[13];
};

extern char **initial_environment;

/* ------------------------------------------------------------------------------------------------------------------
 * System calls, in the order of their names
 */

/* Arguments lose their types here and nowhere else. */
long system_call(long number, long a, long b, long c, long d, long e, long f);

#define MUST_CHECK __attribute__((warn_unused_result))
#define CHECKED MUST_CHECK static inline
#define CALL(name, ...) CALL_PADDED(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_PADDED(name, a, b, c, d, e, f, ...) \
    system_call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline void ignore(long result)
{
    (void)result;
}

CHECKED int sys_chdir(const char *path)
{
    return (int)CALL(chdir, path);
}

MUST_CHECK int sys_clock_gettime(clockid_t clock, struct timespec *time);

/* Ignores a negative descriptor. Linux frees one even after EINTR, and no other failure matters here. */
static inline void sys_close(int descriptor)
{
    if (descriptor >= 0)
        CALL(close, descriptor);
}

CHECKED int sys_dup3(int from, int to, int flags)
{
    return (int)CALL(dup3, from, to, flags);
}

/* Returns only if it fails. */
CHECKED int sys_execve(const char *path, char *const *arguments, char *const *environment)
{
    return (int)CALL(execve, path, arguments, environment);
}

static inline _Noreturn void exit_now(int code)
{
    for (;;)
        CALL(exit_group, code);
}

CHECKED int sys_fchmod(int descriptor, mode_t mode)
{
    return (int)CALL(fchmod, descriptor, mode);
}

CHECKED int sys_fchmodat(int directory, const char *path, mode_t mode)
{
    return (int)CALL(fchmodat, directory, path, mode);
}

CHECKED int sys_fcntl(int descriptor, int command)
{
    return (int)CALL(fcntl, descriptor, command);
}

CHECKED int sys_flock(int descriptor, int operation)
{
    return (int)CALL(flock, descriptor, operation);
}

MUST_CHECK pid_t sys_fork(void);

CHECKED int sys_ftruncate(int descriptor, long size)
{
    return (int)CALL(ftruncate, descriptor, size);
}

CHECKED ssize_t sys_getdents64(int directory, void *buffer, size_t size)
{
    return CALL(getdents64, directory, buffer, size);
}

CHECKED pid_t sys_getpid(void)
{
    return (pid_t)CALL(getpid, 0);
}

CHECKED pid_t sys_getppid(void)
{
    return (pid_t)CALL(getppid, 0);
}

CHECKED ssize_t sys_getrandom(void *buffer, size_t size, unsigned flags)
{
    return CALL(getrandom, buffer, size, flags);
}

CHECKED int sys_ioctl(int descriptor, unsigned long request, int *value)
{
    return (int)CALL(ioctl, descriptor, request, value);
}

CHECKED int sys_kill(pid_t pid, int number)
{
    return (int)CALL(kill, pid, number);
}

CHECKED int sys_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    return (int)CALL(linkat, from_directory, from, to_directory, to, flags);
}

CHECKED long sys_lseek(int descriptor, long offset, int whence)
{
    return CALL(lseek, descriptor, offset, whence);
}

CHECKED int sys_mkdirat(int directory, const char *path, mode_t mode)
{
    return (int)CALL(mkdirat, directory, path, mode);
}

CHECKED int sys_mknodat(int directory, const char *path, mode_t mode, unsigned device)
{
    return (int)CALL(mknodat, directory, path, mode, device);
}

CHECKED int sys_openat(int directory, const char *path, int flags, mode_t mode)
{
    return (int)CALL(openat, directory, path, flags, mode);
}

CHECKED int sys_pipe2(int ends[2], int flags)
{
    return (int)CALL(pipe2, ends, flags);
}

/* Without a time it waits as long as it takes. The signal mask stays. */
MUST_CHECK int sys_ppoll(struct pollfd *files, unsigned count, const struct timespec *timeout);

CHECKED int sys_prctl(int option, unsigned long value)
{
    return (int)CALL(prctl, option, value);
}

/* Reads at offset 0: architectures pass a 64-bit offset in different ways. */
CHECKED ssize_t sys_pread64(int descriptor, void *buffer, size_t size)
{
    return CALL(pread64, descriptor, buffer, size, 0);
}

CHECKED ssize_t sys_read(int descriptor, void *buffer, size_t size)
{
    return CALL(read, descriptor, buffer, size);
}

CHECKED ssize_t sys_recvfrom(int socket, void *buffer, size_t size, int flags)
{
    return CALL(recvfrom, socket, buffer, size, flags, NULL, NULL);
}

CHECKED int sys_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    return (int)CALL(renameat2, from_directory, from, to_directory, to, flags);
}

/* To SIG_DFL: the kernel's struct sigaction differs between architectures, but SIG_DFL is all zero in each. */
CHECKED int sys_reset_signal(int number)
{
    static const char by_default[64];
    return (int)CALL(rt_sigaction, number, by_default, NULL, 8);
}

CHECKED pid_t sys_setsid(void)
{
    return (pid_t)CALL(setsid, 0);
}

CHECKED int sys_shutdown(int socket, int how)
{
    return (int)CALL(shutdown, socket, how);
}

CHECKED int sys_signalfd4(int descriptor, const uint64_t *signals, int flags)
{
    return (int)CALL(signalfd4, descriptor, signals, 8, flags);
}

CHECKED ssize_t sys_readlinkat(int directory, const char *path, char *buffer, size_t size)
{
    return CALL(readlinkat, directory, path, buffer, size);
}

CHECKED int sys_sigprocmask(int how, const uint64_t *signals)
{
    return (int)CALL(rt_sigprocmask, how, signals, NULL, 8);
}

CHECKED int sys_socketpair(int domain, int type, int protocol, int ends[2])
{
    return (int)CALL(socketpair, domain, type, protocol, ends);
}

CHECKED int sys_statx(int directory, const char *path, int flags, unsigned mask, struct statx *status)
{
    return (int)CALL(statx, directory, path, flags, mask, status);
}

/* Cannot fail; returns the mask that was set before. */
static inline mode_t sys_umask(mode_t mask)
{
    return (mode_t)CALL(umask, mask);
}

CHECKED int sys_unlinkat(int directory, const char *path, int flags)
{
    return (int)CALL(unlinkat, directory, path, flags);
}

CHECKED pid_t sys_wait4(pid_t pid, int *status, int options, struct kernel_rusage *usage)
{
    return (pid_t)CALL(wait4, pid, status, options, usage);
}

CHECKED int sys_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    return (int)CALL(waitid, type, id, info, options, NULL);
}

CHECKED ssize_t sys_write(int descriptor, const void *bytes, size_t size)
{
    return CALL(write, descriptor, bytes, size);
}

#undef CALL
#undef CALL_PADDED

/* ------------------------------------------------------------------------------------------------------------------
 * Functions that build on them (kernel.c)
 */

void *heap_allocate(size_t size);
struct timespec read_clock(clockid_t clock);
struct timespec wall_clock_after(struct timespec start, struct timespec from);
int64_t monotonic_ms(void);
MUST_CHECK int write_all(int descriptor, const char *bytes, size_t size);
MUST_CHECK int write_when_ready(int descriptor, const char *bytes, size_t size); /* also if it does not block */
mode_t file_mode(int directory, const char *path, int flags);

#endif
