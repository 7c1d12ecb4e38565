/* The target of "features": which column a network learns to predict, and as what. */
#ifndef BACKPROP_FEATURES_TARGET_H
#define BACKPROP_FEATURES_TARGET_H

#include "base/violations.h"
#include "features_request.h"
#include "job_spec.h"

#include <jansson.h>

/* Does the request make the input the target? The string "input" does, unless a table has
 * a column of that name. */
bool features_target_is_input(const struct features_request *request,
                              const struct dataset_facts *facts);

/* The target of such a request, once the inputs and their shape are known. Returns 0 or
 * ERR_INVALID. */
int features_target_input(const struct features_request *request,
                          const struct dataset_facts *facts,
                          struct features_spec *features, struct violations *violations);

/* Sets target_column (also when something else about the target is wrong), target,
 * target_normalization and target_width. Returns 0 or ERR_INVALID. */
int features_target_resolve(const struct features_request *request,
                            const struct dataset_facts *facts,
                            struct features_spec *features,
                            struct violations *violations);

/* New reference. */
json_t *features_target_json(const struct features_spec *features,
                             const struct dataset_facts *facts,
                             struct violations *violations);

/* Why a column of type text cannot be learned: what follows "found <name>, ". */
const char *text_column_fault(const struct dataset_facts *facts,
                              const struct column_facts *column);

/* Says that the dataset has no column of the requested name, and which it has. Returns
 * ERR_INVALID. */
int report_unknown_column(const struct dataset_facts *facts,
                          const struct column_request *request,
                          struct violations *violations);

#endif
