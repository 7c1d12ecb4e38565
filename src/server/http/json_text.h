/*
 * JSON built as text: what is stored as JSON text goes into a reply as it is, without
 * being parsed and printed again. That keeps polling a job at the price of one row.
 *
 * A member puts a comma before itself unless the object was just opened: the last
 * character tells. The caller appends the braces and brackets.
 */
#ifndef BACKPROP_HTTP_JSON_TEXT_H
#define BACKPROP_HTTP_JSON_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* The value alone. NULL gives null. Text is valid UTF-8. */
void json_text_value(struct buffer *buffer, const char *text);

/* Members of the object under way; `raw` is JSON text, NULL or "" gives null. Times are
 * microseconds, 0 gives null. */
void json_text_string(struct buffer *buffer, const char *name, const char *text);
void json_text_integer(struct buffer *buffer, const char *name, int64_t value);
void json_text_number(struct buffer *buffer, const char *name, double value);
void json_text_boolean(struct buffer *buffer, const char *name, bool value);
void json_text_raw(struct buffer *buffer, const char *name, const char *raw);
void json_text_time(struct buffer *buffer, const char *name, int64_t wall_us);

/* Begins a member whose value the caller appends. */
void json_text_name(struct buffer *buffer, const char *name);

/* A comma unless an object or array was just opened. */
void json_text_comma(struct buffer *buffer);

/* A number as JSON has it; what is not finite becomes
 * "NaN", "Infinity" or "-Infinity". */
void json_text_double(struct buffer *buffer, double value);

#endif
