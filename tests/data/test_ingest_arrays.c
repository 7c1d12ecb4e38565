/* Ingest of arrays: agreement of the parts, labels as codes or numbers, refusals. */
#include "array_fixture.h"
#include "byte_fixture.h"
#include "ingest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define UBYTE 0x08
#define FLOAT 0x0d

/* `count` bytes 0, 1, 2, … as an IDX array. */
static int counted(int rank, const uint32_t *dims)
{
    unsigned char data[256];
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    assert_true(count <= sizeof(data));
    for (size_t i = 0; i < count; i++)
        data[i] = (unsigned char)i;
    return fixture_idx(UBYTE, rank, dims, data, count);
}

static int images(uint32_t rows)
{
    return counted(3, (const uint32_t[]){rows, 2, 3});
}

static int byte_labels(const char *bytes, uint32_t rows)
{
    return fixture_idx(UBYTE, 1, &rows, bytes, rows);
}

/* An NPY array of little-endian elements. */
static int npy(const char *type, const char *shape, const void *data, size_t length)
{
    char dictionary[128];
    snprintf(dictionary, sizeof(dictionary),
             "{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", type, shape);
    return fixture_npy(1, dictionary, data, length);
}

static const json_t *label_fact(const struct ingest_run *run, const char *key)
{
    return json_object_get(ingest_run_column(run, "label"), key);
}

static void test_images_and_labels_of_both_parts_are_stored(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "test.labels", byte_labels("\7\3", 2));
    ingest_run_add(&run, "train.features", images(4));
    ingest_run_add(&run, "train.labels", byte_labels("\3\11\3\0", 4));
    ingest_run_add(&run, "test.features", images(2));
    ingest_run_go(&run);
    assert_string_equal(ingest_run_values(&run, "label"), "0,3,7,9");
    assert_string_equal(json_string_value(label_fact(&run, "type")), "number");
    assert_true(json_number_value(label_fact(&run, "max")) == 9);
    assert_true(json_number_value(label_fact(&run, "mean")) == 25.0 / 6);
    assert_string_equal(json_string_value(json_object_get(run.facts, "element")),
                        "uint8");

    const struct dataset_array *samples =
        dataset_file_find(run.file, PART_TRAIN, DATASET_FEATURES);
    assert_int_equal(samples->rank, 3);
    assert_int_equal(samples->dims[2], 3);
    assert_int_equal(((const uint8_t *)samples->data)[23], 23);
    const int32_t *codes = ingest_run_codes(&run, PART_TRAIN, 0);
    assert_memory_equal(codes, ((const int32_t[]){1, 3, 1, 0}), 16);
    codes = ingest_run_codes(&run, PART_TEST, 0);
    assert_memory_equal(codes, ((const int32_t[]){2, 1}), 8);

    const json_t *preview = json_object_get(run.facts, "preview");
    assert_int_equal(json_array_size(preview), 4);
    char *shown = json_dumps(json_array_get(preview, 1), JSON_COMPACT);
    assert_string_equal(shown, "{\"label\":9,\"input\":[[6,7,8],[9,10,11]]}");
    free(shown);
    ingest_run_release(&run);
}

static void test_samples_alone_are_enough(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_go(&run);
    assert_int_equal(run.rc, 0);
    assert_int_equal(json_array_size(json_object_get(run.facts, "columns")), 0);
    ingest_run_release(&run);
}

static void test_a_flat_array_has_samples_of_one_number(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", counted(1, (const uint32_t[]){5}));
    ingest_run_go(&run);
    char *shape = json_dumps(json_object_get(run.facts, "sample_shape"), JSON_COMPACT);
    assert_string_equal(shape, "[1]");
    free(shape);
    ingest_run_release(&run);
}

