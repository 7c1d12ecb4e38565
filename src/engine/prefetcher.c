/* See prefetcher.h. A mutex guards the counts; the buffers belong to whoever the counts
 * say. */
#include "prefetcher.h"

#include "base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS 2
#define STACK_BYTES (256 * 1024)

/* A batch of rows; what fills a step's slices reads it. */
struct made_batch {
    const struct prefetcher *prefetcher;
    real *x;      /* [batch_rows, width] */
    char *target; /* [batch_rows], of target_bytes each */
};

struct prefetcher {
    struct batch_source source;
    size_t batch_rows, width, target_bytes;
    struct made_batch buffers[BUFFERS];
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t work, done; /* something to make; something was made */
    /* Under the mutex. Batches count from 0 at every begin; batch b is in buffer
     * b % BUFFERS, and taken <= made + 1 <= taken + BUFFERS. */
    size_t first, total;
    size_t batches, made, taken;
    bool busy, quits;
};

/* Under the mutex: is there a batch to make, and room for it? The batch taken last is
 * still in use. */
static bool has_work(const struct prefetcher *prefetcher)
{
    size_t in_use = prefetcher->taken > 0 ? prefetcher->taken - 1 : 0;
    return prefetcher->made < prefetcher->batches && prefetcher->made - in_use < BUFFERS;
}

static void make_batch(struct prefetcher *prefetcher, size_t batch)
{
    struct made_batch *buffer = &prefetcher->buffers[batch % BUFFERS];
    size_t first = prefetcher->first + batch * prefetcher->batch_rows;
    size_t left = prefetcher->total - first;
    size_t rows = left < prefetcher->batch_rows ? left : prefetcher->batch_rows;
    prefetcher->source.fill(prefetcher->source.context, first, rows, buffer->x,
                            buffer->target);
}

static void *serve(void *argument)
{
    struct prefetcher *prefetcher = argument;
    pthread_mutex_lock(&prefetcher->mutex);
    for (;;) {
        while (!prefetcher->quits && !has_work(prefetcher))
            pthread_cond_wait(&prefetcher->work, &prefetcher->mutex);
        if (prefetcher->quits)
            break;
        prefetcher->busy = true;
        pthread_mutex_unlock(&prefetcher->mutex);
        make_batch(prefetcher, prefetcher->made); /* only this thread counts it */
        pthread_mutex_lock(&prefetcher->mutex);
        prefetcher->busy = false;
        prefetcher->made++;
        pthread_cond_signal(&prefetcher->done);
    }
    pthread_mutex_unlock(&prefetcher->mutex);
    return NULL;
}

static int start(struct prefetcher *prefetcher, struct error *err)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed != 0)
        return error_set_errno(err, failed, "cannot start a thread");
    failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (failed == 0)
        failed = pthread_create(&prefetcher->thread, &attributes, serve, prefetcher);
    pthread_attr_destroy(&attributes);
    prefetcher->started = failed == 0;
    return failed == 0 ? 0
                       : error_set_errno(err, error_of_thread(failed),
                                         "cannot start the thread that "
                                         "makes batches");
}

static int allocate(struct prefetcher *prefetcher, struct error *err)
{
    size_t numbers;
    if (!mem_multiply(prefetcher->batch_rows, prefetcher->width, &numbers))
        return error_set(err, ERR_NOMEM, "a batch does not fit in memory");
    for (int i = 0; i < BUFFERS; i++) {
        struct made_batch *buffer = &prefetcher->buffers[i];
        buffer->prefetcher = prefetcher;
        buffer->x = mem_alloc_aligned(numbers, sizeof(real));
        buffer->target =
            mem_alloc_aligned(prefetcher->batch_rows, prefetcher->target_bytes);
        if (!buffer->x || !buffer->target)
            return error_set(err, ERR_NOMEM, "no memory for batches of %zu rows",
                             prefetcher->batch_rows);
    }
    return 0;
}

