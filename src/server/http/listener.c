/*
 * The listener: libmicrohttpd's daemon on a socket of our own (so that port 0 and IPv6
 * are ours to handle), with epoll and a pool of threads.
 */
#include "listener.h"

#include "auth.h"
#include "background.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "counters.h"
#include "exchange.h"
#include "facts_cache.h"
#include "folders.h"
#include "hub.h"
#include "peers.h"
#include "quota.h"
#include "site_policy.h"
#include "tls.h"
#include "upload.h"
#include "watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG 1024
#define CONNECTION_MEMORY_BYTES (64 * 1024) /* headers, and pieces of bodies */
#define CONNECTION_IDLE_SECONDS 30
#define CONNECTIONS_UNSAID 4096 /* when no limit was set */
#define CONNECTIONS_UNEVEN 16   /* that a thread may have more than its part */
#define DESCRIPTORS_KEPT 512    /* for the store, workers and what they are given */

/* The library's own messages: most are about clients that went away. */
static void log_library(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void log_library(void *context, const char *format, va_list args)
{
    (void)context;
    char text[256];
    char quoted[300];
    vsnprintf(text, sizeof(text), format, args);
    log_event(LOG_DEBUG, "microhttpd", "text=%s",
              log_quote(text, quoted, sizeof(quoted)));
}

/* URIs are decoded by query.c, which refuses what is broken. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static int bind_socket(const struct addrinfo *info, struct error *err)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a socket");
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int rc = error_set_errno(err, errno, "cannot listen there");
    io_close(&fd);
    return rc;
}

/* The port that the system chose. A name such as localhost leads where the system's files
 * say: without tokens it must have led to a loopback address. */
static int read_port(const struct http_listener *listener, int fd, int *ret_port,
                     struct error *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } bound = {0};
    socklen_t size = sizeof(bound);
    if (getsockname(fd, &bound.any, &size) != 0)
        return error_set_errno(err, errno, "cannot read the socket's port");
    bool is_ipv6 = bound.any.sa_family == AF_INET6;
    char number[INET6_ADDRSTRLEN] = "";
    inet_ntop(bound.any.sa_family,
              is_ipv6 ? (const void *)&bound.six.sin6_addr
                      : (const void *)&bound.four.sin_addr,
              number, sizeof(number));
    if (!listener->auth_required && !address_is_loopback(number))
        return error_set(err, ERR_CONFLICT,
                         "%.100s is %s here, which other machines can reach: name a "
                         "loopback address, or --require-token",
                         listener->address.host, number);
    *ret_port = ntohs(is_ipv6 ? bound.six.sin6_port : bound.four.sin_port);
    return 0;
}

static int open_socket(const struct http_listener *listener, int *ret_fd, int *ret_port,
                       struct error *err)
{
    const struct address *address = &listener->address;
    char port[8];
    snprintf(port, sizeof(port), "%d", address->port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *info;
    int failure = getaddrinfo(address->host, port, &hints, &info);
    if (failure != 0)
        return error_set(err, ERR_INVALID, "the address \"%.100s\" is not known: %s",
                         address->host, gai_strerror(failure));
    int fd = bind_socket(info, err);
    freeaddrinfo(info);
    if (fd < 0)
        return fd;
    int rc = read_port(listener, fd, ret_port, err);
    if (rc != 0)
        io_close(&fd);
    else
        *ret_fd = fd;
    return rc;
}

/* Fewer connections and uploads than are allowed, when the process has too few
 * descriptors for them: a part is kept for all else, of the rest one half is for
 * connections and the other for the parts of uploads. */
static void fit_descriptors(struct http_limits *limits, int threads)
{
    struct rlimit limit;
    if (limits->connections == 0)
        limits->connections = CONNECTIONS_UNSAID;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    int64_t all = (int64_t)limit.rlim_cur;
    int64_t half = (all - (all > 2 * DESCRIPTORS_KEPT ? DESCRIPTORS_KEPT : all / 2)) / 2;
    int64_t connections = half - WATCH_SURPLUS_MAX - CONNECTIONS_UNEVEN * threads;
    connections = connections > 1 ? connections : 1;
    if (limits->connections > connections) {
        log_event(LOG_WARN, "few_descriptors", "limit=%lld connections=%lld wanted=%lld",
                  (long long)all, (long long)connections, (long long)limits->connections);
        limits->connections = connections;
    }
    if (limits->uploads == 0 || limits->uploads > half / UPLOAD_MAX_PARTS)
        limits->uploads = half / UPLOAD_MAX_PARTS + 1;
}

static int start_daemon(struct http_listener *listener, int fd, struct error *err)
{
    int threads = listener->server->config.threads;
    /* The library's own limit is above that of the watch, which answers. It is cut in
     * equal parts for the threads, which do not get connections in equal parts. */
    int64_t most =
        listener->limits.connections + WATCH_SURPLUS_MAX + CONNECTIONS_UNEVEN * threads;
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_library, NULL}, /* first: it says so */
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)most, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_SECONDS, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)exchange_open, listener},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)watch_notify, listener->watch},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)exchange_completed, listener},
        /* Without TLS the list ends here. */
        {listener->tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0,
         (void *)(uintptr_t)tls_retrieve},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                           MHD_USE_ITC | MHD_USE_ERROR_LOG |
                           (listener->tls ? MHD_USE_TLS : 0);
    listener->daemon =
        MHD_start_daemon(flags, 0, watch_admit, listener->watch, exchange_access,
                         listener, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return listener->daemon
               ? 0
               : error_set(err, ERR_INTERNAL, "the HTTP library does not start");
}

