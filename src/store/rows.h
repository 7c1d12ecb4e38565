/*
 * What the table families have in common: an array of rows that grows while a query gives
 * them, and the bounds of a page.
 */
#ifndef BACKPROP_STORE_ROWS_H
#define BACKPROP_STORE_ROWS_H

#include "db.h"
#include "page.h"

/* Sorts after every identifier: where a list from newest to oldest begins. */
#define PAGE_START "~"

/* How one row of a table family is read from a query and freed. `read` sets the whole
 * row; it need not look for failures, which stick to the query. Rows of a list may leave
 * out what is long. `release` empties the row. */
struct row_type {
    size_t size;
    void (*read)(struct query *q, bool is_listed, void *ret_row);
    void (*release)(void *row);
};

/* ERR_INVALID unless 1 <= limit <= PAGE_MAX. */
int page_check(const struct page *page, struct error *err)
    __attribute__((warn_unused_result));

/* Reads what `q` gives and ends it. At most `limit` rows are kept (0: all); *ret_has_more
 * (may be NULL) tells that there was another, so ask for one more than the limit.
 * *ret_rows is a new array of *ret_count listed rows, never NULL. */
int rows_read(struct query *q, const struct row_type *type, size_t limit, void **ret_rows,
              size_t *ret_count, bool *ret_has_more, struct error *err)
    __attribute__((warn_unused_result));

/* Reads the one row that `q` gives and ends it; ERR_NOT_FOUND "there
 * is no such <what>". */
int rows_read_one(struct query *q, const struct row_type *type, const char *what,
                  void *ret_row, struct error *err) __attribute__((warn_unused_result));

#endif
