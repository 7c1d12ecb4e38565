/*
 * lstm (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), as
 * torch.nn.LSTM:
 *
 *   i, f, o = sigmoid of the sums of their gates    g = tanh of its sums
 *   c = f c_before + i g                            h = o tanh(c)
 *
 * A row of gates is i, f, g, o.
 */
#include "kernels.h"
#include "recurrent.h"
#include "vector_math.h"

MULTIVERSION static void lstm_cell(const struct recurrent_step *step)
{
    size_t units = step->units;
    for (size_t r = 0; r < step->rows; r++) {
        real *i = step->gates + r * 4 * units, *f = i + units, *g = f + units;
        real *o = g + units, *c = step->c + r * units, *h = step->h + r * units;
        const real *c_before = step->c_before + r * units;
        ELEMENTWISE
        for (size_t u = 0; u < units; u++) {
            i[u] = real_sigmoid(i[u]);
            f[u] = real_sigmoid(f[u]);
            g[u] = real_tanh(g[u]);
            o[u] = real_sigmoid(o[u]);
            c[u] = f[u] * c_before[u] + i[u] * g[u];
            h[u] = o[u] * real_tanh(c[u]);
        }
    }
}

MULTIVERSION static void lstm_cell_gradient(const struct recurrent_step *step)
{
    size_t units = step->units;
    for (size_t r = 0; r < step->rows; r++) {
        real *i = step->gates + r * 4 * units, *f = i + units, *g = f + units;
        real *o = g + units, *dh = step->dh + r * units, *dc = step->dc + r * units;
        const real *c_before = step->c_before + r * units, *c = step->c + r * units;
        ELEMENTWISE
        for (size_t u = 0; u < units; u++) {
            real t = real_tanh(c[u]);
            real d = dc[u] + dh[u] * o[u] * (1 - t * t);
            real di = d * g[u], dg = d * i[u];
            o[u] = dh[u] * t * o[u] * (1 - o[u]);
            dc[u] = d * f[u];
            f[u] = d * c_before[u] * f[u] * (1 - f[u]);
            i[u] = di * i[u] * (1 - i[u]);
            g[u] = dg * (1 - g[u] * g[u]);
            dh[u] = 0;
        }
    }
}

static const struct recurrent_cell lstm = {
    .gates = 4,
    .states = 2,
    .part_count = 1,
    .parts = {{.first = 0, .count = 4, .place = 0}},
    .forward = lstm_cell,
    .backward = lstm_cell_gradient,
};

static int lstm_plan(struct node *node, size_t max_rows, struct error *err)
{
    return recurrent_plan(node, max_rows, &lstm, err);
}

const struct op OP_SYMBOL(lstm) = {
    .name = "lstm",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct recurrent_config),
    .plan = lstm_plan,
    .forward = recurrent_forward,
    .backward = recurrent_backward,
};
