#include "base/error.h"
#include "engine/crc32.h"
#include "engine/export.h"
#include "training_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPEC                                                                             \
    "{'model': {'layers': [{'type': 'dense', 'units': 3, 'name': 'first'},"              \
    " {'type': 'dropout', 'rate': 0.5}, {'type': 'dense', 'units': 'auto'}]}}"
#define METADATA "{\"spec\": \"{}\", \"preprocessing\": \"{\\\"a\\\":1}\"}"
#define FLOATS (3 * 4 + 3 + 2 * 3 + 2)

/* What the model above exports: names and shapes, in order. */
static const struct expected {
    const char *name, *npy_shape;
    int64_t dims[2];
    int rank;
    size_t first, count; /* floats */
} expected[] = {
    {"first.weight", "(3, 4)", {3, 4}, 2, 0, 12},
    {"first.bias", "(3,)", {3}, 1, 12, 3},
    {"layers.2.weight", "(2, 3)", {2, 3}, 2, 15, 6},
    {"layers.2.bias", "(2,)", {2}, 1, 21, 2},
};
#define TENSORS (sizeof expected / sizeof expected[0])

struct exported {
    struct training_data data;
    struct training_fixture fixture;
    float parameters[FLOATS];
    json_t *formats;
};

static int set_up(void **state)
{
    struct exported *exported = calloc(1, sizeof *exported);
    assert_non_null(exported);
    exported->data = made_up_data(20, 4, 2, 0);
    training_fixture_open_text(&exported->fixture, &exported->data, SPEC);
    for (int i = 0; i < FLOATS; i++)
        exported->parameters[i] = (float)i * 0.25f - 1;
    json_t *metadata = json_loads(METADATA, 0, NULL);
    struct error err = {0};
    assert_int_equal(export_formats(exported->fixture.spec,
                                    pipeline_preprocess(exported->fixture.pipeline),
                                    exported->parameters, sizeof exported->parameters,
                                    metadata, &exported->formats, &err),
                     0);
    json_decref(metadata);
    *state = exported;
    return 0;
}

static int tear_down(void **state)
{
    struct exported *exported = *state;
    json_decref(exported->formats);
    training_fixture_close(&exported->fixture);
    made_up_data_release(&exported->data);
    free(exported);
    return 0;
}

static unsigned hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, c);
    assert_true(c && at);
    return (unsigned)(at - digits);
}

/* The whole file of a format, as a server would send it. Freed by the caller. */
static unsigned char *assemble(const struct exported *exported, const char *format,
                               size_t *ret_bytes)
{
    const json_t *recipe = json_object_get(exported->formats, format);
    assert_non_null(recipe);
    size_t bytes = (size_t)json_integer_value(json_object_get(recipe, "bytes")), at = 0;
    unsigned char *file = calloc(bytes, 1);
    assert_non_null(file);
    size_t index;
    json_t *segment;
    json_array_foreach(json_object_get(recipe, "segments"), index, segment)
    {
        const char *hex = json_string_value(json_object_get(segment, "hex"));
        if (hex) {
            for (; *hex; hex += 2)
                file[at++] = (unsigned char)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
            continue;
        }
        size_t offset = (size_t)json_integer_value(json_object_get(segment, "offset"));
        size_t length = (size_t)json_integer_value(json_object_get(segment, "length"));
        assert_true(length > 0 && offset + length <= sizeof exported->parameters);
        memcpy(file + at, (const char *)exported->parameters + offset, length);
        at += length;
    }
    assert_int_equal(at, bytes);
    *ret_bytes = bytes;
    return file;
}

