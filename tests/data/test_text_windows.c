/* A text as samples: tokens, windows and their labels, pieces that are kept apart. */
#include "base/error.h"
#include "data/tokenizer.h"
#include "dataset_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONTEXT 4

struct text_case {
    struct dataset_file *file;
    struct dataset_facts *facts;
    struct job_spec spec;
    struct pipeline *pipeline;
    int rc;
    struct error err;
};

/* `facts` is what stands in the facts behind the number of bytes. */
static void open_case(struct text_case *text, const char *bytes, const char *facts,
                      enum tokenizer_type tokenizer)
{
    *text = (struct text_case){0};
    struct dataset_array array = {.part = PART_TRAIN,
                                  .column = DATASET_FEATURES,
                                  .element = ELEMENT_UINT8,
                                  .rank = 1,
                                  .dims = {(int64_t)strlen(bytes)},
                                  .data = bytes};
    char json[1000];
    snprintf(json, sizeof(json), "{'kind':'text','rows':{'train':%zu}%s}", strlen(bytes),
             facts);
    text->file = fixture_file(&array, 1);
    text->facts = fixture_facts(json);
    text->spec = (struct job_spec){
        .seed = 3,
        .positions = CONTEXT,
        .features = {.target_column = -1,
                     .tokenizer = tokenizer,
                     .context_length = CONTEXT,
                     .vocabulary = 256},
        .split = {.type = SPLIT_CONTIGUOUS, .train = 0.5, .validation = 0.3, .test = 0.2},
    };
}

static void open_pipeline(struct text_case *text)
{
    text->rc =
        pipeline_open(text->file, text->facts, &text->spec, &text->pipeline, &text->err);
}

static void close_case(struct text_case *text)
{
    pipeline_close(text->pipeline);
    dataset_file_close(text->file);
    facts_free(text->facts);
}

/* 40 bytes: 20 train, 12 validate, 8 test. */
static const char forty[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";

static void assert_window(const struct text_case *text, const float *x,
                          const int32_t *labels, size_t begin)
{
    for (size_t i = 0; i < CONTEXT; i++) {
        assert_true((int)x[i] == forty[begin + i]);
        assert_int_equal(labels[i], forty[begin + i + 1]);
    }
    (void)text;
}

static void test_labels_are_the_next_tokens_and_pieces_stay_apart(void **state)
{
    (void)state;
    struct text_case text;
    open_case(&text, forty, "", TOKENIZE_BYTES);
    open_pipeline(&text);
    assert_int_equal(text.rc, 0);
    static const size_t windows[] = {4, 2, 1}, begins[] = {0, 20, 32};
    for (int s = 0; s < SPLIT_COUNT; s++) {
        enum split split = (enum split)s;
        assert_int_equal(pipeline_rows(text.pipeline, split), windows[s]);
        float x[4 * CONTEXT];
        int32_t labels[4 * CONTEXT];
        uint64_t rows[4];
        pipeline_fill(text.pipeline, split, NULL, 0, windows[s], x, labels);
        pipeline_source_rows(text.pipeline, split, NULL, 0, windows[s], rows);
        for (size_t w = 0; w < windows[s]; w++) {
            assert_int_equal(rows[w], begins[s] + w * CONTEXT);
            assert_window(&text, x + w * CONTEXT, labels + w * CONTEXT, rows[w]);
        }
    }
    close_case(&text);
}

static void test_epochs_begin_at_offsets_and_stay_in_their_piece(void **state)
{
    (void)state;
    struct text_case text;
    open_case(&text, forty, "", TOKENIZE_BYTES);
    open_pipeline(&text);
    bool offsets[CONTEXT] = {false};
    for (uint64_t epoch = 0; epoch < 50; epoch++) {
        uint32_t order[4], again[4];
        pipeline_shuffle(text.pipeline, epoch, order);
        pipeline_shuffle(text.pipeline, epoch, again);
        assert_memory_equal(order, again, sizeof(order));
        uint32_t first = UINT32_MAX;
        for (size_t w = 0; w < 4; w++) {
            assert_true(order[w] + CONTEXT < 20);
            first = order[w] < first ? order[w] : first;
            float x[CONTEXT];
            int32_t labels[CONTEXT];
            pipeline_fill(text.pipeline, IN_TRAIN, order + w, 0, 1, x, labels);
            assert_window(&text, x, labels, order[w]);
        }
        assert_true(first < CONTEXT);
        offsets[first] = true;
    }
    for (size_t i = 0; i < CONTEXT; i++)
        assert_true(offsets[i]);
    close_case(&text);
}

static void test_characters_of_several_bytes_are_one_token(void **state)
{
    (void)state;
    struct text_case text;
    open_case(&text,
              "a\xc3\xb6\xe2\x82\xac"
              "a\xf0\x9f\x98\x80\xc3\xb6"
              "aaaa",
              ",'text':{'characters':10,'lines':0,'distinct_characters':4,'alphabet':"
              "'a\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80'}",
              TOKENIZE_CHARACTERS);
    text.spec.split = (struct split_spec){.type = SPLIT_CONTIGUOUS, .train = 1};
    open_pipeline(&text);
    if (text.rc != 0)
        fail_msg("%s", text.err.text);
    assert_int_equal(pipeline_rows(text.pipeline, IN_TRAIN), 2);
    float x[2 * CONTEXT];
    int32_t labels[2 * CONTEXT];
    pipeline_fill(text.pipeline, IN_TRAIN, NULL, 0, 2, x, labels);
    static const int tokens[] = {0, 1, 2, 0, 3, 1, 0, 0, 0};
    for (size_t i = 0; i < 2 * CONTEXT; i++) {
        assert_true((int)x[i] == tokens[i]);
        assert_int_equal(labels[i], tokens[i + 1]);
    }
    close_case(&text);
}

static void test_one_label_a_window_is_the_token_after_it(void **state)
{
    (void)state;
    struct text_case text;
    open_case(&text, forty, "", TOKENIZE_BYTES);
    text.spec.positions = 1;
    open_pipeline(&text);
    float x[2 * CONTEXT];
    int32_t labels[2];
    pipeline_fill(text.pipeline, IN_VALIDATION, NULL, 0, 2, x, labels);
    assert_int_equal(labels[0], forty[24]);
    assert_int_equal(labels[1], forty[28]);
    close_case(&text);
}

static void test_files_that_contradict_their_facts_are_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *facts;
    } cases[] = {
        {"abcabcabcabcabcabc", ",'text':{'characters':18,'lines':0,"
                               "'distinct_characters':2,'alphabet':'ab'}"},
        {"aaaaaaaaaaaaaa\xc3\xb6", ",'text':{'characters':15,'lines':0,"
                                   "'distinct_characters':2,'alphabet':'ab'}"},
        {"aaaaaaaaaaaaaa\xc3", ",'text':{'characters':14,'lines':0,"
                               "'distinct_characters':1,'alphabet':'a'}"},
        {"aaaaaaaaaaaaaaaa", ",'text':{'characters':14,'lines':0,"
                             "'distinct_characters':1,'alphabet':'a'}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text_case text;
        open_case(&text, cases[i].bytes, cases[i].facts, TOKENIZE_CHARACTERS);
        open_pipeline(&text);
        assert_int_equal(text.rc, ERR_CORRUPT);
        close_case(&text);
    }
}

