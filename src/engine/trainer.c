/*
 * See trainer.h. The loop over epochs and steps; what happens around it is in the modules
 * that trainer_internal.h lists.
 */
#include "trainer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "network_internal.h"
#include "trainer_average.h"
#include "trainer_batches.h"
#include "trainer_checkpoint.h"
#include "trainer_divergence.h"
#include "trainer_epoch.h"
#include "trainer_flow.h"
#include "trainer_internal.h"
#include "trainer_report.h"
#include "trainer_rollback.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT_NETWORK_ROWS 32 /* it is exported, and may predict a little */

/* How a run ended, if it did. */
struct outcome {
    bool ended;
    bool back; /* it goes on from an earlier step */
    enum train_end end;
};

static void fill_rows(void *context, size_t first, size_t count, real *ret_x,
                      void *ret_target)
{
    const struct split_rows *rows = context;
    size_t from = rows->first + first;
    if (rows->order)
        pipeline_fill(rows->pipeline, rows->split, rows->order + from, 0, count, ret_x,
                      ret_target);
    else
        pipeline_fill(rows->pipeline, rows->split, NULL, from, count, ret_x, ret_target);
}

struct batch_source split_source(struct split_rows *rows)
{
    return (struct batch_source){.context = rows, .fill = fill_rows};
}

enum train_command trainer_poll(const struct trainer *trainer)
{
    return trainer->hooks->poll ? trainer->hooks->poll(trainer->hooks->context)
                                : TRAIN_GO_ON;
}

/* ---- life ---- */

/* The loss with the weights of this data. */
static int weigh_classes(struct trainer *trainer, struct loss_spec *ret_loss)
{
    size_t classes = (size_t)trainer->spec->features.target_width;
    *ret_loss = trainer->spec->loss;
    if (!ret_loss->balanced)
        return 0;
    trainer->class_weights = mem_alloc_array(classes, sizeof(double));
    if (!trainer->class_weights)
        return ERR_NOMEM;
    pipeline_balance_classes(trainer->pipeline, classes, trainer->class_weights);
    ret_loss->class_weights = trainer->class_weights;
    return 0;
}

static int make_tally(struct trainer *trainer)
{
    size_t validation = pipeline_rows(trainer->pipeline, IN_VALIDATION);
    size_t test = pipeline_rows(trainer->pipeline, IN_TEST);
    const struct features_spec *features = &trainer->spec->features;
    if (features->target != TARGET_CATEGORY || validation + test == 0)
        return 0;
    size_t ranked = validation > test ? validation : test;
    return tally_init(&trainer->tally, (size_t)features->target_width,
                      features->vocabulary > 0 ? 0 : ranked, false);
}

/* The parts that can fail; whatever was made is freed by trainer_free(). */
static int build(struct trainer *trainer, struct error *err)
{
    const struct job_spec *spec = trainer->spec;
    size_t rows = pipeline_rows(trainer->pipeline, IN_TRAIN);
    size_t batch = (size_t)spec->batch_size < rows ? (size_t)spec->batch_size : rows;
    struct stepper_options options = {
        .model = &spec->model,
        .optimizer = &spec->optimizer,
        .clip_norm = spec->clip_norm,
        .clip_value = spec->clip_value,
        .seed = spec->seed,
        .mixes = spec->augmentation.mixup_alpha > 0,
        .batch_rows = batch,
        .accumulation = (size_t)spec->gradient_accumulation,
        .threads = (int)spec->threads,
    };
    if (weigh_classes(trainer, &options.loss) != 0 || make_tally(trainer) != 0)
        return error_set(err, ERR_NOMEM, "no memory for %lld classes",
                         (long long)spec->features.target_width);
    int status = stepper_new(&options, &trainer->stepper, err);
    if (status == 0)
        status = network_new(spec, KEPT_NETWORK_ROWS, &trainer->network, err);
    if (status == 0)
        status = schedule_init(&trainer->schedule, &spec->learning_rate_schedule,
                               stepper_optimizer(trainer->stepper)->learning_rate,
                               trainer->steps_per_epoch, trainer->steps, err);
    if (status != 0)
        return status;

    trainer->order = mem_alloc_array(rows, sizeof *trainer->order);
    if (trainer->state.stopping.figure != FIGURE_COUNT)
        trainer->best_parameters =
            mem_alloc_aligned(graph_size(stepper_graph(trainer->stepper)), sizeof(real));
    if (!trainer->order ||
        (trainer->state.stopping.figure != FIGURE_COUNT && !trainer->best_parameters) ||
        trainer_average_init(trainer) != 0 || trainer_rollback_init(trainer) != 0 ||
        layer_series_init(&trainer->series, trainer->stepper) != 0 ||
        trainer_flow_init(trainer) != 0 ||
        trainer_identity(trainer, &trainer->identity) != 0)
        return error_set(err, ERR_NOMEM, "no memory for a trainer of %zu rows", rows);
    return trainer_batches_init(trainer, err);
}

