/*
 * Ingest of arrays: samples, labels or both, for training and perhaps for the test. The
 * heads of the files say all sizes, so the features are copied in one pass; labels are
 * read once before that for their statistics. See ingest_internal.h.
 */
#include "array_stream.h"
#include "arrays_preview.h"
#include "base/memory.h"
#include "dataset_file.h"
#include "elements.h"
#include "ingest_internal.h"
#include "label_profile.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_ELEMENTS 8192
#define LABEL_COLUMN 0
#define LABEL_NAME "label"

/* The parts in the order of the arrays in the dataset file. */
enum role { TRAIN_FEATURES, TRAIN_LABELS, TEST_FEATURES, TEST_LABELS, ROLE_COUNT };

static const char *const role_names[ROLE_COUNT] = {"train.features", "train.labels",
                                                   "test.features", "test.labels"};

struct arrays {
    struct ingest *ingest;
    struct array_stream *streams[ROLE_COUNT]; /* NULL: no such part */
    struct shape sample;
    struct label_profile labels;
    struct column_facts label;
    struct dataset_facts facts;
    struct dataset_writer *writer;
    int indices[ROLE_COUNT]; /* of a part's array in the dataset file */
    size_t shown;            /* samples in the preview */
    char *shown_samples;     /* [shown, sample…] */
    double *shown_labels;    /* [shown, width] */
    double numbers[PIECE_ELEMENTS];
    union {
        char bytes[PIECE_ELEMENTS * sizeof(double)];
        double aligned[PIECE_ELEMENTS];
    } piece;
};

static void arrays_free(struct arrays *arrays)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        array_stream_close(arrays->streams[i]);
    for (size_t i = 0; i < arrays->label.value_count; i++)
        free(arrays->label.values[i]);
    free(arrays->label.values);
    free(arrays->label.name);
    label_profile_release(&arrays->labels);
    dataset_writer_free(arrays->writer);
    free(arrays->shown_samples);
    free(arrays->shown_labels);
    free(arrays);
}

static bool is_features(int role)
{
    return role == TRAIN_FEATURES || role == TEST_FEATURES;
}

static uint64_t rows_of(const struct arrays *arrays, int role)
{
    if (!arrays->streams[role])
        return 0;
    return (uint64_t)array_stream_header(arrays->streams[role])->dims[0];
}

/* ---- opening and agreement ---- */

static int open_part(struct arrays *arrays, const struct ingest_part *part,
                     struct error *err)
{
    int role = 0;
    while (strcmp(role_names[role], part->name) != 0)
        role++;
    struct byte_source *source;
    int rc = ingest_open_part(arrays->ingest, part, &source, err);
    if (rc != 0)
        return rc;
    struct error cause = {0};
    rc = array_stream_open(source, &arrays->streams[role], &cause);
    return rc == 0 ? 0 : ingest_refuse_cause(arrays->ingest, rc, part->name, &cause, err);
}

/* Opens all, so that the user hears of every bad file at once. */
static int open_parts(struct arrays *arrays, const struct ingest_part *parts, int count,
                      struct error *err)
{
    int first = 0;
    for (int i = 0; i < count; i++) {
        int rc = open_part(arrays, &parts[i], err);
        first = first != 0 ? first : rc;
    }
    return first;
}

static int check_presence(struct arrays *arrays, struct error *err)
{
    static const struct {
        enum role there, needed;
    } rules[] = {{TEST_LABELS, TEST_FEATURES}, {TEST_LABELS, TRAIN_LABELS}};
    int rc = 0;
    if (!arrays->streams[TRAIN_FEATURES])
        rc = ingest_refuse(arrays->ingest, ERR_INVALID, "train.features", err,
                           "the part train.features is needed");
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (arrays->streams[rules[i].there] && !arrays->streams[rules[i].needed])
            rc = ingest_refuse(arrays->ingest, ERR_INVALID, role_names[rules[i].there],
                               err, "%s came without %s", role_names[rules[i].there],
                               role_names[rules[i].needed]);
    }
    if (arrays->streams[TEST_FEATURES] && arrays->streams[TRAIN_LABELS] &&
        !arrays->streams[TEST_LABELS])
        rc = ingest_refuse(arrays->ingest, ERR_INVALID, "test.features", err,
                           "test.features came without test.labels, but train.labels is "
                           "there");
    return rc;
}

/* The dimensions of a sample: [rows] is [rows, 1]. */
static struct shape sample_shape(const struct array_header *header)
{
    struct shape shape = {.rank = header->rank - 1};
    for (int i = 1; i < header->rank; i++)
        shape.dims[i - 1] = header->dims[i];
    if (header->rank == 1)
        shape = (struct shape){.rank = 1, .dims = {1}};
    return shape;
}

