/* See optimizer.h. Each kernel reads parameter, gradient and moments once. */
#include "optimizer.h"
#include "kernels.h"
#include "optimizer_internal.h"
#include "vector_math.h"

#include <math.h>
#include <string.h>

/* ---- sgd: torch.optim.SGD with dampening 0; moment: velocity (with momentum) ---- */

enum { SGD_MOMENTUM, SGD_NESTEROV };

static void sgd_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    optimizer->settings[SGD_MOMENTUM] = attrs_number(attrs, "momentum");
    optimizer->settings[SGD_NESTEROV] = attrs_boolean(attrs, "nesterov") ? 1 : 0;
    optimizer->moments = optimizer->settings[SGD_MOMENTUM] > 0 ? 1 : 0;
}

enum { SGD_RATE, SGD_DECAY_OF_VELOCITY };

static void sgd_begin(const struct optimizer *optimizer, int64_t step,
                      double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    (void)step;
    constants[SGD_RATE] = (real)learning_rate;
    constants[SGD_DECAY_OF_VELOCITY] = (real)optimizer->settings[SGD_MOMENTUM];
}

MULTIVERSION static void sgd_plain(const struct update *u)
{
    real rate = u->constants[SGD_RATE], decay = u->weight_decay;
    real *restrict p = u->p;
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++)
        p[i] -= rate * (g[i] + decay * p[i]);
}

MULTIVERSION static void sgd_momentum(const struct update *u)
{
    real rate = u->constants[SGD_RATE], decay = u->weight_decay;
    real momentum = u->constants[SGD_DECAY_OF_VELOCITY];
    real *restrict p = u->p, *restrict velocity = u->moments[0];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        velocity[i] = momentum * velocity[i] + (g[i] + decay * p[i]);
        p[i] -= rate * velocity[i];
    }
}

MULTIVERSION static void sgd_nesterov(const struct update *u)
{
    real rate = u->constants[SGD_RATE], decay = u->weight_decay;
    real momentum = u->constants[SGD_DECAY_OF_VELOCITY];
    real *restrict p = u->p, *restrict velocity = u->moments[0];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = g[i] + decay * p[i];
        velocity[i] = momentum * velocity[i] + gradient;
        p[i] -= rate * (gradient + momentum * velocity[i]);
    }
}

static void sgd_update(const struct optimizer *optimizer, const struct update *update)
{
    if (optimizer->moments == 0)
        sgd_plain(update);
    else if (optimizer->settings[SGD_NESTEROV] > 0)
        sgd_nesterov(update);
    else
        sgd_momentum(update);
}

/* ---- rmsprop: torch.optim.RMSprop; moments: squares, means
 * if centered, velocity ---- */

enum { RMS_RHO, RMS_EPSILON, RMS_MOMENTUM, RMS_CENTERED };

static void rmsprop_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    double *settings = optimizer->settings;
    settings[RMS_RHO] = attrs_number(attrs, "rho");
    settings[RMS_EPSILON] = attrs_number(attrs, "epsilon");
    settings[RMS_MOMENTUM] = attrs_number(attrs, "momentum");
    settings[RMS_CENTERED] = attrs_boolean(attrs, "centered") ? 1 : 0;
    optimizer->moments =
        1 + (settings[RMS_CENTERED] > 0 ? 1 : 0) + (settings[RMS_MOMENTUM] > 0 ? 1 : 0);
}

enum { RMS_RATE, RMS_KEEP, RMS_TAKE, RMS_EPS, RMS_VELOCITY };

static void rmsprop_begin(const struct optimizer *optimizer, int64_t step,
                          double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    (void)step;
    constants[RMS_RATE] = (real)learning_rate;
    constants[RMS_KEEP] = (real)optimizer->settings[RMS_RHO];
    constants[RMS_TAKE] = (real)(1.0 - optimizer->settings[RMS_RHO]);
    constants[RMS_EPS] = (real)optimizer->settings[RMS_EPSILON];
    constants[RMS_VELOCITY] = (real)optimizer->settings[RMS_MOMENTUM];
}

