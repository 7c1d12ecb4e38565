/* Training on a text: the loss at every position, what is told of it, epochs of some
 * steps, and going on from a checkpoint in the middle of one. */
#include "base/error.h"
#include "training_fixture.h"
#include "training_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

/* After each of four letters always comes the same one. */
#define PATTERN "abcd"
#define LENGTH 2000

/* Each token is looked at alone. */
#define SPEC                                                                             \
    "{'features': {'tokenizer': 'byte', 'context_length': 8}, 'model': {'layers': ["     \
    "{'type': 'reshape', 'shape': [-1, 1]}, {'type': 'dense', 'units': 8, "              \
    "'activation': 'tanh'}, {'type': 'dropout', 'rate': 0.2}, "                          \
    "{'type': 'dense', 'units': 'auto'}]}, 'batch_size': 16, 'seed': 5%s}"

struct text_run {
    char prose[LENGTH + 1];
    struct training_fixture fixture;
};

static void run_open(struct text_run *run, const char *more)
{
    for (size_t i = 0; i < LENGTH; i++)
        run->prose[i] = PATTERN[i % 4];
    run->prose[LENGTH] = '\0';
    char spec[1024];
    snprintf(spec, sizeof spec, SPEC, more);
    training_fixture_open_prose(&run->fixture, run->prose, spec);
}

static void test_the_loss_is_the_mean_over_tokens(void **state)
{
    (void)state;
    struct text_run run;
    run_open(&run, ", 'epochs': 3, 'optimizer': {'type': 'adam', 'learning_rate': 0.03}");
    struct recorder recorder;
    recorder_init(&recorder);
    struct trainer *trainer = make_trainer(&run.fixture);
    assert_int_equal(run_trainer(trainer, &recorder.hooks), TRAIN_COMPLETED);
    /* The first loss is about that of guessing among 256 tokens, not 8 times it. */
    double first = recorder_value(&recorder, "loss", 0)->value;
    assert_true(first > 2 && first < 12);
    assert_true(fabs(recorder_value(&recorder, "perplexity", 0)->value - exp(first)) <
                1e-6 * exp(first));
    size_t last = recorder_count(&recorder, "val_loss") - 1;
    assert_int_equal(last, 2);
    double loss = recorder_value(&recorder, "val_loss", last)->value;
    double perplexity = recorder_value(&recorder, "val_perplexity", last)->value;
    assert_true(loss < first);
    assert_true(fabs(perplexity - exp(loss)) < 1e-6 * perplexity);
    double accuracy = recorder_value(&recorder, "val_accuracy", last)->value;
    assert_true(accuracy >= 0.2 && accuracy <= 1);
    json_t *results = trainer_results(trainer);
    assert_true(
        json_is_real(json_object_get(json_object_get(results, "test"), "perplexity")));
    json_decref(results);
    trainer_free(trainer);
    recorder_release(&recorder);
    training_fixture_close(&run.fixture);
}

static void test_an_epoch_takes_the_steps_that_were_asked_for(void **state)
{
    (void)state;
    struct text_run run;
    run_open(&run, ", 'epochs': 4, 'steps_per_epoch': 3, 'log_every_steps': 1");
    struct recorder recorder;
    recorder_init(&recorder);
    struct trainer *trainer = make_trainer(&run.fixture);
    assert_int_equal(run_trainer(trainer, &recorder.hooks), TRAIN_COMPLETED);
    assert_int_equal(recorder_count(&recorder, "loss"), 12);
    assert_int_equal(recorder_count(&recorder, "val_loss"), 4);
    assert_int_equal(recorder_value(&recorder, "val_loss", 1)->step, 6);
    const struct train_progress *end = &recorder.progress[recorder.progress_count - 1];
    assert_int_equal(end->step, 12);
    assert_int_equal(end->steps, 12);
    trainer_free(trainer);
    recorder_release(&recorder);
    training_fixture_close(&run.fixture);
}

/* Runs to the end, or pauses after a step and goes on in a new trainer. */
static unsigned char *train(const struct text_run *run, int64_t pause_after,
                            size_t *ret_length)
{
    struct recorder recorder;
    recorder_init(&recorder);
    recorder.command = TRAIN_PAUSE;
    recorder.command_after = pause_after;
    struct trainer *trainer = make_trainer(&run->fixture);
    enum train_end end = run_trainer(trainer, &recorder.hooks);
    if (pause_after > 0) {
        assert_int_equal(end, TRAIN_PAUSED);
        const struct recorded_checkpoint *checkpoint =
            recorder_checkpoint(&recorder, CHECKPOINT_LATEST);
        trainer_free(trainer);
        trainer = make_trainer(&run->fixture);
        assert_int_equal(
            trainer_restore(trainer, checkpoint->bytes, checkpoint->length, NULL), 0);
        end = run_trainer(trainer, NULL);
    }
    assert_int_equal(end, TRAIN_COMPLETED);
    unsigned char *bytes = exported_bytes(trainer, ret_length);
    trainer_free(trainer);
    recorder_release(&recorder);
    return bytes;
}

static void test_resuming_within_an_epoch_changes_no_bit(void **state)
{
    (void)state;
    static const char *const specs[] = {
        ", 'epochs': 3",
        ", 'epochs': 4, 'steps_per_epoch': 5, 'resources': {'threads': 2}",
        ", 'epochs': 3, 'loss': 'focal', 'optimizer': 'adamw', 'learning_rate_schedule': "
        "{'type': 'cosine', 'warmup_steps': 4}, 'steps_per_epoch': 6",
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct text_run run;
        run_open(&run, specs[i]);
        size_t length, other_length;
        unsigned char *whole = train(&run, 0, &length);
        for (int64_t pause = 1; pause < 15; pause += 3) {
            unsigned char *resumed = train(&run, pause, &other_length);
            assert_int_equal(length, other_length);
            assert_memory_equal(whole, resumed, length);
            free(resumed);
        }
        free(whole);
        training_fixture_close(&run.fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loss_is_the_mean_over_tokens),
        cmocka_unit_test(test_an_epoch_takes_the_steps_that_were_asked_for),
        cmocka_unit_test(test_resuming_within_an_epoch_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
