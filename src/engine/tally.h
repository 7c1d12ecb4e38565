/*
 * A tally: what a classifier's metrics need to know of its answers to a set of rows, and
 * the metrics. Counts are whole numbers and scores lie at their row's place, so slices
 * may fill one tally at once and it comes out the same.
 *
 *   precision, recall, f1  macro: the plain mean over the classes that the rows or the
 *                          answers have, where 0 / 0 is 0 (as scikit-learn has it)
 *   top5_accuracy          the row's class is among the five largest outputs; with more
 *                          than five classes
 *   auc                    two classes: the share of pairs of a row of the second class
 *                          and one of the first in which the former has the larger
 *                          score, equal ones counting half (Mann and Whitney 1947). The
 *                          score is the logit, or the difference of the two
 */
#ifndef BACKPROP_TALLY_H
#define BACKPROP_TALLY_H

#include "loss.h"
#include "real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_TOP 5

struct tally {
    size_t classes;
    _Atomic uint64_t rows, top;
    _Atomic uint64_t *actual, *predicted, *hits; /* [classes]; owned, as all below */
    _Atomic uint64_t *matrix; /* [classes, classes], a row a class; NULL: not wanted */
    float *scores;            /* [capacity]; NULL: no AUC */
    uint8_t *seconds;         /* [capacity]: the row is of the second class */
    size_t capacity;
};

/* For at most `rows` rows of a target with `classes` classes; 0 rows: any number of them,
 * without an AUC. ERR_NOMEM. */
int tally_init(struct tally *tally, size_t classes, size_t rows, bool matrix)
    __attribute__((warn_unused_result));
void tally_release(struct tally *tally);

/* Back to no rows. */
void tally_clear(struct tally *tally);

/* Takes rows [first, first + rows) of the set: raw outputs [rows, width], width being
 * the number of classes or, for two, 1. */
void tally_take(struct tally *tally, const real *output, const int32_t *labels,
                size_t first, size_t rows, size_t width);

struct tally_scores {
    double top5_accuracy, precision, recall, f1, auc; /* NaN: of no rows, or not known */
};

/* Sorts the scores, so it is asked once, after the last row. */
struct tally_scores tally_finish(struct tally *tally);

#endif
