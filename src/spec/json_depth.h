/*
 * How deeply a text nests, seen before a parser recurses into it: Jansson's own limit is
 * 2048 levels of its stack.
 */
#ifndef BACKPROP_SPEC_JSON_DEPTH_H
#define BACKPROP_SPEC_JSON_DEPTH_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_MAX_DEPTH 64 /* of what is no job spec, which has a limit of its own */

/* Whether a text nests deeper than `limit` levels, and where it first does: a line from 1
 * and a column from 1. Counts brackets outside of strings; whether they match is the
 * parser's business. */
bool json_is_too_deep(const char *text, size_t length, int limit, int *ret_line,
                      int *ret_column);

#endif
