/*
 * Training runs of 20 steps against PyTorch's: tests/golden/golden.json, made by
 * tests/golden/make_golden.py, golden_layers.json, made by make_golden_layers.py,
 * golden_windows.json, made by make_golden_windows.py, and golden_recurrent.json, made by
 * make_golden_recurrent.py. The reference ran in double; this engine runs in float32, and
 * PyTorch's own float32 is up to 4e-7 away from the reference.
 */
#include "engine/graph.h"
#include "engine/trainer_internal.h"
#include "training_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN_FILE "tests/golden/golden.json"
#define GOLDEN_LAYERS_FILE "tests/golden/golden_layers.json"
#define GOLDEN_WINDOWS_FILE "tests/golden/golden_windows.json"
#define GOLDEN_RECURRENT_FILE "tests/golden/golden_recurrent.json"
#define MAX_STEPS 64
/* |ours - reference| <= tolerance * max(1, |reference|) */
#define LOSS_TOLERANCE 2e-6
#define WEIGHT_TOLERANCE 5e-6

struct losses {
    int count;
    double values[MAX_STEPS];
};

static int note_loss(void *context, const struct metric_point *point)
{
    struct losses *losses = context;
    for (int i = 0; i < point->count; i++) {
        if (strcmp(point->names[i], "loss") == 0 && losses->count < MAX_STEPS)
            losses->values[losses->count++] = point->values[i];
    }
    return 0;
}

