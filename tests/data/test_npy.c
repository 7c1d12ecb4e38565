/* NPY files: versions, types and their conversion, and heads that are no head. */
#include "array_fixture.h"
#include "byte_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int open_dictionary(const char *dictionary, const void *data, size_t length,
                           struct array_stream **ret_stream, struct error *err)
{
    int fd = fixture_npy(1, dictionary, data, length);
    int rc = fixture_open_stream(fd, (uint64_t)1 << 30, ret_stream, err);
    close(fd);
    return rc;
}

static void test_every_version_is_read(void **state)
{
    (void)state;
    static const float data[6] = {1, 2, 3, 4, 5, 6.5F};
    for (int major = 1; major <= 3; major++) {
        float elements[6];
        struct error err = {0};
        int fd = fixture_npy(
            major, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n",
            data, sizeof(data));
        assert_int_equal(fixture_read_stream(fd, elements, 6, &err), 0);
        assert_memory_equal(elements, data, sizeof(data));
        close(fd);
    }
}

static void test_the_dictionary_may_be_written_in_other_ways(void **state)
{
    (void)state;
    static const char *const dictionaries[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)}",
        "{'shape': (2, 3,), 'descr': '<u1', 'fortran_order': False}\n",
        "{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":(2,3)}",
        "  {'fortran_order': False, 'shape': ( 2 , 3 ), 'descr': '|u1', }",
        "{'descr': '|u1', 'fortran_order': True, 'shape': (6,), }",
    };
    for (size_t i = 0; i < sizeof(dictionaries) / sizeof(dictionaries[0]); i++) {
        struct array_stream *stream = NULL;
        struct error err = {0};
        if (open_dictionary(dictionaries[i], "abcdef", 6, &stream, &err) != 0)
            fail_msg("%s: %s", dictionaries[i], err.text);
        assert_int_equal(array_stream_header(stream)->data_bytes, 6);
        array_stream_close(stream);
    }
}

static void test_types_become_those_of_dataset_files(void **state)
{
    (void)state;
    static const int32_t minus_two_and_five[] = {-2, 5};
    static const int32_t five_and_big[] = {5, 65534};
    static const double doubles[] = {1.5, -0.25};
    static const float halves[] = {1.5F, -0.000060975552F};
    static const struct {
        const char *type;
        const char *bytes;
        size_t size;
        enum element_type element;
        const void *expected;
    } types[] = {
        {"|b1", "\0\1", 1, ELEMENT_UINT8, "\0\1"},
        {"|i1", "\xfe\5", 1, ELEMENT_INT8, "\xfe\5"},
        {"<i2", "\xfe\xff\5\0", 2, ELEMENT_INT16, "\xfe\xff\5\0"},
        {">i2", "\xff\xfe\0\5", 2, ELEMENT_INT16, "\xfe\xff\5\0"},
        {"<u2", "\5\0\xfe\xff", 2, ELEMENT_INT32, five_and_big},
        {"<i4", "\xfe\xff\xff\xff\5\0\0\0", 4, ELEMENT_INT32, minus_two_and_five},
        {">u4", "\0\0\0\5\0\0\xff\xfe", 4, ELEMENT_INT32, five_and_big},
        {"<i8", "\xfe\xff\xff\xff\xff\xff\xff\xff\5\0\0\0\0\0\0\0", 8, ELEMENT_INT32,
         minus_two_and_five},
        {">u8", "\0\0\0\0\0\0\0\5\0\0\0\0\0\0\xff\xfe", 8, ELEMENT_INT32, five_and_big},
        {"<f2", "\0\x3e\xff\x83", 2, ELEMENT_FLOAT32, halves},
        {">f8", "\x3f\xf8\0\0\0\0\0\0\xbf\xd0\0\0\0\0\0\0", 8, ELEMENT_FLOAT64, doubles},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char dictionary[128];
        double elements[2];
        struct array_stream *stream = NULL;
        struct error err = {0};
        snprintf(dictionary, sizeof(dictionary),
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }",
                 types[i].type);
        int fd = fixture_npy(1, dictionary, types[i].bytes, 2 * types[i].size);
        assert_int_equal(fixture_open_stream(fd, 1000, &stream, &err), 0);
        assert_int_equal(array_stream_element(stream), types[i].element);
        assert_int_equal(array_stream_read(stream, elements, 2, &err), 0);
        if (memcmp(elements, types[i].expected, 2 * element_type_bytes(types[i].element)))
            fail_msg("%s was read wrongly", types[i].type);
        array_stream_close(stream);
        close(fd);
    }
}

static void test_values_that_do_not_fit_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *bytes;
        size_t size;
        const char *expected;
    } files[] = {
        {"<i8", "\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0", 8, "an integer that does not fit"},
        {"<i8", "\0\0\0\0\0\0\0\0\xff\xff\xff\x7f\xff\xff\xff\xff", 8, "does not fit"},
        {"<u4", "\0\0\0\0\0\0\0\x80", 4, "does not fit"},
        {"<u8", "\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 8, "does not fit"},
        {"|b1", "\1\2", 1, "neither 0 nor 1"},
        {"<f2", "\0\0\0\x7c", 2, "not finite"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char dictionary[128];
        double elements[2];
        struct error err = {0};
        snprintf(dictionary, sizeof(dictionary),
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }",
                 files[i].type);
        int fd = fixture_npy(1, dictionary, files[i].bytes, 2 * files[i].size);
        assert_int_equal(fixture_read_stream(fd, elements, 2, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "row 2, element 0"));
        assert_non_null(strstr(err.text, files[i].expected));
        close(fd);
    }
}

