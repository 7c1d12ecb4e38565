/* What the spec predicts of the arena is no less than what the engine plans, and not much
 * more, for layers of every kind. (Random graphs: test_random_graphs.c.) */
#include "core_fixture.h"
#include "engine/graph.h"

#include "spec/cost_activations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DEFER_FROM 16384
#define MOST 2.2 /* times the arena, where that is more than small change */
#define SMALL 200000.0

static double arena_of(const struct model_spec *model, size_t rows, size_t defer_from)
{
    struct graph_options options = {
        .max_rows = rows, .training = true, .defer_from = defer_from};
    struct graph *graph;
    assert_int_equal(graph_compile(model, &options, &graph, NULL), 0);
    double reals = (double)(graph_arena_bytes(graph) / sizeof(real));
    graph_free(graph);
    return reals;
}

static void compare(const char *layers, const struct model_spec *model)
{
    for (size_t rows = 1; rows <= 128; rows = rows * 5 + 3) {
        for (size_t defer_from = 0; defer_from <= DEFER_FROM; defer_from += DEFER_FROM) {
            double arena = arena_of(model, rows, defer_from);
            double bound = cost_activations(model, (double)rows);
            if (arena > bound || (bound > SMALL && bound > MOST * arena))
                fail_msg("%s, %zu rows: an arena of %.0f numbers, predicted %.0f", layers,
                         rows, arena, bound);
        }
    }
}

static void expect_bound(const char *layers, const int64_t dims[SHAPE_MAX_RANK])
{
    struct model_spec model = core_model(layers, dims);
    compare(layers, &model);
    model_spec_release(&model);
}

#define DENSE_END "{'type': 'dense', 'units': 10}]"

static void test_chains_of_dense_layers(void **state)
{
    (void)state;
    const int64_t dims[SHAPE_MAX_RANK] = {784};
    expect_bound("[{'type': 'dense', 'units': 1000, 'activation': 'relu'}, "
                 "{'type': 'dropout', 'rate': 0.5}, "
                 "{'type': 'dense', 'units': 500, 'activation': 'gelu'}, " DENSE_END,
                 dims);
    expect_bound("[{'type': 'dense', 'units': 30, 'activation': 'softplus'}, "
                 "{'type': 'layer_norm'}, {'type': 'dense', 'units': 3000}, "
                 "{'type': 'softmax'}, " DENSE_END,
                 dims);
}

static void test_convolutions_of_all_sorts(void **state)
{
    (void)state;
    static const int strides[] = {1, 2, 3, 5}, sizes[] = {1, 2, 3, 5, 7};
    static const char *const paddings[] = {"'same'", "'valid'", "1"};
    const int64_t dims[SHAPE_MAX_RANK] = {19, 23, 4};
    int compared = 0;
    for (int i = 0; i < 4 * 5 * 3 * 2 * 3; i++) {
        int stride = strides[i % 4], size = sizes[i / 4 % 5], dilation = 1 + i / 60 % 2;
        const char *padding = paddings[i / 20 % 3];
        int groups = 1 << (i / 120);
        if (size == 1 && padding[0] == '1')
            continue;
        char layers[512];
        snprintf(layers, sizeof(layers),
                 "[{'type': 'conv2d', 'filters': 20, 'kernel_size': %d, 'strides': %d, "
                 "'padding': %s, 'dilation_rate': %d, 'groups': %d, "
                 "'activation': 'relu'}, {'type': 'flatten'}, " DENSE_END,
                 size, stride, padding, dilation, groups);
        expect_bound(layers, dims);
        compared++;
    }
    assert_true(compared > 300);
}

/* Windows that overlap, between channels enough for minimal filtering. */
static void test_convolutions_of_many_channels(void **state)
{
    (void)state;
    int compared = 0;
    for (int size = 2; size <= 5; size++) {
        for (int side = 8; side <= 128; side *= 4) {
            for (int filters = 16; filters <= 256; filters *= 4) {
                const int64_t dims[SHAPE_MAX_RANK] = {side, side, 40};
                char layers[512];
                snprintf(layers, sizeof(layers),
                         "[{'type': 'conv2d', 'filters': %d, 'kernel_size': %d, "
                         "'padding': 'same'}, {'type': 'conv2d', 'filters': 33, "
                         "'kernel_size': [1, %d]}, {'type': "
                         "'global_average_pool2d'}, " DENSE_END,
                         filters, size, size);
                expect_bound(layers, dims);
                compared++;
            }
        }
    }
    assert_int_equal(compared, 36);
}

