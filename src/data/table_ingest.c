/*
 * Ingest of a table, in two passes: the first finds out the columns' types, statistics
 * and categories; the second writes the columns' arrays, whose sizes are known by then.
 * See ingest_internal.h.
 */
#include "base/memory.h"
#include "column_names.h"
#include "column_profile.h"
#include "csv.h"
#include "csv_sniff.h"
#include "file_kind.h"
#include "ingest_internal.h"
#include "missing_texts.h"
#include "table_writer.h"

#include <stdlib.h>
#include <string.h>

/* Of the lists of categories in the facts, as JSON text. */
#define VALUES_MAX_BYTES ((size_t)3 << 20)

struct table {
    struct ingest *ingest;
    const char *part;
    struct byte_source *source;
    struct csv_format format;
    struct csv_reader *reader;
    struct missing_texts missing;
    char **names; /* [profiles.count] */
    struct column_profiles profiles;
    struct dataset_facts facts; /* its columns are owned by the table */
};

static void table_release(struct table *table)
{
    for (size_t i = 0; i < table->facts.column_count; i++) {
        struct column_facts *column = &table->facts.columns[i];
        for (size_t v = 0; v < column->value_count; v++)
            free(column->values[v]);
        free(column->values);
    }
    free(table->facts.columns);
    column_names_free(table->names, table->profiles.count);
    column_profiles_release(&table->profiles);
    missing_texts_release(&table->missing);
    csv_close(table->reader);
    byte_source_close(table->source);
}

/* Refuses what is no text at all, saying what it looks like. */
static int check_kind(const struct table *table, struct error *err)
{
    unsigned char bytes[FILE_KIND_BYTES];
    size_t got;
    int rc = byte_source_peek(table->source, bytes, sizeof(bytes), &got, err);
    if (rc != 0)
        return rc;
    const char *description;
    enum file_kind kind = file_kind_of(bytes, got, &description);
    if (kind == FILE_TEXT)
        return 0;
    if (kind == FILE_IDX || kind == FILE_NPY)
        return error_set(
            err, ERR_INVALID,
            "a table is expected; this looks like %s, which is sent as the part "
            "train.features",
            description);
    return error_set(err, ERR_INVALID,
                     "a table (CSV in UTF-8) is expected; this looks like %s",
                     description);
}

/* ---- the first pass ---- */

/* Sets up the columns by the first record: the header, or the first row. */
static int begin_columns(struct table *table, const struct csv_record *first,
                         struct error *err)
{
    if (column_profiles_init(&table->profiles, first->count) != 0)
        return error_set(err, ERR_NOMEM, "no memory for %d columns", first->count);
    table->names =
        column_names_new(table->format.header ? first->fields : NULL, first->count);
    if (!table->names)
        return error_set(err, ERR_NOMEM, "no memory for %d columns", first->count);
    csv_name_columns(table->reader, table->names, first->count);
    return 0;
}

