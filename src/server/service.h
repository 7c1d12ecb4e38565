/*
 * What the service manager is told (sd_notify(3)): that the daemon is up, what it does,
 * that it reloads and ends; and, if it asks for that, that it is alive. Nothing happens
 * where there is none. The main thread's alone.
 */
#ifndef BACKPROPD_SERVICE_H
#define BACKPROPD_SERVICE_H

#include "http/health.h"

#include <stdbool.h>
#include <stdint.h>

struct service {
    struct server *server;
    struct health health; /* readiness as it was seen last */
    int64_t watchdog_ns;  /* how often the watchdog is fed; 0: there is none */
    bool alive;           /* as it was seen last */
    char status[160];     /* as it was told last */
};

/* The daemon serves: READY=1. `server` is borrowed. */
void service_ready(struct service *service, struct server *server);

/* How long the main thread may sleep at most until service_beat(). */
int64_t service_interval_ns(const struct service *service);

/* Looks after the daemon: logs when it stops being ready and when it is again, tells the
 * status if it changed, tends the store, and feeds the watchdog if all threads get on. */
void service_beat(struct service *service);

/* Around a reload. */
void service_reloading(void);
void service_reloaded(void);

/* The daemon ends. */
void service_stopping(void);

#endif
