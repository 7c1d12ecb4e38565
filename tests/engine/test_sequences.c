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
    assert_int_equal(graph_initialize(fixture->graph, 3, fixture->parameters, NULL), 0);
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

/* Attention as the formulas say, in double: one row of the batch, causal. */
static void attend(const float *x, size_t positions, size_t units, size_t heads,
                   const float *exported, double *ret_y)
{
    size_t depth = units / heads;
    const float *in = exported, *in_bias = in + 3 * units * units;
    const float *out = in_bias + 3 * units, *out_bias = out + units * units;
    double *qkv = calloc(3 * units * positions, sizeof(double));
    double *context = calloc(units * positions, sizeof(double));
    double *p = calloc(positions, sizeof(double));
    assert_true(qkv && context && p);
    for (size_t t = 0; t < positions; t++) {
        for (size_t j = 0; j < 3 * units; j++) {
            qkv[t * 3 * units + j] = (double)in_bias[j];
            for (size_t i = 0; i < units; i++)
                qkv[t * 3 * units + j] +=
                    (double)x[t * units + i] * (double)in[j * units + i];
        }
    }
    for (size_t t = 0; t < positions; t++) {
        for (size_t h = 0; h < heads; h++) {
            const double *q = qkv + t * 3 * units + h * depth;
            double sum = 0;
            for (size_t s = 0; s <= t; s++) {
                const double *k = qkv + s * 3 * units + units + h * depth;
                double score = 0;
                for (size_t i = 0; i < depth; i++)
                    score += q[i] * k[i];
                sum += p[s] = exp(score / sqrt((double)depth));
            }
            for (size_t s = 0; s <= t; s++) {
                const double *v = qkv + s * 3 * units + 2 * units + h * depth;
                for (size_t i = 0; i < depth; i++)
                    context[t * units + h * depth + i] += p[s] / sum * v[i];
            }
        }
        for (size_t j = 0; j < units; j++) {
            double y = (double)out_bias[j];
            for (size_t i = 0; i < units; i++)
                y += context[t * units + i] * (double)out[j * units + i];
            ret_y[t * units + j] = y;
        }
    }
    free(qkv);
    free(context);
    free(p);
}

#define ATTENTION_ROWS 3
#define POSITIONS 75 /* no multiple of a block of queries */
#define UNITS 20
#define ROW (POSITIONS * UNITS)

static void open_attention(struct fixture *fixture, const char *more, bool training)
{
    char layers[256] = "[{'type': 'multi_head_attention', 'num_heads': 5, ";
    strcat(layers, more);
    strcat(layers, "}]");
    open_fixture(fixture, core_model(layers, DIMS(POSITIONS, UNITS)), ATTENTION_ROWS,
                 training);
    for (size_t i = 0; i < graph_size(fixture->graph); i++)
        fixture->parameters[i] += 0.1F * (float)core_number(i);
}

static void fill_input(const struct fixture *fixture, size_t rows, size_t first)
{
    for (size_t i = 0; i < rows * ROW; i++)
        run_input(fixture->run)[i] = (float)core_number(first * ROW + i);
}

static void test_attention_equals_its_formulas(void **state)
{
    (void)state;
    struct fixture fixture, inference;
    open_attention(&fixture, "'causal': true", true);
    fill_input(&fixture, ATTENTION_ROWS, 0);
    float *exported = floats(graph_exported_count(fixture.graph));
    graph_export(fixture.graph, fixture.parameters, exported);
    double *expected = calloc(ROW, sizeof(double));
    assert_non_null(expected);
    run_forward(fixture.run, fixture.parameters, ATTENTION_ROWS, 0, 0, true, false);
    for (size_t r = 0; r < ATTENTION_ROWS; r++) {
        attend(run_input(fixture.run) + r * ROW, POSITIONS, UNITS, 5, exported, expected);
        for (size_t i = 0; i < ROW; i++)
            assert_true(fabs((double)run_output(fixture.run)[r * ROW + i] - expected[i]) <
                        2e-6 * fmax(1, fabs(expected[i])));
    }
    open_attention(&inference, "'causal': true", false);
    fill_input(&inference, ATTENTION_ROWS, 0);
    run_forward(inference.run, fixture.parameters, ATTENTION_ROWS, 0, 0, false, false);
    assert_memory_equal(run_output(inference.run), run_output(fixture.run),
                        ATTENTION_ROWS * ROW * sizeof(float));
    free(expected);
    free(exported);
    close_fixture(&fixture);
    close_fixture(&inference);
}

static void test_a_cut_of_the_batch_does_not_change_attention_with_dropout(void **state)
{
    (void)state;
    struct fixture whole, cut;
    open_attention(&whole, "'dropout': 0.3", true);
    open_attention(&cut, "'dropout': 0.3", true);
    fill_input(&whole, ATTENTION_ROWS, 0);
    run_forward(whole.run, whole.parameters, ATTENTION_ROWS, 0, 4, true, false);
    for (size_t r = 0; r < ATTENTION_ROWS; r++) {
        fill_input(&cut, 1, r);
        run_forward(cut.run, whole.parameters, 1, r, 4, true, false);
        assert_memory_equal(run_output(cut.run), run_output(whole.run) + r * ROW,
                            ROW * sizeof(float));
    }
    close_fixture(&whole);
    close_fixture(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_that_are_no_tokens_read_and_train_nothing),
        cmocka_unit_test(test_sinusoidal_positions_are_those_of_the_paper),
        cmocka_unit_test(test_attention_equals_its_formulas),
        cmocka_unit_test(test_a_cut_of_the_batch_does_not_change_attention_with_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
