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
    query_begin(&q, db,
                "INSERT INTO metric_points (job, step, name_set, epoch, time_us, retry,"
                " value_bytes) VALUES (:job, :step, :set, :epoch, :time_us, :retry,"
                " :values)");
    query_bind_int(&q, ":job", job);
    query_bind_int(&q, ":step", point->step);
    query_bind_int(&q, ":set", set);
    query_bind_real(&q, ":epoch", point->epoch);
    query_bind_int(&q, ":time_us", point->time_us);
    query_bind_int(&q, ":retry", point->retry);
    query_bind_blob(&q, ":values", point->values, (size_t)point->count * sizeof(double));
    return query_run(&q, err);
}

/* ---- steps that are said again ---- */

/* What a point has to say that is not there yet. */
struct news {
    struct metric_row point; /* its lists are these: */
    const char *names[METRICS_MAX_NAMES];
    double values[METRICS_MAX_NAMES];
};

static void news_init(struct news *news, const struct metric_row *point)
{
    news->point = *point;
    memcpy(news->names, point->names, (size_t)point->count * sizeof(*point->names));
    memcpy(news->values, point->values, (size_t)point->count * sizeof(*point->values));
    news->point.names = news->names;
    news->point.values = news->values;
}

static bool has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    while (text) {
        const char *end = strchr(text, '\n');
        size_t found = end ? (size_t)(end - text) : strlen(text);
        if (found == length && memcmp(text, line, length) == 0)
            return true;
        text = end ? end + 1 : NULL;
    }
    return false;
}

static void leave_out(struct news *news, const char *known_names)
{
    int count = 0;
    for (int i = 0; i < news->point.count; i++) {
        if (has_line(known_names, news->names[i]))
            continue;
        news->names[count] = news->names[i];
        news->values[count++] = news->values[i];
    }
    news->point.count = count;
}

/* Leaves out what is known of the step, or all of it where it is known from a later
 * retry. */
static int leave_out_known(struct db *db, int64_t job, struct news *news,
                           struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT s.names, p.retry FROM metric_points AS p"
                " JOIN metric_sets AS s ON s.number = p.name_set"
                " WHERE p.job = :job AND p.step = :step");
    query_bind_int(&q, ":job", job);
    query_bind_int(&q, ":step", news->point.step);
    int rc;
    while ((rc = query_step(&q, err)) > 0) {
        if (query_int(&q, 1) > news->point.retry)
            news->point.count = 0;
        else
            leave_out(news, query_text(&q, 0));
    }
    query_end(&q);
    return rc;
}

/* Points of a way that the run has left for another. */
static int delete_earlier_retries(struct db *db, int64_t job,
                                  const struct metric_row *point, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "DELETE FROM metric_points WHERE job = :job AND step = :step"
                " AND retry < :retry");
    query_bind_int(&q, ":job", job);
    query_bind_int(&q, ":step", point->step);
    query_bind_int(&q, ":retry", point->retry);
    return query_run(&q, err);
}

static int append_known_step(struct db *db, int64_t job, const struct metric_row *point,
                             struct buffer *names, struct error *err)
{
    struct news news;
    int64_t set = 0;
    news_init(&news, point);
    int rc = point->retry > 0 ? delete_earlier_retries(db, job, point, err) : 0;
    if (rc == 0)
        rc = leave_out_known(db, job, &news, err);
    if (rc < 0 || news.point.count == 0)
        return rc;
    rc = join_names(&news.point, names, err);
    if (rc == 0)
        rc = find_set(db, job, names->data, &set, err);
    return rc == 0 ? insert_point(db, job, set, &news.point, err) : rc;
}

/* The last step of which there is a point; -1 before the first. */
static int last_step(struct db *db, int64_t job, int64_t *ret_step, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT coalesce(max(step), -1) FROM metric_points WHERE job = :job");
    query_bind_int(&q, ":job", job);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_step = query_int(&q, 0);
    query_end(&q);
    return rc < 0 ? rc : 0;
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
    int64_t last = -1, set = 0;
    int rc = job_state_read_leased(db, job_id, lease, &state, err);
    if (rc < 0 || count == 0)
        return rc;
    rc = last_step(db, state.number, &last, err);
    /* Points that follow each other have most often the same names: two buffers take
     * turns so that the set is looked up only when the names change. */
    struct buffer names[2], rest;
    buffer_init(&names[0], METRICS_NAMES_BYTES);
    buffer_init(&names[1], METRICS_NAMES_BYTES);
    buffer_init(&rest, METRICS_NAMES_BYTES);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct metric_row *point = &points[i];
        struct buffer *mine = &names[i % 2], *previous = &names[(i + 1) % 2];
        rc = check_point(point, err);
        if (rc == 0)
            rc = join_names(point, mine, err);
        if (rc == 0 && point->step <= last) {
            rc = append_known_step(db, state.number, point, &rest, err);
            set = 0; /* not looked up */
            continue;
        }
        if (rc == 0 && (set == 0 || strcmp(mine->data, previous->data) != 0))
            rc = find_set(db, state.number, mine->data, &set, err);
        if (rc == 0)
            rc = insert_point(db, state.number, set, point, err);
        last = point->step;
    }
    if (rc == 0)
        rc = grow_version(db, state.number, err);
    buffer_release(&names[0]);
    buffer_release(&names[1]);
    buffer_release(&rest);
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
