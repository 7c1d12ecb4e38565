/* Losses against naive formulas in double; gradients are checked in test_gradcheck. */
#include "core_fixture.h"
#include "engine/loss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#define MOST 600

static double naive_cross_entropy(const float *x, size_t label, size_t width)
{
    double largest = (double)x[0], sum = 0;
    for (size_t j = 0; j < width; j++)
        largest = fmax(largest, (double)x[j]);
    for (size_t j = 0; j < width; j++)
        sum += exp((double)x[j] - largest);
    return log(sum) + largest - (double)x[label];
}

static void test_cross_entropy_equals_its_formula(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 2, 10, 15, 16, 17, 64, 100};
    for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
        size_t width = widths[w], rows = 6, correct = 0;
        float x[MOST], gradient[MOST];
        int32_t labels[6];
        double expected = 0;
        for (size_t i = 0; i < rows * width; i++)
            x[i] = (float)(8 * core_number(i * 3));
        for (size_t r = 0; r < rows; r++) {
            labels[r] = (int32_t)((r * 7) % width);
            expected += naive_cross_entropy(x + r * width, (size_t)labels[r], width);
            bool best = true;
            for (size_t j = 0; j < width; j++)
                best = best && x[r * width + j] <= x[r * width + (size_t)labels[r]];
            correct += best;
        }
        struct loss_sums sums = {0}, alone = {0};
        struct loss_spec loss = {.type = LOSS_CROSS_ENTROPY};
        loss_compute(&loss, x, labels, rows, width, 2 * rows, gradient, &sums);
        loss_compute(&loss, x, labels, rows, width, rows, NULL, &alone);
        assert_true(fabs(sums.loss - expected) <= 1e-5);
        assert_memory_equal(&sums, &alone, sizeof(sums));
        assert_int_equal(sums.rows, rows);
        assert_int_equal(sums.correct, correct);
        for (size_t i = 0; i < rows * width; i++) {
            size_t r = i / width, j = i % width;
            double p = exp(-naive_cross_entropy(x + r * width, j, width));
            p -= (size_t)labels[r] == j ? 1 : 0;
            assert_true(fabs((double)gradient[i] - p / (2.0 * (double)rows)) <= 1e-7);
        }
    }
}

static void test_cross_entropy_of_extreme_logits_is_finite(void **state)
{
    (void)state;
    const float x[6] = {1e30f, -1e30f, 0, -1000, 1000, 999};
    const int32_t labels[2] = {0, 2};
    float gradient[6];
    struct loss_sums sums = {0};
    struct loss_spec loss = {.type = LOSS_CROSS_ENTROPY};
    loss_compute(&loss, x, labels, 2, 3, 2, gradient, &sums);
    assert_true(fabs(sums.loss - (1 + log1p(exp(-1)))) <= 1e-6);
    for (size_t i = 0; i < 6; i++)
        assert_true(isfinite(gradient[i]));
    assert_true(gradient[0] == 0 && gradient[1] == 0);
}

static void test_gradient_may_overwrite_the_output(void **state)
{
    (void)state;
    for (enum loss_type type = LOSS_CROSS_ENTROPY; type <= LOSS_FOCAL; type++) {
        size_t width = type == LOSS_BINARY_CROSS_ENTROPY ? 1 : 19;
        float x[57], apart[57], target[57];
        int32_t labels[3] = {0, 1, 0};
        for (size_t i = 0; i < 57; i++) {
            x[i] = (float)core_number(i);
            target[i] = (float)core_number(i + 60);
        }
        const void *t = loss_takes_labels(type) ? (void *)labels : (void *)target;
        struct loss_spec loss = {
            .type = type, .delta = 0.5, .label_smoothing = 0.2, .gamma = 2};
        struct loss_sums a = {0}, b = {0};
        loss_compute(&loss, x, t, 3, width, 3, apart, &a);
        loss_compute(&loss, x, t, 3, width, 3, x, &b);
        assert_memory_equal(x, apart, 3 * width * sizeof(float));
        assert_memory_equal(&a, &b, sizeof(a));
    }
}

