/* See early_stopping.h. */
#include "early_stopping.h"

#include <math.h>

void early_stopping_init(struct early_stopping *stopping, const struct job_spec *spec,
                         bool has_validation)
{
    *stopping = (struct early_stopping){.figure = has_validation ? FIGURE_VAL_LOSS
                                                                 : FIGURE_COUNT};
    if (!spec->early_stopping.enabled)
        return;
    stopping->figure = figure_find(spec->early_stopping.monitor);
    stopping->stops = true;
    stopping->patience = spec->early_stopping.patience;
    stopping->min_delta = spec->early_stopping.min_delta;
}

/* Is `value` better than `other` by more than `margin`? */
static bool is_better(const struct early_stopping *stopping, double value, double other,
                      double margin)
{
    return figure_higher_is_better(stopping->figure) ? value - margin > other
                                                     : value + margin < other;
}

struct early_stopping_verdict early_stopping_observe(struct early_stopping *stopping,
                                                     int64_t epoch, double value)
{
    struct early_stopping_verdict verdict = {0};
    bool usable = !isnan(value);
    if (usable &&
        (stopping->best_epoch == 0 || is_better(stopping, value, stopping->best, 0))) {
        stopping->best = value;
        stopping->best_epoch = epoch;
        verdict.is_best = true;
    }
    if (usable &&
        (!stopping->has_reference ||
         is_better(stopping, value, stopping->reference, stopping->min_delta))) {
        stopping->reference = value;
        stopping->has_reference = true;
        stopping->waited = 0;
        return verdict;
    }
    stopping->waited++;
    verdict.stop = stopping->stops && stopping->waited >= stopping->patience;
    return verdict;
}
