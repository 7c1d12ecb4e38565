/*
 * Datasets: identity and facts. The bytes are files in the data folder, named by the
 * digest of the compact form (`file_sha256`); several datasets may share one.
 */
#ifndef BACKPROP_STORE_DATASETS_H
#define BACKPROP_STORE_DATASETS_H

#include "base/id.h"
#include "digest.h"
#include "owners.h"
#include "page.h"
#include "store.h"

#include <stdbool.h>

struct dataset_row {
    char id[ID_SIZE];
    char owner[OWNER_SIZE]; /* "" is OWNER_LOCAL for datasets_insert() */
    char *name;
    char *kind;                        /* "table", "arrays", "text" */
    char sha256[DIGEST_HEX_SIZE];      /* of the uploaded bytes */
    uint64_t bytes;                    /* uploaded */
    char file_sha256[DIGEST_HEX_SIZE]; /* of the dataset file: its name */
    uint64_t file_bytes;
    char *facts;   /* JSON text, see spec/facts.h; without preview */
    char *preview; /* JSON text */
    int64_t created_us;
};

void dataset_row_release(struct dataset_row *row);

int datasets_insert(struct db *db, const struct dataset_row *row, struct error *err);

/* ERR_NOT_FOUND when there is none. */
int datasets_get(struct db *db, const char *id, struct dataset_row *ret_row,
                 struct error *err);

/* The same for what a caller names: another's is not found. `owner` NULL: anybody's. */
int datasets_get_of(struct db *db, const char *owner, const char *id,
                    struct dataset_row *ret_row, struct error *err);

/* Newest first. *ret_rows is an array to be freed with its rows; `preview` is NULL. */
int datasets_list(struct db *db, const struct page *page, struct dataset_row **ret_rows,
                  size_t *ret_count, bool *ret_has_more, struct error *err);

/* How many there are, and the bytes of their files (a file that two share counts
 * twice). */
int datasets_total(struct db *db, int64_t *ret_count, int64_t *ret_file_bytes,
                   struct error *err);

/* ERR_CONFLICT while a job that has not ended uses it. *ret_last_use is true when no
 * other dataset shares the file, which may then be unlinked (after the COMMIT). */
int datasets_delete(struct db *db, const char *id, char ret_file_sha256[DIGEST_HEX_SIZE],
                    bool *ret_last_use, struct error *err);

/* True if some dataset uses the file: for clearing out orphans at start. */
int datasets_file_used(struct db *db, const char *file_sha256, bool *ret_used,
                       struct error *err);

/* A dataset file and what uses it. */
struct dataset_use {
    const char *file_sha256;
    uint64_t file_bytes;
    const char *ids; /* of the datasets: "ds_…, ds_…" */
};

/* Calls `each` for every file that datasets use, until it returns other than 0, which is
 * returned then. */
int datasets_each_file(struct db *db,
                       int (*each)(void *context, const struct dataset_use *use,
                                   struct error *err),
                       void *context, struct error *err);

#endif
