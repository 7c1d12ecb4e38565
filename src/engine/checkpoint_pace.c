/* See checkpoint_pace.h. */
#include "checkpoint_pace.h"

#include "base/clock.h"

#define GUESSED_NS_PER_BYTE 5.0 /* 200 MB/s through the pipe to a disk */
#define NEW_COST_WEIGHT 0.5     /* of the last one in what the next is expected to cost */

void checkpoint_pace_begin(struct checkpoint_pace *pace, int64_t now_ns, size_t bytes)
{
    *pace = (struct checkpoint_pace){.start_ns = now_ns,
                                     .latest_ns = now_ns,
                                     .cost_ns = GUESSED_NS_PER_BYTE * (double)bytes};
}

bool checkpoint_pace_allows(const struct checkpoint_pace *pace, int64_t now_ns)
{
    return pace->spent_ns + pace->cost_ns <=
           CHECKPOINT_SHARE * (double)(now_ns - pace->start_ns);
}

bool checkpoint_pace_is_due(const struct checkpoint_pace *pace, int64_t now_ns,
                            int64_t every_seconds)
{
    int64_t apart = every_seconds * CLOCK_NS_PER_SECOND;
    int64_t soon = pace->latest_ns - pace->start_ns;
    if (soon < CHECKPOINT_FIRST_NS)
        soon = CHECKPOINT_FIRST_NS;
    return every_seconds > 0 &&
           now_ns - pace->latest_ns >= (soon < apart ? soon : apart) &&
           checkpoint_pace_allows(pace, now_ns);
}

void checkpoint_pace_made(struct checkpoint_pace *pace, bool latest, int64_t begin_ns,
                          int64_t end_ns)
{
    double cost = (double)(end_ns - begin_ns);
    pace->cost_ns = pace->spent_ns > 0
                        ? pace->cost_ns + NEW_COST_WEIGHT * (cost - pace->cost_ns)
                        : cost;
    pace->spent_ns += cost;
    if (latest)
        pace->latest_ns = end_ns;
}