static void test_nan_in_the_output_makes_the_loss_nan(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 3, 20, 35};
    for (enum loss_type type = LOSS_CROSS_ENTROPY; type <= LOSS_FOCAL; type++) {
        for (size_t w = 0; w < (type == LOSS_BINARY_CROSS_ENTROPY ? 1 : 4); w++) {
            for (size_t at = 0; at < 2 * widths[w]; at++) {
                float x[70], target[70] = {0};
                int32_t labels[2] = {0, 0};
                for (size_t i = 0; i < 70; i++)
                    x[i] = (float)core_number(i);
                x[at] = NAN;
                struct loss_spec loss = {
                    .type = type, .delta = 1, .label_smoothing = 0.2, .gamma = 2};
                struct loss_sums sums = {0};
                loss_compute(&loss, x,
                             loss_takes_labels(type) ? (void *)labels : (void *)target, 2,
                             widths[w], 2, NULL, &sums);
                assert_true(isnan(loss_sums_loss(&sums)));
            }
        }
    }
}

static void test_binary_cross_entropy_equals_its_formula(void **state)
{
    (void)state;
    const float x[6] = {0, 3, -3, 200, -200, 0.5f};
    const int32_t labels[6] = {1, 1, 1, 0, 0, 0};
    float gradient[6];
    double expected = 0;
    for (size_t i = 0; i < 6; i++) {
        double z = (double)x[i];
        expected += fmax(z, 0) - z * labels[i] + log1p(exp(-fabs(z)));
    }
    struct loss_sums sums = {0};
    struct loss_spec loss = {.type = LOSS_BINARY_CROSS_ENTROPY};
    loss_compute(&loss, x, labels, 6, 1, 6, gradient, &sums);
    assert_true(fabs(sums.loss - expected) <= 1e-5 * expected);
    assert_int_equal(sums.correct, 2); /* 3 and -200 */
    for (size_t i = 0; i < 6; i++) {
        double p = 1 / (1 + exp(-(double)x[i]));
        assert_true(fabs((double)gradient[i] - (p - labels[i]) / 6) <= 1e-7);
    }
}

static void test_weighted_positives_count_more(void **state)
{
    (void)state;
    const float x[2] = {0.7f, 0.7f};
    const int32_t labels[2] = {1, 0};
    float gradient[2], plain[2];
    struct loss_sums sums = {0}, of_plain = {0};
    struct loss_spec loss = {.type = LOSS_BINARY_CROSS_ENTROPY, .pos_weight = 3};
    loss_compute(&loss, x, labels, 2, 1, 2, gradient, &sums);
    loss.pos_weight = 1;
    loss_compute(&loss, x, labels, 2, 1, 2, plain, &of_plain);
    double expected = 3 * log1p(exp(-0.7)) + log1p(exp(0.7));
    assert_true(fabs(sums.loss - expected) <= 1e-6);
    assert_true(fabs(of_plain.loss - expected + 2 * log1p(exp(-0.7))) <= 1e-6);
    assert_true(fabsf(gradient[0] - 3 * plain[0]) <= 1e-7f);
    assert_true(gradient[1] == plain[1]);
}

static void test_smoothing_and_focus_equal_their_formulas(void **state)
{
    (void)state;
    const float x[4] = {0.3f, -1.2f, 2.1f, 0.4f};
    const int32_t label = 3;
    double smoothed = 0, nll = naive_cross_entropy(x, 3, 4);
    for (size_t j = 0; j < 4; j++)
        smoothed += (0.05 + (j == 3 ? 0.8 : 0)) * naive_cross_entropy(x, j, 4);
    struct loss_spec loss = {.type = LOSS_CROSS_ENTROPY, .label_smoothing = 0.2};
    struct loss_sums sums = {0};
    loss_compute(&loss, x, &label, 1, 4, 1, NULL, &sums);
    assert_true(fabs(sums.loss - smoothed) <= 1e-6);
    loss = (struct loss_spec){.type = LOSS_FOCAL, .gamma = 1.5};
    sums = (struct loss_sums){0};
    loss_compute(&loss, x, &label, 1, 4, 1, NULL, &sums);
    assert_true(fabs(sums.loss - pow(1 - exp(-nll), 1.5) * nll) <= 1e-6);
}

