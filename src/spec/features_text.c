/* See features_text.h. */
#include "features_text.h"

#include "base/error.h"
#include "canonical.h"

#include <stdio.h>

/* Why the characters of the text cannot be tokens. */
static int check_alphabet(const struct text_facts *text, struct violations *violations)
{
    static const char pointer[] = "/features/tokenizer";
    if (text->characters == 0)
        return violations_add(
            violations, pointer,
            "expected \"byte\", because the characters of this text were not counted "
            "when "
            "it was uploaded (upload it again to use \"char\"), found \"char\"");
    if (text->alphabet_count == 0)
        return violations_add(violations, pointer,
                              "expected \"byte\", because the text has %llu different "
                              "characters, more than %d, found \"char\"",
                              (unsigned long long)text->distinct_characters,
                              FACTS_MAX_ALPHABET);
    if (text->alphabet_count < 2)
        return violations_add(violations, "/dataset",
                              "expected a text of at least two different characters, "
                              "found one");
    return 0;
}

static int refuse_table_keys(const struct features_request *request,
                             struct violations *violations)
{
    const struct {
        const char *pointer;
        bool given;
    } keys[] = {
        {"/features/inputs", request->has_inputs},
        {"/features/target", request->has_target},
        {"/features/normalization", request->normalization != CHOICE_AUTO},
        {"/features/input_shape", request->input_shape.rank > 0},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].given)
            rc = violations_add(
                violations, keys[i].pointer,
                "expected no such key, because the dataset is a text: its tokens are the "
                "input, and the next token is the target");
    }
    return rc;
}

int features_text_refuse_keys(const struct features_request *request,
                              struct violations *violations)
{
    const struct {
        const char *pointer;
        bool given;
    } keys[] = {
        {"/features/tokenizer", request->tokenizer != CHOICE_AUTO},
        {"/features/context_length", request->context_length > 0},
        {"/features/vocabulary", request->vocabulary > 0},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].given)
            rc = violations_add(violations, keys[i].pointer,
                                "expected no such key, because the dataset is no text");
    }
    return rc;
}

int features_text_resolve(const struct features_request *request,
                          const struct dataset_facts *facts,
                          struct features_spec *features, struct violations *violations)
{
    int rc = refuse_table_keys(request, violations);
    features->target_column = -1;
    features->target = TARGET_CATEGORY;
    features->tokenizer =
        request->tokenizer == TOKENIZE_BYTES ? TOKENIZE_BYTES : TOKENIZE_CHARACTERS;
    features->context_length =
        request->context_length > 0 ? request->context_length : DEFAULT_CONTEXT_LENGTH;
    features->vocabulary = BYTE_VOCABULARY;
    if (features->tokenizer == TOKENIZE_CHARACTERS) {
        if (check_alphabet(&facts->text, violations) != 0)
            return ERR_INVALID;
        features->vocabulary = (int64_t)facts->text.alphabet_count;
    }
    if (request->vocabulary > 0 && request->vocabulary != features->vocabulary)
        rc = violations_add(
            violations, "/features/vocabulary",
            "expected \"auto\" or %lld, the different tokens of the text, "
            "found %lld",
            (long long)features->vocabulary, (long long)request->vocabulary);
    features->target_width = features->vocabulary;
    features->input_shape = (struct shape){.rank = 1, .dims = {features->context_length}};
    return rc;
}

json_t *features_text_json(const struct features_spec *features,
                           struct violations *violations)
{
    json_t *json = json_object();
    canonical_set(json, "tokenizer", json_string(tokenizer_names[features->tokenizer]),
                  violations);
    canonical_set(json, "context_length", json_integer(features->context_length),
                  violations);
    canonical_set(json, "vocabulary", json_integer(features->vocabulary), violations);
    return json;
}

uint64_t features_text_tokens(const struct features_spec *features,
                              const struct dataset_facts *facts)
{
    return features->tokenizer == TOKENIZE_BYTES ? facts->train_rows
                                                 : facts->text.characters;
}

uint64_t features_text_windows(const struct features_spec *features, uint64_t tokens)
{
    return tokens > 0 ? (tokens - 1) / (uint64_t)features->context_length : 0;
}
