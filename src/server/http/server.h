/*
 * The HTTP server: libmicrohttpd with epoll and a pool of threads; routes,
 * authentication, replies. It is what holds the rest of the daemon together for its
 * handlers.
 */
#ifndef BACKPROP_HTTP_SERVER_H
#define BACKPROP_HTTP_SERVER_H

#include "base/error.h"
#include "limits.h"
#include "sched/sched.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hub; /* live event streams, see hub.h */
struct http_listener;

struct server_config {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0" */
    const char *data_dir;
    bool require_token;
    const char *allow_hosts, *allow_origins; /* see site_policy.h; NULL: none */
    bool access_log;                         /* lines of requests are of level info */
    const char *tls_certificate, *tls_key;   /* PEM files; NULL: plain HTTP */
    int64_t hsts_seconds;                    /* of Strict-Transport-Security; 0: none */
    int threads;                             /* of the HTTP pool */
    uint64_t max_upload_bytes;
    uint64_t max_expanded_bytes; /* of compressed uploads */
    struct http_limits limits;
    int64_t audit_rows; /* of the audit log that are kept */
    int slots;
    /* Of the machine: jobs that are predicted to need more are refused. */
    int64_t memory_mb;
    int64_t stall_ns;    /* a thread that is busy for longer with one thing hangs */
    const char *sandbox; /* the level of the workers' sandbox: "full", … */
};

/* What handlers reach. Fields are set before the first request and never change. */
struct server {
    struct server_config config;
    struct store *store;
    struct sched *sched;
    struct hub *hub;
    int64_t started_us;
    atomic_bool draining;           /* /readyz says no */
    struct http_listener *listener; /* set by http_listen */
};

/*
 * Binds and starts serving. `server` is borrowed. *ret_port is the real port. Makes the
 * folders tmp/ and datasets/ of the data folder and deletes from them what an earlier
 * process left behind. New object.
 */
int http_listen(struct server *server, struct http_listener **ret_listener, int *ret_port,
                struct error *err) __attribute__((warn_unused_result));

/*
 * The end comes in steps, because handlers use the scheduler and the store, whose
 * callbacks answer requests:
 *
 *   1. http_drain   stops accepting; requests from now on get 503; live streams end. When
 *                   it returns, no handler runs any more and none will
 *   2. sched_stop   answers what was waiting for a worker
 *   3. http_close   waits until the last replies are on their way, stops the threads,
 *                   frees
 *   4. store_close
 */
void http_drain(struct http_listener *listener);

/* `deadline_ns`: of clock_monotonic_ns; what is not answered by then is cut. */
void http_close(struct http_listener *listener, int64_t deadline_ns);

/* Reads certificate and key anew, for connections to come; ERR_CONFLICT without TLS.
 * After a failure the old ones go on. */
int http_reload_tls(struct http_listener *listener, struct error *err)
    __attribute__((warn_unused_result));

/* Tokens were revoked: they get nothing from now on, and streams that they opened end.
 * For after the COMMIT. */
void http_forget_tokens(struct server *server);

/* True for an address that only this machine reaches. */
bool http_is_loopback(const char *listen);

#endif
