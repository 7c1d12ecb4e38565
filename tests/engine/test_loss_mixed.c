/* Mixed labels, in double: the loss against its definition, its gradient against finite
 * differences of it. */
#include "core_fixture.h"
#include "engine/loss_mixed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#define ROWS 5
#define WIDTH_MOST 7
#define STEP 1e-5

struct mixed_case {
    struct loss_spec loss;
    size_t width;
};

static double weights[4] = {0.5, 2, 1, 4};

static const struct mixed_case cases[] = {
    {{.type = LOSS_CROSS_ENTROPY}, 7},
    {{.type = LOSS_CROSS_ENTROPY, .label_smoothing = 0.2}, 3},
    {{.type = LOSS_FOCAL, .gamma = 2}, 4},
    {{.type = LOSS_CROSS_ENTROPY, .label_smoothing = 0.2, .class_weights = weights}, 4},
    {{.type = LOSS_BINARY_CROSS_ENTROPY}, 1},
    {{.type = LOSS_BINARY_CROSS_ENTROPY, .pos_weight = 3}, 1},
};

static void make_rows(const struct mixed_case *mixed, real output[ROWS * WIDTH_MOST],
                      struct mixed_label target[ROWS])
{
    int classes = mixed->width == 1 ? 2 : (int)mixed->width;
    for (size_t i = 0; i < ROWS * mixed->width; i++)
        output[i] = (real)(3 * core_number(i));
    for (int r = 0; r < ROWS; r++)
        target[r] =
            (struct mixed_label){r % classes, (r + 1) % classes, (float)r / (ROWS - 1)};
}

static double mean_loss(const struct mixed_case *mixed, const real *output,
                        const struct mixed_label *target)
{
    real room[2 * WIDTH_MOST];
    struct loss_sums sums = {0};
    loss_compute_mixed(&mixed->loss, output, target, ROWS, mixed->width, ROWS, room, NULL,
                       &sums);
    assert_true(fabs(sums.weight - loss_weight_mixed(&mixed->loss, target, ROWS)) <=
                1e-12);
    return loss_sums_loss(&sums);
}

static void test_a_mixed_loss_is_the_losses_in_proportion(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        real output[ROWS * WIDTH_MOST];
        struct mixed_label target[ROWS];
        int32_t first[ROWS], second[ROWS];
        make_rows(&cases[i], output, target);
        double expected = 0, weight = loss_weight_mixed(&cases[i].loss, target, ROWS);
        for (size_t r = 0; r < ROWS; r++) {
            struct loss_sums a = {0}, b = {0};
            const real *row = output + r * cases[i].width;
            first[r] = target[r].label;
            second[r] = target[r].other;
            loss_compute(&cases[i].loss, row, &first[r], 1, cases[i].width, 1, NULL, &a);
            loss_compute(&cases[i].loss, row, &second[r], 1, cases[i].width, 1, NULL, &b);
            double share = (double)target[r].share;
            expected += (share * a.loss + (1 - share) * b.loss) / weight;
        }
        assert_true(fabs(mean_loss(&cases[i], output, target) - expected) <= 1e-12);
    }
}

static void test_gradients_equal_finite_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        real output[ROWS * WIDTH_MOST], gradient[ROWS * WIDTH_MOST], room[2 * WIDTH_MOST];
        struct mixed_label target[ROWS];
        struct loss_sums sums = {0};
        size_t width = cases[i].width;
        make_rows(&cases[i], output, target);
        memcpy(gradient, output, sizeof(output)); /* it may overwrite the output */
        loss_compute_mixed(&cases[i].loss, gradient, target, ROWS, width,
                           loss_weight_mixed(&cases[i].loss, target, ROWS), room,
                           gradient, &sums);
        assert_int_equal(sums.rows, ROWS);
        for (size_t k = 0; k < ROWS * width; k++) {
            real kept = output[k];
            output[k] = kept + STEP;
            double above = mean_loss(&cases[i], output, target);
            output[k] = kept - STEP;
            double below = mean_loss(&cases[i], output, target);
            output[k] = kept;
            double expected = (above - below) / (2 * STEP);
            assert_true(fabs(gradient[k] - expected) <= 1e-8);
        }
    }
}

static void test_the_label_with_the_larger_share_is_the_right_one(void **state)
{
    (void)state;
    const real output[6] = {5, 1, 0, 5, 1, 0};
    const struct mixed_label target[2] = {{0, 1, 0.75F}, {0, 1, 0.25F}};
    real room[6];
    struct loss_sums sums = {0};
    struct loss_spec loss = {.type = LOSS_CROSS_ENTROPY};
    loss_compute_mixed(&loss, output, target, 1, 3, 1, room, NULL, &sums);
    assert_int_equal(sums.correct, 1);
    loss_compute_mixed(&loss, output + 3, target + 1, 1, 3, 1, room, NULL, &sums);
    assert_int_equal(sums.correct, 1);
    assert_int_equal(sums.rows, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mixed_loss_is_the_losses_in_proportion),
        cmocka_unit_test(test_gradients_equal_finite_differences),
        cmocka_unit_test(test_the_label_with_the_larger_share_is_the_right_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
