/* See array_stream.h. Elements are read in pieces, put into the host's byte order in
 * place, and converted by one small function a type. */
#include "array_stream.h"

#include "base/memory.h"
#include "file_kind.h"
#include "ingest.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)64 << 10)

struct array_stream {
    struct byte_source *source; /* owned */
    struct array_header header;
    uint64_t elements; /* in all */
    uint64_t read;     /* so far */
    int (*read_header)(struct byte_source *source, struct array_header *ret_header,
                       struct error *err);
    unsigned char *piece;
};

/* ---- opening ---- */

static int choose_reader(struct array_stream *stream, struct error *err)
{
    unsigned char bytes[FILE_KIND_BYTES];
    size_t got;
    int rc = byte_source_peek(stream->source, bytes, sizeof(bytes), &got, err);
    if (rc != 0)
        return rc;
    const char *description;
    enum file_kind kind = file_kind_of(bytes, got, &description);
    stream->read_header = kind == FILE_NPY ? npy_read_header : idx_read_header;
    if (kind == FILE_NPY || kind == FILE_IDX)
        return 0;
    return error_set(err, ERR_INVALID,
                     "an array in IDX or NPY format is expected; this looks like %s",
                     description);
}

static int wrong_size(const struct array_stream *stream, uint64_t found,
                      struct error *err)
{
    uint64_t promised = stream->header.header_bytes + stream->header.data_bytes;
    return error_set(err, ERR_INVALID,
                     "the head of the array promises %llu bytes in all; %llu were found",
                     (unsigned long long)promised, (unsigned long long)found);
}

/* What can be checked before anything is read: the size of a plain file, and whether gzip
 * of this size could hold so much. */
static int check_size(const struct array_stream *stream, struct error *err)
{
    uint64_t needed;
    uint64_t most = byte_source_max_bytes(stream->source);
    if (__builtin_add_overflow(stream->header.header_bytes, stream->header.data_bytes,
                               &needed))
        return error_set(err, ERR_TOO_LARGE, "the array is too large");
    if (!byte_source_is_gzip(stream->source))
        return needed == most ? 0 : wrong_size(stream, most, err);
    if (needed > most)
        return error_set(
            err, ERR_TOO_LARGE,
            "the head of the array promises %llu bytes; at most %llu are taken "
            "out of this gzip file",
            (unsigned long long)needed, (unsigned long long)most);
    return 0;
}

int array_stream_open(struct byte_source *source, struct array_stream **ret_stream,
                      struct error *err)
{
    struct array_stream *stream = mem_alloc(sizeof(*stream));
    if (!stream) {
        byte_source_close(source);
        return error_set(err, ERR_NOMEM, "no memory to read an array");
    }
    stream->source = source;
    stream->piece = malloc(PIECE_BYTES);
    int rc = stream->piece ? choose_reader(stream, err)
                           : error_set(err, ERR_NOMEM, "no memory to read an array");
    if (rc == 0)
        rc = stream->read_header(source, &stream->header, err);
    if (rc == 0)
        rc = check_size(stream, err);
    if (rc != 0) {
        array_stream_close(stream);
        return rc;
    }
    stream->elements =
        stream->header.data_bytes / stored_type_bytes(stream->header.stored);
    *ret_stream = stream;
    return 0;
}

void array_stream_close(struct array_stream *stream)
{
    if (!stream)
        return;
    byte_source_close(stream->source);
    free(stream->piece);
    free(stream);
}

int array_stream_rewind(struct array_stream *stream, struct error *err)
{
    struct array_header again;
    int rc = byte_source_rewind(stream->source, err);
    if (rc == 0)
        rc = stream->read_header(stream->source, &again, err);
    stream->read = 0;
    return rc;
}

const struct array_header *array_stream_header(const struct array_stream *stream)
{
    return &stream->header;
}

uint64_t array_stream_row_elements(const struct array_stream *stream)
{
    return stream->elements / (uint64_t)stream->header.dims[0];
}

enum element_type array_stream_element(const struct array_stream *stream)
{
    return stored_type_element(stream->header.stored);
}

/* ---- byte order and conversion ---- */

static void swap_bytes(unsigned char *bytes, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char *element = bytes + i * size;
        for (size_t low = 0, high = size - 1; low < high; low++, high--) {
            unsigned char kept = element[low];
            element[low] = element[high];
            element[high] = kept;
        }
    }
}

