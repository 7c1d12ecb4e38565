/*
 * The graph: a model compiled to nodes in order of computation, with a plan of all
 * memory.
 *
 * A graph is immutable and holds no numbers: several threads run it at once, each with a
 * `struct run` of its own. Numbers live in flat buffers of graph_size() reals:
 *
 *     parameters  [ tensor | pad | tensor | pad | … | states (not trained) ]
 *     gradients   the same layout
 *     moments     the same layout, once for each moment of the optimizer
 *
 * Each tensor starts on a 64-byte boundary. Padding is zero and stays zero. The engine's
 * order of a tensor's elements may differ from PyTorch's (see struct tensor); what leaves
 * the engine goes through graph_export().
 *
 * A run's activations live in one arena, planned when the graph is compiled: every buffer
 * has a lifetime on the time line
 *
 *     forward of node 0 … n-1 | loss | backward of node n-1 … 0 | deferred gradients
 *
 * and buffers whose lifetimes do not meet share memory. Running allocates nothing.
 */
#ifndef BACKPROP_GRAPH_H
#define BACKPROP_GRAPH_H

#include "base/error.h"
#include "op.h"
#include "real.h"
#include "spec/model_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graph;
struct run;

struct graph_options {
    size_t max_rows;     /* of one slice; > 0 */
    bool training;       /* false: forward only, the arena is smaller */
    bool input_gradient; /* training: the gradient of the network's input is wanted */
    /* Training: gradients are those of the loss even where the layers ask for less
     * ("truncate"), so that finite differences agree with them. */
    bool whole_gradient;
    uint64_t seed; /* of dropout */
    /* Training: dense gradients of at least so many elements, and at least as many as dy
     * has, are deferred; 0: none. */
    size_t defer_from;
    /* Finds ops by name; NULL: op_find(). Tests put ops of their own here. */
    const struct op *(*find_op)(const char *name);
};

/* Borrows the model, which must outlive the graph. ERR_INVALID for an unknown op
 * or a layer that does not lead to the output, ERR_TOO_LARGE when a size overflows. New
 * object. */
int graph_compile(const struct model_spec *model, const struct graph_options *options,
                  struct graph **ret_graph, struct error *err)
    __attribute__((warn_unused_result));
void graph_free(struct graph *graph);

const struct model_spec *graph_model(const struct graph *graph);
size_t graph_size(const struct graph *graph);         /* reals of a flat buffer */
size_t graph_trained_size(const struct graph *graph); /* of them before the states */
size_t graph_input_width(const struct graph *graph);
size_t graph_output_width(const struct graph *graph);
size_t graph_max_rows(const struct graph *graph);
size_t graph_arena_bytes(const struct graph *graph); /* of one run */

/* Nodes in order of computation, one for each layer of the model, with its index. */
int graph_node_count(const struct graph *graph);
const struct node *graph_node(const struct graph *graph, int which);

/* All tensors, in order of their offsets: the layers' in graph order, states last. */
int graph_tensor_count(const struct graph *graph);
const struct tensor *graph_tensor(const struct graph *graph, int which);

/*
 * Fills the parameters from their initializers: tensor i (counted in the order of export)
 * from the stream (seed, RNG_INITIALIZER, i) in PyTorch's order of elements, so that the
 * numbers do not depend on the engine's layout. 0 or ERR_NOMEM.
 */
int graph_initialize(const struct graph *graph, uint64_t seed, real *ret_parameters,
                     struct error *err) __attribute__((warn_unused_result));

/*
 * Exported form: PyTorch's layouts without padding, float32, layers in the model's order
 * and each layer's tensors in the order of its param_specs.
 */
size_t graph_exported_count(const struct graph *graph); /* floats */
void graph_export(const struct graph *graph, const real *parameters, float *ret_exported);
/* Zeroes the padding as well. */
void graph_import(const struct graph *graph, const float *exported, real *ret_parameters);

/* One tensor between the engine's order of elements and PyTorch's; `engine` points at the
 * tensor itself, not at the flat buffer. */
void graph_export_param(const struct tensor *tensor, const real *engine, real *ret_torch);
void graph_import_param(const struct tensor *tensor, const real *torch, real *ret_engine);

/* ---- running ---- */

/* A run: the arena of one slice. Borrows the graph. New object. */
int run_new(const struct graph *graph, struct run **ret_run, struct error *err)
    __attribute__((warn_unused_result));
void run_free(struct run *run);

/* Where the rows of a slice go before each run_forward(), which may overwrite them:
 * [max_rows, input_width]. */
real *run_input(struct run *run);

/* After run_forward(), until the next: [rows, output_width]. In training it is valid
 * until run_backward(). */
const real *run_output(const struct run *run);

/* Where the gradient of the loss with respect to the output goes before run_backward():
 * [max_rows, output_width]. Not before run_forward() has returned. Training only. */
real *run_output_gradient(struct run *run);

/* After run_backward(): [rows, input_width]. Only with options.input_gradient. */
const real *run_input_gradient(const struct run *run);

/*
 * Computes the output of the rows in run_input(). `first_row` is the number of the first
 * of them in the batch, `step` the step of the job: they choose the dropout mask.
 * `training` false gives exact inference (no dropout) on a training graph too. `observe`
 * also gathers the statistics that run_activation() returns.
 */
void run_forward(struct run *run, const real *parameters, size_t rows, size_t first_row,
                 uint64_t step, bool training, bool observe);

/* The rows of all slices of the next steps' batches; before that, a run takes its own
 * rows for the batch. Running statistics are weighted by it. */
void run_of_batch(struct run *run, size_t batch_rows);

/*
 * After run_forward(…, training = true) of the same parameters and filling
 * run_output_gradient(): writes (not adds) the gradients of all trained tensors, the sum
 * over this slice's rows, but for the deferred ones. `gradients` has graph_size() reals;
 * its padding is left alone.
 */
void run_backward(struct run *run, const real *parameters, real *gradients);

/*
 * Deferred gradients: rows [first, first + count) of the gradient of tensor
 * node->params[0] of a node with node->deferred, summed over the runs in their order; row
 * `first` goes to `gradient`. All runs have been through run_backward(); several threads
 * may compute different rows at once. Runs that had no rows in this step must be left out
 * of `runs`.
 */
void run_gradient_rows(struct run *const *runs, int run_count, const struct node *node,
                       size_t first, size_t count, real *gradient);

/* Observed forwards look only at nodes n with nodes[n] (borrowed; NULL: at all, as at the
 * start); what run_activation() says of others is not of this forward. */
void run_observe_only(struct run *run, const bool *nodes);

/*
 * What an observed run_forward() saw of a node's output. A unit is an element of the last
 * axis: a neuron, a channel.
 */
struct activation_sums {
    double sum, square_sum;
    size_t count; /* numbers summed */
    size_t units;
    const real *largest; /* [units]: largest magnitude over rows (and positions) */
};

struct activation_sums run_activation(const struct run *run, int which_node);

#endif
