/*
 * Recurrent layers: what lstm and gru have in common, everything but the arithmetic of a
 * cell. Names and layouts of the parameters are torch.nn.LSTM's and torch.nn.GRU's; the
 * engine has the weights transposed, as those of dense.
 *
 *   x: [rows, T, in]   W: [in, G u]   R: [u, G u]   b, c: [G u]   h: [rows, u] a step
 *   y: [rows, T, u] with return_sequences, otherwise [rows, u], the last step's h
 *
 * The state before the first step is zero.
 *
 * Inside, numbers lie in order of time, so that each step is one product of contiguous
 * rows: [T, rows, …]. A step has a row of 4 u gate numbers: x W + b + c + h R, made in
 * place into what the cell keeps for backward, and there into its gradient. Where the
 * products go in this row is said by parts, as a gru's c + h R of the last gate is kept
 * apart from its x W.
 *
 * Each pass goes over the steps in chunks of about CHUNK_ROWS rows: as many as make the
 * products that do not wait for the step before (x W; dx, dW and dR) run at full speed,
 * and few enough that what one product writes is still in the cache when the next reads
 * it. R is packed once a call, as every step has a product with it.
 */
#ifndef BACKPROP_RECURRENT_H
#define BACKPROP_RECURRENT_H

#include "op.h"
#include "real.h"

#include <stdbool.h>
#include <stddef.h>

#define RECURRENT_GATES 4 /* numbers kept for each unit and step beside the states */
#define RECURRENT_MAX_PARTS 2

/* One step of a slice, as a cell sees it. All but gates are [rows, units]. */
struct recurrent_step {
    size_t rows, units;
    /* [rows, 4 units]. forward: the sums, to become what backward needs. backward: that,
     * to become the gradient of the sums. */
    real *gates;
    const real *h_before, *c_before; /* c: of cells with two states */
    real *h, *c;
    /* backward: the gradients of h and c, to become those of h_before (but for what comes
     * by R) and c_before. */
    real *dh, *dc;
};

/* Gates [first, first + count) of R go to places [place, place + count) of a row. */
struct recurrent_part {
    size_t first, count, place;
};

struct recurrent_cell {
    size_t gates;  /* G; those of W go to places [0, G) */
    size_t states; /* 1: h; 2: c as well */
    size_t part_count;
    struct recurrent_part parts[RECURRENT_MAX_PARTS];
    void (*forward)(const struct recurrent_step *step);
    void (*backward)(const struct recurrent_step *step);
};

struct recurrent_config {
    const struct recurrent_cell *cell;
    size_t features, units, steps;
    size_t truncate; /* no gradient passes from step i truncate to the one before; 0 */
    bool sequences, bias;
    size_t max_rows;
};

/* Functions of an op with such a cell; its config is a struct recurrent_config. */
int recurrent_plan(struct node *node, size_t max_rows, const struct recurrent_cell *cell,
                   struct error *err) __attribute__((warn_unused_result));
void recurrent_forward(const struct node *node, const struct op_call *call);
void recurrent_backward(const struct node *node, const struct op_call *call);

#endif
