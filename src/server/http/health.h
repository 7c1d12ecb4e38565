/*
 * Is the daemon well? Two questions:
 *
 * - Does it live: do its threads get on with what they do? Asked by /livez and by the
 *   service manager's watchdog. If not, only a restart helps.
 * - Is it ready: can it take work? Asked by /readyz. If not, the reasons say what stands
 * in the way, and it recovers by itself when that is gone.
 *
 * Any thread may ask, until http_drain() has returned.
 */
#ifndef BACKPROP_HTTP_HEALTH_H
#define BACKPROP_HTTP_HEALTH_H

#include "server.h"

#include <stdbool.h>

/* How long a thread may be busy with one thing, unless server_config says otherwise:
 * longer than a slow disk takes for a sync of a large WAL. */
#define HEALTH_STALL_SECONDS 30

enum health_reason {
    HEALTH_DRAINING,
    HEALTH_DATABASE_DAMAGED,
    HEALTH_STORE_NOT_READABLE,
    HEALTH_STORE_NOT_WRITABLE,
    HEALTH_NO_DISK_SPACE,
    HEALTH_WORKERS_CANNOT_START,
    HEALTH_SCHEDULER_STALLED,
    HEALTH_WRITER_STALLED,
    HEALTH_HTTP_STALLED,
    HEALTH_REASON_COUNT
};

/* "no_disk_space" …: for programs. */
const char *health_reason_name(enum health_reason reason);

/* What that means, a sentence for people. */
const char *health_reason_text(enum health_reason reason);

/* A set of reasons; empty: all is well. */
struct health {
    bool has[HEALTH_REASON_COUNT];
};

bool health_is_well(const struct health *health);

/* The names with commas between, cut to `size` bytes; "" when all is well. */
const char *health_list(const struct health *health, char *text, size_t size);

void health_check_life(struct server *server, struct health *ret_health);
void health_check_readiness(struct server *server, struct health *ret_health);

/* To be called every few seconds: tries to write again if the store could not, so that it
 * is noticed when it can. */
void health_tend(struct server *server);

#endif
