/* Whole runs: what they learn, how they end, which weights they keep, and the same bits.
 */
#include "base/error.h"
#include "training_fixture.h"
#include "training_recorder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAYERS                                                                           \
    "'model': {'layers': [{'type': 'dense', 'units': 16, 'activation': 'relu'},"         \
    " {'type': 'dropout', 'rate': 0.2}, {'type': 'dense', 'units': 'auto'}]}"
#define CLASSES_SPEC                                                                     \
    "{" LAYERS ", 'optimizer': {'type': 'adam', 'learning_rate': 0.01},"                 \
    " 'batch_size': 16, 'epochs': 12, 'seed': 5%s}"

/* A finished run of a spec, which may have more keys: ", 'epochs': 3". */
struct finished {
    struct training_data data;
    struct training_fixture fixture;
    struct recorder recorder;
    struct trainer *trainer;
    enum train_end end;
    json_t *results;
    unsigned char *exported;
    size_t bytes;
};

/* Prepares without running, so that a test can set the recorder up. */
static void prepare(struct finished *run, struct training_data data, const char *spec)
{
    *run = (struct finished){.data = data};
    training_fixture_open_text(&run->fixture, &run->data, spec);
    recorder_init(&run->recorder);
    run->trainer = make_trainer(&run->fixture);
}

static void finish(struct finished *run)
{
    run->end = run_trainer(run->trainer, &run->recorder.hooks);
    run->results = trainer_results(run->trainer);
    assert_non_null(run->results);
    run->exported = exported_bytes(run->trainer, &run->bytes);
}

static void run_classes(struct finished *run, const char *more)
{
    char spec[1024];
    snprintf(spec, sizeof spec, CLASSES_SPEC, more);
    prepare(run, made_up_data(200, 4, 3, 0), spec);
    finish(run);
}

static void release(struct finished *run)
{
    json_decref(run->results);
    free(run->exported);
    trainer_free(run->trainer);
    recorder_release(&run->recorder);
    training_fixture_close(&run->fixture);
    made_up_data_release(&run->data);
}

static double result(const struct finished *run, const char *group, const char *name)
{
    const json_t *value = json_object_get(json_object_get(run->results, group), name);
    if (!json_is_number(value))
        fail_msg("no %s of %s", name, group);
    return json_number_value(value);
}

static void test_classes_are_learned(void **state)
{
    (void)state;
    struct finished run;
    run_classes(&run, "");
    assert_int_equal(run.end, TRAIN_COMPLETED);
    assert_true(result(&run, "test", "accuracy") > 0.9);
    assert_true(result(&run, "latest", "val_accuracy") > 0.9);
    assert_true(result(&run, "test", "loss") < 0.4);
    assert_true(result(&run, "best", "val_loss") <= result(&run, "latest", "val_loss"));
    release(&run);
}

/* Metrics of whole splits come with each epoch and with the test split, may be monitored,
 * and agree with each other. */
static void test_splits_of_classes_have_their_metrics(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(300, 4, 2, 0),
            "{" LAYERS ", 'epochs': 6, 'early_stopping': {'monitor': 'val_auc'}}");
    finish(&run);
    static const char *const names[] = {"precision", "recall", "f1", "auc"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "val_%s", names[i]);
        assert_true(result(&run, "test", names[i]) > 0.7);
        assert_true(result(&run, "latest", name) > 0.7);
        assert_true(result(&run, "best", name) <= 1);
    }
    assert_true(result(&run, "best", "val_auc") >= result(&run, "latest", "val_auc"));
    assert_null(json_object_get(json_object_get(run.results, "test"), "top5_accuracy"));
    release(&run);
    prepare(&run, made_up_data(300, 4, 7, 0), "{" LAYERS ", 'epochs': 1}");
    finish(&run);
    assert_true(result(&run, "test", "top5_accuracy") >=
                result(&run, "test", "accuracy"));
    assert_null(json_object_get(json_object_get(run.results, "test"), "auc"));
    release(&run);
}

