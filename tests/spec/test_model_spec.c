/* From the list of layers to shapes, parameters and costs. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES(layers_) "{'dataset':'ds_1','model':{'layers':[" layers_ "]}}"
#define TITANIC(layers_)                                                                 \
    "{'dataset':'ds_1','features':{'target':'Survived'},'model':{'layers':[" layers_ "]" \
    "}"                                                                                  \
    "}"
#define HOUSES(layers_)                                                                  \
    "{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':[" layers_ "]}}"

static void assert_layer(const struct job_spec *spec, int index, const char *name,
                         const char *op, const char *shape)
{
    char text[SHAPE_TEXT_SIZE];
    assert_true(index < spec->model.layer_count);
    const struct layer *layer = &spec->model.layers[index];
    assert_string_equal(layer->name, name);
    assert_string_equal(layer->op, op);
    assert_string_equal(layer->type->op, op);
    assert_string_equal(shape_format(&layer->output, text), shape);
    assert_int_equal(layer->input_count, 1);
    assert_int_equal(layer->inputs[0], index == 0 ? MODEL_INPUT : index - 1);
}

static void test_mlp_on_images_gets_them_flat(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(IMAGES("{'type':'dense','units':256,'activation':'relu'},"
                           "{'type':'dense','units':128,'activation':'relu'},"
                           "{'type':'dense','units':'auto'}"),
                    facts_of_images);
    assert_int_equal(spec->model.input.rank, 1);
    assert_int_equal(spec->model.input.dims[0], 784);
    assert_int_equal(spec->model.layer_count, 5);
    assert_layer(spec, 0, "layers.0", "dense", "[256]");
    assert_layer(spec, 1, "layers.0.activation", "relu", "[256]");
    assert_layer(spec, 2, "layers.1", "dense", "[128]");
    assert_layer(spec, 4, "layers.2", "dense", "[10]");
    assert_string_equal(spec->model.layers[3].pointer, "/model/layers/1");
    assert_int_equal(spec->model.output, 4);
    assert_int_equal(spec->model.parameter_count,
                     784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10);
    assert_int_equal(spec->model.layers[0].flops, 2 * 784 * 256 + 256);
    const struct param_spec *weight = &spec->model.layers[0].params[0];
    assert_string_equal(weight->name, "weight");
    assert_int_equal(weight->shape.dims[0], 256);
    assert_int_equal(weight->shape.dims[1], 784);
    assert_true(weight->decays && weight->trainable);
    assert_int_equal(weight->initializer, INIT_UNIFORM);
    assert_true(fabs(weight->scale - sqrt(6.0 / (784 + 256))) < 1e-15);
    const struct param_spec *bias = &spec->model.layers[0].params[1];
    assert_string_equal(bias->name, "bias");
    assert_int_equal(bias->shape.rank, 1);
    assert_false(bias->decays);
    assert_int_equal(bias->initializer, INIT_ZEROS);
    assert_canonical(spec, "model/layers/2/units", "10");
    job_spec_free(spec);
}

static void test_explicit_flatten_gives_the_same_network(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        IMAGES("{'type':'flatten'},{'type':'dense','units':'auto'}"), facts_of_images);
    assert_int_equal(spec->model.input.rank, 2);
    assert_layer(spec, 0, "layers.0", "flatten", "[784]");
    assert_layer(spec, 1, "layers.1", "dense", "[10]");
    job_spec_free(spec);
}

static void test_dense_acts_on_the_last_dimension_and_a_flatten_is_suggested(void **state)
{
    (void)state;
    assert_violation(
        IMAGES("{'type':'dropout','rate':0.1},{'type':'dense','units':10}"),
        facts_of_images, "/model/layers/1",
        "the shape [10], because of the target \"label\" (one number for each of "
        "its 10 classes), found [28, 10]; a layer {\"type\": \"flatten\"}");
    struct job_spec *spec = sample_spec(
        IMAGES("{'type':'relu'},{'type':'dense','units':2},{'type':'flatten'},"
               "{'type':'dense','units':10}"),
        facts_of_images);
    assert_layer(spec, 1, "layers.1", "dense", "[28, 2]");
    assert_int_equal(spec->model.layers[1].flops, 28 * (2 * 28 * 2 + 2));
    assert_int_equal(spec->model.layers[1].params[0].shape.dims[1], 28);
    assert_layer(spec, 2, "layers.2", "flatten", "[56]");
    job_spec_free(spec);
}

static void test_every_activation_has_a_long_a_short_and_an_inline_form(void **state)
{
    (void)state;
    for (int i = 0; activation_names[i]; i++) {
        const char *name = activation_names[i];
        char job[512], expected[128];
        snprintf(job, sizeof(job),
                 HOUSES("{'type':'activation','function':'%s'},{'type':'%s'},"
                        "{'type':'dense','units':3,'activation':'%s'},"
                        "{'type':'dense','units':1}"),
                 name, name, name);
        struct job_spec *spec = sample_spec(job, facts_of_houses);
        assert_string_equal(spec->model.layers[0].op, name);
        assert_string_equal(spec->model.layers[1].op, name);
        bool inlined = strcmp(name, "linear") != 0;
        assert_int_equal(spec->model.layer_count, inlined ? 5 : 4);
        if (inlined)
            assert_layer(spec, 3, "layers.2.activation", name, "[3]");
        char *first = sample_canonical(spec, "model/layers/0");
        assert_canonical(spec, "model/layers/1", first);
        snprintf(expected, sizeof(expected), "{'type':'activation','function':'%s'",
                 name);
        assert_memory_equal(first, expected, strlen(expected));
        free(first);
        job_spec_free(spec);
    }
}

static void test_alpha_belongs_to_two_activations(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        HOUSES("{'type':'leaky_relu','alpha':0.2},{'type':'activation','function':'elu'},"
               "{'type':'dense','units':4,'activation':'leaky_relu'},"
               "{'type':'dense','units':1}"),
        facts_of_houses);
    assert_true(attrs_number(&spec->model.layers[0].attrs, "alpha") == 0.2);
    assert_true(attrs_number(&spec->model.layers[1].attrs, "alpha") == 1.0);
    assert_true(attrs_number(&spec->model.layers[3].attrs, "alpha") == 0.01);
    job_spec_free(spec);
    assert_violation(HOUSES("{'type':'relu','alpha':0.2},{'type':'dense','units':1}"),
                     facts_of_houses, "/model/layers/0/alpha", "unknown key \"alpha\"");
}

static void test_names_are_the_users_or_the_index(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        HOUSES("{'type':'dense','units':4,'name':'enc-1.a_B','activation':'tanh'},"
               "{'type':'dense','units':1}"),
        facts_of_houses);
    assert_layer(spec, 0, "enc-1.a_B", "dense", "[4]");
    assert_layer(spec, 1, "enc-1.a_B.activation", "tanh", "[4]");
    assert_layer(spec, 2, "layers.1", "dense", "[1]");
    assert_canonical(spec, "model/layers/0/name", "'enc-1.a_B'");
    assert_null(json_object_get(
        json_array_get(
            json_object_get(json_object_get(spec->canonical, "model"), "layers"), 1),
        "name"));
    job_spec_free(spec);
    assert_violation(HOUSES("{'type':'dense','units':4,'name':'a'},"
                            "{'type':'dense','units':1,'name':'a'}"),
                     facts_of_houses, "/model/layers/1/name",
                     "found \"a\", which /model/layers/0 has, too");
    assert_violation(HOUSES("{'type':'dense','units':4,'name':'layers.1'},"
                            "{'type':'dense','units':1}"),
                     facts_of_houses, "/model/layers/1/name", "found \"layers.1\"");
    assert_violation(HOUSES("{'type':'dense','units':1,'name':'a b'}"), facts_of_houses,
                     "/model/layers/0/name", "found \"a b\"");
    assert_violation(HOUSES("{'type':'dense','units':1,'name':''}"), facts_of_houses,
                     "/model/layers/0/name", "found \"\"");
    assert_violation(HOUSES("{'type':'dense','units':1,'name':7}"), facts_of_houses,
                     "/model/layers/0/name", "found 7");
}

static void test_long_names_are_bounded(void **state)
{
    (void)state;
    char name[102], job[512];
    memset(name, 'n', sizeof(name));
    name[100] = '\0';
    snprintf(job, sizeof(job),
             HOUSES("{'type':'dense','units':1,'activation':'relu','name':'%s'}"), name);
    struct job_spec *spec = sample_spec(job, facts_of_houses);
    assert_int_equal(strlen(spec->model.layers[1].name), 100 + strlen(".activation"));
    job_spec_free(spec);
    name[100] = 'n';
    name[101] = '\0';
    snprintf(job, sizeof(job), HOUSES("{'type':'dense','units':1,'name':'%s'}"), name);
    assert_violation(job, facts_of_houses, "/model/layers/0/name", "1 to 100 letters");
}

static void test_last_softmax_belongs_to_cross_entropy(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        IMAGES("{'type':'flatten'},{'type':'dense','units':10,'activation':'softmax'}"),
        facts_of_images);
    assert_int_equal(spec->model.layer_count, 2);
    assert_int_equal(spec->model.output, 1);
    assert_layer(spec, 1, "layers.1", "dense", "[10]");
    assert_canonical(spec, "model/layers/1/activation", "'softmax'");
    job_spec_free(spec);

    spec = sample_spec(TITANIC("{'type':'dense','units':1},{'type':'sigmoid'}"),
                       facts_of_titanic);
    assert_int_equal(spec->loss.type, LOSS_BINARY_CROSS_ENTROPY);
    assert_int_equal(spec->model.layer_count, 1);
    assert_canonical(spec, "model/layers/1",
                     "{'type':'activation','function':'sigmoid'}");
    job_spec_free(spec);
}

static void test_other_last_activations_stay(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        TITANIC("{'type':'dense','units':2,'activation':'sigmoid'}"), facts_of_titanic);
    assert_int_equal(spec->loss.type, LOSS_CROSS_ENTROPY);
    assert_int_equal(spec->model.layer_count, 2);
    job_spec_free(spec);
    spec = sample_spec(HOUSES("{'type':'dense','units':1,'activation':'softmax'}"),
                       facts_of_houses);
    assert_int_equal(spec->model.layer_count, 2);
    job_spec_free(spec);
}

static void test_output_must_fit_the_target(void **state)
{
    (void)state;
    assert_violation(
        TITANIC("{'type':'dense','units':3}"), facts_of_titanic, "/model/layers/0",
        "shape [2], because of the target \"Survived\" (one number for each of "
        "its 2 classes), found [3]");
    assert_violation(
        HOUSES("{'type':'dense','units':2}"), facts_of_houses, "/model/layers/0",
        "shape [1], because of the target \"price\" (1 number(s) to predict), "
        "found [2]; the last dense layer may say \"units\": \"auto\"");
    assert_violation(
        "{'dataset':'d','features':{'target':'Survived'},'loss':"
        "'binary_cross_entropy','model':{'layers':[{'type':'dense','units':2}]}}",
        facts_of_titanic, "/model/layers/0", "one number tells its 2 classes");
}

static void test_auto_units_take_the_width_of_the_target(void **state)
{
    (void)state;
    static const struct {
        const char *job, *facts;
        int64_t width;
    } rows[] = {
        {TITANIC("{'type':'dense','units':'auto'}"), facts_of_titanic, 2},
        {"{'dataset':'d','features':{'target':'Survived'},'loss':'binary_cross_entropy',"
         "'model':{'layers':[{'type':'dense','units':'auto'}]}}",
         facts_of_titanic, 1},
        {HOUSES("{'type':'dense','units':'auto'}"), facts_of_houses, 1},
        {IMAGES("{'type':'dense','units':'auto'}"), facts_of_images, 10},
        {IMAGES("{'type':'dense','units':'auto'}"), facts_of_signals, 3},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = sample_spec(rows[i].job, rows[i].facts);
        assert_int_equal(spec->model.layers[spec->model.output].output.dims[0],
                         rows[i].width);
        assert_int_equal(attrs_integer(&spec->model.layers[0].attrs, "units"),
                         rows[i].width);
        job_spec_free(spec);
    }
}

static void test_initializers_and_l2(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum initializer initializer;
        double scale;
    } rows[] = {
        {"glorot_uniform", INIT_UNIFORM, 0.632455532033676}, /* sqrt(6 / (5 + 10)) */
        {"glorot_normal", INIT_NORMAL, 0.365148371670111},
        {"he_uniform", INIT_UNIFORM, 1.09544511501033},
        {"he_normal", INIT_NORMAL, 0.632455532033676},
        {"lecun_uniform", INIT_UNIFORM, 0.774596669241483},
        {"lecun_normal", INIT_NORMAL, 0.447213595499958},
        {"pytorch", INIT_UNIFORM, 0.447213595499958},
        {"uniform", INIT_UNIFORM, 0.05},
        {"normal", INIT_NORMAL, 0.05},
        {"truncated_normal", INIT_TRUNCATED_NORMAL, 0.05},
        {"orthogonal", INIT_ORTHOGONAL, 1},
        {"zeros", INIT_ZEROS, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job),
                 "{'dataset':'d','features':{'target':'score','inputs':['income','rooms',"
                 "'ocean']},'model':{'layers':[{'type':'dense','units':10,'l2':0.125,"
                 "'kernel_initializer':'%s'},{'type':'dense','units':1}]}}",
                 rows[i].name);
        struct job_spec *spec = sample_spec(job, facts_of_houses);
        const struct layer *layer = &spec->model.layers[0];
        assert_int_equal(layer->params[0].initializer, rows[i].initializer);
        assert_true(fabs(layer->params[0].scale - rows[i].scale) < 1e-12);
        assert_true(layer->l2 == 0.125);
        job_spec_free(spec);
    }
}

