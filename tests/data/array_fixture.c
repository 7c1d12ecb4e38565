/* See array_fixture.h. */
#include "array_fixture.h"

#include "byte_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define IDX_HEAD_MAX (4 + 4 * 255)

size_t fixture_idx_bytes(unsigned char type, int rank, const uint32_t *dims,
                         const void *data, size_t length, unsigned char *bytes)
{
    size_t at = 4;
    memcpy(bytes, (unsigned char[]){0, 0, type, (unsigned char)rank}, 4);
    for (int i = 0; i < rank; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            bytes[at++] = (unsigned char)(dims[i] >> shift);
    memcpy(bytes + at, data, length);
    return at + length;
}

int fixture_idx(unsigned char type, int rank, const uint32_t *dims, const void *data,
                size_t length)
{
    unsigned char head[IDX_HEAD_MAX];
    int fd = fixture_file(head, fixture_idx_bytes(type, rank, dims, "", 0, head));
    fixture_append(fd, data, length);
    return fd;
}

int fixture_npy(int major, const char *dictionary, const void *data, size_t length)
{
    size_t text = strlen(dictionary);
    unsigned char head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)major, 0};
    head[8] = (unsigned char)text;
    head[9] = (unsigned char)(text >> 8);
    int fd = fixture_file(head, major == 1 ? 10 : 12);
    fixture_append(fd, dictionary, text);
    fixture_append(fd, data, length);
    return fd;
}

int fixture_open_stream(int fd, uint64_t limit, struct array_stream **ret_stream,
                        struct error *err)
{
    struct byte_source *source = NULL;
    int rc = byte_source_open(fd, limit, NULL, NULL, &source, err);
    return rc == 0 ? array_stream_open(source, ret_stream, err) : rc;
}

int fixture_read_stream(int fd, void *elements, size_t count, struct error *err)
{
    struct array_stream *stream = NULL;
    int rc = fixture_open_stream(fd, UINT64_MAX, &stream, err);
    if (rc == 0)
        rc = array_stream_read(stream, elements, count, err);
    if (rc == 0)
        rc = array_stream_end(stream, err);
    array_stream_close(stream);
    return rc;
}
