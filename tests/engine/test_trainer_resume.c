/*
 * A run that was interrupted and goes on from a checkpoint ends with the very bytes of
 * one that was not.
 */
#include "base/error.h"
#include "engine/checkpoint.h"
#include "engine/trainer_internal.h"
#include "resume_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 90
/* 72 rows to train on: 5 steps an epoch, the last of 8 rows; 30 steps in all. */
#define STEPS_PER_EPOCH 5
#define STEPS 30

#define SPEC                                                                             \
    "{'model': {'layers': [{'type': 'dense', 'units': 12, 'activation': 'gelu',"         \
    " 'l2': 0.001}, {'type': 'dropout', 'rate': 0.4}, {'type': 'dense', 'units': 12,"    \
    " 'name': 'a'}, {'type': 'dense', 'units': 12, 'activation': 'tanh',"                \
    " 'shared_weights': 'a'}, {'type': 'dense', 'units':"                                \
    " 'auto'}]}, 'batch_size': 16, 'epochs': 6, 'seed': 11, 'log_every_steps': 2%s}"

static void job_open(struct job *job, const char *more)
{
    char spec[1024];
    snprintf(spec, sizeof spec, SPEC, more);
    job_open_with(job, made_up_data(ROWS, 4, 3, 0), spec);
}

static void check_resuming(const char *more, int64_t stride)
{
    struct job job;
    job_open(&job, more);
    struct outcome whole, pieces;
    run_from(&job, NULL, 0, &whole);
    run_in_pieces(&job, stride, &pieces);
    assert_same_outcome(&whole, &pieces);
    outcome_release(&whole);
    outcome_release(&pieces);
    job_close(&job);
}

static void test_every_optimizer_resumes_bit_for_bit(void **state)
{
    (void)state;
    static const char *const optimizers[] = {
        "'sgd'",
        "{'type': 'sgd', 'momentum': 0.9}",
        "{'type': 'sgd', 'momentum': 0.9, 'nesterov': true, 'weight_decay': 0.01}",
        "'rmsprop'",
        "{'type': 'rmsprop', 'centered': true, 'momentum': 0.5}",
        "'adam'",
        "{'type': 'adamw', 'weight_decay': 0.1}",
        "{'type': 'adagrad', 'learning_rate_decay': 0.1}",
        "'adadelta'",
        "{'type': 'nadam', 'momentum_decay': 0.1}",
        "{'type': 'radam', 'beta_2': 0.9}",
        "{'type': 'lion', 'weight_decay': 0.1}",
    };
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        char more[128];
        snprintf(more, sizeof more, ", 'optimizer': %s", optimizers[i]);
        check_resuming(more, 7); /* in the middle of epochs and at their ends */
    }
}

static void test_every_schedule_resumes_bit_for_bit(void **state)
{
    (void)state;
    static const char *const schedules[] = {
        "{'type': 'step', 'step_epochs': 2, 'gamma': 0.5}",
        "{'type': 'exponential', 'gamma': 0.8}",
        "{'type': 'cosine', 'warmup_steps': 9}",
        "{'type': 'multi_step', 'milestones': [1, 3]}",
        "{'type': 'polynomial', 'power': 2}",
        "{'type': 'cosine_restarts', 'period_epochs': 1, 'period_multiplier': 2}",
        "'one_cycle'",
        "{'type': 'reduce_on_plateau', 'patience': 0, 'factor': 0.5, 'min_delta': 0.2}",
    };
    for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++) {
        char more[160];
        snprintf(more, sizeof more, ", 'learning_rate_schedule': %s", schedules[i]);
        check_resuming(more, 8);
    }
}

static void test_averaged_weights_resume_bit_for_bit(void **state)
{
    (void)state;
    check_resuming(", 'weight_averaging': {'decay': 0.8}", 7);
    check_resuming(", 'weight_averaging': {'decay': 0.8}, 'early_stopping': {}", 4);
}

/* Of two epochs with one step each, the average is (1 - decay) of the way from the
 * weights of the first to those of the second. */
