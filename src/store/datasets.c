/* See datasets.h. */
#include "datasets.h"

#include "db.h"
#include "rows.h"

#include <stdlib.h>

#define COLUMNS                                                                          \
    "id, name, kind, sha256, bytes, file_sha256, file_bytes, created_us, facts, owner"

void dataset_row_release(struct dataset_row *row)
{
    free(row->name);
    free(row->kind);
    free(row->facts);
    free(row->preview);
    *row = (struct dataset_row){0};
}

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    struct dataset_row row = {0};
    query_read_text(q, 0, row.id, sizeof(row.id));
    row.name = query_copy_text(q, 1);
    row.kind = query_copy_text(q, 2);
    query_read_text(q, 3, row.sha256, sizeof(row.sha256));
    row.bytes = (uint64_t)query_int(q, 4);
    query_read_text(q, 5, row.file_sha256, sizeof(row.file_sha256));
    row.file_bytes = (uint64_t)query_int(q, 6);
    row.created_us = query_int(q, 7);
    row.facts = query_copy_text(q, 8);
    query_read_text(q, 9, row.owner, sizeof(row.owner));
    if (!is_listed)
        row.preview = query_copy_text(q, 10);
    *(struct dataset_row *)ret_row = row;
}

static void release(void *row)
{
    dataset_row_release(row);
}

static const struct row_type dataset_type = {sizeof(struct dataset_row), read_row,
                                             release};

int datasets_insert(struct db *db, const struct dataset_row *row, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "INSERT INTO datasets (id, name, kind, sha256, bytes, file_sha256,"
                " file_bytes, created_us, facts, preview, owner) VALUES (:id, :name,"
                " :kind, :sha256, :bytes, :file_sha256, :file_bytes, :created_us, :facts,"
                " :preview, :owner)");
    query_bind_text(&q, ":id", row->id);
    query_bind_text(&q, ":name", row->name);
    query_bind_text(&q, ":kind", row->kind);
    query_bind_text(&q, ":sha256", row->sha256);
    query_bind_int(&q, ":bytes", (int64_t)row->bytes);
    query_bind_text(&q, ":file_sha256", row->file_sha256);
    query_bind_int(&q, ":file_bytes", (int64_t)row->file_bytes);
    query_bind_int(&q, ":created_us", row->created_us);
    query_bind_text(&q, ":facts", row->facts);
    query_bind_text(&q, ":preview", row->preview);
    query_bind_text(&q, ":owner", row->owner[0] != '\0' ? row->owner : OWNER_LOCAL);
    return query_run(&q, err);
}

int datasets_get(struct db *db, const char *id, struct dataset_row *ret_row,
                 struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT " COLUMNS ", preview FROM datasets WHERE id = :id");
    query_bind_text(&q, ":id", id);
    return rows_read_one(&q, &dataset_type, "dataset", ret_row, err);
}

int datasets_get_of(struct db *db, const char *owner, const char *id,
                    struct dataset_row *ret_row, struct error *err)
{
    int rc = owner ? owners_check(db, OWNED_DATASET, owner, id, err) : 0;
    return rc != 0 ? rc : datasets_get(db, id, ret_row, err);
}

int datasets_list(struct db *db, const struct page *page, struct dataset_row **ret_rows,
                  size_t *ret_count, bool *ret_has_more, struct error *err)
{
    int rc = page_check(page, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db,
                page->owner ? "SELECT " COLUMNS " FROM datasets INDEXED BY"
                              " datasets_by_owner WHERE owner = :owner AND id < :after"
                              " ORDER BY id DESC LIMIT :limit"
                            : "SELECT " COLUMNS " FROM datasets WHERE id < :after"
                              " ORDER BY id DESC LIMIT :limit");
    if (page->owner)
        query_bind_text(&q, ":owner", page->owner);
    query_bind_text(&q, ":after", page->after ? page->after : PAGE_START);
    query_bind_int(&q, ":limit", page->limit + 1);
    void *rows;
    rc = rows_read(&q, &dataset_type, (size_t)page->limit, &rows, ret_count, ret_has_more,
                   err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}

int datasets_total(struct db *db, int64_t *ret_count, int64_t *ret_file_bytes,
                   struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT count(*), coalesce(sum(file_bytes), 0) FROM datasets");
    int rc = query_step(&q, err);
    if (rc > 0) {
        *ret_count = query_int(&q, 0);
        *ret_file_bytes = query_int(&q, 1);
        rc = query_status(&q, err);
    }
    query_end(&q);
    return rc;
}

/* A query with the one parameter :value that gives one number. */
static int read_flag(struct db *db, const char *sql, const char *value, bool *ret_flag,
                     struct error *err)
{
    struct query q;
    query_begin(&q, db, sql);
    query_bind_text(&q, ":value", value);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_flag = query_int(&q, 0) != 0;
    query_end(&q);
    return rc < 0 ? rc : 0;
}

int datasets_file_used(struct db *db, const char *file_sha256, bool *ret_used,
                       struct error *err)
{
    return read_flag(db,
                     "SELECT EXISTS (SELECT 1 FROM datasets WHERE file_sha256 = :value)",
                     file_sha256, ret_used, err);
}

int datasets_delete(struct db *db, const char *id, char ret_file_sha256[DIGEST_HEX_SIZE],
                    bool *ret_last_use, struct error *err)
{
    bool needed = false, used = false;
    int rc = read_flag(db,
                       "SELECT EXISTS (SELECT 1 FROM jobs WHERE dataset = :value"
                       " AND finished_us IS NULL)",
                       id, &needed, err);
    if (rc < 0)
        return rc;
    if (needed)
        return error_set(err, ERR_CONFLICT,
                         "a job that has not ended uses this dataset: cancel it or wait");
    char file[DIGEST_HEX_SIZE] = "";
    struct query q;
    query_begin(&q, db, "DELETE FROM datasets WHERE id = :id RETURNING file_sha256");
    query_bind_text(&q, ":id", id);
    rc = query_step(&q, err);
    if (rc > 0) {
        query_read_text(&q, 0, file, sizeof(file));
        rc = query_status(&q, err);
    } else if (rc == 0) {
        rc = error_set(err, ERR_NOT_FOUND, "there is no such dataset");
    }
    query_end(&q);
    if (rc == 0)
        rc = datasets_file_used(db, file, &used, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof(file); i++)
        ret_file_sha256[i] = file[i];
    *ret_last_use = !used;
    return 0;
}

int datasets_each_file(struct db *db,
                       int (*each)(void *context, const struct dataset_use *use,
                                   struct error *err),
                       void *context, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT file_sha256, max(file_bytes), group_concat(id, ', ')"
                " FROM datasets GROUP BY file_sha256");
    int rc;
    while ((rc = query_step(&q, err)) > 0) {
        const struct dataset_use use = {.file_sha256 = query_text(&q, 0),
                                        .file_bytes = (uint64_t)query_int(&q, 1),
                                        .ids = query_text(&q, 2)};
        rc = each(context, &use, err);
        if (rc != 0)
            break;
    }
    query_end(&q);
    return rc;
}
