/* Every allocation of the wire fails in turn: frames gathered for a peer, frames read
 * from pieces and from a pipe. A reader that could not take a frame takes no other. */
#include "base/buffer.h"
#include "memory_sweep.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_CLAIMED 25
#define LARGEST 40000

static uint64_t injected;
static const char payload[LARGEST] = "{}";

/* Growing payloads, so that the reader has to grow for each. */
static const struct {
    enum message_type type;
    size_t length;
} conversation_frames[] = {
    {MESSAGE_READY, 2},       {MESSAGE_PROGRESS, 100}, {MESSAGE_METRICS, 5000},
    {MESSAGE_CHECKPOINT, 10}, {MESSAGE_BLOB, 20000},   {MESSAGE_BLOB_END, 0},
    {MESSAGE_DONE, LARGEST},
};
#define FRAMES (sizeof(conversation_frames) / sizeof(conversation_frames[0]))

static int gather(struct buffer *ret_stream)
{
    buffer_init(ret_stream, (size_t)1 << 20);
    int rc = 0;
    for (size_t i = 0; i < FRAMES && rc == 0; i++)
        rc = frame_append(ret_stream, conversation_frames[i].type, payload,
                          conversation_frames[i].length);
    return rc;
}

static int write_frames(const void *input, struct error *err)
{
    (void)input;
    (void)err;
    struct buffer stream;
    int rc = gather(&stream);
    buffer_release(&stream);
    return rc;
}

static int read_pieces(const void *input, struct error *err)
{
    const struct buffer *stream = input;
    struct frame_reader reader;
    frame_reader_init(&reader, FROM_WORKER);
    const unsigned char *bytes = (const unsigned char *)stream->data;
    size_t left = stream->length, frames = 0;
    int rc = 1;
    while (rc > 0) {
        struct frame frame;
        rc = frame_reader_push(&reader, &bytes, &left, &frame, err);
        frames += rc > 0;
    }
    if (rc < 0) {
        struct frame frame;
        assert_int_equal(frame_reader_push(&reader, &bytes, &left, &frame, NULL),
                         ERR_PROTOCOL);
    } else {
        assert_int_equal(frames, FRAMES);
    }
    frame_reader_release(&reader);
    return rc;
}

static int read_pipe(const void *input, struct error *err)
{
    const struct buffer *stream = input;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    size_t length = stream->length < 40000 ? stream->length : 40000; /* fits the pipe */
    assert_int_equal(write(ends[1], stream->data, length), length);
    close(ends[1]);
    struct frame_reader reader;
    frame_reader_init(&reader, FROM_WORKER);
    struct frame frame;
    int rc = 0;
    while (rc == 0)
        rc = frame_read(&reader, ends[0], &frame, err);
    frame_reader_release(&reader);
    close(ends[0]);
    return rc; /* ERR_EOF at the end of the pipe */
}

static void test_writing_survives_every_failing_allocation(void **state)
{
    (void)state;
    injected += memory_sweep("writing", write_frames, NULL, 0, 1);
}

static void test_reading_survives_every_failing_allocation(void **state)
{
    (void)state;
    struct buffer stream;
    assert_int_equal(gather(&stream), 0);
    injected += memory_sweep("reading pieces", read_pieces, &stream, 0, 1);
    injected += memory_sweep("reading a pipe", read_pipe, &stream, ERR_EOF, 1);
    buffer_release(&stream);
}

static void test_as_many_failed_as_is_claimed(void **state)
{
    (void)state;
    print_message("allocations failed: %llu\n", (unsigned long long)injected);
    assert_true(injected >= FAULTS_CLAIMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing_survives_every_failing_allocation),
        cmocka_unit_test(test_reading_survives_every_failing_allocation),
        cmocka_unit_test(test_as_many_failed_as_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
