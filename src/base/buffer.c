/* See buffer.h. Growth doubles, so that n appended bytes cost O(n). */
#include "buffer.h"

#include "error.h"
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

static char empty[1];

void buffer_init(struct buffer *buffer, size_t maximum)
{
    *buffer = (struct buffer){.data = empty, .maximum = maximum};
}

void buffer_release(struct buffer *buffer)
{
    if (buffer->capacity > 0)
        free(buffer->data);
    buffer_init(buffer, buffer->maximum);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->status = 0;
    if (buffer->capacity > 0)
        buffer->data[0] = '\0';
}

/* Makes room for `extra` more bytes and the NUL. */
static int reserve(struct buffer *buffer, size_t extra)
{
    if (buffer->status != 0)
        return buffer->status;
    if (extra > buffer->maximum - buffer->length || extra == SIZE_MAX - buffer->length)
        return buffer->status = ERR_TOO_LARGE;
    size_t needed = buffer->length + extra + 1;
    if (needed <= buffer->capacity)
        return 0;
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    char *old = buffer->capacity > 0 ? buffer->data : NULL;
    char *data = mem_resize_array(old, capacity, 1);
    if (!data)
        return buffer->status = ERR_NOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

char *buffer_extend(struct buffer *buffer, size_t length)
{
    if (reserve(buffer, length) != 0)
        return NULL;
    char *start = buffer->data + buffer->length;
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return start;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    char *room = buffer_extend(buffer, length);
    if (room)
        memcpy(room, bytes, length);
}

void buffer_append_string(struct buffer *buffer, const char *string)
{
    buffer_append(buffer, string, strlen(string));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length <= 0)
        return;
    char *room = buffer_extend(buffer, (size_t)length);
    if (room)
        vsnprintf(room, (size_t)length + 1, format, args);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_vprintf(buffer, format, args);
    va_end(args);
}

int buffer_status(const struct buffer *buffer)
{
    return buffer->status;
}

char *buffer_take(struct buffer *buffer, size_t *ret_length)
{
    if (reserve(buffer, 0) != 0)
        return NULL;
    char *data = buffer->data;
    data[buffer->length] = '\0';
    *ret_length = buffer->length;
    buffer_init(buffer, buffer->maximum);
    return data;
}
