/*
 * What the head of an array file says: how elements are stored, and the dimensions. IDX
 * and NPY are parsed into the same form.
 */
#ifndef BACKPROP_ARRAY_HEADER_H
#define BACKPROP_ARRAY_HEADER_H

#include "base/error.h"
#include "byte_source.h"
#include "spec/facts.h"

#include <stdbool.h>
#include <stdint.h>

#define ARRAY_MAX_RANK (SHAPE_MAX_RANK + 1) /* rows, then the dimensions of a sample */

/* Elements as they are stored in files. */
enum stored_type {
    STORED_BOOL, /* a byte, 0 or 1 */
    STORED_UINT8,
    STORED_INT8,
    STORED_UINT16,
    STORED_INT16,
    STORED_UINT32,
    STORED_INT32,
    STORED_UINT64,
    STORED_INT64,
    STORED_FLOAT16,
    STORED_FLOAT32,
    STORED_FLOAT64
};

struct array_header {
    enum stored_type stored;
    bool big_endian;
    int rank; /* 1 … ARRAY_MAX_RANK */
    int64_t dims[ARRAY_MAX_RANK];
    uint64_t header_bytes; /* before the first element */
    uint64_t data_bytes;   /* of all elements as they are stored */
};

size_t stored_type_bytes(enum stored_type stored);

/* The element type that stored elements become in a dataset file. Integers of more than
 * 32 bits, and unsigned ones of 16 and 32, become int32, if their values fit. */
enum element_type stored_type_element(enum stored_type stored);

/* Checks dims [rank] (every dimension but the rows at least 1), works data_bytes out. */
int array_header_check(struct array_header *header, struct error *err)
    __attribute__((warn_unused_result));

/*
 * Reads the head of an IDX file from the source's start and leaves the source at the
 * first element: two zero bytes, a type (08 uint8, 09 int8, 0B int16, 0C int32, 0D
 * float32, 0E float64), the rank, a big-endian 32-bit size for each dimension (Y. LeCun,
 * "The MNIST database of handwritten digits", the IDX file format).
 */
int idx_read_header(struct byte_source *source, struct array_header *ret_header,
                    struct error *err) __attribute__((warn_unused_result));

/* The same for NPY, versions 1 to 3 (NumPy, numpy.lib.format). */
int npy_read_header(struct byte_source *source, struct array_header *ret_header,
                    struct error *err) __attribute__((warn_unused_result));

#endif