static void test_labels_with_fractions_are_numbers(void **state)
{
    (void)state;
    static const float labels[] = {1.5F, -2.0F, 0.25F};
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_add(&run, "train.labels", npy("<f4", "(3, 1)", labels, sizeof(labels)));
    ingest_run_go(&run);
    assert_string_equal(ingest_run_values(&run, "label"), "");
    assert_true(json_is_false(label_fact(&run, "integer")));
    assert_memory_equal(ingest_run_numbers(&run, PART_TRAIN, 0), labels, sizeof(labels));
    assert_int_equal(dataset_file_find(run.file, PART_TRAIN, 0)->rank, 1);
    ingest_run_release(&run);
}

static void test_whole_floats_and_wide_integers_are_classes_too(void **state)
{
    (void)state;
    static const double labels[] = {2, 0, 2};
    static const int64_t wide[] = {500, 1, 500};
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_add(&run, "train.labels", npy("<f8", "(3,)", labels, sizeof(labels)));
    ingest_run_go(&run);
    assert_string_equal(ingest_run_values(&run, "label"), "0,2");
    assert_int_equal(ingest_run_codes(&run, PART_TRAIN, 0)[0], 1);
    ingest_run_release(&run);
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_add(&run, "train.labels", npy("<i8", "(3,)", wide, sizeof(wide)));
    ingest_run_go(&run);
    assert_string_equal(ingest_run_values(&run, "label"), "1,500");
    ingest_run_release(&run);
}

static void test_negative_labels_are_listed_and_many_are_not(void **state)
{
    (void)state;
    static const int32_t negative[] = {1, -1, 1};
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_add(&run, "train.labels", npy("<i4", "(3,)", negative, sizeof(negative)));
    ingest_run_go(&run);
    assert_string_equal(ingest_run_values(&run, "label"), "-1,1");
    assert_int_equal(ingest_run_codes(&run, PART_TRAIN, 0)[1], 0);
    ingest_run_release(&run);

    for (int extra = 0; extra < 2; extra++) {
        int32_t many[FACTS_MAX_CATEGORIES + 1];
        int rows = FACTS_MAX_CATEGORIES + extra;
        char shape[32];
        snprintf(shape, sizeof(shape), "(%d,)", rows);
        for (int i = 0; i < rows; i++)
            many[i] = (i * 17 + 3) % rows;
        size_t length = (size_t)rows * sizeof(many[0]);
        ingest_run_init(&run);
        ingest_run_add(&run, "train.features", npy("<i4", shape, many, length));
        ingest_run_add(&run, "train.labels", npy("<i4", shape, many, length));
        ingest_run_go(&run);
        assert_int_equal(json_array_size(label_fact(&run, "values")),
                         extra ? 0 : FACTS_MAX_CATEGORIES);
        if (!extra)
            assert_memory_equal(ingest_run_codes(&run, PART_TRAIN, 0), many, length);
        ingest_run_release(&run);
    }
}

static void test_labels_of_several_numbers_have_a_width(void **state)
{
    (void)state;
    static const float labels[] = {1, 0, 0, 1, 1, 1};
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_add(&run, "train.labels", npy("<f4", "(3, 2)", labels, sizeof(labels)));
    ingest_run_go(&run);
    assert_int_equal(json_integer_value(label_fact(&run, "width")), 2);
    assert_string_equal(ingest_run_values(&run, "label"), "");
    const struct dataset_array *array = dataset_file_find(run.file, PART_TRAIN, 0);
    assert_int_equal(array->rank, 2);
    assert_int_equal(array->dims[1], 2);
    assert_memory_equal(array->data, labels, sizeof(labels));
    char *shown = json_dumps(json_array_get(json_object_get(run.facts, "preview"), 1), 0);
    assert_non_null(strstr(shown, "\"label\": [0, 1]"));
    free(shown);
    ingest_run_release(&run);
}

static void test_a_large_sample_is_cut_in_the_preview(void **state)
{
    (void)state;
    static const uint32_t dims[] = {2, 200, 200};
    unsigned char *data = calloc(2, 40000);
    assert_non_null(data);
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", fixture_idx(UBYTE, 3, dims, data, 80000));
    ingest_run_go(&run);
    const json_t *preview = json_object_get(run.facts, "preview");
    assert_int_equal(json_array_size(preview), 1);
    assert_int_equal(
        json_array_size(json_object_get(json_array_get(preview, 0), "input")), 64);
    ingest_run_release(&run);
    free(data);
}

