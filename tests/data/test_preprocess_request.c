/* Bodies of predict requests: to numbers, or to every violation with its pointer. */
#include "data/preprocess.h"

#include "dataset_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_ROWS 3
#define TARGET "'target': {'name': 'Survived', 'type': 'category', 'values': ['0', '1']}"

/* Features: (Age - 30) / 10, missing?, female, male, class 1, class 2, class 3, Fare -
 * 0.5 */
static const char table_text[] =
    "{'kind': 'table', 'inputs': ["
    "{'name': 'Age', 'type': 'number', 'fill': 30, 'shift': 30, 'scale': 10,"
    " 'indicator': true},"
    "{'name': 'Sex', 'type': 'category', 'values': ['female', 'male']},"
    "{'name': 'Class', 'type': 'category', 'values': ['1', '2', '3.0']},"
    "{'name': 'Fare', 'type': 'number', 'fill': 7, 'shift': 0.5, 'scale': 1,"
    " 'required': true}], 'ignored': ['Ticket']," TARGET "}";
#define TABLE_FEATURES 8

static const char arrays_text[] =
    "{'kind': 'arrays', 'sample_shape': [2, 3], 'element': 'float32',"
    "'input': {'shift': 1, 'scale': 2}," TARGET "}";

/* A request and what came of it. */
struct call {
    struct preprocess *preprocess;
    json_t *body;
    struct violations violations;
    float *x;
    size_t rows;
    int rc;
};

static void make_call(struct call *call, const char *preprocess, const char *body)
{
    *call = (struct call){0};
    json_t *json = fixture_json(preprocess);
    assert_int_equal(preprocess_parse(json, &call->preprocess, NULL), 0);
    json_decref(json);
    call->body = fixture_json(body);
    violations_init(&call->violations);
    call->rc = preprocess_request(call->preprocess, call->body, MAX_ROWS, &call->x,
                                  &call->rows, &call->violations);
}

static void release_call(struct call *call)
{
    free(call->x);
    violations_release(&call->violations);
    json_decref(call->body);
    preprocess_free(call->preprocess);
}

static void assert_numbers(const char *preprocess, const char *body,
                           const float *expected, size_t rows, size_t features)
{
    struct call call;
    make_call(&call, preprocess, body);
    if (call.rc != 0)
        fail_msg("%s: %s", call.violations.items[0].pointer,
                 call.violations.items[0].detail);
    assert_int_equal(call.rows, rows);
    fixture_assert_floats(call.x, expected, rows * features);
    release_call(&call);
}

struct expected_violation {
    const char *pointer, *detail; /* the detail contains this */
};

/* Just these violations, in any order. */
static void assert_violations(const char *preprocess, const char *body,
                              const struct expected_violation *expected, size_t count)
{
    struct call call;
    make_call(&call, preprocess, body);
    assert_int_equal(call.rc, ERR_INVALID);
    assert_null(call.x);
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < call.violations.count; k++)
            found = found ||
                    (strcmp(call.violations.items[k].pointer, expected[i].pointer) == 0 &&
                     strstr(call.violations.items[k].detail, expected[i].detail));
        if (!found)
            fail_msg("no violation at \"%s\" says \"%s\"; the first is \"%s\": %s",
                     expected[i].pointer, expected[i].detail,
                     call.violations.items[0].pointer, call.violations.items[0].detail);
    }
    assert_int_equal(call.violations.total, count);
    release_call(&call);
}

#define ASSERT_VIOLATIONS(preprocess, body, ...)                                         \
    assert_violations(preprocess, body,                                                  \
                      (const struct expected_violation[]){__VA_ARGS__},                  \
                      sizeof((const struct expected_violation[]){__VA_ARGS__}) /         \
                          sizeof(struct expected_violation))

static void test_rows_become_features(void **state)
{
    (void)state;
    static const float expected[2][TABLE_FEATURES] = {{-0.8F, 0, 0, 1, 0, 0, 1, 6.75F},
                                                      {2, 0, 1, 0, 1, 0, 0, -0.5F}};
    assert_numbers(table_text,
                   "{'rows': [{'Age': 22, 'Sex': 'male', 'Class': '3.0', 'Fare': 7.25},"
                   "{'Fare': 0, 'Class': '1', 'Sex': 'female', 'Age': 50.0}]}",
                   &expected[0][0], 2, TABLE_FEATURES);
}

