/*
 * The readers: read-only connections that are lent to one thread at a time. They are
 * opened when needed, up to READERS_MAX, and kept; beyond that a borrower waits.
 */
#ifndef BACKPROP_STORE_READERS_H
#define BACKPROP_STORE_READERS_H

#include "db.h"

#define READERS_MAX 32
#define READERS_WAIT_SECONDS 5

struct readers;

int readers_new(const char *path, struct readers **ret_readers, struct error *err)
    __attribute__((warn_unused_result));

/* Closes all; none may be lent. */
void readers_free(struct readers *readers);

/* A connection with an open read transaction, a snapshot as of now. ERR_BUSY when none
 * was given back in READERS_WAIT_SECONDS. */
int readers_borrow(struct readers *readers, struct db **ret_db, struct error *err)
    __attribute__((warn_unused_result));
void readers_return(struct readers *readers, struct db *db);

#endif
