/*
 * Random acyclic graphs in the double build: every number equals that of an evaluator
 * without shared memory, and the gradients equal finite differences. So lifetimes in the
 * arena, work in place and the sums of several readers' gradients are right together.
 */
#include "core_fixture.h"
#include "engine/gradcheck.h"

#include "base/rng.h"
#include "spec/cost_activations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAPHS 60
#define PREDICTED_GRAPHS 1000
#define CHECKED_GRAPHS 25 /* whose gradients are checked, too: the slow part */
#define MOST_LAYERS 14
#define ROWS 3
#define WIDTH 4
#define TOLERANCE 1e-5

/* A network in the making: all layers but the last are [WIDTH] or [2, WIDTH / 2]. */
struct draft {
    struct rng rng;
    char text[4096];
    int count;
    bool square[MOST_LAYERS + 1]; /* by value: 0 is the input, layer i at i + 1 */
    bool read[MOST_LAYERS + 1];
};

static int draw(struct draft *draft, int bound)
{
    return (int)rng_below(&draft->rng, (uint32_t)bound);
}

static void append(struct draft *draft, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct draft *draft, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(draft->text);
    va_start(arguments, format);
    vsnprintf(draft->text + used, sizeof(draft->text) - used, format, arguments);
    va_end(arguments);
}

static void append_input(struct draft *draft, int value)
{
    draft->read[value] = true;
    if (value == 0)
        append(draft, "'input'");
    else
        append(draft, "'n%d'", value);
}

/* A value of that shape, which some value has. */
static int draw_value(struct draft *draft, bool square)
{
    for (;;) {
        int value = draw(draft, draft->count + 1);
        if (draft->square[value] == square)
            return value;
    }
}

static void add_join(struct draft *draft, const char *type, bool square)
{
    append(draft, "{'type': '%s', 'name': 'n%d', 'inputs': [", type, draft->count + 1);
    int inputs = 2 + draw(draft, 2);
    for (int i = 0; i < inputs; i++) {
        append(draft, "%s", i > 0 ? ", " : "");
        append_input(draft, draw_value(draft, square));
    }
    append(draft, "]}, ");
}

static void add_layer(struct draft *draft)
{
    static const char *const same[] = {"'tanh'",
                                       "'sigmoid'",
                                       "'silu'",
                                       "'softplus'",
                                       "'softmax'",
                                       "'gelu'",
                                       "'linear'",
                                       "'dropout', 'rate': 0.3",
                                       "'layer_norm', 'epsilon': 0.1"};
    static const char *const joins[] = {"add", "multiply"};
    int from = draw(draft, draft->count + 1), kind = draw(draft, 10);
    bool square = draft->square[from];
    if (kind < 4) {
        add_join(draft, joins[draw(draft, 4) == 0], square);
    } else {
        append(draft, "{'type': ");
        if (kind < 6 && square && draw(draft, 2) == 0) {
            append(draft, "'multi_head_attention', 'num_heads': 2");
        } else if (kind < 6) {
            append(draft, "%s", same[draw(draft, sizeof(same) / sizeof(same[0]))]);
        } else if (kind < 8) {
            append(draft, "'dense', 'units': %d", square ? WIDTH / 2 : WIDTH);
        } else {
            append(draft, "%s", square ? "'flatten'" : "'reshape', 'shape': [2, -1]");
            square = !square;
        }
        append(draft, ", 'name': 'n%d', 'inputs': [", draft->count + 1);
        append_input(draft, from);
        append(draft, "]}, ");
    }
    draft->square[++draft->count] = square;
}

/* Brings all that nobody reads yet, and the input, together in the output [2]. */
static void add_end(struct draft *draft)
{
    int flat[MOST_LAYERS + 2], count = 0, layers = draft->count;
    for (int value = 0; value <= layers; value++) {
        if (value > 0 && draft->read[value])
            continue;
        flat[count++] = value;
        append(draft, "{'type': 'flatten', 'name': 'f%d', 'inputs': [", value);
        append_input(draft, value);
        append(draft, "]}, ");
    }
    append(draft, "{'type': 'concat', 'inputs': ['input'");
    for (int i = 0; i < count; i++)
        append(draft, ", 'f%d'", flat[i]);
    append(draft, "]}, {'type': 'dense', 'units': 2}]");
}

static struct model_spec random_model(uint64_t seed)
{
    struct draft draft = {.text = "[{'type': 'dense', 'units': 4, 'name': 'n1'}, ",
                          .count = 1};
    draft.read[0] = true;
    rng_init(&draft.rng, seed, RNG_SHUFFLE, 0);
    int layers = 4 + draw(&draft, MOST_LAYERS - 4);
    while (draft.count < layers)
        add_layer(&draft);
    add_end(&draft);
    return core_model(draft.text, (int64_t[SHAPE_MAX_RANK]){WIDTH});
}

