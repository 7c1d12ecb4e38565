/* IDX files: every element type, exact sizes, and heads that lie. */
#include "array_fixture.h"
#include "byte_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint32_t two_by_three[] = {2, 3};

static void test_bytes_come_out_with_their_dimensions(void **state)
{
    (void)state;
    unsigned char elements[6];
    struct array_stream *stream = NULL;
    struct error err = {0};
    int fd = fixture_idx(0x08, 2, two_by_three, "\x01\x02\x03\xfd\xfe\xff", 6);
    assert_int_equal(fixture_open_stream(fd, UINT64_MAX, &stream, &err), 0);
    const struct array_header *header = array_stream_header(stream);
    assert_int_equal(header->rank, 2);
    assert_int_equal(header->dims[0], 2);
    assert_int_equal(header->dims[1], 3);
    assert_int_equal(array_stream_row_elements(stream), 3);
    assert_int_equal(array_stream_element(stream), ELEMENT_UINT8);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(array_stream_read(stream, elements, 2, &err), 0);
        assert_int_equal(array_stream_read(stream, elements + 2, 4, &err), 0);
        assert_memory_equal(elements, "\x01\x02\x03\xfd\xfe\xff", 6);
        assert_int_equal(array_stream_end(stream, &err), 0);
        assert_int_equal(array_stream_rewind(stream, &err), 0);
    }
    array_stream_close(stream);
    close(fd);
}

static void test_every_type_is_turned_little_endian(void **state)
{
    (void)state;
    static const uint32_t two[] = {2};
    static const int16_t shorts[] = {0x0102, -2};
    static const int32_t longs[] = {0x01020304, -2};
    static const float floats[] = {1.5F, -0.25F};
    static const double doubles[] = {1.5, -0.25};
    static const struct {
        unsigned char type;
        const char *bytes;
        size_t size;
        const void *expected;
    } types[] = {
        {0x09, "\x01\xfe", 1, "\x01\xfe"},
        {0x0b, "\x01\x02\xff\xfe", 2, shorts},
        {0x0c, "\x01\x02\x03\x04\xff\xff\xff\xfe", 4, longs},
        {0x0d, "\x3f\xc0\0\0\xbe\x80\0\0", 4, floats},
        {0x0e, "\x3f\xf8\0\0\0\0\0\0\xbf\xd0\0\0\0\0\0\0", 8, doubles},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        double elements[2]; /* aligned for every type */
        struct error err = {0};
        int fd = fixture_idx(types[i].type, 1, two, types[i].bytes, 2 * types[i].size);
        if (fixture_read_stream(fd, elements, 2, &err) != 0)
            fail_msg("type %02X: %s", types[i].type, err.text);
        assert_memory_equal(elements, types[i].expected, 2 * types[i].size);
        close(fd);
    }
}

static void test_long_arrays_are_read_in_pieces(void **state)
{
    (void)state;
    enum { COUNT = 100003 };
    unsigned char *stored = malloc(COUNT * 4);
    int32_t *elements = malloc(COUNT * sizeof(*elements));
    assert_non_null(stored);
    assert_non_null(elements);
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t value = (uint32_t)i * 77777;
        memcpy(stored + 4 * i,
               (unsigned char[]){(unsigned char)(value >> 24),
                                 (unsigned char)(value >> 16),
                                 (unsigned char)(value >> 8), (unsigned char)value},
               4);
    }
    unsigned char head[16];
    size_t length = fixture_idx_bytes(0x0c, 1, (const uint32_t[]){COUNT}, "", 0, head);
    unsigned char *whole = malloc(length + COUNT * 4);
    assert_non_null(whole);
    memcpy(whole, head, length);
    memcpy(whole + length, stored, COUNT * 4);
    int fd = fixture_gzip(whole, length + COUNT * 4);
    assert_int_equal(fixture_read_stream(fd, elements, COUNT, NULL), 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal((uint32_t)elements[i], (uint32_t)i * 77777);
    close(fd);
    free(whole);
    free(stored);
    free(elements);
}

static void assert_fails(int fd, int code, const char *expected)
{
    struct error err = {0};
    double elements[64];
    struct array_stream *stream = NULL;
    int rc = fixture_open_stream(fd, (uint64_t)1 << 30, &stream, &err);
    if (rc == 0)
        rc = array_stream_read(stream, elements, 6, &err);
    if (rc == 0)
        rc = array_stream_end(stream, &err);
    array_stream_close(stream);
    close(fd);
    assert_int_equal(rc, code);
    if (!strstr(err.text, expected))
        fail_msg("the error is: %s", err.text);
}

static void test_sizes_must_be_exact(void **state)
{
    (void)state;
    assert_fails(fixture_idx(0x08, 2, two_by_three, "\x01\x02\x03\x04\x05", 5),
                 ERR_INVALID, "promises 18 bytes in all; 17 were found");
    assert_fails(fixture_idx(0x08, 2, two_by_three, "\x01\x02\x03\x04\x05\x06\x07", 7),
                 ERR_INVALID, "promises 18 bytes in all; 19 were found");
    unsigned char bytes[64];
    size_t length = fixture_idx_bytes(0x08, 2, two_by_three,
                                      "\x01\x02\x03\x04\x05\x06\x07", 7, bytes);
    assert_fails(fixture_gzip(bytes, length - 2), ERR_INVALID,
                 "promises 18 bytes in all; 17 were found");
    assert_fails(fixture_gzip(bytes, length), ERR_INVALID,
                 "promises 18 bytes in all; 19 were found");
}

