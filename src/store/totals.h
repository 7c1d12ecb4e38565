/* How much the store holds, for /metrics. */
#ifndef BACKPROP_STORE_TOTALS_H
#define BACKPROP_STORE_TOTALS_H

#include "jobs.h"

struct store_totals {
    int64_t jobs[JOB_STATUS_COUNT];
    int64_t oldest_queued_us;        /* when the oldest queued job was made; 0: none is */
    int64_t datasets, dataset_bytes; /* bytes of the files, shared ones counted once */
    int64_t models, model_bytes;     /* bytes of the parameters */
};

/* In one reader. Jobs are counted by triggers; the others are a walk over the rows of
 * datasets and models, of which there are few. */
int totals_read(struct db *db, struct store_totals *ret_totals, struct error *err)
    __attribute__((warn_unused_result));

#endif
