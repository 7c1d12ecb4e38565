/* Fitted transforms as JSON, and what stored JSON must not get away with. */
#include "data/preprocess.h"

#include "dataset_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char table_text[] =
    "{'kind': 'table', 'inputs': ["
    "{'name': 'Age', 'type': 'number', 'fill': 29.7, 'shift': 29.7, 'scale': 14.5,"
    " 'indicator': true, 'required': false},"
    "{'name': 'Sex', 'type': 'category', 'values': ['female', 'male'],"
    " 'indicator': false, 'required': true}],"
    "'ignored': ['Name'],"
    "'target': {'name': 'Survived', 'type': 'category', 'values': ['0', '1', '2']}}";

static const char arrays_text[] =
    "{'kind': 'arrays', 'sample_shape': [28, 28], 'element': 'uint8',"
    "'input': {'shift': 0.0, 'scale': 255.0},"
    "'target': {'name': 'price', 'type': 'number', 'shift': 206855.8, 'scale': 115395.6,"
    " 'width': 3}}";

static const char table_autoencoder_text[] =
    "{'kind': 'table', 'inputs': [{'name': 'Age', 'type': 'number', 'fill': 29.7,"
    " 'shift': 29.7, 'scale': 14.5, 'indicator': false, 'required': false}],"
    "'ignored': ['Name'], 'target': {'type': 'input'}}";

static const char arrays_autoencoder_text[] =
    "{'kind': 'arrays', 'sample_shape': [28, 28], 'element': 'uint8',"
    "'input': {'shift': 1.0, 'scale': 255.0}, 'target': {'type': 'input'}}";

static struct preprocess *parse(const char *text)
{
    json_t *json = fixture_json(text);
    struct preprocess *preprocess = NULL;
    struct error err = {0};
    if (preprocess_parse(json, &preprocess, &err) != 0)
        fail_msg("%s", err.text);
    json_decref(json);
    return preprocess;
}

static void test_table_is_parsed(void **state)
{
    (void)state;
    struct preprocess *preprocess = parse(table_text);
    assert_int_equal(preprocess->kind, DATASET_TABLE);
    assert_int_equal(preprocess->input_count, 2);
    assert_int_equal(preprocess->feature_count, 4); /* age, its indicator, two sexes */
    const struct preprocess_column *age = &preprocess->inputs[0];
    assert_string_equal(age->name, "Age");
    assert_int_equal(age->type, COLUMN_NUMBER);
    assert_true(age->indicator && !age->required);
    assert_true(age->number.fill == 29.7 && age->number.shift == 29.7);
    assert_true(age->number.scale == 14.5);
    const struct preprocess_column *sex = &preprocess->inputs[1];
    assert_int_equal(sex->type, COLUMN_CATEGORY);
    assert_true(!sex->indicator && sex->required);
    assert_int_equal(sex->value_count, 2);
    assert_string_equal(sex->values[1], "male");
    assert_int_equal(preprocess->target, TARGET_CATEGORY);
    assert_int_equal(preprocess->class_count, 3);
    assert_int_equal(preprocess->target_width, 3);
    assert_string_equal(preprocess->classes[2], "2");
    assert_string_equal(preprocess->target_name, "Survived");
    preprocess_free(preprocess);
}

static void test_arrays_are_parsed(void **state)
{
    (void)state;
    struct preprocess *preprocess = parse(arrays_text);
    assert_int_equal(preprocess->kind, DATASET_ARRAYS);
    assert_int_equal(preprocess->feature_count, 784);
    assert_int_equal(preprocess->sample_shape.rank, 2);
    assert_int_equal(preprocess->element, ELEMENT_UINT8);
    assert_true(preprocess->array.shift == 0.0 && preprocess->array.scale == 255.0);
    assert_int_equal(preprocess->target, TARGET_NUMBER);
    assert_int_equal(preprocess->target_width, 3);
    assert_true(preprocess->target_number.shift == 206855.8);
    preprocess_free(preprocess);
}

