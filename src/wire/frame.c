/* See frame.h. */
#include "frame.h"

#include "base/io.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_header(unsigned char header[FRAME_HEADER_BYTES], unsigned type,
                       size_t length)
{
    uint32_t counted = (uint32_t)length + 1;
    header[0] = (unsigned char)(counted >> 24);
    header[1] = (unsigned char)(counted >> 16);
    header[2] = (unsigned char)(counted >> 8);
    header[3] = (unsigned char)counted;
    header[4] = (unsigned char)type;
}

static int check_outgoing(enum message_type type, size_t length, struct error *err)
{
    size_t maximum = message_max_payload(type);
    if (length > maximum)
        return error_set(err, ERR_TOO_LARGE,
                         "a %s message holds at most %zu bytes; this one has %zu",
                         message_name(type), maximum, length);
    return 0;
}

int frame_write(int fd, enum message_type type, const void *payload, size_t length,
                struct error *err)
{
    int rc = check_outgoing(type, length, err);
    if (rc != 0)
        return rc;
    unsigned char header[FRAME_HEADER_BYTES];
    put_header(header, type, length);
    rc = io_write_full(fd, header, sizeof(header));
    if (rc == 0 && length > 0)
        rc = io_write_full(fd, payload, length);
    if (rc != 0)
        return error_set(err, rc, "the peer no longer reads %s messages",
                         message_name(type));
    return 0;
}

int frame_append(struct buffer *buffer, enum message_type type, const void *payload,
                 size_t length)
{
    int rc = check_outgoing(type, length, NULL);
    if (rc != 0)
        return rc;
    unsigned char header[FRAME_HEADER_BYTES];
    put_header(header, type, length);
    buffer_append(buffer, header, sizeof(header));
    buffer_append(buffer, payload, length);
    return buffer_status(buffer);
}

void frame_reader_init(struct frame_reader *reader, enum message_sender from)
{
    *reader = (struct frame_reader){0};
    conversation_init(&reader->conversation, from);
}

void frame_reader_release(struct frame_reader *reader)
{
    free(reader->payload);
    *reader = (struct frame_reader){0};
}

/* Copies what is there, up to what is missing. */
static void take(unsigned char *target, size_t wanted, size_t *filled,
                 const unsigned char **bytes, size_t *length)
{
    size_t count = wanted - *filled < *length ? wanted - *filled : *length;
    if (count == 0)
        return;
    memcpy(target + *filled, *bytes, count);
    *filled += count;
    *bytes += count;
    *length -= count;
}

/* The header is whole: decides whether its payload may come at all. */
static int begin_payload(struct frame_reader *reader, struct error *err)
{
    const unsigned char *h = reader->header;
    uint32_t counted =
        (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
    if (counted == 0 || counted - 1 > FRAME_MAX_PAYLOAD)
        return error_set(err, ERR_PROTOCOL, "a frame of %u bytes is not possible",
                         counted);
    size_t length = counted - 1;
    if (!conversation_accept(&reader->conversation, h[4], length))
        return error_set(err, ERR_PROTOCOL,
                         "a %s message (type %u) of %zu bytes is not legal now",
                         message_name(h[4]), h[4], length);
    if (length > reader->payload_capacity) {
        unsigned char *payload = mem_resize_array(reader->payload, length, 1);
        if (!payload)
            return error_set(err, ERR_NOMEM, "no memory for a message of %zu bytes",
                             length);
        reader->payload = payload;
        reader->payload_capacity = length;
    }
    reader->payload_length = length;
    reader->payload_filled = 0;
    return 0;
}

int frame_reader_push(struct frame_reader *reader, const unsigned char **bytes,
                      size_t *length, struct frame *ret_frame, struct error *err)
{
    if (reader->delivered) {
        reader->delivered = false;
        reader->header_filled = 0;
    }
    if (reader->header_filled < FRAME_HEADER_BYTES) {
        take(reader->header, FRAME_HEADER_BYTES, &reader->header_filled, bytes, length);
        if (reader->header_filled < FRAME_HEADER_BYTES)
            return 0;
        int rc = begin_payload(reader, err);
        if (rc != 0) {
            reader->conversation.ended = true; /* whatever follows is refused, too */
            reader->header_filled = 0;
            return rc;
        }
    }
    if (reader->payload_length > 0)
        take(reader->payload, reader->payload_length, &reader->payload_filled, bytes,
             length);
    if (reader->payload_filled < reader->payload_length)
        return 0;
    reader->delivered = true;
    *ret_frame = (struct frame){.type = (enum message_type)reader->header[4],
                                .payload = reader->payload,
                                .length = reader->payload_length};
    return 1;
}

/* How many bytes the frame under way still needs; never past its end, so that a blocking
 * read takes nothing of the next frame. */
static size_t missing(const struct frame_reader *reader)
{
    if (reader->delivered)
        return FRAME_HEADER_BYTES;
    if (reader->header_filled < FRAME_HEADER_BYTES)
        return FRAME_HEADER_BYTES - reader->header_filled;
    return reader->payload_length - reader->payload_filled;
}

int frame_read(struct frame_reader *reader, int fd, struct frame *ret_frame,
               struct error *err)
{
    unsigned char chunk[16384];
    for (;;) {
        size_t wanted = missing(reader);
        if (wanted > sizeof(chunk))
            wanted = sizeof(chunk);
        ssize_t got = read(fd, chunk, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, errno, "cannot read from the peer");
        if (got == 0)
            return error_set(err, ERR_EOF, "the peer closed the stream");
        const unsigned char *bytes = chunk;
        size_t length = (size_t)got;
        int rc = frame_reader_push(reader, &bytes, &length, ret_frame, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
}
