/*
 * The kernel: system calls without a libc, the same on six architectures.
 *
 * The entrypoint is built in two ways: freestanding for a release (own system calls, own _start, no libc: a few KiB that
 * need no libc to be compiled first), and hosted for the sanitizers of the tests. Both take types and constants from
 * libc's headers. Every system call gives a negative errno if it fails, and is checked, or it is said why not.
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

extern char **environment_at_start;

long kernel(long number, long a, long b, long c, long d, long e, long f);

/* CALL(name, arguments...) gives a result or a negative errno, and tries again after EINTR. */
#define CALL(name, ...) CALL_PADDED(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_PADDED(name, a, b, c, d, e, f, ...) \
    call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

long call(long number, long a, long b, long c, long d, long e, long f);
long fork_process(void);
void *more_memory(size_t size);
_Noreturn void leave(int code);
void close_descriptor(int descriptor);
struct moment clock_now(int clock);
struct moment time_since(struct moment start, struct moment from);
int64_t milliseconds_now(void);
long write_all(int descriptor, const char *bytes, size_t size);
unsigned mode_of(int directory, const char *path, int flags);

#endif
