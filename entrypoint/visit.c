/*
 * What somebody runs in a container beside its Step (`kubectl exec`): a shell that has what the Step has, and the release
 * of a Step that is held. These are processes of their own; the supervisor knows nothing of them.
 */

#include "entrypoint.h"

static void open_directory(void)
{
    static const char path[] = "/monopod/step";
    int directory = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (directory < 0) {
        log_error("cannot open the control directory ", path, directory);
        exit_now(EXIT_IO_ERROR);
    }
    self.directory = directory;
}

/* Returns the number of the latest request, 0 if there was none. */
static uint32_t latest_request(void)
{
    _Alignas(uint64_t) static char buffer[4 << 10];
    uint32_t latest = 0;
    ssize_t size;
    while ((size = sys_getdents64(self.directory, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < size;) { /* as in make_entries_readable */
            uint16_t length;
            memcpy(&length, buffer + at + 16, sizeof length);
            const char *name = buffer + at + 19, *digits = name + 4;
            at += length;
            if (memcmp(name, "run.", 4) != 0)
                continue;
            long number = parse_number(&digits);
            if (number > (long)latest && *digits == '\0')
                latest = (uint32_t)number;
        }
    }
    return latest;
}

static int open_file(const char *name)
{
    return sys_openat(self.directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
}

/* Returns the records of the Step that is held before its start, or of the latest request; NULL if nothing has run. */
static char *read_step(void)
{
    struct name name;
    struct statx status = {0};
    int file = open_file("held");
    if (file < 0 || sys_statx(file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status) < 0 || status.stx_size == 0) {
        child.number = latest_request();
        file = child.number > 0 ? open_file(numbered_name(&name, "run.", child.number)) : -ENOENT;
    }
    return file < 0 ? NULL : read_records(file);
}

/* Puts variables before those of the container. */
static void add_variables(char **variables, int count)
{
    int others = 0;
    while (initial_environment[others] != NULL)
        others++;
    char **all = allocate((size_t)(count + others + 1) * sizeof *all);
    memcpy(all, variables, (size_t)count * sizeof *all);
    memcpy(all + count, initial_environment, (size_t)(others + 1) * sizeof *all);
    initial_environment = all;
}

/* Becomes `NAME=VALUE... -- PROGRAM ARGUMENT...`, or a shell, with the environment and the directory of the Step. */
_Noreturn void visit(int count, char **arguments)
{
    static char *const shells[] = {"/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh", "/bin/ash", "/busybox/sh"};
    static const char without[] = "this image has no shell; name a program of its own: monopod shell ... -- PROGRAM\n";
    static char none[] = ".";
    int variables = 0;
    while (variables < count && strcmp(arguments[variables], "--") != 0)
        variables++;
    child.socket = -1;
    open_directory();
    add_variables(arguments, variables);
    char *records = read_step();
    char **environment = build_environment(records != NULL ? records : none);
    const char *directory = records != NULL ? find_record(records, 'd') : NULL;
    if (directory != NULL)
        enter_directory(directory);
    if (variables + 1 < count)
        exec_program(arguments + variables + 1, environment);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        ignore(sys_execve(shells[i], (char *const[]){shells[i], NULL}, environment)); /* returns if it is not there */
    ignore(write_all(STDERR_FILENO, without, sizeof without - 1));
    exit_now(CODE_NOT_FOUND);
}

/* Requests that the Step that is held continues or fails. Returns the exit code. */
int release_step(const char *verdict)
{
    static const char unheld[] = "no Step is held in this container\n";
    static struct text content;
    open_directory();
    if (file_mode(self.directory, "held", 0) == 0) {
        ignore(write_all(STDERR_FILENO, unheld, sizeof unheld - 1));
        return EXIT_NOT_HELD;
    }
    append(&content, verdict);
    append(&content, "\n");
    int result = write_temporary(".release", &content, -1);
    if (result >= 0)
        result = sys_renameat2(self.directory, ".release", self.directory, "release", 0);
    if (result < 0) {
        log_error("cannot write ", "release", result);
        return EXIT_IO_ERROR;
    }
    ring_coordinator();
    return 0;
}
