/*
 * Evaluation: a network's figures over whole splits of a dataset, by the same losses,
 * sums and tallies as a training's, and for classes a confusion matrix.
 */
#ifndef BACKPROP_EVALUATION_H
#define BACKPROP_EVALUATION_H

#include "data/pipeline.h"
#include "network.h"
#include "spec/job_spec.h"

#include <jansson.h>

/* Classes up to which a confusion matrix is made. */
#define EVALUATION_MAX_MATRIX 256

/*
 * {"rows": 100, "metrics": {"loss": 0.4, "accuracy": 0.9, …},
 *  "confusion_matrix": {"labels": ["a", "b"], "counts": [[50, 2], [8, 40]]}}
 * over the splits in `splits` (bits 1 << enum split). counts[i][j] are rows of label i
 * that were taken for label j; null for numbers, texts and more classes than
 * EVALUATION_MAX_MATRIX. Balanced class weights are those of the pipeline's training
 * split. *ret_report is new.
 */
int evaluate(const struct job_spec *spec, const struct pipeline *pipeline,
             struct network *network, unsigned splits, json_t **ret_report,
             struct error *err) __attribute__((warn_unused_result));

#endif
