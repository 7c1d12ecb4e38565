/*
 * The pipeline over arrays: eight train samples of shape [2, 3], four test samples. With
 * the seed 42 the permutation of eight rows is 2, 6, 5, 0, 3, 7, 4, 1 (independent
 * generator, see test_split.c).
 */
#include "data/pipeline.h"

#include "dataset_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRAIN 8
#define TEST 4
#define WIDTH 6

static const int32_t train_codes[TRAIN] = {0, 1, 2, 0, 1, 2, 0, 1};
static const int32_t test_codes[TEST] = {2, -1, 1, 0};

/* Sample r of the train part is 6r … 6r + 5, of the test part 100 + 6r …. */
struct samples {
    enum element_type element;
    double train[TRAIN * WIDTH], test[TEST * WIDTH];
    unsigned char train_bytes[TRAIN * WIDTH * sizeof(double)];
    unsigned char test_bytes[TEST * WIDTH * sizeof(double)];
};

static void put_element(enum element_type element, unsigned char *bytes, size_t index,
                        double x)
{
    const union {
        uint8_t u8;
        int8_t i8;
        int16_t i16;
        int32_t i32;
        float f32;
        double f64;
    } values[] = {
        [ELEMENT_UINT8] = {.u8 = (uint8_t)x},  [ELEMENT_INT8] = {.i8 = (int8_t)x},
        [ELEMENT_INT16] = {.i16 = (int16_t)x}, [ELEMENT_INT32] = {.i32 = (int32_t)x},
        [ELEMENT_FLOAT32] = {.f32 = (float)x}, [ELEMENT_FLOAT64] = {.f64 = x},
    };
    size_t size = element_type_bytes(element);
    memcpy(bytes + index * size, &values[element], size);
}

static void make_samples(struct samples *samples, enum element_type element)
{
    samples->element = element;
    for (size_t i = 0; i < TRAIN * WIDTH; i++) {
        samples->train[i] = (double)i;
        put_element(element, samples->train_bytes, i, samples->train[i]);
    }
    for (size_t i = 0; i < TEST * WIDTH; i++) {
        samples->test[i] = 100.0 + (double)i;
        put_element(element, samples->test_bytes, i, samples->test[i]);
    }
}

static const char facts_format[] =
    "{'kind': 'arrays', 'rows': {'train': 8, 'test': 4}, 'element': '%s',"
    "'sample_shape': [2, 3], 'columns': [{'name': 'label', 'type': 'number',"
    "'integer': true, 'missing': 1, 'values': ['-1', '5', '70']}]}";

struct arrays {
    struct dataset_file *file;
    struct dataset_facts *facts;
    struct job_spec spec;
    struct pipeline *pipeline;
};

/* A spec for labels as classes and a fixed split with two rows for validation. */
static void open_arrays(struct arrays *arrays, const struct samples *samples,
                        enum normalization normalization)
{
    const struct dataset_array written[] = {
        {PART_TRAIN,
         DATASET_FEATURES,
         samples->element,
         3,
         {TRAIN, 2, 3},
         samples->train_bytes,
         0},
        {PART_TRAIN, 0, ELEMENT_INT32, 1, {TRAIN}, train_codes, 0},
        {PART_TEST,
         DATASET_FEATURES,
         samples->element,
         3,
         {TEST, 2, 3},
         samples->test_bytes,
         0},
        {PART_TEST, 0, ELEMENT_INT32, 1, {TEST}, test_codes, 0},
    };
    char text[sizeof(facts_format) + 16];
    snprintf(text, sizeof(text), facts_format, element_type_name(samples->element));
    *arrays =
        (struct arrays){.file = fixture_file(written, 4), .facts = fixture_facts(text)};
    arrays->spec.seed = 42;
    arrays->spec.split =
        (struct split_spec){.type = SPLIT_FIXED, .train = 0.75, .validation = 0.25};
    arrays->spec.features.array_normalization = normalization;
    arrays->spec.features.target = TARGET_CATEGORY;
    arrays->spec.features.target_width = 3;
    arrays->pipeline = fixture_open(arrays->file, arrays->facts, &arrays->spec);
}

