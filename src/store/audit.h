/*
 * The audit log: what was changed, by whom. A row is appended in the transaction of the
 * change, so that one is not kept without the other; the oldest rows go when there are
 * too many.
 */
#ifndef BACKPROP_STORE_AUDIT_H
#define BACKPROP_STORE_AUDIT_H

#include "base/id.h"
#include "owners.h"
#include "store.h"

#include <stdbool.h>
#include <stddef.h>

#define AUDIT_ADDRESS_SIZE 64
#define AUDIT_REQUEST_SIZE 65
#define AUDIT_ACTION_SIZE 64

struct audit_row {
    int64_t number; /* grows; audit_append() chooses it */
    int64_t time_us;
    char owner[OWNER_SIZE];
    char token[ID_SIZE]; /* "": none was asked for */
    char address[AUDIT_ADDRESS_SIZE];
    char request[AUDIT_REQUEST_SIZE];
    char action[AUDIT_ACTION_SIZE]; /* "POST /v1/jobs", "token revoke" */
    char object[ID_SIZE];
    int status; /* of the reply */
};

/* Appends, and deletes what is older than the last `keep` rows. */
int audit_append(struct db *db, const struct audit_row *row, int64_t keep,
                 struct error *err) __attribute__((warn_unused_result));

/* Newest first, at most `limit` rows with a number below `before` (0: from the newest).
 * *ret_rows is a new array. */
int audit_list(struct db *db, int64_t before, int limit, struct audit_row **ret_rows,
               size_t *ret_count, bool *ret_has_more, struct error *err)
    __attribute__((warn_unused_result));

#endif
