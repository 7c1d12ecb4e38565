/* See counters.h. */
#include "counters.h"

#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>

struct route_counters {
    _Atomic int64_t requests[COUNTERS_CLASSES];
    _Atomic int64_t nanoseconds;
};

struct counters {
    int route_count;
    struct route_counters routes[]; /* the last one: requests without a route */
};

struct counters *counters_new(const struct route *table)
{
    int count = 0;
    while (table[count].method)
        count++;
    struct counters *counters = mem_alloc(
        sizeof(*counters) + (size_t)(count + 1) * sizeof(struct route_counters));
    if (counters)
        counters->route_count = count;
    return counters;
}

void counters_free(struct counters *counters)
{
    free(counters);
}

void counters_add(struct counters *counters, int index, unsigned status,
                  int64_t nanoseconds)
{
    struct route_counters *route =
        &counters->routes[index < 0 ? counters->route_count : index];
    unsigned class = status / 100 < COUNTERS_CLASSES ? status / 100 : 0;
    atomic_fetch_add_explicit(&route->requests[class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&route->nanoseconds, nanoseconds, memory_order_relaxed);
}

void counters_read(const struct counters *counters, int index,
                   struct route_counts *ret_counts)
{
    const struct route_counters *route =
        &counters->routes[index < 0 ? counters->route_count : index];
    for (int i = 0; i < COUNTERS_CLASSES; i++)
        ret_counts->requests[i] =
            atomic_load_explicit(&route->requests[i], memory_order_relaxed);
    ret_counts->nanoseconds =
        atomic_load_explicit(&route->nanoseconds, memory_order_relaxed);
}
