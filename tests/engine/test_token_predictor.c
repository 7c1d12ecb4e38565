/* Asking a network for the next token, and drawing one. */
#include "base/error.h"
#include "engine/network_internal.h"
#include "engine/token_predictor.h"
#include "engine/token_ranking.h"
#include "training_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#define CONTEXT 6

static const char prose[] = "one two three four five six seven eight nine ten eleven";

#define SPEC(more_)                                                                      \
    "{'features': {'tokenizer': 'byte', 'context_length': 6}, 'model': {'layers': ["     \
    "{'type': 'embedding', 'output_dim': 8}, {'type': 'position_embedding'}, " more_     \
    "{'type': 'dense', 'units': 'auto'}]}, 'epochs': 1, 'split': {'fractions': "         \
    "{'train': 1}}}"

struct asked {
    struct training_fixture fixture;
    struct network *network;
    struct token_predictor predictor;
};

/* A network as it is after an epoch. */
static void open_asked(struct asked *asked, const char *spec)
{
    training_fixture_open_prose(&asked->fixture, prose, spec);
    struct trainer *trainer = make_trainer(&asked->fixture);
    assert_int_equal(run_trainer(trainer, NULL), TRAIN_COMPLETED);
    size_t length;
    unsigned char *bytes = exported_bytes(trainer, &length);
    assert_int_equal(
        network_load(asked->fixture.spec, bytes, length, 1, &asked->network, NULL), 0);
    assert_int_equal(token_predictor_init(&asked->predictor, asked->network,
                                          pipeline_preprocess(asked->fixture.pipeline),
                                          NULL),
                     0);
    free(bytes);
    trainer_free(trainer);
}

static void close_asked(struct asked *asked)
{
    token_predictor_release(&asked->predictor);
    network_free(asked->network);
    training_fixture_close(&asked->fixture);
}

static void test_short_runs_are_answered_at_their_last_token(void **state)
{
    (void)state;
    struct asked asked;
    open_asked(&asked, SPEC("{'type': 'transformer_block', 'num_heads': 2, 'causal': "
                            "true}, "));
    assert_int_equal(token_predictor_least(&asked.predictor), 1);
    static const uint32_t ids[] = {'o', 'n', 'e', ' ', 't', 'w', 'o', ' ', 't'};
    float *output = calloc(CONTEXT * 256, sizeof(*output));
    assert_non_null(output);
    for (size_t count = 1; count <= 9; count++) {
        size_t seen = count < CONTEXT ? count : CONTEXT;
        float window[CONTEXT];
        for (size_t i = 0; i < CONTEXT; i++) /* what comes behind does not matter */
            window[i] = i < seen ? (float)ids[count - seen + i] : (float)(200 + i);
        network_forward(asked.network, window, 1, output);
        const float *logits = token_predictor_run(&asked.predictor, ids, count);
        assert_memory_equal(logits, output + (seen - 1) * 256, 256 * sizeof(float));
    }
    free(output);
    close_asked(&asked);
}

static void test_a_network_that_answers_once_wants_its_whole_context(void **state)
{
    (void)state;
    struct asked asked;
    open_asked(&asked, SPEC("{'type': 'flatten'}, "));
    assert_int_equal(token_predictor_least(&asked.predictor), CONTEXT);
    static const uint32_t ids[] = {'x', 'o', 'n', 'e', ' ', 't', 'w'};
    float first[256];
    memcpy(first, token_predictor_run(&asked.predictor, ids, 7), sizeof(first));
    const float *second = token_predictor_run(&asked.predictor, ids + 1, CONTEXT);
    assert_memory_equal(first, second, sizeof(first));
    close_asked(&asked);
}

static void test_other_models_cannot_be_asked(void **state)
{
    (void)state;
    struct asked asked;
    open_asked(&asked, SPEC("{'type': 'flatten'}, "));
    struct token_predictor predictor;
    struct preprocess other = *pipeline_preprocess(asked.fixture.pipeline);
    other.feature_count = CONTEXT + 1;
    assert_int_equal(token_predictor_init(&predictor, asked.network, &other, NULL),
                     ERR_INVALID);
    other.feature_count = CONTEXT;
    other.kind = DATASET_ARRAYS;
    assert_int_equal(token_predictor_init(&predictor, asked.network, &other, NULL),
                     ERR_INVALID);
    close_asked(&asked);
}

static void test_ranking_is_by_logit_then_by_id(void **state)
{
    (void)state;
    const float logits[] = {0.5F, 2.0F, (float)NAN, 2.0F, -1.0F};
    struct ranked_token ranking[5];
    token_ranking_sort(logits, 5, ranking);
    static const uint32_t order[] = {1, 3, 0, 4, 2};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(ranking[i].id, order[i]);
    double sum = 0, log_sum = token_ranking_log_sum(ranking, 5);
    for (size_t i = 0; i < 5; i++)
        sum += exp(ranking[i].logit - log_sum);
    assert_true(fabs(sum - 1) < 1e-12);
}

/* Draws at evenly spread shares come out as often as they are likely. */
static void test_draws_follow_the_probabilities(void **state)
{
    (void)state;
    const float logits[] = {logf(0.1F), logf(0.6F), logf(0.3F)};
    struct ranked_token ranking[3];
    token_ranking_sort(logits, 3, ranking);
    static const struct {
        double temperature;
        size_t kept;
        int expected[3];
    } rows[] = {
        {1, 3, {100, 600, 300}}, {1, 2, {0, 667, 333}},    {0.5, 3, {22, 782, 196}},
        {0, 3, {0, 1000, 0}},    {1e-12, 3, {0, 1000, 0}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        int counts[3] = {0};
        for (int i = 0; i < 1000; i++)
            counts[token_ranking_draw(ranking, rows[r].kept, rows[r].temperature,
                                      (i + 0.5) / 1000)]++;
        for (int i = 0; i < 3; i++)
            assert_true(abs(counts[i] - rows[r].expected[i]) <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_runs_are_answered_at_their_last_token),
        cmocka_unit_test(test_a_network_that_answers_once_wants_its_whole_context),
        cmocka_unit_test(test_other_models_cannot_be_asked),
        cmocka_unit_test(test_ranking_is_by_logit_then_by_id),
        cmocka_unit_test(test_draws_follow_the_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
