/* What a run tells its hooks: metric points, progress, events. */
#include "training_fixture.h"
#include "training_recorder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct run {
    struct training_data data;
    struct training_fixture fixture;
    struct recorder recorder;
    json_t *results;
    enum train_end end;
};

static void run_spec(struct run *run, struct training_data data, const char *spec)
{
    *run = (struct run){.data = data};
    training_fixture_open_text(&run->fixture, &run->data, spec);
    recorder_init(&run->recorder);
    struct trainer *trainer = make_trainer(&run->fixture);
    run->end = run_trainer(trainer, &run->recorder.hooks);
    run->results = trainer_results(trainer);
    assert_non_null(run->results);
    trainer_free(trainer);
}

static void run_release(struct run *run)
{
    json_decref(run->results);
    recorder_release(&run->recorder);
    training_fixture_close(&run->fixture);
    made_up_data_release(&run->data);
}

/* 80 rows to train on in batches of 10: 8 steps an epoch. */
#define CLASSES                                                                          \
    "{'model': {'layers': [{'type': 'dense', 'units': 8, 'activation': 'relu'},"         \
    " {'type': 'dense', 'units': 'auto'}]}, 'batch_size': 10, 'epochs': 3,"              \
    " 'log_every_steps': 5}"

static void test_step_metrics_come_at_the_first_every_nth_and_last_step(void **state)
{
    (void)state;
    static const char *const names[] = {"loss", "accuracy", "learning_rate",
                                        "samples_per_second"};
    static const int64_t steps[] = {1, 5, 10, 15, 20, 24};
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0), CLASSES);
    for (size_t n = 0; n < 4; n++) {
        assert_int_equal(recorder_count(&run.recorder, names[n]), 6);
        for (size_t i = 0; i < 6; i++) {
            const struct recorded_value *value =
                recorder_value(&run.recorder, names[n], i);
            assert_int_equal(value->step, steps[i]);
            assert_true(value->epoch == (double)steps[i] / 8);
            assert_true(isfinite(value->value) && value->value >= 0);
        }
    }
    assert_true(recorder_value(&run.recorder, "learning_rate", 0)->value == 0.001);
    run_release(&run);
}

static void test_validation_metrics_come_at_the_end_of_each_epoch(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0), CLASSES);
    static const char *const names[] = {"val_loss", "val_accuracy"};
    for (size_t n = 0; n < 2; n++) {
        assert_int_equal(recorder_count(&run.recorder, names[n]), 3);
        for (size_t i = 0; i < 3; i++) {
            const struct recorded_value *value =
                recorder_value(&run.recorder, names[n], i);
            assert_int_equal(value->step, 8 * (int64_t)(i + 1));
            assert_true(value->epoch == (double)(i + 1));
        }
    }
    assert_int_equal(recorder_count(&run.recorder, "r2"), 0);
    assert_int_equal(recorder_count(&run.recorder, "val_mae"), 0);
    run_release(&run);
}

static void test_numbers_have_mae_and_r2_instead_of_accuracy(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 0, 2), CLASSES);
    assert_int_equal(recorder_count(&run.recorder, "mae"), 6);
    assert_int_equal(recorder_count(&run.recorder, "r2"), 3);
    assert_int_equal(recorder_count(&run.recorder, "val_r2"), 3);
    assert_int_equal(recorder_count(&run.recorder, "val_mae"), 3);
    assert_int_equal(recorder_count(&run.recorder, "accuracy"), 0);
    /* Targets spread over about 100 units: an untrained network is tens of them wrong. */
    assert_true(recorder_value(&run.recorder, "mae", 0)->value > 10);
    run_release(&run);
}

static void test_layers_have_series_of_their_own(void **state)
{
    (void)state;
    static const char *const names[] = {
        "gradient_norm/layers.0",  "update_ratio/layers.0",   "activation_mean/layers.0",
        "activation_std/layers.0", "dead_fraction/layers.0",  "gradient_norm/layers.1",
        "update_ratio/layers.1",   "activation_mean/layers.1"};
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0), CLASSES);
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        const struct recorded_value *value = recorder_value(&run.recorder, names[n], 0);
        assert_int_equal(value->step, 1);
        assert_true(isfinite(value->value));
    }
    assert_true(recorder_value(&run.recorder, "gradient_norm/layers.0", 0)->value > 0);
    double ratio = recorder_value(&run.recorder, "update_ratio/layers.0", 0)->value;
    assert_true(ratio > 0 && ratio < 0.1);
    double dead = recorder_value(&run.recorder, "dead_fraction/layers.0", 0)->value;
    assert_true(dead >= 0 && dead <= 1);
    run_release(&run);
}

