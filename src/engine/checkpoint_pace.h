/*
 * How often a run may stop for a checkpoint: all of them together take at most
 * CHECKPOINT_SHARE of its time. What the next one will cost is what the last ones did;
 * before the first it is guessed from the bytes.
 *
 * The first comes soon and each next one after as long again as the run has lasted, until
 * they are as far apart as the job says: a run that is interrupted early has not lost
 * all.
 *
 * Times are nanoseconds of clock_monotonic_ns(). Plain data.
 */
#ifndef BACKPROP_ENGINE_CHECKPOINT_PACE_H
#define BACKPROP_ENGINE_CHECKPOINT_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_SHARE 0.02
#define CHECKPOINT_FIRST_NS (INT64_C(250) * 1000000)

struct checkpoint_pace {
    int64_t start_ns;
    int64_t latest_ns; /* the end of the last LATEST one, or the start */
    double spent_ns;   /* in all of them */
    double cost_ns;    /* of the next one */
};

/* The run begins, or goes on; its checkpoints have about so many bytes. */
void checkpoint_pace_begin(struct checkpoint_pace *pace, int64_t now_ns, size_t bytes);

/* May there be one now, of any kind? */
bool checkpoint_pace_allows(const struct checkpoint_pace *pace, int64_t now_ns);

/* Is one of the kind LATEST due? `every_seconds` 0: never. */
bool checkpoint_pace_is_due(const struct checkpoint_pace *pace, int64_t now_ns,
                            int64_t every_seconds);

/* One was made, from begin_ns to end_ns. */
void checkpoint_pace_made(struct checkpoint_pace *pace, bool latest, int64_t begin_ns,
                          int64_t end_ns);

#endif
