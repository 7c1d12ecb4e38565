/* See problem.h. What is quoted from a request may be anything, or a text that was cut in
 * the middle of a character: what is not UTF-8 becomes U+FFFD, so that the reply is
 * always JSON. */
#include "problem.h"

#include "json_text.h"
#include "percent.h"

#include <ctype.h>
#include <microhttpd.h>
#include <string.h>

#define TYPE_PREFIX "urn:problem-type:backpropd:"

/* A member whose text may be broken. */
static void append_text(struct buffer *buffer, const char *name, const char *text)
{
    size_t length = strlen(text);
    if (utf8_is_valid(text, length)) {
        json_text_string(buffer, name, text);
        return;
    }
    struct buffer clean;
    buffer_init(&clean, PROBLEM_MAX_BYTES);
    for (size_t at = 0; at < length;) {
        size_t size = utf8_sequence(text + at, length - at);
        if (size > 0)
            buffer_append(&clean, text + at, size);
        else
            buffer_append_string(&clean, "\xef\xbf\xbd");
        at += size > 0 ? size : 1;
    }
    json_text_string(buffer, name, clean.data);
    buffer_release(&clean);
}

/* "unsupported_media_type" gives "Unsupported media type". */
static void append_title(struct buffer *buffer, const char *code)
{
    char title[64];
    size_t length = 0;
    for (; code[length] != '\0' && length < sizeof(title) - 1; length++)
        title[length] = code[length] == '_' ? ' ' : code[length];
    title[length] = '\0';
    title[0] = (char)toupper((unsigned char)title[0]);
    json_text_string(buffer, "title", title);
}

static void append_violations(struct buffer *buffer, const struct violations *violations)
{
    json_text_name(buffer, "errors");
    buffer_append_char(buffer, '[');
    for (size_t i = 0; i < violations->count; i++) {
        json_text_comma(buffer);
        buffer_append_char(buffer, '{');
        append_text(buffer, "pointer", violations->items[i].pointer);
        append_text(buffer, "detail", violations->items[i].detail);
        buffer_append_char(buffer, '}');
    }
    buffer_append_char(buffer, ']');
    if (violations->total > violations->count)
        json_text_integer(buffer, "errors_total", (int64_t)violations->total);
}

void problem_render(struct buffer *buffer, const struct problem *problem)
{
    char type[128] = TYPE_PREFIX;
    strncat(type, problem->code, sizeof(type) - sizeof(TYPE_PREFIX));
    buffer_append_char(buffer, '{');
    json_text_string(buffer, "type", type);
    append_title(buffer, problem->code);
    json_text_integer(buffer, "status", (int64_t)problem->status);
    append_text(buffer, "detail", problem->detail);
    json_text_string(buffer, "code", problem->code);
    json_text_string(buffer, "request_id", problem->request_id);
    if (problem->violations)
        append_violations(buffer, problem->violations);
    if (problem->extension)
        buffer_printf(buffer, ",%s", problem->extension);
    buffer_append_string(buffer, "}\n");
}

const char *problem_status_phrase(unsigned status)
{
    const char *phrase = MHD_get_reason_phrase_for(status);
    return phrase ? phrase : "Unknown";
}
