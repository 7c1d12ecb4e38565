/* What ops compute, against naive formulas in double; their gradients are checked in
 * test_gradcheck. And that the tables of the engine and of `spec` agree. */
#include "core_fixture.h"
#include "engine/graph.h"

#include "base/rng.h"
#include "spec/training_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) ((int64_t[SHAPE_MAX_RANK]){__VA_ARGS__})

static void test_every_layer_of_spec_has_its_op(void **state)
{
    (void)state;
    for (const struct layer_type *type = layer_table; type->name; type++) {
        if (type->op && !op_find(type->op))
            fail_msg("spec's layer \"%s\" has no op \"%s\"", type->name, type->op);
    }
    for (int i = 0; activation_names[i]; i++) {
        if (!op_find(activation_names[i]))
            fail_msg("spec's activation \"%s\" has no op", activation_names[i]);
    }
}

static void test_every_op_has_its_layer_in_spec(void **state)
{
    (void)state;
    for (size_t which = 0; op_at(which); which++) {
        bool found = false;
        for (const struct layer_type *type = layer_table; type->name; type++)
            found = found || (type->op && strcmp(type->op, op_at(which)->name) == 0);
        if (!found)
            fail_msg("op \"%s\" has no layer in spec", op_at(which)->name);
        assert_ptr_equal(op_find(op_at(which)->name), op_at(which));
    }
    assert_null(op_find("no_such_op"));
}

/* ---- running one op alone ---- */

struct single {
    struct model_spec model;
    struct graph *graph;
    struct run *run;
    real *parameters;
};

/* `op` before a dense layer, which spec asks for; then the op alone becomes the network.
 * The graph borrows single->model. */
static void open_single(struct single *single, const char *op,
                        const int64_t dims[SHAPE_MAX_RANK], size_t rows)
{
    char layers[300];
    snprintf(layers, sizeof(layers), "[%s, {'type': 'dense', 'units': 1}]", op);
    single->model = core_model(layers, dims);
    single->model.layer_count = 1;
    single->model.output = 0;
    struct graph_options options = {
        .max_rows = rows, .training = true, .input_gradient = true, .seed = 99};
    assert_int_equal(graph_compile(&single->model, &options, &single->graph, NULL), 0);
    assert_int_equal(run_new(single->graph, &single->run, NULL), 0);
    single->parameters = calloc(graph_size(single->graph) + 1, sizeof(real));
    assert_non_null(single->parameters);
}

static void close_single(struct single *single)
{
    run_free(single->run);
    graph_free(single->graph);
    free(single->parameters);
    single->model.layer_count = 2;
    model_spec_release(&single->model);
}

struct formula {
    const char *layer;
    double (*exact)(double x);
};

static double exact_relu(double x)
{
    return fmax(x, 0);
}

static double exact_leaky_relu(double x)
{
    return x > 0 ? x : 0.25 * x;
}

static double exact_elu(double x)
{
    return x > 0 ? x : 1.5 * expm1(x);
}

static double exact_gelu(double x)
{
    return x * erfc(-x / sqrt(2.0)) / 2;
}

static double exact_silu(double x)
{
    return x / (1 + exp(-x));
}

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double exact_softplus(double x)
{
    return log1p(exp(-fabs(x))) + fmax(x, 0);
}

static double exact_linear(double x)
{
    return x;
}

static const struct formula formulas[] = {
    {"{'type': 'relu'}", exact_relu},
    {"{'type': 'leaky_relu', 'alpha': 0.25}", exact_leaky_relu},
    {"{'type': 'elu', 'alpha': 1.5}", exact_elu},
    {"{'type': 'gelu'}", exact_gelu},
    {"{'type': 'silu'}", exact_silu},
    {"{'type': 'sigmoid'}", exact_sigmoid},
    {"{'type': 'tanh'}", tanh},
    {"{'type': 'softplus'}", exact_softplus},
    {"{'type': 'linear'}", exact_linear},
    {"{'type': 'flatten'}", exact_linear},
};

/* Below -4 gelu is 1 + erf of numbers near -1, in PyTorch as here: what counts is the
 * distance in terms of x. */
static double allowed(double x, double y)
{
    return 3e-7 * fabs(y) + 1.5e-7 * fmin(fabs(x), 30);
}

