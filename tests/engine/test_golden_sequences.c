/*
 * Steps of networks over tokens against PyTorch's: tests/golden/golden_sequences.json,
 * made by make_golden_sequences.py. Parameters go in and out by the names of PyTorch's
 * state_dict(). The reference ran in double.
 */
#include "core_fixture.h"
#include "engine/stepper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_FILE "tests/golden/golden_sequences.json"
/* |ours - reference| <= tolerance * max(1, |reference|) */
#define LOSS_TOLERANCE 2e-6
#define WEIGHT_TOLERANCE 5e-6

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static float number_at(const json_t *list, size_t index)
{
    return (float)json_number_value(json_array_get(list, index));
}

/* The whole batch, in the file's order. */
static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    const json_t *golden = context;
    const json_t *x = json_object_get(golden, "x");
    const json_t *classes = json_object_get(golden, "classes");
    size_t tokens = (size_t)number_of(golden, "tokens");
    for (size_t i = 0; i < count * tokens; i++)
        ret_x[i] = number_at(x, first * tokens + i);
    for (size_t i = 0; i < count; i++)
        ((int32_t *)ret_target)[i] = (int32_t)number_at(classes, first + i);
}

static float *floats(size_t count)
{
    float *x = calloc(count + 1, sizeof(float));
    assert_non_null(x);
    return x;
}

/* Calls with the tensor of that name and where its numbers are in the exported order. */
typedef void tensor_visitor(const json_t *values, float *numbers, size_t count,
                            const char *name);

static void each_tensor(const struct model_spec *model, const json_t *state,
                        float *exported, tensor_visitor *visit)
{
    size_t seen = 0;
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        for (int p = 0; p < layer->param_count; p++, seen++) {
            char name[2 * LAYER_NAME_SIZE];
            snprintf(name, sizeof(name), "%s.%s", layer->name, layer->params[p].name);
            size_t count = (size_t)shape_elements(&layer->params[p].shape);
            const json_t *values = json_object_get(state, name);
            if (json_array_size(values) != count)
                fail_msg("PyTorch has no \"%s\" of %zu numbers", name, count);
            visit(values, exported, count, name);
            exported += count;
        }
    }
    assert_int_equal(seen, json_object_size(state));
}

static void read_tensor(const json_t *values, float *numbers, size_t count,
                        const char *name)
{
    (void)name;
    for (size_t i = 0; i < count; i++)
        numbers[i] = number_at(values, i);
}

static double deviation(double ours, double reference)
{
    return fabs(ours - reference) / fmax(1, fabs(reference));
}

static void compare_tensor(const json_t *values, float *numbers, size_t count,
                           const char *name)
{
    for (size_t i = 0; i < count; i++) {
        double reference = json_number_value(json_array_get(values, i));
        if (!(deviation((double)numbers[i], reference) <= WEIGHT_TOLERANCE))
            fail_msg("%s[%zu] is %.9g, PyTorch's is %.9g", name, i, (double)numbers[i],
                     reference);
    }
}

static void compare_losses(struct stepper *stepper, json_t *golden,
                           const json_t *test_case)
{
    const json_t *losses = json_object_get(test_case, "losses");
    struct batch_source source = {.context = golden, .fill = fill};
    for (size_t step = 0; step < json_array_size(losses); step++) {
        struct step_result result;
        stepper_train(stepper, &source, (size_t)number_of(golden, "rows"), (int64_t)step,
                      number_of(golden, "learning_rate"), false, &result);
        double loss = loss_sums_loss(&result.sums);
        double reference = json_number_value(json_array_get(losses, step));
        if (!(deviation(loss, reference) <= LOSS_TOLERANCE))
            fail_msg("%s: loss of step %zu is %.9g, PyTorch's is %.9g",
                     json_string_value(json_object_get(test_case, "name")), step + 1,
                     loss, reference);
    }
}

static void run_case(json_t *golden, const json_t *test_case, int threads)
{
    char *layers = json_dumps(json_object_get(test_case, "layers"), JSON_COMPACT);
    assert_non_null(layers);
    int64_t dims[SHAPE_MAX_RANK] = {(int64_t)number_of(golden, "tokens")};
    struct model_spec model =
        core_text_model(layers, dims, (int64_t)number_of(golden, "vocabulary"));
    char text[128];
    snprintf(text, sizeof(text), "{'type': 'sgd', 'momentum': %g}",
             number_of(golden, "momentum"));
    struct choice optimizer = core_optimizer(text);
    struct stepper_options options = {
        .model = &model,
        .loss = {.type = LOSS_CROSS_ENTROPY},
        .optimizer = &optimizer,
        .batch_rows = (size_t)number_of(golden, "rows"),
        .threads = threads,
        .slice_flops = 1,
    };
    struct stepper *stepper;
    assert_int_equal(stepper_new(&options, &stepper, NULL), 0);
    const struct graph *graph = stepper_graph(stepper);
    float *exported = floats(graph_exported_count(graph));
    each_tensor(&model, json_object_get(test_case, "initial"), exported, read_tensor);
    graph_import(graph, exported, stepper_parameters(stepper));
    compare_losses(stepper, golden, test_case);
    graph_export(graph, stepper_parameters(stepper), exported);
    each_tensor(&model, json_object_get(test_case, "final"), exported, compare_tensor);
    free(exported);
    free(layers);
    stepper_free(stepper);
    model_spec_release(&model);
}

static int load_golden(void **state)
{
    json_error_t error;
    json_t *golden = json_load_file(GOLDEN_FILE, 0, &error);
    if (!golden)
        print_error("%s: %s\n", GOLDEN_FILE, error.text);
    *state = golden;
    return golden ? 0 : -1;
}

static int free_golden(void **state)
{
    json_decref(*state);
    return 0;
}

static void run_all(json_t *golden, int threads)
{
    const json_t *cases = json_object_get(golden, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++)
        run_case(golden, json_array_get(cases, i), threads);
    assert_true(json_array_size(cases) >= 8);
}

static void test_every_network_over_tokens_follows_pytorch(void **state)
{
    run_all(*state, 1);
}

static void test_every_network_over_tokens_follows_pytorch_on_two_threads(void **state)
{
    run_all(*state, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_network_over_tokens_follows_pytorch),
        cmocka_unit_test(test_every_network_over_tokens_follows_pytorch_on_two_threads),
    };
    return cmocka_run_group_tests(tests, load_golden, free_golden);
}
