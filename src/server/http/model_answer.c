/* See model_answer.h. The daemon looks only at the status of an answer. */
#include "model_answer.h"

#include "reply.h"
#include "spec/json_parse.h"

#include <jansson.h>
#include <stdlib.h>

/* A refusal of the worker as a problem: {"code", "detail", "errors": [{pointer,
 * detail}]}. */
static void reply_refusal(struct request *request, unsigned status, const json_t *body)
{
    const char *code = json_string_value(json_object_get(body, "code"));
    const char *detail = json_string_value(json_object_get(body, "detail"));
    const json_t *errors = json_object_get(body, "errors");
    struct violations violations;
    violations_init(&violations);
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *item = json_array_get(errors, i);
        const char *pointer = json_string_value(json_object_get(item, "pointer"));
        const char *text = json_string_value(json_object_get(item, "detail"));
        violations_add(&violations, pointer ? pointer : "", "%s", text ? text : "");
    }
    if (!code)
        code = "invalid_input";
    if (violations.total > 0)
        reply_violations(request, status, code, &violations);
    else
        reply_problem(request, status, code, "%s",
                      detail ? detail : "the input is invalid");
    violations_release(&violations);
}

void model_answer_reply(void *context, int rc, const char *json, size_t length,
                        const struct error *err)
{
    struct request *request = context;
    if (rc != 0) {
        reply_error(request, err);
        return;
    }
    json_t *answer = NULL;
    struct error fault = {0};
    if (json_parse(json, length, 0, &answer, NULL) == ERR_NOMEM)
        error_set(&fault, ERR_NOMEM, "no memory for an answer");
    json_int_t status = json_integer_value(json_object_get(answer, "status"));
    json_t *body = json_object_get(answer, "body");
    if (status == 200 && body) {
        reply_json(request, 200, json_incref(body));
    } else if (status >= 400 && status < 500) {
        reply_refusal(request, (unsigned)status, body);
    } else {
        error_set(&fault, ERR_INTERNAL, "the serving worker gave no answer");
        reply_error(request, &fault);
    }
    json_decref(answer);
}

void model_answer_withdraw(struct request *request, uint64_t ticket)
{
    sched_withdraw(request_server(request)->sched, request_param(request, 0), ticket);
}

void model_answer_ask(struct request *request, const char *verb, char *body,
                      size_t length)
{
    const struct sched_question question = {.model_id = request_param(request, 0),
                                            .verb = verb,
                                            .body = body,
                                            .length = length,
                                            .done = model_answer_reply,
                                            .context = request};
    struct error err = {0};
    uint64_t ticket;
    if (sched_ask(request_server(request)->sched, &question, &ticket, &err) == 0) {
        request_on_gone(request, model_answer_withdraw, ticket);
        return;
    }
    free(body);
    reply_error(request, &err);
}
