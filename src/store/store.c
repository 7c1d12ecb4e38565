/* See store.h: the lock file, and the writer and the readers put together. */
#include "store.h"

#include "blobs.h"
#include "db.h"
#include "readers.h"
#include "schema.h"
#include "writer.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "backpropd.lock"

struct store {
    int lock_fd; /* flock()ed for as long as the store is open */
    int version;
    char *path, *wal_path;
    struct db *db; /* the writer's */
    struct writer *writer;
    struct readers *readers;
    struct store_write trial; /* see store_try_write() */
    atomic_bool trying;
    atomic_bool damaged; /* as far as readers found; the writer knows for itself */
};

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + 1 + strlen(name) + 1;
    char *path = mem_alloc_array(size, 1);
    if (path)
        snprintf(path, size, "%s/%s", dir, name);
    return path;
}

/* The lock goes with the descriptor, so it cannot outlive the process. */
int store_lock(const char *dir, int *ret_fd, struct error *err)
{
    char *path = join(dir, LOCK_NAME);
    if (!path)
        return error_set(err, ERR_NOMEM, "out of memory opening the store");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int failure = errno;
    free(path);
    if (fd < 0)
        return error_set_errno(err, failure, "cannot open the lock of the data folder");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        failure = errno;
        io_close(&fd);
        if (failure == EWOULDBLOCK)
            return error_set(err, ERR_BUSY, "another backpropd uses this data folder");
        return error_set_errno(err, failure, "cannot lock the data folder");
    }
    *ret_fd = fd;
    return 0;
}

/* A folder that was just made lasts only once the one around it is synced. Where that may
 * not be read it cannot be synced either, and it is the operator's. */
static void sync_parent(const char *dir)
{
    char *parent = join(dir, "..");
    if (!parent || io_sync_folder(parent, NULL) < 0)
        log_event(LOG_DEBUG, "store_parent_not_synced", "at=open");
    free(parent);
}

/* Opens the file, brings its schema up to date and clears what
 * a crash left half-written. */
static int open_database(struct store *store, const char *dir, struct error *err)
{
    store->path = join(dir, STORE_DATABASE);
    store->wal_path = join(dir, STORE_DATABASE "-wal");
    if (!store->path || !store->wal_path)
        return error_set(err, ERR_NOMEM, "out of memory opening the store");
    int rc = db_open(store->path, DB_WRITER, &store->db, err);
    if (rc == 0)
        rc = schema_apply(store->db, &store->version, err);
    if (rc == 0)
        rc = blobs_delete_unsealed(store->db, err);
    if (rc == 0)
        rc = io_sync_folder(dir, err);
    return rc;
}

int store_open(const char *dir, struct store **ret_store, struct error *err)
{
    struct store *store = mem_alloc(sizeof(*store));
    if (!store)
        return error_set(err, ERR_NOMEM, "out of memory opening the store");
    store->lock_fd = -1;
    int rc = 0;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        rc = error_set_errno(err, errno, "cannot make the data folder");
    if (rc == 0)
        rc = store_lock(dir, &store->lock_fd, err);
    if (rc == 0)
        rc = open_database(store, dir, err);
    if (rc == 0)
        sync_parent(dir);
    if (rc == 0)
        rc = readers_new(store->path, &store->readers, err);
    if (rc == 0)
        rc = writer_start(store->db, &store->writer, err);
    if (rc < 0)
        store_close(store);
    else
        *ret_store = store;
    return rc;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->writer)
        writer_stop(store->writer); /* its last callbacks may still read */
    readers_free(store->readers);
    int pages;
    if (store->writer && db_checkpoint(store->db, true, &pages, NULL) < 0)
        log_event(LOG_WARN, "store_checkpoint_failed", "at=close");
    db_close(store->db);
    if (store->writer)
        writer_free(store->writer);
    free(store->path);
    free(store->wal_path);
    io_close(&store->lock_fd);
    free(store);
}

