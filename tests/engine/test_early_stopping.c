#include "engine/early_stopping.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const double nan_value = (double)NAN;

static struct early_stopping make(const char *monitor, int64_t patience, double min_delta)
{
    struct job_spec spec = {.early_stopping = {.enabled = true,
                                               .patience = patience,
                                               .min_delta = min_delta}};
    strcpy(spec.early_stopping.monitor, monitor);
    struct early_stopping stopping;
    early_stopping_init(&stopping, &spec, true);
    return stopping;
}

/* Feeds values as epochs 1, 2, …; the epoch at which it said stop, or 0. */
static int64_t stops_at(struct early_stopping *stopping, const double *values,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (early_stopping_observe(stopping, (int64_t)i + 1, values[i]).stop)
            return (int64_t)i + 1;
    }
    return 0;
}

static void test_stops_after_patience_epochs_without_improvement(void **state)
{
    (void)state;
    struct early_stopping stopping = make("val_loss", 3, 0);
    const double values[] = {1.0, 0.5, 0.6, 0.5, 0.7, 0.1};
    assert_int_equal(stops_at(&stopping, values, 6), 5);
    assert_int_equal(stopping.best_epoch, 2);
    assert_true(stopping.best == 0.5);
}

static void test_an_improvement_starts_the_patience_anew(void **state)
{
    (void)state;
    struct early_stopping stopping = make("loss", 2, 0);
    const double values[] = {1.0, 1.1, 0.9, 1.0, 0.8, 0.9, 0.95};
    assert_int_equal(stops_at(&stopping, values, 7), 7);
    assert_int_equal(stopping.best_epoch, 5);
}

static void test_accuracy_and_r2_are_better_when_higher(void **state)
{
    (void)state;
    const char *const monitors[] = {"accuracy", "val_accuracy", "r2", "val_r2"};
    for (size_t i = 0; i < 4; i++) {
        struct early_stopping stopping = make(monitors[i], 2, 0);
        const double values[] = {0.1, 0.5, 0.4, 0.3};
        assert_int_equal(stops_at(&stopping, values, 4), 4);
        assert_int_equal(stopping.best_epoch, 2);
    }
    struct early_stopping stopping = make("val_mae", 2, 0);
    const double values[] = {0.1, 0.5, 0.4};
    assert_int_equal(stops_at(&stopping, values, 3), 3);
}

static void test_small_steps_are_best_but_do_not_reset_patience(void **state)
{
    (void)state;
    struct early_stopping stopping = make("val_loss", 2, 0.1);
    const double values[] = {1.0, 0.95, 0.92};
    assert_int_equal(stops_at(&stopping, values, 3), 3);
    assert_int_equal(stopping.best_epoch, 3);
    assert_true(stopping.best == 0.92);
}

static void test_small_steps_add_up_to_an_improvement(void **state)
{
    (void)state;
    struct early_stopping stopping = make("val_loss", 3, 0.1);
    const double values[] = {1.0, 0.95, 0.88, 0.8, 0.75};
    assert_int_equal(stops_at(&stopping, values, 5), 0);
}

static void test_nan_is_never_best(void **state)
{
    (void)state;
    struct early_stopping stopping = make("val_loss", 2, 0);
    const double values[] = {nan_value, 1.0, nan_value, nan_value};
    assert_int_equal(stops_at(&stopping, values, 4), 4);
    assert_int_equal(stopping.best_epoch, 2);

    struct early_stopping blind = make("val_accuracy", 2, 0);
    const double nothing[] = {nan_value, nan_value};
    assert_int_equal(stops_at(&blind, nothing, 2), 2);
    assert_int_equal(blind.best_epoch, 0);
}

static void test_patience_zero_stops_at_the_first_epoch_without_improvement(void **state)
{
    (void)state;
    struct early_stopping stopping = make("val_loss", 0, 0);
    const double values[] = {1.0, 0.9, 0.9};
    assert_int_equal(stops_at(&stopping, values, 3), 3);
}

static void test_without_early_stopping_val_loss_is_watched_and_never_stops(void **state)
{
    (void)state;
    struct job_spec spec = {0};
    struct early_stopping stopping;
    early_stopping_init(&stopping, &spec, true);
    assert_int_equal(stopping.figure, FIGURE_VAL_LOSS);
    const double values[] = {1.0, 2.0, 3.0, 0.5, 4.0};
    assert_int_equal(stops_at(&stopping, values, 5), 0);
    assert_int_equal(stopping.best_epoch, 4);
    early_stopping_init(&stopping, &spec, false);
    assert_int_equal(stopping.figure, FIGURE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_after_patience_epochs_without_improvement),
        cmocka_unit_test(test_an_improvement_starts_the_patience_anew),
        cmocka_unit_test(test_accuracy_and_r2_are_better_when_higher),
        cmocka_unit_test(test_small_steps_are_best_but_do_not_reset_patience),
        cmocka_unit_test(test_small_steps_add_up_to_an_improvement),
        cmocka_unit_test(test_nan_is_never_best),
        cmocka_unit_test(test_patience_zero_stops_at_the_first_epoch_without_improvement),
        cmocka_unit_test(test_without_early_stopping_val_loss_is_watched_and_never_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
