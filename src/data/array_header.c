/* See array_header.h. */
#include "array_header.h"

static const struct {
    size_t bytes;
    enum element_type element;
} stored_types[] = {
    [STORED_BOOL] = {1, ELEMENT_UINT8},      [STORED_UINT8] = {1, ELEMENT_UINT8},
    [STORED_INT8] = {1, ELEMENT_INT8},       [STORED_UINT16] = {2, ELEMENT_INT32},
    [STORED_INT16] = {2, ELEMENT_INT16},     [STORED_UINT32] = {4, ELEMENT_INT32},
    [STORED_INT32] = {4, ELEMENT_INT32},     [STORED_UINT64] = {8, ELEMENT_INT32},
    [STORED_INT64] = {8, ELEMENT_INT32},     [STORED_FLOAT16] = {2, ELEMENT_FLOAT32},
    [STORED_FLOAT32] = {4, ELEMENT_FLOAT32}, [STORED_FLOAT64] = {8, ELEMENT_FLOAT64},
};

size_t stored_type_bytes(enum stored_type stored)
{
    return stored_types[stored].bytes;
}

enum element_type stored_type_element(enum stored_type stored)
{
    return stored_types[stored].element;
}

int array_header_check(struct array_header *header, struct error *err)
{
    if (header->rank < 1 || header->rank > ARRAY_MAX_RANK)
        return error_set(
            err, ERR_INVALID,
            "an array of 1 to %d dimensions is expected (rows first), this one "
            "has %d",
            ARRAY_MAX_RANK, header->rank);
    uint64_t bytes = stored_type_bytes(header->stored);
    for (int i = 0; i < header->rank; i++) {
        if (header->dims[i] < 1)
            return error_set(err, ERR_INVALID, "dimension %d of the array is %lld", i,
                             (long long)header->dims[i]);
        if (__builtin_mul_overflow(bytes, (uint64_t)header->dims[i], &bytes))
            return error_set(
                err, ERR_TOO_LARGE,
                "the dimensions of the array multiply to more than 2^64 bytes");
    }
    header->data_bytes = bytes;
    return 0;
}