int prefetcher_new(const struct batch_source *source, size_t batch_rows, size_t width,
                   size_t target_bytes, struct prefetcher **ret_prefetcher,
                   struct error *err)
{
    struct prefetcher *prefetcher = mem_alloc(sizeof(*prefetcher));
    if (!prefetcher)
        return error_set(err, ERR_NOMEM, "no memory for making batches");
    prefetcher->source = *source;
    prefetcher->batch_rows = batch_rows;
    prefetcher->width = width;
    prefetcher->target_bytes = target_bytes;
    pthread_mutex_init(&prefetcher->mutex, NULL);
    pthread_cond_init(&prefetcher->work, NULL);
    pthread_cond_init(&prefetcher->done, NULL);
    int rc = allocate(prefetcher, err);
    if (rc == 0)
        rc = start(prefetcher, err);
    if (rc != 0) {
        prefetcher_free(prefetcher);
        return rc;
    }
    *ret_prefetcher = prefetcher;
    return 0;
}

void prefetcher_free(struct prefetcher *prefetcher)
{
    if (!prefetcher)
        return;
    if (prefetcher->started) {
        pthread_mutex_lock(&prefetcher->mutex);
        prefetcher->quits = true;
        pthread_cond_signal(&prefetcher->work);
        pthread_mutex_unlock(&prefetcher->mutex);
        pthread_join(prefetcher->thread, NULL);
    }
    for (int i = 0; i < BUFFERS; i++) {
        free(prefetcher->buffers[i].x);
        free(prefetcher->buffers[i].target);
    }
    pthread_cond_destroy(&prefetcher->done);
    pthread_cond_destroy(&prefetcher->work);
    pthread_mutex_destroy(&prefetcher->mutex);
    free(prefetcher);
}

void prefetcher_begin(struct prefetcher *prefetcher, size_t first, size_t total)
{
    size_t rows = first < total ? total - first : 0;
    pthread_mutex_lock(&prefetcher->mutex);
    assert(prefetcher->batches == 0 && !prefetcher->busy);
    prefetcher->first = first;
    prefetcher->total = total;
    prefetcher->made = prefetcher->taken = 0;
    prefetcher->batches = (rows + prefetcher->batch_rows - 1) / prefetcher->batch_rows;
    pthread_cond_signal(&prefetcher->work);
    pthread_mutex_unlock(&prefetcher->mutex);
}

/* A slice's rows of a batch that was made. */
static void copy_rows(void *context, size_t first, size_t count, real *ret_x,
                      void *ret_target)
{
    const struct made_batch *batch = context;
    size_t width = batch->prefetcher->width, bytes = batch->prefetcher->target_bytes;
    memcpy(ret_x, batch->x + first * width, count * width * sizeof(real));
    memcpy(ret_target, batch->target + first * bytes, count * bytes);
}

struct batch_source prefetcher_take(struct prefetcher *prefetcher)
{
    pthread_mutex_lock(&prefetcher->mutex);
    assert(prefetcher->taken < prefetcher->batches);
    size_t batch = prefetcher->taken++;
    pthread_cond_signal(&prefetcher->work); /* the batch before is no longer in use */
    while (prefetcher->made <= batch)
        pthread_cond_wait(&prefetcher->done, &prefetcher->mutex);
    pthread_mutex_unlock(&prefetcher->mutex);
    return (struct batch_source){.context = &prefetcher->buffers[batch % BUFFERS],
                                 .fill = copy_rows,
                                 .mixed = prefetcher->source.mixed};
}

void prefetcher_end(struct prefetcher *prefetcher)
{
    pthread_mutex_lock(&prefetcher->mutex);
    prefetcher->batches = 0;
    while (prefetcher->busy)
        pthread_cond_wait(&prefetcher->done, &prefetcher->mutex);
    pthread_mutex_unlock(&prefetcher->mutex);
}
