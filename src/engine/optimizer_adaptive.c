/* See optimizer.h. Each kernel reads parameter, gradient and moments once. */
#include "kernels.h"
#include "optimizer_internal.h"
#include "vector_math.h"

#include <math.h>

/* ---- adagrad: torch.optim.Adagrad; moment: sum of squares ---- */

enum { ADAGRAD_RATE_DECAY, ADAGRAD_EPSILON };

static void adagrad_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    optimizer->settings[ADAGRAD_RATE_DECAY] = attrs_number(attrs, "learning_rate_decay");
    optimizer->settings[ADAGRAD_EPSILON] = attrs_number(attrs, "epsilon");
    optimizer->moments = 1;
}

enum { ADAGRAD_RATE, ADAGRAD_EPS };

static void adagrad_begin(const struct optimizer *optimizer, int64_t step,
                          double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    double decay = optimizer->settings[ADAGRAD_RATE_DECAY];
    constants[ADAGRAD_RATE] = (real)(learning_rate / (1.0 + (double)(step - 1) * decay));
    constants[ADAGRAD_EPS] = (real)optimizer->settings[ADAGRAD_EPSILON];
}

MULTIVERSION static void adagrad_kernel(const struct update *u)
{
    real rate = u->constants[ADAGRAD_RATE], epsilon = u->constants[ADAGRAD_EPS];
    real decay = u->weight_decay;
    real *restrict p = u->p, *restrict squares = u->moments[0];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = g[i] + decay * p[i];
        squares[i] += gradient * gradient;
        p[i] -= rate * gradient / (real_sqrt(squares[i]) + epsilon);
    }
}

static void adagrad_update(const struct optimizer *optimizer, const struct update *update)
{
    (void)optimizer;
    adagrad_kernel(update);
}

const struct optimizer_type optimizer_adagrad = {"adagrad", adagrad_read, adagrad_begin,
                                                 adagrad_update};

/* ---- adadelta: torch.optim.Adadelta; moments: squares, squares of the changes ---- */

enum { ADADELTA_RHO, ADADELTA_EPSILON };

static void adadelta_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    optimizer->settings[ADADELTA_RHO] = attrs_number(attrs, "rho");
    optimizer->settings[ADADELTA_EPSILON] = attrs_number(attrs, "epsilon");
    optimizer->moments = 2;
}

enum { ADADELTA_RATE, ADADELTA_KEEP, ADADELTA_TAKE, ADADELTA_EPS };

static void adadelta_begin(const struct optimizer *optimizer, int64_t step,
                           double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    (void)step;
    constants[ADADELTA_RATE] = (real)learning_rate;
    constants[ADADELTA_KEEP] = (real)optimizer->settings[ADADELTA_RHO];
    constants[ADADELTA_TAKE] = (real)(1.0 - optimizer->settings[ADADELTA_RHO]);
    constants[ADADELTA_EPS] = (real)optimizer->settings[ADADELTA_EPSILON];
}

MULTIVERSION static void adadelta_kernel(const struct update *u)
{
    real rate = u->constants[ADADELTA_RATE], keep = u->constants[ADADELTA_KEEP];
    real take = u->constants[ADADELTA_TAKE], epsilon = u->constants[ADADELTA_EPS];
    real decay = u->weight_decay;
    real *restrict p = u->p, *restrict squares = u->moments[0];
    real *restrict changes = u->moments[1];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = g[i] + decay * p[i];
        squares[i] = keep * squares[i] + take * gradient * gradient;
        real change =
            real_sqrt(changes[i] + epsilon) / real_sqrt(squares[i] + epsilon) * gradient;
        changes[i] = keep * changes[i] + take * change * change;
        p[i] -= rate * change;
    }
}

static void adadelta_update(const struct optimizer *optimizer,
                            const struct update *update)
{
    (void)optimizer;
    adadelta_kernel(update);
}

const struct optimizer_type optimizer_adadelta = {"adadelta", adadelta_read,
                                                  adadelta_begin, adadelta_update};

/* ---- the kin of Adam; moments: mean, mean of squares ---- */

enum { BETA_1, BETA_2, EPSILON, MOMENTUM_DECAY };