/* Written out, the balanced weights of the training rows give the same bytes. */
static void test_balanced_weights_are_those_of_the_training_rows(void **state)
{
    (void)state;
    struct finished balanced, listed;
    prepare(&balanced, made_up_data(90, 4, 3, 0),
            "{" LAYERS ", 'epochs': 2, 'loss': {'type': 'cross_entropy',"
            " 'class_weights': 'balanced'}}");
    finish(&balanced);
    const struct pipeline *pipeline = balanced.fixture.pipeline;
    size_t rows = pipeline_rows(pipeline, IN_TRAIN);
    float x[90 * 4];
    int32_t labels[90];
    double counts[3] = {0};
    pipeline_fill(pipeline, IN_TRAIN, NULL, 0, rows, x, labels);
    for (size_t i = 0; i < rows; i++)
        counts[labels[i]]++;
    char spec[512];
    snprintf(spec, sizeof spec,
             "{" LAYERS ", 'epochs': 2, 'loss': {'type': 'cross_entropy',"
             " 'class_weights': [%.17g, %.17g, %.17g]}}",
             (double)rows / (3 * counts[0]), (double)rows / (3 * counts[1]),
             (double)rows / (3 * counts[2]));
    prepare(&listed, made_up_data(90, 4, 3, 0), spec);
    finish(&listed);
    assert_int_equal(balanced.bytes, listed.bytes);
    assert_memory_equal(balanced.exported, listed.exported, listed.bytes);
    release(&listed);
    release(&balanced);
}

/* What the results say of the test split is what the kept network does with its rows. */
static void test_numbers_are_learned_and_scored_in_their_own_units(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(400, 2, 0, 1),
            "{'model': {'layers': [{'type': 'dense', 'units': 32, 'activation': 'tanh'},"
            " {'type': 'dense', 'units': 'auto'}]}, 'epochs': 60, 'batch_size': 20,"
            " 'optimizer': {'type': 'adam', 'learning_rate': 0.01}}");
    finish(&run);
    assert_int_equal(run.end, TRAIN_COMPLETED);
    assert_true(result(&run, "test", "r2") > 0.9);
    assert_true(result(&run, "latest", "r2") > 0.9);
    assert_true(result(&run, "latest", "val_r2") > 0.9);

    struct network *network = NULL;
    assert_int_equal(
        network_load(run.fixture.spec, run.exported, run.bytes, 8, &network, NULL), 0);
    const struct preprocess *preprocess = pipeline_preprocess(run.fixture.pipeline);
    size_t rows = pipeline_rows(run.fixture.pipeline, IN_TEST);
    assert_int_equal(rows, 40);
    float x[80], target[40];
    pipeline_fill(run.fixture.pipeline, IN_TEST, NULL, 0, rows, x, target);
    json_t *predictions = network_predict(network, preprocess, x, rows);
    const struct number_transform *unit = &preprocess->target_number;
    double mean = 0, absolute = 0, squared = 0, spread = 0;
    for (size_t i = 0; i < rows; i++)
        mean += ((double)target[i] * unit->scale + unit->shift) / (double)rows;
    for (size_t i = 0; i < rows; i++) {
        double actual = (double)target[i] * unit->scale + unit->shift;
        double error =
            actual -
            json_number_value(json_object_get(json_array_get(predictions, i), "value"));
        absolute += fabs(error) / (double)rows;
        squared += error * error;
        spread += (actual - mean) * (actual - mean);
    }
    assert_true(fabs(result(&run, "test", "mae") - absolute) < 1e-3 * absolute);
    assert_true(fabs(result(&run, "test", "r2") - (1 - squared / spread)) < 1e-4);
    json_decref(predictions);
    network_free(network);
    release(&run);
}

static void assert_same_bytes(const struct finished *a, const struct finished *b)
{
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->exported, b->exported, a->bytes);
}

static void test_two_runs_of_a_spec_give_the_same_bytes(void **state)
{
    (void)state;
    static const char *const threads[] = {"", ", 'resources': {'threads': 2}",
                                          ", 'resources': {'threads': 3}"};
    for (size_t i = 0; i < 3; i++) {
        struct finished first, second;
        run_classes(&first, threads[i]);
        run_classes(&second, threads[i]);
        assert_same_bytes(&first, &second);
        assert_true(result(&first, "test", "loss") == result(&second, "test", "loss"));
        release(&first);
        release(&second);
    }
}

/* Telemetry must look and not touch. */
static void test_how_often_metrics_are_logged_does_not_change_the_weights(void **state)
{
    (void)state;
    struct finished often, never;
    run_classes(&often, ", 'log_every_steps': 1");
    run_classes(&never, ", 'log_every_steps': 100000");
    assert_same_bytes(&often, &never);
    release(&often);
    release(&never);
}

