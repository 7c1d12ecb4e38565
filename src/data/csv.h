/*
 * A streaming reader of CSV: records one after the other out of a byte source, in one
 * bounded window. What a record may look like is said in csv_scan.h; beyond that, a UTF-8
 * byte order mark is skipped, lines of nothing but blanks are skipped and counted, every
 * field must be UTF-8 without NUL bytes, and every record must have as many fields as the
 * first one.
 */
#ifndef BACKPROP_CSV_H
#define BACKPROP_CSV_H

#include "base/error.h"
#include "byte_source.h"
#include "csv_scan.h"

#include <stdint.h>

#define CSV_MAX_RECORD_BYTES ((size_t)4 << 20)

struct csv_record {
    uint64_t row;  /* 1-based, the header not counted; 0 for the header */
    uint64_t line; /* 1-based: where the record begins in the file */
    int count;
    const struct csv_field *fields; /* borrowed until the next record */
};

struct csv_reader;

/* Borrows the source, at its start, which must outlive the reader. With `header` the
 * first record is row 0. New object. */
int csv_open(struct byte_source *source, char delimiter, bool header,
             struct csv_reader **ret_reader, struct error *err)
    __attribute__((warn_unused_result));
void csv_close(struct csv_reader *reader);

/* Names for messages, one for each column; borrowed. */
void csv_name_columns(struct csv_reader *reader, char *const *names, int count);

/* The next record, or NULL at the end. ERR_INVALID or ERR_TOO_LARGE with row, line and
 * column. The record is borrowed until the next call. */
int csv_next(struct csv_reader *reader, const struct csv_record **ret_record,
             struct error *err) __attribute__((warn_unused_result));

/* Starts again from the first record. */
int csv_rewind(struct csv_reader *reader, struct error *err)
    __attribute__((warn_unused_result));

/* Blank lines skipped since the start. */
uint64_t csv_blank_lines(const struct csv_reader *reader);

/* "row 12 (line 14), column 3 (\"Age\")", for messages; without a column when it is
 * negative. Returns `place`. */
#define CSV_PLACE_SIZE 160
const char *csv_format_place(const struct csv_reader *reader, int column,
                             char place[CSV_PLACE_SIZE]);

#endif
