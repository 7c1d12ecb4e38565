/* Array files in memory for the tests: IDX and NPY. */
#ifndef BACKPROP_TESTS_ARRAY_FIXTURE_H
#define BACKPROP_TESTS_ARRAY_FIXTURE_H

#include "data/array_stream.h"

#include <stddef.h>
#include <stdint.h>

/* An IDX file: the head for `rank` dims, then `data`. */
int fixture_idx(unsigned char type, int rank, const uint32_t *dims, const void *data,
                size_t length);

/* The bytes of the same, into `bytes`; returns how many. */
size_t fixture_idx_bytes(unsigned char type, int rank, const uint32_t *dims,
                         const void *data, size_t length, unsigned char *bytes);

/* An NPY file of version `major` with this dictionary, then `data`. */
int fixture_npy(int major, const char *dictionary, const void *data, size_t length);

/* Opens a stream over a file, which is closed later by the caller. */
int fixture_open_stream(int fd, uint64_t limit, struct array_stream **ret_stream,
                        struct error *err);

/* Reads all elements and the end. Returns the first failure. */
int fixture_read_stream(int fd, void *elements, size_t count, struct error *err);

#endif