/* torch.nn.functional.cross_entropy(x, y, weight=w, label_smoothing=s) of the same
 * numbers in double, and (1 - p)^1.5 of it as the focal loss. */
static void test_class_weights_are_those_of_pytorch(void **state)
{
    (void)state;
    const float x[16] = {0.3f,  -1.2f, 2.1f, 0.4f,  1.5f, 0.2f, -0.7f, 0.1f,
                         -0.4f, 0.8f,  0.3f, -2.0f, 0.9f, 0.9f, -1.1f, 0.6f};
    const int32_t labels[4] = {3, 0, 1, 3};
    double weights[4] = {0.5, 2, 1, 3.25};
    static const struct {
        struct loss_spec loss;
        double value, first[4], last[4];
    } rows[] = {
        {{.type = LOSS_CROSS_ENTROPY},
         1.398948091083,
         {0.0431025732, 0.0096174835, 0.2607553444, -0.3134754011},
         {0.1255534888, 0.1255534888, 0.0169918170, -0.2680987945}},
        {{.type = LOSS_CROSS_ENTROPY, .label_smoothing = 0.2},
         1.412204147737,
         {0.0361803172, -0.0024183857, 0.2301271596, -0.2638890911},
         {0.1107032602, 0.1023699268, 0.0098024329, -0.2228756198}},
        {{.type = LOSS_FOCAL, .gamma = 1.5},
         0.963426005753,
         {0.0509577298, 0.0113702057, 0.3082762679, -0.3706042035},
         {0.1370133298, 0.1370133298, 0.0185427378, -0.2925693974}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct loss_spec loss = rows[i].loss;
        loss.class_weights = weights;
        float whole[16], parts[16];
        struct loss_sums sums = {0}, part = {0};
        loss_compute(&loss, x, labels, 4, 4, 4, whole, &sums);
        assert_true(fabs(loss_sums_loss(&sums) - rows[i].value) <= 1e-6);
        assert_true(fabs(sums.weight - 9) <= 1e-12 && sums.rows == 4);
        for (size_t j = 0; j < 4; j++) {
            assert_true(fabs((double)whole[j] - rows[i].first[j]) <= 1e-7);
            assert_true(fabs((double)whole[12 + j] - rows[i].last[j]) <= 1e-7);
        }
        loss_compute_share(&loss, x, labels, 1, 4, 9, parts, &part);
        loss_compute_share(&loss, x + 4, labels + 1, 3, 4, 9, parts + 4, &part);
        assert_memory_equal(whole, parts, sizeof(whole));
        assert_true(fabs(part.weight - 9) <= 1e-12);
    }
}

static void test_log_cosh_does_not_overflow(void **state)
{
    (void)state;
    const float x[2] = {3000, -3000}, target[2] = {0, 0};
    float gradient[2];
    struct loss_sums sums = {0};
    struct loss_spec loss = {.type = LOSS_LOG_COSH};
    loss_compute(&loss, x, target, 2, 1, 2, gradient, &sums);
    assert_true(fabs(sums.loss - 2 * (3000 - log(2))) <= 1e-3);
    assert_true(gradient[0] == 0.5f && gradient[1] == -0.5f);
}

static double naive_number_loss(enum loss_type type, double e, double delta)
{
    if (type == LOSS_MSE)
        return e * e;
    if (type == LOSS_MAE)
        return fabs(e);
    if (type == LOSS_LOG_COSH)
        return log(cosh(e));
    return fabs(e) < delta ? e * e / 2 : delta * (fabs(e) - delta / 2);
}

static void test_losses_of_numbers_equal_their_formulas(void **state)
{
    (void)state;
    for (enum loss_type type = LOSS_MSE; type <= LOSS_LOG_COSH; type++) {
        for (size_t width = 1; width <= 20; width += 19) {
            size_t rows = 5, count = rows * width;
            float x[100], target[100];
            double loss_sum = 0, absolute = 0, square = 0, t1 = 0, t2 = 0;
            for (size_t i = 0; i < count; i++) {
                x[i] = (float)(2 * core_number(i));
                target[i] = (float)core_number(i + 50);
                double e = (double)x[i] - (double)target[i], t = (double)target[i];
                loss_sum += naive_number_loss(type, e, 0.7);
                absolute += fabs(e);
                square += e * e;
                t1 += t;
                t2 += t * t;
            }
            struct loss_sums sums = {0};
            struct loss_spec loss = {.type = type, .delta = 0.7};
            loss_compute(&loss, x, target, rows, width, rows, NULL, &sums);
            double n = (double)count;
            assert_true(fabs(loss_sums_loss(&sums) - loss_sum / n) <= 1e-6);
            assert_true(fabs(loss_sums_mae(&sums) - absolute / n) <= 1e-6);
            double r2 = 1 - square / (t2 - t1 * t1 / n);
            assert_true(fabs(loss_sums_r2(&sums) - r2) <= 1e-5);
            assert_int_equal(sums.values, count);
        }
    }
}

static void test_sums_of_slices_add_up_to_the_batch(void **state)
{
    (void)state;
    float x[40], target[40], whole[40], parts[40];
    for (size_t i = 0; i < 40; i++) {
        x[i] = (float)core_number(i);
        target[i] = (float)core_number(i + 9);
    }
    struct loss_spec loss = {.type = LOSS_HUBER, .delta = 0.3};
    struct loss_sums all = {0}, first = {0}, second = {0};
    loss_compute(&loss, x, target, 10, 4, 10, whole, &all);
    loss_compute(&loss, x, target, 3, 4, 10, parts, &first);
    loss_compute(&loss, x + 12, target + 12, 7, 4, 10, parts + 12, &second);
    loss_sums_add(&first, &second);
    assert_memory_equal(whole, parts, sizeof(whole));
    assert_int_equal(first.rows, 10);
    assert_int_equal(first.values, 40);
    assert_true(fabs(first.loss - all.loss) <= 1e-12);
    assert_true(fabs(loss_sums_r2(&first) - loss_sums_r2(&all)) <= 1e-12);
}

static void test_means_of_nothing_are_nan(void **state)
{
    (void)state;
    struct loss_sums sums = {0};
    assert_true(isnan(loss_sums_loss(&sums)) && isnan(loss_sums_accuracy(&sums)));
    assert_true(isnan(loss_sums_mae(&sums)) && isnan(loss_sums_r2(&sums)));
    const float x[3] = {1, 2, 3}, constant[3] = {5, 5, 5};
    struct loss_spec loss = {.type = LOSS_MSE};
    loss_compute(&loss, x, constant, 3, 1, 3, NULL, &sums);
    assert_true(isnan(loss_sums_r2(&sums)));
}

static void test_target_sizes(void **state)
{
    (void)state;
    assert_int_equal(loss_target_bytes(LOSS_CROSS_ENTROPY, 10), 4);
    assert_int_equal(loss_target_bytes(LOSS_BINARY_CROSS_ENTROPY, 1), 4);
    assert_int_equal(loss_target_bytes(LOSS_MSE, 10), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy_equals_its_formula),
        cmocka_unit_test(test_cross_entropy_of_extreme_logits_is_finite),
        cmocka_unit_test(test_gradient_may_overwrite_the_output),
        cmocka_unit_test(test_nan_in_the_output_makes_the_loss_nan),
        cmocka_unit_test(test_binary_cross_entropy_equals_its_formula),
        cmocka_unit_test(test_weighted_positives_count_more),
        cmocka_unit_test(test_smoothing_and_focus_equal_their_formulas),
        cmocka_unit_test(test_class_weights_are_those_of_pytorch),
        cmocka_unit_test(test_log_cosh_does_not_overflow),
        cmocka_unit_test(test_losses_of_numbers_equal_their_formulas),
        cmocka_unit_test(test_sums_of_slices_add_up_to_the_batch),
        cmocka_unit_test(test_means_of_nothing_are_nan),
        cmocka_unit_test(test_target_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
