/*
 * The files of the control directory (docs/control-directory.md), except run.N: how they are opened, read and written.
 */

#include "entrypoint.h"

/* Creates the FIFOs unless the coordinator has, so that neither misses the other. */
void make_fifos(void)
{
    mode_t mask = sys_umask(0);
    ignore(sys_mknodat(self.directory, "bell", S_IFIFO | 0666, 0)); /* without FIFOs, everything is only slower */
    ignore(sys_mknodat(self.directory, "ring", S_IFIFO | 0666, 0));
    sys_umask(mask);
}

/* Opens a FIFO. Returns a negative errno if it is missing or is not a FIFO. */
int open_fifo(const char *name, int flags)
{
    int result = sys_openat(self.directory, name, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0);
    if (result >= 0 && !S_ISFIFO(file_mode(result, "", AT_EMPTY_PATH))) {
        sys_close(result);
        return -EINVAL;
    }
    return result;
}

/* Wakes the coordinator. It also checks by itself, so nothing depends on this. */
void ring_coordinator(void)
{
    int ring = open_fifo("ring", O_WRONLY);
    if (ring < 0)
        return;
    ignore(sys_write(ring, "\n", 1)); /* if it is full, the coordinator is awake */
    sys_close(ring);
}

/*
 * Removes an entry, whatever it is. A directory is renamed to a random name, which a Step cannot have blocked. Returns
 * whether an entry was removed.
 */
bool remove_entry(const char *name)
{
    static struct text unused;
    char token[2 * TOKEN_BYTES + 1];
    int result = sys_unlinkat(self.directory, name, 0);
    if (result != -EISDIR || random_token(token) < 0)
        return result >= 0;
    unused.length = 0;
    append(&unused, ".discarded.");
    append_bytes(&unused, token, sizeof token);
    return sys_renameat2(self.directory, name, self.directory, unused.bytes, 0) >= 0;
}

/*
 * Reserves room for exited.N before the program can fill the disk, in a file without a name, which no program can
 * reach. Returns its descriptor, or a negative errno if there is no room or the file system has no such files.
 */
int reserve_exited(void)
{
    static char zeros[RESERVED_BYTES];
    int file = sys_openat(self.directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
    if (file < 0)
        return file;
    long result = write_all(file, zeros, sizeof zeros);
    if (result >= 0)
        result = sys_lseek(file, 0, SEEK_SET);
    if (result >= 0)
        result = sys_fchmod(file, 0644);
    if (result >= 0)
        return file;
    sys_close(file);
    return (int)result;
}

/* Fills a reserved file and gives it a name, which works once. */
static int write_reserved(int file, const char *name, const struct text *content)
{
    struct name path;
    if (file < 0)
        return file;
    int result = write_all(file, content->bytes, content->length);
    if (result >= 0)
        result = sys_ftruncate(file, (long)content->length);
    if (result >= 0)
        result = sys_linkat(AT_FDCWD, numbered_name(&path, "/proc/self/fd/", (uint32_t)file), self.directory, name,
                            AT_SYMLINK_FOLLOW);
    return result;
}

/* Writes a file under a temporary name, to be renamed. Its mode does not depend on the umask. */
int write_temporary(const char *temporary, const struct text *content, int reserve)
{
    ignore(sys_unlinkat(self.directory, temporary, 0)); /* usually there is none; if it stays, the next calls fail */
    if (write_reserved(reserve, temporary, content) >= 0)
        return 0;
    int file = sys_openat(self.directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0)
        return file;
    int result = write_all(file, content->bytes, content->length);
    if (result >= 0)
        result = sys_fchmod(file, 0644);
    sys_close(file);
    return result;
}

static void append_time(struct text *text, const char *key, int64_t seconds, int64_t fraction, int width)
{
    append(text, key);
    append_number(text, (uint64_t)seconds, 1);
    append(text, ".");
    append_number(text, (uint64_t)fraction, width);
    append(text, "\n");
}

/* Formats exited.N up to `left` and `error`. `next` is the number of the next request. */
void format_exited(struct text *content, const struct request *request, uint32_t next)
{
    int status = request->status;
    content->length = 0;
    append(content, WIFSIGNALED(status) ? "signal=" : "code=");
    append_number(content, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)), 1);
    append(content, "\n");
    append_time(content, "start=", request->start.tv_sec, request->start.tv_nsec, 9);
    append_time(content, "end=", request->end.tv_sec, request->end.tv_nsec, 9);
    append_time(content, "user=", request->usage.ru_utime.tv_sec, request->usage.ru_utime.tv_usec, 6);
    append_time(content, "system=", request->usage.ru_stime.tv_sec, request->usage.ru_stime.tv_usec, 6);
    append(content, "peak=");
    append_number(content, (uint64_t)request->usage.ru_maxrss, 1);
    append(content, "\nnext=");
    append_number(content, next, 1);
    append(content, "\n");
    if (request->stopped)
        append(content, "stopped=1\n");
    if (request->oom_killed)
        append(content, "oom=1\n");
    if (*request->token != '\0') {
        append(content, "mark=");
        append(content, request->token);
        append(content, "\n");
    }
}

/* Appends a line to exited.N. One that is too long is cut, but ends with a newline. */
void append_line(struct text *content, const char *key, const struct text *value)
{
    append(content, key);
    append_bytes(content, value->bytes, value->length);
    if (content->length == sizeof content->bytes)
        content->length--;
    append(content, "\n");
}

