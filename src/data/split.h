/*
 * Which row goes to which split, and in which order rows are visited: permutations by the
 * counter-based generator, so that (seed, purpose, index) alone decide.
 */
#ifndef BACKPROP_SPLIT_H
#define BACKPROP_SPLIT_H

#include "base/error.h"
#include "base/rng.h"
#include "spec/job_spec.h"

#include <stddef.h>
#include <stdint.h>

enum split { IN_TRAIN, IN_VALIDATION, IN_TEST, SPLIT_COUNT };

/* "train", "validation", "test". */
const char *split_part_name(enum split split);

/* Fills `ret_order` with 0 … count - 1 in an order drawn from `rng`: Fisher and Yates'
 * shuffle from the end, each position drawn by rng_below(). count <= FACTS_MAX_ROWS. */
void split_permute(struct rng *rng, uint32_t *ret_order, size_t count);

/*
 * Rows of each split, of `rows` in all: test and validation are their fractions of the
 * rows, rounded half away from zero (llround), training gets the rest. With SPLIT_FIXED
 * the test part is not among the rows, and its count is 0.
 */
void split_counts(const struct split_spec *spec, size_t rows,
                  size_t ret_counts[SPLIT_COUNT]);

/*
 * The split of each of `rows` rows, in ret_splits [rows]. The rows are walked in the
 * order of the permutation (seed, RNG_SPLIT, 0): the first ones are for the test, the
 * next for validation, the rest for training.
 *
 * SPLIT_STRATIFIED takes labels [rows], each in [0, class_count); the other types ignore
 * them. Each class then gives its share of the held-out rows by the method of largest
 * remainders (ties: the lower class), and its held-out rows are shared between test and
 * validation in the same way; so the totals are those of split_counts().
 * ERR_NOMEM is the only error.
 */
int split_assign(const struct split_spec *spec, uint64_t seed, const int32_t *labels,
                 size_t class_count, size_t rows, uint8_t *ret_splits)
    __attribute__((warn_unused_result));

#endif
