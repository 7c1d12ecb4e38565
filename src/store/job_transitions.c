/*
 * See jobs.h: the life of a job. Every function here reads the state, decides, and makes
 * a guarded update; all of that is one savepoint of the writer thread, and the guard is
 * there all the same, so that a mistake elsewhere cannot move a job from a status it is
 * not in.
 */
#include "jobs_internal.h"

#include <stdio.h>

static int read_state(struct query *q, struct job_state *ret_state, struct error *err)
{
    enum job_status status = job_status_parse(query_text(q, 1));
    if (status == JOB_STATUS_COUNT)
        return error_set(err, ERR_CORRUPT, "a stored job has an unknown status");
    *ret_state = (struct job_state){.number = query_int(q, 0),
                                    .status = status,
                                    .lease = query_int(q, 2),
                                    .user_stopped = query_int(q, 3) != 0,
                                    .stop_requested = query_int(q, 4) != 0};
    return 0;
}

static int read_state_of(struct db *db, const char *id, struct job_state *ret_state,
                         struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT number, status, lease, stop_reason IS 'user_stopped',"
                " stop_requested FROM jobs WHERE id = :id");
    query_bind_text(&q, ":id", id);
    int rc = query_step(&q, err);
    if (rc > 0)
        rc = read_state(&q, ret_state, err);
    else if (rc == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such job");
    query_end(&q);
    return rc;
}

int job_state_read_leased(struct db *db, const char *id, int64_t lease,
                          struct job_state *ret_state, struct error *err)
{
    struct job_state state = {0};
    int rc = read_state_of(db, id, &state, err);
    if (rc < 0)
        return rc;
    if (!job_status_is_live(state.status))
        return error_set(err, ERR_CONFLICT, "the job is %s: no worker has it",
                         job_status_name(state.status));
    if (state.lease != lease)
        return error_set(err, ERR_CONFLICT, "the job was given to another worker");
    *ret_state = state;
    return 0;
}

int job_status_event(struct db *db, int64_t number, const char *from, const char *to,
                     const char *stop_reason, int64_t now_us, struct error *err)
{
    char message[128];
    snprintf(message, sizeof(message), "%s%s%s%s", to, stop_reason ? " (" : "",
             stop_reason ? stop_reason : "", stop_reason ? ")" : "");
    struct query q;
    query_begin(&q, db,
                "INSERT INTO events (job, sequence, time_us, type, message, data) VALUES"
                " (:job, 1 + coalesce((SELECT max(sequence) FROM events"
                " WHERE job = :job), 0), :time_us, 'status', :message,"
                " json_object('from', :from, 'to', :to, 'stop_reason', :stop_reason))");
    query_bind_int(&q, ":job", number);
    query_bind_int(&q, ":time_us", now_us);
    query_bind_text(&q, ":message", message);
    query_bind_text(&q, ":from", from);
    query_bind_text(&q, ":to", to);
    query_bind_text(&q, ":stop_reason", stop_reason);
    return query_run(&q, err);
}

/* The change itself, and its event. */
static int move(struct db *db, const struct job_state *state, enum job_status to,
                const char *stop_reason, int64_t now_us, struct error *err)
{
    const char *from_name = job_status_name(state->status),
               *to_name = job_status_name(to);
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET status = :to, stop_reason = :stop_reason,"
                " finished_us = CASE WHEN :ended THEN :now END"
                " WHERE number = :number AND status = :from AND lease = :lease");
    query_bind_int(&q, ":number", state->number);
    query_bind_text(&q, ":from", from_name);
    query_bind_int(&q, ":lease", state->lease);
    query_bind_text(&q, ":to", to_name);
    query_bind_text(&q, ":stop_reason", stop_reason);
    query_bind_int(&q, ":ended", job_status_is_terminal(to));
    query_bind_int(&q, ":now", now_us);
    int rc = query_run(&q, err);
    if (rc == 0 && db_changes(db) != 1)
        rc = error_set(err, ERR_CONFLICT, "the job is no longer %s", from_name);
    if (rc == 0)
        rc = job_status_event(db, state->number, from_name, to_name, stop_reason, now_us,
                              err);
    return rc;
}

/* A new lease for a job that has just become running. */
static int grant_lease(struct db *db, int64_t number, int64_t now_us, int64_t *ret_lease,
                       struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET lease = lease + 1, attempt = attempt + 1,"
                " next_attempt_us = 0, started_us = coalesce(started_us, :now) WHERE "
                "number = :number"
                " RETURNING lease");
    query_bind_int(&q, ":number", number);
    query_bind_int(&q, ":now", now_us);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_lease = query_int(&q, 0);
    query_end(&q);
    return rc < 0 ? rc : 0;
}

