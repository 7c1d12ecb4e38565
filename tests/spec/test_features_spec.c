/* Choosing columns against the facts of a dataset. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB(features_)                                                                   \
    "{'dataset':'ds_1','features':" features_                                            \
    ",'model':{'layers':[{'type':'dense','units':'auto'}]}}"
#define NO_FEATURES                                                                      \
    "{'dataset':'ds_1','model':{'layers':[{'type':'dense','units':'auto'}]}}"

static void test_auto_takes_what_can_be_learnt_from(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(JOB("{'inputs':'auto','target':'Survived'}"), facts_of_titanic);
    assert_canonical(
        spec, "features",
        "{'inputs':[{'name':'Pclass','type':'number','normalization':'zscore',"
        "'missing':'mean'},{'name':'Sex','type':'category','missing':'zero'},"
        "{'name':'Age','type':'number','normalization':'zscore','missing':'mean'},"
        "{'name':'Fare','type':'number','normalization':'zscore','missing':'mean'},"
        "{'name':'a/b~c','type':'category','missing':'zero'}],"
        "'target':{'name':'Survived','type':'category'},'input_shape':null}");
    assert_int_equal(spec->features.input_count, 5);
    assert_int_equal(spec->features.inputs[1].column, 4);
    assert_int_equal(spec->features.inputs[1].feature_count, 2);
    assert_int_equal(spec->features.target_column, 1);
    assert_int_equal(spec->features.target, TARGET_CATEGORY);
    assert_int_equal(spec->features.target_width, 2);
    assert_int_equal(spec->model.input.dims[0], 1 + 2 + 1 + 1 + 3);
    job_spec_free(spec);
}

static void test_auto_passes_over_wide_categories(void **state)
{
    (void)state;
    static const char format[] =
        "{'kind':'table','rows':{'train':%d},'columns':[{'name':'y','type':'number','min'"
        ":0,"
        "'max':9,'mean':3,'std':2},{'name':'x','type':'number','min':0,'max':1},"
        "{'name':'c','type':'category','values':[%s]}]}";
    static const struct {
        int rows, values;
        int64_t features;
    } rows[] = {{1000, 100, 101}, {1000, 101, 1}, {200, 100, 101},
                {199, 100, 1},    {4, 2, 3},      {1000, 1, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char values[2048] = "", facts[4096];
        for (int v = 0; v < rows[i].values; v++)
            snprintf(values + strlen(values), sizeof(values) - strlen(values), "%s'v%d'",
                     v > 0 ? "," : "", v);
        snprintf(facts, sizeof(facts), format, rows[i].rows, values);
        struct job_spec *spec = sample_spec(
            "{'dataset':'d','features':{'target':'y'},'split':{'fractions':{'train':1}},"
            "'model':{'layers':[{'type':'dense','units':1}]}}",
            facts);
        assert_int_equal(shape_elements(&spec->features.input_shape), rows[i].features);
        job_spec_free(spec);
    }
}

static void test_named_inputs_take_what_they_are_told(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        JOB("{'inputs':['Fare',{'name':'Age','normalization':'minmax','missing':'"
            "indicator'},"
            "{'name':'Pclass','type':'category','missing':'drop'},"
            "{'name':'Sex','missing':'indicator'},{'name':'PassengerId','normalization':"
            "'none','missing':'median'},{'name':'Deck','missing':'zero'}],"
            "'target':{'name':'Survived'}}"),
        facts_of_titanic);
    const struct input_column *inputs = spec->features.inputs;
    assert_int_equal(spec->features.input_count, 6);
    assert_int_equal(inputs[0].normalization, NORMALIZE_ZSCORE);
    assert_int_equal(inputs[0].missing, MISSING_MEAN);
    assert_int_equal(inputs[1].normalization, NORMALIZE_MINMAX);
    assert_int_equal(inputs[1].feature_count, 2);
    assert_int_equal(inputs[2].type, COLUMN_CATEGORY);
    assert_int_equal(inputs[2].missing, MISSING_DROP);
    assert_int_equal(inputs[2].feature_count, 3);
    assert_int_equal(inputs[3].feature_count, 3);
    assert_int_equal(inputs[4].normalization, NORMALIZE_NONE);
    assert_int_equal(inputs[4].missing, MISSING_MEDIAN);
    assert_int_equal(shape_elements(&spec->features.input_shape), 1 + 2 + 3 + 3 + 1 + 1);
    assert_canonical(spec, "features/inputs/2",
                     "{'name':'Pclass','type':'category','missing':'drop'}");
    job_spec_free(spec);
}

static void test_one_normalization_may_be_given_for_all_numbers(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        JOB("{'normalization':'minmax','target':'price','inputs':['income','ocean',"
            "{'name':'rooms','normalization':'none'}]}"),
        facts_of_houses);
    assert_int_equal(spec->features.inputs[0].normalization, NORMALIZE_MINMAX);
    assert_int_equal(spec->features.inputs[2].normalization, NORMALIZE_NONE);
    job_spec_free(spec);
}

static void test_target_type_follows_the_column(void **state)
{
    (void)state;
    static const struct {
        const char *job, *facts, *target;
    } rows[] = {
        {JOB("{'target':'Survived'}"), facts_of_titanic,
         "{'name':'Survived','type':'category'}"},
        {JOB("{'target':'Sex'}"), facts_of_titanic, "{'name':'Sex','type':'category'}"},
        {JOB("{'target':'Age'}"), facts_of_titanic,
         "{'name':'Age','type':'number','normalization':'zscore'}"},
        {JOB("{'target':{'name':'Survived','type':'number'}}"), facts_of_titanic,
         "{'name':'Survived','type':'number','normalization':'none'}"},
        {JOB("{'target':{'name':'Pclass','type':'number'}}"), facts_of_titanic,
         "{'name':'Pclass','type':'number','normalization':'zscore'}"},
        {JOB("{'target':'price'}"), facts_of_houses,
         "{'name':'price','type':'number','normalization':'zscore'}"},
        {JOB("{'target':'score'}"), facts_of_houses,
         "{'name':'score','type':'number','normalization':'none'}"},
        {JOB("{'target':{'name':'score','normalization':'zscore'}}"), facts_of_houses,
         "{'name':'score','type':'number','normalization':'zscore'}"},
        {NO_FEATURES, facts_of_images, "{'name':'label','type':'category'}"},
        {JOB("{'target':{'type':'number'}}"), facts_of_images,
         "{'name':'label','type':'number','normalization':'zscore'}"},
        {JOB("{'target':'label'}"), facts_of_signals,
         "{'name':'label','type':'number','normalization':'zscore'}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = sample_spec(rows[i].job, rows[i].facts);
        assert_canonical(spec, "features/target", rows[i].target);
        job_spec_free(spec);
    }
}

/* A column of the integers first … first + count - 1. */
static void integer_facts(char *text, size_t size, const char *kind, int first, int count)
{
    int last = first + count - 1, mean = first + count / 2;
    int used =
        snprintf(text, size,
                 "{'kind':'%s','rows':{'train':100000},'element':'uint8',"
                 "'sample_shape':[4],'columns':[{'name':'x','type':'number','min':0,"
                 "'max':1},{'name':'y','type':'number','integer':true,'min':%d,"
                 "'max':%d,'mean':%d,'std':5,'values':[",
                 kind, first, last, mean);
    if (strcmp(kind, "arrays") == 0)
        used = snprintf(text, size,
                        "{'kind':'arrays','rows':{'train':100000},'element':'uint8',"
                        "'sample_shape':[4],'columns':[{'name':'y','type':'number',"
                        "'integer':true,'min':%d,'max':%d,'mean':%d,'std':5,'values':[",
                        first, last, mean);
    for (int i = first; i <= last; i++)
        used +=
            snprintf(text + used, size - (size_t)used, "%s'%d'", i > first ? "," : "", i);
    snprintf(text + used, size - (size_t)used, "]}]}");
}

