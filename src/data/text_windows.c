/* See text_windows.h. */
#include "text_windows.h"

#include "base/memory.h"
#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NO_TOKEN UINT16_MAX /* of a byte that is none; no alphabet is that long */

static int corrupt(struct error *err)
{
    return error_set(err, ERR_CORRUPT,
                     "the stored text has other characters than its facts say");
}

/* Every byte is a token: the file stays as it is. */
static int use_bytes(struct text_windows *windows, const uint8_t *bytes, size_t count,
                     struct error *err)
{
    const struct tokenizer *tokenizer = &windows->tokenizer;
    for (uint32_t b = 0; b < BYTE_VOCABULARY; b++)
        windows->of_byte[b] =
            tokenizer->type == TOKENIZE_BYTES ? (uint16_t)b : (uint16_t)NO_TOKEN;
    for (size_t i = 0; tokenizer->alphabet && i < tokenizer->vocabulary; i++)
        if (tokenizer->alphabet[i] < 0x80)
            windows->of_byte[tokenizer->alphabet[i]] = (uint16_t)i;
    windows->bytes = bytes;
    windows->tokens = count;
    bool all_known = true;
    for (size_t i = 0; tokenizer->alphabet && i < count; i++)
        all_known &= windows->of_byte[bytes[i]] != NO_TOKEN;
    return all_known ? 0 : corrupt(err);
}

static int use_ids(struct text_windows *windows, const char *bytes, size_t length,
                   size_t characters, struct error *err)
{
    windows->ids = mem_alloc_array(characters, sizeof(*windows->ids));
    if (!windows->ids)
        return error_set(err, ERR_NOMEM, "no memory for the tokens of the text");
    if (utf8_valid_prefix(bytes, length) != length)
        return corrupt(err);
    const char *at = bytes, *end = bytes + length;
    while (at < end && windows->tokens < characters) {
        int32_t id = tokenizer_find(&windows->tokenizer, utf8_next(&at));
        if (id < 0)
            return corrupt(err);
        windows->ids[windows->tokens++] = (uint16_t)id;
    }
    return at == end && windows->tokens == characters ? 0 : corrupt(err);
}

/* Training first, then validation, then test. */
static void cut(struct text_windows *windows, const struct split_spec *split)
{
    size_t counts[SPLIT_COUNT], first = 0;
    split_counts(split, windows->tokens, counts);
    for (int s = 0; s < SPLIT_COUNT; s++) {
        struct text_piece *piece = &windows->pieces[s];
        *piece = (struct text_piece){.first = first, .tokens = counts[s]};
        piece->windows = counts[s] > 0 ? (counts[s] - 1) / windows->context_length : 0;
        first += counts[s];
    }
}

int text_windows_init(struct text_windows *windows, const struct dataset_view *view,
                      struct error *err)
{
    *windows = (struct text_windows){0};
    const struct features_spec *features = &view->spec->features;
    const struct text_facts *facts = &view->facts->text;
    const struct dataset_array *array = columns_samples(view, PART_TRAIN);
    size_t length = (size_t)view->facts->train_rows;
    if (!array || array->element != ELEMENT_UINT8 || array->rank != 1 ||
        array->dims[0] != (int64_t)length)
        return error_set(err, ERR_CORRUPT, "the dataset file has not the text's bytes");
    bool by_bytes = features->tokenizer == TOKENIZE_BYTES;
    if (features->context_length < 1 || length > FACTS_MAX_ROWS ||
        (!by_bytes && facts->alphabet_count == 0))
        return error_set(err, ERR_INVALID, "the spec's features are not a text's");
    if (tokenizer_init(&windows->tokenizer, features->tokenizer, facts->alphabet,
                       facts->alphabet_count) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the tokens of the text");
    windows->context_length = (size_t)features->context_length;
    windows->positions = view->spec->positions > 1 ? windows->context_length : 1;
    int rc = by_bytes || facts->characters == length
                 ? use_bytes(windows, array->data, length, err)
                 : use_ids(windows, array->data, length, (size_t)facts->characters, err);
    if (rc == 0)
        cut(windows, &view->spec->split);
    return rc;
}

void text_windows_release(struct text_windows *windows)
{
    tokenizer_release(&windows->tokenizer);
    free(windows->ids);
    *windows = (struct text_windows){0};
}

void text_windows_shuffle(const struct text_windows *windows, uint64_t seed,
                          uint64_t epoch, uint32_t *ret_begins)
{
    const struct text_piece *piece = &windows->pieces[IN_TRAIN];
    struct rng rng;
    rng_init(&rng, seed, RNG_WINDOW, epoch);
    size_t offset = rng_below(&rng, (uint32_t)windows->context_length);
    rng_init(&rng, seed, RNG_SHUFFLE, epoch);
    split_permute(&rng, ret_begins, piece->windows);
    /* The token after the last window must be there, too. */
    size_t last = piece->tokens - 1 - windows->context_length;
    for (size_t i = 0; i < piece->windows; i++) {
        size_t begin = offset + ret_begins[i] * windows->context_length;
        ret_begins[i] = (uint32_t)(piece->first + (begin < last ? begin : last));
    }
}

size_t text_windows_begin(const struct text_windows *windows, enum split split,
                          size_t window)
{
    assert(window < windows->pieces[split].windows);
    return windows->pieces[split].first + window * windows->context_length;
}

static uint16_t token_at(const struct text_windows *windows, size_t at)
{
    assert(at < windows->tokens);
    return windows->ids ? windows->ids[at] : windows->of_byte[windows->bytes[at]];
}

void text_windows_read(const struct text_windows *windows, size_t begin, float *ret_x,
                       int32_t *ret_labels)
{
    size_t length = windows->context_length;
    for (size_t i = 0; i < length; i++)
        ret_x[i] = (float)token_at(windows, begin + i);
    size_t after = begin + length - windows->positions + 1;
    for (size_t i = 0; i < windows->positions; i++)
        ret_labels[i] = (int32_t)token_at(windows, after + i);
}
