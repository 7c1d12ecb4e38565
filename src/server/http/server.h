/*
 * The HTTP server: libmicrohttpd with epoll and a pool of threads; routes, authentication,
 * replies. It is what holds the rest of the daemon together for its handlers.
 */
#ifndef BACKPROP_HTTP_SERVER_H
#define BACKPROP_HTTP_SERVER_H

#include "base/error.h"
#include "sched/sched.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct hub; /* live event streams, see hub.h */

struct server_config {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0" */
    const char *data_dir;
    bool require_token;
    int threads;              /* of the HTTP pool */
    uint64_t max_upload_bytes;
    uint64_t max_expanded_bytes; /* of compressed uploads */
    int slots;
    int64_t memory_mb; /* of the machine: jobs that are predicted to need more are refused */
};

/* What handlers reach. Fields are set before the first request and never change. */
struct server {
    struct server_config config;
    struct store *store;
    struct sched *sched;
    struct hub *hub;
    int64_t started_us;
    bool draining; /* atomic: /readyz says no */
};

struct http_listener;

/* Binds and starts serving. `server` is borrowed. *ret_port is the real port. New object. */
int http_listen(struct server *server, struct http_listener **ret_listener, int *ret_port,
                struct error *err) __attribute__((warn_unused_result));

/* Stops accepting, ends streams, answers what is under way, frees. */
void http_close(struct http_listener *listener);

/* True for an address that only this machine reaches. */
bool http_is_loopback(const char *listen);

#endif