static void test_heads_that_lie_are_refused(void **state)
{
    (void)state;
    static const uint32_t huge[] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    static const uint32_t none[] = {2, 0};
    static const uint32_t six[] = {1, 1, 1, 1, 1, 1};
    assert_fails(fixture_idx(0x08, 4, huge, "", 0), ERR_TOO_LARGE, "2^64");
    assert_fails(fixture_idx(0x08, 2, huge, "", 0), ERR_INVALID, "12 were found");
    assert_fails(fixture_idx(0x0a, 2, two_by_three, "", 0), ERR_INVALID, "type 0x0A");
    assert_fails(fixture_idx(0x08, 2, none, "", 0), ERR_INVALID,
                 "dimension 1 of the array is 0");
    assert_fails(fixture_idx(0x08, 6, six, "", 1), ERR_INVALID, "this one has 6");
    assert_fails(fixture_file("\0\0\x08\x03\0\0", 6), ERR_INVALID,
                 "ends inside the head");
    unsigned char bytes[32];
    size_t length = fixture_idx_bytes(0x08, 2, huge, "", 0, bytes);
    assert_fails(fixture_gzip(bytes, length), ERR_TOO_LARGE, "at most");
}

static void test_floats_that_are_not_finite_are_refused_with_their_place(void **state)
{
    (void)state;
    static const uint32_t dims[] = {3, 2};
    unsigned char data[24] = {0};
    memcpy(data + 12, "\x7f\xc0\0\0", 4); /* NaN in row 2 */
    assert_fails(fixture_idx(0x0d, 2, dims, data, sizeof(data)), ERR_INVALID,
                 "row 2, element 1 of the row is not finite");
    memcpy(data + 12, "\xff\x80\0\0", 4); /* -infinity */
    assert_fails(fixture_idx(0x0d, 2, dims, data, sizeof(data)), ERR_INVALID,
                 "not finite");
    unsigned char doubles[48] = {0};
    memcpy(doubles + 40, "\x7e\x37\xe4\x3c\x88\0\x75\x9c", 8); /* 1e300 */
    assert_fails(fixture_idx(0x0e, 2, dims, doubles, sizeof(doubles)), ERR_INVALID,
                 "row 3, element 1 of the row is not finite as a float32");
}

static void test_what_is_no_array_is_named(void **state)
{
    (void)state;
    assert_fails(fixture_text("a,b\n1,2\n"), ERR_INVALID, "plain text");
    assert_fails(fixture_text(""), ERR_INVALID, "an empty file");
    assert_fails(fixture_file("\x89PNG\r\n\x1a\n", 8), ERR_INVALID, "a PNG picture");
    assert_fails(fixture_file("\0\0\0\0\0\0\0\0", 8), ERR_INVALID, "binary data");
}

static void test_mutated_heads_are_read_or_refused(void **state)
{
    (void)state;
    uint32_t random = 17;
    int refused = 0;
    for (int i = 0; i < 5000; i++) {
        unsigned char bytes[64];
        size_t length =
            fixture_idx_bytes(0x0b, 2, two_by_three, "aabbccddeeff", 12, bytes);
        for (uint32_t m = 1 + fixture_random(&random) % 3; m > 0; m--)
            bytes[fixture_random(&random) % 12] = (unsigned char)fixture_random(&random);
        int fd = fixture_random(&random) % 2 ? fixture_gzip(bytes, length)
                                             : fixture_file(bytes, length);
        struct array_stream *stream = NULL;
        struct error err = {0};
        int rc = fixture_open_stream(fd, 1 << 20, &stream, &err);
        if (rc == 0) {
            const struct array_header *header = array_stream_header(stream);
            uint64_t left = array_stream_row_elements(stream) * (uint64_t)header->dims[0];
            double elements[1024];
            while (rc == 0 && left > 0) {
                size_t count = left < 1024 ? (size_t)left : 1024;
                rc = array_stream_read(stream, elements, count, &err);
                left -= count;
            }
            if (rc == 0)
                rc = array_stream_end(stream, &err);
        }
        refused += rc != 0;
        assert_true(rc == 0 ||
                    ((rc == ERR_INVALID || rc == ERR_TOO_LARGE) && err.text[0]));
        array_stream_close(stream);
        close(fd);
    }
    assert_true(refused > 2000 && refused < 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_out_with_their_dimensions),
        cmocka_unit_test(test_every_type_is_turned_little_endian),
        cmocka_unit_test(test_long_arrays_are_read_in_pieces),
        cmocka_unit_test(test_sizes_must_be_exact),
        cmocka_unit_test(test_heads_that_lie_are_refused),
        cmocka_unit_test(test_floats_that_are_not_finite_are_refused_with_their_place),
        cmocka_unit_test(test_what_is_no_array_is_named),
        cmocka_unit_test(test_mutated_heads_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
