/* Layers with windows: shapes, parameters, costs, and what is said of those that do not
 * fit. Sizes are PyTorch's, those of "same" TensorFlow's. */
#include "sample_facts.h"
#include "spec/layer_conv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define JOB(shape, layer)                                                                \
    "{'dataset':'ds_1','model':{'layers':[{'type':'reshape','shape':" shape "}," layer   \
    ",{'type':'flatten'},{'type':'dense','units':'auto'}]}}"
#define CONV "'type':'conv2d','filters':8,'kernel_size':"

static struct job_spec *spec_of(const char *shape, const char *layer)
{
    char job[512];
    snprintf(job, sizeof(job), JOB("%s", "{%s}"), shape, layer);
    return sample_spec(job, facts_of_images);
}

/* The images of the facts are 28 x 28: 784 numbers. */
static void test_outputs_have_the_sizes_of_pytorch(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *layer, *output;
    } rows[] = {
        {"[28,28]", CONV "5", "[24, 24, 8]"},
        {"[28,28,1]", CONV "5", "[24, 24, 8]"},
        {"[28,28]", CONV "5,'padding':'same'", "[28, 28, 8]"},
        {"[28,28]", CONV "5,'padding':'valid','strides':2", "[12, 12, 8]"},
        {"[28,28]", CONV "3,'padding':'same','strides':2", "[14, 14, 8]"},
        {"[28,28]", CONV "3,'padding':'same','strides':[3,5]", "[10, 6, 8]"},
        {"[28,28]", CONV "3,'padding':1,'strides':2", "[14, 14, 8]"},
        {"[28,28]", CONV "[3,5],'padding':[2,0]", "[30, 24, 8]"},
        {"[28,28]", CONV "3,'dilation_rate':4", "[20, 20, 8]"},
        {"[28,28]", CONV "4,'dilation_rate':3,'padding':'same'", "[28, 28, 8]"},
        {"[7,7,16]", CONV "7", "[1, 1, 8]"},
        {"[7,7,16]", CONV "1,'strides':2,'groups':8", "[4, 4, 8]"},
        {"[98,8]", "'type':'conv1d','filters':6,'kernel_size':[3]", "[96, 6]"},
        {"[784]", "'type':'conv1d','filters':6,'kernel_size':8,'strides':4", "[195, 6]"},
        {"[28,28]", "'type':'max_pool2d'", "[14, 14, 1]"},
        {"[7,7,16]", "'type':'max_pool2d'", "[3, 3, 16]"},
        {"[7,7,16]", "'type':'max_pool2d','padding':'same'", "[4, 4, 16]"},
        {"[28,28]", "'type':'average_pool2d','pool_size':3,'strides':2,'padding':1",
         "[14, 14, 1]"},
        {"[98,8]", "'type':'max_pool1d','pool_size':3", "[32, 8]"},
        {"[98,8]", "'type':'average_pool1d','strides':1", "[97, 8]"},
        {"[7,7,16]", "'type':'global_average_pool2d'", "[16]"},
        {"[98,8]", "'type':'global_average_pool1d'", "[8]"},
        {"[7,7,16]", "'type':'upsample2d','size':[2,3]", "[14, 21, 16]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = spec_of(rows[i].shape, rows[i].layer);
        char text[SHAPE_TEXT_SIZE];
        assert_string_equal(shape_format(&spec->model.layers[1].output, text),
                            rows[i].output);
        job_spec_free(spec);
    }
}

static void test_padding_of_same_comes_after_where_it_is_odd(void **state)
{
    (void)state;
    struct job_spec *spec = spec_of("[28,28]", CONV "[4,3],'padding':'same','strides':2");
    struct window window =
        window_of(&conv2d_window, &spec->model.layers[0].output, &spec->model.layers[1]);
    assert_int_equal(window.rows.before, 1);
    assert_int_equal(window.rows.after, 1);
    assert_int_equal(window.columns.before, 0);
    assert_int_equal(window.columns.after, 1);
    job_spec_free(spec);
}

static void test_a_convolution_has_the_parameters_of_pytorch(void **state)
{
    (void)state;
    struct job_spec *spec =
        spec_of("[14,14,4]", CONV "[3,5],'groups':2,'padding':'same','l2':0.5,"
                                  "'kernel_initializer':'he_normal'");
    const struct layer *layer = &spec->model.layers[1];
    assert_int_equal(layer->param_count, 2);
    const struct param_spec *weight = &layer->params[0];
    assert_string_equal(weight->name, "weight");
    assert_true(shape_equal(&weight->shape, &(struct shape){4, {8, 2, 3, 5}}));
    assert_true(weight->decays && weight->trainable);
    assert_true(fabs(weight->scale - sqrt(2.0 / (2 * 3 * 5))) < 1e-15);
    assert_true(shape_equal(&layer->params[1].shape, &(struct shape){1, {8}}));
    assert_true(layer->l2 == 0.5);
    assert_int_equal(layer->flops, 14 * 14 * 8 * (2 * 2 * 3 * 5 + 1));
    assert_canonical(spec, "model/layers/1/strides", "[1,1]");
    assert_canonical(spec, "model/layers/1/padding", "'same'");
    assert_canonical(spec, "model/layers/1/dilation_rate", "[1,1]");
    job_spec_free(spec);
    spec = spec_of("[98,8]", "'type':'conv1d','filters':6,'kernel_size':3,"
                             "'use_bias':false,'activation':'relu'");
    layer = &spec->model.layers[1];
    assert_int_equal(layer->param_count, 1);
    assert_true(shape_equal(&layer->params[0].shape, &(struct shape){3, {6, 8, 3}}));
    assert_string_equal(spec->model.layers[2].op, "relu");
    job_spec_free(spec);
}

