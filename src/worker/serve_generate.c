/*
 * The verb "generate": a text goes on, token by token. Each is drawn from what the
 * network says of the next one; the draw of token n comes from (seed, RNG_SAMPLE, n), so
 * the same question has the same answer. With "stream" what is there is sent as PIECEs
 * about twenty times a second; the REPLY has all of it in any case.
 */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/token_text.h"
#include "serve.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 10000
#define SEED_MAXIMUM 9007199254740991.0
#define PIECE_NS (CLOCK_NS_PER_SECOND / 20)
#define PIECE_MAX_BYTES 4096
#define LIMIT_NS (300 * CLOCK_NS_PER_SECOND) /* others wait for this worker, too */

static const struct key keys[] = {
    {"max_tokens", KEY_INTEGER, AT_LEAST(1), AT_MOST(MAX_TOKENS), DEFAULT("100")},
    {"temperature", KEY_NUMBER, AT_LEAST(0), AT_MOST(100), DEFAULT("1")},
    {"top_k", KEY_INTEGER, AT_LEAST(1), AT_MOST(FACTS_MAX_ALPHABET), DEFAULT("null")},
    {"seed", KEY_INTEGER, AT_LEAST(0), AT_MOST(SEED_MAXIMUM), DEFAULT("0")},
    {"stream", KEY_BOOLEAN, DEFAULT("false")},
    {0},
};

/* One generation under way. */
struct generation {
    struct channel *channel;
    struct served_model *model;
    size_t max_tokens, top_k;
    double temperature;
    uint64_t seed;
    bool streams;
    uint32_t *ids; /* the prompt's, then the new ones; owned */
    size_t prompt_tokens, tokens;
    struct token_text decoder;
    struct buffer text; /* what was generated, as far as it is whole characters */
    size_t sent;        /* bytes of it that went out in pieces */
    int64_t sent_ns;
    const char *finish_reason; /* NULL: it goes on */
};

static double draw_uniform(uint64_t seed, uint64_t index)
{
    struct rng rng;
    rng_init(&rng, seed, RNG_SAMPLE, index);
    return (double)rng_next(&rng) / 4294967296.0;
}

static void next_token(struct generation *generation)
{
    struct served_model *model = generation->model;
    size_t count = generation->prompt_tokens + generation->tokens;
    size_t vocabulary = model->preprocess->tokenizer.vocabulary;
    const float *logits = token_predictor_run(&model->predictor, generation->ids, count);
    token_ranking_sort(logits, vocabulary, model->ranking);
    size_t kept = generation->top_k > 0 && generation->top_k < vocabulary
                      ? generation->top_k
                      : vocabulary;
    uint32_t id = token_ranking_draw(model->ranking, kept, generation->temperature,
                                     draw_uniform(generation->seed, generation->tokens));
    generation->ids[count] = id;
    generation->tokens++;
    token_text_push(&generation->decoder, id, &generation->text);
}

/* What is there and was not sent; the first piece comes at once, to say that it began. */
static int send_piece(struct generation *generation, struct error *err)
{
    int64_t now = clock_monotonic_ns();
    size_t length = generation->text.length - generation->sent;
    if (!generation->streams || buffer_status(&generation->text) != 0 ||
        (now - generation->sent_ns < PIECE_NS && length < PIECE_MAX_BYTES))
        return 0;
    const char *text = generation->text.data + generation->sent;
    json_t *piece = json_pack("{s:s%}", "text", text, length);
    int rc = channel_send_json(generation->channel, MESSAGE_PIECE, piece, err);
    json_decref(piece);
    generation->sent += length;
    generation->sent_ns = now;
    return rc;
}

static int go_on(struct generation *generation, struct error *err)
{
    int64_t began_ns = clock_monotonic_ns();
    bool cancelled = false;
    int rc = 0;
    while (rc == 0 && !generation->finish_reason) {
        next_token(generation);
        rc = send_piece(generation, err);
        if (rc == 0)
            rc = channel_is_cancelled(generation->channel, &cancelled, err);
        if (cancelled)
            generation->finish_reason = "cancelled";
        else if (generation->tokens == generation->max_tokens)
            generation->finish_reason = "length";
        else if (clock_monotonic_ns() - began_ns >= LIMIT_NS)
            generation->finish_reason = "time_limit";
    }
    token_text_finish(&generation->decoder, &generation->text);
    generation->sent_ns = 0; /* the rest is due */
    if (rc == 0 && generation->text.length > generation->sent)
        rc = send_piece(generation, err);
    if (rc == 0 && buffer_status(&generation->text) != 0)
        rc = error_set(err, ERR_NOMEM, "no memory for a generated text");
    return rc;
}

static int generate(struct generation *generation, struct error *err)
{
    const struct served_model *model = generation->model;
    token_text_init(&generation->decoder, &model->preprocess->tokenizer);
    buffer_init(&generation->text, (size_t)MAX_TOKENS * UTF8_MAX_BYTES);
    int rc = go_on(generation, err);
    if (rc == 0)
        rc = serve_reply(generation->channel, 200,
                         json_pack("{s:s, s:s, s:s%, s:I, s:I, s:s}", "object",
                                   "generation", "model", model->id, "text",
                                   generation->text.data, generation->text.length,
                                   "tokens", (json_int_t)generation->tokens,
                                   "prompt_tokens", (json_int_t)generation->prompt_tokens,
                                   "finish_reason", generation->finish_reason),
                         err);
    buffer_release(&generation->text);
    return rc;
}

/* What the user asked for; the prompt's tokens get room for the new ones behind them. */
static void read_question(const json_t *body, struct generation *generation,
                          struct violations *violations)
{
    static const char *const others[] = {"prompt", NULL};
    struct attrs attrs;
    if (serve_read_keys(body, keys, others, &attrs, violations) == 0) {
        generation->max_tokens = (size_t)attrs_integer(&attrs, "max_tokens");
        generation->temperature = attrs_number(&attrs, "temperature");
        generation->top_k = (size_t)attrs_integer(&attrs, "top_k");
        generation->seed = (uint64_t)attrs_integer(&attrs, "seed");
        generation->streams = attrs_boolean(&attrs, "stream");
    }
    if (!json_is_object(body))
        return;
    uint32_t *prompt = serve_tokens(generation->model, json_object_get(body, "prompt"),
                                    "/prompt", &generation->prompt_tokens, violations);
    generation->ids =
        prompt
            ? mem_resize_array(prompt, generation->prompt_tokens + generation->max_tokens,
                               sizeof(*prompt))
            : NULL;
    if (prompt && !generation->ids) {
        free(prompt);
        violations->status = ERR_NOMEM;
    }
}

int serve_generate(struct channel *channel, struct served_model *model,
                   const json_t *body, struct error *err)
{
    if (model->preprocess->kind != DATASET_TEXT)
        return serve_refuse(channel, 422, "not_a_text_model",
                            "The model was not trained on a text, so it cannot generate "
                            "one; ask it by /predict.",
                            NULL, err);
    struct violations violations;
    violations_init(&violations);
    struct generation generation = {.channel = channel, .model = model};
    read_question(body, &generation, &violations);
    int rc;
    if (violations.status != 0)
        rc = error_set(err, ERR_NOMEM, "no memory for a request");
    else if (violations.total > 0)
        rc = serve_refuse(channel, 422, "invalid_input",
                          "The question does not fit the model.", &violations, err);
    else
        rc = generate(&generation, err);
    free(generation.ids);
    violations_release(&violations);
    return rc;
}