static int check_features(struct arrays *arrays, int role, struct error *err)
{
    const struct array_stream *stream = arrays->streams[role];
    struct shape shape = sample_shape(array_stream_header(stream));
    char found[SHAPE_TEXT_SIZE], expected[SHAPE_TEXT_SIZE];
    if (!shape_fits(&shape))
        return ingest_refuse(arrays->ingest, ERR_TOO_LARGE, role_names[role], err,
                             "samples of %s: at most %lld elements are taken",
                             shape_format(&shape, found), (long long)SHAPE_MAX_ELEMENTS);
    if (role == TRAIN_FEATURES) {
        arrays->sample = shape;
        return 0;
    }
    int rc = 0;
    if (!shape_equal(&shape, &arrays->sample))
        rc = ingest_refuse(arrays->ingest, ERR_INVALID, role_names[role], err,
                           "samples of %s expected, as in train.features; %s found",
                           shape_format(&arrays->sample, expected),
                           shape_format(&shape, found));
    enum element_type train = array_stream_element(arrays->streams[TRAIN_FEATURES]);
    if (array_stream_element(stream) != train)
        rc = ingest_refuse(arrays->ingest, ERR_INVALID, role_names[role], err,
                           "%s elements expected, as in train.features; %s found",
                           element_type_name(train),
                           element_type_name(array_stream_element(stream)));
    return rc;
}

static int64_t label_width(const struct array_header *header)
{
    return header->rank == 2 ? header->dims[1] : 1;
}

static int check_labels(struct arrays *arrays, int role, struct error *err)
{
    const struct array_header *header = array_stream_header(arrays->streams[role]);
    const char *features = role_names[role - 1];
    if (header->rank > 2 || label_width(header) > FACTS_MAX_COLUMNS)
        return ingest_refuse(
            arrays->ingest, ERR_INVALID, role_names[role], err,
            "labels of [rows] or [rows, width] with a width of at most %d "
            "expected; %d dimensions found, the second of %lld",
            FACTS_MAX_COLUMNS, header->rank, (long long)header->dims[1]);
    int rc = 0;
    if (rows_of(arrays, role) != rows_of(arrays, role - 1))
        rc = ingest_refuse(arrays->ingest, ERR_INVALID, role_names[role], err,
                           "%s has %llu rows, but %s has %llu", features,
                           (unsigned long long)rows_of(arrays, role - 1),
                           role_names[role], (unsigned long long)rows_of(arrays, role));
    int64_t width = label_width(array_stream_header(arrays->streams[TRAIN_LABELS]));
    if (label_width(header) != width)
        rc = ingest_refuse(arrays->ingest, ERR_INVALID, role_names[role], err,
                           "%lld numbers a row expected, as in train.labels; %lld found",
                           (long long)width, (long long)label_width(header));
    return rc;
}

static int check_agreement(struct arrays *arrays, struct error *err)
{
    const uint64_t max_rows = ingest_max_rows(arrays->ingest);
    int first = check_presence(arrays, err);
    for (int role = 0; role < ROLE_COUNT && first == 0; role++) {
        if (!arrays->streams[role])
            continue;
        if (rows_of(arrays, role) > max_rows)
            first = ingest_refuse(arrays->ingest, ERR_TOO_LARGE, role_names[role], err,
                                  "%llu rows; at most %llu are taken",
                                  (unsigned long long)rows_of(arrays, role),
                                  (unsigned long long)max_rows);
        else
            first = is_features(role) ? check_features(arrays, role, err)
                                      : check_labels(arrays, role, err);
    }
    return first;
}

/* ---- labels ---- */

static int refuse_stream(struct arrays *arrays, int rc, int role,
                         const struct error *cause, struct error *err)
{
    return rc == 0
               ? 0
               : ingest_refuse_cause(arrays->ingest, rc, role_names[role], cause, err);
}

/* The next elements of labels as numbers. */
static int read_numbers(struct arrays *arrays, int role, size_t count, struct error *err)
{
    struct array_stream *stream = arrays->streams[role];
    int rc = array_stream_read(stream, arrays->piece.bytes, count, err);
    if (rc == 0)
        elements_to_double(array_stream_element(stream), arrays->piece.bytes, count,
                           arrays->numbers);
    return rc;
}

