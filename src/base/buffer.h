/*
 * A byte buffer that grows up to a maximum and no further.
 *
 * The first failure (no memory, or over the maximum) sticks: later appends do nothing and
 * the code is returned by buffer_status(), so that a run of appends is checked once at
 * its end. The bytes are always followed by a NUL that `length` does not count.
 */
#ifndef BACKPROP_BUFFER_H
#define BACKPROP_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
    char *data;      /* owned; "" when nothing was appended; never NULL after init */
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t maximum;  /* length never passes this */
    int status;      /* 0, ERR_NOMEM or ERR_TOO_LARGE */
};

/* An empty buffer that may grow to `maximum` bytes. Allocates nothing. */
void buffer_init(struct buffer *buffer, size_t maximum);

/* Frees the bytes; the buffer may be initialised again. */
void buffer_release(struct buffer *buffer);

/* Forgets the bytes and the failure, keeps the memory. */
void buffer_clear(struct buffer *buffer);

void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_append_string(struct buffer *buffer, const char *string);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Room for `length` more bytes, added to the buffer's length, for the caller to fill at
 * once; NULL on failure. */
char *buffer_extend(struct buffer *buffer, size_t length);

/* 0, or the first failure. */
int buffer_status(const struct buffer *buffer) __attribute__((warn_unused_result));

/* Hands the bytes to the caller, who frees them; the buffer is empty afterwards. NULL if
 * the buffer had failed or there is no memory. */
char *buffer_take(struct buffer *buffer, size_t *ret_length);

#endif
