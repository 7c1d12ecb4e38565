/* See log_json.h. The pairs are our own (log.h), but hold text from outside in quotes,
 * and may have been cut anywhere. */
#include "log_json.h"

#include "utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX_DIGITS 15 /* any double holds it exactly */
#define PIECE_MAX_BYTES 8    /* of one character: "\u001b" */

struct output {
    char *bytes;
    size_t length, room; /* `room` leaves a place for the closing brace and the NUL */
    bool full;
};

static void put(struct output *out, const char *bytes, size_t length)
{
    if (out->full || length > out->room - out->length) {
        out->full = true;
        return;
    }
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void put_text(struct output *out, const char *text)
{
    put(out, text, strlen(text));
}

/* One byte below 0x80. */
static void put_ascii(struct output *out, unsigned char c)
{
    char piece[PIECE_MAX_BYTES];
    if (c == '"' || c == '\\')
        snprintf(piece, sizeof(piece), "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
        snprintf(piece, sizeof(piece), "\\u%04x", c);
    else
        snprintf(piece, sizeof(piece), "%c", c);
    put_text(out, piece);
}

/* The character at *text, of which `length` bytes are there; moves past it. */
static void put_character(struct output *out, const char **text, size_t length)
{
    unsigned char first = (unsigned char)**text;
    if (first < 0x80) {
        put_ascii(out, first);
        ++*text;
        return;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (size <= length && utf8_valid_prefix(*text, size) == size) {
        put(out, *text, size);
        *text += size;
    } else {
        put_text(out, "\xef\xbf\xbd");
        ++*text;
    }
}

/* What log_quote() made of a byte, behind the backslash at *text. */
static void put_escaped(struct output *out, const char **text)
{
    const char *at = *text + 1;
    if (at[0] == 'x' && isxdigit((unsigned char)at[1]) &&
        isxdigit((unsigned char)at[2])) {
        const char digits[] = {at[1], at[2], '\0'};
        put_ascii(out, (unsigned char)(strtoul(digits, NULL, 16) & 0x7f));
        *text = at + 3;
    } else if (at[0] != '\0') {
        put_ascii(out, (unsigned char)at[0] & 0x7f);
        *text = at + 1;
    } else {
        *text = at; /* it was cut here */
    }
}

static const char *put_quoted(struct output *out, const char *text)
{
    text++;
    put_text(out, "\"");
    while (*text != '\0' && *text != '"') {
        if (*text == '\\')
            put_escaped(out, &text);
        else
            put_character(out, &text, strlen(text));
    }
    put_text(out, "\"");
    return *text == '"' ? text + 1 : text;
}

static bool is_integer(const char *text, size_t length)
{
    size_t sign = length > 0 && text[0] == '-';
    size_t digits = length - sign;
    if (digits == 0 || digits > NUMBER_MAX_DIGITS || (text[sign] == '0' && digits > 1))
        return false;
    return strspn(text + sign, "0123456789") >= digits;
}

static const char *put_bare(struct output *out, const char *text)
{
    const char *end = text + strcspn(text, " ");
    if (is_integer(text, (size_t)(end - text))) {
        put(out, text, (size_t)(end - text));
        return end;
    }
    put_text(out, "\"");
    while (text < end)
        put_character(out, &text, (size_t)(end - text));
    put_text(out, "\"");
    return end;
}

size_t log_json(const char *pairs, char *object, size_t size)
{
    struct output out = {.bytes = object, .room = size - 2};
    put_text(&out, "{");
    size_t whole = out.length;
    for (const char *at = pairs + strspn(pairs, " "); *at != '\0';
         at += strspn(at, " ")) {
        size_t key = strcspn(at, "= ");
        if (at[key] != '=') { /* no pair: cut, or words that do not belong here */
            at += key;
            continue;
        }
        if (whole > 1)
            put_text(&out, ",");
        put_text(&out, "\"");
        put(&out, at, key);
        put_text(&out, "\":");
        at += key + 1;
        at = *at == '"' ? put_quoted(&out, at) : put_bare(&out, at);
        if (out.full)
            break;
        whole = out.length;
    }
    object[whole] = '}';
    object[whole + 1] = '\0';
    return whole + 1;
}
