/*
 * The second half of a step: gradients into parameters. Every tensor is a segment, cut
 * over the slices' threads; each thread takes its part in blocks that stay in the cache
 * from the sum of the slices' gradients, or the deferred product, through to the
 * optimizer.
 *
 * Clipping by the norm needs all gradients before any update: then the gradients are
 * gathered into the first slice's buffer, and after a barrier updated from there.
 */
#include "base/memory.h"
#include "kernels.h"
#include "stepper_internal.h"

#include <math.h>
#include <string.h>

/* Small enough that gradient, parameter and two moments stay in the first-level cache. */
#define BLOCK 1024

/* A deferred product wants more rows at a time; its block stays in the second level. */
#define DEFERRED_BLOCK 65536

/* So that a norm of exactly 0 divides; as PyTorch's clip_grad_norm_. */
#define NORM_EPSILON 1e-6

static size_t block_of(const struct segment *segment)
{
    if (!segment->deferred)
        return BLOCK;
    size_t rows = DEFERRED_BLOCK / segment->grain;
    return (rows > 0 ? rows : 1) * segment->grain;
}

size_t stepper_block_reals(const struct stepper *stepper)
{
    size_t most = BLOCK;
    for (int i = 0; i < stepper->segment_count; i++) {
        size_t reals = block_of(&stepper->segments[i]);
        most = reals > most ? reals : most;
    }
    return most;
}

int stepper_plan_update(struct stepper *stepper, struct error *err)
{
    const struct graph *graph = stepper->graph;
    int count = graph_tensor_count(graph);
    stepper->segments = mem_alloc_array((size_t)count, sizeof(struct segment));
    if (!stepper->segments)
        return error_set(err, ERR_NOMEM, "no memory for the update");
    stepper->segment_count = count;
    for (int i = 0; i < count; i++) {
        const struct tensor *tensor = graph_tensor(graph, i);
        const struct node *node = graph_node(graph, tensor->layer);
        bool deferred = node->deferred && tensor == &node->params[0];
        size_t outermost = (size_t)tensor->spec->shape.dims[tensor->axes[0]];
        stepper->segments[i] = (struct segment){
            .tensor = tensor,
            .offset = tensor->offset,
            .count = tensor->count,
            .trained = tensor->spec->trainable,
            .decays = tensor->spec->decays,
            .l2 = tensor->spec->decays ? node->layer->l2 : 0,
            .deferred = deferred ? node : NULL,
            .grain = deferred ? tensor->count / outermost : GRAPH_LINE,
        };
        stepper->has_l2 = stepper->has_l2 || stepper->segments[i].l2 > 0;
    }
    return 0;
}

/* gradient += 2 l2 p, the gradient of l2 * sum of p². */
MULTIVERSION static void add_l2(real *restrict gradient, const real *restrict p,
                                real twice, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gradient[i] += twice * p[i];
}

/* Adds the squares of a block of parameters before the update and of their change. Sums
 * over a block are good enough in the engine's precision: they are for people to read. */
MULTIVERSION static void observe_update(const real *restrict before,
                                        const real *restrict after, size_t count,
                                        struct segment_squares *squares)
{
    real_lanes changes = {0}, parameters = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        real_lanes old = *(const real_lanes *)(before + i);
        real_lanes change = *(const real_lanes *)(after + i) - old;
        changes += change * change;
        parameters += old * old;
    }
    real change_sum = lanes_sum(&changes), parameter_sum = lanes_sum(&parameters);
    for (; i < count; i++) {
        real change = after[i] - before[i];
        change_sum += change * change;
        parameter_sum += before[i] * before[i];
    }
    squares->change += (double)change_sum;
    squares->parameter += (double)parameter_sum;
}

/* The gradient of a block, summed over the slices. It may lie in the first slice's buffer
 * or in `room`; only in `room` may it be changed. */
static const real *gather(const struct step *step, const struct segment *segment,
                          int active, size_t first, size_t count, real *room,
                          bool changes)
{
    const struct stepper *stepper = step->stepper;
    if (segment->deferred) {
        struct run *runs[SPEC_MAX_THREADS];
        for (int s = 0; s < active; s++)
            runs[s] = stepper->states[s].run;
        run_gradient_rows(runs, active, segment->deferred, first / segment->grain,
                          count / segment->grain, room);
        return room;
    }
    const real *from = stepper->states[0].gradients + segment->offset + first;
    if (active == 1 && (!changes || room == from))
        return from;
    if (room != from)
        memcpy(room, from, count * sizeof(real));
    for (int s = 1; s < active; s++)
        vector_add(room, stepper->states[s].gradients + segment->offset + first, count);
    return room;
}

/* The block's gradient with L2, not yet clipped; counts its square
 * where that is wanted. */
static const real *finish_gradient(const struct step *step, struct slice_state *state,
                                   int which, size_t first, size_t count, real *room,
                                   bool changes)
{
    const struct stepper *stepper = step->stepper;
    const struct segment *segment = &stepper->segments[which];
    const real *p = stepper->parameters + segment->offset + first;
    const real *gradient = gather(step, segment, step->active, first, count, room,
                                  changes || segment->l2 > 0);
    if (segment->l2 > 0) {
        add_l2(room, p, (real)(2 * segment->l2), count);
        state->l2_loss += segment->l2 * vector_square_sum(p, count);
    }
    if (step->observe || stepper->clip_norm > 0)
        state->squares[which].gradient += vector_square_sum(gradient, count);
    return gradient;
}