/* One body for the four kinds; `centered` and `momentum` are constants where inlined. */
static inline __attribute__((always_inline)) void
rmsprop_loop(const struct update *u, bool centered, bool momentum)
{
    real rate = u->constants[RMS_RATE], keep = u->constants[RMS_KEEP];
    real take = u->constants[RMS_TAKE], epsilon = u->constants[RMS_EPS];
    real inertia = u->constants[RMS_VELOCITY], decay = u->weight_decay;
    real *restrict p = u->p, *restrict squares = u->moments[0];
    real *restrict means = centered ? u->moments[1] : NULL;
    real *restrict velocity = momentum ? u->moments[centered ? 2 : 1] : NULL;
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = g[i] + decay * p[i];
        squares[i] = keep * squares[i] + take * gradient * gradient;
        real variance = squares[i];
        if (centered) {
            means[i] = keep * means[i] + take * gradient;
            variance -= means[i] * means[i];
            variance = variance < 0 ? 0 : variance; /* rounding */
        }
        real direction = gradient / (real_sqrt(variance) + epsilon);
        if (momentum) {
            velocity[i] = inertia * velocity[i] + direction;
            direction = velocity[i];
        }
        p[i] -= rate * direction;
    }
}

MULTIVERSION static void rmsprop_plain(const struct update *u)
{
    rmsprop_loop(u, false, false);
}

MULTIVERSION static void rmsprop_momentum(const struct update *u)
{
    rmsprop_loop(u, false, true);
}

MULTIVERSION static void rmsprop_centered(const struct update *u)
{
    rmsprop_loop(u, true, false);
}

MULTIVERSION static void rmsprop_centered_momentum(const struct update *u)
{
    rmsprop_loop(u, true, true);
}

static void rmsprop_update(const struct optimizer *optimizer, const struct update *update)
{
    bool centered = optimizer->settings[RMS_CENTERED] > 0;
    bool momentum = optimizer->settings[RMS_MOMENTUM] > 0;
    if (centered && momentum)
        rmsprop_centered_momentum(update);
    else if (centered)
        rmsprop_centered(update);
    else if (momentum)
        rmsprop_momentum(update);
    else
        rmsprop_plain(update);
}

/* ---- adam (Kingma, Ba 2015) and adamw (Loshchilov, Hutter 2019); moments: mean of the
 * gradients, mean of their squares ---- */

enum { ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON };

static void adam_read(struct optimizer *optimizer, const struct attrs *attrs)
{
    optimizer->settings[ADAM_BETA_1] = attrs_number(attrs, "beta_1");
    optimizer->settings[ADAM_BETA_2] = attrs_number(attrs, "beta_2");
    optimizer->settings[ADAM_EPSILON] = attrs_number(attrs, "epsilon");
    optimizer->moments = 2;
}

enum {
    ADAM_RATE,
    ADAM_KEEP_1,
    ADAM_TAKE_1,
    ADAM_KEEP_2,
    ADAM_TAKE_2,
    ADAM_EPS,
    ADAM_UNBIAS
};

/* p -= rate / (1 - beta_1^t) * m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon), as in
 * PyTorch */
static void adam_begin(const struct optimizer *optimizer, int64_t step,
                       double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    double beta_1 = optimizer->settings[ADAM_BETA_1];
    double beta_2 = optimizer->settings[ADAM_BETA_2];
    constants[ADAM_RATE] = (real)(learning_rate / (1.0 - pow(beta_1, (double)step)));
    constants[ADAM_KEEP_1] = (real)beta_1;
    constants[ADAM_TAKE_1] = (real)(1.0 - beta_1);
    constants[ADAM_KEEP_2] = (real)beta_2;
    constants[ADAM_TAKE_2] = (real)(1.0 - beta_2);
    constants[ADAM_EPS] = (real)optimizer->settings[ADAM_EPSILON];
    constants[ADAM_UNBIAS] = (real)(1.0 / sqrt(1.0 - pow(beta_2, (double)step)));
}

