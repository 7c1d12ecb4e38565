/* Transformer blocks: what they are short for; weights that layers share. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Samples [16, 4]. */
#define SIGNALS(layers_) "{'dataset':'ds_1','model':{'layers':[" layers_ "]}}"
#define LAST ",{'type':'flatten'},{'type':'dense','units':'auto'}"

/* The entries as "name op [shape] parameters <- inputs", one a line, up to the block's
 * last one. */
static void assert_entries(const char *job, int count, const char *const *expected)
{
    struct job_spec *spec = sample_spec(job, facts_of_signals);
    const struct model_spec *model = &spec->model;
    assert_int_equal(model->layer_count, count + 2);
    for (int i = 0; i < count; i++) {
        const struct layer *layer = &model->layers[i];
        char shape[SHAPE_TEXT_SIZE], text[1024];
        int length = snprintf(text, sizeof(text), "%s %s %s <-", layer->name, layer->op,
                              shape_format(&layer->output, shape));
        for (int k = 0; k < layer->input_count; k++) {
            int input = layer->inputs[k];
            length +=
                snprintf(text + length, sizeof(text) - (size_t)length, " %s",
                         input == MODEL_INPUT ? "input" : model->layers[input].name);
        }
        assert_string_equal(text, expected[i]);
        assert_string_equal(layer->pointer, "/model/layers/0");
    }
    job_spec_free(spec);
}

static void test_a_block_has_the_parts_of_an_encoder_layer(void **state)
{
    (void)state;
    static const char *const first[] = {
        "b.norm1 layer_norm [16, 4] <- input",
        "b.self_attn multi_head_attention [16, 4] <- b.norm1",
        "b.dropout1 dropout [16, 4] <- b.self_attn",
        "b.attention add [16, 4] <- b.dropout1 input",
        "b.norm2 layer_norm [16, 4] <- b.attention",
        "b.linear1 dense [16, 16] <- b.norm2",
        "b.linear1.activation gelu [16, 16] <- b.linear1",
        "b.dropout dropout [16, 16] <- b.linear1.activation",
        "b.linear2 dense [16, 4] <- b.dropout",
        "b.dropout2 dropout [16, 4] <- b.linear2",
        "b.feed_forward add [16, 4] <- b.dropout2 b.attention",
    };
    assert_entries(SIGNALS("{'type':'transformer_block','name':'b','num_heads':2,"
                           "'dropout':0.1}" LAST),
                   11, first);
    static const char *const last[] = {
        "layers.0.self_attn multi_head_attention [16, 4] <- input",
        "layers.0.attention add [16, 4] <- layers.0.self_attn input",
        "layers.0.norm1 layer_norm [16, 4] <- layers.0.attention",
        "layers.0.linear1 dense [16, 7] <- layers.0.norm1",
        "layers.0.linear1.activation relu [16, 7] <- layers.0.linear1",
        "layers.0.linear2 dense [16, 4] <- layers.0.linear1.activation",
        "layers.0.feed_forward add [16, 4] <- layers.0.linear2 layers.0.norm1",
        "layers.0.norm2 layer_norm [16, 4] <- layers.0.feed_forward",
    };
    assert_entries(SIGNALS("{'type':'transformer_block','num_heads':1,'norm_first':false,"
                           "'feed_forward_dim':7,'activation':'relu'}" LAST),
                   8, last);
}

static void test_attention_has_pytorchs_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t rows, columns;
    } tensors[] = {{"in_proj_weight", 18, 4},
                   {"in_proj_bias", 18, 0},
                   {"out_proj.weight", 4, 6},
                   {"out_proj.bias", 4, 0}};
    struct job_spec *spec = sample_spec(
        SIGNALS("{'type':'multi_head_attention','num_heads':2,'key_dim':3}" LAST),
        facts_of_signals);
    const struct layer *layer = &spec->model.layers[0];
    assert_int_equal(layer->param_count, 4);
    for (int p = 0; p < 4; p++) {
        const struct param_spec *param = &layer->params[p];
        assert_string_equal(param->name, tensors[p].name);
        assert_int_equal(param->shape.dims[0], tensors[p].rows);
        assert_int_equal(param->shape.dims[1], tensors[p].columns);
        assert_int_equal(param->decays, p % 2 == 0);
    }
    job_spec_free(spec);
}

static void test_the_canonical_spec_keeps_what_was_written(void **state)
{
    (void)state;
    const char *job = SIGNALS("{'type':'transformer_block','num_heads':2}"
                              ",{'type':'relu','inputs':['layers.0']}" LAST);
    struct job_spec *spec = sample_spec(job, facts_of_signals);
    char *first = sample_canonical(spec, "model"), again[4096];
    assert_canonical(spec, "model/layers/0",
                     "{'type':'transformer_block','num_heads':2,'causal':false,"
                     "'feed_forward_dim':'auto','activation':'gelu','norm_first':true,"
                     "'use_bias':true,'dropout':0,'epsilon':1e-5,"
                     "'kernel_initializer':'glorot_uniform'}");
    int layers = spec->model.layer_count;
    job_spec_free(spec);
    snprintf(again, sizeof(again), "{'dataset':'ds_1','model':%s}", first);
    spec = sample_spec(again, facts_of_signals);
    assert_canonical(spec, "model", first);
    assert_int_equal(spec->model.layer_count, layers);
    job_spec_free(spec);
    free(first);
}

