/* See initializer.h. Every scale is sqrt(gain / fan), with one row a name. */
#include "initializer.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const kernel_initializer_names[] = {
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
    "lecun_normal",   "pytorch",       "uniform",    "normal",    "truncated_normal",
    "orthogonal",     "zeros",         NULL};

const char *const lstm_bias_initializer_names[] = {
    "unit_forget", "zeros", "ones", "uniform", "normal", "pytorch", NULL};

const char *const bias_initializer_names[] = {"zeros",  "ones",    "uniform",
                                              "normal", "pytorch", NULL};

/* clang-format off */
#define STDDEV {"stddev", KEY_NUMBER, ABOVE(0), AT_MOST(1000), DEFAULT("0.05")}
#define LIMIT {"limit", KEY_NUMBER, ABOVE(0), AT_MOST(1000), DEFAULT("0.05")}
#define GAIN {"gain", KEY_NUMBER, ABOVE(0), AT_MOST(1000), DEFAULT("1")}
/* clang-format on */

const struct choice_number initializer_numbers[] = {
    {"normal", STDDEV},
    {"truncated_normal", STDDEV},
    {"uniform", LIMIT},
    {"orthogonal", GAIN},
    {0},
};

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
    {"truncated_normal", INIT_TRUNCATED_NORMAL, FAN_NONE, 0.05},
    {"orthogonal", INIT_ORTHOGONAL, FAN_NONE, 1.0},
    {"zeros", INIT_ZEROS, FAN_NONE, 0.0},
    {"ones", INIT_ONES, FAN_NONE, 0.0},
    {"unit_forget", INIT_FORGET, FAN_NONE, 0.0},
};

void initializer_resolve(const struct attr *attr, int64_t fan_in, int64_t fan_out,
                         struct param_spec *param)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, attr->string) != 0)
            continue;
        double fan = (double)(rows[i].fan == FAN_BOTH ? fan_in + fan_out : fan_in);
        param->initializer = rows[i].initializer;
        param->scale = rows[i].fan == FAN_NONE ? rows[i].gain : sqrt(rows[i].gain / fan);
        if (attr->numbered)
            param->scale = attr->number;
        return;
    }
    assert(false && "the initializer is in the table");
}
