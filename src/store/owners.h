/*
 * Owners: the names that tokens act for. Every dataset, job and model has one; metrics,
 * events and checkpoints belong to their job's. An owner never changes.
 */
#ifndef BACKPROP_STORE_OWNERS_H
#define BACKPROP_STORE_OWNERS_H

#include "store.h"

#include <stdbool.h>

#define OWNER_SIZE 65

/* Whose everything is where no token is asked for. */
#define OWNER_LOCAL "local"

enum owned_kind { OWNED_DATASET, OWNED_JOB, OWNED_MODEL };

/* 1 to 64 letters, digits and "._@-", the first a letter or digit. */
bool owner_is_valid(const char *text);

/* ERR_NOT_FOUND unless `owner` has an object with this ID: there is no telling whether
 * another has. */
int owners_check(struct db *db, enum owned_kind kind, const char *owner, const char *id,
                 struct error *err) __attribute__((warn_unused_result));

#endif
