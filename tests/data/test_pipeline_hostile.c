/*
 * Files, facts and specs that do not fit each other: each is refused with the figures,
 * and nothing is read out of bounds (the sanitizer build watches).
 */
#include "data/pipeline.h"

#include "dataset_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 4

static const float ages[ROWS] = {1, 2, NAN, 4};
static const int32_t sexes[ROWS] = {0, 1, -1, 1};
static const float outcomes[ROWS] = {0, 1, 1, 0};

static const char table_facts[] =
    "{'kind': 'table', 'rows': {'train': 4}, 'columns': ["
    "{'name': 'Age', 'type': 'number', 'missing': 1},"
    "{'name': 'Sex', 'type': 'category', 'missing': 1, 'values': ['female', 'male']},"
    "{'name': 'Died', 'type': 'number', 'values': ['0', '1']},"
    "{'name': 'Name', 'type': 'text'}]}";

static const struct dataset_array table_arrays[3] = {
    {PART_TRAIN, 0, ELEMENT_FLOAT32, 1, {ROWS}, ages, 0},
    {PART_TRAIN, 1, ELEMENT_INT32, 1, {ROWS}, sexes, 0},
    {PART_TRAIN, 2, ELEMENT_FLOAT32, 1, {ROWS}, outcomes, 0},
};

/* A case to break: file, facts and spec that fit, until a test changes one of them. */
struct broken {
    struct dataset_array arrays[3];
    int array_count;
    const char *facts;
    struct input_column inputs[2];
    struct job_spec spec;
};

static struct broken *sound_case(void)
{
    struct broken *broken = calloc(1, sizeof(*broken));
    assert_non_null(broken);
    memcpy(broken->arrays, table_arrays, sizeof(table_arrays));
    broken->array_count = 3;
    broken->facts = table_facts;
    broken->inputs[0] = (struct input_column){.column = 0, .feature_count = 1};
    broken->inputs[1] =
        (struct input_column){.column = 1, .type = COLUMN_CATEGORY, .feature_count = 2};
    broken->spec.split = (struct split_spec){.type = SPLIT_RANDOM, .train = 1};
    broken->spec.features.input_count = 2;
    broken->spec.features.inputs = broken->inputs;
    broken->spec.features.target_column = 2;
    broken->spec.features.target_width = 2;
    return broken;
}

/* Opens the case, frees it, and returns what opening returned. */
static int try_open(struct broken *broken, struct error *err)
{
    struct dataset_file *file = fixture_file(broken->arrays, broken->array_count);
    struct dataset_facts *facts = fixture_facts(broken->facts);
    struct pipeline *pipeline = NULL;
    *err = (struct error){0};
    int rc = pipeline_open(file, facts, &broken->spec, &pipeline, err);
    assert_true((rc == 0) == (pipeline != NULL));
    pipeline_close(pipeline);
    facts_free(facts);
    dataset_file_close(file);
    free(broken);
    return rc;
}

static void assert_refused(struct broken *broken, int code, const char *figures)
{
    struct error err;
    assert_int_equal(try_open(broken, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, figures))
        fail_msg("\"%s\" does not say \"%s\"", err.text, figures);
}

static void test_sound_case_opens(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(try_open(sound_case(), &err), 0);
    assert_int_equal(err.code, 0);
}

static void test_missing_array_is_corrupt(void **state)
{
    (void)state;
    struct broken *broken = sound_case();
    broken->array_count = 2;
    assert_refused(broken, ERR_CORRUPT, "no train array of Died");
    broken = sound_case();
    broken->spec.split.type = SPLIT_FIXED;
    assert_refused(broken, ERR_CORRUPT, "no test array of Age");
}

static void test_wrong_rows_are_corrupt(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct broken *broken = sound_case();
        broken->arrays[i].dims[0] = 3;
        assert_refused(broken, ERR_CORRUPT, "has 3 rows of 1; the facts say 4 of 1");
    }
}

static void test_wrong_width_is_corrupt(void **state)
{
    (void)state;
    struct broken *broken = sound_case();
    broken->arrays[0].rank = 2;
    broken->arrays[0].dims[0] = 4;
    broken->arrays[0].dims[1] = 2;
    static const float wide[8] = {0};
    broken->arrays[0].data = wide;
    assert_refused(broken, ERR_CORRUPT, "has 4 rows of 2; the facts say 4 of 1");
}

