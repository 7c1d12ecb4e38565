/* Figures of training rows, against numpy: the literals are the output of the lines
 * beside them. */
#include "data/statistics.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint32_t all[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static struct statistics of(const float *values, size_t count)
{
    struct statistics result;
    assert_int_equal(statistics_of_column(values, all, count, true, &result), 0);
    return result;
}

/* a = np.float32([3, -1.5, 4, 1, -5, 9, 2.5, 6]).astype(float)
 * a.mean(), a.std(), np.median(a) */
static void test_figures_are_those_of_numpy(void **state)
{
    (void)state;
    static const float values[8] = {3, -1.5F, 4, 1, -5, 9, 2.5F, 6};
    struct statistics found = of(values, 8);
    assert_int_equal(found.count, 8);
    assert_true(found.minimum == -5.0 && found.maximum == 9.0);
    assert_float_equal(found.mean, 2.375, 1e-15);
    assert_float_equal(found.std, 4.052391269361832, 1e-14);
    assert_true(found.median == 2.75);
}

static void test_only_the_named_rows_count(void **state)
{
    (void)state;
    static const float values[8] = {100, 1, 100, 2, 100, 6, 100, 100};
    static const uint32_t rows[3] = {1, 3, 5};
    struct statistics found;
    assert_int_equal(statistics_of_column(values, rows, 3, true, &found), 0);
    assert_true(found.mean == 3.0 && found.median == 2.0 && found.maximum == 6.0);
}

static void test_what_is_not_finite_is_missing(void **state)
{
    (void)state;
    static const float values[6] = {NAN, 2, INFINITY, 4, -INFINITY, -NAN};
    struct statistics found = of(values, 6);
    assert_int_equal(found.count, 2);
    assert_true(found.mean == 3.0 && found.median == 3.0 && found.std == 1.0);
    static const float none[2] = {NAN, NAN};
    found = of(none, 2);
    assert_int_equal(found.count, 0);
    assert_true(found.mean == 0.0 && found.std == 0.0 && found.median == 0.0);
}

/* 0.1f summed seven times and divided by seven is not 0.1f any more. */
static void test_equal_values_have_no_spread_at_all(void **state)
{
    (void)state;
    static const float values[7] = {0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F};
    struct statistics found = of(values, 7);
    assert_true(found.std == 0.0);
    assert_true(found.mean == (double)0.1F);
    struct number_transform transform = statistics_transform(&found, NORMALIZE_ZSCORE);
    assert_true(transform.scale == 1.0);
    transform = statistics_transform(&found, NORMALIZE_MINMAX);
    assert_true(transform.scale == 1.0 && transform.shift == (double)0.1F);
}

/* A large offset: the textbook formula would give a std of 0 or NaN here. */
static void test_a_large_mean_does_not_swallow_the_spread(void **state)
{
    (void)state;
    static const float values[4] = {16777212, 16777213, 16777214, 16777215};
    struct statistics found = of(values, 4);
    assert_float_equal(found.mean, 16777213.5, 1e-9);
    assert_float_equal(found.std, sqrt(1.25), 1e-12);
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Against sorting, for every count and for values of either sign and every size. */
static void test_median_is_exact(void **state)
{
    (void)state;
    static const float values[] = {
        0.0F,    -0.0F, 1.5F, -2.5F, FLT_MAX,   -FLT_MAX,  FLT_MIN,   1e-42F,
        -1e-42F, 7.0F,  7.0F, -2.5F, 65536.03F, 65536.04F, 65536.05F, -3e20F};
    enum { COUNT = sizeof(values) / sizeof(values[0]) };
    uint32_t rows[COUNT];
    for (uint32_t first = 0; first < COUNT; first++)
        for (uint32_t count = 1; count <= COUNT; count++) {
            float sorted[COUNT];
            for (uint32_t i = 0; i < count; i++) {
                rows[i] = (first + i) % COUNT;
                sorted[i] = values[rows[i]];
            }
            qsort(sorted, count, sizeof(sorted[0]), compare);
            double expected =
                ((double)sorted[(count - 1) / 2] + (double)sorted[count / 2]) / 2.0;
            struct statistics found;
            assert_int_equal(statistics_of_column(values, rows, count, true, &found), 0);
            assert_true(found.median == expected);
        }
}

/* Elements of chosen samples; 1500 wide, so that a sample is more than one chunk. The
 * elements of sample s are s, s + 1, …: of samples 0 and 2 the mean is 1499/2 + 1, and
 * the variance (1500^2 - 1)/12 + 1. */
static void test_samples_are_pooled_over_all_their_elements(void **state)
{
    (void)state;
    enum { WIDTH = 1500 };
    int16_t *elements = calloc(3 * WIDTH, sizeof(*elements));
    assert_non_null(elements);
    for (int16_t s = 0; s < 3; s++)
        for (int16_t i = 0; i < WIDTH; i++)
            elements[s * WIDTH + i] = (int16_t)(i + s);
    static const uint32_t rows[2] = {0, 2};
    struct statistics found;
    statistics_of_samples(ELEMENT_INT16, elements, WIDTH, rows, 2, &found);
    assert_int_equal(found.count, 2 * WIDTH);
    assert_float_equal(found.mean, 750.5, 1e-9);
    assert_float_equal(found.std, sqrt((1500.0 * 1500.0 - 1) / 12 + 1), 1e-9);
    assert_true(found.minimum == 0.0 && found.maximum == 1501.0);
    free(elements);
}

static void test_transforms_of_each_normalization(void **state)
{
    (void)state;
    const struct statistics statistics = {
        .count = 4, .minimum = -2, .maximum = 6, .mean = 1, .std = 3};
    static const struct {
        enum normalization normalization;
        double shift, scale;
    } cases[] = {{NORMALIZE_NONE, 0, 1},
                 {NORMALIZE_ZSCORE, 1, 3},
                 {NORMALIZE_MINMAX, -2, 8},
                 {NORMALIZE_BYTES, 0, 255}};
    for (size_t i = 0; i < 4; i++) {
        struct number_transform transform =
            statistics_transform(&statistics, cases[i].normalization);
        assert_true(transform.shift == cases[i].shift);
        assert_true(transform.scale == cases[i].scale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_are_those_of_numpy),
        cmocka_unit_test(test_only_the_named_rows_count),
        cmocka_unit_test(test_what_is_not_finite_is_missing),
        cmocka_unit_test(test_equal_values_have_no_spread_at_all),
        cmocka_unit_test(test_a_large_mean_does_not_swallow_the_spread),
        cmocka_unit_test(test_median_is_exact),
        cmocka_unit_test(test_samples_are_pooled_over_all_their_elements),
        cmocka_unit_test(test_transforms_of_each_normalization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
