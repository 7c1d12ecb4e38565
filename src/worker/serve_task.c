/* The task "serve": a model's parameters in, then answers to questions until the daemon
 * closes. */
#include "base/memory.h"
#include "base/utf8.h"
#include "process_limits.h"
#include "serve.h"
#include "spec/json_depth.h"
#include "spec/json_parse.h"
#include "spec/report.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 256
#define BATCH_WINDOWS 1 /* of a text: each is many tokens */
#define PARAMETERS_MAX_BYTES ((size_t)16 << 30)

static void model_release(struct served_model *model)
{
    token_predictor_release(&model->predictor);
    free(model->ranking);
    network_free(model->network);
    preprocess_free(model->preprocess);
    task_spec_release(&model->task);
}

/* What a model of a text needs besides. */
static int load_text(struct served_model *model, struct error *err)
{
    if (model->preprocess->kind != DATASET_TEXT)
        return 0;
    model->ranking =
        mem_alloc_array(model->preprocess->tokenizer.vocabulary, sizeof(*model->ranking));
    if (!model->ranking)
        return error_set(err, ERR_NOMEM, "no memory to serve a model of a text");
    return token_predictor_init(&model->predictor, model->network, model->preprocess,
                                err);
}

static int load(struct channel *channel, const json_t *task, struct served_model *model,
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
        rc = network_load(model->task.spec, parameters, bytes,
                          model->preprocess->kind == DATASET_TEXT ? BATCH_WINDOWS
                                                                  : BATCH_ROWS,
                          &model->network, err);
    if (rc == 0)
        rc = load_text(model, err);
    free(parameters);
    return rc;
}

/* ---- answers ---- */

int serve_reply(struct channel *channel, int status, json_t *body, struct error *err)
{
    json_t *json = json_pack("{s:i, s:o?}", "status", status, "body", body);
    int rc = body ? channel_send_json(channel, MESSAGE_REPLY, json, err)
                  : error_set(err, ERR_NOMEM, "no memory for an answer");
    json_decref(json);
    return rc;
}

int serve_refuse(struct channel *channel, int status, const char *code,
                 const char *detail, const struct violations *violations,
                 struct error *err)
{
    json_t *errors = violations ? session_violations(violations) : json_array();
    return serve_reply(
        channel, status,
        json_pack("{s:s, s:s, s:o}", "code", code, "detail", detail, "errors", errors),
        err);
}

/* ---- what questions have in common ---- */

int serve_read_keys(const json_t *body, const struct key *keys, const char *const *others,
                    struct attrs *ret_attrs, struct violations *violations)
{
    char found[FOUND_SIZE];
    if (!json_is_object(body))
        return violations_add(violations, "", "expected an object, found %s",
                              found_text(body, found));
    return attrs_read(body, "", keys, others, ret_attrs, NULL, violations);
}

static void refuse_character(const char *text, const char *unknown, const char *pointer,
                             struct violations *violations)
{
    const char *end = unknown;
    utf8_next(&end);
    char character[UTF8_MAX_BYTES + 1] = "", found[FOUND_SIZE];
    memcpy(character, unknown, (size_t)(end - unknown));
    size_t at = 1;
    for (const char *c = text; c < unknown; at++)
        utf8_next(&c);
    violations_add(violations, pointer,
                   "expected characters that the model's training text has, found %s, "
                   "character %zu",
                   found_string(character, found), at);
}

uint32_t *serve_tokens(const struct served_model *model, const json_t *text,
                       const char *pointer, size_t *ret_count,
                       struct violations *violations)
{
    char found[FOUND_SIZE];
    const char *bytes = json_string_value(text);
    if (!bytes) {
        violations_add(violations, pointer, "expected a text, found %s",
                       found_text(text, found));
        return NULL;
    }
    size_t length = json_string_length(text), count;
    uint32_t *ids = mem_alloc_array(length + 1, sizeof(*ids));
    if (!ids) {
        violations->status = ERR_NOMEM;
        return NULL;
    }
    const char *unknown;
    count = tokenizer_encode(&model->preprocess->tokenizer, bytes, length, ids, &unknown);
    size_t least = token_predictor_least(&model->predictor);
    if (unknown)
        refuse_character(bytes, unknown, pointer, violations);
    else if (count < least)
        violations_add(violations, pointer,
                       "expected a text of at least %zu token%s, found %zu", least,
                       least == 1 ? "" : "s, the network's whole context", count);
    if (unknown || count < least) {
        free(ids);
        return NULL;
    }
    *ret_count = count;
    return ids;
}

/* ---- questions ---- */

struct verb {
    const char *name;
    int (*answer)(struct channel *channel, struct served_model *model, const json_t *body,
                  struct error *err);
};

static const struct verb verbs[] = {
    {"predict", serve_predict},
    {"generate", serve_generate},
};

static const struct verb *find_verb(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (length == strlen(verbs[i].name) && memcmp(text, verbs[i].name, length) == 0)
            return &verbs[i];
    return NULL;
}

/* A REQUEST is a verb, a newline, and what the user sent. */
static int handle(struct channel *channel, struct served_model *model,
                  const struct frame *frame, struct error *err)
{
    const char *text = (const char *)frame->payload;
    const char *newline = memchr(text, '\n', frame->length);
    size_t head = newline ? (size_t)(newline - text) : 0;
    const struct verb *verb = find_verb(text, head);
    if (!verb)
        return serve_refuse(channel, 404, "not_found", "The model cannot do that.", NULL,
                            err);
    int line, column;
    if (json_is_too_deep(newline + 1, frame->length - head - 1, JSON_MAX_DEPTH, &line,
                         &column)) {
        struct error detail = {0};
        error_set(&detail, ERR_INVALID,
                  "Expected at most %d levels of nested JSON, found more at line %d, "
                  "column %d.",
                  JSON_MAX_DEPTH, line, column);
        return serve_refuse(channel, 400, "invalid_json", detail.text, NULL, err);
    }
    json_error_t fault;
    json_t *body = NULL;
    int rc = json_parse(newline + 1, frame->length - head - 1, JSON_REJECT_DUPLICATES,
                        &body, &fault);
    if (rc == ERR_NOMEM)
        return error_set(err, rc, "no memory for a question");
    if (rc != 0) {
        struct error detail = {0};
        error_set(&detail, ERR_INVALID, "The body is not JSON (line %d, column %d): %s.",
                  fault.line, fault.column, fault.text);
        return serve_refuse(channel, 400, "invalid_json", detail.text, NULL, err);
    }
    rc = verb->answer(channel, model, body, err);
    json_decref(body);
    return rc;
}

static int serve(struct channel *channel, struct served_model *model, struct error *err)
{
    for (;;) {
        struct frame frame;
        channel_set_busy(channel, false);
        int rc = channel_read(channel, &frame, err);
        if (rc == ERR_EOF)
            return 0; /* nobody will ask any more */
        if (rc != 0)
            return rc;
        if (frame.type == MESSAGE_COMMAND)
            continue; /* about an answer that was given already */
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
    struct served_model model = {0};
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
