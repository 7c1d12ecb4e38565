/*
 * What a row of the optimizers' table is made of. optimizer.c has the table and the SGD,
 * RMSprop and Adam families, optimizer_adaptive.c the others.
 */
#ifndef BACKPROP_OPTIMIZER_INTERNAL_H
#define BACKPROP_OPTIMIZER_INTERNAL_H

#include "optimizer.h"

/* Kernels get this; the arrays do not overlap. */
struct update {
    const real *constants;
    real weight_decay; /* 0 for what does not decay */
    real *p;
    const real *g;
    real *const *moments;
    size_t count;
};

struct optimizer_type {
    const char *name;
    /* Reads settings and the number of moments. */
    void (*read)(struct optimizer *optimizer, const struct attrs *attrs);
    /* Works out the constants of a step. */
    void (*begin)(const struct optimizer *optimizer, int64_t step, double learning_rate,
                  real constants[OPTIMIZER_MAX_CONSTANTS]);
    void (*update)(const struct optimizer *optimizer, const struct update *update);
};

extern const struct optimizer_type optimizer_adagrad;
extern const struct optimizer_type optimizer_adadelta;
extern const struct optimizer_type optimizer_nadam;
extern const struct optimizer_type optimizer_radam;
extern const struct optimizer_type optimizer_lion;

#endif
