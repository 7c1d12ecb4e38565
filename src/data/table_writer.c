/*
 * See table_writer.h. Cells are gathered in blocks of some rows, column by column, so
 * that the dataset file gets them in long pieces.
 */
#include "table_writer.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "dataset_file.h"
#include "ingest.h"
#include "number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES 4 /* a float32 or an int32 */
#define BLOCK_BYTES ((size_t)1 << 20)
#define BLOCK_MAX_ROWS 1024
#define MISSING_CODE (-1)

#define PREVIEW_CELLS 8192 /* of a wide table fewer rows are shown */
#define PREVIEW_TEXT_BYTES 100
#define EXACT_INTEGER 1e15 /* numbers up to here are shown as integers if they are */

struct table_writer {
    const struct dataset_facts *facts;
    struct column_profiles *profiles;
    struct missing_texts *missing;
    struct dataset_writer *file;
    int *arrays; /* [columns]: the array of a column; -1 for text */
    char *block; /* [columns, block_rows] cells */
    size_t block_rows, block_used;
    size_t preview_rows;
    json_t *preview;
};

static int open_file(struct table_writer *writer, int fd, struct error *err)
{
    const struct dataset_facts *facts = writer->facts;
    struct dataset_array *arrays = mem_alloc_array(facts->column_count, sizeof(*arrays));
    if (!arrays)
        return error_set(err, ERR_NOMEM, "no memory to write a table");
    int count = 0;
    for (size_t i = 0; i < facts->column_count; i++) {
        writer->arrays[i] = -1;
        if (facts->columns[i].type == COLUMN_TEXT)
            continue;
        bool number = facts->columns[i].type == COLUMN_NUMBER;
        arrays[count] = (struct dataset_array){
            .part = PART_TRAIN,
            .column = (int32_t)i,
            .element = number ? ELEMENT_FLOAT32 : ELEMENT_INT32,
            .rank = 1,
            .dims = {(int64_t)facts->train_rows},
        };
        writer->arrays[i] = count++;
    }
    int rc = dataset_writer_open(fd, arrays, count, &writer->file, err);
    free(arrays);
    return rc;
}

int table_writer_open(int fd, const struct dataset_facts *facts,
                      struct column_profiles *profiles, struct missing_texts *missing,
                      struct table_writer **ret_writer, struct error *err)
{
    struct table_writer *writer = mem_alloc(sizeof(*writer));
    if (!writer)
        return error_set(err, ERR_NOMEM, "no memory to write a table");
    size_t columns = facts->column_count;
    writer->facts = facts;
    writer->profiles = profiles;
    writer->missing = missing;
    writer->block_rows = BLOCK_BYTES / (columns * CELL_BYTES);
    if (writer->block_rows > BLOCK_MAX_ROWS)
        writer->block_rows = BLOCK_MAX_ROWS;
    writer->preview_rows = PREVIEW_CELLS / columns < INGEST_PREVIEW_ROWS
                               ? PREVIEW_CELLS / columns
                               : INGEST_PREVIEW_ROWS;
    writer->arrays = mem_alloc_array(columns, sizeof(*writer->arrays));
    writer->block = mem_alloc_aligned(columns * writer->block_rows, CELL_BYTES);
    writer->preview = json_array();
    int rc = writer->arrays && writer->block && writer->preview
                 ? open_file(writer, fd, err)
                 : error_set(err, ERR_NOMEM, "no memory to write a table");
    if (rc != 0) {
        table_writer_free(writer);
        return rc;
    }
    *ret_writer = writer;
    return 0;
}

void table_writer_free(struct table_writer *writer)
{
    if (!writer)
        return;
    dataset_writer_free(writer->file);
    free(writer->arrays);
    free(writer->block);
    json_decref(writer->preview);
    free(writer);
}

static int flush_block(struct table_writer *writer, struct error *err)
{
    for (size_t i = 0; i < writer->facts->column_count; i++) {
        if (writer->arrays[i] < 0)
            continue;
        int rc =
            dataset_writer_append(writer->file, writer->arrays[i],
                                  writer->block + i * writer->block_rows * CELL_BYTES,
                                  writer->block_used * CELL_BYTES, err);
        if (rc != 0)
            return rc;
    }
    writer->block_used = 0;
    return 0;
}

