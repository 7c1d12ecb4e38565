/*
 * The parts of a spec that say how a job runs rather than what it learns: early stopping,
 * gradient clipping, checkpoints, resources, and the user's metadata.
 *
 * The readers take the JSON value of their key (NULL: absent), fill in their part of the
 * spec and hand back a new reference to the canonical JSON; ERR_INVALID with violations
 * added otherwise, and then no reference. No memory sets the violations' status.
 */
#ifndef BACKPROP_RUN_SPEC_H
#define BACKPROP_RUN_SPEC_H

#include "base/violations.h"
#include "job_spec.h"

#include <jansson.h>

#define METADATA_MAX_KEYS 32
#define METADATA_MAX_KEY_BYTES 64
#define METADATA_MAX_VALUE_BYTES 512

/* null (the default): off; an object, {} included: on. */
int early_stopping_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                        struct violations *violations);

/* {"norm": n, "value": v}: the global norm of a step's gradient is scaled down to at most
 * n, or each of its elements is cut to [-v, v]; null: off. */
int gradient_clip_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                       struct violations *violations);

/* {"type": "ema", "decay": 0.999}: validation, the best epoch and the kept weights are
 * those of a = decay a + (1 - decay) w, taken after every step; after the first a = w.
 * null (the default): off. */
int weight_averaging_read(const json_t *json, struct job_spec *spec,
                          json_t **ret_canonical, struct violations *violations);
/* {"retries": 0, "learning_rate_factor": 0.5}: how often a run whose loss is not finite
 * any more goes back to its last good state and on with the learning rates times the
 * factor; see engine/trainer_rollback.h. */
int on_divergence_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                       struct violations *violations);
int checkpoint_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                    struct violations *violations);
int resources_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                   struct violations *violations);

/* An object of strings, numbers and booleans that only the user reads. */
int metadata_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                  struct violations *violations);

#endif