static void test_many_integers_are_classes_only_as_labels_of_arrays(void **state)
{
    (void)state;
    static char facts[16384];
    static const struct {
        const char *kind;
        int first, count;
        enum target_type type;
    } rows[] = {{"table", 0, 20, TARGET_CATEGORY},
                {"table", -1, 3, TARGET_CATEGORY},
                {"table", 0, 21, TARGET_NUMBER},
                {"arrays", 0, 21, TARGET_CATEGORY},
                {"arrays", -1, 20, TARGET_CATEGORY},
                {"arrays", -1, 21, TARGET_NUMBER},
                {"arrays", 0, FACTS_MAX_CATEGORIES, TARGET_CATEGORY}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        integer_facts(facts, sizeof(facts), rows[i].kind, rows[i].first, rows[i].count);
        struct job_spec *spec = sample_spec(JOB("{'target':'y'}"), facts);
        assert_int_equal(spec->features.target, rows[i].type);
        job_spec_free(spec);
    }
}

static void test_samples_of_bytes_are_scaled_unless_told_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *job, *facts;
        enum normalization normalization;
    } rows[] = {
        {NO_FEATURES, facts_of_images, NORMALIZE_BYTES},
        {NO_FEATURES, facts_of_signals, NORMALIZE_NONE},
        {JOB("{'inputs':'auto','normalization':'auto'}"), facts_of_images,
         NORMALIZE_BYTES},
        {JOB("{'normalization':'none'}"), facts_of_images, NORMALIZE_NONE},
        {JOB("{'normalization':'zscore'}"), facts_of_signals, NORMALIZE_ZSCORE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = sample_spec(rows[i].job, rows[i].facts);
        assert_int_equal(spec->features.array_normalization, rows[i].normalization);
        assert_int_equal(spec->features.input_count, 0);
        assert_canonical(spec, "features/input_shape", "null");
        job_spec_free(spec);
    }
}

