/* One run of ingest over parts in memory, and whether what comes out is consistent. */
#ifndef BACKPROP_INGESTED_H
#define BACKPROP_INGESTED_H

#include "data/ingest.h"

#define INGESTED_MAX_PARTS 4

struct ingested_part {
    const char *name;
    const void *bytes;
    size_t length;
};

/* Refused with a reason, or accepted with facts that the spec's reader takes and a file
 * that has the arrays which the facts say. */
void ingested_check(const struct ingested_part *parts, int count,
                    const struct ingest_options *options);

#endif
