/* `entrypoint install DIR`: copies this program to DIR/entrypoint, from where containers of any image run it. */

#include "entrypoint.h"

void install(const char *path)
{
    static char buffer[64 << 10];
    struct name temporary;
    numbered_name(&temporary, ".entrypoint.", (uint32_t)sys_getpid());
    int directory = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    int from = sys_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
    if (from < 0)
        log_error("cannot read ", "/proc/self/exe", from);
    if (directory < 0)
        log_error("cannot open ", path, directory);
    if (from < 0 || directory < 0)
        exit_now(EXIT_IO_ERROR);
    ignore(sys_unlinkat(directory, temporary.bytes, 0)); /* usually there is none */
    int to = sys_openat(directory, temporary.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ssize_t result = to;
    while (result >= 0 && (result = sys_read(from, buffer, sizeof buffer)) > 0)
        result = write_all(to, buffer, (size_t)result);
    if (result >= 0)
        result = sys_fchmod(to, 0755);
    if (result >= 0)
        result = sys_renameat2(directory, temporary.bytes, directory, "entrypoint", 0);
    if (result < 0) {
        log_error("cannot install the entrypoint in ", path, (int)result);
        ignore(sys_unlinkat(directory, temporary.bytes, 0)); /* it may not exist */
        exit_now(EXIT_IO_ERROR);
    }
}
