/* The second pass over a table: cells to the arrays of a dataset file, and a preview. */
#ifndef BACKPROP_TABLE_WRITER_H
#define BACKPROP_TABLE_WRITER_H

#include "base/error.h"
#include "column_profile.h"
#include "csv.h"
#include "missing_texts.h"
#include "spec/facts.h"

#include <jansson.h>

struct table_writer;

/*
 * `fd` is the empty output file. The facts are those that the profiles gave (so that the
 * codes of categories are in profiles' sets). Borrows all of them. New object.
 */
int table_writer_open(int fd, const struct dataset_facts *facts,
                      struct column_profiles *profiles, struct missing_texts *missing,
                      struct table_writer **ret_writer, struct error *err)
    __attribute__((warn_unused_result));
void table_writer_free(struct table_writer *writer);

/* Adds a row with as many fields as the facts have columns. ERR_INVALID for a cell that
 * the first pass cannot have seen (the file was changed in between). */
int table_writer_add(struct table_writer *writer, const struct csv_record *record,
                     struct error *err) __attribute__((warn_unused_result));

/* Completes the file; the preview is a list of objects, new reference. */
int table_writer_finish(struct table_writer *writer, json_t **ret_preview,
                        struct error *err) __attribute__((warn_unused_result));

#endif
