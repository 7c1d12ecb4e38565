/*
 * Masks of dropout. The mask of a row depends on (seed, layer, step, row of the batch)
 * alone, so that neither the cut in slices nor an interruption changes it, and it may be
 * made again instead of being kept. Its bits come from Philox blocks:
 *
 *   key      seed
 *   counter  block in the row | layer, row | step and purpose as in rng.h
 */
#ifndef BACKPROP_DROPOUT_MASK_H
#define BACKPROP_DROPOUT_MASK_H

#include "op.h"

#include <stddef.h>
#include <stdint.h>

/* What dropout_mask() takes for a rate in [0, 1). */
uint32_t dropout_threshold(double rate);

/*
 * Writes 1 for kept numbers, 0 for dropped ones: `count` bytes, mask number `which` of
 * the row `row` of the slice. Masks of one row have one length.
 */
void dropout_mask(const struct node *node, const struct op_call *call, size_t row,
                  size_t which, uint32_t threshold, size_t count,
                  unsigned char *ret_keep);

#endif
