/* Running a graph on the rows of one slice. See graph.h. */
#include "flat_buffer.h"
#include "graph.h"
#include "graph_internal.h"
#include "kernels.h"

#include "base/memory.h"
#include "spec/job_spec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct graph *graph; /* borrowed */
    real *arena;
    struct op_call *calls; /* one for each node; where its memory is never changes */
    struct activation_sums *activations; /* one for each node */
    real *largest;                       /* graph->unit_count */
    const bool *observed_nodes;          /* borrowed; NULL: all */
    size_t batch_rows;                   /* 0: as many as the run has */
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
        call->dx_adds[i] = plan->adds[i];
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
    run->arena = flat_new(graph->arena_size);
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

/* Rows whose sums are taken in lanes of the engine's precision before they go into
 * double: statistics need no more digits, and it is twice as fast. */
#define OBSERVED_ROWS 16

/* Adds x and its squares; what is left over past whole vectors goes to *tail. */
static inline __attribute__((always_inline)) void
sum_row(const real *x, size_t count, real_lanes *sum, real_lanes *squares, double tail[2])
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        real_lanes part = *(const real_lanes *)(x + i);
        *sum += part;
        *squares += part * part;
    }
    for (; i < count; i++) {
        tail[0] += (double)x[i];
        tail[1] += (double)x[i] * (double)x[i];
    }
}

/* y: [rows, units] -> sum, sum of squares, and for each unit the largest magnitude. */
MULTIVERSION static void observe_rows(const real *restrict y, size_t rows, size_t units,
                                      real *restrict largest,
                                      struct activation_sums *ret_sums)
{
    double sums[2] = {0};
    for (size_t u = 0; u < units; u++)
        largest[u] = 0;
    for (size_t first = 0; first < rows; first += OBSERVED_ROWS) {
        size_t count = rows - first < OBSERVED_ROWS ? rows - first : OBSERVED_ROWS;
        real_lanes sum = {0}, squares = {0};
        for (size_t r = 0; r < count; r++, y += units) {
            for (size_t u = 0; u < units; u++) {
                real magnitude = y[u] < 0 ? -y[u] : y[u];
                largest[u] = magnitude > largest[u] ? magnitude : largest[u];
            }
            sum_row(y, units, &sum, &squares, sums);
        }
        sums[0] += (double)lanes_sum(&sum);
        sums[1] += (double)lanes_sum(&squares);
    }
    ret_sums->sum = sums[0];
    ret_sums->square_sum = sums[1];
}

static void observe(struct run *run, int n, size_t rows)
{
    const struct node *node = &run->graph->nodes[n];
    struct activation_sums *sums = &run->activations[n];
    sums->count = rows * node->width;
    observe_rows(run->calls[n].y, sums->count / sums->units, sums->units,
                 run->largest + (sums->largest - run->largest), sums);
}

void run_of_batch(struct run *run, size_t batch_rows)
{
    run->batch_rows = batch_rows;
}

void run_observe_only(struct run *run, const bool *nodes)
{
    run->observed_nodes = nodes;
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
        call->batch_rows = run->batch_rows > 0 ? run->batch_rows : rows;
        call->step = step;
        call->training = training;
        for (int p = 0; p < node->param_count; p++)
            call->params[p] = parameters + node->params[p].offset;
        call->scratch = place(run, graph->plans[n].forward_scratch);
        node->op->forward(node, call);
        if (observed && (!run->observed_nodes || run->observed_nodes[n]))
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
        real *shared = place(run, graph->plans[n].shared_gradient);
        if (shared)
            call->gradients[0] = shared;
        call->scratch = place(run, graph->plans[n].backward_scratch);
        node->op->backward(node, call);
        if (shared)
            vector_add(gradients + node->params[0].offset, shared, node->params[0].count);
        add_input_gradients(run, n);
    }
}

void run_gradient_rows(struct run *const *runs, int run_count, const struct node *node,
                       size_t first, size_t count, real *gradient)
{
    const struct op_call *calls[SPEC_MAX_THREADS];
    assert(run_count > 0 && run_count <= SPEC_MAX_THREADS && node->deferred);
    for (int i = 0; i < run_count; i++)
        calls[i] = &runs[i]->calls[node->index];
    node->op->gradient_rows(node, calls, run_count, first, count, gradient);
}

struct activation_sums run_activation(const struct run *run, int which_node)
{
    assert(which_node >= 0 && which_node < run->graph->node_count);
    return run->activations[which_node];
}
