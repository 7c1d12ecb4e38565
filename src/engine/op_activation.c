/*
 * Activations: functions of one number. Each is a pair of inline functions, y(x) and the
 * slope dy/dx, made into the loops of an op by one of two macros: OF_OUTPUT where the
 * slope can be told from y alone (then the op works in place), OF_INPUT where it needs x.
 *
 * A new activation is such a pair, its macro, and its name in op_table.c and in `spec`.
 */
#include "kernels.h"
#include "op.h"
#include "vector_math.h"

/* The attribute of leaky_relu and elu; 0 for the others. */
struct activation_config {
    real alpha;
};

static real alpha_of(const struct node *node)
{
    const struct activation_config *config = node->config;
    return config->alpha;
}

static int plan_alpha(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    struct activation_config *config = node->config;
    config->alpha = (real)attrs_number(&node->layer->attrs, "alpha");
    return 0;
}

#define ACTIVATION(function, op_flags, planner, source)                                  \
    MULTIVERSION static void function##_values(const real *x, real *y, size_t count,     \
                                               real alpha)                               \
    {                                                                                    \
        ELEMENTWISE                                                                      \
        for (size_t i = 0; i < count; i++)                                               \
            y[i] = function##_value(x[i], alpha);                                        \
    }                                                                                    \
    MULTIVERSION static void function##_gradients(const real *from, const real *dy,      \
                                                  real *dx, size_t count, real alpha)    \
    {                                                                                    \
        ELEMENTWISE                                                                      \
        for (size_t i = 0; i < count; i++)                                               \
            dx[i] = dy[i] * function##_slope(from[i], alpha);                            \
    }                                                                                    \
    static void function##_forward(const struct node *node, const struct op_call *call)  \
    {                                                                                    \
        function##_values(call->x[0], call->y, call->rows * node->width,                 \
                          alpha_of(node));                                               \
    }                                                                                    \
    static void function##_backward(const struct node *node, const struct op_call *call) \
    {                                                                                    \
        function##_gradients((source), call->dy, call->dx[0], call->rows * node->width,  \
                             alpha_of(node));                                            \
    }                                                                                    \
    const struct op OP_SYMBOL(function) = {                                              \
        .name = #function,                                                               \
        .flags = (op_flags) | OP_IN_PLACE,                                               \
        .config_size = sizeof(struct activation_config),                                 \
        .plan = (planner),                                                               \
        .forward = function##_forward,                                                   \
        .backward = function##_backward,                                                 \
    }

#define OF_OUTPUT(name, planner) ACTIVATION(name, OP_NEEDS_OUTPUT, planner, call->y)
#define OF_INPUT(name, planner) ACTIVATION(name, OP_NEEDS_INPUT, planner, call->x[0])

/* relu: max(x, 0) */

static inline real relu_value(real x, real alpha)
{
    (void)alpha;
    return x < 0 ? 0 : x;
}

static inline real relu_slope(real y, real alpha)
{
    (void)alpha;
    return y > 0 ? 1 : 0;
}

OF_OUTPUT(relu, NULL);

/* leaky_relu: x, or alpha x below 0 (Maas, Hannun, Ng 2013); alpha >= 0 keeps the sign */

static inline real leaky_relu_value(real x, real alpha)
{
    return x < 0 ? alpha * x : x;
}

static inline real leaky_relu_slope(real y, real alpha)
{
    return y > 0 ? 1 : alpha;
}

OF_OUTPUT(leaky_relu, plan_alpha);

/* elu: x, or alpha (e^x - 1) below 0 (Clevert, Unterthiner, Hochreiter 2016) */

static inline real elu_value(real x, real alpha)
{
    return x < 0 ? alpha * real_expm1(x) : x;
}

static inline real elu_slope(real y, real alpha)
{
    return y > 0 ? 1 : y + alpha;
}

OF_OUTPUT(elu, plan_alpha);

/* sigmoid: 1 / (1 + e^-x) */

static inline real sigmoid_value(real x, real alpha)
{
    (void)alpha;
    return real_sigmoid(x);
}

static inline real sigmoid_slope(real y, real alpha)
{
    (void)alpha;
    return y * (1 - y);
}

OF_OUTPUT(sigmoid, NULL);

/* tanh */

static inline real tanh_value(real x, real alpha)
{
    (void)alpha;
    return real_tanh(x);
}

static inline real tanh_slope(real y, real alpha)
{
    (void)alpha;
    return 1 - y * y;
}

OF_OUTPUT(tanh, NULL);

/* softplus: log(1 + e^x) */

static inline real softplus_value(real x, real alpha)
{
    (void)alpha;
    return real_softplus(x);
}

static inline real softplus_slope(real x, real alpha)
{
    (void)alpha;
    return real_sigmoid(x);
}

OF_INPUT(softplus, NULL);

/* silu: x sigmoid(x) (Elfwing, Uchibe, Doya 2018) */

static inline real silu_value(real x, real alpha)
{
    (void)alpha;
    return x * real_sigmoid(x);
}

static inline real silu_slope(real x, real alpha)
{
    (void)alpha;
    real s = real_sigmoid(x);
    return s * (1 + x * (1 - s));
}

OF_INPUT(silu, NULL);

/* gelu: x Phi(x), with Phi from erf as PyTorch's default (Hendrycks, Gimpel 2016) */

#define SQRT_HALF ((real)0.70710678118654752440)
#define NORMAL_PEAK ((real)0.39894228040143267794) /* 1 / sqrt(2 pi) */

static inline real gelu_value(real x, real alpha)
{
    (void)alpha;
    return (real)0.5 * x * (1 + real_erf(x * SQRT_HALF));
}

static inline real gelu_slope(real x, real alpha)
{
    (void)alpha;
    real normal = (real)0.5 * (1 + real_erf(x * SQRT_HALF));
    return normal + x * NORMAL_PEAK * real_exp((real)-0.5 * x * x);
}

OF_INPUT(gelu, NULL);
