/* Running a graph on the rows of one slice. See graph.h. */
#include "graph.h"
#include "graph_internal.h"
#include "kernels.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLICES 256 /* SPEC_MAX_THREADS */

struct run {
    const struct graph *graph; /* borrowed */
    real *arena;
    struct op_call *calls; /* one for each node; where its memory is never changes */
    struct activation_sums *activations; /* one for each node */
    real *largest;                       /* graph->unit_count */
};

static real *place(const struct run *run, int buffer)
{
    return buffer == NO_BUFFER ? NULL : run->arena + run->graph->buffers[buffer].offset;
}

static void prepare_call(struct run *run, int n)
{
    const struct graph *graph = run->graph;
    const struct node *node = &graph->nodes[n];
    const struct node_plan *plan = &graph->plans[n];
    const struct value *value = &graph->values[value_of(n)];
    struct op_call *call = &run->calls[n];
    call->seed = graph->options.seed;
    for (int i = 0; i < node->input_count; i++) {
        call->x[i] = place(run, graph->values[value_of(node->inputs[i])].output);
        call->dx[i] = place(run, plan->input_gradients[i]);
    }
    call->y = place(run, value->output);
    call->dy = place(run, value->gradient);
    call->saved = place(run, plan->saved);
}

int run_new(const struct graph *graph, struct run **ret_run, struct error *err)
{
    size_t nodes = (size_t)graph->node_count;
    struct run *run = mem_alloc(sizeof(*run));
    if (!run)
        return error_set(err, ERR_NOMEM, "no memory for the activations");
    run->graph = graph;
    run->arena = mem_alloc_aligned(graph->arena_size, sizeof(real));
    run->calls = mem_alloc_array(nodes, sizeof(struct op_call));
    run->activations = mem_alloc_array(nodes, sizeof(struct activation_sums));
    run->largest = mem_alloc_array(graph->unit_count, sizeof(real));
    if (!run->arena || !run->calls || !run->activations || !run->largest) {
        run_free(run);
        return error_set(err, ERR_NOMEM, "no memory for the activations: %zu bytes",
                         graph_arena_bytes(graph));
    }
    real *largest = run->largest;
    for (int n = 0; n < graph->node_count; n++) {
        prepare_call(run, n);
        run->activations[n].largest = largest;
        run->activations[n].units = node_units(&graph->nodes[n]);
        largest += run->activations[n].units;
    }
    *ret_run = run;
    return 0;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    free(run->arena);
    free(run->calls);
    free(run->activations);
    free(run->largest);
    free(run);
}

real *run_input(struct run *run)
{
    return place(run, run->graph->values[0].output);
}

const real *run_output(const struct run *run)
{
    return place(run, run->graph->values[value_of(run->graph->model->output)].output);
}

real *run_output_gradient(struct run *run)
{
    return place(run, run->graph->values[value_of(run->graph->model->output)].gradient);
}

const real *run_input_gradient(const struct run *run)
{
    return place(run, run->graph->values[0].gradient);
}

/* y: [rows, units] -> sum, sum of squares, and for each unit the largest magnitude. */
KERNEL static void observe_rows(const real *restrict y, size_t rows, size_t units,
                                real *restrict largest, double *restrict ret_sum,
                                double *restrict ret_square_sum)
{
    enum { LANES = 16 };
    double sums[LANES] = {0}, squares[LANES] = {0};
    for (size_t u = 0; u < units; u++)
        largest[u] = 0;
    for (size_t r = 0; r < rows; r++, y += units) {
        for (size_t u = 0; u < units; u++) {
            real magnitude = y[u] < 0 ? -y[u] : y[u];
            largest[u] = magnitude > largest[u] ? magnitude : largest[u];
        }
        size_t u = 0;
        for (; u + LANES <= units; u += LANES) {
            for (size_t lane = 0; lane < LANES; lane++) {
                sums[lane] += (double)y[u + lane];
                squares[lane] += (double)y[u + lane] * (double)y[u + lane];
            }
        }
        for (size_t lane = 0; u < units; u++, lane++) {
            sums[lane] += (double)y[u];
            squares[lane] += (double)y[u] * (double)y[u];
        }
    }
    *ret_sum = *ret_square_sum = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        *ret_sum += sums[lane];
        *ret_square_sum += squares[lane];
    }
}

static void observe(struct run *run, int n, size_t rows)
{
    const struct node *node = &run->graph->nodes[n];
    struct activation_sums *sums = &run->activations[n];
    real *largest = run->largest + (sums->largest - run->largest);
    sums->count = rows * node->width;
    observe_rows(run->calls[n].y, sums->count / sums->units, sums->units, largest,
                 &sums->sum, &sums->square_sum);
}

void run_forward(struct run *run, const real *parameters, size_t rows, size_t first_row,
                 uint64_t step, bool training, bool observed)
{
    const struct graph *graph = run->graph;
    assert(rows > 0 && rows <= graph->options.max_rows);
    assert(!training || graph->options.training);
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        struct op_call *call = &run->calls[n];
        call->rows = rows;
        call->first_row = first_row;
        call->step = step;
        call->training = training;
        for (int p = 0; p < node->param_count; p++)
            call->params[p] = parameters + node->params[p].offset;
        call->scratch = place(run, graph->plans[n].forward_scratch);
        node->op->forward(node, call);
        if (observed)
            observe(run, n, rows);
    }
}

/* Adds what a node wrote aside for inputs that other nodes read as well. */
static void add_input_gradients(struct run *run, int n)
{
    const struct graph *graph = run->graph;
    const struct node *node = &graph->nodes[n];
    const struct node_plan *plan = &graph->plans[n];
    const struct op_call *call = &run->calls[n];
    for (int i = 0; i < node->input_count; i++) {
        if (call->dx[i] && plan->add[i])
            vector_add(place(run, graph->values[value_of(node->inputs[i])].gradient),
                       call->dx[i], call->rows * node->input_widths[i]);
    }
}

void run_backward(struct run *run, const real *parameters, real *gradients)
{
    const struct graph *graph = run->graph;
    assert(graph->options.training);
    for (int n = graph->node_count - 1; n >= 0; n--) {
        const struct node *node = &graph->nodes[n];
        struct op_call *call = &run->calls[n];
        if (!graph->plans[n].backward)
            continue;
        assert(call->training);
        for (int p = 0; p < node->param_count; p++) {
            call->params[p] = parameters + node->params[p].offset;
            call->gradients[p] = gradients + node->params[p].offset;
        }
        call->scratch = place(run, graph->plans[n].backward_scratch);
        node->op->backward(node, call);
        add_input_gradients(run, n);
    }
}

void run_gradient_rows(struct run *const *runs, int run_count, const struct node *node,
                       size_t first, size_t count, real *gradient)
{
    const struct op_call *calls[MAX_SLICES];
    assert(run_count > 0 && run_count <= MAX_SLICES && node->deferred);
    for (int i = 0; i < run_count; i++)
        calls[i] = &runs[i]->calls[node->index];
    node->op->gradient_rows(node, calls, run_count, first, count, gradient);
}

struct activation_sums run_activation(const struct run *run, int which_node)
{
    assert(which_node >= 0 && which_node < run->graph->node_count);
    return run->activations[which_node];
}
