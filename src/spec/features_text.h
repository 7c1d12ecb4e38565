/* "features" of a text: how it becomes tokens, and how long its windows are. */
#ifndef BACKPROP_FEATURES_TEXT_H
#define BACKPROP_FEATURES_TEXT_H

#include "base/violations.h"
#include "features_request.h"
#include "job_spec.h"

#include <jansson.h>

#define DEFAULT_CONTEXT_LENGTH 128

/* Fills in all of *features; the dataset is a text. Returns 0 or ERR_INVALID. */
int features_text_resolve(const struct features_request *request,
                          const struct dataset_facts *facts,
                          struct features_spec *features, struct violations *violations);

/* Refuses keys that only a text can have. Returns 0 or ERR_INVALID. */
int features_text_refuse_keys(const struct features_request *request,
                              struct violations *violations);

/* New reference. */
json_t *features_text_json(const struct features_spec *features,
                           struct violations *violations);

/* Tokens of the whole text. */
uint64_t features_text_tokens(const struct features_spec *features,
                              const struct dataset_facts *facts);

/* Windows that fit into so many tokens, each with the token that follows it. */
uint64_t features_text_windows(const struct features_spec *features, uint64_t tokens);

#endif
