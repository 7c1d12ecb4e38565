/*
 * See multipart.h. The delimiter is CR LF "--" boundary; CR is its first character and
 * comes nowhere else in it, so a failed match can only start anew at a CR: no look-back
 * is needed, and the bytes of a failed match are known without having been kept.
 */
#include "multipart.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum state {
    STATE_PREAMBLE,  /* before the first delimiter: thrown away */
    STATE_DELIMITED, /* behind a delimiter: "--" or the end of the line */
    STATE_HEADERS,
    STATE_DATA,
    STATE_EPILOGUE /* behind the closing delimiter: thrown away */
};

struct multipart {
    struct multipart_events events;
    char delimiter[4 + MULTIPART_MAX_BOUNDARY + 1];
    size_t delimiter_length;
    size_t matched; /* bytes of the delimiter seen at the end of the input so far */
    enum state state;
    char line[MULTIPART_MAX_LINE];
    size_t line_length;
    int header_count;
    bool has_disposition;
    char name[256];
    char filename[256];
};

/* Copies the value of parameter `name` of a header ("; name=value" or quoted). False when
 * it is not there or does not fit. */
static bool read_parameter(const char *header, const char *name, char *ret_value,
                           size_t size)
{
    size_t name_length = strlen(name);
    const char *at = strchr(header, ';');
    while (at) {
        at += 1 + strspn(at + 1, " \t");
        bool is_it = strncasecmp(at, name, name_length) == 0 && at[name_length] == '=';
        const char *value = at + strcspn(at, "=;");
        value += *value == '=';
        bool quoted = *value == '"';
        size_t used = 0;
        for (value += quoted; *value != '\0'; value++) {
            if (quoted ? *value == '"' : strchr("; \t", *value) != NULL)
                break;
            if (quoted && value[0] == '\\' && value[1] != '\0')
                value++;
            if (is_it && used + 1 < size)
                ret_value[used] = *value;
            used++;
        }
        if (is_it && used > 0)
            ret_value[used < size ? used : size - 1] = '\0';
        if (is_it)
            return used > 0 && used < size;
        at = strchr(value, ';');
    }
    return false;
}

int multipart_new(const char *content_type, const struct multipart_events *events,
                  struct multipart **ret_multipart, struct error *err)
{
    char boundary[MULTIPART_MAX_BOUNDARY + 1];
    if (!read_parameter(content_type, "boundary", boundary, sizeof(boundary)) ||
        strpbrk(boundary, "\r\n"))
        return error_set(
            err, ERR_INVALID,
            "multipart/form-data: expected a boundary of 1 to %d characters in "
            "Content-Type",
            MULTIPART_MAX_BOUNDARY);
    struct multipart *multipart = mem_alloc(sizeof(*multipart));
    if (!multipart)
        return error_set(err, ERR_NOMEM, "no memory for the upload");
    multipart->events = *events;
    multipart->delimiter_length = (size_t)snprintf(
        multipart->delimiter, sizeof(multipart->delimiter), "\r\n--%s", boundary);
    multipart->matched = 2; /* the first delimiter needs no line end before it */
    *ret_multipart = multipart;
    return 0;
}

void multipart_free(struct multipart *multipart)
{
    free(multipart);
}

static int begin_part(struct multipart *multipart, struct error *err)
{
    if (!multipart->has_disposition)
        return error_set(
            err, ERR_INVALID,
            "multipart/form-data: a part has no Content-Disposition with a name");
    multipart->state = STATE_DATA;
    multipart->matched = 0;
    return multipart->events.begin(multipart->events.context, multipart->name,
                                   multipart->filename, err);
}

/* One header of a part, without its line end. */
static int read_header(struct multipart *multipart, struct error *err)
{
    const char *line = multipart->line;
    if (++multipart->header_count > MULTIPART_MAX_HEADERS)
        return error_set(err, ERR_INVALID,
                         "multipart/form-data: a part has too many headers");
    static const char disposition[] = "Content-Disposition:";
    if (strncasecmp(line, disposition, sizeof(disposition) - 1) != 0)
        return 0;
    if (!read_parameter(line, "name", multipart->name, sizeof(multipart->name)))
        return error_set(err, ERR_INVALID,
                         "multipart/form-data: expected Content-Disposition: form-data; "
                         "name=\"…\", found \"%.100s\"",
                         line);
    if (!read_parameter(line, "filename", multipart->filename,
                        sizeof(multipart->filename)))
        multipart->filename[0] = '\0';
    multipart->has_disposition = true;
    return 0;
}

