/* What a step makes of its rows in parts: slices of weighted rows, batches whose
 * gradients accumulate. */
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
    size_t from; /* the first one that is given */
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
    memcpy(ret_x, rows->x + (rows->from + first) * INPUTS,
           count * INPUTS * sizeof(float));
    memcpy(ret_target, rows->labels + rows->from + first, count * sizeof(int32_t));
}

struct setup {
    const char *layers, *optimizer;
    struct loss_spec loss;
    size_t batch_rows;
    int threads;
    double clip_norm, clip_value;
    size_t accumulation;
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
        .accumulation = setup->accumulation,
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
    struct setup setup = {.layers = SMALL,
                          .optimizer = SGD,
                          .loss = {.type = LOSS_CROSS_ENTROPY, .class_weights = weights},
                          .batch_rows = ROWS,
                          .threads = 1};
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

/* Its second gradient is large enough to be deferred. */
#define LARGE                                                                            \
    "[{'type': 'dense', 'units': 130, 'activation': 'relu', 'l2': 0.01},"                \
    " {'type': 'dense', 'units': 130}, {'type': 'dropout', 'rate': 0.3},"                \
    " {'type': 'dense', 'units': 3}]"
#define ADAM "{'type': 'adam', 'learning_rate': 0.1, 'epsilon': 0.001}"

static void test_accumulated_batches_equal_one_large_batch(void **state)
{
    (void)state;
    static const struct setup setups[] = {
        {.layers = SMALL, .optimizer = SGD},
        {.layers = LARGE, .optimizer = SGD},
        {.layers = LARGE, .optimizer = ADAM, .clip_norm = 0.05},
        {.layers = SMALL, .optimizer = SGD, .clip_value = 0.01},
        {.layers = SMALL, .optimizer = SGD, .loss = {.type = LOSS_FOCAL, .gamma = 2}},
    };
    for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
        for (int threads = 1; threads <= 3; threads++) {
            struct setup setup = setups[i];
            struct training whole, parts, again;
            setup.threads = threads;
            setup.batch_rows = ROWS;
            open_training(&whole, &setup);
            setup.batch_rows = ROWS / 3;
            setup.accumulation = 3;
            open_training(&parts, &setup);
            open_training(&again, &setup);
            for (int s = 0; s < 4; s++) {
                struct step_result a = step(&whole, ROWS), b = step(&parts, ROWS);
                step(&again, ROWS);
                assert_true(fabs(a.sums.loss - b.sums.loss) <= 1e-4);
                assert_true(fabs(a.l2_loss - b.l2_loss) <= 1e-5);
                assert_int_equal(b.sums.rows, ROWS);
            }
            assert_true(distance(&whole, &parts) <= 1e-4);
            assert_true(distance(&again, &parts) <= 0);
            close_training(&again);
            close_training(&parts);
            close_training(&whole);
        }
    }
}

/* 8, 8 and 3 rows count the same: loss / 3 each, as in PyTorch's usual loop. */
static void test_a_smaller_last_batch_counts_as_one_batch(void **state)
{
    (void)state;
    double weights[CLASSES] = {4, 0.5, 1};
    for (int threads = 1; threads <= 5; threads += 2) {
        struct setup setup = {
            .layers = "[{'type': 'dense', 'units': 12, 'activation': 'tanh'},"
                      " {'type': 'dense', 'units': 3}]",
            .optimizer = SGD,
            .loss = {.type = LOSS_CROSS_ENTROPY, .class_weights = weights},
            .batch_rows = 8,
            .threads = threads,
            .accumulation = 4,
        };
        struct training all, one, untouched;
        open_training(&all, &setup);
        open_training(&untouched, &setup);
        size_t size = graph_size(stepper_graph(all.stepper));
        const real *before = stepper_parameters(untouched.stepper);
        double change[500] = {0};
        assert_true(size <= 500);
        for (size_t first = 0; first < 19; first += 8) {
            open_training(&one, &setup);
            one.rows.from = first;
            step(&one, first < 16 ? 8 : 3);
            for (size_t p = 0; p < size; p++)
                change[p] +=
                    ((double)stepper_parameters(one.stepper)[p] - (double)before[p]) / 3;
            close_training(&one);
        }
        step(&all, 19);
        for (size_t p = 0; p < size; p++)
            assert_true(fabs((double)stepper_parameters(all.stepper)[p] -
                             (double)before[p] - change[p]) <= 1e-6);
        close_training(&untouched);
        close_training(&all);
    }
}

/* At a rate of 0 one step of three batches and three steps of one see the same. */
static void test_running_statistics_follow_every_batch(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct setup setup = {
            .layers = "[{'type': 'dense', 'units': 12}, {'type': 'batch_norm'},"
                      " {'type': 'dense', 'units': 3}]",
            .optimizer = "{'type': 'sgd', 'learning_rate': 1e-30}",
            .batch_rows = 8,
            .threads = threads,
            .accumulation = 3,
        };
        struct training all, single;
        open_training(&all, &setup);
        open_training(&single, &setup);
        struct step_result result;
        stepper_train(all.stepper, &all.source, 19, 0, 0, false, &result);
        for (size_t first = 0; first < 19; first += 8) {
            single.rows.from = first;
            stepper_train(single.stepper, &single.source, first < 16 ? 8 : 3, 0, 0, false,
                          &result);
        }
        assert_true(distance(&all, &single) <= 0);
        close_training(&single);
        close_training(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_weights_are_of_the_whole_batch),
        cmocka_unit_test(test_accumulated_batches_equal_one_large_batch),
        cmocka_unit_test(test_a_smaller_last_batch_counts_as_one_batch),
        cmocka_unit_test(test_running_statistics_follow_every_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
