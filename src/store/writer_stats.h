/* Figures of the writer, for /metrics and /readyz. */
#ifndef BACKPROP_STORE_WRITER_STATS_H
#define BACKPROP_STORE_WRITER_STATS_H

#include "base/histogram.h"

#include <stdint.h>

struct writer_stats {
    int64_t waiting;                /* writes that were submitted and are not begun */
    int64_t committed, failed;      /* writes since the start */
    int64_t failed_groups;          /* of writes, that were rolled back as a whole */
    int64_t checkpoints;            /* of the WAL */
    struct histogram_values commit; /* COMMITs that succeeded */
    struct histogram_values write;  /* from submission until the fate is known */
    int64_t busy_ns;                /* with the present group or checkpoint */
    /* What the last group of writes failed with, if the store itself was the reason
     * (ERR_NO_SPACE, ERR_IO, ERR_CORRUPT …); 0 when it was committed. */
    int last_failure;
};

#endif
