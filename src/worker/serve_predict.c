/* The verb "predict": rows and samples to classes and numbers, texts to the tokens that
 * may follow them. */
#include "base/buffer.h"
#include "base/memory.h"
#include "data/token_text.h"
#include "engine/figures.h"
#include "serve.h"
#include "spec/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 10000
#define MAX_TEXTS 1000
#define MAX_TOP 100
#define NUMBER_BYTES 26 /* a number in JSON with its comma, at the longest */
#define TOKEN_BYTES 16

/* ---- rows ---- */

/* An upper bound of the answer's length, so that one that cannot be sent is not worked
 * out. */
static size_t answer_bytes(const struct preprocess *preprocess, size_t rows)
{
    size_t row = 64 + (size_t)preprocess->target_width * NUMBER_BYTES;
    for (size_t c = 0; c < preprocess->class_count; c++)
        row += strlen(preprocess->classes[c]) + NUMBER_BYTES + 8;
    if (preprocess->reconstructs) { /* brackets around each number, or its column */
        row += (size_t)preprocess->target_width * 2 * SHAPE_MAX_RANK;
        for (int i = 0; i < preprocess->input_count; i++)
            row += 6 * strlen(preprocess->inputs[i].name) + 8;
    }
    return rows * row;
}

static int answer(struct channel *channel, const struct served_model *model,
                  const float *x, size_t rows, struct error *err)
{
    if (answer_bytes(model->preprocess, rows) > message_max_payload(MESSAGE_REPLY))
        return serve_refuse(
            channel, 413, "too_large",
            "The answer to so many rows is too long; ask for fewer at a time.", NULL,
            err);
    json_t *predictions = network_predict(model->network, model->preprocess, x, rows);
    return serve_reply(channel, 200,
                       predictions
                           ? json_pack("{s:s, s:s, s:o}", "object", "predictions",
                                       "model", model->id, "predictions", predictions)
                           : NULL,
                       err);
}

static int predict_rows(struct channel *channel, const struct served_model *model,
                        const json_t *body, struct error *err)
{
    struct violations violations;
    violations_init(&violations);
    float *x = NULL;
    size_t rows = 0;
    int rc =
        preprocess_request(model->preprocess, body, MAX_ROWS, &x, &rows, &violations);
    if (rc == ERR_NOMEM)
        error_set(err, rc, "no memory for a request");
    else if (rc != 0)
        rc = serve_refuse(channel, 422, "invalid_input",
                          "The input does not fit the model.", &violations, err);
    else
        rc = answer(channel, model, x, rows, err);
    free(x);
    violations_release(&violations);
    return rc;
}

/* ---- texts ---- */

static const struct key text_keys[] = {
    {"top_k", KEY_INTEGER, AT_LEAST(1), AT_MOST(MAX_TOP), DEFAULT("10")},
    {0},
};

/* [{"token", "id", "probability"}] of the likeliest ones. */
static json_t *list_tokens(struct served_model *model, const float *logits, size_t top)
{
    const struct tokenizer *tokenizer = &model->preprocess->tokenizer;
    size_t count = tokenizer->vocabulary;
    token_ranking_sort(logits, count, model->ranking);
    double log_sum = token_ranking_log_sum(model->ranking, count);
    struct buffer token;
    buffer_init(&token, TOKEN_BYTES);
    json_t *list = json_array();
    for (size_t i = 0; list && i < top && i < count; i++) {
        const struct ranked_token *ranked = &model->ranking[i];
        struct token_text text;
        token_text_init(&text, tokenizer);
        buffer_clear(&token);
        token_text_push(&text, ranked->id, &token);
        token_text_finish(&text, &token);
        json_t *entry = json_pack("{s:s, s:I, s:o}", "token", token.data, "id",
                                  (json_int_t)ranked->id, "probability",
                                  figure_to_json(exp(ranked->logit - log_sum)));
        if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    buffer_release(&token);
    return list;
}

/* One prediction a text; stops with NULL where there is a violation, looking at the rest
 * for more. */
static json_t *predict_each(struct served_model *model, const json_t *inputs, size_t top,
                            struct violations *violations)
{
    json_t *predictions = json_array();
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        char at[POINTER_SIZE];
        size_t count = 0;
        uint32_t *ids = serve_tokens(model, json_array_get(inputs, i),
                                     pointer_index(at, "/inputs", i), &count, violations);
        if (ids && violations->total == 0) {
            const float *logits = token_predictor_run(&model->predictor, ids, count);
            json_t *next = list_tokens(model, logits, top);
            if (json_array_append_new(predictions, json_pack("{s:o}", "next", next)) != 0)
                violations->status = ERR_NOMEM;
        }
        free(ids);
    }
    if (violations->total == 0 && violations->status == 0)
        return predictions;
    json_decref(predictions);
    return NULL;
}

static int check_inputs(const json_t *inputs, struct violations *violations)
{
    char found[FOUND_SIZE];
    size_t count = json_array_size(inputs);
    if (count >= 1 && count <= MAX_TEXTS)
        return 0;
    return violations_add(violations, "/inputs",
                          "expected a list of 1 to %d texts, found %s", MAX_TEXTS,
                          found_text(inputs, found));
}

static int predict_texts(struct channel *channel, struct served_model *model,
                         const json_t *body, struct error *err)
{
    static const char *const others[] = {"inputs", NULL};
    struct violations violations;
    violations_init(&violations);
    json_t *predictions = NULL;
    const json_t *inputs = json_object_get(body, "inputs");
    struct attrs attrs;
    int rc = serve_read_keys(body, text_keys, others, &attrs, &violations);
    if (check_inputs(inputs, &violations) != 0)
        rc = ERR_INVALID;
    if (rc == 0)
        predictions = predict_each(model, inputs, (size_t)attrs_integer(&attrs, "top_k"),
                                   &violations);
    if (violations.status != 0)
        rc = error_set(err, ERR_NOMEM, "no memory for a request");
    else if (!predictions)
        rc = serve_refuse(channel, 422, "invalid_input",
                          "The input does not fit the model.", &violations, err);
    else
        rc = serve_reply(channel, 200,
                         json_pack("{s:s, s:s, s:O}", "object", "predictions", "model",
                                   model->id, "predictions", predictions),
                         err);
    json_decref(predictions);
    violations_release(&violations);
    return rc;
}

int serve_predict(struct channel *channel, struct served_model *model, const json_t *body,
                  struct error *err)
{
    return model->preprocess->kind == DATASET_TEXT
               ? predict_texts(channel, model, body, err)
               : predict_rows(channel, model, body, err);
}
