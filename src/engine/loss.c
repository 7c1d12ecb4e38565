/* See loss.h. Sums over rows are taken in double, in a fixed order; what is done to each
 * number is vector code of the engine's own precision, in blocks that stay in the cache.
 */
#include "loss.h"
#include "kernels.h"
#include "vector_math.h"

#include <assert.h>
#include <math.h>

/* What a row of the table gets. */
struct loss_call {
    const real *output; /* [rows, width] */
    const void *target;
    size_t rows, width;
    real scale; /* of the gradient: 1 / (weight of the batch, times width for numbers) */
    const double *weights; /* of the classes; NULL: all 1 */
    real delta;            /* huber */
    real smoothing;        /* cross entropy */
    real positive_weight;  /* binary cross entropy */
    double gamma;          /* focal */
    real *gradient;        /* NULL: not wanted */
};

/* Numbers worked on at a time. */
#define BLOCK 1024

/* The sum of e^(x[j] - largest) over a row; the powers go to `gradient` unless it is
 * NULL. */
static real row_powers(const real *x, size_t width, real largest, real *gradient)
{
    if (gradient)
        return vector_exp(x, largest, gradient, width);
    real sum = 0;
    for (size_t j = 0; j < width; j += BLOCK) {
        real block[BLOCK];
        sum += vector_exp(x + j, largest, block, width - j < BLOCK ? width - j : BLOCK);
    }
    return sum;
}

/* A row of logits under softmax. */
struct softmax_row {
    real *gradient; /* holds e^(x[j] - max); NULL: not wanted */
    size_t label;
    real sum;   /* of the powers */
    double nll; /* -log(softmax of the label) */
};

static struct softmax_row softmax_row(const struct loss_call *call, size_t r,
                                      struct loss_sums *sums)
{
    const int32_t *labels = call->target;
    const real *x = call->output + r * call->width;
    assert(labels[r] >= 0 && (size_t)labels[r] < call->width);
    struct softmax_row row = {
        .gradient = call->gradient ? call->gradient + r * call->width : NULL,
        .label = (size_t)labels[r],
    };
    real largest = vector_max(x, call->width), of_label = x[row.label];
    bool correct = of_label >= largest; /* the first, where several are largest: */
    for (size_t j = 0; correct && j < row.label; j++)
        correct = x[j] < largest;
    sums->correct += correct;
    row.sum = row_powers(x, call->width, largest, row.gradient);
    row.nll = log((double)row.sum) + ((double)largest - (double)of_label);
    sums->nll += row.nll;
    return row;
}

static double class_weight(const struct loss_call *call, size_t label)
{
    return call->weights ? call->weights[label] : 1.0;
}

/* The mean over j of w_j x_j, and, for no x, that of w_j. */
static double weighted_mean(const struct loss_call *call, const real *x)
{
    if (!call->weights)
        return x ? vector_sum(x, call->width) / (double)call->width : 1.0;
    double sum = 0;
    for (size_t j = 0; j < call->width; j++)
        sum += call->weights[j] * (x ? (double)x[j] : 1.0);
    return sum / (double)call->width;
}

/*
 * loss = nll = log(sum_j e^(x_j - max)) + max - x_label; its gradient is
 * softmax(x) - one_hot. With label smoothing s the target is one_hot (1 - s) + s / width:
 * loss = nll + s (x_label - mean of x), gradient softmax(x) - target. Class weights w
 * weigh each class's part of the target: loss = sum_j w_j target_j nll_j, gradient
 * softmax(x) sum_j w_j target_j - w target.
 */
static void cross_entropy(const struct loss_call *call, struct loss_sums *sums)
{
    const int32_t *labels = call->target;
    real smoothing = call->smoothing, share = call->scale * smoothing / (real)call->width;
    double s = (double)smoothing, every = weighted_mean(call, NULL);
    for (size_t r = 0; r < call->rows; r++) {
        const real *x = call->output + r * call->width;
        double mean = 0, of_label = 0; /* before the gradient may overwrite x */
        if (smoothing > 0) {
            mean = weighted_mean(call, x);
            of_label = (double)x[labels[r]];
        }
        struct softmax_row row = softmax_row(call, r, sums);
        double weight = class_weight(call, row.label);
        sums->loss += weight * row.nll;
        if (smoothing > 0)
            sums->loss += s * ((every - weight) * row.nll + every * of_label - mean);
        if (!row.gradient)
            continue;
        real total = (real)(weight + s * (every - weight));
        vector_scale(row.gradient, call->scale * total / row.sum, call->width);
        for (size_t j = 0; smoothing > 0 && j < call->width; j++)
            row.gradient[j] -= share * (real)class_weight(call, j);
        row.gradient[row.label] -= call->scale * (1 - smoothing) * (real)weight;
    }
}

