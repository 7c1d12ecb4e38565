/* Whole training steps: XOR is learnt, bits repeat, threads agree, gradients are clipped,
 * L2 is added, and an observed step reports what it did. */
#include "core_fixture.h"
#include "engine/stepper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) ((int64_t[SHAPE_MAX_RANK]){__VA_ARGS__})

/* A batch in memory. */
struct table {
    size_t inputs, outputs; /* outputs 0: labels */
    const float *x;
    const float *numbers;
    const int32_t *labels;
};

static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    const struct table *table = context;
    memcpy(ret_x, table->x + first * table->inputs,
           count * table->inputs * sizeof(float));
    if (table->outputs > 0)
        memcpy(ret_target, table->numbers + first * table->outputs,
               count * table->outputs * sizeof(float));
    else
        memcpy(ret_target, table->labels + first, count * sizeof(int32_t));
}

struct setup {
    const char *layers, *optimizer;
    enum loss_type loss;
    size_t inputs, outputs, rows;
    int threads;
    double clip_norm, clip_value;
};

struct training {
    struct model_spec model;
    struct stepper *stepper;
    struct table table;
    struct batch_source source;
    float *x, *numbers;
    int32_t *labels;
    size_t rows;
    int64_t step;
};

static void open_training(struct training *training, const struct setup *setup)
{
    *training = (struct training){.rows = setup->rows};
    training->model = core_model(setup->layers, DIMS((int64_t)setup->inputs));
    struct choice optimizer = core_optimizer(setup->optimizer);
    struct stepper_options options = {
        .model = &training->model,
        .loss = {.type = setup->loss, .delta = 1},
        .optimizer = &optimizer,
        .clip_norm = setup->clip_norm,
        .clip_value = setup->clip_value,
        .seed = 11,
        .batch_rows = setup->rows,
        .threads = setup->threads,
        .slice_flops = 1,
    };
    struct error err;
    error_clear(&err);
    if (stepper_new(&options, &training->stepper, &err) != 0)
        fail_msg("%s", err.text);
    size_t outputs = setup->outputs > 0 ? setup->outputs : 1;
    training->x = malloc(setup->rows * setup->inputs * sizeof(float));
    training->numbers = malloc(setup->rows * outputs * sizeof(float));
    training->labels = malloc(setup->rows * sizeof(int32_t));
    assert_true(training->x && training->numbers && training->labels);
    for (size_t i = 0; i < setup->rows * setup->inputs; i++)
        training->x[i] = (float)core_number(i);
    for (size_t i = 0; i < setup->rows * outputs; i++)
        training->numbers[i] = (float)core_number(i + 31);
    for (size_t i = 0; i < setup->rows; i++)
        training->labels[i] = (int32_t)(i % 3);
    training->table = (struct table){setup->inputs, setup->outputs, training->x,
                                     training->numbers, training->labels};
    training->source = (struct batch_source){.context = &training->table, .fill = fill};
}

static void close_training(struct training *training)
{
    stepper_free(training->stepper);
    model_spec_release(&training->model);
    free(training->x);
    free(training->numbers);
    free(training->labels);
}

static struct step_result step(struct training *training, size_t rows, bool observe)
{
    struct step_result result;
    stepper_train(training->stepper, &training->source, rows, training->step++,
                  stepper_optimizer(training->stepper)->learning_rate, observe, &result);
    return result;
}

static size_t size_of(const struct training *training)
{
    return graph_size(stepper_graph(training->stepper));
}

/* The largest difference of two networks' parameters. */
static double distance(const struct training *a, const struct training *b)
{
    const real *x = stepper_parameters(a->stepper), *y = stepper_parameters(b->stepper);
    double largest = 0;
    for (size_t i = 0; i < size_of(a); i++)
        largest = fmax(largest, fabs((double)x[i] - (double)y[i]));
    return largest;
}