static void test_absent_null_and_blank_values_are_missing(void **state)
{
    (void)state;
    static const float expected[3][TABLE_FEATURES] = {{0, 1, 0, 0, 0, 0, 0, 0.5F},
                                                      {0, 1, 0, 0, 0, 0, 0, 0.5F},
                                                      {0, 1, 0, 0, 0, 0, 0, 0.5F}};
    assert_numbers(table_text,
                   "{'rows': [{'Fare': 1}, {'Age': null, 'Sex': null, 'Class': null,"
                   "'Fare': 1}, {'Age': '', 'Sex': ' ', 'Class': '', 'Fare': 1}]}",
                   &expected[0][0], 3, TABLE_FEATURES);
}

static void test_numbers_may_be_texts_and_categories_numbers(void **state)
{
    (void)state;
    static const float expected[3][TABLE_FEATURES] = {{-0.8F, 0, 0, 0, 0, 1, 0, -9.5F},
                                                      {1, 0, 0, 0, 0, 0, 1, 999.5F},
                                                      {0, 0, 0, 0, 1, 0, 0, -0.25F}};
    assert_numbers(table_text,
                   "{'rows': [{'Age': ' 22 ', 'Class': 2, 'Fare': '-9'},"
                   "{'Age': '4e1', 'Class': 3, 'Fare': '1000'},"
                   "{'Age': '+30', 'Class': 1.0, 'Fare': '.25'}]}",
                   &expected[0][0], 3, TABLE_FEATURES);
}

static void test_unknown_category_is_all_zeros(void **state)
{
    (void)state;
    static const float expected[TABLE_FEATURES] = {0, 0, 0, 0, 0, 0, 0, 0.5F};
    assert_numbers(table_text,
                   "{'rows': [{'Age': 30, 'Sex': 'other', 'Class': 9, 'Fare': 1}]}",
                   expected, 1, TABLE_FEATURES);
}

/* So that rows can be sent as they stood in the file. */
static void test_texts_are_taken_as_a_table_takes_them(void **state)
{
    (void)state;
    static const float expected[3][TABLE_FEATURES] = {{0, 1, 0, 1, 0, 1, 0, 0.5F},
                                                      {0, 1, 1, 0, 0, 0, 0, 0.5F},
                                                      {0, 1, 0, 0, 0, 0, 0, 0.5F}};
    assert_numbers(table_text,
                   "{'rows': [{'Age': 'NA', 'Sex': ' male ', 'Class': ' 2', 'Fare': 1},"
                   "{'Age': ' n/a ', 'Sex': 'female\\t', 'Class': 'NA', 'Fare': 1},"
                   "{'Age': '?', 'Sex': 'mal', 'Class': '', 'Fare': 1}]}",
                   &expected[0][0], 3, TABLE_FEATURES);
    ASSERT_VIOLATIONS(table_text, "{'rows': [{'Fare': 'NA'}, {'Fare': 1, 'Age': 'N A'}]}",
                      {"/rows/0/Fare", "expected a number, found \"NA\""},
                      {"/rows/1/Age", "expected a number, found \"N A\""});
}

static void test_booleans_match_texts_of_any_case(void **state)
{
    (void)state;
    static const char text[] =
        "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'category',"
        "'values': ['False', 'TRUE']}]," TARGET "}";
    static const float expected[2][2] = {{0, 1}, {1, 0}};
    assert_numbers(text, "{'rows': [{'x': true}, {'x': false}]}", &expected[0][0], 2, 2);
}

static void test_target_column_is_passed_over(void **state)
{
    (void)state;
    static const float expected[TABLE_FEATURES] = {0, 1, 0, 0, 0, 0, 0, 0.5F};
    assert_numbers(table_text, "{'rows': [{'Survived': 1, 'Fare': 1}]}", expected, 1,
                   TABLE_FEATURES);
}

static void test_all_violations_are_reported_at_once(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS(
        table_text,
        "{'rows': [{'Age': 'abc', 'Sex': ['male'], 'Class': {}, 'Fare': true},"
        "7, {'Age': 1, 'Fara': 2, 'Port/of~call': 3}]}",
        {"/rows/0/Age", "expected a number, found \"abc\""},
        {"/rows/0/Sex", "expected a text or a number, found [\"male\"]"},
        {"/rows/0/Class", "expected a text or a number, found {}"},
        {"/rows/0/Fare", "expected a number, found true"},
        {"/rows/1", "expected an object of columns and values, found 7"},
        {"/rows/2/Fara", "no input column \"Fara\"; did you mean \"Fare\"?"},
        {"/rows/2/Port~1of~0call", "no input column"},
        {"/rows/2/Fare", "expected a number, found nothing"});
}

