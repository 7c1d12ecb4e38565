/*
 * How long things took: counts in buckets that are fixed for the whole program, from half
 * a millisecond to ten seconds. Observing is two additions; any thread may observe and
 * read.
 */
#ifndef BACKPROP_HISTOGRAM_H
#define BACKPROP_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 11

/* Upper bounds, inclusive, in nanoseconds; the last bucket has none. */
extern const int64_t histogram_bounds_ns[HISTOGRAM_BOUNDS];

/* All zero is an empty one. */
struct histogram {
    _Atomic int64_t counts[HISTOGRAM_BOUNDS + 1];
    _Atomic int64_t sum_ns;
};

struct histogram_values {
    int64_t counts[HISTOGRAM_BOUNDS + 1]; /* of each bucket alone */
    int64_t sum_ns;
    int64_t total; /* of the counts */
};

void histogram_observe(struct histogram *histogram, int64_t ns);
void histogram_read(const struct histogram *histogram,
                    struct histogram_values *ret_values);

#endif
