/* Divergence with retries: back to the last good state, on with smaller rates, the same
 * whether or not the run was interrupted. */
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

/* 60 rows in 4 batches; the rate rises slowly through what this network can stand, so
 * that it diverges after some hundred steps. */
#define SPEC                                                                             \
    "{'model': {'layers': [{'type': 'dense', 'units': 8, 'activation': 'relu'},"         \
    " {'type': 'dropout', 'rate': 0.1}, {'type': 'dense', 'units': 'auto'}]},"           \
    " 'batch_size': 15, 'epochs': 100, 'seed': 5, 'optimizer': {'type': 'sgd', "         \
    "'learning_rate': %s, 'momentum':"                                                   \
    " 0.5}, 'learning_rate_schedule': {'type': 'constant', 'warmup_steps': 400}%s}"
#define WILD "40"

static void open_wild(struct job *job, const char *rate, const char *more)
{
    char spec[1024];
    snprintf(spec, sizeof spec, SPEC, rate, more);
    job_open_with(job, made_up_data(60, 4, 0, 1), spec);
}

static int64_t integer_of(const struct recorded_event *event, const char *key)
{
    return json_integer_value(json_object_get(event->data, key));
}

static void test_a_retry_goes_back_and_on_with_a_smaller_rate(void **state)
{
    (void)state;
    struct job job;
    open_wild(&job, WILD,
              ", 'on_divergence': {'retries': 9, 'learning_rate_factor': 0.1}");
    struct outcome outcome;
    run_from(&job, NULL, 0, &outcome);
    assert_int_equal(outcome.end, TRAIN_COMPLETED);
    const struct recorded_event *diverged = recorder_event(&outcome.recorder, "diverged");
    const struct recorded_event *retried = recorder_event(&outcome.recorder, "retried");
    assert_non_null(diverged);
    assert_non_null(retried);
    assert_int_equal(integer_of(retried, "retry"), 1);
    assert_int_equal(integer_of(retried, "diverged_at_step"),
                     integer_of(diverged, "step"));
    assert_int_equal(integer_of(retried, "step") % 100, 0);
    assert_true(integer_of(retried, "step") < integer_of(diverged, "step"));
    assert_true(json_is_array(json_object_get(diverged->data, "rows")));
    assert_true(json_real_value(json_object_get(retried->data, "learning_rate_factor")) <=
                0.1);
    for (size_t i = 0; i < outcome.length / sizeof(float); i++) {
        float weight;
        memcpy(&weight, outcome.bytes + i * sizeof weight, sizeof weight);
        assert_true(weight - weight == 0);
    }
    outcome_release(&outcome);
    job_close(&job);
}

static void test_retries_run_out(void **state)
{
    (void)state;
    struct job job;
    open_wild(&job, "10000",
              ", 'on_divergence': {'retries': 2, 'learning_rate_factor': 0.9}");
    struct outcome outcome;
    run_from(&job, NULL, 0, &outcome);
    assert_int_equal(outcome.end, TRAIN_DIVERGED);
    size_t retries = 0;
    for (size_t i = 0; i < outcome.recorder.event_count; i++)
        retries += strcmp(outcome.recorder.events[i].type, "retried") == 0;
    assert_int_equal(retries, 2);
    outcome_release(&outcome);
    job_close(&job);
    open_wild(&job, "10000", "");
    run_from(&job, NULL, 0, &outcome);
    assert_int_equal(outcome.end, TRAIN_DIVERGED);
    assert_null(recorder_event(&outcome.recorder, "retried"));
    outcome_release(&outcome);
    job_close(&job);
}

/* Before the divergence, after the retry, across both. */
static void test_a_retry_is_the_same_after_an_interruption(void **state)
{
    (void)state;
    static const char *const more[] = {
        ", 'on_divergence': {'retries': 9, 'learning_rate_factor': 0.1}",
        ", 'on_divergence': {'retries': 9, 'learning_rate_factor': 0.1},"
        " 'weight_averaging': {'decay': 0.9}, 'gradient_accumulation': 2"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        struct job job;
        open_wild(&job, WILD, more[i]);
        struct outcome whole, pieces;
        run_from(&job, NULL, 0, &whole);
        assert_non_null(recorder_event(&whole.recorder, "retried"));
        for (int64_t stride = 13; stride <= 120; stride += 107) {
            run_in_pieces(&job, stride, &pieces);
            assert_same_outcome(&whole, &pieces);
            outcome_release(&pieces);
        }
        outcome_release(&whole);
        job_close(&job);
    }
}

/* The last good state in a checkpoint is checked as the rest of it is. */
static void test_an_impossible_last_good_state_is_refused(void **state)
{
    (void)state;
    struct job job;
    open_wild(&job, "0.001", ", 'on_divergence': {'retries': 1}");
    struct outcome paused;
    run_from(&job, NULL, 130, &paused);
    const struct recorded_checkpoint *good =
        recorder_checkpoint(&paused.recorder, CHECKPOINT_LATEST);
    struct trainer *trainer = make_trainer(&job.fixture);
    unsigned char *bytes = malloc(good->length);
    assert_non_null(bytes);
    size_t run = (good->length - CHECKPOINT_HEADER_BYTES - 16) / 2;
    size_t from = CHECKPOINT_HEADER_BYTES + run;
    static const struct {
        size_t offset; /* in 64-bit fields behind the run */
        int64_t value;
    } lies[] = {{0, 99}, {0, -1}, {1, 0}, {1, -8}, {1, INT64_MAX}, {2, -1}, {4, 101}};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        memcpy(bytes, good->bytes, good->length);
        memcpy(bytes + from + 8 * lies[i].offset, &lies[i].value, 8);
        struct checkpoint_cursor cursor = checkpoint_begin(bytes, good->length);
        checkpoint_finish(&cursor, trainer->identity);
        assert_int_equal(trainer_restore(trainer, bytes, good->length, NULL),
                         ERR_CORRUPT);
    }
    assert_int_equal(trainer_restore(trainer, good->bytes, good->length, NULL), 0);
    assert_int_equal(trainer->good.step, 100);
    free(bytes);
    trainer_free(trainer);
    outcome_release(&paused);
    job_close(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_retry_goes_back_and_on_with_a_smaller_rate),
        cmocka_unit_test(test_retries_run_out),
        cmocka_unit_test(test_a_retry_is_the_same_after_an_interruption),
        cmocka_unit_test(test_an_impossible_last_good_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
