/* See trainer_epoch.h. */
#include "trainer_epoch.h"

#include "base/clock.h"
#include "network_internal.h"
#include "trainer_average.h"
#include "trainer_flow.h"
#include "trainer_report.h"
#include "trainer_rollback.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Batches scored between two looks at commands and the clock. */
#define SCORE_BATCHES 16

/*
 * Loss and its kin over a whole split, with the stepper's present parameters. A command
 * that ends the run breaks it off, *ret_command saying which; `final` scores heed only a
 * cancel.
 */
static int score_split(struct trainer *trainer, enum split split, bool final,
                       enum train_command *ret_command, struct loss_sums *ret_sums)
{
    size_t total = pipeline_rows(trainer->pipeline, split);
    size_t chunk = SCORE_BATCHES * (size_t)trainer->spec->batch_size;
    struct tally *tally = trainer->tally.classes > 0 ? &trainer->tally : NULL;
    struct loss_sums sums = {0};
    if (tally)
        tally_clear(tally);
    int64_t began_ns = report_tick(trainer);
    for (size_t first = 0; first < total; first += chunk) {
        struct split_rows rows = {trainer->pipeline, split, NULL, first};
        struct batch_source source = split_source(&rows);
        size_t count = total - first < chunk ? total - first : chunk;
        stepper_score(trainer->stepper, &source, count, tally, first, &sums);

        report_tick(trainer);
        int status = report_progress(trainer, false);
        if (status != 0)
            return status;
        if (count == total - first)
            break; /* all is scored: a command can wait for the end */
        enum train_command command = trainer_poll(trainer);
        if (command == TRAIN_CANCEL || (command != TRAIN_GO_ON && !final)) {
            *ret_command = command;
            return 0;
        }
    }
    report_skip(trainer, report_tick(trainer) - began_ns);
    *ret_command = TRAIN_GO_ON;
    *ret_sums = sums;
    return 0;
}

/* The figures of the split that was just scored. */
static void set_scores(struct trainer *trainer, struct figures *figures,
                       const struct loss_sums *sums, bool validation)
{
    figures_set_sums(figures, &trainer->scale, sums, stepper_l2_loss(trainer->stepper),
                     validation);
    if (trainer->tally.classes > 0)
        figures_set_tally(figures, &trainer->tally, validation);
}

/* Keeps the epoch's weights in mind if it is the best so far. */
static struct early_stopping_verdict watch(struct trainer *trainer,
                                           const struct figures *figures)
{
    struct train_state *state = &trainer->state;
    enum figure figure = state->stopping.figure;
    if (!figures_has(figures, figure))
        return (struct early_stopping_verdict){0};
    struct early_stopping_verdict verdict =
        early_stopping_observe(&state->stopping, state->epoch, figures->values[figure]);
    if (verdict.is_best) {
        state->best = *figures;
        memcpy(trainer->best_parameters, trainer_average_or_parameters(trainer),
               graph_size(stepper_graph(trainer->stepper)) * sizeof(real));
        trainer->clock.best_is_due = true;
    }
    return verdict;
}

/* Tells reduce_on_plateau of the epoch, and the user of what it did. */
static int adapt_rate(struct trainer *trainer, const struct figures *figures)
{
    struct train_state *state = &trainer->state;
    if (trainer->schedule.monitor[0] == '\0')
        return 0;
    enum figure figure = figure_find(trainer->schedule.monitor);
    if (!figures_has(figures, figure))
        return 0;
    double before = trainer_rate(trainer, state->step);
    if (!schedule_observe(&trainer->schedule, &state->plateau, figures->values[figure],
                          figure_higher_is_better(figure)))
        return 0;
    double after = trainer_rate(trainer, state->step);
    if (after >= before)
        return 0; /* it was at its minimum already */
    char message[200];
    snprintf(message, sizeof message,
             "Learning rate reduced from %g to %g after epoch %lld: %s stopped improving",
             before, after, (long long)state->epoch, trainer->schedule.monitor);
    return report_event(trainer, "learning_rate_reduced", message,
                        json_pack("{s:I, s:I, s:f, s:f, s:s}", "epoch",
                                  (json_int_t)state->epoch, "step",
                                  (json_int_t)state->step, "from", before, "to", after,
                                  "monitor", trainer->schedule.monitor));
}

static int report_early_stop(struct trainer *trainer)
{
    const struct early_stopping *stopping = &trainer->state.stopping;
    const char *monitor = figure_names[stopping->figure];
    char message[240];
    snprintf(message, sizeof message,
             "Stopped early after epoch %lld: %s has not improved for %lld epochs; its "
             "best was %.6g after epoch %lld",
             (long long)trainer->state.epoch, monitor, (long long)stopping->waited,
             stopping->best, (long long)stopping->best_epoch);
    return report_event(trainer, "early_stopped", message,
                        json_pack("{s:I, s:I, s:s, s:o, s:I}", "epoch",
                                  (json_int_t)trainer->state.epoch, "best_epoch",
                                  (json_int_t)stopping->best_epoch, "monitor", monitor,
                                  "best", figure_to_json(stopping->best), "patience",
                                  (json_int_t)stopping->patience));
}

