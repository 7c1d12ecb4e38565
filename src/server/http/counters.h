/*
 * Counts of requests for GET /metrics: how long they took by route and class of status,
 * and why they were refused. Any thread.
 */
#ifndef BACKPROP_HTTP_COUNTERS_H
#define BACKPROP_HTTP_COUNTERS_H

#include "base/histogram.h"
#include "route.h"

#include <stdint.h>

/* By the first digit of the status; [0]: cut before a reply. */
#define COUNTERS_CLASSES 6

/* Codes of problems that are told apart; further ones are "other". The program has fewer.
 */
#define COUNTERS_MAX_CODES 96
#define COUNTERS_CODE_SIZE 48

struct counters;

/* One set for each row of the table and one for what fits none. NULL without memory. */
struct counters *counters_new(const struct route *table);
void counters_free(struct counters *counters);

/* A request is over. `index`: of the route, -1 for none; `status` 0 when there was no
 * reply; `nanoseconds` from the request line until the reply was ready. */
void counters_add(struct counters *counters, int index, unsigned status,
                  int64_t nanoseconds, uint64_t bytes_received);

/* A request was answered with a problem of this code. */
void counters_add_problem(struct counters *counters, const char *code);

/* `status_class`: 0 to 5. */
void counters_read(const struct counters *counters, int index, int status_class,
                   struct histogram_values *ret_values);
int64_t counters_bytes_received(const struct counters *counters);

/* The codes that came so far, in the order of their first coming: from 0 until false. The
 * last is "other". */
bool counters_read_problem(struct counters *counters, int index,
                           char ret_code[COUNTERS_CODE_SIZE], int64_t *ret_count);

#endif
