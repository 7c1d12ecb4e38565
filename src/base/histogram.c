/* See histogram.h. */
#include "histogram.h"

#define MS INT64_C(1000000)

const int64_t histogram_bounds_ns[HISTOGRAM_BOUNDS] = {
    MS / 2,  1 * MS,   5 * MS / 2, 5 * MS,    10 * MS,   25 * MS,
    50 * MS, 100 * MS, 500 * MS,   2500 * MS, 10000 * MS};

void histogram_observe(struct histogram *histogram, int64_t ns)
{
    int bucket = 0;
    while (bucket < HISTOGRAM_BOUNDS && ns > histogram_bounds_ns[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}

void histogram_read(const struct histogram *histogram,
                    struct histogram_values *ret_values)
{
    struct histogram_values values = {0};
    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        values.counts[i] =
            atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        values.total += values.counts[i];
    }
    values.sum_ns = atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
    *ret_values = values;
}
