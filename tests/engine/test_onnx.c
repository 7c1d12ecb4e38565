/*
 * What ONNX files are made of. Whether a file means what it should is tested on whole
 * models, by an independent reader, in tests/end_to_end/test_onnx.py.
 */
#include "engine/onnx.h"
#include "engine/onnx_ops.h"
#include "engine/op.h"
#include "engine/protobuf.h"
#include "training_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_activation(const char *name)
{
    for (int i = 0; activation_names[i]; i++) {
        if (strcmp(activation_names[i], name) == 0)
            return true;
    }
    return false;
}

/* An activation is added in two tables and its own file, so it may lack one. */
static void test_every_layer_has_an_onnx_form(void **state)
{
    (void)state;
    for (size_t i = 0; op_at(i); i++) {
        if (!onnx_op_find(op_at(i)->name) && !is_activation(op_at(i)->name))
            fail_msg("onnx_ops.c has no row for the op %s", op_at(i)->name);
    }
    assert_null(onnx_op_find("no_such_op"));
}

/* Values of protobuf.dev's page on the encoding, and the longest varint. */
static void test_fields_are_encoded_as_the_specification_shows(void **state)
{
    (void)state;
    struct buffer out, inner;
    buffer_init(&out, 1024);
    buffer_init(&inner, 1024);
    protobuf_integer(&out, 1, 150);
    protobuf_string(&out, 2, "testing");
    protobuf_integer(&inner, 1, 150);
    protobuf_message(&out, 3, &inner);
    protobuf_integer(&out, 4, -2);
    protobuf_float(&out, 5, 1.5F);
    protobuf_prefix(&out, 16, 300);
    static const unsigned char expected[] = {
        0x08, 0x96, 0x01,                                                 /* 150 */
        0x12, 0x07, 't',  'e',  's',  't',  'i',  'n',  'g',              /* testing */
        0x1a, 0x03, 0x08, 0x96, 0x01,                                     /* {150} */
        0x20, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* -2 */
        0x2d, 0x00, 0x00, 0xc0, 0x3f,                                     /* 1.5 */
        0x82, 0x01, 0xac, 0x02, /* field 16, 300 bytes to come */
    };
    assert_int_equal(buffer_status(&out), 0);
    assert_int_equal(out.length, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
    buffer_release(&out);
    buffer_release(&inner);
}

static void test_a_model_that_onnx_cannot_say_is_unavailable(void **state)
{
    (void)state;
    struct training_data data = made_up_data(20, 4, 2, 0);
    struct training_fixture fixture;
    training_fixture_open_text(
        &fixture, &data, "{'model': {'layers': [{'type': 'dense', 'units': 'auto'}]}}");
    const char *op = fixture.spec->model.layers[0].op;
    fixture.spec->model.layers[0].op = "no_such_op";
    json_t *metadata = json_object();
    json_t *format = onnx_format(fixture.spec, pipeline_preprocess(fixture.pipeline),
                                 NULL, 0, metadata);
    fixture.spec->model.layers[0].op = op;
    const char *why = json_string_value(json_object_get(format, "unavailable"));
    assert_non_null(why);
    assert_non_null(strstr(why, "no_such_op"));
    json_decref(format);
    json_decref(metadata);
    training_fixture_close(&fixture);
    made_up_data_release(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_has_an_onnx_form),
        cmocka_unit_test(test_fields_are_encoded_as_the_specification_shows),
        cmocka_unit_test(test_a_model_that_onnx_cannot_say_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
