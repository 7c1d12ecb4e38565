/* Troubles of real trainings, told as events; and trainings that have none. */
#include "training_fixture.h"
#include "training_recorder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct run {
    struct training_data data;
    struct training_fixture fixture;
    struct recorder recorder;
};

static const char *const troubles[] = {"vanishing_gradient", "exploding_gradient",
                                       "dead_units", "plateau"};

static void run_spec(struct run *run, struct training_data data, const char *spec)
{
    *run = (struct run){.data = data};
    training_fixture_open_text(&run->fixture, &run->data, spec);
    recorder_init(&run->recorder);
    struct trainer *trainer = make_trainer(&run->fixture);
    run_trainer(trainer, &run->recorder.hooks);
    trainer_free(trainer);
}

static void run_release(struct run *run)
{
    recorder_release(&run->recorder);
    training_fixture_close(&run->fixture);
    made_up_data_release(&run->data);
}

static int count_events(const struct run *run, const char *type)
{
    int count = 0;
    for (size_t i = 0; i < run->recorder.event_count; i++)
        count += strcmp(run->recorder.events[i].type, type) == 0;
    return count;
}

static const struct recorded_event *the_event(const struct run *run, const char *type)
{
    const struct recorded_event *event = recorder_event(&run->recorder, type);
    if (!event)
        fail_msg("no event %s", type);
    assert_in_range(count_events(run, type), 1, 2); /* it may come back once */
    /* What helps is the end of the message, and by itself. */
    const char *advice = json_string_value(json_object_get(event->data, "advice"));
    assert_non_null(advice);
    assert_true(strlen(advice) > 20 && strlen(advice) < strlen(event->message));
    assert_non_null(strstr(event->message, advice));
    return event;
}

static double figure(const struct recorded_event *event, const char *name)
{
    const json_t *value = json_object_get(event->data, name);
    if (!json_is_number(value))
        fail_msg("no figure %s", name);
    return json_number_value(value);
}

static void assert_silent(const struct run *run)
{
    for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
        const struct recorded_event *event = recorder_event(&run->recorder, troubles[i]);
        if (event)
            fail_msg("%s: %s", event->type, event->message);
    }
}

/* `depth` layers of 24 units and the output layer. */
static void deep_spec(char *text, size_t size, int depth, const char *activation,
                      const char *more)
{
    size_t used = (size_t)snprintf(text, size, "{'model': {'layers': [");
    for (int l = 0; l < depth; l++)
        used += (size_t)snprintf(text + used, size - used,
                                 "{'type': 'dense', 'units': 24, 'activation': '%s'},",
                                 activation);
    snprintf(text + used, size - used,
             "{'type': 'dense', 'units': 'auto'}]}, 'batch_size': 32, 'seed': 3%s}",
             more);
}

static void test_a_deep_sigmoid_network_vanishes_and_is_stuck(void **state)
{
    (void)state;
    char spec[4096];
    deep_spec(spec, sizeof spec, 12, "sigmoid",
              ", 'epochs': 40, 'optimizer': {'type': 'sgd', 'learning_rate': 0.05}");
    struct run run;
    run_spec(&run, made_up_data(400, 6, 4, 0), spec);
    const struct recorded_event *event = the_event(&run, "vanishing_gradient");
    assert_string_equal(json_string_value(json_object_get(event->data, "layer")),
                        "layers.0");
    assert_string_equal(json_string_value(json_object_get(event->data, "last_layer")),
                        "layers.12");
    assert_true(figure(event, "ratio") < 1e-4);
    assert_true(figure(event, "first_gradient_norm") <
                1e-4 * figure(event, "last_gradient_norm"));
    assert_true(figure(event, "step") >= 3);
    assert_non_null(strstr(event->message, "vanishes"));
    assert_non_null(strstr(event->message, "layers.0"));
    assert_non_null(strstr(event->message, "sigmoid squashes it"));
    assert_non_null(strstr(event->message, "residual"));

    event = the_event(&run, "plateau");
    assert_true(json_is_null(json_object_get(event->data, "layer")));
    assert_true(figure(event, "epochs_without_progress") >= 5);
    assert_non_null(strstr(event->message, "vanishes"));
    assert_int_equal(count_events(&run, "exploding_gradient"), 0);
    run_release(&run);
}

