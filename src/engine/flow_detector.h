/*
 * The flow detector: looks at how the gradient flows through the layers and at how the
 * loss goes on, and says when a training is in trouble that has a name.
 *
 *   vanishing   the gradient of the first trained layers is 1e-4 of the last one's or
 *               less, three observed steps in a row
 *   exploding   the loss is ten times that of the first step, with a gradient ten times
 *               the first one and updates of a tenth of the weights or more; or the
 *               gradient grows ten-thousandfold on its way back through the layers
 *   dead units  nine tenths of a rectified layer's units (all of them, where batches are
 *               small) give 0 for every row, over three observed steps and 128 rows
 *   plateau     the epochs' mean loss has not fallen by 1 % for max(5, epochs / 10)
 * epochs and 100 steps, and is still about what it was in the first epoch
 *
 * Layers are compared with each other, the loss with its own beginning: a network that
 * has converged has small gradients everywhere and is not in trouble. Depth needs four
 * trained layers to be blamed, and the second layer must agree with the first one, whose
 * gradient also has the scale of the inputs in it.
 *
 * A trouble is raised once. It is raised again only after ten observations without it,
 * and FLOW_MOST_EVENTS times in all. The detector has no influence on the training and
 * is not part of checkpoints: a resumed training begins with a new one.
 */
#ifndef BACKPROP_FLOW_DETECTOR_H
#define BACKPROP_FLOW_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_MOST_EVENTS 2 /* of each trouble */

enum flow_trouble {
    FLOW_VANISHING,
    FLOW_EXPLODING,
    FLOW_DEAD_UNITS,
    FLOW_PLATEAU,
    FLOW_TROUBLES
};

/* A layer in an observed step, in order of computation. See struct layer_report. */
struct flow_layer {
    bool trained;   /* has parameters; else the next two are not read */
    bool rectified; /* its output is a relu's: a unit at 0 passes no gradient */
    double gradient_norm, update_ratio, dead_fraction;
};

struct flow_alarm {
    int bad, good; /* observations in a row */
    bool standing; /* raised, and not over */
    int raised;    /* times */
};

/* Plain data; flow_detector_init() sets it up, nothing needs to be released. */
struct flow_detector {
    int64_t epochs; /* of the whole training */
    bool saw_start; /* the training began under this detector */
    int64_t steps;  /* seen */
    double first_loss, start_loss, first_gradient;
    bool has_gradient;
    int64_t epochs_seen;
    double first_epoch_loss, best_loss;
    int64_t best_epoch, best_step; /* when the loss last fell by 1 % */
    size_t dead_rows;              /* over which the dead layer was seen dead */
    int asked;                     /* observations asked for */
    double update_ratio;           /* largest of the last observed step */
    struct flow_alarm alarms[FLOW_TROUBLES];
};

/* What was found. Indices are those of the layers given. */
struct flow_finding {
    int layer;       /* to blame; -1 for a plateau */
    int first, last; /* trained layers; -1: there is none */
    double first_gradient, last_gradient;
    double gradient_norm; /* of `layer` (dead units: 0 where it has no parameters) */
    double update_ratio;  /* the largest of the last observed step */
    double dead_fraction; /* dead units: of `layer` */
    int dead_layers;      /* dead units: in that state */
    bool by_depth;        /* exploding: on the way back, not from step to step */
    double loss, first_loss;
    int64_t epochs_flat; /* plateau: since the loss last fell */
};

/* `saw_start`: the training is at step 0. */
void flow_detector_init(struct flow_detector *detector, int64_t epochs, bool saw_start);

/* After each step, with its finite loss. True when the next step should be observed. */
bool flow_detector_step(struct flow_detector *detector, double loss);

/* After an observed step of `rows` rows. Bit 1 << trouble is set in the result for each
 * trouble to raise now, and its finding is in ret_findings[trouble]. */
unsigned flow_detector_observe(struct flow_detector *detector,
                               const struct flow_layer *layers, int count, size_t rows,
                               double loss, struct flow_finding *ret_findings);

/* After each epoch, with its mean loss: is a plateau to be raised? `steps`: done in all.
 */
bool flow_detector_epoch(struct flow_detector *detector, double loss, int64_t steps,
                         struct flow_finding *ret_finding);

#endif