/* One byte of the line behind a delimiter: "--" closes, a line end opens a part. */
static int step_delimited(struct multipart *multipart, char c, struct error *err)
{
    if (c == '\n' && multipart->line_length <= 1) {
        multipart->state = STATE_HEADERS;
        multipart->line_length = 0;
        multipart->header_count = 0;
        multipart->has_disposition = false;
        return 0;
    }
    if (c == ' ' || c == '\t')
        return 0; /* padding that RFC 2046 allows */
    multipart->line[multipart->line_length++] = c;
    if (multipart->line_length == 2 && memcmp(multipart->line, "--", 2) == 0) {
        multipart->state = STATE_EPILOGUE;
        return 0;
    }
    if (multipart->line_length == 1 && (c == '-' || c == '\r'))
        return 0;
    return error_set(err, ERR_INVALID,
                     "multipart/form-data: a boundary line is malformed");
}

static int step_headers(struct multipart *multipart, char c, struct error *err)
{
    if (c == '\0' || multipart->line_length == sizeof(multipart->line) - 1)
        return error_set(err, ERR_INVALID,
                         "multipart/form-data: a part's header holds a NUL or is over %d "
                         "bytes",
                         MULTIPART_MAX_LINE);
    if (c != '\n') {
        multipart->line[multipart->line_length++] = c;
        return 0;
    }
    if (multipart->line_length > 0 && multipart->line[multipart->line_length - 1] == '\r')
        multipart->line_length--;
    multipart->line[multipart->line_length] = '\0';
    bool is_last = multipart->line_length == 0;
    multipart->line_length = 0;
    return is_last ? begin_part(multipart, err) : read_header(multipart, err);
}

static int emit(struct multipart *multipart, const char *bytes, size_t length,
                struct error *err)
{
    if (length == 0 || multipart->state == STATE_PREAMBLE)
        return 0;
    return multipart->events.data(multipart->events.context, bytes, length, err);
}

/* The delimiter is whole. */
static int end_data(struct multipart *multipart, struct error *err)
{
    bool had_part = multipart->state == STATE_DATA;
    multipart->state = STATE_DELIMITED;
    multipart->line_length = 0;
    return had_part ? multipart->events.end(multipart->events.context, err) : 0;
}

/* Data or preamble up to the end of the input or of a delimiter. */
static int scan(struct multipart *multipart, const char *bytes, size_t length,
                size_t *ret_used, struct error *err)
{
    size_t at = 0;
    while (at < length) {
        if (multipart->matched == 0) {
            const char *cr = memchr(bytes + at, '\r', length - at);
            size_t plain = cr ? (size_t)(cr - bytes) - at : length - at;
            int rc = emit(multipart, bytes + at, plain, err);
            if (rc != 0)
                return rc;
            at += plain;
            if (!cr)
                break;
        }
        if (bytes[at] == multipart->delimiter[multipart->matched]) {
            at++;
            if (++multipart->matched == multipart->delimiter_length) {
                *ret_used = at;
                return end_data(multipart, err);
            }
            continue;
        }
        size_t failed = multipart->matched;
        multipart->matched = 0; /* the byte itself is looked at again */
        int rc = emit(multipart, multipart->delimiter, failed, err);
        if (rc != 0)
            return rc;
    }
    *ret_used = at;
    return 0;
}

int multipart_write(struct multipart *multipart, const char *bytes, size_t length,
                    struct error *err)
{
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < length;) {
        size_t used = 1;
        switch (multipart->state) {
        case STATE_PREAMBLE:
        case STATE_DATA:
            rc = scan(multipart, bytes + at, length - at, &used, err);
            break;
        case STATE_DELIMITED:
            rc = step_delimited(multipart, bytes[at], err);
            break;
        case STATE_HEADERS:
            rc = step_headers(multipart, bytes[at], err);
            break;
        case STATE_EPILOGUE:
            used = length - at;
            break;
        }
        at += used;
    }
    return rc;
}

int multipart_finish(const struct multipart *multipart, struct error *err)
{
    if (multipart->state == STATE_EPILOGUE)
        return 0;
    return error_set(err, ERR_INVALID,
                     "multipart/form-data: the body ends before its closing boundary");
}
