/* Convolutions against their definition, over generated shapes and attributes, for every
 * instruction set that the CPU has; and windows against what PyTorch and TensorFlow say.
 */
#include "engine/conv.h"
#include "engine/conv_axis.h"
#include "engine/conv_winograd.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES 3
#define GENERATED 400
#define OVERLAPPING 60

static uint32_t pick(struct rng *rng, uint32_t from, uint32_t to)
{
    return from + rng_below(rng, to - from + 1);
}

/* A window that fits: `before` and `after` at will, what is not reached is cut off. */
static struct window_axis random_axis(struct rng *rng, uint32_t most)
{
    struct window_axis axis = {
        .size = pick(rng, 1, 5), .stride = pick(rng, 1, 3), .dilation = pick(rng, 1, 3)};
    size_t reach = (axis.size - 1) * axis.dilation + 1;
    axis.before = pick(rng, 0, (uint32_t)reach - 1);
    axis.after = pick(rng, 0, (uint32_t)reach - 1);
    axis.in = pick(rng, 1, most);
    if (axis.in + axis.before + axis.after < reach)
        axis.in = reach;
    axis.out = (axis.in + axis.before + axis.after - reach) / axis.stride + 1;
    return axis;
}

static struct conv random_conv(struct rng *rng)
{
    struct window window = {
        .dimensions = 2, .rows = random_axis(rng, 9), .columns = random_axis(rng, 33)};
    size_t groups = pick(rng, 1, 4) == 1 ? pick(rng, 1, 17) : 1;
    size_t filters = groups * pick(rng, 1, groups > 1 ? 3 : 37);
    window.channels = groups * pick(rng, 1, groups > 1 ? 3 : 17);
    if (groups > 1 && pick(rng, 0, 1) == 0)
        window.channels = filters = groups;
    return conv_make(&window, filters, groups);
}

static real *random_numbers(struct rng *rng, size_t count)
{
    real *numbers = malloc((count + 1) * sizeof(real));
    assert_non_null(numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (real)(2 * rng_uniform(rng) - 1);
    return numbers;
}

static void describe(const struct conv *conv, char text[256])
{
    const struct window_axis *rows = &conv->rows, *columns = &conv->columns;
    snprintf(
        text, 256,
        "[%zu %zu %zu] kernel %zu %zu stride %zu %zu dilation %zu %zu padding %zu %zu "
        "filters %zu groups %zu isa %d",
        rows->in, columns->in, conv->channels, rows->size, columns->size, rows->stride,
        columns->stride, rows->dilation, columns->dilation, rows->before, columns->before,
        conv->filters, conv->groups, (int)conv->isa);
}

static void expect_near(const struct conv *conv, const char *what, const real *found,
                        const real *expected, size_t count, size_t terms)
{
    /* Roundings of sums that grow as their terms do. */
    double unit = sizeof(real) == sizeof(double) ? 2e-16 : 1e-7;
    double tolerance = unit * (double)(16 + terms) * (winograd_suits(conv) ? 3 : 1);
    for (size_t i = 0; i < count; i++) {
        if (fabs((double)found[i] - (double)expected[i]) <= tolerance)
            continue;
        char text[256];
        describe(conv, text);
        fail_msg("%s: %s: element %zu of %zu is %g, expected %g", text, what, i, count,
                 (double)found[i], (double)expected[i]);
    }
}

/* Root of the mean square of the difference, of that of what is expected. */
static double relative_error(const real *found, const real *expected, size_t count)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)found[i] - (double)expected[i];
        error += difference * difference;
        size += (double)expected[i] * (double)expected[i];
    }
    return sqrt(error / size);
}

/* Results are exactly as long as they should be, and filled with what must be replaced,
 * so that the sanitizers see what is written past them. */
