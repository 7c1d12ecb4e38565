#include "base/error.h"
#include "engine/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IDENTITY UINT64_C(0x123456789abcdef0)

/* A small state and its walk, as a user of the format has them. */
struct sample {
    int64_t integer;
    double number;
    bool flag;
    float array[5];
};

static void walk(struct checkpoint_cursor *cursor, struct sample *sample)
{
    checkpoint_i64(cursor, &sample->integer);
    checkpoint_f64(cursor, &sample->number);
    checkpoint_bool(cursor, &sample->flag);
    checkpoint_array(cursor, sample->array, sizeof sample->array);
}

static const struct sample original = {-7, 0.1, true, {1, 2, 3, 4, 5}};

/* New bytes of `original`. */
static unsigned char *write_sample(size_t *ret_length)
{
    struct sample sample = original;
    struct checkpoint_cursor cursor = checkpoint_measure();
    walk(&cursor, &sample);
    size_t length = cursor.position;
    unsigned char *bytes = calloc(length, 1);
    assert_non_null(bytes);
    cursor = checkpoint_begin(bytes, length);
    walk(&cursor, &sample);
    assert_true(checkpoint_is_complete(&cursor));
    checkpoint_finish(&cursor, IDENTITY);
    *ret_length = length;
    return bytes;
}

static void test_what_was_written_is_read(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = write_sample(&length);
    assert_int_equal(length, CHECKPOINT_HEADER_BYTES + 3 * 8 + 24);
    struct checkpoint_cursor cursor;
    assert_int_equal(checkpoint_open(bytes, length, IDENTITY, &cursor, NULL), 0);
    struct sample sample = {0};
    walk(&cursor, &sample);
    assert_true(checkpoint_is_complete(&cursor));
    assert_int_equal(sample.integer, original.integer);
    assert_true(sample.number == original.number);
    assert_true(sample.flag);
    assert_memory_equal(sample.array, original.array, sizeof sample.array);
    free(bytes);
}

static void test_measuring_and_writing_change_nothing(void **state)
{
    (void)state;
    struct sample sample = original;
    struct checkpoint_cursor cursor = checkpoint_measure();
    walk(&cursor, &sample);
    unsigned char bytes[CHECKPOINT_HEADER_BYTES + 48];
    cursor = checkpoint_begin(bytes, sizeof bytes);
    walk(&cursor, &sample);
    assert_int_equal(sample.integer, original.integer);
    assert_true(sample.number == original.number);
    assert_true(sample.flag);
    assert_memory_equal(sample.array, original.array, sizeof sample.array);
}

/* The format is little-endian and fixed: an old checkpoint must stay readable. */
static void test_layout_of_the_header(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = write_sample(&length);
    assert_memory_equal(bytes, "BPCKPT\r\n\2\0\0\0", 12);
    const unsigned char declared[8] = {80};
    assert_memory_equal(bytes + 16, declared, 8);
    const unsigned char identity[8] = {0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12};
    assert_memory_equal(bytes + 24, identity, 8);
    const unsigned char minus_seven[8] = {0xf9, 255, 255, 255, 255, 255, 255, 255};
    assert_memory_equal(bytes + 32, minus_seven, 8);
    free(bytes);
}

static void test_every_truncation_is_corrupt(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = write_sample(&length);
    for (size_t cut = 0; cut < length; cut++) {
        unsigned char *part = malloc(cut > 0 ? cut : 1); /* so that ASan sees overreads */
        assert_non_null(part);
        memcpy(part, bytes, cut);
        struct checkpoint_cursor cursor;
        assert_int_equal(checkpoint_open(part, cut, IDENTITY, &cursor, NULL),
                         ERR_CORRUPT);
        free(part);
    }
    free(bytes);
}

static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = write_sample(&length);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        struct checkpoint_cursor cursor;
        struct error err = {0};
        assert_int_equal(checkpoint_open(bytes, length, IDENTITY, &cursor, &err),
                         ERR_CORRUPT);
        assert_string_not_equal(err.text, "");
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(bytes);
}

static void test_another_owner_is_invalid(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = write_sample(&length);
    struct checkpoint_cursor cursor;
    assert_int_equal(checkpoint_open(bytes, length, IDENTITY + 1, &cursor, NULL),
                     ERR_INVALID);
    free(bytes);
}

static void test_reading_past_the_end_fails_and_sets_nothing(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = write_sample(&length);
    struct checkpoint_cursor cursor;
    assert_int_equal(checkpoint_open(bytes, length, IDENTITY, &cursor, NULL), 0);
    struct sample sample;
    walk(&cursor, &sample);
    int64_t more = 42;
    checkpoint_i64(&cursor, &more);
    assert_int_equal(more, 42);
    bool flag = true;
    checkpoint_bool(&cursor, &flag);
    assert_true(flag);
    assert_true(cursor.failed);
    assert_false(checkpoint_is_complete(&cursor));
    free(bytes);
}

static void test_a_bool_that_is_neither_true_nor_false_fails(void **state)
{
    (void)state;
    unsigned char bytes[CHECKPOINT_HEADER_BYTES + 8];
    int64_t two = 2;
    struct checkpoint_cursor cursor = checkpoint_begin(bytes, sizeof bytes);
    checkpoint_i64(&cursor, &two);
    checkpoint_finish(&cursor, IDENTITY);
    assert_int_equal(checkpoint_open(bytes, sizeof bytes, IDENTITY, &cursor, NULL), 0);
    bool value = false;
    checkpoint_bool(&cursor, &value);
    assert_true(cursor.failed);
    assert_false(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_read),
        cmocka_unit_test(test_measuring_and_writing_change_nothing),
        cmocka_unit_test(test_layout_of_the_header),
        cmocka_unit_test(test_every_truncation_is_corrupt),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_another_owner_is_invalid),
        cmocka_unit_test(test_reading_past_the_end_fails_and_sets_nothing),
        cmocka_unit_test(test_a_bool_that_is_neither_true_nor_false_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
