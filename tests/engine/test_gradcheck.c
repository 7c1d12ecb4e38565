/*
 * Every op, every loss and some whole networks by finite differences, in the double
 * build. The table of ops must cover op_table: an op without a row fails, but
 * for activations, which are all checked alike.
 */
#include "core_fixture.h"
#include "engine/gradcheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-6

struct op_case {
    const char *op;
    const char *layers;
    int64_t dims[SHAPE_MAX_RANK];
    size_t rows;
};

/* Dense layers around an op bring parameters before it and mix what comes out of it. */
#define AROUND(op)                                                                       \
    "[{'type': 'dense', 'units': 19}, " op ", {'type': 'dense', 'units': 2}]"
/* The op at the network's input, of any shape, and at its output. */
#define BEFORE(op) "[" op ", {'type': 'dense', 'units': 3}]"
#define AFTER(op) "[{'type': 'dense', 'units': 7}, " op "]"

#define ATTENTION "{'type': 'multi_head_attention', "
#define EMBEDDING "{'type': 'embedding', 'output_dim': 4}"

static const struct op_case op_cases[] = {
    {"dense", "[{'type': 'dense', 'units': 1}]", {1}, 1},
    {"dense", "[{'type': 'dense', 'units': 3}]", {4}, 5},
    {"dense", "[{'type': 'dense', 'units': 17, 'use_bias': false}]", {33}, 9},
    /* over the last axis only, with positions before it */
    {"dense", BEFORE("{'type': 'relu'}"), {3, 2, 5}, 4},
    {"conv1d",
     "[{'type': 'conv1d', 'filters': 3, 'kernel_size': 2}, {'type': 'dense', 'units': "
     "2}]",
     {5, 2},
     3},
    {"conv2d",
     BEFORE("{'type': 'conv2d', 'filters': 18, 'kernel_size': 3, 'padding': 'same'}, "
            "{'type': 'tanh'}"),
     {4, 5, 2},
     3},
    {"conv2d", "[{'type': 'conv2d', 'filters': 2, 'kernel_size': 1}]", {2, 3, 5}, 2},
    {"max_pool1d", BEFORE("{'type': 'max_pool1d'}"), {6, 5}, 3},
    {"max_pool2d",
     BEFORE("{'type': 'max_pool2d', 'pool_size': 3, 'strides': 2}"),
     {5, 7, 18},
     2},
    {"average_pool1d",
     BEFORE("{'type': 'average_pool1d', 'padding': 'same'}"),
     {5, 3},
     3},
    {"average_pool2d",
     BEFORE(
         "{'type': 'average_pool2d', 'pool_size': [2, 3], 'padding': 1, 'strides': 1}"),
     {4, 5, 2},
     3},
    {"global_average_pool1d", BEFORE("{'type': 'global_average_pool1d'}"), {5, 3}, 3},
    {"global_average_pool2d",
     "[{'type': 'conv2d', 'filters': 17, 'kernel_size': 1}, {'type': "
     "'global_average_pool2d'}]",
     {3, 4},
     3},
    {"upsample2d", BEFORE("{'type': 'tanh'}, {'type': 'upsample2d'}"), {3, 2, 2}, 3},
    {"upsample2d", BEFORE("{'type': 'upsample2d', 'size': [1, 3]}"), {2, 3}, 3},
    {"group_norm", BEFORE("{'type': 'group_norm', 'groups': 3}"), {2, 3, 6}, 3},
    {"group_norm",
     AROUND("{'type': 'group_norm', 'groups': 19, 'epsilon': 0.1}"),
     {3},
     2},
    {"group_norm", BEFORE("{'type': 'group_norm', 'groups': 1}"), {4, 40}, 3},
    {"flatten", BEFORE("{'type': 'flatten'}"), {2, 3}, 2},
    {"flatten",
     "[{'type': 'conv1d', 'filters': 5, 'kernel_size': 1}, {'type': 'tanh'}, {'type': "
     "'flatten'}, {'type': 'dense', 'units': 2}]",
     {6, 2},
     3},
    {"flatten",
     BEFORE("{'type': 'tanh'}, {'type': 'flatten'}, {'type': 'relu'}"),
     {2, 3, 2},
     3},
    {"flatten", BEFORE("{'type': 'sigmoid'}, {'type': 'flatten'}"), {2, 2, 2, 2}, 3},
    {"flatten", AFTER("{'type': 'tanh'}, {'type': 'flatten'}"), {4}, 3},
    {"reshape", BEFORE("{'type': 'tanh'}, {'type': 'reshape', 'shape': [3, 2]}"), {6}, 3},
    {"reshape",
     BEFORE("{'type': 'reshape', 'shape': -1}, {'type': 'gelu'}"),
     {2, 2, 3},
     2},
    {"add", AROUND("{'type': 'add', 'inputs': ['layers.0', 'layers.0']}"), {3}, 4},
    {"add",
     BEFORE("{'type': 'tanh'}, {'type': 'add', 'inputs': ['input', 'layers.0', "
            "'input']}"),
     {2, 9},
     3},
    {"add",
     "[{'type': 'residual', 'activation': 'tanh', 'layers': [{'type': 'dense', 'units': "
     "5, 'activation': 'silu'}, {'type': 'dense', 'units': 4}]}]",
     {4},
     3},
    {"add",
     BEFORE("{'type': 'residual', 'layers': [{'type': 'tanh'}, {'type': 'dense', "
            "'units': 7}]}"),
     {2, 4},
     3},
    {"multiply",
     AROUND("{'type': 'multiply', 'inputs': ['layers.0', 'input']}"),
     {19},
     4},
    {"multiply",
     BEFORE("{'type': 'sigmoid'}, {'type': 'multiply', 'inputs': ['layers.0', 'input', "
            "'input']}"),
     {2, 3},
     3},
    {"layer_norm", AROUND("{'type': 'layer_norm'}"), {3}, 4},
    {"layer_norm", BEFORE("{'type': 'layer_norm', 'epsilon': 0.01}"), {2, 37}, 3},
    {"layer_norm", AFTER("{'type': 'layer_norm'}"), {4}, 3},
    {"rms_norm", AROUND("{'type': 'rms_norm'}"), {3}, 4},
    {"rms_norm", BEFORE("{'type': 'rms_norm', 'epsilon': 0.01}"), {2, 37}, 3},
    {"rms_norm", AFTER("{'type': 'rms_norm'}, {'type': 'tanh'}"), {4}, 3},
    {"batch_norm", BEFORE("{'type': 'batch_norm', 'epsilon': 0.1}"), {19}, 5},
    {"batch_norm", BEFORE("{'type': 'batch_norm'}, {'type': 'gelu'}"), {3, 2, 5}, 23},
    {"batch_norm",
     "[{'type': 'dense', 'units': 6, 'use_bias': false}, {'type': 'batch_norm'},"
     " {'type': 'tanh'}, {'type': 'dense', 'units': 2}]",
     {4},
     7},
    {"lstm", "[{'type': 'lstm', 'units': 1}]", {1, 1}, 1},
    {"lstm", BEFORE("{'type': 'tanh'}, {'type': 'lstm', 'units': 5}"), {4, 3}, 3},
    {"lstm",
     "[{'type': 'lstm', 'units': 4, 'return_sequences': true, 'truncate': 2},"
     " {'type': 'lstm', 'units': 3, 'use_bias': false}]",
     {5, 2},
     3},
    {"lstm", BEFORE("{'type': 'lstm', 'units': 9, 'return_sequences': true}"), {3, 2}, 2},
    {"gru", "[{'type': 'gru', 'units': 1}]", {1, 1}, 1},
    {"gru", BEFORE("{'type': 'tanh'}, {'type': 'gru', 'units': 5}"), {4, 3}, 3},
    {"gru",
     "[{'type': 'gru', 'units': 4, 'return_sequences': true, 'truncate': 1},"
     " {'type': 'gru', 'units': 3, 'use_bias': false}]",
     {5, 2},
     3},
    {"gru", BEFORE("{'type': 'gru', 'units': 9, 'return_sequences': true}"), {3, 2}, 2},
    {"concat", AROUND("{'type': 'concat', 'inputs': ['input', 'layers.0']}"), {3}, 4},
    {"concat",
     BEFORE("{'type': 'dense', 'units': 2}, {'type': 'concat', 'inputs': ['layers.0', "
            "'input', 'layers.0']}"),
     {2, 3, 5},
     3},
    {"leaky_relu", BEFORE("{'type': 'leaky_relu', 'alpha': 0.3}"), {17}, 3},
    {"leaky_relu", AFTER("{'type': 'leaky_relu', 'alpha': 0}"), {17}, 3},
    {"elu", BEFORE("{'type': 'elu', 'alpha': 1.7}"), {17}, 3},
    {"elu", AFTER("{'type': 'elu', 'alpha': 0.5}"), {17}, 3},
    {"softmax", "[{'type': 'dense', 'units': 1}, {'type': 'softmax'}]", {4}, 3},
    {"embedding", BEFORE(EMBEDDING), {1}, 1},
    {"embedding", BEFORE(EMBEDDING), {7}, 3},
    {"embedding", "[{'type': 'embedding', 'output_dim': 17}]", {2, 3}, 2},
    {"embedding",
     "[{'type': 'embedding', 'input_dim': 13, 'output_dim': 2}, {'type': 'dense', "
     "'units': 2}, {'type': 'tanh'}]",
     {9},
     2},
    {"position_embedding", BEFORE(EMBEDDING ", {'type': 'position_embedding'}"), {5}, 3},
    {"position_embedding", BEFORE("{'type': 'position_embedding'}"), {1, 3}, 1},
    {"position_embedding",
     BEFORE("{'type': 'tanh'}, {'type': 'position_embedding'}"),
     {3, 18},
     2},
    {"sinusoidal_positions",
     BEFORE(EMBEDDING ", {'type': 'sinusoidal_positions'}, {'type': 'gelu'}"),
     {5},
     3},
    {"sinusoidal_positions", BEFORE("{'type': 'sinusoidal_positions'}"), {9, 7}, 2},
    {"sinusoidal_positions",
     "[{'type': 'tanh'}, {'type': 'dense', 'units': 7}, {'type': "
     "'sinusoidal_positions'}]",
     {9, 2},
     2},
    {"multi_head_attention", BEFORE(ATTENTION "'num_heads': 1}"), {1, 1}, 1},
    {"multi_head_attention",
     BEFORE(ATTENTION "'num_heads': 2, 'causal': true}"),
     {5, 6},
     3},
    {"dropout", AROUND("{'type': 'dropout', 'rate': 0.4}"), {3}, 6},
    {"dropout", BEFORE("{'type': 'dropout', 'rate': 0}"), {70}, 2},
    {"dropout", BEFORE("{'type': 'dropout', 'rate': 0.9}, {'type': 'tanh'}"), {2, 70}, 2},
    {"dropout", AROUND("{'type': 'relu'}, {'type': 'dropout', 'rate': 0.3}"), {3}, 6},
};

