/*
 * DELETE of what a request's path names: one write to the store, then the reply (204 or
 * the problem), and dropping what hung on it. What differs from one kind of thing to the
 * next is two functions.
 */
#ifndef BACKPROP_HTTP_DELETION_H
#define BACKPROP_HTTP_DELETION_H

#include "base/id.h"
#include "request.h"
#include "store/digest.h"

struct deletion {
    struct store_write write; /* first: a pointer to it is one to this */
    const struct deletion_kind *kind;
    struct request *request;
    char id[ID_SIZE]; /* the first {…} of the path */
    /* What hung on it, for `deleted` to drop: a job's model, a dataset's file. `run`
     * fills it in; "" is nothing. */
    char dependent[DIGEST_HEX_SIZE];
};

struct deletion_kind {
    /* On the store's writer thread, inside the transaction. */
    int (*run)(struct db *db, struct deletion *deletion, struct error *err);
    /* On the same thread, after the COMMIT and before the reply. May be NULL. */
    void (*deleted)(const struct deletion *deletion, struct server *server);
};

/* Submits the write, which replies to the request. */
void deletion_submit(struct request *request, const struct deletion_kind *kind);

#endif