int trainer_new(const struct job_spec *spec, const struct pipeline *pipeline,
                struct trainer **ret_trainer, struct error *err)
{
    size_t rows = pipeline_rows(pipeline, IN_TRAIN);
    if (rows == 0)
        return error_set(err, ERR_INVALID, "there are no rows to train on");
    struct trainer *trainer = mem_alloc(sizeof *trainer);
    if (!trainer)
        return error_set(err, ERR_NOMEM, "no memory for a trainer");
    trainer->spec = spec;
    trainer->pipeline = pipeline;
    int64_t steps = ((int64_t)rows + spec->step_rows - 1) / spec->step_rows;
    /* Rows may have been dropped since the spec counted them. */
    trainer->steps_per_epoch =
        steps < spec->steps_per_epoch ? steps : spec->steps_per_epoch;
    trainer->steps = trainer->steps_per_epoch * spec->epochs;
    trainer->scale.target = spec->features.target;
    trainer->scale.of_text = spec->features.vocabulary > 0;
    trainer->scale.mae_scale = pipeline_preprocess(pipeline)->target_number.scale;
    early_stopping_init(&trainer->state.stopping, spec,
                        pipeline_rows(pipeline, IN_VALIDATION) > 0);
    int status = build(trainer, err);
    if (status != 0) {
        trainer_free(trainer);
        return status;
    }
    *ret_trainer = trainer;
    return 0;
}

void trainer_free(struct trainer *trainer)
{
    if (!trainer)
        return;
    trainer_batches_release(trainer);
    layer_series_release(&trainer->series);
    trainer_flow_release(trainer);
    trainer_rollback_release(trainer);
    tally_release(&trainer->tally);
    free(trainer->class_weights);
    free(trainer->average);
    free(trainer->best_parameters);
    free(trainer->order);
    network_free(trainer->network);
    stepper_free(trainer->stepper);
    free(trainer);
}

/* ---- the loop ---- */

/* Ends the run by a command, giving the checkpoint that a pause promises. */
static int obey(struct trainer *trainer, enum train_command command,
                struct outcome *outcome)
{
    static const enum train_end ends[] = {
        [TRAIN_CANCEL] = TRAIN_CANCELLED,
        [TRAIN_STOP] = TRAIN_USER_STOPPED,
        [TRAIN_PAUSE] = TRAIN_PAUSED,
    };
    *outcome = (struct outcome){.ended = true, .end = ends[command]};
    return command == TRAIN_PAUSE ? trainer_checkpoint(trainer, CHECKPOINT_LATEST) : 0;
}

static int diverge(struct trainer *trainer, const struct divergence *divergence,
                   struct outcome *outcome)
{
    bool again = false;
    int status = divergence_report(trainer, divergence);
    if (status == 0)
        status = trainer_rollback(trainer, divergence, &again);
    *outcome = (struct outcome){.ended = !again, .back = again, .end = TRAIN_DIVERGED};
    return status;
}

/* One step: batch, update, and what is to be told of it. */
static int run_step(struct trainer *trainer, struct outcome *outcome)
{
    struct train_state *state = &trainer->state;
    bool point = report_wants_point(trainer, state->step + 1);
    bool observe = (point && report_wants_layers(trainer)) || trainer_flow_wants(trainer);
    double rate = trainer_rate(trainer, state->step);

    struct batch batch;
    struct step_result result;
    trainer_batches_next(trainer, &batch);
    stepper_train(trainer->stepper, &batch.source, batch.rows, state->step, rate, observe,
                  &result);

    double loss = loss_sums_loss(&result.sums) + result.l2_loss;
    if (!isfinite(loss)) {
        struct divergence divergence = {loss, rate, state->step + 1, &batch};
        return diverge(trainer, &divergence, outcome);
    }
    loss_sums_add(&state->sums, &result.sums);
    state->l2_sum += result.l2_loss;
    state->step++;
    state->batch++;
    trainer_average_step(trainer);
    trainer_rollback_step(trainer, loss);
    report_step_done(trainer, batch.rows, observe);
    trainer->flow.learning_rate = rate;
    int status = trainer_flow_step(trainer, loss, batch.rows, observe);
    if (status == 0 && point)
        status = report_step(trainer, &result, rate, observe);
    if (status == 0)
        status = report_progress(trainer, false);
    return status;
}

