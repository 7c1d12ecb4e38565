/*
 * Blobs: weights and checkpoints, as rows of 1 MiB with a SHA-256 each.
 *
 * A blob is written chunk by chunk under a number of its own and is seen by nobody until
 * blobs_seal() adds its last row, so a torn upload never shows. Reading checks the digest
 * of every chunk it touches: ERR_CORRUPT names the chunk.
 */
#ifndef BACKPROP_STORE_BLOBS_H
#define BACKPROP_STORE_BLOBS_H

#include "digest.h"
#include "store.h"

#include <stddef.h>

#define BLOB_CHUNK_BYTES ((size_t)1 << 20)

/* A new, empty, unsealed blob. */
int blobs_create(struct db *db, int64_t *ret_blob, struct error *err);

/* Chunk `index` (0, 1, …): all but the last must be BLOB_CHUNK_BYTES long. */
int blobs_append(struct db *db, int64_t blob, int64_t index, const void *bytes,
                 size_t length, struct error *err);

/* Makes the blob visible. ERR_CORRUPT when the chunks do not add up to `bytes`. */
int blobs_seal(struct db *db, int64_t blob, uint64_t bytes, const char *sha256,
               struct error *err);

int blobs_delete(struct db *db, int64_t blob, struct error *err);

/* Size and digest of a sealed blob; ERR_NOT_FOUND. */
int blobs_stat(struct db *db, int64_t blob, uint64_t *ret_bytes,
               char ret_sha256[DIGEST_HEX_SIZE], struct error *err);

/* Reads [offset, offset + length) of a sealed blob. */
int blobs_read(struct db *db, int64_t blob, uint64_t offset, void *bytes, size_t length,
               struct error *err);

/* Deletes blobs that were never sealed. store_open() does so. */
int blobs_delete_unsealed(struct db *db, struct error *err);

#endif