static void test_wrong_element_type_is_corrupt(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct broken *broken = sound_case();
        static const double zeros[ROWS] = {0};
        broken->arrays[i].element = ELEMENT_FLOAT64;
        broken->arrays[i].data = zeros;
        assert_refused(broken, ERR_CORRUPT, "is float64; the facts say");
    }
}

static void test_codes_without_a_value_are_corrupt(void **state)
{
    (void)state;
    static const int32_t bad[4][ROWS] = {
        {0, 1, 2, 1}, {0, -2, 0, 1}, {INT32_MAX, 0, 0, 0}, {0, 0, 0, INT32_MIN}};
    static const char *const figures[4] = {
        "row 2 of Sex has the code 2, but there are 2 values",
        "row 1 of Sex has the code -2,", "row 0 of Sex has the code 2147483647,",
        "row 3 of Sex has the code -2147483648,"};
    for (int i = 0; i < 4; i++) {
        struct broken *broken = sound_case();
        broken->arrays[1].data = bad[i];
        assert_refused(broken, ERR_CORRUPT, figures[i]);
    }
}

static void test_numbers_that_are_no_listed_value_are_corrupt(void **state)
{
    (void)state;
    static const float bad[ROWS] = {0, 1, 0.5F, 1};
    struct broken *broken = sound_case();
    broken->arrays[2].data = bad;
    assert_refused(broken, ERR_CORRUPT,
                   "row 2 of Died is 0.5, which is none of the 2 values");
}

static void test_an_input_of_numbers_that_are_no_listed_value_is_corrupt(void **state)
{
    (void)state;
    static const float bad[ROWS] = {0, NAN, 2, 1};
    struct broken *broken = sound_case();
    broken->arrays[2].data = bad;
    broken->inputs[0] =
        (struct input_column){.column = 2, .type = COLUMN_CATEGORY, .feature_count = 2};
    broken->spec.features.target_column = 1;
    assert_refused(broken, ERR_CORRUPT,
                   "row 2 of Died is 2, which is none of the 2 values");
}

static void test_values_that_are_the_same_float_are_refused(void **state)
{
    (void)state;
    struct broken *broken = sound_case();
    broken->facts =
        "{'kind': 'table', 'rows': {'train': 4}, 'columns': ["
        "{'name': 'Age', 'type': 'number'},"
        "{'name': 'Sex', 'type': 'category', 'values': ['female', 'male']},"
        "{'name': 'Died', 'type': 'number', 'values': ['16777216', '16777217']}]}";
    assert_refused(broken, ERR_INVALID, "16777216 and 16777217");
    broken = sound_case();
    broken->facts = "{'kind': 'table', 'rows': {'train': 4}, 'columns': ["
                    "{'name': 'Age', 'type': 'number'},"
                    "{'name': 'Sex', 'type': 'category', 'values': ['female', 'male']},"
                    "{'name': 'Died', 'type': 'number', 'values': ['no', 'yes']}]}";
    assert_refused(broken, ERR_CORRUPT, "the value no of the number Died");
}

static void test_specs_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct broken *broken = sound_case();
    broken->inputs[1].column = 4;
    assert_refused(broken, ERR_INVALID, "an input is column 4 of 4");
    broken = sound_case();
    broken->inputs[1].column = -1;
    assert_refused(broken, ERR_INVALID, "an input is column -1 of 4");
    broken = sound_case();
    broken->inputs[1].column = 3;
    assert_refused(broken, ERR_INVALID, "the column Name cannot be an input");
    broken = sound_case();
    broken->inputs[1].type = COLUMN_NUMBER;
    assert_refused(broken, ERR_INVALID, "the category Sex cannot be a number");
    broken = sound_case();
    broken->inputs[0].type = COLUMN_CATEGORY;
    assert_refused(broken, ERR_INVALID, "the category Age has no value");
    broken = sound_case();
    broken->inputs[1].feature_count = 3;
    assert_refused(broken, ERR_INVALID,
                   "the column Sex gives 2 features; the spec says 3");
    broken = sound_case();
    broken->spec.features.input_count = 0;
    assert_refused(broken, ERR_INVALID, "at least one input column");
    broken = sound_case();
    broken->spec.features.target_column = 9;
    assert_refused(broken, ERR_INVALID, "the target is column 9 of 4");
    broken = sound_case();
    broken->spec.features.target_column = 3;
    assert_refused(broken, ERR_INVALID, "the column Name cannot be a target");
    broken = sound_case();
    broken->spec.features.target_column = 0;
    assert_refused(broken, ERR_INVALID, "Age cannot be a target of type category");
    broken = sound_case();
    broken->spec.features.target_column = 1;
    broken->spec.features.target = TARGET_NUMBER;
    assert_refused(broken, ERR_INVALID, "Sex cannot be a target of type number");
    broken = sound_case();
    broken->spec.features.target_width = 5;
    assert_refused(broken, ERR_INVALID, "the target Died is 2 wide; the spec says 5");
    broken = sound_case();
    broken->spec.features.target = TARGET_NUMBER;
    broken->spec.features.target_width = 1;
    broken->spec.split.type = SPLIT_STRATIFIED;
    assert_refused(broken, ERR_INVALID, "stratified");
}

