/*
 * See csv_scan.h. Unquoted fields, nearly all of a table, are searched eight bytes at a
 * time; a line end planted after the data saves the bounds check.
 */
#include "csv_scan.h"

#include "base/utf8.h"

#include <string.h>

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* The lowest high bit that is set marks the first zero byte of `word`. */
static inline uint64_t zero_bytes(uint64_t word)
{
    return (word - ONES) & ~word & HIGHS;
}

/* The first delimiter or line end at or after `at`; there is one. */
static inline char *find_field_end(char *at, uint64_t delimiters)
{
    for (;;) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        uint64_t found = zero_bytes(word ^ delimiters) |
                         zero_bytes(word ^ (ONES * '\n')) |
                         zero_bytes(word ^ (ONES * '\r'));
        if (found != 0)
            return at + (__builtin_ctzll(found) >> 3);
        at += sizeof(word);
    }
}

/* Line ends between two positions: LF, CRLF and CR count once each. */
static uint64_t count_lines(const char *at, const char *end)
{
    uint64_t lines = 0;
    for (; at < end; at++)
        lines += *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] != '\n'));
    return lines;
}

/* From the opening quote to past the closing one and blanks after it. */
static enum csv_scan_status scan_quoted(struct csv_scan *scan, char **at, char *end,
                                        bool is_all)
{
    struct csv_field *field = &scan->fields[scan->count];
    char *text = *at + 1;
    char *close = text;
    for (;; close += 2) {
        close = memchr(close, '"', (size_t)(end - close));
        if (!close || close + 1 == end || close[1] != '"')
            break;
        field->doubled = true;
    }
    if ((size_t)((close ? close : end) - text) > CSV_MAX_FIELD_BYTES)
        return CSV_FIELD_TOO_LONG;
    if (!close || (close + 1 == end && !is_all))
        return is_all ? CSV_UNCLOSED_QUOTE : CSV_NEEDS_MORE;
    field->text = text;
    field->length = (uint32_t)(close - text);
    field->quoted = true;
    scan->lines += count_lines(text, close);
    char *next = close + 1;
    while (next < end && (*next == ' ' || *next == '\t') && *next != scan->delimiter)
        next++;
    *at = next;
    if (next < end && *next != scan->delimiter && *next != '\n' && *next != '\r')
        return CSV_TEXT_AFTER_QUOTE;
    return CSV_RECORD;
}

/* Moves the bytes of a field together over its doubled quotes. */
static void undo_doubled(struct csv_field *field)
{
    char *to = field->text;
    const char *end = field->text + field->length;
    for (const char *from = field->text; from < end; from++) {
        *to++ = *from;
        from += *from == '"'; /* the second of two */
    }
    field->length = (uint32_t)(to - field->text);
}

/* The record is whole: its fields become strings. */
static void finish(struct csv_scan *scan)
{
    for (int i = 0; i < scan->count; i++) {
        struct csv_field *field = &scan->fields[i];
        if (field->doubled)
            undo_doubled(field);
        field->text[field->length] = '\0';
    }
}

enum csv_scan_status csv_scan(struct csv_scan *scan, char *data, size_t length,
                              bool is_all)
{
    const uint64_t delimiters = ONES * (unsigned char)scan->delimiter;
    char *const end = data + length;
    char *at = data;
    memset(end, '\n', CSV_SCAN_SLACK);
    scan->count = 0;
    scan->lines = 0;
    for (;;) {
        if (scan->count > FACTS_MAX_COLUMNS)
            return CSV_TOO_MANY_FIELDS;
        struct csv_field *field = &scan->fields[scan->count];
        *field = (struct csv_field){.text = at};
        if (*at == '"' && at < end) {
            enum csv_scan_status status = scan_quoted(scan, &at, end, is_all);
            if (status != CSV_RECORD)
                return status;
        } else {
            at = find_field_end(at, delimiters);
            field->length = (uint32_t)(at - field->text);
            if ((size_t)(at - field->text) > CSV_MAX_FIELD_BYTES)
                return CSV_FIELD_TOO_LONG;
        }
        if (at >= end && !is_all)
            return CSV_NEEDS_MORE;
        scan->count++;
        if (at < end && *at == scan->delimiter) {
            at++;
            continue;
        }
        break;
    }
    if (at < end && *at == '\r') {
        if (at + 1 == end && !is_all)
            return CSV_NEEDS_MORE;
        at += at + 1 < end && at[1] == '\n';
    }
    scan->lines++;
    scan->bytes = (size_t)(at < end ? at + 1 - data : at - data);
    scan->unusual = utf8_has_unusual(data, scan->bytes);
    finish(scan);
    return CSV_RECORD;
}

bool csv_scan_is_blank(const struct csv_scan *scan)
{
    if (scan->count != 1 || scan->fields[0].quoted)
        return false;
    for (uint32_t i = 0; i < scan->fields[0].length; i++) {
        if (scan->fields[0].text[i] != ' ' && scan->fields[0].text[i] != '\t')
            return false;
    }
    return true;
}
