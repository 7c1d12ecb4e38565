/* Counts of requests, by route and class of status, for GET /metrics. Any thread. */
#ifndef BACKPROP_HTTP_COUNTERS_H
#define BACKPROP_HTTP_COUNTERS_H

#include "route.h"

#include <stdint.h>

/* By the first digit of the status; [0]: cut before a reply. */
#define COUNTERS_CLASSES 6

struct counters;

struct route_counts {
    int64_t requests[COUNTERS_CLASSES];
    int64_t nanoseconds; /* from the request line to the end of the reply, summed */
};

/* One set for each row of the table and one for what fits none. NULL without memory. */
struct counters *counters_new(const struct route *table);
void counters_free(struct counters *counters);

/* `index`: of the route, -1 for none; `status` 0 when there was no reply. */
void counters_add(struct counters *counters, int index, unsigned status,
                  int64_t nanoseconds);

void counters_read(const struct counters *counters, int index,
                   struct route_counts *ret_counts);

#endif
