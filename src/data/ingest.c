/*
 * See ingest.h. Here the parts are sorted into one of the three kinds of datasets, and
 * what is common to all of them is done: opening parts, violations, notes, the bound on
 * the facts.
 */
#include "base/utf8.h"
#include "ingest_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 512
#define POINTER_BYTES 64
#define NOTES_MAX 50

static const char *const part_names[] = {
    "table", "text", "train.features", "train.labels", "test.features", "test.labels"};
#define PART_NAME_COUNT (sizeof(part_names) / sizeof(part_names[0]))
#define FIRST_ARRAY_NAME 2

uint64_t ingest_max_rows(const struct ingest *ingest)
{
    uint64_t rows = ingest->options->max_rows;
    return rows < FACTS_MAX_ROWS ? rows : FACTS_MAX_ROWS;
}

int ingest_note(struct ingest *ingest, struct error *err, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    utf8_mend(text);
    size_t count = json_array_size(ingest->notes);
    if (count > NOTES_MAX)
        return 0;
    if (count == NOTES_MAX)
        snprintf(text, sizeof(text), "further notes are left out");
    if (json_array_append_new(ingest->notes, json_string(text)) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the notes of a dataset");
    return 0;
}

static int refuse(struct ingest *ingest, int code, const char *part, const char *text,
                  struct error *err)
{
    char pointer[POINTER_BYTES];
    snprintf(pointer, sizeof(pointer), "%s%s", part[0] ? "/" : "", part);
    violations_add(ingest->violations, pointer, "%s", text);
    return error_set_at(err, code, pointer, "%s", text);
}

int ingest_refuse(struct ingest *ingest, int code, const char *part, struct error *err,
                  const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return refuse(ingest, code, part, text, err);
}

int ingest_refuse_cause(struct ingest *ingest, int code, const char *part,
                        const struct error *cause, struct error *err)
{
    if (code == ERR_INVALID || code == ERR_TOO_LARGE)
        return refuse(ingest, code, part, cause->text, err);
    return error_set(err, code, "%s", cause->text);
}

static int watch(void *context, uint64_t file_bytes)
{
    struct ingest *ingest = context;
    ingest->bytes_read += file_bytes;
    return ingest->progress ? ingest->progress(ingest->context, ingest->bytes_read) : 0;
}

int ingest_open_part(struct ingest *ingest, const struct ingest_part *part,
                     struct byte_source **ret_source, struct error *err)
{
    struct error cause = {0};
    int rc = byte_source_open(part->fd, ingest->options->max_expanded_bytes, watch,
                              ingest, ret_source, &cause);
    return rc == 0 ? 0 : ingest_refuse_cause(ingest, rc, part->name, &cause, err);
}

/* ---- which kind of dataset ---- */

static int find_name(const char *name)
{
    for (size_t i = 0; i < PART_NAME_COUNT; i++) {
        if (strcmp(part_names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static int check_names(struct ingest *ingest, const struct ingest_part *parts, int count,
                       struct error *err)
{
    unsigned seen = 0;
    int rc = 0;
    for (int i = 0; i < count; i++) {
        int name = find_name(parts[i].name);
        if (name < 0)
            rc = ingest_refuse(
                ingest, ERR_INVALID, "", err,
                "the part \"%.64s\" is none of table, text, train.features, "
                "train.labels, test.features, test.labels",
                parts[i].name);
        else if (seen & 1U << name)
            rc = ingest_refuse(ingest, ERR_INVALID, parts[i].name, err,
                               "the part \"%s\" came twice", parts[i].name);
        else
            seen |= 1U << name;
    }
    return rc;
}

static int ingest_parts(struct ingest *ingest, const struct ingest_part *parts, int count,
                        json_t **ret_facts, struct error *err)
{
    if (count < 1 || count > INGEST_MAX_PARTS)
        return ingest_refuse(ingest, ERR_INVALID, "", err,
                             "a dataset has 1 to %d parts; %d came", INGEST_MAX_PARTS,
                             count);
    int rc = check_names(ingest, parts, count, err);
    if (rc != 0)
        return rc;
    if (find_name(parts[0].name) >= FIRST_ARRAY_NAME && count > 1) {
        for (int i = 1; i < count; i++) {
            if (find_name(parts[i].name) < FIRST_ARRAY_NAME)
                return ingest_refuse(ingest, ERR_INVALID, parts[i].name, err,
                                     "the part \"%s\" cannot come together with \"%s\"",
                                     parts[i].name, parts[0].name);
        }
    }
    if (find_name(parts[0].name) >= FIRST_ARRAY_NAME)
        return arrays_ingest(ingest, parts, count, ret_facts, err);
    if (count > 1)
        return ingest_refuse(ingest, ERR_INVALID, parts[0].name, err,
                             "the part \"%s\" must be the only one; %d came",
                             parts[0].name, count);
    return strcmp(parts[0].name, "table") == 0
               ? table_ingest(ingest, &parts[0], ret_facts, err)
               : text_ingest(ingest, &parts[0], ret_facts, err);
}

/* Adds the notes and keeps the facts under their bound: the preview goes first. */
static int finish_facts(struct ingest *ingest, json_t *facts, struct error *err)
{
    if (json_object_set(facts, "notes", ingest->notes) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the notes of a dataset");
    size_t bytes = json_dumpb(facts, NULL, 0, JSON_COMPACT);
    if (bytes > INGEST_MAX_FACTS_BYTES) {
        if (json_object_set_new(facts, "preview", json_array()) != 0)
            return error_set(err, ERR_NOMEM, "no memory for the facts of a dataset");
        bytes = json_dumpb(facts, NULL, 0, JSON_COMPACT);
    }
    if (bytes == 0)
        return error_set(err, ERR_NOMEM, "no memory to measure the facts of a dataset");
    if (bytes > INGEST_MAX_FACTS_BYTES)
        return ingest_refuse(
            ingest, ERR_TOO_LARGE, "", err,
            "names and categories of the columns come to %zu bytes of JSON; "
            "at most %zu are taken",
            bytes, INGEST_MAX_FACTS_BYTES);
    return 0;
}

int ingest_run(const struct ingest_part *parts, int count,
               const struct ingest_options *options, int output_fd,
               ingest_progress *progress, void *context, json_t **ret_facts,
               struct violations *violations, struct error *err)
{
    struct ingest ingest = {.options = options,
                            .output_fd = output_fd,
                            .progress = progress,
                            .context = context,
                            .notes = json_array(),
                            .violations = violations};
    if (!ingest.notes)
        return error_set(err, ERR_NOMEM, "no memory for the notes of a dataset");
    json_t *facts = NULL;
    int rc = ingest_parts(&ingest, parts, count, &facts, err);
    if (rc == 0)
        rc = finish_facts(&ingest, facts, err);
    if (rc == 0)
        *ret_facts = json_incref(facts);
    json_decref(facts);
    json_decref(ingest.notes);
    return rc;
}
