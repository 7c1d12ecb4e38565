/*
 * Losses: from the network's raw output and the targets to the mean loss, its gradient
 * and what the metrics need, in one pass.
 *
 *   LOSS_CROSS_ENTROPY         output: logits [rows, width], target: int32 [rows] in
 *                              [0, width); softmax and logarithm in one, as in PyTorch's
 *                              cross_entropy, label_smoothing and weight included
 *   LOSS_FOCAL                 the same shapes; Lin et al. 2017, equation 4, on softmax;
 *                              the same weights
 *   LOSS_BINARY_CROSS_ENTROPY  output: [rows, 1] logits, target: int32 [rows], 0 or 1; as
 *                              binary_cross_entropy_with_logits, pos_weight included
 *   LOSS_MSE, LOSS_MAE, LOSS_HUBER, LOSS_LOG_COSH
 *                              output: [rows, width], target: float32 [rows, width]; the
 *                              mean over rows and width, as PyTorch's reduction='mean'
 *
 * Labels may belong to positions of a sample rather than to samples: for an output of
 * [rows, positions, width] there are rows * positions of them, and to a loss these are
 * its rows (loss_layout_of).
 *
 * With class weights the mean of a batch is its weighted sum divided by the sum of its
 * rows' weights, in all slices together: loss_weight() adds up each slice's.
 *
 * A loss is a row of the table in loss.c.
 */
#ifndef BACKPROP_LOSS_H
#define BACKPROP_LOSS_H

#include "real.h"
#include "spec/job_spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sums over rows; add those of slices or batches in a
 * fixed order with loss_sums_add(). */
struct loss_sums {
    double loss;   /* sum of the rows' losses (for width > 1: of the rows' means) */
    double weight; /* sum of the rows' weights; their number where there are none */
    size_t rows;
    size_t correct; /* classes: rows whose largest logit is the label's */
    double nll;     /* of softmax: the sum of the rows' -log p(label) */
    /* numbers: over rows and width */
    double absolute_error, squared_error;
    double target_sum, target_square_sum;
    size_t values;
};

void loss_sums_add(struct loss_sums *sums, const struct loss_sums *more);

/* Means of the sums; NaN where there are no rows (or the targets have no variance). */
double loss_sums_loss(const struct loss_sums *sums);
double loss_sums_accuracy(const struct loss_sums *sums);
/* e to the mean negative log-likelihood: as uncertain as a choice of so many. */
double loss_sums_perplexity(const struct loss_sums *sums);
double loss_sums_mae(const struct loss_sums *sums);
double loss_sums_r2(const struct loss_sums *sums);

/* True when targets are int32 labels, false when float32 [rows, width]. */
bool loss_takes_labels(enum loss_type type);

/* How the output of one sample is compared: as `positions` rows of `width` numbers. */
struct loss_layout {
    size_t positions, width;
};

/* Labels are for the last dimension of the output, numbers for all of it. */
struct loss_layout loss_layout_of(enum loss_type type, const struct shape *output);

/* Bytes of one row's target. */
size_t loss_target_bytes(enum loss_type type, size_t width);

/* Sum of the weights of rows; their number where classes have no weights. */
double loss_weight(const struct loss_spec *loss, const void *target, size_t rows);

/*
 * Adds the rows' losses to *sums. Unless `gradient` is NULL writes to it the gradient of
 * the batch's mean loss, [rows, width]; `batch_rows` counts the rows of the whole batch,
 * of which these may be a slice (but for losses with class weights). `gradient` may be
 * `output` itself. A label outside [0, width) is a bug of the caller (assert).
 */
void loss_compute(const struct loss_spec *loss, const real *output, const void *target,
                  size_t rows, size_t width, size_t batch_rows, real *gradient,
                  struct loss_sums *sums);

/* The same, but that the gradient is that of the rows' sum of losses divided by
 * `divisor`. */
void loss_compute_share(const struct loss_spec *loss, const real *output,
                        const void *target, size_t rows, size_t width, double divisor,
                        real *gradient, struct loss_sums *sums);

#endif
