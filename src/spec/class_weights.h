/*
 * The class weights of a loss, as a user writes them:
 *
 *   "balanced"            rows / (classes * rows of the class), of the training split
 *   {"yes": 5, "no": 1}   by label; a class that is not named weighs 1
 *   [1, 5]                in the order of the labels
 */
#ifndef BACKPROP_CLASS_WEIGHTS_H
#define BACKPROP_CLASS_WEIGHTS_H

#include "base/violations.h"
#include "facts.h"
#include "job_spec.h"

#include <jansson.h>

/* What can be said of the value (NULL: none) without knowing the classes; 0 or
 * ERR_INVALID with violations added. */
int class_weights_check(const json_t *json, struct violations *violations);

/* Turns a checked value into the weights of the target's classes, in loss->class_weights
 * (new), where it is one. 0, or ERR_INVALID when violations were added. */
int class_weights_resolve(const json_t *json, const struct features_spec *features,
                          const struct dataset_facts *facts, struct loss_spec *loss,
                          struct violations *violations);

#endif
