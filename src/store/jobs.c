/* See jobs.h: rows, lists, the queue. Changes of state are in job_transitions.c. */
#include "jobs.h"

#include "db.h"
#include "jobs_internal.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define IDEMPOTENCY_US (INT64_C(24) * 3600 * 1000000)
#define IDEMPOTENCY_KEY_MAX 255
#define FIRST_BACKOFF_US INT64_C(200000)
#define LONGEST_BACKOFF_US INT64_C(30000000)
#define EXPIRED_A_TIME "64" /* old keys that one insert clears away */

#define COLUMNS                                                                          \
    "j.id, j.name, j.dataset, j.status, j.stop_reason, j.priority, j.threads,"           \
    " j.attempt, j.max_attempts, j.lease, j.metadata, j.progress, j.metrics, j.error,"   \
    " j.model, j.weights_sha256, j.created_us, j.started_us, j.finished_us,"             \
    " j.next_attempt_us, j.stop_requested, j.crashes, j.owner"

void job_row_release(struct job_row *row)
{
    free(row->name);
    free(row->stop_reason);
    free(row->spec);
    free(row->metadata);
    free(row->progress);
    free(row->metrics);
    free(row->error);
    *row = (struct job_row){0};
}

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    struct job_row row = {0};
    query_read_text(q, 0, row.id, sizeof(row.id));
    row.name = query_copy_text(q, 1);
    query_read_text(q, 2, row.dataset, sizeof(row.dataset));
    row.status = job_status_parse(query_text(q, 3));
    row.stop_reason = query_copy_text(q, 4);
    row.priority = (int)query_int(q, 5);
    row.threads = (int)query_int(q, 6);
    row.attempt = (int)query_int(q, 7);
    row.max_attempts = (int)query_int(q, 8);
    row.lease = query_int(q, 9);
    row.metadata = query_copy_text(q, 10);
    row.progress = query_copy_text(q, 11);
    row.metrics = query_copy_text(q, 12);
    row.error = query_copy_text(q, 13);
    query_read_text(q, 14, row.model, sizeof(row.model));
    query_read_text(q, 15, row.weights_sha256, sizeof(row.weights_sha256));
    row.created_us = query_int(q, 16);
    row.started_us = query_int(q, 17);
    row.finished_us = query_int(q, 18);
    row.next_attempt_us = query_int(q, 19);
    row.stop_requested = query_int(q, 20) != 0;
    row.crashes = (int)query_int(q, 21);
    query_read_text(q, 22, row.owner, sizeof(row.owner));
    if (!is_listed)
        row.spec = query_copy_text(q, 23);
    *(struct job_row *)ret_row = row;
}

static void release(void *row)
{
    job_row_release(row);
}

static const struct row_type job_type = {sizeof(struct job_row), read_row, release};

static const char *owner_of(const struct job_row *row)
{
    return row->owner[0] != '\0' ? row->owner : OWNER_LOCAL;
}

/* Clears some keys that are a day old; those that are left still count. */
static int expire_keys(struct db *db, int64_t now_us, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "DELETE FROM idempotency_keys WHERE (owner, key) IN (SELECT owner, key"
                " FROM idempotency_keys WHERE created_us < :horizon"
                " ORDER BY created_us LIMIT " EXPIRED_A_TIME ")");
    query_bind_int(&q, ":horizon", now_us - IDEMPOTENCY_US);
    return query_run(&q, err);
}

/* The job that was made with this key; "" if none was. */
static int find_key(struct db *db, const char *owner, const char *key,
                    const char *body_sha256, char ret_id[ID_SIZE], struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT job, body_sha256 = :body FROM idempotency_keys"
                " WHERE owner = :owner AND key = :key");
    query_bind_text(&q, ":owner", owner);
    query_bind_text(&q, ":key", key);
    query_bind_text(&q, ":body", body_sha256);
    int rc = query_step(&q, err);
    if (rc > 0 && !query_int(&q, 1)) {
        rc = error_set(err, ERR_CONFLICT,
                       "this Idempotency-Key was used before with another body");
    } else if (rc > 0) {
        query_read_text(&q, 0, ret_id, ID_SIZE);
        rc = query_status(&q, err);
    }
    query_end(&q);
    return rc;
}

