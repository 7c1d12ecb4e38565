/* See trainer_checkpoint.h and, for the bytes, checkpoint.h. */
#include "trainer_checkpoint.h"

#include "base/clock.h"
#include "base/memory.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325) /* FNV-1a, 64 bits */
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t fnv(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    return hash;
}

int trainer_identity(const struct trainer *trainer, uint64_t *ret_identity)
{
    static const char *const irrelevant[] = {
        "name", "priority", "metadata", "checkpoint", "resources", "log_every_steps"};
    json_t *spec = json_copy(trainer->spec->canonical);
    if (!spec)
        return ERR_NOMEM;
    for (size_t i = 0; i < sizeof irrelevant / sizeof irrelevant[0]; i++)
        json_object_del(spec, irrelevant[i]);
    char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(spec);
    if (!text)
        return ERR_NOMEM;
    uint64_t hash = fnv(FNV_OFFSET, text, strlen(text));
    free(text);

    const struct graph *graph = stepper_graph(trainer->stepper);
    uint64_t size = graph_size(graph);
    hash = fnv(hash, &size, sizeof size);
    for (int split = 0; split < SPLIT_COUNT; split++) {
        uint64_t rows = pipeline_rows(trainer->pipeline, (enum split)split);
        hash = fnv(hash, &rows, sizeof rows);
    }
    *ret_identity = hash;
    return 0;
}

/* ---- the walk over everything ---- */

static void walk_size(struct checkpoint_cursor *cursor, size_t *value)
{
    int64_t number = (int64_t)*value;
    checkpoint_i64(cursor, &number);
    if (number < 0)
        cursor->failed = true;
    else
        *value = (size_t)number;
}

static void walk_figures(struct checkpoint_cursor *cursor, struct figures *figures)
{
    checkpoint_i64(cursor, &figures->known);
    for (int i = 0; i < FIGURE_COUNT; i++)
        checkpoint_f64(cursor, &figures->values[i]);
}

static void walk_sums(struct checkpoint_cursor *cursor, struct loss_sums *sums)
{
    checkpoint_f64(cursor, &sums->loss);
    checkpoint_f64(cursor, &sums->weight);
    walk_size(cursor, &sums->rows);
    walk_size(cursor, &sums->correct);
    checkpoint_f64(cursor, &sums->nll);
    checkpoint_f64(cursor, &sums->absolute_error);
    checkpoint_f64(cursor, &sums->squared_error);
    checkpoint_f64(cursor, &sums->target_sum);
    checkpoint_f64(cursor, &sums->target_square_sum);
    walk_size(cursor, &sums->values);
}

static void walk_plateau(struct checkpoint_cursor *cursor, struct plateau *plateau)
{
    checkpoint_f64(cursor, &plateau->best);
    checkpoint_bool(cursor, &plateau->has_best);
    checkpoint_i64(cursor, &plateau->bad_epochs);
    checkpoint_i64(cursor, &plateau->reductions);
}

/* The settings of early stopping come from the spec; only its state is carried. */
static void walk_stopping(struct checkpoint_cursor *cursor,
                          struct early_stopping *stopping)
{
    checkpoint_i64(cursor, &stopping->best_epoch);
    checkpoint_f64(cursor, &stopping->best);
    checkpoint_f64(cursor, &stopping->reference);
    checkpoint_bool(cursor, &stopping->has_reference);
    checkpoint_i64(cursor, &stopping->waited);
}

static void walk_state(struct checkpoint_cursor *cursor, struct train_state *state)
{
    checkpoint_i64(cursor, &state->epoch);
    checkpoint_i64(cursor, &state->batch);
    checkpoint_i64(cursor, &state->step);
    checkpoint_i64(cursor, &state->elapsed_ns);
    walk_sums(cursor, &state->sums);
    checkpoint_f64(cursor, &state->l2_sum);
    walk_plateau(cursor, &state->plateau);
    walk_stopping(cursor, &state->stopping);
    walk_figures(cursor, &state->latest);
    walk_figures(cursor, &state->best);
    checkpoint_i64(cursor, &state->retries);
    checkpoint_f64(cursor, &state->rate_factor);
    checkpoint_f64(cursor, &state->first_loss);
}

