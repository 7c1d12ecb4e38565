/* Compiling: errors, the memory plan, and parameters in and out of the engine's layout.
 */
#include "core_fixture.h"
#include "engine/graph.h"
#include "engine/graph_internal.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) ((int64_t[SHAPE_MAX_RANK]){__VA_ARGS__})
#define MLP                                                                              \
    "[{'type': 'dense', 'units': 3, 'activation': 'relu'}, {'type': 'dense', 'units': "  \
    "2}]"

static struct graph *compile(const struct model_spec *model, size_t rows, bool training)
{
    struct graph *graph;
    struct graph_options options = {.max_rows = rows, .training = training, .seed = 5};
    struct error err;
    error_clear(&err);
    if (graph_compile(model, &options, &graph, &err) != 0)
        fail_msg("%s", err.text);
    return graph;
}

static float *floats(size_t count)
{
    float *x = calloc(count + 1, sizeof(float));
    assert_non_null(x);
    return x;
}

static void test_unknown_op_is_an_error_that_names_the_layer(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    model.layers[2].op = "no_such_op";
    struct graph *graph = NULL;
    struct graph_options options = {.max_rows = 1};
    struct error err;
    error_clear(&err);
    assert_int_equal(graph_compile(&model, &options, &graph, &err), ERR_INVALID);
    assert_null(graph);
    assert_string_equal(err.pointer, "/model/layers/1");
    assert_non_null(strstr(err.text, "no_such_op"));
    model_spec_release(&model);
}

static void test_layer_that_leads_nowhere_is_an_error(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    model.layers[2].inputs[0] = 0; /* past the relu */
    struct graph *graph = NULL;
    struct graph_options options = {.max_rows = 1};
    struct error err;
    error_clear(&err);
    assert_int_equal(graph_compile(&model, &options, &graph, &err), ERR_INVALID);
    assert_null(graph);
    assert_non_null(strstr(err.text, "does not lead to the output"));
    model_spec_release(&model);
}

static void test_activations_past_all_memory_are_an_error(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    struct graph *graph = NULL;
    struct graph_options options = {.max_rows = SIZE_MAX / 8, .training = true};
    assert_int_equal(graph_compile(&model, &options, &graph, NULL), ERR_TOO_LARGE);
    assert_null(graph);
    model_spec_release(&model);
}

static void test_tensors_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    struct graph *graph = compile(&model, 2, true);
    assert_int_equal(graph_tensor_count(graph), 4);
    size_t end = 0;
    for (int i = 0; i < 4; i++) {
        const struct tensor *tensor = graph_tensor(graph, i);
        assert_int_equal(tensor->offset * sizeof(real) % 64, 0);
        assert_true(tensor->offset >= end);
        end = tensor->offset + tensor->count;
    }
    assert_true(graph_size(graph) >= end);
    assert_int_equal(graph_size(graph), graph_trained_size(graph));
    assert_int_equal(graph_exported_count(graph), 4 * 3 + 3 + 3 * 2 + 2);
    assert_int_equal(graph_input_width(graph), 4);
    assert_int_equal(graph_output_width(graph), 2);
    assert_int_equal(graph_node_count(graph), 3);
    graph_free(graph);
    model_spec_release(&model);
}

static void test_states_lie_behind_what_is_trained(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    model.layers[0].params[1].trainable = false;
    struct graph *graph = compile(&model, 2, true);
    const struct tensor *last = graph_tensor(graph, 3);
    assert_int_equal(last->layer, 0);
    assert_string_equal(last->spec->name, "bias");
    assert_int_equal(last->offset, graph_trained_size(graph));
    assert_true(graph_size(graph) > graph_trained_size(graph));
    graph_free(graph);
    model_spec_release(&model);
}

static void test_export_is_in_pytorchs_layout_and_order(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    struct graph *graph = compile(&model, 2, true);
    float *parameters = floats(graph_size(graph)), *exported = floats(23);
    for (size_t i = 0; i < 23; i++)
        exported[i] = (float)(i + 1);
    for (size_t i = 0; i < graph_size(graph); i++)
        parameters[i] = -1; /* padding is zeroed by the import */
    graph_import(graph, exported, parameters);
    const struct tensor *weight = &graph_node(graph, 0)->params[0];
    /* PyTorch's [out = 3, in = 4] as the engine's [in, out] */
    for (size_t out = 0; out < 3; out++) {
        for (size_t in = 0; in < 4; in++)
            assert_true(parameters[weight->offset + in * 3 + out] ==
                        exported[out * 4 + in]);
    }
    assert_true(parameters[graph_node(graph, 0)->params[1].offset] == 13);
    assert_true(parameters[weight->offset + weight->count] == 0);
    float *again = floats(23);
    graph_export(graph, parameters, again);
    assert_memory_equal(again, exported, 23 * sizeof(float));
    float tensor[12];
    graph_export_param(weight, parameters + weight->offset, tensor);
    assert_memory_equal(tensor, exported, sizeof(tensor));
    float engine[12];
    graph_import_param(weight, tensor, engine);
    assert_memory_equal(engine, parameters + weight->offset, sizeof(engine));
    free(parameters);
    free(exported);
    free(again);
    graph_free(graph);
    model_spec_release(&model);
}

