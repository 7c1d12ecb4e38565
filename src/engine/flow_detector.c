/* See flow_detector.h. */
#include "flow_detector.h"

#include <math.h>

#define DEEP 4             /* trained layers */
#define VANISHING 1e-4     /* first layer to last */
#define VANISHING_2ND 1e-3 /* second layer to last */
#define EXPLODING 1e4      /* second layer to last */
#define CONVERGED 0.1      /* of the first loss: small gradients are as it should be */
#define RISEN 10.0         /* loss and gradient to the first ones */
#define UPDATE_TOO_LARGE 0.1
#define DEAD 0.9
#define ALL_DEAD 0.999
#define LARGE_BATCH 32
#define DEAD_ROWS 128
#define PATIENCE 3  /* observations in a row until a trouble is believed */
#define RECOVERY 10 /* observations in a row until it is over */
#define MOST_ASKED 16
#define START_STEPS 10
#define FLAT_EPOCHS 5
#define FLAT_STEPS 100
#define FALL 0.99         /* a loss fell when it is below this part of its best */
#define NOT_LEARNED 0.9   /* of the first epoch's loss */
#define NOT_CONVERGED 0.4 /* of the first steps' loss */

void flow_detector_init(struct flow_detector *detector, int64_t epochs, bool saw_start)
{
    *detector = (struct flow_detector){.epochs = epochs, .saw_start = saw_start};
}

/* Is the trouble to be raised now? */
static bool ring(struct flow_alarm *alarm, bool bad, int patience)
{
    if (alarm->standing) {
        alarm->good = bad ? 0 : alarm->good + 1;
        if (alarm->good < RECOVERY)
            return false;
        *alarm = (struct flow_alarm){.raised = alarm->raised};
    }
    alarm->bad = bad ? alarm->bad + 1 : 0;
    if (alarm->bad < patience || alarm->raised == FLOW_MOST_EVENTS)
        return false;
    alarm->standing = true;
    alarm->good = 0;
    alarm->raised++;
    return true;
}

static bool has_risen(const struct flow_detector *detector, double loss)
{
    return loss > RISEN * fabs(detector->first_loss);
}

bool flow_detector_step(struct flow_detector *detector, double loss)
{
    if (detector->steps == 0)
        detector->first_loss = loss;
    if (detector->steps < START_STEPS)
        detector->start_loss += loss / START_STEPS;
    detector->steps++;
    if (!has_risen(detector, loss) || detector->alarms[FLOW_EXPLODING].standing ||
        detector->asked == MOST_ASKED)
        return false;
    detector->asked++;
    return true;
}

/* ---- an observed step ---- */

/* Trained layers: how many, the first two, the last, and the extremes. */
struct survey {
    int trained, first, second, last;
    int steepest;        /* of the largest gradient */
    double update_ratio; /* the largest */
    int deadest;         /* rectified layer with most dead units, or -1 */
};

static struct survey look(const struct flow_layer *layers, int count)
{
    struct survey survey = {
        .first = -1, .second = -1, .last = -1, .steepest = -1, .deadest = -1};
    for (int l = 0; l < count; l++) {
        const struct flow_layer *layer = &layers[l];
        if (layer->rectified &&
            (survey.deadest < 0 ||
             layer->dead_fraction > layers[survey.deadest].dead_fraction))
            survey.deadest = l;
        if (!layer->trained)
            continue;
        if (survey.trained == 0)
            survey.first = l;
        else if (survey.trained == 1)
            survey.second = l;
        survey.last = l;
        survey.trained++;
        if (survey.steepest < 0 ||
            layer->gradient_norm > layers[survey.steepest].gradient_norm)
            survey.steepest = l;
        if (isfinite(layer->update_ratio))
            survey.update_ratio = fmax(survey.update_ratio, layer->update_ratio);
    }
    return survey;
}

static double dead_limit(size_t rows)
{
    return rows >= LARGE_BATCH ? DEAD : ALL_DEAD;
}

static bool is_dead(const struct flow_layer *layers, const struct survey *survey,
                    size_t rows)
{
    return survey->deadest >= 0 &&
           layers[survey->deadest].dead_fraction >= dead_limit(rows);
}

static bool vanishes(const struct flow_detector *detector,
                     const struct flow_layer *layers, const struct survey *survey,
                     double loss)
{
    if (survey->trained < DEEP || loss < CONVERGED * detector->first_loss)
        return false;
    double last = layers[survey->last].gradient_norm;
    return last > 0 && layers[survey->first].gradient_norm < VANISHING * last &&
           layers[survey->second].gradient_norm < VANISHING_2ND * last;
}

static bool explodes_by_depth(const struct flow_detector *detector,
                              const struct flow_layer *layers,
                              const struct survey *survey, double loss)
{
    if (survey->trained < DEEP || loss < CONVERGED * detector->first_loss)
        return false;
    double last = layers[survey->last].gradient_norm;
    return last > 0 && layers[survey->second].gradient_norm > EXPLODING * last;
}