/* `has_best`: the state knows a best epoch, so its parameters follow. */
static void walk_arrays(struct checkpoint_cursor *cursor, struct trainer *trainer,
                        bool has_best)
{
    size_t bytes = graph_size(stepper_graph(trainer->stepper)) * sizeof(real);
    size_t moments = (size_t)stepper_optimizer(trainer->stepper)->moments;
    checkpoint_array(cursor, stepper_parameters(trainer->stepper), bytes);
    checkpoint_array(cursor, stepper_moments(trainer->stepper), moments * bytes);
    if (has_best)
        checkpoint_array(cursor, trainer->best_parameters, bytes);
    if (trainer->average)
        checkpoint_array(cursor, trainer->average, bytes);
}

void trainer_walk(struct checkpoint_cursor *cursor, struct trainer *trainer)
{
    walk_state(cursor, &trainer->state);
    walk_arrays(cursor, trainer, trainer->state.stopping.best_epoch > 0);
}

size_t trainer_run_bytes(struct trainer *trainer, bool has_best)
{
    struct checkpoint_cursor cursor = {.direction = CHECKPOINT_MEASURE,
                                       .length = SIZE_MAX};
    walk_state(&cursor, &trainer->state);
    walk_arrays(&cursor, trainer, has_best);
    return cursor.position;
}

/* The last good state, where one is kept; its bytes are a multiple of 8. */
static void walk_good(struct checkpoint_cursor *cursor, struct trainer *trainer)
{
    if (!trainer->good.bytes)
        return;
    checkpoint_i64(cursor, &trainer->good.step);
    walk_size(cursor, &trainer->good.length);
    checkpoint_array(cursor, trainer->good.bytes, trainer->good.length);
}

static void walk(struct checkpoint_cursor *cursor, struct trainer *trainer)
{
    trainer_walk(cursor, trainer);
    walk_good(cursor, trainer);
}

/* ---- writing ---- */

int trainer_checkpoint(struct trainer *trainer, enum checkpoint_kind kind)
{
    const struct train_state *state = &trainer->state;
    if (!trainer->hooks->checkpoint)
        return 0;
    struct checkpoint_cursor cursor = checkpoint_measure();
    walk(&cursor, trainer);
    size_t length = cursor.position;
    void *bytes = mem_alloc_aligned(length, 1);
    bool best = kind == CHECKPOINT_BEST;
    json_t *metrics = figures_to_json(best ? &state->best : &state->latest);
    int status = ERR_NOMEM;
    if (bytes && metrics) {
        cursor = checkpoint_begin(bytes, length);
        walk(&cursor, trainer);
        checkpoint_finish(&cursor, trainer->identity);
        int64_t best_epoch = state->stopping.best_epoch;
        int64_t step = best ? best_epoch * trainer->steps_per_epoch : state->step;
        status = trainer->hooks->checkpoint(
            trainer->hooks->context, kind, step,
            (double)step / (double)trainer->steps_per_epoch, metrics, bytes, length);
    }
    json_decref(metrics);
    free(bytes);
    return status;
}

/* Gives one to the hook and notes what that took. */
static int make(struct trainer *trainer, enum checkpoint_kind kind)
{
    int64_t begin = clock_monotonic_ns();
    int status = trainer_checkpoint(trainer, kind);
    checkpoint_pace_made(&trainer->clock.pace, kind == CHECKPOINT_LATEST, begin,
                         clock_monotonic_ns());
    return status;
}

void trainer_checkpoint_begin(struct trainer *trainer)
{
    struct checkpoint_cursor cursor = checkpoint_measure();
    walk(&cursor, trainer);
    checkpoint_pace_begin(&trainer->clock.pace, trainer->clock.now_ns, cursor.position);
}

static bool best_is_due(const struct trainer *trainer)
{
    const struct report_clock *clock = &trainer->clock;
    return clock->best_is_due && trainer->spec->checkpoint_keep_best > 0 &&
           (clock->best_ns == 0 || clock->now_ns - clock->best_ns >=
                                       BEST_CHECKPOINT_SECONDS * CLOCK_NS_PER_SECOND) &&
           checkpoint_pace_allows(&clock->pace, clock->now_ns);
}

