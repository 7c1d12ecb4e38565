/* See initializer.h. Every scale is sqrt(gain / fan), with one row a name. */
#include "initializer.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const kernel_initializer_names[] = {
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_uniform",  "lecun_normal",  "pytorch",    "uniform",
    "normal",         "orthogonal",    "zeros",      NULL};

const char *const lstm_bias_initializer_names[] = {
    "unit_forget", "zeros", "ones", "uniform", "normal", "pytorch", NULL};

const char *const bias_initializer_names[] = {"zeros",  "ones",    "uniform",
                                              "normal", "pytorch", NULL};

enum fan { FAN_NONE, FAN_IN, FAN_BOTH };

static const struct {
    const char *name;
    enum initializer initializer;
    enum fan fan;
    double gain; /* FAN_NONE: the scale itself */
} rows[] = {
    {"glorot_uniform", INIT_UNIFORM, FAN_BOTH, 6.0},
    {"glorot_normal", INIT_NORMAL, FAN_BOTH, 2.0},
    {"he_uniform", INIT_UNIFORM, FAN_IN, 6.0},
    {"he_normal", INIT_NORMAL, FAN_IN, 2.0},
    {"lecun_uniform", INIT_UNIFORM, FAN_IN, 3.0},
    {"lecun_normal", INIT_NORMAL, FAN_IN, 1.0},
    {"pytorch", INIT_UNIFORM, FAN_IN, 1.0},
    {"uniform", INIT_UNIFORM, FAN_NONE, 0.05},
    {"normal", INIT_NORMAL, FAN_NONE, 0.05},
    {"orthogonal", INIT_ORTHOGONAL, FAN_NONE, 1.0},
    {"zeros", INIT_ZEROS, FAN_NONE, 0.0},
    {"ones", INIT_ONES, FAN_NONE, 0.0},
    {"unit_forget", INIT_FORGET, FAN_NONE, 0.0},
};

void initializer_resolve(const char *name, int64_t fan_in, int64_t fan_out,
                         struct param_spec *param)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        double fan = (double)(rows[i].fan == FAN_BOTH ? fan_in + fan_out : fan_in);
        param->initializer = rows[i].initializer;
        param->scale = rows[i].fan == FAN_NONE ? rows[i].gain : sqrt(rows[i].gain / fan);
        return;
    }
    assert(!"the initializer is in the table");
}
