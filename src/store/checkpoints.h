/* Checkpoints of a job: a sealed blob each, so many kept of each kind. */
#ifndef BACKPROP_STORE_CHECKPOINTS_H
#define BACKPROP_STORE_CHECKPOINTS_H

#include "base/id.h"
#include "digest.h"
#include "store.h"

struct checkpoint_row {
    char id[ID_SIZE];
    char kind[8]; /* "latest", "best" */
    int64_t step;
    double epoch;
    int64_t blob;
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE];
    char *metrics; /* JSON text */
    int64_t created_us;
};

void checkpoint_row_release(struct checkpoint_row *row);

/* Adds a checkpoint for a sealed blob and deletes the oldest ones of its kind beyond
 * `keep`. Guarded by the lease. */
int checkpoints_insert(struct db *db, const char *job_id, int64_t lease,
                       const struct checkpoint_row *row, int keep, struct error *err);

/* Newest first. */
int checkpoints_list(struct db *db, const char *job_id, struct checkpoint_row **ret_rows,
                     size_t *ret_count, struct error *err);

/* All of a job: when it has ended they are of no use. */
int checkpoints_delete_all(struct db *db, const char *job_id, struct error *err);

#endif
