/* The job files under examples/ are right for the datasets that they name. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct job_spec *load_example(const char *name, const struct dataset_facts *facts)
{
    char path[128];
    snprintf(path, sizeof(path), "examples/%s", name);
    json_error_t error;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s: %s, line %d", path, error.text, error.line);
    assert_string_equal(json_string_value(json_object_get(json, "dataset")),
                        "DATASET_ID");
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    if (job_spec_parse(json, facts, &spec, &violations) != 0)
        fail_msg("%s: at %s: %s", path, violations.items[0].pointer,
                 violations.items[0].detail);
    violations_release(&violations);
    json_decref(json);
    return spec;
}

static struct job_spec *example(const char *name, const char *facts_text)
{
    struct dataset_facts *facts = sample_facts(facts_text);
    struct job_spec *spec = load_example(name, facts);
    facts_free(facts);
    return spec;
}

/* 64 pixels from 0 to 16, of which two are always 0, and the digit, as in digits.csv. */
static struct dataset_facts *facts_of_digits(void)
{
    json_t *columns = json_array();
    for (int i = 0; i < 64; i++) {
        int top = i == 0 || i == 32 ? 0 : 16;
        json_array_append_new(columns,
                              json_pack("{s:o, s:s, s:i, s:i, s:i, s:f, s:f, s:b}",
                                        "name", json_sprintf("c%d", i), "type", "number",
                                        "missing", 0, "min", 0, "max", top, "mean",
                                        top / 2.0, "std", top / 4.0, "integer", 1));
    }
    json_t *values = json_array();
    for (int i = 0; i < 10; i++)
        json_array_append_new(values, json_sprintf("%d", i));
    json_array_append_new(columns,
                          json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:b, s:o}", "name",
                                    "c64", "type", "number", "min", 0, "max", 9, "mean",
                                    4.5, "std", 2.9, "integer", 1, "values", values));
    json_t *json = json_pack("{s:s, s:{s:i}, s:o}", "kind", "table", "rows", "train",
                             1797, "columns", columns);
    struct dataset_facts *facts = NULL;
    assert_int_equal(facts_parse(json, &facts, NULL), 0);
    json_decref(json);
    return facts;
}

static void test_digits_are_ten_classes_of_64_pixels(void **state)
{
    (void)state;
    struct dataset_facts *facts = facts_of_digits();
    struct job_spec *spec = load_example("digits-mlp.json", facts);
    assert_int_equal(spec->features.target, TARGET_CATEGORY);
    assert_int_equal(spec->features.target_column, 64);
    assert_int_equal(spec->model.input.dims[0], 62); /* without the two constant pixels */
    assert_int_equal(spec->model.layers[spec->model.output].output.dims[0], 10);
    assert_int_equal(spec->split.type, SPLIT_STRATIFIED);
    assert_int_equal(spec->test_rows, 359);
    assert_true(spec->early_stopping.enabled);
    job_spec_free(spec);
    facts_free(facts);
}

static void test_digits_as_images_are_augmented(void **state)
{
    (void)state;
    struct dataset_facts *facts = facts_of_digits();
    struct job_spec *spec = load_example("digits-cnn.json", facts);
    assert_int_equal(spec->model.input.rank, 3);
    assert_int_equal(spec->augmentation.count, 2);
    assert_int_equal(spec->model.layers[spec->model.output].output.dims[0], 10);
    assert_int_equal(spec->train_rows, 359);
    job_spec_free(spec);
    facts_free(facts);
}

static int dense_layers(const struct job_spec *spec)
{
    int count = 0;
    for (int i = 0; i < spec->model.layer_count; i++)
        count += strcmp(spec->model.layers[i].op, "dense") == 0;
    return count;
}

static void test_deep_networks_differ_in_their_residual_connections(void **state)
{
    (void)state;
    struct dataset_facts *facts = facts_of_digits();
    struct job_spec *plain = load_example("deep-plain.json", facts);
    struct job_spec *residual = load_example("deep-residual.json", facts);
    assert_int_equal(dense_layers(plain), 100);
    assert_int_equal(dense_layers(residual), 100);
    assert_int_equal(plain->model.parameter_count, residual->model.parameter_count);
    assert_int_equal(plain->epochs, residual->epochs);
    assert_true(plain->seed == residual->seed);
    job_spec_free(plain);
    job_spec_free(residual);
    facts_free(facts);
}

static void test_fashion_is_the_784_256_128_10_network(void **state)
{
    (void)state;
    struct job_spec *spec = example("fashion-mlp.json", facts_of_images);
    assert_int_equal(spec->model.parameter_count, 235146);
    assert_string_equal(spec->optimizer.type, "adam");
    assert_int_equal(spec->batch_size, 128);
    assert_int_equal(spec->epochs, 10);
    assert_int_equal(spec->test_rows, 10000);
    job_spec_free(spec);
}

