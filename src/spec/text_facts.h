/* The part of a dataset's facts that only a text has: "text" (see facts.h). */
#ifndef BACKPROP_TEXT_FACTS_H
#define BACKPROP_TEXT_FACTS_H

#include "base/error.h"
#include "facts.h"

#include <jansson.h>

/* Reads the object (NULL: a text without, all zero) of a text of so many bytes. The
 * alphabet is the caller's to free, in any case. */
int text_facts_read(const json_t *json, uint64_t bytes, struct text_facts *ret_text,
                    struct error *err) __attribute__((warn_unused_result));

/* New reference, or NULL without memory. */
json_t *text_facts_json(const struct text_facts *text);

/* Characters in order of code point as one string, and back: a worker and a store write
 * them, so the order is checked (ERR_INVALID). The list is new. */
json_t *alphabet_json(const uint32_t *alphabet, size_t count);
int alphabet_read(const json_t *json, uint32_t **ret_alphabet, size_t *ret_count)
    __attribute__((warn_unused_result));

#endif