/* The points of an epoch's end: what only whole splits and whole epochs have. */
static int report_scores(struct trainer *trainer, const struct figures *figures)
{
    struct figures point = *figures;
    point.known &= ~(INT64_C(1) << FIGURE_LOSS | INT64_C(1) << FIGURE_ACCURACY |
                     INT64_C(1) << FIGURE_MAE | INT64_C(1) << FIGURE_PERPLEXITY);
    return point.known ? report_figures(trainer, &point) : 0;
}

/* Adds the validation split's figures, of the averaged weights where there are. */
static int validate(struct trainer *trainer, struct figures *figures,
                    enum train_command *ret_command)
{
    if (pipeline_rows(trainer->pipeline, IN_VALIDATION) == 0)
        return 0;
    struct loss_sums sums;
    trainer_average_swap(trainer);
    int status = score_split(trainer, IN_VALIDATION, false, ret_command, &sums);
    if (status == 0 && *ret_command == TRAIN_GO_ON)
        set_scores(trainer, figures, &sums, true);
    trainer_average_swap(trainer);
    return status;
}

int trainer_finish_epoch(struct trainer *trainer, struct epoch_verdict *ret_verdict)
{
    struct train_state *state = &trainer->state;
    struct figures figures = {0};
    enum train_command command = TRAIN_GO_ON;
    figures_set_sums(&figures, &trainer->scale, &state->sums,
                     state->l2_sum / (double)trainer->steps_per_epoch, false);
    int status = validate(trainer, &figures, &command);
    if (status != 0)
        return status;
    if (command != TRAIN_GO_ON) {
        *ret_verdict = (struct epoch_verdict){.command = command};
        return 0;
    }
    state->epoch++;
    state->batch = 0;
    state->sums = (struct loss_sums){0};
    state->l2_sum = 0;
    bool diverged = figures_has(&figures, FIGURE_VAL_LOSS) &&
                    !isfinite(figures.values[FIGURE_VAL_LOSS]);
    struct early_stopping_verdict watched = watch(trainer, &figures);

    status = report_scores(trainer, &figures);
    if (status == 0)
        status = report_epoch(trainer, &figures);
    if (status == 0 && !diverged)
        status = trainer_flow_epoch(trainer, figures.values[FIGURE_LOSS]);
    if (status == 0 && !diverged)
        status = adapt_rate(trainer, &figures);
    bool stop = watched.stop && !diverged && state->epoch < trainer->spec->epochs;
    if (status == 0 && stop)
        status = report_early_stop(trainer);
    *ret_verdict = (struct epoch_verdict){
        .command = TRAIN_GO_ON, .diverged = diverged, .early_stopped = stop};
    return status;
}

/* Does this end, under this spec, keep the best epoch's weights? */
static bool keeps_best(const struct trainer *trainer, enum train_end end)
{
    static const bool cut_short[] = {
        [TRAIN_COMPLETED] = false,   [TRAIN_EARLY_STOPPED] = false,
        [TRAIN_USER_STOPPED] = true, [TRAIN_TIME_LIMIT] = true,
        [TRAIN_DIVERGED] = true,     [TRAIN_CANCELLED] = false,
        [TRAIN_PAUSED] = false,
    };
    bool wanted = trainer->spec->early_stopping.enabled &&
                  trainer->spec->early_stopping.restore_best_weights &&
                  end != TRAIN_CANCELLED && end != TRAIN_PAUSED;
    return trainer->state.stopping.best_epoch > 0 && (wanted || cut_short[end]);
}

static int restore_best(struct trainer *trainer)
{
    int64_t epoch = trainer->state.stopping.best_epoch;
    memcpy(stepper_parameters(trainer->stepper), trainer->best_parameters,
           graph_size(stepper_graph(trainer->stepper)) * sizeof(real));
    char message[120];
    snprintf(message, sizeof message, "The weights of epoch %lld, the best one, are kept",
             (long long)epoch);
    return report_event(trainer, "best_weights_kept", message,
                        json_pack("{s:I, s:o}", "epoch", (json_int_t)epoch, "metrics",
                                  figures_to_json(&trainer->state.best)));
}

int trainer_keep(struct trainer *trainer, enum train_end end)
{
    bool gives_model =
        end != TRAIN_CANCELLED && end != TRAIN_PAUSED && end != TRAIN_DIVERGED;
    int status = 0;
    if (keeps_best(trainer, end))
        status = restore_best(trainer);
    else if (gives_model)
        trainer_average_swap(trainer);
    if (status != 0)
        return status;
    network_set_parameters(trainer->network, stepper_parameters(trainer->stepper));
    if (!gives_model || pipeline_rows(trainer->pipeline, IN_TEST) == 0)
        return 0;
    enum train_command command = TRAIN_GO_ON;
    struct loss_sums sums;
    status = score_split(trainer, IN_TEST, true, &command, &sums);
    if (status != 0 || command != TRAIN_GO_ON)
        return status;
    set_scores(trainer, &trainer->test, &sums, false);
    trainer->has_test = true;
    return 0;
}
