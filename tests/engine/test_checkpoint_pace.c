/* How often a run stops for a checkpoint, and that all of them cost at most their share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/checkpoint_pace.h"

#define MS INT64_C(1000000)

/* A run of so many seconds, in steps of 10 ms, whose checkpoints take `cost_ms`; how many
 * there are, and in *ret_share what they took of the time. The ends of the first go to
 * `ret_ends`. */
static int run(int64_t seconds, int64_t every_seconds, int64_t cost_ms, size_t bytes,
               double *ret_share, int64_t ret_ends[8])
{
    struct checkpoint_pace pace;
    const int64_t start = 77 * CLOCK_NS_PER_SECOND, step = 10 * MS;
    int64_t spent = 0, now = start;
    int count = 0;
    checkpoint_pace_begin(&pace, start, bytes);
    while (now < start + seconds * CLOCK_NS_PER_SECOND) {
        now += step;
        if (!checkpoint_pace_is_due(&pace, now, every_seconds))
            continue;
        checkpoint_pace_made(&pace, true, now, now + cost_ms * MS);
        now += cost_ms * MS;
        spent += cost_ms * MS;
        if (count < 8)
            ret_ends[count] = (now - start) / MS;
        count++;
    }
    *ret_share = (double)spent / (double)(now - start);
    return count;
}

static void test_small_ones_come_soon_and_then_as_the_job_says(void **state)
{
    (void)state;
    double share;
    int64_t ends[8];
    int count = run(300, 30, 0, 1000, &share, ends);
    const int64_t expected[] = {250, 500, 1000, 2000, 4000, 8000, 16000, 32000};
    for (int i = 0; i < 8; i++)
        assert_int_equal(ends[i], expected[i]);
    assert_int_equal(count, 8 + (300 - 32) / 30);
}

static void test_they_never_take_more_than_their_share(void **state)
{
    (void)state;
    for (int64_t cost_ms = 1; cost_ms < 20000; cost_ms *= 3) {
        double share;
        int64_t ends[8];
        int count = run(4000, 1, cost_ms, (size_t)cost_ms * 200000, &share, ends);
        assert_true(share <= CHECKPOINT_SHARE);
        assert_true(count >= 3); /* and they do come */
    }
}

static void test_a_large_one_is_not_tried_before_its_time_is_earned(void **state)
{
    (void)state;
    double share;
    int64_t ends[8];
    run(100, 1, 10, (size_t)40 << 20, &share, ends); /* guessed: 210 ms */
    assert_true(ends[0] > 10000 && ends[0] < 11000);
}

static void test_one_that_took_long_makes_the_next_ones_wait(void **state)
{
    (void)state;
    struct checkpoint_pace pace;
    checkpoint_pace_begin(&pace, 0, 1000);
    checkpoint_pace_made(&pace, false, 1000 * MS, 2000 * MS); /* a slow disk: 1 s */
    assert_false(checkpoint_pace_allows(&pace, 99 * CLOCK_NS_PER_SECOND));
    assert_true(checkpoint_pace_allows(&pace, 101 * CLOCK_NS_PER_SECOND));
    assert_true(checkpoint_pace_is_due(&pace, 101 * CLOCK_NS_PER_SECOND, 30));
}

static void test_a_job_may_do_without(void **state)
{
    (void)state;
    struct checkpoint_pace pace;
    checkpoint_pace_begin(&pace, 0, 1000);
    assert_false(checkpoint_pace_is_due(&pace, INT64_MAX / 2, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_ones_come_soon_and_then_as_the_job_says),
        cmocka_unit_test(test_they_never_take_more_than_their_share),
        cmocka_unit_test(test_a_large_one_is_not_tried_before_its_time_is_earned),
        cmocka_unit_test(test_one_that_took_long_makes_the_next_ones_wait),
        cmocka_unit_test(test_a_job_may_do_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
