/* Layers with windows by finite differences in double, over generated shapes and
 * attributes: each in a network that trains, with a layer of parameters before it and one
 * behind it. */
#include "core_fixture.h"
#include "gradcheck_fixture.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-6
#define ROWS 2
#define GENERATED 120

static uint32_t pick(struct rng *rng, uint32_t from, uint32_t to)
{
    return from + rng_below(rng, to - from + 1);
}

static void check(const char *layers, const int64_t dims[SHAPE_MAX_RANK])
{
    struct model_spec model = core_model(layers, dims);
    size_t inputs = ROWS * (size_t)shape_elements(&model.input);
    double *x = malloc(inputs * sizeof(double));
    assert_non_null(x);
    for (size_t i = 0; i < inputs; i++)
        x[i] = 1.5 * core_number(i);
    gradcheck_expect(&model, ROWS, x, TOLERANCE, layers);
    free(x);
    model_spec_release(&model);
}

/* "padding": one of the words, or as much as the window takes. */
static void random_padding(struct rng *rng, uint32_t most, char text[40])
{
    static const char *const words[] = {"'same'", "'valid'"};
    uint32_t which = pick(rng, 0, 2);
    if (which < 2)
        snprintf(text, 40, "%s", words[which]);
    else
        snprintf(text, 40, "%u", pick(rng, 0, most));
}

/* A convolution of [9 … 12, 9 … 12] positions with a window of at most 9. */
static void test_gradients_of_generated_convolutions(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < GENERATED; i++) {
        struct rng rng;
        rng_init(&rng, 21, RNG_SAMPLE, i);
        bool is_2d = pick(&rng, 0, 1) == 1;
        uint32_t height = pick(&rng, 9, 12), width = pick(&rng, 9, 12);
        uint32_t groups = pick(&rng, 0, 2) == 0 ? pick(&rng, 2, 17) : 1;
        uint32_t channels = groups * pick(&rng, 1, groups > 1 ? 2 : 17);
        uint32_t filters = groups * pick(&rng, 1, groups > 1 ? 2 : 17);
        uint32_t size = pick(&rng, 1, 3), dilation = pick(&rng, 1, 3);
        uint32_t stride = pick(&rng, 1, 3);
        const char *bias = pick(&rng, 0, 1) ? "true" : "false";
        const char *activation = pick(&rng, 0, 1) ? "tanh" : "linear";
        char padding[40], layers[512];
        random_padding(&rng, (size - 1) * dilation, padding);
        snprintf(
            layers, sizeof(layers),
            "[{'type': 'conv%dd', 'filters': %u, 'kernel_size': 1}, {'type': 'conv%dd', "
            "'filters': %u, 'kernel_size': %u, 'strides': %u, 'padding': %s, "
            "'dilation_rate': %u, "
            "'groups': %u, 'use_bias': %s, 'activation': '%s'}, {'type': 'flatten'}, "
            "{'type': 'dense', 'units': 2}]",
            is_2d ? 2 : 1, channels, is_2d ? 2 : 1, filters, size, stride, padding,
            dilation, groups, bias, activation);
        int64_t image[SHAPE_MAX_RANK] = {height, width, 2};
        int64_t sequence[SHAPE_MAX_RANK] = {width, 3};
        check(layers, is_2d ? image : sequence);
    }
}

/* Poolings behind a convolution, so that no two numbers of a window are near each
 * other. */
static void test_gradients_of_generated_poolings(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < GENERATED; i++) {
        struct rng rng;
        rng_init(&rng, 22, RNG_SAMPLE, i);
        int dimensions = (int)pick(&rng, 1, 2);
        bool is_max = pick(&rng, 0, 1) == 1;
        uint32_t channels = pick(&rng, 1, 17), size = pick(&rng, 1, 4);
        uint32_t stride = pick(&rng, 1, 4);
        int64_t height = pick(&rng, 4, 9), width = pick(&rng, 4, 9);
        const char *counts = pick(&rng, 0, 1) ? "true" : "false";
        char padding[40], layers[512];
        random_padding(&rng, size / 2, padding);
        snprintf(layers, sizeof(layers),
                 "[{'type': 'conv%dd', 'filters': %u, 'kernel_size': 1}, {'type': "
                 "'%s_pool%dd', 'pool_size': %u, 'strides': %u, 'padding': %s%s%s}, "
                 "{'type': 'flatten'}, {'type': 'dense', 'units': 2}]",
                 dimensions, channels, is_max ? "max" : "average", dimensions, size,
                 stride, padding,
                 is_max ? "" : ", 'count_include_pad': ", is_max ? "" : counts);
        int64_t image[SHAPE_MAX_RANK] = {height, width, 2};
        int64_t sequence[SHAPE_MAX_RANK] = {width, 3};
        check(layers, dimensions == 2 ? image : sequence);
    }
}

/* Other sizes along the two axes, and samples without a channel axis. */
static void test_gradients_of_lopsided_convolutions(void **state)
{
    (void)state;
    check("[{'type': 'conv2d', 'filters': 3, 'kernel_size': [3, 2], 'strides': [1, 2], "
          "'padding': [2, 0], 'dilation_rate': [2, 1]}, {'type': 'conv2d', 'filters': 5, "
          "'kernel_size': [1, 3], 'padding': 'same', 'activation': 'gelu'}, {'type': "
          "'flatten'}, {'type': 'dense', 'units': 3}]",
          (int64_t[SHAPE_MAX_RANK]){7, 8});
    check("[{'type': 'conv1d', 'filters': 4, 'kernel_size': 3, 'strides': 2}, {'type': "
          "'flatten'}, {'type': 'dense', 'units': 3}]",
          (int64_t[SHAPE_MAX_RANK]){11});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_generated_convolutions),
        cmocka_unit_test(test_gradients_of_generated_poolings),
        cmocka_unit_test(test_gradients_of_lopsided_convolutions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