#define OP_CASES (sizeof(op_cases) / sizeof(op_cases[0]))

static double *numbers(size_t count, double scale)
{
    double *x = malloc((count + 1) * sizeof(double));
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = scale * core_number(i);
    return x;
}

/* Of the text whose tokens the case's input is; 0: it is other numbers. */
static int64_t vocabulary(const struct op_case *c)
{
    return strstr(c->layers, "'embedding'") ? 5 : 0;
}

static struct model_spec case_model(const struct op_case *c)
{
    return core_text_model(c->layers, c->dims, vocabulary(c));
}

static double *case_input(const struct op_case *c, size_t count)
{
    double *x = numbers(count, 1.5);
    for (size_t i = 0; vocabulary(c) > 0 && i < count; i++)
        x[i] = (double)(i * i % (size_t)vocabulary(c));
    return x;
}

/* Every tensor and the input of the model within the tolerance. */
static void check(const struct gradcheck_options *options, const double *x,
                  const void *target, const char *name)
{
    struct gradcheck_tensor *tensors;
    size_t count;
    struct error err;
    error_clear(&err);
    if (gradcheck(options, x, target, &tensors, &count, &err) != 0)
        fail_msg("%s: %s", name, err.text);
    for (size_t i = 0; i < count; i++) {
        if (!(tensors[i].largest_error <= TOLERANCE))
            fail_msg("%s: layer %d %s: relative error %g", name, tensors[i].layer,
                     tensors[i].name, tensors[i].largest_error);
        assert_true(tensors[i].checked > 0);
        assert_true(tensors[i].kinks * 5 <= tensors[i].checked);
    }
    free(tensors);
}