static void release(struct http_listener *listener)
{
    watch_stop(listener->watch);
    background_stop(listener->background);
    peers_free(listener->stream_peers);
    auth_free(listener->auth);
    counters_free(listener->counters);
    facts_cache_free(listener->facts);
    tls_free(listener->tls);
    stream_list_release(&listener->streams);
    free(listener);
}

static int set_up(struct http_listener *listener, struct error *err)
{
    const struct server_config *config = &listener->server->config;
    int rc = address_parse(config->listen, &listener->address, err);
    if (rc != 0)
        return rc;
    if (listener->address.port < 0)
        return error_set(err, ERR_INVALID, "expected host:port, found \"%.100s\"",
                         config->listen);
    rc = site_policy_check_lists(config->allow_hosts, config->allow_origins, err);
    if (rc != 0)
        return rc;
    if (config->tls_certificate && config->tls_key)
        rc = tls_new(config->tls_certificate, config->tls_key, &listener->tls, err);
    else if (config->tls_certificate || config->tls_key)
        rc = error_set(err, ERR_INVALID, "--tls-cert and --tls-key go together");
    if (rc != 0)
        return rc;
    listener->is_loopback = address_is_loopback(listener->address.host);
    listener->auth_required = config->require_token || !listener->is_loopback;
    listener->auth = auth_new(listener->server->store, listener->auth_required);
    listener->counters = counters_new(route_table);
    listener->facts = facts_cache_new();
    listener->limits = config->limits;
    fit_descriptors(&listener->limits, config->threads);
    listener->limits.free_bytes = quota_resolve_free(config);
    listener->stream_peers =
        peers_new(config->limits.streams, config->limits.streams_per_address);
    if (!listener->auth || !listener->counters || !listener->facts ||
        !listener->stream_peers)
        return error_set(err, ERR_NOMEM, "no memory for the HTTP server");
    rc = folders_prepare(listener->server, err);
    if (rc == 0)
        rc = watch_start(&listener->limits, &listener->watch, err);
    return rc != 0 ? rc : background_start(&listener->background, err);
}

int http_listen(struct server *server, struct http_listener **ret_listener, int *ret_port,
                struct error *err)
{
    struct http_listener *listener = mem_alloc(sizeof(*listener));
    if (!listener)
        return error_set(err, ERR_NOMEM, "no memory for the HTTP server");
    listener->server = server;
    listener->quiesced = -1;
    stream_list_init(&listener->streams, &listener->pulses);
    int fd = -1;
    int port = 0;
    int rc = set_up(listener, err);
    if (rc == 0)
        rc = open_socket(listener, &fd, &port, err);
    server->listener = listener;
    if (rc == 0)
        rc = start_daemon(listener, fd, err);
    if (rc != 0) {
        io_close(&fd);
        server->listener = NULL;
        release(listener);
        return rc;
    }
    *ret_listener = listener;
    *ret_port = port;
    return 0;
}

int http_reload_tls(struct http_listener *listener, struct error *err)
{
    if (!listener->tls)
        return error_set(err, ERR_CONFLICT, "this server speaks plain HTTP");
    return tls_reload(listener->tls, err);
}

void http_forget_tokens(struct server *server)
{
    auth_forget(server->listener->auth);
    if (server->hub)
        hub_publish_all(server->hub);
}

static void sleep_briefly(void)
{
    const struct timespec moment = {.tv_nsec = 5000000};
    nanosleep(&moment, NULL);
}

void http_drain(struct http_listener *listener)
{
    atomic_store(&listener->server->draining, true);
    /* New connections are refused from here on. The descriptor stays open as long as
     * libmicrohttpd's threads may still hand it to epoll. */
    listener->quiesced = MHD_quiesce_daemon(listener->daemon);
    shutdown(listener->quiesced, SHUT_RDWR);
    stream_list_end(&listener->streams);
    while (atomic_load(&listener->handling) > 0)
        sleep_briefly();
}

void http_close(struct http_listener *listener, int64_t deadline_ns)
{
    while (atomic_load(&listener->open) > 0 && clock_monotonic_ns() < deadline_ns)
        sleep_briefly();
    int waiting = atomic_load(&listener->suspended);
    if (waiting > 0) {
        /* Their connections must not be touched any more; the process is about to end. */
        log_event(LOG_WARN, "http_close_incomplete", "waiting=%d", waiting);
        return;
    }
    MHD_stop_daemon(listener->daemon);
    io_close(&listener->quiesced);
    release(listener);
}
