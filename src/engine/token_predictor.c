/* See token_predictor.h. */
#include "token_predictor.h"

#include "base/memory.h"
#include "network_internal.h"

#include <assert.h>
#include <stdlib.h>

int token_predictor_init(struct token_predictor *predictor, struct network *network,
                         const struct preprocess *preprocess, struct error *err)
{
    *predictor = (struct token_predictor){.network = network};
    size_t context = network_input_width(network), width = network_output_width(network);
    size_t vocabulary = preprocess->tokenizer.vocabulary;
    if (preprocess->kind != DATASET_TEXT ||
        (size_t)preprocess->feature_count != context ||
        (width != vocabulary && width != context * vocabulary))
        return error_set(err, ERR_INVALID, "the model is not one of a text");
    predictor->context_length = context;
    predictor->vocabulary = vocabulary;
    predictor->positions = width / vocabulary;
    predictor->window = mem_alloc_array(context, sizeof(float));
    predictor->output = mem_alloc_array(width, sizeof(float));
    if (!predictor->window || !predictor->output)
        return error_set(err, ERR_NOMEM, "no memory to ask a model of a text");
    return 0;
}

void token_predictor_release(struct token_predictor *predictor)
{
    free(predictor->window);
    free(predictor->output);
    *predictor = (struct token_predictor){0};
}

size_t token_predictor_least(const struct token_predictor *predictor)
{
    return predictor->positions > 1 ? 1 : predictor->context_length;
}

const float *token_predictor_run(struct token_predictor *predictor, const uint32_t *ids,
                                 size_t count)
{
    assert(count >= token_predictor_least(predictor));
    size_t context = predictor->context_length;
    if (count > context) {
        ids += count - context;
        count = context;
    }
    for (size_t i = 0; i < context; i++)
        predictor->window[i] = i < count ? (float)ids[i] : 0.0F;
    network_forward(predictor->network, predictor->window, 1, predictor->output);
    size_t position = predictor->positions > 1 ? count - 1 : 0;
    return predictor->output + position * predictor->vocabulary;
}
