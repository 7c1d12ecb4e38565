/* See audit.h. */
#include "audit.h"

#include "db.h"
#include "rows.h"

#define DELETED_A_TIME "64" /* more than one only after the limit was lowered */

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    (void)is_listed;
    struct audit_row row = {.number = query_int(q, 0),
                            .time_us = query_int(q, 1),
                            .status = (int)query_int(q, 8)};
    query_read_text(q, 2, row.owner, sizeof(row.owner));
    query_read_text(q, 3, row.token, sizeof(row.token));
    query_read_text(q, 4, row.address, sizeof(row.address));
    query_read_text(q, 5, row.request, sizeof(row.request));
    query_read_text(q, 6, row.action, sizeof(row.action));
    query_read_text(q, 7, row.object, sizeof(row.object));
    *(struct audit_row *)ret_row = row;
}

static void release(void *row)
{
    (void)row; /* it owns nothing */
}

static const struct row_type audit_type = {sizeof(struct audit_row), read_row, release};

int audit_append(struct db *db, const struct audit_row *row, int64_t keep,
                 struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "INSERT INTO audit (time_us, owner, token, address, request, action,"
                " object, status) VALUES (:time_us, :owner, nullif(:token, ''), :address,"
                " :request, :action, :object, :status)");
    query_bind_int(&q, ":time_us", row->time_us);
    query_bind_text(&q, ":owner", row->owner);
    query_bind_text(&q, ":token", row->token);
    query_bind_text(&q, ":address", row->address);
    query_bind_text(&q, ":request", row->request);
    query_bind_text(&q, ":action", row->action);
    query_bind_text(&q, ":object", row->object);
    query_bind_int(&q, ":status", row->status);
    int rc = query_run(&q, err);
    int64_t number = db_last_number(db);
    if (rc != 0 || number <= keep)
        return rc;
    query_begin(&q, db,
                "DELETE FROM audit WHERE number IN (SELECT number FROM audit"
                " WHERE number <= :last ORDER BY number LIMIT " DELETED_A_TIME ")");
    query_bind_int(&q, ":last", number - keep);
    return query_run(&q, err);
}

int audit_list(struct db *db, int64_t before, int limit, struct audit_row **ret_rows,
               size_t *ret_count, bool *ret_has_more, struct error *err)
{
    const struct page page = {.limit = limit};
    int rc = page_check(&page, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db,
                "SELECT number, time_us, owner, token, address, request, action, object,"
                " status FROM audit WHERE number < :before ORDER BY number DESC"
                " LIMIT :limit");
    query_bind_int(&q, ":before", before > 0 ? before : INT64_MAX);
    query_bind_int(&q, ":limit", limit + 1);
    void *rows;
    rc = rows_read(&q, &audit_type, (size_t)limit, &rows, ret_count, ret_has_more, err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}
