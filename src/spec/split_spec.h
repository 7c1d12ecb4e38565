/*
 * "split": which rows train, validate and test, and how many of each that gives.
 *
 *   random      all three are cut from the dataset's train part
 *   stratified  the same, with the same share of every class in each
 *   fixed       the dataset's own test part is the test split; validation is cut from the
 *               train part
 *   contiguous  a text is cut in three: the first piece trains, the next validates, the
 *               last tests; no window reaches from one into another
 *
 * Fractions that are not given: all of them, 0.8 / 0.1 / 0.1 (fixed: 0.9 / 0.1 / 0);
 * otherwise validation and test are 0, and train is the rest. The default is "fixed"
 * where the dataset has a test part, "contiguous" for a text, else "random". Of n rows
 * (tokens of a text), validation and test get
 * llround(n * fraction) and train gets the rest.
 */
#ifndef BACKPROP_SPLIT_SPEC_H
#define BACKPROP_SPLIT_SPEC_H

#include "base/violations.h"
#include "job_spec.h"

#include <jansson.h>

/* Reads the value of "split" (NULL: absent). `facts` may be NULL. *ret_canonical is a new
 * reference, unless ERR_INVALID is returned with violations added. No memory sets the
 * violations' status. */
int split_read(const json_t *json, const struct dataset_facts *facts,
               struct split_spec *ret_split, json_t **ret_canonical,
               struct violations *violations);

/* Works out the rows (windows of a text) of each split. A split that was asked for and
 * comes out empty is a violation, as is a stratified split of numbers. */
int split_resolve(const struct split_spec *split, const struct dataset_facts *facts,
                  const struct features_spec *features, uint64_t *ret_train_rows,
                  uint64_t *ret_validation_rows, uint64_t *ret_test_rows,
                  struct violations *violations);

#endif
