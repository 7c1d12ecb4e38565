/*
 * JSON texts to values, sure in want of memory. Jansson 2.14 goes on when its buffer for
 * a string cannot grow: a character is missing then, and if that is the closing quote, it
 * writes past the end of the string. So once an allocation has failed while a text is
 * parsed, all further ones of that parse fail, which it does bear; and what comes out is
 * thrown away.
 */
#ifndef BACKPROP_SPEC_JSON_PARSE_H
#define BACKPROP_SPEC_JSON_PARSE_H

#include <jansson.h>
#include <stddef.h>

/* json_loadb() with its flags. *ret_json is a new reference. 0, ERR_NOMEM, or ERR_INVALID
 * with *ret_error (which may be NULL) set as Jansson does. */
int json_parse(const char *text, size_t length, size_t flags, json_t **ret_json,
               json_error_t *ret_error) __attribute__((warn_unused_result));

/* A text that was stored or is the program's own. New reference; NULL without memory, or
 * when the text is damaged or NULL. */
json_t *json_parse_text(const char *text);

#endif
