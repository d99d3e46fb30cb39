/*
 * The output of a request: the title before it and the copies of its streams (in the child), and the mark at its end
 * (in the supervisor).
 */

#include "entrypoint.h"

/*
 * Makes the container's streams block again. All requests share their open file descriptions, so a program that makes
 * one non-blocking would make the next program lose output.
 */
void make_streams_block(void)
{
    int no = 0;
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        ignore(sys_ioctl(stream, FIONBIO, &no)); /* fails for a stream that is closed, or cannot block */
}

/* Writes the title into the container's stream, before the program and in one piece (it is shorter than PIPE_BUF). */
void write_title(const char *title)
{
    ignore(write_when_ready(STDOUT_FILENO, title, strlen(title))); /* without a reader nobody misses it */
}

static int open_copy(const char *path, const char *message)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOCTTY | O_CLOEXEC;
    int result = sys_openat(AT_FDCWD, path, flags, 0666);
    if (result == -ENOENT) {
        result = make_parent_directories(path);
        if (result == 0)
            result = sys_openat(AT_FDCWD, path, flags, 0666);
    }
    if (result < 0)
        fail_request(CODE_CANNOT_RUN, message, path, result, "");
    return result;
}

/*
 * A copy process reads the program's stream from a pipe and writes it to the container's stream and to a file. It has
 * its own session, so it outlives the program. It is orphaned to the entrypoint, so the program has no unknown child.
 *
 * When the supervisor shuts down its end of the socket, the request is over: the process copies what is in the pipe at
 * that time and exits, even if another process still holds the pipe open. The supervisor then sees the socket closed.
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
        if (!last && sys_ppoll(waiting, 2, NULL) < 0)
            break;
        if (!last && waiting[1].revents != 0) {
            int left = 0;
            last = true;
            if (sys_ioctl(copy->from, FIONREAD, &left) < 0)
                break;
            rest = (size_t)left;
        }
        ssize_t size = rest > 0 ? sys_read(copy->from, buffer, rest < sizeof buffer ? rest : sizeof buffer) : 0;
        if (size <= 0)
            break;
        if (copy->stream >= 0 && write_when_ready(copy->stream, buffer, (size_t)size) < 0)
            copy->stream = -1; /* its reader is gone; the file still gets everything */
        int result = copy->file >= 0 ? write_all(copy->file, buffer, (size_t)size) : 0;
        if (result < 0) {
            log_error("cannot write ", copy->path, result);
            copy->file = -1;
        }
        if (last)
            rest -= (size_t)size;
    }
    exit_now(0);
}

static void start_copy(struct copy *copy, const struct copy *other)
{
    pid_t middle = sys_fork();
    if (middle == 0) {
        /* Cannot fail: a new process leads no group. Before the second fork, so it is done when the program starts. */
        ignore(sys_setsid());
        pid_t pid = sys_fork();
        if (pid != 0)
            exit_now(pid < 0 ? -pid : 0);
        sys_close(copy->into);
        if (other->path != NULL)
            sys_close(other->into);
        copy_output(copy);
    }
    int status = 0;
    int result = middle < 0 ? middle : sys_wait4(middle, &status, 0, NULL);
    if (result >= 0)
        result = WIFSIGNALED(status) ? -EINTR : -WEXITSTATUS(status);
    if (result < 0)
        fail_request(CODE_CANNOT_RUN, "cannot start copying output to ", copy->path, result, "");
}

/* Discards the output of a request that asks for it, such as a probe: it is not part of the container's log. */
static void discard_output(const char *records)
{
    static const char path[] = "/dev/null";
    if (find_record(records, 'q') == NULL)
        return;
    int file = sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    for (int stream = STDOUT_FILENO; stream <= STDERR_FILENO; stream++) {
        int result = file < 0 ? file : sys_dup3(file, stream, 0);
        if (result < 0)
            fail_request(CODE_CANNOT_RUN, "cannot discard the output in ", path, result, "");
    }
}

