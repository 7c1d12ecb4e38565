/* See ingest_fixture.h. */
#include "ingest_fixture.h"

#include "byte_fixture.h"
#include "spec/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void ingest_run_init(struct ingest_run *run)
{
    *run = (struct ingest_run){.options = {.header = "auto",
                                           .delimiter = "auto",
                                           .max_expanded_bytes = (uint64_t)1 << 30,
                                           .max_rows = 1000000000}};
    violations_init(&run->violations);
}

void ingest_run_add(struct ingest_run *run, const char *name, int fd)
{
    assert_true(run->count < FIXTURE_PARTS);
    run->parts[run->count++] = (struct ingest_part){name, fd};
}

static void check_array(const struct ingest_run *run, enum dataset_part part, int column,
                        uint64_t rows, bool expected)
{
    const struct dataset_array *array = dataset_file_find(run->file, part, column);
    assert_int_equal(array != NULL, expected);
    if (array)
        assert_int_equal(array->dims[0], rows);
}

static void check_output(struct ingest_run *run)
{
    struct dataset_facts *facts = NULL;
    assert_int_equal(facts_parse(run->facts, &facts, NULL), 0);
    bool arrays = facts->kind != DATASET_TABLE;
    bool test = facts->test_rows > 0;
    check_array(run, PART_TRAIN, DATASET_FEATURES, facts->train_rows, arrays);
    check_array(run, PART_TEST, DATASET_FEATURES, facts->test_rows, arrays && test);
    for (size_t i = 0; i < facts->column_count; i++) {
        bool stored = facts->columns[i].type != COLUMN_TEXT;
        check_array(run, PART_TRAIN, (int)i, facts->train_rows, stored);
        check_array(run, PART_TEST, (int)i, facts->test_rows, stored && test);
    }
    facts_free(facts);
}

void ingest_run_go(struct ingest_run *run)
{
    int output = fixture_file("", 0);
    run->rc = ingest_run(run->parts, run->count, &run->options, output, NULL, NULL,
                         &run->facts, &run->violations, &run->err);
    if (run->rc == 0) {
        assert_int_equal(dataset_file_open(output, &run->file, &run->err), 0);
        assert_int_equal(run->violations.total, 0);
        check_output(run);
    } else {
        assert_null(run->facts);
        assert_int_equal(run->err.code, run->rc);
        assert_true(run->err.text[0] != '\0');
    }
    close(output);
}

void ingest_run_release(struct ingest_run *run)
{
    for (int i = 0; i < run->count; i++)
        close(run->parts[i].fd);
    dataset_file_close(run->file);
    json_decref(run->facts);
    violations_release(&run->violations);
}

void ingest_run_text(struct ingest_run *run, const char *part, const char *text)
{
    ingest_run_init(run);
    ingest_run_add(run, part, fixture_text(text));
    ingest_run_go(run);
}

const json_t *ingest_run_column(const struct ingest_run *run, const char *name)
{
    size_t i;
    json_t *column;
    if (run->rc != 0)
        fail_msg("ingest failed: %s", run->err.text);
    json_array_foreach(json_object_get(run->facts, "columns"), i, column)
    {
        if (strcmp(json_string_value(json_object_get(column, "name")), name) == 0)
            return column;
    }
    fail_msg("there is no column %s", name);
    return NULL;
}

const char *ingest_run_values(const struct ingest_run *run, const char *name)
{
    static char text[4096];
    size_t i, at = 0;
    json_t *value;
    text[0] = '\0';
    json_array_foreach(json_object_get(ingest_run_column(run, name), "values"), i, value)
    {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i > 0 ? "," : "",
                               json_string_value(value));
        assert_true(at < sizeof(text));
    }
    return text;
}

const float *ingest_run_numbers(const struct ingest_run *run, enum dataset_part part,
                                int column)
{
    const struct dataset_array *array = dataset_file_find(run->file, part, column);
    assert_non_null(array);
    assert_int_equal(array->element, ELEMENT_FLOAT32);
    return array->data;
}

const int32_t *ingest_run_codes(const struct ingest_run *run, enum dataset_part part,
                                int column)
{
    const struct dataset_array *array = dataset_file_find(run->file, part, column);
    assert_non_null(array);
    assert_int_equal(array->element, ELEMENT_INT32);
    return array->data;
}

void assert_note(const struct ingest_run *run, const char *text)
{
    size_t i;
    json_t *note;
    json_array_foreach(json_object_get(run->facts, "notes"), i, note)
    {
        if (strstr(json_string_value(note), text))
            return;
    }
    fail_msg("no note says \"%s\"", text);
}

void assert_refused(const struct ingest_run *run, int code, const char *pointer,
                    const char *text)
{
    assert_int_equal(run->rc, code);
    for (size_t i = 0; i < run->violations.count; i++) {
        if (strcmp(run->violations.items[i].pointer, pointer) == 0 &&
            strstr(run->violations.items[i].detail, text))
            return;
    }
    for (size_t i = 0; i < run->violations.count; i++)
        print_message("%s: %s\n", run->violations.items[i].pointer,
                      run->violations.items[i].detail);
    fail_msg("no violation at %s says \"%s\"", pointer, text);
}
