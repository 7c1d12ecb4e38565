/*
 * The pipeline over a table of ten rows. With the seed 42 their permutation is
 * 7, 3, 4, 6, 9, 0, 8, 2, 5, 1 (see test_split.c), so that with two fifths held out the
 * splits are: test 3, 7; validation 4, 6; training 0, 1, 2, 5, 8, 9. What is expected of
 * the training rows was worked out by hand; the sums are beside the numbers.
 */
#include "data/pipeline.h"

#include "dataset_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 10
#define TRAIN_ROWS 6

enum { AGE, SEX, FARE, CLASS, EMPTY, CITY, PRICE, COLUMNS };

static const float ages[ROWS] = {22, NAN, 26, 35, 35, NAN, 54, 2, 27, 14};
static const int32_t sexes[ROWS] = {1, 0, 0, 0, 1, 1, 1, 1, -1, 0};
static const float fares[ROWS] = {8, 8, 8, 9, 8, 8, 51, 21, 8, 8};
static const float classes[ROWS] = {3, 1, 3, 1, 3, NAN, 1, 3, 3, 2};
static const float nothing[ROWS] = {NAN, NAN, NAN, 4, NAN, NAN, NAN, 5, NAN, NAN};
static const int32_t cities[ROWS] = {0, 2, 0, 1, 1, 2, 2, 0, 0, 2};
static const float prices[ROWS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static const char facts_text[] =
    "{'kind': 'table', 'rows': {'train': 10, 'test': 0}, 'columns': ["
    "{'name': 'Age', 'type': 'number', 'missing': 2},"
    "{'name': 'Sex', 'type': 'category', 'missing': 1, 'values': ['female', 'male']},"
    "{'name': 'Fare', 'type': 'number'},"
    "{'name': 'Class', 'type': 'number', 'missing': 1, 'integer': true,"
    " 'values': ['1', '2', '3']},"
    "{'name': 'Empty', 'type': 'number', 'missing': 8},"
    "{'name': 'City', 'type': 'category', 'values': ['A', 'B', 'C']},"
    "{'name': 'Price', 'type': 'number', 'integer': true}]}";

struct table {
    struct dataset_file *file;
    struct dataset_facts *facts;
    struct input_column inputs[COLUMNS];
    struct job_spec spec;
    struct pipeline *pipeline; /* NULL until opened */
};

static int set_up(void **state)
{
    const void *const data[COLUMNS] = {ages,    sexes,  fares, classes,
                                       nothing, cities, prices};
    struct dataset_array arrays[COLUMNS] = {0};
    for (int i = 0; i < COLUMNS; i++)
        arrays[i] = (struct dataset_array){
            .part = PART_TRAIN,
            .column = i,
            .element = i == SEX || i == CITY ? ELEMENT_INT32 : ELEMENT_FLOAT32,
            .rank = 1,
            .dims = {ROWS},
            .data = data[i]};
    struct table *table = calloc(1, sizeof(*table));
    assert_non_null(table);
    table->file = fixture_file(arrays, COLUMNS);
    table->facts = fixture_facts(facts_text);
    table->spec.seed = 42;
    table->spec.split = (struct split_spec){
        .type = SPLIT_RANDOM, .train = 0.6, .validation = 0.2, .test = 0.2};
    table->spec.features.inputs = table->inputs;
    table->spec.features.target_column = CITY;
    table->spec.features.target = TARGET_CATEGORY;
    table->spec.features.target_width = 3;
    *state = table;
    return 0;
}

static int tear_down(void **state)
{
    struct table *table = *state;
    pipeline_close(table->pipeline);
    dataset_file_close(table->file);
    facts_free(table->facts);
    free(table);
    return 0;
}

static void add_input(struct table *table, int column, enum normalization normalization,
                      enum missing_rule missing, int feature_count)
{
    table->inputs[table->spec.features.input_count++] =
        (struct input_column){.column = column,
                              .type = table->facts->columns[column].type,
                              .normalization = normalization,
                              .missing = missing,
                              .feature_count = feature_count};
}

static void open_table(struct table *table)
{
    table->pipeline = fixture_open(table->file, table->facts, &table->spec);
}

/* One number input and the features of the training rows 0, 1, 2, 5, 8, 9. */
static void assert_training_feature(struct table *table, int column,
                                    enum normalization normalization,
                                    enum missing_rule missing,
                                    const float expected[TRAIN_ROWS])
{
    add_input(table, column, normalization, missing, 1);
    open_table(table);
    float x[TRAIN_ROWS];
    int32_t labels[TRAIN_ROWS];
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 0, TRAIN_ROWS, x, labels);
    fixture_assert_floats(x, expected, TRAIN_ROWS);
}