static void test_initializers_may_have_a_number(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        HOUSES("{'type':'dense','units':4,'kernel_initializer':{'type':'normal','stddev':"
               "0.02},'bias_initializer':{'type':'uniform'}},{'type':'dense','units':4,"
               "'kernel_initializer':{'type':'orthogonal','gain':2}},{'type':'dense',"
               "'units':1,'kernel_initializer':{'type':'he_normal'}}"),
        facts_of_houses);
    assert_canonical(spec, "model/layers/0/kernel_initializer",
                     "{'type':'normal','stddev':0.02}");
    assert_canonical(spec, "model/layers/0/bias_initializer",
                     "{'type':'uniform','limit':0.05}");
    assert_canonical(spec, "model/layers/1/kernel_initializer",
                     "{'type':'orthogonal','gain':2}");
    assert_canonical(spec, "model/layers/2/kernel_initializer", "'he_normal'");
    const struct layer *layer = &spec->model.layers[0];
    assert_int_equal(layer->params[0].initializer, INIT_NORMAL);
    assert_true(layer->params[0].scale == 0.02);
    assert_true(layer->params[1].scale == 0.05);
    assert_int_equal(spec->model.layers[1].params[0].initializer, INIT_ORTHOGONAL);
    assert_true(spec->model.layers[1].params[0].scale == 2);
    job_spec_free(spec);
}

