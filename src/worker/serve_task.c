/* The task "serve": a model's parameters in, then answers to questions until the daemon
 * closes. */
#include "base/memory.h"
#include "data/preprocess.h"
#include "engine/network.h"
#include "process_limits.h"
#include "session.h"
#include "task_spec.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 256
#define MAX_ROWS 10000
#define PARAMETERS_MAX_BYTES ((size_t)16 << 30)
#define NUMBER_BYTES 26 /* a number in JSON with its comma, at the longest */

struct model {
    struct task_spec task;
    const char *id;
    struct preprocess *preprocess;
    struct network *network;
};

static void model_release(struct model *model)
{
    network_free(model->network);
    preprocess_free(model->preprocess);
    task_spec_release(&model->task);
}

static int load(struct channel *channel, const json_t *task, struct model *model,
                struct violations *violations, struct error *err)
{
    unsigned char *parameters = NULL;
    size_t bytes = 0;
    model->id = json_string_value(json_object_get(task, "model"));
    if (!model->id)
        return error_set(err, ERR_PROTOCOL, "the task does not name the model");
    int rc = task_spec_read(&model->task, task, violations, err);
    if (rc == 0)
        rc = preprocess_parse(json_object_get(task, "preprocessing"), &model->preprocess,
                              err);
    if (rc == 0)
        rc = channel_read_blob(channel, PARAMETERS_MAX_BYTES, &parameters, &bytes, err);
    if (rc == 0)
        rc = network_load(model->task.spec, parameters, bytes, BATCH_ROWS,
                          &model->network, err);
    free(parameters);
    return rc;
}

/* ---- answers ---- */

static int reply(struct channel *channel, int status, json_t *body, struct error *err)
{
    json_t *json = json_pack("{s:i, s:o?}", "status", status, "body", body);
    int rc = body ? channel_send_json(channel, MESSAGE_REPLY, json, err)
                  : error_set(err, ERR_NOMEM, "no memory for an answer");
    json_decref(json);
    return rc;
}

static int refuse(struct channel *channel, int status, const char *code,
                  const char *detail, const struct violations *violations,
                  struct error *err)
{
    json_t *errors = violations ? session_violations(violations) : json_array();
    return reply(
        channel, status,
        json_pack("{s:s, s:s, s:o}", "code", code, "detail", detail, "errors", errors),
        err);
}

/* An upper bound of the answer's length, so that one that cannot be sent is not worked
 * out. */
static size_t answer_bytes(const struct preprocess *preprocess, size_t rows)
{
    size_t row = 64 + (size_t)preprocess->target_width * NUMBER_BYTES;
    for (size_t c = 0; c < preprocess->class_count; c++)
        row += strlen(preprocess->classes[c]) + NUMBER_BYTES + 8;
    return rows * row;
}

static int answer(struct channel *channel, const struct model *model, const float *x,
                  size_t rows, struct error *err)
{
    if (answer_bytes(model->preprocess, rows) > message_max_payload(MESSAGE_REPLY))
        return refuse(channel, 413, "too_large",
                      "The answer to so many rows is too long; ask for fewer at a time.",
                      NULL, err);
    json_t *predictions = network_predict(model->network, model->preprocess, x, rows);
    return reply(channel, 200,
                 predictions ? json_pack("{s:s, s:s, s:o}", "object", "predictions",
                                         "model", model->id, "predictions", predictions)
                             : NULL,
                 err);
}

static int predict(struct channel *channel, const struct model *model, const char *text,
                   size_t length, struct error *err)
{
    json_error_t fault;
    json_t *body = json_loadb(text, length, JSON_REJECT_DUPLICATES, &fault);
    if (!body) {
        struct error detail = {0};
        error_set(&detail, ERR_INVALID, "The body is not JSON (line %d, column %d): %s.",
                  fault.line, fault.column, fault.text);
        return refuse(channel, 400, "invalid_json", detail.text, NULL, err);
    }
    struct violations violations;
    violations_init(&violations);
    float *x = NULL;
    size_t rows = 0;
    int rc =
        preprocess_request(model->preprocess, body, MAX_ROWS, &x, &rows, &violations);
    json_decref(body);
    if (rc == ERR_NOMEM)
        error_set(err, rc, "no memory for a request");
    else if (rc != 0)
        rc = refuse(channel, 422, "invalid_input", "The input does not fit the model.",
                    &violations, err);
    else
        rc = answer(channel, model, x, rows, err);
    free(x);
    violations_release(&violations);
    return rc;
}

/* A REQUEST is a verb, a newline, and what the user sent. */
static int handle(struct channel *channel, const struct model *model,
                  const struct frame *frame, struct error *err)
{
    static const char verb[] = "predict\n";
    size_t verb_length = sizeof(verb) - 1;
    const char *text = (const char *)frame->payload;
    if (model->preprocess->kind == DATASET_TEXT)
        return refuse(channel, 422, "invalid_input",
                      "The model was trained on a text; it has no rows to predict.", NULL,
                      err);
    if (frame->length < verb_length || memcmp(text, verb, verb_length) != 0)
        return refuse(channel, 404, "not_found", "The model cannot do that.", NULL, err);
    return predict(channel, model, text + verb_length, frame->length - verb_length, err);
}

static int serve(struct channel *channel, const struct model *model, struct error *err)
{
    for (;;) {
        struct frame frame;
        channel_set_busy(channel, false);
        int rc = channel_read(channel, &frame, err);
        if (rc == ERR_EOF)
            return 0; /* nobody will ask any more */
        if (rc != 0)
            return rc;
        if (frame.type != MESSAGE_REQUEST)
            return error_set(err, ERR_PROTOCOL, "a %s message to a serving worker",
                             message_name(frame.type));
        channel_set_busy(channel, true);
        rc = handle(channel, model, &frame, err);
        if (rc != 0)
            return rc;
    }
}

int serve_task(struct channel *channel, const json_t *task, struct violations *violations,
               struct error *err)
{
    struct model model = {0};
    int rc = limits_close_descriptors(TASK_FIRST_FD, channel_output(channel), err);
    if (rc == 0)
        rc = load(channel, task, &model, violations, err);
    if (rc == 0)
        rc = channel_ready(channel, err);
    if (rc == 0)
        rc = serve(channel, &model, err);
    model_release(&model);
    return rc;
}