/* IEEE 754 binary16 to binary32. */
static float widen_half(uint16_t half)
{
    int exponent = half >> 10 & 0x1f;
    int fraction = half & 0x3ff;
    float magnitude;
    if (exponent == 0x1f)
        magnitude = fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        magnitude = ldexpf((float)fraction, -24);
    else
        magnitude = ldexpf((float)(fraction + 0x400), exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

/* The converters: `count` stored elements in host order to the dataset's type. Each
 * returns how many were good; the element after them is not finite, or does not fit. */

static size_t copy_elements(const unsigned char *stored, size_t count, size_t size,
                            void *ret_elements)
{
    memcpy(ret_elements, stored, count * size);
    return count;
}

#define DEFINE_TO_INT32(name, type, fits)                                                \
    static size_t name(const unsigned char *stored, size_t count, size_t size,           \
                       void *ret_elements)                                               \
    {                                                                                    \
        for (size_t i = 0; i < count; i++) {                                             \
            type value;                                                                  \
            memcpy(&value, stored + i * size, sizeof(value));                            \
            if (!(fits))                                                                 \
                return i;                                                                \
            ((int32_t *)ret_elements)[i] = (int32_t)value;                               \
        }                                                                                \
        return count;                                                                    \
    }

DEFINE_TO_INT32(uint16_to_int32, uint16_t, true)
DEFINE_TO_INT32(uint32_to_int32, uint32_t, value <= INT32_MAX)
DEFINE_TO_INT32(uint64_to_int32, uint64_t, value <= INT32_MAX)
DEFINE_TO_INT32(int64_to_int32, int64_t, value >= INT32_MIN && value <= INT32_MAX)

static size_t float16_to_float32(const unsigned char *stored, size_t count, size_t size,
                                 void *ret_elements)
{
    float *numbers = ret_elements;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, stored + i * size, sizeof(half));
        numbers[i] = widen_half(half);
        if (!isfinite(numbers[i]))
            return i;
    }
    return count;
}

static size_t check_float32(const unsigned char *stored, size_t count, size_t size,
                            void *ret_elements)
{
    float *numbers = ret_elements;
    memcpy(numbers, stored, count * size);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(numbers[i]))
            return i;
    }
    return count;
}

/* A double must also be a finite float32, because that is what is trained on. */
static size_t check_float64(const unsigned char *stored, size_t count, size_t size,
                            void *ret_elements)
{
    double *numbers = ret_elements;
    memcpy(numbers, stored, count * size);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite((float)numbers[i]))
            return i;
    }
    return count;
}

static size_t check_bool(const unsigned char *stored, size_t count, size_t size,
                         void *ret_elements)
{
    memcpy(ret_elements, stored, count * size);
    for (size_t i = 0; i < count; i++) {
        if (stored[i] > 1)
            return i;
    }
    return count;
}

static const struct {
    size_t (*convert)(const unsigned char *stored, size_t count, size_t size,
                      void *ret_elements);
    const char *fault;
} converters[] = {
    [STORED_BOOL] = {check_bool, "neither 0 nor 1"},
    [STORED_UINT8] = {copy_elements, ""},
    [STORED_INT8] = {copy_elements, ""},
    [STORED_UINT16] = {uint16_to_int32, ""},
    [STORED_INT16] = {copy_elements, ""},
    [STORED_UINT32] = {uint32_to_int32, "an integer that does not fit 32 bits"},
    [STORED_INT32] = {copy_elements, ""},
    [STORED_UINT64] = {uint64_to_int32, "an integer that does not fit 32 bits"},
    [STORED_INT64] = {int64_to_int32, "an integer that does not fit 32 bits"},
    [STORED_FLOAT16] = {float16_to_float32, "not finite"},
    [STORED_FLOAT32] = {check_float32, "not finite"},
    [STORED_FLOAT64] = {check_float64, "not finite as a float32"},
};

/* ---- reading ---- */

static int bad_element(const struct array_stream *stream, uint64_t at, struct error *err)
{
    const uint64_t width = array_stream_row_elements(stream);
    const unsigned long long row = at / width + 1, element = at % width;
    return error_set(err, ERR_INVALID, "row %llu, element %llu of the row is %s", row,
                     element, converters[stream->header.stored].fault);
}

static int read_piece(struct array_stream *stream, void *ret_elements, size_t count,
                      struct error *err)
{
    size_t size = stored_type_bytes(stream->header.stored);
    size_t got;
    int rc = byte_source_read(stream->source, stream->piece, count * size, &got, err);
    if (rc != 0)
        return rc;
    if (got < count * size)
        return wrong_size(stream, stream->header.header_bytes + stream->read * size + got,
                          err);
    if (stream->header.big_endian)
        swap_bytes(stream->piece, count, size);
    size_t good = converters[stream->header.stored].convert(stream->piece, count, size,
                                                            ret_elements);
    if (good < count)
        return bad_element(stream, stream->read + good, err);
    stream->read += count;
    return 0;
}

int array_stream_read(struct array_stream *stream, void *ret_elements, size_t count,
                      struct error *err)
{
    assert(count <= stream->elements - stream->read);
    const size_t largest = PIECE_BYTES / stored_type_bytes(stream->header.stored);
    const size_t size = element_type_bytes(array_stream_element(stream));
    char *to = ret_elements;
    while (count > 0) {
        size_t piece = count < largest ? count : largest;
        int rc = read_piece(stream, to, piece, err);
        if (rc != 0)
            return rc;
        to += piece * size;
        count -= piece;
    }
    return 0;
}

int array_stream_end(struct array_stream *stream, struct error *err)
{
    assert(stream->read == stream->elements);
    uint64_t extra = 0;
    size_t got = 0;
    do {
        int rc = byte_source_read(stream->source, stream->piece, PIECE_BYTES, &got, err);
        if (rc != 0)
            return rc;
        extra += got;
    } while (got == PIECE_BYTES);
    if (extra == 0)
        return 0;
    return wrong_size(
        stream, stream->header.header_bytes + stream->header.data_bytes + extra, err);
}