#define SMALL                                                                            \
    "[{'type': 'dense', 'units': 20, 'activation': 'tanh'},"                             \
    " {'type': 'dropout', 'rate': 0.2}, {'type': 'dense', 'units': 3}]"
/* Its second gradient is large enough to be deferred. */
#define LARGE                                                                            \
    "[{'type': 'dense', 'units': 130, 'activation': 'relu'},"                            \
    " {'type': 'dense', 'units': 140, 'activation': 'relu'},"                            \
    " {'type': 'dropout', 'rate': 0.1}, {'type': 'dense', 'units': 3}]"
#define ADAM "{'type': 'adam', 'learning_rate': 0.01}"

static void test_xor_is_learnt_to_zero_loss(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        struct training training;
        open_training(
            &training,
            &(struct setup){.layers = "[{'type': 'dense', 'units': 8, "
                                      "'activation': 'tanh'},"
                                      " {'type': 'dense', 'units': 1}]",
                            .optimizer = "{'type': 'adam', 'learning_rate': 0.05}",
                            .loss = LOSS_BINARY_CROSS_ENTROPY,
                            .inputs = 2,
                            .rows = 4,
                            .threads = threads});
        const float x[8] = {0, 0, 0, 1, 1, 0, 1, 1};
        const int32_t labels[4] = {0, 1, 1, 0};
        memcpy(training.x, x, sizeof(x));
        memcpy(training.labels, labels, sizeof(labels));
        struct step_result first = step(&training, 4, false), last = first;
        for (int i = 0; i < 1000; i++)
            last = step(&training, 4, false);
        assert_true(loss_sums_loss(&first.sums) > 0.3);
        assert_true(loss_sums_loss(&last.sums) < 2e-3);
        assert_true(loss_sums_accuracy(&last.sums) == 1);
        struct loss_sums sums = {0};
        stepper_evaluate(training.stepper, &training.source, 4, &sums);
        assert_true(loss_sums_loss(&sums) < 2e-3 && sums.correct == 4 && sums.rows == 4);
        close_training(&training);
    }
}

static void test_the_same_training_gives_the_same_bits(void **state)
{
    (void)state;
    static const char *const layers[] = {SMALL, LARGE};
    for (int threads = 1; threads <= 3; threads++) {
        for (size_t l = 0; l < 2; l++) {
            struct setup setup = {.layers = layers[l],
                                  .optimizer = ADAM,
                                  .loss = LOSS_CROSS_ENTROPY,
                                  .inputs = 9,
                                  .rows = 31,
                                  .threads = threads};
            struct training a, b;
            open_training(&a, &setup);
            open_training(&b, &setup);
            for (int i = 0; i < 10; i++) {
                struct step_result x = step(&a, 31, false);
                struct step_result y = step(&b, 31, i % 2 == 0); /* seen or not */
                assert_true(x.sums.loss == y.sums.loss);
            }
            assert_memory_equal(stepper_parameters(a.stepper),
                                stepper_parameters(b.stepper),
                                size_of(&a) * sizeof(real));
            assert_memory_equal(stepper_moments(a.stepper), stepper_moments(b.stepper),
                                2 * size_of(&a) * sizeof(real));
            close_training(&a);
            close_training(&b);
        }
    }
}

static void test_threads_agree(void **state)
{
    (void)state;
    static const char *const layers[] = {SMALL, LARGE};
    for (size_t l = 0; l < 2; l++) {
        struct setup setup = {.layers = layers[l],
                              .optimizer = "{'type': 'sgd', 'learning_rate': 0.1,"
                                           " 'momentum': 0.9}",
                              .loss = LOSS_CROSS_ENTROPY,
                              .inputs = 9,
                              .rows = 31,
                              .threads = 1,
                              .clip_norm = l == 0 ? 0.5 : 0};
        struct training one, three;
        open_training(&one, &setup);
        setup.threads = 3;
        open_training(&three, &setup);
        for (int i = 0; i < 10; i++) {
            struct step_result x = step(&one, 31, false), y = step(&three, 31, false);
            assert_true(fabs(x.sums.loss - y.sums.loss) <= 1e-3);
        }
        assert_true(distance(&one, &three) <= 2e-5);
        close_training(&one);
        close_training(&three);
    }
}

