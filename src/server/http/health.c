/* See health.h. */
#include "health.h"

#include "base/clock.h"
#include "listener.h"
#include "quota.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
} reasons[HEALTH_REASON_COUNT] = {
    [HEALTH_DRAINING] = {"draining", "the server is shutting down"},
    [HEALTH_DATABASE_DAMAGED] = {"database_damaged",
                                 "the database is damaged: stop the server, then see "
                                 "`backpropd check`"},
    [HEALTH_STORE_NOT_READABLE] = {"store_not_readable", "the store cannot be read"},
    [HEALTH_STORE_NOT_WRITABLE] =
        {"store_not_writable", "the last write to the store failed; it is tried again"},
    [HEALTH_NO_DISK_SPACE] = {"no_disk_space",
                              "the data folder's disk is as full as it may get"},
    [HEALTH_WORKERS_CANNOT_START] = {"workers_cannot_start",
                                     "worker processes cannot be started, or end before "
                                     "they say a word"},
    [HEALTH_SCHEDULER_STALLED] = {"scheduler_stalled", "the scheduler makes no progress"},
    [HEALTH_WRITER_STALLED] = {"writer_stalled", "the store's writer makes no progress"},
    [HEALTH_HTTP_STALLED] = {"http_stalled",
                             "a thread that serves HTTP makes no progress"},
};

const char *health_reason_name(enum health_reason reason)
{
    return reasons[reason].name;
}

const char *health_reason_text(enum health_reason reason)
{
    return reasons[reason].text;
}

bool health_is_well(const struct health *health)
{
    for (int i = 0; i < HEALTH_REASON_COUNT; i++)
        if (health->has[i])
            return false;
    return true;
}

const char *health_list(const struct health *health, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < HEALTH_REASON_COUNT; i++) {
        if (!health->has[i] || used >= size)
            continue;
        int more = snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "",
                            reasons[i].name);
        used += more > 0 ? (size_t)more : 0;
    }
    return text;
}

void health_check_life(struct server *server, struct health *ret_health)
{
    struct health health = {0};
    int64_t stall = server->config.stall_ns;
    struct sched_stats sched = {0};
    if (server->sched)
        sched_stats(server->sched, &sched);
    struct store_stats store;
    store_stats(server->store, &store);
    health.has[HEALTH_SCHEDULER_STALLED] = sched.busy_ns > stall;
    health.has[HEALTH_WRITER_STALLED] = store.writer.busy_ns > stall;
    health.has[HEALTH_HTTP_STALLED] =
        pulses_longest_ns(&server->listener->pulses) > stall;
    *ret_health = health;
}

static enum health_reason reason_of(int failure)
{
    return failure == ERR_CORRUPT    ? HEALTH_DATABASE_DAMAGED
           : failure == ERR_NO_SPACE ? HEALTH_NO_DISK_SPACE
                                     : HEALTH_STORE_NOT_WRITABLE;
}

static void check_store(struct server *server, struct health *health)
{
    struct store_stats stats;
    store_stats(server->store, &stats);
    if (stats.writer.last_failure != 0)
        health->has[reason_of(stats.writer.last_failure)] = true;
    struct db *db = store_read_begin(server->store, NULL);
    if (db)
        store_read_end(server->store, db);
    health->has[HEALTH_DATABASE_DAMAGED] = stats.damaged;
    health->has[HEALTH_STORE_NOT_READABLE] = !db && !stats.damaged;
    if (quota_room(server) <= 0)
        health->has[HEALTH_NO_DISK_SPACE] = true;
}

void health_check_readiness(struct server *server, struct health *ret_health)
{
    struct health health;
    health_check_life(server, &health); /* who does not live is not ready */
    health.has[HEALTH_DRAINING] = atomic_load(&server->draining);
    check_store(server, &health);
    if (server->sched && sched_check_workers(server->sched, NULL) != 0)
        health.has[HEALTH_WORKERS_CANNOT_START] = true;
    *ret_health = health;
}

void health_tend(struct server *server)
{
    struct store_stats stats;
    store_stats(server->store, &stats);
    if (stats.writer.last_failure != 0)
        store_try_write(server->store);
}
