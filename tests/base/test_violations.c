/* Violations: copies are kept up to a hundred, the rest is counted. */
#include "base/violations.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_violations_are_kept_in_order_as_copies(void **state)
{
    (void)state;
    struct violations violations;
    violations_init(&violations);
    char pointer[] = "/a";
    assert_int_equal(violations_add(&violations, pointer, "found %d", 1), ERR_INVALID);
    pointer[1] = 'b';
    assert_int_equal(violations_add(&violations, pointer, "found %s", "two"),
                     ERR_INVALID);
    assert_int_equal(violations.count, 2);
    assert_int_equal(violations.total, 2);
    assert_int_equal(violations.status, 0);
    assert_string_equal(violations.items[0].pointer, "/a");
    assert_string_equal(violations.items[0].detail, "found 1");
    assert_string_equal(violations.items[1].pointer, "/b");
    assert_string_equal(violations.items[1].detail, "found two");
    violations_release(&violations);
    assert_int_equal(violations.count, 0);
    violations_release(&violations);
}

static void test_more_than_the_maximum_is_only_counted(void **state)
{
    (void)state;
    struct violations violations;
    violations_init(&violations);
    for (int i = 0; i < VIOLATIONS_MAX + 50; i++)
        assert_int_equal(violations_add(&violations, "", "%d", i), ERR_INVALID);
    assert_int_equal(violations.count, VIOLATIONS_MAX);
    assert_int_equal(violations.total, VIOLATIONS_MAX + 50);
    assert_string_equal(violations.items[VIOLATIONS_MAX - 1].detail, "99");
    violations_release(&violations);
}

static void test_long_details_are_cut(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct violations violations;
    violations_init(&violations);
    violations_add(&violations, text, "%s", text);
    assert_int_equal(strlen(violations.items[0].detail), 1023);
    assert_string_equal(violations.items[0].pointer, text);
    violations_release(&violations);
}

/* What is not UTF-8 could not be put into an answer. */
static void test_details_are_utf8_whatever_they_quote(void **state)
{
    (void)state;
    struct violations violations;
    violations_init(&violations);
    violations_add(&violations, "/\xff", "found \"%.2s\"", "\xe2\x82\xac");
    assert_string_equal(violations.items[0].pointer, "/?");
    assert_string_equal(violations.items[0].detail, "found \"??\"");
    violations_release(&violations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_violations_are_kept_in_order_as_copies),
        cmocka_unit_test(test_more_than_the_maximum_is_only_counted),
        cmocka_unit_test(test_long_details_are_cut),
        cmocka_unit_test(test_details_are_utf8_whatever_they_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