static void test_a_batch_smaller_than_the_threads_trains(void **state)
{
    (void)state;
    static const char *const layers[] = {SMALL, LARGE};
    for (size_t l = 0; l < 2; l++) {
        struct setup setup = {.layers = layers[l],
                              .optimizer = ADAM,
                              .loss = LOSS_CROSS_ENTROPY,
                              .inputs = 9,
                              .rows = 8,
                              .threads = 4};
        struct training four, one;
        open_training(&four, &setup);
        setup.threads = 1;
        open_training(&one, &setup);
        static const size_t rows[] = {8, 2, 1, 3, 8};
        for (size_t i = 0; i < 5; i++) {
            struct step_result x = step(&four, rows[i], true);
            struct step_result y = step(&one, rows[i], true);
            assert_int_equal(x.sums.rows, rows[i]);
            assert_true(fabs(x.gradient_norm - y.gradient_norm) <=
                        1e-4 * y.gradient_norm);
            struct layer_report a, b;
            stepper_layer_report(four.stepper, 0, &a);
            stepper_layer_report(one.stepper, 0, &b);
            assert_true(fabs(a.activation_std - b.activation_std) <= 1e-5);
        }
        assert_true(distance(&four, &one) <= 1e-3);
        close_training(&four);
        close_training(&one);
    }
}

/* One step of plain gradient descent with rate 1 moves the parameters by the gradient. */
#define DESCENT "{'type': 'sgd', 'learning_rate': 1}"

struct moved {
    double norm, largest;
    size_t at_limit;
};

static struct moved one_step(const char *layers, int threads, double clip_norm,
                             double clip_value, struct step_result *ret_result)
{
    struct training training;
    open_training(&training, &(struct setup){.layers = layers,
                                             .optimizer = DESCENT,
                                             .loss = LOSS_MSE,
                                             .inputs = 9,
                                             .outputs = 3,
                                             .rows = 12,
                                             .threads = threads,
                                             .clip_norm = clip_norm,
                                             .clip_value = clip_value});
    size_t size = size_of(&training);
    real *p = stepper_parameters(training.stepper), *before = malloc(size * sizeof(real));
    assert_non_null(before);
    memcpy(before, p, size * sizeof(real));
    *ret_result = step(&training, 12, false);
    struct moved moved = {0};
    for (size_t i = 0; i < size; i++) {
        double change = fabs((double)p[i] - (double)before[i]);
        moved.norm += change * change;
        moved.largest = fmax(moved.largest, change);
        moved.at_limit += clip_value > 0 && fabs(change - clip_value) <= 1e-6;
    }
    moved.norm = sqrt(moved.norm);
    free(before);
    close_training(&training);
    return moved;
}

static void test_gradients_are_clipped_by_their_norm(void **state)
{
    (void)state;
    static const char *const layers[] = {SMALL, LARGE};
    for (int threads = 1; threads <= 2; threads++) {
        for (size_t l = 0; l < 2; l++) {
            struct step_result free_result, result;
            struct moved unclipped = one_step(layers[l], threads, 0, 0, &free_result);
            assert_true(isnan(free_result.gradient_norm));
            double limit = unclipped.norm / 4;
            struct moved moved = one_step(layers[l], threads, limit, 0, &result);
            assert_true(fabs(result.gradient_norm - unclipped.norm) <= 1e-5);
            assert_true(fabs(moved.norm - limit) <= 1e-5);
            moved = one_step(layers[l], threads, 4 * unclipped.norm, 0, &result);
            assert_true(fabs(moved.norm - unclipped.norm) <= 1e-6);
        }
    }
}

