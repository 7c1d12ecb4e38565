/*
 * Opaque identifiers: a prefix, then 26 characters that sort by time of making: 48 bits
 * of milliseconds and 80 random bits in Crockford's base 32, lower case (the layout of a
 * ULID). Two of one process never collide and sort in the order of their making.
 */
#ifndef BACKPROP_ID_H
#define BACKPROP_ID_H

#include <stdbool.h>

#define ID_SIZE 32 /* the longest identifier, 4 + 1 + 26 characters, and a NUL */

/* A new identifier such as "job_01k…". `prefix` is "ds", "job", "mdl", "swp", "ckpt" or
 * another of at most 4 letters (the underscore is added). Thread-safe. */
void id_make(const char *prefix, char ret_id[static ID_SIZE]);

/* True if `text` has the form of an identifier with this prefix. */
bool id_is_valid(const char *prefix, const char *text);

#endif