/* One cell of a number column or a category into 4 bytes. */
static int convert(struct table_writer *writer, size_t column,
                   const struct csv_field *field, void *ret_cell)
{
    const char *text = field->text;
    size_t length = field->length;
    missing_texts_trim(&text, &length);
    bool missing = missing_texts_has(writer->missing, text, length);
    if (writer->facts->columns[column].type == COLUMN_NUMBER) {
        double value = (double)NAN;
        if (!missing && number_parse(text, length, &value) != NUMBER_FINITE)
            return ERR_INVALID;
        float number = (float)value;
        memcpy(ret_cell, &number, sizeof(number));
        return 0;
    }
    int32_t code = MISSING_CODE;
    if (!missing) {
        struct value_set *values = &writer->profiles->items[column].values;
        int entry = value_set_find(values, text, length);
        if (entry < 0)
            return ERR_INVALID;
        code = values->entries[entry].code;
    }
    memcpy(ret_cell, &code, sizeof(code));
    return 0;
}

/* ---- the preview ---- */

static json_t *shown_number(const char *text, size_t length)
{
    double value;
    if (number_parse(text, length, &value) != NUMBER_FINITE)
        return json_null();
    if (fabs(value) < EXACT_INTEGER && fabs(value - nearbyint(value)) <= 0)
        return json_integer((json_int_t)value);
    return json_real(value);
}

static json_t *shown_text(const char *text, size_t length)
{
    char shown[PREVIEW_TEXT_BYTES + sizeof(UTF8_ELLIPSIS)];
    size_t kept = utf8_cut(text, length, PREVIEW_TEXT_BYTES);
    memcpy(shown, text, kept);
    memcpy(shown + kept, UTF8_ELLIPSIS, kept < length ? sizeof(UTF8_ELLIPSIS) - 1 : 0);
    kept += kept < length ? sizeof(UTF8_ELLIPSIS) - 1 : 0;
    return json_stringn(shown, kept);
}

static int show_row(struct table_writer *writer, const struct csv_record *record,
                    struct error *err)
{
    json_t *row = json_object();
    int failed = 0;
    for (int i = 0; i < record->count; i++) {
        const char *text = record->fields[i].text;
        size_t length = record->fields[i].length;
        missing_texts_trim(&text, &length);
        json_t *value = json_null();
        if (!missing_texts_has(writer->missing, text, length))
            value = writer->facts->columns[i].type == COLUMN_NUMBER
                        ? shown_number(text, length)
                        : shown_text(text, length);
        failed |= json_object_set_new(row, writer->facts->columns[i].name, value);
    }
    failed |= json_array_append_new(writer->preview, row);
    return failed ? error_set(err, ERR_NOMEM, "no memory for the preview of a table") : 0;
}

/* ---- */

int table_writer_add(struct table_writer *writer, const struct csv_record *record,
                     struct error *err)
{
    if (json_array_size(writer->preview) < writer->preview_rows) {
        int rc = show_row(writer, record, err);
        if (rc != 0)
            return rc;
    }
    for (int i = 0; i < record->count; i++) {
        if (writer->arrays[i] < 0)
            continue;
        size_t cell = (size_t)i * writer->block_rows + writer->block_used;
        if (convert(writer, (size_t)i, &record->fields[i],
                    writer->block + cell * CELL_BYTES) != 0)
            return error_set(err, ERR_INVALID, "the file was changed while it was read");
    }
    return ++writer->block_used == writer->block_rows ? flush_block(writer, err) : 0;
}

int table_writer_finish(struct table_writer *writer, json_t **ret_preview,
                        struct error *err)
{
    int rc = flush_block(writer, err);
    if (rc == 0)
        rc = dataset_writer_finish(writer->file, err);
    if (rc == 0)
        *ret_preview = json_incref(writer->preview);
    return rc;
}
