/* See token_ranking.h. */
#include "token_ranking.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const struct ranked_token *left = a, *right = b;
    if (left->logit != right->logit)
        return left->logit > right->logit ? -1 : 1;
    return left->id < right->id ? -1 : 1;
}

void token_ranking_sort(const float *logits, size_t count,
                        struct ranked_token *ret_ranking)
{
    for (size_t i = 0; i < count; i++) {
        double logit = isnan(logits[i]) ? (double)-INFINITY : (double)logits[i];
        ret_ranking[i] = (struct ranked_token){.id = (uint32_t)i, .logit = logit};
    }
    qsort(ret_ranking, count, sizeof(*ret_ranking), compare);
}

double token_ranking_log_sum(const struct ranked_token *ranking, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp(ranking[i].logit - ranking[0].logit);
    return log(sum) + ranking[0].logit;
}

uint32_t token_ranking_draw(const struct ranked_token *ranking, size_t count,
                            double temperature, double uniform)
{
    if (temperature <= 0)
        return ranking[0].id;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp((ranking[i].logit - ranking[0].logit) / temperature);
    double left = uniform * sum;
    size_t drawn = 0;
    for (; drawn + 1 < count; drawn++) {
        left -= exp((ranking[drawn].logit - ranking[0].logit) / temperature);
        if (left < 0)
            break;
    }
    return ranking[drawn].id;
}
