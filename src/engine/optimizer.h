/*
 * Optimizers: one vectorised pass over flat memory. Formulas and the meaning of every
 * attribute are PyTorch's (torch.optim.SGD with dampening 0, RMSprop, Adam, AdamW,
 * Adagrad, Adadelta, NAdam, RAdam) or the paper's (Lion), but that weight decay touches
 * only tensors whose param_spec says `decays`: biases and norms do not decay, unless
 * weight_decay_on is "all".
 * spec/training_spec.h has them all.
 *
 * An optimizer is a row of the table in optimizer.c: a name, the number of moment
 * buffers, a function that works out the constants of a step, and a kernel. Besides the
 * moments it has no state: the constants follow from the step's number.
 */
#ifndef BACKPROP_OPTIMIZER_H
#define BACKPROP_OPTIMIZER_H

#include "base/error.h"
#include "real.h"
#include "spec/job_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIMIZER_MAX_MOMENTS 3
#define OPTIMIZER_MAX_CONSTANTS 12

struct optimizer_type;

struct optimizer {
    const struct optimizer_type *type;
    double learning_rate; /* the spec's; a schedule starts from it */
    double weight_decay;
    bool decays_all;                          /* whatever the tensors say */
    double settings[OPTIMIZER_MAX_CONSTANTS]; /* attributes in the type's own order */
    int moments;                              /* buffers of graph_size() reals, zeroed */
};

/* ERR_INVALID when the type is unknown. Keeps nothing of `choice`. */
int optimizer_init(struct optimizer *optimizer, const struct choice *choice,
                   struct error *err) __attribute__((warn_unused_result));

/* The constants of one step. `step` counts from 1, as in the papers' bias corrections. */
struct optimizer_step {
    const struct optimizer *optimizer;
    real constants[OPTIMIZER_MAX_CONSTANTS];
    real weight_decay;
};
void optimizer_begin(const struct optimizer *optimizer, int64_t step,
                     double learning_rate, struct optimizer_step *ret_step);

/*
 * Updates `count` parameters. moments[i] points at the matching element of moment buffer
 * i. Different ranges may be updated by several threads at once; a cut into ranges at
 * multiples of 16 elements does not change the bits.
 */
void optimizer_update(const struct optimizer_step *step, bool decays, real *parameters,
                      const real *gradients, real *const *moments, size_t count);

/* Names in the table, NULL after the last; for the test that spec agrees. */
const char *optimizer_name(size_t which);

#endif
