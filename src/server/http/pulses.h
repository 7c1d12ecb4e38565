/* The pulses (base/pulse.h) of the HTTP threads, which libmicrohttpd starts: each thread
 * takes one when it first needs it. */
#ifndef BACKPROP_HTTP_PULSES_H
#define BACKPROP_HTTP_PULSES_H

#include "base/pulse.h"

#define PULSES_MAX 64 /* as many as --http-threads may be */

/* All zero is the beginning. */
struct pulses {
    atomic_int used;
    struct pulse each[PULSES_MAX];
};

/* The calling thread's. A thread serves one listener in its life. */
struct pulse *pulses_own(struct pulses *pulses);

/* For how long the thread that has been busy longest is busy; 0 when all wait. */
int64_t pulses_longest_ns(const struct pulses *pulses);

#endif
