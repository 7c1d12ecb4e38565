/*
 * Thinning of a series: equal buckets of points, of each the first, the last, the
 * smallest and the largest. So a plot keeps its ends and its spikes. Points are offered
 * one by one and at most four are held.
 *
 * What is not finite is an extreme: -Infinity is the smallest, +Infinity is larger than
 * any number and NaN larger still, so a series that diverged shows it however it is
 * thinned.
 */
#ifndef BACKPROP_STORE_METRIC_THINNING_H
#define BACKPROP_STORE_METRIC_THINNING_H

#include <stddef.h>
#include <stdint.h>

#define THINNING_KEPT 4 /* points that a bucket keeps at most */

struct metric_point {
    int64_t step;
    double epoch;
    int64_t time_us;
    double value;
};

/* A point and its place in the series. */
struct thinning_candidate {
    uint64_t index;
    struct metric_point point;
};

struct thinning {
    uint64_t points, buckets; /* buckets 0: every point is kept */
    uint64_t seen;
    uint64_t in_bucket; /* points of the present bucket so far */
    struct thinning_candidate first, last, smallest, largest;
};

/* For a series of `points` points (< 2^32) of which at most `max_points` are wanted (0:
 * all; less than THINNING_KEPT counts as that). */
void thinning_init(struct thinning *thinning, uint64_t points, uint64_t max_points);

/* How many points will be kept at most. */
uint64_t thinning_capacity(const struct thinning *thinning);

/* Offers the next point. Returns how many points are to be kept now, in order. */
size_t thinning_add(struct thinning *thinning, const struct metric_point *point,
                    struct metric_point ret_kept[THINNING_KEPT]);

#endif
