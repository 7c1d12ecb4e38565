/* Networks that are no chain: inputs by name, joins, residual blocks. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES(layers_) "{'dataset':'ds_1','model':{'layers':[" layers_ "]}}"
#define HOUSES(layers_)                                                                  \
    "{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':[" layers_ "]}}"
#define LAST "{'type':'dense','units':1}"
#define DENSE(name_, units_) "{'type':'dense','units':" #units_ ",'name':'" name_ "'}"

/* The layer and its inputs: "name op [shape] <- a, b". */
static void assert_layer(const struct job_spec *spec, int index, const char *expected)
{
    const struct model_spec *model = &spec->model;
    assert_true(index < model->layer_count);
    const struct layer *layer = &model->layers[index];
    char shape[SHAPE_TEXT_SIZE], text[1024];
    int length = snprintf(text, sizeof(text), "%s %s %s <- ", layer->name, layer->op,
                          shape_format(&layer->output, shape));
    for (int i = 0; i < layer->input_count; i++) {
        int input = layer->inputs[i];
        assert_true(input < index);
        length += snprintf(text + length, sizeof(text) - (size_t)length, "%s%s",
                           i > 0 ? ", " : "",
                           input == MODEL_INPUT ? "input" : model->layers[input].name);
    }
    assert_string_equal(text, expected);
}

/* Reading its own canonical JSON gives the same canonical JSON. */
static void assert_fixpoint(const char *job, const char *facts)
{
    struct job_spec *spec = sample_spec(job, facts);
    char *first = sample_canonical(spec, "model"), again[8192];
    int layers = spec->model.layer_count;
    job_spec_free(spec);
    const char *rest = strstr(job, "'model':");
    snprintf(again, sizeof(again), "%.*s'model':%s}", (int)(rest - job), job, first);
    spec = sample_spec(again, facts);
    assert_canonical(spec, "model", first);
    assert_int_equal(spec->model.layer_count, layers);
    job_spec_free(spec);
    free(first);
}

static void test_inputs_name_earlier_layers(void **state)
{
    (void)state;
    const char *job =
        HOUSES("{'type':'dense','units':4,'activation':'relu','name':'a'},"
               "{'type':'dense','units':4,'name':'b','inputs':['input']},"
               "{'type':'tanh','inputs':['a']},"
               "{'type':'add','name':'sum','inputs':['layers.2','b','a']},"
               "{'type':'concat','inputs':['sum','b']},"
               "{'type':'multiply','inputs':['layers.4','layers.4']}," LAST);
    struct job_spec *spec = sample_spec(job, facts_of_houses);
    assert_layer(spec, 0, "a dense [4] <- input");
    assert_layer(spec, 1, "a.activation relu [4] <- a");
    assert_layer(spec, 2, "b dense [4] <- input");
    assert_layer(spec, 3, "layers.2 tanh [4] <- a.activation");
    assert_layer(spec, 4, "sum add [4] <- layers.2, b, a.activation");
    assert_layer(spec, 5, "layers.4 concat [8] <- sum, b");
    assert_layer(spec, 6, "layers.5 multiply [8] <- layers.4, layers.4");
    assert_layer(spec, 7, "layers.6 dense [1] <- layers.5");
    assert_canonical(spec, "model/layers/3/inputs", "['layers.2','b','a']");
    job_spec_free(spec);
    assert_fixpoint(job, facts_of_houses);
}