static real *unset(size_t count)
{
    real *numbers = malloc(count * sizeof(real));
    assert_non_null(numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (real)NAN;
    return numbers;
}

static void check(const struct conv *conv, struct rng *rng)
{
    size_t x_count = IMAGES * conv_input_size(conv);
    size_t y_count = IMAGES * conv_output_size(conv), w_count = conv_weight_size(conv);
    real *x = random_numbers(rng, x_count), *w = random_numbers(rng, w_count);
    real *bias = random_numbers(rng, conv->filters), *dy = random_numbers(rng, y_count);
    real *scratch = unset(conv_scratch(conv) + 1);
    real *y = unset(y_count), *expected_y = unset(y_count);
    real *dx = unset(x_count), *expected_dx = unset(x_count);
    real *dw = unset(w_count), *expected_dw = unset(w_count);
    const real *optional = pick(rng, 0, 1) == 0 ? bias : NULL;
    size_t taps = conv->rows.size * conv->columns.size;

    conv_forward(conv, IMAGES, x, w, optional, y, scratch);
    conv_forward_reference(conv, IMAGES, x, w, optional, expected_y);
    expect_near(conv, "y", y, expected_y, y_count, taps * conv->channels);
    conv_backward_data(conv, IMAGES, dy, w, false, dx, scratch);
    conv_backward_data_reference(conv, IMAGES, dy, w, expected_dx);
    expect_near(conv, "dx", dx, expected_dx, x_count, taps * conv->filters);
    conv_backward_data(conv, IMAGES, dy, w, true, dx, scratch);
    for (size_t i = 0; i < x_count; i++)
        expected_dx[i] *= 2;
    expect_near(conv, "added dx", dx, expected_dx, x_count, 2 * taps * conv->filters);
    conv_backward_weights(conv, IMAGES, x, dy, dw, scratch);
    conv_backward_weights_reference(conv, IMAGES, x, dy, expected_dw);
    expect_near(conv, "dw", dw, expected_dw, w_count,
                IMAGES * conv->rows.out * conv->columns.out);

    real *all[] = {x,          w,  bias,        dy, scratch,    y,
                   expected_y, dx, expected_dx, dw, expected_dw};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]);
}

static void test_convolutions_equal_their_definition(void **state)
{
    (void)state;
    for (enum gemm_isa isa = GEMM_BASELINE; isa < GEMM_ISA_COUNT; isa++) {
        if (!gemm_isa_supported(isa)) {
            print_message("[  NOTE    ] this CPU lacks instruction set %d\n", (int)isa);
            continue;
        }
        for (uint64_t i = 0; i < GENERATED; i++) {
            struct rng rng;
            rng_init(&rng, 5, RNG_SAMPLE, i);
            struct conv conv = random_conv(&rng);
            conv.isa = isa;
            check(&conv, &rng);
        }
    }
}

/* Convolutions whose windows overlap, most of which suit minimal filtering. */
static struct conv random_overlapping_conv(struct rng *rng)
{
    struct window window = {.dimensions = 2, .channels = pick(rng, 14, 35)};
    struct window_axis *axes[] = {&window.rows, &window.columns};
    for (int i = 0; i < 2; i++) {
        struct window_axis *axis = axes[i];
        *axis = (struct window_axis){
            .size = pick(rng, 1 + (uint32_t)i, 5), .stride = 1, .dilation = 1};
        axis->before = pick(rng, 0, (uint32_t)axis->size - 1);
        axis->after = pick(rng, 0, (uint32_t)axis->size - 1);
        axis->in = pick(rng, 5, 19);
        axis->out = axis->in + axis->before + axis->after - axis->size + 1;
    }
    return conv_make(&window, pick(rng, 14, 50), 1);
}

static void test_overlapping_convolutions_equal_their_definition(void **state)
{
    (void)state;
    for (enum gemm_isa isa = GEMM_BASELINE; isa < GEMM_ISA_COUNT; isa++) {
        if (!gemm_isa_supported(isa))
            continue;
        size_t suit = 0;
        for (uint64_t i = 0; i < OVERLAPPING; i++) {
            struct rng rng;
            rng_init(&rng, 10, RNG_SAMPLE, i);
            struct conv conv = random_overlapping_conv(&rng);
            conv.isa = isa;
            suit += winograd_suits(&conv) ? 1 : 0;
            check(&conv, &rng);
        }
        assert_true(suit > OVERLAPPING / 2);
    }
}

/* The layers of networks that people train: whole panels and tiles. */
static void test_convolutions_of_known_networks_equal_their_definition(void **state)
{
    (void)state;
    static const struct {
        size_t in, channels, filters, size, stride, before;
    } layers[] = {{28, 1, 32, 5, 1, 2},
                  {14, 32, 64, 5, 1, 2},
                  {32, 3, 16, 3, 1, 1},
                  {16, 32, 32, 3, 1, 1},
                  {8, 64, 64, 3, 1, 1},
                  {16, 32, 64, 3, 2, 1},
                  {8, 64, 48, 1, 1, 0},
                  {8, 16, 40, 1, 2, 0},
                  /* Images that are done in strips of rows, few and many channels. */
                  {65, 16, 16, 3, 1, 1},
                  {20, 136, 136, 3, 1, 1}};
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        struct window_axis axis = {.in = layers[i].in,
                                   .size = layers[i].size,
                                   .stride = layers[i].stride,
                                   .dilation = 1,
                                   .before = layers[i].before,
                                   .after = layers[i].before};
        axis.out = (axis.in + 2 * axis.before - axis.size) / axis.stride + 1;
        struct window window = {2, axis, axis, layers[i].channels};
        struct conv conv = conv_make(&window, layers[i].filters, 1);
        struct rng rng;
        rng_init(&rng, 6, RNG_SAMPLE, i);
        check(&conv, &rng);
    }
}

