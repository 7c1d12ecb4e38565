/*
 * batch_norm: each unit of the last axis over all rows and positions of the slice (Ioffe
 * and Szegedy 2015), n numbers of x:
 *
 *   y = z w + b,   z = (x - mean) r,   r = 1 / sqrt(variance + epsilon)
 *   db = sum of dy    dw = sum of dy z    dx = w r (dy - db / n - z dw / n)
 *
 * Outside training the running statistics stand for the slice's. They are states: a step
 * makes them (1 - momentum) old + momentum new, where the new variance is the unbiased
 * one, as in PyTorch. A batch that several threads share is normalized slice by slice,
 * and the slices' new statistics are weighted by their rows.
 */
#include "channel_norm.h"
#include "kernels.h"
#include "op.h"

#include <math.h>

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

struct batch_norm_config {
    size_t units, positions; /* of a row */
    double momentum, epsilon;
};

/* What forward keeps for backward: [units] each. */
struct batch_statistics {
    real *mean, *variance, *r;
};

static int batch_norm_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)err;
    struct batch_norm_config *config = node->config;
    config->units = node->params[WEIGHT].count;
    config->positions = node->width / config->units;
    config->momentum = attrs_number(&node->layer->attrs, "momentum");
    config->epsilon = attrs_number(&node->layer->attrs, "epsilon");
    node->saved_width = (3 * config->units + max_rows - 1) / max_rows; /* of all rows */
    node->scratch = 4 * config->units;
    return 0;
}

static struct batch_statistics statistics_at(real *memory, size_t units)
{
    return (struct batch_statistics){memory, memory + units, memory + 2 * units};
}

static real reciprocal_deviation(const struct batch_norm_config *config, real variance)
{
    return (real)(1 / sqrt((double)variance + config->epsilon));
}

static void batch_norm_forward(const struct node *node, const struct op_call *call)
{
    const struct batch_norm_config *config = node->config;
    size_t units = config->units, rows = call->rows * config->positions;
    real *factor = call->scratch;
    const real *mean = call->params[RUNNING_MEAN];
    const real *variance = call->params[RUNNING_VAR];
    struct batch_statistics statistics = {0};
    if (call->training) {
        statistics = statistics_at(call->saved, units);
        channel_moments(call->x[0], rows, units, statistics.mean, statistics.variance,
                        call->scratch + units);
        vector_scale(statistics.variance, (real)(1.0 / (double)rows), units);
        mean = statistics.mean;
        variance = statistics.variance;
    }
    for (size_t u = 0; u < units; u++) {
        real r = reciprocal_deviation(config, variance[u]);
        factor[u] = r * call->params[WEIGHT][u];
        if (call->training)
            statistics.r[u] = r;
    }
    channel_normalize(call->x[0], rows, units,
                      &(struct channel_affine){
                          .mean = mean, .factor = factor, .offset = call->params[BIAS]},
                      call->y);
}

/* The slice's share of the new running statistics. */
static void update_running(const struct batch_norm_config *config,
                           const struct op_call *call,
                           const struct batch_statistics *statistics, size_t rows)
{
    double share = (double)call->rows / (double)call->batch_rows;
    double unbiased = rows > 1 ? (double)rows / (double)(rows - 1) : 1;
    double fresh = config->momentum * share, old = (1 - config->momentum) * share;
    for (size_t u = 0; u < config->units; u++) {
        call->gradients[RUNNING_MEAN][u] =
            (real)(old * (double)call->params[RUNNING_MEAN][u] +
                   fresh * (double)statistics->mean[u]);
        call->gradients[RUNNING_VAR][u] =
            (real)(old * (double)call->params[RUNNING_VAR][u] +
                   fresh * unbiased * (double)statistics->variance[u]);
    }
}

static void batch_norm_backward(const struct node *node, const struct op_call *call)
{
    const struct batch_norm_config *config = node->config;
    size_t units = config->units, rows = call->rows * config->positions;
    struct batch_statistics statistics = statistics_at(call->saved, units);
    real *dw = call->gradients[WEIGHT], *db = call->gradients[BIAS];
    real *factor = call->scratch, *shift = factor + units, *slope = shift + units;
    for (size_t u = 0; u < units; u++)
        factor[u] = statistics.r[u] * call->params[WEIGHT][u];
    channel_products(call->x[0], call->dy, rows, units, statistics.mean, db, dw);
    update_running(config, call, &statistics, rows);
    for (size_t u = 0; u < units; u++) {
        dw[u] *= statistics.r[u]; /* sum of dy z */
        shift[u] = factor[u] * db[u] / (real)rows;
        slope[u] = factor[u] * statistics.r[u] * dw[u] / (real)rows;
    }
    if (call->dx[0])
        channel_gradient(call->x[0], call->dy, rows, units, statistics.mean,
                         &(struct channel_slopes){factor, shift, slope}, call->dx[0]);
}

const struct op OP_SYMBOL(batch_norm) = {
    .name = "batch_norm",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct batch_norm_config),
    .plan = batch_norm_plan,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
};