static void test_the_autoencoder_gives_back_its_784_pixels(void **state)
{
    (void)state;
    struct job_spec *spec = example("autoencoder.json", facts_of_images);
    assert_true(spec->features.reconstructs);
    assert_int_equal(spec->features.target_width, 784);
    assert_int_equal(spec->model.layers[spec->model.output].output.dims[0], 784);
    job_spec_free(spec);
}

/* Sizes as in the papers: LeCun et al. 1998 (with every map of the third layer connected
 * to all), He et al. 2016 for an image of one channel, with convolutions as projections.
 */
static void test_convolutional_networks_have_their_known_sizes(void **state)
{
    (void)state;
    struct job_spec *spec = example("lenet-5.json", facts_of_images);
    assert_int_equal(spec->model.parameter_count, 61706);
    job_spec_free(spec);
    spec = example("fashion-cnn.json", facts_of_images);
    assert_true(spec->epochs <= 10);
    assert_int_equal(spec->test_rows, 10000);
    job_spec_free(spec);
    spec = example("resnet-20.json", facts_of_images);
    int convolutions = 0, projections = 0;
    for (int i = 0; i < spec->model.layer_count; i++) {
        convolutions += strcmp(spec->model.layers[i].op, "conv2d") == 0;
        projections += spec->model.layers[i].is_projection;
    }
    assert_int_equal(convolutions - projections, 19);
    assert_int_equal(projections, 2);
    assert_int_equal(spec->model.parameter_count,
                     269722 - 2 * 9 * 16 + (16 + 1) * 32 + (32 + 1) * 64);
    job_spec_free(spec);
}

static void test_tables_choose_their_columns(void **state)
{
    (void)state;
    struct job_spec *spec = example("titanic.json", facts_of_titanic);
    assert_int_equal(spec->features.target_width, 2);
    assert_true(spec->test_rows > 891 / 6);
    job_spec_free(spec);

    spec =
        example("housing.json",
                "{'kind':'table','rows':{'train':20640},'columns':["
                "{'name':'longitude','type':'number','min':-124,'max':-114},"
                "{'name':'median_house_value','type':'number','min':14999,'max':500001,"
                "'mean':206855.8,'std':115395.6},"
                "{'name':'ocean_proximity','type':'category','values':['a','b']}]}");
    assert_int_equal(spec->loss.type, LOSS_MSE);
    assert_int_equal(spec->features.target_normalization, NORMALIZE_ZSCORE);
    job_spec_free(spec);

    spec = example("iris.json",
                   "{'kind':'table','rows':{'train':150},'columns':["
                   "{'name':'sepal_length','type':'number','min':4.3,'max':7.9},"
                   "{'name':'species','type':'category','values':['setosa','versicolor',"
                   "'virginica']}]}");
    assert_int_equal(spec->loss.type, LOSS_CROSS_ENTROPY);
    assert_int_equal(spec->features.target_width, 3);
    job_spec_free(spec);
}

static void test_xor_trains_on_all_of_its_four_rows(void **state)
{
    (void)state;
#define BIT(name_)                                                                       \
    "{'name':'" name_ "','type':'number','min':0,'max':1,'mean':0.5,'std':0.5,"          \
    "'integer':true,'values':['0','1']}"
    struct job_spec *spec =
        example("xor.json", "{'kind':'table','rows':{'train':4},'columns':[" BIT(
                                "a") "," BIT("b") "," BIT("xor") "]}");
    assert_int_equal(spec->train_rows, 4);
    assert_int_equal(spec->loss.type, LOSS_BINARY_CROSS_ENTROPY);
    assert_int_equal(spec->model.input.dims[0], 2);
    job_spec_free(spec);
}

/* As many characters as the collected works that such networks are shown by. */
static const char facts_of_plays[] =
    "{'kind':'text','rows':{'train':1115394},'text':{'characters':1115394,'lines':40000,"
    "'distinct_characters':5,'alphabet':'\\n ab\xc3\xb6'}}";

static void test_character_networks_answer_at_every_position(void **state)
{
    (void)state;
    struct job_spec *spec = example("char-transformer.json", facts_of_plays);
    assert_int_equal(spec->positions, 64);
    assert_int_equal(spec->steps_per_epoch * spec->epochs, 2000);
    assert_int_equal(spec->test_rows, 0);
    assert_int_equal(spec->validation_rows, 1742);
    job_spec_free(spec);
    spec = example("char-lstm.json", facts_of_plays);
    assert_int_equal(spec->positions, 64);
    job_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits_are_ten_classes_of_64_pixels),
        cmocka_unit_test(test_digits_as_images_are_augmented),
        cmocka_unit_test(test_deep_networks_differ_in_their_residual_connections),
        cmocka_unit_test(test_fashion_is_the_784_256_128_10_network),
        cmocka_unit_test(test_the_autoencoder_gives_back_its_784_pixels),
        cmocka_unit_test(test_convolutional_networks_have_their_known_sizes),
        cmocka_unit_test(test_tables_choose_their_columns),
        cmocka_unit_test(test_character_networks_answer_at_every_position),
        cmocka_unit_test(test_xor_trains_on_all_of_its_four_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
