/* A page of a list: at most `limit` objects after (in list order) the object `after`, of
 * those that `owner` has. */
#ifndef BACKPROP_STORE_PAGE_H
#define BACKPROP_STORE_PAGE_H

#define PAGE_MAX 1000

struct page {
    int limit;         /* 1 … PAGE_MAX */
    const char *after; /* an ID, or NULL for the start */
    const char *owner; /* NULL: everybody's */
};

#endif
