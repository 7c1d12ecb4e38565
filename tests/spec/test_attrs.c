/* Reading an object by a table of keys. */
#include "sample_facts.h"
#include "spec/attrs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct key keys[] = {
    {.name = "rate",
     .type = KEY_NUMBER,
     .minimum = 0,
     .above_minimum = true,
     .maximum = 1,
     .below_maximum = true,
     .fallback = "0.5"},
    {.name = "count",
     .type = KEY_INTEGER,
     .minimum = 1,
     .maximum = 65536,
     .word = "auto"},
    {.name = "on", .type = KEY_BOOLEAN, .fallback = "true"},
    {.name = "colour", .type = KEY_CHOICE, .choices = colours, .fallback = "\"green\""},
    {.name = "label", .type = KEY_STRING, .fallback = "\"x\""},
    {.name = "size",
     .type = KEY_INTEGERS,
     .minimum = 1,
     .maximum = 9,
     .list_length = 2,
     .fallback = "3"},
    {.name = "dims",
     .type = KEY_INTEGERS,
     .minimum = 1,
     .maximum = 9,
     .fallback = "null"},
    {.name = "top",
     .type = KEY_NUMBER,
     .minimum = 2,
     .maximum = HUGE_VAL,
     .fallback = "null"},
    {0}};

struct reading {
    struct attrs attrs;
    json_t *canonical;
    struct violations violations;
    int rc;
};

static struct reading read_text(const char *text)
{
    static const char *const others[] = {"type", NULL};
    struct reading reading = {.canonical = json_object()};
    violations_init(&reading.violations);
    json_t *json = sample_json(text);
    reading.rc = attrs_read(json, "/here", keys, others, &reading.attrs,
                            reading.canonical, &reading.violations);
    json_decref(json);
    return reading;
}

static void release(struct reading *reading)
{
    json_decref(reading->canonical);
    violations_release(&reading->violations);
}

static void test_defaults_are_filled_in_and_written(void **state)
{
    (void)state;
    struct reading reading = read_text("{'count': 7, 'type': 'any'}");
    assert_int_equal(reading.rc, 0);
    const struct attrs *attrs = &reading.attrs;
    assert_true(attrs_number(attrs, "rate") == 0.5);
    assert_int_equal(attrs_integer(attrs, "count"), 7);
    assert_true(attrs_number(attrs, "count") == 7.0);
    assert_true(attrs_boolean(attrs, "on"));
    assert_string_equal(attrs_string(attrs, "colour"), "green");
    assert_int_equal(attrs_integer(attrs, "colour"), 1);
    assert_string_equal(attrs_string(attrs, "label"), "x");
    assert_int_equal(attrs_find(attrs, "size")->list_count, 2);
    assert_int_equal(attrs_find(attrs, "size")->list[1], 3);
    assert_true(attrs_find(attrs, "dims")->is_null);
    char *text = json_dumps(reading.canonical, JSON_COMPACT);
    assert_string_equal(text,
                        "{\"rate\":0.5,\"count\":7,\"on\":true,\"colour\":\"green\","
                        "\"label\":\"x\",\"size\":[3,3],\"dims\":null,\"top\":null}");
    free(text);
    release(&reading);
}

static void test_values_are_read_and_whole_numbers_lose_their_fraction(void **state)
{
    (void)state;
    struct reading reading =
        read_text("{'rate': 0.25, 'count': 'auto', 'on': false, 'colour': 'blue', "
                  "'label': 'yes', 'size': [1, 9], 'dims': [4, 5, 6], 'top': 12.0}");
    assert_int_equal(reading.rc, 0);
    assert_true(attrs_find(&reading.attrs, "count")->is_word);
    assert_false(attrs_boolean(&reading.attrs, "on"));
    assert_int_equal(attrs_find(&reading.attrs, "dims")->list_count, 3);
    char *text = json_dumps(reading.canonical, JSON_COMPACT);
    assert_string_equal(text, "{\"rate\":0.25,\"count\":\"auto\",\"on\":false,"
                              "\"colour\":\"blue\",\"label\":\"yes\",\"size\":[1,9],"
                              "\"dims\":[4,5,6],\"top\":12}");
    free(text);
    release(&reading);
}

