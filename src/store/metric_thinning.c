/* See metric_thinning.h. */
#include "metric_thinning.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

void thinning_init(struct thinning *thinning, uint64_t points, uint64_t max_points)
{
    assert(points <= UINT32_MAX); /* so that index * buckets fits */
    if (max_points > 0 && max_points < THINNING_KEPT)
        max_points = THINNING_KEPT;
    *thinning = (struct thinning){.points = points};
    if (max_points > 0 && points > max_points)
        thinning->buckets = max_points / THINNING_KEPT;
}

uint64_t thinning_capacity(const struct thinning *thinning)
{
    return thinning->buckets > 0 ? thinning->buckets * THINNING_KEPT : thinning->points;
}

static bool is_larger(double a, double b)
{
    return a > b || (isnan(a) && !isnan(b));
}

static bool ends_bucket(const struct thinning *thinning, uint64_t index)
{
    uint64_t bucket = index * thinning->buckets / thinning->points;
    return (index + 1) * thinning->buckets / thinning->points != bucket;
}

/* The four candidates in order of place, each once. */
static size_t take_bucket(const struct thinning *thinning,
                          struct metric_point ret_kept[THINNING_KEPT])
{
    const struct thinning_candidate *low = &thinning->smallest,
                                    *high = &thinning->largest;
    if (low->index > high->index) {
        low = &thinning->largest;
        high = &thinning->smallest;
    }
    const struct thinning_candidate *order[] = {&thinning->first, low, high,
                                                &thinning->last};
    size_t count = 0;
    uint64_t previous = UINT64_MAX;
    for (size_t i = 0; i < THINNING_KEPT; i++) {
        if (order[i]->index != previous)
            ret_kept[count++] = order[i]->point;
        previous = order[i]->index;
    }
    return count;
}

size_t thinning_add(struct thinning *thinning, const struct metric_point *point,
                    struct metric_point ret_kept[THINNING_KEPT])
{
    struct thinning_candidate candidate = {thinning->seen++, *point};
    if (thinning->buckets == 0) {
        ret_kept[0] = *point;
        return 1;
    }
    bool fresh = thinning->in_bucket++ == 0;
    thinning->last = candidate;
    if (fresh)
        thinning->first = candidate;
    if (fresh || is_larger(thinning->smallest.point.value, point->value))
        thinning->smallest = candidate;
    if (fresh || is_larger(point->value, thinning->largest.point.value))
        thinning->largest = candidate;
    if (!ends_bucket(thinning, candidate.index))
        return 0;
    thinning->in_bucket = 0;
    return take_bucket(thinning, ret_kept);
}