static void test_another_seed_gives_other_weights(void **state)
{
    (void)state;
    struct finished first;
    struct finished second;
    run_classes(&first, "");
    prepare(&second, made_up_data(200, 4, 3, 0),
            "{" LAYERS ", 'optimizer': {'type': 'adam', 'learning_rate': 0.01},"
            " 'batch_size': 16, 'epochs': 12, 'seed': 6}");
    finish(&second);
    assert_memory_not_equal(first.exported, second.exported, first.bytes);
    release(&first);
    release(&second);
}

/* 150 rows to train on in batches of 16 are 10 steps, the last one of 6 rows. */
static void test_the_last_batch_of_an_epoch_may_be_smaller(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(150, 4, 3, 0),
            "{" LAYERS ", 'batch_size': 16, 'epochs': 2, 'log_every_steps': 1,"
            " 'split': {'fractions': {'train': 1}}}");
    finish(&run);
    assert_int_equal(recorder_count(&run.recorder, "loss"), 20);
    assert_int_equal(recorder_value(&run.recorder, "loss", 19)->step, 20);
    assert_true(recorder_value(&run.recorder, "loss", 19)->epoch == 2);
    /* Sixths: the accuracy of the last batch is over its own 6 rows. */
    double sixths = recorder_value(&run.recorder, "accuracy", 19)->value * 6;
    assert_true(fabs(sixths - round(sixths)) < 1e-9);
    assert_true(json_is_null(json_object_get(run.results, "test")));
    assert_true(json_is_null(json_object_get(run.results, "best")));
    release(&run);
}

static void test_a_batch_larger_than_the_data_is_the_data(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(30, 4, 3, 0),
            "{" LAYERS ", 'batch_size': 4096, 'epochs': 3, 'resources': {'threads': 4}}");
    finish(&run);
    assert_int_equal(run.end, TRAIN_COMPLETED);
    assert_int_equal(run.recorder.progress[run.recorder.progress_count - 1].step, 3);
    release(&run);
}

/* ---- ends ---- */

static void test_cancel_ends_at_once(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(200, 4, 3, 0), "{" LAYERS ", 'epochs': 1000}");
    run.recorder.command = TRAIN_CANCEL;
    run.recorder.command_after = 1;
    finish(&run);
    assert_int_equal(run.end, TRAIN_CANCELLED);
    assert_int_equal(run.recorder.polls, 1);
    assert_int_equal(run.recorder.checkpoint_count, 0);
    assert_true(json_is_null(json_object_get(run.results, "test")));
    release(&run);
}

/* An optimizer that only destroys: the first epoch is the best one. */
#define WORSENING                                                                        \
    "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'batch_size': 16,"      \
    " 'optimizer': {'type': 'sgd', 'learning_rate': %s}, 'epochs': %d, 'seed': 3%s}"

static void run_worsening(struct finished *run, const char *rate, int epochs,
                          const char *more, int64_t stop_after)
{
    char spec[1024];
    snprintf(spec, sizeof spec, WORSENING, rate, epochs, more);
    prepare(run, made_up_data(200, 4, 3, 0), spec);
    run->recorder.command = TRAIN_STOP;
    run->recorder.command_after = stop_after;
    finish(run);
}

/* Weights that are kept must be those of a run that ended with that very epoch. */
static void assert_keeps_epoch(const struct finished *run, const char *rate, int epoch)
{
    struct finished shorter;
    run_worsening(&shorter, rate, epoch, "", 0);
    assert_same_bytes(run, &shorter);
    assert_true(result(run, "test", "loss") == result(&shorter, "test", "loss"));
    release(&shorter);
}

#define RATE "30"

static void test_early_stopping_restores_the_best_weights(void **state)
{
    (void)state;
    struct finished run;
    run_worsening(&run, RATE, 100, ", 'early_stopping': {'patience': 4}", 0);
    assert_int_equal(run.end, TRAIN_EARLY_STOPPED);
    int best = (int)result(&run, "best", "epoch");
    const struct recorded_event *event = recorder_event(&run.recorder, "early_stopped");
    assert_non_null(event);
    assert_int_equal(json_integer_value(json_object_get(event->data, "best_epoch")),
                     best);
    assert_int_equal(json_integer_value(json_object_get(event->data, "epoch")), best + 4);
    assert_non_null(strstr(event->message, "val_loss"));
    assert_keeps_epoch(&run, RATE, best);
    release(&run);
}

