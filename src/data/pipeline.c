/*
 * See pipeline.h. Opening goes: check file and spec against the facts, read the target,
 * keep the rows that have all they must have, split them, fit to the training rows, lay
 * out. After that a pipeline is never written to, which is what makes filling
 * thread-safe.
 */
#include "pipeline.h"

#include "base/memory.h"
#include "columns.h"
#include "elements.h"
#include "fit.h"
#include "preprocess_internal.h"
#include "table.h"
#include "targets.h"
#include "text_windows.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE_BYTES 64
#define PREFETCH_ROWS 2
#define PREFETCH_MAX_BYTES 4096

struct split_rows {
    enum dataset_part part;
    size_t count;
    uint32_t *source;    /* row of the part, ascending; owned like the rest */
    float *x;            /* tables: [count, features] */
    const char *samples; /* arrays: the mapped samples of the part; borrowed */
    int32_t *labels;     /* TARGET_CATEGORY: [count] */
    float *numbers;      /* TARGET_NUMBER: [count, target_width], normalized */
};

struct pipeline {
    struct dataset_view view;
    struct preprocess *preprocess;
    size_t features;               /* numbers of a row */
    size_t sample_bytes;           /* arrays: of a row in the file */
    struct elements_reader reader; /* arrays */
    size_t dropped;
    struct split_rows splits[SPLIT_COUNT]; /* of a text only the counts */
    bool is_text;
    struct text_windows text;
};

/* A part on its way to splits; gone once the pipeline is open. */
struct part_rows {
    struct targets targets;
    uint32_t *kept; /* rows that are not dropped, ascending */
    size_t kept_count;
};

static int no_memory(struct error *err)
{
    return error_set(err, ERR_NOMEM, "no memory for the rows of the dataset");
}

/* ---- which rows are kept ---- */

static void drop_missing(const struct dataset_view *view, enum dataset_part part,
                         int index, bool *keeps, size_t rows)
{
    if (view->facts->columns[index].type == COLUMN_CATEGORY) {
        const int32_t *codes = columns_codes(view, part, index);
        for (size_t row = 0; row < rows; row++)
            keeps[row] = keeps[row] && codes[row] != MISSING_CODE;
    } else {
        const float *numbers = columns_numbers(view, part, index);
        for (size_t row = 0; row < rows; row++)
            keeps[row] = keeps[row] && isfinite(numbers[row]);
    }
}

static int read_part(const struct dataset_view *view, enum dataset_part part,
                     struct part_rows *ret_part, struct error *err)
{
    size_t rows = columns_part_rows(view, part);
    int rc = targets_read(view, part, &ret_part->targets, err);
    if (rc != 0)
        return rc;
    bool *keeps = mem_alloc_array(rows, sizeof(*keeps));
    ret_part->kept = mem_alloc_array(rows, sizeof(*ret_part->kept));
    if (!keeps || !ret_part->kept) {
        free(keeps);
        return no_memory(err);
    }
    for (size_t row = 0; row < rows; row++)
        keeps[row] = targets_has(&ret_part->targets, row);
    const struct features_spec *features = &view->spec->features;
    for (int i = 0; i < features->input_count; i++)
        if (features->inputs[i].missing == MISSING_DROP)
            drop_missing(view, part, features->inputs[i].column, keeps, rows);
    for (size_t row = 0; row < rows; row++)
        if (keeps[row])
            ret_part->kept[ret_part->kept_count++] = (uint32_t)row;
    free(keeps);
    return 0;
}

static void release_part(struct part_rows *part)
{
    targets_release(&part->targets);
    free(part->kept);
}

/* ---- splits ---- */

static int check_not_empty(const struct pipeline *pipeline, struct error *err)
{
    const struct split_spec *spec = &pipeline->view.spec->split;
    bool is_fixed = spec->type == SPLIT_FIXED;
    const bool wanted[SPLIT_COUNT] = {
        [IN_TRAIN] = true,
        [IN_VALIDATION] = spec->validation > 0.0,
        [IN_TEST] = is_fixed || spec->test > 0.0,
    };
    const size_t *counts = (const size_t[SPLIT_COUNT]){
        pipeline->splits[IN_TRAIN].count,
        pipeline->splits[IN_VALIDATION].count,
        pipeline->splits[IN_TEST].count,
    };
    for (int s = 0; s < SPLIT_COUNT; s++)
        if (wanted[s] && counts[s] == 0)
            return error_set_at(
                err, ERR_INVALID, "/split",
                "the %s split has no rows: train %zu, validation %zu, test %zu, and "
                "%zu rows of the dataset were left out for want of a value",
                split_part_name((enum split)s), counts[IN_TRAIN], counts[IN_VALIDATION],
                counts[IN_TEST], pipeline->dropped);
    return 0;
}