static void test_each_bad_value_says_what_was_expected_and_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer, *detail;
    } rows[] = {
        {"{}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found nothing"},
        {"{'count': 2.5}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found 2.5"},
        {"{'count': 3.0}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found 3.0"},
        {"{'count': 0}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found 0"},
        {"{'count': 65537}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found 65537"},
        {"{'count': 9223372036854775807}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found 9223372036854775807"},
        {"{'count': null}", "/here/count",
         "expected an integer from 1 to 65536 or \"auto\", found null"},
        {"{'count': 1, 'rate': 0}", "/here/rate",
         "expected a number above 0 to below 1, found 0"},
        {"{'count': 1, 'rate': 1}", "/here/rate",
         "expected a number above 0 to below 1, found 1"},
        {"{'count': 1, 'rate': '0.5'}", "/here/rate",
         "expected a number above 0 to below 1, found \"0.5\""},
        {"{'count': 1, 'rate': true}", "/here/rate",
         "expected a number above 0 to below 1, found true"},
        {"{'count': 1, 'top': 1.9}", "/here/top",
         "expected a number of at least 2 or null, found 1.9"},
        {"{'count': 1, 'on': 1}", "/here/on", "expected true or false, found 1"},
        {"{'count': 1, 'colour': 'gren'}", "/here/colour",
         "expected one of \"red\", \"green\", \"blue\", found \"gren\"; did you mean "
         "\"green\"?"},
        {"{'count': 1, 'colour': 3}", "/here/colour",
         "expected one of \"red\", \"green\", \"blue\", found 3"},
        {"{'count': 1, 'label': []}", "/here/label",
         "expected a string of at most 63 bytes, found []"},
        {"{'count': 1, 'size': [1, 2, 3]}", "/here/size",
         "expected an integer, or a list of 2 integers, from 1 to 9, found [1,2,3]"},
        {"{'count': 1, 'size': [1, 10]}", "/here/size",
         "expected an integer, or a list of 2 integers, from 1 to 9, found [1,10]"},
        {"{'count': 1, 'dims': []}", "/here/dims",
         "expected an integer, or a list of 1 to 16 integers, from 1 to 9 or null, found "
         "[]"},
        {"{'count': 1, 'dims': [1, 1.5]}", "/here/dims",
         "expected an integer, or a list of 1 to 16 integers, from 1 to 9 or null, found "
         "[1,1.5]"},
        {"{'count': 1, 'raet': 0.1}", "/here/raet",
         "unknown key \"raet\"; did you mean \"rate\"?"},
        {"{'count': 1, 'typee': 0.1}", "/here/typee",
         "unknown key \"typee\"; did you mean \"type\"?"},
        {"{'count': 1, 'a/b': 0.1}", "/here/a~1b", "unknown key \"a/b\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reading reading = read_text(rows[i].text);
        assert_int_equal(reading.rc, ERR_INVALID);
        assert_int_equal(reading.violations.count, 1);
        assert_string_equal(reading.violations.items[0].pointer, rows[i].pointer);
        assert_string_equal(reading.violations.items[0].detail, rows[i].detail);
        release(&reading);
    }
}

static void test_all_violations_come_at_once(void **state)
{
    (void)state;
    struct reading reading =
        read_text("{'rate': 7, 'on': 'no', 'colour': null, 'extra': 1, 'size': 0}");
    assert_int_equal(reading.rc, ERR_INVALID);
    assert_int_equal(reading.violations.total, 6); /* and "count" is missing */
    release(&reading);
}

static void test_strings_are_bounded(void **state)
{
    (void)state;
    char text[2 * ATTR_STRING_SIZE] = "{'count': 1, 'label': '";
    size_t start = strlen(text);
    memset(text + start, 'y', ATTR_STRING_SIZE - 1);
    stpcpy(text + start + ATTR_STRING_SIZE - 1, "'}");
    struct reading reading = read_text(text);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(strlen(attrs_string(&reading.attrs, "label")), ATTR_STRING_SIZE - 1);
    release(&reading);
    stpcpy(text + start + ATTR_STRING_SIZE - 1, "y'}");
    reading = read_text(text);
    assert_int_equal(reading.rc, ERR_INVALID);
    release(&reading);
}

static void test_list_longer_than_the_maximum_is_refused(void **state)
{
    (void)state;
    struct reading reading =
        read_text("{'count': 1, 'dims': [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}");
    assert_int_equal(reading.rc, ERR_INVALID);
    release(&reading);
    reading = read_text("{'count': 1, 'dims': 4}");
    assert_int_equal(reading.rc, 0);
    assert_int_equal(attrs_find(&reading.attrs, "dims")->list_count, 1);
    release(&reading);
}

static void test_resolved_word_replaces_value_and_canonical(void **state)
{
    (void)state;
    struct reading reading = read_text("{'count': 'auto'}");
    assert_true(attrs_has(&reading.attrs, "count"));
    assert_false(attrs_has(&reading.attrs, "counts"));
    attrs_resolve(&reading.attrs, "count", json_integer(12), reading.canonical,
                  &reading.violations);
    assert_false(attrs_find(&reading.attrs, "count")->is_word);
    assert_int_equal(attrs_integer(&reading.attrs, "count"), 12);
    assert_int_equal(json_integer_value(json_object_get(reading.canonical, "count")), 12);
    attrs_resolve(&reading.attrs, "count", NULL, reading.canonical, &reading.violations);
    assert_int_equal(reading.violations.status, ERR_NOMEM);
    release(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_filled_in_and_written),
        cmocka_unit_test(test_values_are_read_and_whole_numbers_lose_their_fraction),
        cmocka_unit_test(test_each_bad_value_says_what_was_expected_and_found),
        cmocka_unit_test(test_all_violations_come_at_once),
        cmocka_unit_test(test_strings_are_bounded),
        cmocka_unit_test(test_list_longer_than_the_maximum_is_refused),
        cmocka_unit_test(test_resolved_word_replaces_value_and_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