static void test_activations_equal_their_formulas(void **state)
{
    (void)state;
    enum { ROWS = 13, WIDTH = 61 };
    for (size_t f = 0; f < sizeof(formulas) / sizeof(formulas[0]); f++) {
        struct single single;
        open_single(&single, formulas[f].layer, DIMS(WIDTH), ROWS);
        real x[ROWS * WIDTH];
        for (size_t i = 0; i < ROWS * WIDTH; i++)
            x[i] = (real)(((double)i / (ROWS * WIDTH) - 0.5) * 30);
        memcpy(run_input(single.run), x, sizeof(x));
        run_forward(single.run, single.parameters, ROWS, 0, 0, true, false);
        for (size_t i = 0; i < ROWS * WIDTH; i++) {
            double exact = formulas[f].exact((double)x[i]);
            double got = (double)run_output(single.run)[i];
            if (!(fabs(got - exact) <= allowed((double)x[i], exact)))
                fail_msg("%s of %.9g: %.9g, not %.9g", formulas[f].layer, (double)x[i],
                         got, exact);
        }
        close_single(&single);
    }
}

static void test_activations_let_nan_through(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof(formulas) / sizeof(formulas[0]); f++) {
        struct single single;
        open_single(&single, formulas[f].layer, DIMS(17), 1);
        for (size_t i = 0; i < 17; i++)
            run_input(single.run)[i] = i % 2 ? (real)NAN : 1;
        run_forward(single.run, single.parameters, 1, 0, 0, true, false);
        for (size_t i = 0; i < 17; i++)
            assert_true(!isnan((double)run_output(single.run)[i]) == (i % 2 == 0));
        close_single(&single);
    }
}

static void test_softmax_of_large_numbers_is_exact(void **state)
{
    (void)state;
    struct single single;
    open_single(&single, "{'type': 'softmax'}", DIMS(2, 3), 2);
    const real x[12] = {1000, 1001, 1002, -5000, 0, 0, 1, 2, 3, -1e30f, 7, -1e30f};
    memcpy(run_input(single.run), x, sizeof(x));
    run_forward(single.run, single.parameters, 2, 0, 0, false, false);
    double sum = exp(-2) + exp(-1) + 1;
    const double expected[12] = {exp(-2) / sum, exp(-1) / sum, 1 / sum, 0, 0.5, 0.5,
                                 exp(-2) / sum, exp(-1) / sum, 1 / sum, 0, 1,   0};
    for (size_t i = 0; i < 12; i++)
        assert_true(fabs((double)run_output(single.run)[i] - expected[i]) <= 2e-7);
    close_single(&single);
}

static void test_dense_acts_on_the_last_axis(void **state)
{
    (void)state;
    struct model_spec model =
        core_model("[{'type': 'relu'}, {'type': 'dense', 'units': 2}]", DIMS(3, 4));
    struct graph_options options = {.max_rows = 2};
    struct graph *graph;
    struct run *run;
    assert_int_equal(graph_compile(&model, &options, &graph, NULL), 0);
    assert_int_equal(run_new(graph, &run, NULL), 0);
    assert_int_equal(graph_output_width(graph), 6);
    real *parameters = calloc(graph_size(graph), sizeof(real));
    float exported[10];
    for (size_t i = 0; i < 10; i++)
        exported[i] = (float)core_number(i);
    graph_import(graph, exported, parameters);
    for (size_t i = 0; i < 24; i++)
        run_input(run)[i] = (real)i;
    run_forward(run, parameters, 2, 0, 0, false, false);
    for (size_t position = 0; position < 6; position++) {
        for (size_t out = 0; out < 2; out++) {
            double y = (double)exported[8 + out];
            for (size_t in = 0; in < 4; in++)
                y += (double)(position * 4 + in) * (double)exported[out * 4 + in];
            assert_true(fabs((double)run_output(run)[position * 2 + out] - y) <= 1e-5);
        }
    }
    free(parameters);
    run_free(run);
    graph_free(graph);
    model_spec_release(&model);
}

/* ---- dropout ---- */

#define DROPOUT "{'type': 'dropout', 'rate': 0.3}"

