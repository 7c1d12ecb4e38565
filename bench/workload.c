/* See workload.h. */
#include "workload.h"
#include "workload_files.h"

#include "base/rng.h"
#include "data/dataset_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_VALUES 4096
#define FIRST_LETTER '0' /* of a text */
#define MEMORY_MB 8192

static int64_t integer(const struct workload *workload, const char *key)
{
    return json_integer_value(json_object_get(workload->json, key));
}

static bool is_text(const struct workload *workload)
{
    return workload->samples_per_row > 1;
}

static int64_t features(const struct workload *workload)
{
    const json_t *shape = json_object_get(workload->json, "sample_shape");
    int64_t count = 1;
    for (size_t i = 0; i < json_array_size(shape); i++)
        count *= json_integer_value(json_array_get(shape, i));
    return count;
}

int workload_find(const char *name, struct workload *ret_workload, struct error *err)
{
    char file[32];
    snprintf(file, sizeof(file), "%s.json", name);
    for (size_t i = 0; i < workload_files_count; i++) {
        if (strcmp(workload_files[i].name, file) != 0)
            continue;
        json_error_t fault;
        struct workload workload = {.name = name, .samples_per_row = 1};
        workload.json = json_loadb((const char *)workload_files[i].bytes,
                                   workload_files[i].length, 0, &fault);
        if (!workload.json)
            return error_set(err, ERR_INVALID, "%s: %s", file, fault.text);
        workload.rows = integer(&workload, "rows");
        workload.classes = integer(&workload, "classes");
        workload.epochs = integer(&workload, "epochs");
        if (json_object_get(workload.json, "context_length"))
            workload.samples_per_row = integer(&workload, "context_length");
        workload.flops = json_number_value(json_object_get(workload.json, "flops"));
        *ret_workload = workload;
        return 0;
    }
    return error_set(err, ERR_NOT_FOUND, "there is no workload \"%s\"", name);
}

void workload_release(struct workload *workload)
{
    json_decref(workload->json);
    *workload = (struct workload){0};
}

/* ---- the dataset ---- */

static int write_features(struct dataset_writer *writer, int64_t count, struct error *err)
{
    float values[CHUNK_VALUES];
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, 0);
    for (int64_t left = count; left > 0;) {
        int64_t part = left < CHUNK_VALUES ? left : CHUNK_VALUES;
        for (int64_t i = 0; i < part; i++)
            values[i] = (float)rng_normal(&rng);
        int rc =
            dataset_writer_append(writer, 0, values, (uint64_t)part * sizeof(float), err);
        if (rc != 0)
            return rc;
        left -= part;
    }
    return 0;
}