void start_copies(const char *records)
{
    discard_output(records);
    struct copy copies[] = {{.stream = STDOUT_FILENO, .path = find_record(records, 'o')},
                            {.stream = STDERR_FILENO, .path = find_record(records, 'r')}};
    static const char *const messages[] = {"cannot write the copy of standard output to ",
                                           "cannot write the copy of standard error to "};
    for (int i = 0; i < 2; i++) {
        if (copies[i].path == NULL)
            continue;
        copies[i].file = open_copy(copies[i].path, messages[i]);
        int ends[2] = {-1, -1};
        int result = sys_pipe2(ends, O_CLOEXEC);
        if (result < 0)
            fail_request(CODE_CANNOT_RUN, messages[i], copies[i].path, result, "");
        copies[i].from = ends[0];
        copies[i].into = ends[1];
    }
    for (int i = 0; i < 2; i++)
        if (copies[i].path != NULL)
            start_copy(&copies[i], &copies[1 - i]);
    for (int i = 0; i < 2; i++) {
        int result = copies[i].path != NULL ? sys_dup3(copies[i].into, copies[i].stream, 0) : 0;
        if (result < 0)
            fail_request(CODE_CANNOT_RUN, messages[i], copies[i].path, result, "");
    }
}

/*
 * Marks. A container has one stream of output for all its requests. When all processes of a request with a mark are
 * dead, a line with a new random token ends its output, which no request can have written. If the stream has no room
 * for it, the end of the request is reported anyway, and only the next request waits.
 */
static struct {
    bool is_pending; /* not written yet */
    int64_t since;   /* when it was made */
    struct text line;
} mark;

static bool streams_are_joined;

/* Whether the first record of a request asks for a mark, which must be known before it starts. */
bool starts_with_mark(int file)
{
    char record[2];
    return sys_pread64(file, record, sizeof record) == sizeof record && record[0] == 'm' && record[1] == '\0';
}

/*
 * Joins standard error to standard output, before the first request with a mark. Container runtimes read the two from
 * separate pipes and log them in any order, so a mark in one would not end the other. Returns whether they are joined.
 */
bool join_streams(void)
{
    if (!streams_are_joined) {
        int result = sys_dup3(STDOUT_FILENO, STDERR_FILENO, 0);
        if (result < 0)
            log_error("cannot join standard error and output", "", result);
        streams_are_joined = result >= 0;
    }
    return streams_are_joined;
}

/* Generates a token of 32 hexadecimal digits. Returns 0 or a negative errno. */
int random_token(char token[2 * TOKEN_BYTES + 1])
{
    unsigned char bytes[TOKEN_BYTES];
    ssize_t result = sys_getrandom(bytes, sizeof bytes, 0);
    if (result != sizeof bytes)
        return result < 0 ? (int)result : -EIO;
    for (int i = 0; i < TOKEN_BYTES; i++) {
        token[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        token[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    token[2 * TOKEN_BYTES] = '\0';
    return 0;
}

bool mark_is_pending(void)
{
    return mark.is_pending;
}

/* Whether the exit still waits for a mark. It does not wait for ever: the end of the stream ends the output as well. */
bool mark_delays_exit(int64_t now)
{
    return mark.is_pending && now - mark.since < MARK_TIMEOUT;
}

/* Writes the pending mark if there is room for it. */
void write_mark(void)
{
    struct pollfd room = {STDOUT_FILENO, POLLOUT, 0};
    struct timespec at_once = {0, 0};
    if (!mark.is_pending)
        return;
    ssize_t result = sys_ppoll(&room, 1, &at_once);
    if (result == 0)
        return;
    if (result > 0 && (room.revents & (POLLERR | POLLNVAL)) == 0)
        result = sys_write(STDOUT_FILENO, mark.line.bytes, mark.line.length); /* a pipe takes all of it, or nothing */
    if (result != -EAGAIN)
        mark.is_pending = false; /* written, or the reader is gone */
}

/* Writes a mark, now or as soon as there is room for it. */
void put_mark(const char *token)
{
    mark.line.length = 0;
    append(&mark.line, "\x1emonopod ");
    append(&mark.line, token);
    append(&mark.line, "\n");
    mark.is_pending = true;
    mark.since = monotonic_ms();
    write_mark();
}

/* Makes a mark and fills in its token, which stays empty if there is none. */
void make_mark(char token[2 * TOKEN_BYTES + 1])
{
    int result = random_token(token);
    if (result < 0) {
        log_error("cannot generate the token of a mark", "", result);
        return;
    }
    put_mark(token);
}
