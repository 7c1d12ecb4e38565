/* What the tests of the engine's numeric core start from: models and choices made from
 * short JSON texts, in which ' stands for ". Every failure fails the test. */
#ifndef BACKPROP_CORE_FIXTURE_H
#define BACKPROP_CORE_FIXTURE_H

#include "spec/job_spec.h"

#include <stddef.h>
#include <stdint.h>

/* `layers` is the list alone: "[{'type': 'dense', 'units': 3}]". Shape: `dims` up to the
 * first 0. Released with model_spec_release(). */
struct model_spec core_model(const char *layers, const int64_t dims[SHAPE_MAX_RANK]);

/* The same for an input of token ids below `vocabulary`. */
struct model_spec core_text_model(const char *layers, const int64_t dims[SHAPE_MAX_RANK],
                                  int64_t vocabulary);

/* {'type': 'adam', …} */
struct choice core_optimizer(const char *text);
struct choice core_schedule(const char *text);

/* Numbers of a fixed, uneven pattern: about -1 … 1, none of them 0. */
double core_number(size_t index);

#endif