static int write_labels(struct dataset_writer *writer, const struct workload *workload,
                        struct error *err)
{
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, 1);
    for (int64_t i = 0; i < workload->rows; i++) {
        int32_t label = (int32_t)rng_below(&rng, (uint32_t)(workload->classes + 1));
        float number = (float)rng_normal(&rng);
        if (workload->classes > 0)
            label %= (int32_t)workload->classes;
        const void *value = workload->classes > 0 ? (const void *)&label : &number;
        int rc = dataset_writer_append(writer, 1, value, sizeof(label), err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int64_t text_bytes(const struct workload *workload)
{
    return workload->rows * workload->samples_per_row + 1;
}

/* Letters drawn at random, but that each comes once at the start. */
static int write_letters(struct dataset_writer *writer, const struct workload *workload,
                         struct error *err)
{
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, 0);
    for (int64_t i = 0; i < text_bytes(workload); i++) {
        uint32_t drawn = rng_below(&rng, (uint32_t)workload->classes);
        uint32_t which = i < workload->classes ? (uint32_t)i : drawn;
        unsigned char letter = (unsigned char)(FIRST_LETTER + which);
        int rc = dataset_writer_append(writer, 0, &letter, 1, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_text(const struct workload *workload, int fd, struct error *err)
{
    struct dataset_array array = {.part = PART_TRAIN,
                                  .column = DATASET_FEATURES,
                                  .element = ELEMENT_UINT8,
                                  .rank = 1,
                                  .dims = {text_bytes(workload)}};
    struct dataset_writer *writer = NULL;
    int rc = dataset_writer_open(fd, &array, 1, &writer, err);
    if (rc == 0)
        rc = write_letters(writer, workload, err);
    if (rc == 0)
        rc = dataset_writer_finish(writer, err);
    dataset_writer_free(writer);
    return rc;
}

int workload_write_dataset(const struct workload *workload, int fd, struct error *err)
{
    if (is_text(workload))
        return write_text(workload, fd, err);
    struct dataset_array arrays[2] = {
        {.part = PART_TRAIN,
         .column = DATASET_FEATURES,
         .element = ELEMENT_FLOAT32,
         .dims = {workload->rows}},
        {.part = PART_TRAIN,
         .column = 0,
         .element = workload->classes > 0 ? ELEMENT_INT32 : ELEMENT_FLOAT32,
         .rank = 1,
         .dims = {workload->rows}},
    };
    const json_t *shape = json_object_get(workload->json, "sample_shape");
    arrays[0].rank = 1 + (int)json_array_size(shape);
    for (size_t i = 0; i < json_array_size(shape); i++)
        arrays[0].dims[1 + i] = json_integer_value(json_array_get(shape, i));
    struct dataset_writer *writer = NULL;
    int rc = dataset_writer_open(fd, arrays, 2, &writer, err);
    if (rc == 0)
        rc = write_features(writer, workload->rows * features(workload), err);
    if (rc == 0)
        rc = write_labels(writer, workload, err);
    if (rc == 0)
        rc = dataset_writer_finish(writer, err);
    dataset_writer_free(writer);
    return rc;
}

static json_t *text_facts(const struct workload *workload)
{
    char alphabet[128] = "";
    for (int64_t i = 0; i < workload->classes; i++)
        alphabet[i] = (char)(FIRST_LETTER + i);
    json_int_t bytes = (json_int_t)text_bytes(workload);
    return json_pack("{s:s, s:{s:I, s:i}, s:[], s:{s:I, s:i, s:I, s:s}}", "kind", "text",
                     "rows", "train", bytes, "test", 0, "columns", "text", "characters",
                     bytes, "lines", 1, "distinct_characters",
                     (json_int_t)workload->classes, "alphabet", alphabet);
}

json_t *workload_facts(const struct workload *workload)
{
    if (is_text(workload))
        return text_facts(workload);
    json_t *label =
        json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:b, s:b}", "name", "label",
                  "type", "number", "missing", 0, "min", -6.0, "max", 6.0, "mean", 0.0,
                  "std", 1.0, "integer", workload->classes > 0, "row_id", 0);
    if (workload->classes > 0) {
        json_t *values = json_array();
        for (int64_t i = 0; i < workload->classes; i++) {
            char text[24];
            snprintf(text, sizeof(text), "%lld", (long long)i);
            json_array_append_new(values, json_string(text));
        }
        json_object_set_new(label, "categories", json_integer(workload->classes));
        json_object_set_new(label, "values", values);
    }
    return json_pack("{s:s, s:{s:I, s:i}, s:s, s:O, s:[o]}", "kind", "arrays", "rows",
                     "train", (json_int_t)workload->rows, "test", 0, "element", "float32",
                     "sample_shape", json_object_get(workload->json, "sample_shape"),
                     "columns", label);
}

/* ---- the job ---- */

json_t *workload_spec(const struct workload *workload, int threads, int64_t epochs)
{
    json_t *spec = json_deep_copy(json_object_get(workload->json, "job"));
    json_t *rest =
        json_pack("{s:s, s:I, s:{s:s, s:{s:f}}, s:{s:i, s:i}}", "dataset",
                  "ds_00000000000000000000000000", "epochs", (json_int_t)epochs, "split",
                  "type", is_text(workload) ? "contiguous" : "random", "fractions",
                  "train", 1.0, "resources", "threads", threads, "memory_mb", MEMORY_MB);
    if (!rest || json_object_update(spec, rest) != 0) {
        json_decref(spec);
        spec = NULL;
    }
    json_decref(rest);
    return spec;
}