static uint64_t little_endian(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static void test_safetensors_holds_every_tensor_by_pytorchs_name(void **state)
{
    struct exported *exported = *state;
    size_t bytes;
    unsigned char *file = assemble(exported, "safetensors", &bytes);
    size_t header_bytes = (size_t)little_endian(file, 8);
    assert_int_equal(header_bytes % 8, 0);
    assert_int_equal(8 + header_bytes + sizeof exported->parameters, bytes);
    assert_int_equal(file[8], '{');
    json_t *header = json_loadb((const char *)file + 8, header_bytes, 0, NULL);
    assert_non_null(header);
    assert_int_equal(json_object_size(header), TENSORS + 1);

    for (size_t i = 0; i < TENSORS; i++) {
        const json_t *entry = json_object_get(header, expected[i].name);
        assert_non_null(entry);
        assert_string_equal(json_string_value(json_object_get(entry, "dtype")), "F32");
        const json_t *shape = json_object_get(entry, "shape");
        assert_int_equal(json_array_size(shape), expected[i].rank);
        for (int d = 0; d < expected[i].rank; d++)
            assert_int_equal(json_integer_value(json_array_get(shape, (size_t)d)),
                             expected[i].dims[d]);
        const json_t *offsets = json_object_get(entry, "data_offsets");
        assert_int_equal(json_integer_value(json_array_get(offsets, 0)),
                         expected[i].first * 4);
        assert_int_equal(json_integer_value(json_array_get(offsets, 1)),
                         (expected[i].first + expected[i].count) * 4);
    }
    assert_memory_equal(file + 8 + header_bytes, exported->parameters,
                        sizeof exported->parameters);
    json_decref(header);
    free(file);
}

static void test_safetensors_metadata_is_strings_with_the_format_first(void **state)
{
    struct exported *exported = *state;
    size_t bytes;
    unsigned char *file = assemble(exported, "safetensors", &bytes);
    json_t *header =
        json_loadb((const char *)file + 8, (size_t)little_endian(file, 8), 0, NULL);
    assert_non_null(header);
    assert_string_equal(json_object_iter_key(json_object_iter(header)), "__metadata__");
    const json_t *metadata = json_object_get(header, "__metadata__");
    assert_int_equal(json_object_size(metadata), 3);
    assert_string_equal(json_string_value(json_object_get(metadata, "format")), "pt");
    assert_string_equal(json_string_value(json_object_get(metadata, "spec")), "{}");
    assert_string_equal(json_string_value(json_object_get(metadata, "preprocessing")),
                        "{\"a\":1}");
    json_decref(header);
    free(file);
}

/* Checks the member whose central entry is at `central`; the next entry. */
static const unsigned char *check_member(const struct exported *exported,
                                         const unsigned char *file,
                                         const unsigned char *central,
                                         const struct expected *tensor)
{
    char name[64];
    snprintf(name, sizeof name, "%s.npy", tensor->name);
    size_t name_bytes = strlen(name);
    assert_int_equal(little_endian(central, 4), 0x02014b50);
    assert_int_equal(little_endian(central + 28, 2), name_bytes);
    assert_memory_equal(central + 46, name, name_bytes);

    const unsigned char *local = file + little_endian(central + 42, 4);
    assert_int_equal(little_endian(local, 4), 0x04034b50);
    /* Version needed, flags, method, time, date, CRC, sizes and lengths agree. */
    assert_memory_equal(local + 4, central + 6, 26);
    assert_memory_equal(local + 30, name, name_bytes);
    assert_int_equal(little_endian(local + 8, 2), 0); /* stored */
    size_t size = (size_t)little_endian(local + 22, 4);
    assert_int_equal(little_endian(local + 18, 4), size);

    const unsigned char *npy = local + 30 + name_bytes;
    struct crc32 crc;
    crc32_init(&crc);
    assert_int_equal(crc32_update(&crc, 0, npy, size), little_endian(local + 14, 4));
    assert_memory_equal(npy, "\x93NUMPY\x01\x00", 8);
    size_t header_bytes = 10 + (size_t)little_endian(npy + 8, 2);
    assert_int_equal(header_bytes % 64, 0);
    assert_int_equal(npy[header_bytes - 1], '\n');
    char header[256];
    int length = snprintf(header, sizeof header,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
                          tensor->npy_shape);
    assert_memory_equal(npy + 10, header, (size_t)length);
    assert_int_equal(size, header_bytes + tensor->count * 4);
    assert_memory_equal(npy + header_bytes, exported->parameters + tensor->first,
                        tensor->count * 4);
    return central + 46 + name_bytes;
}

static void test_npz_is_a_stored_zip_of_npy_members(void **state)
{
    struct exported *exported = *state;
    size_t bytes;
    unsigned char *file = assemble(exported, "npz", &bytes);
    const unsigned char *end = file + bytes - 22;
    assert_int_equal(little_endian(end, 4), 0x06054b50);
    assert_int_equal(little_endian(end + 8, 2), TENSORS);
    assert_int_equal(little_endian(end + 10, 2), TENSORS);
    const unsigned char *central = file + little_endian(end + 16, 4);
    assert_ptr_equal(central + little_endian(end + 12, 4), end);
    for (size_t i = 0; i < TENSORS; i++)
        central = check_member(exported, file, central, &expected[i]);
    assert_ptr_equal(central, end);
    free(file);
}

static void test_same_weights_give_the_same_files(void **state)
{
    struct exported *exported = *state;
    json_t *again = NULL, *metadata = json_loads(METADATA, 0, NULL);
    assert_int_equal(export_formats(exported->fixture.spec,
                                    pipeline_preprocess(exported->fixture.pipeline),
                                    exported->parameters, sizeof exported->parameters,
                                    metadata, &again, NULL),
                     0);
    assert_true(json_equal(again, exported->formats));
    json_decref(again);
    json_decref(metadata);
}

static void test_parameters_of_another_size_are_corrupt(void **state)
{
    struct exported *exported = *state;
    json_t *formats = NULL, *metadata = json_object();
    struct error err = {0};
    assert_int_equal(export_formats(exported->fixture.spec,
                                    pipeline_preprocess(exported->fixture.pipeline),
                                    exported->parameters, sizeof exported->parameters - 4,
                                    metadata, &formats, &err),
                     ERR_CORRUPT);
    assert_null(formats);
    assert_non_null(strstr(err.text, "92"));
    assert_non_null(strstr(err.text, "88"));
    json_decref(metadata);
}

static void test_a_caller_without_error_text_is_served(void **state)
{
    struct exported *exported = *state;
    json_t *formats = NULL, *metadata = json_object();
    assert_int_equal(export_formats(exported->fixture.spec,
                                    pipeline_preprocess(exported->fixture.pipeline),
                                    exported->parameters, 0, metadata, &formats, NULL),
                     ERR_CORRUPT);
    json_decref(metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors_holds_every_tensor_by_pytorchs_name),
        cmocka_unit_test(test_safetensors_metadata_is_strings_with_the_format_first),
        cmocka_unit_test(test_npz_is_a_stored_zip_of_npy_members),
        cmocka_unit_test(test_same_weights_give_the_same_files),
        cmocka_unit_test(test_parameters_of_another_size_are_corrupt),
        cmocka_unit_test(test_a_caller_without_error_text_is_served),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