static void update_block(const struct step *step, struct slice_state *state, int which,
                         size_t first, size_t count, const real *gradient)
{
    const struct stepper *stepper = step->stepper;
    const struct segment *segment = &stepper->segments[which];
    size_t offset = segment->offset + first, size = graph_size(stepper->graph);
    real *moments[OPTIMIZER_MAX_MOMENTS];
    for (int m = 0; m < stepper->optimizer.moments; m++)
        moments[m] = stepper->moments + (size_t)m * size + offset;
    real *p = stepper->parameters + offset;
    for (size_t done = 0; done < count; done += BLOCK) {
        size_t part = count - done < BLOCK ? count - done : BLOCK;
        real before[BLOCK];
        if (step->observe)
            memcpy(before, p, part * sizeof(real));
        optimizer_update(&step->update, segment->decays, p, gradient + done, moments,
                         part);
        if (step->observe)
            observe_update(before, p, part, &state->squares[which]);
        p += part;
        for (int m = 0; m < stepper->optimizer.moments; m++)
            moments[m] += part;
    }
}

/* States are not trained: the slices' shares of the new value are added up. */
static void update_state(const struct step *step, const struct segment *segment,
                         int active, size_t first, size_t count)
{
    real *p = step->stepper->parameters + segment->offset + first;
    const real *value = gather(step, segment, active, first, count, p, true);
    if (value != p)
        memcpy(p, value, count * sizeof(real));
}

double stepper_gradient_norm(const struct stepper *stepper)
{
    double sum = 0;
    for (int i = 0; i < stepper->segment_count; i++) {
        for (int s = 0; s < stepper->slice_count; s++)
            sum += stepper->states[s].squares[i].gradient;
    }
    return sqrt(sum);
}

typedef void block_function(struct step *step, int slice, int which, size_t first,
                            size_t count);

/* Calls `function` for the blocks of the slice's part of all segments. */
static void each_block(struct step *step, int slice, block_function *function)
{
    const struct stepper *stepper = step->stepper;
    for (int i = 0; i < stepper->segment_count; i++) {
        const struct segment *segment = &stepper->segments[i];
        size_t first, left, block = block_of(segment);
        slices_cut(segment->count, segment->grain, slice, stepper->slice_count, &first,
                   &left);
        while (left > 0) {
            size_t count = left < block ? left : block;
            function(step, slice, i, first, count);
            first += count;
            left -= count;
        }
    }
}

static void gather_and_update(struct step *step, int slice, int which, size_t first,
                              size_t count)
{
    const struct stepper *stepper = step->stepper;
    struct slice_state *state = &stepper->states[slice];
    if (!stepper->segments[which].trained) {
        update_state(step, &stepper->segments[which], step->last_active, first, count);
        return;
    }
    bool clips = stepper->clip_value > 0;
    const real *gradient =
        finish_gradient(step, state, which, first, count, state->block, clips);
    if (clips)
        vector_clamp(state->block, (real)stepper->clip_value, count);
    update_block(step, state, which, first, count, gradient);
}

static void gather_only(struct step *step, int slice, int which, size_t first,
                        size_t count)
{
    const struct stepper *stepper = step->stepper;
    const struct segment *segment = &stepper->segments[which];
    if (!segment->trained) {
        update_state(step, segment, step->last_active, first, count);
        return;
    }
    real *room = stepper->states[0].gradients + segment->offset + first;
    finish_gradient(step, &stepper->states[slice], which, first, count, room, true);
}

static void clip_and_update(struct step *step, int slice, int which, size_t first,
                            size_t count)
{
    const struct stepper *stepper = step->stepper;
    const struct segment *segment = &stepper->segments[which];
    if (!segment->trained)
        return;
    real *gradient = stepper->states[0].gradients + segment->offset + first;
    if (step->clip_scale < 1)
        vector_scale(gradient, (real)step->clip_scale, count);
    if (stepper->clip_value > 0)
        vector_clamp(gradient, (real)stepper->clip_value, count);
    update_block(step, &stepper->states[slice], which, first, count, gradient);
}

void stepper_update_states(struct step *step, int slice, int active)
{
    const struct stepper *stepper = step->stepper;
    for (int i = 0; i < stepper->segment_count; i++) {
        const struct segment *segment = &stepper->segments[i];
        size_t first, count;
        if (segment->trained)
            continue;
        slices_cut(segment->count, segment->grain, slice, stepper->slice_count, &first,
                   &count);
        if (count > 0)
            update_state(step, segment, active, first, count);
    }
}

void stepper_update_slice(struct step *step, int slice)
{
    struct stepper *stepper = step->stepper;
    struct slice_state *state = &stepper->states[slice];
    state->l2_loss = 0;
    if (step->observe || stepper->clip_norm > 0)
        memset(state->squares, 0,
               (size_t)stepper->segment_count * sizeof(struct segment_squares));
    if (stepper->clip_norm <= 0) {
        each_block(step, slice, gather_and_update);
        return;
    }
    each_block(step, slice, gather_only);
    slices_barrier(stepper->slices);
    if (slice == 0)
        step->clip_scale =
            stepper->clip_norm / (stepper_gradient_norm(stepper) + NORM_EPSILON);
    slices_barrier(stepper->slices);
    each_block(step, slice, clip_and_update);
}
