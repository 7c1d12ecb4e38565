/*
 * The inside of a graph, for the files that make it up: graph.c compiles, graph_plan.c
 * lays out the arena, graph_params.c moves parameters, run.c runs.
 *
 * A value is the network's input or the output of a node: value 0 is the input, value i +
 * 1 the output of node i. Values that share memory (work in place) have the same buffer.
 */
#ifndef BACKPROP_GRAPH_INTERNAL_H
#define BACKPROP_GRAPH_INTERNAL_H

#include "graph.h"

#define NO_BUFFER (-1)
#define GRAPH_ALIGN (64 / sizeof(real)) /* reals of a cache line */

/* A piece of the arena with a lifetime on the time line of graph.h. */
struct buffer {
    size_t size;     /* reals, a multiple of GRAPH_ALIGN */
    int first, last; /* inclusive */
    size_t offset;   /* in the arena */
};

/* What a value needs in memory. */
struct value {
    size_t width;
    int readers;     /* input slots of nodes that read it */
    int last_reader; /* highest node that reads it, or -1 */
    bool wants_gradient;
    int output;   /* buffer of the numbers */
    int gradient; /* buffer of the gradient, or NO_BUFFER */
};

/* Buffers that belong to a node. */
struct node_plan {
    int saved, forward_scratch, backward_scratch; /* or NO_BUFFER */
    bool backward;                                /* run_backward() visits the node */
    int input_gradients[LAYER_MAX_INPUTS]; /* buffer to write to, or NO_BUFFER: not wanted
                                            */
    bool add[LAYER_MAX_INPUTS];  /* that buffer is then added to the value's gradient */
    bool adds[LAYER_MAX_INPUTS]; /* the op itself adds to it */
    /* Where the gradient of params[0] goes to be added to that which a later node wrote,
     * whose weight is the same; NO_BUFFER: to its place. */
    int shared_gradient;
};

struct graph {
    const struct model_spec *model; /* borrowed */
    struct graph_options options;
    int node_count;
    struct node *nodes;
    bool shares; /* some layer has the weight of another */
    int tensor_count;
    struct tensor **tensors; /* by offset; each lies in its node */
    size_t size, trained_size, exported_count;

    struct value *values;    /* node_count + 1 */
    struct node_plan *plans; /* node_count */
    int buffer_count;
    struct buffer *buffers;
    size_t arena_size; /* reals */
    size_t unit_count; /* of all nodes together, for the observed statistics */
};

/* Fills in values, plans, buffers and arena_size. */
int graph_plan_memory(struct graph *graph, struct error *err)
    __attribute__((warn_unused_result));

/* True if params[0] of the node is that of a node that lies after `after`, too. */
bool graph_shares_later(const struct graph *graph, const struct node *node, int after);

/* Units of a node (see run_activation). */
size_t node_units(const struct node *node);

static inline int value_of(int input)
{
    return input + 1; /* MODEL_INPUT is -1 */
}

#endif