static void test_the_input_as_target_has_its_units(void **state)
{
    (void)state;
    struct preprocess *preprocess = parse(arrays_autoencoder_text);
    assert_true(preprocess->reconstructs);
    assert_int_equal(preprocess->target, TARGET_NUMBER);
    assert_int_equal(preprocess->target_width, 784);
    assert_true(preprocess->target_number.shift == 1);
    assert_true(preprocess->target_number.scale == 255);
    preprocess_free(preprocess);
    preprocess = parse(table_autoencoder_text);
    assert_int_equal(preprocess->target_width, 1);
    assert_true(preprocess->target_number.scale == 1);
    preprocess_free(preprocess);
}

static void test_absent_flags_and_element_have_defaults(void **state)
{
    (void)state;
    struct preprocess *preprocess =
        parse("{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number', 'fill': 0,"
              "'shift': 0, 'scale': 1}], 'target': {'name': 'y', 'type': 'category',"
              "'values': ['a', 'b']}}");
    assert_false(preprocess->inputs[0].indicator);
    assert_false(preprocess->inputs[0].required);
    preprocess_free(preprocess);
    preprocess = parse("{'kind': 'arrays', 'sample_shape': [3], 'input': {'shift': 0,"
                       "'scale': 1}, 'target': {'name': 'y', 'type': 'category',"
                       "'values': ['a', 'b']}}");
    assert_int_equal(preprocess->element, ELEMENT_FLOAT32);
    preprocess_free(preprocess);
}

static void test_json_survives_the_way_there_and_back(void **state)
{
    (void)state;
    const char *const texts[] = {table_text, arrays_text, table_autoencoder_text,
                                 arrays_autoencoder_text};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *expected = fixture_json(texts[i]);
        struct preprocess *preprocess = parse(texts[i]);
        json_t *json = preprocess_to_json(preprocess);
        assert_non_null(json);
        char *dumped = json_dumps(json, JSON_COMPACT);
        json_t *reread = json_loads(dumped, 0, NULL);
        assert_true(json_equal(reread, expected));
        free(dumped);
        json_decref(reread);
        json_decref(json);
        json_decref(expected);
        preprocess_free(preprocess);
    }
}

/* 0.1 + 0.2 and its kin have 17 digits: the stored text must bring back the same bits. */
static void test_numbers_keep_every_bit(void **state)
{
    (void)state;
    struct preprocess *preprocess = parse(table_text);
    preprocess->inputs[0].number =
        (struct number_transform){.fill = 0.1 + 0.2, .shift = 1e-310, .scale = 1.0 / 3.0};
    json_t *json = preprocess_to_json(preprocess);
    char *dumped = json_dumps(json, 0);
    struct preprocess *again = parse(dumped);
    assert_memory_equal(&again->inputs[0].number, &preprocess->inputs[0].number,
                        sizeof(struct number_transform));
    preprocess_free(again);
    free(dumped);
    json_decref(json);
    preprocess_free(preprocess);
}

#define TARGET "'target': {'name': 'y', 'type': 'category', 'values': ['a']}"
#define COLUMN "{'name': 'x', 'type': 'number', 'fill': 0, 'shift': 0, 'scale': 1}"