static void test_initial_values_follow_their_streams_in_pytorchs_order(void **state)
{
    (void)state;
    struct model_spec model = core_model(
        "[{'type': 'dense', 'units': 3, 'kernel_initializer': 'glorot_uniform'},"
        " {'type': 'dense', 'units': 2, 'kernel_initializer': 'he_normal'}]",
        DIMS(4));
    struct graph *graph = compile(&model, 2, true);
    float *parameters = floats(graph_size(graph)), *exported = floats(23);
    assert_int_equal(graph_initialize(graph, 77, parameters, NULL), 0);
    graph_export(graph, parameters, exported);
    struct rng rng;
    rng_init(&rng, 77, RNG_INITIALIZER, 0);
    double limit = sqrt(6.0 / 7.0);
    for (size_t i = 0; i < 12; i++)
        assert_true(exported[i] == (float)(limit * (2 * (double)rng_uniform(&rng) - 1)));
    rng_init(&rng, 77, RNG_INITIALIZER, 2);
    double scale = model.layers[1].params[0].scale;
    for (size_t i = 15; i < 21; i++)
        assert_true(exported[i] == (float)(scale * rng_normal(&rng)));
    float *other = floats(graph_size(graph));
    assert_int_equal(graph_initialize(graph, 78, other, NULL), 0);
    assert_memory_not_equal(other, parameters, graph_size(graph) * sizeof(float));
    free(parameters);
    free(exported);
    free(other);
    graph_free(graph);
    model_spec_release(&model);
}

/* A chain of dense layers with activations that work in place. */
static struct model_spec deep_model(int layers)
{
    char text[4000] = "[";
    for (int i = 0; i < layers; i++)
        strcat(text, "{'type': 'dense', 'units': 64, 'activation': 'relu'},");
    strcat(text, "{'type': 'dense', 'units': 1}]");
    return core_model(text, DIMS(64));
}

static void test_truncated_normal_numbers_are_near(void **state)
{
    (void)state;
    struct model_spec model = core_model(
        "[{'type': 'dense', 'units': 50, 'use_bias': false, 'kernel_initializer':"
        " {'type': 'truncated_normal', 'stddev': 0.02}}]",
        DIMS(40));
    struct graph *graph = compile(&model, 1, true);
    float *parameters = floats(graph_size(graph));
    assert_int_equal(graph_initialize(graph, 5, parameters, NULL), 0);
    double squares = 0, largest = 0;
    for (size_t i = 0; i < 2000; i++) {
        squares += (double)parameters[i] * (double)parameters[i];
        largest = fmax(largest, fabs((double)parameters[i]));
    }
    assert_true(largest > 0.035 && largest <= (double)0.04f);
    assert_true(fabs(sqrt(squares / 2000) - 0.0176) < 0.001); /* 0.88 of the stddev */
    free(parameters);
    graph_free(graph);
    model_spec_release(&model);
}

static void test_recurrent_weights_start_orthogonal_and_forget_gates_open(void **state)
{
    (void)state;
    enum { UNITS = 3, GATES = 4 * UNITS };
    struct model_spec model = core_model("[{'type': 'lstm', 'units': 3}]", DIMS(2, 2));
    struct graph *graph = compile(&model, 1, true);
    float *parameters = floats(graph_size(graph));
    float *exported = floats(graph_exported_count(graph));
    assert_int_equal(graph_initialize(graph, 5, parameters, NULL), 0);
    graph_export(graph, parameters, exported);
    const float *recurrent = exported + 2 * GATES, *bias = recurrent + UNITS * GATES;
    for (size_t a = 0; a < UNITS; a++) {
        for (size_t b = 0; b < UNITS; b++) {
            double product = 0;
            for (size_t gate = 0; gate < GATES; gate++)
                product += (double)recurrent[gate * UNITS + a] *
                           (double)recurrent[gate * UNITS + b];
            assert_true(fabs(product - (a == b)) < 1e-6);
        }
    }
    for (size_t gate = 0; gate < GATES; gate++) {
        assert_true(bias[gate] == (gate / UNITS == 1));
        assert_true(bias[GATES + gate] == 0);
    }
    free(parameters);
    free(exported);
    graph_free(graph);
    model_spec_release(&model);
}