static void test_rows_are_split_and_keep_their_order(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_MEAN, 1);
    open_table(table);
    fixture_assert_rows(table->pipeline, IN_TRAIN, (uint64_t[]){0, 1, 2, 5, 8, 9}, 6);
    fixture_assert_rows(table->pipeline, IN_VALIDATION, (uint64_t[]){4, 6}, 2);
    fixture_assert_rows(table->pipeline, IN_TEST, (uint64_t[]){3, 7}, 2);
    assert_int_equal(pipeline_dropped_rows(table->pipeline), 0);
}

/* Training ages 22, 26, 27, 14: sum 89, mean 22.25; squared differences 0.0625 + 14.0625
 * + 22.5625 + 68.0625 = 104.75, over 4 = 26.1875, std 5.117372372614684. */
#define AGE_STD 5.117372372614684

static void test_zscore_and_mean_come_from_the_training_rows_alone(void **state)
{
    static const float expected[TRAIN_ROWS] = {
        (float)(-0.25 / AGE_STD), 0, (float)(3.75 / AGE_STD), 0, (float)(4.75 / AGE_STD),
        (float)(-8.25 / AGE_STD)};
    struct table *table = *state;
    assert_training_feature(table, AGE, NORMALIZE_ZSCORE, MISSING_MEAN, expected);
    const struct preprocess *preprocess = pipeline_preprocess(table->pipeline);
    assert_float_equal(preprocess->inputs[0].number.fill, 22.25, 1e-12);
    assert_float_equal(preprocess->inputs[0].number.shift, 22.25, 1e-12);
    assert_float_equal(preprocess->inputs[0].number.scale, AGE_STD, 1e-12);

    /* The held-out rows 4 (35) and 6 (54) go through the same transform. */
    float x[2];
    int32_t labels[2];
    pipeline_fill(table->pipeline, IN_VALIDATION, NULL, 0, 2, x, labels);
    fixture_assert_floats(
        x, (float[]){(float)(12.75 / AGE_STD), (float)(31.75 / AGE_STD)}, 2);
    assert_int_equal(labels[0], 1);
    assert_int_equal(labels[1], 2);
}

/* In order 14, 22, 26, 27: the median is 24; minimum 14, width 13. */
static void test_minmax_and_median(void **state)
{
    static const float expected[TRAIN_ROWS] = {(float)(8 / 13.0),
                                               (float)(10 / 13.0),
                                               (float)(12 / 13.0),
                                               (float)(10 / 13.0),
                                               1,
                                               0};
    assert_training_feature(*state, AGE, NORMALIZE_MINMAX, MISSING_MEDIAN, expected);
}

static void test_zero_fills_before_the_normalization(void **state)
{
    static const float expected[TRAIN_ROWS] = {
        (float)(-0.25 / AGE_STD),  (float)(-22.25 / AGE_STD), (float)(3.75 / AGE_STD),
        (float)(-22.25 / AGE_STD), (float)(4.75 / AGE_STD),   (float)(-8.25 / AGE_STD)};
    assert_training_feature(*state, AGE, NORMALIZE_ZSCORE, MISSING_ZERO, expected);
}

static void test_no_normalization_keeps_the_numbers(void **state)
{
    static const float expected[TRAIN_ROWS] = {22, 22.25F, 26, 22.25F, 27, 14};
    assert_training_feature(*state, AGE, NORMALIZE_NONE, MISSING_MEAN, expected);
}

/* Every training fare is 8; those held out (9, 21) are not, and must not become huge. */
static void test_constant_column_has_the_scale_1(void **state)
{
    static const float expected[TRAIN_ROWS] = {0};
    struct table *table = *state;
    assert_training_feature(table, FARE, NORMALIZE_ZSCORE, MISSING_MEAN, expected);
    float x[2];
    int32_t labels[2];
    pipeline_fill(table->pipeline, IN_TEST, NULL, 0, 2, x, labels);
    fixture_assert_floats(x, (float[]){1, 13}, 2);
}

static void test_column_without_training_values_is_filled_with_0(void **state)
{
    static const float expected[TRAIN_ROWS] = {0};
    struct table *table = *state;
    assert_training_feature(table, EMPTY, NORMALIZE_ZSCORE, MISSING_MEDIAN, expected);
    float x[2];
    int32_t labels[2];
    pipeline_fill(table->pipeline, IN_TEST, NULL, 0, 2, x, labels);
    fixture_assert_floats(x, (float[]){4, 5}, 2);
}

