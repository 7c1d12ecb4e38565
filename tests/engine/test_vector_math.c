/* The engine's exp, tanh, erf and their kin against libm, in units in the last place; and
 * the kernels over vectors against plain loops. */
#include "engine/kernels.h"
#include "engine/vector_math.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>

/* Distance from the true value in units of the float nearest to it. */
static double ulps(float got, double exact)
{
    float nearest = (float)exact;
    double unit = (double)nextafterf(fabsf(nearest), INFINITY) - fabs((double)nearest);
    return fabs((double)got - exact) / fmax(unit, (double)FLT_MIN * (double)FLT_EPSILON);
}

struct curve {
    const char *name;
    float (*fast)(float x);
    double (*exact)(double x);
    double low, high, limit; /* limit in units */
};

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double exact_softplus(double x)
{
    return log1p(exp(-fabs(x))) + fmax(x, 0);
}

static const struct curve curves[] = {
    {"exp", real_exp, exp, -86, 88.5, 2},
    {"expm1", real_expm1, expm1, -80, 0, 2},
    {"expm1 near 0", real_expm1, expm1, -1e-2, 0, 2},
    {"tanh", real_tanh, tanh, -12, 12, 3},
    {"tanh near 0", real_tanh, tanh, -1e-3, 1e-3, 2},
    {"erf", real_erf, erf, -6, 6, 3},
    {"erf near 0", real_erf, erf, -1e-3, 1e-3, 2},
    {"sigmoid", real_sigmoid, exact_sigmoid, -80, 80, 4},
    {"softplus", real_softplus, exact_softplus, -80, 80, 4},
};

static void test_functions_are_within_a_few_units_of_libm(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof(curves) / sizeof(curves[0]); c++) {
        const struct curve *curve = &curves[c];
        double worst = 0, at = 0;
        const int points = 100000;
        for (int i = 0; i <= points; i++) {
            float x = (float)(curve->low + (curve->high - curve->low) * i / points);
            double distance = ulps(curve->fast(x), curve->exact((double)x));
            if (!(distance <= worst)) {
                worst = distance;
                at = (double)x;
            }
        }
        if (!(worst <= curve->limit))
            fail_msg("%s is off by %.2f units at %.9g", curve->name, worst, at);
    }
}

static void test_functions_take_extremes(void **state)
{
    (void)state;
    assert_true(real_exp(-INFINITY) == 0 && real_exp(-1000) == 0);
    assert_true(isinf(real_exp(INFINITY)) && isinf(real_exp(1000)));
    assert_true(real_exp(0) == 1);
    assert_true(isnan(real_exp(NAN)) && isnan(real_tanh(NAN)) && isnan(real_erf(NAN)));
    assert_true(isnan(real_sigmoid(NAN)) && isnan(real_softplus(NAN)));
    assert_true(real_tanh(INFINITY) == 1 && real_tanh(-INFINITY) == -1);
    assert_true(real_erf(INFINITY) == 1 && real_erf(-50) == -1);
    assert_true(real_sigmoid(INFINITY) == 1 && real_sigmoid(-INFINITY) == 0);
    assert_true(real_softplus(-INFINITY) == 0 && real_softplus(1000) == 1000);
    assert_true(real_expm1(-1000) == -1 && real_expm1(0) == 0);
}

static const size_t lengths[] = {0, 1, 7, 15, 16, 17, 31, 33, 64, 1000};

#define MOST 1000

static void fill(float *x, size_t count, float factor)
{
    for (size_t i = 0; i < count; i++)
        x[i] = factor * sinf((float)i * 0.7f + 0.2f);
}

static void test_vector_kernels_equal_plain_loops(void **state)
{
    (void)state;
    for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        size_t count = lengths[l];
        float x[MOST], y[MOST], scaled[MOST], clamped[MOST];
        double squares = 0;
        fill(x, count, 2);
        fill(y, count, -3);
        fill(scaled, count, 4);
        fill(clamped, count, 4);
        for (size_t i = 0; i < count; i++)
            squares += (double)x[i] * (double)x[i];
        vector_add(y, x, count);
        vector_scale(scaled, 0.5f, count);
        vector_clamp(clamped, 1.5f, count);
        for (size_t i = 0; i < count; i++) {
            float s = sinf((float)i * 0.7f + 0.2f);
            assert_true(y[i] == -3 * s + 2 * s);
            assert_true(scaled[i] == 4 * s * 0.5f);
            assert_true(clamped[i] == fminf(fmaxf(4 * s, -1.5f), 1.5f));
        }
        assert_true(fabs(vector_square_sum(x, count) - squares) <= 1e-12 * squares);
    }
}

static void test_sums_and_maxima_equal_plain_loops(void **state)
{
    (void)state;
    for (size_t l = 1; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        size_t count = lengths[l];
        float x[MOST], y[MOST], powers[MOST];
        fill(x, count, 2);
        fill(y, count, -3);
        for (size_t i = 0; i < count; i += 3)
            y[i] = 0.25f;
        double sum = 0, magnitudes = 0, product = 0, power_sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += (double)x[i];
            magnitudes += fabs((double)x[i]);
            product += (double)x[i] * (double)y[i];
            power_sum += exp((double)x[i] - 0.5);
        }
        assert_true(fabs(vector_sum(x, count) - sum) <= 1e-10);
        assert_true(fabs(vector_absolute_sum(x, count) - magnitudes) <= 1e-10);
        assert_true(fabs((double)vector_dot(x, y, count) - product) <= 2e-3);
        float got = vector_exp(x, 0.5f, powers, count);
        assert_true(fabs((double)got - power_sum) <= 1e-6 * power_sum);
        for (size_t i = 0; i < count; i++)
            assert_true(fabs((double)powers[i] - exp((double)x[i] - 0.5)) <= 2e-6);
        for (size_t at = 0; at < count;
             at += 1 + count / 20) { /* in every lane and tail */
            float before = x[at];
            x[at] = 7;
            assert_true(vector_max(x, count) == 7);
            x[at] = before;
        }
        for (size_t i = 0; i < count; i++)
            x[i] = -1000 - (float)i;
        assert_true(vector_max(x, count) == -1000);
    }
}

static void test_clamping_keeps_nan(void **state)
{
    (void)state;
    float y[3] = {NAN, INFINITY, -INFINITY};
    vector_clamp(y, 2, 3);
    assert_true(isnan(y[0]) && y[1] == 2 && y[2] == -2);
}

static void test_row_kernels_equal_plain_loops(void **state)
{
    (void)state;
    enum { ROWS = 7, WIDTH = 19 };
    float x[ROWS * WIDTH], y[ROWS * WIDTH], sums[WIDTH];
    fill(x, ROWS * WIDTH, 1);
    column_sum(x, ROWS, WIDTH, sums);
    row_fill(y, sums, ROWS, WIDTH);
    for (size_t j = 0; j < WIDTH; j++) {
        float sum = 0;
        for (size_t r = 0; r < ROWS; r++)
            sum += x[r * WIDTH + j];
        assert_true(sums[j] == sum);
        for (size_t r = 0; r < ROWS; r++)
            assert_true(y[r * WIDTH + j] == sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_within_a_few_units_of_libm),
        cmocka_unit_test(test_functions_take_extremes),
        cmocka_unit_test(test_vector_kernels_equal_plain_loops),
        cmocka_unit_test(test_sums_and_maxima_equal_plain_loops),
        cmocka_unit_test(test_clamping_keeps_nan),
        cmocka_unit_test(test_row_kernels_equal_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