/* loss = (1 - p)^gamma nll with p = e^-nll; gradient
 * ((1 - p)^gamma + gamma (1 - p)^(gamma - 1) p nll) (softmax(x) - one_hot). */
static void focal(const struct loss_call *call, struct loss_sums *sums)
{
    for (size_t r = 0; r < call->rows; r++) {
        struct softmax_row row = softmax_row(call, r, sums);
        double rest = -expm1(-row.nll), gamma = call->gamma, factor = 0;
        double weight = class_weight(call, row.label);
        rest = rest < 0 ? 0 : rest; /* rounding; a NaN stays */
        sums->loss += weight * pow(rest, gamma) * row.nll;
        if (!row.gradient)
            continue;
        if (rest > 0)
            factor =
                pow(rest, gamma) + gamma * pow(rest, gamma - 1) * (1 - rest) * row.nll;
        real scale = call->scale * (real)(weight * factor);
        vector_scale(row.gradient, scale / row.sum, call->width);
        row.gradient[row.label] -= scale;
    }
}

/* loss = log(1 + e^z) - z y for a logit z and a label y; gradient sigmoid(z) - y. Both
 * times the weight of positives where y is 1. */
static void binary_cross_entropy(const struct loss_call *call, struct loss_sums *sums)
{
    const int32_t *labels = call->target;
    assert(call->width == 1);
    for (size_t r = 0; r < call->rows; r++) {
        real z = call->output[r], y = (real)labels[r];
        assert(labels[r] == 0 || labels[r] == 1);
        real weight = labels[r] == 1 ? call->positive_weight : 1;
        sums->loss += (double)(weight * (real_softplus(z) - z * y));
        sums->correct += (z > 0) == (labels[r] == 1);
        if (call->gradient)
            call->gradient[r] = weight * (real_sigmoid(z) - y) * call->scale;
    }
}

/* Adds the figures of a block of errors e = output - target;
 * `values` are their losses. */
static void add_block(const struct loss_call *call, const real *errors,
                      const real *values, const real *targets, size_t count,
                      struct loss_sums *sums)
{
    sums->loss += vector_sum(values, count) / (double)call->width;
    sums->absolute_error += vector_absolute_sum(errors, count);
    sums->squared_error += vector_square_sum(errors, count);
    sums->target_sum += vector_sum(targets, count);
    sums->target_square_sum += vector_square_sum(targets, count);
    sums->values += count;
}

/*
 * Losses of one number's error e: an inline value and slope, made into the loop over a
 * slice by NUMBER_LOSS.
 */
#define NUMBER_LOSS(function)                                                            \
    MULTIVERSION static void function##_block(const struct loss_call *call,              \
                                              size_t first, size_t count, real *errors,  \
                                              real *values, real *targets)               \
    {                                                                                    \
        const real *output = call->output + first;                                       \
        const float *target = (const float *)call->target + first;                       \
        real delta = call->delta, scale = call->scale;                                   \
        ELEMENTWISE                                                                      \
        for (size_t i = 0; i < count; i++) {                                             \
            targets[i] = (real)target[i];                                                \
            errors[i] = output[i] - targets[i];                                          \
            values[i] = function##_value(errors[i], delta);                              \
        }                                                                                \
        if (!call->gradient)                                                             \
            return;                                                                      \
        real *gradient = call->gradient + first;                                         \
        ELEMENTWISE                                                                      \
        for (size_t i = 0; i < count; i++)                                               \
            gradient[i] = function##_slope(errors[i], delta) * scale;                    \
    }                                                                                    \
    static void function(const struct loss_call *call, struct loss_sums *sums)           \
    {                                                                                    \
        size_t total = call->rows * call->width;                                         \
        for (size_t first = 0; first < total; first += BLOCK) {                          \
            real errors[BLOCK], values[BLOCK], targets[BLOCK];                           \
            size_t count = total - first < BLOCK ? total - first : BLOCK;                \
            function##_block(call, first, count, errors, values, targets);               \
            add_block(call, errors, values, targets, count, sums);                       \
        }                                                                                \
    }

static inline real mse_value(real e, real delta)
{
    (void)delta;
    return e * e;
}

static inline real mse_slope(real e, real delta)
{
    (void)delta;
    return 2 * e;
}

NUMBER_LOSS(mse)

static inline real mae_value(real e, real delta)
{
    (void)delta;
    return e < 0 ? -e : e;
}

static inline real mae_slope(real e, real delta)
{
    (void)delta;
    return (real)((e > 0) - (e < 0));
}

NUMBER_LOSS(mae)

/* e² / 2 up to delta, then the tangent (Huber 1964). */
static inline real huber_value(real e, real delta)
{
    real magnitude = e < 0 ? -e : e;
    return magnitude < delta ? e * e / 2 : delta * (magnitude - delta / 2);
}