static void test_early_stopping_keeps_the_last_weights_if_told_so(void **state)
{
    (void)state;
    struct finished run;
    run_worsening(&run, RATE, 100,
                  ", 'early_stopping': {'patience': 4, 'restore_best_weights': false}",
                  0);
    assert_int_equal(run.end, TRAIN_EARLY_STOPPED);
    assert_keeps_epoch(&run, RATE, (int)result(&run, "best", "epoch") + 4);
    release(&run);
}

static void test_without_early_stopping_the_last_weights_are_kept(void **state)
{
    (void)state;
    struct finished run;
    run_worsening(&run, RATE, 12, "", 0);
    assert_int_equal(run.end, TRAIN_COMPLETED);
    assert_true(result(&run, "best", "epoch") < 12);
    assert_null(recorder_event(&run.recorder, "best_weights_kept"));
    release(&run);
}

static void test_stop_keeps_the_best_weights(void **state)
{
    (void)state;
    struct finished run;
    run_worsening(&run, RATE, 100000, "", 120);
    assert_int_equal(run.end, TRAIN_USER_STOPPED);
    assert_non_null(recorder_event(&run.recorder, "best_weights_kept"));
    assert_keeps_epoch(&run, RATE, (int)result(&run, "best", "epoch"));
    release(&run);
}

static void test_stop_in_the_first_epoch_keeps_what_there_is(void **state)
{
    (void)state;
    struct finished run;
    run_worsening(&run, "0.01", 10, "", 1);
    assert_int_equal(run.end, TRAIN_USER_STOPPED);
    assert_true(json_is_null(json_object_get(run.results, "best")));
    assert_true(json_is_object(json_object_get(run.results, "test")));
    release(&run);
}

static void test_the_time_limit_ends_the_run_with_a_model(void **state)
{
    (void)state;
    struct finished run;
    run_worsening(&run, "0.001", 1000000,
                  ", 'resources': {'max_seconds': 2}, 'checkpoint': {'every_seconds': 1}",
                  0);
    assert_int_equal(run.end, TRAIN_TIME_LIMIT);
    assert_true(json_is_object(json_object_get(run.results, "test")));
    /* On the way there was time for a checkpoint. */
    assert_non_null(recorder_checkpoint(&run.recorder, CHECKPOINT_LATEST));
    release(&run);
}

static void test_a_failing_hook_ends_the_run_with_its_error(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(50, 4, 3, 0), "{" LAYERS "}");
    run.recorder.fail_metrics = ERR_EOF;
    enum train_end end = TRAIN_PAUSED;
    struct error err = {0};
    assert_int_equal(trainer_run(run.trainer, &run.recorder.hooks, &end, &err), ERR_EOF);
    assert_int_equal(end, TRAIN_PAUSED);
    assert_string_not_equal(err.text, "");
    release(&run);
}

static void test_a_run_needs_no_hooks(void **state)
{
    (void)state;
    struct finished run;
    prepare(&run, made_up_data(50, 4, 3, 0), "{" LAYERS ", 'epochs': 2}");
    assert_int_equal(run_trainer(run.trainer, NULL), TRAIN_COMPLETED);
    release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_are_learned),
        cmocka_unit_test(test_splits_of_classes_have_their_metrics),
        cmocka_unit_test(test_balanced_weights_are_those_of_the_training_rows),
        cmocka_unit_test(test_numbers_are_learned_and_scored_in_their_own_units),
        cmocka_unit_test(test_two_runs_of_a_spec_give_the_same_bytes),
        cmocka_unit_test(test_how_often_metrics_are_logged_does_not_change_the_weights),
        cmocka_unit_test(test_another_seed_gives_other_weights),
        cmocka_unit_test(test_the_last_batch_of_an_epoch_may_be_smaller),
        cmocka_unit_test(test_a_batch_larger_than_the_data_is_the_data),
        cmocka_unit_test(test_cancel_ends_at_once),
        cmocka_unit_test(test_early_stopping_restores_the_best_weights),
        cmocka_unit_test(test_early_stopping_keeps_the_last_weights_if_told_so),
        cmocka_unit_test(test_without_early_stopping_the_last_weights_are_kept),
        cmocka_unit_test(test_stop_keeps_the_best_weights),
        cmocka_unit_test(test_stop_in_the_first_epoch_keeps_what_there_is),
        cmocka_unit_test(test_the_time_limit_ends_the_run_with_a_model),
        cmocka_unit_test(test_a_failing_hook_ends_the_run_with_its_error),
        cmocka_unit_test(test_a_run_needs_no_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