static void test_the_model_is_the_average_of_the_weights(void **state)
{
    (void)state;
    static const char *const more[] = {
        ", 'epochs': 1", ", 'epochs': 2",
        ", 'epochs': 2, 'weight_averaging': {'type': 'ema', 'decay': 0.25}"};
    struct outcome outcomes[3];
    for (size_t i = 0; i < 3; i++) {
        struct job job;
        char spec[512];
        snprintf(
            spec, sizeof spec,
            "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'optimizer':"
            " {'type': 'sgd', 'learning_rate': 0.5}, 'batch_size': 90, 'split':"
            " {'fractions': {'train': 1}}%s}",
            more[i]);
        job.data = made_up_data(ROWS, 4, 3, 0);
        training_fixture_open_text(&job.fixture, &job.data, spec);
        run_from(&job, NULL, 0, &outcomes[i]);
        job_close(&job);
    }
    size_t count = outcomes[0].length / sizeof(float);
    float *first = (float *)(void *)outcomes[0].bytes;
    float *second = (float *)(void *)outcomes[1].bytes;
    float *average = (float *)(void *)outcomes[2].bytes;
    assert_int_equal(outcomes[2].length, outcomes[0].length);
    for (size_t i = 0; i < count; i++) {
        float expected = 0.25f * first[i] + 0.75f * second[i];
        assert_true(average[i] - expected < 1e-6f && expected - average[i] < 1e-6f);
    }
    assert_memory_not_equal(first, second, outcomes[0].length);
    for (size_t i = 0; i < 3; i++)
        outcome_release(&outcomes[i]);
}

static void test_a_pause_at_every_step_changes_nothing(void **state)
{
    (void)state;
    check_resuming("", 1);
}

static void test_a_run_on_two_threads_resumes_bit_for_bit(void **state)
{
    (void)state;
    check_resuming(", 'resources': {'threads': 2}", 7);
}

static void test_early_stopping_goes_on_counting(void **state)
{
    (void)state;
    check_resuming(", 'optimizer': {'type': 'sgd', 'learning_rate': 20},"
                   " 'early_stopping': {'patience': 2}",
                   4);
}

/* Long validations ask for commands too; a pause there validates again. 54 rows to train
 * on are 54 steps here, and the 27 for validation are scored in chunks of 16. */
static void test_a_pause_during_validation_loses_nothing(void **state)
{
    (void)state;
    struct job job;
    job.data = made_up_data(ROWS, 4, 3, 0);
    training_fixture_open_text(
        &job.fixture, &job.data,
        "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'batch_size': 1,"
        " 'epochs': 2, 'split': {'fractions': {'validation': 0.3, 'test': 0.1}}}");
    struct outcome whole, paused, resumed;
    run_from(&job, NULL, 0, &whole);
    run_from(&job, NULL, 54 + 1, &paused);
    assert_int_equal(paused.end, TRAIN_PAUSED);
    const struct recorded_checkpoint *checkpoint =
        recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST);
    assert_int_equal(checkpoint->step, 54);
    assert_int_equal(recorder_count(&paused.recorder, "val_loss"), 0);
    run_from(&job, checkpoint, 0, &resumed);
    assert_same_outcome(&whole, &resumed);
    assert_int_equal(recorder_count(&resumed.recorder, "val_loss"), 2);
    outcome_release(&whole);
    outcome_release(&paused);
    outcome_release(&resumed);
    job_close(&job);
}

static void test_a_paused_run_says_where_it_is(void **state)
{
    (void)state;
    struct job job;
    job_open(&job, "");
    struct outcome paused;
    run_from(&job, NULL, 3, &paused);
    const struct recorded_checkpoint *checkpoint =
        recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST);
    assert_int_equal(checkpoint->step, 3);
    assert_true(checkpoint->epoch == 3.0 / STEPS_PER_EPOCH);
    assert_true(json_is_number(json_object_get(checkpoint->metrics, "loss")));
    outcome_release(&paused);
    job_close(&job);
}

