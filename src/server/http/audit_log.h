/*
 * The audit log: each change that the API makes is noted in the transaction that makes
 * it. Attempts that were refused changed nothing and are in the access log alone, so that
 * nobody can push rows out of this one by failing.
 */
#ifndef BACKPROP_HTTP_AUDIT_LOG_H
#define BACKPROP_HTTP_AUDIT_LOG_H

#include "request.h"

/* For the `run` of a store_write: `object` was changed by the request, whose reply will
 * have `status`. */
int audit_note(struct db *db, const struct request *request, const char *object,
               int status, struct error *err) __attribute__((warn_unused_result));

#endif
