/* See fit.h. */
#include "fit.h"

#include "base/memory.h"
#include "preprocess_internal.h"
#include "statistics.h"

#include <stdlib.h>

/* The training rows that everything is fitted to. */
struct fitting {
    const struct dataset_view *view;
    const struct targets *targets;
    const uint32_t *rows;
    size_t count;
};

static char **copy_texts(char *const *texts, size_t count)
{
    char **copies = mem_alloc_array(count, sizeof(*copies));
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = mem_strdup(texts[i]);
        if (copies[i])
            continue;
        while (i > 0)
            free(copies[--i]);
        free(copies);
        return NULL;
    }
    return copies;
}

static double fill_of(const struct statistics *statistics, enum missing_rule rule)
{
    switch (rule) {
    case MISSING_MEAN:
    case MISSING_INDICATOR:
    case MISSING_DROP: /* no row needs it */
        return statistics->mean;
    case MISSING_MEDIAN:
        return statistics->median;
    case MISSING_ZERO:
        break;
    }
    return 0.0;
}

static int fit_column(const struct fitting *fitting, const struct input_column *input,
                      struct preprocess_column *column)
{
    const struct column_facts *facts = &fitting->view->facts->columns[input->column];
    column->type = input->type;
    column->indicator = input->missing == MISSING_INDICATOR;
    column->required = input->missing == MISSING_DROP;
    column->number.scale = 1.0;
    column->name = mem_strdup(facts->name);
    if (!column->name)
        return ERR_NOMEM;
    if (input->type == COLUMN_CATEGORY) {
        column->values = copy_texts(facts->values, facts->value_count);
        column->value_count = column->values ? facts->value_count : 0;
        return column->values ? 0 : ERR_NOMEM;
    }
    const float *values = columns_numbers(fitting->view, PART_TRAIN, input->column);
    struct statistics statistics;
    int rc = statistics_of_column(values, fitting->rows, fitting->count,
                                  input->missing == MISSING_MEDIAN, &statistics);
    if (rc != 0)
        return rc;
    column->number = statistics_transform(&statistics, input->normalization);
    column->number.fill = fill_of(&statistics, input->missing);
    return 0;
}

static bool is_used(const struct features_spec *features, int column)
{
    if (column == features->target_column)
        return true;
    for (int i = 0; i < features->input_count; i++)
        if (features->inputs[i].column == column)
            return true;
    return false;
}

/* The dataset's other columns, which rows to predict may have as well. */
static int list_ignored(const struct dataset_view *view, struct preprocess *preprocess)
{
    const struct dataset_facts *facts = view->facts;
    preprocess->ignored = mem_alloc_array(facts->column_count, sizeof(char *));
    if (!preprocess->ignored)
        return ERR_NOMEM;
    for (size_t i = 0; i < facts->column_count; i++) {
        if (is_used(&view->spec->features, (int)i))
            continue;
        char *name = mem_strdup(facts->columns[i].name);
        if (!name)
            return ERR_NOMEM;
        preprocess->ignored[preprocess->ignored_count++] = name;
    }
    return 0;
}

static int fit_table(const struct fitting *fitting, struct preprocess *preprocess,
                     struct error *err)
{
    const struct features_spec *features = &fitting->view->spec->features;
    preprocess->array.scale = 1.0;
    preprocess->inputs =
        mem_alloc_array((size_t)features->input_count, sizeof(*preprocess->inputs));
    if (!preprocess->inputs)
        return ERR_NOMEM;
    preprocess->input_count = features->input_count;
    for (int i = 0; i < features->input_count; i++) {
        struct preprocess_column *column = &preprocess->inputs[i];
        int rc = fit_column(fitting, &features->inputs[i], column);
        if (rc != 0)
            return rc;
        int64_t count = preprocess_column_features(column);
        if (count != features->inputs[i].feature_count)
            return error_set(
                err, ERR_INVALID, "the column %s gives %lld features; the spec says %d",
                column->name, (long long)count, features->inputs[i].feature_count);
        preprocess->feature_count += count;
    }
    if (preprocess->feature_count > PREPROCESS_MAX_FEATURES)
        return error_set(err, ERR_INVALID, "the inputs give %lld features; at most %lld",
                         (long long)preprocess->feature_count,
                         (long long)PREPROCESS_MAX_FEATURES);
    return list_ignored(fitting->view, preprocess);
}

