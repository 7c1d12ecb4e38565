/* See recurrent.h. */
#include "recurrent.h"

#include "gemm.h"
#include "kernels.h"

#include <string.h>

enum { INPUT_WEIGHT, RECURRENT_WEIGHT, INPUT_BIAS, RECURRENT_BIAS };

/* Measured on Zen 4: from 128 to 384 the same speed, less below, where the products of a
 * chunk are short, and above, where they leave the second-level cache. */
#define CHUNK_ROWS 192

#define ALIGN (64 / sizeof(real))

/* The numbers of the steps, [slots, rows, …]: of all steps where backward needs them (in
 * call->saved), otherwise a ring for as many as a chunk has, and one before. */
struct trace {
    size_t slots;
    real *gates, *h, *c;
};

/* A forward or backward call: all of its memory. */
struct pass {
    const struct recurrent_config *config;
    const struct op_call *call; /* NULL: only to learn `used` */
    size_t used;                /* of the scratch, in reals */
    struct trace trace;
    real *input_weight;                          /* packed; backward: transposed */
    real *recurrent_weight[RECURRENT_MAX_PARTS]; /* packed, a part each */
    real *sums;  /* [4 u]: the biases, or the gradients of the places they are added to */
    real *x;     /* a chunk of x, or of dx, in order of time */
    real *zeros; /* [rows, u]: the state before the first step */
    real *dh, *dc;    /* backward: [rows, u] */
    real *chunk_sums; /* backward: [4 u] */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* ---- memory ---- */

/* The next `count` reals of the scratch. */
static real *take(struct pass *pass, size_t count)
{
    real *taken = pass->call ? pass->call->scratch + pass->used : NULL;
    pass->used += (count + ALIGN - 1) / ALIGN * ALIGN;
    return taken;
}

/* Steps of a chunk. */
static size_t chunk_steps(const struct recurrent_config *config, size_t rows)
{
    return smaller(config->steps, larger(1, CHUNK_ROWS / rows));
}

static struct trace saved_trace(const struct recurrent_config *config,
                                const struct op_call *call)
{
    size_t numbers = config->steps * call->rows * config->units;
    real *h = call->saved + RECURRENT_GATES * numbers;
    real *c = config->cell->states > 1 ? h + numbers : h; /* not looked at */
    return (struct trace){config->steps, call->saved, h, c};
}

static void take_common(struct pass *pass)
{
    const struct recurrent_config *config = pass->config;
    pass->sums = take(pass, RECURRENT_GATES * config->units);
    pass->x = take(pass, larger(CHUNK_ROWS, config->max_rows) * config->features);
    pass->zeros = take(pass, config->max_rows * config->units);
}

static struct pass forward_pass(const struct recurrent_config *config,
                                const struct op_call *call)
{
    const struct recurrent_cell *cell = config->cell;
    struct pass pass = {.config = config, .call = call};
    size_t units = config->units;
    take_common(&pass);
    pass.input_weight =
        take(&pass, gemm_packed_reals(config->features, cell->gates * units));
    for (size_t p = 0; p < cell->part_count; p++)
        pass.recurrent_weight[p] =
            take(&pass, gemm_packed_reals(units, cell->parts[p].count * units));
    if (call && call->saved) {
        pass.trace = saved_trace(config, call);
        return pass;
    }
    size_t numbers = larger(CHUNK_ROWS, 2 * config->max_rows) * units;
    pass.trace.gates = take(&pass, RECURRENT_GATES * numbers);
    pass.trace.h = take(&pass, numbers);
    pass.trace.c = take(&pass, numbers);
    if (call)
        pass.trace.slots = larger(2, chunk_steps(config, call->rows));
    return pass;
}

static struct pass backward_pass(const struct recurrent_config *config,
                                 const struct op_call *call)
{
    const struct recurrent_cell *cell = config->cell;
    struct pass pass = {.config = config, .call = call};
    size_t units = config->units;
    take_common(&pass);
    pass.input_weight =
        take(&pass, gemm_packed_reals(cell->gates * units, config->features));
    for (size_t p = 0; p < cell->part_count; p++)
        pass.recurrent_weight[p] =
            take(&pass, gemm_packed_reals(cell->parts[p].count * units, units));
    pass.dh = take(&pass, config->max_rows * units);
    pass.dc = take(&pass, config->max_rows * units);
    pass.chunk_sums = take(&pass, RECURRENT_GATES * units);
    if (call)
        pass.trace = saved_trace(config, call);
    return pass;
}

int recurrent_plan(struct node *node, size_t max_rows, const struct recurrent_cell *cell,
                   struct error *err)
{
    (void)err;
    struct recurrent_config *config = node->config;
    const struct attrs *attrs = &node->layer->attrs;
    const struct shape *input = node->input_shapes[0];
    *config = (struct recurrent_config){
        .cell = cell,
        .features = (size_t)input->dims[1],
        .units = (size_t)attrs_integer(attrs, "units"),
        .steps = (size_t)input->dims[0],
        .truncate = node->whole_gradient ? 0 : (size_t)attrs_integer(attrs, "truncate"),
        .sequences = attrs_boolean(attrs, "return_sequences"),
        .bias = node->param_count > INPUT_BIAS,
        .max_rows = max_rows,
    };
    for (int weight = INPUT_WEIGHT; weight <= RECURRENT_WEIGHT; weight++) {
        node->params[weight].axes[0] = 1;
        node->params[weight].axes[1] = 0;
    }
    node->saved_width = config->steps * (RECURRENT_GATES + cell->states) * config->units;
    node->scratch =
        larger(forward_pass(config, NULL).used, backward_pass(config, NULL).used);
    return 0;
}

/* ---- what both ways need ---- */

static real *gates_at(const struct pass *pass, size_t t)
{
    size_t numbers = pass->call->rows * RECURRENT_GATES * pass->config->units;
    return pass->trace.gates + t % pass->trace.slots * numbers;
}

/* States [rows, u] of a step. */
static real *state_at(const struct pass *pass, real *states, size_t t)
{
    return states + t % pass->trace.slots * pass->call->rows * pass->config->units;
}

static const real *state_before(const struct pass *pass, real *states, size_t t)
{
    return t > 0 ? state_at(pass, states, t - 1) : pass->zeros;
}

static struct recurrent_step step_at(const struct pass *pass, size_t t)
{
    return (struct recurrent_step){
        .rows = pass->call->rows,
        .units = pass->config->units,
        .gates = gates_at(pass, t),
        .h_before = state_before(pass, pass->trace.h, t),
        .c_before = state_before(pass, pass->trace.c, t),
        .h = state_at(pass, pass->trace.h, t),
        .c = state_at(pass, pass->trace.c, t),
        .dh = pass->dh,
        .dc = pass->dc,
    };
}

/* in_time[t - first, row] = x[row, t] for the steps of a chunk; x: [rows, T, width]. */
static void to_time(const struct pass *pass, const real *x, size_t width, size_t first,
                    size_t count, real *in_time)
{
    size_t rows = pass->call->rows, steps = pass->config->steps;
    for (size_t r = 0; r < rows; r++) {
        const real *row = x + (r * steps + first) * width;
        for (size_t t = 0; t < count; t++)
            memcpy(in_time + (t * rows + r) * width, row + t * width,
                   width * sizeof(real));
    }
}

/* The way back. */
static void from_time(const struct pass *pass, const real *in_time, size_t width,
                      size_t first, size_t count, real *x)
{
    size_t rows = pass->call->rows, steps = pass->config->steps;
    for (size_t r = 0; r < rows; r++) {
        real *row = x + (r * steps + first) * width;
        for (size_t t = 0; t < count; t++)
            memcpy(row + t * width, in_time + (t * rows + r) * width,
                   width * sizeof(real));
    }
}

/* ---- forward ---- */

static void forward_weights(struct pass *pass)
{
    const struct recurrent_config *config = pass->config;
    const struct recurrent_cell *cell = config->cell;
    const struct op_call *call = pass->call;
    size_t units = config->units, row = cell->gates * units;
    gemm_pack_n(
        &(struct gemm){
            .n = row, .k = config->features, .b = call->params[INPUT_WEIGHT], .ldb = row},
        pass->input_weight);
    memset(pass->sums, 0, RECURRENT_GATES * units * sizeof(real));
    if (config->bias)
        memcpy(pass->sums, call->params[INPUT_BIAS], row * sizeof(real));
    for (size_t p = 0; p < cell->part_count; p++) {
        const struct recurrent_part *part = &cell->parts[p];
        gemm_pack_n(
            &(struct gemm){.n = part->count * units,
                           .k = units,
                           .b = call->params[RECURRENT_WEIGHT] + part->first * units,
                           .ldb = row},
            pass->recurrent_weight[p]);
        if (config->bias)
            vector_add(pass->sums + part->place * units,
                       call->params[RECURRENT_BIAS] + part->first * units,
                       part->count * units);
    }
}

/* Fills the gates of a chunk with the biases and x W. */
static void project(const struct pass *pass, size_t first, size_t count)
{
    const struct recurrent_config *config = pass->config;
    size_t rows = count * pass->call->rows, row = RECURRENT_GATES * config->units;
    real *gates = gates_at(pass, first);
    to_time(pass, pass->call->x[0], config->features, first, count, pass->x);
    row_fill(gates, pass->sums, rows, row);
    gemm_packed(&(struct gemm){.m = rows,
                               .n = config->cell->gates * config->units,
                               .k = config->features,
                               .a = pass->x,
                               .lda = config->features,
                               .beta = 1,
                               .c = gates,
                               .ldc = row},
                pass->input_weight);
}

static void forward_step(const struct pass *pass, size_t t)
{
    const struct recurrent_cell *cell = pass->config->cell;
    struct recurrent_step step = step_at(pass, t);
    for (size_t p = 0; t > 0 && p < cell->part_count; p++)
        gemm_packed(&(struct gemm){.m = step.rows,
                                   .n = cell->parts[p].count * step.units,
                                   .k = step.units,
                                   .a = step.h_before,
                                   .lda = step.units,
                                   .beta = 1,
                                   .c = step.gates + cell->parts[p].place * step.units,
                                   .ldc = RECURRENT_GATES * step.units},
                    pass->recurrent_weight[p]);
    cell->forward(&step);
}

void recurrent_forward(const struct node *node, const struct op_call *call)
{
    const struct recurrent_config *config = node->config;
    struct pass pass = forward_pass(config, call);
    size_t units = config->units, most = chunk_steps(config, call->rows);
    forward_weights(&pass);
    memset(pass.zeros, 0, call->rows * units * sizeof(real));
    for (size_t first = 0; first < config->steps; first += most) {
        size_t count = smaller(most, config->steps - first);
        project(&pass, first, count);
        for (size_t t = first; t < first + count; t++)
            forward_step(&pass, t);
        if (config->sequences)
            from_time(&pass, state_at(&pass, pass.trace.h, first), units, first, count,
                      call->y);
    }
    if (!config->sequences)
        memcpy(call->y, state_at(&pass, pass.trace.h, config->steps - 1),
               call->rows * units * sizeof(real));
}

/* ---- backward ---- */

static void backward_weights(struct pass *pass)
{
    const struct recurrent_config *config = pass->config;
    const struct recurrent_cell *cell = config->cell;
    const struct op_call *call = pass->call;
    size_t units = config->units, row = cell->gates * units;
    if (call->dx[0])
        gemm_pack_t(&(struct gemm){.n = config->features,
                                   .k = row,
                                   .b = call->params[INPUT_WEIGHT],
                                   .ldb = row},
                    pass->input_weight);
    for (size_t p = 0; p < cell->part_count; p++)
        gemm_pack_t(&(struct gemm){.n = units,
                                   .k = cell->parts[p].count * units,
                                   .b = call->params[RECURRENT_WEIGHT] +
                                        cell->parts[p].first * units,
                                   .ldb = row},
                    pass->recurrent_weight[p]);
}

/* Adds what the layers above say of step t's h. */
static void add_output_gradient(const struct pass *pass, size_t t)
{
    const struct recurrent_config *config = pass->config;
    size_t units = config->units, row = config->sequences ? config->steps * units : units;
    const real *dy = pass->call->dy + (config->sequences ? t * units : 0);
    if (!config->sequences && t + 1 < config->steps)
        return;
    for (size_t r = 0; r < pass->call->rows; r++)
        vector_add(pass->dh + r * units, dy + r * row, units);
}

/* Makes the step's gates into their gradients, and dh and dc into those of the states
 * before it. */
static void backward_step(const struct pass *pass, size_t t)
{
    const struct recurrent_config *config = pass->config;
    const struct recurrent_cell *cell = config->cell;
    struct recurrent_step step = step_at(pass, t);
    add_output_gradient(pass, t);
    cell->backward(&step);
    if (t == 0)
        return;
    if (config->truncate > 0 && t % config->truncate == 0) {
        memset(step.dh, 0, step.rows * step.units * sizeof(real));
        memset(step.dc, 0, step.rows * step.units * sizeof(real));
        return;
    }
    for (size_t p = 0; p < cell->part_count; p++)
        gemm_packed(&(struct gemm){.m = step.rows,
                                   .n = step.units,
                                   .k = cell->parts[p].count * step.units,
                                   .a = step.gates + cell->parts[p].place * step.units,
                                   .lda = RECURRENT_GATES * step.units,
                                   .beta = 1,
                                   .c = step.dh,
                                   .ldc = step.units},
                    pass->recurrent_weight[p]);
}

/* Adds to dW, dR and the biases' sums what a chunk's steps say, or writes them first. */
static void weight_gradients(const struct pass *pass, size_t first, size_t count,
                             bool add)
{
    const struct recurrent_config *config = pass->config;
    const struct recurrent_cell *cell = config->cell;
    const struct op_call *call = pass->call;
    size_t units = config->units, row = RECURRENT_GATES * units, rows = call->rows;
    to_time(pass, call->x[0], config->features, first, count, pass->x);
    gemm_tn(&(struct gemm){.m = config->features,
                           .n = cell->gates * units,
                           .k = count * rows,
                           .a = pass->x,
                           .lda = config->features,
                           .b = gates_at(pass, first),
                           .ldb = row,
                           .beta = add,
                           .c = call->gradients[INPUT_WEIGHT],
                           .ldc = cell->gates * units});
    column_sum(gates_at(pass, first), count * rows, row, pass->chunk_sums);
    vector_add(pass->sums, pass->chunk_sums, row);
    size_t from = first > 0 ? first : 1; /* the state before step 0 is zero */
    for (size_t p = 0; from < first + count && p < cell->part_count; p++)
        gemm_tn(&(struct gemm){.m = units,
                               .n = cell->parts[p].count * units,
                               .k = (first + count - from) * rows,
                               .a = state_before(pass, pass->trace.h, from),
                               .lda = units,
                               .b = gates_at(pass, from) + cell->parts[p].place * units,
                               .ldb = row,
                               .beta = 1,
                               .c = call->gradients[RECURRENT_WEIGHT] +
                                    cell->parts[p].first * units,
                               .ldc = cell->gates * units});
}

/* dx of a chunk's steps. */
static void input_gradient(const struct pass *pass, size_t first, size_t count)
{
    const struct recurrent_config *config = pass->config;
    gemm_packed(&(struct gemm){.m = count * pass->call->rows,
                               .n = config->features,
                               .k = config->cell->gates * config->units,
                               .a = gates_at(pass, first),
                               .lda = RECURRENT_GATES * config->units,
                               .beta = 0,
                               .c = pass->x,
                               .ldc = config->features},
                pass->input_weight);
    from_time(pass, pass->x, config->features, first, count, pass->call->dx[0]);
}

static void bias_gradients(const struct pass *pass)
{
    const struct recurrent_cell *cell = pass->config->cell;
    const struct op_call *call = pass->call;
    size_t units = pass->config->units;
    memcpy(call->gradients[INPUT_BIAS], pass->sums, cell->gates * units * sizeof(real));
    for (size_t p = 0; p < cell->part_count; p++)
        memcpy(call->gradients[RECURRENT_BIAS] + cell->parts[p].first * units,
               pass->sums + cell->parts[p].place * units,
               cell->parts[p].count * units * sizeof(real));
}

void recurrent_backward(const struct node *node, const struct op_call *call)
{
    const struct recurrent_config *config = node->config;
    struct pass pass = backward_pass(config, call);
    size_t units = config->units, state_bytes = call->rows * units * sizeof(real);
    size_t most = chunk_steps(config, call->rows);
    backward_weights(&pass);
    memset(pass.zeros, 0, state_bytes);
    memset(pass.dh, 0, state_bytes);
    memset(pass.dc, 0, state_bytes);
    memset(pass.sums, 0, RECURRENT_GATES * units * sizeof(real));
    memset(call->gradients[RECURRENT_WEIGHT], 0,
           node->params[RECURRENT_WEIGHT].count * sizeof(real));
    size_t end = config->steps;
    while (end > 0) {
        size_t first = (end - 1) / most * most, count = end - first;
        for (size_t t = end; t-- > first;)
            backward_step(&pass, t);
        weight_gradients(&pass, first, count, end < config->steps);
        if (call->dx[0])
            input_gradient(&pass, first, count);
        end = first;
    }
    if (config->bias)
        bias_gradients(&pass);
}
