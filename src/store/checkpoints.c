/* See checkpoints.h. Size and digest are those of the blob's seal. */
#include "checkpoints.h"

#include "db.h"
#include "jobs_internal.h"
#include "rows.h"

#include <stdlib.h>

void checkpoint_row_release(struct checkpoint_row *row)
{
    free(row->metrics);
    *row = (struct checkpoint_row){0};
}

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    (void)is_listed;
    struct checkpoint_row row = {0};
    query_read_text(q, 0, row.id, sizeof(row.id));
    query_read_text(q, 1, row.kind, sizeof(row.kind));
    row.step = query_int(q, 2);
    row.epoch = query_real(q, 3);
    row.blob = query_int(q, 4);
    row.created_us = query_int(q, 5);
    row.metrics = query_copy_text(q, 6);
    row.bytes = (uint64_t)query_int(q, 7);
    query_read_text(q, 8, row.sha256, sizeof(row.sha256));
    *(struct checkpoint_row *)ret_row = row;
}

static void release(void *row)
{
    checkpoint_row_release(row);
}

static const struct row_type checkpoint_type = {sizeof(struct checkpoint_row), read_row,
                                                release};

static int insert(struct db *db, int64_t job, const struct checkpoint_row *row,
                  struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "INSERT INTO checkpoints (id, job, kind, step, epoch, blob, created_us,"
                " metrics) VALUES (:id, :job, :kind, :step, :epoch, :blob, :created_us,"
                " :metrics)");
    query_bind_text(&q, ":id", row->id);
    query_bind_int(&q, ":job", job);
    query_bind_text(&q, ":kind", row->kind);
    query_bind_int(&q, ":step", row->step);
    query_bind_real(&q, ":epoch", row->epoch);
    query_bind_int(&q, ":blob", row->blob);
    query_bind_int(&q, ":created_us", row->created_us);
    query_bind_text(&q, ":metrics", row->metrics);
    return query_run(&q, err);
}

static int delete_beyond(struct db *db, int64_t job, const char *kind, int keep,
                         struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "DELETE FROM checkpoints WHERE number IN (SELECT number FROM checkpoints"
                " WHERE job = :job AND kind = :kind ORDER BY number DESC"
                " LIMIT -1 OFFSET :keep)");
    query_bind_int(&q, ":job", job);
    query_bind_text(&q, ":kind", kind);
    query_bind_int(&q, ":keep", keep);
    return query_run(&q, err);
}

/* Where there is progress, the daemon's crashes were not the job's doing. */
static int clear_suspicion(struct db *db, int64_t job, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE jobs SET crashes = 0 WHERE number = :job AND crashes > 0");
    query_bind_int(&q, ":job", job);
    return query_run(&q, err);
}

int checkpoints_insert(struct db *db, const char *job_id, int64_t lease,
                       const struct checkpoint_row *row, int keep, struct error *err)
{
    if (keep < 1)
        return error_set(err, ERR_INVALID, "at least one checkpoint is kept, not %d",
                         keep);
    struct job_state state;
    int rc = job_state_read_leased(db, job_id, lease, &state, err);
    if (rc == 0)
        rc = insert(db, state.number, row, err);
    if (rc == 0)
        rc = delete_beyond(db, state.number, row->kind, keep, err);
    if (rc == 0)
        rc = clear_suspicion(db, state.number, err);
    return rc;
}

int checkpoints_list(struct db *db, const char *job_id, struct checkpoint_row **ret_rows,
                     size_t *ret_count, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT c.id, c.kind, c.step, c.epoch, c.blob, c.created_us, c.metrics,"
                " s.bytes, s.sha256 FROM checkpoints AS c JOIN blob_seals AS s"
                " ON s.blob = c.blob WHERE c.job = (SELECT number FROM jobs"
                " WHERE id = :job) ORDER BY c.number DESC");
    query_bind_text(&q, ":job", job_id);
    void *rows;
    int rc = rows_read(&q, &checkpoint_type, 0, &rows, ret_count, NULL, err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}

int checkpoints_delete_all(struct db *db, const char *job_id, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "DELETE FROM checkpoints WHERE job ="
                " (SELECT number FROM jobs WHERE id = :job)");
    query_bind_text(&q, ":job", job_id);
    return query_run(&q, err);
}
