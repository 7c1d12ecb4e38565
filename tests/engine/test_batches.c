/* What a step makes of a batch in parts: slices of weighted rows. */
#include "core_fixture.h"
#include "engine/stepper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#define DIMS(...) ((int64_t[SHAPE_MAX_RANK]){__VA_ARGS__})
#define ROWS 24
#define INPUTS 9
#define CLASSES 3

/* The rows that every stepper here is given. */
struct rows {
    float x[ROWS * INPUTS];
    int32_t labels[ROWS];
};

static void rows_fill(struct rows *rows)
{
    for (size_t i = 0; i < ROWS * INPUTS; i++)
        rows->x[i] = (float)core_number(i);
    for (size_t r = 0; r < ROWS; r++)
        rows->labels[r] = (int32_t)(r * r % CLASSES);
}

static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    const struct rows *rows = context;
    memcpy(ret_x, rows->x + first * INPUTS, count * INPUTS * sizeof(float));
    memcpy(ret_target, rows->labels + first, count * sizeof(int32_t));
}

struct setup {
    const char *layers, *optimizer;
    struct loss_spec loss;
    size_t batch_rows;
    int threads;
    double clip_norm, clip_value;
};

struct training {
    struct model_spec model;
    struct stepper *stepper;
    struct rows rows;
    struct batch_source source;
    int64_t step;
};

static void open_training(struct training *training, const struct setup *setup)
{
    *training = (struct training){.model = core_model(setup->layers, DIMS(INPUTS))};
    struct choice optimizer = core_optimizer(setup->optimizer);
    struct stepper_options options = {
        .model = &training->model,
        .loss = setup->loss,
        .optimizer = &optimizer,
        .clip_norm = setup->clip_norm,
        .clip_value = setup->clip_value,
        .seed = 11,
        .batch_rows = setup->batch_rows,
        .threads = setup->threads,
        .slice_flops = 1,
    };
    struct error err;
    error_clear(&err);
    if (stepper_new(&options, &training->stepper, &err) != 0)
        fail_msg("%s", err.text);
    rows_fill(&training->rows);
    training->source = (struct batch_source){.context = &training->rows, .fill = fill};
}

static void close_training(struct training *training)
{
    stepper_free(training->stepper);
    model_spec_release(&training->model);
}

static struct step_result step(struct training *training, size_t rows)
{
    struct step_result result;
    stepper_train(training->stepper, &training->source, rows, training->step++, 0.1,
                  false, &result);
    return result;
}

/* The largest difference of two networks' parameters. */
static double distance(const struct training *a, const struct training *b)
{
    const real *x = stepper_parameters(a->stepper), *y = stepper_parameters(b->stepper);
    double largest = 0;
    for (size_t i = 0; i < graph_size(stepper_graph(a->stepper)); i++)
        largest = fmax(largest, fabs((double)x[i] - (double)y[i]));
    return largest;
}

#define SMALL                                                                            \
    "[{'type': 'dense', 'units': 20, 'activation': 'tanh'},"                             \
    " {'type': 'dropout', 'rate': 0.2}, {'type': 'dense', 'units': 3}]"
#define SGD "{'type': 'sgd', 'learning_rate': 0.1}"

static void test_class_weights_are_of_the_whole_batch(void **state)
{
    (void)state;
    double weights[CLASSES] = {4, 0.5, 1};
    struct setup setup = {
        SMALL, SGD, {.type = LOSS_CROSS_ENTROPY, .class_weights = weights}, ROWS, 1,
        0,     0};
    struct training alone;
    open_training(&alone, &setup);
    for (setup.threads = 2; setup.threads <= 5; setup.threads++) {
        struct training shared, again;
        open_training(&shared, &setup);
        open_training(&again, &setup);
        for (int i = 0; i < 3; i++) {
            if (setup.threads == 2)
                step(&alone, ROWS - 1);
            struct step_result a = step(&shared, ROWS - 1), b = step(&again, ROWS - 1);
            assert_memory_equal(&a.sums, &b.sums, sizeof a.sums);
        }
        assert_true(distance(&alone, &shared) <= 1e-6);
        assert_true(distance(&again, &shared) <= 0);
        close_training(&again);
        close_training(&shared);
    }
    close_training(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_weights_are_of_the_whole_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