void store_submit(struct store *store, struct store_write *write)
{
    writer_submit(store->writer, write);
}

/* Stands in the queue for a write whose submitter waits on its stack. */
struct waiter {
    struct store_write write; /* first: cast back by the callbacks */
    struct store_write *inner;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool finished;
};

static int run_inner(struct db *db, struct store_write *write, struct error *err)
{
    struct waiter *waiter = (struct waiter *)write;
    return waiter->inner->run(db, waiter->inner, err);
}

static void inner_done(struct store_write *write, int rc, const struct error *err)
{
    struct waiter *waiter = (struct waiter *)write;
    waiter->inner->rc = rc;
    waiter->inner->error = *err;
    if (waiter->inner->done)
        waiter->inner->done(waiter->inner, rc, err);
    pthread_mutex_lock(&waiter->lock);
    waiter->finished = true;
    pthread_cond_signal(&waiter->over);
    pthread_mutex_unlock(&waiter->lock);
}

int store_write_wait(struct store *store, struct store_write *write, struct error *err)
{
    assert(!writer_is_current(store->writer)); /* it would wait for itself */
    struct waiter waiter = {.write = {.run = run_inner, .done = inner_done},
                            .inner = write};
    pthread_mutex_init(&waiter.lock, NULL);
    pthread_cond_init(&waiter.over, NULL);
    writer_submit(store->writer, &waiter.write);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.finished)
        pthread_cond_wait(&waiter.over, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.over);
    pthread_mutex_destroy(&waiter.lock);
    if (waiter.write.rc < 0) {
        const struct error *reason = &waiter.write.error;
        return error_set_at(err, waiter.write.rc, reason->pointer, "%s", reason->text);
    }
    return 0;
}

struct db *store_read_begin(struct store *store, struct error *err)
{
    struct db *db = NULL;
    return readers_borrow(store->readers, &db, err) == 0 ? db : NULL;
}

void store_read_end(struct store *store, struct db *db)
{
    if (db_found_damage(db) && !atomic_exchange(&store->damaged, true))
        log_event(LOG_ERROR, "store_damaged", "found_by=reader");
    readers_return(store->readers, db);
}

int store_info(struct store *store, uint64_t *ret_bytes, int *ret_version)
{
    struct stat file;
    if (stat(store->path, &file) != 0)
        return ERR_IO;
    uint64_t bytes = (uint64_t)file.st_size;
    if (stat(store->wal_path, &file) == 0)
        bytes += (uint64_t)file.st_size;
    *ret_bytes = bytes;
    *ret_version = store->version;
    return 0;
}

static uint64_t size_of(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
    writer_stats(store->writer, &ret_stats->writer);
    ret_stats->database_bytes = size_of(store->path);
    ret_stats->wal_bytes = size_of(store->wal_path);
    ret_stats->damaged =
        atomic_load(&store->damaged) || ret_stats->writer.last_failure == ERR_CORRUPT;
}

/* Writes the moment of the trial: a page of the WAL and a sync of it. */
static int run_trial(struct db *db, struct store_write *write, struct error *err)
{
    (void)write;
    struct query q;
    query_begin(&q, db,
                "INSERT INTO meta (key, value) VALUES ('last_trial_us', :now)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value");
    char now[32];
    snprintf(now, sizeof(now), "%lld", (long long)clock_wall_us());
    query_bind_text(&q, ":now", now);
    return query_run(&q, err);
}

static void trial_done(struct store_write *write, int rc, const struct error *err)
{
    (void)rc;
    (void)err;
    struct store *store =
        (struct store *)(void *)((char *)write - offsetof(struct store, trial));
    atomic_store(&store->trying, false);
}

void store_try_write(struct store *store)
{
    if (atomic_exchange(&store->trying, true))
        return;
    store->trial.run = run_trial;
    store->trial.done = trial_done;
    writer_submit(store->writer, &store->trial);
}
