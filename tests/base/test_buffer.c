/* The buffer grows to its maximum and no further, and its first failure sticks. */
#include "base/buffer.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_empty_buffer_is_an_empty_string(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    assert_string_equal(buffer.data, "");
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, 0);
    assert_int_equal(buffer_status(&buffer), 0);
    buffer_release(&buffer);
    buffer_release(&buffer);
}

static void test_appends_join_and_end_in_nul(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    buffer_append(&buffer, "ab\0c", 4);
    buffer_append(&buffer, NULL, 0);
    buffer_append_char(&buffer, '-');
    buffer_append_string(&buffer, "def");
    buffer_printf(&buffer, "%d%s", 12, "x");
    buffer_printf(&buffer, "%s", "");
    assert_int_equal(buffer_status(&buffer), 0);
    assert_int_equal(buffer.length, 11);
    assert_memory_equal(buffer.data, "ab\0c-def12x", 12);
    buffer_release(&buffer);
}

static void test_many_appends_keep_every_byte(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct buffer buffer;
    buffer_init(&buffer, COUNT);
    for (int i = 0; i < COUNT; i++)
        buffer_append_char(&buffer, (char)('a' + i % 26));
    assert_int_equal(buffer_status(&buffer), 0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(buffer.data[i], 'a' + i % 26);
    assert_int_equal(buffer.data[COUNT], '\0');
    buffer_release(&buffer);
}

static void test_maximum_is_reached_but_not_passed(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 5);
    buffer_append_string(&buffer, "12345");
    assert_int_equal(buffer_status(&buffer), 0);
    buffer_append_char(&buffer, '6');
    assert_int_equal(buffer_status(&buffer), ERR_TOO_LARGE);
    assert_string_equal(buffer.data, "12345");
    assert_int_equal(buffer.length, 5);
    buffer_release(&buffer);
}

static void test_first_failure_sticks(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 5);
    buffer_printf(&buffer, "%s", "123456");
    buffer_append_char(&buffer, '1'); /* would fit */
    buffer_append_string(&buffer, "2");
    assert_null(buffer_extend(&buffer, 1));
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer_status(&buffer), ERR_TOO_LARGE);
    size_t length = 7;
    assert_null(buffer_take(&buffer, &length));
    assert_int_equal(length, 7);
    buffer_release(&buffer);
}

static void test_clear_forgets_the_failure_and_keeps_the_memory(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 300);
    buffer_append_string(&buffer, "abc");
    size_t capacity = buffer.capacity;
    assert_null(buffer_extend(&buffer, 298));
    buffer_clear(&buffer);
    assert_int_equal(buffer_status(&buffer), 0);
    assert_int_equal(buffer.capacity, capacity);
    assert_string_equal(buffer.data, "");
    buffer_append_string(&buffer, "d");
    assert_string_equal(buffer.data, "d");
    buffer_release(&buffer);
}

static void test_extended_room_is_the_callers_to_fill(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    buffer_append_string(&buffer, "a");
    char *room = buffer_extend(&buffer, 3);
    assert_non_null(room);
    memcpy(room, "bcd", 3);
    assert_string_equal(buffer.data, "abcd");
    assert_int_equal(buffer.length, 4);
    buffer_release(&buffer);
}

static void test_sizes_that_overflow_are_too_large(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    buffer_append_string(&buffer, "abc");
    assert_int_equal(buffer_status(&buffer), 0);
    assert_null(buffer_extend(&buffer, SIZE_MAX - 3));
    assert_int_equal(buffer_status(&buffer), ERR_TOO_LARGE);
    buffer_clear(&buffer);
    assert_null(buffer_extend(&buffer, SIZE_MAX));
    assert_int_equal(buffer_status(&buffer), ERR_TOO_LARGE);
    buffer_release(&buffer);
}

static void test_take_hands_over_the_bytes(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    buffer_append(&buffer, "a\0b", 3);
    size_t length = 0;
    char *taken = buffer_take(&buffer, &length);
    assert_int_equal(length, 3);
    assert_memory_equal(taken, "a\0b", 4);
    free(taken);
    assert_int_equal(buffer.length, 0);
    taken = buffer_take(&buffer, &length); /* empty, but a block to free */
    assert_string_equal(taken, "");
    assert_int_equal(length, 0);
    free(taken);
    buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_buffer_is_an_empty_string),
        cmocka_unit_test(test_appends_join_and_end_in_nul),
        cmocka_unit_test(test_many_appends_keep_every_byte),
        cmocka_unit_test(test_maximum_is_reached_but_not_passed),
        cmocka_unit_test(test_first_failure_sticks),
        cmocka_unit_test(test_clear_forgets_the_failure_and_keeps_the_memory),
        cmocka_unit_test(test_extended_room_is_the_callers_to_fill),
        cmocka_unit_test(test_sizes_that_overflow_are_too_large),
        cmocka_unit_test(test_take_hands_over_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
