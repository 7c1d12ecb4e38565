/*
 * A thread's sign of life. A thread that waits for work is well however long that takes;
 * one that has been busy with a single thing for too long hangs. So it notes when it
 * began, and others look. One thread begins and ends; any may look.
 */
#ifndef BACKPROP_PULSE_H
#define BACKPROP_PULSE_H

#include "clock.h"

#include <stdatomic.h>

/* All zero is a thread that waits. */
struct pulse {
    _Atomic int64_t busy_since_ns; /* of clock_monotonic_ns(); 0: it waits */
};

static inline void pulse_begin(struct pulse *pulse)
{
    atomic_store_explicit(&pulse->busy_since_ns, clock_monotonic_ns(),
                          memory_order_relaxed);
}

static inline void pulse_end(struct pulse *pulse)
{
    atomic_store_explicit(&pulse->busy_since_ns, 0, memory_order_relaxed);
}

/* For how long it has been busy with what it does now; 0 while it waits. */
static inline int64_t pulse_busy_ns(const struct pulse *pulse)
{
    int64_t since = atomic_load_explicit(&pulse->busy_since_ns, memory_order_relaxed);
    int64_t busy = since == 0 ? 0 : clock_monotonic_ns() - since;
    return busy > 0 ? busy : 0;
}

#endif
