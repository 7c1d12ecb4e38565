/* See blob_feed.h. */
#include "blob_feed.h"

#include "base/memory.h"
#include "store/blobs.h"

#include <stdlib.h>

static int send_chunk(struct blob_feed *feed, struct sched *sched, unsigned char *chunk,
                      struct worker_process *worker, struct error *err)
{
    uint64_t left = feed->bytes - feed->offset;
    size_t length = left < BLOB_CHUNK_BYTES ? (size_t)left : BLOB_CHUNK_BYTES;
    struct db *db = store_read_begin(sched->config.store, err);
    if (!db)
        return err->code;
    int rc = blobs_read(db, feed->blob, feed->offset, chunk, length, err);
    store_read_end(sched->config.store, db);
    if (rc == 0)
        rc = worker_process_send(worker, MESSAGE_BLOB, chunk, length, err);
    if (rc == 0)
        feed->offset += length;
    return rc;
}

int blob_feed_send(struct blob_feed *feed, struct sched *sched,
                   struct worker_process *worker, struct error *err)
{
    if (feed->offset == feed->bytes) {
        feed->blob = 0;
        return worker_process_send(worker, MESSAGE_BLOB_END, NULL, 0, err);
    }
    unsigned char *chunk = mem_alloc(BLOB_CHUNK_BYTES);
    if (!chunk)
        return error_set(err, ERR_NOMEM, "no memory for a chunk of a blob");
    int rc = send_chunk(feed, sched, chunk, worker, err);
    free(chunk);
    return rc == ERR_NOT_FOUND ? ERR_CORRUPT : rc;
}
