/*
 * Writing Protocol Buffers (https://protobuf.dev/programming-guides/encoding/): fields
 * appended to a buffer, a message inside of a message as the bytes of another buffer. The
 * buffer remembers failures.
 */
#ifndef BACKPROP_PROTOBUF_H
#define BACKPROP_PROTOBUF_H

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>

/* int32, int64, enum, bool: a varint. */
void protobuf_integer(struct buffer *out, int field, int64_t value);

/* float: four bytes. */
void protobuf_float(struct buffer *out, int field, float value);

/* string, bytes. */
void protobuf_string(struct buffer *out, int field, const char *text);
void protobuf_bytes(struct buffer *out, int field, const void *bytes, size_t length);
void protobuf_message(struct buffer *out, int field, const struct buffer *message);

/* What stands before a field's `length` bytes, which the caller puts after it. */
void protobuf_prefix(struct buffer *out, int field, uint64_t length);

#endif