static void test_plain_gradient_descent_with_a_large_rate_explodes(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(400, 4, 0, 1),
             "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}, 'epochs': 40,"
             " 'batch_size': 32, 'optimizer': {'type': 'sgd', 'learning_rate': 2.5}}");
    const struct recorded_event *event = the_event(&run, "exploding_gradient");
    assert_string_equal(json_string_value(json_object_get(event->data, "layer")),
                        "layers.0");
    assert_true(figure(event, "loss") > 10 * figure(event, "first_loss"));
    assert_true(figure(event, "update_ratio") > 0.1);
    assert_non_null(strstr(event->message, "explodes"));
    assert_non_null(strstr(event->message, "2.5"));
    assert_non_null(strstr(event->message, "gradient_clip"));
    run_release(&run);
}

static void test_a_relu_that_a_huge_rate_killed_has_dead_units(void **state)
{
    (void)state;
    char spec[4096];
    deep_spec(spec, sizeof spec, 3, "relu",
              ", 'epochs': 30, 'optimizer': {'type': 'adam', 'learning_rate': 3}");
    struct run run;
    run_spec(&run, made_up_data(400, 6, 4, 0), spec);
    const struct recorded_event *event = the_event(&run, "dead_units");
    assert_non_null(json_string_value(json_object_get(event->data, "layer")));
    assert_true(figure(event, "dead_fraction") >= 0.9);
    assert_true(figure(event, "dead_layers") >= 1);
    assert_non_null(strstr(event->message, "leaky_relu"));
    assert_int_equal(count_events(&run, "vanishing_gradient"), 0);
    run_release(&run);
}

/* From the first step to a loss of nearly 0, at batches of many sizes. */
static void test_healthy_and_converged_networks_are_silent(void **state)
{
    (void)state;
    static const struct {
        int depth, classes;
        const char *activation, *more;
    } cases[] = {
        {1, 3, "relu",
         ", 'epochs': 400, 'optimizer': {'type': 'adam',"
         " 'learning_rate': 0.01}"},
        {3, 4, "relu", ", 'epochs': 200"},
        {3, 4, "tanh", ", 'epochs': 200"},
        {2, 4, "sigmoid",
         ", 'epochs': 100, 'optimizer': {'type': 'adam',"
         " 'learning_rate': 0.01}"},
        {6, 4, "relu", ", 'epochs': 60"},
        {3, 0, "relu", ", 'epochs': 150"},
        {2, 0, "tanh",
         ", 'epochs': 60, 'optimizer': {'type': 'sgd', 'learning_rate':"
         " 0.05, 'momentum': 0.9}"},
        {1, 3, "relu", ", 'epochs': 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char spec[4096];
        deep_spec(spec, sizeof spec, cases[i].depth, cases[i].activation, cases[i].more);
        struct run run;
        run_spec(&run, made_up_data(400, 6, cases[i].classes, 1), spec);
        assert_silent(&run);
        run_release(&run);
    }
}

static void test_batches_of_one_row_are_no_trouble(void **state)
{
    (void)state;
    struct run run;
    run_spec(&run, made_up_data(100, 4, 3, 0),
             "{'model': {'layers': [{'type': 'dense', 'units': 16, 'activation': 'relu'},"
             " {'type': 'dense', 'units': 16, 'activation': 'relu'},"
             " {'type': 'dense', 'units': 'auto'}]}, 'epochs': 40, 'batch_size': 1}");
    assert_silent(&run);
    run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_deep_sigmoid_network_vanishes_and_is_stuck),
        cmocka_unit_test(test_plain_gradient_descent_with_a_large_rate_explodes),
        cmocka_unit_test(test_a_relu_that_a_huge_rate_killed_has_dead_units),
        cmocka_unit_test(test_healthy_and_converged_networks_are_silent),
        cmocka_unit_test(test_batches_of_one_row_are_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