static void test_input_shape_views_the_columns(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        "{'dataset':'d','features':{'target':'price','input_shape':[5,1,1]},"
        "'model':{'layers':[{'type':'flatten'},{'type':'dense','units':1}]}}",
        "{'kind':'table','rows':{'train':100},'columns':["
        "{'name':'a','type':'number','min':0,'max':1},{'name':'price','type':'number',"
        "'min':0,'max':1},{'name':'b','type':'category','values':['1','2','3','4']}]}");
    assert_int_equal(spec->model.input.rank, 3);
    assert_canonical(spec, "features/input_shape", "[5,1,1]");
    job_spec_free(spec);
    spec =
        sample_spec("{'dataset':'d','features':{'input_shape':[784]},'model':{'layers':"
                    "[{'type':'relu'},{'type':'dense','units':10}]}}",
                    facts_of_images);
    assert_int_equal(spec->model.input.rank, 1);
    job_spec_free(spec);
    assert_violation(JOB("{'target':'price','input_shape':[2,2]}"), facts_of_houses,
                     "/features/input_shape", "product 6, the number of input features");
    assert_violation(JOB("{'target':'price','input_shape':[1,1,1,1,6]}"), facts_of_houses,
                     "/features/input_shape", "expected 1 to 4 dimensions");
    assert_violation(JOB("{'target':'price','input_shape':[268435456,268435456]}"),
                     facts_of_houses, "/features/input_shape", "product of at most");
    assert_violation(JOB("{'target':'price','input_shape':'auto'}"), facts_of_houses,
                     "/features/input_shape", "an integer, or a list");
}

