/* See events.h. */
#include "events.h"

#include "db.h"
#include "rows.h"

#include <stdlib.h>

#define EVENTS_MAX 1000 /* a page */

void event_row_release(struct event_row *row)
{
    free(row->type);
    free(row->message);
    free(row->data);
    *row = (struct event_row){0};
}

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    (void)is_listed;
    struct event_row row = {.sequence = query_int(q, 0), .time_us = query_int(q, 1)};
    row.type = query_copy_text(q, 2);
    row.message = query_copy_text(q, 3);
    row.data = query_copy_text(q, 4);
    *(struct event_row *)ret_row = row;
}

static void release(void *row)
{
    event_row_release(row);
}

static const struct row_type event_type = {sizeof(struct event_row), read_row, release};

int events_append(struct db *db, const char *job_id, int64_t time_us, const char *type,
                  const char *message, const char *data, int64_t *ret_sequence,
                  struct error *err)
{
    int64_t sequence = 0;
    struct query q;
    query_begin(&q, db,
                "INSERT INTO events (job, sequence, time_us, type, message, data)"
                " SELECT number, 1 + coalesce((SELECT max(sequence) FROM events"
                " WHERE job = number), 0), :time_us, :type, :message, :data"
                " FROM jobs WHERE id = :job RETURNING sequence");
    query_bind_text(&q, ":job", job_id);
    query_bind_int(&q, ":time_us", time_us);
    query_bind_text(&q, ":type", type);
    query_bind_text(&q, ":message", message ? message : "");
    query_bind_text(&q, ":data", data ? data : "{}");
    int rc = query_step(&q, err);
    if (rc > 0) {
        sequence = query_int(&q, 0);
        rc = 0;
    } else if (rc == 0) {
        rc = error_set(err, ERR_NOT_FOUND, "there is no such job");
    }
    query_end(&q);
    if (rc == 0 && ret_sequence)
        *ret_sequence = sequence;
    return rc;
}

int events_name_request(struct db *db, const char *job_id, const char *request_id,
                        struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "WITH owner AS (SELECT number FROM jobs WHERE id = :job)"
                " UPDATE events SET data = json_set(data, '$.request_id', :request)"
                " WHERE job = (SELECT number FROM owner) AND sequence ="
                " (SELECT max(sequence) FROM events WHERE job ="
                " (SELECT number FROM owner))");
    query_bind_text(&q, ":job", job_id);
    query_bind_text(&q, ":request", request_id);
    return query_run(&q, err);
}

int events_list(struct db *db, const char *job_id, int64_t after, int limit,
                struct event_row **ret_rows, size_t *ret_count, bool *ret_has_more,
                struct error *err)
{
    if (limit < 1 || limit > EVENTS_MAX)
        return error_set(err, ERR_INVALID, "limit must be 1 to %d, not %d", EVENTS_MAX,
                         limit);
    struct query q;
    query_begin(&q, db,
                "SELECT sequence, time_us, type, message, data FROM events"
                " WHERE job = (SELECT number FROM jobs WHERE id = :job)"
                " AND sequence > :after ORDER BY sequence LIMIT :limit");
    query_bind_text(&q, ":job", job_id);
    query_bind_int(&q, ":after", after);
    query_bind_int(&q, ":limit", limit + 1);
    void *rows;
    int rc =
        rows_read(&q, &event_type, (size_t)limit, &rows, ret_count, ret_has_more, err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}