static void test_memory_of_activations_is_reused(void **state)
{
    (void)state;
    enum { LAYERS = 20, ROWS = 10, ROW_BYTES = 64 * sizeof(real) };
    struct model_spec model = deep_model(LAYERS);
    struct graph *inference = compile(&model, ROWS, false);
    struct graph *training = compile(&model, ROWS, true);
    /* Inference needs a layer's input and output; training each layer's output, once for
     * dense and relu together, and two gradients. */
    assert_true(graph_arena_bytes(inference) <= 2 * ROWS * ROW_BYTES);
    assert_true(graph_arena_bytes(training) <=
                (LAYERS + 1 + 2) * ROWS * ROW_BYTES + 4096);
    graph_free(inference);
    graph_free(training);
    model_spec_release(&model);
}

static int output_of(const struct graph *graph, int node)
{
    return graph->values[value_of(node)].output;
}

static int gradient_of(const struct graph *graph, int node)
{
    return graph->values[value_of(node)].gradient;
}

static void test_a_residual_sum_works_in_place(void **state)
{
    (void)state;
    struct model_spec model =
        core_model("[{'type': 'dense', 'units': 8}, {'type': 'residual', 'layers': "
                   "[{'type': 'layer_norm'}, {'type': 'dense', 'units': 8}]},"
                   " {'type': 'layer_norm'}, {'type': 'dense', 'units': 1}]",
                   DIMS(8));
    struct graph *graph = compile(&model, 4, true);
    assert_string_equal(model.layers[3].op, "add"); /* of layers 2 and 0 */
    assert_int_equal(output_of(graph, 3), output_of(graph, 2));
    assert_int_not_equal(output_of(graph, 3), output_of(graph, 0)); /* the norm's input */
    /* One buffer goes down through the branch and straight. */
    assert_int_equal(gradient_of(graph, 2), gradient_of(graph, 3));
    assert_int_equal(gradient_of(graph, 0), gradient_of(graph, 3));
    assert_int_not_equal(gradient_of(graph, 1), gradient_of(graph, 3));
    graph_free(graph);
    model_spec_release(&model);
}

static void test_a_branch_that_works_in_place_keeps_its_gradient_to_itself(void **state)
{
    (void)state;
    struct model_spec model = core_model(
        "[{'type': 'dense', 'units': 8}, {'type': 'residual', 'layers': [{'type': "
        "'dense', 'units': 8}, {'type': 'dropout', 'rate': 0.5}]},"
        " {'type': 'dense', 'units': 1}]",
        DIMS(8));
    struct graph *graph = compile(&model, 4, true);
    assert_string_equal(model.layers[3].op, "add"); /* of layers 2 and 0 */
    assert_int_equal(gradient_of(graph, 2), gradient_of(graph, 3));
    assert_int_equal(gradient_of(graph, 1), gradient_of(graph, 3));
    assert_int_not_equal(gradient_of(graph, 0), gradient_of(graph, 3));
    graph_free(graph);
    model_spec_release(&model);
}

static void forward(const struct graph *graph, const float *parameters, size_t rows,
                    bool training, float *ret_output)
{
    struct run *run;
    assert_int_equal(run_new(graph, &run, NULL), 0);
    for (size_t i = 0; i < rows * graph_input_width(graph); i++)
        run_input(run)[i] = (real)core_number(i);
    run_forward(run, parameters, rows, 0, 0, training, false);
    memcpy(ret_output, run_output(run), rows * graph_output_width(graph) * sizeof(float));
    run_free(run);
}

static void test_inference_is_the_same_in_both_kinds_of_graph(void **state)
{
    (void)state;
    struct model_spec model =
        core_model("[{'type': 'dense', 'units': 9, 'activation': 'silu'},"
                   " {'type': 'dropout', 'rate': 0.5}, {'type': 'dense', 'units': 4},"
                   " {'type': 'softmax'}]",
                   DIMS(5));
    struct graph *training = compile(&model, 6, true),
                 *inference = compile(&model, 6, false);
    float *parameters = floats(graph_size(training));
    assert_int_equal(graph_initialize(training, 1, parameters, NULL), 0);
    float a[24], b[24], with_dropout[24];
    forward(training, parameters, 6, false, a);
    forward(inference, parameters, 6, false, b);
    forward(training, parameters, 6, true, with_dropout);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, with_dropout, sizeof(a));
    assert_true(graph_arena_bytes(inference) < graph_arena_bytes(training));
    free(parameters);
    graph_free(training);
    graph_free(inference);
    model_spec_release(&model);
}

