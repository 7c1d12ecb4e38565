#include "base/error.h"
#include "engine/network.h"
#include "training_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A network of one dense layer whose weights are known, over 2 features. */
struct simple {
    struct training_data data;
    struct training_fixture fixture;
    struct network *network;
};

static void simple_open(struct simple *simple, int classes, size_t width,
                        const char *spec, const float *parameters, size_t count)
{
    simple->data = made_up_data(30, 2, classes, width);
    training_fixture_open_text(&simple->fixture, &simple->data, spec);
    struct error err = {0};
    if (network_load(simple->fixture.spec, parameters, count * sizeof *parameters, 4,
                     &simple->network, &err) != 0)
        fail_msg("network: %s", err.text);
}

static void simple_close(struct simple *simple)
{
    network_free(simple->network);
    training_fixture_close(&simple->fixture);
    made_up_data_release(&simple->data);
}

#define ONE_LAYER "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}}"
#define ONE_LOGIT "{'model': {'layers': [{'type': 'dense', 'units': 1}]}}"

/* PyTorch's layout: weight [3, 2], bias [3]. */
static const float three_by_two[] = {1, 2, 3, 4, 5, 6, 0.5f, -0.5f, 0};

static void test_forward_reads_weights_in_pytorchs_layout(void **state)
{
    (void)state;
    struct simple simple;
    simple_open(&simple, 3, 0, ONE_LAYER, three_by_two, 9);
    assert_int_equal(network_output_width(simple.network), 3);
    const float x[] = {1, 10, -1, 0};
    float y[6];
    network_forward(simple.network, x, 2, y);
    const float expected[] = {21.5f, 42.5f, 65, -0.5f, -3.5f, -5};
    for (int i = 0; i < 6; i++)
        assert_true(fabsf(y[i] - expected[i]) < 1e-5f);
    simple_close(&simple);
}

static void test_exported_parameters_are_those_that_were_loaded(void **state)
{
    (void)state;
    struct simple simple;
    simple_open(&simple, 3, 0, ONE_LAYER, three_by_two, 9);
    float exported[9];
    assert_int_equal(network_exported_bytes(simple.network), sizeof exported);
    network_export(simple.network, exported);
    assert_memory_equal(exported, three_by_two, sizeof exported);
    simple_close(&simple);
}

/* A message may carry the parameters at any address. */
static void test_unaligned_parameters_are_read(void **state)
{
    (void)state;
    struct simple simple;
    simple_open(&simple, 3, 0, ONE_LAYER, three_by_two, 9);
    unsigned char message[1 + sizeof three_by_two];
    memcpy(message + 1, three_by_two, sizeof three_by_two);
    struct network *network = NULL;
    assert_int_equal(network_load(simple.fixture.spec, message + 1, sizeof three_by_two,
                                  1, &network, NULL),
                     0);
    float exported[9];
    network_export(network, exported);
    assert_memory_equal(exported, three_by_two, sizeof exported);
    network_free(network);
    simple_close(&simple);
}

static void test_parameters_of_another_size_are_corrupt(void **state)
{
    (void)state;
    struct simple simple;
    simple_open(&simple, 3, 0, ONE_LAYER, three_by_two, 9);
    struct network *network = NULL;
    struct error err = {0};
    assert_int_equal(
        network_load(simple.fixture.spec, three_by_two, 32, 4, &network, &err),
        ERR_CORRUPT);
    assert_null(network);
    assert_non_null(strstr(err.text, "36"));
    simple_close(&simple);
}

static double probability(const json_t *prediction, const char *name)
{
    const json_t *value =
        json_object_get(json_object_get(prediction, "probabilities"), name);
    assert_true(json_is_real(value));
    return json_real_value(value);
}