static void close_arrays(struct arrays *arrays)
{
    pipeline_close(arrays->pipeline);
    dataset_file_close(arrays->file);
    facts_free(arrays->facts);
}

/* The permutation's first two rows, 2 and 6, are for validation. Test row 1 has no label.
 */
static void
test_fixed_split_takes_the_test_part_and_cuts_validation_from_train(void **state)
{
    (void)state;
    struct samples samples;
    struct arrays arrays;
    make_samples(&samples, ELEMENT_UINT8);
    open_arrays(&arrays, &samples, NORMALIZE_BYTES);
    fixture_assert_rows(arrays.pipeline, IN_VALIDATION, (uint64_t[]){2, 6}, 2);
    fixture_assert_rows(arrays.pipeline, IN_TRAIN, (uint64_t[]){0, 1, 3, 4, 5, 7}, 6);
    fixture_assert_rows(arrays.pipeline, IN_TEST, (uint64_t[]){0, 2, 3}, 3);
    assert_int_equal(pipeline_dropped_rows(arrays.pipeline), 1);
    float x[3 * WIDTH];
    int32_t labels[3];
    pipeline_fill(arrays.pipeline, IN_TEST, NULL, 0, 3, x, labels);
    assert_int_equal(labels[0], 2);
    assert_int_equal(labels[1], 1);
    assert_int_equal(labels[2], 0);
    assert_true(x[WIDTH] == 112.0F / 255.0F);
    close_arrays(&arrays);
}

/* Rows without a label are kept, and the target is what the network gets. */
static void test_the_input_may_be_the_target(void **state)
{
    (void)state;
    struct samples samples;
    struct arrays arrays;
    make_samples(&samples, ELEMENT_UINT8);
    open_arrays(&arrays, &samples, NORMALIZE_BYTES);
    pipeline_close(arrays.pipeline);
    arrays.spec.features.reconstructs = true;
    arrays.spec.features.target = TARGET_NUMBER;
    arrays.spec.features.target_column = -1;
    arrays.spec.features.target_width = WIDTH;
    arrays.pipeline = fixture_open(arrays.file, arrays.facts, &arrays.spec);
    assert_int_equal(pipeline_dropped_rows(arrays.pipeline), 0);
    assert_int_equal(pipeline_rows(arrays.pipeline, IN_TEST), TEST);
    float x[2 * WIDTH], target[2 * WIDTH];
    const uint32_t order[] = {3, 1};
    pipeline_fill(arrays.pipeline, IN_TEST, order, 0, 2, x, target);
    assert_memory_equal(x, target, sizeof(x));
    assert_true(x[0] == 118.0F / 255.0F);
    const struct preprocess *preprocess = pipeline_preprocess(arrays.pipeline);
    assert_true(preprocess->reconstructs && !preprocess->target_name);
    assert_int_equal(preprocess->target_width, WIDTH);
    assert_true(preprocess->target_number.scale == 255.0); /* errors in its own units */
    close_arrays(&arrays);
}

static void test_bytes_are_divided_by_255_to_the_bit(void **state)
{
    (void)state;
    uint8_t bytes[256];
    int32_t codes[256] = {0};
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    const struct dataset_array written[] = {
        {PART_TRAIN, DATASET_FEATURES, ELEMENT_UINT8, 2, {256, 1}, bytes, 0},
        {PART_TRAIN, 0, ELEMENT_INT32, 1, {256}, codes, 0},
    };
    struct dataset_file *file = fixture_file(written, 2);
    struct dataset_facts *facts = fixture_facts(
        "{'kind': 'arrays', 'rows': {'train': 256}, 'element': 'uint8', 'sample_shape': "
        "[1],"
        "'columns': [{'name': 'label', 'type': 'number', 'values': ['0', '1']}]}");
    struct job_spec spec = {.split = {.type = SPLIT_RANDOM, .train = 1}};
    spec.features.array_normalization = NORMALIZE_BYTES;
    spec.features.target_width = 2;
    struct pipeline *pipeline = fixture_open(file, facts, &spec);
    float x[256];
    int32_t labels[256];
    pipeline_fill(pipeline, IN_TRAIN, NULL, 0, 256, x, labels);
    for (int i = 0; i < 256; i++)
        assert_true(x[i] == (float)i / 255.0F); /* what PyTorch users write */
    pipeline_close(pipeline);
    facts_free(facts);
    dataset_file_close(file);
}

