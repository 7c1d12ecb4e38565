/*
 * Looks over a whole data folder and says what is damaged: SQLite's own check of the
 * file, foreign keys, the digest of every chunk of weights and checkpoints, and that of
 * every dataset file. Reads everything once; changes nothing; may run beside a daemon.
 */
#ifndef BACKPROP_STORE_CHECK_H
#define BACKPROP_STORE_CHECK_H

#include "base/error.h"

#include <stdint.h>

struct check_report {
    /* Hears of each problem, as a sentence without a full stop. */
    void (*problem)(void *context, const char *text);
    void *context;
    /* Results. */
    int64_t problems;
    int64_t blobs, blob_bytes; /* intact weights and checkpoints */
    int64_t files, file_bytes; /* intact dataset files */
};

/* 0 when the look could be taken, however many problems it found. ERR_NOT_FOUND when the
 * folder holds no store; other errors when the folder cannot be read. */
int check_folder(const char *dir, struct check_report *report, struct error *err)
    __attribute__((warn_unused_result));

#endif
