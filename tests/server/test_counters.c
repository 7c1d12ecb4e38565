/* Counts of requests, and that nothing makes them grow without bound. */
#include "http/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct route table[] = {
    {"GET", "/a", 0, BODY_NONE, 0, NULL, NULL, NULL},
    {"GET", "/b", 0, BODY_NONE, 0, NULL, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int set_up(void **state)
{
    *state = counters_new(table);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    counters_free(*state);
    return 0;
}

static int64_t total(struct counters *counters, int route, int status_class)
{
    struct histogram_values values;
    counters_read(counters, route, status_class, &values);
    return values.total;
}

static void test_requests_are_counted_by_route_and_class(void **state)
{
    struct counters *counters = *state;
    counters_add(counters, 0, 200, 5, 10);
    counters_add(counters, 1, 201, 5, 0);
    counters_add(counters, 1, 299, 5, 7);
    counters_add(counters, 1, 503, 5, 0);
    counters_add(counters, 1, 0, 5, 0);
    counters_add(counters, -1, 404, 5, 0);
    counters_add(counters, -1, 9999, 5, 0); /* none that there is */
    assert_int_equal(total(counters, 0, 2), 1);
    assert_int_equal(total(counters, 1, 2), 2);
    assert_int_equal(total(counters, 1, 5), 1);
    assert_int_equal(total(counters, 1, 0), 1);
    assert_int_equal(total(counters, -1, 4), 1);
    assert_int_equal(total(counters, -1, 0), 1);
    assert_int_equal(counters_bytes_received(counters), 17);
}

static void test_codes_beyond_the_table_are_other(void **state)
{
    struct counters *counters = *state;
    char code[2 * COUNTERS_CODE_SIZE];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < COUNTERS_MAX_CODES + 10; i++) {
            snprintf(code, sizeof(code), "code_%d", i);
            counters_add_problem(counters, code);
        }
    memset(code, 'a', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    counters_add_problem(counters, code);
    counters_add_problem(counters, "");
    counters_add_problem(counters, "a\"b"); /* would break the page */
    int64_t count;
    char found[COUNTERS_CODE_SIZE];
    for (int i = 0; i < COUNTERS_MAX_CODES; i++) {
        assert_true(counters_read_problem(counters, i, found, &count));
        assert_int_equal(count, 2);
    }
    assert_true(counters_read_problem(counters, COUNTERS_MAX_CODES, found, &count));
    assert_string_equal(found, "other");
    assert_int_equal(count, 2 * 10 + 3);
    assert_false(counters_read_problem(counters, COUNTERS_MAX_CODES + 1, found, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests_are_counted_by_route_and_class,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_codes_beyond_the_table_are_other, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
