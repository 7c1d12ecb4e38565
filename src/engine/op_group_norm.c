/*
 * group_norm: the units of the last axis in groups, each normalized over its units and
 * all positions of the sample (Wu and He 2018), n numbers of x:
 *
 *   y = z w + b,   z = (x - mean) r,   r = 1 / sqrt(variance + epsilon)
 *   db = sum of dy    dw = sum of dy z    g = dy w
 *   dx = r (g - mean of g - z (mean of g z))
 *
 * Both directions go by unit over the positions, as batch_norm does, and join the units
 * of a group then.
 */
#include "channel_norm.h"
#include "kernels.h"
#include "op.h"

#include <math.h>
#include <string.h>

enum { WEIGHT, BIAS };

struct group_norm_config {
    size_t units, positions, groups;
    double epsilon;
};

static int group_norm_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct group_norm_config *config = node->config;
    config->units = node->params[WEIGHT].count;
    config->positions = node->width / config->units;
    config->groups = (size_t)attrs_integer(&node->layer->attrs, "groups");
    config->epsilon = attrs_number(&node->layer->attrs, "epsilon");
    node->saved_width = 2 * config->groups; /* mean and r of each */
    node->scratch = 6 * config->units;
    return 0;
}

/* Mean and r of one group from those of its units. */
static void join_units(const struct group_norm_config *config, const real *means,
                       const real *deviations, real *ret_mean, real *ret_r)
{
    size_t count = config->units / config->groups;
    double mean = 0, square_sum = 0;
    for (size_t u = 0; u < count; u++)
        mean += (double)means[u] / (double)count;
    for (size_t u = 0; u < count; u++) {
        double delta = (double)means[u] - mean;
        square_sum += (double)deviations[u] + delta * delta * (double)config->positions;
    }
    double variance = square_sum / (double)(count * config->positions);
    *ret_mean = (real)mean;
    *ret_r = (real)(1 / sqrt(variance + config->epsilon));
}

/* mean[u] and factor[u] = r w[u] from the groups' mean and r. */
static void spread_groups(const struct group_norm_config *config, const real *statistics,
                          const real *w, real *mean, real *factor)
{
    size_t count = config->units / config->groups;
    for (size_t u = 0; u < config->units; u++) {
        mean[u] = statistics[2 * (u / count)];
        factor[u] = statistics[2 * (u / count) + 1] * w[u];
    }
}

static void group_norm_forward(const struct node *node, const struct op_call *call)
{
    const struct group_norm_config *config = node->config;
    size_t units = config->units, count = units / config->groups;
    real *mean = call->scratch, *factor = mean + units;
    real *means = factor + units, *deviations = means + units;
    real *statistics = deviations + units; /* scratch of channel_moments() before */
    for (size_t row = 0; row < call->rows; row++) {
        const real *x = call->x[0] + row * node->width;
        channel_moments(x, config->positions, units, means, deviations, statistics);
        for (size_t g = 0; g < config->groups; g++)
            join_units(config, means + g * count, deviations + g * count,
                       &statistics[2 * g], &statistics[2 * g + 1]);
        spread_groups(config, statistics, call->params[WEIGHT], mean, factor);
        if (call->saved)
            memcpy(call->saved + row * node->saved_width, statistics,
                   node->saved_width * sizeof(real));
        channel_normalize(x, config->positions, units,
                          &(struct channel_affine){.mean = mean,
                                                   .factor = factor,
                                                   .offset = call->params[BIAS]},
                          call->y + row * node->width);
    }
}

/* b[u] and c[u] of channel_gradient() from the sums of the units. */
static void find_slopes(const struct group_norm_config *config, const real *statistics,
                        const real *w, const real *sums, const real *products, real *b,
                        real *c)
{
    size_t count = config->units / config->groups;
    double n = (double)(count * config->positions);
    for (size_t g = 0; g < config->groups; g++) {
        double r = (double)statistics[2 * g + 1], sum = 0, product = 0;
        for (size_t u = g * count; u < (g + 1) * count; u++) {
            sum += (double)w[u] * (double)sums[u];
            product += (double)w[u] * (double)products[u] * r;
        }
        for (size_t u = g * count; u < (g + 1) * count; u++) {
            b[u] = (real)(r * sum / n);
            c[u] = (real)(r * r * product / n);
        }
    }
}

static void group_norm_backward(const struct node *node, const struct op_call *call)
{
    const struct group_norm_config *config = node->config;
    size_t units = config->units, count = units / config->groups;
    const real *w = call->params[WEIGHT];
    real *dw = call->gradients[WEIGHT], *db = call->gradients[BIAS];
    real *mean = call->scratch, *factor = mean + units, *sums = factor + units;
    real *products = sums + units, *b = products + units, *c = b + units;
    memset(dw, 0, units * sizeof(real));
    memset(db, 0, units * sizeof(real));
    for (size_t row = 0; row < call->rows; row++) {
        const real *x = call->x[0] + row * node->width;
        const real *dy = call->dy + row * node->width;
        const real *statistics = call->saved + row * node->saved_width;
        spread_groups(config, statistics, w, mean, factor);
        channel_products(x, dy, config->positions, units, mean, sums, products);
        for (size_t u = 0; u < units; u++) {
            db[u] += sums[u];
            dw[u] += products[u] * statistics[2 * (u / count) + 1];
        }
        if (!call->dx[0])
            continue;
        find_slopes(config, statistics, w, sums, products, b, c);
        channel_gradient(x, dy, config->positions, units, mean,
                         &(struct channel_slopes){factor, b, c},
                         call->dx[0] + row * node->width);
    }
}

const struct op OP_SYMBOL(group_norm) = {
    .name = "group_norm",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct group_norm_config),
    .plan = group_norm_plan,
    .forward = group_norm_forward,
    .backward = group_norm_backward,
};
