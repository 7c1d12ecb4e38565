/*
 * Frames between daemon and worker: a byte that says whose they are, one for the size of
 * the pieces in which they come, then the stream.
 *
 * Promises: the same frames and the same end however the stream is cut; no frame is
 * longer than its type allows; written again, the frames are the bytes that were read;
 * nothing comes after a fault.
 */
#include "fuzz.h"
#include "wire/frame.h"

#include <string.h>

#define MAX_STREAM ((size_t)1 << 20)

/* Reads the stream in pieces and writes its frames again; returns how it ended. */
static int read_stream(enum message_sender from, const struct fuzz_input *input,
                       size_t piece, struct buffer *ret_copy)
{
    struct frame_reader reader;
    frame_reader_init(&reader, from);
    buffer_init(ret_copy, 2 * MAX_STREAM);
    struct error err = {0};
    int rc = 0;
    for (size_t at = 0; at < input->size && rc == 0; at += piece) {
        const unsigned char *bytes = input->data + at;
        size_t length = input->size - at < piece ? input->size - at : piece;
        struct frame frame;
        while ((rc = frame_reader_push(&reader, &bytes, &length, &frame, &err)) == 1) {
            FUZZ_EXPECT(frame.length <= message_max_payload(frame.type));
            FUZZ_EXPECT(strcmp(message_name(frame.type), "unknown") != 0);
            FUZZ_EXPECT(frame_append(ret_copy, frame.type, frame.payload, frame.length) ==
                        0);
        }
        FUZZ_EXPECT(rc < 0 || length == 0);
    }
    FUZZ_EXPECT(rc == 0 || (rc == ERR_PROTOCOL && fuzz_error_fits(rc, &err)));
    if (rc != 0) { /* whatever follows is refused, too */
        static const unsigned char more[] = {0, 0, 0, 3, MESSAGE_EVENT, '{', '}'};
        const unsigned char *bytes = more;
        size_t length = sizeof(more);
        struct frame frame;
        FUZZ_EXPECT(frame_reader_push(&reader, &bytes, &length, &frame, NULL) ==
                    ERR_PROTOCOL);
    }
    frame_reader_release(&reader);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    enum message_sender from = fuzz_take_byte(&input) % 2 ? FROM_WORKER : FROM_DAEMON;
    size_t piece = 1 + (size_t)fuzz_take_byte(&input) % 40;
    if (input.size > MAX_STREAM)
        return 0;
    struct buffer whole, pieces;
    int rc = read_stream(from, &input, MAX_STREAM, &whole);
    FUZZ_EXPECT(read_stream(from, &input, piece, &pieces) == rc);
    FUZZ_EXPECT(whole.length == pieces.length && whole.length <= input.size);
    FUZZ_EXPECT(whole.length == 0 || memcmp(whole.data, input.data, whole.length) == 0);
    FUZZ_EXPECT(memcmp(whole.data, pieces.data, whole.length) == 0);
    buffer_release(&whole);
    buffer_release(&pieces);
    return 0;
}