static void test_classes_come_with_probabilities_in_their_order(void **state)
{
    (void)state;
    struct simple simple;
    simple_open(&simple, 3, 0, ONE_LAYER, three_by_two, 9);
    /* More rows than the network takes at once. */
    float x[2 * 9] = {0};
    x[2 * 8] = 0.25f;
    json_t *predictions = network_predict(
        simple.network, pipeline_preprocess(simple.fixture.pipeline), x, 9);
    assert_int_equal(json_array_size(predictions), 9);

    const json_t *first = json_array_get(predictions, 0);
    double sum = exp(0.5) + exp(-0.5) + 1;
    assert_string_equal(json_string_value(json_object_get(first, "label")), "0");
    assert_true(fabs(probability(first, "0") - exp(0.5) / sum) < 1e-7);
    assert_true(fabs(probability(first, "1") - exp(-0.5) / sum) < 1e-7);
    assert_true(fabs(probability(first, "2") - 1 / sum) < 1e-7);
    const char *order[] = {"0", "1", "2"};
    void *at = json_object_iter(json_object_get(first, "probabilities"));
    for (int i = 0; i < 3; i++) {
        assert_string_equal(json_object_iter_key(at), order[i]);
        at = json_object_iter_next(json_object_get(first, "probabilities"), at);
    }

    const json_t *last = json_array_get(predictions, 8); /* logits 0.75, 0.25, 1.25 */
    assert_string_equal(json_string_value(json_object_get(last, "label")), "2");
    json_decref(predictions);
    simple_close(&simple);
}

static void test_one_logit_gives_both_classes(void **state)
{
    (void)state;
    const float parameters[] = {1, 0, 0};
    struct simple simple;
    simple_open(&simple, 2, 0, ONE_LOGIT, parameters, 3);
    const float x[] = {2, 0, -200, 0};
    json_t *predictions = network_predict(
        simple.network, pipeline_preprocess(simple.fixture.pipeline), x, 2);
    const json_t *first = json_array_get(predictions, 0);
    assert_string_equal(json_string_value(json_object_get(first, "label")), "1");
    assert_true(fabs(probability(first, "1") - 1 / (1 + exp(-2.0))) < 1e-7);
    assert_true(fabs(probability(first, "0") + probability(first, "1") - 1) < 1e-12);
    const json_t *second = json_array_get(predictions, 1);
    assert_string_equal(json_string_value(json_object_get(second, "label")), "0");
    assert_true(probability(second, "0") == 1);
    assert_true(probability(second, "1") > 0); /* not rounded away */
    json_decref(predictions);
    simple_close(&simple);
}

static void test_numbers_come_in_the_targets_units(void **state)
{
    (void)state;
    const float parameters[] = {1, 0, 0};
    struct simple simple;
    simple_open(&simple, 0, 1, ONE_LAYER, parameters, 3);
    const struct preprocess *preprocess = pipeline_preprocess(simple.fixture.pipeline);
    assert_true(preprocess->target_number.scale > 10);
    const float x[] = {2, 5};
    json_t *predictions = network_predict(simple.network, preprocess, x, 1);
    double value =
        json_real_value(json_object_get(json_array_get(predictions, 0), "value"));
    double expected =
        2 * preprocess->target_number.scale + preprocess->target_number.shift;
    assert_true(fabs(value - expected) < 1e-4);
    json_decref(predictions);
    simple_close(&simple);
}

static void test_several_numbers_come_as_a_list(void **state)
{
    (void)state;
    const float parameters[] = {1, 0, 0, 1, 0, 0};
    struct simple simple;
    simple_open(&simple, 0, 2, ONE_LAYER, parameters, 6);
    const struct preprocess *preprocess = pipeline_preprocess(simple.fixture.pipeline);
    const float x[] = {0, 1};
    json_t *predictions = network_predict(simple.network, preprocess, x, 1);
    const json_t *values = json_object_get(json_array_get(predictions, 0), "values");
    assert_int_equal(json_array_size(values), 2);
    assert_true(fabs(json_real_value(json_array_get(values, 0)) -
                     preprocess->target_number.shift) < 1e-4);
    assert_true(fabs(json_real_value(json_array_get(values, 1)) -
                     preprocess->target_number.shift - preprocess->target_number.scale) <
                1e-4);
    json_decref(predictions);
    simple_close(&simple);
}

static json_t *predict_by(const struct simple *simple, const char *preprocessing,
                          const float *x, size_t rows)
{
    json_t *json = json_loads(preprocessing, 0, NULL);
    struct preprocess *preprocess = NULL;
    assert_int_equal(preprocess_parse(json, &preprocess, NULL), 0);
    json_t *predictions = network_predict(simple->network, preprocess, x, rows);
    assert_non_null(predictions);
    preprocess_free(preprocess);
    json_decref(json);
    return predictions;
}

