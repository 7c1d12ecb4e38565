/*
 * One worker process as the scheduler's thread sees it: frames out, frames in, its last
 * words on standard error, and how it ended.
 *
 * Life: start, then callbacks until `ended`, which is the last one and comes in every
 * case; then free. Nothing here blocks, and nothing a worker does can hurt more than
 * itself: a frame that is not legal, a silence that is too long or a flood that nobody
 * reads ends in its being killed.
 */
#ifndef BACKPROP_SCHED_WORKER_PROCESS_H
#define BACKPROP_SCHED_WORKER_PROCESS_H

#include "base/buffer.h"
#include "base/error.h"
#include "loop.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WORKER_TAIL_BYTES 4096

/* Why the daemon ended a worker; WORKER_UNHURT when it did not. */
enum worker_verdict {
    WORKER_UNHURT,
    WORKER_STOPPED,       /* it was of no use any more */
    WORKER_SILENT,        /* no frame for too long */
    WORKER_BROKE_PROTOCOL /* a frame that cannot be; the error says what */
};

struct worker_end {
    enum worker_verdict verdict;
    struct error reason; /* text for verdicts other than WORKER_UNHURT */
    int signal;          /* the signal that ended it, or 0 */
    int exit_status;     /* when signal is 0 */
    bool out_of_memory;  /* killed while the kernel counted an out-of-memory kill */
    /* Its last output on standard error: printable ASCII and newlines. */
    const char *tail;
};

struct worker_handlers {
    void *context;
    /* A whole frame, in order. A negative return breaks the protocol: the worker is
     * killed and `err` is the reason. */
    int (*frame)(void *context, const struct frame *frame, struct error *err);
    /* All that was to be sent is in the pipe: time for more of a long
     * blob. May be NULL. */
    void (*drained)(void *context);
    /* The process is gone and all its frames were given out. May free the worker. */
    void (*ended)(void *context, const struct worker_end *end);
};

struct worker_process;
struct tallies;

/* What all workers of a scheduler share. */
struct worker_setting {
    struct loop *loop;
    const char *path;
    const char *sandbox; /* as in struct launch_order */
    int64_t silence_ns;
    struct tallies *tallies;
};

/* What a task wants of its process. */
struct worker_needs {
    const int *fds; /* borrowed */
    int fd_count;
    int64_t memory_mb; /* that it may take, in MiB; 0: no limit */
    int threads;       /* that it computes with; 0: one */
    int64_t file_mb;   /* that a file it writes may have, in MiB; 0: no limit */
};

/* `setting` must outlive the worker. New object. */
int worker_process_start(const struct worker_setting *setting,
                         const struct worker_needs *needs,
                         const struct worker_handlers *handlers,
                         struct worker_process **ret_worker, struct error *err)
    __attribute__((warn_unused_result));

/* After `ended`, or to give up a worker without hearing of its end: it is killed and
 * waited for. NULL is allowed. */
void worker_process_free(struct worker_process *worker);

/* Queues a frame. ERR_TOO_LARGE when the worker does not read what it was sent. */
int worker_process_send(struct worker_process *worker, enum message_type type,
                        const void *payload, size_t length, struct error *err)
    __attribute__((warn_unused_result));

/* Closes its standard input once all is sent: it is to end by itself. */
void worker_process_close_input(struct worker_process *worker);

/* Kills it and says why; the first verdict stays. `ended` follows. */
void worker_process_kill(struct worker_process *worker, enum worker_verdict verdict,
                         const char *reason);

/* Stops reading its frames (the store does not keep up), or goes on. While held it cannot
 * be silent. */
void worker_process_hold(struct worker_process *worker, bool hold);

/* A worker that has nothing to do need not say anything. At first it has. */
void worker_process_expect(struct worker_process *worker, bool busy);

pid_t worker_process_id(const struct worker_process *worker);

#endif
