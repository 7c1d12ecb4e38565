/* See rows.h. */
#include "rows.h"

#include "base/memory.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16

int page_check(const struct page *page, struct error *err)
{
    if (page->limit < 1 || page->limit > PAGE_MAX)
        return error_set(err, ERR_INVALID, "limit must be 1 to %d, not %d", PAGE_MAX,
                         page->limit);
    return 0;
}

/* An array under construction. */
struct rows {
    const struct row_type *type;
    char *items;
    size_t count, capacity;
};

/* *ret_row is empty after a failure. */
static int read_row(struct query *q, const struct row_type *type, bool is_listed,
                    void *ret_row, struct error *err)
{
    type->read(q, is_listed, ret_row);
    int rc = query_status(q, err);
    if (rc < 0)
        type->release(ret_row);
    return rc;
}

static int add(struct rows *rows, struct query *q, struct error *err)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? rows->capacity * 2 : FIRST_CAPACITY;
        char *items = mem_resize_array(rows->items, capacity, rows->type->size);
        if (!items)
            return error_set(err, ERR_NOMEM, "out of memory reading the store");
        rows->items = items;
        rows->capacity = capacity;
    }
    char *row = rows->items + rows->count * rows->type->size;
    int rc = read_row(q, rows->type, true, row, err);
    if (rc == 0)
        rows->count++;
    return rc;
}

static void release(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        rows->type->release(rows->items + i * rows->type->size);
    free(rows->items);
}

int rows_read(struct query *q, const struct row_type *type, size_t limit, void **ret_rows,
              size_t *ret_count, bool *ret_has_more, struct error *err)
{
    struct rows rows = {.type = type};
    bool more = false;
    int rc;
    while ((rc = query_step(q, err)) > 0) {
        if (limit > 0 && rows.count == limit) {
            more = true;
            rc = 0;
            break;
        }
        rc = add(&rows, q, err);
        if (rc < 0)
            break;
    }
    query_end(q);
    if (rc == 0 && !rows.items) {
        rows.items = mem_alloc_array(0, type->size);
        if (!rows.items)
            rc = error_set(err, ERR_NOMEM, "out of memory reading the store");
    }
    if (rc < 0) {
        release(&rows);
        return rc;
    }
    *ret_rows = rows.items;
    *ret_count = rows.count;
    if (ret_has_more)
        *ret_has_more = more;
    return 0;
}

int rows_read_one(struct query *q, const struct row_type *type, const char *what,
                  void *ret_row, struct error *err)
{
    int rc = query_step(q, err);
    if (rc > 0)
        rc = read_row(q, type, false, ret_row, err);
    else if (rc == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such %s", what);
    query_end(q);
    return rc;
}
