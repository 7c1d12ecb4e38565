/* "target": "input": which columns and shapes an autoencoder may have. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define JOB(features, layers)                                                            \
    "{'dataset':'ds_1','features':" features ",'model':{'layers':[" layers "]}}"
#define AUTO "{'type':'dense','units':3},{'type':'dense','units':'auto'}"
#define COLUMN_NAMED_INPUT                                                               \
    "{'kind':'table','rows':{'train':100},'columns':["                                   \
    "{'name':'input','type':'number','min':0,'max':9,'mean':3,'std':2},"                 \
    "{'name':'x','type':'number','min':0,'max':9,'mean':3,'std':2}]}"
#define NO_LABELS                                                                        \
    "{'kind':'arrays','rows':{'train':90},'element':'uint8','sample_shape':[300,300],"   \
    "'columns':[]}"

static void test_images_are_their_own_target(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(JOB("{'target':'input'}", AUTO), facts_of_images);
    assert_true(spec->features.reconstructs);
    assert_int_equal(spec->features.target, TARGET_NUMBER);
    assert_int_equal(spec->features.target_column, -1);
    assert_int_equal(spec->features.target_width, 784);
    assert_int_equal(spec->loss.type, LOSS_MSE);
    assert_int_equal(spec->model.layers[1].output.dims[0], 784);
    assert_canonical(
        spec, "features",
        "{'normalization':'bytes','target':{'type':'input'},'input_shape':null}");
    struct job_spec *again = NULL;
    struct dataset_facts *facts = sample_facts(facts_of_images);
    struct violations violations;
    violations_init(&violations);
    assert_int_equal(job_spec_parse(spec->canonical, facts, &again, &violations), 0);
    assert_true(json_equal(spec->canonical, again->canonical));
    facts_free(facts);
    job_spec_free(again);
    job_spec_free(spec);
}

static void test_the_output_may_have_any_shape(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(JOB("{'target':{'type':'input'}}",
                        "{'type':'dense','units':3},{'type':'dense','units':784},"
                        "{'type':'reshape','shape':[28,28]},{'type':'dense','units':28}"),
                    facts_of_images);
    assert_int_equal(spec->model.layers[spec->model.output].output.rank, 2);
    job_spec_free(spec);
    assert_violation(JOB("{'target':'input'}", "{'type':'dense','units':783}"),
                     facts_of_images, "/model/layers/0",
                     "expected the network's output to have 784 numbers, as many as its "
                     "input [28, 28], which is the target, found [783]");
}

static void test_labels_are_not_needed(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        JOB("{'target':'input'}",
            "{'type':'dense','units':4},{'type':'dense','units':30000},"
            "{'type':'reshape','shape':[300,100]},{'type':'dense','units':300}"),
        NO_LABELS);
    assert_int_equal(spec->features.target_width, 90000);
    job_spec_free(spec);
    assert_violation(JOB("{'target':'input'}", AUTO), NO_LABELS, "/model/layers/1/units",
                     "expected a number up to 65536, because the target has 90000");
    assert_violation(JOB("{}", AUTO), NO_LABELS, "/dataset",
                     "or make the \"input\" the target of an autoencoder");
}

static void test_tables_give_their_numbers(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(JOB("{'target':'input'}", AUTO), facts_of_houses);
    assert_int_equal(spec->features.input_count, 4); /* all but the category */
    assert_int_equal(spec->features.target_width, 4);
    job_spec_free(spec);
    assert_violation(JOB("{'inputs':['income','ocean'],'target':'input'}", AUTO),
                     facts_of_houses, "/features/inputs",
                     "expected columns of numbers, because the target is the input, "
                     "found \"ocean\", a category");
    assert_violation(JOB("{'inputs':[{'name':'rooms','missing':'indicator'},'income'],"
                         "'target':'input'}",
                         AUTO),
                     facts_of_houses, "/features/inputs", "\"indicator\"");
}

static void test_a_column_of_that_name_comes_first(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(JOB("{'target':'input'}", AUTO), COLUMN_NAMED_INPUT);
    assert_false(spec->features.reconstructs);
    assert_int_equal(spec->features.target_column, 0);
    job_spec_free(spec);
    spec = sample_spec(JOB("{'target':{'type':'input'}}", AUTO), COLUMN_NAMED_INPUT);
    assert_true(spec->features.reconstructs);
    assert_int_equal(spec->features.target_width, 2);
    job_spec_free(spec);
}

static void test_what_an_autoencoder_cannot_have_is_pointed_at(void **state)
{
    (void)state;
    assert_violation(JOB("{'target':{'type':'input','name':'price'}}", AUTO),
                     facts_of_houses, "/features/target/name", "expected no name");
    assert_violation(JOB("{'target':{'type':'input','normalization':'zscore'}}", AUTO),
                     facts_of_houses, "/features/target/normalization",
                     "expected no normalization");
    assert_violation("{'dataset':'d','features':{'target':'input'},'loss':'cross_entropy'"
                     ",'model':{'layers':[" AUTO "]}}",
                     facts_of_images, "/loss", "expected a loss for numbers");
    assert_violation("{'dataset':'d','features':{'target':'input'},'augmentation':"
                     "[{'type':'horizontal_flip'}],'model':{'layers':[" AUTO "]}}",
                     facts_of_images, "/augmentation",
                     "expected [], because the target is the input");
    assert_violation("{'dataset':'d','features':{'target':'input'},'split':{'type':"
                     "'stratified'},'model':{'layers':[" AUTO "]}}",
                     facts_of_houses, "/split/type", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_are_their_own_target),
        cmocka_unit_test(test_the_output_may_have_any_shape),
        cmocka_unit_test(test_labels_are_not_needed),
        cmocka_unit_test(test_tables_give_their_numbers),
        cmocka_unit_test(test_a_column_of_that_name_comes_first),
        cmocka_unit_test(test_what_an_autoencoder_cannot_have_is_pointed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
