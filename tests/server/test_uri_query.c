/* Query arguments: decoded, checked, each at most once, none that is not known. */
#include "http/percent.h"
#include "http/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char text[4096];
static struct query query;

static int parse(const char *from)
{
    snprintf(text, sizeof(text), "%s", from);
    struct error err = {0};
    int rc = query_parse(text, &query, &err);
    assert_int_equal(rc != 0, err.code != 0);
    return rc;
}

static void test_arguments_are_decoded(void **state)
{
    (void)state;
    assert_int_equal(parse("name=a+b%20c&x=%C3%BC&flag&empty="), 0);
    assert_int_equal(query.count, 4);
    assert_string_equal(query_find(&query, "name"), "a b c");
    assert_string_equal(query_find(&query, "x"), "\xc3\xbc");
    assert_string_equal(query_find(&query, "flag"), "");
    assert_string_equal(query_find(&query, "empty"), "");
    assert_null(query_find(&query, "other"));
}

static void test_a_value_may_hold_an_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(parse("a=b=c"), 0);
    assert_string_equal(query_find(&query, "a"), "b=c");
}

static void test_no_query_and_empty_pieces_are_no_arguments(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(query_parse(NULL, &query, &err), 0);
    assert_int_equal(query.count, 0);
    assert_int_equal(parse("&&"), 0);
    assert_int_equal(query.count, 0);
}

static void test_what_is_malformed_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"a=%",
                                         "a=%4",
                                         "a=%zz",
                                         "a=%00",
                                         "a=%ff",
                                         "a=%C3",
                                         "a=%C0%80",
                                         "=b",
                                         "a=%0d%0a",
                                         "a=%ED%A0%80",
                                         "a=1&a=2",
                                         "a=%7f",
                                         "a=%F4%90%80%80",
                                         "a=%E2%28%A1"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_int_equal(parse(broken[i]), ERR_INVALID);
}

static void test_too_many_arguments_are_refused(void **state)
{
    (void)state;
    char many[1024] = "";
    for (int i = 0; i <= QUERY_MAX_ARGUMENTS; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "a%d=1&", i);
    assert_int_equal(parse(many), ERR_TOO_LARGE);
}

static void test_unknown_arguments_are_found(void **state)
{
    (void)state;
    static const char known[] = "limit after metadata[]";
    assert_int_equal(parse("limit=1&after=x&metadata[team]=vision"), 0);
    assert_null(query_find_unknown(&query, known));
    static const char *const unknown[] = {"limi=1",       "limits=1",
                                          "metadata=1",   "metadata[]=1",
                                          "metadata[x=1", "metadata[]x=1"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(parse(unknown[i]), 0);
        assert_non_null(query_find_unknown(&query, known));
    }
    assert_int_equal(parse("limit=1"), 0);
    assert_string_equal(query_find_unknown(&query, NULL), "limit");
}

static void test_utf8_is_told_from_what_only_looks_like_it(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("\xf0\x9f\x98\x80", 4));
    assert_true(utf8_is_valid("\xf4\x8f\xbf\xbf", 4));
    assert_false(utf8_is_valid("\xf0\x9f\x98\x80", 3));
    assert_false(utf8_is_valid("\xf0\x80\x80\x80", 4)); /* overlong */
    assert_false(utf8_is_valid("\xe0\x9f\xbf", 3));
    assert_false(utf8_is_valid("\xed\xa0\x80", 3)); /* a surrogate */
    assert_false(utf8_is_valid("\x80", 1));
    assert_false(utf8_is_valid("\xfe", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_are_decoded),
        cmocka_unit_test(test_a_value_may_hold_an_equals_sign),
        cmocka_unit_test(test_no_query_and_empty_pieces_are_no_arguments),
        cmocka_unit_test(test_what_is_malformed_is_refused),
        cmocka_unit_test(test_too_many_arguments_are_refused),
        cmocka_unit_test(test_unknown_arguments_are_found),
        cmocka_unit_test(test_utf8_is_told_from_what_only_looks_like_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
