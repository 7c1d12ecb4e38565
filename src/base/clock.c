/* See clock.h. */
#include "clock.h"

#include <stdio.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * CLOCK_NS_PER_SECOND + now.tv_nsec;
}

int64_t clock_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

void clock_format(int64_t wall_us, char text[CLOCK_RFC3339_SIZE])
{
    time_t seconds = (time_t)(wall_us / US_PER_SECOND);
    int64_t micros = wall_us % US_PER_SECOND;
    if (micros < 0) { /* before 1970: the second began earlier */
        micros += US_PER_SECOND;
        seconds--;
    }
    struct tm utc;
    size_t used = 0;
    if (gmtime_r(&seconds, &utc))
        used = strftime(text, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + used, CLOCK_RFC3339_SIZE - used, ".%06uZ", (unsigned)micros);
}
