/* Time: one clock that never jumps for intervals, one for what people read. */
#ifndef BACKPROP_CLOCK_H
#define BACKPROP_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_SECOND INT64_C(1000000000)
#define CLOCK_RFC3339_SIZE 32

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t clock_monotonic_ns(void);

/* Microseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_us(void);

/* "2026-01-01T00:00:00.123456Z" (RFC 3339, UTC) in a buffer of CLOCK_RFC3339_SIZE. */
void clock_format(int64_t wall_us, char text[CLOCK_RFC3339_SIZE]);

#endif