static void test_gradients_are_clipped_by_value(void **state)
{
    (void)state;
    static const char *const layers[] = {SMALL, LARGE};
    for (int threads = 1; threads <= 2; threads++) {
        for (size_t l = 0; l < 2; l++) {
            struct step_result result;
            struct moved unclipped = one_step(layers[l], threads, 0, 0, &result);
            double limit = unclipped.largest / 3;
            struct moved moved = one_step(layers[l], threads, 0, limit, &result);
            assert_true(fabs(moved.largest - limit) <= 1e-6 && moved.at_limit > 0);
            moved = one_step(layers[l], threads, 1e6, limit, &result);
            assert_true(fabs(moved.largest - limit) <= 1e-6 && moved.at_limit > 0);
        }
    }
}

static void check_l2(const char *with_l2, const char *without_l2, int threads,
                     double clip_norm)
{
    struct setup setup = {.layers = with_l2,
                          .optimizer = DESCENT,
                          .loss = LOSS_MSE,
                          .inputs = 9,
                          .outputs = 3,
                          .rows = 12,
                          .threads = threads,
                          .clip_norm = clip_norm};
    struct training with, without;
    open_training(&with, &setup);
    setup.layers = without_l2;
    open_training(&without, &setup);
    size_t size = size_of(&with);
    real *before = malloc(size * sizeof(real));
    assert_non_null(before);
    memcpy(before, stepper_parameters(with.stepper), size * sizeof(real));
    double told = stepper_l2_loss(with.stepper);
    struct step_result result = step(&with, 12, false), plain = step(&without, 12, false);
    assert_true(fabs(result.l2_loss - told) <= 1e-9 && plain.l2_loss == 0);
    assert_true(result.sums.loss == plain.sums.loss);
    const struct tensor *weight = &graph_node(stepper_graph(with.stepper), 0)->params[0];
    double squares = 0;
    for (size_t i = 0; i < size; i++) {
        bool decays = i >= weight->offset && i < weight->offset + weight->count;
        double p = (double)before[i];
        squares += decays ? p * p : 0;
        double extra = (double)stepper_parameters(without.stepper)[i] -
                       (double)stepper_parameters(with.stepper)[i];
        assert_true(fabs(extra - (decays ? 2 * 0.05 * p : 0)) <= 2e-6);
    }
    assert_true(fabs(told - 0.05 * squares) <= 1e-9);
    free(before);
    close_training(&with);
    close_training(&without);
}

static void test_l2_shrinks_weights_and_is_told(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        for (double clip_norm = 0; clip_norm <= 1e6; clip_norm += 1e6) {
            check_l2("[{'type': 'dense', 'units': 3, 'l2': 0.05}]",
                     "[{'type': 'dense', 'units': 3}]", threads, clip_norm);
            check_l2("[{'type': 'dense', 'units': 2000, 'l2': 0.05},"
                     " {'type': 'dense', 'units': 3}]",
                     "[{'type': 'dense', 'units': 2000}, {'type': 'dense', 'units': 3}]",
                     threads, clip_norm);
        }
    }
}