static void read_betas(struct optimizer *optimizer, const struct attrs *attrs)
{
    optimizer->settings[BETA_1] = attrs_number(attrs, "beta_1");
    optimizer->settings[BETA_2] = attrs_number(attrs, "beta_2");
}

enum { KEEP_1, TAKE_1, KEEP_2, TAKE_2, FIRST_OWN };

static void begin_betas(const struct optimizer *optimizer,
                        real constants[OPTIMIZER_MAX_CONSTANTS])
{
    constants[KEEP_1] = (real)optimizer->settings[BETA_1];
    constants[TAKE_1] = (real)(1.0 - optimizer->settings[BETA_1]);
    constants[KEEP_2] = (real)optimizer->settings[BETA_2];
    constants[TAKE_2] = (real)(1.0 - optimizer->settings[BETA_2]);
}

/* ---- nadam: torch.optim.NAdam ---- */

static void nadam_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    read_betas(optimizer, attrs);
    optimizer->settings[EPSILON] = attrs_number(attrs, "epsilon");
    optimizer->settings[MOMENTUM_DECAY] = attrs_number(attrs, "momentum_decay");
    optimizer->moments = 2;
}

/* A product of momenta below this is lost in 1 - product. */
#define NO_PRODUCT 1e-17

enum { NADAM_OF_GRADIENT = FIRST_OWN, NADAM_OF_MEAN, NADAM_UNBIAS, NADAM_EPS };

/* The product of the steps' momenta is worked out anew in each step, so that it needs no
 * place in a checkpoint; it soon is too small to matter. */
static void nadam_begin(const struct optimizer *optimizer, int64_t step,
                        double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    const double *settings = optimizer->settings;
    double fade = pow(0.96, settings[MOMENTUM_DECAY]), faded = 1, product = 1;
    for (int64_t t = 1; t <= step && product > NO_PRODUCT; t++) {
        faded *= fade;
        product *= settings[BETA_1] * (1.0 - 0.5 * faded);
    }
    double decay = settings[MOMENTUM_DECAY];
    double now = settings[BETA_1] * (1.0 - 0.5 * pow(0.96, (double)step * decay));
    double next = settings[BETA_1] * (1.0 - 0.5 * pow(0.96, (double)(step + 1) * decay));
    begin_betas(optimizer, constants);
    constants[NADAM_OF_GRADIENT] = (real)(learning_rate * (1.0 - now) / (1.0 - product));
    constants[NADAM_OF_MEAN] = (real)(learning_rate * next / (1.0 - product * next));
    constants[NADAM_UNBIAS] =
        (real)(1.0 / sqrt(1.0 - pow(settings[BETA_2], (double)step)));
    constants[NADAM_EPS] = (real)settings[EPSILON];
}

MULTIVERSION static void nadam_kernel(const struct update *u)
{
    const real *c = u->constants;
    real keep_1 = c[KEEP_1], take_1 = c[TAKE_1], keep_2 = c[KEEP_2], take_2 = c[TAKE_2];
    real of_gradient = c[NADAM_OF_GRADIENT], of_mean = c[NADAM_OF_MEAN];
    real unbias = c[NADAM_UNBIAS], epsilon = c[NADAM_EPS], decay = u->weight_decay;
    real *restrict p = u->p, *restrict m = u->moments[0], *restrict v = u->moments[1];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = g[i] + decay * p[i];
        m[i] = keep_1 * m[i] + take_1 * gradient;
        v[i] = keep_2 * v[i] + take_2 * gradient * gradient;
        p[i] -= (of_gradient * gradient + of_mean * m[i]) /
                (real_sqrt(v[i]) * unbias + epsilon);
    }
}

static void nadam_update(const struct optimizer *optimizer, const struct update *update)
{
    (void)optimizer;
    nadam_kernel(update);
}

const struct optimizer_type optimizer_nadam = {"nadam", nadam_read, nadam_begin,
                                               nadam_update};

/* ---- radam: torch.optim.RAdam ---- */

static void radam_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    read_betas(optimizer, attrs);
    optimizer->settings[EPSILON] = attrs_number(attrs, "epsilon");
    optimizer->moments = 2;
}

