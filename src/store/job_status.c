/* See jobs.h and jobs_internal.h: the statuses, and a table of what a user may ask. */
#include "jobs_internal.h"

#include <string.h>

struct status_facts {
    const char *name;
    bool live, terminal;
};

static const struct status_facts statuses[JOB_STATUS_COUNT] = {
    [JOB_QUEUED] = {"queued", false, false},
    [JOB_RUNNING] = {"running", true, false},
    [JOB_PAUSING] = {"pausing", true, false},
    [JOB_PAUSED] = {"paused", false, false},
    [JOB_STOPPING] = {"stopping", true, false},
    [JOB_CANCELLING] = {"cancelling", true, false},
    [JOB_SUCCEEDED] = {"succeeded", false, true},
    [JOB_FAILED] = {"failed", false, true},
    [JOB_CANCELLED] = {"cancelled", false, true},
};

const char *job_status_name(enum job_status status)
{
    return (unsigned)status < JOB_STATUS_COUNT ? statuses[status].name : "unknown";
}

enum job_status job_status_parse(const char *name)
{
    int status = 0;
    while (status < JOB_STATUS_COUNT && strcmp(statuses[status].name, name) != 0)
        status++;
    return (enum job_status)status;
}

bool job_status_is_terminal(enum job_status status)
{
    return (unsigned)status < JOB_STATUS_COUNT && statuses[status].terminal;
}

bool job_status_is_live(enum job_status status)
{
    return (unsigned)status < JOB_STATUS_COUNT && statuses[status].live;
}

#define NO (-1) /* impossible: ERR_CONFLICT */

/* actions[action][status]: the status after; the same status is a repetition. A job that
 * is pausing has told its worker so and cannot be resumed before it is paused. */
static const int actions[][JOB_STATUS_COUNT] = {
    [JOB_ACTION_CANCEL] = {[JOB_QUEUED] = JOB_CANCELLED,
                           [JOB_RUNNING] = JOB_CANCELLING,
                           [JOB_PAUSING] = JOB_CANCELLING,
                           [JOB_PAUSED] = JOB_CANCELLED,
                           [JOB_STOPPING] = JOB_CANCELLING,
                           [JOB_CANCELLING] = JOB_CANCELLING,
                           [JOB_SUCCEEDED] = NO,
                           [JOB_FAILED] = NO,
                           [JOB_CANCELLED] = JOB_CANCELLED},
    [JOB_ACTION_STOP] = {[JOB_QUEUED] = NO, /* unless it has run: see below */
                         [JOB_RUNNING] = JOB_STOPPING,
                         [JOB_PAUSING] = NO,
                         [JOB_PAUSED] = NO, /* the same: if it has run before */
                         [JOB_STOPPING] = JOB_STOPPING,
                         [JOB_CANCELLING] = NO,
                         [JOB_SUCCEEDED] = NO, /* unless a stop ended it: see below */
                         [JOB_FAILED] = NO,
                         [JOB_CANCELLED] = NO},
    [JOB_ACTION_PAUSE] = {[JOB_QUEUED] = JOB_PAUSED,
                          [JOB_RUNNING] = JOB_PAUSING,
                          [JOB_PAUSING] = JOB_PAUSING,
                          [JOB_PAUSED] = JOB_PAUSED,
                          [JOB_STOPPING] = NO,
                          [JOB_CANCELLING] = NO,
                          [JOB_SUCCEEDED] = NO,
                          [JOB_FAILED] = NO,
                          [JOB_CANCELLED] = NO},
    [JOB_ACTION_RESUME] = {[JOB_QUEUED] = JOB_QUEUED,
                           [JOB_RUNNING] = JOB_RUNNING,
                           [JOB_PAUSING] = NO,
                           [JOB_PAUSED] = JOB_QUEUED,
                           [JOB_STOPPING] = NO,
                           [JOB_CANCELLING] = NO,
                           [JOB_SUCCEEDED] = NO,
                           [JOB_FAILED] = NO,
                           [JOB_CANCELLED] = NO},
};

int job_action_apply(enum job_action action, const struct job_state *state,
                     enum job_status *ret_to, struct error *err)
{
    static const char *const done[] = {
        [JOB_ACTION_CANCEL] = "cancelled",
        [JOB_ACTION_STOP] = "stopped",
        [JOB_ACTION_PAUSE] = "paused",
        [JOB_ACTION_RESUME] = "resumed",
    };
    int to = actions[action][state->status];
    if (action == JOB_ACTION_STOP && state->status == JOB_SUCCEEDED &&
        state->user_stopped)
        to = JOB_SUCCEEDED;
    bool waits = state->status == JOB_QUEUED || state->status == JOB_PAUSED;
    if (action == JOB_ACTION_STOP && waits && state->lease > 0)
        to = JOB_QUEUED; /* there is something to keep: a worker is started for it */
    if (action == JOB_ACTION_PAUSE && waits && state->stop_requested)
        to = NO; /* as with one that is stopping */
    if (to == NO)
        return error_set(err, ERR_CONFLICT, "a job that is %s cannot be %s",
                         statuses[state->status].name, done[action]);
    *ret_to = (enum job_status)to;
    return 0;
}
