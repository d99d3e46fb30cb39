/* What the files of the entrypoint share. entrypoint.c says how it works. */
#ifndef MONOPOD_ENTRYPOINT_H
#define MONOPOD_ENTRYPOINT_H

#include "kernel.h"

enum {
    MAX_REQUESTS = 64,               /* that run at the same time; further ones wait */
    MAX_REQUEST_BYTES = 16 << 20,    /* of one run.N; Linux takes 6 MiB of arguments and environment at most */
    MAX_ALLOCATED_BYTES = 64 << 20,  /* by one child */
    MAX_TEXT_BYTES = 4096 + 512,     /* of one line that says what is wrong: a path and a sentence */
    TICK = 1000,                     /* ms */
    GROUP_TIMEOUT = 10000,          /* ms that a killed process group may take to be gone */
    EXITED_TIMEOUT = 60000,           /* ms in which it is tried to write exited.N */
    SWEEP_TIMEOUT = 5000,           /* ms that what a request left behind may take to be gone */
    MARK_TIMEOUT = 10000,           /* ms that the exit waits for room in the streams, for a mark */
    TOKEN_BYTES = 16,                /* of a mark: what nobody can guess */
    RESERVED_BYTES = 4096,           /* for exited.N; only an error or many names in `left` need more */
    MAX_NAMED = 10,                 /* processes that are named, of those that a request left behind */
    DEFAULT_ORPHAN_SECONDS = 300,

    EXIT_USAGE = 2,
    EXIT_IO_ERROR = 74,                /* the control directory cannot be used */
    EXIT_ORPHANED = 75,
    EXIT_STARTED_TWICE = 76,
    CODE_CANNOT_RUN = 126,
    CODE_NOT_FOUND = 127,
};

/* text.c */

struct text {
    size_t length;
    char bytes[MAX_TEXT_BYTES];
};

void append_bytes(struct text *text, const char *bytes, size_t size);
void append(struct text *text, const char *words);
void append_escaped(struct text *text, const char *word);
void append_number(struct text *text, uint64_t number, int width);
void append_error(struct text *text, int error);
void log_error(const char *words, const char *foreign, int error);
const char *numbered_name(struct text *text, const char *prefix, uint32_t number);
long parse_number(const char **at);

/* entrypoint.c: what the parent knows */

enum phase {
    FREE,      /* no request is here */
    RUNNING,   /* the program has not ended */
    ENDING,    /* its process group was sent SIGKILL, and must be gone */
    COPYING,   /* the copies of its output must be complete */
    SWEEPING,  /* as PID 1, and if nothing else runs: all other processes must be gone */
    MAKING_READABLE,  /* its files are made readable */
    MARKING,   /* the mark of an earlier request must be in the streams, then its own is made */
    REPORTING,   /* exited.N must be written */
};

struct request {
    enum phase phase;
    uint32_t number;
    int reserve;      /* room for exited.N, negative if there is none: reserve_exited */
    int file;         /* run.N, locked until the end can be told */
    int socket;       /* to the child and its copy processes */
    int pid;          /* of the program, and its process group and session */
    int helper;       /* the process that makes files readable, 0 if there is none */
    int status;       /* as wait4(2) gives it */
    bool stopped;     /* a kill.N was taken */
    bool has_files;   /* to be made readable */
    bool wants_mark;  /* at the end of its output */
    bool has_leftovers;   /* processes that could not be killed: `leftovers` */
    bool error_logged;  /* that exited.N could not be written, or that kill.N makes no sense and stays */
    bool oom_killed; /* the kernel has killed something in this container meanwhile, for its use of memory */
    int64_t kill_at;  /* when SIGKILL follows, 0 for never */
    int64_t ended_at, sweep_until;
    char token[2 * TOKEN_BYTES + 1]; /* of its mark, empty if it has none */
    struct timespec start, end;
    struct timespec monotonic; /* that of the fork, by which the others are told */
    struct kernel_rusage usage;
};

/* What a child says: once when all is set up for exec, with the time; once more if something went wrong. */
struct report {
    struct timespec start;
    bool has_files;
    struct text error;
};

extern struct self {
    const char *path; /* of the control directory */
    int directory, alive, signals, bell;
    bool is_init; /* PID 1 of its namespace */
    bool sweeping; /* processes are left that cannot be killed (yet): no request may begin */
    bool error_logged; /* that `exit` makes no sense */
    bool check_again; /* something has changed that others may wait for: look at everything once more */
    int terminated_by; /* the first signal that ends the entrypoint, 0 for none */
    long exit_code;    /* that the coordinator wants, -1 if it has not said yet */
    int64_t exit_at;   /* when that does not wait for what runs any longer, 0 for never */
    uint32_t next;     /* number of the next request */
    long oom_kills;      /* how many processes of the container the kernel has killed for their use of memory */
    int64_t tick_at, coordinator_seen, orphan_after;
} self;

/* request.c */

extern struct child {
    uint32_t number;
    int socket;
    bool has_files;
    struct timespec start, monotonic; /* first those of the fork */
    size_t allocated;
} child;

_Noreturn void fail_request(int code, const char *words, const char *foreign, int error, const char *more);
void *allocate(size_t size);
char *read_records(int file);
const char *find_record(const char *record, char letter);
int make_parent_directories(const char *path);
_Noreturn void run_request(int file, pid_t parent);

/* output.c */

void start_copies(const char *records);
bool starts_with_mark(int file);
bool join_streams(void);
int random_token(char token[2 * TOKEN_BYTES + 1]);
bool mark_is_pending(void);
bool mark_delays_exit(int64_t now);
void write_mark(void);
void make_mark(char token[2 * TOKEN_BYTES + 1]);

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