static void test_wrong_features_of_a_table(void **state)
{
    (void)state;
    static const struct {
        const char *features, *pointer, *phrase;
    } rows[] = {
        {"[]", "/features", "expected an object such as"},
        {"{}", "/features/target", "one of \"PassengerId\", \"Survived\", \"Pclass\""},
        {"{'target':7}", "/features/target", "found 7"},
        {"{'target':{}}", "/features/target/name", "the column to predict"},
        {"{'target':{'name':[]}}", "/features/target/name", "found []"},
        {"{'target':'survived'}", "/features/target", "did you mean \"Survived\"?"},
        {"{'target':{'name':'Surived'}}", "/features/target/name",
         "did you mean \"Survived\"?"},
        {"{'target':'Name'}", "/features/target", "which holds text"},
        {"{'target':{'name':'Age','type':'category'}}", "/features/target",
         "found \"Age\", which has fractions, or too many"},
        {"{'target':'Ship'}", "/features/target", "found \"Ship\", which has 1"},
        {"{'target':'Blank'}", "/features/target", "which is empty"},
        {"{'target':{'name':'Sex','type':'number'}}", "/features/target/type",
         "found \"number\""},
        {"{'target':{'name':'Sex','normalization':'zscore'}}",
         "/features/target/normalization", "because the target is a category"},
        {"{'target':{'name':'Age','normalization':'minmax'}}",
         "/features/target/normalization", "\"zscore\" or \"none\""},
        {"{'target':{'name':'Age','type':'text'}}", "/features/target/type",
         "expected one of \"category\", \"number\", \"input\" or \"auto\""},
        {"{'target':{'name':'Age','missing':'mean'}}", "/features/target/missing",
         "unknown key"},
        {"{'target':'Sex','input':[]}", "/features/input", "did you mean \"inputs\"?"},
        {"{'target':'Sex','inputs':[]}", "/features/inputs", "found []"},
        {"{'target':'Sex','inputs':'all'}", "/features/inputs", "found \"all\""},
        {"{'target':'Sex','inputs':[7]}", "/features/inputs/0", "found 7"},
        {"{'target':'Sex','inputs':['Age',{}]}", "/features/inputs/1/name",
         "found nothing"},
        {"{'target':'Sex','inputs':['age']}", "/features/inputs/0",
         "did you mean \"Age\"?"},
        {"{'target':'Sex','inputs':['a/b']}", "/features/inputs/0", "found \"a/b\""},
        {"{'target':'Sex','inputs':['Name']}", "/features/inputs/0", "holds text"},
        {"{'target':'Sex','inputs':['Sex']}", "/features/inputs/0",
         "other than the target"},
        {"{'target':'Sex','inputs':['Age','Age']}", "/features/inputs/1",
         "found \"Age\" again"},
        {"{'target':'Sex','inputs':['Blank']}", "/features/inputs/0", "which is empty"},
        {"{'target':'Sex','inputs':[{'name':'Age','type':'category'}]}",
         "/features/inputs/0/name", "integers to be a category"},
        {"{'target':'Age','inputs':[{'name':'Sex','type':'number'}]}",
         "/features/inputs/0/type", "found \"number\""},
        {"{'target':'Age','inputs':[{'name':'Sex','normalization':'zscore'}]}",
         "/features/inputs/0/normalization", "because \"Sex\" is a category"},
        {"{'target':'Age','inputs':[{'name':'Sex','missing':'mean'}]}",
         "/features/inputs/0/missing", "found \"mean\""},
        {"{'target':'Sex','inputs':[{'name':'Age','normalization':'bytes'}]}",
         "/features/inputs/0/normalization", "found \"bytes\""},
        {"{'target':'Sex','inputs':[{'name':'Age','missing':'men'}]}",
         "/features/inputs/0/missing", "did you mean \"mean\"?"},
        {"{'target':'Sex','normalization':'bytes'}", "/features/normalization",
         "found \"bytes\""},
        {"{'target':'Sex','normalization':'zscroe'}", "/features/normalization",
         "did you mean \"zscore\"?"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), JOB("%s"), rows[i].features);
        assert_violation(job, facts_of_titanic, rows[i].pointer, rows[i].phrase);
    }
    assert_violation(NO_FEATURES, facts_of_titanic, "/features/target", "found nothing");
}