static void test_an_observed_step_reports_each_layer(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        struct training training;
        open_training(&training, &(struct setup){.layers = LARGE,
                                                 .optimizer = DESCENT,
                                                 .loss = LOSS_CROSS_ENTROPY,
                                                 .inputs = 9,
                                                 .rows = 12,
                                                 .threads = threads});
        const struct graph *graph = stepper_graph(training.stepper);
        real *p = stepper_parameters(training.stepper);
        const struct tensor *bias = &graph_node(graph, 0)->params[1];
        for (size_t unit = 0; unit < 13; unit++) /* a tenth of the first layer is dead */
            p[bias->offset + unit] = -1000;
        real *before = malloc(size_of(&training) * sizeof(real));
        memcpy(before, p, size_of(&training) * sizeof(real));
        struct step_result result = step(&training, 12, true);
        /* dense with relu, dense with relu, dropout, dense */
        assert_int_equal(stepper_layer_count(training.stepper), 4);
        double squares = 0;
        for (int i = 0; i < 4; i++) {
            struct layer_report report;
            stepper_layer_report(training.stepper, i, &report);
            assert_true(report.has_parameters == (i != 2));
            assert_true(report.activation_std > 0);
            squares += report.gradient_norm * report.gradient_norm;
            double change = 0, norm = 0;
            int layer = (int)(report.layer - training.model.layers);
            for (int t = 0; t < graph_node(graph, layer)->param_count; t++) {
                const struct tensor *tensor = &graph_node(graph, layer)->params[t];
                for (size_t e = tensor->offset; e < tensor->offset + tensor->count; e++) {
                    change += pow((double)p[e] - (double)before[e], 2);
                    norm += pow((double)before[e], 2);
                }
            }
            if (i == 2)
                continue;
            assert_true(fabs(report.gradient_norm - sqrt(change)) <=
                        1e-4 * report.gradient_norm + 1e-5);
            assert_true(fabs(report.update_ratio - sqrt(change / norm)) <= 1e-6);
        }
        assert_true(fabs(sqrt(squares) - result.gradient_norm) <= 1e-9);
        struct layer_report first;
        stepper_layer_report(training.stepper, 0, &first);
        assert_string_equal(first.layer->name, "layers.0");
        assert_true(first.dead_fraction >= 0.1 && first.dead_fraction < 0.6);
        assert_true(first.activation_mean > 0);
        free(before);
        close_training(&training);
    }
}

static void test_evaluation_is_exact_and_changes_nothing(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        struct training training;
        open_training(&training, &(struct setup){.layers = SMALL,
                                                 .optimizer = ADAM,
                                                 .loss = LOSS_CROSS_ENTROPY,
                                                 .inputs = 9,
                                                 .rows = 100,
                                                 .threads = threads});
        /* The same rows in pieces smaller than the batch, and one at a time. */
        struct loss_sums whole = {0}, single = {0};
        stepper_evaluate(training.stepper, &training.source, 100, &whole);
        struct table row = training.table;
        struct batch_source source = {.context = &row, .fill = fill};
        for (size_t i = 0; i < 100; i++) {
            row.x = training.x + i * 9;
            row.labels = training.labels + i;
            stepper_evaluate(training.stepper, &source, 1, &single);
        }
        assert_true(fabs(whole.loss - single.loss) <= 1e-3);
        assert_true(whole.rows == 100 && single.rows == 100);
        assert_int_equal(whole.correct, single.correct);
        struct loss_sums again = {0};
        stepper_evaluate(training.stepper, &training.source, 100, &again);
        assert_memory_equal(&whole, &again, sizeof(whole));
        close_training(&training);
    }
}

static void test_a_small_step_is_not_shared(void **state)
{
    (void)state;
    struct model_spec small = core_model(SMALL, DIMS(9));
    struct model_spec large =
        core_model("[{'type': 'dense', 'units': 1000}]", DIMS(1000));
    struct choice optimizer = core_optimizer(ADAM);
    struct stepper_options options = {
        .model = &small, .optimizer = &optimizer, .batch_rows = 32, .threads = 2};
    struct stepper *stepper;
    assert_int_equal(stepper_new(&options, &stepper, NULL), 0);
    assert_int_equal(graph_max_rows(stepper_graph(stepper)), 32);
    stepper_free(stepper);
    options.model = &large;
    assert_int_equal(stepper_new(&options, &stepper, NULL), 0);
    assert_int_equal(graph_max_rows(stepper_graph(stepper)), 16);
    stepper_free(stepper);
    model_spec_release(&small);
    model_spec_release(&large);
}