static int profile_part(struct arrays *arrays, int role, struct error *err)
{
    struct array_stream *stream = arrays->streams[role];
    uint64_t left = rows_of(arrays, role) * array_stream_row_elements(stream);
    while (left > 0) {
        size_t count = left < PIECE_ELEMENTS ? (size_t)left : PIECE_ELEMENTS;
        int rc = read_numbers(arrays, role, count, err);
        if (rc != 0)
            return rc;
        label_profile_add(&arrays->labels, arrays->numbers, count);
        left -= count;
    }
    int rc = array_stream_end(stream, err);
    return rc == 0 ? array_stream_rewind(stream, err) : rc;
}

static int profile_labels(struct arrays *arrays, struct error *err)
{
    if (!arrays->streams[TRAIN_LABELS])
        return 0;
    int64_t width = label_width(array_stream_header(arrays->streams[TRAIN_LABELS]));
    if (label_profile_init(&arrays->labels, width) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the labels");
    int first = 0;
    for (int role = TRAIN_LABELS; role < ROLE_COUNT; role += 2) {
        struct error cause = {0};
        int rc = arrays->streams[role] ? profile_part(arrays, role, &cause) : 0;
        rc = refuse_stream(arrays, rc, role, &cause, err);
        first = first != 0 ? first : rc;
    }
    if (first != 0)
        return first;
    arrays->label.name = mem_strdup(LABEL_NAME);
    if (!arrays->label.name || label_profile_facts(&arrays->labels, &arrays->label) != 0)
        return error_set(err, ERR_NOMEM, "no memory for the labels");
    return 0;
}

/* ---- writing ---- */

static struct dataset_array describe(const struct arrays *arrays, int role)
{
    struct dataset_array array = {
        .part = role < TEST_FEATURES ? PART_TRAIN : PART_TEST,
        .column = is_features(role) ? DATASET_FEATURES : LABEL_COLUMN,
        .rank = 1,
        .dims = {(int64_t)rows_of(arrays, role)},
    };
    if (is_features(role)) {
        array.element = array_stream_element(arrays->streams[role]);
        array.rank = 1 + arrays->sample.rank;
        for (int i = 0; i < arrays->sample.rank; i++)
            array.dims[1 + i] = arrays->sample.dims[i];
    } else {
        array.element = arrays->labels.listed ? ELEMENT_INT32 : ELEMENT_FLOAT32;
        if (arrays->labels.width > 1) {
            array.rank = 2;
            array.dims[1] = arrays->labels.width;
        }
    }
    return array;
}

static int open_writer(struct arrays *arrays, struct error *err)
{
    struct dataset_array described[ROLE_COUNT];
    int count = 0;
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (!arrays->streams[role])
            continue;
        arrays->indices[role] = count;
        described[count++] = describe(arrays, role);
    }
    return dataset_writer_open(arrays->ingest->output_fd, described, count,
                               &arrays->writer, err);
}

/* Memory for what the preview shows. */
static int open_preview(struct arrays *arrays, struct error *err)
{
    size_t rows = arrays_preview_rows(&arrays->sample);
    if (rows > rows_of(arrays, TRAIN_FEATURES))
        rows = (size_t)rows_of(arrays, TRAIN_FEATURES);
    size_t width = arrays->labels.width > 0 ? (size_t)arrays->labels.width : 1;
    arrays->shown = rows;
    arrays->shown_samples = mem_alloc_array(
        rows * (size_t)shape_elements(&arrays->sample),
        element_type_bytes(array_stream_element(arrays->streams[TRAIN_FEATURES])));
    arrays->shown_labels = mem_alloc_array(rows * width, sizeof(*arrays->shown_labels));
    if (!arrays->shown_samples || !arrays->shown_labels)
        return error_set(err, ERR_NOMEM, "no memory for the preview");
    return 0;
}

/* Copies the part of [first, first + count) that lies before `limit` to `shown`. */
static void keep_shown(void *shown, const void *elements, size_t size, uint64_t first,
                       size_t count, uint64_t limit)
{
    if (first >= limit)
        return;
    size_t kept = limit - first < count ? (size_t)(limit - first) : count;
    memcpy((char *)shown + first * size, elements, kept * size);
}

static int copy_features(struct arrays *arrays, int role, struct error *err)
{
    struct array_stream *stream = arrays->streams[role];
    const size_t size = element_type_bytes(array_stream_element(stream));
    const uint64_t width = array_stream_row_elements(stream);
    const uint64_t elements = rows_of(arrays, role) * width;
    for (uint64_t at = 0; at < elements;) {
        size_t count =
            elements - at < PIECE_ELEMENTS ? (size_t)(elements - at) : PIECE_ELEMENTS;
        int rc = array_stream_read(stream, arrays->piece.bytes, count, err);
        if (rc == 0)
            rc = dataset_writer_append(arrays->writer, arrays->indices[role],
                                       arrays->piece.bytes, count * size, err);
        if (rc != 0)
            return rc;
        if (role == TRAIN_FEATURES)
            keep_shown(arrays->shown_samples, arrays->piece.bytes, size, at, count,
                       arrays->shown * width);
        at += count;
    }
    return array_stream_end(stream, err);
}

