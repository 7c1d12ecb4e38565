/* What the files of the jobs family share: jobs.c (rows, lists, the queue), job_status.c
 * (names and what an action does to a status), job_transitions.c (changes of state); and
 * the guard for all that a worker writes. */
#ifndef BACKPROP_STORE_JOBS_INTERNAL_H
#define BACKPROP_STORE_JOBS_INTERNAL_H

#include "db.h"
#include "jobs.h"

/* As much of a job as a change of its state needs. */
struct job_state {
    int64_t number;
    enum job_status status;
    int64_t lease;
    bool user_stopped;   /* its stop_reason says so */
    bool stop_requested; /* a worker is to stop it, now or when it has one */
};

/* For what a worker writes. ERR_NOT_FOUND when there is no such job, ERR_CONFLICT unless
 * it is live and the lease is the present one. */
int job_state_read_leased(struct db *db, const char *id, int64_t lease,
                          struct job_state *ret_state, struct error *err)
    __attribute__((warn_unused_result));

/* True for running, pausing, stopping and cancelling: a worker has the job. */
bool job_status_is_live(enum job_status status);

/* What `action` makes of a job: *ret_to is the new status, or the present one when the
 * action has been done already. ERR_CONFLICT names the status. */
int job_action_apply(enum job_action action, const struct job_state *state,
                     enum job_status *ret_to, struct error *err)
    __attribute__((warn_unused_result));

/* Appends the event of a change; `from` NULL is the making of the job. */
int job_status_event(struct db *db, int64_t number, const char *from, const char *to,
                     const char *stop_reason, int64_t now_us, struct error *err)
    __attribute__((warn_unused_result));

#endif
