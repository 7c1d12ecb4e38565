/* What is drawn for a row: by (seed, epoch, row) alone, as often and as far as asked
 * for. */
#include "data/augment.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIDE 9
#define PIXELS (SIDE * SIDE)

static const struct image_size size = {SIDE, SIDE, 1};

/* An image whose pixels all differ. */
static void augment_row(const struct augment_spec *augment, uint64_t seed, uint64_t epoch,
                        uint64_t row, float x[PIXELS])
{
    float room[PIXELS];
    for (size_t i = 0; i < PIXELS; i++)
        x[i] = (float)i + 1;
    struct augment_draw draw = {seed, epoch, row};
    augment_image(augment, &size, &draw, x, room);
}

static void test_probability_is_how_often(void **state)
{
    (void)state;
    static const double probabilities[] = {0, 0.25, 0.5, 1};
    for (size_t i = 0; i < sizeof(probabilities) / sizeof(probabilities[0]); i++) {
        struct augment_spec augment = {.count = 1};
        augment.steps[0] = (struct augment_step){.type = AUGMENT_HORIZONTAL_FLIP,
                                                 .probability = probabilities[i]};
        int flipped = 0, rows = 4000;
        for (int row = 0; row < rows; row++) {
            float x[PIXELS];
            augment_row(&augment, 3, 1, (uint64_t)row, x);
            assert_true(x[0] == 1 || x[0] == SIDE);
            flipped += x[0] == SIDE;
        }
        double share = flipped / (double)rows;
        assert_true(fabs(share - probabilities[i]) <= 0.03);
    }
}

/* A crop with padding 2 shows every one of the 25 places, each about as often. */
static void test_shifts_are_uniform(void **state)
{
    (void)state;
    struct augment_spec augment = {.count = 1};
    augment.steps[0] =
        (struct augment_step){.type = AUGMENT_SHIFT, .probability = 1, .pixels = 2};
    int counts[25] = {0}, rows = 5000;
    for (int row = 0; row < rows; row++) {
        float x[PIXELS];
        augment_row(&augment, 5, 0, (uint64_t)row, x);
        int centre = (int)x[PIXELS / 2] - 1; /* the pixel that is in the middle now */
        int down = SIDE / 2 - centre / SIDE, right = SIDE / 2 - centre % SIDE;
        assert_true(down >= -2 && down <= 2 && right >= -2 && right <= 2);
        counts[(down + 2) * 5 + right + 2]++;
    }
    for (int i = 0; i < 25; i++)
        assert_true(counts[i] > 130 && counts[i] < 270);
}

static void test_factors_are_of_the_images_size(void **state)
{
    (void)state;
    struct augment_spec augment = {.count = 1};
    augment.steps[0] = (struct augment_step){
        .type = AUGMENT_SHIFT, .probability = 1, .pixels = -1, .width_factor = 0.34};
    int most = 0;
    for (uint64_t row = 0; row < 500; row++) {
        float x[PIXELS];
        augment_row(&augment, 5, 0, row, x);
        int centre = (int)x[PIXELS / 2] - 1;
        assert_int_equal(centre / SIDE, SIDE / 2);
        int right = SIDE / 2 - centre % SIDE;
        most = right > most ? right : most;
        assert_true(right >= -3 && right <= 3);
    }
    assert_int_equal(most, 3);
}

/* In the stream (seed, augment, epoch) a row has 4096 blocks of four numbers, and each of
 * its steps 4 of them. A job that is resumed by a later version relies on it. */
static void test_draws_are_at_a_place_of_their_own(void **state)
{
    (void)state;
    struct augment_spec augment = {.count = 2};
    augment.steps[1] = (struct augment_step){
        .type = AUGMENT_CUTOUT, .probability = 1, .size = 1, .fill = {FILL_CONSTANT, -1}};
    for (uint64_t row = 0; row < 50; row++) {
        float x[PIXELS];
        augment_row(&augment, 8, 6, row, x);
        struct rng rng;
        rng_init(&rng, 8, RNG_AUGMENT, 6);
        rng_seek(&rng, row * 4096 + 4);
        (void)rng_uniform(&rng); /* whether */
        size_t hole = rng_below(&rng, SIDE) * SIDE;
        hole += rng_below(&rng, SIDE);
        for (size_t i = 0; i < PIXELS; i++)
            assert_true(x[i] == (i == hole ? -1.0F : (float)i + 1));
    }
}

static void test_rows_epochs_and_seeds_draw_differently(void **state)
{
    (void)state;
    struct augment_spec augment = {.count = 1};
    augment.steps[0] = (struct augment_step){
        .type = AUGMENT_ROTATION, .probability = 1, .degrees = 90, .bilinear = true};
    float first[PIXELS], again[PIXELS], row[PIXELS], epoch[PIXELS], seed[PIXELS];
    augment_row(&augment, 1, 1, 1, first);
    augment_row(&augment, 1, 1, 1, again);
    augment_row(&augment, 1, 1, 2, row);
    augment_row(&augment, 1, 2, 1, epoch);
    augment_row(&augment, 2, 1, 1, seed);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, row, sizeof(first));
    assert_memory_not_equal(first, epoch, sizeof(first));
    assert_memory_not_equal(first, seed, sizeof(first));
}

/* Beta(a, a) has the mean 1 / 2 and the variance 1 / (4 (2 a + 1)); with a = 1 it is
 * uniform, whose fourth moment about 1 / 2 is 1 / 80. */
static void test_shares_of_mixup_are_from_beta(void **state)
{
    (void)state;
    static const double alphas[] = {0.001, 0.2, 1, 4, 100};
    for (size_t i = 0; i < sizeof(alphas) / sizeof(alphas[0]); i++) {
        double sum = 0, squares = 0, fourth = 0;
        int rows = 20000;
        for (int row = 0; row < rows; row++) {
            struct augment_draw draw = {4, 2, (uint64_t)row};
            double share = augment_mixup_share(alphas[i], &draw);
            assert_true(share >= 0 && share <= 1);
            sum += share;
            squares += (share - 0.5) * (share - 0.5);
            fourth += pow(share - 0.5, 4);
        }
        double variance = 1 / (4 * (2 * alphas[i] + 1));
        assert_true(fabs(sum / rows - 0.5) <= 0.015);
        assert_true(fabs(squares / rows - variance) <= 0.05 * variance);
        if (alphas[i] == 1)
            assert_true(fabs(fourth / rows - 1.0 / 80) <= 0.0004);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probability_is_how_often),
        cmocka_unit_test(test_shifts_are_uniform),
        cmocka_unit_test(test_factors_are_of_the_images_size),
        cmocka_unit_test(test_draws_are_at_a_place_of_their_own),
        cmocka_unit_test(test_rows_epochs_and_seeds_draw_differently),
        cmocka_unit_test(test_shares_of_mixup_are_from_beta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
