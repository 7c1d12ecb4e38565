/* Limits that metrics.c (adding) and metrics_read.c (reading) share. */
#ifndef BACKPROP_STORE_METRICS_INTERNAL_H
#define BACKPROP_STORE_METRICS_INTERNAL_H

#include "metrics.h"

#define METRICS_NAME_MAX 255 /* bytes */
#define METRICS_MAX_SETS 256 /* different sets of names in a job */
#define METRICS_NAMES_BYTES ((size_t)METRICS_MAX_NAMES * (METRICS_NAME_MAX + 1))

/* Points of all series in one result (512 MiB): beyond, max_points must be given. */
#define METRICS_READ_MAX ((uint64_t)1 << 24)

/* Values are kept as the bytes of the machine's doubles. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the store keeps float64 in little-endian order");
_Static_assert(sizeof(double) == 8, "the store keeps float64");

#endif