int trainer_checkpoint_if_due(struct trainer *trainer)
{
    struct report_clock *clock = &trainer->clock;
    if (best_is_due(trainer)) {
        clock->best_is_due = false;
        clock->best_ns = clock->now_ns;
        int status = make(trainer, CHECKPOINT_BEST);
        if (status != 0)
            return status;
    }
    if (!checkpoint_pace_is_due(&clock->pace, clock->now_ns,
                                trainer->spec->checkpoint_every_seconds))
        return 0;
    return make(trainer, CHECKPOINT_LATEST);
}

/* ---- reading ---- */

/* Could a run of this trainer ever be in this state? */
static bool is_possible(const struct trainer *trainer, const struct train_state *state)
{
    const struct early_stopping *stopping = &state->stopping;
    int64_t known = (INT64_C(1) << FIGURE_COUNT) - 1;
    return state->epoch >= 0 && state->epoch <= trainer->spec->epochs &&
           state->batch >= 0 && state->batch <= trainer->steps_per_epoch &&
           (state->epoch < trainer->spec->epochs || state->batch == 0) &&
           state->step == state->epoch * trainer->steps_per_epoch + state->batch &&
           state->elapsed_ns >= 0 && state->elapsed_ns <= INT64_MAX / 2 &&
           state->plateau.bad_epochs >= 0 && state->plateau.reductions >= 0 &&
           stopping->best_epoch >= 0 && stopping->best_epoch <= state->epoch &&
           stopping->waited >= 0 && stopping->waited <= state->epoch &&
           (stopping->best_epoch == 0 || trainer->best_parameters) &&
           state->retries >= 0 && state->retries <= trainer->spec->divergence_retries &&
           state->rate_factor > 0 && state->rate_factor <= 1 &&
           (state->latest.known & ~known) == 0 && (state->best.known & ~known) == 0;
}

/* Could the run have been in the last good state that lies at `position`? Its bytes, with
 * what precedes them, go to *ret_bytes. */
static bool good_fits(struct trainer *trainer, const void *bytes, size_t length,
                      size_t position, size_t *ret_bytes)
{
    struct checkpoint_cursor cursor = {.direction = CHECKPOINT_READ,
                                       .input = bytes,
                                       .position = position,
                                       .length = length};
    struct train_state state = trainer->state;
    int64_t step = -1;
    size_t good = 0;
    if (position > length)
        return false;
    checkpoint_i64(&cursor, &step);
    walk_size(&cursor, &good);
    size_t before = cursor.position - position;
    walk_state(&cursor, &state);
    if (cursor.failed || !is_possible(trainer, &state) || state.step != step ||
        good != trainer_run_bytes(trainer, state.stopping.best_epoch > 0))
        return false;
    *ret_bytes = before + good;
    return true;
}

int trainer_restore(struct trainer *trainer, const void *bytes, size_t length,
                    struct error *err)
{
    struct checkpoint_cursor cursor;
    int status = checkpoint_open(bytes, length, trainer->identity, &cursor, err);
    if (status != 0)
        return status;
    struct train_state state = trainer->state;
    walk_state(&cursor, &state);
    if (cursor.failed || !is_possible(trainer, &state))
        return error_set(err, ERR_CORRUPT,
                         "the checkpoint's state is not one that this "
                         "job can be in");
    /* The arrays are the last thing, so their length is known before one is touched. */
    struct checkpoint_cursor sizes = checkpoint_measure();
    sizes.position = cursor.position;
    walk_arrays(&sizes, trainer, state.stopping.best_epoch > 0);
    size_t good = 0;
    if (trainer->good.bytes && !good_fits(trainer, bytes, length, sizes.position, &good))
        return error_set(err, ERR_CORRUPT,
                         "the checkpoint's last good state is not one that this job can "
                         "have been in");
    if (sizes.position + good != length)
        return error_set(err, ERR_CORRUPT,
                         "the checkpoint has %zu bytes, this job's have %zu", length,
                         sizes.position + good);
    walk_arrays(&cursor, trainer, state.stopping.best_epoch > 0);
    walk_good(&cursor, trainer);
    assert(checkpoint_is_complete(&cursor));
    trainer->state = state;
    return 0;
}
