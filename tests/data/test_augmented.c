/*
 * Augmented rows: which row and draw a position gets, what mixing makes of rows and
 * targets, and that neither depends on how an epoch is cut.
 */
#include "data/augment.h"
#include "data/augmented.h"
#include "dataset_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 23
#define SIDE 5
#define WIDTH (SIDE * SIDE)

struct images {
    float samples[ROWS * WIDTH];
    int32_t labels[ROWS];
    float numbers[ROWS * 2];
    struct dataset_file *file;
    struct dataset_facts *facts;
    struct job_spec spec;
    struct pipeline *pipeline;
    uint32_t order[ROWS];
    struct augmented_rows rows;
};

static void open_images(struct images *images, bool numbers, double mixup_alpha)
{
    *images = (struct images){0};
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        images->samples[i] = (float)(i % 97) / 8;
    for (size_t r = 0; r < ROWS; r++) {
        images->labels[r] = (int32_t)(r % 3);
        images->numbers[2 * r] = (float)r;
        images->numbers[2 * r + 1] = -(float)r;
    }
    const struct dataset_array arrays[] = {
        {PART_TRAIN,
         DATASET_FEATURES,
         ELEMENT_FLOAT32,
         3,
         {ROWS, SIDE, SIDE},
         images->samples,
         0},
        numbers ? (struct dataset_array){PART_TRAIN,
                                         0,
                                         ELEMENT_FLOAT32,
                                         2,
                                         {ROWS, 2},
                                         images->numbers,
                                         0}
                : (struct dataset_array){PART_TRAIN,
                                         0,
                                         ELEMENT_INT32,
                                         1,
                                         {ROWS},
                                         images->labels,
                                         0},
    };
    images->file = fixture_file(arrays, 2);
    images->facts = fixture_facts(
        numbers ? "{'kind': 'arrays', 'rows': {'train': 23, 'test': 0}, 'element':"
                  "'float32', 'sample_shape': [5, 5], 'columns': [{'name': 'label',"
                  "'type': 'number', 'missing': 0, 'width': 2}]}"
                : "{'kind': 'arrays', 'rows': {'train': 23, 'test': 0}, 'element':"
                  "'float32', 'sample_shape': [5, 5], 'columns': [{'name': 'label',"
                  "'type': 'number', 'integer': true, 'missing': 0, 'values': ['0', '1',"
                  "'2']}]}");
    struct job_spec *spec = &images->spec;
    spec->seed = 42;
    spec->split = (struct split_spec){.type = SPLIT_RANDOM, .train = 1};
    spec->features.target = numbers ? TARGET_NUMBER : TARGET_CATEGORY;
    spec->features.target_width = numbers ? 2 : 3;
    spec->features.input_shape = (struct shape){.rank = 2, .dims = {SIDE, SIDE}};
    spec->augmentation = (struct augment_spec){
        .count = 2,
        .steps = {{.type = AUGMENT_HORIZONTAL_FLIP, .probability = 0.5},
                  {.type = AUGMENT_SHIFT, .probability = 1, .pixels = 1}},
        .mixup_alpha = mixup_alpha,
    };
    images->pipeline = fixture_open(images->file, images->facts, spec);
    pipeline_shuffle(images->pipeline, 7, images->order);
    images->rows = (struct augmented_rows){
        .pipeline = images->pipeline,
        .spec = spec,
        .epoch = 7,
        .order = images->order,
        .room = calloc(augmented_room(spec), sizeof(float)),
    };
    assert_non_null(images->rows.room);
}

static void close_images(struct images *images)
{
    free(images->rows.room);
    pipeline_close(images->pipeline);
    dataset_file_close(images->file);
    facts_free(images->facts);
}

/* The row at a position, augmented, by hand. */
static uint32_t expect_row(const struct images *images, size_t position, float x[WIDTH])
{
    static const struct image_size size = {SIDE, SIDE, 1};
    float room[WIDTH];
    uint64_t row;
    pipeline_source_rows(images->pipeline, IN_TRAIN, images->order + position, 0, 1,
                         &row);
    memcpy(x, images->samples + row * WIDTH, WIDTH * sizeof(*x));
    struct augment_draw draw = {42, 7, row};
    augment_image(&images->spec.augmentation, &size, &draw, x, room);
    return (uint32_t)row;
}

static void test_a_row_is_augmented_by_its_own_draw(void **state)
{
    (void)state;
    struct images images;
    open_images(&images, false, 0);
    float x[ROWS * WIDTH], expected[WIDTH];
    int32_t labels[ROWS];
    assert_int_equal(augmented_target_bytes(&images.spec), sizeof(int32_t));
    augmented_fill(&images.rows, 0, ROWS, x, labels);
    for (size_t position = 0; position < ROWS; position++) {
        uint32_t row = expect_row(&images, position, expected);
        assert_memory_equal(x + position * WIDTH, expected, sizeof(expected));
        assert_int_equal(labels[position], images.labels[row]);
    }
    close_images(&images);
}

