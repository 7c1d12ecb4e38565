/* See trainer_report.h. */
#include "trainer_report.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_NS (CLOCK_NS_PER_SECOND / 10)
#define EPOCH_EVENT_NS CLOCK_NS_PER_SECOND
#define SPEED_WINDOW_NS CLOCK_NS_PER_SECOND
#define OBSERVING_SHARE 0.03 /* of the time, for the layers' series */
/* Of a step's length in the usual length of a step: shorter ones count more, because a
 * step that was interrupted says nothing of what a step costs. */
#define SHORTER_STEP_WEIGHT 0.25
#define LONGER_STEP_WEIGHT 0.02
#define MESSAGE_BYTES 1024

/* ---- the layers' series ---- */

enum layer_figure {
    LAYER_GRADIENT_NORM,
    LAYER_UPDATE_RATIO,
    LAYER_ACTIVATION_MEAN,
    LAYER_ACTIVATION_STD,
    LAYER_DEAD_FRACTION,
    LAYER_FIGURES
};

static const char *const layer_figure_names[LAYER_FIGURES] = {
    "gradient_norm", "update_ratio", "activation_mean", "activation_std", "dead_fraction",
};

int layer_series_init(struct layer_series *series, const struct stepper *stepper)
{
    size_t texts = (size_t)stepper_layer_count(stepper) * LAYER_FIGURES;
    size_t capacity = texts + FIGURE_COUNT;
    series->capacity = (int)capacity;
    series->names = mem_alloc_array(capacity, sizeof *series->names);
    series->values = mem_alloc_array(capacity, sizeof *series->values);
    series->texts = mem_alloc_array(texts, sizeof *series->texts);
    if (!series->names || !series->values || !series->texts)
        return ERR_NOMEM;
    return 0;
}

void layer_series_release(struct layer_series *series)
{
    free(series->names);
    free(series->values);
    free(series->texts);
    *series = (struct layer_series){0};
}

/* Appends the series of the last observed step behind `count` names; the new count. */
static int append_layers(struct layer_series *series, const struct stepper *stepper,
                         int count)
{
    for (int l = 0; l < stepper_layer_count(stepper); l++) {
        struct layer_report report;
        stepper_layer_report(stepper, l, &report);
        const double values[LAYER_FIGURES] = {
            [LAYER_GRADIENT_NORM] = report.gradient_norm,
            [LAYER_UPDATE_RATIO] = report.update_ratio,
            [LAYER_ACTIVATION_MEAN] = report.activation_mean,
            [LAYER_ACTIVATION_STD] = report.activation_std,
            [LAYER_DEAD_FRACTION] = report.dead_fraction,
        };
        int from = report.has_parameters ? 0 : LAYER_ACTIVATION_MEAN;
        for (int f = from; f < LAYER_FIGURES; f++, count++) {
            char *text = series->texts[l * LAYER_FIGURES + f];
            if (text[0] == '\0')
                snprintf(text, METRIC_NAME_SIZE, "%s/%s", layer_figure_names[f],
                         report.layer->name);
            series->names[count] = text;
            series->values[count] = values[f];
        }
    }
    return count;
}

/* ---- clocks ---- */

void report_begin(struct trainer *trainer)
{
    int64_t now = clock_monotonic_ns();
    trainer->clock = (struct report_clock){
        .now_ns = now,
        .speed = {.since_ns = now},
        .epoch_ns = now - EPOCH_EVENT_NS,
        .best_is_due = trainer->state.stopping.best_epoch > 0,
    };
}

int64_t report_tick(struct trainer *trainer)
{
    int64_t now = clock_monotonic_ns();
    trainer->state.elapsed_ns += now - trainer->clock.now_ns;
    trainer->clock.now_ns = now;
    return now;
}

void report_skip(struct trainer *trainer, int64_t ns)
{
    trainer->clock.speed.since_ns += ns;
}

