/* See loss.h. Sums of losses are taken in double and in LANES partial sums, in a fixed
 * order; what follows the logits is vector code of the engine's own precision. */
#include "loss.h"
#include "kernels.h"
#include "vector_math.h"

#include <assert.h>
#include <math.h>

#define LANES 16

/* What a row of the table gets. */
struct loss_call {
    const real *output; /* [rows, width] */
    const void *target;
    size_t rows, width;
    real scale; /* of the gradient: 1 / (rows of the batch, times width for numbers) */
    real delta; /* huber */
    real *gradient; /* NULL: not wanted */
};

static double add_lanes(const double lanes[LANES])
{
    double sum = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* e[j] = e^(x[j] - largest) for one row; returns the sum. `e` may be NULL. A vector past
 * the end of the row is filled up with numbers whose power is 0. */
KERNEL static real row_powers(const real *x, size_t width, real largest, real *e)
{
    real sums[LANES] = {0};
    for (size_t j = 0; j < width; j += LANES) {
        real block[LANES];
        size_t count = width - j < LANES ? width - j : LANES;
        for (size_t lane = 0; lane < LANES; lane++)
            block[lane] = (real)-1e4;
        for (size_t lane = 0; lane < count; lane++)
            block[lane] = x[j + lane] - largest;
        for (size_t lane = 0; lane < LANES; lane++) {
            block[lane] = real_exp(block[lane]);
            sums[lane] += block[lane];
        }
        if (e) {
            for (size_t lane = 0; lane < count; lane++)
                e[j + lane] = block[lane];
        }
    }
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    }
    return sums[0];
}

/* loss = log(sum_j e^(x_j - max)) + max - x_label; its gradient is softmax(x) - one_hot.
 */
static void cross_entropy(const struct loss_call *call, struct loss_sums *sums)
{
    const int32_t *labels = call->target;
    for (size_t r = 0; r < call->rows; r++) {
        const real *x = call->output + r * call->width;
        real *gradient = call->gradient ? call->gradient + r * call->width : NULL;
        assert(labels[r] >= 0 && (size_t)labels[r] < call->width);
        size_t label = (size_t)labels[r], best = 0;
        for (size_t j = 1; j < call->width; j++)
            best = x[j] > x[best] ? j : best;
        real largest = x[best], of_label = x[label];
        real sum = row_powers(x, call->width, largest, gradient);
        sums->loss += log((double)sum) + ((double)largest - (double)of_label);
        sums->correct += best == label;
        if (gradient) {
            vector_scale(gradient, call->scale / sum, call->width);
            gradient[label] -= call->scale;
        }
    }
}

/* loss = log(1 + e^z) - z y for a logit z and a label y; gradient sigmoid(z) - y. */
static void binary_cross_entropy(const struct loss_call *call, struct loss_sums *sums)
{
    const int32_t *labels = call->target;
    assert(call->width == 1);
    for (size_t r = 0; r < call->rows; r++) {
        real z = call->output[r], y = (real)labels[r];
        assert(labels[r] == 0 || labels[r] == 1);
        sums->loss += (double)(real_softplus(z) - z * y);
        sums->correct += (z > 0) == (labels[r] == 1);
        if (call->gradient)
            call->gradient[r] = (real_sigmoid(z) - y) * call->scale;
    }
}

/*
 * Losses of one number's error e = output - target: an inline value and slope, made into
 * the loop over a slice by NUMBER_LOSS.
 */
struct number_sums {
    double loss[LANES], absolute[LANES], square[LANES], target[LANES],
        target_square[LANES];
};

#define NUMBER_LOSS(function)                                                            \
    static inline void function##_one(const struct loss_call *call, size_t i,            \
                                      struct number_sums *sums, size_t lane)             \
    {                                                                                    \
        const float *targets = call->target;                                             \
        real e = call->output[i] - (real)targets[i];                                     \
        double t = (double)targets[i];                                                   \
        sums->loss[lane] += (double)function##_value(e, call->delta);                    \
        sums->absolute[lane] += fabs((double)e);                                         \
        sums->square[lane] += (double)e * (double)e;                                     \
        sums->target[lane] += t;                                                         \
        sums->target_square[lane] += t * t;                                              \
        if (call->gradient)                                                              \
            call->gradient[i] = function##_slope(e, call->delta) * call->scale;          \
    }                                                                                    \
    static void function(const struct loss_call *call, struct loss_sums *sums)           \
    {                                                                                    \
        struct number_sums lanes = {0};                                                  \
        size_t count = call->rows * call->width;                                         \
        for (size_t i = 0; i < count; i++)                                               \
            function##_one(call, i, &lanes, i % LANES);                                  \
        add_numbers(call, &lanes, sums);                                                 \
    }

static void add_numbers(const struct loss_call *call, const struct number_sums *lanes,
                        struct loss_sums *sums)
{
    sums->loss += add_lanes(lanes->loss) / (double)call->width;
    sums->absolute_error += add_lanes(lanes->absolute);
    sums->squared_error += add_lanes(lanes->square);
    sums->target_sum += add_lanes(lanes->target);
    sums->target_square_sum += add_lanes(lanes->target_square);
    sums->values += call->rows * call->width;
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

static const struct {
    bool labels;
    void (*compute)(const struct loss_call *call, struct loss_sums *sums);
} loss_table[] = {
    [LOSS_CROSS_ENTROPY] = {true, cross_entropy},
    [LOSS_BINARY_CROSS_ENTROPY] = {true, binary_cross_entropy},
    [LOSS_MSE] = {false, mse},
    [LOSS_MAE] = {false, mae},
    [LOSS_HUBER] = {false, huber},
};

void loss_compute(const struct loss_spec *loss, const real *output, const void *target,
                  size_t rows, size_t width, size_t batch_rows, real *gradient,
                  struct loss_sums *sums)
{
    bool labels = loss_table[loss->type].labels;
    struct loss_call call = {
        .output = output,
        .target = target,
        .rows = rows,
        .width = width,
        .scale = (real)(1.0 / (double)(labels ? batch_rows : batch_rows * width)),
        .delta = (real)loss->delta,
        .gradient = gradient,
    };
    loss_table[loss->type].compute(&call, sums);
    sums->rows += rows;
}

bool loss_takes_labels(enum loss_type type)
{
    return loss_table[type].labels;
}

size_t loss_target_bytes(enum loss_type type, size_t width)
{
    return loss_table[type].labels ? sizeof(int32_t) : width * sizeof(float);
}

void loss_sums_add(struct loss_sums *sums, const struct loss_sums *more)
{
    sums->loss += more->loss;
    sums->rows += more->rows;
    sums->correct += more->correct;
    sums->absolute_error += more->absolute_error;
    sums->squared_error += more->squared_error;
    sums->target_sum += more->target_sum;
    sums->target_square_sum += more->target_square_sum;
    sums->values += more->values;
}

double loss_sums_loss(const struct loss_sums *sums)
{
    return sums->rows > 0 ? sums->loss / (double)sums->rows : (double)NAN;
}

double loss_sums_accuracy(const struct loss_sums *sums)
{
    return sums->rows > 0 ? (double)sums->correct / (double)sums->rows : (double)NAN;
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
