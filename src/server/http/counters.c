/* See counters.h. */
#include "counters.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct problem_count {
    char code[COUNTERS_CODE_SIZE];
    int64_t count;
};

struct counters {
    _Atomic int64_t bytes_received;
    pthread_mutex_t lock; /* of the problems: they are rare */
    int code_count;
    struct problem_count problems[COUNTERS_MAX_CODES];
    int64_t other_problems;
    int route_count;
    struct histogram routes[][COUNTERS_CLASSES]; /* the last: requests without a route */
};

struct counters *counters_new(const struct route *table)
{
    int count = 0;
    while (table[count].method)
        count++;
    struct counters *counters =
        mem_alloc(sizeof(*counters) + (size_t)(count + 1) * sizeof(counters->routes[0]));
    if (!counters)
        return NULL;
    counters->route_count = count;
    pthread_mutex_init(&counters->lock, NULL);
    return counters;
}

void counters_free(struct counters *counters)
{
    if (counters)
        pthread_mutex_destroy(&counters->lock);
    free(counters);
}

void counters_add(struct counters *counters, int index, unsigned status,
                  int64_t nanoseconds, uint64_t bytes_received)
{
    unsigned class = status / 100 < COUNTERS_CLASSES ? status / 100 : 0;
    int route = index < 0 ? counters->route_count : index;
    histogram_observe(&counters->routes[route][class], nanoseconds);
    if (bytes_received > 0)
        atomic_fetch_add_explicit(&counters->bytes_received, (int64_t)bytes_received,
                                  memory_order_relaxed);
}

/* The place of a code; NULL when there is none for it. The lock is held. */
static int64_t *find_problem(struct counters *counters, const char *code)
{
    size_t length = strlen(code);
    if (length == 0 || length >= COUNTERS_CODE_SIZE ||
        strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
        return NULL;
    int i = 0;
    while (i < counters->code_count && strcmp(counters->problems[i].code, code) != 0)
        i++;
    if (i == COUNTERS_MAX_CODES)
        return NULL;
    if (i == counters->code_count) {
        memcpy(counters->problems[i].code, code, length + 1);
        counters->code_count++;
    }
    return &counters->problems[i].count;
}

void counters_add_problem(struct counters *counters, const char *code)
{
    pthread_mutex_lock(&counters->lock);
    int64_t *count = find_problem(counters, code);
    ++*(count ? count : &counters->other_problems);
    pthread_mutex_unlock(&counters->lock);
}

void counters_read(const struct counters *counters, int index, int status_class,
                   struct histogram_values *ret_values)
{
    int route = index < 0 ? counters->route_count : index;
    histogram_read(&counters->routes[route][status_class], ret_values);
}

int64_t counters_bytes_received(const struct counters *counters)
{
    return atomic_load_explicit(&counters->bytes_received, memory_order_relaxed);
}

bool counters_read_problem(struct counters *counters, int index,
                           char ret_code[COUNTERS_CODE_SIZE], int64_t *ret_count)
{
    pthread_mutex_lock(&counters->lock);
    bool found = index < counters->code_count;
    if (found) {
        memcpy(ret_code, counters->problems[index].code, COUNTERS_CODE_SIZE);
        *ret_count = counters->problems[index].count;
    } else if (index == counters->code_count) {
        snprintf(ret_code, COUNTERS_CODE_SIZE, "other");
        *ret_count = counters->other_problems;
        found = true;
    }
    pthread_mutex_unlock(&counters->lock);
    return found;
}