bool report_wants_point(const struct trainer *trainer, int64_t step)
{
    return step == 1 || step == trainer->steps ||
           step % trainer->spec->log_every_steps == 0;
}

/* The first step of a job is observed in any case; after it, what observing costs must be
 * known, which takes a step that was not observed. */
bool report_wants_layers(const struct trainer *trainer)
{
    const struct report_clock *clock = &trainer->clock;
    if (!trainer->hooks->metrics)
        return false;
    if (clock->step_ns <= 0)
        return trainer->state.step == 0;
    return clock->observing_ns <= OBSERVING_SHARE * (double)trainer->state.elapsed_ns;
}

static double usual_length(double before, double length)
{
    if (before <= 0)
        return length;
    double weight = length < before ? SHORTER_STEP_WEIGHT : LONGER_STEP_WEIGHT;
    return before + weight * (length - before);
}

void report_step_done(struct trainer *trainer, size_t rows, bool observed)
{
    struct report_clock *clock = &trainer->clock;
    int64_t before = clock->now_ns;
    int64_t now = report_tick(trainer);
    double length = (double)(now - before);
    if (observed && clock->step_ns > 0)
        clock->observing_ns += fmax(0, length - clock->step_ns);
    else if (!observed)
        clock->step_ns = usual_length(clock->step_ns, length);

    struct speedometer *speed = &clock->speed;
    speed->rows += (int64_t)rows;
    if (now - speed->since_ns >= SPEED_WINDOW_NS) {
        speed->rate = (double)speed->rows * (double)CLOCK_NS_PER_SECOND /
                      (double)(now - speed->since_ns);
        speed->since_ns = now;
        speed->rows = 0;
    }
}

/* Rows per second; before the first full window, those since the start. */
static double current_speed(const struct report_clock *clock)
{
    const struct speedometer *speed = &clock->speed;
    int64_t ns = clock->now_ns - speed->since_ns;
    if (speed->rate > 0 || ns <= 0)
        return speed->rate;
    return (double)speed->rows * (double)CLOCK_NS_PER_SECOND / (double)ns;
}

/* ---- points and progress ---- */

static double epochs_done(const struct trainer *trainer)
{
    return (double)trainer->state.step / (double)trainer->steps_per_epoch;
}

/* Puts the known figures at the front of the series' buffers; how many. */
static int gather_figures(struct layer_series *series, const struct figures *figures)
{
    int count = 0;
    for (int which = 0; which < FIGURE_COUNT; which++) {
        if (!figures_has(figures, (enum figure)which))
            continue;
        series->names[count] = figure_names[which];
        series->values[count++] = figures->values[which];
    }
    return count;
}

static int send_point(struct trainer *trainer, int count)
{
    struct metric_point point = {
        .step = trainer->state.step,
        .epoch = epochs_done(trainer),
        .retry = trainer->state.retries,
        .count = count,
        .names = trainer->series.names,
        .values = trainer->series.values,
    };
    return trainer->hooks->metrics
               ? trainer->hooks->metrics(trainer->hooks->context, &point)
               : 0;
}

int report_figures(struct trainer *trainer, const struct figures *figures)
{
    figures_update(&trainer->state.latest, figures);
    return send_point(trainer, gather_figures(&trainer->series, figures));
}

int report_step(struct trainer *trainer, const struct step_result *result,
                double learning_rate, bool observed)
{
    struct figures figures = {0};
    figures_set_sums(&figures, &trainer->scale, &result->sums, result->l2_loss, false);
    figures.known &= ~(INT64_C(1) << FIGURE_R2); /* of a batch it would be noise */
    figures_set(&figures, FIGURE_LEARNING_RATE, learning_rate);
    figures_set(&figures, FIGURE_SAMPLES_PER_SECOND, current_speed(&trainer->clock));
    figures_update(&trainer->state.latest, &figures);
    int count = gather_figures(&trainer->series, &figures);
    if (observed)
        count = append_layers(&trainer->series, trainer->stepper, count);
    int status = send_point(trainer, count);

    int64_t before = trainer->clock.now_ns;
    int64_t now = report_tick(trainer);
    if (observed)
        trainer->clock.observing_ns += (double)(now - before);
    return status;
}

