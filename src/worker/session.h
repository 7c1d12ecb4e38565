/*
 * A session: one task from the daemon, done. The kinds of task are rows of a table
 * in session.c; each has a file of its own.
 */
#ifndef BACKPROP_WORKER_SESSION_H
#define BACKPROP_WORKER_SESSION_H

#include "base/violations.h"
#include "channel.h"

#include <jansson.h>

/* The first descriptor that a task brings. */
#define TASK_FIRST_FD 3

/* Reads TASK and does it. 0 when the conversation came to a proper end (DONE, FAILED or,
 * for a serving worker, the daemon's closing); otherwise the daemon is gone or made no
 * sense. */
int session_run(struct channel *channel, struct error *err)
    __attribute__((warn_unused_result));

/*
 * The tasks. Each gets TASK's object (borrowed). 0 when it said its last word itself;
 * otherwise the session says FAILED with the code that task_code() gives, the text of
 * `err` and the violations. ERR_EOF: nobody is there to be told.
 */
int train_task(struct channel *channel, const json_t *task, struct violations *violations,
               struct error *err) __attribute__((warn_unused_result));
int ingest_task(struct channel *channel, const json_t *task,
                struct violations *violations, struct error *err)
    __attribute__((warn_unused_result));
int serve_task(struct channel *channel, const json_t *task, struct violations *violations,
               struct error *err) __attribute__((warn_unused_result));
int gradcheck_task(struct channel *channel, const json_t *task,
                   struct violations *violations, struct error *err)
    __attribute__((warn_unused_result));
int evaluate_task(struct channel *channel, const json_t *task,
                  struct violations *violations, struct error *err)
    __attribute__((warn_unused_result));

/* FAILED with a code of its own: "diverged", "checkpoint_unusable".
 * `detail` may be NULL. */
int session_fail(struct channel *channel, const char *code, const char *message,
                 const char *detail, const struct violations *violations,
                 struct error *err) __attribute__((warn_unused_result));

/* [{"pointer", "detail"}]; new reference, NULL without memory. */
json_t *session_violations(const struct violations *violations);

#endif
