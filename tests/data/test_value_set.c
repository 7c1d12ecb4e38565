/* The set of values: places, limits and order. */
#include "base/error.h"
#include "data/value_set.h"
#include "spec/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_texts_keep_their_places(void **state)
{
    (void)state;
    struct value_set set;
    value_set_init(&set, 1000);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 1000; i++) {
            char text[32];
            int length = snprintf(text, sizeof(text), "value-%d", i * i);
            assert_int_equal(value_set_add(&set, text, (size_t)length), i);
            assert_int_equal(value_set_find(&set, text, (size_t)length), i);
        }
    }
    size_t length;
    const char *text = value_set_text(&set, 12, &length);
    assert_int_equal(length, 9);
    assert_memory_equal(text, "value-144", 9);
    assert_int_equal(value_set_find(&set, "value-2", 7), -1);
    value_set_release(&set);
}

static void test_empty_set_finds_nothing(void **state)
{
    (void)state;
    struct value_set set;
    value_set_init(&set, 10);
    assert_int_equal(value_set_find(&set, "", 0), -1);
    assert_int_equal(value_set_bytes(&set), 0);
    assert_int_equal(value_set_add(&set, "", 0), 0);
    assert_int_equal(value_set_find(&set, "", 0), 0);
    value_set_release(&set);
}

static void test_prefixes_and_nul_bytes_are_other_texts(void **state)
{
    (void)state;
    struct value_set set;
    value_set_init(&set, 10);
    assert_int_equal(value_set_add(&set, "ab", 2), 0);
    assert_int_equal(value_set_add(&set, "ab\0", 3), 1);
    assert_int_equal(value_set_add(&set, "a", 1), 2);
    assert_int_equal(value_set_find(&set, "ab", 2), 0);
    assert_int_equal(value_set_find(&set, "ab\0", 3), 1);
    value_set_release(&set);
}

static void test_full_set_still_finds_what_it_has(void **state)
{
    (void)state;
    struct value_set set;
    char text[FACTS_MAX_NAME_BYTES + 1];
    memset(text, 'x', sizeof(text));
    value_set_init(&set, 2);
    assert_int_equal(value_set_add(&set, "a", 1), 0);
    assert_int_equal(value_set_add(&set, text, sizeof(text)), VALUE_SET_FULL);
    assert_int_equal(value_set_add(&set, text, sizeof(text) - 1), 1);
    assert_int_equal(value_set_add(&set, "c", 1), VALUE_SET_FULL);
    assert_int_equal(value_set_add(&set, "a", 1), 0);
    value_set_release(&set);
}

static void test_sorting_orders_by_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {"b", "", "\xc3\xa4", "ab", "a", "B"};
    static const uint16_t expected[] = {1, 5, 4, 3, 0, 2};
    struct value_set set;
    uint16_t order[6];
    value_set_init(&set, 10);
    for (int i = 0; i < 6; i++)
        assert_int_equal(value_set_add(&set, texts[i], strlen(texts[i])), i);
    value_set_sort(&set, order);
    assert_memory_equal(order, expected, sizeof(expected));
    assert_int_equal(set.entries[2].code, 5);
    value_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_keep_their_places),
        cmocka_unit_test(test_empty_set_finds_nothing),
        cmocka_unit_test(test_prefixes_and_nul_bytes_are_other_texts),
        cmocka_unit_test(test_full_set_still_finds_what_it_has),
        cmocka_unit_test(test_sorting_orders_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
