/* See readers.h. */
#include "readers.h"

#include "base/clock.h"
#include "base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct readers {
    char *path;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t returned;
    struct db *idle[READERS_MAX]; /* the last given back is on top: its cache is warm */
    int idle_count;
    int open_count; /* idle and lent */
};

int readers_new(const char *path, struct readers **ret_readers, struct error *err)
{
    struct readers *readers = mem_alloc(sizeof(*readers));
    char *copy = mem_strdup(path);
    if (!readers || !copy) {
        free(readers);
        free(copy);
        return error_set(err, ERR_NOMEM, "out of memory opening the store");
    }
    readers->path = copy;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&readers->returned, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&readers->lock, NULL);
    *ret_readers = readers;
    return 0;
}

void readers_free(struct readers *readers)
{
    if (!readers)
        return;
    assert(readers->idle_count == readers->open_count);
    for (int i = 0; i < readers->idle_count; i++)
        db_close(readers->idle[i]);
    pthread_cond_destroy(&readers->returned);
    pthread_mutex_destroy(&readers->lock);
    free(readers->path);
    free(readers);
}

/* Waits until a connection is idle or may be opened. *ret_db is NULL for the latter,
 * which counts as open already. */
static int reserve(struct readers *readers, struct db **ret_db, struct error *err)
{
    int64_t end = clock_monotonic_ns() + READERS_WAIT_SECONDS * CLOCK_NS_PER_SECOND;
    struct timespec until = {.tv_sec = (time_t)(end / CLOCK_NS_PER_SECOND),
                             .tv_nsec = (long)(end % CLOCK_NS_PER_SECOND)};
    int rc = 0;
    pthread_mutex_lock(&readers->lock);
    bool late = false;
    while (readers->idle_count == 0 && readers->open_count == READERS_MAX && !late)
        late = pthread_cond_timedwait(&readers->returned, &readers->lock, &until) != 0;
    if (readers->idle_count > 0) {
        *ret_db = readers->idle[--readers->idle_count];
    } else if (readers->open_count < READERS_MAX) {
        *ret_db = NULL;
        readers->open_count++;
    } else {
        rc = error_set(err, ERR_BUSY, "too many readers of the store; try again later");
    }
    pthread_mutex_unlock(&readers->lock);
    return rc;
}

/* Puts a connection back, or (NULL) the right to open one. */
static void give_back(struct readers *readers, struct db *db)
{
    pthread_mutex_lock(&readers->lock);
    if (db)
        readers->idle[readers->idle_count++] = db;
    else
        readers->open_count--;
    pthread_cond_signal(&readers->returned);
    pthread_mutex_unlock(&readers->lock);
}

/* BEGIN alone is lazy: the first read takes the snapshot. */
static int begin_snapshot(struct db *db, struct error *err)
{
    int64_t one;
    int rc = db_run(db, "BEGIN", err);
    return rc < 0 ? rc
                  : db_read_int(db, "SELECT 1 FROM sqlite_schema LIMIT 1", &one, err);
}

int readers_borrow(struct readers *readers, struct db **ret_db, struct error *err)
{
    struct db *db = NULL;
    int rc = reserve(readers, &db, err);
    if (rc < 0)
        return rc;
    if (!db)
        rc = db_open(readers->path, DB_READER, &db, err);
    if (rc == 0)
        rc = begin_snapshot(db, err);
    if (rc < 0) {
        db_close(db);
        give_back(readers, NULL);
        return rc;
    }
    *ret_db = db;
    return 0;
}

void readers_return(struct readers *readers, struct db *db)
{
    if (db_run(db, "COMMIT", NULL) < 0) { /* a connection in doubt is not lent again */
        db_close(db);
        db = NULL;
    }
    give_back(readers, db);
}
