/*
 * lstm and gru against plain loops over one row and one unit after the other: outputs and
 * gradients, for shapes on both sides of every cut, with and without biases, sequences
 * and truncation. In both builds of the engine.
 */
#include "core_fixture.h"
#include "engine/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) ((int64_t[SHAPE_MAX_RANK]){__VA_ARGS__})

struct recurrent_case {
    bool gru;
    size_t steps, features, units, rows, truncate;
    bool sequences, bias;
};

enum { W, R, B, C, TENSORS };

/* One row of the batch, by the formulas of torch.nn.LSTM and torch.nn.GRU. Weights are
 * [gates units, in] as in PyTorch; state[t + 1] is the state after step t. */
struct reference {
    const struct recurrent_case *c;
    size_t gates;
    const double *params[TENSORS]; /* biases: NULL without */
    double *gradients[TENSORS];
    double *x, *h, *cell;       /* [T, in], [T + 1, u], [T + 1, u] */
    double *kept;               /* [T, u, 4]: activated gates, and m of a gru */
    double *dx, *dh, *dcell;    /* [T, in], [u], [u] */
    double *d_input, *d_hidden; /* [gates u]: gradients of x W' + b and of h R' + c */
};

static double *zeros(size_t count)
{
    double *numbers = calloc(count + 1, sizeof(double));
    assert_non_null(numbers);
    return numbers;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Row `gate` of weight by x, and the bias. */
static double weighted(const double *weight, const double *bias, size_t gate, size_t in,
                       const double *x)
{
    double sum = bias ? bias[gate] : 0;
    for (size_t i = 0; i < in; i++)
        sum += weight[gate * in + i] * x[i];
    return sum;
}

static void reference_step(struct reference *r, size_t t)
{
    size_t u = r->c->units;
    const double *x = r->x + t * r->c->features, *before = r->h + t * u;
    double *h = r->h + (t + 1) * u, *kept = r->kept + t * 4 * u;
    for (size_t j = 0; j < u; j++) {
        double input[4], hidden[4];
        for (size_t g = 0; g < r->gates; g++) {
            size_t gate = g * u + j;
            input[g] = weighted(r->params[W], r->params[B], gate, r->c->features, x);
            hidden[g] = weighted(r->params[R], r->params[C], gate, u, before);
        }
        double *gate = kept + j * 4;
        if (r->c->gru) {
            gate[0] = sigmoid(input[0] + hidden[0]);
            gate[1] = sigmoid(input[1] + hidden[1]);
            gate[2] = tanh(input[2] + gate[0] * hidden[2]);
            gate[3] = hidden[2];
            h[j] = (1 - gate[1]) * gate[2] + gate[1] * before[j];
            continue;
        }
        for (size_t g = 0; g < 4; g++)
            gate[g] = g == 2 ? tanh(input[g] + hidden[g]) : sigmoid(input[g] + hidden[g]);
        double *cell = r->cell + (t + 1) * u + j;
        *cell = gate[1] * r->cell[t * u + j] + gate[0] * gate[2];
        h[j] = gate[3] * tanh(*cell);
    }
}

/* Gradients of the sums of unit j's gates, and of the state before. */
static void reference_cell_gradient(struct reference *r, size_t t, size_t j)
{
    size_t u = r->c->units;
    const double *gate = r->kept + t * 4 * u + j * 4;
    double dh = r->dh[j], d[4];
    if (r->c->gru) {
        double dn = dh * (1 - gate[1]) * (1 - gate[2] * gate[2]);
        d[0] = dn * gate[3] * gate[0] * (1 - gate[0]);
        d[1] = dh * (r->h[t * u + j] - gate[2]) * gate[1] * (1 - gate[1]);
        d[2] = dn;
        r->dh[j] = dh * gate[1];
    } else {
        double bent = tanh(r->cell[(t + 1) * u + j]);
        double dc = r->dcell[j] + dh * gate[3] * (1 - bent * bent);
        d[0] = dc * gate[2] * gate[0] * (1 - gate[0]);
        d[1] = dc * r->cell[t * u + j] * gate[1] * (1 - gate[1]);
        d[2] = dc * gate[0] * (1 - gate[2] * gate[2]);
        d[3] = dh * bent * gate[3] * (1 - gate[3]);
        r->dcell[j] = dc * gate[1];
        r->dh[j] = 0;
    }
    for (size_t g = 0; g < r->gates; g++) {
        r->d_input[g * u + j] = d[g];
        r->d_hidden[g * u + j] = r->c->gru && g == 2 ? d[g] * gate[0] : d[g];
    }
}

static void reference_step_back(struct reference *r, size_t t, const double *dy)
{
    size_t u = r->c->units, in = r->c->features;
    for (size_t j = 0; j < u; j++) {
        r->dh[j] += dy[j];
        reference_cell_gradient(r, t, j);
    }
    for (size_t gate = 0; gate < r->gates * u; gate++) {
        double d = r->d_input[gate], e = r->d_hidden[gate];
        for (size_t i = 0; i < in; i++) {
            r->gradients[W][gate * in + i] += d * r->x[t * in + i];
            r->dx[t * in + i] += d * r->params[W][gate * in + i];
        }
        for (size_t i = 0; i < u; i++) {
            r->gradients[R][gate * u + i] += e * r->h[t * u + i];
            r->dh[i] += e * r->params[R][gate * u + i];
        }
        if (r->c->bias) {
            r->gradients[B][gate] += d;
            r->gradients[C][gate] += e;
        }
    }
    if (r->c->truncate > 0 && t % r->c->truncate == 0) {
        memset(r->dh, 0, u * sizeof(double));
        memset(r->dcell, 0, u * sizeof(double));
    }
}

/* ---- the engine beside it ---- */

struct bench {
    const struct recurrent_case *c;
    struct model_spec model;
    struct graph *graph, *inference;
    struct run *run, *quiet;
    size_t size, in, out; /* numbers of parameters, of a row of x, of a row of y */
    real *parameters, *gradients;
    double *torch[TENSORS]; /* parameters in PyTorch's layout */
};

static struct graph *compile(const struct bench *bench, bool training)
{
    struct graph *graph;
    struct graph_options options = {
        .max_rows = bench->c->rows + 2, .training = training, .input_gradient = training};
    assert_int_equal(graph_compile(&bench->model, &options, &graph, NULL), 0);
    return graph;
}

static void to_doubles(const struct tensor *tensor, const real *engine, double *ret)
{
    real *torch = calloc(tensor->count, sizeof(real));
    assert_non_null(torch);
    graph_export_param(tensor, engine + tensor->offset, torch);
    for (size_t i = 0; i < tensor->count; i++)
        ret[i] = (double)torch[i];
    free(torch);
}

/* The graphs borrow the model in *bench-> */
static void bench_open(struct bench *bench, const struct recurrent_case *c)
{
    char layers[256];
    snprintf(layers, sizeof(layers),
             "[{'type': '%s', 'units': %zu, 'truncate': %zu, 'return_sequences': %s, "
             "'use_bias': %s}]",
             c->gru ? "gru" : "lstm", c->units, c->truncate,
             c->sequences ? "true" : "false", c->bias ? "true" : "false");
    *bench = (struct bench){.c = c, .in = c->steps * c->features, .out = c->units};
    bench->out *= c->sequences ? c->steps : 1;
    bench->model = core_model(layers, DIMS((int64_t)c->steps, (int64_t)c->features));
    bench->graph = compile(bench, true);
    bench->inference = compile(bench, false);
    assert_int_equal(run_new(bench->graph, &bench->run, NULL), 0);
    assert_int_equal(run_new(bench->inference, &bench->quiet, NULL), 0);
    bench->size = graph_size(bench->graph);
    bench->parameters = calloc(bench->size, sizeof(real));
    bench->gradients = calloc(bench->size, sizeof(real));
    assert_true(bench->parameters && bench->gradients);
    for (size_t i = 0; i < bench->size; i++) {
        bench->parameters[i] = (real)(core_number(i) / sqrt((double)c->units));
        bench->gradients[i] = NAN; /* to be written, not added to */
    }
    const struct node *node = graph_node(bench->graph, 0);
    assert_int_equal(node->param_count, c->bias ? 4 : 2);
    for (int p = 0; p < node->param_count; p++) {
        bench->torch[p] = zeros(node->params[p].count);
        to_doubles(&node->params[p], bench->parameters, bench->torch[p]);
    }
}

static void bench_close(struct bench *bench)
{
    run_free(bench->run);
    run_free(bench->quiet);
    graph_free(bench->graph);
    graph_free(bench->inference);
    free(bench->parameters);
    free(bench->gradients);
    for (int p = 0; p < TENSORS; p++)
        free(bench->torch[p]);
    model_spec_release(&bench->model);
}

static void compute(struct bench *bench)
{
    size_t rows = bench->c->rows;
    for (size_t i = 0; i < rows * bench->in; i++)
        run_input(bench->run)[i] = run_input(bench->quiet)[i] = (real)core_number(i + 7);
    run_forward(bench->run, bench->parameters, rows, 0, 0, true, false);
    run_forward(bench->quiet, bench->parameters, rows, 0, 0, false, false);
    assert_memory_equal(run_output(bench->run), run_output(bench->quiet),
                        rows * bench->out * sizeof(real));
}

static void compute_gradients(struct bench *bench)
{
    for (size_t i = 0; i < bench->c->rows * bench->out; i++)
        run_output_gradient(bench->run)[i] = (real)core_number(i + 11);
    run_backward(bench->run, bench->parameters, bench->gradients);
}

static void expect_near(const struct bench *bench, const char *what, size_t count,
                        const double *expected, const real *got)
{
    double tolerance = sizeof(real) == sizeof(double) ? 1e-12 : 2e-5, largest = 1;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - expected[i]) <= tolerance * largest))
            fail_msg("%s of %zu steps, %zu -> %zu, %zu rows: %s %zu is %.17g, expected "
                     "%.17g",
                     bench->c->gru ? "gru" : "lstm", bench->c->steps, bench->c->features,
                     bench->c->units, bench->c->rows, what, i, (double)got[i],
                     expected[i]);
    }
}

