/*
 * An array file as a stream of elements: IDX or NPY (seen by its first bytes), plain or
 * gzip, converted on the way to the element types of dataset files. The size of the file
 * must be just what its head says.
 */
#ifndef BACKPROP_ARRAY_STREAM_H
#define BACKPROP_ARRAY_STREAM_H

#include "array_header.h"
#include "base/error.h"
#include "byte_source.h"

#include <stdint.h>

struct array_stream;

/* Reads the head. Takes the source, also on failure. ERR_INVALID for what is no array or
 * contradicts its head; ERR_TOO_LARGE. New object. */
int array_stream_open(struct byte_source *source, struct array_stream **ret_stream,
                      struct error *err) __attribute__((warn_unused_result));
void array_stream_close(struct array_stream *stream);

/* Rank and dims; borrowed. */
const struct array_header *array_stream_header(const struct array_stream *stream);

/* Elements of one row, that is of all dimensions but the first. */
uint64_t array_stream_row_elements(const struct array_stream *stream);

/* What the elements become. */
enum element_type array_stream_element(const struct array_stream *stream);

/*
 * The next `count` elements, at most what is left, in the type and byte order of dataset
 * files. ERR_INVALID when the file ends before (with both figures), for a float that is
 * not finite and for an integer that does not fit (with row and index).
 */
int array_stream_read(struct array_stream *stream, void *ret_elements, size_t count,
                      struct error *err) __attribute__((warn_unused_result));

/* To be called after the last element: ERR_INVALID if bytes follow it. */
int array_stream_end(struct array_stream *stream, struct error *err)
    __attribute__((warn_unused_result));

/* Goes back to the first element. */
int array_stream_rewind(struct array_stream *stream, struct error *err)
    __attribute__((warn_unused_result));

#endif
