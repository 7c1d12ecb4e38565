/* See dataset_fixture.h. */
#include "dataset_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define TOLERANCE 1e-6
#define MAX_ROWS 64

static uint64_t array_bytes(const struct dataset_array *array)
{
    uint64_t bytes = element_type_bytes(array->element);
    for (int i = 0; i < array->rank; i++)
        bytes *= (uint64_t)array->dims[i];
    return bytes;
}

struct dataset_file *fixture_file(const struct dataset_array *arrays, int count)
{
    int fd = memfd_create("dataset", MFD_CLOEXEC);
    assert_true(fd >= 0);
    struct error err = {0};
    struct dataset_writer *writer = NULL;
    assert_int_equal(dataset_writer_open(fd, arrays, count, &writer, &err), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(dataset_writer_append(writer, i, arrays[i].data,
                                               array_bytes(&arrays[i]), &err),
                         0);
    assert_int_equal(dataset_writer_finish(writer, &err), 0);
    dataset_writer_free(writer);
    struct dataset_file *file = NULL;
    assert_int_equal(dataset_file_open(fd, &file, &err), 0);
    close(fd);
    return file;
}

json_t *fixture_json(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_error_t where;
    json_t *json = json_loads(copy, JSON_DECODE_ANY, &where);
    if (!json)
        fail_msg("%s: %s", where.text, copy);
    free(copy);
    return json;
}

struct dataset_facts *fixture_facts(const char *text)
{
    json_t *json = fixture_json(text);
    struct dataset_facts *facts = NULL;
    struct error err = {0};
    if (facts_parse(json, &facts, &err) != 0)
        fail_msg("%s", err.text);
    json_decref(json);
    return facts;
}

struct pipeline *fixture_open(const struct dataset_file *file,
                              const struct dataset_facts *facts,
                              const struct job_spec *spec)
{
    struct pipeline *pipeline = NULL;
    struct error err = {0};
    if (pipeline_open(file, facts, spec, &pipeline, &err) != 0)
        fail_msg("%s", err.text);
    return pipeline;
}

void fixture_assert_rows(const struct pipeline *pipeline, enum split split,
                         const uint64_t *rows, size_t count)
{
    uint64_t found[MAX_ROWS];
    assert_int_equal(pipeline_rows(pipeline, split), count);
    assert_true(count <= MAX_ROWS);
    pipeline_source_rows(pipeline, split, NULL, 0, count, found);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(found[i], rows[i]);
}

void fixture_assert_floats(const float *found, const float *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double wanted = (double)expected[i];
        if (!(fabs((double)found[i] - wanted) <= TOLERANCE * fmax(1.0, fabs(wanted))))
            fail_msg("number %zu is %.9g, not %.9g", i, (double)found[i], wanted);
    }
}
