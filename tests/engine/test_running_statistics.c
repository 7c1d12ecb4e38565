/* Running statistics of batch_norm over steps that several threads share. */
#include "core_fixture.h"
#include "engine/stepper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 5, MOST_ROWS = 12 };

/* A batch_norm of the input, then a dense layer. */
struct training {
    struct model_spec model;
    struct stepper *stepper;
    struct batch_source source; /* rows from `offset` on */
    size_t offset;
    real x[MOST_ROWS * WIDTH];
};

static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    const struct training *training = context;
    memcpy(ret_x, training->x + (training->offset + first) * WIDTH,
           count * WIDTH * sizeof(real));
    int32_t *labels = ret_target;
    for (size_t r = 0; r < count; r++)
        labels[r] = (int32_t)((training->offset + first + r) % 3);
}

static void open_training(struct training *training, size_t rows, int threads,
                          double clip_norm)
{
    *training = (struct training){.offset = 0};
    for (size_t i = 0; i < (size_t)MOST_ROWS * WIDTH; i++)
        training->x[i] = (real)core_number(i);
    training->source = (struct batch_source){.context = training, .fill = fill};
    training->model = core_model("[{'type': 'batch_norm', 'momentum': 0.25},"
                                 " {'type': 'dense', 'units': 3}]",
                                 (int64_t[SHAPE_MAX_RANK]){WIDTH});
    struct choice optimizer = core_optimizer("{'type': 'adam', 'learning_rate': 0.01}");
    struct stepper_options options = {
        .model = &training->model,
        .loss = {.type = LOSS_CROSS_ENTROPY},
        .optimizer = &optimizer,
        .clip_norm = clip_norm,
        .seed = 11,
        .batch_rows = rows,
        .threads = threads,
        .slice_flops = 1,
    };
    assert_int_equal(stepper_new(&options, &training->stepper, NULL), 0);
}

static void close_training(struct training *training)
{
    stepper_free(training->stepper);
    model_spec_release(&training->model);
}

static void step(struct training *training, size_t rows, int64_t number)
{
    struct step_result result;
    stepper_train(training->stepper, &training->source, rows, number, 0.01, false,
                  &result);
}

static double evaluate(struct training *training, size_t offset, size_t rows)
{
    struct loss_sums sums = {0};
    training->offset = offset;
    stepper_evaluate(training->stepper, &training->source, rows, &sums);
    training->offset = 0;
    return (double)rows * loss_sums_loss(&sums);
}

/* Mean and unbiased variance of a column of rows [first, first + count). */
static void column_moments(const struct training *training, size_t column, size_t first,
                           size_t count, double *ret_mean, double *ret_variance)
{
    double sum = 0, squares = 0;
    for (size_t r = first; r < first + count; r++)
        sum += (double)training->x[r * WIDTH + column];
    *ret_mean = sum / (double)count;
    for (size_t r = first; r < first + count; r++)
        squares += pow((double)training->x[r * WIDTH + column] - *ret_mean, 2);
    *ret_variance = squares / (double)(count - 1);
}

static void test_running_statistics_gather_what_every_slice_saw(void **state)
{
    (void)state;
    /* 7 rows over 3 threads; clipping by the norm has a path of its own */
    static const size_t first[] = {0, 3, 5}, rows[] = {3, 2, 2};
    for (int clips = 0; clips < 2; clips++) {
        struct training training;
        open_training(&training, 7, 3, clips * 0.1);
        step(&training, 7, 0);
        const struct node *node = graph_node(stepper_graph(training.stepper), 0);
        const real *p = stepper_parameters(training.stepper);
        for (size_t c = 0; c < WIDTH; c++) {
            double mean = 0, variance = 0.75; /* of the initial 0 and 1 */
            for (size_t s = 0; s < 3; s++) {
                double slice_mean, slice_variance, share = (double)rows[s] / 7;
                column_moments(&training, c, first[s], rows[s], &slice_mean,
                               &slice_variance);
                mean += 0.25 * share * slice_mean;
                variance += 0.25 * share * slice_variance;
            }
            assert_true(fabs((double)p[node->params[2].offset + c] - mean) <= 1e-6);
            assert_true(fabs((double)p[node->params[3].offset + c] - variance) <= 1e-6);
        }
        close_training(&training);
    }
}

static void test_evaluation_uses_running_statistics_and_keeps_them(void **state)
{
    (void)state;
    struct training training;
    open_training(&training, MOST_ROWS, 2, 0);
    for (int i = 0; i < 3; i++)
        step(&training, MOST_ROWS, i);
    size_t bytes = graph_size(stepper_graph(training.stepper)) * sizeof(real);
    real *before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, stepper_parameters(training.stepper), bytes);
    /* A row's loss does not depend on the rows beside it. */
    double whole = evaluate(&training, 0, MOST_ROWS);
    double parts = evaluate(&training, 0, MOST_ROWS - 1);
    parts += evaluate(&training, MOST_ROWS - 1, 1);
    assert_true(fabs(whole - parts) <= 1e-5 * whole);
    assert_memory_equal(before, stepper_parameters(training.stepper), bytes);
    free(before);
    close_training(&training);
}

static void test_one_row_of_a_batch_is_normalized_to_the_bias(void **state)
{
    (void)state;
    struct training training;
    open_training(&training, 1, 1, 0);
    step(&training, 1, 0);
    const real *p = stepper_parameters(training.stepper);
    for (size_t i = 0; i < graph_size(stepper_graph(training.stepper)); i++)
        assert_true(isfinite((double)p[i]));
    close_training(&training);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_statistics_gather_what_every_slice_saw),
        cmocka_unit_test(test_evaluation_uses_running_statistics_and_keeps_them),
        cmocka_unit_test(test_one_row_of_a_batch_is_normalized_to_the_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
