/* See stepper.h. */
#include "stepper.h"
#include "flat_buffer.h"
#include "gemm.h"
#include "kernels.h"
#include "loss_mixed.h"
#include "stepper_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Dense gradients from this size on are deferred. Below, each slice's own copy is small
 * and still in the cache when it is summed; above, a copy costs memory traffic that
 * cutting the product by rows of the gradient saves.
 */
#define DEFER_FROM 16384

/* A slice's share of a step is at least so many operations, about 50 microseconds: for
 * less, a second thread costs more than it brings. */
#define SLICE_FLOPS 4000000

/* Labels that may be mixed take more room, and some to work with. */
static int allocate_target(const struct stepper *stepper, bool mixes,
                           struct slice_state *state)
{
    size_t rows = graph_max_rows(stepper->graph);
    size_t width = stepper->layout.width;
    size_t bytes =
        stepper->layout.positions * loss_target_bytes(stepper->loss.type, width);
    bool labels = loss_takes_labels(stepper->loss.type);
    if (mixes && labels) {
        bytes = sizeof(struct mixed_label);
        state->mixing = flat_new(2 * width);
        if (!state->mixing)
            return ERR_NOMEM;
    }
    state->target = mem_alloc_aligned(rows, bytes);
    return state->target ? 0 : ERR_NOMEM;
}

