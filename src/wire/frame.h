/*
 * Frames: how the daemon and a worker talk over a pair of byte streams.
 *
 *     +----------------+--------+------------------+
 *     | length, 4 bytes| type   | payload          |
 *     | big-endian     | 1 byte | length - 1 bytes |
 *     +----------------+--------+------------------+
 *
 * `length` counts the type byte and the payload, so it is at least 1. It is checked
 * against FRAME_MAX_PAYLOAD and against the message's own maximum before anything is
 * allocated. A frame that breaks a rule ends the conversation (ERR_PROTOCOL): the stream
 * cannot be trusted to be in step any more.
 */
#ifndef BACKPROP_FRAME_H
#define BACKPROP_FRAME_H

#include "base/buffer.h"
#include "base/error.h"
#include "message.h"

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 5
#define FRAME_MAX_PAYLOAD (UINT32_C(32) * 1024 * 1024)

struct frame {
    enum message_type type;
    const unsigned char *payload; /* borrowed from the reader until its next call */
    size_t length;
};

/* Writes one frame to a blocking descriptor. */
int frame_write(int fd, enum message_type type, const void *payload, size_t length,
                struct error *err) __attribute__((warn_unused_result));

/* Appends one frame to a buffer, for a non-blocking peer. */
int frame_append(struct buffer *buffer, enum message_type type, const void *payload,
                 size_t length) __attribute__((warn_unused_result));

/*
 * A reader takes bytes as they come and gives frames when they are whole. It keeps the
 * conversation's state, so that a message that is not legal now is refused before its
 * payload is taken.
 */
struct frame_reader {
    struct conversation conversation;
    unsigned char header[FRAME_HEADER_BYTES];
    size_t header_filled;
    unsigned char *payload; /* owned; grows to the largest frame seen */
    size_t payload_capacity;
    size_t payload_length; /* of the frame under way */
    size_t payload_filled;
    bool delivered; /* the frame in `payload` was given out */
};

/* `from` says whose frames are read. */
void frame_reader_init(struct frame_reader *reader, enum message_sender from);
void frame_reader_release(struct frame_reader *reader);

/* Takes bytes from [*bytes, *bytes + *length) and moves both past what was used. Returns
 * 1 and sets *ret_frame when a frame is whole, 0 when more bytes are needed, or a
 * negative error. Call again until 0: more frames may be in the same bytes. After an
 * error every further frame is refused. */
int frame_reader_push(struct frame_reader *reader, const unsigned char **bytes,
                      size_t *length, struct frame *ret_frame, struct error *err)
    __attribute__((warn_unused_result));

/* Reads from a blocking descriptor until one frame is whole, and nothing past it. ERR_EOF
 * when the peer closed, be it between frames or within one. */
int frame_read(struct frame_reader *reader, int fd, struct frame *ret_frame,
               struct error *err) __attribute__((warn_unused_result));

#endif