static const char *const hostile_texts[] = {
    "null",
    "[]",
    "7",
    "{}",
    "{'kind': 7}",
    "{'kind': 'text', " TARGET "}",
    "{'kind': 'table', " TARGET "}",
    "{'kind': 'table', 'inputs': {}, " TARGET "}",
    "{'kind': 'table', 'inputs': [], " TARGET "}",
    "{'kind': 'table', 'inputs': [7], " TARGET "}",
    "{'kind': 'table', 'inputs': [{}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x'}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'text'}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number'}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number', 'fill': 0, 'shift': 0,"
    "'scale': 0}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number', 'fill': 0, 'shift': 0,"
    "'scale': -1}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number', 'fill': '0', 'shift': "
    "0,"
    "'scale': 1}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number', 'fill': 0, 'shift': 0,"
    "'scale': 1, 'indicator': 1}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'category'}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'category', 'values': "
    "[]}], " TARGET "}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'category', 'values': ['a', "
    "7]}]," TARGET "}",
    "{'kind': 'table', 'inputs': [" COLUMN "," COLUMN "], " TARGET "}",
    "{'kind': 'table', 'inputs': [" COLUMN "]}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'category', 'values': ['a']}],"
    "'target': {'type': 'input'}}",
    "{'kind': 'table', 'inputs': [{'name': 'x', 'type': 'number', 'fill': 0, 'shift': 0,"
    "'scale': 1, 'indicator': true}], 'target': {'type': 'input'}}",
    "{'kind': 'table', 'inputs': [" COLUMN "], 'target': 'y'}",
    "{'kind': 'table', 'inputs': [" COLUMN "], 'target': {'name': 'y', 'type': 'text'}}",
    "{'kind': 'table', 'inputs': [" COLUMN
    "], 'target': {'name': 'y', 'type': 'category'}}",
    "{'kind': 'table', 'inputs': [" COLUMN "], 'target': {'name': 'y', 'type': 'number',"
    "'shift': 0, 'scale': 1}}",
    "{'kind': 'table', 'inputs': [" COLUMN "], 'target': {'name': 'y', 'type': 'number',"
    "'shift': 0, 'scale': 1, 'width': 0}}",
    "{'kind': 'table', 'inputs': [" COLUMN "], 'target': {'name': 'y', 'type': 'number',"
    "'shift': 0, 'scale': 1, 'width': 9223372036854775807}}",
    "{'kind': 'arrays', 'input': {'shift': 0, 'scale': 1}, " TARGET "}",
    "{'kind': 'arrays', 'sample_shape': [], 'input': {'shift': 0, 'scale': 1}, " TARGET
    "}",
    "{'kind': 'arrays', 'sample_shape': [0], 'input': {'shift': 0, 'scale': 1}, " TARGET
    "}",
    "{'kind': 'arrays', 'sample_shape': [-1], 'input': {'shift': 0, 'scale': 1}, " TARGET
    "}",
    "{'kind': 'arrays', 'sample_shape': ['3'], 'input': {'shift': 0, 'scale': 1}, " TARGET
    "}",
    "{'kind': 'arrays', 'sample_shape': [1, 1, 1, 1, 1], 'input': {'shift': 0, 'scale': "
    "1}," TARGET "}",
    "{'kind': 'arrays', 'sample_shape': [4294967296, 4294967296], 'input': {'shift': 0,"
    "'scale': 1}, " TARGET "}",
    "{'kind': 'arrays', 'sample_shape': [3], " TARGET "}",
    "{'kind': 'arrays', 'sample_shape': [3], 'input': {'shift': 0}, " TARGET "}",
    "{'kind': 'arrays', 'sample_shape': [3], 'element': 'uint9', 'input': {'shift': 0,"
    "'scale': 1}, " TARGET "}",
    "{'kind': 'arrays', 'sample_shape': [3], 'element': 1, 'input': {'shift': 0,"
    "'scale': 1}, " TARGET "}",
};

static void test_hostile_json_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hostile_texts) / sizeof(hostile_texts[0]); i++) {
        json_t *json = fixture_json(hostile_texts[i]);
        struct preprocess *preprocess = NULL;
        struct error err = {0};
        if (preprocess_parse(json, &preprocess, &err) != ERR_CORRUPT)
            fail_msg("was parsed: %s", hostile_texts[i]);
        assert_null(preprocess);
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_true(err.text[0] != '\0');
        json_decref(json);
    }
}

static void test_too_many_and_too_long_texts_are_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        json_t *json = fixture_json(table_text);
        json_t *sex = json_array_get(json_object_get(json, "inputs"), 1);
        if (kind == 0) {
            json_t *values = json_array();
            for (int i = 0; i <= FACTS_MAX_CATEGORIES; i++)
                json_array_append_new(values, json_sprintf("%d", i));
            json_object_set_new(sex, "values", values);
        } else {
            char name[FACTS_MAX_NAME_BYTES + 2];
            memset(name, 'n', sizeof(name) - 1);
            name[sizeof(name) - 1] = '\0';
            json_object_set_new(sex, "name", json_string(name));
        }
        struct preprocess *preprocess = NULL;
        assert_int_equal(preprocess_parse(json, &preprocess, NULL), ERR_CORRUPT);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_parsed),
        cmocka_unit_test(test_arrays_are_parsed),
        cmocka_unit_test(test_the_input_as_target_has_its_units),
        cmocka_unit_test(test_absent_flags_and_element_have_defaults),
        cmocka_unit_test(test_json_survives_the_way_there_and_back),
        cmocka_unit_test(test_numbers_keep_every_bit),
        cmocka_unit_test(test_hostile_json_is_refused),
        cmocka_unit_test(test_too_many_and_too_long_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
