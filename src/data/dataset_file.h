/*
 * The compact form of a dataset on disk: what ingest writes once and training workers map
 * read-only.
 *
 *     +-----------------------------+ 0
 *     | header, 64 bytes            |  magic "BPDATA\r\n", version, arrays, file bytes
 *     +-----------------------------+ 64
 *     | one 64-byte entry an array  |  part, column, element, rank, dims, offset, bytes
 *     +-----------------------------+
 *     | arrays, each on a 64-byte   |
 *     | boundary, little-endian     |
 *     +-----------------------------+ file bytes
 *
 * A table has one array for each column that is not text: a number is ELEMENT_FLOAT32
 * with NaN for a missing value, a category is ELEMENT_INT32 with the index into the
 * facts' `values` and -1 for a missing one. A number column of a table is float32 even
 * where its facts list `values` (their texts parse back to the numbers).
 *
 * Arrays keep their element type: DATASET_FEATURES is [rows, dims…]. The label column is
 * column 0: where its facts list `values` it is ELEMENT_INT32 [rows], each the index into
 * `values` (ascending distinct integers) and not the integer itself; otherwise it is
 * ELEMENT_FLOAT32, [rows] or, with a width, [rows, width].
 *
 * A text is ELEMENT_UINT8 DATASET_FEATURES [bytes].
 *
 * A reader trusts nothing: it checks every offset and size against the file before use.
 */
#ifndef BACKPROP_DATASET_FILE_H
#define BACKPROP_DATASET_FILE_H

#include "base/error.h"
#include "spec/facts.h"

#include <stdint.h>

enum dataset_part { PART_TRAIN, PART_TEST, PART_COUNT };

/* As `column`: the samples of an arrays dataset. Labels are column 0. */
#define DATASET_FEATURES (-1)

struct dataset_array {
    enum dataset_part part;
    int32_t column;
    enum element_type element;
    int rank;
    int64_t dims[SHAPE_MAX_RANK + 1]; /* dims[0] is rows */
    const void *data;                 /* mapped; 64-byte aligned */
    uint64_t bytes;
};

struct dataset_file;

/* Maps an open file (the descriptor may be closed afterwards). ERR_CORRUPT with what is
 * wrong when the bytes are not a dataset file. New object. */
int dataset_file_open(int fd, struct dataset_file **ret_file, struct error *err)
    __attribute__((warn_unused_result));
void dataset_file_close(struct dataset_file *file);

/* The array of a part and column, or NULL. Borrowed from `file`. */
const struct dataset_array *dataset_file_find(const struct dataset_file *file,
                                              enum dataset_part part, int32_t column);

/*
 * Writing, in bounded memory: the arrays are declared first (all with their final
 * dimensions), then filled in any order through a small buffer each, then finished.
 */
struct dataset_writer;

/* `arrays` gives part, column, element, rank and dims; data and bytes are ignored. The
 * descriptor is borrowed and must be an empty regular file. New object. */
int dataset_writer_open(int fd, const struct dataset_array *arrays, int count,
                        struct dataset_writer **ret_writer, struct error *err)
    __attribute__((warn_unused_result));

/* Appends elements to array `index`; ERR_INVALID for more than it declared. */
int dataset_writer_append(struct dataset_writer *writer, int index, const void *elements,
                          uint64_t bytes, struct error *err)
    __attribute__((warn_unused_result));

/* Writes out what is buffered; fails unless every array is full. Does not sync. */
int dataset_writer_finish(struct dataset_writer *writer, struct error *err)
    __attribute__((warn_unused_result));
void dataset_writer_free(struct dataset_writer *writer);

#endif