/* One refusal: the parts, and what is said of which. */
static void refuse(const char *const names[], const int fds[], int count, int code,
                   const char *pointer, const char *expected)
{
    struct ingest_run run;
    ingest_run_init(&run);
    for (int i = 0; i < count; i++)
        ingest_run_add(&run, names[i], fds[i]);
    ingest_run_go(&run);
    assert_refused(&run, code, pointer, expected);
    ingest_run_release(&run);
}

static void test_row_counts_must_agree(void **state)
{
    (void)state;
    static const char *const train[] = {"train.features", "train.labels"};
    refuse(train, (const int[]){images(3), byte_labels("\1\2", 2)}, 2, ERR_INVALID,
           "/train.labels", "train.features has 3 rows, but train.labels has 2");
    static const char *const all[] = {"train.features", "train.labels", "test.features",
                                      "test.labels"};
    refuse(
        all,
        (const int[]){images(2), byte_labels("\1\2", 2), images(3), byte_labels("\1", 1)},
        4, ERR_INVALID, "/test.labels",
        "test.features has 3 rows, but test.labels has 1");
}

static void test_train_and_test_must_be_of_one_kind(void **state)
{
    (void)state;
    static const char *const both[] = {"train.features", "test.features"};
    refuse(both, (const int[]){images(3), counted(3, (const uint32_t[]){2, 3, 2})}, 2,
           ERR_INVALID, "/test.features",
           "samples of [2, 3] expected, as in train.features; [3, 2] found");
    static const uint32_t dims[] = {1, 2, 3};
    static const char zeros[24];
    refuse(both, (const int[]){images(3), fixture_idx(FLOAT, 3, dims, zeros, 24)}, 2,
           ERR_INVALID, "/test.features", "uint8 elements expected");
    static const char *const all[] = {"train.features", "train.labels", "test.features",
                                      "test.labels"};
    static const uint32_t wide[] = {2, 2};
    refuse(all,
           (const int[]){images(2), byte_labels("\1\2", 2), images(2), counted(2, wide)},
           4, ERR_INVALID, "/test.labels",
           "1 numbers a row expected, as in train.labels; 2");
}

static void test_needed_parts_are_named(void **state)
{
    (void)state;
    static const char *const labels[] = {"train.labels"};
    refuse(labels, (const int[]){byte_labels("\1", 1)}, 1, ERR_INVALID, "/train.features",
           "train.features is needed");
    static const char *const no_test_labels[] = {"train.features", "train.labels",
                                                 "test.features"};
    refuse(no_test_labels, (const int[]){images(1), byte_labels("\1", 1), images(1)}, 3,
           ERR_INVALID, "/test.features", "without test.labels");
    static const char *const no_test[] = {"train.features", "train.labels",
                                          "test.labels"};
    refuse(no_test, (const int[]){images(1), byte_labels("\1", 1), byte_labels("\1", 1)},
           3, ERR_INVALID, "/test.labels", "test.labels came without test.features");
    static const char *const no_train[] = {"train.features", "test.features",
                                           "test.labels"};
    refuse(no_train, (const int[]){images(1), images(1), byte_labels("\1", 1)}, 3,
           ERR_INVALID, "/test.labels", "test.labels came without train.labels");
}

static void test_every_bad_file_is_reported(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "train.features", fixture_text("a,b\n1,2\n"));
    ingest_run_add(&run, "train.labels", fixture_file("\0\0\x0a\1\0\0\0\1", 8));
    ingest_run_add(&run, "test.features", images(1));
    ingest_run_go(&run);
    assert_refused(&run, ERR_INVALID, "/train.features", "plain text");
    assert_refused(&run, ERR_INVALID, "/train.labels", "type 0x0A");
    assert_int_equal(run.violations.total, 2);
    ingest_run_release(&run);
}

