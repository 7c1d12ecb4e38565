/* The dataset file: what was written is found again, and no damaged file is believed. */
#include "data/dataset_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER_BYTES 64
#define ENTRY_BYTES 64

static int empty_file(void)
{
    int fd = memfd_create("dataset", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A table of 3 rows: a float column 0, a code column 2; and test features [2, 2, 5]. */
static const struct dataset_array three_arrays[] = {
    {.part = PART_TRAIN, .column = 0, .element = ELEMENT_FLOAT32, .rank = 1, .dims = {3}},
    {.part = PART_TRAIN, .column = 2, .element = ELEMENT_INT32, .rank = 1, .dims = {3}},
    {.part = PART_TEST,
     .column = DATASET_FEATURES,
     .element = ELEMENT_UINT8,
     .rank = 3,
     .dims = {2, 2, 5}},
};
static const float numbers[3] = {1.5F, -2.0F, 3.25F};
static const int32_t codes[3] = {1, -1, 0};
static const uint8_t pixels[20] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static int three_array_file(void)
{
    int fd = empty_file();
    struct dataset_writer *writer = NULL;
    struct error err = {0};
    assert_int_equal(dataset_writer_open(fd, three_arrays, 3, &writer, &err), 0);
    assert_int_equal(dataset_writer_append(writer, 2, pixels, 7, &err), 0);
    assert_int_equal(dataset_writer_append(writer, 0, numbers, sizeof(numbers), &err), 0);
    assert_int_equal(dataset_writer_append(writer, 1, codes, sizeof(codes), &err), 0);
    assert_int_equal(dataset_writer_append(writer, 2, pixels + 7, 13, &err), 0);
    assert_int_equal(dataset_writer_finish(writer, &err), 0);
    dataset_writer_free(writer);
    return fd;
}

static void test_arrays_are_found_as_they_were_written(void **state)
{
    (void)state;
    int fd = three_array_file();
    struct dataset_file *file = NULL;
    struct error err = {0};
    assert_int_equal(dataset_file_open(fd, &file, &err), 0);
    close(fd);

    const struct dataset_array *array = dataset_file_find(file, PART_TRAIN, 0);
    assert_non_null(array);
    assert_int_equal(array->element, ELEMENT_FLOAT32);
    assert_int_equal(array->rank, 1);
    assert_int_equal(array->dims[0], 3);
    assert_int_equal(array->bytes, sizeof(numbers));
    assert_memory_equal(array->data, numbers, sizeof(numbers));
    array = dataset_file_find(file, PART_TRAIN, 2);
    assert_non_null(array);
    assert_memory_equal(array->data, codes, sizeof(codes));
    array = dataset_file_find(file, PART_TEST, DATASET_FEATURES);
    assert_non_null(array);
    assert_int_equal(array->rank, 3);
    assert_int_equal(array->dims[2], 5);
    assert_int_equal((uintptr_t)array->data % 64, 0);
    assert_memory_equal(array->data, pixels, sizeof(pixels));
    dataset_file_close(file);
}

static void test_what_is_not_there_is_not_found(void **state)
{
    (void)state;
    int fd = three_array_file();
    struct dataset_file *file = NULL;
    assert_int_equal(dataset_file_open(fd, &file, NULL), 0);
    assert_null(dataset_file_find(file, PART_TRAIN, 1));
    assert_null(dataset_file_find(file, PART_TEST, 0));
    assert_null(dataset_file_find(file, PART_TRAIN, -2));
    assert_null(dataset_file_find(file, PART_TRAIN, FACTS_MAX_COLUMNS));
    dataset_file_close(file);
    close(fd);
}

static void test_large_arrays_pass_through_small_buffers(void **state)
{
    (void)state;
    enum { ELEMENTS = 300000, PIECE = 7001 };
    struct dataset_array arrays[2] = {
        {.part = PART_TRAIN,
         .column = 0,
         .element = ELEMENT_INT32,
         .rank = 1,
         .dims = {ELEMENTS}},
        {.part = PART_TRAIN,
         .column = 1,
         .element = ELEMENT_INT32,
         .rank = 1,
         .dims = {ELEMENTS}},
    };
    int32_t *counted = malloc(ELEMENTS * sizeof(*counted));
    assert_non_null(counted);
    for (int32_t i = 0; i < ELEMENTS; i++)
        counted[i] = i * 3;
    int fd = empty_file();
    struct dataset_writer *writer = NULL;
    struct error err = {0};
    assert_int_equal(dataset_writer_open(fd, arrays, 2, &writer, &err), 0);
    for (size_t at = 0; at < ELEMENTS; at += PIECE) {
        size_t piece = ELEMENTS - at < PIECE ? ELEMENTS - at : PIECE;
        for (int i = 0; i < 2; i++)
            assert_int_equal(dataset_writer_append(writer, i, counted + at,
                                                   piece * sizeof(*counted), &err),
                             0);
    }
    assert_int_equal(dataset_writer_finish(writer, &err), 0);
    dataset_writer_free(writer);

    struct dataset_file *file = NULL;
    assert_int_equal(dataset_file_open(fd, &file, &err), 0);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(dataset_file_find(file, PART_TRAIN, i)->data, counted,
                            ELEMENTS * sizeof(*counted));
    dataset_file_close(file);
    free(counted);
    close(fd);
}

static void test_writer_refuses_more_and_less_than_declared(void **state)
{
    (void)state;
    int fd = empty_file();
    struct dataset_writer *writer = NULL;
    struct error err = {0};
    assert_int_equal(dataset_writer_open(fd, three_arrays, 3, &writer, &err), 0);
    assert_int_equal(dataset_writer_append(writer, 2, pixels, 20, &err), 0);
    assert_int_equal(dataset_writer_append(writer, 2, pixels, 1, &err), ERR_INVALID);
    error_clear(&err);
    assert_int_equal(dataset_writer_finish(writer, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "12 bytes and got 0"));
    dataset_writer_free(writer);

    struct dataset_file *file = NULL;
    assert_int_equal(dataset_file_open(fd, &file, NULL), ERR_CORRUPT);
    close(fd);
}

static void test_writer_refuses_impossible_arrays(void **state)
{
    (void)state;
    static const struct dataset_array impossible[] = {
        {.column = 0, .element = ELEMENT_UINT8, .rank = 0},
        {.column = 0, .element = ELEMENT_UINT8, .rank = SHAPE_MAX_RANK + 2},
        {.column = 0, .element = ELEMENT_UINT8, .rank = 2, .dims = {1, 0}},
        {.column = 0, .element = ELEMENT_UINT8, .rank = 1, .dims = {-1}},
        {.column = -2, .element = ELEMENT_UINT8, .rank = 1, .dims = {1}},
        {.column = FACTS_MAX_COLUMNS, .element = ELEMENT_UINT8, .rank = 1, .dims = {1}},
        {.column = 0, .element = ELEMENT_FLOAT64, .rank = 2, .dims = {INT64_MAX, 9}},
    };
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        int fd = empty_file();
        struct dataset_writer *writer = NULL;
        assert_int_equal(dataset_writer_open(fd, &impossible[i], 1, &writer, NULL),
                         ERR_INVALID);
        assert_null(writer);
        close(fd);
    }
}

static void test_writer_refuses_an_output_that_is_not_empty(void **state)
{
    (void)state;
    int fd = three_array_file();
    struct dataset_writer *writer = NULL;
    assert_int_equal(dataset_writer_open(fd, three_arrays, 3, &writer, NULL),
                     ERR_INVALID);
    close(fd);
}

static void test_column_without_rows_is_kept(void **state)
{
    (void)state;
    struct dataset_array array = {
        .part = PART_TRAIN, .column = 0, .element = ELEMENT_FLOAT32, .rank = 1};
    int fd = empty_file();
    struct dataset_writer *writer = NULL;
    assert_int_equal(dataset_writer_open(fd, &array, 1, &writer, NULL), 0);
    assert_int_equal(dataset_writer_finish(writer, NULL), 0);
    dataset_writer_free(writer);
    struct dataset_file *file = NULL;
    assert_int_equal(dataset_file_open(fd, &file, NULL), 0);
    assert_int_equal(dataset_file_find(file, PART_TRAIN, 0)->dims[0], 0);
    dataset_file_close(file);
    close(fd);
}

/* Opens a copy of the good file in which `length` bytes at `offset` are `bytes`. */
static int open_damaged(off_t offset, const void *bytes, size_t length, struct error *err)
{
    int fd = three_array_file();
    assert_int_equal(pwrite(fd, bytes, length, offset), (ssize_t)length);
    struct dataset_file *file = NULL;
    int rc = dataset_file_open(fd, &file, err);
    assert_true(rc == 0 || file == NULL);
    dataset_file_close(file);
    close(fd);
    return rc;
}

static void test_lying_entries_are_corrupt(void **state)
{
    (void)state;
    static const struct {
        off_t offset;
        size_t length;
        unsigned char bytes[8];
    } damages[] = {
        {0, 1, {'X'}},                                      /* magic */
        {8, 1, {2}},                                        /* version */
        {12, 4, {0xff, 0xff, 0xff, 0xff}},                  /* array count */
        {12, 1, {2}},                                       /* one array less */
        {16, 1, {0}},                                       /* file bytes */
        {HEADER_BYTES + 0, 1, {2}},                         /* part */
        {HEADER_BYTES + 1, 1, {6}},                         /* element */
        {HEADER_BYTES + 1, 1, {ELEMENT_FLOAT64}},           /* a longer element */
        {HEADER_BYTES + 2, 1, {0}},                         /* rank */
        {HEADER_BYTES + 2, 1, {9}},                         /* rank */
        {HEADER_BYTES + 4, 4, {0xff, 0xff, 0xff, 0x7f}},    /* column */
        {HEADER_BYTES + 4, 1, {2}},                         /* the column of entry 1 */
        {HEADER_BYTES + 8, 8, {0, 0, 0, 0, 0, 0, 0, 0x7f}}, /* rows */
        {HEADER_BYTES + 8, 1, {4}},                         /* one row more */
        {HEADER_BYTES + 48, 1, {64}},                       /* offset */
        {HEADER_BYTES + 56, 1, {11}},                       /* bytes */
        {HEADER_BYTES + 2 * ENTRY_BYTES + 48, 8, {0, 0, 0, 0, 0, 0, 0, 0x40}},
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct error err = {0};
        int rc =
            open_damaged(damages[i].offset, damages[i].bytes, damages[i].length, &err);
        assert_int_equal(rc, ERR_CORRUPT);
        assert_true(err.text[0] != '\0');
    }
}

static void test_every_cut_file_is_corrupt(void **state)
{
    (void)state;
    int fd = three_array_file();
    off_t whole = lseek(fd, 0, SEEK_END);
    for (off_t length = whole - 1; length >= 0; length--) {
        assert_int_equal(ftruncate(fd, length), 0);
        struct dataset_file *file = NULL;
        assert_int_equal(dataset_file_open(fd, &file, NULL), ERR_CORRUPT);
    }
    assert_int_equal(ftruncate(fd, whole + 64), 0);
    struct dataset_file *file = NULL;
    assert_int_equal(dataset_file_open(fd, &file, NULL), ERR_CORRUPT);
    close(fd);
}

static void test_random_damage_never_reads_outside_the_file(void **state)
{
    (void)state;
    uint32_t random = 12345;
    for (int i = 0; i < 2000; i++) {
        random = random * 1664525U + 1013904223U;
        off_t offset = (off_t)((random >> 8) % (HEADER_BYTES + 3 * ENTRY_BYTES));
        unsigned char byte = (unsigned char)(random >> 3);
        int fd = three_array_file();
        assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
        struct dataset_file *file = NULL;
        unsigned sum = 0;
        if (dataset_file_open(fd, &file, NULL) == 0) {
            for (int32_t column = DATASET_FEATURES; column < 300; column++)
                for (int part = 0; part < PART_COUNT; part++) {
                    const struct dataset_array *array =
                        dataset_file_find(file, (enum dataset_part)part, column);
                    for (uint64_t b = 0; array && b < array->bytes; b++)
                        sum += ((const unsigned char *)array->data)[b];
                }
            assert_true(sum > 0);
        }
        dataset_file_close(file);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays_are_found_as_they_were_written),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_large_arrays_pass_through_small_buffers),
        cmocka_unit_test(test_writer_refuses_more_and_less_than_declared),
        cmocka_unit_test(test_writer_refuses_impossible_arrays),
        cmocka_unit_test(test_writer_refuses_an_output_that_is_not_empty),
        cmocka_unit_test(test_column_without_rows_is_kept),
        cmocka_unit_test(test_lying_entries_are_corrupt),
        cmocka_unit_test(test_every_cut_file_is_corrupt),
        cmocka_unit_test(test_random_damage_never_reads_outside_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