static void test_fortran_order_is_refused_with_the_remedy(void **state)
{
    (void)state;
    struct array_stream *stream = NULL;
    struct error err = {0};
    assert_int_equal(
        open_dictionary("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }",
                        "abcdef", 6, &stream, &err),
        ERR_INVALID);
    assert_null(stream);
    assert_non_null(strstr(err.text, "ascontiguousarray"));
}

static void test_malformed_heads_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *dictionary;
        const char *expected;
    } heads[] = {
        {"", "no dictionary"},
        {"{}", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': False}", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': Fals, 'shape': (2, 3)}", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2 3)}", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (-2, 3)}", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,,3)}", "no dictionary"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         "no dictionary"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
         "no dictionary"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "'|O' is not read"},
        {"{'descr': '', 'fortran_order': False, 'shape': (2,)}", "'' is not read"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", "'<c8' is not read"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "this one has 0"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3)}", "dimension 0"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1)}",
         "this one has 6"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 2)}",
         "2^64"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}", "bytes in all"},
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct array_stream *stream = NULL;
        struct error err = {0};
        int rc = open_dictionary(heads[i].dictionary, "abcdef", 6, &stream, &err);
        assert_null(stream);
        assert_true(rc == ERR_INVALID || rc == ERR_TOO_LARGE);
        if (!strstr(err.text, heads[i].expected) &&
            strcmp(heads[i].expected, "6 were found"))
            fail_msg("%s: %s", heads[i].dictionary, err.text);
    }
}

static void test_cut_heads_are_refused(void **state)
{
    (void)state;
    int fd = fixture_npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }",
                         "ab", 2);
    for (off_t length = lseek(fd, 0, SEEK_END) - 1; length >= 0; length--) {
        struct error err = {0};
        struct array_stream *stream = NULL;
        assert_int_equal(ftruncate(fd, length), 0);
        assert_int_equal(fixture_open_stream(fd, 1000, &stream, &err), ERR_INVALID);
        assert_null(stream);
    }
    close(fd);
    struct array_stream *stream = NULL;
    fd = fixture_file("\x93NUMPY\x02\0\xff\xff\xff\x7f{", 13);
    assert_int_equal(fixture_open_stream(fd, 1000, &stream, NULL), ERR_INVALID);
    close(fd);
    fd = fixture_file("\x93NUMPY\x04\0\x01\0{", 11);
    assert_int_equal(fixture_open_stream(fd, 1000, &stream, NULL), ERR_INVALID);
    close(fd);
}

static void test_mutated_dictionaries_are_read_or_refused(void **state)
{
    (void)state;
    static const char good[] =
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
    static const char bytes[] = "'{}(),:0123456789<>|ufb TrueFalse\\\"\n";
    uint32_t random = 3;
    int opened = 0;
    for (int i = 0; i < 20000; i++) {
        char dictionary[sizeof(good)];
        memcpy(dictionary, good, sizeof(good));
        for (uint32_t m = 1 + fixture_random(&random) % 3; m > 0; m--)
            dictionary[fixture_random(&random) % (sizeof(good) - 1)] =
                bytes[fixture_random(&random) % (sizeof(bytes) - 1)];
        struct array_stream *stream = NULL;
        struct error err = {0};
        int rc = open_dictionary(dictionary, "aabbccddeeff", 12, &stream, &err);
        opened += rc == 0;
        assert_true(rc == 0 || rc == ERR_INVALID || rc == ERR_TOO_LARGE);
        array_stream_close(stream);
    }
    assert_in_range(opened, 100, 10000);
}

/* The answer is JSON, which has no place for them. */
static void test_bytes_of_a_type_that_are_no_text_are_not_repeated(void **state)
{
    (void)state;
    struct array_stream *stream = NULL;
    struct error err = {0};
    int rc =
        open_dictionary("{'descr': '<f\xe9\n', 'fortran_order': False, 'shape': (2,), }",
                        "abcdefgh", 8, &stream, &err);
    assert_int_equal(rc, ERR_INVALID);
    assert_non_null(strstr(err.text, "'<f?"
                                     "?'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_version_is_read),
        cmocka_unit_test(test_the_dictionary_may_be_written_in_other_ways),
        cmocka_unit_test(test_types_become_those_of_dataset_files),
        cmocka_unit_test(test_values_that_do_not_fit_are_refused_with_their_place),
        cmocka_unit_test(test_fortran_order_is_refused_with_the_remedy),
        cmocka_unit_test(test_malformed_heads_are_refused),
        cmocka_unit_test(test_cut_heads_are_refused),
        cmocka_unit_test(test_mutated_dictionaries_are_read_or_refused),
        cmocka_unit_test(test_bytes_of_a_type_that_are_no_text_are_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
