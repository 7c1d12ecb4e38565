/*
 * See csv.h.
 *
 *      window:  | used | record … | … not yet scanned | free | slack |
 *               0      at                             filled   capacity
 *
 * A record that the end of the filled part cuts is moved to the front, the window is
 * filled up behind it, and the record is scanned again from its start.
 */
#include "csv.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES ((size_t)256 << 10)

struct csv_reader {
    struct byte_source *source; /* borrowed */
    bool header;
    char *const *names; /* borrowed; NULL: none */
    int name_count;
    char *window; /* capacity + CSV_SCAN_SLACK bytes */
    size_t capacity, filled, at;
    bool source_ended;
    bool started; /* the byte order mark was looked for */
    int expected; /* fields of the first record; 0: not read yet */
    uint64_t blank_lines;
    uint64_t records; /* given so far */
    uint64_t line;    /* where the record at `at` begins */
    struct csv_record record;
    struct csv_scan scan;
};

int csv_open(struct byte_source *source, char delimiter, bool header,
             struct csv_reader **ret_reader, struct error *err)
{
    struct csv_reader *reader = mem_alloc(sizeof(*reader));
    if (!reader)
        return error_set(err, ERR_NOMEM, "no memory to read CSV");
    reader->source = source;
    reader->header = header;
    reader->scan.delimiter = delimiter;
    reader->capacity = WINDOW_BYTES;
    reader->line = 1;
    reader->window = malloc(WINDOW_BYTES + CSV_SCAN_SLACK);
    if (!reader->window) {
        csv_close(reader);
        return error_set(err, ERR_NOMEM, "no memory to read CSV");
    }
    *ret_reader = reader;
    return 0;
}

void csv_close(struct csv_reader *reader)
{
    if (!reader)
        return;
    free(reader->window);
    free(reader);
}

void csv_name_columns(struct csv_reader *reader, char *const *names, int count)
{
    reader->names = names;
    reader->name_count = count;
}

int csv_rewind(struct csv_reader *reader, struct error *err)
{
    reader->filled = 0;
    reader->at = 0;
    reader->source_ended = false;
    reader->started = false;
    reader->expected = 0;
    reader->blank_lines = 0;
    reader->records = 0;
    reader->line = 1;
    return byte_source_rewind(reader->source, err);
}

uint64_t csv_blank_lines(const struct csv_reader *reader)
{
    return reader->blank_lines;
}

const char *csv_format_place(const struct csv_reader *reader, int column,
                             char place[CSV_PLACE_SIZE])
{
    const struct csv_record *record = &reader->record;
    char row[48] = "the header";
    if (record->row > 0)
        snprintf(row, sizeof(row), "row %llu", (unsigned long long)record->row);
    unsigned long long line = record->line;
    char name[UTF8_EXCERPT_SIZE];
    if (column < 0)
        snprintf(place, CSV_PLACE_SIZE, "%s (line %llu)", row, line);
    else if (column < reader->name_count)
        snprintf(
            place, CSV_PLACE_SIZE, "%s (line %llu), column %d (\"%s\")", row, line,
            column + 1,
            utf8_excerpt(reader->names[column], strlen(reader->names[column]), name));
    else
        snprintf(place, CSV_PLACE_SIZE, "%s (line %llu), column %d", row, line,
                 column + 1);
    return place;
}

static int fault(const struct csv_reader *reader, enum csv_scan_status status,
                 struct error *err)
{
    char place[CSV_PLACE_SIZE];
    csv_format_place(reader, reader->scan.count, place);
    if (status == CSV_UNCLOSED_QUOTE)
        return error_set(err, ERR_INVALID, "%s: a quote is opened and never closed",
                         place);
    if (status == CSV_TEXT_AFTER_QUOTE)
        return error_set(
            err, ERR_INVALID,
            "%s: the closing quote is followed by other text; a quote inside a "
            "quoted field is written as two",
            place);
    if (status == CSV_FIELD_TOO_LONG)
        return error_set(err, ERR_TOO_LARGE,
                         "%s: a field of more than %zu bytes; is a quote left open?",
                         place, CSV_MAX_FIELD_BYTES);
    return error_set(err, ERR_TOO_LARGE,
                     "%s: more than %d fields; are the line ends lost?",
                     csv_format_place(reader, -1, place), FACTS_MAX_COLUMNS);
}

