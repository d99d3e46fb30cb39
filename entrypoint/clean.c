/*
 * Removes what earlier requests left in the directories of `c` and `n` records, before the program starts.
 *
 * Nothing is removed from what is mounted below such a directory: rmdir(2) fails with EBUSY for a mount point, and is
 * tried before a directory is opened. Symbolic links are removed, not followed.
 */

#include "entrypoint.h"

enum {
    MOST_LEVELS = 32,   /* deeper directories are moved up first */
    MOST_PASSES = 10000, /* over one directory: a pass that removes something may make the kernel skip an entry */
    BUFFER_BYTES = 8 << 10,
};

/* `oldest` and `newest` limit the times of what an `n` record removes: from the start to the writing of the request. */
struct cleaning {
    bool everything;
    int top;        /* the directory of the record */
    uint32_t moved; /* the number of directories that were moved up */
    bool error_logged;
    const char *path;
    struct statx_timestamp oldest, newest;
};

static bool is_before(struct statx_timestamp one, struct statx_timestamp other)
{
    return one.tv_sec < other.tv_sec || (one.tv_sec == other.tv_sec && one.tv_nsec < other.tv_nsec);
}

static bool is_removed(const struct cleaning *cleaning, const struct statx *status)
{
    return cleaning->everything || (!is_before(status->stx_ctime, cleaning->oldest) &&
                                    !is_before(cleaning->newest, status->stx_ctime));
}

static void note_failure(struct cleaning *cleaning, int error)
{
    if (error >= 0 || cleaning->error_logged || error == -EBUSY || error == -ENOENT || error == -ENOTEMPTY)
        return; /* something is mounted there, or a directory keeps what is older than the container */
    cleaning->error_logged = true;
    log_error("cannot remove everything that an earlier Step left in ", cleaning->path, error);
}

static bool clean_directory(struct cleaning *cleaning, int directory, int level);

/* Removes an entry of a directory. Returns whether it is gone. */
static bool remove_left(struct cleaning *cleaning, int directory, const char *name, int level)
{
    struct statx status = {0};
    if (sys_statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_CTIME, &status) < 0 ||
        !is_removed(cleaning, &status))
        return false;
    if (!S_ISDIR(status.stx_mode)) {
        int result = sys_unlinkat(directory, name, 0);
        note_failure(cleaning, result);
        return result == 0;
    }
    int result = sys_unlinkat(directory, name, AT_REMOVEDIR);
    if (result != -ENOTEMPTY && result != -EEXIST) {
        note_failure(cleaning, result);
        return result == 0;
    }
    if (level == MOST_LEVELS) {
        struct name unused;
        numbered_name(&unused, ".monopod-left.", cleaning->moved++);
        return sys_renameat2(directory, name, cleaning->top, unused.bytes, 0) == 0;
    }
    static const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int opened = sys_openat(directory, name, flags, 0);
    if (opened == -EACCES && sys_fchmodat(directory, name, 0700) == 0)
        opened = sys_openat(directory, name, flags, 0);
    if (opened < 0) {
        note_failure(cleaning, opened);
        return false;
    }
    bool is_changed = clean_directory(cleaning, opened, level + 1);
    sys_close(opened);
    result = sys_unlinkat(directory, name, AT_REMOVEDIR);
    note_failure(cleaning, result);
    return result == 0 || is_changed;
}

/* Returns whether an entry was removed or moved. */
static bool clean_directory(struct cleaning *cleaning, int directory, int level)
{
    _Alignas(uint64_t) static char buffers[MOST_LEVELS + 1][BUFFER_BYTES];
    char *buffer = buffers[level];
    bool is_changed = false, again = true;
    for (int pass = 0; again && pass < MOST_PASSES; pass++) {
        again = false;
        if (sys_lseek(directory, 0, SEEK_SET) < 0)
            break;
        for (;;) {
            ssize_t size = sys_getdents64(directory, buffer, BUFFER_BYTES);
            if (size < 0)
                note_failure(cleaning, (int)size);
            if (size <= 0)
                break;
            for (ssize_t at = 0; at < size;) { /* struct linux_dirent64: 16 bytes, length (2), type (1), name */
                uint16_t length;
                memcpy(&length, buffer + at + 16, sizeof length);
                const char *name = buffer + at + 19;
                if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                    remove_left(cleaning, directory, name, level))
                    again = true;
                at += length;
            }
        }
        is_changed |= again;
    }
    return is_changed;
}

/* `file` is the request: what is newer than it was not left by an earlier one. */
void clean_directories(const char *record, int file)
{
    struct statx status = {0};
    int result = sys_statx(file, "", AT_EMPTY_PATH, STATX_CTIME, &status);
    for (; *record != '.'; record += strlen(record) + 1) {
        if (*record != 'c' && *record != 'n')
            continue;
        struct cleaning cleaning = {.everything = *record == 'c', .path = record + 1,
                                    .oldest = self.started, .newest = status.stx_ctime};
        if (result < 0 && !cleaning.everything)
            continue; /* cannot happen: the file is open */
        cleaning.top = sys_openat(AT_FDCWD, cleaning.path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC, 0);
        if (cleaning.top < 0)
            continue; /* the image has no such directory */
        ignore(clean_directory(&cleaning, cleaning.top, 0));
        sys_close(cleaning.top);
    }
}
