/* See pulses.h. */
#include "pulses.h"

#include <stddef.h>

struct pulse *pulses_own(struct pulses *pulses)
{
    static _Thread_local struct pulse *own;
    if (!own) {
        int index = atomic_fetch_add(&pulses->used, 1);
        own = &pulses->each[index < PULSES_MAX ? index : PULSES_MAX - 1];
    }
    return own;
}

int64_t pulses_longest_ns(const struct pulses *pulses)
{
    int64_t longest = 0;
    for (int i = 0; i < PULSES_MAX; i++) {
        int64_t busy = pulse_busy_ns(&pulses->each[i]);
        longest = busy > longest ? busy : longest;
    }
    return longest;
}
