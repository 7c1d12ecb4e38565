/* The threads of a step. Also run under ThreadSanitizer, which looks at what the barriers
 * promise: plain memory written before one is read after it. */
#include "engine/slices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define MOST 8

struct work {
    struct slices *slices;
    int count;
    long values[MOST]; /* plain memory: each slice writes its own, reads all after a
                          barrier */
    long sums[MOST];
    pthread_t threads[MOST];
    bool slow; /* one slice arrives so late that the others sleep */
};

static struct slices *open_slices(int count)
{
    struct slices *slices;
    assert_int_equal(slices_new(count, &slices, NULL), 0);
    assert_int_equal(slices_count(slices), count);
    return slices;
}

static void exchange(void *context, int slice)
{
    struct work *work = context;
    work->threads[slice] = pthread_self();
    if (work->slow && slice == work->count - 1)
        usleep(2000);
    work->values[slice]++;
    slices_barrier(work->slices);
    long sum = 0;
    for (int s = 0; s < work->count; s++)
        sum += work->values[s];
    work->sums[slice] = sum;
    slices_barrier(work->slices);
    work->values[slice] += sum;
}

static void test_barriers_show_what_others_wrote(void **state)
{
    (void)state;
    for (int count = 1; count <= MOST; count = count * 2 + (count == 1)) {
        struct work work = {.slices = open_slices(count), .count = count};
        long expected = 0;
        for (int round = 0; round < 12; round++) {
            slices_run(work.slices, exchange, &work);
            long sum = (expected + 1) * count;
            for (int s = 0; s < count; s++)
                assert_int_equal(work.sums[s], sum);
            expected = expected + 1 + sum;
            for (int s = 0; s < count; s++)
                assert_int_equal(work.values[s], expected);
        }
        slices_free(work.slices);
    }
}

static void test_sleepers_are_woken(void **state)
{
    (void)state;
    struct work work = {.slices = open_slices(3), .count = 3, .slow = true};
    for (int round = 0; round < 5; round++) {
        memset(work.values, 0, sizeof(work.values));
        slices_run(work.slices, exchange, &work);
        assert_int_equal(work.sums[0], 3);
        usleep(1000); /* all threads sleep before the next run */
    }
    slices_free(work.slices);
}

static void test_each_slice_has_its_thread_and_the_first_is_the_callers(void **state)
{
    (void)state;
    struct work work = {.slices = open_slices(3), .count = 3};
    slices_run(work.slices, exchange, &work);
    pthread_t first[3];
    memcpy(first, work.threads, sizeof(first));
    assert_true(pthread_equal(first[0], pthread_self()));
    assert_false(pthread_equal(first[1], first[0]) || pthread_equal(first[2], first[0]) ||
                 pthread_equal(first[1], first[2]));
    memset(work.values, 0, sizeof(work.values));
    slices_run(work.slices, exchange, &work);
    for (int s = 0; s < 3; s++)
        assert_true(pthread_equal(first[s], work.threads[s]));
    slices_free(work.slices);
}

static void test_many_short_runs_end(void **state)
{
    (void)state;
    struct work work = {.slices = open_slices(2), .count = 2};
    for (int round = 0; round < 2000; round++) {
        memset(work.values, 0, sizeof(work.values));
        slices_run(work.slices, exchange, &work);
        assert_int_equal(work.sums[0] + work.sums[1], 4);
    }
    slices_free(work.slices);
}

static void test_unused_slices_can_be_freed(void **state)
{
    (void)state;
    slices_free(open_slices(4));
    slices_free(open_slices(1));
    slices_free(NULL);
}

static void test_cuts_cover_everything_once(void **state)
{
    (void)state;
    static const size_t totals[] = {0, 1, 2, 3, 15, 16, 17, 100, 1000, 4097};
    static const size_t grains[] = {1, 3, 16};
    for (size_t t = 0; t < sizeof(totals) / sizeof(totals[0]); t++) {
        for (size_t g = 0; g < sizeof(grains) / sizeof(grains[0]); g++) {
            for (int count = 1; count <= 7; count++) {
                size_t next = 0, most = 0, least = SIZE_MAX;
                for (int slice = 0; slice < count; slice++) {
                    size_t first, length;
                    slices_cut(totals[t], grains[g], slice, count, &first, &length);
                    assert_int_equal(first, next);
                    assert_true(first % grains[g] == 0 || length == 0);
                    next = first + length;
                    most = length > most ? length : most;
                    least = length < least ? length : least;
                }
                assert_int_equal(next, totals[t]);
                assert_true(most - least < 2 * grains[g]);
            }
        }
    }
}

static void test_the_first_slices_get_the_rows_of_a_small_batch(void **state)
{
    (void)state;
    size_t first, count;
    slices_cut(2, 1, 1, 4, &first, &count);
    assert_true(first == 1 && count == 1);
    slices_cut(2, 1, 2, 4, &first, &count);
    assert_true(count == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barriers_show_what_others_wrote),
        cmocka_unit_test(test_sleepers_are_woken),
        cmocka_unit_test(test_each_slice_has_its_thread_and_the_first_is_the_callers),
        cmocka_unit_test(test_many_short_runs_end),
        cmocka_unit_test(test_unused_slices_can_be_freed),
        cmocka_unit_test(test_cuts_cover_everything_once),
        cmocka_unit_test(test_the_first_slices_get_the_rows_of_a_small_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
