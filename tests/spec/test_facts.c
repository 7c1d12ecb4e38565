/* Facts: read, checked, written back. */
#include "sample_facts.h"
#include "spec/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void test_columns_are_read(void **state)
{
    (void)state;
    struct dataset_facts *facts = sample_facts(facts_of_titanic);
    assert_int_equal(facts->kind, DATASET_TABLE);
    assert_int_equal(facts->train_rows, 891);
    assert_int_equal(facts->column_count, 11);
    assert_int_equal(facts_find_column(facts, "Age"), 5);
    assert_int_equal(facts_find_column(facts, "age"), -1);
    const struct column_facts *age = &facts->columns[5];
    assert_int_equal(age->missing, 177);
    assert_true(age->mean == 29.7 && age->std == 14.5 && age->minimum == 0.42);
    assert_false(age->integer);
    assert_int_equal(age->width, 1);
    assert_true(facts->columns[0].row_id);
    assert_string_equal(facts->columns[4].values[1], "male");
    facts_free(facts);
}

static void test_written_facts_read_back_as_the_same_text(void **state)
{
    (void)state;
    const char *const all[] = {facts_of_titanic, facts_of_houses, facts_of_images,
                               facts_of_signals, facts_of_text};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct dataset_facts *first = sample_facts(all[i]);
        json_t *json = facts_to_json(first);
        assert_non_null(json);
        struct dataset_facts *second = NULL;
        struct error err = {0};
        assert_int_equal(facts_parse(json, &second, &err), 0);
        json_t *again = facts_to_json(second);
        char *a = json_dumps(json, 0), *b = json_dumps(again, 0);
        assert_string_equal(a, b);
        assert_int_equal(second->train_rows, first->train_rows);
        assert_int_equal(second->column_count, first->column_count);
        assert_true(shape_equal(&second->sample_shape, &first->sample_shape));
        free(a);
        free(b);
        json_decref(again);
        json_decref(json);
        facts_free(first);
        facts_free(second);
    }
}

static void test_keys_that_are_not_facts_are_passed_over(void **state)
{
    (void)state;
    struct dataset_facts *facts =
        sample_facts("{'kind':'table','preview':[{}],'notes':['x'],'rows':{'train':3},"
                     "'columns':[{'name':'a','type':'number','more':[1]}]}");
    assert_int_equal(facts->test_rows, 0);
    facts_free(facts);
}

#define COLUMN(more_) "{'kind':'table','rows':{'train':9},'columns':[{" more_ "}]}"
#define ARRAYS(more_) "{'kind':'arrays','rows':{'train':9}," more_ "}"

static void test_wrong_facts_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "[]",
        "{}",
        "{'kind':'tables'}",
        "{'kind':'table','rows':{'train':-1}}",
        "{'kind':'table','rows':{'train':1.5}}",
        "{'kind':'table','rows':{'train':4294967296}}",
        "{'kind':'table','rows':{'test':'9'}}",
        "{'kind':'table','rows':{'train':9},'columns':{}}",
        "{'kind':'table','rows':{'train':9},'columns':[7]}",
        COLUMN("'type':'number'"),
        COLUMN("'name':7,'type':'number'"),
        COLUMN("'name':'a'"),
        COLUMN("'name':'a','type':'date'"),
        COLUMN("'name':'a','type':'number','missing':10"),
        COLUMN("'name':'a','type':'number','mean':'7'"),
        COLUMN("'name':'a','type':'number','width':0"),
        COLUMN("'name':'a','type':'number','width':5000"),
        COLUMN("'name':'a','type':'category','values':7"),
        COLUMN("'name':'a','type':'category','values':['b',7]"),
        COLUMN("'name':'a','type':'number'},{'name':'a','type':'number'"),
        ARRAYS("'sample_shape':[3]"),
        ARRAYS("'element':'uint64','sample_shape':[3]"),
        ARRAYS("'element':'uint8'"),
        ARRAYS("'element':'uint8','sample_shape':[]"),
        ARRAYS("'element':'uint8','sample_shape':[0]"),
        ARRAYS("'element':'uint8','sample_shape':[-3,-3]"),
        ARRAYS("'element':'uint8','sample_shape':['3']"),
        ARRAYS("'element':'uint8','sample_shape':[1,1,1,1,1]"),
        ARRAYS("'element':'uint8','sample_shape':[65536,65536,65536,65536]"),
        ARRAYS("'element':'uint8','sample_shape':[9223372036854775807,2]"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *json = sample_json(rows[i]);
        struct dataset_facts *facts = NULL;
        struct error err = {0};
        if (facts_parse(json, &facts, &err) != ERR_INVALID)
            fail_msg("accepted: %s", rows[i]);
        assert_null(facts);
        assert_true(err.text[0] != '\0');
        json_decref(json);
    }
}

