/* The listener inside this folder: what one HTTP server has besides its handlers. */
#ifndef BACKPROP_HTTP_LISTENER_H
#define BACKPROP_HTTP_LISTENER_H

#include "address.h"
#include "pulses.h"
#include "server.h"
#include "stream.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>

struct auth;
struct background;
struct counters;
struct facts_cache;
struct peers;
struct tls;
struct watch;

struct http_listener {
    struct server *server;
    struct MHD_Daemon *daemon;
    struct address address;
    bool is_loopback;
    bool auth_required;
    struct auth *auth;             /* owned */
    struct counters *counters;     /* owned */
    struct background *background; /* owned: slow work, neither HTTP's nor sched's */
    struct watch *watch;           /* owned */
    struct facts_cache *facts;     /* owned */
    struct tls *tls;               /* owned; NULL: plain HTTP */
    struct http_limits limits;     /* those that hold, with what descriptors allow */
    struct peers *stream_peers;    /* owned: who has event streams */
    atomic_int uploads;            /* requests that have an upload */
    struct pulses pulses;
    struct stream_list streams;
    atomic_int handling;  /* handlers that run */
    atomic_int suspended; /* requests that wait for a reply from another thread */
    atomic_int open;      /* requests that exist */
    int quiesced;         /* the listening socket after http_drain; -1 before */
};

#endif