static void test_indicator_marks_what_was_missing(void **state)
{
    static const float expected[TRAIN_ROWS][5] = {
        /* age, missing, female, male, missing */
        {22, 0, 0, 1, 0},     {22.25F, 1, 1, 0, 0}, {26, 0, 1, 0, 0},
        {22.25F, 1, 0, 1, 0}, {27, 0, 0, 0, 1},     {14, 0, 1, 0, 0}};
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_INDICATOR, 2);
    add_input(table, SEX, NORMALIZE_NONE, MISSING_INDICATOR, 3);
    open_table(table);
    float x[TRAIN_ROWS][5];
    int32_t labels[TRAIN_ROWS];
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 0, TRAIN_ROWS, &x[0][0], labels);
    fixture_assert_floats(&x[0][0], &expected[0][0], 30);
}

/* City B is in no training row, but keeps its feature. */
static void test_category_is_one_hot_in_the_order_of_the_facts(void **state)
{
    static const float expected[TRAIN_ROWS][5] = {{1, 0, 0, 0, 1}, {0, 0, 1, 1, 0},
                                                  {1, 0, 0, 1, 0}, {0, 0, 1, 0, 1},
                                                  {1, 0, 0, 0, 0}, {0, 0, 1, 1, 0}};
    struct table *table = *state;
    add_input(table, CITY, NORMALIZE_NONE, MISSING_MEAN, 3);
    add_input(table, SEX, NORMALIZE_NONE, MISSING_MEAN, 2);
    open_table(table);
    float x[TRAIN_ROWS][5];
    int32_t labels[TRAIN_ROWS];
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 0, TRAIN_ROWS, &x[0][0], labels);
    fixture_assert_floats(&x[0][0], &expected[0][0], 30);
    static const int32_t expected_labels[TRAIN_ROWS] = {0, 2, 0, 2, 0, 2};
    assert_memory_equal(labels, expected_labels, sizeof(labels));
    const struct preprocess *preprocess = pipeline_preprocess(table->pipeline);
    assert_int_equal(preprocess->class_count, 3);
    assert_string_equal(preprocess->classes[1], "B");
    assert_string_equal(preprocess->target_name, "City");
}

static void add_class_as_category(struct table *table, enum missing_rule missing,
                                  int feature_count)
{
    add_input(table, CLASS, NORMALIZE_NONE, missing, feature_count);
    table->inputs[table->spec.features.input_count - 1].type = COLUMN_CATEGORY;
}

/* Class is stored as numbers; row 5 has none. */
static void test_listed_numbers_can_be_a_category(void **state)
{
    static const float expected[TRAIN_ROWS][4] = {{0, 0, 1, 0}, {1, 0, 0, 0},
                                                  {0, 0, 1, 0}, {0, 0, 0, 1},
                                                  {0, 0, 1, 0}, {0, 1, 0, 0}};
    struct table *table = *state;
    add_class_as_category(table, MISSING_INDICATOR, 4);
    open_table(table);
    float x[TRAIN_ROWS][4];
    int32_t labels[TRAIN_ROWS];
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 0, TRAIN_ROWS, &x[0][0], labels);
    fixture_assert_floats(&x[0][0], &expected[0][0], 24);
    const struct preprocess_column *column =
        &pipeline_preprocess(table->pipeline)->inputs[0];
    assert_int_equal(column->type, COLUMN_CATEGORY);
    assert_int_equal(column->value_count, 3);
    assert_string_equal(column->values[2], "3");
}

static void test_drop_leaves_out_rows_without_a_listed_number(void **state)
{
    struct table *table = *state;
    add_class_as_category(table, MISSING_DROP, 3);
    open_table(table);
    assert_int_equal(pipeline_dropped_rows(table->pipeline), 1);
}

/* Rows 1 and 5 have no age, row 8 has no sex: 7 rows are left, of which llround(1.4) = 1
 * is for the test and 1 for validation. */