int jobs_start(struct db *db, const char *id, int64_t now_us, int64_t *ret_lease,
               struct error *err)
{
    struct job_state state = {0};
    int rc = read_state_of(db, id, &state, err);
    if (rc == 0 && state.status != JOB_QUEUED)
        rc = error_set(err, ERR_CONFLICT, "a job that is %s cannot be started",
                       job_status_name(state.status));
    if (rc == 0)
        rc = move(db, &state, state.stop_requested ? JOB_STOPPING : JOB_RUNNING, NULL,
                  now_us, err);
    if (rc == 0)
        rc = grant_lease(db, state.number, now_us, ret_lease, err);
    return rc;
}

int jobs_report(struct db *db, const char *id, int64_t lease, const char *progress,
                const char *metrics, struct error *err)
{
    struct job_state state = {0};
    int rc = job_state_read_leased(db, id, lease, &state, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET progress = coalesce(:progress, progress),"
                " metrics = coalesce(:metrics, metrics)"
                " WHERE number = :number AND lease = :lease");
    query_bind_int(&q, ":number", state.number);
    query_bind_int(&q, ":lease", lease);
    query_bind_text(&q, ":progress", progress);
    query_bind_text(&q, ":metrics", metrics);
    return query_run(&q, err);
}

int jobs_finish(struct db *db, const char *id, int64_t lease, const struct job_end *end,
                struct error *err)
{
    if (!job_status_is_terminal(end->status) || !end->stop_reason)
        return error_set(err, ERR_INVALID,
                         "a job ends succeeded, failed or cancelled, with a reason");
    struct job_state state = {0};
    int rc = job_state_read_leased(db, id, lease, &state, err);
    if (rc == 0)
        rc = move(db, &state, end->status, end->stop_reason, end->now_us, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET error = coalesce(:error, error),"
                " metrics = coalesce(:metrics, metrics), model = coalesce(:model, model),"
                " weights_sha256 = coalesce(:weights_sha256, weights_sha256)"
                " WHERE number = :number AND lease = :lease");
    query_bind_int(&q, ":number", state.number);
    query_bind_int(&q, ":lease", lease);
    query_bind_text(&q, ":error", end->error);
    query_bind_text(&q, ":metrics", end->metrics);
    query_bind_text(&q, ":model", end->model);
    query_bind_text(&q, ":weights_sha256", end->weights_sha256);
    return query_run(&q, err);
}

static int give_back_attempt(struct db *db, int64_t number, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET attempt = attempt - 1"
                " WHERE number = :number AND attempt > 0");
    query_bind_int(&q, ":number", number);
    return query_run(&q, err);
}

static int set_next_attempt(struct db *db, int64_t number, int64_t next_attempt_us,
                            struct error *err)
{
    struct query q;
    query_begin(&q, db, "UPDATE jobs SET next_attempt_us = :next WHERE number = :number");
    query_bind_int(&q, ":number", number);
    query_bind_int(&q, ":next", next_attempt_us);
    return query_run(&q, err);
}

static int release_live(struct db *db, const struct job_state *state,
                        const struct job_release *release, enum job_status *ret_status,
                        struct error *err)
{
    enum job_status to = JOB_QUEUED;
    if (state->status == JOB_PAUSING)
        to = JOB_PAUSED;
    else if (state->status == JOB_CANCELLING)
        to = JOB_CANCELLED;
    const char *stop_reason = to == JOB_CANCELLED ? "cancelled" : NULL;
    int rc = move(db, state, to, stop_reason, release->now_us, err);
    if (rc == 0 && !release->count_attempt)
        rc = give_back_attempt(db, state->number, err);
    if (rc == 0 && to == JOB_QUEUED && release->next_attempt_us > 0)
        rc = set_next_attempt(db, state->number, release->next_attempt_us, err);
    if (rc == 0)
        *ret_status = to;
    return rc;
}

int jobs_release(struct db *db, const char *id, int64_t lease,
                 const struct job_release *release, enum job_status *ret_status,
                 struct error *err)
{
    struct job_state state = {0};
    int rc = job_state_read_leased(db, id, lease, &state, err);
    if (rc == 0)
        rc = release_live(db, &state, release, ret_status, err);
    return rc;
}

/* What a user did counts at once: a job that was resumed or stopped does not wait. */
static int note_action(struct db *db, int64_t number, bool stops, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET next_attempt_us = 0,"
                " stop_requested = stop_requested OR :stops WHERE number = :number");
    query_bind_int(&q, ":number", number);
    query_bind_int(&q, ":stops", stops);
    return query_run(&q, err);
}

