/*
 * Ops: what a node of the graph computes. An op is one file, op_<name>.c, which defines
 * one or more `const struct op`; op_table.c is the one table that finds them by name.
 * Adding a layer means its file, a row there and a row in the layer table of `spec`; a
 * test checks that both tables agree, another that every op has a row in the gradient
 * check.
 *
 * Tensors are row-major, one sample a row, channels last: a node's output is
 * [rows, width] with width = elements of the layer's output shape. An op is a set of pure
 * functions: all of its memory comes with the call, so that slices of a batch run the
 * same node on several threads at once.
 */
#ifndef BACKPROP_OP_H
#define BACKPROP_OP_H

#include "base/error.h"
#include "real.h"
#include "spec/model_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_flags {
    OP_NEEDS_INPUT = 1,  /* backward reads x */
    OP_NEEDS_OUTPUT = 2, /* backward reads y */
    /* forward may be given y == x[0], and backward dx[0] == dy; then the graph saves a
     * buffer where nobody needs what is overwritten. One input. */
    OP_IN_PLACE = 4,
    OP_IDENTITY = 8, /* y is x in another shape; with OP_IN_PLACE */
    /* gradient_rows() exists, so that the gradient of params[0] may be deferred. */
    OP_DEFERS_GRADIENT = 16,
    /* y is the sum of the inputs: forward may be given y == x[0] or y == x[1], and
     * backward any dx[i] == dy. */
    OP_SUM = 32,
    OP_ADDS_GRADIENT = 64 /* backward obeys call->dx_adds */
};

/* A tensor of parameters: where it lies in the flat buffers, and how. */
struct tensor {
    const struct param_spec *spec; /* name, PyTorch's shape; borrowed from the model */
    int layer;                     /* index of the layer that owns it */
    size_t offset, count;          /* in reals; offset on a 64-byte boundary */
    /* The engine's order of PyTorch's axes, outermost first: {1, 0} for a dense weight,
     * which PyTorch has as [out, in] and the engine as [in, out]. */
    int axes[SHAPE_MAX_RANK];
    /* The tensor of an earlier node whose numbers these are, in its order of axes; NULL:
     * they are the tensor's own. */
    const struct tensor *owner;
};

/* A compiled layer. Immutable while the graph runs. */
struct node {
    const struct layer *layer; /* borrowed from the model */
    const struct op *op;
    int index;      /* of the layer in the model */
    unsigned flags; /* enum op_flags: the op's, less those that plan() takes away */
    int input_count;
    int inputs[LAYER_MAX_INPUTS]; /* node indices or MODEL_INPUT */
    const struct shape *input_shapes[LAYER_MAX_INPUTS];
    size_t input_widths[LAYER_MAX_INPUTS]; /* elements a row */
    size_t width;                          /* elements a row of the output */
    int param_count;
    struct tensor params[LAYER_MAX_PARAMS];
    bool whole_gradient; /* of graph_options; set before op->plan() */
    /* Set by op->plan(): */
    void *config;       /* op->config_size zeroed bytes, owned by the graph */
    size_t saved_width; /* reals a row kept from forward to backward */
    size_t scratch;     /* reals of scratch for max_rows rows */
    /* Set by the graph: the gradient of params[0] is left to gradient_rows(). */
    bool deferred;
};

/* One call of a node for the rows of one slice. Everything is borrowed. */
struct op_call {
    size_t rows;       /* of this slice, > 0 */
    size_t first_row;  /* number of the slice's first row in the batch */
    size_t batch_rows; /* of all slices together */
    bool training;
    uint64_t seed, step; /* of the job; steps count from 0 */

    const real *x[LAYER_MAX_INPUTS]; /* [rows, input_widths[i]] */
    real *y;                         /* [rows, width] */
    const real *params[LAYER_MAX_PARAMS];
    real *saved;   /* [rows, saved_width], from forward to the same node's backward */
    real *scratch; /* node->scratch reals, undefined at the start of each call */

    /* backward only; what backward needs not (see op_flags) may be overwritten by now */
    const real *dy;                    /* [rows, width] */
    real *dx[LAYER_MAX_INPUTS];        /* to be written; NULL: not wanted */
    bool dx_adds[LAYER_MAX_INPUTS];    /* OP_ADDS_GRADIENT: dx is to be added to */
    real *gradients[LAYER_MAX_PARAMS]; /* to be written with the sum over the rows */
};

struct op {
    const char *name;
    unsigned flags;     /* enum op_flags */
    size_t config_size; /* bytes of node->config */
    /* Reads the layer's attributes and says the memory needed for max_rows rows. Sets
     * params[i].axes where they are not PyTorch's and the tensor has no owner, takes away
     * flags that do not hold for this layer. May be NULL. */
    int (*plan)(struct node *node, size_t max_rows, struct error *err);
    void (*forward)(const struct node *node, const struct op_call *call);
    void (*backward)(const struct node *node, const struct op_call *call);
    /*
     * OP_DEFERS_GRADIENT: rows [first, first + count) of the gradient of params[0] (seen
     * as a matrix in the engine's layout: its outermost axis is the rows), summed over
     * the slices' calls in their order. `gradient` is where row `first` goes. So the rows
     * are cut over threads instead of a copy for each slice being summed.
     */
    void (*gradient_rows)(const struct node *node, const struct op_call *const *calls,
                          int call_count, size_t first, size_t count, real *gradient);
};

/* The symbol of an op: `const struct op OP_SYMBOL(dense) = {…};` in its file. It differs
 * in the double build (see double_names.h). */
#ifdef ENGINE_DOUBLE
#define OP_SYMBOL(name) op_##name##_double
#else
#define OP_SYMBOL(name) op_##name
#endif

/* The op of that name, or NULL. */
const struct op *op_find(const char *name);

/* All ops; `which` from 0, NULL after the last. */
const struct op *op_at(size_t which);

#endif
