/* Layers over sequences: values that formulas and plain loops give. */
#include "core_fixture.h"
#include "engine/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) ((int64_t[SHAPE_MAX_RANK]){__VA_ARGS__})

/* A compiled model with room for its numbers. */
struct fixture {
    struct model_spec model;
    struct graph *graph;
    struct run *run;
    float *parameters, *gradients;
};

static float *floats(size_t count)
{
    float *x = calloc(count + 1, sizeof(float));
    assert_non_null(x);
    return x;
}

static void open_fixture(struct fixture *fixture, struct model_spec model, size_t rows,
                         bool training)
{
    struct graph_options options = {
        .max_rows = rows, .training = training, .input_gradient = training, .seed = 5};
    *fixture = (struct fixture){.model = model};
    assert_int_equal(graph_compile(&fixture->model, &options, &fixture->graph, NULL), 0);
    assert_int_equal(run_new(fixture->graph, &fixture->run, NULL), 0);
    fixture->parameters = floats(graph_size(fixture->graph));
    fixture->gradients = floats(graph_size(fixture->graph));
    graph_initialize(fixture->graph, 3, fixture->parameters);
}

static void close_fixture(struct fixture *fixture)
{
    run_free(fixture->run);
    graph_free(fixture->graph);
    model_spec_release(&fixture->model);
    free(fixture->parameters);
    free(fixture->gradients);
}

static void test_numbers_that_are_no_tokens_read_and_train_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture,
                 core_text_model("[{'type': 'embedding', 'output_dim': 3}]", DIMS(8), 4),
                 1, true);
    const float x[8] = {0, -1, 4, NAN, INFINITY, -INFINITY, 1e30f, 3};
    memcpy(run_input(fixture.run), x, sizeof(x));
    run_forward(fixture.run, fixture.parameters, 1, 0, 0, true, false);
    const float *w = fixture.parameters, *y = run_output(fixture.run);
    assert_memory_equal(y, w, 3 * sizeof(float));
    for (size_t i = 3; i < 21; i++)
        assert_true(y[i] == 0);
    assert_memory_equal(y + 21, w + 9, 3 * sizeof(float));
    for (size_t i = 0; i < 24; i++)
        run_output_gradient(fixture.run)[i] = (float)(i + 1);
    run_backward(fixture.run, fixture.parameters, fixture.gradients);
    const float expected[12] = {1, 2, 3, 0, 0, 0, 0, 0, 0, 22, 23, 24};
    assert_memory_equal(fixture.gradients, expected, sizeof(expected));
    for (size_t i = 0; i < 8; i++)
        assert_true(run_input_gradient(fixture.run)[i] == 0);
    close_fixture(&fixture);
}

static void test_sinusoidal_positions_are_those_of_the_paper(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture,
                 core_text_model("[{'type': 'embedding', 'output_dim': 6}, {'type': "
                                 "'sinusoidal_positions'}]",
                                 DIMS(50), 2),
                 2, false);
    memset(run_input(fixture.run), 0, 100 * sizeof(float));
    memset(fixture.parameters, 0, graph_size(fixture.graph) * sizeof(float));
    run_forward(fixture.run, fixture.parameters, 2, 0, 0, false, false);
    for (size_t r = 0; r < 2; r++) {
        for (size_t p = 0; p < 50; p++) {
            for (size_t i = 0; i < 3; i++) {
                double angle = (double)p / pow(10000, 2 * (double)i / 6);
                const float *y = run_output(fixture.run) + (r * 50 + p) * 6 + 2 * i;
                assert_true(fabs((double)y[0] - sin(angle)) < 1e-6);
                assert_true(fabs((double)y[1] - cos(angle)) < 1e-6);
            }
        }
    }
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_that_are_no_tokens_read_and_train_nothing),
        cmocka_unit_test(test_sinusoidal_positions_are_those_of_the_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
