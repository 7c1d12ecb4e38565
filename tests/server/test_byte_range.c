/* The Range header of a resource of ten bytes. */
#include "http/byte_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TOTAL 10

struct expected_range {
    const char *header;
    enum byte_range_kind kind;
    uint64_t first, length;
};

static void assert_ranges(const struct expected_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t first = 99, length = 99;
        enum byte_range_kind kind =
            byte_range_parse(ranges[i].header, TOTAL, &first, &length);
        if (kind != ranges[i].kind ||
            (kind != RANGE_UNSATISFIABLE &&
             (first != ranges[i].first || length != ranges[i].length)))
            fail_msg("%s: %d, %llu from %llu", ranges[i].header, (int)kind,
                     (unsigned long long)length, (unsigned long long)first);
    }
}

#define ASSERT_RANGES(...)                                                               \
    assert_ranges((const struct expected_range[]){__VA_ARGS__},                          \
                  sizeof((const struct expected_range[]){__VA_ARGS__}) /                 \
                      sizeof(struct expected_range))

static void test_a_range_is_cut_to_what_is_there(void **state)
{
    (void)state;
    ASSERT_RANGES({"bytes=0-0", RANGE_PART, 0, 1}, {"bytes=3-", RANGE_PART, 3, 7},
                  {"bytes=9-10", RANGE_PART, 9, 1}, {"bytes=-4", RANGE_PART, 6, 4},
                  {"bytes=-11", RANGE_PART, 0, 10});
}

static void test_a_range_behind_the_end_is_not_satisfiable(void **state)
{
    (void)state;
    ASSERT_RANGES({"bytes=10-", RANGE_UNSATISFIABLE, 0, 0},
                  {"bytes=10-20", RANGE_UNSATISFIABLE, 0, 0},
                  {"bytes=-0", RANGE_UNSATISFIABLE, 0, 0});
}

static void test_numbers_beyond_64_bits_are_far_behind_the_end(void **state)
{
    (void)state;
    ASSERT_RANGES({"bytes=0-99999999999999999999", RANGE_PART, 0, 10},
                  {"bytes=2-184467440737095516160000", RANGE_PART, 2, 8},
                  {"bytes=-99999999999999999999", RANGE_PART, 0, 10},
                  {"bytes=99999999999999999999-", RANGE_UNSATISFIABLE, 0, 0});
}

static void test_what_is_no_single_range_gives_everything(void **state)
{
    (void)state;
    ASSERT_RANGES({NULL, RANGE_WHOLE, 0, 10}, {"", RANGE_WHOLE, 0, 10},
                  {"bytes=", RANGE_WHOLE, 0, 10}, {"bytes=-", RANGE_WHOLE, 0, 10},
                  {"bytes=5", RANGE_WHOLE, 0, 10}, {"bytes=5-2", RANGE_WHOLE, 0, 10},
                  {"bytes=a-b", RANGE_WHOLE, 0, 10}, {"bytes=--1", RANGE_WHOLE, 0, 10},
                  {"bytes=0-1,3-4", RANGE_WHOLE, 0, 10},
                  {"lines=0-1", RANGE_WHOLE, 0, 10});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_range_is_cut_to_what_is_there),
        cmocka_unit_test(test_a_range_behind_the_end_is_not_satisfiable),
        cmocka_unit_test(test_numbers_beyond_64_bits_are_far_behind_the_end),
        cmocka_unit_test(test_what_is_no_single_range_gives_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
