/*
 * POST /v1/models/{id}/predict: the user's JSON goes to a serving worker as it is, and
 * the worker's answer comes back.
 */
#include "model_answer.h"
#include "route.h"

void model_handle_predict(struct request *request)
{
    size_t length;
    char *body = request_take_body(request, &length);
    model_answer_ask(request, "predict", body, length);
}
