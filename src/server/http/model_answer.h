/* A question to the model that a request names: its answer is the reply, and a client
 * that goes away withdraws it. */
#ifndef BACKPROP_HTTP_MODEL_ANSWER_H
#define BACKPROP_HTTP_MODEL_ANSWER_H

#include "base/error.h"

#include "request.h"

#include <stddef.h>
#include <stdint.h>

/* A sched_reply whose context is the request: its body with 200, a refusal as a
 * problem. */
void model_answer_reply(void *context, int rc, const char *json, size_t length,
                        const struct error *err);

/* Asks `verb` of the model, and replies with the answer. Takes `body`. */
void model_answer_ask(struct request *request, const char *verb, char *body,
                      size_t length);

/* For request_on_gone(), with a ticket of sched_ask() about that model. */
void model_answer_withdraw(struct request *request, uint64_t ticket);

#endif
