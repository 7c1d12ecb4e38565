/* Memory: sizes that overflow are failures, blocks are zeroed and aligned as promised. */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_products_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    size_t product = 7;
    assert_true(mem_multiply(1 << 20, 1 << 20, &product));
    assert_int_equal(product, (size_t)1 << 40);
    assert_true(mem_multiply(0, SIZE_MAX, &product));
    assert_int_equal(product, 0);
    assert_true(mem_multiply(SIZE_MAX, 1, &product));
    assert_false(mem_multiply(SIZE_MAX / 2 + 1, 2, &product));
    assert_false(mem_multiply((size_t)1 << 32, (size_t)1 << 32, &product));
}

static void test_overflowing_allocations_fail(void **state)
{
    (void)state;
    assert_null(mem_alloc_array(SIZE_MAX / 2 + 1, 2));
    assert_null(mem_alloc_aligned(SIZE_MAX / 2 + 1, 2));
    assert_null(mem_alloc_aligned(SIZE_MAX, 1));
    assert_null(mem_alloc_aligned(SIZE_MAX - 63, 1));
    char *block = mem_alloc(4);
    memcpy(block, "abc", 4);
    assert_null(mem_resize_array(block, SIZE_MAX / 2 + 1, 2));
    assert_string_equal(block, "abc"); /* still ours */
    free(block);
}

static void test_empty_blocks_can_be_freed(void **state)
{
    (void)state;
    void *blocks[] = {mem_alloc_array(0, 8), mem_alloc_array(8, 0), mem_alloc(0),
                      mem_resize_array(NULL, 0, 8), mem_alloc_aligned(0, 8)};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        assert_non_null(blocks[i]);
        free(blocks[i]);
    }
}

static void test_blocks_are_zeroed(void **state)
{
    (void)state;
    for (size_t size = 1; size < 300; size += 37) {
        unsigned char *plain = mem_alloc_array(size, 3);
        unsigned char *aligned = mem_alloc_aligned(size, 3);
        assert_true(plain && aligned);
        for (size_t i = 0; i < 3 * size; i++)
            assert_true(plain[i] == 0 && aligned[i] == 0);
        assert_int_equal((uintptr_t)aligned % 64, 0);
        free(plain);
        free(aligned);
    }
}

static void test_resize_keeps_the_bytes(void **state)
{
    (void)state;
    uint32_t *numbers = mem_resize_array(NULL, 2, sizeof(*numbers));
    numbers[0] = 5;
    numbers[1] = 6;
    numbers = mem_resize_array(numbers, 1000, sizeof(*numbers));
    assert_true(numbers[0] == 5 && numbers[1] == 6);
    numbers = mem_resize_array(numbers, 1, sizeof(*numbers));
    assert_int_equal(numbers[0], 5);
    free(numbers);
}

static void test_strings_are_copied_whole_or_in_part(void **state)
{
    (void)state;
    char *copies[] = {mem_strdup("abc"), mem_strdup(""), mem_strndup("abcdef", 3),
                      mem_strndup("x", 0)};
    static const char *const expected[] = {"abc", "", "abc", ""};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(copies[i], expected[i]);
        free(copies[i]);
    }
    assert_null(mem_strndup("x", SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_that_do_not_fit_are_refused),
        cmocka_unit_test(test_overflowing_allocations_fail),
        cmocka_unit_test(test_empty_blocks_can_be_freed),
        cmocka_unit_test(test_blocks_are_zeroed),
        cmocka_unit_test(test_resize_keeps_the_bytes),
        cmocka_unit_test(test_strings_are_copied_whole_or_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
