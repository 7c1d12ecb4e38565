/*
 * How the spec words a violation: where it is (a JSON Pointer, RFC 6901), what was found
 * there, and which known name was probably meant.
 */
#ifndef BACKPROP_REPORT_H
#define BACKPROP_REPORT_H

#include "base/violations.h"

#include <jansson.h>
#include <stddef.h>

#define POINTER_SIZE 512
#define FOUND_MAX_BYTES 60 /* of a found value; the rest becomes "…" */
#define FOUND_SIZE (FOUND_MAX_BYTES + 8)
#define HINT_SIZE (FOUND_SIZE + 24)

/* `parent` (shorter than POINTER_SIZE, not ret_pointer itself) and one more key, with ~
 * and / escaped. A key that does not fit is pointed at through its object: the result is
 * then the parent. Returns ret_pointer. */
const char *pointer_key(char ret_pointer[POINTER_SIZE], const char *parent,
                        const char *key);

/* The same for an element of a list. */
const char *pointer_index(char ret_pointer[POINTER_SIZE], const char *parent,
                          size_t index);

/* A value as compact JSON, cut to FOUND_MAX_BYTES at a character's end; "nothing" for
 * NULL. Returns ret_text. */
const char *found_text(const json_t *value, char ret_text[FOUND_SIZE]);

/* A string in double quotes, cut in the same way. Returns ret_text. */
const char *found_string(const char *string, char ret_text[FOUND_SIZE]);

/*
 * The nearest of several candidates to a misspelt name: by edit distance (insert, delete,
 * replace, swap neighbours; case does not count) up to 4 and a third of the name's
 * length, or by abbreviation: "eps" for "epsilon", "lr" for "learning_rate". Init, offer
 * every candidate, then ask for the hint.
 */
struct nearest {
    const char *name; /* borrowed */
    size_t length;
    const char *best; /* borrowed; NULL: nothing is near */
    size_t distance;  /* of `best` */
};

void nearest_init(struct nearest *nearest, const char *name);
void nearest_offer(struct nearest *nearest, const char *candidate);

/* `; did you mean "epsilon"?`, or "" when nothing is near. Returns ret_hint. */
const char *nearest_hint(const struct nearest *nearest, char ret_hint[HINT_SIZE]);

/*
 * Adds a violation for each key of `object` that is neither in `known` nor in `others`,
 * two NULL-terminated lists (either may be NULL). Returns 0 or ERR_INVALID.
 */
int report_unknown_keys(const json_t *object, const char *pointer,
                        const char *const *known, const char *const *others,
                        struct violations *violations);

#endif