/*
 * Reads a small file into `buffer` and appends a NUL. A relative path starts at the control directory. Returns the size
 * or a negative errno.
 */
ssize_t read_small_file(const char *name, char *buffer, size_t size)
{
    int file = sys_openat(self.directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (file < 0)
        return file;
    ssize_t result = sys_read(file, buffer, size - 1);
    sys_close(file);
    if (result >= 0)
        buffer[result] = '\0';
    return result;
}

/*
 * Reads kill.N or exit: `NUMBER GRACE`, or `NUMBER`, for which `grace` is -1; a newline may follow. On a full disk, it is
 * the target of a symbolic link. Returns 0, -EINVAL if it is malformed, or another negative errno if it cannot be read.
 */
int read_order(const char *name, long *number, long *grace)
{
    char buffer[32];
    const char *at = buffer;
    long size = read_small_file(name, buffer, sizeof buffer);
    if (size == -ELOOP) {
        size = sys_readlinkat(self.directory, name, buffer, sizeof buffer - 1);
        buffer[size < 0 ? 0 : size] = '\0';
    }
    if (size < 0)
        return (int)size;
    *number = parse_number(&at);
    *grace = -1;
    if (*number >= 0 && *at == ' ') {
        at++;
        *grace = parse_number(&at);
        if (*grace < 0)
            return -EINVAL;
    }
    at += *at == '\n';
    return *number < 0 || at != buffer + size || size == sizeof buffer - 1 ? -EINVAL : 0;
}

/*
 * Whether a further life may follow the one that created `name`: it is over, and was one. The first `alive` may be the
 * runner's, which has given up the container.
 */
static bool is_over(const char *name, bool is_first)
{
    char content[2];
    int file = sys_openat(self.directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (file < 0)
        return true; /* a Step has put something else there */
    bool is_locked = sys_flock(file, LOCK_SH | LOCK_NB) == -EWOULDBLOCK;
    bool is_marked = is_first && sys_read(file, content, 1) > 0;
    sys_close(file);
    return !is_locked && !is_marked;
}

/* Removes what is there under the numbers of a life that has not begun: no coordinator has given it requests. */
static void remove_requests(uint32_t number)
{
    struct name name;
    remove_entry(numbered_name(&name, "exited.", number));
    while (remove_entry(numbered_name(&name, "run.", number)))
        number++;
}

/* Creates a locked file. Returns its descriptor or a negative errno. */
static int create_locked(const char *name)
{
    remove_entry(name); /* of an entrypoint that was killed here */
    int file = sys_openat(self.directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0)
        return file;
    int result = sys_flock(file, LOCK_EX);
    if (result >= 0)
        result = sys_fchmod(file, 0644);
    if (result >= 0)
        return file;
    sys_close(file);
    return result;
}

/* Generates the mark of a further life and writes it to its `alive`. Returns 0 or a negative errno. */
static int write_mark_of_life(int alive)
{
    int result = random_token(self.mark_of_life);
    if (result >= 0)
        result = write_all(alive, self.mark_of_life, 2 * TOKEN_BYTES);
    if (result >= 0)
        result = write_all(alive, "\n", 1);
    return result;
}

/*
 * Gives a locked file the name of this life's `alive`: `alive`, or a numbered one if the container was restarted. The
 * numbers of the requests follow from the life, so no request of an earlier life runs again. Returns 0 or a negative
 * errno; -EEXIST if the container was started a second time and may not be.
 */
static int begin_life(int alive, const char *temporary)
{
    struct name numbered;
    char content[2];
    int result = -EEXIST;
    for (uint32_t life = 1; life <= MAX_LIVES; life++) {
        const char *name = life > 1 ? numbered_name(&numbered, "alive.", life) : "alive";
        self.next = (life - 1) * REQUESTS_PER_LIFE + 1;
        if (self.restarts && read_small_file(name, content, sizeof content) == -ENOENT)
            remove_requests(self.next);
        result = life == 2 ? write_mark_of_life(alive) : 0;
        if (result >= 0)
            result = sys_linkat(self.directory, temporary, self.directory, name, 0);
        if (result != -EEXIST || !self.restarts || !is_over(name, life == 1))
            break;
    }
    return result;
}

void open_control_directory(void)
{
    int directory = sys_openat(AT_FDCWD, self.path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (directory < 0) {
        log_error("cannot open the control directory ", self.path, directory);
        exit_now(EXIT_IO_ERROR);
    }
    self.directory = directory;
    static const char temporary[] = ".alive";
    int alive = create_locked(temporary); /* it appears under its name complete and locked */
    int result = alive < 0 ? alive : begin_life(alive, temporary);
    remove_entry(temporary);
    if (result == -EEXIST) {
        log_error("refusing to start a second time: alive already exists in ", self.path, 0);
        exit_now(EXIT_STARTED_TWICE);
    }
    if (result < 0) {
        log_error("cannot create and lock alive in ", self.path, result);
        exit_now(EXIT_IO_ERROR);
    }
    self.alive = alive;
    struct statx status = {0};
    ignore(sys_statx(alive, "", AT_EMPTY_PATH, STATX_CTIME, &status)); /* cannot fail: the file is open */
    self.started = status.stx_ctime;
}