/* New array of the floats of a JSON list. */
static float *read_floats(const json_t *list, size_t *ret_count)
{
    size_t count = json_array_size(list);
    float *floats = calloc(count > 0 ? count : 1, sizeof *floats);
    assert_non_null(floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = (float)json_number_value(json_array_get(list, i));
    *ret_count = count;
    return floats;
}

static void read_target(const json_t *golden, const char *name,
                        struct training_data *data)
{
    size_t count;
    float *numbers = read_floats(json_object_get(golden, name), &count);
    bool is_class = strcmp(name, "classes") == 0 || strcmp(name, "binary") == 0;
    data->classes = !is_class ? 0 : strcmp(name, "binary") == 0 ? 2 : 3;
    data->width = count / data->rows;
    int32_t *labels = calloc(count, sizeof *labels);
    assert_non_null(labels);
    for (size_t i = 0; i < count; i++)
        labels[i] = (int32_t)numbers[i];
    data->labels = labels;
    data->numbers = numbers;
}

/* The case's spec with what all cases have in common. New reference. */
static json_t *complete_spec(const json_t *golden, const json_t *test_case,
                             const char *target)
{
    json_t *spec = json_deep_copy(json_object_get(test_case, "spec"));
    bool is_class = strcmp(target, "classes") == 0 || strcmp(target, "binary") == 0;
    json_object_set_new(spec, "epochs", json_deep_copy(json_object_get(golden, "steps")));
    if (!json_object_get(spec, "batch_size"))
        json_object_set_new(spec, "batch_size",
                            json_deep_copy(json_object_get(golden, "rows")));
    json_object_set_new(spec, "split", json_pack("{s:{s:i}}", "fractions", "train", 1));
    json_object_set_new(spec, "log_every_steps", json_integer(1));
    if (!is_class)
        json_object_set_new(spec, "features",
                            json_pack("{s:{s:s, s:s}}", "target", "type", "number",
                                      "normalization", "none"));
    return spec;
}

static double deviation(double ours, double reference)
{
    return fabs(ours - reference) / fmax(1, fabs(reference));
}

static void compare(const char *name, const struct losses *losses, const json_t *expected,
                    const float *final, const json_t *expected_final)
{
    assert_int_equal(losses->count, json_array_size(expected));
    for (int i = 0; i < losses->count; i++) {
        double reference = json_number_value(json_array_get(expected, (size_t)i));
        if (!(deviation(losses->values[i], reference) <= LOSS_TOLERANCE))
            fail_msg("%s: loss of step %d is %.9g, PyTorch's is %.9g", name, i + 1,
                     losses->values[i], reference);
    }
    for (size_t i = 0; i < json_array_size(expected_final); i++) {
        double reference = json_number_value(json_array_get(expected_final, i));
        if (!(deviation((double) final[i], reference) <= WEIGHT_TOLERANCE))
            fail_msg("%s: parameter %zu is %.9g, PyTorch's is %.9g", name, i,
                     (double) final[i], reference);
    }
}

static void run_case(const json_t *golden, const json_t *test_case, int threads)
{
    const char *name = json_string_value(json_object_get(test_case, "name"));
    const char *target = json_string_value(json_object_get(test_case, "target"));
    struct training_data data = {
        .rows = (size_t)json_integer_value(json_object_get(golden, "rows")),
        .features = (size_t)json_integer_value(json_object_get(golden, "features")),
    };
    size_t count;
    float *x = read_floats(json_object_get(golden, "x"), &count);
    assert_int_equal(count, data.rows * data.features);
    data.x = x;
    read_target(golden, target, &data);
    json_t *spec = complete_spec(golden, test_case, target);
    json_object_set_new(spec, "resources", json_pack("{s:i}", "threads", threads));
    struct training_fixture fixture;
    training_fixture_open(&fixture, &data, spec);

    struct trainer *trainer = make_trainer(&fixture);
    float *initial = read_floats(json_object_get(test_case, "initial"), &count);
    const struct graph *graph = stepper_graph(trainer->stepper);
    assert_int_equal(count, graph_exported_count(graph));
    graph_import(graph, initial, stepper_parameters(trainer->stepper));

    struct losses losses = {0};
    struct train_hooks hooks = {.context = &losses, .metrics = note_loss};
    assert_int_equal(run_trainer(trainer, &hooks), TRAIN_COMPLETED);
    size_t bytes;
    unsigned char *exported = exported_bytes(trainer, &bytes);
    float *final = calloc(count, sizeof *final);
    assert_non_null(final);
    assert_int_equal(bytes, count * sizeof *final);
    memcpy(final, exported, bytes);
    compare(name, &losses, json_object_get(test_case, "losses"), final,
            json_object_get(test_case, "final"));

    free(final);
    free(exported);
    free(initial);
    trainer_free(trainer);
    training_fixture_close(&fixture);
    json_decref(spec);
    made_up_data_release(&data);
}

static int load_golden(void **state)
{
    static const char *const files[] = {GOLDEN_FILE, GOLDEN_LAYERS_FILE,
                                        GOLDEN_WINDOWS_FILE, GOLDEN_RECURRENT_FILE};
    json_t *all = json_array();
    *state = all;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        json_error_t error;
        json_t *golden = json_load_file(files[i], 0, &error);
        if (!golden) {
            print_error("%s: %s\n", files[i], error.text);
            json_decref(all);
            return -1;
        }
        json_array_append_new(all, golden);
    }
    return 0;
}

static int free_golden(void **state)
{
    json_decref(*state);
    return 0;
}

static void run_all(const json_t *all, int threads)
{
    size_t count = 0;
    for (size_t file = 0; file < json_array_size(all); file++) {
        const json_t *golden = json_array_get(all, file);
        const json_t *cases = json_object_get(golden, "cases");
        for (size_t i = 0; i < json_array_size(cases); i++, count++)
            run_case(golden, json_array_get(cases, i), threads);
    }
    assert_true(count >= 40);
}

static void test_every_case_follows_pytorch(void **state)
{
    run_all(*state, 1);
}

static void test_every_case_follows_pytorch_on_three_threads(void **state)
{
    run_all(*state, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case_follows_pytorch),
        cmocka_unit_test(test_every_case_follows_pytorch_on_three_threads),
    };
    return cmocka_run_group_tests(tests, load_golden, free_golden);
}
