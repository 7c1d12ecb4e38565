/*
 * The memory plan of a graph: which buffers there are, how long each lives, which values
 * work in place, and where everything lies in the arena.
 *
 * Time line for n nodes: forward of node i at i, the loss at n, backward of node i at
 * 2n - i, deferred gradients (and the caller) at 2n + 1.
 */
#include "graph_internal.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARENA (SIZE_MAX / 64)

struct planner {
    struct graph *graph;
    int loss_time, end_time;
    bool *kept;  /* by buffer: some backward reads it, so nothing may overwrite it */
    bool failed; /* a size overflowed */
};

static int backward_time(const struct planner *planner, int node)
{
    return 2 * planner->loss_time - node;
}

/* A new buffer of `width` reals a row. */
static int add_buffer(struct planner *planner, size_t reals, int first, int last)
{
    struct graph *graph = planner->graph;
    if (reals > MAX_ARENA - GRAPH_ALIGN) {
        planner->failed = true;
        reals = GRAPH_ALIGN;
    }
    struct buffer *buffer = &graph->buffers[graph->buffer_count];
    buffer->size = (reals + GRAPH_ALIGN - 1) / GRAPH_ALIGN * GRAPH_ALIGN;
    buffer->first = first;
    buffer->last = last;
    return graph->buffer_count++;
}

static int add_rows(struct planner *planner, size_t width, int first, int last)
{
    size_t reals;
    if (!mem_multiply(width, planner->graph->options.max_rows, &reals))
        reals = SIZE_MAX;
    return add_buffer(planner, reals, first, last);
}

static void lives_until(struct planner *planner, int buffer, int time)
{
    struct buffer *b = &planner->graph->buffers[buffer];
    if (b->last < time)
        b->last = time;
}

static int count_readers(struct graph *graph, struct error *err)
{
    graph->values[0].width = (size_t)shape_elements(&graph->model->input);
    for (int v = 0; v <= graph->node_count; v++)
        graph->values[v].last_reader = -1;
    for (int n = 0; n < graph->node_count; n++) {
        graph->values[value_of(n)].width = graph->nodes[n].width;
        for (int i = 0; i < graph->nodes[n].input_count; i++) {
            struct value *value = &graph->values[value_of(graph->nodes[n].inputs[i])];
            value->readers++;
            value->last_reader = n;
        }
    }
    for (int n = 0; n < graph->node_count; n++) {
        if (graph->values[value_of(n)].readers == 0 && n != graph->model->output)
            return error_set_at(err, ERR_INVALID, graph->model->layers[n].pointer,
                                "the layer does not lead to the output of the network");
    }
    return 0;
}

/* Which values need a gradient: those that trained parameters lie before. */
static void find_gradients(struct graph *graph)
{
    if (!graph->options.training)
        return;
    graph->values[0].wants_gradient = graph->options.input_gradient;
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        bool wants = false;
        for (int i = 0; i < node->input_count; i++)
            wants = wants || graph->values[value_of(node->inputs[i])].wants_gradient;
        for (int p = 0; p < node->param_count; p++)
            wants = wants || node->params[p].spec->trainable;
        graph->values[value_of(n)].wants_gradient = wants;
        graph->plans[n].backward = wants;
    }
}

/* Only this node reads that input, and both are of one size. */
static bool reads_alone(const struct graph *graph, const struct node *node, int which)
{
    int input = node->inputs[which];
    return graph->values[value_of(input)].readers == 1 && input != graph->model->output &&
           node->input_widths[which] == node->width;
}

/* A node of one input whose output, and its gradient, may lie where the input's do. */
static bool could_share(const struct graph *graph, const struct node *node)
{
    return node->flags & OP_IN_PLACE && node->input_count == 1 &&
           reads_alone(graph, node, 0);
}

/* The buffer of an input that the node's output may overwrite, or NO_BUFFER. */
static int overwritten_input(const struct planner *planner, const struct node *node)
{
    const struct graph *graph = planner->graph;
    if (could_share(graph, node)) {
        int buffer = graph->values[value_of(node->inputs[0])].output;
        return node->flags & OP_IDENTITY || !planner->kept[buffer] ? buffer : NO_BUFFER;
    }
    for (int i = 0; node->flags & OP_SUM && i < 2; i++) {
        int buffer = graph->values[value_of(node->inputs[i])].output;
        if (reads_alone(graph, node, i) && !planner->kept[buffer])
            return buffer;
    }
    return NO_BUFFER;
}