/* Rows [first, first + rows) of a batch of ones through dropout. */
static void drop(struct single *single, size_t first, size_t rows, uint64_t step,
                 real *ret_y)
{
    size_t count = rows * graph_input_width(single->graph);
    for (size_t i = 0; i < count; i++)
        run_input(single->run)[i] = 1;
    run_forward(single->run, single->parameters, rows, first, step, true, false);
    memcpy(ret_y, run_output(single->run), count * sizeof(real));
}

static void test_dropout_mask_does_not_depend_on_the_slices(void **state)
{
    (void)state;
    enum { ROWS = 9, WIDTH = 130 };
    struct single single;
    open_single(&single, DROPOUT, DIMS(WIDTH), ROWS);
    real whole[ROWS * WIDTH], parts[ROWS * WIDTH];
    drop(&single, 0, ROWS, 4, whole);
    drop(&single, 0, 2, 4, parts);
    drop(&single, 2, 6, 4, parts + 2 * WIDTH);
    drop(&single, 8, 1, 4, parts + 8 * WIDTH);
    assert_memory_equal(whole, parts, sizeof(whole));
    assert_memory_not_equal(whole, whole + WIDTH, WIDTH * sizeof(real));
    drop(&single, 0, ROWS, 5, parts);
    assert_memory_not_equal(whole, parts, sizeof(whole));
    close_single(&single);
}

static void test_dropout_keeps_the_expected_share_and_scales_it(void **state)
{
    (void)state;
    enum { ROWS = 50, WIDTH = 1000 };
    struct single single;
    open_single(&single, DROPOUT, DIMS(WIDTH), ROWS);
    real *y = malloc(ROWS * WIDTH * sizeof(real));
    drop(&single, 0, ROWS, 0, y);
    size_t kept = 0;
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        assert_true(y[i] == 0 || y[i] == (real)(1 / 0.7));
        kept += y[i] > 0;
    }
    double share = (double)kept / (ROWS * WIDTH); /* deviation 0.002 */
    assert_true(fabs(share - 0.7) < 0.01);
    free(y);
    close_single(&single);
}

static void test_dropout_mask_is_that_of_philox(void **state)
{
    (void)state;
    struct single single;
    open_single(&single, DROPOUT, DIMS(70), 3);
    real y[210];
    drop(&single, 0, 3, 12, y);
    struct rng rng;
    rng_init(&rng, 99, RNG_DROPOUT, 12);
    for (uint32_t row = 0; row < 3; row++) {
        for (uint32_t j = 0; j < 70; j++) {
            /* number j is word j / 16 % 4 of block j % 16 of its chunk of 64; layer 0 */
            uint32_t counter[4] = {j / 64 * 16 + j % 16, row, rng.counter[2],
                                   rng.counter[3]};
            uint32_t words[4];
            rng_philox(counter, rng.key, words);
            bool kept = words[j % 64 / 16] >= (uint32_t)(0.3 * 0x1p32);
            assert_true((y[row * 70 + j] > 0) == kept);
        }
    }
    close_single(&single);
}

static void test_dropout_does_nothing_in_inference(void **state)
{
    (void)state;
    struct single single;
    open_single(&single, DROPOUT, DIMS(40), 2);
    for (size_t i = 0; i < 80; i++)
        run_input(single.run)[i] = (real)i;
    run_forward(single.run, single.parameters, 2, 0, 0, false, false);
    for (size_t i = 0; i < 80; i++)
        assert_true(run_output(single.run)[i] == (real)i);
    close_single(&single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_of_spec_has_its_op),
        cmocka_unit_test(test_every_op_has_its_layer_in_spec),
        cmocka_unit_test(test_activations_equal_their_formulas),
        cmocka_unit_test(test_activations_let_nan_through),
        cmocka_unit_test(test_softmax_of_large_numbers_is_exact),
        cmocka_unit_test(test_dense_acts_on_the_last_axis),
        cmocka_unit_test(test_dropout_mask_does_not_depend_on_the_slices),
        cmocka_unit_test(test_dropout_keeps_the_expected_share_and_scales_it),
        cmocka_unit_test(test_dropout_mask_is_that_of_philox),
        cmocka_unit_test(test_dropout_does_nothing_in_inference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
