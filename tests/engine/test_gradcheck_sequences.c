/*
 * Layers over sequences by finite differences, over a range of shapes and attributes that
 * loops generate: more than the rows of test_gradcheck.c, which every op has.
 */
#include "core_fixture.h"
#include "gradcheck_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-5
#define MOST_POSITIONS 9
#define VOCABULARY 7

static void check_numbers(const char *layers, int64_t positions, int64_t units,
                          size_t rows)
{
    struct model_spec model =
        core_model(layers, (int64_t[SHAPE_MAX_RANK]){positions, units});
    size_t count = rows * (size_t)(positions * units);
    double *x = calloc(count, sizeof(double));
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = 1.5 * core_number(i);
    gradcheck_expect(&model, rows, x, TOLERANCE, layers);
    free(x);
    model_spec_release(&model);
}

static void check_tokens(const char *layers, int64_t positions, size_t rows)
{
    struct model_spec model =
        core_text_model(layers, (int64_t[SHAPE_MAX_RANK]){positions}, VOCABULARY);
    size_t count = rows * (size_t)positions;
    double *x = calloc(count, sizeof(double));
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (double)(i * i % VOCABULARY);
    gradcheck_expect(&model, rows, x, TOLERANCE, layers);
    free(x);
    model_spec_release(&model);
}

static void test_attention_of_any_shape(void **state)
{
    (void)state;
    for (int positions = 1; positions <= MOST_POSITIONS; positions++) {
        for (int kind = 0; kind < 12; kind++) {
            int heads = 1 + kind % 3;
            char layers[512];
            snprintf(layers, sizeof(layers),
                     "[{'type': 'tanh'}, {'type': 'multi_head_attention', 'num_heads': "
                     "%d, 'causal': %s, 'use_bias': %s}, {'type': 'silu'}]",
                     heads, kind & 1 ? "true" : "false", kind & 2 ? "true" : "false");
            check_numbers(layers, positions, 6, (size_t)(1 + kind % 4));
        }
    }
}

static void test_attention_with_heads_of_another_size_and_dropout(void **state)
{
    (void)state;
    for (int kind = 0; kind < 8; kind++) {
        char layers[512];
        snprintf(layers, sizeof(layers),
                 "[{'type': 'tanh'}, {'type': 'multi_head_attention', 'num_heads': %d, "
                 "'key_dim': %d, 'causal': %s, 'dropout': %s}]",
                 1 + kind % 2, 2 + kind, kind & 1 ? "true" : "false",
                 kind & 2 ? "0.4" : "0");
        check_numbers(layers, 3 + kind % 3, 5, 3);
    }
}

/* Past the blocks of queries and the pieces of the batch. */
static void test_attention_over_long_sequences(void **state)
{
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        char layers[512];
        snprintf(layers, sizeof(layers),
                 "[{'type': 'tanh'}, {'type': 'multi_head_attention', 'num_heads': 2, "
                 "'causal': %s, 'dropout': %s}]",
                 causal ? "true" : "false", causal ? "0" : "0.2");
        check_numbers(layers, 67, 4, 5);
    }
}

static void test_tokens_and_positions_through_attention(void **state)
{
    (void)state;
    static const char *const positions[] = {"position_embedding", "sinusoidal_positions"};
    for (int length = 1; length <= MOST_POSITIONS; length++) {
        char layers[512];
        snprintf(layers, sizeof(layers),
                 "[{'type': 'embedding', 'output_dim': 4}, {'type': '%s'}, {'type': "
                 "'multi_head_attention', 'num_heads': 2, 'causal': true}, {'type': "
                 "'dense', 'units': 3}]",
                 positions[length % 2]);
        check_tokens(layers, length, (size_t)(1 + length % 3));
    }
}

static void test_transformer_blocks(void **state)
{
    (void)state;
    for (int kind = 0; kind < 16; kind++) {
        char layers[512];
        snprintf(layers, sizeof(layers),
                 "[{'type': 'embedding', 'output_dim': 4, 'embeddings_initializer': "
                 "'pytorch'}, {'type': 'transformer_block', 'num_heads': 2, 'causal': "
                 "%s, 'norm_first': %s, 'use_bias': %s, 'dropout': %s}, {'type': "
                 "'transformer_block', 'num_heads': 1, 'feed_forward_dim': 3, "
                 "'activation': 'tanh'}, {'type': 'dense', 'units': 3}]",
                 kind & 1 ? "true" : "false", kind & 2 ? "true" : "false",
                 kind & 4 ? "true" : "false", kind & 8 ? "0.3" : "0");
        check_tokens(layers, 1 + kind % MOST_POSITIONS, 2);
    }
}

/* An embedding with its dense layer, and dense layers among themselves. */
static void test_shared_weights(void **state)
{
    (void)state;
    for (int length = 1; length <= MOST_POSITIONS; length++) {
        char layers[512];
        snprintf(layers, sizeof(layers),
                 "[{'type': 'embedding', 'name': 'tokens', 'output_dim': 4}, {'type': "
                 "'transformer_block', 'num_heads': 2}, {'type': 'dense', 'units': 7, "
                 "'use_bias': %s, 'shared_weights': 'tokens'}]",
                 length % 2 ? "true" : "false");
        check_tokens(layers, length, (size_t)(1 + length % 3));
        check_numbers("[{'type': 'tanh'}, {'type': 'dense', 'name': 'a', 'units': 4}, "
                      "{'type': 'silu'}, {'type': 'dense', 'units': 4, 'name': 'b', "
                      "'shared_weights': 'a'}, {'type': 'silu'}, {'type': 'dense', "
                      "'units': 4, 'shared_weights': 'b'}]",
                      length, 4, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_of_any_shape),
        cmocka_unit_test(test_attention_with_heads_of_another_size_and_dropout),
        cmocka_unit_test(test_attention_over_long_sequences),
        cmocka_unit_test(test_transformer_blocks),
        cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_tokens_and_positions_through_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
