/* See protobuf.h. */
#include "protobuf.h"

#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_LENGTH = 2, WIRE_FOUR_BYTES = 5 };

static void append_varint(struct buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buffer_append_char(out, (char)((value & 0x7F) | 0x80));
    buffer_append_char(out, (char)value);
}

static void append_tag(struct buffer *out, int field, enum wire_type type)
{
    append_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

void protobuf_integer(struct buffer *out, int field, int64_t value)
{
    append_tag(out, field, WIRE_VARINT);
    append_varint(out, (uint64_t)value);
}

void protobuf_float(struct buffer *out, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    append_tag(out, field, WIRE_FOUR_BYTES);
    for (int i = 0; i < 4; i++)
        buffer_append_char(out, (char)(bits >> (8 * i) & 0xFF));
}

void protobuf_prefix(struct buffer *out, int field, uint64_t length)
{
    append_tag(out, field, WIRE_LENGTH);
    append_varint(out, length);
}

void protobuf_bytes(struct buffer *out, int field, const void *bytes, size_t length)
{
    protobuf_prefix(out, field, length);
    buffer_append(out, bytes, length);
}

void protobuf_string(struct buffer *out, int field, const char *text)
{
    protobuf_bytes(out, field, text, strlen(text));
}

void protobuf_message(struct buffer *out, int field, const struct buffer *message)
{
    protobuf_bytes(out, field, message->data, message->length);
    if (message->status != 0)
        out->status = message->status;
}
