/*
 * Named choices with attributes: "adam", or {"type": "adam", "learning_rate": 0.001}.
 * Each of the optimizers, schedules and losses is a row of a table.
 */
#ifndef BACKPROP_CHOICE_H
#define BACKPROP_CHOICE_H

#include "attrs.h"
#include "base/violations.h"
#include "job_spec.h"

#include <jansson.h>

struct choice_type {
    const char *name;       /* NULL ends a table */
    const struct key *keys; /* NULL: none */
    const char *meaning;    /* an alias: the name of the row it stands for; else NULL */
};

/*
 * Reads `json` (NULL: absent, then `fallback` is the type) by `table`. Aliases are
 * resolved, also in *ret_canonical, which is a new reference to the full object. Returns
 * 0, or ERR_INVALID when it added violations: then ret_choice->type is NULL and
 * *ret_canonical is NULL. No memory sets the violations' status.
 */
int choice_read(const json_t *json, const char *pointer, const struct choice_type *table,
                const char *fallback, struct choice *ret_choice, json_t **ret_canonical,
                struct violations *violations);

#endif
