/*
 * The figures of a training run: the metrics that every job has, under the names that the
 * API uses. A set of them is plain data, of which each figure is known or not.
 */
#ifndef BACKPROP_FIGURES_H
#define BACKPROP_FIGURES_H

#include "loss.h"
#include "spec/job_spec.h"
#include "tally.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum figure {
    FIGURE_LOSS, /* data loss and L2 */
    FIGURE_ACCURACY,
    FIGURE_R2,
    FIGURE_MAE,        /* in the target's own units */
    FIGURE_PERPLEXITY, /* of a text */
    FIGURE_VAL_LOSS,
    FIGURE_VAL_ACCURACY,
    FIGURE_VAL_R2,
    FIGURE_VAL_MAE,
    FIGURE_VAL_PERPLEXITY,
    /* of whole splits of classes, see tally.h */
    FIGURE_TOP5_ACCURACY,
    FIGURE_PRECISION,
    FIGURE_RECALL,
    FIGURE_F1,
    FIGURE_AUC,
    FIGURE_VAL_TOP5_ACCURACY,
    FIGURE_VAL_PRECISION,
    FIGURE_VAL_RECALL,
    FIGURE_VAL_F1,
    FIGURE_VAL_AUC,
    FIGURE_LEARNING_RATE,
    FIGURE_SAMPLES_PER_SECOND,
    FIGURE_COUNT
};

/* "val_loss"; indexed by enum figure. */
extern const char *const figure_names[FIGURE_COUNT];

struct figures {
    double values[FIGURE_COUNT]; /* may be NaN or infinite */
    int64_t known;               /* bit 1 << figure */
};

void figures_set(struct figures *figures, enum figure which, double value);
bool figures_has(const struct figures *figures, enum figure which);

/* The figure of a name such as "val_loss"; FIGURE_COUNT for another name. */
enum figure figure_find(const char *name);

/* True for all but losses and errors. */
bool figure_higher_is_better(enum figure which);

/* How sums over rows become figures. */
struct figure_scale {
    enum target_type target;
    bool of_text;     /* the rows are tokens */
    double mae_scale; /* from the network's numbers to the target's units */
};

/* Sets loss and accuracy (of a text perplexity, too), or loss, r2 and mae, from the sums
 * over a set of rows, or with `validation` their val_ kin. `l2_loss` is added to the
 * loss. */
void figures_set_sums(struct figures *figures, const struct figure_scale *scale,
                      const struct loss_sums *sums, double l2_loss, bool validation);

/* Sets the metrics that a tally has; with `validation` their val_ kin. */
void figures_set_tally(struct figures *figures, struct tally *tally, bool validation);

/* Takes every known figure of `from`. */
void figures_update(struct figures *figures, const struct figures *from);

/* {"loss": 0.31, …} of the known ones. New reference; NULL without memory. */
json_t *figures_to_json(const struct figures *figures);

/* A number, or "NaN", "Infinity", "-Infinity", which JSON has no numbers for. New. */
json_t *figure_to_json(double value);

#endif