/* Buffers for the numbers of all values. */
static void plan_outputs(struct planner *planner)
{
    struct graph *graph = planner->graph;
    bool training = graph->options.training;
    graph->values[0].output = add_rows(planner, graph->values[0].width, -1, -1);
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        bool backward = graph->plans[n].backward;
        struct value *value = &graph->values[value_of(n)];
        bool needs_input = backward && node->flags & OP_NEEDS_INPUT;
        for (int i = 0; i < node->input_count; i++) {
            int buffer = graph->values[value_of(node->inputs[i])].output;
            lives_until(planner, buffer, n);
            if (needs_input)
                lives_until(planner, buffer,
                            node->deferred ? planner->end_time
                                           : backward_time(planner, n));
            planner->kept[buffer] = planner->kept[buffer] || needs_input;
        }
        value->output = overwritten_input(planner, node);
        if (value->output == NO_BUFFER)
            value->output = add_rows(planner, node->width, n, n);
        if (backward && node->flags & OP_NEEDS_OUTPUT) {
            planner->kept[value->output] = true;
            lives_until(planner, value->output, backward_time(planner, n));
        }
    }
    int output = graph->values[value_of(graph->model->output)].output;
    lives_until(planner, output, training ? planner->loss_time : planner->end_time);
}

/* The last node before `node` that reads the value, or -1. */
static int reader_before(const struct graph *graph, int input, int node)
{
    for (int n = node - 1; n > input; n--) {
        for (int i = 0; i < graph->nodes[n].input_count; i++) {
            if (graph->nodes[n].inputs[i] == input)
                return n;
        }
    }
    return -1;
}

/*
 * True if the gradient of an input of this sum of two may be the gradient of the sum
 * itself, in one buffer. It may for the later of them. It may for both where the later
 * one's node has read the buffer for the last time, and not worked in it in place, before
 * another reader of the earlier one adds to it or its node works in it: as in a residual
 * block.
 */
static bool takes_sums_gradient(const struct graph *graph, const struct node *node,
                                int input)
{
    int a = node->inputs[0], b = node->inputs[node->input_count - 1];
    if (!(node->flags & OP_SUM) || node->input_count != 2 || a == b)
        return false;
    int later = a > b ? a : b, earlier = a > b ? b : a;
    if (input == later)
        return true;
    const struct node *before = &graph->nodes[later];
    return graph->values[value_of(later)].readers == 1 && !before->deferred &&
           !(before->flags & OP_SUM) && !could_share(graph, before) &&
           later > reader_before(graph, earlier, node->index);
}

/* Buffers for the gradients of the values, from the last node to the first: a gradient is
 * written first by the value's last reader (or the loss), others add to it. */
static void plan_gradients(struct planner *planner)
{
    struct graph *graph = planner->graph;
    for (int n = graph->node_count - 1; n >= -1; n--) {
        struct value *value = &graph->values[value_of(n)];
        value->gradient = NO_BUFFER;
        if (!value->wants_gradient)
            continue;
        int reader = value->last_reader;
        int last = n < 0 || graph->nodes[n].deferred ? planner->end_time
                                                     : backward_time(planner, n);
        bool shares = reader >= 0 && n != graph->model->output &&
                      (could_share(graph, &graph->nodes[reader]) ||
                       takes_sums_gradient(graph, &graph->nodes[reader], n));
        if (shares)
            value->gradient = graph->values[value_of(reader)].gradient;
        else
            value->gradient =
                add_rows(planner, value->width,
                         n == graph->model->output ? planner->loss_time
                                                   : backward_time(planner, reader),
                         last);
        lives_until(planner, value->gradient, last);
    }
}

/* Where each node writes the gradients of its inputs. */
static void plan_input_gradients(struct planner *planner)
{
    struct graph *graph = planner->graph;
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        struct node_plan *plan = &graph->plans[n];
        int time = backward_time(planner, n);
        for (int i = 0; i < node->input_count; i++) {
            const struct value *value = &graph->values[value_of(node->inputs[i])];
            bool first =
                value->last_reader == n && node->inputs[i] != graph->model->output;
            for (int before = 0; before < i; before++)
                first = first && node->inputs[before] != node->inputs[i];
            plan->input_gradients[i] = NO_BUFFER;
            if (!value->wants_gradient)
                continue;
            plan->adds[i] = !first && node->flags & OP_ADDS_GRADIENT;
            plan->add[i] = !first && !plan->adds[i];
            plan->input_gradients[i] = plan->add[i]
                                           ? add_rows(planner, value->width, time, time)
                                           : value->gradient;
        }
    }
}