static void test_unknown_column_is_reported_once(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS(table_text,
                      "{'rows': [{'Fare': 1, 'Name': 'a'}, {'Fare': 1, 'Name': 'b'}]}",
                      {"/rows/0/Name", "the model has no input column \"Name\""});
}

/* So that rows can be sent as they stood in the file. */
static void test_columns_that_training_passed_over_do_no_harm(void **state)
{
    (void)state;
    static const float expected[TABLE_FEATURES] = {0, 1, 0, 0, 0, 0, 0, 0.5F};
    assert_numbers(table_text, "{'rows': [{'Fare': 1, 'Ticket': 'A/5 21171'}]}", expected,
                   1, TABLE_FEATURES);
}

static void test_required_column_refuses_null_and_blank(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS(table_text, "{'rows': [{'Fare': null}, {'Fare': ' '}, {}]}",
                      {"/rows/0/Fare", "expected a number, found null"},
                      {"/rows/1/Fare", "expected a number, found \" \""},
                      {"/rows/2/Fare", "expected a number, found nothing"});
}

static void test_numbers_out_of_range_are_violations(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS(
        table_text,
        "{'rows': [{'Age': 1e39, 'Fare': 1}, {'Age': '-1e400', 'Fare': 1},"
        "{'Age': '-inf', 'Fare': 'Infinity'}]}",
        {"/rows/0/Age", "range of float32"}, {"/rows/1/Age", "expected a number"},
        {"/rows/2/Age", "expected a number"}, {"/rows/2/Fare", "expected a number"});
    static const char narrow[] = "{'kind': 'table', 'inputs': [{'name': 'x', 'type': "
                                 "'number', 'fill': 0, 'shift': 0,"
                                 "'scale': 1e-30}]," TARGET "}";
    ASSERT_VIOLATIONS(narrow, "{'rows': [{'x': 1e30}]}",
                      {"/rows/0/x", "less far from those of the training data"});
}

static void test_body_must_be_a_list_of_rows(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS(table_text, "[]", {"", "expected {\"rows\": […]}, found []"});
    ASSERT_VIOLATIONS(table_text, "{}",
                      {"/rows", "a list of at least one, found nothing"});
    ASSERT_VIOLATIONS(table_text, "{'rows': []}",
                      {"/rows", "a list of at least one, found []"});
    ASSERT_VIOLATIONS(table_text, "{'rows': {'Fare': 1}}",
                      {"/rows", "a list of at least one, found {"});
    ASSERT_VIOLATIONS(table_text, "{'rows': [{}, {}, {}, {}]}",
                      {"/rows", "at most 3 at once, found 4"});
    ASSERT_VIOLATIONS(table_text, "{'inputs': [[1]]}", {"/inputs", "unknown key"},
                      {"/rows", "a list of at least one"});
    ASSERT_VIOLATIONS(arrays_text, "{'rows': [{}]}", {"/rows", "unknown key"},
                      {"/inputs", "a list of at least one"});
}

/* A request has room for one sample of 2^28 numbers. */
static void test_rows_are_bounded_by_their_bytes(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS("{'kind': 'arrays', 'sample_shape': [268435456],"
                      "'input': {'shift': 0, 'scale': 1}," TARGET "}",
                      "{'inputs': [[1], [2]]}",
                      {"/inputs", "at most 1 at once, found 2"});
}

static void test_samples_may_be_nested_or_flat(void **state)
{
    (void)state;
    /* (x - 1) / 2 */
    static const float expected[3][6] = {{0, 0.5F, 1, 1.5F, 2, 2.5F},
                                         {0, 0.5F, 1, 1.5F, 2, 2.5F},
                                         {0, 0.5F, 1, 1.5F, 2, 2.5F}};
    assert_numbers(arrays_text,
                   "{'inputs': [[[1, 2, 3], [4, 5, 6]], [1, 2, 3, 4, 5, 6],"
                   "[[[1], [2], [3]], [[4], [5], [6]]]]}",
                   &expected[0][0], 3, 6);
    static const char channels[] =
        "{'kind': 'arrays', 'sample_shape': [2, 3, 1], 'element': 'float32',"
        "'input': {'shift': 1, 'scale': 2}," TARGET "}";
    assert_numbers(channels, "{'inputs': [[[1, 2, 3], [4, 5, 6]]]}", &expected[0][0], 1,
                   6);
}