/* The steps that the epoch under way still has. */
static int run_steps(struct trainer *trainer, struct outcome *outcome)
{
    int64_t limit_ns = trainer->spec->max_seconds > 0
                           ? trainer->spec->max_seconds * CLOCK_NS_PER_SECOND
                           : INT64_MAX;
    while (trainer->state.batch < trainer->steps_per_epoch) {
        int status = run_step(trainer, outcome);
        if (status != 0 || outcome->ended || outcome->back)
            return status;
        status = trainer_checkpoint_if_due(trainer);
        if (status != 0)
            return status;
        enum train_command command = trainer_poll(trainer);
        if (command != TRAIN_GO_ON)
            return obey(trainer, command, outcome);
        if (trainer->state.elapsed_ns >= limit_ns) {
            *outcome = (struct outcome){.ended = true, .end = TRAIN_TIME_LIMIT};
            return 0;
        }
    }
    return 0;
}

/* The end of the epoch whose steps are done. */
static int close_epoch(struct trainer *trainer, struct outcome *outcome)
{
    struct epoch_verdict verdict = {.command = TRAIN_GO_ON};
    int status = trainer_finish_epoch(trainer, &verdict);
    if (status != 0)
        return status;
    if (verdict.command != TRAIN_GO_ON)
        return obey(trainer, verdict.command, outcome);
    bool last = trainer->state.epoch == trainer->spec->epochs;
    if (verdict.diverged || (last && !divergence_parameters_are_finite(trainer))) {
        struct divergence divergence = {
            .loss = verdict.diverged ? trainer->state.latest.values[FIGURE_VAL_LOSS]
                                     : trainer->state.latest.values[FIGURE_LOSS],
            .learning_rate = trainer_rate(trainer, trainer->state.step - 1),
            .step = trainer->state.step,
        };
        return diverge(trainer, &divergence, outcome);
    }
    if (last)
        *outcome = (struct outcome){.ended = true, .end = TRAIN_COMPLETED};
    else if (verdict.early_stopped)
        *outcome = (struct outcome){.ended = true, .end = TRAIN_EARLY_STOPPED};
    else
        status = trainer_checkpoint_if_due(trainer);
    return status;
}

static int report_dropped_rows(struct trainer *trainer)
{
    size_t dropped = pipeline_dropped_rows(trainer->pipeline);
    if (dropped == 0 || trainer->state.step > 0)
        return 0;
    char message[160];
    snprintf(message, sizeof message,
             "%zu rows were left out, because the target or a column that drops rows has "
             "no value in them",
             dropped);
    return report_event(trainer, "rows_dropped", message,
                        json_pack("{s:I}", "rows", (json_int_t)dropped));
}

static int run_to_end(struct trainer *trainer, enum train_end *ret_end)
{
    struct outcome outcome = {.end = TRAIN_COMPLETED};
    int status = report_dropped_rows(trainer);
    if (status == 0)
        status = report_progress(trainer, true);
    while (status == 0 && !outcome.ended &&
           trainer->state.epoch < trainer->spec->epochs) {
        outcome.back = false;
        trainer_batches_begin(trainer);
        status = run_steps(trainer, &outcome);
        trainer_batches_end(trainer);
        if (status == 0 && !outcome.ended && !outcome.back)
            status = close_epoch(trainer, &outcome);
    }
    if (status == 0)
        status = report_progress(trainer, true);
    if (status == 0)
        status = trainer_keep(trainer, outcome.end);
    *ret_end = outcome.end;
    return status;
}

int trainer_run(struct trainer *trainer, const struct train_hooks *hooks,
                enum train_end *ret_end, struct error *err)
{
    enum train_end end;
    trainer->hooks = hooks;
    report_begin(trainer);
    trainer_checkpoint_begin(trainer);
    trainer_flow_begin(trainer);
    trainer_rollback_begin(trainer);
    int status = run_to_end(trainer, &end);
    trainer->hooks = NULL;
    if (status != 0)
        return error_set(err, status, "training ended at step %lld: %s",
                         (long long)trainer->state.step, error_code_name(status));
    *ret_end = end;
    return 0;
}

/* ---- results ---- */

json_t *trainer_results(const struct trainer *trainer)
{
    const struct train_state *state = &trainer->state;
    json_t *best = json_null(), *test = json_null();
    if (state->stopping.best_epoch > 0) {
        json_t *figures = figures_to_json(&state->best);
        best = json_pack("{s:I}", "epoch", (json_int_t)state->stopping.best_epoch);
        if (best && (!figures || json_object_update(best, figures) != 0)) {
            json_decref(best);
            best = NULL;
        }
        json_decref(figures);
    }
    if (trainer->has_test)
        test = figures_to_json(&trainer->test);
    return json_pack("{s:o, s:o, s:o}", "latest", figures_to_json(&state->latest), "best",
                     best, "test", test);
}

const struct network *trainer_network(const struct trainer *trainer)
{
    return trainer->network;
}
