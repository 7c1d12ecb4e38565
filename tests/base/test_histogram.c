/* Histograms, and the pulse of a thread. */
#include "base/histogram.h"
#include "base/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_bounds_grow(void **state)
{
    (void)state;
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_true(histogram_bounds_ns[i] > histogram_bounds_ns[i - 1]);
}

static void test_a_bound_belongs_to_its_bucket(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    struct histogram_values values;
    int64_t sum = 0;
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        histogram_observe(&histogram, histogram_bounds_ns[i]);
        histogram_observe(&histogram, histogram_bounds_ns[i] + 1);
        sum += 2 * histogram_bounds_ns[i] + 1;
    }
    histogram_read(&histogram, &values);
    assert_int_equal(values.counts[0], 1);
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_int_equal(values.counts[i], 2);
    assert_int_equal(values.counts[HISTOGRAM_BOUNDS], 1);
    assert_int_equal(values.total, 2 * HISTOGRAM_BOUNDS);
    assert_int_equal(values.sum_ns, sum);
}

static void test_a_pulse_tells_waiting_from_being_busy(void **state)
{
    (void)state;
    struct pulse pulse = {0};
    assert_int_equal(pulse_busy_ns(&pulse), 0);
    pulse_begin(&pulse);
    int64_t started = clock_monotonic_ns();
    while (clock_monotonic_ns() - started < 2000000)
        ;
    assert_true(pulse_busy_ns(&pulse) >= 2000000);
    pulse_begin(&pulse); /* the next thing */
    pulse_end(&pulse);
    assert_int_equal(pulse_busy_ns(&pulse), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_grow),
        cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
        cmocka_unit_test(test_a_pulse_tells_waiting_from_being_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
