/*
 * POST /v1/models/{id}/predict: the user's JSON goes to a serving worker as it is, and
 * the worker's answer comes back.
 */
#include "model_answer.h"
#include "reply.h"
#include "route.h"

#include <stdlib.h>

void model_handle_predict(struct request *request)
{
    size_t length;
    char *body = request_take_body(request, &length);
    struct error err = {0};
    int rc = sched_ask(request_server(request)->sched, request_param(request, 0),
                       "predict", body, length, model_answer_reply, request, &err);
    if (rc != 0) {
        free(body);
        reply_error(request, &err);
    }
}
