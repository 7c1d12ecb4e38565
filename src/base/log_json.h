/* A line of logfmt said in JSON: {"ts": "…", "level": "info", "event": "…", …}. */
#ifndef BACKPROP_LOG_JSON_H
#define BACKPROP_LOG_JSON_H

#include <stddef.h>

/*
 * Turns key=value pairs into one JSON object. A value in quotes (log_quote()) is always a
 * string, a bare one a number if it is an integer of at most 15 digits, else a string;
 * what is not UTF-8 becomes U+FFFD. A pair that does not fit the `size` bytes is left out
 * with all that follow, so that the object is always whole. Returns its length, without
 * the NUL that follows it. `size` is at least 3.
 */
size_t log_json(const char *pairs, char *object, size_t size);

#endif
