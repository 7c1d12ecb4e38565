/*
 * exp, tanh, erf and log(1 + exp x) as branchless code, so that a loop over them becomes
 * vector code. In single precision they are within about two units in the last place of
 * the true value (test_vector_math pins it); in the double build they are libm's.
 *
 * The polynomials are least-squares fits, reweighted towards the smallest largest error,
 * made for the intervals named beside them.
 */
#ifndef BACKPROP_VECTOR_MATH_H
#define BACKPROP_VECTOR_MATH_H

#include "real.h"

#include <math.h>
#include <stdint.h>

#ifdef ENGINE_DOUBLE

static inline real real_exp(real x)
{
    return exp(x);
}

static inline real real_expm1(real x)
{
    return expm1(x);
}

static inline real real_tanh(real x)
{
    return tanh(x);
}

static inline real real_erf(real x)
{
    return erf(x);
}

static inline real real_softplus(real x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

#else

union float_bits {
    float value;
    uint32_t bits;
};

/* x = n ln 2 + r with |r| <= ln 2 / 2, and fraction = e^r - 1. */
struct exponent {
    uint32_t n; /* two's complement in the low 9 bits */
    float fraction;
};

/* Adding 1.5 * 2^23 rounds x / ln 2 and leaves n in the low bits of the sum. */
static inline struct exponent real_reduce(float x)
{
    const float rounder = 12582912.0f, ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;
    union float_bits sum = {.value = x * 1.44269504f + rounder};
    float n = sum.value - rounder;
    float r = x - n * ln2_high - n * ln2_low;
    float p = 1.381442834e-03f;
    p = p * r + 8.368797154e-03f;
    p = p * r + 4.166839590e-02f;
    p = p * r + 1.666651997e-01f;
    p = p * r + 4.999999340e-01f;
    return (struct exponent){sum.bits, r + r * r * p};
}

/* Below -87 the result is 0 (no denormals), above 88.8 infinite; NaN stays NaN. The power
 * of two is made in two factors so that n may be 128. */
static inline float real_exp(float x)
{
    float limited = x < -87.5f ? -87.5f : x;
    limited = limited > 89.0f ? 89.0f : limited;
    struct exponent e = real_reduce(limited);
    union float_bits scale = {.bits = (e.n + 126) << 23};
    return (1.0f + e.fraction) * scale.value * 2.0f;
}

/* e^x - 1 for x <= 0, exact for small x. */
static inline float real_expm1(float x)
{
    struct exponent e = real_reduce(x < -87.0f ? -87.0f : x);
    union float_bits scale = {.bits = (e.n + 127) << 23};
    return scale.value * e.fraction + (scale.value - 1.0f);
}

/* |x| < 0.625: odd polynomial; otherwise 1 - 2 / (e^2|x| + 1). */
static inline float real_tanh(float x)
{
    float z = x * x, magnitude = fabsf(x);
    float p = -5.717176763e-03f;
    p = p * z + 2.065069729e-02f;
    p = p * z - 5.374352906e-02f;
    p = p * z + 1.333149162e-01f;
    p = p * z - 3.333328394e-01f;
    float small = x + x * z * p;
    float large = 1.0f - 2.0f / (real_exp(2.0f * magnitude) + 1.0f);
    return magnitude < 0.625f ? small : copysignf(large, x);
}

/* |x| < 0.92: odd polynomial; otherwise 1 - e^p(|x|), where p fits log(erfc) up to 4. */
static inline float real_erf(float x)
{
    float z = x * x, magnitude = fabsf(x);
    float p = 8.334094810e-05f;
    p = p * z - 8.134159296e-04f;
    p = p * z + 5.200276611e-03f;
    p = p * z - 2.685909251e-02f;
    p = p * z + 1.128368995e-01f;
    p = p * z - 3.761263337e-01f;
    p = p * z + 1.283791671e-01f;
    float small = x + x * p;
    float t = magnitude > 4.0f ? 4.0f : magnitude;
    float q = -1.853487139e-05f;
    q = q * t + 4.018626038e-04f;
    q = q * t - 3.999831367e-03f;
    q = q * t + 2.463750257e-02f;
    q = q * t - 1.074934718e-01f;
    q = q * t - 6.340931340e-01f;
    q = q * t - 1.129133166e+00f;
    q = q * t + 9.326600540e-05f;
    return magnitude < 0.92f ? small : copysignf(1.0f - real_exp(q), x);
}

/* max(x, 0) + log(1 + u), u = e^-|x|, by log(1 + u) = 2 artanh(u / (2 + u)). */
static inline float real_softplus(float x)
{
    float u = real_exp(-fabsf(x));
    float s = u / (2.0f + u), w = s * s;
    float p = 1.401223711e-01f;
    p = p * w + 1.399956865e-01f;
    p = p * w + 2.001084968e-01f;
    p = p * w + 3.333320656e-01f;
    return (x > 0 ? x : 0) + 2.0f * (s + s * w * p);
}

#endif

static inline real real_sqrt(real x)
{
#ifdef ENGINE_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

static inline real real_sigmoid(real x)
{
    return 1 / (1 + real_exp(-x));
}

#endif
