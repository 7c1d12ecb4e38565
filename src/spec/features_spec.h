/*
 * Choosing columns: "features" against the facts of the dataset.
 *
 *   table   "inputs": "auto" takes every number and category column but the target, row
 *           numbers, constant columns, and categories with more values than
 *           SPEC_MAX_ONE_HOT or than half the rows. Numbers are zscore normalized, and a
 *           missing one becomes the mean; a missing category is all zeros.
 *   arrays  the samples are the input, the labels are the target; bytes are divided by
 *           255.
 *
 *   text    windows of tokens are the input, the next token the target (features_text.h)
 *
 * The target "input" makes an autoencoder: the network learns to give back its input, as
 * it is normalized. Of a table the input is columns of numbers then, and "auto" takes no
 * others.
 *
 * Any other target is a category where its column is one, or where its column holds
 * integers of few values: 20 in a table or where some are negative, FACTS_MAX_CATEGORIES
 * for other labels of arrays. Otherwise it is a number, which is zscore normalized unless
 * its mean and spread are near 0 and 1 already.
 */
#ifndef BACKPROP_FEATURES_SPEC_H
#define BACKPROP_FEATURES_SPEC_H

#include "base/violations.h"
#include "job_spec.h"

#include <jansson.h>

/*
 * Reads the value of "features" (NULL: absent). With facts NULL only the syntax is
 * checked, *ret_features stays zero and the canonical JSON is a copy. *ret_canonical is a
 * new reference, unless ERR_INVALID is returned with violations added. No memory sets the
 * violations' status. *ret_features is to be released in any case.
 */
int features_spec_read(const json_t *json, const struct dataset_facts *facts,
                       struct features_spec *ret_features, json_t **ret_canonical,
                       struct violations *violations);
void features_spec_release(struct features_spec *features);

#endif