static void test_drop_leaves_rows_out_before_they_are_split(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_DROP, 1);
    add_input(table, SEX, NORMALIZE_NONE, MISSING_DROP, 2);
    open_table(table);
    assert_int_equal(pipeline_dropped_rows(table->pipeline), 3);
    assert_int_equal(pipeline_rows(table->pipeline, IN_TRAIN), 5);
    assert_int_equal(pipeline_rows(table->pipeline, IN_VALIDATION), 1);
    assert_int_equal(pipeline_rows(table->pipeline, IN_TEST), 1);
    for (int s = 0; s < SPLIT_COUNT; s++) {
        uint64_t rows[TRAIN_ROWS];
        size_t count = pipeline_rows(table->pipeline, (enum split)s);
        pipeline_source_rows(table->pipeline, (enum split)s, NULL, 0, count, rows);
        for (size_t i = 0; i < count; i++)
            assert_true(rows[i] != 1 && rows[i] != 5 && rows[i] != 8);
    }
    assert_true(pipeline_preprocess(table->pipeline)->inputs[0].required);
}

/* Class is stored as numbers; row 5 has none. */
static void test_listed_numbers_are_labels_and_rows_without_one_are_dropped(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_MEAN, 1);
    table->spec.features.target_column = CLASS;
    open_table(table);
    assert_int_equal(pipeline_dropped_rows(table->pipeline), 1);
    size_t seen = 0;
    for (int s = 0; s < SPLIT_COUNT; s++) {
        size_t count = pipeline_rows(table->pipeline, (enum split)s);
        float x[ROWS];
        int32_t labels[ROWS];
        uint64_t rows[ROWS];
        pipeline_fill(table->pipeline, (enum split)s, NULL, 0, count, x, labels);
        pipeline_source_rows(table->pipeline, (enum split)s, NULL, 0, count, rows);
        for (size_t i = 0; i < count; i++) {
            assert_int_not_equal(rows[i], 5);
            assert_int_equal(labels[i] + 1, (int)classes[rows[i]]);
        }
        seen += count;
    }
    assert_int_equal(seen, 9);
    assert_string_equal(pipeline_preprocess(table->pipeline)->classes[2], "3");
}

/* Training prices 1, 2, 3, 6, 9, 10: sum 31, mean 31/6; sum of squares 231, so the
 * variance is 231/6 - (31/6)^2 = 11.805556 and the std 3.4359214. */
static void test_number_target_is_normalized_by_the_training_rows(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_MEAN, 1);
    table->spec.features.target_column = PRICE;
    table->spec.features.target = TARGET_NUMBER;
    table->spec.features.target_normalization = NORMALIZE_ZSCORE;
    table->spec.features.target_width = 1;
    open_table(table);
    float x[2], y[2];
    pipeline_fill(table->pipeline, IN_TEST, NULL, 0, 2, x, y);
    double mean = 31 / 6.0, std = sqrt(231 / 6.0 - mean * mean);
    fixture_assert_floats(
        y, (float[]){(float)((4 - mean) / std), (float)((8 - mean) / std)}, 2);
    assert_float_equal(pipeline_preprocess(table->pipeline)->target_number.scale,
                       3.4359214, 1e-6);
}

static void test_stratified_split_shares_out_each_class(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_MEAN, 1);
    table->spec.features.target_column = SEX; /* five male, four female, one without */
    table->spec.features.target_width = 2;
    table->spec.split = (struct split_spec){
        .type = SPLIT_STRATIFIED, .train = 0.56, .validation = 0.22, .test = 0.22};
    open_table(table);
    /* 9 rows: 2 for the test, 2 for validation, and of each one of either sex. */
    for (int s = IN_VALIDATION; s <= IN_TEST; s++) {
        float x[2];
        int32_t labels[2];
        assert_int_equal(pipeline_rows(table->pipeline, (enum split)s), 2);
        pipeline_fill(table->pipeline, (enum split)s, NULL, 0, 2, x, labels);
        assert_int_equal(labels[0] + labels[1], 1);
    }
}

static void test_any_range_and_order_gives_the_same_rows(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_ZSCORE, MISSING_MEAN, 1);
    add_input(table, SEX, NORMALIZE_NONE, MISSING_INDICATOR, 3);
    open_table(table);
    float whole[TRAIN_ROWS][4], piece[2][4];
    int32_t labels[TRAIN_ROWS], piece_labels[2];
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 0, TRAIN_ROWS, &whole[0][0], labels);
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 3, 2, &piece[0][0], piece_labels);
    assert_memory_equal(piece, whole[3], sizeof(piece));
    assert_memory_equal(piece_labels, &labels[3], sizeof(piece_labels));
    static const uint32_t order[2] = {5, 2};
    uint64_t source[2];
    pipeline_fill(table->pipeline, IN_TRAIN, order, 0, 2, &piece[0][0], piece_labels);
    pipeline_source_rows(table->pipeline, IN_TRAIN, order, 0, 2, source);
    assert_memory_equal(piece[0], whole[5], sizeof(piece[0]));
    assert_memory_equal(piece[1], whole[2], sizeof(piece[1]));
    assert_int_equal(piece_labels[0], labels[5]);
    assert_int_equal(source[0], 9);
    assert_int_equal(source[1], 2);
    pipeline_fill(table->pipeline, IN_TRAIN, order, 0, 0, NULL, NULL);
}