static size_t elements(const struct shape *shape)
{
    return (size_t)shape_elements(shape);
}

static void check_case(const struct op_case *c)
{
    struct model_spec model = case_model(c);
    size_t outputs = c->rows * elements(&model.layers[model.output].output);
    double *x = case_input(c, c->rows * elements(&model.input));
    float *target = malloc(outputs * sizeof(float));
    assert_non_null(target);
    for (size_t t = 0; t < outputs; t++)
        target[t] = (float)core_number(t + 100);
    struct gradcheck_options options = {
        .model = &model, .loss = {.type = LOSS_MSE}, .rows = c->rows, .seed = 7};
    check(&options, x, target, c->layers);
    options.defer_from = 1;
    check(&options, x, target, c->layers);
    free(x);
    free(target);
    model_spec_release(&model);
}

static void test_gradients_of_every_op_equal_finite_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < OP_CASES; i++)
        check_case(&op_cases[i]);
}

/* Activations have one shape of row, so that a new one is checked by being listed in
 * spec: around it, at the network's input with positions before, and at its output. */
static void test_gradients_of_every_activation_equal_finite_differences(void **state)
{
    (void)state;
    for (int i = 0; activation_names[i]; i++) {
        static const struct op_case shapes[] = {
            {NULL, AROUND("{'type': '%s'}"), {3}, 4},
            {NULL, BEFORE("{'type': '%s'}"), {2, 19}, 3},
            {NULL, BEFORE("{'type': 'dense', 'units': 3}, {'type': '%s'}"), {5, 1, 2}, 2},
            {NULL, AFTER("{'type': '%s'}"), {17}, 3},
        };
        for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
            char layers[300];
            const char *name = strstr(shapes[k].layers, "%s");
            snprintf(layers, sizeof(layers), "%.*s%s%s", (int)(name - shapes[k].layers),
                     shapes[k].layers, activation_names[i], name + 2);
            struct op_case c = shapes[k];
            c.op = activation_names[i];
            c.layers = layers;
            check_case(&c);
        }
    }
}