/* A float32 array was trained on the float nearest to 0.1; so must predict be. */
static void test_numbers_are_as_precise_as_in_training(void **state)
{
    (void)state;
    static const char format[] =
        "{'kind': 'arrays', 'sample_shape': [1], 'element': '%s',"
        "'input': {'shift': 0.1, 'scale': 1e-9}," TARGET "}";
    static const struct {
        const char *element;
        float expected;
    } cases[] = {
        {"float32", 1.4901161F}, /* (double)0.1F - 0.1 = 1.4901161e-9 */
        {"float64", 0.0F},
    };
    for (int i = 0; i < 2; i++) {
        char text[sizeof(format) + 16];
        snprintf(text, sizeof(text), format, cases[i].element);
        assert_numbers(text, "{'inputs': [[0.1]]}", &cases[i].expected, 1, 1);
    }
}

static void test_wrong_samples_are_violations(void **state)
{
    (void)state;
    ASSERT_VIOLATIONS(
        arrays_text, "{'inputs': [5, [1, 2, 3, 4, 5], [[1, 2], [3, 4], [5, 6]]]}",
        {"/inputs/0", "a sample of shape [2, 3], or its 6 numbers in one list"},
        {"/inputs/1", "found [1,2,3,4,5]"}, {"/inputs/2", "shape [2, 3]"});
    ASSERT_VIOLATIONS(arrays_text,
                      "{'inputs': [[[1, 2, 3], [4, 5]], [[1, null, 3], [4, '5', 6]],"
                      "[[1, 2, 3], 4]]}",
                      {"/inputs/0/1", "expected a list of 3, found 2: [4,5]"},
                      {"/inputs/1/0/1", "expected a number, found null"},
                      {"/inputs/1/1/1", "expected a number, found \"5\""},
                      {"/inputs/2/1", "expected a list of 3, found 4"});
    ASSERT_VIOLATIONS(arrays_text, "{'inputs': [[1, 2, 3, 4, 5, 1e300]]}",
                      {"/inputs/0/5", "range of float32"});
    ASSERT_VIOLATIONS(arrays_text, "{'inputs': [[], {}, [[[[[[[[[[1]]]]]]]]]]]}",
                      {"/inputs/0", "found []"}, {"/inputs/1", "found {}"},
                      {"/inputs/2", "shape [2, 3]"});
}

static void test_violations_beyond_the_hundredth_are_counted(void **state)
{
    (void)state;
    static const char text[] = "{'kind': 'arrays', 'sample_shape': [150], 'input': "
                               "{'shift': 0, 'scale': 1}," TARGET "}";
    struct call call;
    char body[4096] = "{'inputs': [[null";
    for (int i = 1; i < 150; i++)
        strcat(body, ",null");
    strcat(body, "]]}");
    make_call(&call, text, body);
    assert_int_equal(call.rc, ERR_INVALID);
    assert_int_equal(call.violations.count, VIOLATIONS_MAX);
    assert_int_equal(call.violations.total, 150);
    release_call(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_become_features),
        cmocka_unit_test(test_absent_null_and_blank_values_are_missing),
        cmocka_unit_test(test_numbers_may_be_texts_and_categories_numbers),
        cmocka_unit_test(test_unknown_category_is_all_zeros),
        cmocka_unit_test(test_texts_are_taken_as_a_table_takes_them),
        cmocka_unit_test(test_booleans_match_texts_of_any_case),
        cmocka_unit_test(test_target_column_is_passed_over),
        cmocka_unit_test(test_all_violations_are_reported_at_once),
        cmocka_unit_test(test_unknown_column_is_reported_once),
        cmocka_unit_test(test_columns_that_training_passed_over_do_no_harm),
        cmocka_unit_test(test_required_column_refuses_null_and_blank),
        cmocka_unit_test(test_numbers_out_of_range_are_violations),
        cmocka_unit_test(test_body_must_be_a_list_of_rows),
        cmocka_unit_test(test_rows_are_bounded_by_their_bytes),
        cmocka_unit_test(test_samples_may_be_nested_or_flat),
        cmocka_unit_test(test_numbers_are_as_precise_as_in_training),
        cmocka_unit_test(test_wrong_samples_are_violations),
        cmocka_unit_test(test_violations_beyond_the_hundredth_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