static struct reference reference_open(const struct bench *bench)
{
    const struct recurrent_case *c = bench->c;
    struct reference r = {.c = c, .gates = c->gru ? 3 : 4};
    for (int p = 0; p < TENSORS; p++) {
        r.params[p] = bench->torch[p];
        r.gradients[p] = zeros(4 * c->units * (c->features + c->units));
    }
    r.x = zeros(bench->in);
    r.dx = zeros(bench->in);
    r.h = zeros((c->steps + 1) * c->units);
    r.cell = zeros((c->steps + 1) * c->units);
    r.kept = zeros(c->steps * 4 * c->units);
    r.dh = zeros(c->units);
    r.dcell = zeros(c->units);
    r.d_input = zeros(4 * c->units);
    r.d_hidden = zeros(4 * c->units);
    return r;
}

static void reference_close(struct reference *r)
{
    for (int p = 0; p < TENSORS; p++)
        free(r->gradients[p]);
    double *owned[] = {r->x,  r->dx,    r->h,       r->cell,    r->kept,
                       r->dh, r->dcell, r->d_input, r->d_hidden};
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        free(owned[i]);
}

/* Row `row` of the batch forward, then backward. */
static void check_row(struct bench *bench, struct reference *r, size_t row)
{
    const struct recurrent_case *c = bench->c;
    for (size_t i = 0; i < bench->in; i++)
        r->x[i] = (double)(real)core_number(row * bench->in + i + 7);
    for (size_t t = 0; t < c->steps; t++)
        reference_step(r, t);
    const double *y = r->h + (c->sequences ? 1 : c->steps) * c->units;
    expect_near(bench, "output", bench->out, y,
                run_output(bench->run) + row * bench->out);
    memset(r->dx, 0, bench->in * sizeof(double));
    memset(r->dh, 0, c->units * sizeof(double));
    memset(r->dcell, 0, c->units * sizeof(double));
    double *dy = zeros(c->steps * c->units);
    size_t first = c->sequences ? 0 : (c->steps - 1) * c->units;
    for (size_t i = 0; i < bench->out; i++)
        dy[first + i] = (double)(real)core_number(row * bench->out + i + 11);
    for (size_t t = c->steps; t-- > 0;)
        reference_step_back(r, t, dy + t * c->units);
    free(dy);
}