static void test_bad_numbers_of_initializers_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *value, *pointer, *phrase;
    } rows[] = {
        {"{'type':'normal','stddev':0}", "/stddev", "expected a number above 0"},
        {"{'type':'normal','stdev':1}", "/stdev", "did you mean \"stddev\"?"},
        {"{'type':'uniform','stddev':1}", "/stddev", "unknown key"},
        {"{'type':'he_normal','gain':1}", "/gain", "unknown key"},
        {"{'type':'nromal'}", "/type", "did you mean \"normal\"?"},
        {"{}", "/type", "found nothing"},
        {"0.02", "", "or an object such as {\"type\": \"normal\", \"stddev\": 0.05}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512], pointer[64];
        snprintf(job, sizeof(job),
                 HOUSES("{'type':'dense','units':1,'kernel_initializer':%s}"),
                 rows[i].value);
        snprintf(pointer, sizeof(pointer), "/model/layers/0/kernel_initializer%s",
                 rows[i].pointer);
        assert_violation(job, facts_of_houses, pointer, rows[i].phrase);
    }
}

static void test_bias_follows_the_pytorch_initializer(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        HOUSES("{'type':'dense','units':4,'kernel_initializer':'pytorch'},"
               "{'type':'dense','units':4,'kernel_initializer':'pytorch',"
               "'bias_initializer':'ones'},{'type':'dense','units':1,'use_bias':false}"),
        facts_of_houses);
    assert_canonical(spec, "model/layers/0/bias_initializer", "'pytorch'");
    assert_true(spec->model.layers[0].params[1].scale ==
                spec->model.layers[0].params[0].scale);
    assert_int_equal(spec->model.layers[1].params[1].initializer, INIT_ONES);
    assert_canonical(spec, "model/layers/2/bias_initializer", "'zeros'");
    assert_int_equal(spec->model.layers[2].param_count, 1);
    job_spec_free(spec);
}