static int allocate_slice(struct stepper *stepper, bool mixes, struct slice_state *state,
                          struct error *err)
{
    int rc = run_new(stepper->graph, &state->run, err);
    if (rc != 0)
        return rc;
    run_observe_only(state->run, stepper->observed_nodes);
    /* Of a slice's gradients only what backward wrote is read:
     * deferred ones stay unset. */
    bool accumulates = stepper->accumulation > 1;
    size_t size = graph_size(stepper->graph);
    state->gradients = accumulates ? flat_new(size) : flat_new_unset(size);
    state->fresh = accumulates ? flat_new(size) : NULL;
    state->block = flat_new(stepper_block_reals(stepper));
    state->squares =
        mem_alloc_array((size_t)stepper->segment_count, sizeof(struct segment_squares));
    if (!state->gradients || (accumulates && !state->fresh) || !state->block ||
        !state->squares || allocate_target(stepper, mixes, state) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the gradients");
    return 0;
}

static int allocate(struct stepper *stepper, bool mixes, struct error *err)
{
    size_t size = graph_size(stepper->graph);
    size_t moments;
    if (!mem_multiply(size, (size_t)stepper->optimizer.moments, &moments))
        return error_set(err, ERR_TOO_LARGE, "the optimizer does not fit in memory");
    stepper->parameters = flat_new(size);
    stepper->moments = flat_new(moments);
    stepper->states =
        mem_alloc_aligned((size_t)stepper->slice_count, sizeof(struct slice_state));
    if (!stepper->parameters || !stepper->moments || !stepper->states)
        return error_set(err, ERR_NOMEM, "no memory for the parameters");
    for (int s = 0; s < stepper->slice_count; s++) {
        int rc = allocate_slice(stepper, mixes, &stepper->states[s], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Threads that a step is worth. Of the operations of a sample's forward pass; backward is
 * twice as many. */
static int count_slices(const struct stepper_options *options)
{
    double least =
        (double)(options->slice_flops > 0 ? options->slice_flops : SLICE_FLOPS);
    double flops = 3.0 * (double)options->model->flops * (double)options->batch_rows;
    double worth = flops / least;
    if (worth >= options->threads)
        return options->threads;
    return worth > 1 ? (int)worth : 1;
}

int stepper_new(const struct stepper_options *options, struct stepper **ret_stepper,
                struct error *err)
{
    assert(options->threads > 0 && options->threads <= SPEC_MAX_THREADS);
    assert(options->batch_rows > 0);
    struct stepper *stepper = mem_alloc(sizeof(*stepper));
    if (!stepper)
        return error_set(err, ERR_NOMEM, "no memory for the trainer");
    stepper->slice_count = count_slices(options);
    size_t slices = (size_t)stepper->slice_count;
    stepper->loss = options->loss;
    stepper->layout = loss_layout_of(
        options->loss.type, &options->model->layers[options->model->output].output);
    stepper->clip_norm = options->clip_norm;
    stepper->clip_value = options->clip_value;
    stepper->batch_rows = options->batch_rows;
    stepper->accumulation = options->accumulation > 1 ? options->accumulation : 1;
    struct graph_options graph_options = {
        .max_rows = (options->batch_rows + slices - 1) / slices,
        .training = true,
        .seed = options->seed,
        .defer_from = stepper->accumulation > 1 ? 0 : DEFER_FROM,
    };
    gemm_use_one_thread();
    int rc = optimizer_init(&stepper->optimizer, options->optimizer, err);
    if (rc == 0)
        rc = graph_compile(options->model, &graph_options, &stepper->graph, err);
    if (rc == 0)
        rc = stepper_plan_update(stepper, err);
    if (rc == 0)
        rc = stepper_plan_reports(stepper, err);
    if (rc == 0)
        rc = allocate(stepper, options->mixes, err);
    if (rc == 0)
        rc = slices_new(stepper->slice_count, &stepper->slices, err);
    if (rc == 0)
        rc = gemm_check_room(stepper->slice_count, err);
    if (rc == 0)
        rc = graph_initialize(stepper->graph, options->seed, stepper->parameters, err);
    if (rc != 0) {
        stepper_free(stepper);
        return rc;
    }
    *ret_stepper = stepper;
    return 0;
}

void stepper_free(struct stepper *stepper)
{
    if (!stepper)
        return;
    slices_free(stepper->slices);
    for (int s = 0; stepper->states && s < stepper->slice_count; s++) {
        run_free(stepper->states[s].run);
        free(stepper->states[s].gradients);
        free(stepper->states[s].fresh);
        free(stepper->states[s].target);
        free(stepper->states[s].mixing);
        free(stepper->states[s].block);
        free(stepper->states[s].squares);
    }
    free(stepper->states);
    free(stepper->parameters);
    free(stepper->moments);
    free(stepper->segments);
    free(stepper->reports);
    free(stepper->observed_nodes);
    graph_free(stepper->graph);
    free(stepper);
}

/* One batch of a step; without accumulation it is all of it. */
struct part {
    size_t number, first, rows;
    int active; /* slices with rows */
};

static struct part part_of(const struct step *step, size_t number)
{
    size_t most = step->stepper->batch_rows, first = number * most;
    size_t slices = (size_t)step->stepper->slice_count, left = step->rows - first;
    size_t rows = left < most ? left : most;
    return (struct part){number, first, rows, (int)(rows < slices ? rows : slices)};
}

/* The slice's rows, and what they weigh in the loss. */
static void fetch(const struct step *step, const struct part *part,
                  struct slice_state *state)
{
    const struct loss_spec *loss = &step->stepper->loss;
    size_t labels = state->rows * step->stepper->layout.positions;
    step->source->fill(step->source->context, part->first + state->first, state->rows,
                       run_input(state->run), state->target);
    state->weights[part->number % 2] =
        step->source->mixed ? loss_weight_mixed(loss, state->target, labels)
                            : loss_weight(loss, state->target, labels);
}

/* What the batch's sum of losses is divided by: the slices' weights in their order, times
 * the batches whose mean is taken. */
static double divisor_of(const struct step *step, const struct part *part)
{
    const struct stepper *stepper = step->stepper;
    double sum = 0;
    if (!stepper->loss.class_weights)
        sum = (double)(part->rows * stepper->layout.positions);
    for (int s = 0; stepper->loss.class_weights && s < part->active; s++)
        sum += stepper->states[s].weights[part->number % 2];
    return sum * (double)step->batches;
}

/* The loss of a slice's rows, and its gradient. */
static void compare(const struct step *step, const struct part *part,
                    struct slice_state *state)
{
    const struct stepper *stepper = step->stepper;
    struct run *run = state->run;
    const struct loss_layout *layout = &stepper->layout;
    double divisor = divisor_of(step, part);
    if (step->source->mixed)
        loss_compute_mixed(&stepper->loss, run_output(run), state->target, state->rows,
                           layout->width, divisor, state->mixing,
                           run_output_gradient(run), &state->sums);
    else
        loss_compute_share(&stepper->loss, run_output(run), state->target,
                           state->rows * layout->positions, layout->width, divisor,
                           run_output_gradient(run), &state->sums);
}

/* Forward, loss and backward of a slice's rows. */
static void learn(const struct step *step, const struct part *part,
                  struct slice_state *state)
{
    const struct stepper *stepper = step->stepper;
    struct run *run = state->run;
    bool last = part->number + 1 == step->batches;
    run_of_batch(run, part->rows);
    run_forward(run, stepper->parameters, state->rows, part->first + state->first,
                (uint64_t)step->number, true, step->observe && last);
    compare(step, part, state);
    if (part->number == 0) {
        run_backward(run, stepper->parameters, state->gradients);
        return;
    }
    /* Gradients add up; of the states the latest shares count. */
    size_t trained = graph_trained_size(stepper->graph);
    run_backward(run, stepper->parameters, state->fresh);
    vector_add(state->gradients, state->fresh, trained);
    memcpy(state->gradients + trained, state->fresh + trained,
           (graph_size(stepper->graph) - trained) * sizeof(real));
}

static void train_part(struct step *step, size_t number, int slice)
{
    struct stepper *stepper = step->stepper;
    struct slice_state *state = &stepper->states[slice];
    struct part part = part_of(step, number);
    slices_cut(part.rows, 1, slice, stepper->slice_count, &state->first, &state->rows);
    if (state->rows > 0)
        fetch(step, &part, state);
    if (stepper->loss.class_weights)
        slices_barrier(stepper->slices); /* until all weights are known */
    if (state->rows > 0)
        learn(step, &part, state);
    bool has_states = graph_size(stepper->graph) > graph_trained_size(stepper->graph);
    if (number + 1 == step->batches || !has_states)
        return;
    slices_barrier(stepper->slices);
    stepper_update_states(step, slice, part.active);
    slices_barrier(stepper->slices);
}

static void train_slice(void *context, int slice)
{
    struct step *step = context;
    struct stepper *stepper = step->stepper;
    stepper->states[slice].sums = (struct loss_sums){0};
    for (size_t number = 0; number < step->batches; number++)
        train_part(step, number, slice);
    slices_barrier(stepper->slices);
    stepper_update_slice(step, slice);
}

void stepper_train(struct stepper *stepper, const struct batch_source *source,
                   size_t rows, int64_t step_number, double learning_rate, bool observe,
                   struct step_result *ret_result)
{
    assert(rows > 0 && rows <= stepper->batch_rows * stepper->accumulation);
    struct step step = {
        .stepper = stepper,
        .source = source,
        .rows = rows,
        .batches = (rows + stepper->batch_rows - 1) / stepper->batch_rows,
        .number = step_number,
        .observe = observe,
    };
    step.active = part_of(&step, 0).active;
    step.last_active = part_of(&step, step.batches - 1).active;
    optimizer_begin(&stepper->optimizer, step_number + 1, learning_rate, &step.update);
    slices_run(stepper->slices, train_slice, &step);
    stepper->observed = observe;
    struct step_result result = {.gradient_norm = (double)NAN};
    for (int s = 0; s < stepper->slice_count; s++) {
        loss_sums_add(&result.sums, &stepper->states[s].sums);
        result.l2_loss += stepper->states[s].l2_loss;
    }
    if (observe || stepper->clip_norm > 0)
        result.gradient_norm = stepper_gradient_norm(stepper);
    *ret_result = result;
}

/* The slice takes a run of rows, in pieces of what its arena holds. */
static void evaluate_slice(void *context, int slice)
{
    const struct step *step = context;
    const struct stepper *stepper = step->stepper;
    struct slice_state *state = &stepper->states[slice];
    struct run *run = state->run;
    size_t first, left, most = graph_max_rows(stepper->graph);
    state->sums = (struct loss_sums){0};
    slices_cut(step->rows, 1, slice, stepper->slice_count, &first, &left);
    while (left > 0) {
        size_t rows = left < most ? left : most;
        step->source->fill(step->source->context, first, rows, run_input(run),
                           state->target);
        run_forward(run, stepper->parameters, rows, first, 0, false, false);
        size_t compared = rows * stepper->layout.positions;
        loss_compute(&stepper->loss, run_output(run), state->target, compared,
                     stepper->layout.width, compared, NULL, &state->sums);
        if (step->tally)
            tally_take(step->tally, run_output(run), state->target,
                       (step->tallied + first) * stepper->layout.positions, compared,
                       stepper->layout.width);
        first += rows;
        left -= rows;
    }
}

void stepper_evaluate(struct stepper *stepper, const struct batch_source *source,
                      size_t rows, struct loss_sums *sums)
{
    stepper_score(stepper, source, rows, NULL, 0, sums);
}

void stepper_score(struct stepper *stepper, const struct batch_source *source,
                   size_t rows, struct tally *tally, size_t first, struct loss_sums *sums)
{
    struct step step = {.stepper = stepper,
                        .source = source,
                        .rows = rows,
                        .tally = tally,
                        .tallied = first};
    slices_run(stepper->slices, evaluate_slice, &step);
    for (int s = 0; s < stepper->slice_count; s++)
        loss_sums_add(sums, &stepper->states[s].sums);
}

double stepper_l2_loss(const struct stepper *stepper)
{
    double sum = 0;
    for (int i = 0; i < stepper->segment_count; i++) {
        const struct segment *segment = &stepper->segments[i];
        if (segment->l2 > 0)
            sum += segment->l2 * vector_square_sum(stepper->parameters + segment->offset,
                                                   segment->count);
    }
    return sum;
}

const struct graph *stepper_graph(const struct stepper *stepper)
{
    return stepper->graph;
}

const struct optimizer *stepper_optimizer(const struct stepper *stepper)
{
    return &stepper->optimizer;
}

real *stepper_parameters(struct stepper *stepper)
{
    return stepper->parameters;
}

real *stepper_moments(struct stepper *stepper)
{
    return stepper->moments;
}