static real *reals(size_t count)
{
    real *x = calloc(count + 1, sizeof(real));
    assert_non_null(x);
    return x;
}

/* The output of the network, each node's numbers in memory of their own. New array. */
static real *evaluate_naively(const struct graph *graph, const real *parameters,
                              const real *input, bool training)
{
    int nodes = graph_node_count(graph);
    real **outputs = calloc((size_t)nodes, sizeof(real *));
    assert_non_null(outputs);
    for (int n = 0; n < nodes; n++) {
        const struct node *node = graph_node(graph, n);
        struct op_call call = {.rows = ROWS, .training = training, .seed = 5, .step = 2};
        for (int i = 0; i < node->input_count; i++)
            call.x[i] = node->inputs[i] == MODEL_INPUT ? input : outputs[node->inputs[i]];
        for (int p = 0; p < node->param_count; p++)
            call.params[p] = parameters + node->params[p].offset;
        outputs[n] = call.y = reals(ROWS * node->width);
        call.saved = reals(ROWS * node->saved_width);
        call.scratch = reals(node->scratch);
        node->op->forward(node, &call);
        free(call.saved);
        free(call.scratch);
    }
    real *output = outputs[nodes - 1];
    for (int n = 0; n + 1 < nodes; n++)
        free(outputs[n]);
    free(outputs);
    return output;
}

static void compare_with_naive(const struct model_spec *model, bool training)
{
    struct graph_options options = {.max_rows = ROWS, .training = training, .seed = 5};
    struct graph *graph;
    struct run *run;
    assert_int_equal(graph_compile(model, &options, &graph, NULL), 0);
    assert_int_equal(run_new(graph, &run, NULL), 0);
    real *parameters = reals(graph_size(graph)), input[ROWS * WIDTH];
    assert_int_equal(graph_initialize(graph, 11, parameters, NULL), 0);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        input[i] = core_number(i);
    memcpy(run_input(run), input, sizeof(input));
    run_forward(run, parameters, ROWS, 0, 2, training, false);
    real *expected = evaluate_naively(graph, parameters, input, training);
    assert_memory_equal(run_output(run), expected,
                        ROWS * graph_output_width(graph) * sizeof(real));
    free(expected);
    free(parameters);
    run_free(run);
    graph_free(graph);
}

static void test_random_graphs_equal_an_evaluator_without_shared_memory(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        struct model_spec model = random_model(seed);
        compare_with_naive(&model, true);
        compare_with_naive(&model, false);
        model_spec_release(&model);
    }
}

static void test_gradients_of_random_graphs_equal_finite_differences(void **state)
{
    (void)state;
    double x[ROWS * WIDTH];
    float target[ROWS * 2] = {0.5f, -0.25f, 1, 0, -1, 0.75f};
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        x[i] = core_number(i);
    for (uint64_t seed = 0; seed < CHECKED_GRAPHS; seed++) {
        struct model_spec model = random_model(seed);
        struct gradcheck_options options = {.model = &model,
                                            .loss = {.type = LOSS_MSE},
                                            .rows = ROWS,
                                            .seed = seed,
                                            .defer_from = seed % 2};
        struct gradcheck_tensor *tensors;
        size_t count;
        assert_int_equal(gradcheck(&options, x, target, &tensors, &count, NULL), 0);
        for (size_t i = 0; i < count; i++) {
            if (!(tensors[i].largest_error <= TOLERANCE))
                fail_msg("graph %d: layer %d %s: relative error %g", (int)seed,
                         tensors[i].layer, tensors[i].name, tensors[i].largest_error);
        }
        free(tensors);
        model_spec_release(&model);
    }
}

static void test_the_predicted_memory_is_that_of_the_arena_or_more(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < PREDICTED_GRAPHS; seed++) {
        struct model_spec model = random_model(seed);
        for (size_t rows = 1; rows <= 4096; rows *= 16) {
            for (size_t defer_from = 0; defer_from < 2; defer_from++) {
                struct graph_options options = {
                    .max_rows = rows, .training = true, .defer_from = defer_from};
                struct graph *graph;
                assert_int_equal(graph_compile(&model, &options, &graph, NULL), 0);
                double arena = (double)(graph_arena_bytes(graph) / sizeof(real));
                double bound = cost_activations(&model, (double)rows);
                if (arena > bound)
                    fail_msg("graph %d, %zu rows: %.0f numbers, predicted %.0f",
                             (int)seed, rows, arena, bound);
                graph_free(graph);
            }
        }
        model_spec_release(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs_equal_an_evaluator_without_shared_memory),
        cmocka_unit_test(test_the_predicted_memory_is_that_of_the_arena_or_more),
        cmocka_unit_test(test_gradients_of_random_graphs_equal_finite_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