/* From the independent generator of test_split.c. */
static void test_shuffle_depends_on_seed_and_epoch_alone(void **state)
{
    static const uint32_t expected[3][TRAIN_ROWS] = {
        {3, 2, 4, 5, 0, 1}, {3, 1, 2, 0, 4, 5}, {5, 3, 4, 2, 0, 1}};
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_NONE, MISSING_MEAN, 1);
    open_table(table);
    uint32_t order[TRAIN_ROWS];
    for (int repeat = 0; repeat < 2; repeat++)
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            pipeline_shuffle(table->pipeline, epoch, order);
            assert_memory_equal(order, expected[epoch], sizeof(order));
        }
}

/* A predict request with a row's values as they were uploaded gives the same bits. */
static void test_request_gives_the_bits_of_training(void **state)
{
    struct table *table = *state;
    add_input(table, AGE, NORMALIZE_ZSCORE, MISSING_INDICATOR, 2);
    add_input(table, SEX, NORMALIZE_NONE, MISSING_MEAN, 2);
    add_input(table, PRICE, NORMALIZE_MINMAX, MISSING_MEDIAN, 1);
    add_class_as_category(table, MISSING_ZERO, 3);
    open_table(table);
    json_t *body =
        fixture_json("{'rows': [{'Age': 22, 'Sex': 'male', 'Price': '1', 'Class': 3},"
                     "{'Sex': 'female', 'Price': 2.0, 'Class': '1'},"
                     "{'Age': 26.0, 'Sex': 'female', 'Price': 3, 'Class': '3.0'},"
                     "{'Age': null, 'Sex': 'male', 'Price': 6, 'Class': null},"
                     "{'Age': '27', 'Sex': null, 'Price': 9, 'Class': 3.0},"
                     "{'Age': 14, 'Sex': 'female', 'Price': 10, 'Class': 2}]}");
    struct violations violations;
    violations_init(&violations);
    float *x = NULL, trained[TRAIN_ROWS * 8];
    int32_t labels[TRAIN_ROWS];
    size_t rows = 0;
    assert_int_equal(preprocess_request(pipeline_preprocess(table->pipeline), body, 10,
                                        &x, &rows, &violations),
                     0);
    assert_int_equal(rows, TRAIN_ROWS);
    pipeline_fill(table->pipeline, IN_TRAIN, NULL, 0, TRAIN_ROWS, trained, labels);
    assert_memory_equal(x, trained, sizeof(trained));
    free(x);
    json_decref(body);
    violations_release(&violations);
}

#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TABLE_TEST(test_rows_are_split_and_keep_their_order),
        TABLE_TEST(test_zscore_and_mean_come_from_the_training_rows_alone),
        TABLE_TEST(test_minmax_and_median),
        TABLE_TEST(test_zero_fills_before_the_normalization),
        TABLE_TEST(test_no_normalization_keeps_the_numbers),
        TABLE_TEST(test_constant_column_has_the_scale_1),
        TABLE_TEST(test_column_without_training_values_is_filled_with_0),
        TABLE_TEST(test_indicator_marks_what_was_missing),
        TABLE_TEST(test_category_is_one_hot_in_the_order_of_the_facts),
        TABLE_TEST(test_listed_numbers_can_be_a_category),
        TABLE_TEST(test_drop_leaves_out_rows_without_a_listed_number),
        TABLE_TEST(test_drop_leaves_rows_out_before_they_are_split),
        TABLE_TEST(test_listed_numbers_are_labels_and_rows_without_one_are_dropped),
        TABLE_TEST(test_number_target_is_normalized_by_the_training_rows),
        TABLE_TEST(test_stratified_split_shares_out_each_class),
        TABLE_TEST(test_any_range_and_order_gives_the_same_rows),
        TABLE_TEST(test_shuffle_depends_on_seed_and_epoch_alone),
        TABLE_TEST(test_request_gives_the_bits_of_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
