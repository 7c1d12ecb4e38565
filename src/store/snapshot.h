/*
 * The store of a data folder as another process may look at it, also while a daemon runs
 * there: a read-only connection in one read transaction. SQLite's WAL lets such a reader
 * see a stable state and hinders no writer; the log only grows while it is open.
 */
#ifndef BACKPROP_STORE_SNAPSHOT_H
#define BACKPROP_STORE_SNAPSHOT_H

#include "db.h"

/* ERR_NOT_FOUND when the folder holds no store, ERR_CORRUPT when it is damaged or not
 * ours. Close with db_close(). New object. */
int snapshot_open(const char *dir, struct db **ret_db, struct error *err)
    __attribute__((warn_unused_result));

/* Writes what the snapshot shows into a new database file DIR/backpropd.db, synced, under
 * another name until it is whole. ERR_CONFLICT if there is one. */
int snapshot_copy(struct db *db, const char *dir, struct error *err)
    __attribute__((warn_unused_result));

#endif