static void test_a_table_s_file_is_no_text(void **state)
{
    (void)state;
    struct broken *broken = sound_case();
    broken->facts = "{'kind': 'text', 'rows': {'train': 1}}";
    assert_refused(broken, ERR_CORRUPT, "has not the text's bytes");
}

static void test_empty_splits_are_refused_with_the_figures(void **state)
{
    (void)state;
    struct broken *broken = sound_case();
    broken->spec.split =
        (struct split_spec){.type = SPLIT_RANDOM, .train = 0.9, .validation = 0.1};
    assert_refused(broken, ERR_INVALID,
                   "the validation split has no rows: train 4, validation 0, test 0");
    broken = sound_case();
    broken->spec.split =
        (struct split_spec){.type = SPLIT_RANDOM, .train = 0.9, .test = 0.1};
    assert_refused(broken, ERR_INVALID, "the test split has no rows");

    static const float none[ROWS] = {NAN, NAN, NAN, NAN};
    broken = sound_case();
    broken->arrays[2].data = none;
    assert_refused(
        broken, ERR_INVALID,
        "the train split has no rows: train 0, validation 0, test 0, and 4 rows");
}

static void test_samples_must_have_the_shape_of_the_facts(void **state)
{
    (void)state;
    static const uint8_t bytes[64] = {0};
    static const int32_t codes[ROWS] = {0, 1, 1, 0};
    static const struct {
        struct dataset_array samples;
        const char *figures;
    } cases[] = {
        {{PART_TRAIN, DATASET_FEATURES, ELEMENT_UINT8, 3, {ROWS, 2, 4}, bytes, 0},
         "has 4 rows of 8; the facts say 4 of 6"},
        {{PART_TRAIN, DATASET_FEATURES, ELEMENT_UINT8, 3, {3, 2, 3}, bytes, 0},
         "has 3 rows of 6; the facts say 4 of 6"},
        {{PART_TRAIN, DATASET_FEATURES, ELEMENT_INT8, 3, {ROWS, 2, 3}, bytes, 0},
         "is int8; the facts say uint8"},
        {{PART_TEST, DATASET_FEATURES, ELEMENT_UINT8, 3, {ROWS, 2, 3}, bytes, 0},
         "no train array of the samples"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct broken *broken = sound_case();
        broken->arrays[0] = cases[i].samples;
        broken->arrays[1] =
            (struct dataset_array){PART_TRAIN, 0, ELEMENT_INT32, 1, {ROWS}, codes, 0};
        broken->array_count = 2;
        broken->spec.features.input_count = 0;
        broken->spec.features.target_column = 0;
        broken->facts =
            "{'kind': 'arrays', 'rows': {'train': 4}, 'element': 'uint8',"
            "'sample_shape': [2, 3], 'columns': [{'name': 'label', 'type': 'number',"
            "'values': ['0', '1']}]}";
        assert_refused(broken, ERR_CORRUPT, cases[i].figures);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_case_opens),
        cmocka_unit_test(test_missing_array_is_corrupt),
        cmocka_unit_test(test_wrong_rows_are_corrupt),
        cmocka_unit_test(test_wrong_width_is_corrupt),
        cmocka_unit_test(test_wrong_element_type_is_corrupt),
        cmocka_unit_test(test_codes_without_a_value_are_corrupt),
        cmocka_unit_test(test_numbers_that_are_no_listed_value_are_corrupt),
        cmocka_unit_test(test_an_input_of_numbers_that_are_no_listed_value_is_corrupt),
        cmocka_unit_test(test_values_that_are_the_same_float_are_refused),
        cmocka_unit_test(test_specs_that_do_not_fit_are_refused),
        cmocka_unit_test(test_a_table_s_file_is_no_text),
        cmocka_unit_test(test_empty_splits_are_refused_with_the_figures),
        cmocka_unit_test(test_samples_must_have_the_shape_of_the_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
