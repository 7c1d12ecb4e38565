/*
 * The dataset's file that a task brings: read once and compared with the digest that is
 * its name, then mapped. So what is trained on is what was uploaded, and a disk that has
 * changed a bit since is found before the first step. A second takes 1.8 GB of it where
 * the processor has instructions for SHA-256, and then it is in the page cache.
 */
#ifndef BACKPROP_WORKER_STORED_DATASET_H
#define BACKPROP_WORKER_STORED_DATASET_H

#include "channel.h"
#include "data/dataset_file.h"

#include <jansson.h>

/* From descriptor `fd` (borrowed) and TASK's "file_sha256". ERR_CORRUPT when the bytes
 * are others, ERR_IO when they cannot be read, ERR_CANCELLED when a cancel came
 * meanwhile. New object. */
int stored_dataset_open(const struct channel *channel, const json_t *task, int fd,
                        struct dataset_file **ret_file, struct error *err)
    __attribute__((warn_unused_result));

#endif