static int insert_key(struct db *db, const struct job_row *row, const char *key,
                      const char *body_sha256, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "INSERT INTO idempotency_keys (owner, key, body_sha256, job, created_us)"
                " VALUES (:owner, :key, :body, :job, :created_us)");
    query_bind_text(&q, ":owner", owner_of(row));
    query_bind_text(&q, ":key", key);
    query_bind_text(&q, ":body", body_sha256);
    query_bind_text(&q, ":job", row->id);
    query_bind_int(&q, ":created_us", row->created_us);
    return query_run(&q, err);
}

static int check_dataset(struct db *db, const char *dataset, struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT 1 FROM datasets WHERE id = :id");
    query_bind_text(&q, ":id", dataset);
    int rc = query_step(&q, err);
    query_end(&q);
    if (rc == 0)
        return error_set_at(err, ERR_NOT_FOUND, "/dataset", "there is no such dataset");
    return rc < 0 ? rc : 0;
}

static int insert_row(struct db *db, const struct job_row *row, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "INSERT INTO jobs (id, status, name, dataset, priority, threads, attempt,"
                " max_attempts, created_us, metadata, progress, metrics, owner) VALUES"
                " (:id, 'queued', :name, :dataset, :priority, :threads, 0,"
                " :max_attempts, :created_us, :metadata, :progress, :metrics, :owner)");
    query_bind_text(&q, ":id", row->id);
    query_bind_text(&q, ":name", row->name);
    query_bind_text(&q, ":dataset", row->dataset);
    query_bind_int(&q, ":priority", row->priority);
    query_bind_int(&q, ":threads", row->threads);
    query_bind_int(&q, ":max_attempts", row->max_attempts);
    query_bind_int(&q, ":created_us", row->created_us);
    query_bind_text(&q, ":metadata", row->metadata ? row->metadata : "{}");
    query_bind_text(&q, ":progress", row->progress);
    query_bind_text(&q, ":metrics", row->metrics);
    query_bind_text(&q, ":owner", owner_of(row));
    return query_run(&q, err);
}

static int insert_spec(struct db *db, int64_t number, const char *spec, struct error *err)
{
    struct query q;
    query_begin(&q, db, "INSERT INTO job_specs (job, spec) VALUES (:job, :spec)");
    query_bind_int(&q, ":job", number);
    query_bind_text(&q, ":spec", spec);
    return query_run(&q, err);
}

/* The scalars of the metadata as texts, for the filter. */
static int insert_metadata(struct db *db, const struct job_row *row, struct error *err)
{
    if (!row->metadata || strcmp(row->metadata, "{}") == 0)
        return 0;
    struct query q;
    query_begin(&q, db,
                "INSERT OR IGNORE INTO job_metadata (key, value, job, owner) SELECT key,"
                " CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
                " ELSE CAST(atom AS TEXT) END, :job, :owner FROM json_each(:metadata)"
                " WHERE type IN ('text', 'integer', 'real', 'true', 'false')");
    query_bind_text(&q, ":job", row->id);
    query_bind_text(&q, ":metadata", row->metadata);
    query_bind_text(&q, ":owner", owner_of(row));
    return query_run(&q, err);
}

