/* Batches made ahead: the right rows, in order, at most two at a time. */
#include "engine/prefetcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define WIDTH 3
#define BATCH 4

/* Row r is r, r + 0.25, r + 0.5 with the target 10 r. */
struct counter {
    atomic_int batches; /* filled so far */
    atomic_long delay_ns;
};

static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    struct counter *counter = context;
    int32_t *target = ret_target;
    struct timespec delay = {0, atomic_load(&counter->delay_ns)};
    if (delay.tv_nsec > 0)
        nanosleep(&delay, NULL);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < WIDTH; i++)
            ret_x[r * WIDTH + i] = (real)(first + r) + (real)i / 4;
        target[r] = (int32_t)(10 * (first + r));
    }
    atomic_fetch_add(&counter->batches, 1);
}

static struct prefetcher *start(struct counter *counter)
{
    struct batch_source source = {.context = counter, .fill = fill};
    struct prefetcher *prefetcher = NULL;
    struct error err = {0};
    if (prefetcher_new(&source, BATCH, WIDTH, sizeof(int32_t), &prefetcher, &err) != 0)
        fail_msg("%s", err.text);
    return prefetcher;
}

/* Takes the next batch, which begins with row `first`, and reads it as two slices do. */
static void check_batch(struct prefetcher *prefetcher, size_t first, size_t rows)
{
    struct batch_source source = prefetcher_take(prefetcher);
    size_t half = rows / 2;
    real x[BATCH * WIDTH];
    int32_t target[BATCH];
    source.fill(source.context, half, rows - half, x + half * WIDTH, target + half);
    source.fill(source.context, 0, half, x, target);
    for (size_t r = 0; r < rows; r++) {
        assert_int_equal(target[r], 10 * (first + r));
        for (size_t i = 0; i < WIDTH; i++)
            assert_true(x[r * WIDTH + i] == (real)(first + r) + (real)i / 4);
    }
}

static void check_epoch(struct prefetcher *prefetcher, size_t first, size_t total)
{
    prefetcher_begin(prefetcher, first, total);
    for (; first < total; first += BATCH)
        check_batch(prefetcher, first, total - first < BATCH ? total - first : BATCH);
    prefetcher_end(prefetcher);
}

static void test_batches_come_in_order(void **state)
{
    (void)state;
    struct counter counter = {0};
    struct prefetcher *prefetcher = start(&counter);
    for (size_t total = 0; total <= 22; total++)
        for (size_t first = 0; first <= total; first += BATCH)
            check_epoch(prefetcher, first, total);
    prefetcher_free(prefetcher);
}

static void test_slow_batches_are_waited_for(void **state)
{
    (void)state;
    struct counter counter = {.delay_ns = 2000000};
    struct prefetcher *prefetcher = start(&counter);
    check_epoch(prefetcher, 0, 5 * BATCH);
    prefetcher_free(prefetcher);
}

/* With one batch taken and in use there is one more, not two. */
static void test_no_more_than_two_batches_exist(void **state)
{
    (void)state;
    struct counter counter = {0};
    struct prefetcher *prefetcher = start(&counter);
    const struct timespec moment = {0, 20000000};
    prefetcher_begin(prefetcher, 0, 10 * BATCH);
    nanosleep(&moment, NULL);
    assert_true(atomic_load(&counter.batches) <= 2);
    for (size_t b = 0; b < 4; b++)
        check_batch(prefetcher, b * BATCH, BATCH);
    nanosleep(&moment, NULL);
    assert_true(atomic_load(&counter.batches) <= 5);
    prefetcher_end(prefetcher);
    prefetcher_free(prefetcher);
}

static void test_breaking_off_waits_for_the_thread(void **state)
{
    (void)state;
    struct counter counter = {.delay_ns = 1000000};
    struct prefetcher *prefetcher = start(&counter);
    for (size_t taken = 0; taken < 5; taken++) {
        prefetcher_begin(prefetcher, 0, 10 * BATCH);
        for (size_t b = 0; b < taken; b++)
            check_batch(prefetcher, b * BATCH, BATCH);
        prefetcher_end(prefetcher);
        int made = atomic_load(&counter.batches);
        const struct timespec moment = {0, 3000000};
        nanosleep(&moment, NULL);
        assert_int_equal(atomic_load(&counter.batches), made);
    }
    check_epoch(prefetcher, BATCH, 3 * BATCH); /* and it goes on after that */
    prefetcher_free(prefetcher);
}

static void test_it_ends_in_the_middle_of_work(void **state)
{
    (void)state;
    struct counter counter = {.delay_ns = 1000000};
    struct prefetcher *prefetcher = start(&counter);
    prefetcher_begin(prefetcher, 0, 10 * BATCH);
    check_batch(prefetcher, 0, BATCH);
    prefetcher_free(prefetcher);
    prefetcher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_come_in_order),
        cmocka_unit_test(test_slow_batches_are_waited_for),
        cmocka_unit_test(test_no_more_than_two_batches_exist),
        cmocka_unit_test(test_breaking_off_waits_for_the_thread),
        cmocka_unit_test(test_it_ends_in_the_middle_of_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
