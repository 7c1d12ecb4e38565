/* The answer of a serving worker as the reply to the request that asked. */
#ifndef BACKPROP_HTTP_MODEL_ANSWER_H
#define BACKPROP_HTTP_MODEL_ANSWER_H

#include "base/error.h"

#include <stddef.h>

/* A sched_reply whose context is the request: its body with 200, a refusal as a
 * problem. */
void model_answer_reply(void *context, int rc, const char *json, size_t length,
                        const struct error *err);

#endif