static void test_wrong_inputs_are_violations(void **state)
{
    (void)state;
    static const struct {
        const char *job, *pointer, *phrase;
    } rows[] = {
        {HOUSES("{'type':'relu','inputs':['nothing']}," LAST), "/model/layers/0/inputs/0",
         "comes before this one, found \"nothing\""},
        /* a cycle: only what comes before has a name */
        {HOUSES("{'type':'relu','name':'a','inputs':['b']},"
                "{'type':'relu','name':'b','inputs':['a']}," LAST),
         "/model/layers/0/inputs/0", "comes before this one, found \"b\""},
        {HOUSES("{'type':'relu','name':'a','inputs':['a']}," LAST),
         "/model/layers/0/inputs/0", "found \"a\""},
        {HOUSES(LAST ",{'type':'add','inputs':['layers.0',7]}"),
         "/model/layers/1/inputs/1", "found 7"},
        {HOUSES(LAST ",{'type':'add'}"), "/model/layers/1/inputs",
         "expected a list of 2 to 16 names of layers, found nothing"},
        {HOUSES(LAST ",{'type':'concat','inputs':['layers.0']}"),
         "/model/layers/1/inputs", "expected a list of 2 to 16 names of layers"},
        {HOUSES(LAST ",{'type':'relu','inputs':['input','layers.0']}"),
         "/model/layers/1/inputs", "expected a list of one name, found"},
        {HOUSES("{'type':'relu','inputs':[]}," LAST), "/model/layers/0/inputs",
         "expected a list of one name, found []"},
        {HOUSES("{'type':'relu','inputs':'input'}," LAST), "/model/layers/0/inputs",
         "expected a list of one name, found \"input\""},
        {HOUSES("{'type':'relu','name':'input'}," LAST), "/model/layers/0/name",
         "which is the network's input"},
        {HOUSES(
             DENSE("a", 3) "," DENSE("b", 4) ",{'type':'add','inputs':['a','b']}," LAST),
         "/model/layers/2", "expected inputs of one shape, found [3] and [4]"},
        {HOUSES(DENSE("a", 3) "," DENSE(
             "b", 4) ","
                     "{'type':'multiply','inputs':['a','b']}," LAST),
         "/model/layers/2", "expected inputs of one shape, found [3] and [4]"},
        {HOUSES(DENSE("a", 3) ",{'type':'dense','units':1,'inputs':['input']}"),
         "/model/layers/0", "expected every layer to lead to the last one"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_violation(rows[i].job, facts_of_houses, rows[i].pointer, rows[i].phrase);
    assert_violation(IMAGES("{'type':'flatten','name':'f'},"
                            "{'type':'concat','inputs':['f','input']},"
                            "{'type':'dense','units':'auto'}"),
                     facts_of_images, "/model/layers/1",
                     "differ in the last dimension at most, found [784] and [28, 28]");
}

static void test_reshape_keeps_the_numbers(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(IMAGES("{'type':'reshape','shape':[4,-1,14]},{'type':'flatten'},"
                           "{'type':'reshape','shape':784},"
                           "{'type':'dense','units':'auto'}"),
                    facts_of_images);
    assert_layer(spec, 0, "layers.0 reshape [4, 14, 14] <- input");
    assert_layer(spec, 2, "layers.2 reshape [784] <- layers.1");
    job_spec_free(spec);
    static const char *const wrong[] = {
        "[3,-1]",    "[-1,-1]",          "[28,29]",
        "[0,784]",   "[1,1,1,28,28]",    "[-1,785]",
        "[28,27,1]", "[268435456,2,-1]", "[268435456,268435456,268435456,268435456]"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char job[256];
        snprintf(job, sizeof(job),
                 IMAGES("{'type':'reshape','shape':%s},{'type':'flatten'},"
                        "{'type':'dense','units':'auto'}"),
                 wrong[i]);
        assert_violation(job, facts_of_images, "/model/layers/0/shape",
                         "784 numbers in all, as the input has, whose shape is [28, 28]");
    }
}

static void test_residual_block_adds_its_input(void **state)
{
    (void)state;
    const char *job =
        HOUSES(DENSE("a", 4) ",{'type':'residual','activation':'relu','layers':["
                             "{'type':'dense','units':9,'activation':'tanh'},"
                             "{'type':'dense','units':4}]}," LAST);
    struct job_spec *spec = sample_spec(job, facts_of_houses);
    assert_int_equal(spec->model.layer_count, 7);
    assert_layer(spec, 1, "layers.1.layers.0 dense [9] <- a");
    assert_layer(spec, 3, "layers.1.layers.1 dense [4] <- layers.1.layers.0.activation");
    assert_layer(spec, 4, "layers.1 add [4] <- layers.1.layers.1, a");
    assert_layer(spec, 5, "layers.1.activation relu [4] <- layers.1");
    assert_layer(spec, 6, "layers.2 dense [1] <- layers.1.activation");
    assert_int_equal(spec->model.output, 6);
    assert_string_equal(spec->model.layers[1].pointer, "/model/layers/1/layers/0");
    assert_string_equal(spec->model.layers[4].type->name, "residual");
    job_spec_free(spec);
    assert_fixpoint(job, facts_of_houses);
}

static void test_residual_block_projects_where_shapes_differ(void **state)
{
    (void)state;
    const char *job = HOUSES(DENSE(
        "a", 4) ",{'type':'residual','name':'r','layers':[{'type':'residual',"
                "'layers':[{'type':'dense','units':4}]},{'type':'dense','units':6}]},"
                "{'type':'residual','layers':[{'type':'tanh'}]},"
                "{'type':'dense','units':'auto','inputs':['r']},"
                "{'type':'dense','units':1,'name':'c','inputs':['layers.2']},"
                "{'type':'add','inputs':['c','layers.3']}");
    struct job_spec *spec = sample_spec(job, facts_of_houses);
    assert_layer(spec, 1, "r.layers.0.layers.0 dense [4] <- a");
    assert_layer(spec, 2, "r.layers.0 add [4] <- r.layers.0.layers.0, a");
    assert_layer(spec, 3, "r.layers.1 dense [6] <- r.layers.0");
    assert_layer(spec, 4, "r.projection dense [6] <- a");
    assert_layer(spec, 5, "r add [6] <- r.layers.1, r.projection");
    assert_layer(spec, 6, "layers.2.layers.0 tanh [6] <- r");
    assert_layer(spec, 7, "layers.2 add [6] <- layers.2.layers.0, r");
    assert_layer(spec, 8, "layers.3 dense [1] <- r");
    assert_layer(spec, 10, "layers.5 add [1] <- c, layers.3");
    assert_int_equal(spec->model.layers[4].param_count, 2);
    assert_int_equal(spec->model.layers[4].params[0].shape.dims[0], 6);
    assert_int_equal(spec->model.layers[4].params[0].shape.dims[1], 4);
    assert_canonical(spec, "model/layers/3/units", "1");
    job_spec_free(spec);
    assert_fixpoint(job, facts_of_houses);
}

static void test_wrong_residual_blocks_are_violations(void **state)
{
    (void)state;
    static const struct {
        const char *job, *pointer, *phrase;
    } rows[] = {
        {HOUSES("{'type':'residual'}," LAST), "/model/layers/0/layers", "found nothing"},
        {HOUSES("{'type':'residual','layers':[]}," LAST), "/model/layers/0/layers",
         "at least one layer, found []"},
        {HOUSES("{'type':'residual','layers':[{'type':'relu'},{'type':'dens'}]}," LAST),
         "/model/layers/0/layers/1/type", "did you mean \"dense\"?"},
        {HOUSES("{'type':'dense','units':1,'layers':[]}"), "/model/layers/0/layers",
         "unknown key \"layers\""},
        {HOUSES("{'type':'residual','name':'r','layers':[{'type':'dense','units':2}]},"
                "{'type':'dense','units':1,'inputs':['r.projection']}"),
         "/model/layers/1/inputs/0", "found \"r.projection\""},
        {HOUSES("{'type':'relu','name':'r.projection'},"
                "{'type':'residual','name':'r','layers':[{'type':'relu'}]}," LAST),
         "/model/layers/1/name", "found \"r.projection\""},
        {HOUSES("{'type':'residual','name':'r','layers':[{'type':'relu','inputs':['r']}]}"
                "," LAST),
         "/model/layers/0/layers/0/inputs/0", "found \"r\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_violation(rows[i].job, facts_of_houses, rows[i].pointer, rows[i].phrase);
    assert_violation(
        IMAGES("{'type':'residual','layers':[{'type':'flatten'}]},"
               "{'type':'dense','units':'auto'}"),
        facts_of_images, "/model/layers/0",
        "keep their input's shape [28, 28] but for the last dimension, or take every "
        "n-th position of an image or a sequence, found [784]");
}

static void test_norms_have_a_number_for_each_unit(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int params, parameters;
    } rows[] = {{"rms_norm", 1, 28}, {"layer_norm", 2, 56}, {"batch_norm", 4, 56}};
    static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[256];
        snprintf(job, sizeof(job),
                 IMAGES("{'type':'%s'},{'type':'flatten'},"
                        "{'type':'dense','units':'auto','use_bias':false}"),
                 rows[i].type);
        struct job_spec *spec = sample_spec(job, facts_of_images);
        const struct layer *layer = &spec->model.layers[0];
        assert_int_equal(layer->param_count, rows[i].params);
        assert_int_equal(spec->model.parameter_count, 7840 + rows[i].parameters);
        for (int p = 0; p < layer->param_count; p++) {
            const struct param_spec *param = &layer->params[p];
            assert_string_equal(param->name, names[p]);
            assert_int_equal(param->shape.rank, 1);
            assert_int_equal(param->shape.dims[0], 28);
            assert_int_equal(param->initializer, p % 3 == 0 ? INIT_ONES : INIT_ZEROS);
            assert_int_equal(param->trainable, p < 2);
            assert_false(param->decays);
        }
        job_spec_free(spec);
    }
    assert_violation(
        IMAGES("{'type':'layer_norm','epsilon':0},{'type':'dense','units':1}"),
        facts_of_images, "/model/layers/0/epsilon", "found 0");
}

static void test_embeddings_read_nothing_but_tokens(void **state)
{
    (void)state;
    assert_violation(IMAGES("{'type':'embedding','output_dim':4},{'type':'flatten'},"
                            "{'type':'dense','units':'auto'}"),
                     facts_of_images, "/model/layers/0", "found other data");
    assert_violation(IMAGES("{'type':'relu'},{'type':'embedding','output_dim':4},"
                            "{'type':'flatten'},{'type':'dense','units':'auto'}"),
                     facts_of_images, "/model/layers/1", "found another layer's output");
    assert_violation(HOUSES("{'type':'position_embedding'}," LAST), facts_of_houses,
                     "/model/layers/0", "[positions, units], found [");
}

/* A job of `levels` blocks one in another. New string. */
static char *nested_job(int levels, const char *name)
{
    char *job = malloc(64 * (size_t)levels + 400);
    assert_non_null(job);
    strcpy(job, "{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':[");
    for (int i = 0; i < levels; i++)
        sprintf(job + strlen(job), "{'type':'residual',%s'layers':[", i == 0 ? name : "");
    strcat(job, "{'type':'relu'}");
    for (int i = 0; i < levels; i++)
        strcat(job, "]}");
    strcat(job, "," LAST "]}}");
    return job;
}

static void test_depth_names_and_number_of_nested_layers_are_bounded(void **state)
{
    (void)state;
    char *job = nested_job(MODEL_MAX_DEPTH, "");
    struct job_spec *spec = sample_spec(job, facts_of_houses);
    assert_int_equal(spec->model.layer_count, MODEL_MAX_DEPTH + 2);
    job_spec_free(spec);
    free(job);

    job = nested_job(MODEL_MAX_DEPTH + 1, "");
    char pointer[256] = "/model";
    for (int i = 0; i <= MODEL_MAX_DEPTH; i++)
        strcat(pointer, "/layers/0");
    strcat(pointer, "/layers");
    assert_violation(job, facts_of_houses, pointer, "at most 8 levels");
    free(job);

    char name[128] = "'name':'";
    memset(name + 8, 'n', 95);
    strcpy(name + 8 + 95, "',");
    job = nested_job(1, name);
    assert_violation(job, facts_of_houses, "/model/layers/0/layers/0",
                     "expected a \"name\", because the one made from the block's");
    free(job);

    size_t count = MODEL_MAX_LAYERS;
    job = malloc(20 * count + 400);
    assert_non_null(job);
    strcpy(job, "{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':["
                "{'type':'residual','layers':[");
    char *end = job + strlen(job);
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, "%s{'type':'relu'}", i > 0 ? "," : "");
    strcpy(end, "]}]}}");
    assert_violation(job, facts_of_houses, "/model/layers",
                     "expected at most 2048 layers, found 2049");
    free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_name_earlier_layers),
        cmocka_unit_test(test_wrong_inputs_are_violations),
        cmocka_unit_test(test_reshape_keeps_the_numbers),
        cmocka_unit_test(test_residual_block_adds_its_input),
        cmocka_unit_test(test_residual_block_projects_where_shapes_differ),
        cmocka_unit_test(test_wrong_residual_blocks_are_violations),
        cmocka_unit_test(test_embeddings_read_nothing_but_tokens),
        cmocka_unit_test(test_norms_have_a_number_for_each_unit),
        cmocka_unit_test(test_depth_names_and_number_of_nested_layers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
