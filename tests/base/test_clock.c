/* Clocks, and RFC 3339 texts of moments that `date -u -d @…` gave. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_moments_are_written_as_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_us;
        const char *expected;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {INT64_C(1767225600123456), "2026-01-01T00:00:00.123456Z"},
        {INT64_C(1709210096000001), "2024-02-29T12:34:56.000001Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {-1000000, "1969-12-31T23:59:59.000000Z"},
        {-1500000, "1969-12-31T23:59:58.500000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[CLOCK_RFC3339_SIZE];
        clock_format(cases[i].wall_us, text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void test_absurd_moments_stay_in_the_buffer(void **state)
{
    (void)state;
    static const int64_t moments[] = {INT64_MAX, INT64_MIN, INT64_MAX / 1000,
                                      INT64_MIN / 1000};
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        char text[CLOCK_RFC3339_SIZE + 1];
        text[CLOCK_RFC3339_SIZE] = '#';
        clock_format(moments[i], text);
        assert_int_equal(text[CLOCK_RFC3339_SIZE], '#');
    }
}

static void test_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t last = clock_monotonic_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void test_wall_clock_is_of_this_century(void **state)
{
    (void)state;
    int64_t now = clock_wall_us();
    assert_true(now > INT64_C(1700000000000000) && now < INT64_C(4102444800000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_are_written_as_rfc_3339),
        cmocka_unit_test(test_absurd_moments_stay_in_the_buffer),
        cmocka_unit_test(test_monotonic_clock_never_goes_back),
        cmocka_unit_test(test_wall_clock_is_of_this_century),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
