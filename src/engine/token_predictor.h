/*
 * A network for text, asked for the token that follows a run of tokens.
 *
 * The network sees its whole context at once. A run that is longer is cut to its last
 * context_length tokens. A shorter one is put at the window's start, and the answer is
 * read at its last token's position: what comes behind has no influence there if the
 * network is causal. A network that answers only once a window needs a whole one.
 */
#ifndef BACKPROP_TOKEN_PREDICTOR_H
#define BACKPROP_TOKEN_PREDICTOR_H

#include "network.h"

struct token_predictor {
    struct network *network; /* borrowed */
    size_t context_length, vocabulary;
    size_t positions; /* that it answers at: context_length or 1 */
    float *window;    /* [context_length]; owned, as the next */
    float *output;    /* [positions, vocabulary] */
};

/* ERR_INVALID when the preprocessing is not that of a text, or not this network's. */
int token_predictor_init(struct token_predictor *predictor, struct network *network,
                         const struct preprocess *preprocess, struct error *err)
    __attribute__((warn_unused_result));
void token_predictor_release(struct token_predictor *predictor);

/* So many tokens must a run have. */
size_t token_predictor_least(const struct token_predictor *predictor);

/* The logits of the token after ids: [count], at least so many; valid until the next
 * call: [vocabulary]. */
const float *token_predictor_run(struct token_predictor *predictor, const uint32_t *ids,
                                 size_t count);

#endif