/* `coupled`: weight decay is part of the gradient; otherwise `keep` shrinks p first. */
static inline __attribute__((always_inline)) void adam_loop(const struct update *u,
                                                            bool coupled, real keep)
{
    const real *c = u->constants;
    real rate = c[ADAM_RATE], keep_1 = c[ADAM_KEEP_1], take_1 = c[ADAM_TAKE_1];
    real keep_2 = c[ADAM_KEEP_2], take_2 = c[ADAM_TAKE_2];
    real epsilon = c[ADAM_EPS], unbias = c[ADAM_UNBIAS], decay = u->weight_decay;
    real *restrict p = u->p, *restrict m = u->moments[0], *restrict v = u->moments[1];
    const real *restrict g = u->g;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = coupled ? g[i] + decay * p[i] : g[i];
        m[i] = keep_1 * m[i] + take_1 * gradient;
        v[i] = keep_2 * v[i] + take_2 * gradient * gradient;
        real kept = coupled ? p[i] : keep * p[i];
        p[i] = kept - rate * m[i] / (real_sqrt(v[i]) * unbias + epsilon);
    }
}

MULTIVERSION static void adam_kernel(const struct update *u)
{
    adam_loop(u, true, 1);
}

static void adam_update(const struct optimizer *optimizer, const struct update *update)
{
    (void)optimizer;
    adam_kernel(update);
}

enum { ADAMW_RATE = ADAM_UNBIAS + 1 };

static void adamw_begin(const struct optimizer *optimizer, int64_t step,
                        double learning_rate, real constants[OPTIMIZER_MAX_CONSTANTS])
{
    adam_begin(optimizer, step, learning_rate, constants);
    constants[ADAMW_RATE] = (real)learning_rate;
}

MULTIVERSION static void adamw_kernel(const struct update *u)
{
    adam_loop(u, false, 1 - u->constants[ADAMW_RATE] * u->weight_decay);
}

static void adamw_update(const struct optimizer *optimizer, const struct update *update)
{
    (void)optimizer;
    adamw_kernel(update);
}

static const struct optimizer_type optimizer_sgd = {"sgd", sgd_read, sgd_begin,
                                                    sgd_update};
static const struct optimizer_type optimizer_rmsprop = {"rmsprop", rmsprop_read,
                                                        rmsprop_begin, rmsprop_update};
static const struct optimizer_type optimizer_adam = {"adam", adam_read, adam_begin,
                                                     adam_update};
static const struct optimizer_type optimizer_adamw = {"adamw", adam_read, adamw_begin,
                                                      adamw_update};

static const struct optimizer_type *const optimizer_table[] = {
    &optimizer_sgd,   &optimizer_rmsprop, &optimizer_adam,
    &optimizer_adamw, &optimizer_adagrad, &optimizer_adadelta,
    &optimizer_nadam, &optimizer_radam,   &optimizer_lion,
};

#define OPTIMIZERS (sizeof(optimizer_table) / sizeof(optimizer_table[0]))

const char *optimizer_name(size_t which)
{
    return which < OPTIMIZERS ? optimizer_table[which]->name : NULL;
}

int optimizer_init(struct optimizer *optimizer, const struct choice *choice,
                   struct error *err)
{
    for (size_t i = 0; i < OPTIMIZERS; i++) {
        if (strcmp(optimizer_table[i]->name, choice->type) != 0)
            continue;
        *optimizer = (struct optimizer){
            .type = optimizer_table[i],
            .learning_rate = attrs_number(&choice->attrs, "learning_rate"),
            .weight_decay = attrs_number(&choice->attrs, "weight_decay"),
            .decays_all =
                strcmp(attrs_string(&choice->attrs, "weight_decay_on"), "all") == 0,
        };
        optimizer_table[i]->read(optimizer, &choice->attrs);
        return 0;
    }
    return error_set(err, ERR_INVALID, "the engine has no optimizer \"%s\"",
                     choice->type);
}

void optimizer_begin(const struct optimizer *optimizer, int64_t step,
                     double learning_rate, struct optimizer_step *ret_step)
{
    *ret_step = (struct optimizer_step){.optimizer = optimizer,
                                        .weight_decay = (real)optimizer->weight_decay};
    optimizer->type->begin(optimizer, step, learning_rate, ret_step->constants);
}

void optimizer_update(const struct optimizer_step *step, bool decays, real *parameters,
                      const real *gradients, real *const *moments, size_t count)
{
    struct update update = {
        .constants = step->constants,
        .weight_decay = decays || step->optimizer->decays_all ? step->weight_decay : 0,
        .p = parameters,
        .g = gradients,
        .moments = moments,
        .count = count,
    };
    step->optimizer->type->update(step->optimizer, &update);
}