/* Shares the kept rows of the train part out by their `assigned` splits. */
static int deal_rows(struct pipeline *pipeline, const struct part_rows *train,
                     const uint8_t *assigned)
{
    for (size_t i = 0; i < train->kept_count; i++)
        pipeline->splits[assigned[i]].count++;
    for (int s = 0; s < SPLIT_COUNT; s++) {
        struct split_rows *rows = &pipeline->splits[s];
        rows->source = mem_alloc_array(rows->count, sizeof(*rows->source));
        if (!rows->source)
            return ERR_NOMEM;
        rows->count = 0;
    }
    for (size_t i = 0; i < train->kept_count; i++) {
        struct split_rows *rows = &pipeline->splits[assigned[i]];
        rows->source[rows->count++] = train->kept[i];
    }
    return 0;
}

/* The labels of the kept rows, in their order; NULL without memory. */
static int32_t *kept_labels(const struct part_rows *train)
{
    int32_t *labels = mem_alloc_array(train->kept_count, sizeof(*labels));
    for (size_t i = 0; labels && i < train->kept_count; i++)
        labels[i] = train->targets.labels[train->kept[i]];
    return labels;
}

static int split_train_part(struct pipeline *pipeline, const struct part_rows *train,
                            struct error *err)
{
    const struct job_spec *spec = pipeline->view.spec;
    bool is_stratified = spec->split.type == SPLIT_STRATIFIED;
    if (is_stratified && spec->features.target != TARGET_CATEGORY)
        return error_set_at(err, ERR_INVALID, "/split/type",
                            "a stratified split needs a target of type category");
    int32_t *labels = is_stratified ? kept_labels(train) : NULL;
    uint8_t *assigned = mem_alloc_array(train->kept_count, sizeof(*assigned));
    int rc = assigned && (labels || !is_stratified) ? 0 : ERR_NOMEM;
    if (rc == 0)
        rc = split_assign(&spec->split, spec->seed, labels,
                          (size_t)spec->features.target_width, train->kept_count,
                          assigned);
    if (rc == 0)
        rc = deal_rows(pipeline, train, assigned);
    free(labels);
    free(assigned);
    return rc == 0 ? 0 : no_memory(err);
}

/* The test part of the dataset is the test split; takes its list of rows. */
static void take_test_part(struct pipeline *pipeline, struct part_rows *test)
{
    struct split_rows *rows = &pipeline->splits[IN_TEST];
    free(rows->source);
    *rows = (struct split_rows){
        .part = PART_TEST, .count = test->kept_count, .source = test->kept};
    test->kept = NULL;
}

/* ---- laying out ---- */

static int gather_targets(const struct pipeline *pipeline, const struct targets *targets,
                          struct split_rows *rows)
{
    if (targets->type == TARGET_CATEGORY) {
        rows->labels = mem_alloc_array(rows->count, sizeof(*rows->labels));
        for (size_t i = 0; rows->labels && i < rows->count; i++)
            rows->labels[i] = targets->labels[rows->source[i]];
        return rows->labels ? 0 : ERR_NOMEM;
    }
    size_t width = targets->width, elements;
    if (width == 0)
        return 0; /* the input is the target */
    if (!mem_multiply(rows->count, width, &elements))
        return ERR_NOMEM;
    rows->numbers = mem_alloc_array(elements, sizeof(*rows->numbers));
    if (!rows->numbers)
        return ERR_NOMEM;
    const struct number_transform *transform = &pipeline->preprocess->target_number;
    for (size_t i = 0; i < rows->count; i++) {
        const float *from = targets->numbers + rows->source[i] * width;
        for (size_t k = 0; k < width; k++)
            rows->numbers[i * width + k] = elements_feature(transform, (double)from[k]);
    }
    return 0;
}