static bool is_activation(const char *name)
{
    for (int i = 0; activation_names[i]; i++) {
        if (strcmp(activation_names[i], name) == 0)
            return true;
    }
    return false;
}

static void test_every_op_has_a_row_in_the_gradient_check(void **state)
{
    (void)state;
    for (size_t which = 0; op_at(which); which++) {
        const char *name = op_at(which)->name;
        bool found = is_activation(name);
        for (size_t i = 0; i < OP_CASES && !found; i++) {
            struct model_spec model = case_model(&op_cases[i]);
            for (int l = 0; l < model.layer_count; l++)
                found = found || (strcmp(op_cases[i].op, name) == 0 &&
                                  strcmp(model.layers[l].op, name) == 0);
            model_spec_release(&model);
        }
        if (!found)
            fail_msg("op \"%s\" has no row", name);
    }
}

/* Of at most 40 classes. */
static double weights[40] = {0.5, 3, 1, 0.25, 2};

static const struct loss_spec losses[] = {
    {.type = LOSS_CROSS_ENTROPY},
    {.type = LOSS_CROSS_ENTROPY, .label_smoothing = 0.3},
    {.type = LOSS_BINARY_CROSS_ENTROPY},
    {.type = LOSS_BINARY_CROSS_ENTROPY, .pos_weight = 2.5},
    {.type = LOSS_MSE},
    {.type = LOSS_MAE},
    {.type = LOSS_HUBER, .delta = 0.2},
    {.type = LOSS_HUBER, .delta = 1},
    {.type = LOSS_LOG_COSH},
    {.type = LOSS_FOCAL, .gamma = 0},
    {.type = LOSS_FOCAL, .gamma = 0.5},
    {.type = LOSS_FOCAL, .gamma = 2},
    {.type = LOSS_CROSS_ENTROPY, .class_weights = weights},
    {.type = LOSS_CROSS_ENTROPY, .label_smoothing = 0.3, .class_weights = weights},
    {.type = LOSS_FOCAL, .gamma = 2, .class_weights = weights},
};

