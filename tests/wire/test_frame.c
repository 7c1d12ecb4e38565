/* Frames: written and read whole, in pieces of every size, and never believed. */
#include "wire/frame.h"

#include "base/io.h"
#include "base/rng.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What a training worker might say. */
static const struct {
    enum message_type type;
    const char *payload;
} talk[] = {
    {MESSAGE_READY, "{\"version\": 1}"},
    {MESSAGE_PROGRESS, "{}"},
    {MESSAGE_METRICS, ""},
    {MESSAGE_CHECKPOINT, "{\"bytes\": 5}"},
    {MESSAGE_BLOB, "abc"},
    {MESSAGE_BLOB, "de"},
    {MESSAGE_BLOB_END, ""},
    {MESSAGE_DONE, "{\"stop_reason\": \"completed\"}"},
};
#define TALK_COUNT (sizeof(talk) / sizeof(talk[0]))

static void append_talk(struct buffer *buffer)
{
    buffer_init(buffer, 10000);
    for (size_t i = 0; i < TALK_COUNT; i++)
        assert_int_equal(
            frame_append(buffer, talk[i].type, talk[i].payload, strlen(talk[i].payload)),
            0);
}

static void assert_talk(const struct frame *frame, size_t index)
{
    assert_true(index < TALK_COUNT);
    assert_int_equal(frame->type, talk[index].type);
    assert_int_equal(frame->length, strlen(talk[index].payload));
    if (frame->length > 0)
        assert_memory_equal(frame->payload, talk[index].payload, frame->length);
}

/* Pushes [from, to) and checks every frame that comes out; *seen counts them. */
static void push_range(struct frame_reader *reader, const struct buffer *buffer,
                       size_t from, size_t to, size_t *seen)
{
    const unsigned char *bytes = (const unsigned char *)buffer->data + from;
    size_t length = to - from;
    struct frame frame;
    int rc;
    while ((rc = frame_reader_push(reader, &bytes, &length, &frame, NULL)) == 1)
        assert_talk(&frame, (*seen)++);
    assert_int_equal(rc, 0);
    assert_int_equal(length, 0);
}

static void test_frame_is_length_type_and_payload(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    assert_int_equal(frame_append(&buffer, MESSAGE_EVENT, "ab", 2), 0);
    assert_int_equal(frame_append(&buffer, MESSAGE_BLOB_END, NULL, 0), 0);
    static const unsigned char expected[] = {0, 0, 0, 3, 19, 'a', 'b', 0, 0, 0, 1, 3};
    assert_int_equal(buffer.length, sizeof(expected));
    assert_memory_equal(buffer.data, expected, sizeof(expected));
    buffer_release(&buffer);
}

static void test_frames_survive_a_split_at_every_byte(void **state)
{
    (void)state;
    struct buffer buffer;
    append_talk(&buffer);
    for (size_t split = 0; split <= buffer.length; split++) {
        struct frame_reader reader;
        frame_reader_init(&reader, FROM_WORKER);
        size_t seen = 0;
        push_range(&reader, &buffer, 0, split, &seen);
        push_range(&reader, &buffer, split, buffer.length, &seen);
        assert_int_equal(seen, TALK_COUNT);
        frame_reader_release(&reader);
    }
    buffer_release(&buffer);
}

static void test_frames_survive_pieces_of_every_size(void **state)
{
    (void)state;
    struct buffer buffer;
    append_talk(&buffer);
    for (size_t piece = 1; piece <= buffer.length; piece++) {
        struct frame_reader reader;
        frame_reader_init(&reader, FROM_WORKER);
        size_t seen = 0;
        for (size_t at = 0; at < buffer.length; at += piece)
            push_range(&reader, &buffer, at,
                       at + piece < buffer.length ? at + piece : buffer.length, &seen);
        assert_int_equal(seen, TALK_COUNT);
        frame_reader_release(&reader);
    }
    buffer_release(&buffer);
}

/* Pushes a header that must be refused, and checks that nothing was allocated for it. */
static void assert_header_refused(enum message_sender from, uint32_t counted,
                                  unsigned type)
{
    const unsigned char header[FRAME_HEADER_BYTES] = {
        (unsigned char)(counted >> 24), (unsigned char)(counted >> 16),
        (unsigned char)(counted >> 8), (unsigned char)counted, (unsigned char)type};
    const unsigned char *bytes = header;
    size_t length = sizeof(header);
    struct frame_reader reader;
    struct frame frame;
    struct error err = {0};
    frame_reader_init(&reader, from);
    assert_int_equal(frame_reader_push(&reader, &bytes, &length, &frame, &err),
                     ERR_PROTOCOL);
    assert_int_equal(err.code, ERR_PROTOCOL);
    assert_null(reader.payload);
    assert_int_equal(reader.payload_capacity, 0);
    frame_reader_release(&reader);
}

