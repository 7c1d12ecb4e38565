/*
 * Exactness: from every step of a run that has everything switched on, a new trainer goes
 * on to the very bytes of the run that was never interrupted. Every optimizer and every
 * schedule of the spec is in it by its row alone.
 */
#include "resume_fixture.h"
#include "spec/training_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* 72 rows to train on: 4 steps an epoch of two batches, the last step of one and a half.
 */
#define ROWS 90
#define STEPS 16

#define SPEC                                                                             \
    "{'model': {'layers': [{'type': 'dense', 'units': 12, 'activation': 'gelu', 'l2':"   \
    " 0.001}, {'type': 'batch_norm'}, {'type': 'dropout', 'rate': 0.4}, {'type':"        \
    " 'dense', 'units': 'auto'}]}, 'batch_size': 10, 'gradient_accumulation': 2,"        \
    " 'epochs': 4, 'seed': 11, 'log_every_steps': 2, 'gradient_clip': {'norm': 0.3},"    \
    " 'loss': {'type': 'cross_entropy', 'class_weights': 'balanced', 'label_smoothing':" \
    " 0.1}, 'weight_averaging': {'decay': 0.7}, 'early_stopping': {'patience': 2},"      \
    " 'on_divergence': {'retries': 1}, 'optimizer': %s, 'learning_rate_schedule': %s%s}"

static void check_every_step(const char *optimizer, const char *schedule,
                             const char *more)
{
    char spec[2048];
    snprintf(spec, sizeof spec, SPEC, optimizer, schedule, more);
    struct job job;
    job_open_with(&job, made_up_data(ROWS, 4, 3, 0), spec);
    struct outcome whole;
    run_from(&job, NULL, 0, &whole);
    bool paused = true;
    int64_t step = 0;
    for (; paused; step++) {
        struct outcome first, rest;
        run_from(&job, NULL, step + 1, &first);
        paused = first.end == TRAIN_PAUSED;
        if (paused) {
            run_from(&job, recorder_checkpoint(&first.recorder, CHECKPOINT_LATEST), 0,
                     &rest);
            assert_same_outcome(&whole, &rest);
            outcome_release(&rest);
        } else {
            assert_same_outcome(&whole, &first);
        }
        outcome_release(&first);
    }
    assert_true(step > STEPS / 2); /* early stopping may take the rest */
    outcome_release(&whole);
    job_close(&job);
}

static void test_every_optimizer_is_exact_from_every_step(void **state)
{
    (void)state;
    for (size_t i = 0; optimizer_names[i]; i++) {
        char optimizer[128];
        snprintf(optimizer, sizeof optimizer, "{'type': '%s', 'weight_decay': 0.01}",
                 optimizer_names[i]);
        check_every_step(optimizer, "{'type': 'cosine', 'warmup_steps': 3}", "");
    }
}

/* What the optimizers have besides, each of which adds a moment or a constant. */
static void test_every_variant_of_an_optimizer_is_exact_from_every_step(void **state)
{
    (void)state;
    static const char *const optimizers[] = {
        "{'type': 'sgd', 'momentum': 0.9}",
        "{'type': 'sgd', 'momentum': 0.9, 'nesterov': true, 'weight_decay_on': 'all',"
        " 'weight_decay': 0.1}",
        "{'type': 'rmsprop', 'centered': true, 'momentum': 0.5}",
        "{'type': 'rmsprop', 'momentum': 0.5}",
        "{'type': 'adagrad', 'learning_rate_decay': 0.1}",
        "{'type': 'nadam', 'momentum_decay': 0.1}",
        "{'type': 'radam', 'beta_2': 0.9}",
    };
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++)
        check_every_step(optimizers[i], "'constant'", ", 'resources': {'threads': 2}");
}

static void test_every_schedule_is_exact_from_every_step(void **state)
{
    (void)state;
    static const struct {
        const char *type, *more; /* what it requires, or what makes it act */
    } settings[] = {
        {"step", ", 'step_epochs': 2"},
        {"exponential", ", 'gamma': 0.8"},
        {"multi_step", ", 'milestones': [1, 3]"},
        {"cosine_restarts", ", 'period_epochs': 1, 'period_multiplier': 2"},
        {"reduce_on_plateau", ", 'patience': 0, 'factor': 0.5, 'min_delta': 0.2"},
    };
    for (size_t i = 0; schedule_names[i]; i++) {
        const char *more = "";
        for (size_t k = 0; k < sizeof settings / sizeof settings[0]; k++) {
            if (strcmp(settings[k].type, schedule_names[i]) == 0)
                more = settings[k].more;
        }
        char schedule[160];
        snprintf(schedule, sizeof schedule, "{'type': '%s'%s}", schedule_names[i], more);
        check_every_step("'adam'", schedule, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_optimizer_is_exact_from_every_step),
        cmocka_unit_test(test_every_variant_of_an_optimizer_is_exact_from_every_step),
        cmocka_unit_test(test_every_schedule_is_exact_from_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
