/* See json_text.h. */
#include "json_text.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void escape(struct buffer *buffer, unsigned char c)
{
    static const char *const shorthand = "\"\\\b\f\n\r\t";
    static const char *const letters = "\"\\bfnrt";
    const char *found = strchr(shorthand, c);
    if (found && c != '\0') {
        char pair[2] = {'\\', letters[found - shorthand]};
        buffer_append(buffer, pair, 2);
    } else {
        buffer_printf(buffer, "\\u%04x", c);
    }
}

void json_text_value(struct buffer *buffer, const char *text)
{
    if (!text) {
        buffer_append_string(buffer, "null");
        return;
    }
    buffer_append_char(buffer, '"');
    const char *plain = text;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_append(buffer, plain, (size_t)(text - plain));
        escape(buffer, c);
        plain = text + 1;
    }
    buffer_append(buffer, plain, (size_t)(text - plain));
    buffer_append_char(buffer, '"');
}

void json_text_comma(struct buffer *buffer)
{
    if (buffer->length == 0)
        return;
    char last = buffer->data[buffer->length - 1];
    if (last != '{' && last != '[')
        buffer_append_char(buffer, ',');
}

void json_text_name(struct buffer *buffer, const char *name)
{
    json_text_comma(buffer);
    json_text_value(buffer, name);
    buffer_append_char(buffer, ':');
}

void json_text_string(struct buffer *buffer, const char *name, const char *text)
{
    json_text_name(buffer, name);
    json_text_value(buffer, text);
}

void json_text_integer(struct buffer *buffer, const char *name, int64_t value)
{
    json_text_name(buffer, name);
    buffer_printf(buffer, "%" PRId64, value);
}

/* The fewest digits that read back as the same double. */
static void append_shortest(struct buffer *buffer, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buffer_append_string(buffer, text);
}

void json_text_double(struct buffer *buffer, double value)
{
    if (isnan(value))
        buffer_append_string(buffer, "\"NaN\"");
    else if (isinf(value))
        buffer_append_string(buffer, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        append_shortest(buffer, value);
}

void json_text_number(struct buffer *buffer, const char *name, double value)
{
    json_text_name(buffer, name);
    json_text_double(buffer, value);
}

void json_text_boolean(struct buffer *buffer, const char *name, bool value)
{
    json_text_name(buffer, name);
    buffer_append_string(buffer, value ? "true" : "false");
}

void json_text_raw(struct buffer *buffer, const char *name, const char *raw)
{
    json_text_name(buffer, name);
    buffer_append_string(buffer, raw && raw[0] != '\0' ? raw : "null");
}

void json_text_time(struct buffer *buffer, const char *name, int64_t wall_us)
{
    char text[CLOCK_RFC3339_SIZE];
    if (wall_us != 0)
        clock_format(wall_us, text);
    json_text_string(buffer, name, wall_us != 0 ? text : NULL);
}