static bool explodes_in_time(const struct flow_detector *detector,
                             const struct flow_layer *layers, const struct survey *survey,
                             double loss)
{
    return detector->has_gradient && survey->steepest >= 0 && has_risen(detector, loss) &&
           survey->update_ratio >= UPDATE_TOO_LARGE &&
           layers[survey->steepest].gradient_norm > RISEN * detector->first_gradient;
}

static struct flow_finding describe(const struct flow_detector *detector,
                                    const struct flow_layer *layers,
                                    const struct survey *survey, double loss, int layer)
{
    struct flow_finding finding = {
        .layer = layer,
        .first = survey->first,
        .last = survey->last,
        .update_ratio = survey->update_ratio,
        .loss = loss,
        .first_loss = detector->first_loss,
    };
    if (survey->trained > 0) {
        finding.first_gradient = layers[survey->first].gradient_norm;
        finding.last_gradient = layers[survey->last].gradient_norm;
    }
    if (layers[layer].trained)
        finding.gradient_norm = layers[layer].gradient_norm;
    return finding;
}

static bool look_for_dead(struct flow_detector *detector, const struct flow_layer *layers,
                          const struct survey *survey, size_t rows)
{
    bool dead = is_dead(layers, survey, rows);
    detector->dead_rows = dead ? detector->dead_rows + rows : 0;
    int patience = detector->dead_rows >= DEAD_ROWS ? PATIENCE : INT32_MAX;
    return ring(&detector->alarms[FLOW_DEAD_UNITS], dead, patience);
}

unsigned flow_detector_observe(struct flow_detector *detector,
                               const struct flow_layer *layers, int count, size_t rows,
                               double loss, struct flow_finding *ret_findings)
{
    struct survey survey = look(layers, count);
    bool dead = is_dead(layers, &survey, rows);
    unsigned found = 0;
    detector->update_ratio = survey.update_ratio;

    /* Behind a dead layer there is no gradient: that is another trouble. */
    bool vanishing = !dead && vanishes(detector, layers, &survey, loss);
    if (ring(&detector->alarms[FLOW_VANISHING], vanishing, PATIENCE)) {
        found |= 1U << FLOW_VANISHING;
        ret_findings[FLOW_VANISHING] =
            describe(detector, layers, &survey, loss, survey.first);
    }
    bool in_time = explodes_in_time(detector, layers, &survey, loss);
    bool by_depth = explodes_by_depth(detector, layers, &survey, loss);
    if (ring(&detector->alarms[FLOW_EXPLODING], in_time || by_depth,
             in_time ? 1 : PATIENCE)) {
        found |= 1U << FLOW_EXPLODING;
        ret_findings[FLOW_EXPLODING] =
            describe(detector, layers, &survey, loss, survey.steepest);
        ret_findings[FLOW_EXPLODING].by_depth = !in_time;
    }
    if (look_for_dead(detector, layers, &survey, rows)) {
        found |= 1U << FLOW_DEAD_UNITS;
        struct flow_finding finding =
            describe(detector, layers, &survey, loss, survey.deadest);
        finding.dead_fraction = layers[survey.deadest].dead_fraction;
        for (int l = 0; l < count; l++)
            finding.dead_layers +=
                layers[l].rectified && layers[l].dead_fraction >= dead_limit(rows);
        ret_findings[FLOW_DEAD_UNITS] = finding;
    }
    if (!detector->has_gradient && survey.steepest >= 0) {
        detector->first_gradient = layers[survey.steepest].gradient_norm;
        detector->has_gradient = true;
    }
    return found;
}

/* ---- an epoch ---- */

bool flow_detector_epoch(struct flow_detector *detector, double loss, int64_t steps,
                         struct flow_finding *ret_finding)
{
    if (!detector->saw_start || !isfinite(loss))
        return false;
    int64_t epoch = ++detector->epochs_seen;
    if (epoch == 1)
        detector->first_epoch_loss = loss;
    struct flow_alarm *alarm = &detector->alarms[FLOW_PLATEAU];
    if (epoch == 1 || loss < FALL * detector->best_loss) {
        detector->best_loss = loss;
        detector->best_epoch = epoch;
        detector->best_step = steps;
        alarm->standing = false;
        return false;
    }
    int64_t flat = epoch - detector->best_epoch;
    int64_t most = detector->epochs / 10;
    bool stuck = flat >= (most > FLAT_EPOCHS ? most : FLAT_EPOCHS) &&
                 steps - detector->best_step >= FLAT_STEPS &&
                 detector->steps >= START_STEPS &&
                 loss > NOT_LEARNED * detector->first_epoch_loss &&
                 loss > NOT_CONVERGED * detector->start_loss;
    if (!stuck || alarm->standing || alarm->raised == FLOW_MOST_EVENTS)
        return false;
    alarm->standing = true;
    alarm->raised++;
    *ret_finding = (struct flow_finding){
        .layer = -1,
        .first = -1,
        .last = -1,
        .update_ratio = detector->update_ratio,
        .loss = loss,
        .first_loss = detector->first_epoch_loss,
        .epochs_flat = flat,
    };
    return true;
}
