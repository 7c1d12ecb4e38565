/* See service.h. */
#include "service.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define BEAT_NS (5 * CLOCK_NS_PER_SECOND)
#define NS_PER_US 1000
#define FEEDS_A_PERIOD 3 /* one may come late */

/* Failures of sd_notify() are of the service manager's making, and there is nobody else
 * to tell. */
static void tell(const char *state)
{
    (void)sd_notify(0, state);
}

static void tell_status(struct service *service)
{
    struct sched_stats stats = {0};
    sched_stats(service->server->sched, &stats);
    char status[sizeof(service->status)];
    char reasons[sizeof(service->status) - 32];
    if (health_is_well(&service->health))
        snprintf(status, sizeof(status),
                 "STATUS=Ready; %d of %d slots in use, %d workers", stats.slots_used,
                 stats.slots, stats.training + stats.ingesting + stats.serving);
    else
        snprintf(status, sizeof(status), "STATUS=Not ready: %s",
                 health_list(&service->health, reasons, sizeof(reasons)));
    if (strcmp(status, service->status) == 0)
        return;
    memcpy(service->status, status, sizeof(status));
    tell(status);
}

/* What has changed since the last look goes to the log. */
static void watch_health(struct service *service)
{
    struct health health;
    health_check_readiness(service->server, &health);
    if (memcmp(&health, &service->health, sizeof(health)) == 0)
        return;
    service->health = health;
    char reasons[256];
    if (health_is_well(&health))
        log_event(LOG_INFO, "ready_again", "%s", "");
    else
        log_event(LOG_WARN, "not_ready", "reasons=%s",
                  health_list(&health, reasons, sizeof(reasons)));
}

static void feed_watchdog(struct service *service)
{
    struct health life;
    health_check_life(service->server, &life);
    bool alive = health_is_well(&life);
    if (alive && service->watchdog_ns > 0)
        tell("WATCHDOG=1");
    if (!alive && service->alive) {
        char reasons[256];
        log_event(LOG_ERROR, "stalled", "reasons=%s",
                  health_list(&life, reasons, sizeof(reasons)));
    }
    service->alive = alive;
}

void service_ready(struct service *service, struct server *server)
{
    *service = (struct service){.server = server, .alive = true};
    uint64_t watchdog_us = 0;
    if (sd_watchdog_enabled(0, &watchdog_us) > 0)
        service->watchdog_ns = (int64_t)(watchdog_us / FEEDS_A_PERIOD) * NS_PER_US;
    tell("READY=1");
    service_beat(service);
}

int64_t service_interval_ns(const struct service *service)
{
    bool often = service->watchdog_ns > 0 && service->watchdog_ns < BEAT_NS;
    return often ? service->watchdog_ns : BEAT_NS;
}

void service_beat(struct service *service)
{
    health_tend(service->server);
    watch_health(service);
    tell_status(service);
    feed_watchdog(service);
}

void service_reloading(void)
{
    char state[64];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(clock_monotonic_ns() / NS_PER_US));
    tell(state);
}

void service_reloaded(void)
{
    tell("READY=1");
}

void service_stopping(void)
{
    tell("STOPPING=1\nSTATUS=Draining: running jobs write their checkpoints");
}