int jobs_act(struct db *db, const char *id, enum job_action action, int64_t now_us,
             enum job_status *ret_status, bool *ret_changed, struct error *err)
{
    struct job_state state = {0};
    enum job_status to = JOB_QUEUED;
    int rc = read_state_of(db, id, &state, err);
    if (rc == 0)
        rc = job_action_apply(action, &state, &to, err);
    bool stops = action == JOB_ACTION_STOP && !job_status_is_terminal(to);
    bool changed = to != state.status || (stops && !state.stop_requested);
    if (rc == 0 && to != state.status)
        rc = move(db, &state, to, to == JOB_CANCELLED ? "cancelled" : NULL, now_us, err);
    if (rc == 0 && changed)
        rc = note_action(db, state.number, stops, err);
    if (rc == 0) {
        *ret_status = to;
        *ret_changed = changed;
    }
    return rc;
}

int jobs_delete(struct db *db, const char *id, struct error *err)
{
    struct job_state state = {0};
    int rc = read_state_of(db, id, &state, err);
    if (rc == 0 && job_status_is_live(state.status))
        rc = error_set(err, ERR_CONFLICT,
                       "a job that is %s cannot be deleted: cancel it first",
                       job_status_name(state.status));
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db, "DELETE FROM jobs WHERE number = :number");
    query_bind_int(&q, ":number", state.number);
    return query_run(&q, err);
}

/* Some live job; 0 when there is none. */
static int next_live(struct db *db, struct job_state *ret_state, struct error *err)
{
    struct query q;
    query_begin(
        &q, db,
        "SELECT number, status, lease, 0, stop_requested FROM jobs WHERE status IN"
        " ('running', 'pausing', 'stopping', 'cancelling') LIMIT 1");
    int rc = query_step(&q, err);
    if (rc > 0) {
        rc = read_state(&q, ret_state, err);
        rc = rc < 0 ? rc : 1;
    }
    query_end(&q);
    return rc;
}

/* ---- a daemon that crashed ---- */

/* Counts the crash; how many attempts the job has had, and how many it may have. */
static int count_crash(struct db *db, int64_t number, int *ret_attempt,
                       int *ret_max_attempts, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET crashes = crashes + 1 WHERE number = :number"
                " RETURNING attempt, max_attempts");
    query_bind_int(&q, ":number", number);
    int rc = query_step(&q, err);
    if (rc > 0) {
        *ret_attempt = (int)query_int(&q, 0);
        *ret_max_attempts = (int)query_int(&q, 1);
    }
    query_end(&q);
    return rc < 0 ? rc : 0;
}

/* A job that has taken the daemon down with it too often. */
static int set_aside(struct db *db, const struct job_state *state, const char *crash,
                     int attempt, int64_t now_us, struct error *err)
{
    int rc = move(db, state, JOB_FAILED, "internal_error", now_us, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(
        &q, db,
        "UPDATE jobs SET error = json_object('code', 'internal_error', 'message',"
        " 'The daemon itself ended by ' || :crash || ' while this job ran.',"
        " 'detail', 'Attempt ' || :attempt || ' of ' || max_attempts || ', and ' ||"
        " crashes || ' such ends since its last checkpoint.')"
        " WHERE number = :number");
    query_bind_int(&q, ":number", state->number);
    query_bind_text(&q, ":crash", crash);
    query_bind_int(&q, ":attempt", attempt);
    rc = query_run(&q, err);
    if (rc < 0)
        return rc;
    query_begin(&q, db, "DELETE FROM checkpoints WHERE job = :number");
    query_bind_int(&q, ":number", state->number);
    return query_run(&q, err);
}

static int recover_live(struct db *db, const struct job_state *state, const char *crash,
                        int64_t now_us, struct error *err)
{
    struct job_release release = {.now_us = now_us};
    enum job_status status;
    bool goes_on = state->status == JOB_RUNNING || state->status == JOB_STOPPING;
    if (crash && goes_on) {
        int attempt = 0, max_attempts = 0;
        int rc = count_crash(db, state->number, &attempt, &max_attempts, err);
        if (rc == 0 && attempt >= max_attempts)
            return set_aside(db, state, crash, attempt, now_us, err);
        if (rc < 0)
            return rc;
        release.count_attempt = true;
        release.next_attempt_us = now_us + jobs_backoff_us(attempt);
    }
    return release_live(db, state, &release, &status, err);
}

int jobs_recover(struct db *db, const char *crash, int64_t now_us, int *ret_recovered,
                 struct error *err)
{
    int recovered = 0, rc;
    struct job_state state = {0};
    while ((rc = next_live(db, &state, err)) > 0) {
        rc = recover_live(db, &state, crash, now_us, err);
        if (rc < 0)
            return rc;
        recovered++;
    }
    if (rc == 0)
        *ret_recovered = recovered;
    return rc;
}