/* The penalty is part of both losses, so that they can be compared. */
static void test_losses_include_the_l2_penalty(void **state)
{
    (void)state;
#define WITH_L2(l2)                                                                      \
    "{'model': {'layers': [{'type': 'dense', 'units': 'auto', 'l2': " l2 "}]},"          \
    " 'batch_size': 80, 'epochs': 1, 'optimizer': {'type': 'sgd', 'learning_rate':"      \
    " 1e-12}}"
    struct run without, with;
    run_spec(&without, made_up_data(100, 4, 3, 0), WITH_L2("0"));
    run_spec(&with, made_up_data(100, 4, 3, 0), WITH_L2("0.5"));
    double penalty = recorder_value(&with.recorder, "loss", 0)->value -
                     recorder_value(&without.recorder, "loss", 0)->value;
    assert_true(penalty > 0.1);
    double of_validation = recorder_value(&with.recorder, "val_loss", 0)->value -
                           recorder_value(&without.recorder, "val_loss", 0)->value;
    assert_true(fabs(penalty - of_validation) < 1e-5);
    run_release(&without);
    run_release(&with);
}

static void test_progress_begins_at_the_start_and_ends_at_the_end(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0), CLASSES);
    assert_true(run.recorder.progress_count >= 2);
    const struct train_progress *first = &run.recorder.progress[0];
    const struct train_progress *last =
        &run.recorder.progress[run.recorder.progress_count - 1];
    assert_int_equal(first->step, 0);
    assert_int_equal(first->epoch, 1);
    assert_int_equal(last->step, 24);
    assert_int_equal(last->steps, 24);
    assert_int_equal(last->epoch, 3);
    assert_int_equal(last->epochs, 3);
    assert_true(last->seconds > 0 && last->samples_per_second > 0);
    run_release(&run);
}

static void test_each_epoch_is_told_in_plain_words(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0), CLASSES);
    const struct recorded_event *event = recorder_event(&run.recorder, "epoch");
    assert_non_null(event);
    assert_non_null(strstr(event->message, "Epoch 1 of 3: loss "));
    assert_non_null(strstr(event->message, ", accuracy "));
    assert_non_null(strstr(event->message, "; on the validation split loss "));
    assert_int_equal(json_integer_value(json_object_get(event->data, "epoch")), 1);
    assert_int_equal(json_integer_value(json_object_get(event->data, "step")), 8);
    const json_t *metrics = json_object_get(event->data, "metrics");
    assert_true(json_is_number(json_object_get(metrics, "loss")));
    assert_true(json_is_number(json_object_get(metrics, "val_accuracy")));
    assert_int_equal(run.recorder.event_count, 3);
    run_release(&run);
}

/* Ten thousand epochs in a moment are not ten thousand events. */
static void test_many_short_epochs_give_about_a_hundred_events(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(20, 2, 2, 0),
             "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'epochs': 3000,"
             " 'batch_size': 32, 'log_every_steps': 1000}");
    size_t epochs = 0;
    for (size_t i = 0; i < run.recorder.event_count; i++)
        epochs += strcmp(run.recorder.events[i].type, "epoch") == 0;
    assert_true(epochs >= 100 && epochs <= 101 + 100 /* one a second more, if slow */);
    const struct recorded_event *last =
        &run.recorder.events[run.recorder.event_count - 1];
    assert_int_equal(json_integer_value(json_object_get(last->data, "epoch")), 3000);
    run_release(&run);
}

static void test_a_reduced_learning_rate_is_told(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0),
             "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'epochs': 6,"
             " 'batch_size': 16, 'optimizer': {'type': 'sgd', 'learning_rate': 0.5},"
             " 'learning_rate_schedule': {'type': 'reduce_on_plateau', 'patience': 1,"
             " 'factor': 0.5, 'min_delta': 1000}, 'log_every_steps': 1}");
    const struct recorded_event *event =
        recorder_event(&run.recorder, "learning_rate_reduced");
    assert_non_null(event);
    assert_true(json_real_value(json_object_get(event->data, "from")) == 0.5);
    assert_true(json_real_value(json_object_get(event->data, "to")) == 0.25);
    assert_int_equal(json_integer_value(json_object_get(event->data, "epoch")), 3);
    assert_true(recorder_value(&run.recorder, "learning_rate", 14)->value == 0.5);
    assert_true(recorder_value(&run.recorder, "learning_rate", 15)->value == 0.25);
    run_release(&run);
}

static void test_dropped_rows_are_told(void **state)
{
    (void)state;
    struct training_data data = made_up_data(100, 4, 0, 1);
    float *numbers = (float *)(uintptr_t)data.numbers;
    numbers[7] = numbers[50] = numbers[99] = NAN;
    struct run run;
    run_spec(&run, data, CLASSES);
    const struct recorded_event *event = recorder_event(&run.recorder, "rows_dropped");
    assert_non_null(event);
    assert_int_equal(json_integer_value(json_object_get(event->data, "rows")), 3);
    assert_non_null(strstr(event->message, "3 rows"));
    run_release(&run);
}

/* ---- divergence ---- */