static void test_parts_that_do_not_belong_together_are_refused(void **state)
{
    (void)state;
    static const char *const mixed[] = {"train.features", "table"};
    refuse(mixed, (const int[]){images(1), fixture_text("a\n1\n")}, 2, ERR_INVALID,
           "/table", "cannot come together");
    static const char *const two_tables[] = {"table", "text"};
    refuse(two_tables, (const int[]){fixture_text("a\n1\n"), fixture_text("b")}, 2,
           ERR_INVALID, "/table", "must be the only one");
    static const char *const twice[] = {"train.features", "train.features"};
    refuse(twice, (const int[]){images(1), images(1)}, 2, ERR_INVALID, "/train.features",
           "came twice");
    static const char *const unknown[] = {"images"};
    refuse(unknown, (const int[]){images(1)}, 1, ERR_INVALID, "",
           "\"images\" is none of table, text");
    refuse(NULL, NULL, 0, ERR_INVALID, "", "1 to 8 parts; 0 came");
}

static void test_labels_of_wrong_dimensions_are_refused(void **state)
{
    (void)state;
    static const char *const train[] = {"train.features", "train.labels"};
    refuse(train, (const int[]){images(2), images(2)}, 2, ERR_INVALID, "/train.labels",
           "3 dimensions found");
}

static void test_floats_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const unsigned char nan[] = {0, 0, 0, 0, 0, 0, 0xc0, 0x7f};
    static const char *const train[] = {"train.features", "train.labels"};
    refuse(train, (const int[]){npy("<f4", "(2,)", nan, 8), byte_labels("\1\2", 2)}, 2,
           ERR_INVALID, "/train.features", "row 2, element 0 of the row is not finite");
    refuse(train, (const int[]){images(2), npy("<f4", "(2,)", nan, 8)}, 2, ERR_INVALID,
           "/train.labels", "row 2, element 0 of the row is not finite");
}

static void test_too_many_rows_are_refused(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.max_rows = 2;
    ingest_run_add(&run, "train.features", images(3));
    ingest_run_go(&run);
    assert_refused(&run, ERR_TOO_LARGE, "/train.features", "3 rows; at most 2");
    ingest_run_release(&run);
}

static void test_truncated_gzip_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[64];
    static const uint32_t dims[] = {3, 2, 3};
    size_t length = fixture_idx_bytes(UBYTE, 3, dims, "abcdefghijklmnopqr", 18, bytes);
    int fd = fixture_gzip(bytes, length);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 9), 0);
    static const char *const train[] = {"train.features"};
    refuse(train, &fd, 1, ERR_INVALID, "/train.features", "the gzip file is cut off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_and_labels_of_both_parts_are_stored),
        cmocka_unit_test(test_samples_alone_are_enough),
        cmocka_unit_test(test_a_flat_array_has_samples_of_one_number),
        cmocka_unit_test(test_labels_with_fractions_are_numbers),
        cmocka_unit_test(test_whole_floats_and_wide_integers_are_classes_too),
        cmocka_unit_test(test_negative_labels_are_listed_and_many_are_not),
        cmocka_unit_test(test_labels_of_several_numbers_have_a_width),
        cmocka_unit_test(test_a_large_sample_is_cut_in_the_preview),
        cmocka_unit_test(test_row_counts_must_agree),
        cmocka_unit_test(test_train_and_test_must_be_of_one_kind),
        cmocka_unit_test(test_needed_parts_are_named),
        cmocka_unit_test(test_every_bad_file_is_reported),
        cmocka_unit_test(test_parts_that_do_not_belong_together_are_refused),
        cmocka_unit_test(test_labels_of_wrong_dimensions_are_refused),
        cmocka_unit_test(test_floats_that_are_not_finite_are_refused),
        cmocka_unit_test(test_too_many_rows_are_refused),
        cmocka_unit_test(test_truncated_gzip_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