static void test_lengths_are_capped_before_anything_is_allocated(void **state)
{
    (void)state;
    assert_header_refused(FROM_WORKER, 0, MESSAGE_READY);
    assert_header_refused(FROM_WORKER, UINT32_MAX, MESSAGE_READY);
    assert_header_refused(FROM_WORKER, FRAME_MAX_PAYLOAD + 2, MESSAGE_READY);
    for (unsigned type = 0; type < 256; type++)
        assert_header_refused(FROM_WORKER, (uint32_t)message_max_payload(type) + 2, type);
    assert_header_refused(FROM_WORKER, 1, MESSAGE_PROGRESS); /* before READY */
    assert_header_refused(FROM_WORKER, 1, MESSAGE_TASK);     /* the daemon's */
    assert_header_refused(FROM_DAEMON, 1, MESSAGE_READY);    /* the worker's */
    assert_header_refused(FROM_DAEMON, 1, 0);
    assert_header_refused(FROM_DAEMON, 1, 255);
}

static void test_largest_frame_of_a_type_is_taken(void **state)
{
    (void)state;
    size_t maximum = message_max_payload(MESSAGE_READY);
    char *payload = calloc(maximum + 1, 1);
    assert_non_null(payload);
    payload[0] = 'a';
    payload[maximum - 1] = 'z';
    struct buffer buffer;
    buffer_init(&buffer, maximum + FRAME_HEADER_BYTES);
    assert_int_equal(frame_append(&buffer, MESSAGE_READY, payload, maximum), 0);
    assert_int_equal(frame_append(&buffer, MESSAGE_READY, payload, maximum + 1),
                     ERR_TOO_LARGE);
    struct frame_reader reader;
    struct frame frame;
    frame_reader_init(&reader, FROM_WORKER);
    const unsigned char *bytes = (const unsigned char *)buffer.data;
    size_t length = buffer.length;
    assert_int_equal(frame_reader_push(&reader, &bytes, &length, &frame, NULL), 1);
    assert_int_equal(frame.length, maximum);
    assert_memory_equal(frame.payload, payload, maximum);
    frame_reader_release(&reader);
    buffer_release(&buffer);
    free(payload);
}

static void test_after_an_error_nothing_is_read(void **state)
{
    (void)state;
    struct frame_reader reader;
    struct frame frame = {.length = 77};
    frame_reader_init(&reader, FROM_WORKER);
    static const unsigned char stream[] = {
        0, 0, 0, 1, MESSAGE_READY, /* sound */
        0, 0, 0, 1, MESSAGE_TASK,  /* not the worker's */
        0, 0, 0, 1, MESSAGE_PROGRESS, 0, 0, 0, 1, MESSAGE_PROGRESS};
    const unsigned char *bytes = stream;
    size_t length = sizeof(stream);
    assert_int_equal(frame_reader_push(&reader, &bytes, &length, &frame, NULL), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(frame_reader_push(&reader, &bytes, &length, &frame, NULL),
                         ERR_PROTOCOL);
    assert_int_equal(frame_reader_push(&reader, &bytes, &length, &frame, NULL), 0);
    frame_reader_release(&reader);
}

/* Random bytes: either frames within their caps, or a refusal; the sanitizers watch.
 * Headers are made plausible half of the time, or a length would hardly ever pass. */
static void test_garbage_is_refused_and_harms_nothing(void **state)
{
    (void)state;
    size_t refused = 0, frames = 0, sum = 0;
    for (uint64_t run = 0; run < 2000; run++) {
        struct rng rng;
        rng_init(&rng, run, RNG_SAMPLE, 0);
        unsigned char garbage[512];
        for (size_t i = 0; i < sizeof(garbage); i++)
            garbage[i] = (unsigned char)rng_next(&rng);
        for (size_t at = 0; run % 2 == 0 && at + 8 <= sizeof(garbage); at += 8) {
            const unsigned char header[] = {
                0, 0, 0, 4,
                (unsigned char)(at == 0 ? MESSAGE_READY : 1 + rng_below(&rng, 25))};
            memcpy(garbage + at, header, sizeof(header));
        }
        struct frame_reader reader;
        frame_reader_init(&reader, run % 4 < 2 ? FROM_WORKER : FROM_DAEMON);
        size_t at = 0;
        int rc = 0;
        while (at < sizeof(garbage) && rc >= 0) {
            size_t length = 1 + rng_below(&rng, 40);
            length = length < sizeof(garbage) - at ? length : sizeof(garbage) - at;
            const unsigned char *bytes = garbage + at;
            at += length;
            struct frame frame;
            while ((rc = frame_reader_push(&reader, &bytes, &length, &frame, NULL)) ==
                   1) {
                assert_true(frame.length <= message_max_payload(frame.type));
                for (size_t i = 0; i < frame.length; i++)
                    sum += frame.payload[i]; /* each can be read */
                frames++;
            }
        }
        refused += rc == ERR_PROTOCOL;
        assert_true(rc == 0 || rc == ERR_PROTOCOL);
        frame_reader_release(&reader);
    }
    assert_true(refused > 1900);
    assert_true(frames > 500);
    assert_true(sum > 0);
}

static void test_frames_pass_a_pipe_one_by_one(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < TALK_COUNT; i++)
        assert_int_equal(frame_write(ends[1], talk[i].type, talk[i].payload,
                                     strlen(talk[i].payload), NULL),
                         0);
    assert_int_equal(io_write_full(ends[1], "rest", 4), 0);
    io_close(&ends[1]);
    struct frame_reader reader;
    struct frame frame;
    frame_reader_init(&reader, FROM_WORKER);
    for (size_t i = 0; i < TALK_COUNT; i++) {
        assert_int_equal(frame_read(&reader, ends[0], &frame, NULL), 0);
        assert_talk(&frame, i);
    }
    char rest[4]; /* nothing past the last frame was taken */
    assert_int_equal(io_read_full(ends[0], rest, 4), 0);
    assert_memory_equal(rest, "rest", 4);
    frame_reader_release(&reader);
    io_close(&ends[0]);
}

