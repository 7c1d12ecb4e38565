/* Learning rates against tables worked out by hand from the formulas in schedule.h. */
#include "core_fixture.h"
#include "engine/schedule.h"

#include "spec/training_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#define STEPS_PER_EPOCH 10
#define STEPS 40

static struct schedule open_schedule(const char *text)
{
    struct choice choice = core_schedule(text);
    struct schedule schedule;
    struct error err;
    error_clear(&err);
    if (schedule_init(&schedule, &choice, 0.8, STEPS_PER_EPOCH, STEPS, &err) != 0)
        fail_msg("%s", err.text);
    return schedule;
}

struct rate_row {
    const char *spec;
    int64_t step;
    double rate;
};

static const struct rate_row rate_rows[] = {
    {"{'type': 'constant'}", 0, 0.8},
    {"{'type': 'constant'}", 40, 0.8},
    {"{'type': 'constant', 'warmup_steps': 4}", 0, 0.2},
    {"{'type': 'constant', 'warmup_steps': 4}", 2, 0.6},
    {"{'type': 'constant', 'warmup_steps': 4}", 3, 0.8},
    {"{'type': 'constant', 'warmup_steps': 4}", 4, 0.8},
    {"{'type': 'step', 'step_epochs': 2, 'gamma': 0.5}", 0, 0.8},
    {"{'type': 'step', 'step_epochs': 2, 'gamma': 0.5}", 19, 0.8},
    {"{'type': 'step', 'step_epochs': 2, 'gamma': 0.5}", 20, 0.4},
    {"{'type': 'step', 'step_epochs': 2, 'gamma': 0.5}", 40, 0.2},
    {"{'type': 'step', 'step_epochs': 1, 'gamma': 0.5, 'warmup_steps': 20}", 10, 0.22},
    {"{'type': 'exponential', 'gamma': 0.5}", 9, 0.8},
    {"{'type': 'exponential', 'gamma': 0.5}", 10, 0.4},
    {"{'type': 'exponential', 'gamma': 0.5}", 39, 0.1},
    {"{'type': 'cosine'}", 0, 0.8},
    {"{'type': 'cosine'}", 10, 0.8 * (1 + 0.70710678118654752) / 2},
    {"{'type': 'cosine'}", 20, 0.4},
    {"{'type': 'cosine'}", 39, 0.8 * (1 - 0.99691733373312796) / 2},
    {"{'type': 'cosine'}", 40, 0},
    {"{'type': 'cosine', 'minimum_learning_rate': 0.2}", 20, 0.5},
    {"{'type': 'cosine', 'minimum_learning_rate': 0.2}", 40, 0.2},
    {"{'type': 'cosine', 'warmup_steps': 20}", 9, 0.4},
    {"{'type': 'cosine', 'warmup_steps': 20}", 20, 0.8},
    {"{'type': 'cosine', 'warmup_steps': 20}", 30, 0.4},
    {"{'type': 'cosine', 'warmup_steps': 20}", 40, 0},
    {"{'type': 'cosine', 'warmup_steps': 100}", 40, 0.8 * 0.41},
    {"{'type': 'multi_step', 'milestones': [3, 1], 'gamma': 0.5}", 9, 0.8},
    {"{'type': 'multi_step', 'milestones': [3, 1], 'gamma': 0.5}", 10, 0.4},
    {"{'type': 'multi_step', 'milestones': [3, 1], 'gamma': 0.5}", 30, 0.2},
    {"{'type': 'multi_step', 'milestones': [1, 1], 'gamma': 0.5}", 10, 0.2},
    {"{'type': 'multi_step', 'milestones': 2}", 39, 0.08},
    {"{'type': 'polynomial'}", 0, 0.8},
    {"{'type': 'polynomial'}", 10, 0.6},
    {"{'type': 'polynomial', 'power': 2}", 20, 0.2},
    {"{'type': 'polynomial', 'minimum_learning_rate': 0.4}", 20, 0.6},
    {"{'type': 'polynomial', 'warmup_steps': 20}", 30, 0.4},
    {"{'type': 'polynomial', 'warmup_steps': 40}", 19, 0.4},
    {"{'type': 'cosine_restarts', 'period_epochs': 1}", 0, 0.8},
    {"{'type': 'cosine_restarts', 'period_epochs': 1}", 5, 0.4},
    {"{'type': 'cosine_restarts', 'period_epochs': 1}", 10, 0.8},
    {"{'type': 'cosine_restarts', 'period_epochs': 1}", 35, 0.4},
    {"{'type': 'cosine_restarts', 'period_epochs': 1, 'period_multiplier': 2}", 10, 0.8},
    {"{'type': 'cosine_restarts', 'period_epochs': 1, 'period_multiplier': 2}", 20, 0.4},
    {"{'type': 'cosine_restarts', 'period_epochs': 1, 'period_multiplier': 2}", 30, 0.8},
    {"{'type': 'cosine_restarts', 'period_epochs': 1, 'warmup_steps': 7}", 12, 0.4},
    {"{'type': 'cosine_restarts', 'period_epochs': 1000000, 'period_multiplier': 100}", 0,
     0.8},
    {"{'type': 'one_cycle'}", 0, 0.8 / 25},
    {"{'type': 'one_cycle'}", 11, 0.8},
    {"{'type': 'one_cycle'}", 25, (0.8 + 0.8 / 250000) / 2},
    {"{'type': 'one_cycle'}", 39, 0.8 / 250000},
    {"{'type': 'one_cycle', 'pct_start': 0.025}", 0, 0.8},
    {"{'type': 'one_cycle', 'pct_start': 1, 'div_factor': 2}", 0, 0.4},
    {"{'type': 'one_cycle', 'pct_start': 1, 'div_factor': 2}", 39, 0.8},
    {"{'type': 'one_cycle', 'warmup_steps': 39, 'pct_start': 1}", 39, 0.8},
    {"{'type': 'one_cycle', 'warmup_steps': 40}", 19, 0.8 / 50},
};

