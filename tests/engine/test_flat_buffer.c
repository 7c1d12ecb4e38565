/* Memory of the large arrays. */
#include "engine/flat_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static void test_buffers_of_any_size_are_aligned_zeros(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 16, 1000, 1 << 20, (1 << 20) + 17};
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        real *buffer = flat_new(counts[c]);
        assert_non_null(buffer);
        assert_int_equal((uintptr_t)buffer % 64, 0);
        for (size_t i = 0; i < counts[c]; i++)
            assert_true(buffer[i] == 0);
        free(buffer);
    }
}

static void test_unset_buffers_can_be_written(void **state)
{
    (void)state;
    size_t count = (size_t)3 << 20;
    real *buffer = flat_new_unset(count);
    assert_non_null(buffer);
    for (size_t i = 0; i < count; i += 1000)
        buffer[i] = 1;
    buffer[count - 1] = 1;
    free(buffer);
}

static void test_sizes_past_all_memory_fail(void **state)
{
    (void)state;
    assert_null(flat_new(SIZE_MAX));
    assert_null(flat_new(SIZE_MAX / sizeof(real)));
    assert_null(flat_new_unset(SIZE_MAX / sizeof(real) - 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers_of_any_size_are_aligned_zeros),
        cmocka_unit_test(test_unset_buffers_can_be_written),
        cmocka_unit_test(test_sizes_past_all_memory_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
