/* See byte_fixture.h. */
#include "byte_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

int fixture_file(const void *bytes, size_t length)
{
    int fd = memfd_create("fixture", MFD_CLOEXEC);
    assert_true(fd >= 0);
    fixture_append(fd, bytes, length);
    return fd;
}

int fixture_text(const char *text)
{
    return fixture_file(text, strlen(text));
}

int fixture_gzip(const void *bytes, size_t length)
{
    int fd = fixture_file("", 0);
    fixture_append_gzip(fd, bytes, length);
    return fd;
}

void fixture_append(int fd, const void *bytes, size_t length)
{
    assert_true(lseek(fd, 0, SEEK_END) >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
}

void fixture_append_gzip(int fd, const void *bytes, size_t length)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY),
                     Z_OK);
    size_t capacity = deflateBound(&stream, length);
    unsigned char *out = malloc(capacity);
    unsigned char *in = malloc(length + 1);
    assert_non_null(out);
    assert_non_null(in);
    memcpy(in, bytes, length);
    stream.next_in = in;
    stream.avail_in = (uInt)length;
    stream.next_out = out;
    stream.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    fixture_append(fd, out, stream.total_out);
    deflateEnd(&stream);
    free(out);
    free(in);
}

uint32_t fixture_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}