static void test_mixup_mixes_with_the_next_row_of_the_order(void **state)
{
    (void)state;
    struct images images;
    open_images(&images, false, 0.7);
    float x[ROWS * WIDTH], own[WIDTH], next[WIDTH];
    struct mixed_label labels[ROWS];
    assert_int_equal(augmented_target_bytes(&images.spec), sizeof(labels[0]));
    augmented_fill(&images.rows, 0, ROWS, x, labels);
    for (size_t position = 0; position < ROWS; position++) {
        uint32_t row = expect_row(&images, position, own);
        uint32_t other = expect_row(&images, (position + 1) % ROWS, next);
        struct augment_draw draw = {42, 7, row};
        float share = (float)augment_mixup_share(0.7, &draw);
        float mixed[WIDTH];
        for (size_t i = 0; i < WIDTH; i++)
            mixed[i] = share * own[i] + (1 - share) * next[i];
        fixture_assert_floats(x + position * WIDTH, mixed, WIDTH);
        assert_int_equal(labels[position].label, images.labels[row]);
        assert_int_equal(labels[position].other, images.labels[other]);
        assert_true(labels[position].share == share);
    }
    close_images(&images);
}

static void test_mixup_mixes_numbers(void **state)
{
    (void)state;
    struct images images;
    open_images(&images, true, 0.7);
    float x[ROWS * WIDTH], numbers[ROWS * 2], ignored[WIDTH];
    assert_int_equal(augmented_target_bytes(&images.spec), 2 * sizeof(float));
    augmented_fill(&images.rows, 0, ROWS, x, numbers);
    for (size_t position = 0; position < ROWS; position++) {
        uint32_t row = expect_row(&images, position, ignored);
        uint32_t other = expect_row(&images, (position + 1) % ROWS, ignored);
        struct augment_draw draw = {42, 7, row};
        float share = (float)augment_mixup_share(0.7, &draw);
        float mixed = share * (float)row + (1 - share) * (float)other;
        const float expected[2] = {mixed, -mixed};
        fixture_assert_floats(numbers + 2 * position, expected, 2);
    }
    close_images(&images);
}

/* Batches and slices cut an epoch in many ways; every way gives the same bytes. */
static void check_cuts(bool numbers, double mixup_alpha)
{
    struct images images;
    open_images(&images, numbers, mixup_alpha);
    size_t bytes = augmented_target_bytes(&images.spec);
    float whole[ROWS * WIDTH], cut[ROWS * WIDTH];
    char whole_targets[ROWS * sizeof(struct mixed_label)];
    char cut_targets[sizeof(whole_targets)];
    augmented_fill(&images.rows, 0, ROWS, whole, whole_targets);
    for (size_t part = 1; part < ROWS; part++) {
        /* From the last part to the first: what came before has no influence. */
        size_t parts = (ROWS + part - 1) / part;
        for (size_t p = parts; p-- > 0;) {
            size_t first = p * part, count = ROWS - first < part ? ROWS - first : part;
            augmented_fill(&images.rows, first, count, cut + first * WIDTH,
                           cut_targets + first * bytes);
        }
        assert_memory_equal(whole, cut, sizeof(whole));
        assert_memory_equal(whole_targets, cut_targets, ROWS * bytes);
    }
    close_images(&images);
}

static void test_cuts_of_an_epoch_give_the_same_bytes(void **state)
{
    (void)state;
    check_cuts(false, 0);
    check_cuts(false, 0.2);
    check_cuts(true, 0);
    check_cuts(true, 0.2);
}

static void test_epochs_differ(void **state)
{
    (void)state;
    struct images images;
    open_images(&images, false, 0);
    float first[ROWS * WIDTH], second[ROWS * WIDTH];
    int32_t labels[ROWS];
    augmented_fill(&images.rows, 0, ROWS, first, labels);
    images.rows.epoch = 8; /* in the same order */
    augmented_fill(&images.rows, 0, ROWS, second, labels);
    assert_memory_not_equal(first, second, sizeof(first));
    close_images(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_is_augmented_by_its_own_draw),
        cmocka_unit_test(test_mixup_mixes_with_the_next_row_of_the_order),
        cmocka_unit_test(test_mixup_mixes_numbers),
        cmocka_unit_test(test_cuts_of_an_epoch_give_the_same_bytes),
        cmocka_unit_test(test_epochs_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