static void test_networks_for_images(void **state)
{
    (void)state;
    const int64_t dims[SHAPE_MAX_RANK] = {28, 28, 1};
    expect_bound(
        "[{'type': 'conv2d', 'filters': 32, 'kernel_size': 3, 'padding': 'same'},"
        "{'type': 'batch_norm'}, {'type': 'relu'}, {'type': 'max_pool2d'}, "
        "{'type': 'conv2d', 'filters': 64, 'kernel_size': 3, 'padding': 'same'},"
        "{'type': 'group_norm', 'groups': 8}, {'type': 'silu'}, "
        "{'type': 'average_pool2d'}, {'type': 'flatten'}, "
        "{'type': 'dropout', 'rate': 0.3}, " DENSE_END,
        dims);
    expect_bound(
        "[{'type': 'conv2d', 'filters': 16, 'kernel_size': 3, 'padding': 'same'},"
        "{'type': 'residual', 'layers': ["
        "{'type': 'conv2d', 'filters': 16, 'kernel_size': 3, 'padding': 'same'},"
        "{'type': 'batch_norm'}, {'type': 'relu'}, "
        "{'type': 'conv2d', 'filters': 16, 'kernel_size': 3, 'padding': 'same'},"
        "{'type': 'batch_norm'}]}, {'type': 'relu'}, "
        "{'type': 'residual', 'layers': ["
        "{'type': 'conv2d', 'filters': 16, 'kernel_size': 3, 'padding': 'same'},"
        "{'type': 'batch_norm'}]}, {'type': 'global_average_pool2d'}, " DENSE_END,
        dims);
    expect_bound("[{'type': 'conv2d', 'filters': 300, 'kernel_size': 9}, "
                 "{'type': 'upsample2d', 'size': 2}, "
                 "{'type': 'conv2d', 'filters': 300, 'kernel_size': 9}, "
                 "{'type': 'global_average_pool2d'}, " DENSE_END,
                 dims);
}

static void test_networks_for_sequences(void **state)
{
    (void)state;
    const int64_t dims[SHAPE_MAX_RANK] = {64, 24};
    expect_bound("[{'type': 'lstm', 'units': 128, 'return_sequences': true}, "
                 "{'type': 'lstm', 'units': 100, 'return_sequences': true}, " DENSE_END,
                 dims);
    expect_bound("[{'type': 'gru', 'units': 3, 'return_sequences': true}, "
                 "{'type': 'gru', 'units': 257}, " DENSE_END,
                 dims);
    expect_bound("[{'type': 'transformer_block', 'num_heads': 4, 'dropout': 0.1}, "
                 "{'type': 'transformer_block', 'num_heads': 1, 'causal': true}, "
                 "{'type': 'layer_norm'}, {'type': 'flatten'}, " DENSE_END,
                 dims);
    const int64_t longer[SHAPE_MAX_RANK] = {700, 16};
    expect_bound("[{'type': 'multi_head_attention', 'num_heads': 16}, "
                 "{'type': 'rms_norm'}, {'type': 'flatten'}, " DENSE_END,
                 longer);
}

static void test_networks_for_texts(void **state)
{
    (void)state;
    static const char layers[] =
        "[{'type': 'embedding', 'output_dim': 128, 'name': 'in'}, "
        "{'type': 'position_embedding'}, "
        "{'type': 'transformer_block', 'num_heads': 4, 'causal': true}, "
        "{'type': 'transformer_block', 'num_heads': 4, 'causal': true}, "
        "{'type': 'layer_norm'}, "
        "{'type': 'dense', 'units': 65, 'use_bias': false, 'shared_weights': 'in'}]";
    const int64_t dims[SHAPE_MAX_RANK] = {64};
    struct model_spec model = core_text_model(layers, dims, 65);
    compare(layers, &model);
    model_spec_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_of_dense_layers),
        cmocka_unit_test(test_convolutions_of_all_sorts),
        cmocka_unit_test(test_convolutions_of_many_channels),
        cmocka_unit_test(test_networks_for_images),
        cmocka_unit_test(test_networks_for_sequences),
        cmocka_unit_test(test_networks_for_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