static inline real huber_slope(real e, real delta)
{
    real high = e > delta ? delta : e;
    return high < -delta ? -delta : high;
}

NUMBER_LOSS(huber)

/* log(cosh(e)) = |e| + log(1 + e^(-2 |e|)) - log(2), which does not overflow. */
static inline real log_cosh_value(real e, real delta)
{
    (void)delta;
    real magnitude = e < 0 ? -e : e;
    return magnitude + real_softplus(-2 * magnitude) - (real)0.69314718055994530942;
}

static inline real log_cosh_slope(real e, real delta)
{
    (void)delta;
    return real_tanh(e);
}

NUMBER_LOSS(log_cosh)

static const struct {
    bool labels;
    void (*compute)(const struct loss_call *call, struct loss_sums *sums);
} loss_table[] = {
    [LOSS_CROSS_ENTROPY] = {true, cross_entropy},
    [LOSS_BINARY_CROSS_ENTROPY] = {true, binary_cross_entropy},
    [LOSS_MSE] = {false, mse},
    [LOSS_MAE] = {false, mae},
    [LOSS_HUBER] = {false, huber},
    [LOSS_LOG_COSH] = {false, log_cosh},
    [LOSS_FOCAL] = {true, focal},
};

void loss_compute_share(const struct loss_spec *loss, const real *output,
                        const void *target, size_t rows, size_t width, double divisor,
                        real *gradient, struct loss_sums *sums)
{
    bool labels = loss_table[loss->type].labels;
    struct loss_call call = {
        .output = output,
        .target = target,
        .rows = rows,
        .width = width,
        .scale = (real)(1.0 / (labels ? divisor : divisor * (double)width)),
        .weights = loss->class_weights,
        .delta = (real)loss->delta,
        .smoothing = (real)loss->label_smoothing,
        .positive_weight = (real)(loss->pos_weight > 0 ? loss->pos_weight : 1),
        .gamma = loss->gamma,
        .gradient = gradient,
    };
    loss_table[loss->type].compute(&call, sums);
    sums->rows += rows;
    sums->weight += loss_weight(loss, target, rows);
}

void loss_compute(const struct loss_spec *loss, const real *output, const void *target,
                  size_t rows, size_t width, size_t batch_rows, real *gradient,
                  struct loss_sums *sums)
{
    assert(!loss->class_weights || !gradient || rows == batch_rows);
    double divisor =
        loss->class_weights ? loss_weight(loss, target, rows) : (double)batch_rows;
    loss_compute_share(loss, output, target, rows, width, divisor, gradient, sums);
}

double loss_weight(const struct loss_spec *loss, const void *target, size_t rows)
{
    if (!loss->class_weights)
        return (double)rows;
    const int32_t *labels = target;
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        sum += loss->class_weights[labels[r]];
    return sum;
}

bool loss_takes_labels(enum loss_type type)
{
    return loss_table[type].labels;
}

struct loss_layout loss_layout_of(enum loss_type type, const struct shape *output)
{
    size_t numbers = (size_t)shape_elements(output);
    if (!loss_table[type].labels)
        return (struct loss_layout){.positions = 1, .width = numbers};
    size_t width = (size_t)output->dims[output->rank - 1];
    return (struct loss_layout){.positions = numbers / width, .width = width};
}

size_t loss_target_bytes(enum loss_type type, size_t width)
{
    return loss_table[type].labels ? sizeof(int32_t) : width * sizeof(float);
}

void loss_sums_add(struct loss_sums *sums, const struct loss_sums *more)
{
    sums->loss += more->loss;
    sums->weight += more->weight;
    sums->rows += more->rows;
    sums->correct += more->correct;
    sums->nll += more->nll;
    sums->absolute_error += more->absolute_error;
    sums->squared_error += more->squared_error;
    sums->target_sum += more->target_sum;
    sums->target_square_sum += more->target_square_sum;
    sums->values += more->values;
}

double loss_sums_loss(const struct loss_sums *sums)
{
    return sums->rows > 0 ? sums->loss / sums->weight : (double)NAN;
}

double loss_sums_accuracy(const struct loss_sums *sums)
{
    return sums->rows > 0 ? (double)sums->correct / (double)sums->rows : (double)NAN;
}

double loss_sums_perplexity(const struct loss_sums *sums)
{
    return sums->rows > 0 ? exp(sums->nll / (double)sums->rows) : (double)NAN;
}

double loss_sums_mae(const struct loss_sums *sums)
{
    return sums->values > 0 ? sums->absolute_error / (double)sums->values : (double)NAN;
}

double loss_sums_r2(const struct loss_sums *sums)
{
    if (sums->values == 0)
        return (double)NAN;
    double mean = sums->target_sum / (double)sums->values;
    double variation = sums->target_square_sum - mean * sums->target_sum;
    return variation > 0 ? 1.0 - sums->squared_error / variation : (double)NAN;
}