static void plan_nodes(struct planner *planner)
{
    struct graph *graph = planner->graph;
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        struct node_plan *plan = &graph->plans[n];
        int back = backward_time(planner, n);
        plan->saved = plan->forward_scratch = plan->backward_scratch = NO_BUFFER;
        if (node->saved_width > 0 && graph->options.training)
            plan->saved = add_rows(planner, node->saved_width, n,
                                   node->deferred ? planner->end_time : back);
        plan->shared_gradient = NO_BUFFER;
        if (plan->backward && node->param_count > 0 && graph_shares_later(graph, node, n))
            plan->shared_gradient =
                add_buffer(planner, node->params[0].count, back, back);
        if (node->scratch > 0)
            plan->forward_scratch = add_buffer(planner, node->scratch, n, n);
        if (node->scratch > 0 && plan->backward)
            plan->backward_scratch = add_buffer(planner, node->scratch, back, back);
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a;
    const struct buffer *y = *(struct buffer *const *)b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x < y ? -1 : 1;
}

/*
 * Greedy by size: each buffer, the largest first, goes to the lowest place where it meets
 * no buffer that lives at the same time. `placed` is kept in order of offsets.
 */
static int place_buffers(struct graph *graph, struct error *err)
{
    size_t count = (size_t)graph->buffer_count;
    struct buffer **order = mem_alloc_array(count, sizeof(struct buffer *));
    const struct buffer **placed = mem_alloc_array(count, sizeof(struct buffer *));
    int rc = 0;
    if (!order || !placed) {
        rc = error_set(err, ERR_NOMEM, "no memory to plan the network");
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = &graph->buffers[i];
    qsort(order, count, sizeof(struct buffer *), larger_first);
    for (size_t done = 0; done < count; done++) {
        struct buffer *buffer = order[done];
        size_t offset = 0;
        for (size_t i = 0; i < done; i++) {
            const struct buffer *other = placed[i];
            bool together = buffer->first <= other->last && other->first <= buffer->last;
            if (together && offset < other->offset + other->size &&
                other->offset < offset + buffer->size)
                offset = other->offset + other->size;
        }
        if (buffer->size > MAX_ARENA - offset) {
            rc = error_set(err, ERR_TOO_LARGE, "the activations do not fit in memory");
            goto out;
        }
        buffer->offset = offset;
        if (graph->arena_size < offset + buffer->size)
            graph->arena_size = offset + buffer->size;
        size_t at = done;
        while (at > 0 && placed[at - 1]->offset > offset)
            at--;
        memmove(&placed[at + 1], &placed[at], (done - at) * sizeof(struct buffer *));
        placed[at] = buffer;
    }
out:
    free(order);
    free(placed);
    return rc;
}

int graph_plan_memory(struct graph *graph, struct error *err)
{
    size_t nodes = (size_t)graph->node_count, most = 2;
    for (size_t n = 0; n < nodes; n++)
        most += 6 + (size_t)graph->nodes[n].input_count;
    struct planner planner = {.graph = graph,
                              .loss_time = graph->node_count,
                              .end_time = 2 * graph->node_count + 1};
    graph->values = mem_alloc_array(nodes + 1, sizeof(struct value));
    graph->plans = mem_alloc_array(nodes, sizeof(struct node_plan));
    graph->buffers = mem_alloc_array(most, sizeof(struct buffer));
    planner.kept = mem_alloc_array(most, sizeof(bool));
    int rc = 0;
    if (!graph->values || !graph->plans || !graph->buffers || !planner.kept) {
        rc = error_set(err, ERR_NOMEM, "no memory to plan the network");
        goto out;
    }
    rc = count_readers(graph, err);
    if (rc != 0)
        goto out;
    find_gradients(graph);
    plan_outputs(&planner);
    plan_gradients(&planner);
    plan_input_gradients(&planner);
    plan_nodes(&planner);
    rc = planner.failed
             ? error_set(err, ERR_TOO_LARGE, "the activations do not fit in memory")
             : place_buffers(graph, err);
out:
    free(planner.kept);
    return rc;
}
