/*
 * gru (Cho et al. 2014), with the reset gate after the product as in torch.nn.GRU and
 * Keras ("reset_after"):
 *
 *   r, z = sigmoid of the sums of their gates
 *   n = tanh(x W_n + b_n + r m),  m = h_before R_n + c_n
 *   h = (1 - z) n + z h_before
 *
 * A row of gates is r, z, n, m: W adds to r, z, n, and R to r, z, m.
 */
#include "kernels.h"
#include "recurrent.h"
#include "vector_math.h"

MULTIVERSION static void gru_cell(const struct recurrent_step *step)
{
    size_t units = step->units;
    for (size_t k = 0; k < step->rows; k++) {
        real *r = step->gates + k * 4 * units, *z = r + units, *n = z + units;
        const real *m = n + units, *h_before = step->h_before + k * units;
        real *h = step->h + k * units;
        ELEMENTWISE
        for (size_t u = 0; u < units; u++) {
            r[u] = real_sigmoid(r[u]);
            z[u] = real_sigmoid(z[u]);
            n[u] = real_tanh(n[u] + r[u] * m[u]);
            h[u] = n[u] + z[u] * (h_before[u] - n[u]);
        }
    }
}

MULTIVERSION static void gru_cell_gradient(const struct recurrent_step *step)
{
    size_t units = step->units;
    for (size_t k = 0; k < step->rows; k++) {
        real *r = step->gates + k * 4 * units, *z = r + units, *n = z + units;
        real *m = n + units, *dh = step->dh + k * units;
        const real *h_before = step->h_before + k * units;
        ELEMENTWISE
        for (size_t u = 0; u < units; u++) {
            real dn = dh[u] * (1 - z[u]) * (1 - n[u] * n[u]);
            real dz = dh[u] * (h_before[u] - n[u]) * z[u] * (1 - z[u]);
            real dr = dn * m[u] * r[u] * (1 - r[u]);
            dh[u] *= z[u];
            m[u] = dn * r[u];
            n[u] = dn;
            z[u] = dz;
            r[u] = dr;
        }
    }
}

static const struct recurrent_cell gru = {
    .gates = 3,
    .states = 1,
    .part_count = 2,
    .parts = {{.first = 0, .count = 2, .place = 0}, {.first = 2, .count = 1, .place = 3}},
    .forward = gru_cell,
    .backward = gru_cell_gradient,
};

static int gru_plan(struct node *node, size_t max_rows, struct error *err)
{
    return recurrent_plan(node, max_rows, &gru, err);
}

const struct op OP_SYMBOL(gru) = {
    .name = "gru",
    .flags = OP_NEEDS_INPUT,
    .config_size = sizeof(struct recurrent_config),
    .plan = gru_plan,
    .forward = recurrent_forward,
    .backward = recurrent_backward,
};
