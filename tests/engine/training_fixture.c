/* See training_fixture.h. */
#include "training_fixture.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- data ---- */

struct training_data made_up_data(size_t rows, size_t features, int classes, size_t width)
{
    struct training_data data = {
        .rows = rows, .features = features, .classes = classes, .width = width};
    float *x = calloc(rows * features, sizeof *x);
    int32_t *labels = calloc(rows, sizeof *labels);
    float *numbers = calloc(rows * (width > 0 ? width : 1), sizeof *numbers);
    assert_true(x && labels && numbers);
    struct rng rng;
    rng_init(&rng, 99, RNG_SAMPLE, 0);
    for (size_t r = 0; r < rows; r++) {
        int label = classes > 0 ? (int)r % classes : 0;
        labels[r] = label;
        double sum = 0;
        for (size_t f = 0; f < features; f++) {

            double centre = classes > 0 ? 2 * sin(2 * label + (double)f) : 0;
            double value = centre + 0.7 * rng_normal(&rng);
            x[r * features + f] = (float)value;
            sum += value * (f % 2 ? -1 : 1);
        }
        for (size_t w = 0; w < width; w++)
            numbers[r * width + w] =
                (float)(500 + 100 * sin(sum + (double)w) + 5 * rng_normal(&rng));
    }
    data.x = x;
    data.labels = labels;
    data.numbers = numbers;
    return data;
}

void made_up_data_release(struct training_data *data)
{
    free((void *)(uintptr_t)data->x);
    free((void *)(uintptr_t)data->labels);
    free((void *)(uintptr_t)data->numbers);
}

/* ---- facts and dataset file ---- */

static json_t *label_facts(const struct training_data *data)
{
    if (data->classes > 0) {
        json_t *values = json_array();
        for (int c = 0; c < data->classes; c++) {
            char text[16];
            snprintf(text, sizeof text, "%d", c);
            json_array_append_new(values, json_string(text));
        }
        return json_pack("{s:s, s:s, s:i, s:b, s:i, s:f, s:f, s:f, s:i, s:o}", "name",
                         "label", "type", "number", "missing", 0, "integer", 1, "min", 0,
                         "max", (double)data->classes - 1, "mean", 1.0, "std", 1.0,
                         "categories", data->classes, "values", values);
    }
    double sum = 0, squares = 0, low = HUGE_VAL, high = -HUGE_VAL;
    size_t count = 0;
    for (size_t i = 0; i < data->rows * data->width; i++) {
        double value = (double)data->numbers[i];
        if (isnan(value))
            continue;
        count++;
        sum += value;
        squares += value * value;
        low = fmin(low, value);
        high = fmax(high, value);
    }
    double mean = sum / (double)count;
    return json_pack("{s:s, s:s, s:i, s:b, s:f, s:f, s:f, s:f, s:I}", "name", "label",
                     "type", "number", "missing", 0, "integer", 0, "min", low, "max",
                     high, "mean", mean, "std",
                     sqrt(fmax(0, squares / (double)count - mean * mean)), "width",
                     (json_int_t)data->width);
}

static struct dataset_facts *make_facts(const struct training_data *data)
{
    const int64_t *image = data->image;
    json_t *shape = image[0] > 0 ? json_pack("[I, I, I]", (json_int_t)image[0],
                                             (json_int_t)image[1], (json_int_t)image[2])
                                 : json_pack("[I]", (json_int_t)data->features);
    json_t *json =
        json_pack("{s:s, s:{s:I, s:i}, s:s, s:o, s:[o]}", "kind", "arrays", "rows",
                  "train", (json_int_t)data->rows, "test", 0, "element", "float32",
                  "sample_shape", shape, "columns", label_facts(data));
    assert_non_null(json);
    struct dataset_facts *facts = NULL;
    struct error err = {0};
    if (facts_parse(json, &facts, &err) != 0)
        fail_msg("facts: %s", err.text);
    json_decref(json);
    return facts;
}

static struct dataset_file *make_file(const struct training_data *data)
{
    int64_t rows = (int64_t)data->rows;
    struct dataset_array arrays[2] = {
        {.part = PART_TRAIN,
         .column = DATASET_FEATURES,
         .element = ELEMENT_FLOAT32,
         .rank = 2,
         .dims = {rows, (int64_t)data->features}},
        {.part = PART_TRAIN,
         .column = 0,
         .element = ELEMENT_INT32,
         .rank = 1,
         .dims = {rows}},
    };
    if (data->image[0] > 0) {
        arrays[0].rank = 4;
        for (int i = 0; i < 3; i++)
            arrays[0].dims[i + 1] = data->image[i];
    }
    uint64_t label_bytes = data->rows * sizeof *data->labels;
    const void *labels = data->labels;
    if (data->classes == 0) {
        arrays[1].element = ELEMENT_FLOAT32;
        arrays[1].rank = data->width > 1 ? 2 : 1;
        arrays[1].dims[1] = (int64_t)data->width;
        label_bytes = data->rows * data->width * sizeof *data->numbers;
        labels = data->numbers;
    }
    int fd = memfd_create("dataset", MFD_CLOEXEC);
    assert_true(fd >= 0);
    struct dataset_writer *writer = NULL;
    struct dataset_file *file = NULL;
    struct error err = {0};
    if (dataset_writer_open(fd, arrays, 2, &writer, &err) != 0 ||
        dataset_writer_append(writer, 0, data->x,
                              data->rows * data->features * sizeof *data->x, &err) != 0 ||
        dataset_writer_append(writer, 1, labels, label_bytes, &err) != 0 ||
        dataset_writer_finish(writer, &err) != 0 ||
        dataset_file_open(fd, &file, &err) != 0)
        fail_msg("dataset file: %s", err.text);
    dataset_writer_free(writer);
    close(fd);
    return file;
}

