/*
 * What a network for text says of the next token: its logits in order, probabilities, and
 * a token drawn from them.
 */
#ifndef BACKPROP_TOKEN_RANKING_H
#define BACKPROP_TOKEN_RANKING_H

#include <stddef.h>
#include <stdint.h>

struct ranked_token {
    uint32_t id;
    double logit;
};

/* Sorts logits: [count] by size, the largest first; of equal ones the lower id first. NaN
 * counts as the smallest. */
void token_ranking_sort(const float *logits, size_t count,
                        struct ranked_token *ret_ranking);

/* The natural logarithm of the sum of e^logit: a token's probability is e^(logit - it).
 */
double token_ranking_log_sum(const struct ranked_token *ranking, size_t count);

/*
 * A token of the first `count`, by softmax(logits / temperature) over these, at the share
 * `uniform` in [0, 1) of the probability. Temperature 0: the first.
 */
uint32_t token_ranking_draw(const struct ranked_token *ranking, size_t count,
                            double temperature, double uniform);

#endif
