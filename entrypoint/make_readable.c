/*
 * A helper process that makes the files of a request readable for the coordinator, which may be another user. It parses
 * the request, so like the child it is a process of its own.
 */

#include "entrypoint.h"

static void make_readable(int directory, const char *path, bool follow)
{
    mode_t mode = file_mode(directory, path, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    mode_t wanted = mode | (S_ISDIR(mode) ? 0555 : 0444);
    if (mode == 0 || mode == wanted || S_ISLNK(mode))
        return; /* a missing file was not written, which is not an error */
    int result = sys_fchmodat(directory, path, wanted & 07777);
    if (result < 0)
        log_error("cannot make a file readable for the coordinator: ", path, result);
}

static void make_entries_readable(const char *path)
{
    int directory = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC, 0);
    if (directory < 0)
        return; /* missing, or not a directory */
    _Alignas(uint64_t) static char buffer[32 << 10];
    for (;;) {
        ssize_t size = sys_getdents64(directory, buffer, sizeof buffer);
        if (size < 0)
            log_error("cannot read the directory ", path, (int)size);
        if (size <= 0)
            break;
        for (ssize_t at = 0; at < size;) { /* struct linux_dirent64: 16 bytes, length (2), type (1), name */
            uint16_t length;
            memcpy(&length, buffer + at + 16, sizeof length);
            const char *name = buffer + at + 19;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
                make_readable(directory, name, false);
            at += length;
        }
    }
    sys_close(directory);
}

_Noreturn void make_files_readable(int file)
{
    const char *record = read_records(file);
    const char *directory = find_record(record, 'd');
    if (directory != NULL)
        ignore(sys_chdir(directory)); /* if it is gone, so are the files in it */
    for (; *record != '.'; record += strlen(record) + 1) {
        if (*record != 'x')
            continue;
        make_readable(AT_FDCWD, record + 1, true);
        make_entries_readable(record + 1);
    }
    exit_now(0);
}
