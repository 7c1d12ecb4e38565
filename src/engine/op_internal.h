/* The ops as op_table.c sees them: one declaration for each. */
#ifndef BACKPROP_OP_INTERNAL_H
#define BACKPROP_OP_INTERNAL_H

#include "op.h"

extern const struct op op_dense, op_dropout, op_flatten, op_linear, op_softmax;
extern const struct op op_relu, op_leaky_relu, op_elu, op_gelu, op_silu, op_sigmoid,
    op_tanh, op_softplus;

#endif
