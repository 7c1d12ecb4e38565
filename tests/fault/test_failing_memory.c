/* The tool of the sweeps itself: what it says to fail fails, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "failing_memory.h"

#include <stdbool.h>
#include <stdlib.h>

/* Does one allocation of every kind; which of them failed, as bits. */
static unsigned allocate(void)
{
    void *(*const volatile aligned)(size_t, size_t) = mem_alloc_aligned;
    char *grown = mem_resize_array(NULL, 8, 2);
    void *const blocks[] = {mem_alloc(16), mem_strdup("text"), aligned(4, 4), grown,
                            failing_malloc(8)};
    unsigned failed = 0;
    for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        failed |= blocks[i] ? 0 : 1U << i;
        free(blocks[i]);
    }
    return failed;
}

static void test_every_allocation_fails_in_its_turn(void **state)
{
    (void)state;
    unsigned seen = 0;
    failing_memory_begin(0, FAIL_ONCE);
    assert_int_equal(allocate(), 0);
    assert_int_equal(failing_memory_count(), 5);
    assert_int_equal(failing_memory_end(), 0);
    for (uint64_t nth = 1; nth <= 5; nth++) {
        failing_memory_begin(nth, FAIL_ONCE);
        unsigned failed = allocate();
        assert_int_equal(failing_memory_end(), 1);
        assert_true(failed != 0 && (failed & (failed - 1)) == 0); /* one alone */
        seen |= failed;
    }
    assert_int_equal(seen, 31);
    failing_memory_begin(6, FAIL_ONCE);
    assert_int_equal(allocate(), 0);
    assert_int_equal(failing_memory_end(), 0);
}

static void test_all_that_follow_fail_until_the_end(void **state)
{
    (void)state;
    failing_memory_begin(2, FAIL_ON);
    allocate();
    assert_int_equal(failing_memory_end(), 4);
    assert_int_equal(allocate(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails_in_its_turn),
        cmocka_unit_test(test_all_that_follow_fail_until_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