/* A BEST checkpoint is the run as it was: it can be gone on from, and it knows the best
 * epoch until then. */
static void test_a_best_checkpoint_is_given_and_resumes(void **state)
{
    (void)state;
    struct job job; /* long enough for one to cost next to nothing */
    job_open_with(&job, made_up_data(ROWS, 4, 3, 0),
                  "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]},"
                  " 'batch_size': 16, 'epochs': 600, 'seed': 11}");
    struct outcome whole, resumed;
    run_from(&job, NULL, 0, &whole);
    const struct recorded_checkpoint *best =
        recorder_checkpoint(&whole.recorder, CHECKPOINT_BEST);
    assert_non_null(best);
    const json_t *last = json_object_get(whole.results, "best");
    assert_true(best->epoch >= 1);
    assert_true((int64_t)best->epoch <=
                json_integer_value(json_object_get(last, "epoch")));
    assert_true(json_number_value(json_object_get(best->metrics, "val_loss")) >=
                json_number_value(json_object_get(last, "val_loss")));
    run_from(&job, best, 0, &resumed);
    assert_same_outcome(&whole, &resumed);
    outcome_release(&whole);
    outcome_release(&resumed);
    job_close(&job);
}

static void test_no_best_checkpoint_without_keep_best(void **state)
{
    (void)state;
    struct job job;
    job_open(&job, ", 'checkpoint': {'keep_best': 0}");
    struct outcome whole;
    run_from(&job, NULL, 0, &whole);
    assert_null(recorder_checkpoint(&whole.recorder, CHECKPOINT_BEST));
    outcome_release(&whole);
    job_close(&job);
}

/* ---- damage ---- */

/* A refused checkpoint must leave no trace: the run then is a fresh one. */
static void test_damaged_checkpoints_are_refused_without_a_trace(void **state)
{
    (void)state;
    struct job job;
    job_open(&job, "");
    struct outcome whole, paused;
    run_from(&job, NULL, 0, &whole);
    run_from(&job, NULL, 17, &paused);
    const struct recorded_checkpoint *good =
        recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST);

    struct trainer *trainer = make_trainer(&job.fixture);
    for (size_t cut = 0; cut < good->length; cut += cut < 64 ? 1 : 97) {
        unsigned char *part = malloc(cut > 0 ? cut : 1);
        assert_non_null(part);
        memcpy(part, good->bytes, cut);
        assert_int_equal(trainer_restore(trainer, part, cut, NULL), ERR_CORRUPT);
        free(part);
    }
    for (size_t at = 0; at < good->length; at += at < 600 ? 1 : 101) {
        good->bytes[at] ^= 0x10;
        assert_int_equal(trainer_restore(trainer, good->bytes, good->length, NULL),
                         ERR_CORRUPT);
        good->bytes[at] ^= 0x10;
    }
    assert_int_equal(run_trainer(trainer, NULL), TRAIN_COMPLETED);
    size_t length;
    unsigned char *bytes = exported_bytes(trainer, &length);
    assert_memory_equal(bytes, whole.bytes, length);
    free(bytes);
    trainer_free(trainer);
    outcome_release(&whole);
    outcome_release(&paused);
    job_close(&job);
}