static void test_counts_of_columns_and_values_are_bounded(void **state)
{
    (void)state;
    json_t *json = sample_json(COLUMN("'name':'a','type':'category'"));
    json_t *values = json_array();
    for (int i = 0; i <= FACTS_MAX_CATEGORIES; i++)
        json_array_append_new(values, json_sprintf("%d", i));
    json_t *column = json_array_get(json_object_get(json, "columns"), 0);
    json_object_set_new(column, "values", values);
    struct dataset_facts *facts = NULL;
    struct error err = {0};
    assert_int_equal(facts_parse(json, &facts, &err), ERR_INVALID);
    json_array_remove(values, 0);
    assert_int_equal(facts_parse(json, &facts, NULL), 0);
    facts_free(facts);
    facts = NULL;

    json_t *columns = json_array();
    for (int i = 0; i <= FACTS_MAX_COLUMNS; i++)
        json_array_append_new(
            columns,
            json_pack("{s:o, s:s}", "name", json_sprintf("c%d", i), "type", "number"));
    json_object_set_new(json, "columns", columns);
    assert_int_equal(facts_parse(json, &facts, NULL), ERR_INVALID);
    json_array_remove(columns, 0);
    assert_int_equal(facts_parse(json, &facts, NULL), 0);
    assert_int_equal(facts->column_count, FACTS_MAX_COLUMNS);
    facts_free(facts);
    json_decref(json);
}

static void test_names_of_types(void **state)
{
    (void)state;
    assert_string_equal(column_type_name(COLUMN_CATEGORY), "category");
    assert_string_equal(dataset_kind_name(DATASET_ARRAYS), "arrays");
    assert_string_equal(element_type_name(ELEMENT_INT16), "int16");
    assert_int_equal(element_type_bytes(ELEMENT_FLOAT64), 8);
    assert_int_equal(element_type_bytes(ELEMENT_UINT8), 1);
}

static void test_shapes(void **state)
{
    (void)state;
    struct shape image = {.rank = 3, .dims = {28, 28, 1}};
    struct shape flat = {.rank = 1, .dims = {784}};
    char text[SHAPE_TEXT_SIZE];
    assert_string_equal(shape_format(&image, text), "[28, 28, 1]");
    assert_int_equal(shape_elements(&image), 784);
    assert_true(shape_equal(&image, &image));
    assert_false(shape_equal(&image, &flat));
    assert_true(shape_fits(&image));
    flat.dims[0] = SHAPE_MAX_ELEMENTS;
    assert_true(shape_fits(&flat));
    flat.dims[0]++;
    assert_false(shape_fits(&flat));
    struct shape huge = {.rank = 4, .dims = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}};
    assert_false(shape_fits(&huge));
    struct shape rankless = {.rank = 0};
    assert_false(shape_fits(&rankless));
    shape_format(&huge, text);
    assert_int_equal(strlen(text), 84);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_read),
        cmocka_unit_test(test_written_facts_read_back_as_the_same_text),
        cmocka_unit_test(test_keys_that_are_not_facts_are_passed_over),
        cmocka_unit_test(test_wrong_facts_are_refused),
        cmocka_unit_test(test_counts_of_columns_and_values_are_bounded),
        cmocka_unit_test(test_names_of_types),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