static void fit_arrays(const struct fitting *fitting, struct preprocess *preprocess)
{
    const struct dataset_facts *facts = fitting->view->facts;
    enum normalization normalization = fitting->view->spec->features.array_normalization;
    preprocess->sample_shape = facts->sample_shape;
    preprocess->element = facts->element;
    preprocess->feature_count = shape_elements(&facts->sample_shape);
    struct statistics statistics = {0};
    if (normalization == NORMALIZE_ZSCORE || normalization == NORMALIZE_MINMAX)
        statistics_of_samples(facts->element,
                              columns_samples(fitting->view, PART_TRAIN)->data,
                              (size_t)preprocess->feature_count, fitting->rows,
                              fitting->count, &statistics);
    preprocess->array = statistics_transform(&statistics, normalization);
}

static int fit_target(const struct fitting *fitting, struct preprocess *preprocess)
{
    const struct features_spec *features = &fitting->view->spec->features;
    if (features->reconstructs) {
        preprocess_reconstruct(preprocess);
        return 0;
    }
    const struct column_facts *column =
        &fitting->view->facts->columns[features->target_column];
    preprocess->target = features->target;
    preprocess->target_width = features->target_width;
    preprocess->target_number.scale = 1.0;
    preprocess->target_name = mem_strdup(column->name);
    if (!preprocess->target_name)
        return ERR_NOMEM;
    if (features->target == TARGET_CATEGORY) {
        preprocess->classes = copy_texts(column->values, column->value_count);
        preprocess->class_count = preprocess->classes ? column->value_count : 0;
        return preprocess->classes ? 0 : ERR_NOMEM;
    }
    if (features->target_normalization == NORMALIZE_NONE)
        return 0;
    struct statistics statistics;
    statistics_of_samples(ELEMENT_FLOAT32, fitting->targets->numbers,
                          fitting->targets->width, fitting->rows, fitting->count,
                          &statistics);
    preprocess->target_number =
        statistics_transform(&statistics, features->target_normalization);
    return 0;
}

int fit_preprocess(const struct dataset_view *view, const struct targets *targets,
                   const uint32_t *rows, size_t count, struct preprocess **ret_preprocess,
                   struct error *err)
{
    const struct fitting fitting = {view, targets, rows, count};
    struct preprocess *preprocess = mem_alloc(sizeof(*preprocess));
    int rc = preprocess ? 0 : ERR_NOMEM;
    if (rc == 0) {
        preprocess->kind = view->facts->kind;
        if (preprocess->kind == DATASET_TABLE)
            rc = fit_table(&fitting, preprocess, err);
        else
            fit_arrays(&fitting, preprocess);
    }
    if (rc == 0)
        rc = fit_target(&fitting, preprocess);
    if (rc != 0) {
        preprocess_free(preprocess);
        if (rc == ERR_NOMEM)
            error_set(err, rc, "no memory to fit the preprocessing");
        return rc;
    }
    *ret_preprocess = preprocess;
    return 0;
}

int fit_text(const struct dataset_view *view, struct preprocess **ret_preprocess,
             struct error *err)
{
    const struct features_spec *features = &view->spec->features;
    struct preprocess *preprocess = mem_alloc(sizeof(*preprocess));
    int rc = preprocess ? 0 : ERR_NOMEM;
    if (rc == 0)
        rc = tokenizer_init(&preprocess->tokenizer, features->tokenizer,
                            view->facts->text.alphabet, view->facts->text.alphabet_count);
    if (rc != 0) {
        preprocess_free(preprocess);
        return error_set(err, rc, "no memory to fit the preprocessing");
    }
    preprocess->kind = DATASET_TEXT;
    preprocess->feature_count = features->context_length;
    preprocess->target = TARGET_CATEGORY;
    preprocess->target_width = (int64_t)preprocess->tokenizer.vocabulary;
    preprocess->target_number.scale = 1.0;
    *ret_preprocess = preprocess;
    return 0;
}
