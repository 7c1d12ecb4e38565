/* See figures.h. */
#include "figures.h"

#include <math.h>
#include <string.h>

const char *const figure_names[FIGURE_COUNT] = {
    [FIGURE_LOSS] = "loss",
    [FIGURE_ACCURACY] = "accuracy",
    [FIGURE_R2] = "r2",
    [FIGURE_MAE] = "mae",
    [FIGURE_PERPLEXITY] = "perplexity",
    [FIGURE_VAL_LOSS] = "val_loss",
    [FIGURE_VAL_ACCURACY] = "val_accuracy",
    [FIGURE_VAL_R2] = "val_r2",
    [FIGURE_VAL_MAE] = "val_mae",
    [FIGURE_VAL_PERPLEXITY] = "val_perplexity",
    [FIGURE_TOP5_ACCURACY] = "top5_accuracy",
    [FIGURE_PRECISION] = "precision",
    [FIGURE_RECALL] = "recall",
    [FIGURE_F1] = "f1",
    [FIGURE_AUC] = "auc",
    [FIGURE_VAL_TOP5_ACCURACY] = "val_top5_accuracy",
    [FIGURE_VAL_PRECISION] = "val_precision",
    [FIGURE_VAL_RECALL] = "val_recall",
    [FIGURE_VAL_F1] = "val_f1",
    [FIGURE_VAL_AUC] = "val_auc",
    [FIGURE_LEARNING_RATE] = "learning_rate",
    [FIGURE_SAMPLES_PER_SECOND] = "samples_per_second",
};

void figures_set(struct figures *figures, enum figure which, double value)
{
    figures->values[which] = value;
    figures->known |= INT64_C(1) << which;
}

bool figures_has(const struct figures *figures, enum figure which)
{
    return which < FIGURE_COUNT && (figures->known >> which & 1);
}

enum figure figure_find(const char *name)
{
    int which = 0;
    while (which < FIGURE_COUNT && strcmp(figure_names[which], name) != 0)
        which++;
    return (enum figure)which;
}

bool figure_higher_is_better(enum figure which)
{
    return which == FIGURE_ACCURACY || which == FIGURE_VAL_ACCURACY ||
           which == FIGURE_R2 || which == FIGURE_VAL_R2 ||
           (which >= FIGURE_TOP5_ACCURACY && which <= FIGURE_VAL_AUC);
}

void figures_set_sums(struct figures *figures, const struct figure_scale *scale,
                      const struct loss_sums *sums, double l2_loss, bool validation)
{
    figures_set(figures, validation ? FIGURE_VAL_LOSS : FIGURE_LOSS,
                loss_sums_loss(sums) + l2_loss);
    if (scale->target == TARGET_CATEGORY) {
        figures_set(figures, validation ? FIGURE_VAL_ACCURACY : FIGURE_ACCURACY,
                    loss_sums_accuracy(sums));
        if (scale->of_text)
            figures_set(figures, validation ? FIGURE_VAL_PERPLEXITY : FIGURE_PERPLEXITY,
                        loss_sums_perplexity(sums));
        return;
    }
    figures_set(figures, validation ? FIGURE_VAL_R2 : FIGURE_R2, loss_sums_r2(sums));
    figures_set(figures, validation ? FIGURE_VAL_MAE : FIGURE_MAE,
                loss_sums_mae(sums) * scale->mae_scale);
}

void figures_set_tally(struct figures *figures, struct tally *tally, bool validation)
{
    struct tally_scores scores = tally_finish(tally);
    int from = validation ? FIGURE_VAL_TOP5_ACCURACY : FIGURE_TOP5_ACCURACY;
    const double values[] = {scores.top5_accuracy, scores.precision, scores.recall,
                             scores.f1, scores.auc};
    for (int i = 0; i < (int)(sizeof values / sizeof values[0]); i++) {
        if (!isnan(values[i]))
            figures_set(figures, (enum figure)(from + i), values[i]);
    }
}

void figures_update(struct figures *figures, const struct figures *from)
{
    for (int which = 0; which < FIGURE_COUNT; which++) {
        if (figures_has(from, (enum figure)which))
            figures_set(figures, (enum figure)which, from->values[which]);
    }
}

json_t *figure_to_json(double value)
{
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

json_t *figures_to_json(const struct figures *figures)
{
    json_t *object = json_object();
    for (int which = 0; which < FIGURE_COUNT && object; which++) {
        if (!figures_has(figures, (enum figure)which))
            continue;
        if (json_object_set_new(object, figure_names[which],
                                figure_to_json(figures->values[which])) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}
