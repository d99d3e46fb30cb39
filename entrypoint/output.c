/* The output of a request: copies of its streams, and the mark at its end. */

#include "entrypoint.h"

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

void copy_streams(const char *records)
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

bool asks_for_mark(long file)
{
    char record[2];
    return CALL(pread64, file, record, sizeof record, 0) == sizeof record && record[0] == 'm' && record[1] == '\0';
}

/*
 * Whether a request wants a mark: its first record says so, since that must be known before it runs. From then on the
 * container has one stream: who reads standard output and error from two pipes puts them together in any order, so that
 * a mark in one says nothing of the other.
 */
bool wants_mark(long file)
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

/* Draws what nobody can guess, as 32 hexadecimal digits; -EIO or another negative errno if there is nothing to draw. */
long draw_token(char token[2 * TOKEN_BYTES + 1])
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

/*
 * Marks. What a container writes is one stream for all its requests. After the last output of a request that wants it,
 * when nothing of it lives any more, a mark is written: a line with a token that is drawn only then, so that no request
 * could have written it. A stream without room keeps the end of the request from nobody, but the next request from
 * beginning.
 */
void write_mark(void)
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

void make_mark(struct request *request)
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