static int grow(struct csv_reader *reader, struct error *err)
{
    char place[CSV_PLACE_SIZE];
    if (reader->capacity >= CSV_MAX_RECORD_BYTES)
        return error_set(err, ERR_TOO_LARGE, "%s: a record of more than %zu bytes",
                         csv_format_place(reader, -1, place), CSV_MAX_RECORD_BYTES);
    size_t capacity = reader->capacity * 2;
    char *window = mem_resize_array(reader->window, capacity + CSV_SCAN_SLACK, 1);
    if (!window)
        return error_set(err, ERR_NOMEM, "no memory to read CSV");
    reader->window = window;
    reader->capacity = capacity;
    return 0;
}

/* Moves what is left to the front and reads on. */
static int refill(struct csv_reader *reader, struct error *err)
{
    if (reader->at > 0) {
        memmove(reader->window, reader->window + reader->at, reader->filled - reader->at);
        reader->filled -= reader->at;
        reader->at = 0;
    }
    int rc = reader->filled == reader->capacity ? grow(reader, err) : 0;
    if (rc != 0)
        return rc;
    size_t room = reader->capacity - reader->filled;
    size_t got;
    rc = byte_source_read(reader->source, reader->window + reader->filled, room, &got,
                          err);
    if (rc != 0)
        return rc;
    reader->filled += got;
    reader->source_ended = got < room;
    if (!reader->started) {
        reader->started = true;
        if (reader->filled >= 3 && memcmp(reader->window, "\xef\xbb\xbf", 3) == 0)
            reader->at = 3;
    }
    return 0;
}

/* Scans until a record is whole; *ret_found is false at the end of the file. */
static int scan_record(struct csv_reader *reader, bool *ret_found, struct error *err)
{
    for (;;) {
        size_t length = reader->filled - reader->at;
        if (length == 0 && reader->source_ended) {
            *ret_found = false;
            return 0;
        }
        enum csv_scan_status status = CSV_NEEDS_MORE;
        if (length > 0)
            status = csv_scan(&reader->scan, reader->window + reader->at, length,
                              reader->source_ended);
        if (status == CSV_RECORD) {
            *ret_found = true;
            return 0;
        }
        int rc =
            status == CSV_NEEDS_MORE ? refill(reader, err) : fault(reader, status, err);
        if (rc != 0)
            return rc;
    }
}

/* Called for records with bytes that are not plain ASCII. */
static int check_texts(const struct csv_reader *reader, struct error *err)
{
    char place[CSV_PLACE_SIZE], excerpt[UTF8_EXCERPT_SIZE];
    for (int i = 0; i < reader->scan.count; i++) {
        const struct csv_field *field = &reader->scan.fields[i];
        if (memchr(field->text, '\0', field->length))
            return error_set(err, ERR_INVALID,
                             "%s: \"%s\" holds a NUL byte; is this a text?",
                             csv_format_place(reader, i, place),
                             utf8_excerpt(field->text, field->length, excerpt));
        size_t valid = utf8_valid_prefix(field->text, field->length);
        if (valid < field->length)
            return error_set(
                err, ERR_INVALID,
                "%s: the byte 0x%02X in \"%s\" is not UTF-8; save the file as "
                "UTF-8",
                csv_format_place(reader, i, place),
                (unsigned)(unsigned char)field->text[valid],
                utf8_excerpt(field->text, field->length, excerpt));
    }
    return 0;
}

static int check_count(struct csv_reader *reader, struct error *err)
{
    char place[CSV_PLACE_SIZE];
    if (reader->expected == 0) {
        reader->expected = reader->scan.count;
        if (reader->expected > FACTS_MAX_COLUMNS)
            return fault(reader, CSV_TOO_MANY_FIELDS, err);
    }
    if (reader->scan.count == reader->expected)
        return 0;
    return error_set(
        err, ERR_INVALID, "%s: %d fields expected, as in the first line; %d found",
        csv_format_place(reader, -1, place), reader->expected, reader->scan.count);
}

int csv_next(struct csv_reader *reader, const struct csv_record **ret_record,
             struct error *err)
{
    bool found;
    do {
        reader->record.row = reader->records + !reader->header;
        reader->record.line = reader->line;
        int rc = scan_record(reader, &found, err);
        if (rc != 0)
            return rc;
        if (!found) {
            *ret_record = NULL;
            return 0;
        }
        reader->at += reader->scan.bytes;
        reader->line += reader->scan.lines;
        reader->blank_lines += csv_scan_is_blank(&reader->scan);
    } while (csv_scan_is_blank(&reader->scan));

    int rc = reader->scan.unusual ? check_texts(reader, err) : 0;
    if (rc == 0)
        rc = check_count(reader, err);
    if (rc != 0)
        return rc;
    reader->records++;
    reader->record.count = reader->scan.count;
    reader->record.fields = reader->scan.fields;
    *ret_record = &reader->record;
    return 0;
}
