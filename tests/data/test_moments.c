/* Mean and standard deviation in one pass against two passes in long double. */
#include "byte_fixture.h"
#include "data/moments.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_moments(const double *numbers, size_t count, double tolerance)
{
    struct moments moments = {0};
    long double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        moments_add(&moments, numbers[i]);
        sum += (long double)numbers[i];
    }
    long double mean = sum / (long double)count;
    for (size_t i = 0; i < count; i++)
        squares += ((long double)numbers[i] - mean) * ((long double)numbers[i] - mean);
    long double std = sqrtl(squares / (long double)count);
    double found_mean, found_std;
    moments_finish(&moments, &found_mean, &found_std);
    assert_int_equal(moments_count(&moments), count);
    assert_true(fabs(found_mean - (double)mean) <= 1e-15 * fabs((double)mean) + 1e-300);
    assert_true(fabs(found_std - (double)std) <= tolerance * (double)std);
}

static void test_moments_agree_with_two_passes(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    double *numbers = malloc(COUNT * sizeof(*numbers));
    assert_non_null(numbers);
    static const double offsets[] = {0, 1e3, -1e9, 1e14};
    for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
        uint32_t random = 1;
        for (size_t i = 0; i < COUNT; i++)
            numbers[i] = offsets[o] + (double)(fixture_random(&random) % 100000) / 64;
        static const size_t counts[] = {1, 2, 255, 256, 257, 1000, COUNT};
        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
            assert_moments(numbers, counts[c], 1e-12);
    }
    free(numbers);
}

static void test_an_outlier_in_front_does_no_harm(void **state)
{
    (void)state;
    double numbers[5000];
    for (size_t i = 0; i < 5000; i++)
        numbers[i] = (double)(i % 7);
    numbers[0] = 1e12;
    assert_moments(numbers, 5000, 1e-12);
}

static void test_integers_have_an_exact_mean_and_constants_no_deviation(void **state)
{
    (void)state;
    struct moments moments = {0};
    double mean, std;
    for (int i = 0; i < 70000; i++)
        moments_add(&moments, i % 10);
    moments_finish(&moments, &mean, &std);
    assert_true(mean == 4.5);
    moments = (struct moments){0};
    for (int i = 0; i < 1000; i++)
        moments_add(&moments, 0.1);
    moments_finish(&moments, &mean, &std);
    assert_true(mean == 0.1 && std < 1e-16);
}

static void test_nothing_has_no_moments(void **state)
{
    (void)state;
    struct moments moments = {0};
    double mean = 7, std = 7;
    moments_finish(&moments, &mean, &std);
    assert_true(mean == 0 && std == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_agree_with_two_passes),
        cmocka_unit_test(test_an_outlier_in_front_does_no_harm),
        cmocka_unit_test(test_integers_have_an_exact_mean_and_constants_no_deviation),
        cmocka_unit_test(test_nothing_has_no_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