static void test_bad_layers_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *pointer, *phrase;
    } rows[] = {
        {"", "/model/layers", "expected a list of at least one layer, found []"},
        {"7", "/model/layers/0", "expected a layer such as"},
        {"null", "/model/layers/0", "found null"},
        {"{}", "/model/layers/0/type", "expected one of \"dense\", \"activation\""},
        {"{'type':'dence'}", "/model/layers/0/type", "did you mean \"dense\"?"},
        {"{'type':['dense']}", "/model/layers/0/type", "found [\"dense\"]"},
        {"{'type':'dense'}", "/model/layers/0/units", "found nothing"},
        {"{'type':'dense','units':0}", "/model/layers/0/units", "found 0"},
        {"{'type':'dense','units':65537}", "/model/layers/0/units", "from 1 to 65536"},
        {"{'type':'dense','units':1,'activation':'rleu'}", "/model/layers/0/activation",
         "did you mean \"relu\"?"},
        {"{'type':'dense','units':1,'use_bias':'yes'}", "/model/layers/0/use_bias",
         "true or false"},
        {"{'type':'dense','units':1,'l2':-1}", "/model/layers/0/l2", "found -1"},
        {"{'type':'dense','untis':1}", "/model/layers/0/untis",
         "did you mean \"units\"?"},
        {"{'type':'dropout'}", "/model/layers/0/rate", "found nothing"},
        {"{'type':'dropout','rate':1}", "/model/layers/0/rate", "from 0 to below 1"},
        {"{'type':'dropout','rate':-0.1}", "/model/layers/0/rate", "found -0.1"},
        {"{'type':'activation'}", "/model/layers/0/function",
         "expected one of \"linear\""},
        {"{'type':'activation','function':'dense'}", "/model/layers/0/function",
         "found \"dense\""},
        {"{'type':'activation','function':'activation'}", "/model/layers/0/function",
         "found"},
        {"{'type':'relu','function':'relu'}", "/model/layers/0/function", "unknown key"},
        {"{'type':'flatten','units':3}", "/model/layers/0/units", "unknown key"},
        {"{'type':'relu'}", "/model/layers", "at least one layer with parameters"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), HOUSES("%s"), rows[i].layers);
        assert_violation(job, facts_of_houses, rows[i].pointer, rows[i].phrase);
    }
    assert_violation("{'dataset':'d'}", NULL, "/model", "found nothing");
    assert_violation("{'dataset':'d','model':[]}", NULL, "/model", "found []");
    assert_violation("{'dataset':'d','model':{'layer':[]}}", NULL, "/model/layer",
                     "did you mean \"layers\"?");
    assert_violation("{'dataset':'d','model':{'layers':{}}}", NULL, "/model/layers",
                     "found {}");
}

