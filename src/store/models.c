/* See models.h. */
#include "models.h"

#include "db.h"
#include "rows.h"

#include <stdlib.h>

#define COLUMNS                                                                          \
    "id, job, name, blob, bytes, sha256, parameter_count, created_us, metrics,"          \
    " (SELECT owner FROM jobs WHERE jobs.id = models.job)"

void model_row_release(struct model_row *row)
{
    free(row->name);
    free(row->spec);
    free(row->facts);
    free(row->preprocessing);
    free(row->formats);
    free(row->metrics);
    *row = (struct model_row){0};
}

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    struct model_row row = {0};
    query_read_text(q, 0, row.id, sizeof(row.id));
    query_read_text(q, 1, row.job, sizeof(row.job));
    row.name = query_copy_text(q, 2);
    row.blob = query_int(q, 3);
    row.bytes = (uint64_t)query_int(q, 4);
    query_read_text(q, 5, row.sha256, sizeof(row.sha256));
    row.parameter_count = query_int(q, 6);
    row.created_us = query_int(q, 7);
    row.metrics = query_copy_text(q, 8);
    query_read_text(q, 9, row.owner, sizeof(row.owner));
    if (!is_listed) {
        row.spec = query_copy_text(q, 10);
        row.facts = query_copy_text(q, 11);
        row.preprocessing = query_copy_text(q, 12);
        row.formats = query_copy_text(q, 13);
    }
    *(struct model_row *)ret_row = row;
}

static void release(void *row)
{
    model_row_release(row);
}

static const struct row_type model_type = {sizeof(struct model_row), read_row, release};

int models_insert(struct db *db, const struct model_row *row, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "INSERT INTO models (id, job, name, blob, bytes, sha256, parameter_count,"
                " created_us, metrics, spec, facts, preprocessing, formats, owner) VALUES"
                " (:id, :job, :name, :blob, :bytes, :sha256, :parameter_count,"
                " :created_us, :metrics, :spec, :facts, :preprocessing, :formats,"
                " coalesce((SELECT owner FROM jobs WHERE id = :job), ''))");
    query_bind_text(&q, ":id", row->id);
    query_bind_text(&q, ":job", row->job);
    query_bind_text(&q, ":name", row->name);
    query_bind_int(&q, ":blob", row->blob);
    query_bind_int(&q, ":bytes", (int64_t)row->bytes);
    query_bind_text(&q, ":sha256", row->sha256);
    query_bind_int(&q, ":parameter_count", row->parameter_count);
    query_bind_int(&q, ":created_us", row->created_us);
    query_bind_text(&q, ":metrics", row->metrics);
    query_bind_text(&q, ":spec", row->spec);
    query_bind_text(&q, ":facts", row->facts);
    query_bind_text(&q, ":preprocessing", row->preprocessing ? row->preprocessing : "{}");
    query_bind_text(&q, ":formats", row->formats ? row->formats : "{}");
    return query_run(&q, err);
}

int models_get(struct db *db, const char *id, struct model_row *ret_row,
               struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT " COLUMNS ", spec, facts, preprocessing, formats FROM models"
                " WHERE id = :id");
    query_bind_text(&q, ":id", id);
    return rows_read_one(&q, &model_type, "model", ret_row, err);
}

int models_list(struct db *db, const struct page *page, struct model_row **ret_rows,
                size_t *ret_count, bool *ret_has_more, struct error *err)
{
    int rc = page_check(page, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db,
                page->owner ? "SELECT " COLUMNS " FROM models INDEXED BY models_by_owner"
                              " WHERE owner = :owner AND id < :after"
                              " ORDER BY id DESC LIMIT :limit"
                            : "SELECT " COLUMNS " FROM models WHERE id < :after"
                              " ORDER BY id DESC LIMIT :limit");
    if (page->owner)
        query_bind_text(&q, ":owner", page->owner);
    query_bind_text(&q, ":after", page->after ? page->after : PAGE_START);
    query_bind_int(&q, ":limit", page->limit + 1);
    void *rows;
    rc = rows_read(&q, &model_type, (size_t)page->limit, &rows, ret_count, ret_has_more,
                   err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}

/* The blob goes with the model, and the job's `model` is emptied, by trigger. */
int models_delete(struct db *db, const char *id, struct error *err)
{
    struct query q;
    query_begin(&q, db, "DELETE FROM models WHERE id = :id");
    query_bind_text(&q, ":id", id);
    int rc = query_run(&q, err);
    if (rc == 0 && db_changes(db) == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such model");
    return rc;
}
