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
    GROUP_PATIENCE = 10000,          /* ms that a killed process group may take to be gone */
    TELL_PATIENCE = 60000,           /* ms in which it is tried to write exited.N */
    SWEEP_PATIENCE = 5000,           /* ms that what a request left behind may take to be gone */
    MARK_PATIENCE = 10000,           /* ms that the exit waits for room in the streams, for a mark */
    TOKEN_BYTES = 16,                /* of a mark: what nobody can guess */
    MOST_NAMED = 10,                 /* processes that are named, of those that a request left behind */
    DEFAULT_ORPHAN_SECONDS = 300,

    EXIT_USAGE = 2,
    EXIT_CANNOT = 74,                /* the control directory cannot be used */
    EXIT_ORPHAN = 75,
    EXIT_STARTED_TWICE = 76,
    CODE_CANNOT_RUN = 126,
    CODE_NOT_FOUND = 127,
};

/* text.c */

struct text {
    size_t length;
    char bytes[MAX_TEXT_BYTES];
};

void add_bytes(struct text *text, const char *bytes, size_t size);
void add(struct text *text, const char *words);
void add_foreign(struct text *text, const char *word);
void add_number(struct text *text, uint64_t number, int width);
void add_error(struct text *text, int error);
void complain(const char *words, const char *foreign, int error);
const char *numbered(struct text *text, const char *prefix, uint32_t number);
long read_number(const char **at);

/* entrypoint.c: what the parent knows */

enum phase {
    FREE,      /* no request is here */
    RUNNING,   /* the program has not ended */
    ENDING,    /* its process group was sent SIGKILL, and must be gone */
    COPYING,   /* the copies of its output must be complete */
    SWEEPING,  /* as PID 1, and if nothing else runs: all other processes must be gone */
    READABLE,  /* its files are made readable */
    MARKING,   /* the mark of an earlier request must be in the streams, then its own is made */
    TELLING,   /* exited.N must be written */
};

struct request {
    enum phase phase;
    uint32_t number;
    int file;         /* run.N, locked until the end can be told */
    int socket;       /* to the child and its copy processes */
    int pid;          /* of the program, and its process group and session */
    int helper;       /* the process that makes files readable, 0 if there is none */
    int status;       /* as wait4(2) gives it */
    bool stopped;     /* a kill.N was taken */
    bool has_files;   /* to be made readable */
    bool wants_mark;  /* at the end of its output */
    bool left_some;   /* processes that could not be killed: `left_behind` */
    bool complained;  /* that exited.N could not be written, or that kill.N makes no sense and stays */
    bool out_of_memory; /* the kernel has killed something in this container meanwhile, for its use of memory */
    int64_t kill_at;  /* when SIGKILL follows, 0 for never */
    int64_t ended_at, sweep_until;
    char token[2 * TOKEN_BYTES + 1]; /* of its mark, empty if it has none */
    struct moment start, end;
    struct moment monotonic; /* that of the fork, by which the others are told */
    struct usage usage;
};

/* What a child says: once when all is set up for exec, with the time; once more if something went wrong. */
struct report {
    struct moment start;
    bool has_files;
    struct text error;
};

extern struct self {
    const char *path; /* of the control directory */
    int directory, alive, signals, bell;
    bool is_init; /* PID 1 of its namespace */
    bool sweeping; /* processes are left that cannot be killed (yet): no request may begin */
    bool joined;   /* standard error is standard output */
    bool unmarked; /* `mark` must still be written */
    struct text mark;
    int64_t marked_at;
    bool complained; /* that `exit` makes no sense */
    bool again; /* something has changed that others may wait for: look at everything once more */
    int terminated_by; /* the first signal that ends the entrypoint, 0 for none */
    long exit_code;    /* that the coordinator wants, -1 if it has not said yet */
    int64_t exit_at;   /* when that does not wait for what runs any longer, 0 for never */
    uint32_t next;     /* number of the next request */
    long kills;        /* how many processes of the container the kernel has killed for their use of memory */
    int64_t tick_at, coordinator_seen, orphan_after;
} self;

/* request.c */

extern struct child {
    uint32_t number;
    int socket;
    bool has_files;
    struct moment start, monotonic; /* first those of the fork */
    size_t allocated;
} child;

_Noreturn void refuse(int code, const char *words, const char *foreign, int error, const char *more);
void *allocate(size_t size);
char *read_records(int file);
const char *find_record(const char *record, char letter);
int make_parents(const char *path);
_Noreturn void run_request(int file, pid_t parent);

/* output.c */

void copy_streams(const char *records);
bool asks_for_mark(int file);
bool wants_mark(int file);
int draw_token(char token[2 * TOKEN_BYTES + 1]);
void write_mark(void);
void make_mark(struct request *request);

/* make_readable.c */

_Noreturn void make_files_readable(int file);

/* control_directory.c */

void make_fifos(void);
int open_fifo(const char *name, int flags);
void ring(void);
bool take_away(const char *name);
int write_file(const char *temporary, const struct text *content);
ssize_t read_small(const char *name, char *buffer, size_t size);
int read_order(const char *name, long *number, long *grace);
void open_control_directory(void);

#endif
