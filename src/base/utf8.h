/*
 * UTF-8 (RFC 3629): shortest forms only, no surrogates, nothing above U+10FFFF.
 */
#ifndef BACKPROP_UTF8_H
#define BACKPROP_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for a text cut by utf8_excerpt() and its "…". */
#define UTF8_EXCERPT_SIZE 64
#define UTF8_ELLIPSIS "\xe2\x80\xa6"

/* Bytes from the start that are whole, valid characters; `length` if all are. */
size_t utf8_valid_prefix(const char *text, size_t length);

/* True if text[0 … length), at most 3 bytes, could be the start of a character that the
 * end of a chunk cut in two. */
bool utf8_is_cut_character(const char *text, size_t length);

/* The largest number of bytes, at most `limit`, after which a valid text may be cut. */
size_t utf8_cut(const char *text, size_t length, size_t limit);

/* Bytes of the longest character. */
#define UTF8_MAX_BYTES 4
#define UTF8_CODE_POINTS 0x110000

/* The code point at *text, where a whole and valid character begins; moves past it. */
uint32_t utf8_next(const char **text);

/* Writes the character of a code point; returns how many bytes it has. */
size_t utf8_put(uint32_t code_point, char ret_bytes[UTF8_MAX_BYTES]);

/* True if a byte is NUL or above 0x7f: what is worth a second look. */
bool utf8_has_unusual(const char *text, size_t length);

/* Puts '?' in place of every byte that belongs to no valid character: what a text that
 * was cut at any byte, or that quotes bytes from outside, needs before it can be JSON. */
void utf8_mend(char *text);

/* The text for a message: cut, and with what is not printable ASCII or valid UTF-8 as
 * '?'. Returns `excerpt`. */
const char *utf8_excerpt(const char *text, size_t length,
                         char excerpt[UTF8_EXCERPT_SIZE]);

#endif