static void check_loss(const struct loss_spec *loss, size_t rows, size_t width)
{
    char layers[64];
    snprintf(layers, sizeof(layers), "[{'type': 'dense', 'units': %zu}]", width);
    struct model_spec model = core_model(layers, (int64_t[SHAPE_MAX_RANK]){6});
    double *x = numbers(rows * 6, 1);
    float *target = malloc(rows * width * sizeof(float));
    int32_t *labels = malloc(rows * sizeof(int32_t));
    assert_true(target && labels);
    for (size_t i = 0; i < rows * width; i++)
        target[i] = (float)core_number(i * 7 + 3);
    for (size_t i = 0; i < rows; i++)
        labels[i] =
            (int32_t)(loss->type == LOSS_BINARY_CROSS_ENTROPY ? i % 2 : i % width);
    struct gradcheck_options options = {.model = &model, .loss = *loss, .rows = rows};
    check(&options, x, loss_takes_labels(loss->type) ? (void *)labels : (void *)target,
          loss_names[loss->type]);
    free(x);
    free(target);
    free(labels);
    model_spec_release(&model);
}

static void test_gradients_of_every_loss_equal_finite_differences(void **state)
{
    (void)state;
    bool seen[LOSS_FOCAL + 1] = {false};
    for (size_t i = 5; i < sizeof(weights) / sizeof(weights[0]); i++)
        weights[i] = 1.0 + (double)(i % 7) / 8;
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        seen[losses[i].type] = true;
        check_loss(&losses[i], 1, 1);
        check_loss(&losses[i], 13, 1);
        if (losses[i].type == LOSS_BINARY_CROSS_ENTROPY)
            continue;
        check_loss(&losses[i], 1, 5);
        check_loss(&losses[i], 4, 3);
        check_loss(&losses[i], 6, 40);
    }
    for (size_t type = 0; loss_names[type]; type++)
        assert_true(type <= LOSS_FOCAL && seen[type]);
}

static void test_gradients_of_a_whole_classifier_equal_finite_differences(void **state)
{
    (void)state;
    struct model_spec model =
        core_model("[{'type': 'dense', 'units': 12, 'activation': 'gelu'},"
                   " {'type': 'dropout', 'rate': 0.2},"
                   " {'type': 'dense', 'units': 9, 'activation': 'elu'},"
                   " {'type': 'dense', 'units': 8, 'activation': 'relu'},"
                   " {'type': 'dropout', 'rate': 0.1},"
                   " {'type': 'dense', 'units': 4}]",
                   (int64_t[SHAPE_MAX_RANK]){10});
    double *x = numbers(70, 1);
    int32_t labels[7] = {0, 1, 2, 3, 3, 0, 1};
    struct gradcheck_options options = {
        .model = &model, .loss = {.type = LOSS_CROSS_ENTROPY}, .rows = 7, .seed = 3};
    check(&options, x, labels, "classifier");
    options.most_numbers = 5;
    check(&options, x, labels, "classifier, sampled");
    options.defer_from = 100; /* the first two dense layers */
    check(&options, x, labels, "classifier, deferred");
    free(x);
    model_spec_release(&model);
}

/* A join, which the engine's table does not have: how the graph serves a value with
 * several readers is checked with it. y = x_0 * x_1. */

static void product_forward(const struct node *node, const struct op_call *call)
{
    for (size_t i = 0; i < call->rows * node->width; i++)
        call->y[i] = call->x[0][i] * call->x[1][i];
}