static int lay_out(struct pipeline *pipeline, const struct part_rows parts[PART_COUNT])
{
    const struct dataset_view *view = &pipeline->view;
    for (int s = 0; s < SPLIT_COUNT; s++) {
        struct split_rows *rows = &pipeline->splits[s];
        int rc = gather_targets(pipeline, &parts[rows->part].targets, rows);
        if (rc == 0 && view->facts->kind == DATASET_TABLE)
            rc = table_lay_out(view, pipeline->preprocess, rows->part, rows->source,
                               rows->count, &rows->x);
        else if (rc == 0)
            rows->samples = columns_samples(view, rows->part)->data;
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- the pipeline ---- */

static int build(struct pipeline *pipeline, struct part_rows parts[PART_COUNT],
                 struct error *err)
{
    const struct dataset_view *view = &pipeline->view;
    for (int p = 0; p < PART_COUNT; p++) {
        enum dataset_part part = (enum dataset_part)p;
        if (!columns_part_is_used(view, part))
            continue;
        int rc = read_part(view, part, &parts[p], err);
        if (rc != 0)
            return rc;
        pipeline->dropped += columns_part_rows(view, part) - parts[p].kept_count;
    }
    int rc = split_train_part(pipeline, &parts[PART_TRAIN], err);
    if (rc == 0 && columns_part_is_used(view, PART_TEST))
        take_test_part(pipeline, &parts[PART_TEST]);
    if (rc == 0)
        rc = check_not_empty(pipeline, err);
    const struct split_rows *train = &pipeline->splits[IN_TRAIN];
    if (rc == 0 && !pipeline->preprocess)
        rc = fit_preprocess(view, &parts[PART_TRAIN].targets, train->source, train->count,
                            &pipeline->preprocess, err);
    if (rc != 0)
        return rc;
    pipeline->features = (size_t)pipeline->preprocess->feature_count;
    pipeline->sample_bytes =
        pipeline->features * element_type_bytes(view->facts->element);
    elements_reader_init(&pipeline->reader, view->facts->element,
                         &pipeline->preprocess->array);
    return lay_out(pipeline, parts) == 0 ? 0 : no_memory(err);
}

static int build_text(struct pipeline *pipeline, struct error *err)
{
    const struct dataset_view *view = &pipeline->view;
    pipeline->is_text = true;
    int rc = text_windows_init(&pipeline->text, view, err);
    for (int s = 0; s < SPLIT_COUNT; s++)
        pipeline->splits[s].count = pipeline->text.pieces[s].windows;
    if (rc == 0)
        rc = check_not_empty(pipeline, err);
    if (rc == 0 && !pipeline->preprocess)
        rc = fit_text(view, &pipeline->preprocess, err);
    if (rc == 0)
        pipeline->features = pipeline->text.context_length;
    return rc;
}

static int build_rows(struct pipeline *pipeline, struct error *err)
{
    struct part_rows parts[PART_COUNT] = {0};
    int rc = columns_check(&pipeline->view, err);
    if (rc == 0)
        rc = build(pipeline, parts, err);
    for (int p = 0; p < PART_COUNT; p++)
        release_part(&parts[p]);
    return rc;
}

int pipeline_open(const struct dataset_file *file, const struct dataset_facts *facts,
                  const struct job_spec *spec, struct pipeline **ret_pipeline,
                  struct error *err)
{
    struct preprocess *none = NULL;
    return pipeline_open_fitted(file, facts, spec, &none, ret_pipeline, err);
}

/* Are the transforms of the columns that the spec reads? */
static bool is_of_spec(const struct preprocess *preprocess, const struct job_spec *spec,
                       const struct dataset_facts *facts)
{
    const struct features_spec *features = &spec->features;
    return preprocess->kind == facts->kind && preprocess->target == features->target &&
           preprocess->input_count == features->input_count &&
           preprocess->feature_count == shape_elements(&features->input_shape) &&
           (features->target == TARGET_CATEGORY ||
            preprocess->target_width == features->target_width);
}

int pipeline_open_fitted(const struct dataset_file *file,
                         const struct dataset_facts *facts, const struct job_spec *spec,
                         struct preprocess **preprocess, struct pipeline **ret_pipeline,
                         struct error *err)
{
    if (*preprocess && !is_of_spec(*preprocess, spec, facts))
        return error_set(err, ERR_INVALID,
                         "the preprocessing is of other columns than the spec reads");
    struct pipeline *pipeline = mem_alloc(sizeof(*pipeline));
    if (!pipeline)
        return no_memory(err);
    pipeline->view = (struct dataset_view){file, facts, spec};
    pipeline->preprocess = *preprocess;
    *preprocess = NULL;
    int rc = facts->kind == DATASET_TEXT ? build_text(pipeline, err)
                                         : build_rows(pipeline, err);
    if (rc != 0) {
        pipeline_close(pipeline);
        return rc;
    }
    *ret_pipeline = pipeline;
    return 0;
}

void pipeline_close(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    for (int s = 0; s < SPLIT_COUNT; s++) {
        struct split_rows *rows = &pipeline->splits[s];
        free(rows->source);
        free(rows->x);
        free(rows->labels);
        free(rows->numbers);
    }
    text_windows_release(&pipeline->text);
    preprocess_free(pipeline->preprocess);
    free(pipeline);
}

size_t pipeline_rows(const struct pipeline *pipeline, enum split split)
{
    return pipeline->splits[split].count;
}

size_t pipeline_dropped_rows(const struct pipeline *pipeline)
{
    return pipeline->dropped;
}

void pipeline_balance_classes(const struct pipeline *pipeline, size_t classes,
                              double *ret_weights)
{
    const struct split_rows *rows = &pipeline->splits[IN_TRAIN];
    for (size_t c = 0; c < classes; c++)
        ret_weights[c] = 0;
    for (size_t i = 0; i < rows->count; i++)
        ret_weights[rows->labels[i]]++;
    for (size_t c = 0; c < classes; c++) {
        double count = ret_weights[c] > 0 ? ret_weights[c] : 1;
        ret_weights[c] = (double)rows->count / ((double)classes * count);
    }
}

const struct preprocess *pipeline_preprocess(const struct pipeline *pipeline)
{
    return pipeline->preprocess;
}

void pipeline_shuffle(const struct pipeline *pipeline, uint64_t epoch,
                      uint32_t *ret_order)
{
    if (pipeline->is_text) {
        text_windows_shuffle(&pipeline->text, pipeline->view.spec->seed, epoch,
                             ret_order);
        return;
    }
    struct rng rng;
    rng_init(&rng, pipeline->view.spec->seed, RNG_SHUFFLE, epoch);
    split_permute(&rng, ret_order, pipeline->splits[IN_TRAIN].count);
}

/* Row i of the range: an entry of `order`, or a run from `first`. */
static size_t row_at(const struct split_rows *rows, const uint32_t *order, size_t first,
                     size_t i)
{
    size_t row = order ? order[i] : first + i;
    assert(row < rows->count);
    (void)rows;
    return row;
}

static void fill_targets(const struct split_rows *rows, size_t width,
                         const uint32_t *order, size_t first, size_t count,
                         void *ret_target)
{
    if (rows->labels) {
        int32_t *labels = ret_target;
        for (size_t i = 0; i < count; i++)
            labels[i] = rows->labels[row_at(rows, order, first, i)];
        return;
    }
    float *numbers = ret_target;
    for (size_t i = 0; i < count; i++)
        memcpy(numbers + i * width, rows->numbers + row_at(rows, order, first, i) * width,
               width * sizeof(*numbers));
}

/* Where a row's numbers lie: laid out, or as a sample in the file. */
static const char *row_bytes(const struct pipeline *pipeline,
                             const struct split_rows *rows, size_t row)
{
    if (rows->x)
        return (const char *)(rows->x + row * pipeline->features);
    return rows->samples + rows->source[row] * pipeline->sample_bytes;
}

/* Asks for a row early: shuffled rows are far apart, and each would be waited for. */
static void prefetch(const char *bytes, size_t length)
{
    length = length < PREFETCH_MAX_BYTES ? length : PREFETCH_MAX_BYTES;
    for (size_t at = 0; at < length; at += CACHE_LINE_BYTES)
        __builtin_prefetch(bytes + at);
}

/* The token at which window i of the range begins. */
static size_t window_at(const struct pipeline *pipeline, enum split split,
                        const uint32_t *order, size_t first, size_t i)
{
    return order ? order[i] : text_windows_begin(&pipeline->text, split, first + i);
}

static void fill_windows(const struct pipeline *pipeline, enum split split,
                         const uint32_t *order, size_t first, size_t count, float *x,
                         int32_t *labels)
{
    const struct text_windows *text = &pipeline->text;
    for (size_t i = 0; i < count; i++)
        text_windows_read(text, window_at(pipeline, split, order, first, i),
                          x + i * text->context_length, labels + i * text->positions);
}

void pipeline_fill(const struct pipeline *pipeline, enum split split,
                   const uint32_t *order, size_t first, size_t count, float *ret_x,
                   void *ret_target)
{
    if (pipeline->is_text) {
        fill_windows(pipeline, split, order, first, count, ret_x, ret_target);
        return;
    }
    const struct split_rows *rows = &pipeline->splits[split];
    size_t features = pipeline->features;
    size_t bytes = rows->x ? features * sizeof(*ret_x) : pipeline->sample_bytes;
    for (size_t i = 0; i < count; i++) {
        const char *from = row_bytes(pipeline, rows, row_at(rows, order, first, i));
        if (i + PREFETCH_ROWS < count)
            prefetch(
                row_bytes(pipeline, rows, row_at(rows, order, first, i + PREFETCH_ROWS)),
                bytes);
        float *x = ret_x + i * features;
        if (rows->x)
            memcpy(x, from, bytes);
        else
            elements_read(&pipeline->reader, from, features, x);
    }
    if (pipeline->preprocess->reconstructs)
        memcpy(ret_target, ret_x, count * features * sizeof(*ret_x));
    else
        fill_targets(rows, (size_t)pipeline->preprocess->target_width, order, first,
                     count, ret_target);
}

void pipeline_source_rows(const struct pipeline *pipeline, enum split split,
                          const uint32_t *order, size_t first, size_t count,
                          uint64_t *ret_rows)
{
    const struct split_rows *rows = &pipeline->splits[split];
    for (size_t i = 0; i < count; i++)
        ret_rows[i] = pipeline->is_text ? window_at(pipeline, split, order, first, i)
                                        : rows->source[row_at(rows, order, first, i)];
}