static void test_what_does_not_fit_is_said_at_the_block(void **state)
{
    (void)state;
    static const struct {
        const char *job, *pointer, *phrase;
    } rows[] = {
        {SIGNALS("{'type':'transformer_block'}" LAST), "/model/layers/0/num_heads",
         "found nothing"},
        {SIGNALS("{'type':'transformer_block','num_heads':3}" LAST),
         "/model/layers/0/num_heads", "a divisor of the input's 4 units"},
        {SIGNALS("{'type':'flatten'},{'type':'transformer_block','num_heads':1}" LAST),
         "/model/layers/1", "[positions, units], found [64]"},
        {SIGNALS("{'type':'transformer_block','num_heads':1,'widening':2}" LAST),
         "/model/layers/0/widening", ""},
        {SIGNALS("{'type':'transformer_block','num_heads':1,'layers':[]}" LAST),
         "/model/layers/0/layers", ""},
        {SIGNALS("{'type':'dense','units':'auto','widening':2}"),
         "/model/layers/0/widening", ""},
        {SIGNALS("{'type':'relu'},{'type':'dense','units':65536},"
                 "{'type':'transformer_block','num_heads':1}" LAST),
         "/model/layers/2", "found 65536 for inputs of 65536 units"},
        {SIGNALS("{'type':'relu'},{'type':'dense','units':40000},"
                 "{'type':'multi_head_attention','num_heads':2,'key_dim':40000}" LAST),
         "/model/layers/2", "\"num_heads\" times \"key_dim\""},
        {SIGNALS("{'type':'relu','name':'b.norm1'},"
                 "{'type':'transformer_block','num_heads':1,'name':'b'}" LAST),
         "/model/layers/1/name", "found \"b.norm1\""},
        {SIGNALS("{'type':'relu','name':'b'},"
                 "{'type':'transformer_block','num_heads':1,'name':'b'}" LAST),
         "/model/layers/1/name", "found \"b\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_violation(rows[i].job, facts_of_signals, rows[i].pointer, rows[i].phrase);
}

static void test_shared_weights_are_counted_once(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        SIGNALS("{'type':'relu'},{'type':'dense','units':4,'name':'a'},"
                "{'type':'residual','layers':[{'type':'relu'}]},"
                "{'type':'dense','units':4,'name':'b','shared_weights':'a'},"
                "{'type':'dense','units':4,'shared_weights':'b','use_bias':false}" LAST),
        facts_of_signals);
    const struct model_spec *model = &spec->model;
    assert_int_equal(model->parameter_count, 16 + 4 + 4 + 3 * 64 + 3);
    assert_canonical(spec, "model/layers/3/shared_weights", "'a'");
    assert_string_equal(model->layers[4].name, "b");
    assert_true(model->layers[4].shares && model->layers[4].owner == 1);
    assert_true(model->layers[5].shares && model->layers[5].owner == 1);
    assert_true(model->layers[4].params[0].shared && !model->layers[1].params[0].shared);
    job_spec_free(spec);
}

static void test_weights_that_cannot_be_shared_are_violations(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *pointer, *phrase;
    } rows[] = {
        {"{'type':'dense','units':4,'shared_weights':'x'}",
         "/model/layers/1/shared_weights", "comes before this one, found \"x\""},
        {"{'type':'dense','units':4,'shared_weights':7}",
         "/model/layers/1/shared_weights", "found 7"},
        {"{'type':'dense','units':4,'name':'x','shared_weights':'x'}",
         "/model/layers/1/shared_weights", "found \"x\""},
        {"{'type':'dense','units':4,'shared_weights':'layers.0'}",
         "/model/layers/1/shared_weights", "\"layers.0\", which is none"},
        {"{'type':'layer_norm','name':'n'},{'type':'dense','units':4,'shared_weights':'n'"
         "}",
         "/model/layers/2/shared_weights", "\"n\", which is none"},
        {"{'type':'dense','units':5,'name':'a'},{'type':'dense','units':4,"
         "'shared_weights':'a'}",
         "/model/layers/2/shared_weights", "the shape [4, 5], as this one's, found"},
        {"{'type':'dense','units':4,'name':'a'},{'type':'dense','units':4,'l2':0.1,"
         "'shared_weights':'a'}",
         "/model/layers/2/l2", "the weight is that of \"a\", found 0.1"},
        {"{'type':'layer_norm','shared_weights':'a'}", "/model/layers/1/shared_weights",
         ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), SIGNALS("{'type':'relu'},%s" LAST), rows[i].layers);
        assert_violation(job, facts_of_signals, rows[i].pointer, rows[i].phrase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_has_the_parts_of_an_encoder_layer),
        cmocka_unit_test(test_attention_has_pytorchs_tensors),
        cmocka_unit_test(test_the_canonical_spec_keeps_what_was_written),
        cmocka_unit_test(test_shared_weights_are_counted_once),
        cmocka_unit_test(test_weights_that_cannot_be_shared_are_violations),
        cmocka_unit_test(test_what_does_not_fit_is_said_at_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
