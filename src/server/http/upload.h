/*
 * An upload: a request body that goes to files while it comes, never whole in memory.
 *
 * A body of one type is one part, named after what its Content-Type says it is; of
 * multipart/form-data each form part is one. Part files have no name in the file system
 * from the moment they are made, so that no crash and no client that goes away leaves one
 * behind. They are not synced: what must last is the dataset file made of them.
 *
 * The caller: upload_new when the headers are known, upload_write for each piece of the
 * body, upload_finish at its end, then the parts; upload_free at any time.
 */
#ifndef BACKPROP_HTTP_UPLOAD_H
#define BACKPROP_HTTP_UPLOAD_H

#include "base/error.h"
#include "store/digest.h"

#include <stddef.h>
#include <stdint.h>

#define UPLOAD_MAX_PARTS 6
#define UPLOAD_FILENAME_SIZE 256

struct upload_part {
    const char *name;                    /* "table", "train.features", …: static */
    char filename[UPLOAD_FILENAME_SIZE]; /* as the client said it; "" without */
    int fd;                              /* owned; -1 when it was taken */
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE]; /* after upload_finish */
};

struct upload;

/* `folder` gets the files; `content_type` is the request's header or NULL. ERR_INVALID
 * for a type that is no dataset: the text lists what is. New object. */
int upload_new(const char *folder, uint64_t max_bytes, const char *content_type,
               struct upload **ret_upload, struct error *err)
    __attribute__((warn_unused_result));

/* NULL is allowed. */
void upload_free(struct upload *upload);

/* ERR_TOO_LARGE over max_bytes, ERR_NO_SPACE, ERR_INVALID for a malformed multipart body
 * or an unknown part (with its name as pointer). Nothing may follow a failure but
 * upload_free. */
int upload_write(struct upload *upload, const char *bytes, size_t length,
                 struct error *err) __attribute__((warn_unused_result));

/* The body is over. ERR_INVALID when it is empty or cut short. */
int upload_finish(struct upload *upload, struct error *err)
    __attribute__((warn_unused_result));

/* The parts in the order of UPLOAD's names (train before
 * test, features before labels). */
struct upload_part *upload_parts(struct upload *upload, int *ret_count);

/* Bytes of all parts, and their digest: that of the one part, or the SHA-256 over the
 * parts' hexadecimal digests joined in order. */
void upload_identity(const struct upload *upload, uint64_t *ret_bytes,
                     char ret_sha256[DIGEST_HEX_SIZE]);

#endif
