/* Percent-encoding (RFC 3986, section 2.1) and the check of UTF-8 (RFC 3629). */
#ifndef BACKPROP_HTTP_PERCENT_H
#define BACKPROP_HTTP_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes in place; '+' is a space, as in forms. ERR_INVALID for a broken escape, %00, a
 * control character (but a tab) or what is not UTF-8; the text is spoiled then. */
int percent_decode(char *text) __attribute__((warn_unused_result));

/* Bytes of the UTF-8 sequence at `text`, of which `length` are there; 0
 * when it is none. */
size_t utf8_sequence(const char *text, size_t length);

bool utf8_is_valid(const char *text, size_t length);

#endif
