/* The child of the entrypoint: parses run.N, sets everything up, and becomes the program. */

#include "entrypoint.h"

struct child child;

static void send_report(const struct text *error)
{
    static struct report report;
    if (child.socket < 0) { /* a visitor, whom somebody watches (visit.c) */
        ignore(write_all(STDERR_FILENO, error->bytes, error->length));
        ignore(write_all(STDERR_FILENO, "\n", 1));
        return;
    }
    report.start = child.start;
    report.has_files = child.has_files;
    report.error.length = 0;
    if (error != NULL)
        append_bytes(&report.error, error->bytes, error->length);
    size_t size = offsetof(struct report, error.bytes) + report.error.length;
    ignore(sys_write(child.socket, &report, size)); /* fails if the supervisor is gone; then nobody needs it */
}

/* Reports `message`, `subject` (escaped), the text of `error` and `remark` to the supervisor (or a visitor), and exits. */
_Noreturn void fail_request(int code, const char *message, const char *subject, int error, const char *remark)
{
    static struct text sentence;
    sentence.length = 0;
    append(&sentence, message);
    append_escaped(&sentence, subject);
    if (error != 0) {
        append(&sentence, ": ");
        append_error(&sentence, error);
    }
    append(&sentence, remark);
    send_report(&sentence);
    exit_now(code);
}

static _Noreturn void fail_malformed(unsigned record, const char *problem)
{
    static struct text message;
    message.length = 0;
    append(&message, "run.");
    append_number(&message, child.number, 1);
    append(&message, " is malformed: record ");
    append_number(&message, record, 1);
    append(&message, " ");
    append_bytes(&message, "", 1);
    fail_request(CODE_CANNOT_RUN, message.bytes, problem, 0, "");
}

void *allocate(size_t size)
{
    child.allocated += size;
    void *memory = child.allocated <= MAX_ALLOCATED_BYTES ? heap_allocate(size) : NULL;
    if (memory == NULL)
        fail_request(CODE_CANNOT_RUN, "the expanded arguments and environment are too large", "", E2BIG, "");
    return memory;
}

/* Fails unless the records are as docs/control-directory.md requires ("run.N"). */
static void check_records(char *bytes, size_t size)
{
    unsigned number = 1;
    bool has_program = false, seen[256] = {false};
    for (char *record = bytes;; number++) {
        size_t rest = size - (size_t)(record - bytes);
        char *end = memchr(record, '\0', rest);
        if (rest == 0)
            fail_malformed(number, "is missing: the request has no closing record");
        if (end == NULL)
            fail_malformed(number, "has no terminating NUL");
        switch (*record) {
        case 'e':
            if (record[1] == '=' || strchr(record, '=') == NULL)
                fail_malformed(number, "is not e NAME=VALUE");
            break;
        case 'a':
            has_program = true;
            break;
        case 'd':
        case 'o':
        case 'r':
        case 't':
            if (seen[(unsigned char)*record])
                fail_malformed(number, "repeats a letter allowed once");
            break;
        case 'c':
        case 'n':
            break;
        case 'x':
            child.has_files = true;
            break;
        case 'm':
            if (record[1] != '\0' || number != 1)
                fail_malformed(number, "asks for a mark but has a text or is not the first");
            break;
        case 'q':
            if (record[1] != '\0')
                fail_malformed(number, "discards the output but has a text");
            break;
        case '.':
            if (record[1] != '\0')
                fail_malformed(number, "closes the request but has a text");
            if (rest != 2)
                fail_malformed(number, "closes the request but more follows");
            if (!has_program)
                fail_malformed(number, "closes a request without arguments");
            return;
        default:
            fail_malformed(number, "has an unknown letter");
        }
        seen[(unsigned char)*record] = true;
        record = end + 1;
    }
}

/*
 * Reads and checks a request. A record (letter, text, NUL) is a C string, so a checked request is iterated by
 *     for (char *record = first; *record != '.'; record += strlen(record) + 1)
 */
char *read_records(int file)
{
    struct name name;
    numbered_name(&name, "run.", child.number);
    struct statx status = {0};
    ssize_t result = sys_statx(file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status);
    if (result < 0)
        fail_request(CODE_CANNOT_RUN, "cannot read ", name.bytes, (int)result, "");
    if (!S_ISREG(status.stx_mode))
        fail_request(CODE_CANNOT_RUN, name.bytes, "", 0, " is not a regular file");
    if (status.stx_size > MAX_REQUEST_BYTES)
        fail_request(CODE_CANNOT_RUN, name.bytes, "", 0, " is larger than 16 MiB");
    size_t size = (size_t)status.stx_size, have = 0;
    char *bytes = allocate(size + 1);
    result = sys_lseek(file, 0, SEEK_SET);
    while (result >= 0 && have < size) {
        result = sys_read(file, bytes + have, size - have);
        if (result == 0)
            break;
        if (result > 0)
            have += (size_t)result;
    }
    if (result < 0)
        fail_request(CODE_CANNOT_RUN, "cannot read ", name.bytes, (int)result, "");
    check_records(bytes, have);
    return bytes;
}