/* Plain sums have 5 to 8 units here, minimal filtering 8 to 16. */
static void test_minimal_filtering_rounds_little(void **state)
{
    (void)state;
    for (size_t size = 3; size <= 5; size += 2) {
        struct window_axis axis = {16, 16, size, 1, 1, size / 2, size / 2};
        struct window window = {2, axis, axis, 32};
        struct conv conv = conv_make(&window, 32, 1);
        assert_true(winograd_suits(&conv));
        struct rng rng;
        rng_init(&rng, 9, RNG_SAMPLE, size);
        size_t x_count = IMAGES * conv_input_size(&conv),
               w_count = conv_weight_size(&conv);
        size_t y_count = IMAGES * conv_output_size(&conv);
        real *x = random_numbers(&rng, x_count), *w = random_numbers(&rng, w_count);
        real *dy = random_numbers(&rng, y_count), *scratch = unset(conv_scratch(&conv));
        real *found = unset(y_count + w_count), *expected = unset(y_count + w_count);
        double unit = sizeof(real) == sizeof(double) ? 0x1p-53 : 0x1p-24;

        conv_forward(&conv, IMAGES, x, w, NULL, found, scratch);
        conv_forward_reference(&conv, IMAGES, x, w, NULL, expected);
        assert_true(relative_error(found, expected, y_count) < 16 * unit);
        conv_backward_data(&conv, IMAGES, dy, w, false, found, scratch);
        conv_backward_data_reference(&conv, IMAGES, dy, w, expected);
        assert_true(relative_error(found, expected, x_count) < 16 * unit);
        conv_backward_weights(&conv, IMAGES, x, dy, found, scratch);
        conv_backward_weights_reference(&conv, IMAGES, x, dy, expected);
        assert_true(relative_error(found, expected, w_count) < 24 * unit);
        real *all[] = {x, w, dy, scratch, found, expected};
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            free(all[i]);
    }
}

static void test_a_convolution_gives_the_same_bits_each_time(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7, RNG_SAMPLE, 0);
    struct window_axis axis = {9, 9, 3, 1, 1, 1, 1};
    struct window window = {2, axis, axis, 5};
    struct conv conv = conv_make(&window, 21, 1);
    size_t count = conv_weight_size(&conv);
    real *x = random_numbers(&rng, IMAGES * conv_input_size(&conv));
    real *dy = random_numbers(&rng, IMAGES * conv_output_size(&conv));
    real *first = unset(count), *second = unset(count);
    real *scratch = unset(conv_scratch(&conv));
    conv_backward_weights(&conv, IMAGES, x, dy, first, scratch);
    conv_backward_weights(&conv, IMAGES, x, dy, second, scratch);
    assert_memory_equal(first, second, count * sizeof(real));
    free(x);
    free(dy);
    free(first);
    free(second);
    free(scratch);
}

/* Every pair of tap and output position, found by both ways, is the same set. */
static void test_forward_and_backward_see_the_same_pairs(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < GENERATED; i++) {
        struct rng rng;
        rng_init(&rng, 8, RNG_SAMPLE, i);
        struct window_axis axis = random_axis(&rng, 20);
        size_t forward = 0, backward = 0;
        for (size_t p = 0; p < axis.out; p++)
            forward += axis_taps(&axis, p).count;
        for (size_t phase = 0; phase < axis_phases(&axis); phase++) {
            struct axis_phase of = axis_phase_of(&axis, phase);
            for (size_t q = 0; q < of.inputs; q++) {
                struct span taps = axis_phase_taps(&axis, &of, q);
                for (size_t t = taps.first; t < taps.first + taps.count; t++) {
                    size_t k = of.last_tap - t * of.tap_step;
                    size_t p = (size_t)((ptrdiff_t)(q + t * of.gap) + of.shift);
                    size_t x = phase + q * axis.stride;
                    assert_int_equal(p * axis.stride + k * axis.dilation,
                                     x + axis.before);
                }
                backward += taps.count;
            }
        }
        assert_int_equal(forward, backward);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions_equal_their_definition),
        cmocka_unit_test(test_overlapping_convolutions_equal_their_definition),
        cmocka_unit_test(test_convolutions_of_known_networks_equal_their_definition),
        cmocka_unit_test(test_minimal_filtering_rounds_little),
        cmocka_unit_test(test_a_convolution_gives_the_same_bits_each_time),
        cmocka_unit_test(test_forward_and_backward_see_the_same_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