int jobs_insert(struct db *db, const struct job_row *row, const char *key,
                const char *body_sha256, char ret_existing_id[ID_SIZE], struct error *err)
{
    char existing[ID_SIZE] = "";
    int rc = 0;
    if (key && strlen(key) > IDEMPOTENCY_KEY_MAX)
        return error_set(err, ERR_TOO_LARGE, "an Idempotency-Key has at most %d bytes",
                         IDEMPOTENCY_KEY_MAX);
    if (key)
        rc = expire_keys(db, row->created_us, err);
    if (rc == 0 && key)
        rc = find_key(db, owner_of(row), key, body_sha256, existing, err);
    if (rc == 0 && existing[0] == '\0') {
        rc = check_dataset(db, row->dataset, err);
        if (rc == 0)
            rc = insert_row(db, row, err);
        int64_t number = db_last_number(db);
        if (rc == 0)
            rc = insert_spec(db, number, row->spec, err);
        if (rc == 0)
            rc = insert_metadata(db, row, err);
        if (rc == 0 && key)
            rc = insert_key(db, row, key, body_sha256, err);
        if (rc == 0)
            rc = job_status_event(db, number, NULL, "queued", NULL, row->created_us, err);
    }
    if (rc == 0)
        memcpy(ret_existing_id, existing, sizeof(existing));
    return rc;
}

int jobs_get(struct db *db, const char *id, struct job_row *ret_row, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT " COLUMNS ", s.spec FROM jobs AS j JOIN job_specs AS s"
                " ON s.job = j.number WHERE j.id = :id");
    query_bind_text(&q, ":id", id);
    return rows_read_one(&q, &job_type, "job", ret_row, err);
}

/* [owner?][metadata?][status?]: each walks an index in list order and stops at the limit.
 * CROSS JOIN keeps SQLite from turning the join round. */
#define LISTED "SELECT " COLUMNS " FROM "
#define JOINED(index)                                                                    \
    "job_metadata AS m " index "CROSS JOIN jobs AS j ON j.id = m.job WHERE "
#define BY_METADATA "m.key = :key AND m.value = :value AND m.job < :after "
#define OWN_METADATA                                                                     \
    JOINED("INDEXED BY job_metadata_by_owner ") "m.owner = :owner AND " BY_METADATA
#define IN_ORDER " ORDER BY j.id DESC LIMIT :limit"
#define IN_JOINED_ORDER " ORDER BY m.job DESC LIMIT :limit"
static const char *const list_queries[2][2][2] = {
    {{LISTED "jobs AS j WHERE j.id < :after" IN_ORDER,
      LISTED "jobs AS j WHERE j.status = :status AND j.id < :after" IN_ORDER},
     {LISTED JOINED("") BY_METADATA IN_JOINED_ORDER,
      LISTED JOINED("") BY_METADATA "AND j.status = :status" IN_JOINED_ORDER}},
    {{LISTED "jobs AS j INDEXED BY jobs_by_owner WHERE j.owner = :owner"
             " AND j.id < :after" IN_ORDER,
      LISTED "jobs AS j INDEXED BY jobs_by_owner_and_status WHERE j.owner = :owner"
             " AND j.status = :status AND j.id < :after" IN_ORDER},
     {LISTED OWN_METADATA IN_JOINED_ORDER,
      LISTED OWN_METADATA "AND j.status = :status" IN_JOINED_ORDER}},
};