static void test_the_preprocessing_survives_its_json(void **state)
{
    (void)state;
    struct text_case text;
    open_case(&text, "abcabcabcabcabcabcabc",
              ",'text':{'characters':21,'lines':0,'distinct_characters':3,'alphabet':"
              "'abc'}",
              TOKENIZE_CHARACTERS);
    text.spec.split = (struct split_spec){.type = SPLIT_CONTIGUOUS, .train = 1};
    open_pipeline(&text);
    json_t *json = preprocess_to_json(pipeline_preprocess(text.pipeline));
    json_t *expected = fixture_json(
        "{'kind':'text','tokenizer':'char','context_length':4,'alphabet':'abc'}");
    assert_true(json_equal(json, expected));
    struct preprocess *read = NULL;
    assert_int_equal(preprocess_parse(json, &read, NULL), 0);
    assert_int_equal(read->tokenizer.vocabulary, 3);
    assert_int_equal(read->feature_count, CONTEXT);
    preprocess_free(read);
    json_object_set_new(json, "alphabet", json_string("ba"));
    assert_int_equal(preprocess_parse(json, &read, NULL), ERR_CORRUPT);
    json_object_set_new(json, "tokenizer", json_string("word"));
    assert_int_equal(preprocess_parse(json, &read, NULL), ERR_CORRUPT);
    json_decref(json);
    json_decref(expected);
    close_case(&text);
}

static void test_tokens_go_to_text_and_back(void **state)
{
    (void)state;
    static const uint32_t alphabet[] = {'\n', 'a', 0xf6, 0x1f600};
    static const char text[] = "a\xc3\xb6\n\xf0\x9f\x98\x80";
    struct tokenizer tokenizer;
    assert_int_equal(tokenizer_init(&tokenizer, TOKENIZE_CHARACTERS, alphabet, 4), 0);
    uint32_t ids[sizeof(text)];
    const char *unknown;
    assert_int_equal(tokenizer_encode(&tokenizer, text, strlen(text), ids, &unknown), 4);
    assert_null(unknown);
    static const uint32_t expected[] = {1, 2, 0, 3};
    assert_memory_equal(ids, expected, sizeof(expected));
    char back[sizeof(text)] = "";
    size_t length = 0;
    for (size_t i = 0; i < 4; i++)
        length += tokenizer_put(&tokenizer, ids[i], back + length);
    assert_string_equal(back, text);
    assert_int_equal(tokenizer_encode(&tokenizer, "aab", 3, ids, &unknown), 2);
    assert_string_equal(unknown, "b");
    tokenizer_release(&tokenizer);
    assert_int_equal(tokenizer_init(&tokenizer, TOKENIZE_BYTES, NULL, 0), 0);
    assert_int_equal(tokenizer_encode(&tokenizer, text, strlen(text), ids, &unknown), 8);
    assert_int_equal(ids[1], 0xc3);
    tokenizer_release(&tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_are_the_next_tokens_and_pieces_stay_apart),
        cmocka_unit_test(test_epochs_begin_at_offsets_and_stay_in_their_piece),
        cmocka_unit_test(test_characters_of_several_bytes_are_one_token),
        cmocka_unit_test(test_one_label_a_window_is_the_token_after_it),
        cmocka_unit_test(test_files_that_contradict_their_facts_are_corrupt),
        cmocka_unit_test(test_the_preprocessing_survives_its_json),
        cmocka_unit_test(test_tokens_go_to_text_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
