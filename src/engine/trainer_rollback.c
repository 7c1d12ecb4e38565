/* See trainer_rollback.h. The copy is in the form of a checkpoint's inside. */
#include "trainer_rollback.h"

#include "base/memory.h"
#include "trainer_checkpoint.h"
#include "trainer_flow.h"
#include "trainer_report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

int trainer_rollback_init(struct trainer *trainer)
{
    trainer->state.rate_factor = 1;
    if (trainer->spec->divergence_retries == 0)
        return 0;
    struct last_good *good = &trainer->good;
    good->capacity = trainer_run_bytes(trainer, trainer->best_parameters != NULL);
    good->bytes = mem_alloc_aligned(good->capacity, 1);
    return good->bytes ? 0 : ERR_NOMEM;
}

void trainer_rollback_release(struct trainer *trainer)
{
    free(trainer->good.bytes);
}

static void keep(struct trainer *trainer)
{
    struct last_good *good = &trainer->good;
    struct checkpoint_cursor cursor = {
        .direction = CHECKPOINT_WRITE, .output = good->bytes, .length = good->capacity};
    trainer_walk(&cursor, trainer);
    assert(!cursor.failed);
    good->length = cursor.position;
    good->step = trainer->state.step;
}

void trainer_rollback_begin(struct trainer *trainer)
{
    if (trainer->good.bytes && trainer->good.length == 0)
        keep(trainer);
}

void trainer_rollback_step(struct trainer *trainer, double loss)
{
    struct train_state *state = &trainer->state;
    if (state->step == 1)
        state->first_loss = loss;
    if (trainer->good.bytes && state->step - trainer->good.step >= ROLLBACK_STEPS &&
        loss <= ROLLBACK_LOSS * state->first_loss &&
        divergence_parameters_are_finite(trainer))
        keep(trainer);
}

double trainer_rate(const struct trainer *trainer, int64_t step)
{
    return schedule_rate(&trainer->schedule, step, &trainer->state.plateau) *
           trainer->state.rate_factor;
}

static void go_back(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    struct train_state before = *state;
    struct checkpoint_cursor cursor = {.direction = CHECKPOINT_READ,
                                       .input = trainer->good.bytes,
                                       .length = trainer->good.length};
    trainer_walk(&cursor, trainer);
    assert(checkpoint_is_complete(&cursor));
    state->elapsed_ns = before.elapsed_ns;
    state->retries = before.retries + 1;
    state->rate_factor = before.rate_factor * trainer->spec->divergence_factor;
    trainer_flow_begin(trainer);
}

int trainer_rollback(struct trainer *trainer, const struct divergence *divergence,
                     bool *ret_again)
{
    struct train_state *state = &trainer->state;
    int64_t retries = trainer->spec->divergence_retries;
    *ret_again = false;
    if (state->retries >= retries)
        return 0;
    go_back(trainer);
    *ret_again = true;
    double rate = trainer_rate(trainer, state->step);
    char message[240];
    snprintf(message, sizeof message,
             "Back at step %lld, the last good one: training goes on from there with %g "
             "times the learning rates, now %g (retry %lld of %lld)",
             (long long)state->step, state->rate_factor, rate, (long long)state->retries,
             (long long)retries);
    return report_event(
        trainer, "retried", message,
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "retry",
                  (json_int_t)state->retries, "retries", (json_int_t)retries,
                  "diverged_at_step", (json_int_t)divergence->step, "step",
                  (json_int_t)state->step, "epoch", (json_int_t)state->epoch,
                  "learning_rate_factor", state->rate_factor, "learning_rate", rate));
}
