/*
 * Writing the canonical JSON of a spec. A write that fails for want of memory sets the
 * violations' status to ERR_NOMEM, so that a run of writes is checked once at its end.
 */
#ifndef BACKPROP_CANONICAL_H
#define BACKPROP_CANONICAL_H

#include "base/violations.h"
#include "shape.h"

#include <jansson.h>

/* Puts `value` (taken; NULL: it could not be made) into `object` under `key`. */
void canonical_set(json_t *object, const char *key, json_t *value,
                   struct violations *violations);

/* The same at the end of a list. */
void canonical_append(json_t *list, json_t *value, struct violations *violations);

/* A number in its one canonical form: whole numbers as JSON integers, so that 1, 1.0 and
 * 1e0 give the same text. New reference, NULL without memory. */
json_t *canonical_number(double number);

/* A shape as a list of its dimensions. New reference, NULL without memory. */
json_t *canonical_shape(const struct shape *shape);

#endif