/* Numbers to the 4-byte elements of the label array, in arrays->piece. */
static int convert_labels(struct arrays *arrays, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char *to = arrays->piece.bytes + i * 4;
        int32_t code = label_profile_code(&arrays->labels, arrays->numbers[i]);
        float number = (float)arrays->numbers[i];
        if (arrays->labels.listed && code < 0)
            return error_set(err, ERR_INVALID, "the file was changed while it was read");
        if (arrays->labels.listed)
            memcpy(to, &code, sizeof(code));
        else
            memcpy(to, &number, sizeof(number));
    }
    return 0;
}

static int copy_labels(struct arrays *arrays, int role, struct error *err)
{
    const uint64_t width = (uint64_t)arrays->labels.width;
    const uint64_t elements = rows_of(arrays, role) * width;
    for (uint64_t at = 0; at < elements;) {
        size_t count =
            elements - at < PIECE_ELEMENTS ? (size_t)(elements - at) : PIECE_ELEMENTS;
        int rc = read_numbers(arrays, role, count, err);
        if (rc == 0 && role == TRAIN_LABELS)
            keep_shown(arrays->shown_labels, arrays->numbers, sizeof(double), at, count,
                       arrays->shown * width);
        if (rc == 0)
            rc = convert_labels(arrays, count, err);
        if (rc == 0)
            rc = dataset_writer_append(arrays->writer, arrays->indices[role],
                                       arrays->piece.bytes, (uint64_t)count * 4, err);
        if (rc != 0)
            return rc;
        at += count;
    }
    return 0;
}

static int write_arrays(struct arrays *arrays, struct error *err)
{
    int rc = open_writer(arrays, err);
    if (rc == 0)
        rc = open_preview(arrays, err);
    for (int role = 0; role < ROLE_COUNT && rc == 0; role++) {
        struct error cause = {0};
        if (!arrays->streams[role])
            continue;
        rc = is_features(role) ? copy_features(arrays, role, &cause)
                               : copy_labels(arrays, role, &cause);
        rc = refuse_stream(arrays, rc, role, &cause, err);
    }
    return rc == 0 ? dataset_writer_finish(arrays->writer, err) : rc;
}

/* ---- facts ---- */

static int make_facts(struct arrays *arrays, json_t **ret_facts, struct error *err)
{
    bool labelled = arrays->streams[TRAIN_LABELS];
    arrays->facts = (struct dataset_facts){
        .kind = DATASET_ARRAYS,
        .train_rows = rows_of(arrays, TRAIN_FEATURES),
        .test_rows = rows_of(arrays, TEST_FEATURES),
        .column_count = labelled ? 1 : 0,
        .columns = &arrays->label,
        .element = array_stream_element(arrays->streams[TRAIN_FEATURES]),
        .sample_shape = arrays->sample,
    };
    json_t *facts = facts_to_json(&arrays->facts);
    json_t *preview =
        arrays_preview(&arrays->sample, arrays->facts.element, arrays->shown_samples,
                       labelled ? arrays->shown_labels : NULL,
                       labelled ? (size_t)arrays->labels.width : 1, arrays->shown);
    if (json_object_set_new(facts, "preview", preview) != 0) {
        json_decref(facts);
        return error_set(err, ERR_NOMEM, "no memory for the facts of arrays");
    }
    *ret_facts = facts;
    return 0;
}

int arrays_ingest(struct ingest *ingest, const struct ingest_part *parts, int count,
                  json_t **ret_facts, struct error *err)
{
    struct arrays *arrays = mem_alloc(sizeof(*arrays));
    if (!arrays)
        return error_set(err, ERR_NOMEM, "no memory to ingest arrays");
    arrays->ingest = ingest;
    int rc = open_parts(arrays, parts, count, err);
    if (rc == 0)
        rc = check_agreement(arrays, err);
    if (rc == 0)
        rc = profile_labels(arrays, err);
    if (rc == 0)
        rc = write_arrays(arrays, err);
    if (rc == 0)
        rc = make_facts(arrays, ret_facts, err);
    arrays_free(arrays);
    return rc;
}
