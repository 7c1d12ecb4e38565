/* Text to number: the grammar, and rounding to the bit of strtod. */
#include "byte_fixture.h"
#include "data/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_bits_equal(const char *text, double got, double expected)
{
    if (memcmp(&got, &expected, sizeof(got)) != 0)
        fail_msg("%s was read as %.17g and is %.17g", text, got, expected);
}

static void test_numbers_are_read_as_strtod_reads_them(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "+0.0",
        "1",
        "-1",
        "+7",
        "00012",
        "3.25",
        ".5",
        "-.5",
        "5.",
        "1e3",
        "1E3",
        "1e+3",
        "1e-3",
        "-2.5e-10",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992",
        "9007199254740993.00000000000000000000000000001",
        "0.1",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "4.9e-324",
        "2.2250738585072011e-308",
        "1e22",
        "1e23",
        "8.5e22",
        "123456789.123456789",
        "3.141592653589793238462643383279",
        "0.000000000000000000000000000001",
        "12345678901234567890123456789",
        "1e-400",
        "0e99999999999",
        "6.02214076e23",
        "-122.23",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999e-20",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double value = 77;
        assert_int_equal(number_parse(texts[i], strlen(texts[i]), &value), NUMBER_FINITE);
        assert_bits_equal(texts[i], value, strtod(texts[i], NULL));
    }
}

static void test_blanks_around_a_number_are_ignored(void **state)
{
    (void)state;
    double value = 0;
    assert_int_equal(number_parse(" \t1.5 \t", 7, &value), NUMBER_FINITE);
    assert_bits_equal("1.5", value, 1.5);
}

static void test_only_the_length_given_is_read(void **state)
{
    (void)state;
    double value = 0;
    assert_int_equal(number_parse("12345", 3, &value), NUMBER_FINITE);
    assert_bits_equal("123", value, 123);
}

static void test_what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      " ",     "-",   "+",     ".",     "-.",      "e5",        "1e",
        "1e+",   "1.2.3", "1,5", "1 2",   "0x10",  "nan",     "NaN",       "12a",
        "1_000", "--1",   "+-1", "1e5.5", "1e5e5", "infinit", "inf inity", "\xef\xbc\x91",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double value = 77;
        if (number_parse(texts[i], strlen(texts[i]), &value) != NUMBER_NONE)
            fail_msg("\"%s\" was taken for a number", texts[i]);
        assert_bits_equal(texts[i], value, 77);
    }
}

static void test_infinite_and_overflowing_numbers_are_told_apart(void **state)
{
    (void)state;
    static const char *const texts[] = {"inf",      "-inf",      "+Inf",
                                        "Infinity", "-INFINITY", " inf ",
                                        "1e309",    "-1e400",    "1e999999999"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double value = 77;
        assert_int_equal(number_parse(texts[i], strlen(texts[i]), &value),
                         NUMBER_NOT_FINITE);
        assert_bits_equal(texts[i], value, 77);
    }
}

static void test_very_long_numbers_are_read(void **state)
{
    (void)state;
    char text[2001];
    memset(text, '3', 2000);
    text[2000] = '\0';
    text[1] = '.';
    double value = 0;
    assert_int_equal(number_parse(text, 2000, &value), NUMBER_FINITE);
    assert_bits_equal("3.33…", value, strtod(text, NULL));
}

static void test_random_numbers_are_rounded_as_strtod_rounds_them(void **state)
{
    (void)state;
    uint32_t random = 99;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        int at = 0;
        uint32_t digits = 1 + fixture_random(&random) % 20;
        uint32_t point = fixture_random(&random) % (digits + 1);
        for (uint32_t d = 0; d < digits; d++) {
            if (d == point)
                text[at++] = '.';
            text[at++] = (char)('0' + fixture_random(&random) % 10);
        }
        text[at] = '\0';
        if (fixture_random(&random) % 3 == 0)
            at +=
                snprintf(text + at, 16, "e%d", (int)(fixture_random(&random) % 80) - 40);
        double value = 77;
        assert_int_equal(number_parse(text, (size_t)at, &value), NUMBER_FINITE);
        assert_bits_equal(text, value, strtod(text, NULL));
    }
}

static void test_shortest_texts_of_random_doubles_are_read_back(void **state)
{
    (void)state;
    uint32_t random = 5;
    for (int i = 0; i < 100000; i++) {
        double exact = ((double)fixture_random(&random) +
                        (double)fixture_random(&random) / 16777216.0) /
                       (1.0 + (double)fixture_random(&random));
        char text[40];
        int length = snprintf(text, sizeof(text), "%.17g", exact);
        double value = 0;
        assert_int_equal(number_parse(text, (size_t)length, &value), NUMBER_FINITE);
        assert_bits_equal(text, value, exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(test_blanks_around_a_number_are_ignored),
        cmocka_unit_test(test_only_the_length_given_is_read),
        cmocka_unit_test(test_what_is_no_number_is_refused),
        cmocka_unit_test(test_infinite_and_overflowing_numbers_are_told_apart),
        cmocka_unit_test(test_very_long_numbers_are_read),
        cmocka_unit_test(test_random_numbers_are_rounded_as_strtod_rounds_them),
        cmocka_unit_test(test_shortest_texts_of_random_doubles_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
