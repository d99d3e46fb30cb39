/* Declarations that the files of the entrypoint share. entrypoint.c explains the program. */
#ifndef MONOPOD_ENTRYPOINT_H
#define MONOPOD_ENTRYPOINT_H

#include "kernel.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

enum {
    MAX_REQUESTS = 64,               /* running at the same time; further ones wait */
    MAX_REQUEST_BYTES = 16 << 20,    /* of one run.N; exec takes at most 6 MiB */
    MAX_ALLOCATED_BYTES = 64 << 20,  /* by one child */
    MAX_TEXT_BYTES = 4096 + 512,     /* of one message: a path and a sentence */
    MAX_NAME_BYTES = 32,             /* of a numbered file */
    TICK = 1000,                     /* ms */
    GROUP_TIMEOUT = 10000,          /* ms until a killed process group must be gone */
    EXITED_TIMEOUT = 60000,           /* ms until the entrypoint gives up on writing exited.N */
    SWEEP_TIMEOUT = 5000,           /* ms until the processes a request left behind must be gone */
    MARK_TIMEOUT = 10000,           /* ms that the exit waits for room for a mark */
    TOKEN_BYTES = 16,                /* random, in a mark */
    RESERVED_BYTES = 4096,           /* for exited.N; only a long error needs more */
    MAX_NAMED = 10,                 /* processes listed in `left` */
    MAX_LIVES = 1000,               /* of a container that is restarted */
    REQUESTS_PER_LIFE = 1000000,    /* life 1 runs request 1 and up, life 2 request 1000001 and up */
    DEFAULT_ORPHAN_SECONDS = 300,

    EXIT_NOT_HELD = 1,
    EXIT_USAGE = 2,
    EXIT_IO_ERROR = 74,                /* the control directory is unusable */
    EXIT_ORPHANED = 75,
    EXIT_STARTED_TWICE = 76,
    EXIT_RESTART = 77,                 /* processes are left that only the end of the container kills */
    CODE_CANNOT_RUN = 126,
    CODE_NOT_FOUND = 127,
};

/* text.c */

struct text {
    size_t length;
    char bytes[MAX_TEXT_BYTES];
};

struct name {
    char bytes[MAX_NAME_BYTES];
};

void append_bytes(struct text *text, const char *bytes, size_t size);
void append(struct text *text, const char *string);
void append_escaped(struct text *text, const char *string);
void append_number(struct text *text, uint64_t number, int width);
void append_error(struct text *text, int error);
void log_error(const char *message, const char *subject, int error);
const char *numbered_name(struct name *name, const char *prefix, uint32_t number);
long parse_number(const char **at);

/* entrypoint.c: the state of the supervisor */

enum phase {
    FREE,      /* no request */
    RUNNING,   /* the program is running */
    ENDING,    /* the program has ended; its process group is being killed */
    COPYING,   /* the copies of its output are being completed */
    SWEEPING,  /* all other processes are being killed, if this is PID 1 and nothing else runs */
    MAKING_READABLE,  /* the helper makes its files readable */
    MARKING,   /* waits until no earlier mark is pending, then makes its own */
    REPORTING,   /* exited.N is being written */
};

struct request {
    enum phase phase;
    uint32_t number;
    int reserve;      /* an unnamed file for exited.N; negative if there is none */
    int file;         /* run.N, locked until exited.N is written; negative if it cannot be opened */
    int socket;       /* to the child and its copy processes */
    int pid;          /* of the program, its process group and its session */
    int helper;       /* PID of the process that makes files readable, 0 if there is none */
    int status;       /* of wait4(2) */
    bool stopped;     /* a kill.N was handled */
    bool has_files;   /* the request has `x` records */
    bool wants_mark;  /* its output ends with a mark */
    bool has_leftovers;   /* processes could not be killed: `leftovers` */
    bool error_logged;  /* a failure to write exited.N, or a malformed kill.N that stays, was logged */
    bool oom_killed; /* the OOM killer was here while the request ran */
    int64_t kill_at;  /* when to send SIGKILL, 0 for never */
    int64_t ended_at, sweep_until;
    char token[2 * TOKEN_BYTES + 1]; /* of its mark, empty if it has none */
    struct timespec start, end;
    struct timespec monotonic; /* at the fork: `end` is `start` plus what has passed since */
    struct kernel_rusage usage;
};

/* What a child reports: once before exec, with the time, and once more if it fails. */
struct report {
    struct timespec start;
    bool has_files;
    struct text error;
};

extern struct self {
    const char *path; /* of the control directory */
    int directory, alive, signals, bell;
    int reserve;   /* as in a request, for the next one */
    bool is_init; /* PID 1 of its namespace */
    bool restarts; /* the container is restarted if it is killed or exits with EXIT_RESTART */
    char mark_of_life[2 * TOKEN_BYTES + 1]; /* to be written before the first mark of a further life */
    bool sweeping; /* processes are left that cannot be killed (yet): no request may start */
    bool error_logged; /* a malformed `exit` was logged */
    bool check_again; /* a phase has changed, which others may wait for: do not sleep */
    int terminated_by; /* the first terminating signal, 0 for none */
    long exit_code;    /* from `exit`, -1 without one */
    int64_t exit_at;   /* when to stop waiting for requests, 0 for never */
    uint32_t next;     /* number of the next request */
    long oom_kills;      /* of the cgroup, when last read */
    int64_t tick_at, coordinator_seen, orphan_after;
    struct statx_timestamp started; /* when `alive` got its name, as files are stamped */
} self;

/* request.c */

extern struct child {
    uint32_t number;
    int socket;
    bool has_files;
    struct timespec start, monotonic; /* of the fork, then of the exec */
    size_t allocated;
} child;

_Noreturn void fail_request(int code, const char *message, const char *subject, int error, const char *remark);
void *allocate(size_t size);
char *read_records(int file);
const char *find_record(const char *record, char letter);
int make_parent_directories(const char *path);
char **build_environment(char *records);
void enter_directory(const char *path);
_Noreturn void exec_program(char **arguments, char **environment);
_Noreturn void run_request(int file, pid_t parent);

/* output.c */

void make_streams_block(void);
void write_title(const char *title);
void start_copies(const char *records);
bool starts_with_mark(int file);
bool join_streams(void);
int random_token(char token[2 * TOKEN_BYTES + 1]);
bool mark_is_pending(void);
bool mark_delays_exit(int64_t now);
void write_mark(void);
void put_mark(const char *token);
void make_mark(char token[2 * TOKEN_BYTES + 1]);

/* visit.c */

_Noreturn void visit(int count, char **arguments);
int release_step(const char *verdict);

/* clean.c */

void clean_directories(const char *record, int file);

/* install.c */

void install(const char *path);

/* make_readable.c */

_Noreturn void make_files_readable(int file);

/* control_directory.c */

void make_fifos(void);
int open_fifo(const char *name, int flags);
void ring_coordinator(void);
void format_exited(struct text *content, const struct request *request, uint32_t next);
void append_line(struct text *content, const char *key, const struct text *value);
bool remove_entry(const char *name);
int reserve_exited(void);
int write_temporary(const char *temporary, const struct text *content, int reserve);
ssize_t read_small_file(const char *name, char *buffer, size_t size);
int read_order(const char *name, long *number, long *grace);
void open_control_directory(void);

#endif