static void product_backward(const struct node *node, const struct op_call *call)
{
    for (int input = 0; input < 2; input++) {
        for (size_t i = 0; call->dx[input] && i < call->rows * node->width; i++)
            call->dx[input][i] = call->dy[i] * call->x[1 - input][i];
    }
}

static const struct op product_op = {.name = "product",
                                     .flags = OP_NEEDS_INPUT,
                                     .forward = product_forward,
                                     .backward = product_backward};

/* An op that is wrong: its gradient is off by a hundredth. */

static void wrong_forward(const struct node *node, const struct op_call *call)
{
    memcpy(call->y, call->x[0], call->rows * node->width * sizeof(real));
}

static void wrong_backward(const struct node *node, const struct op_call *call)
{
    for (size_t i = 0; i < call->rows * node->width; i++)
        call->dx[0][i] = 1.01 * call->dy[i];
}

static const struct op wrong_op = {
    .name = "wrong", .forward = wrong_forward, .backward = wrong_backward};

static const struct op *find_test_op(const char *name)
{
    if (strcmp(name, "product") == 0)
        return &product_op;
    return strcmp(name, "wrong") == 0 ? &wrong_op : op_find(name);
}

static void test_gradients_of_a_value_with_several_readers_are_added(void **state)
{
    (void)state;
    /* tanh(dense(x)) =: h;  dense(h) * h, squared, times dense(h); all [5] */
    struct model_spec model =
        core_model("[{'type': 'dense', 'units': 5, 'activation': 'tanh'}, {'type': "
                   "'dense', 'units': 5},"
                   " {'type': 'relu'}, {'type': 'relu'}, {'type': 'dense', 'units': 5},"
                   " {'type': 'relu'}]",
                   (int64_t[SHAPE_MAX_RANK]){5});
    assert_int_equal(model.layer_count, 7);
    static const struct {
        int layer, first, second;
    } joins[] = {{3, 2, 1}, {4, 3, 3}, {6, 5, 4}};
    for (size_t i = 0; i < 3; i++) {
        struct layer *layer = &model.layers[joins[i].layer];
        layer->op = "product";
        layer->input_count = 2;
        layer->inputs[0] = joins[i].first;
        layer->inputs[1] = joins[i].second;
    }
    model.layers[5].inputs[0] = 1;
    double *x = numbers(15, 1);
    float target[15] = {0};
    struct gradcheck_options options = {
        .model = &model, .loss = {.type = LOSS_MSE}, .rows = 3, .find_op = find_test_op};
    check(&options, x, target, "joins");
    options.defer_from = 1;
    check(&options, x, target, "joins, deferred");
    free(x);
    model_spec_release(&model);
}

static void test_a_wrong_gradient_is_found(void **state)
{
    (void)state;
    struct model_spec model =
        core_model("[{'type': 'dense', 'units': 3}, {'type': 'linear'}]",
                   (int64_t[SHAPE_MAX_RANK]){4});
    model.layers[1].op = "wrong";
    double *x = numbers(8, 1);
    float target[6] = {0};
    struct gradcheck_options options = {
        .model = &model, .loss = {.type = LOSS_MSE}, .rows = 2, .find_op = find_test_op};
    struct gradcheck_tensor *tensors;
    size_t count;
    assert_int_equal(gradcheck(&options, x, target, &tensors, &count, NULL), 0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_true(tensors[i].largest_error > 0.005 && tensors[i].largest_error < 0.02);
    assert_string_equal(tensors[0].name, "weight");
    assert_string_equal(tensors[2].name, "input");
    assert_int_equal(tensors[2].layer, MODEL_INPUT);
    free(tensors);
    free(x);
    model_spec_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_every_op_equal_finite_differences),
        cmocka_unit_test(test_gradients_of_every_activation_equal_finite_differences),
        cmocka_unit_test(test_every_op_has_a_row_in_the_gradient_check),
        cmocka_unit_test(test_gradients_of_every_loss_equal_finite_differences),
        cmocka_unit_test(test_gradients_of_a_whole_classifier_equal_finite_differences),
        cmocka_unit_test(test_gradients_of_a_value_with_several_readers_are_added),
        cmocka_unit_test(test_a_wrong_gradient_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