static void test_closed_stream_is_eof_between_and_within_frames(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    assert_int_equal(frame_append(&buffer, MESSAGE_READY, "abcdef", 6), 0);
    for (size_t cut = 0; cut < buffer.length; cut++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(io_write_full(ends[1], buffer.data, cut), 0);
        io_close(&ends[1]);
        struct frame_reader reader;
        struct frame frame;
        struct error err = {0};
        frame_reader_init(&reader, FROM_WORKER);
        assert_int_equal(frame_read(&reader, ends[0], &frame, &err), ERR_EOF);
        assert_int_equal(err.code, ERR_EOF);
        frame_reader_release(&reader);
        io_close(&ends[0]);
    }
    buffer_release(&buffer);
}

static void test_writing_to_a_dead_peer_is_eof(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    io_close(&ends[0]);
    struct error err = {0};
    assert_int_equal(frame_write(ends[1], MESSAGE_EVENT, "{}", 2, &err), ERR_EOF);
    assert_non_null(strstr(err.text, "event"));
    io_close(&ends[1]);
}

static void test_oversized_payload_is_not_written(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    size_t length = message_max_payload(MESSAGE_COMMAND) + 1;
    char *payload = calloc(length, 1);
    assert_non_null(payload);
    struct error err = {0};
    assert_int_equal(frame_write(ends[1], MESSAGE_COMMAND, payload, length, &err),
                     ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "4097"));
    io_close(&ends[1]);
    char byte;
    assert_int_equal(io_read_full(ends[0], &byte, 1), ERR_EOF);
    free(payload);
    io_close(&ends[0]);
}

struct writing {
    int fd;
    const unsigned char *payload;
    int rc;
};

static void *write_large(void *context)
{
    struct writing *writing = context;
    writing->rc = frame_write(writing->fd, MESSAGE_READY, "{}", 2, NULL);
    if (writing->rc == 0)
        writing->rc = frame_write(writing->fd, MESSAGE_METRICS, writing->payload,
                                  message_max_payload(MESSAGE_METRICS), NULL);
    return NULL;
}

/* Four mebibytes through a pipe that holds 64 KiB. */
static void test_large_frame_passes_a_small_pipe(void **state)
{
    (void)state;
    size_t length = message_max_payload(MESSAGE_METRICS);
    unsigned char *payload = malloc(length);
    assert_non_null(payload);
    for (size_t i = 0; i < length; i++)
        payload[i] = (unsigned char)(i ^ i >> 9);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct writing writing = {.fd = ends[1], .payload = payload, .rc = 1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_large, &writing), 0);
    struct frame_reader reader;
    struct frame frame;
    frame_reader_init(&reader, FROM_WORKER);
    assert_int_equal(frame_read(&reader, ends[0], &frame, NULL), 0);
    assert_int_equal(frame_read(&reader, ends[0], &frame, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(writing.rc, 0);
    assert_int_equal(frame.length, length);
    assert_memory_equal(frame.payload, payload, length);
    frame_reader_release(&reader);
    free(payload);
    io_close(&ends[0]);
    io_close(&ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_is_length_type_and_payload),
        cmocka_unit_test(test_frames_survive_a_split_at_every_byte),
        cmocka_unit_test(test_frames_survive_pieces_of_every_size),
        cmocka_unit_test(test_lengths_are_capped_before_anything_is_allocated),
        cmocka_unit_test(test_largest_frame_of_a_type_is_taken),
        cmocka_unit_test(test_after_an_error_nothing_is_read),
        cmocka_unit_test(test_garbage_is_refused_and_harms_nothing),
        cmocka_unit_test(test_frames_pass_a_pipe_one_by_one),
        cmocka_unit_test(test_closed_stream_is_eof_between_and_within_frames),
        cmocka_unit_test(test_writing_to_a_dead_peer_is_eof),
        cmocka_unit_test(test_oversized_payload_is_not_written),
        cmocka_unit_test(test_large_frame_passes_a_small_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
