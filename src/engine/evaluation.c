/* See evaluation.h. */
#include "evaluation.h"

#include "base/memory.h"
#include "figures.h"
#include "network_internal.h"
#include "tally.h"

#include <stdlib.h>

struct evaluation {
    const struct job_spec *spec;
    const struct pipeline *pipeline;
    struct network *network;
    struct loss_spec loss; /* with the weights of this data */
    struct loss_layout layout;
    size_t chunk;    /* rows at a time */
    float *x;        /* [chunk, features]; owned, as all below */
    float *output;   /* [chunk, outputs] */
    void *target;    /* of chunk rows, as pipeline_fill() gives it */
    double *weights; /* balanced ones; NULL: none */
    struct tally tally;
    struct loss_sums sums;
};

static void release(struct evaluation *evaluation)
{
    tally_release(&evaluation->tally);
    free(evaluation->x);
    free(evaluation->output);
    free(evaluation->target);
    free(evaluation->weights);
}

static int weigh_classes(struct evaluation *evaluation)
{
    size_t classes = (size_t)evaluation->spec->features.target_width;
    if (!evaluation->loss.balanced)
        return 0;
    evaluation->weights = mem_alloc_array(classes, sizeof(double));
    if (!evaluation->weights)
        return ERR_NOMEM;
    pipeline_balance_classes(evaluation->pipeline, classes, evaluation->weights);
    evaluation->loss.class_weights = evaluation->weights;
    return 0;
}

static int allocate(struct evaluation *evaluation, size_t rows)
{
    const struct features_spec *features = &evaluation->spec->features;
    const struct model_spec *model = &evaluation->spec->model;
    size_t classes = (size_t)features->target_width;
    size_t width = network_output_width(evaluation->network);
    evaluation->loss = evaluation->spec->loss;
    evaluation->layout =
        loss_layout_of(evaluation->loss.type, &model->layers[model->output].output);
    evaluation->chunk = network_max_rows(evaluation->network);
    evaluation->x = mem_alloc_array(
        evaluation->chunk, network_input_width(evaluation->network) * sizeof(float));
    evaluation->output = mem_alloc_array(evaluation->chunk, width * sizeof(float));
    evaluation->target = mem_alloc_array(
        evaluation->chunk,
        evaluation->layout.positions * loss_target_bytes(evaluation->loss.type, width));
    if (!evaluation->x || !evaluation->output || !evaluation->target)
        return ERR_NOMEM;
    if (features->target != TARGET_CATEGORY)
        return 0;
    bool is_text = features->vocabulary > 0;
    if (tally_init(&evaluation->tally, classes, is_text ? 0 : rows,
                   !is_text && classes <= EVALUATION_MAX_MATRIX) != 0)
        return ERR_NOMEM;
    return weigh_classes(evaluation);
}

/* Rows of one split; `before` rows were scored before it. */
static void score(struct evaluation *evaluation, enum split split, size_t before)
{
    size_t rows = pipeline_rows(evaluation->pipeline, split);
    const struct loss_layout *layout = &evaluation->layout;
    for (size_t first = 0; first < rows; first += evaluation->chunk) {
        size_t count =
            rows - first < evaluation->chunk ? rows - first : evaluation->chunk;
        size_t compared = count * layout->positions;
        pipeline_fill(evaluation->pipeline, split, NULL, first, count, evaluation->x,
                      evaluation->target);
        network_forward(evaluation->network, evaluation->x, count, evaluation->output);
        loss_compute(&evaluation->loss, evaluation->output, evaluation->target, compared,
                     layout->width, compared, NULL, &evaluation->sums);
        if (evaluation->tally.classes > 0)
            tally_take(&evaluation->tally, evaluation->output, evaluation->target,
                       (before + first) * layout->positions, compared, layout->width);
    }
}

/* ---- the report ---- */

static json_t *list_row(const _Atomic uint64_t *counts, size_t classes)
{
    json_t *row = json_array();
    for (size_t c = 0; c < classes; c++)
        json_array_append_new(row, json_integer((json_int_t)counts[c]));
    return row;
}

/* New; null where there is none; NULL without memory. */
static json_t *confusion_matrix(const struct evaluation *evaluation)
{
    const struct tally *tally = &evaluation->tally;
    const struct preprocess *preprocess = pipeline_preprocess(evaluation->pipeline);
    if (!tally->matrix || preprocess->class_count != tally->classes)
        return json_null();
    json_t *labels = json_array(), *counts = json_array();
    for (size_t c = 0; c < tally->classes; c++) {
        json_array_append_new(labels, json_string(preprocess->classes[c]));
        json_array_append_new(
            counts, list_row(tally->matrix + c * tally->classes, tally->classes));
    }
    return json_pack("{s:o, s:o}", "labels", labels, "counts", counts);
}

static json_t *make_report(struct evaluation *evaluation, size_t rows)
{
    const struct features_spec *features = &evaluation->spec->features;
    const struct figure_scale scale = {
        .target = features->target,
        .of_text = features->vocabulary > 0,
        .mae_scale = pipeline_preprocess(evaluation->pipeline)->target_number.scale,
    };
    struct figures figures = {0};
    figures_set_sums(&figures, &scale, &evaluation->sums,
                     network_l2_loss(evaluation->network), false);
    json_t *matrix = confusion_matrix(evaluation);
    if (evaluation->tally.classes > 0)
        figures_set_tally(&figures, &evaluation->tally, false);
    return json_pack("{s:I, s:o, s:o}", "rows", (json_int_t)rows, "metrics",
                     figures_to_json(&figures), "confusion_matrix", matrix);
}

int evaluate(const struct job_spec *spec, const struct pipeline *pipeline,
             struct network *network, unsigned splits, json_t **ret_report,
             struct error *err)
{
    struct evaluation evaluation = {
        .spec = spec, .pipeline = pipeline, .network = network};
    size_t rows = 0;
    for (int s = 0; s < SPLIT_COUNT; s++)
        rows += splits >> s & 1 ? pipeline_rows(pipeline, (enum split)s) : 0;
    json_t *report = NULL;
    if (allocate(&evaluation, rows) == 0) {
        size_t before = 0;
        for (int s = 0; s < SPLIT_COUNT; s++) {
            if (!(splits >> s & 1))
                continue;
            score(&evaluation, (enum split)s, before);
            before += pipeline_rows(pipeline, (enum split)s);
        }
        report = make_report(&evaluation, rows);
    }
    release(&evaluation);
    if (!report)
        return error_set(err, ERR_NOMEM, "no memory to evaluate %zu rows", rows);
    *ret_report = report;
    return 0;
}
