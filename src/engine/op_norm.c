/*
 * Normalization of each position's vector over the last axis.
 *
 *   layer_norm   y = z w + b, z = (x - mean) r, r = 1 / sqrt(variance + epsilon)
 *                (Ba et al. 2016)
 *   rms_norm     y = z w, z = x r, r = 1 / sqrt(mean of x² + epsilon)
 *                (Zhang and Sennrich 2019)
 *
 * With g = dy w and means over the vector:
 *
 *   dx = r (g - mean(g) - z mean(g z)), without mean(g) for rms_norm
 *   dw = sum of dy z    db = sum of dy
 */
#include "kernels.h"
#include "op.h"

#include <math.h>
#include <string.h>

enum { WEIGHT, BIAS };

struct norm_config {
    size_t width, positions; /* of a row */
    double epsilon;
    bool centered; /* layer_norm */
};

static int norm_plan(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct norm_config *config = node->config;
    config->width = node->params[WEIGHT].count;
    config->positions = node->width / config->width;
    config->epsilon = attrs_number(&node->layer->attrs, "epsilon");
    config->centered = node->param_count > BIAS;
    node->saved_width = 2 * config->positions; /* mean and r of each */
    return 0;
}

/* Sum of (x - mean)². */
MULTIVERSION static double square_deviations(const real *x, real mean, size_t count)
{
    real_lanes sums = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        real_lanes d = *(const real_lanes *)(x + i) - mean;
        sums += d * d;
    }
    real sum = lanes_sum(&sums);
    for (; i < count; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return (double)sum;
}

/* y = (x - mean) r w, and + b unless NULL */
MULTIVERSION static void normalize(const real *restrict x, real mean, real r,
                                   const real *restrict w, const real *b,
                                   real *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (x[i] - mean) * r * w[i];
    for (size_t i = 0; b && i < count; i++)
        y[i] += b[i];
}

static void norm_forward(const struct node *node, const struct op_call *call)
{
    const struct norm_config *config = node->config;
    size_t width = config->width;
    const real *bias = config->centered ? call->params[BIAS] : NULL;
    for (size_t p = 0; p < call->rows * config->positions; p++) {
        const real *x = call->x[0] + p * width;
        real mean =
            config->centered ? (real)(vector_sum(x, width) / (double)width) : (real)0;
        double variance = square_deviations(x, mean, width) / (double)width;
        real r = (real)(1 / sqrt(variance + config->epsilon));
        normalize(x, mean, r, call->params[WEIGHT], bias, call->y + p * width, width);
        if (call->saved) {
            call->saved[2 * p] = mean;
            call->saved[2 * p + 1] = r;
        }
    }
}

struct norm_vector {
    const real *x, *dy, *w;
    real mean, r;
    size_t count;
};

/* Adds to dw and, unless it is NULL, db; returns the sums of g and g z. */
MULTIVERSION static void norm_sums(const struct norm_vector *v, real *restrict dw,
                                   real *db, real ret_sums[2])
{
    const real *restrict x = v->x, *restrict dy = v->dy, *restrict w = v->w;
    real_lanes sums = {0}, products = {0};
    size_t i = 0;
    for (; i + LANES <= v->count; i += LANES) {
        real_lanes z = (*(const real_lanes *)(x + i) - v->mean) * v->r;
        real_lanes d = *(const real_lanes *)(dy + i);
        real_lanes g = d * *(const real_lanes *)(w + i);
        sums += g;
        products += g * z;
        *(real_lanes *)(dw + i) += d * z;
    }
    ret_sums[0] = lanes_sum(&sums);
    ret_sums[1] = lanes_sum(&products);
    for (; i < v->count; i++) {
        real z = (x[i] - v->mean) * v->r;
        ret_sums[0] += dy[i] * w[i];
        ret_sums[1] += dy[i] * w[i] * z;
        dw[i] += dy[i] * z;
    }
    for (i = 0; db && i < v->count; i++)
        db[i] += dy[i];
}

/* dx = r (g - mean_g - z mean_gz) */
MULTIVERSION static void norm_gradient(const struct norm_vector *v, real mean_g,
                                       real mean_gz, real *restrict dx)
{
    const real *restrict x = v->x, *restrict dy = v->dy, *restrict w = v->w;
    real mean = v->mean, r = v->r;
    for (size_t i = 0; i < v->count; i++)
        dx[i] = r * (dy[i] * w[i] - mean_g - (x[i] - mean) * r * mean_gz);
}

static void norm_backward(const struct node *node, const struct op_call *call)
{
    const struct norm_config *config = node->config;
    size_t width = config->width;
    real *dw = call->gradients[WEIGHT];
    real *db = config->centered ? call->gradients[BIAS] : NULL;
    memset(dw, 0, width * sizeof(real));
    if (db)
        memset(db, 0, width * sizeof(real));
    for (size_t p = 0; p < call->rows * config->positions; p++) {
        struct norm_vector v = {
            .x = call->x[0] + p * width,
            .dy = call->dy + p * width,
            .w = call->params[WEIGHT],
            .mean = call->saved[2 * p],
            .r = call->saved[2 * p + 1],
            .count = width,
        };
        real sums[2];
        norm_sums(&v, dw, db, sums);
        if (call->dx[0])
            norm_gradient(&v, config->centered ? sums[0] / (real)width : 0,
                          sums[1] / (real)width, call->dx[0] + p * width);
    }
}

const struct op OP_SYMBOL(layer_norm) = {
    .name = "layer_norm",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct norm_config),
    .plan = norm_plan,
    .forward = norm_forward,
    .backward = norm_backward,
};

const struct op OP_SYMBOL(rms_norm) = {
    .name = "rms_norm",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct norm_config),
    .plan = norm_plan,
    .forward = norm_forward,
    .backward = norm_backward,
};