static void expect_json(const json_t *got, const char *expected)
{
    json_t *json = json_loads(expected, 0, NULL);
    char *text = json_dumps(got, JSON_COMPACT);
    if (!json_equal(got, json))
        fail_msg("%s, expected %s", text, expected);
    free(text);
    json_decref(json);
}

static void test_an_autoencoder_gives_back_samples_and_rows(void **state)
{
    (void)state;
    const float swap[] = {0, 1, 1, 0, 0, 0};
    struct simple simple;
    simple_open(&simple, 0, 2, ONE_LAYER, swap, 6);
    const float x[] = {0.5f, -1, 2, 3};
    json_t *predictions = predict_by(
        &simple,
        "{\"kind\": \"arrays\", \"sample_shape\": [2, 1], \"input\": {\"shift\": 1,"
        " \"scale\": 4}, \"target\": {\"type\": \"input\"}}",
        x, 2);
    expect_json(predictions, "[{\"reconstruction\": [[-3.0], [3.0]]},"
                             " {\"reconstruction\": [[13.0], [9.0]]}]");
    json_decref(predictions);
    predictions = predict_by(
        &simple,
        "{\"kind\": \"table\", \"inputs\": [{\"name\": \"a\", \"type\": \"number\","
        " \"fill\": 0, \"shift\": 10, \"scale\": 2}, {\"name\": \"b\", \"type\":"
        " \"number\", \"fill\": 0, \"shift\": 0, \"scale\": 1}],"
        " \"target\": {\"type\": \"input\"}}",
        x, 1);
    expect_json(predictions, "[{\"reconstruction\": {\"a\": 8.0, \"b\": 0.5}}]");
    json_decref(predictions);
    simple_close(&simple);
}

/* JSON has no number for them. */
static void test_what_is_not_finite_is_said_in_words(void **state)
{
    (void)state;
    const float parameters[] = {INFINITY, 0, 0};
    struct simple simple;
    simple_open(&simple, 0, 1, ONE_LAYER, parameters, 3);
    const float x[] = {1, 0, -1, 0, 0, 0};
    json_t *predictions = network_predict(
        simple.network, pipeline_preprocess(simple.fixture.pipeline), x, 3);
    const char *const expected[] = {"Infinity", "-Infinity", "NaN"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(predictions, i), "value")),
            expected[i]);
    json_decref(predictions);
    simple_close(&simple);
}

static void test_no_rows_give_an_empty_list(void **state)
{
    (void)state;
    struct simple simple;
    simple_open(&simple, 3, 0, ONE_LAYER, three_by_two, 9);
    json_t *predictions = network_predict(
        simple.network, pipeline_preprocess(simple.fixture.pipeline), NULL, 0);
    assert_true(json_is_array(predictions));
    assert_int_equal(json_array_size(predictions), 0);
    json_decref(predictions);
    simple_close(&simple);
}

static void test_preprocessing_of_another_model_is_refused(void **state)
{
    (void)state;
    struct simple three, two;
    const float parameters[] = {1, 0, 0};
    simple_open(&three, 3, 0, ONE_LAYER, three_by_two, 9);
    simple_open(&two, 2, 0, ONE_LOGIT, parameters, 3);
    const float x[] = {1, 2};
    assert_null(
        network_predict(three.network, pipeline_preprocess(two.fixture.pipeline), x, 1));
    assert_null(
        network_predict(two.network, pipeline_preprocess(three.fixture.pipeline), x, 1));
    simple_close(&three);
    simple_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward_reads_weights_in_pytorchs_layout),
        cmocka_unit_test(test_exported_parameters_are_those_that_were_loaded),
        cmocka_unit_test(test_unaligned_parameters_are_read),
        cmocka_unit_test(test_parameters_of_another_size_are_corrupt),
        cmocka_unit_test(test_classes_come_with_probabilities_in_their_order),
        cmocka_unit_test(test_one_logit_gives_both_classes),
        cmocka_unit_test(test_numbers_come_in_the_targets_units),
        cmocka_unit_test(test_several_numbers_come_as_a_list),
        cmocka_unit_test(test_an_autoencoder_gives_back_samples_and_rows),
        cmocka_unit_test(test_what_is_not_finite_is_said_in_words),
        cmocka_unit_test(test_no_rows_give_an_empty_list),
        cmocka_unit_test(test_preprocessing_of_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