#define EXPLODING                                                                        \
    "{'model': {'layers': [{'type': 'dense', 'units': 8, 'activation': 'relu'},"         \
    " {'type': 'dense', 'units': 'auto'}]}, 'batch_size': 10, 'epochs': 50,"             \
    " 'features': {'target': {'type': 'number', 'normalization': 'none'}},"              \
    " 'optimizer': {'type': 'sgd', 'learning_rate': 100}}"

static void test_divergence_names_step_layer_rows_and_advice(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 0, 1), EXPLODING);
    assert_int_equal(run.end, TRAIN_DIVERGED);
    const struct recorded_event *event = recorder_event(&run.recorder, "diverged");
    assert_non_null(event);
    assert_true(json_integer_value(json_object_get(event->data, "step")) < 400);
    assert_true(json_is_string(json_object_get(event->data, "loss")));
    const char *layer = json_string_value(json_object_get(event->data, "layer"));
    assert_non_null(layer);
    assert_memory_equal(layer, "layers.", 7);
    const char *advice = json_string_value(json_object_get(event->data, "advice"));
    assert_non_null(strstr(advice, "learning rate below 100"));
    assert_non_null(strstr(advice, "gradient_clip"));
    assert_non_null(strstr(advice, "normalized"));
    assert_non_null(strstr(event->message, advice));
    const json_t *rows = json_object_get(event->data, "rows");
    assert_int_equal(json_array_size(rows), 10);
    for (size_t i = 0; i < 10; i++)
        assert_in_range(json_integer_value(json_array_get(rows, i)), 0, 99);
    assert_true(json_is_null(json_object_get(run.results, "test")));
    run_release(&run);
}

static void test_divergence_by_a_bad_input_names_its_row(void **state)
{
    (void)state;
    struct training_data data = made_up_data(100, 4, 3, 0);
    ((float *)(uintptr_t)data.x)[4 * 33 + 2] = INFINITY;
    struct run run;
    run_spec(&run, data,
             "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'batch_size':"
             " 10, 'split': {'fractions': {'train': 1}}, 'resources': {'threads': 3}}");
    assert_int_equal(run.end, TRAIN_DIVERGED);
    const struct recorded_event *event = recorder_event(&run.recorder, "diverged");
    assert_non_null(event);
    assert_string_equal(json_string_value(json_object_get(event->data, "found_in")),
                        "input");
    assert_non_null(strstr(event->message, "Row 33 of the dataset"));
    run_release(&run);
}

/* The last update can break the weights after the last loss was fine: a gradient of 1e38
 * times a rate of 10000 is more than a float holds. */
static void test_weights_broken_by_the_last_update_are_found(void **state)
{
    (void)state;
    struct training_data data = made_up_data(100, 4, 0, 1);
    for (size_t i = 0; i < 400; i++)
        ((float *)(uintptr_t)data.x)[i] = 1e18f;
    for (size_t i = 0; i < 100; i++)
        ((float *)(uintptr_t)data.numbers)[i] = i % 2 ? 1e18f : 1e17f;
    struct run run;
    run_spec(&run, data,
             "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'batch_size':"
             " 100, 'epochs': 1, 'split': {'fractions': {'train': 1}}, 'optimizer':"
             " {'type': 'sgd', 'learning_rate': 10000}, 'features': {'target':"
             " {'type': 'number', 'normalization': 'none'}}}");
    assert_true(isfinite(recorder_value(&run.recorder, "loss", 0)->value));
    assert_int_equal(run.end, TRAIN_DIVERGED);
    const struct recorded_event *event = recorder_event(&run.recorder, "diverged");
    assert_non_null(event);
    assert_string_equal(json_string_value(json_object_get(event->data, "found_in")),
                        "parameters");
    assert_string_equal(json_string_value(json_object_get(event->data, "layer")),
                        "layers.0");
    assert_int_equal(json_array_size(json_object_get(event->data, "rows")), 0);
    run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_metrics_come_at_the_first_every_nth_and_last_step),
        cmocka_unit_test(test_validation_metrics_come_at_the_end_of_each_epoch),
        cmocka_unit_test(test_numbers_have_mae_and_r2_instead_of_accuracy),
        cmocka_unit_test(test_layers_have_series_of_their_own),
        cmocka_unit_test(test_losses_include_the_l2_penalty),
        cmocka_unit_test(test_progress_begins_at_the_start_and_ends_at_the_end),
        cmocka_unit_test(test_each_epoch_is_told_in_plain_words),
        cmocka_unit_test(test_many_short_epochs_give_about_a_hundred_events),
        cmocka_unit_test(test_a_reduced_learning_rate_is_told),
        cmocka_unit_test(test_dropped_rows_are_told),
        cmocka_unit_test(test_divergence_names_step_layer_rows_and_advice),
        cmocka_unit_test(test_divergence_by_a_bad_input_names_its_row),
        cmocka_unit_test(test_weights_broken_by_the_last_update_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