/* Length of the average's memory from which its variance is tractable: Liu et al. 2020
 * have 4, PyTorch 5. */
#define TRACTABLE 5.0

enum { RADAM_RATE = FIRST_OWN, RADAM_EPS, RADAM_RECTIFIES };

static void radam_begin(const struct optimizer *optimizer, int64_t step,
                        double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    double t = (double)step, beta_2 = optimizer->settings[BETA_2];
    double correction_2 = 1.0 - pow(beta_2, t);
    double longest = 2.0 / (1.0 - beta_2) - 1.0;
    double length = longest - 2.0 * t * pow(beta_2, t) / correction_2;
    double rate = learning_rate / (1.0 - pow(optimizer->settings[BETA_1], t));
    if (length > TRACTABLE)
        rate *= sqrt((length - 4.0) * (length - 2.0) * longest * correction_2 /
                     ((longest - 4.0) * (longest - 2.0) * length));
    begin_betas(optimizer, constants);
    constants[RADAM_RATE] = (real)rate;
    constants[RADAM_EPS] = (real)optimizer->settings[EPSILON];
    constants[RADAM_RECTIFIES] = length > TRACTABLE ? 1 : 0;
}

/* `rectifies`: the steps are adaptive; before, they go along the mean. */
static inline __attribute__((always_inline)) void radam_loop(const struct update *u,
                                                             bool rectifies)
{
    const real *c = u->constants;
    real keep_1 = c[KEEP_1], take_1 = c[TAKE_1], keep_2 = c[KEEP_2], take_2 = c[TAKE_2];
    real rate = c[RADAM_RATE], epsilon = c[RADAM_EPS], decay = u->weight_decay;
    real *restrict p = u->p, *restrict m = u->moments[0], *restrict v = u->moments[1];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = g[i] + decay * p[i];
        m[i] = keep_1 * m[i] + take_1 * gradient;
        v[i] = keep_2 * v[i] + take_2 * gradient * gradient;
        p[i] -= rectifies ? rate * m[i] / (real_sqrt(v[i]) + epsilon) : rate * m[i];
    }
}

MULTIVERSION static void radam_along_mean(const struct update *u)
{
    radam_loop(u, false);
}

MULTIVERSION static void radam_rectified(const struct update *u)
{
    radam_loop(u, true);
}

static void radam_update(const struct optimizer *optimizer, const struct update *update)
{
    (void)optimizer;
    if (update->constants[RADAM_RECTIFIES] > 0)
        radam_rectified(update);
    else
        radam_along_mean(update);
}

const struct optimizer_type optimizer_radam = {"radam", radam_read, radam_begin,
                                               radam_update};

/* ---- lion: Chen et al. 2023, algorithm 2; moment: mean ---- */

static void lion_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    read_betas(optimizer, attrs);
    optimizer->moments = 1;
}

enum { LION_RATE = FIRST_OWN };

static void lion_begin(const struct optimizer *optimizer, int64_t step,
                       double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    (void)step;
    begin_betas(optimizer, constants);
    constants[LION_RATE] = (real)learning_rate;
}

MULTIVERSION static void lion_kernel(const struct update *u)
{
    const real *c = u->constants;
    real keep_1 = c[KEEP_1], take_1 = c[TAKE_1], keep_2 = c[KEEP_2], take_2 = c[TAKE_2];
    real rate = c[LION_RATE], kept = 1 - rate * u->weight_decay;
    real *restrict p = u->p, *restrict m = u->moments[0];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real direction = keep_1 * m[i] + take_1 * g[i];
        m[i] = keep_2 * m[i] + take_2 * g[i];
        /* A NaN stays one, so that a run that diverged is seen to. */
        real sign = direction > 0 ? 1 : direction < 0 ? -1 : direction;
        p[i] = kept * p[i] - rate * sign;
    }
}

static void lion_update(const struct optimizer *optimizer, const struct update *update)
{
    (void)optimizer;
    lion_kernel(update);
}

const struct optimizer_type optimizer_lion = {"lion", lion_read, lion_begin, lion_update};
