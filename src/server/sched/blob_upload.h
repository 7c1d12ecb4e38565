/*
 * A blob on its way from a worker into the store: BLOB frames of any size become chunks
 * of BLOB_CHUNK_BYTES, each written as soon as it is full. Nobody sees the blob until the
 * write that seals it, which is the caller's.
 */
#ifndef BACKPROP_SCHED_BLOB_UPLOAD_H
#define BACKPROP_SCHED_BLOB_UPLOAD_H

#include "sched_internal.h"
#include "store/digest.h"

#include <stddef.h>
#include <stdint.h>

/* The largest blob: parameters, gradients' moments and the best weights of the largest
 * model that a spec can say, and some. */
#define BLOB_UPLOAD_MAX_BYTES (UINT64_C(64) << 30)

/* Told of every chunk that is in the store, or is not: `bytes` are
 * not waiting any more. */
struct blob_upload_owner {
    struct sched *sched;
    void *context;
    void (*submitted)(void *context, size_t bytes);
    void (*written)(void *context, size_t bytes, int rc, const struct error *err);
};

struct blob_upload {
    struct blob_upload_owner owner;
    int holders; /* the caller, and each write that is under way */
    /* 0 until it is made; this and `broken` are the writer's thread's alone. */
    int64_t blob;
    bool broken; /* a chunk could not be written */
    uint64_t announced, received;
    int64_t next_index;
    struct digest digest;
    unsigned char *chunk; /* the one being filled */
    size_t filled;
    char sha256[DIGEST_HEX_SIZE]; /* once finished */
};

/* A blob that is to have `bytes` bytes. New object. */
int blob_upload_new(const struct blob_upload_owner *owner, uint64_t bytes,
                    struct blob_upload **ret_upload, struct error *err)
    __attribute__((warn_unused_result));

/* Takes the payload of a BLOB. ERR_PROTOCOL when it is more than was announced. */
int blob_upload_append(struct blob_upload *upload, const unsigned char *bytes,
                       size_t length, struct error *err)
    __attribute__((warn_unused_result));

/* BLOB_END: submits the last chunk and works out the digest. ERR_PROTOCOL when there was
 * less than announced. The blob's last row is the caller's to write, with
 * blob_upload_seal() in a later write. */
int blob_upload_finish(struct blob_upload *upload, struct error *err)
    __attribute__((warn_unused_result));

/* On the writer's thread: makes the blob visible. */
int blob_upload_seal(const struct blob_upload *upload, struct db *db, struct error *err)
    __attribute__((warn_unused_result));

/* On the writer's thread: deletes what was written of a blob that was not sealed. */
int blob_upload_discard(const struct blob_upload *upload, struct db *db,
                        struct error *err) __attribute__((warn_unused_result));

/* The caller's own end of it; writes under way keep it. NULL is allowed. */
void blob_upload_let_go(struct blob_upload *upload);

/* Lets go of an upload that is not wanted any more and deletes its chunks. */
void blob_upload_abandon(struct blob_upload *upload);

#endif