/* Every element type, as it is and by the mean and std of the training rows' elements. */
static void test_every_element_type_is_read_and_normalized(void **state)
{
    (void)state;
    for (int e = ELEMENT_UINT8; e <= ELEMENT_FLOAT64; e++) {
        struct samples samples;
        struct arrays arrays;
        make_samples(&samples, (enum element_type)e);
        static const size_t train_rows[6] = {0, 1, 3, 4, 5, 7};
        double sum = 0, squares = 0;
        for (size_t r = 0; r < 6; r++)
            for (size_t k = 0; k < WIDTH; k++)
                sum += samples.train[train_rows[r] * WIDTH + k];
        double mean = sum / 36;
        for (size_t r = 0; r < 6; r++)
            for (size_t k = 0; k < WIDTH; k++)
                squares += pow(samples.train[train_rows[r] * WIDTH + k] - mean, 2);
        double std = sqrt(squares / 36);

        float x[WIDTH], expected[WIDTH];
        int32_t label;
        open_arrays(&arrays, &samples, NORMALIZE_NONE);
        for (size_t r = 0; r < 6; r++) {
            pipeline_fill(arrays.pipeline, IN_TRAIN, NULL, r, 1, x, &label);
            assert_int_equal(label, train_codes[train_rows[r]]);
            for (size_t k = 0; k < WIDTH; k++)
                assert_true((double)x[k] == samples.train[train_rows[r] * WIDTH + k]);
        }
        close_arrays(&arrays);

        open_arrays(&arrays, &samples, NORMALIZE_ZSCORE);
        for (size_t r = 0; r < 6; r++) {
            pipeline_fill(arrays.pipeline, IN_TRAIN, NULL, r, 1, x, &label);
            for (size_t k = 0; k < WIDTH; k++)
                expected[k] =
                    (float)((samples.train[train_rows[r] * WIDTH + k] - mean) / std);
            fixture_assert_floats(x, expected, WIDTH);
        }
        close_arrays(&arrays);
    }
}

static void test_negative_bytes_keep_their_sign(void **state)
{
    (void)state;
    struct samples samples;
    make_samples(&samples, ELEMENT_INT8);
    for (size_t i = 0; i < TRAIN * WIDTH; i++) {
        samples.train[i] = (double)i - 24.0 - 104.0 * (i == 0);
        put_element(ELEMENT_INT8, samples.train_bytes, i, samples.train[i]);
    }
    struct arrays arrays;
    open_arrays(&arrays, &samples, NORMALIZE_NONE);
    size_t count = pipeline_rows(arrays.pipeline, IN_TRAIN);
    float x[TRAIN * WIDTH];
    int32_t labels[TRAIN];
    uint64_t rows[TRAIN];
    pipeline_fill(arrays.pipeline, IN_TRAIN, NULL, 0, count, x, labels);
    pipeline_source_rows(arrays.pipeline, IN_TRAIN, NULL, 0, count, rows);
    for (size_t i = 0; i < count * WIDTH; i++)
        assert_true((double)x[i] == samples.train[rows[i / WIDTH] * WIDTH + i % WIDTH]);
    assert_true(x[0] == -128.0F);
    close_arrays(&arrays);
}

static void test_coded_labels_can_be_numbers_to_predict(void **state)
{
    (void)state;
    struct samples samples;
    struct arrays arrays;
    make_samples(&samples, ELEMENT_FLOAT32);
    open_arrays(&arrays, &samples, NORMALIZE_NONE);
    pipeline_close(arrays.pipeline);
    arrays.spec.features.target = TARGET_NUMBER;
    arrays.spec.features.target_width = 1;
    arrays.pipeline = fixture_open(arrays.file, arrays.facts, &arrays.spec);
    float x[3 * WIDTH], y[3];
    pipeline_fill(arrays.pipeline, IN_TEST, NULL, 0, 3, x, y);
    fixture_assert_floats(y, (float[]){70, 5, -1}, 3); /* the values of codes 2, 1, 0 */
    close_arrays(&arrays);
}

