/*
 * The gradient check: analytic gradients against central finite differences, in the
 * double build, of the very code that trains.
 *
 * For each checked number w (a parameter, or a number of the input) with h = 1e-5 (1 +
 * |w|)
 *
 *     numeric = (loss(w + h) - loss(w - h)) / 2h
 *     error   = |analytic - numeric| / max(|analytic|, |numeric|, floor)
 *
 * where `floor` is a thousandth of the largest gradient of that tensor, so that numbers
 * whose gradient is all but zero are not judged by their rounding. Where a function has a
 * kink (relu at 0) the two sides differ: a number is passed over when the slope to the
 * left and to the right differ by more than a tenth, and the count of those is told. A
 * kink of one unit among many shows less: a number whose error is not small is looked at
 * again with smaller steps, which are less likely to have a kink between them, and the
 * smallest error counts. A wrong gradient stays wrong at every step.
 *
 * Truncated backpropagation through time is no gradient of the loss: the check lets
 * recurrent layers go through all steps whatever their "truncate" says.
 */
#ifndef BACKPROP_GRADCHECK_H
#define BACKPROP_GRADCHECK_H

#include "base/error.h"
#include "graph.h"
#include "loss.h"

#include <stddef.h>
#include <stdint.h>

struct gradcheck_options {
    const struct model_spec *model; /* borrowed */
    struct loss_spec loss;
    size_t rows;
    bool input_is_ids;     /* token ids: the input has no gradient to check */
    uint64_t seed;         /* of parameters, inputs and dropout */
    size_t most_numbers;   /* checked of each tensor, spread evenly; 0: all */
    double least_gradient; /* floor of the errors' scale besides; 0: 1e-8 */
    size_t defer_from;     /* as in graph_options */
    const struct op *(*find_op)(const char *name); /* as in graph_options */
};

struct gradcheck_tensor {
    int layer;        /* index in the model, or MODEL_INPUT for the network's input */
    const char *name; /* "weight"; "input" */
    size_t checked, kinks;
    double largest_error; /* relative, as above */
    double largest_gradient;
};

/*
 * Checks all trained tensors and the input. x: [rows, input_width], target as in loss.h.
 * *ret_tensors is a new array of *ret_count, to be freed with free(); its last entry is
 * the input's, with nothing checked where it is ids.
 */
int gradcheck(const struct gradcheck_options *options, const real *x, const void *target,
              struct gradcheck_tensor **ret_tensors, size_t *ret_count, struct error *err)
    __attribute__((warn_unused_result));

#endif