static void test_networks_without_bounds_are_refused(void **state)
{
    (void)state;
    static const char wide[] = "{'type':'dense','units':65536}";
    char job[1024];
    snprintf(job, sizeof(job), HOUSES("%s,%s,{'type':'dense','units':1}"), wide, wide);
    assert_violation(
        job, facts_of_houses, "/model/layers/1",
        "expected at most 1000000000 parameters, found 65536 inputs times 65536");
    snprintf(job, sizeof(job),
             HOUSES("{'type':'dense','units':30000},{'type':'dense','units':30000},"
                    "{'type':'dense','units':30000},{'type':'dense','units':1}"));
    assert_violation(job, facts_of_houses, "/model/layers/2",
                     "expected a network of at most 1000000000 parameters");
    /* An activation as large as 28 rows of 65536 is fine, its flat product is not. */
    snprintf(job, sizeof(job), IMAGES("{'type':'relu'},%s,{'type':'flatten'},%s"), wide,
             wide);
    assert_violation(job, facts_of_images, "/model/layers/3",
                     "1835008 inputs times 65536");
    assert_violation("{'dataset':'d','model':{'layers':[{'type':'relu'},"
                     "{'type':'dense','units':65536}]}}",
                     "{'kind':'arrays','rows':{'train':9},'element':'uint8',"
                     "'sample_shape':[8192,1],'columns':[{'name':'label','type':'number',"
                     "'integer':true,'values':['0','1']}]}",
                     "/model/layers/1",
                     "expected an output of at most 268435456 numbers");
}