/* Labels [4, 2]; row 2 lacks one of its two numbers. Kept: 1, 2, 3, 4, 7, 9; mean 26/6,
 * sum of squares 160, variance 160/6 - (26/6)^2 = 7.888889. */
static void test_labels_of_rank_2_share_one_normalization(void **state)
{
    (void)state;
    static const float samples[4] = {0, 1, 2, 3};
    static const float targets[4][2] = {{1, 2}, {3, 4}, {5, NAN}, {7, 9}};
    const struct dataset_array written[] = {
        {PART_TRAIN, DATASET_FEATURES, ELEMENT_FLOAT32, 1, {4}, samples, 0},
        {PART_TRAIN, 0, ELEMENT_FLOAT32, 2, {4, 2}, targets, 0},
    };
    struct dataset_file *file = fixture_file(written, 2);
    struct dataset_facts *facts =
        fixture_facts("{'kind': 'arrays', 'rows': {'train': 4}, 'element': 'float32', "
                      "'sample_shape': [1],"
                      "'columns': [{'name': 'label', 'type': 'number', 'width': 2}]}");
    struct job_spec spec = {.split = {.type = SPLIT_RANDOM, .train = 1}};
    spec.features.target = TARGET_NUMBER;
    spec.features.target_normalization = NORMALIZE_ZSCORE;
    spec.features.target_width = 2;
    struct pipeline *pipeline = fixture_open(file, facts, &spec);
    fixture_assert_rows(pipeline, IN_TRAIN, (uint64_t[]){0, 1, 3}, 3);
    float x[3], y[6], expected[6];
    pipeline_fill(pipeline, IN_TRAIN, NULL, 0, 3, x, y);
    static const double kept[6] = {1, 2, 3, 4, 7, 9};
    for (int i = 0; i < 6; i++)
        expected[i] = (float)((kept[i] - 26 / 6.0) / sqrt(160 / 6.0 - 26 * 26 / 36.0));
    fixture_assert_floats(y, expected, 6);
    pipeline_close(pipeline);
    facts_free(facts);
    dataset_file_close(file);
}

static void test_request_of_nested_lists_gives_the_bits_of_training(void **state)
{
    (void)state;
    for (int e = ELEMENT_UINT8; e <= ELEMENT_FLOAT64; e++) {
        struct samples samples;
        struct arrays arrays;
        make_samples(&samples, (enum element_type)e);
        open_arrays(&arrays, &samples, NORMALIZE_ZSCORE);
        json_t *body = fixture_json("{'inputs': [[[100, 101, 102], [103, 104, 105]],"
                                    "[112, 113, 114, 115, 116, 117]]}");
        struct violations violations;
        violations_init(&violations);
        float *x = NULL, tested[2 * WIDTH];
        int32_t labels[2];
        size_t rows = 0;
        assert_int_equal(preprocess_request(pipeline_preprocess(arrays.pipeline), body, 2,
                                            &x, &rows, &violations),
                         0);
        pipeline_fill(arrays.pipeline, IN_TEST, NULL, 0, 2, tested, labels);
        assert_memory_equal(x, tested, sizeof(tested));
        free(x);
        violations_release(&violations);
        json_decref(body);
        close_arrays(&arrays);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_fixed_split_takes_the_test_part_and_cuts_validation_from_train),
        cmocka_unit_test(test_the_input_may_be_the_target),
        cmocka_unit_test(test_bytes_are_divided_by_255_to_the_bit),
        cmocka_unit_test(test_every_element_type_is_read_and_normalized),
        cmocka_unit_test(test_negative_bytes_keep_their_sign),
        cmocka_unit_test(test_coded_labels_can_be_numbers_to_predict),
        cmocka_unit_test(test_labels_of_rank_2_share_one_normalization),
        cmocka_unit_test(test_request_of_nested_lists_gives_the_bits_of_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
