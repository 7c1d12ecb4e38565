/*
 * The loss of rows that mixup made of two: with the share s of the first label
 * s loss(first) + (1 - s) loss(second), and the same of the gradients (Zhang et al. 2018,
 * section 2). Any loss of labels will do, with all of its attributes.
 */
#ifndef BACKPROP_LOSS_MIXED_H
#define BACKPROP_LOSS_MIXED_H

#include "loss.h"
#include "spec/augment_spec.h"

/* As loss_compute_share(), for targets [rows]. A row counts as correct when its largest
 * logit is that of the label with the larger share. `room` has 2 * width numbers. */
void loss_compute_mixed(const struct loss_spec *loss, const real *output,
                        const struct mixed_label *target, size_t rows, size_t width,
                        double divisor, real *room, real *gradient,
                        struct loss_sums *sums);

/* As loss_weight(): a row weighs what its labels do by their shares. */
double loss_weight_mixed(const struct loss_spec *loss, const struct mixed_label *target,
                         size_t rows);

#endif
