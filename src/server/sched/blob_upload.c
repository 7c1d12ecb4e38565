/* See blob_upload.h. Writes run in the order of their submission, so a chunk's write may
 * rely on the one that made the blob. */
#include "blob_upload.h"

#include "base/memory.h"
#include "store/blobs.h"

#include <stdlib.h>
#include <string.h>

struct chunk_write {
    struct sched_write base;
    struct blob_upload *upload;
    int64_t index;
    unsigned char *bytes; /* owned; NULL: discard the blob */
    size_t length;
};

int blob_upload_new(const struct blob_upload_owner *owner, uint64_t bytes,
                    struct blob_upload **ret_upload, struct error *err)
{
    struct blob_upload *upload = mem_alloc(sizeof(*upload));
    if (!upload)
        return error_set(err, ERR_NOMEM, "no memory for a blob");
    upload->owner = *owner;
    upload->holders = 1;
    upload->announced = bytes;
    digest_init(&upload->digest);
    *ret_upload = upload;
    return 0;
}

static struct blob_upload *hold(struct blob_upload *upload)
{
    upload->holders++;
    return upload;
}

void blob_upload_let_go(struct blob_upload *upload)
{
    if (!upload || --upload->holders > 0)
        return;
    free(upload->chunk);
    free(upload);
}

static int run_append(struct db *db, struct store_write *write, struct error *err)
{
    struct chunk_write *chunk = (struct chunk_write *)write;
    struct blob_upload *upload = chunk->upload;
    if (upload->broken)
        return error_set(err, ERR_INTERNAL,
                         "an earlier part of the blob could not be written");
    int64_t blob = upload->blob;
    int rc = 0;
    if (chunk->index == 0)
        rc = blobs_create(db, &blob, err);
    if (rc == 0)
        rc = blobs_append(db, blob, chunk->index, chunk->bytes, chunk->length, err);
    upload->broken = rc != 0;
    if (rc == 0)
        upload->blob = blob;
    return rc;
}

static void after_append(struct sched_write *write)
{
    struct chunk_write *chunk = (struct chunk_write *)write;
    const struct blob_upload_owner *owner = &chunk->upload->owner;
    owner->written(owner->context, chunk->length, write->rc, &write->err);
    blob_upload_let_go(chunk->upload);
    free(chunk->bytes);
    free(chunk);
}

/* Hands the chunk that was filled to the writer. */
static int submit_chunk(struct blob_upload *upload, struct error *err)
{
    struct chunk_write *chunk = mem_alloc(sizeof(*chunk));
    if (!chunk)
        return error_set(err, ERR_NOMEM, "no memory for a chunk of a blob");
    chunk->base.write.run = run_append;
    chunk->base.after = after_append;
    chunk->upload = hold(upload);
    chunk->index = upload->next_index++;
    chunk->bytes = upload->chunk;
    chunk->length = upload->filled;
    upload->chunk = NULL;
    upload->filled = 0;
    digest_update(&upload->digest, chunk->bytes, chunk->length);
    upload->owner.submitted(upload->owner.context, chunk->length);
    sched_submit(upload->owner.sched, &chunk->base);
    return 0;
}

int blob_upload_append(struct blob_upload *upload, const unsigned char *bytes,
                       size_t length, struct error *err)
{
    if (length > upload->announced - upload->received)
        return error_set(err, ERR_PROTOCOL,
                         "more bytes than the %llu that were announced",
                         (unsigned long long)upload->announced);
    upload->received += length;
    int rc = 0;
    while (length > 0 && rc == 0) {
        if (!upload->chunk)
            upload->chunk = mem_alloc(BLOB_CHUNK_BYTES);
        if (!upload->chunk)
            return error_set(err, ERR_NOMEM, "no memory for a chunk of a blob");
        size_t room = BLOB_CHUNK_BYTES - upload->filled;
        size_t count = length < room ? length : room;
        memcpy(upload->chunk + upload->filled, bytes, count);
        upload->filled += count;
        bytes += count;
        length -= count;
        if (upload->filled == BLOB_CHUNK_BYTES)
            rc = submit_chunk(upload, err);
    }
    return rc;
}

int blob_upload_finish(struct blob_upload *upload, struct error *err)
{
    if (upload->received != upload->announced)
        return error_set(err, ERR_PROTOCOL, "%llu bytes instead of the %llu announced",
                         (unsigned long long)upload->received,
                         (unsigned long long)upload->announced);
    int rc = upload->filled > 0 ? submit_chunk(upload, err) : 0;
    if (rc == 0) {
        unsigned char bytes[DIGEST_BYTES];
        digest_final(&upload->digest, bytes);
        digest_hex(bytes, upload->sha256);
    }
    return rc;
}

int blob_upload_seal(const struct blob_upload *upload, struct db *db, struct error *err)
{
    if (upload->broken || upload->blob == 0)
        return error_set(err, ERR_INTERNAL, "a part of the blob could not be written");
    return blobs_seal(db, upload->blob, upload->announced, upload->sha256, err);
}

int blob_upload_discard(const struct blob_upload *upload, struct db *db,
                        struct error *err)
{
    return upload->blob == 0 ? 0 : blobs_delete(db, upload->blob, err);
}

static int run_discard(struct db *db, struct store_write *write, struct error *err)
{
    return blob_upload_discard(((struct chunk_write *)write)->upload, db, err);
}

static void after_discard(struct sched_write *write)
{
    struct chunk_write *chunk = (struct chunk_write *)write;
    blob_upload_let_go(chunk->upload);
    free(chunk);
}

void blob_upload_abandon(struct blob_upload *upload)
{
    struct chunk_write *chunk = NULL;
    if (upload && upload->next_index > 0)
        chunk = mem_alloc(sizeof(*chunk));
    if (chunk) { /* without memory the chunks stay until the next start */
        chunk->base.write.run = run_discard;
        chunk->base.after = after_discard;
        chunk->upload = hold(upload);
        sched_submit(upload->owner.sched, &chunk->base);
    }
    blob_upload_let_go(upload);
}