static void test_wrong_features_of_arrays(void **state)
{
    (void)state;
    assert_violation(JOB("{'inputs':['label']}"), facts_of_images, "/features/inputs",
                     "because the dataset is arrays");
    assert_violation(JOB("{'normalization':'minmax'}"), facts_of_images,
                     "/features/normalization", "found \"minmax\"");
    assert_violation(JOB("{'normalization':'bytes'}"), facts_of_signals,
                     "/features/normalization", "because the samples are float32");
    assert_violation(JOB("{'target':'labels'}"), facts_of_images, "/features/target",
                     "expected \"label\", the labels of the arrays, found \"labels\"");
    assert_violation(JOB("{'target':{'type':'category'}}"), facts_of_signals,
                     "/features/target", "fractions, or too many");
    assert_violation(NO_FEATURES,
                     "{'kind':'arrays','rows':{'train':9},'element':'int8',"
                     "'sample_shape':[4],'columns':[]}",
                     "/dataset", "arrays without labels");
}

static void test_dataset_without_a_usable_input_is_refused(void **state)
{
    (void)state;
    assert_violation(JOB("{'target':'y'}"),
                     "{'kind':'table','rows':{'train':9},'columns':[{'name':'y','type':"
                     "'number','min':0,'max':1},{'name':'t','type':'text'}]}",
                     "/features/inputs", "found none");
}

/* Ingest knows no type for a column without values but text. */
static void test_a_text_column_without_values_is_called_empty(void **state)
{
    (void)state;
    static const char facts[] =
        "{'kind':'table','rows':{'train':9},'columns':[{'name':'x','type':'number',"
        "'min':0,'max':1},{'name':'y','type':'number','min':0,'max':1},"
        "{'name':'t','type':'text','missing':9}]}";
    assert_violation(JOB("{'target':'t'}"), facts, "/features/target",
                     "found \"t\", which has no values");
    assert_violation(JOB("{'target':'y','inputs':['x','t']}"), facts,
                     "/features/inputs/1", "found \"t\", which has no values");
}

static void test_syntax_is_checked_without_facts(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        JOB("{'inputs':['a',{'name':'b','missing':'drop'}],'target':'c'}"), NULL);
    assert_canonical(spec, "features",
                     "{'inputs':['a',{'name':'b','missing':'drop'}],'target':'c'}");
    assert_canonical(spec, "model/layers/0/units", "'auto'");
    assert_int_equal(spec->model.layer_count, 1);
    assert_int_equal(spec->model.parameter_count, 0);
    job_spec_free(spec);
    assert_violation(JOB("{'inputs':[{'name':'b','missing':'dropp'}]}"), NULL,
                     "/features/inputs/0/missing", "did you mean \"drop\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_takes_what_can_be_learnt_from),
        cmocka_unit_test(test_auto_passes_over_wide_categories),
        cmocka_unit_test(test_named_inputs_take_what_they_are_told),
        cmocka_unit_test(test_one_normalization_may_be_given_for_all_numbers),
        cmocka_unit_test(test_target_type_follows_the_column),
        cmocka_unit_test(test_many_integers_are_classes_only_as_labels_of_arrays),
        cmocka_unit_test(test_samples_of_bytes_are_scaled_unless_told_otherwise),
        cmocka_unit_test(test_input_shape_views_the_columns),
        cmocka_unit_test(test_wrong_features_of_a_table),
        cmocka_unit_test(test_wrong_features_of_arrays),
        cmocka_unit_test(test_dataset_without_a_usable_input_is_refused),
        cmocka_unit_test(test_a_text_column_without_values_is_called_empty),
        cmocka_unit_test(test_syntax_is_checked_without_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