int report_progress(struct trainer *trainer, bool at_once)
{
    struct report_clock *clock = &trainer->clock;
    if (!trainer->hooks->progress ||
        (!at_once && clock->now_ns - clock->progress_ns < PROGRESS_NS))
        return 0;
    const struct train_state *state = &trainer->state;
    int64_t epochs = trainer->spec->epochs;
    struct train_progress progress = {
        .epoch = state->epoch < epochs ? state->epoch + 1 : epochs,
        .epochs = epochs,
        .step = state->step,
        .steps = trainer->steps,
        .samples_per_second = current_speed(clock),
        .seconds = (double)state->elapsed_ns / (double)CLOCK_NS_PER_SECOND,
    };
    clock->progress_ns = clock->now_ns;
    return trainer->hooks->progress(trainer->hooks->context, &progress);
}

/* ---- events ---- */

int report_event(const struct trainer *trainer, const char *type, const char *message,
                 json_t *data)
{
    if (!data)
        return ERR_NOMEM;
    int status = trainer->hooks->event
                     ? trainer->hooks->event(trainer->hooks->context, type, message, data)
                     : 0;
    json_decref(data);
    return status;
}

/* Is it time for an "epoch" event? Notes that one is sent. */
static bool epoch_event_is_due(struct trainer *trainer)
{
    struct report_clock *clock = &trainer->clock;
    int64_t epoch = trainer->state.epoch, epochs = trainer->spec->epochs;
    int64_t percent = epoch * 100 / epochs;
    if (clock->now_ns - clock->epoch_ns < EPOCH_EVENT_NS &&
        percent == clock->epoch_percent && epoch < epochs)
        return false;
    clock->epoch_ns = clock->now_ns;
    clock->epoch_percent = percent;
    return true;
}

static void describe(struct buffer *text, const struct figures *figures)
{
    static const struct {
        enum figure figure;
        const char *words;
    } parts[] = {
        {FIGURE_LOSS, ": loss"},
        {FIGURE_ACCURACY, ", accuracy"},
        {FIGURE_R2, ", R²"},
        {FIGURE_MAE, ", mean absolute error"},
        {FIGURE_PERPLEXITY, ", perplexity"},
        {FIGURE_VAL_LOSS, "; on the validation split loss"},
        {FIGURE_VAL_ACCURACY, ", accuracy"},
        {FIGURE_VAL_R2, ", R²"},
        {FIGURE_VAL_MAE, ", mean absolute error"},
        {FIGURE_VAL_PERPLEXITY, ", perplexity"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (figures_has(figures, parts[i].figure))
            buffer_printf(text, "%s %.4g", parts[i].words,
                          figures->values[parts[i].figure]);
    }
}

int report_epoch(struct trainer *trainer, const struct figures *figures)
{
    if (!trainer->hooks->event || !epoch_event_is_due(trainer))
        return 0;
    const struct train_state *state = &trainer->state;
    struct buffer text;
    buffer_init(&text, MESSAGE_BYTES);
    buffer_printf(&text, "Epoch %lld of %lld", (long long)state->epoch,
                  (long long)trainer->spec->epochs);
    describe(&text, figures);
    int status = buffer_status(&text);
    if (status == 0)
        status = report_event(
            trainer, "epoch", text.data,
            json_pack("{s:I, s:I, s:I, s:f, s:o}", "epoch", (json_int_t)state->epoch,
                      "epochs", (json_int_t)trainer->spec->epochs, "step",
                      (json_int_t)state->step, "seconds",
                      (double)state->elapsed_ns / (double)CLOCK_NS_PER_SECOND, "metrics",
                      figures_to_json(figures)));
    buffer_release(&text);
    return status;
}