static int profile_row(struct table *table, const struct csv_record *record)
{
    for (int i = 0; i < record->count; i++) {
        const char *text = record->fields[i].text;
        size_t length = record->fields[i].length;
        missing_texts_trim(&text, &length);
        if (missing_texts_has(&table->missing, text, length)) {
            column_profiles_add_missing(&table->profiles, i);
            continue;
        }
        int rc = column_profiles_add(&table->profiles, i, text, length, record->row,
                                     record->line);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int profile_rows(struct table *table, struct error *err)
{
    const uint64_t max_rows = ingest_max_rows(table->ingest);
    const struct csv_record *record;
    int rc = csv_next(table->reader, &record, err);
    if (rc != 0)
        return rc;
    if (!record)
        return error_set(err, ERR_INVALID, "the table is empty");
    rc = begin_columns(table, record, err);
    if (rc == 0 && table->format.header)
        rc = csv_next(table->reader, &record, err);
    for (; rc == 0 && record; rc = csv_next(table->reader, &record, err)) {
        if (++table->facts.train_rows > max_rows)
            return error_set(err, ERR_TOO_LARGE, "more than %llu rows",
                             (unsigned long long)max_rows);
        if (profile_row(table, record) != 0)
            return error_set(err, ERR_NOMEM, "no memory for the values of the columns");
    }
    if (rc == 0 && table->facts.train_rows == 0)
        rc = error_set(err, ERR_INVALID,
                       "the table has a header, but no rows; are its line ends "
                       "lost? (curl -d drops them, --data-binary keeps them)");
    return rc;
}

/* ---- facts ---- */

/* Every number column must hold finite numbers alone; all that do not are named. */
static int check_numbers(struct table *table, struct error *err)
{
    int rc = 0;
    for (int i = 0; i < table->profiles.count; i++) {
        const struct column_profile *profile = &table->profiles.items[i];
        const struct cell_excerpt *cell = &profile->first_not_finite;
        if (column_profile_is_spoiled(profile))
            rc = ingest_refuse(
                table->ingest, ERR_INVALID, table->part, err,
                "row %llu (line %llu), column %d (\"%.64s\"): \"%s\" is not a "
                "finite number in the range of float32",
                (unsigned long long)cell->row, (unsigned long long)cell->line, i + 1,
                table->names[i], cell->text);
    }
    return rc;
}

static size_t values_bytes(const struct column_facts *column)
{
    size_t bytes = 0;
    for (size_t i = 0; i < column->value_count; i++) {
        bytes += 3; /* quotes and a comma */
        for (const char *at = column->values[i]; *at; at++)
            bytes += (unsigned char)*at < 0x20 ? 6 : *at == '"' || *at == '\\' ? 2 : 1;
    }
    return bytes;
}

static void drop_values(struct column_facts *column)
{
    for (size_t i = 0; i < column->value_count; i++)
        free(column->values[i]);
    free(column->values);
    column->values = NULL;
    column->value_count = 0;
    if (column->type == COLUMN_CATEGORY)
        column->type = COLUMN_TEXT;
}

/* The lists of categories must fit the facts: the longest ones are dropped. They are
 * measured once, because thousands of columns may have a thousand values each. */
static int limit_values(struct table *table)
{
    size_t count = table->facts.column_count, total = 0;
    size_t *bytes = mem_alloc_array(count, sizeof(*bytes));
    if (!bytes)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = values_bytes(&table->facts.columns[i]);
        total += bytes[i];
    }
    while (total > VALUES_MAX_BYTES) {
        size_t largest = 0;
        for (size_t i = 1; i < count; i++)
            if (bytes[i] > bytes[largest])
                largest = i;
        drop_values(&table->facts.columns[largest]);
        table->profiles.items[largest].gave_up = true;
        total -= bytes[largest];
        bytes[largest] = 0;
    }
    free(bytes);
    return 0;
}

static int work_facts_out(struct table *table, struct error *err)
{
    size_t count = (size_t)table->profiles.count;
    table->facts.kind = DATASET_TABLE;
    table->facts.columns = mem_alloc_array(count, sizeof(*table->facts.columns));
    if (!table->facts.columns)
        return error_set(err, ERR_NOMEM, "no memory for the facts of a table");
    table->facts.column_count = count;
    for (size_t i = 0; i < count; i++) {
        table->facts.columns[i].name = table->names[i];
        int rc =
            column_profile_facts(&table->profiles.items[i], &table->facts.columns[i]);
        if (rc != 0)
            return error_set(err, rc, "no memory for the facts of a table");
    }
    if (limit_values(table) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the facts of a table");
    return 0;
}

/* ---- notes ---- */

static int note_column(struct table *table, int i, struct error *err)
{
    const struct column_profile *profile = &table->profiles.items[i];
    const struct column_facts *column = &table->facts.columns[i];
    if (profile->missing == table->facts.train_rows)
        return ingest_note(table->ingest, err, "column \"%.64s\" has no values",
                           column->name);
    if (column_profile_is_nearly_number(profile))
        return ingest_note(table->ingest, err,
                           "column \"%.64s\" holds numbers but for %llu values, the "
                           "first in row %llu (line "
                           "%llu): \"%s\"; it is read as %s",
                           column->name, (unsigned long long)profile->texts,
                           (unsigned long long)profile->first_text.row,
                           (unsigned long long)profile->first_text.line,
                           profile->first_text.text, column_type_name(column->type));
    if (profile->gave_up && (column->type == COLUMN_TEXT || column->integer))
        return ingest_note(
            table->ingest, err,
            "the distinct values of column \"%.64s\" are not listed, because "
            "those of all columns together are too many",
            column->name);
    return 0;
}

static int note_all(struct table *table, struct error *err)
{
    const struct csv_format *format = &table->format;
    uint64_t blank = csv_blank_lines(table->reader);
    int rc = 0;
    if (format->delimiter != ',' && format->delimiter_found)
        rc = ingest_note(table->ingest, err, "the delimiter %s was found",
                         format->delimiter == '\t'  ? "tab"
                         : format->delimiter == ';' ? ";"
                                                    : "|");
    if (rc == 0 && !format->header && format->header_found)
        rc = ingest_note(table->ingest, err,
                         "no header was found; the columns are named c0 to c%d",
                         table->profiles.count - 1);
    if (rc == 0 && format->decimal_comma)
        rc = ingest_note(table->ingest, err,
                         "numbers with a decimal comma were seen; they are read as text");
    if (rc == 0 && blank > 0)
        rc = ingest_note(table->ingest, err, "%llu empty line%s skipped",
                         (unsigned long long)blank, blank == 1 ? "" : "s");
    for (int i = 0; rc == 0 && i < table->profiles.count; i++)
        rc = note_column(table, i, err);
    return rc;
}

/* ---- the second pass ---- */

static int write_rows(struct table *table, json_t **ret_preview, struct error *err)
{
    struct table_writer *writer = NULL;
    int rc = table_writer_open(table->ingest->output_fd, &table->facts, &table->profiles,
                               &table->missing, &writer, err);
    if (rc != 0)
        return rc;
    const struct csv_record *record = NULL;
    rc = csv_rewind(table->reader, err);
    if (rc == 0)
        rc = csv_next(table->reader, &record, err);
    if (rc == 0 && table->format.header)
        rc = csv_next(table->reader, &record, err);
    for (; rc == 0 && record; rc = csv_next(table->reader, &record, err)) {
        rc = table_writer_add(writer, record, err);
        if (rc != 0)
            break;
    }
    if (rc == 0)
        rc = table_writer_finish(writer, ret_preview, err);
    table_writer_free(writer);
    return rc;
}

static int ingest_rows(struct table *table, json_t **ret_facts, struct error *err)
{
    const struct ingest_options *options = table->ingest->options;
    int rc = missing_texts_init(&table->missing, options->missing, err);
    if (rc == 0)
        rc = check_kind(table, err);
    if (rc == 0)
        rc = csv_sniff(table->source, options->delimiter, options->header,
                       &table->missing, &table->format, err);
    if (rc == 0)
        rc = csv_open(table->source, table->format.delimiter, table->format.header,
                      &table->reader, err);
    if (rc == 0)
        rc = profile_rows(table, err);
    if (rc == 0)
        rc = check_numbers(table, err);
    if (rc == 0)
        rc = work_facts_out(table, err);
    if (rc == 0)
        rc = note_all(table, err);
    json_t *preview = NULL;
    if (rc == 0)
        rc = write_rows(table, &preview, err);
    if (rc != 0)
        return rc;
    json_t *facts = facts_to_json(&table->facts);
    if (json_object_set_new(facts, "preview", preview) != 0) {
        json_decref(facts);
        return error_set(err, ERR_NOMEM, "no memory for the facts of a table");
    }
    *ret_facts = facts;
    return 0;
}

int table_ingest(struct ingest *ingest, const struct ingest_part *part,
                 json_t **ret_facts, struct error *err)
{
    struct table table = {.ingest = ingest, .part = part->name};
    size_t refused = ingest->violations->total;
    int rc = ingest_open_part(ingest, part, &table.source, err);
    if (rc != 0)
        return rc;
    struct error cause = {0};
    rc = ingest_rows(&table, ret_facts, &cause);
    table_release(&table);
    if (rc == 0)
        return 0;
    if (ingest->violations->total > refused) /* it was said already */
        return error_set_at(err, rc, cause.pointer, "%s", cause.text);
    return ingest_refuse_cause(ingest, rc, part->name, &cause, err);
}