static void test_padding_stays_zero(void **state)
{
    (void)state;
    struct training training;
    open_training(&training,
                  &(struct setup){.layers = "[{'type': 'dense', 'units': 3, 'l2': 0.01}]",
                                  .optimizer = "{'type': 'adamw', 'learning_rate': 0.1}",
                                  .loss = LOSS_CROSS_ENTROPY,
                                  .inputs = 9,
                                  .rows = 6,
                                  .threads = 2,
                                  .clip_norm = 1});
    for (int i = 0; i < 5; i++)
        step(&training, 6, true);
    const struct graph *graph = stepper_graph(training.stepper);
    const real *p = stepper_parameters(training.stepper);
    const struct tensor *weight = graph_tensor(graph, 0), *bias = graph_tensor(graph, 1);
    size_t padding = 0;
    for (size_t i = 0; i < graph_size(graph); i++) {
        if ((i >= weight->offset && i < weight->offset + weight->count) ||
            (i >= bias->offset && i < bias->offset + bias->count))
            continue;
        assert_true(p[i] == 0);
        padding++;
    }
    assert_true(padding > 0);
    close_training(&training);
}

static void test_states_take_the_sum_of_the_slices_shares(void **state)
{
    (void)state;
    for (int clips = 0; clips <= 1; clips++) {
        struct training training;
        struct setup setup = {.layers = "[{'type': 'dense', 'units': 3}]",
                              .optimizer = DESCENT,
                              .loss = LOSS_MSE,
                              .inputs = 9,
                              .outputs = 3,
                              .rows = 12,
                              .threads = 2,
                              .clip_norm = clips};
        struct model_spec model = core_model(setup.layers, DIMS(9));
        model.layers[0].params[1].trainable = false; /* the bias as a state */
        open_training(&training, &setup);
        stepper_free(training.stepper);
        struct choice optimizer = core_optimizer(setup.optimizer);
        struct stepper_options options = {.model = &model,
                                          .loss = {.type = LOSS_MSE},
                                          .optimizer = &optimizer,
                                          .clip_norm = setup.clip_norm,
                                          .batch_rows = 12,
                                          .threads = 2,
                                          .slice_flops = 1};
        assert_int_equal(stepper_new(&options, &training.stepper, NULL), 0);
        struct run *run;
        const struct graph *graph = stepper_graph(training.stepper);
        assert_int_equal(run_new(graph, &run, NULL), 0);
        /* What dense gives as the gradient of its bias is the sum over the rows of the
         * gradient of the output; that sum becomes the new value. */
        real expected[3] = {0};
        struct loss_spec loss = {.type = LOSS_MSE};
        for (size_t first = 0; first < 12; first += 6) {
            struct loss_sums sums = {0};
            fill(&training.table, first, 6, run_input(run), (float[18]){0});
            run_forward(run, stepper_parameters(training.stepper), 6, first, 0, true,
                        false);
            loss_compute(&loss, run_output(run), training.numbers + first * 3, 6, 3, 12,
                         run_output_gradient(run), &sums);
            for (size_t i = 0; i < 18; i++)
                expected[i % 3] += run_output_gradient(run)[i];
        }
        step(&training, 12, false);
        size_t bias = graph_trained_size(graph);
        for (size_t i = 0; i < 3; i++)
            assert_true(fabs((double)stepper_parameters(training.stepper)[bias + i] -
                             (double)expected[i]) <= 1e-6);
        run_free(run);
        close_training(&training);
        model_spec_release(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xor_is_learnt_to_zero_loss),
        cmocka_unit_test(test_the_same_training_gives_the_same_bits),
        cmocka_unit_test(test_threads_agree),
        cmocka_unit_test(test_a_batch_smaller_than_the_threads_trains),
        cmocka_unit_test(test_gradients_are_clipped_by_their_norm),
        cmocka_unit_test(test_gradients_are_clipped_by_value),
        cmocka_unit_test(test_l2_shrinks_weights_and_is_told),
        cmocka_unit_test(test_an_observed_step_reports_each_layer),
        cmocka_unit_test(test_evaluation_is_exact_and_changes_nothing),
        cmocka_unit_test(test_a_small_step_is_not_shared),
        cmocka_unit_test(test_padding_stays_zero),
        cmocka_unit_test(test_states_take_the_sum_of_the_slices_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
