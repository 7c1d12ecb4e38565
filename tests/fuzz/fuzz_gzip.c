/*
 * Expansion of gzip. The first byte chooses: the rest is a file as it came, or it is
 * compressed here (in one or two members), so that mutations are not all stopped by the
 * CRC. Promises: never more bytes than the limit; the same bytes after a rewind, whatever
 * the sizes of the reads; what was compressed comes back.
 */
#include "data/byte_source.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define LIMIT ((size_t)1 << 18)

/* Appends a gzip member. */
static size_t compress_member(const uint8_t *bytes, size_t length, int level,
                              uint8_t *ret_packed, size_t capacity)
{
    z_stream stream = {0};
    FUZZ_EXPECT(
        deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)length;
    stream.next_out = ret_packed;
    stream.avail_out = (uInt)capacity;
    FUZZ_EXPECT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    size_t packed = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

/* Reads to the end or the first fault in pieces of `piece` bytes. */
static int read_all(struct byte_source *source, size_t piece, uint8_t *ret_bytes,
                    size_t *ret_length)
{
    size_t length = 0, got;
    int rc;
    do {
        struct error err = {0};
        size_t wanted = LIMIT + 1 - length < piece ? LIMIT + 1 - length : piece;
        got = 0;
        rc = byte_source_read(source, ret_bytes + length, wanted, &got, &err);
        FUZZ_EXPECT(fuzz_error_fits(rc, &err));
        FUZZ_EXPECT(got <= wanted);
        length += rc == 0 ? got : 0;
        FUZZ_EXPECT(length <= LIMIT);
    } while (rc == 0 && got > 0);
    *ret_length = length;
    return rc;
}

static void check(const uint8_t *file, size_t size, const uint8_t *expected,
                  size_t expected_length, size_t piece)
{
    static uint8_t first[LIMIT + 1], second[LIMIT + 1];
    int fd = fuzz_file(file, size);
    struct byte_source *source = NULL;
    struct error err = {0};
    int rc = byte_source_open(fd, LIMIT, NULL, NULL, &source, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    if (rc == 0) {
        size_t length, again;
        rc = read_all(source, 4096, first, &length);
        if (expected)
            FUZZ_EXPECT(rc == 0 && length == expected_length &&
                        (length == 0 || memcmp(first, expected, length) == 0));
        FUZZ_EXPECT(byte_source_rewind(source, &err) == 0);
        int rc_again = read_all(source, piece, second, &again);
        /* Of a damaged file that is too long, either may be seen first. */
        FUZZ_EXPECT((rc_again == 0) == (rc == 0));
        FUZZ_EXPECT(rc != 0 || (again == length && memcmp(first, second, length) == 0));
    }
    byte_source_close(source);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t packed[1 << 17];
    struct fuzz_input input = {data, size};
    uint8_t choice = fuzz_take_byte(&input);
    size_t piece = 1 + (size_t)choice * 3;
    if (choice % 2 == 0 || input.size > 50000) {
        check(input.data, input.size, NULL, 0, piece);
        return 0;
    }
    size_t cut = choice & 2 ? input.size / 2 : input.size;
    size_t length = compress_member(input.data, cut, choice & 4 ? 9 : 0, packed, 60000);
    if (choice & 2)
        length += compress_member(input.data + cut, input.size - cut, 1, packed + length,
                                  60000);
    check(packed, length, input.size > 0 ? input.data : (const uint8_t *)"", input.size,
          piece);
    return 0;
}
