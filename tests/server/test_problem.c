/* Problems are JSON, whatever is quoted in them. */
#include "http/problem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *render(const struct problem *problem)
{
    struct buffer text;
    buffer_init(&text, PROBLEM_MAX_BYTES);
    problem_render(&text, problem);
    assert_int_equal(buffer_status(&text), 0);
    json_error_t fault;
    json_t *json = json_loadb(text.data, text.length, 0, &fault);
    buffer_release(&text);
    assert_non_null(json);
    return json;
}

static const char *member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    assert_non_null(text);
    return text;
}

static void test_a_problem_has_what_rfc_9457_asks_for(void **state)
{
    (void)state;
    const struct problem problem = {
        404, "no_such_route", "there is nothing at /x", "req_1", NULL, NULL};
    json_t *json = render(&problem);
    assert_string_equal(member(json, "type"), "urn:problem-type:backpropd:no_such_route");
    assert_string_equal(member(json, "title"), "No such route");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 404);
    assert_string_equal(member(json, "detail"), "there is nothing at /x");
    assert_string_equal(member(json, "code"), "no_such_route");
    assert_string_equal(member(json, "request_id"), "req_1");
    assert_null(json_object_get(json, "errors"));
    json_decref(json);
}

static void test_all_violations_are_listed(void **state)
{
    (void)state;
    struct violations violations;
    violations_init(&violations);
    violations_add(&violations, "/model/layers/2/units", "expected %d, found %d", 1, 2);
    violations_add(&violations, "", "say \"what\"\n");
    const struct problem problem = {422,     "invalid",   "2 things are wrong",
                                    "req_1", &violations, NULL};
    json_t *json = render(&problem);
    const json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 2);
    assert_string_equal(member(json_array_get(errors, 0), "pointer"),
                        "/model/layers/2/units");
    assert_string_equal(member(json_array_get(errors, 0), "detail"),
                        "expected 1, found 2");
    assert_string_equal(member(json_array_get(errors, 1), "detail"), "say \"what\"\n");
    json_decref(json);
    violations_release(&violations);
}

static void test_more_violations_than_are_kept_are_counted(void **state)
{
    (void)state;
    struct violations violations;
    violations_init(&violations);
    for (int i = 0; i < VIOLATIONS_MAX + 5; i++)
        violations_add(&violations, "/x", "wrong");
    const struct problem problem = {422, "invalid", "", "req_1", &violations, NULL};
    json_t *json = render(&problem);
    assert_int_equal(json_array_size(json_object_get(json, "errors")), VIOLATIONS_MAX);
    assert_int_equal(json_integer_value(json_object_get(json, "errors_total")),
                     VIOLATIONS_MAX + 5);
    json_decref(json);
    violations_release(&violations);
}

static void test_broken_utf8_becomes_replacement_characters(void **state)
{
    (void)state;
    const struct problem problem = {400,     "x",  "cut \xc3 and \xff\xfe \x01",
                                    "req_1", NULL, NULL};
    json_t *json = render(&problem);
    assert_string_equal(member(json, "detail"),
                        "cut \xef\xbf\xbd and \xef\xbf\xbd\xef\xbf\xbd \x01");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_problem_has_what_rfc_9457_asks_for),
        cmocka_unit_test(test_all_violations_are_listed),
        cmocka_unit_test(test_more_violations_than_are_kept_are_counted),
        cmocka_unit_test(test_broken_utf8_becomes_replacement_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