static void test_a_row_does_not_depend_on_the_rows_beside_it(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    struct graph *graph = compile(&model, 40, false);
    float *parameters = floats(graph_size(graph));
    assert_int_equal(graph_initialize(graph, 1, parameters, NULL), 0);
    float many[80], few[6];
    forward(graph, parameters, 40, false, many);
    forward(graph, parameters, 3, false, few);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabsf(many[i] - few[i]) <= 1e-6f);
    free(parameters);
    graph_free(graph);
    model_spec_release(&model);
}

static void test_observing_gives_the_statistics_of_each_output(void **state)
{
    (void)state;
    struct model_spec model = core_model(MLP, DIMS(4));
    struct graph *graph = compile(&model, 5, true);
    float *parameters = floats(graph_size(graph));
    assert_int_equal(graph_initialize(graph, 3, parameters, NULL), 0);
    const struct tensor *bias = &graph_node(graph, 0)->params[1];
    parameters[bias->offset + 1] = -1000; /* unit 1 is dead */
    struct run *run;
    assert_int_equal(run_new(graph, &run, NULL), 0);
    for (size_t i = 0; i < 20; i++)
        run_input(run)[i] = (real)core_number(i);
    run_forward(run, parameters, 5, 0, 0, true, true);
    struct activation_sums sums = run_activation(run, 2);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < 10; i++) {
        double y = (double)run_output(run)[i];
        sum += y;
        squares += y * y;
    }
    assert_int_equal(sums.count, 10);
    assert_int_equal(sums.units, 2);
    assert_true(fabs(sums.sum - sum) <= 1e-5 && fabs(sums.square_sum - squares) <= 1e-5);
    assert_true(run_activation(run, 1).largest[1] == 0);
    assert_true(run_activation(run, 1).largest[0] + run_activation(run, 1).largest[2] >
                0);
    run_free(run);
    free(parameters);
    graph_free(graph);
    model_spec_release(&model);
}

/* Two names, one tensor: once among the parameters, twice in what is exported. */
static void test_a_shared_weight_is_one_tensor_with_two_names(void **state)
{
    (void)state;
    struct model_spec model = core_text_model(
        "[{'type': 'embedding', 'output_dim': 3, 'name': 'tokens'}, {'type': 'tanh'},"
        " {'type': 'dense', 'units': 4, 'shared_weights': 'tokens'}]",
        DIMS(2), 4);
    struct graph *graph = compile(&model, 2, true);
    assert_int_equal(model.parameter_count, 12 + 4);
    assert_int_equal(graph_tensor_count(graph), 2);
    assert_int_equal(graph_size(graph), 32);
    assert_int_equal(graph_exported_count(graph), 12 + 12 + 4);
    const struct tensor *own = &graph_node(graph, 0)->params[0];
    const struct tensor *shared = &graph_node(graph, 2)->params[0];
    assert_int_equal(shared->offset, own->offset);
    float *parameters = floats(32), *again = floats(32), exported[28];
    assert_int_equal(graph_initialize(graph, 7, parameters, NULL), 0);
    graph_export(graph, parameters, exported);
    assert_memory_equal(exported, parameters + own->offset, 12 * sizeof(float));
    assert_memory_equal(exported + 12, exported, 12 * sizeof(float));
    graph_import(graph, exported, again);
    assert_memory_equal(again, parameters, 32 * sizeof(float));
    free(parameters);
    free(again);
    graph_free(graph);
    model_spec_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_op_is_an_error_that_names_the_layer),
        cmocka_unit_test(test_layer_that_leads_nowhere_is_an_error),
        cmocka_unit_test(test_activations_past_all_memory_are_an_error),
        cmocka_unit_test(test_tensors_are_aligned_and_do_not_overlap),
        cmocka_unit_test(test_states_lie_behind_what_is_trained),
        cmocka_unit_test(test_export_is_in_pytorchs_layout_and_order),
        cmocka_unit_test(test_initial_values_follow_their_streams_in_pytorchs_order),
        cmocka_unit_test(test_truncated_normal_numbers_are_near),
        cmocka_unit_test(test_recurrent_weights_start_orthogonal_and_forget_gates_open),
        cmocka_unit_test(test_memory_of_activations_is_reused),
        cmocka_unit_test(test_a_residual_sum_works_in_place),
        cmocka_unit_test(test_a_branch_that_works_in_place_keeps_its_gradient_to_itself),
        cmocka_unit_test(test_inference_is_the_same_in_both_kinds_of_graph),
        cmocka_unit_test(test_a_row_does_not_depend_on_the_rows_beside_it),
        cmocka_unit_test(test_observing_gives_the_statistics_of_each_output),
        cmocka_unit_test(test_a_shared_weight_is_one_tensor_with_two_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