static void check(const struct recurrent_case *c)
{
    struct bench bench;
    bench_open(&bench, c);
    struct reference r = reference_open(&bench);
    compute(&bench);
    for (size_t row = 0; row < c->rows; row++)
        check_row(&bench, &r, row);
    compute_gradients(&bench);
    expect_near(&bench, "input gradient of the last row", bench.in, r.dx,
                run_input_gradient(bench.run) + (c->rows - 1) * bench.in);
    const struct node *node = graph_node(bench.graph, 0);
    for (int p = 0; p < node->param_count; p++) {
        const struct tensor *tensor = &node->params[p];
        real *torch = calloc(tensor->count, sizeof(real));
        assert_non_null(torch);
        graph_export_param(tensor, bench.gradients + tensor->offset, torch);
        expect_near(&bench, tensor->spec->name, tensor->count, r.gradients[p], torch);
        free(torch);
    }
    reference_close(&r);
    bench_close(&bench);
}

static void test_shapes_and_attributes_agree_with_plain_loops(void **state)
{
    (void)state;
    static const size_t features[] = {1, 3, 16, 37}, units[] = {1, 5, 16, 33, 8};
    size_t which = 0;
    for (size_t steps = 1; steps <= 7; steps++) {
        for (size_t truncate = 0; truncate <= steps; truncate++, which++) {
            for (int bits = 0; bits < 8; bits++)
                check(&(struct recurrent_case){.gru = bits & 1,
                                               .steps = steps,
                                               .features = features[which % 4],
                                               .units = units[which % 5],
                                               .rows = 1 + which % 4,
                                               .truncate = truncate,
                                               .sequences = bits & 2,
                                               .bias = bits & 4});
        }
    }
}

/* A chunk of steps holds fewer steps, the more rows there are. */
static void test_chunks_of_steps_agree_with_plain_loops(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{64, 7, 3},  {100, 5, 2}, {200, 3, 2},
                                      {16, 30, 7}, {3, 140, 0}, {96, 4, 4}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int bits = 0; bits < 4; bits++)
            check(&(struct recurrent_case){.gru = bits & 1,
                                           .steps = sizes[i][1],
                                           .features = 6,
                                           .units = 9,
                                           .rows = sizes[i][0],
                                           .truncate = sizes[i][2],
                                           .sequences = bits & 2,
                                           .bias = true});
    }
}

static void test_wide_layers_agree_with_plain_loops(void **state)
{
    (void)state;
    for (int gru = 0; gru < 2; gru++)
        check(&(struct recurrent_case){.gru = gru,
                                       .steps = 3,
                                       .features = 210,
                                       .units = 150,
                                       .rows = 5,
                                       .sequences = true,
                                       .bias = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_and_attributes_agree_with_plain_loops),
        cmocka_unit_test(test_chunks_of_steps_agree_with_plain_loops),
        cmocka_unit_test(test_wide_layers_agree_with_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