/* Returns the text of the first record with this letter, NULL if there is none. */
const char *find_record(const char *record, char letter)
{
    for (; *record != '.'; record += strlen(record) + 1)
        if (*record == letter)
            return record + 1;
    return NULL;
}

/*
 * The environment, and the expansion of $(NAME) as in Kubernetes (api/core/v1, Container.args)
 */

static const char *find_variable(char **environment, const char *name, size_t length)
{
    if (memchr(name, '=', length) != NULL)
        return NULL;
    for (; *environment != NULL; environment++)
        if (strlen(*environment) > length && memcmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* Writes the expanded text to `out`, unless it is NULL. Returns its length, SIZE_MAX if it is too long. */
static size_t expand_to(char *out, const char *text, char **environment)
{
    size_t length = 0;
    while (*text != '\0') {
        const char *piece = text, *close;
        size_t size = 1;
        text++;
        if (*piece == '$' && *text == '$') {
            text++;
        } else if (*piece == '$' && *text == '(' && (close = strchr(text, ')')) != NULL) {
            const char *value = find_variable(environment, text + 1, (size_t)(close - text) - 1);
            size = value != NULL ? strlen(value) : (size_t)(close - piece) + 1;
            piece = value != NULL ? value : piece;
            text = close + 1;
        }
        if (out != NULL)
            memcpy(out + length, piece, size);
        length += size;
        if (length > MAX_ALLOCATED_BYTES)
            return SIZE_MAX;
    }
    return length;
}

static char *expand(char *text, char **environment)
{
    if (strchr(text, '$') == NULL)
        return text;
    size_t length = expand_to(NULL, text, environment);
    if (length == SIZE_MAX)
        fail_request(CODE_CANNOT_RUN, "the expanded arguments and environment are too large", "", E2BIG, "");
    char *expanded = allocate(length + 1);
    expand_to(expanded, text, environment);
    expanded[length] = '\0';
    return expanded;
}

char **build_environment(char *records)
{
    size_t count = 0;
    for (char **variable = initial_environment; *variable != NULL; variable++)
        count++;
    for (char *record = records; *record != '.'; record += strlen(record) + 1)
        count += *record == 'e';
    char **environment = allocate((count + 1) * sizeof *environment);
    char **end = environment;
    for (char **variable = initial_environment; *variable != NULL; variable++)
        *end++ = *variable;
    *end = NULL;
    for (char *record = records; *record != '.'; record += strlen(record) + 1) {
        if (*record != 'e')
            continue;
        size_t name = (size_t)(strchr(record, '=') - record); /* the length of NAME= */
        char *variable = record + 1, *value = expand(variable + name, environment);
        if (value != variable + name) {
            size_t size = strlen(value) + 1;
            variable = allocate(name + size);
            memcpy(variable, record + 1, name);
            memcpy(variable + name, value, size);
        }
        char **kept = environment;
        for (char **other = environment; *other != NULL; other++)
            if (strlen(*other) < name || memcmp(*other, variable, name) != 0)
                *kept++ = *other;
        *kept++ = variable;
        *kept = NULL;
    }
    return environment;
}

static char **build_arguments(char *records, char **environment)
{
    size_t count = 0;
    for (char *record = records; *record != '.'; record += strlen(record) + 1)
        count += *record == 'a';
    char **arguments = allocate((count + 1) * sizeof *arguments);
    char **end = arguments;
    for (char *record = records; *record != '.'; record += strlen(record) + 1)
        if (*record == 'a')
            *end++ = expand(record + 1, environment);
    *end = NULL;
    return arguments;
}

/*
 * Directories and files
 */

/* Creates the missing directories above a path. Returns 0 or a negative errno. */
int make_parent_directories(const char *path)
{
    size_t size = strlen(path) + 1;
    char *parent = allocate(size);
    memcpy(parent, path, size);
    for (char *at = parent; *at != '\0'; at++) {
        if (*at != '/' || at == parent)
            continue;
        *at = '\0';
        int result = sys_mkdirat(AT_FDCWD, parent, 0777);
        if (result < 0 && result != -EEXIST)
            return result;
        *at = '/';
    }
    return 0;
}

void enter_directory(const char *path)
{
    int result = sys_chdir(path);
    if (result == -ENOENT && *path != '\0') {
        result = make_parent_directories(path);
        if (result == 0)
            result = sys_mkdirat(AT_FDCWD, path, 0777);
        if (result < 0 && result != -EEXIST)
            fail_request(CODE_CANNOT_RUN, "cannot create the working directory ", path, result, "");
        result = sys_chdir(path);
    }
    if (result < 0)
        fail_request(CODE_CANNOT_RUN, "cannot change to the working directory ", path, result, "");
}

/*
 * exec
 */

/* Blocks and ignores no signal, as at the start of a process. */
static void restore_signals(void)
{
    static const uint64_t none;
    for (int number = 1; number <= 64; number++)
        ignore(sys_reset_signal(number)); /* fails only for SIGKILL and SIGSTOP */
    ignore(sys_sigprocmask(SIG_SETMASK, &none)); /* cannot fail */
}

/* Explains an ENOENT for a program that exists: its interpreter does not, which its first line may name. */
static const char *describe_interpreter(const char *program)
{
    static struct text remark;
    static char line[128]; /* the kernel reads at most 256 bytes */
    remark.length = 0;
    append(&remark, " (the file exists, but its interpreter does not");
    int file = sys_openat(AT_FDCWD, program, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    ssize_t size = file < 0 ? 0 : sys_read(file, line, sizeof line - 1);
    sys_close(file);
    if (size > 2 && line[0] == '#' && line[1] == '!') {
        char *start = line + 2, *end;
        line[size] = '\0';
        while (*start == ' ' || *start == '\t')
            start++;
        for (end = start; *end != '\0' && *end != ' ' && *end != '\t' && *end != '\n'; end++)
            ;
        *end = '\0';
        append(&remark, ": ");
        append_escaped(&remark, start);
    }
    append(&remark, ")");
    append_bytes(&remark, "", 1);
    return remark.bytes;
}

static _Noreturn void fail_exec(const char *program, int error, char **arguments, char **environment)
{
    const char *remark = "";
    if (error == -ENOEXEC)
        remark = " (a script must start with #! and its interpreter)";
    if (error == -ENOENT && file_mode(AT_FDCWD, program, 0) != 0)
        remark = describe_interpreter(program);
    if (error == -E2BIG) {
        size_t longest = 0;
        for (char **text = arguments; *text != NULL; text++)
            longest = strlen(*text) > longest ? strlen(*text) : longest;
        for (char **text = environment; *text != NULL; text++)
            longest = strlen(*text) > longest ? strlen(*text) : longest;
        if (longest >= 128 << 10)
            remark = " (an argument or environment variable is longer than 128 KiB)";
    }
    bool missing = error == -ENOENT || error == -ENOTDIR;
    fail_request(missing ? CODE_NOT_FOUND : CODE_CANNOT_RUN, "cannot run ", program, error, remark);
}

_Noreturn void exec_program(char **arguments, char **environment)
{
    const char *program = arguments[0];
    if (*program == '\0' || strchr(program, '/') != NULL)
        fail_exec(program, sys_execve(program, arguments, environment), arguments, environment);
    const char *path = find_variable(environment, "PATH", 4);
    if (path == NULL)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *not_executable = NULL; /* the first file of that name that exec refused */
    size_t name = strlen(program) + 1;
    for (const char *at = path;; at++) {
        const char *colon = strchr(at, ':');
        size_t length = colon != NULL ? (size_t)(colon - at) : strlen(at);
        const char *directory = length > 0 ? at : "."; /* an empty entry is the working directory */
        length += length == 0;
        char *candidate = allocate(length + 1 + name);
        memcpy(candidate, directory, length);
        candidate[length] = '/';
        memcpy(candidate + length + 1, program, name);
        int error = sys_execve(candidate, arguments, environment);
        if (file_mode(AT_FDCWD, candidate, 0) != 0) {
            if (error != -EACCES)
                fail_exec(candidate, error, arguments, environment);
            if (not_executable == NULL)
                not_executable = candidate;
        }
        if (colon == NULL)
            break;
        at = colon;
    }
    if (not_executable != NULL)
        fail_exec(not_executable, -EACCES, arguments, environment);
    static struct text remark;
    remark.length = 0;
    append(&remark, ": not found on PATH (");
    append_escaped(&remark, path);
    append(&remark, ")");
    if (remark.length == sizeof remark.bytes)
        remark.length--;
    append_bytes(&remark, "", 1);
    fail_request(CODE_NOT_FOUND, "cannot run ", program, 0, remark.bytes);
}

_Noreturn void run_request(int file, pid_t parent)
{
    ignore(sys_setsid());                        /* cannot fail: a new process leads no group */
    ignore(sys_prctl(PR_SET_PDEATHSIG, SIGKILL)); /* cannot fail; no program outlives its supervisor */
    if (sys_getppid() != parent)
        exit_now(CODE_CANNOT_RUN);
    char *records = read_records(file);
    char **environment = build_environment(records);
    char **arguments = build_arguments(records, environment);
    clean_directories(records, file);
    const char *directory = find_record(records, 'd');
    if (directory != NULL)
        enter_directory(directory);
    make_streams_block();
    const char *title = find_record(records, 't');
    if (title != NULL)
        write_title(title);
    start_copies(records);
    restore_signals();
    child.start = wall_clock_after(child.start, child.monotonic);
    send_report(NULL);
    exec_program(arguments, environment);
}