static void test_rates_equal_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rate_rows) / sizeof(rate_rows[0]); i++) {
        const struct rate_row *row = &rate_rows[i];
        struct schedule schedule = open_schedule(row->spec);
        double rate = schedule_rate(&schedule, row->step, NULL);
        if (!(fabs(rate - row->rate) <= 1e-12))
            fail_msg("%s, step %lld: %.12g, not %.12g", row->spec, (long long)row->step,
                     rate, row->rate);
        assert_string_equal(schedule.monitor, "");
    }
}

#define PLATEAU                                                                          \
    "{'type': 'reduce_on_plateau', 'monitor': 'loss', 'factor': 0.5, 'patience': 2,"     \
    " 'min_delta': 0.1, 'minimum_learning_rate': 0.15}"

static void test_plateau_reduces_after_more_than_patience_bad_epochs(void **state)
{
    (void)state;
    struct schedule schedule = open_schedule(PLATEAU);
    struct plateau plateau = {0};
    assert_string_equal(schedule.monitor, "loss");
    assert_false(schedule_observe(&schedule, &plateau, 5.0, false));
    assert_false(schedule_observe(&schedule, &plateau, 4.0, false));
    assert_false(
        schedule_observe(&schedule, &plateau, 3.95, false)); /* not by min_delta */
    assert_false(schedule_observe(&schedule, &plateau, (double)NAN, false));
    assert_true(schedule_rate(&schedule, 0, &plateau) == 0.8);
    assert_true(schedule_observe(&schedule, &plateau, 4.5, false));
    assert_true(fabs(schedule_rate(&schedule, 0, &plateau) - 0.4) <= 1e-15);
    /* An improvement starts the count again. */
    assert_false(schedule_observe(&schedule, &plateau, 4.5, false));
    assert_false(schedule_observe(&schedule, &plateau, 3.0, false));
    assert_false(schedule_observe(&schedule, &plateau, 3.0, false));
    assert_false(schedule_observe(&schedule, &plateau, 3.0, false));
    assert_true(schedule_observe(&schedule, &plateau, 3.0, false));
    assert_true(plateau.reductions == 2 && plateau.best == 3.0);
}

static void test_plateau_stops_at_the_minimum(void **state)
{
    (void)state;
    struct schedule schedule = open_schedule(PLATEAU);
    struct plateau plateau = {0};
    int reduced = 0;
    for (int epoch = 0; epoch < 40; epoch++)
        reduced += schedule_observe(&schedule, &plateau, 1.0, false);
    assert_int_equal(reduced, 3); /* 0.4, 0.2, 0.15 */
    assert_true(schedule_rate(&schedule, 0, &plateau) == 0.15);
}

static void test_plateau_watches_what_should_rise(void **state)
{
    (void)state;
    struct schedule schedule = open_schedule(PLATEAU);
    struct plateau plateau = {0};
    for (int epoch = 0; epoch < 10; epoch++)
        assert_false(schedule_observe(&schedule, &plateau, 0.2 * epoch, true));
    assert_false(schedule_observe(&schedule, &plateau, 1.8, true));
    assert_false(schedule_observe(&schedule, &plateau, 1.7, true));
    assert_true(schedule_observe(&schedule, &plateau, 1.6, true));
}

static void test_a_minimum_above_the_rate_does_not_raise_it(void **state)
{
    (void)state;
    struct schedule schedule = open_schedule(PLATEAU);
    schedule.minimum = 5;
    struct plateau plateau = {0};
    assert_true(schedule_rate(&schedule, 3, &plateau) == 0.8);
}

static void test_other_schedules_ignore_what_is_observed(void **state)
{
    (void)state;
    struct schedule schedule = open_schedule("{'type': 'cosine'}");
    struct plateau plateau = {0};
    for (int epoch = 0; epoch < 30; epoch++)
        assert_false(schedule_observe(&schedule, &plateau, 1.0, false));
    assert_int_equal(plateau.reductions, 0);
}

static void test_the_tables_of_engine_and_spec_agree(void **state)
{
    (void)state;
    size_t count = 0;
    for (; schedule_names[count]; count++) {
        size_t which = 0;
        while (schedule_name(which) &&
               strcmp(schedule_name(which), schedule_names[count]) != 0)
            which++;
        if (!schedule_name(which))
            fail_msg("the engine has no schedule \"%s\"", schedule_names[count]);
    }
    assert_null(schedule_name(count));
}

static void test_unknown_schedule_is_an_error(void **state)
{
    (void)state;
    struct choice choice = core_schedule("{'type': 'constant'}");
    choice.type = "no_such";
    struct schedule schedule;
    struct error err;
    error_clear(&err);
    assert_int_equal(schedule_init(&schedule, &choice, 1, 1, 1, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "no_such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates_equal_the_table),
        cmocka_unit_test(test_plateau_reduces_after_more_than_patience_bad_epochs),
        cmocka_unit_test(test_plateau_stops_at_the_minimum),
        cmocka_unit_test(test_plateau_watches_what_should_rise),
        cmocka_unit_test(test_a_minimum_above_the_rate_does_not_raise_it),
        cmocka_unit_test(test_other_schedules_ignore_what_is_observed),
        cmocka_unit_test(test_the_tables_of_engine_and_spec_agree),
        cmocka_unit_test(test_unknown_schedule_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