/* Somebody who can make a right CRC must not get further with a wrong state. */
static void test_impossible_states_are_refused_even_with_a_right_crc(void **state)
{
    (void)state;
    static const struct {
        size_t offset; /* of a 64-bit field behind the header */
        int64_t value;
    } lies[] = {
        {0, -1},
        {0, 7},
        {0, INT64_MAX},
        {1, -1},
        {1, 6},
        {2, 16},
        {2, INT64_MIN},
        {3, -5},
        {3, INT64_MAX},
        {6, -1},
        {16, 2},
        {17, -1},
        {18, INT64_MIN},
        {19, INT64_MAX},
        {19, -1},
        {22, 3},
        {23, -1},
        {24, INT64_MIN},
        {25 + FIGURE_COUNT, -1},
    };
    struct job job;
    job_open(&job, "");
    struct outcome paused;
    run_from(&job, NULL, 17, &paused);
    const struct recorded_checkpoint *good =
        recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST);
    struct trainer *trainer = make_trainer(&job.fixture);
    unsigned char *bytes = malloc(good->length);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        memcpy(bytes, good->bytes, good->length);
        memcpy(bytes + CHECKPOINT_HEADER_BYTES + 8 * lies[i].offset, &lies[i].value, 8);
        struct checkpoint_cursor cursor = checkpoint_begin(bytes, good->length);
        checkpoint_finish(&cursor, trainer->identity);
        if (trainer_restore(trainer, bytes, good->length, NULL) != ERR_CORRUPT)
            fail_msg("field %zu = %lld was taken", lies[i].offset,
                     (long long)lies[i].value);
    }
    assert_int_equal(trainer->state.step, 0);
    assert_int_equal(trainer_restore(trainer, good->bytes, good->length, NULL), 0);
    assert_int_equal(trainer->state.step, 17);
    free(bytes);
    trainer_free(trainer);
    outcome_release(&paused);
    job_close(&job);
}

static void test_checkpoints_of_another_spec_are_refused(void **state)
{
    (void)state;
    static const char *const others[] = {
        ", 'optimizer': 'sgd'",
        ", 'optimizer': {'type': 'adam', 'learning_rate': 0.002}",
        ", 'gradient_clip': {'norm': 1}",
        ", 'split': {'fractions': {'validation': 0.2}}",
    };
    struct job job;
    job_open(&job, "");
    struct outcome paused;
    run_from(&job, NULL, 3, &paused);
    const struct recorded_checkpoint *good =
        recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct job other;
        job_open(&other, others[i]);
        struct trainer *trainer = make_trainer(&other.fixture);
        struct error err = {0};
        assert_int_equal(trainer_restore(trainer, good->bytes, good->length, &err),
                         ERR_INVALID);
        assert_non_null(strstr(err.text, "another spec"));
        trainer_free(trainer);
        job_close(&other);
    }
    outcome_release(&paused);
    job_close(&job);
}

/* What does not shape the weights may change between two attempts. */
static void test_a_new_name_or_priority_does_not_matter(void **state)
{
    (void)state;
    struct job job, renamed;
    job_open(&job, "");
    job_open(&renamed, ", 'name': 'again', 'priority': 5, 'metadata': {'a': 'b'},"
                       " 'checkpoint': {'every_seconds': 60}");
    struct outcome paused, resumed;
    run_from(&job, NULL, 3, &paused);
    run_from(&renamed, recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST), 0,
             &resumed);
    assert_int_equal(resumed.end, TRAIN_COMPLETED);
    assert_int_equal(resumed.recorder.progress[0].step, 3);
    outcome_release(&paused);
    outcome_release(&resumed);
    job_close(&job);
    job_close(&renamed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_optimizer_resumes_bit_for_bit),
        cmocka_unit_test(test_every_schedule_resumes_bit_for_bit),
        cmocka_unit_test(test_averaged_weights_resume_bit_for_bit),
        cmocka_unit_test(test_the_model_is_the_average_of_the_weights),
        cmocka_unit_test(test_a_pause_at_every_step_changes_nothing),
        cmocka_unit_test(test_a_run_on_two_threads_resumes_bit_for_bit),
        cmocka_unit_test(test_early_stopping_goes_on_counting),
        cmocka_unit_test(test_a_pause_during_validation_loses_nothing),
        cmocka_unit_test(test_a_paused_run_says_where_it_is),
        cmocka_unit_test(test_a_best_checkpoint_is_given_and_resumes),
        cmocka_unit_test(test_no_best_checkpoint_without_keep_best),
        cmocka_unit_test(test_damaged_checkpoints_are_refused_without_a_trace),
        cmocka_unit_test(test_impossible_states_are_refused_even_with_a_right_crc),
        cmocka_unit_test(test_checkpoints_of_another_spec_are_refused),
        cmocka_unit_test(test_a_new_name_or_priority_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
