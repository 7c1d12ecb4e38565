/* lstm and gru in the spec: shapes, tensors, first values, bounds. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIGNALS(layers)                                                                  \
    "{'dataset':'d','model':{'layers':[" layers ",{'type':'dense','units':'auto'}]}}"
#define TALL                                                                             \
    "{'kind':'arrays','rows':{'train':9},'element':'uint8','sample_shape':[65536,2],"    \
    "'columns':[{'name':'label','type':'number','integer':true,'values':['0','1']}]}"

static void expect_tensor(const struct param_spec *param, const char *name, int64_t rows,
                          int64_t columns)
{
    assert_string_equal(param->name, name);
    assert_int_equal(param->shape.rank, columns > 0 ? 2 : 1);
    assert_int_equal(param->shape.dims[0], rows);
    if (columns > 0)
        assert_int_equal(param->shape.dims[1], columns);
    assert_true(param->trainable);
    assert_int_equal(param->decays, columns > 0);
}

static void test_recurrent_layers_have_pytorchs_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t gates;
    } rows[] = {{"lstm", 4}, {"gru", 3}};
    for (size_t i = 0; i < 2; i++) {
        char job[512];
        snprintf(job, sizeof(job),
                 SIGNALS("{'type':'%s','units':5,'return_sequences':true},"
                         "{'type':'%s','units':6}"),
                 rows[i].type, rows[i].type);
        struct job_spec *spec = sample_spec(job, facts_of_signals);
        const struct layer *first = &spec->model.layers[0];
        int64_t out = rows[i].gates * 5;
        assert_int_equal(first->param_count, 4);
        expect_tensor(&first->params[0], "weight_ih_l0", out, 4);
        expect_tensor(&first->params[1], "weight_hh_l0", out, 5);
        expect_tensor(&first->params[2], "bias_ih_l0", out, 0);
        expect_tensor(&first->params[3], "bias_hh_l0", out, 0);
        assert_int_equal(first->output.rank, 2);
        assert_int_equal(first->output.dims[0], 16);
        assert_int_equal(first->output.dims[1], 5);
        assert_int_equal(first->kept, 16 * 6 * 5);
        const struct layer *second = &spec->model.layers[1];
        assert_int_equal(second->output.rank, 1);
        assert_int_equal(second->output.dims[0], 6);
        assert_true(second->flops > 2 * 16 * rows[i].gates * 6 * (5 + 6));
        job_spec_free(spec);
    }
}

static void test_defaults_are_kerass(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(SIGNALS("{'type':'lstm','units':2,'return_sequences':true},"
                            "{'type':'gru','units':2}"),
                    facts_of_signals);
    assert_canonical(spec, "model/layers/0/bias_initializer", "'unit_forget'");
    assert_canonical(spec, "model/layers/1/bias_initializer", "'zeros'");
    assert_canonical(spec, "model/layers/1/return_sequences", "false");
    assert_canonical(spec, "model/layers/1/recurrent_initializer", "'orthogonal'");
    assert_canonical(spec, "model/layers/1/truncate", "0");
    const struct param_spec *params = spec->model.layers[0].params;
    assert_int_equal(params[0].initializer, INIT_UNIFORM);
    assert_true(fabs(params[0].scale - sqrt(6.0 / (4 + 8))) < 1e-12);
    assert_int_equal(params[1].initializer, INIT_ORTHOGONAL);
    assert_int_equal(params[2].initializer, INIT_FORGET);
    assert_int_equal(params[3].initializer, INIT_ZEROS);
    assert_int_equal(spec->model.layers[1].params[2].initializer, INIT_ZEROS);
    job_spec_free(spec);
}

static void test_pytorchs_values_depend_on_the_units_alone(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(SIGNALS("{'type':'lstm','units':9,'kernel_initializer':'pytorch',"
                            "'recurrent_initializer':'pytorch'}"),
                    facts_of_signals);
    for (int p = 0; p < 4; p++) {
        assert_int_equal(spec->model.layers[0].params[p].initializer, INIT_UNIFORM);
        assert_true(fabs(spec->model.layers[0].params[p].scale - 1.0 / 3) < 1e-12);
    }
    job_spec_free(spec);
}

static void test_a_layer_without_biases_has_two_tensors(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        SIGNALS("{'type':'gru','units':3,'use_bias':false,'l2':0.5}"), facts_of_signals);
    assert_int_equal(spec->model.layers[0].param_count, 2);
    assert_true(spec->model.layers[0].l2 == 0.5);
    job_spec_free(spec);
}

static void test_what_does_not_fit_is_pointed_at(void **state)
{
    (void)state;
    assert_violation(SIGNALS("{'type':'flatten'},{'type':'lstm','units':2}"),
                     facts_of_signals, "/model/layers/1",
                     "expected an input of the shape [steps, features], as a reshape "
                     "layer may make it, found [64]");
    assert_violation(SIGNALS("{'type':'lstm','units':2},{'type':'gru','units':2}"),
                     facts_of_signals, "/model/layers/1", "found [2]");
    assert_violation(SIGNALS("{'type':'lstm','units':2,'truncate':-1}"), facts_of_signals,
                     "/model/layers/0/truncate", "found -1");
    assert_violation(SIGNALS("{'type':'gru','units':2,'bias_initializer':'unit_forget'}"),
                     facts_of_signals, "/model/layers/0/bias_initializer", "found");
    assert_violation(SIGNALS("{'type':'lstm','units':65536}"), facts_of_signals,
                     "/model/layers/0", "expected at most 1000000000 parameters");
    assert_violation(SIGNALS("{'type':'lstm','units':1000}"), TALL, "/model/layers/0",
                     "numbers to keep of a sample, found 65536 steps of 6000");
    assert_violation(SIGNALS("{'type':'lstm','units':3000}"), facts_of_signals,
                     "/model/layers/0",
                     "in a matrix to be made orthogonal whose shorter "
                     "side is 3000, found 36000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent_layers_have_pytorchs_tensors),
        cmocka_unit_test(test_defaults_are_kerass),
        cmocka_unit_test(test_pytorchs_values_depend_on_the_units_alone),
        cmocka_unit_test(test_a_layer_without_biases_has_two_tensors),
        cmocka_unit_test(test_what_does_not_fit_is_pointed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