int jobs_list(struct db *db, const struct page *page, const struct job_filter *filter,
              struct job_row **ret_rows, size_t *ret_count, bool *ret_has_more,
              struct error *err)
{
    int rc = page_check(page, err);
    if (rc < 0)
        return rc;
    bool by_status = filter && filter->status >= 0;
    bool by_metadata = filter && filter->metadata_key && filter->metadata_value;
    struct query q;
    query_begin(&q, db, list_queries[page->owner != NULL][by_metadata][by_status]);
    if (page->owner)
        query_bind_text(&q, ":owner", page->owner);
    query_bind_text(&q, ":after", page->after ? page->after : PAGE_START);
    query_bind_int(&q, ":limit", page->limit + 1);
    if (by_status)
        query_bind_text(&q, ":status", job_status_name((enum job_status)filter->status));
    if (by_metadata) {
        query_bind_text(&q, ":key", filter->metadata_key);
        query_bind_text(&q, ":value", filter->metadata_value);
    }
    void *rows;
    rc = rows_read(&q, &job_type, (size_t)page->limit, &rows, ret_count, ret_has_more,
                   err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}

/* In the order of the queue. Left to itself SQLite takes the index
 * of statuses and sorts. */
#define QUEUE "jobs INDEXED BY jobs_queue WHERE status = 'queued'"

/* Blocks of higher priority, then earlier blocks of the same, then the
 * rest of its own. */
#define POSITION                                                                         \
    "(SELECT coalesce(sum(jobs), 0) FROM queue_blocks WHERE priority > mine.priority) +" \
    " (SELECT coalesce(sum(jobs), 0) FROM queue_blocks WHERE priority = mine.priority"   \
    "  AND block < mine.number / 512) +"                                                 \
    " (SELECT count(*) FROM " QUEUE " AND priority = mine.priority"                      \
    "  AND number BETWEEN mine.number / 512 * 512 AND mine.number)"

int jobs_queue_position(struct db *db, const char *id, int64_t *ret_position,
                        struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT CASE mine.status WHEN 'queued' THEN " POSITION
                " ELSE 0 END FROM jobs AS mine WHERE mine.id = :id");
    query_bind_text(&q, ":id", id);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_position = query_int(&q, 0);
    else if (rc == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such job");
    query_end(&q);
    return rc < 0 ? rc : 0;
}

int jobs_count(struct db *db, int64_t ret_counts[JOB_STATUS_COUNT], struct error *err)
{
    int64_t counts[JOB_STATUS_COUNT] = {0};
    struct query q;
    query_begin(&q, db, "SELECT status, jobs FROM job_counts");
    int rc;
    while ((rc = query_step(&q, err)) > 0) {
        enum job_status status = job_status_parse(query_text(&q, 0));
        if (status < JOB_STATUS_COUNT)
            counts[status] = query_int(&q, 1);
    }
    query_end(&q);
    if (rc == 0)
        memcpy(ret_counts, counts, sizeof(counts));
    return rc;
}

/* Past the longest wait a time is no wait: the clock was set back. */
int jobs_next(struct db *db, int64_t now_us, bool suspects, struct job_row *ret_row,
              struct error *err)
{
    struct query q;
    query_begin(
        &q, db,
        "SELECT " COLUMNS ", s.spec FROM jobs AS j JOIN job_specs AS s"
        " ON s.job = j.number WHERE j.number = (SELECT number FROM " QUEUE
        " AND next_attempt_us NOT BETWEEN :now + 1 AND :horizon"
        " AND (crashes = 0 OR :suspects) ORDER BY priority DESC, number LIMIT 1)");
    query_bind_int(&q, ":now", now_us);
    query_bind_int(&q, ":horizon", now_us + LONGEST_BACKOFF_US);
    query_bind_int(&q, ":suspects", suspects);
    return rows_read_one(&q, &job_type, "job: the queue is empty", ret_row, err);
}

int jobs_next_attempt(struct db *db, int64_t now_us, int64_t *ret_us, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT coalesce(min(next_attempt_us), 0) FROM jobs"
                " WHERE status = 'queued' AND next_attempt_us > 0"
                " AND next_attempt_us > :now");
    query_bind_int(&q, ":now", now_us);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_us = query_int(&q, 0);
    query_end(&q);
    return rc < 0 ? rc : 0;
}

int64_t jobs_backoff_us(int attempts)
{
    int64_t wait_us = FIRST_BACKOFF_US;
    for (int i = 1; i < attempts && wait_us < LONGEST_BACKOFF_US; i++)
        wait_us *= 4;
    return wait_us < LONGEST_BACKOFF_US ? wait_us : LONGEST_BACKOFF_US;
}
