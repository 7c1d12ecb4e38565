/* See metrics.h: the adding of points. Reading is in metrics_read.c. */
#include "metrics.h"

#include "db.h"
#include "jobs_internal.h"
#include "metrics_internal.h"

#include "base/buffer.h"

#include <math.h>
#include <string.h>

static int check_point(const struct metric_row *point, struct error *err)
{
    if (point->count < 1 || point->count > METRICS_MAX_NAMES)
        return error_set(err, ERR_INVALID, "a point has 1 to %d names, not %d",
                         METRICS_MAX_NAMES, point->count);
    if (point->step < 0 || !isfinite(point->epoch))
        return error_set(err, ERR_INVALID, "a point needs a step and an epoch");
    return 0;
}

/* The names of a point, a line each. */
static int join_names(const struct metric_row *point, struct buffer *names,
                      struct error *err)
{
    buffer_clear(names);
    for (int i = 0; i < point->count; i++) {
        size_t length = strlen(point->names[i]);
        if (length == 0 || length > METRICS_NAME_MAX || strchr(point->names[i], '\n'))
            return error_set(err, ERR_INVALID,
                             "the name of a metric has 1 to %d bytes and no newline",
                             METRICS_NAME_MAX);
        if (i > 0)
            buffer_append_char(names, '\n');
        buffer_append(names, point->names[i], length);
    }
    if (buffer_status(names) < 0)
        return error_set(err, buffer_status(names), "too many names of metrics");
    return 0;
}

static int count_sets(struct db *db, int64_t job, int64_t *ret_count, struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT count(*) FROM metric_sets WHERE job = :job");
    query_bind_int(&q, ":job", job);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_count = query_int(&q, 0);
    query_end(&q);
    return rc < 0 ? rc : 0;
}

static int insert_set(struct db *db, int64_t job, const char *names, int64_t *ret_set,
                      struct error *err)
{
    int64_t count = 0;
    int rc = count_sets(db, job, &count, err);
    if (rc == 0 && count >= METRICS_MAX_SETS)
        rc = error_set(err, ERR_TOO_LARGE,
                       "a job has at most %d different sets of metric names",
                       METRICS_MAX_SETS);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db, "INSERT INTO metric_sets (job, names) VALUES (:job, :names)");
    query_bind_int(&q, ":job", job);
    query_bind_text(&q, ":names", names);
    rc = query_run(&q, err);
    if (rc == 0)
        *ret_set = db_last_number(db);
    return rc;
}

static int find_set(struct db *db, int64_t job, const char *names, int64_t *ret_set,
                    struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT number FROM metric_sets WHERE job = :job AND names = :names");
    query_bind_int(&q, ":job", job);
    query_bind_text(&q, ":names", names);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_set = query_int(&q, 0);
    query_end(&q);
    if (rc == 0)
        return insert_set(db, job, names, ret_set, err);
    return rc < 0 ? rc : 0;
}

static int insert_point(struct db *db, int64_t job, int64_t set,
                        const struct metric_row *point, struct error *err)
{
    struct query q;
    query_begin(
        &q, db,
        "INSERT OR REPLACE INTO metric_points (job, step, name_set, epoch, time_us,"
        " value_bytes) VALUES (:job, :step, :set, :epoch, :time_us, :values)");
    query_bind_int(&q, ":job", job);
    query_bind_int(&q, ":step", point->step);
    query_bind_int(&q, ":set", set);
    query_bind_real(&q, ":epoch", point->epoch);
    query_bind_int(&q, ":time_us", point->time_us);
    query_bind_blob(&q, ":values", point->values, (size_t)point->count * sizeof(double));
    return query_run(&q, err);
}

static int grow_version(struct db *db, int64_t job, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET metrics_version = metrics_version + 1"
                " WHERE number = :job");
    query_bind_int(&q, ":job", job);
    return query_run(&q, err);
}

int metrics_append(struct db *db, const char *job_id, int64_t lease,
                   const struct metric_row *points, size_t count, struct error *err)
{
    struct job_state state;
    int rc = job_state_read_leased(db, job_id, lease, &state, err);
    if (rc < 0 || count == 0)
        return rc;
    /* Points that follow each other have most often the same names: two buffers take
     * turns so that the set is looked up only when the names change. */
    struct buffer names[2];
    buffer_init(&names[0], METRICS_NAMES_BYTES);
    buffer_init(&names[1], METRICS_NAMES_BYTES);
    int64_t set = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct buffer *mine = &names[i % 2], *previous = &names[(i + 1) % 2];
        rc = check_point(&points[i], err);
        if (rc == 0)
            rc = join_names(&points[i], mine, err);
        if (rc == 0 && (i == 0 || strcmp(mine->data, previous->data) != 0))
            rc = find_set(db, state.number, mine->data, &set, err);
        if (rc == 0)
            rc = insert_point(db, state.number, set, &points[i], err);
    }
    if (rc == 0)
        rc = grow_version(db, state.number, err);
    buffer_release(&names[0]);
    buffer_release(&names[1]);
    return rc;
}

int metrics_version(struct db *db, const char *job_id, int64_t *ret_version,
                    struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT metrics_version FROM jobs WHERE id = :id");
    query_bind_text(&q, ":id", job_id);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_version = query_int(&q, 0);
    else if (rc == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such job");
    query_end(&q);
    return rc < 0 ? rc : 0;
}