/* ---- fixture ---- */

/* Facts and file are there. */
static void open_with(struct training_fixture *fixture, const json_t *spec)
{
    json_t *json = json_deep_copy(spec);
    assert_int_equal(json_object_set_new(json, "dataset",
                                         json_string("ds_01k00000000000000000000000")),
                     0);
    struct violations violations;
    violations_init(&violations);
    if (job_spec_parse(json, fixture->facts, &fixture->spec, &violations) != 0)
        fail_msg("spec: %s: %s", violations.items[0].pointer, violations.items[0].detail);
    violations_release(&violations);
    json_decref(json);
    struct error err = {0};
    if (pipeline_open(fixture->file, fixture->facts, fixture->spec, &fixture->pipeline,
                      &err) != 0)
        fail_msg("pipeline: %s", err.text);
}

void training_fixture_open(struct training_fixture *fixture,
                           const struct training_data *data, const json_t *spec)
{
    *fixture =
        (struct training_fixture){.facts = make_facts(data), .file = make_file(data)};
    open_with(fixture, spec);
}

static json_t *spec_of_text(const char *spec)
{
    char *text = strdup(spec);
    assert_non_null(text);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        fail_msg("spec text: %s", error.text);
    free(text);
    return json;
}

void training_fixture_open_text(struct training_fixture *fixture,
                                const struct training_data *data, const char *spec)
{
    json_t *json = spec_of_text(spec);
    training_fixture_open(fixture, data, json);
    json_decref(json);
}

void training_fixture_open_prose(struct training_fixture *fixture, const char *prose,
                                 const char *spec)
{
    int64_t length = (int64_t)strlen(prose);
    struct dataset_array array = {.part = PART_TRAIN,
                                  .column = DATASET_FEATURES,
                                  .element = ELEMENT_UINT8,
                                  .rank = 1,
                                  .dims = {length}};
    int fd = memfd_create("dataset", MFD_CLOEXEC);
    assert_true(fd >= 0);
    struct dataset_writer *writer = NULL;
    *fixture = (struct training_fixture){0};
    assert_int_equal(dataset_writer_open(fd, &array, 1, &writer, NULL), 0);
    assert_int_equal(dataset_writer_append(writer, 0, prose, (uint64_t)length, NULL), 0);
    assert_int_equal(dataset_writer_finish(writer, NULL), 0);
    assert_int_equal(dataset_file_open(fd, &fixture->file, NULL), 0);
    dataset_writer_free(writer);
    close(fd);
    json_t *facts =
        json_pack("{s:s, s:{s:I}}", "kind", "text", "rows", "train", (json_int_t)length);
    assert_int_equal(facts_parse(facts, &fixture->facts, NULL), 0);
    json_decref(facts);
    json_t *json = spec_of_text(spec);
    open_with(fixture, json);
    json_decref(json);
}

void training_fixture_close(struct training_fixture *fixture)
{
    pipeline_close(fixture->pipeline);
    job_spec_free(fixture->spec);
    dataset_file_close(fixture->file);
    facts_free(fixture->facts);
}

struct trainer *make_trainer(const struct training_fixture *fixture)
{
    struct trainer *trainer = NULL;
    struct error err = {0};
    if (trainer_new(fixture->spec, fixture->pipeline, &trainer, &err) != 0)
        fail_msg("trainer: %s", err.text);
    return trainer;
}

enum train_end run_trainer(struct trainer *trainer, const struct train_hooks *hooks)
{
    static const struct train_hooks none = {0};
    enum train_end end = TRAIN_CANCELLED;
    struct error err = {0};
    if (trainer_run(trainer, hooks ? hooks : &none, &end, &err) != 0)
        fail_msg("run: %s", err.text);
    return end;
}

unsigned char *exported_bytes(const struct trainer *trainer, size_t *ret_bytes)
{
    const struct network *network = trainer_network(trainer);
    size_t length = network_exported_bytes(network);
    unsigned char *bytes = malloc(length);
    assert_non_null(bytes);
    network_export(network, bytes);
    *ret_bytes = length;
    return bytes;
}
