/*
 * The schema of the store: checks that a file is ours and brings it up to date.
 *
 * Migrations are migrations/NNNN_*.sql, embedded in the daemon in the order of their
 * names; PRAGMA user_version counts those that were applied.
 */
#ifndef BACKPROP_STORE_SCHEMA_H
#define BACKPROP_STORE_SCHEMA_H

#include "db.h"

#define SCHEMA_APPLICATION_ID 0x62707270 /* "bprp", as in 0001_init.sql */

/* ERR_CORRUPT when the file belongs to another program or to a newer version of this one,
 * or is empty. */
int schema_check(struct db *db, struct error *err) __attribute__((warn_unused_result));

/* Applies what is missing in one transaction. ERR_CORRUPT, and the file is left as it
 * was, when it belongs to another program or to a newer version of this one. */
int schema_apply(struct db *db, int *ret_version, struct error *err)
    __attribute__((warn_unused_result));

#endif