/* PyTorch's images are [channels, height, width], and so are the weights behind them. */
static void test_flatten_behind_a_convolution_puts_the_channels_first(void **state)
{
    (void)state;
    struct job_spec *spec = spec_of("[28,28]", CONV "3,'activation':'relu'");
    assert_false(spec->model.layers[0].channels_first);
    assert_string_equal(spec->model.layers[3].op, "flatten");
    assert_true(spec->model.layers[3].channels_first);
    job_spec_free(spec);
    spec = spec_of("[7,7,16]", "'type':'relu'");
    assert_false(spec->model.layers[2].channels_first);
    job_spec_free(spec);
}

/* What a residual block needs to add its input to smaller images with more channels. */
static void test_a_block_projects_images_by_a_strided_convolution(void **state)
{
    (void)state;
    struct job_spec *spec =
        spec_of("[7,7,16]", "'type':'residual','name':'r','layers':[{'type':'conv2d',"
                            "'filters':32,'kernel_size':3,'padding':1,'strides':2}]");
    const struct layer *projection = &spec->model.layers[2];
    assert_string_equal(projection->name, "r.projection");
    assert_string_equal(projection->op, "conv2d");
    assert_true(shape_equal(&projection->output, &(struct shape){3, {4, 4, 32}}));
    assert_true(
        shape_equal(&projection->params[0].shape, &(struct shape){4, {32, 16, 1, 1}}));
    job_spec_free(spec);
    spec = spec_of("[98,8]", "'type':'residual','layers':[{'type':'max_pool1d'}]");
    projection = &spec->model.layers[2];
    assert_string_equal(projection->op, "conv1d");
    assert_true(shape_equal(&projection->params[0].shape, &(struct shape){3, {8, 8, 1}}));
    job_spec_free(spec);
    char job[512];
    snprintf(
        job, sizeof(job), JOB("[7,7,16]", "{%s}"),
        "'type':'residual','layers':[{'type':'conv2d','filters':16,'kernel_size':3}]");
    assert_violation(job, facts_of_images, "/model/layers/1",
                     "every n-th position of an image or a sequence, found [5, 5, 16]");
}

static void test_windows_that_do_not_fit_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *layer, *key, *phrase;
    } rows[] = {
        {"[784]", CONV "3", "", "[height, width, channels] or [height, width]"},
        {"[7,7,4,4]", CONV "3", "", "found [7, 7, 4, 4]"},
        {"[7,7,16]", "'type':'conv1d','filters':1,'kernel_size':1", "",
         "[length, channels] or [length], found [7, 7, 16]"},
        {"[28,28]", CONV "[3,29]", "", "whose width is at least 29"},
        {"[28,28]", CONV "9,'dilation_rate':4", "", "whose height is at least 33"},
        {"[28,28]", CONV "3,'padding':3", "/padding", "at most 2, because the window"},
        {"[28,28]", CONV "3,'padding':'sane'", "/padding",
         "or a list of 2 integers, from 0 to 4096 or \"valid\" or \"same\", found "
         "\"sane\""},
        {"[28,28]", CONV "3,'padding':[1,1,1]", "/padding", "found [1"},
        {"[28,28]", CONV "0", "/kernel_size", "from 1 to 4096"},
        {"[28,28]", CONV "'3'", "/kernel_size", "found \"3\""},
        {"[28,28]", CONV "3,'strides':0", "/strides", "found 0"},
        {"[7,7,16]", CONV "3,'groups':3", "/groups", "divisor of the 16 channels"},
        {"[7,7,16]", CONV "3,'groups':16", "/groups", "of the 8 filters, found 16"},
        {"[7,7,16]", "'type':'max_pool2d','padding':2", "/padding", "at most 1"},
        {"[7,7,16]", "'type':'average_pool2d','pool_size':8", "", "at least 8"},
        {"[7,7,16]", "'type':'global_average_pool1d'", "", "[length, channels]"},
        {"[784]", "'type':'upsample2d'", "", "[height, width, channels]"},
        {"[28,28]", "'type':'upsample2d','size':4096", "", "at most 268435456 numbers"},
        {"[7,7,16]", "'type':'group_norm','groups':3", "/groups", "16 units, found 3"},
        {"[28,28]", "'type':'conv2d','kernel_size':3", "/filters", "found nothing"},
        {"[1,1,784]", "'type':'conv2d','filters':65536,'kernel_size':9,'padding':8", "",
         "at most 1000000000 parameters, found 65536 filters that see 784 channels at "
         "81"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512], pointer[64];
        snprintf(job, sizeof(job), JOB("%s", "{%s}"), rows[i].shape, rows[i].layer);
        snprintf(pointer, sizeof(pointer), "/model/layers/1%s", rows[i].key);
        assert_violation(job, facts_of_images, pointer, rows[i].phrase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs_have_the_sizes_of_pytorch),
        cmocka_unit_test(test_padding_of_same_comes_after_where_it_is_odd),
        cmocka_unit_test(test_a_convolution_has_the_parameters_of_pytorch),
        cmocka_unit_test(test_flatten_behind_a_convolution_puts_the_channels_first),
        cmocka_unit_test(test_a_block_projects_images_by_a_strided_convolution),
        cmocka_unit_test(test_windows_that_do_not_fit_are_pointed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
