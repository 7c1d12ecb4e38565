/* See totals.h. */
#include "totals.h"

#include "db.h"

static int read_pair(struct db *db, const char *sql, int64_t *ret_first,
                     int64_t *ret_second, struct error *err)
{
    struct query q;
    query_begin(&q, db, sql);
    int rc = query_step(&q, err);
    if (rc > 0) {
        *ret_first = query_int(&q, 0);
        *ret_second = query_int(&q, 1);
    }
    query_end(&q);
    return rc < 0 ? rc : 0;
}

int totals_read(struct db *db, struct store_totals *ret_totals, struct error *err)
{
    struct store_totals totals = {0};
    int rc = jobs_count(db, totals.jobs, err);
    if (rc == 0)
        rc = db_read_int(db,
                         "SELECT coalesce((SELECT created_us FROM jobs WHERE"
                         " status = 'queued' ORDER BY id LIMIT 1), 0)",
                         &totals.oldest_queued_us, err);
    if (rc == 0)
        rc =
            read_pair(db,
                      "SELECT count(*), coalesce((SELECT sum(bytes) FROM (SELECT"
                      " max(file_bytes) AS bytes FROM datasets GROUP BY file_sha256)), 0)"
                      " FROM datasets",
                      &totals.datasets, &totals.dataset_bytes, err);
    if (rc == 0)
        rc = read_pair(db, "SELECT count(*), coalesce(sum(bytes), 0) FROM models",
                       &totals.models, &totals.model_bytes, err);
    if (rc == 0)
        *ret_totals = totals;
    return rc;
}
