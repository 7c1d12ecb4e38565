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
#include "kernels.h"
#include "op.h"

#include <math.h>
#include <string.h>

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

/* Rows of x that are summed before they go to the total, so that rounding grows with
 * the blocks and not with the rows. */
#define BLOCK_ROWS 64

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
    node->scratch = 2 * config->units;
    return 0;
}

static struct batch_statistics statistics_at(real *memory, size_t units)
{
    return (struct batch_statistics){memory, memory + units, memory + 2 * units};
}

/* sum[u] += sum over rows of (x - mean)² */
MULTIVERSION static void add_square_deviations(const real *restrict x, size_t rows,
                                               size_t units, const real *restrict mean,
                                               real *restrict sum)
{
    for (size_t r = 0; r < rows; r++, x += units) {
        for (size_t u = 0; u < units; u++)
            sum[u] += (x[u] - mean[u]) * (x[u] - mean[u]);
    }
}

/* sum[u] += sum over rows of dy; product[u] += sum over rows of dy (x - mean) */
MULTIVERSION static void add_products(const real *restrict dy, const real *restrict x,
                                      size_t rows, size_t units,
                                      const real *restrict mean, real *restrict sum,
                                      real *restrict product)
{
    for (size_t r = 0; r < rows; r++, x += units, dy += units) {
        for (size_t u = 0; u < units; u++) {
            sum[u] += dy[u];
            product[u] += dy[u] * (x[u] - mean[u]);
        }
    }
}

/* y = (x - mean) factor + b */
MULTIVERSION static void normalize(const real *restrict x, size_t rows, size_t units,
                                   const real *restrict mean, const real *restrict factor,
                                   const real *restrict b, real *restrict y)
{
    for (size_t r = 0; r < rows; r++, x += units, y += units) {
        for (size_t u = 0; u < units; u++)
            y[u] = (x[u] - mean[u]) * factor[u] + b[u];
    }
}

/* dx = factor (dy - shift - (x - mean) slope) */
MULTIVERSION static void
batch_gradient(const real *restrict x, const real *restrict dy, size_t rows, size_t units,
               const real *restrict mean, const real *restrict factor,
               const real *restrict shift, const real *restrict slope, real *restrict dx)
{
    for (size_t r = 0; r < rows; r++, x += units, dy += units, dx += units) {
        for (size_t u = 0; u < units; u++)
            dx[u] = factor[u] * (dy[u] - shift[u] - (x[u] - mean[u]) * slope[u]);
    }
}

static void fill_statistics(const struct batch_norm_config *config, const real *x,
                            size_t rows, real *block, struct batch_statistics *statistics)
{
    size_t units = config->units, bytes = units * sizeof(real);
    memset(statistics->mean, 0, bytes);
    memset(statistics->variance, 0, bytes);
    for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
        size_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
        column_sum(x + first * units, count, units, block);
        vector_add(statistics->mean, block, units);
    }
    vector_scale(statistics->mean, (real)(1.0 / (double)rows), units);
    for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
        size_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
        memset(block, 0, bytes);
        add_square_deviations(x + first * units, count, units, statistics->mean, block);
        vector_add(statistics->variance, block, units);
    }
    vector_scale(statistics->variance, (real)(1.0 / (double)rows), units);
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
        fill_statistics(config, call->x[0], rows, call->scratch + units, &statistics);
        mean = statistics.mean;
        variance = statistics.variance;
    }
    for (size_t u = 0; u < units; u++) {
        real r = reciprocal_deviation(config, variance[u]);
        factor[u] = r * call->params[WEIGHT][u];
        if (call->training)
            statistics.r[u] = r;
    }
    normalize(call->x[0], rows, units, mean, factor, call->params[BIAS], call->y);
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
    real *sum = call->scratch, *product = call->scratch + units;
    memset(dw, 0, units * sizeof(real));
    memset(db, 0, units * sizeof(real));
    for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
        size_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
        memset(call->scratch, 0, 2 * units * sizeof(real));
        add_products(call->dy + first * units, call->x[0] + first * units, count, units,
                     statistics.mean, sum, product);
        vector_add(db, sum, units);
        vector_add(dw, product, units);
    }
    update_running(config, call, &statistics, rows);
    real *shift = sum, *slope = product, *factor = statistics.variance;
    for (size_t u = 0; u < units; u++) {
        real r = statistics.r[u];
        dw[u] *= r; /* sum of dy z */
        shift[u] = db[u] / (real)rows;
        slope[u] = r * dw[u] / (real)rows;
        factor[u] = r * call->params[WEIGHT][u];
    }
    if (call->dx[0])
        batch_gradient(call->x[0], call->dy, rows, units, statistics.mean, factor, shift,
                       slope, call->dx[0]);
}

const struct op OP_SYMBOL(batch_norm) = {
    .name = "batch_norm",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct batch_norm_config),
    .plan = batch_norm_plan,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
};