static char *job_of_layers(int count, const char *layer)
{
    char *job = malloc(200 + (size_t)count * (strlen(layer) + 1));
    assert_non_null(job);
    stpcpy(job, "{'dataset':'d','features':{'target':'price'},'model':{'layers':[");
    char *end = job + strlen(job);
    for (int i = 0; i < count; i++)
        end += sprintf(end, "%s,", layer);
    stpcpy(end, "{'type':'dense','units':1}]}}");
    return job;
}

static void test_number_of_layers_is_bounded(void **state)
{
    (void)state;
    char *job = job_of_layers(MODEL_MAX_LAYERS - 1, "{'type':'relu'}");
    struct job_spec *spec = sample_spec(job, facts_of_houses);
    assert_int_equal(spec->model.layer_count, MODEL_MAX_LAYERS);
    job_spec_free(spec);
    free(job);
    job = job_of_layers(MODEL_MAX_LAYERS, "{'type':'relu'}");
    assert_violation(job, facts_of_houses, "/model/layers",
                     "expected at most 2048 layers, found 2049");
    free(job);
    job = job_of_layers(MODEL_MAX_LAYERS - 1,
                        "{'type':'dense','units':1,'activation':'relu'}");
    assert_violation(job, facts_of_houses, "/model/layers",
                     "their activations included, found 4095");
    free(job);
}

static void test_every_row_of_the_layer_table_is_whole(void **state)
{
    (void)state;
    for (const struct layer_type *type = layer_table; type->name; type++) {
        assert_ptr_equal(layer_type_find(type->name), type);
        assert_true(!type->infer == !!type->expand);
        assert_int_equal(type->op == NULL, strcmp(type->name, "activation") == 0);
        bool has_key = false;
        for (const struct key *key = type->keys; key && key->name; key++)
            has_key = has_key || strcmp(key->name, "activation") == 0;
        assert_int_equal(type->takes_activation, has_key);
    }
    for (int i = 0; activation_names[i]; i++)
        assert_non_null(layer_type_find(activation_names[i]));
    assert_null(layer_type_find("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mlp_on_images_gets_them_flat),
        cmocka_unit_test(test_explicit_flatten_gives_the_same_network),
        cmocka_unit_test(
            test_dense_acts_on_the_last_dimension_and_a_flatten_is_suggested),
        cmocka_unit_test(test_every_activation_has_a_long_a_short_and_an_inline_form),
        cmocka_unit_test(test_alpha_belongs_to_two_activations),
        cmocka_unit_test(test_names_are_the_users_or_the_index),
        cmocka_unit_test(test_long_names_are_bounded),
        cmocka_unit_test(test_last_softmax_belongs_to_cross_entropy),
        cmocka_unit_test(test_other_last_activations_stay),
        cmocka_unit_test(test_output_must_fit_the_target),
        cmocka_unit_test(test_auto_units_take_the_width_of_the_target),
        cmocka_unit_test(test_initializers_and_l2),
        cmocka_unit_test(test_initializers_may_have_a_number),
        cmocka_unit_test(test_bad_numbers_of_initializers_are_pointed_at),
        cmocka_unit_test(test_bias_follows_the_pytorch_initializer),
        cmocka_unit_test(test_bad_layers_are_pointed_at),
        cmocka_unit_test(test_networks_without_bounds_are_refused),
        cmocka_unit_test(test_number_of_layers_is_bounded),
        cmocka_unit_test(test_every_row_of_the_layer_table_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
