/*
 * See daemon.h. The parts come up from the bottom (store, scheduler, HTTP) and go down in
 * the order that http/server.h explains. The main thread does nothing but wait for
 * signals.
 */
#include "daemon.h"

#include "base/clock.h"
#include "base/log.h"
#include "control.h"
#include "crash_note.h"
#include "http/address.h"
#include "http/hub.h"
#include "http/server.h"
#include "machine.h"
#include "sched/sandbox_probe.h"
#include "service.h"
#include "store/tokens.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define WORKER_PROGRAM "backprop-worker"
#define LEAST_DESCRIPTORS 1024
#define MAX_INGESTS 2
#define MAX_SERVING 4
#define SERVING_IDLE_SECONDS 300
/* Event streams look up; they say something every 15 s. */
#define HEARTBEAT_NS (9 * CLOCK_NS_PER_SECOND / 2)
#define DRAIN_SCHED_MS 6500 /* workers checkpoint and go */
#define DRAIN_ALL_MS 7500   /* the last replies are sent */

struct daemon {
    struct server server;
    struct http_listener *listener;
    struct control *control; /* NULL: there is none */
    char worker_path[PATH_MAX];
    char sandbox_level[SANDBOX_LEVEL_SIZE];
    char crash[CRASH_NOTE_SIZE]; /* of an earlier daemon, or "" */
};

static void job_changed(void *context, const char *job_id)
{
    struct daemon *daemon = context;
    hub_publish(daemon->server.hub, job_id);
}

static int set_log_level(const char *name, struct error *err)
{
    for (enum log_level level = LOG_DEBUG; level < LOG_LEVEL_COUNT; level++)
        if (strcmp(log_level_name(level), name) == 0) {
            log_set_level(level);
            return 0;
        }
    return error_set(err, ERR_INVALID,
                     "--log-level: expected debug, info, warn or error, found \"%.40s\"",
                     name);
}

static int set_log_format(const char *name, struct error *err)
{
    bool json = strcmp(name, "json") == 0;
    if (!json && strcmp(name, "logfmt") != 0)
        return error_set(err, ERR_INVALID,
                         "--log-format: expected logfmt or json, found \"%.40s\"", name);
    log_set_format(json ? LOG_JSON : LOG_LOGFMT);
    return 0;
}

/* As many descriptors as the system gives: connections, workers and uploads need them. */
static int raise_descriptor_limit(struct error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= LEAST_DESCRIPTORS)
        return 0;
    return error_set(err, ERR_INVALID,
                     "expected to be allowed %d descriptors at least (ulimit -Hn, "
                     "LimitNOFILE), found %llu",
                     LEAST_DESCRIPTORS, (unsigned long long)limit.rlim_max);
}

/* Blocks the signals that the main thread waits for, for all threads to come. A peer that
 * went away and a limit on the size of files are errors like any other, no ends. */
static void block_signals(sigset_t *ret_signals)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

/* SIGHUP: certificate and key were renewed. What is wrong with them is said, and the old
 * ones go on. */
static void reload(struct daemon *daemon)
{
    service_reloading();
    struct error err = {0};
    char quoted[600];
    int rc = http_reload_tls(daemon->listener, &err);
    if (rc != 0)
        log_event(LOG_WARN, "reload_failed", "error=%s",
                  log_quote(err.text, quoted, sizeof(quoted)));
    service_reloaded();
}

static void wait_for_signal(struct daemon *daemon, const sigset_t *signals)
{
    struct service service;
    service_ready(&service, &daemon->server);
    int64_t interval = service_interval_ns(&service);
    const struct timespec patience = {.tv_sec = (time_t)(interval / CLOCK_NS_PER_SECOND),
                                      .tv_nsec = (long)(interval % CLOCK_NS_PER_SECOND)};
    int64_t streams_due = clock_monotonic_ns() + HEARTBEAT_NS;
    int number;
    while ((number = sigtimedwait(signals, NULL, &patience)) < 0 || number == SIGHUP) {
        if (number == SIGHUP)
            reload(daemon);
        service_beat(&service);
        if (clock_monotonic_ns() >= streams_due) {
            hub_publish_all(daemon->server.hub);
            streams_due = clock_monotonic_ns() + HEARTBEAT_NS;
        }
    }
    service_stopping();
    log_event(LOG_INFO, "draining", "signal=%d", number);
    /* From now on a second signal does what it does by default. */
    sigset_t ending = *signals;
    sigdelset(&ending, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
}

static int find_worker(struct daemon *daemon, const struct config *config,
                       struct error *err)
{
    if (config->worker_path) {
        if (!realpath(config->worker_path, daemon->worker_path))
            return error_set_errno(err, errno, "--worker %.200s", config->worker_path);
        return 0;
    }
    if (machine_find_program(WORKER_PROGRAM, daemon->worker_path,
                             sizeof(daemon->worker_path)) != 0)
        return error_set(err, ERR_NOT_FOUND,
                         WORKER_PROGRAM
                         " is not beside this program; say where it is with "
                         "--worker");
    return 0;
}

/* On an address that others reach, nobody may come in without a token. */
static int check_tokens(struct store *store, const char *listen, struct error *err)
{
    if (http_is_loopback(listen))
        return 0;
    struct db *db = store_read_begin(store, err);
    if (!db)
        return ERR_IO;
    bool any = false;
    int rc = tokens_any(db, clock_wall_us(), &any, err);
    store_read_end(store, db);
    if (rc == 0 && !any)
        rc = error_set(
            err, ERR_CONFLICT,
            "%s can be reached from other machines, and there is no token: make "
            "one with `backpropd token create --scope admin` first",
            listen);
    return rc;
}

/* MiB of the largest dataset file that an upload can make: a cell of a table takes at
 * least a byte there and 4 here. */
static int64_t dataset_file_mb(const struct server_config *config)
{
    uint64_t bytes = config->max_upload_bytes > config->max_expanded_bytes
                         ? config->max_upload_bytes
                         : config->max_expanded_bytes;
    return 8 * (int64_t)(bytes >> 20) + 64;
}

static int start_sched(struct daemon *daemon, const struct config *config,
                       struct error *err)
{
    struct server *server = &daemon->server;
    const struct sched_config sched = {
        .store = server->store,
        .data_dir = config->data_dir,
        .worker_path = daemon->worker_path,
        .slots = server->config.slots,
        .memory_mb = server->config.memory_mb,
        .max_ingests = MAX_INGESTS,
        .max_serving = MAX_SERVING,
        .serving_idle_ns = SERVING_IDLE_SECONDS * CLOCK_NS_PER_SECOND,
        .silence_ns = config->worker_silence * CLOCK_NS_PER_SECOND,
        .sandbox = config->sandbox,
        .task_memory_mb = machine_memory_mb() / 2,
        .ingest_file_mb = dataset_file_mb(&server->config),
        .crash = daemon->crash[0] != '\0' ? daemon->crash : NULL,
        .on_change = job_changed,
        .context = daemon,
    };
    return sched_start(&sched, &server->sched, err);
}

static void fill_server_config(struct server_config *server, const struct config *config)
{
    server->listen = config->listen;
    server->data_dir = config->data_dir;
    server->require_token = config->require_token;
    server->allow_hosts = config->allow_hosts;
    server->tls_certificate = config->tls_certificate;
    server->tls_key = config->tls_key;
    server->audit_rows = config->audit_rows;
    server->hsts_seconds = config->hsts_seconds;
    server->allow_origins = config->allow_origins;
    server->access_log = config->access_log;
    server->threads = (int)config->http_threads;
    server->max_upload_bytes = (uint64_t)config->max_upload_bytes;
    server->max_expanded_bytes = (uint64_t)config->max_expanded_bytes;
    server->limits = config->limits;
    server->slots = config->workers > 0 ? (int)config->workers : machine_cores();
    server->stall_ns = HEALTH_STALL_SECONDS * CLOCK_NS_PER_SECOND;
    server->memory_mb =
        config->memory_bytes > 0 ? config->memory_bytes >> 20 : machine_memory_mb();
}

/* Everything down to HTTP, or nothing: what came up goes down again by stop(). */
static int start(struct daemon *daemon, const struct config *config, int *ret_port,
                 struct error *err)
{
    struct server *server = &daemon->server;
    fill_server_config(&server->config, config);
    server->started_us = clock_wall_us();
    server->config.sandbox = daemon->sandbox_level;
    int rc = find_worker(daemon, config, err);
    if (rc == 0)
        rc = sandbox_probe(daemon->worker_path, config->sandbox, daemon->sandbox_level,
                           err);
    if (rc == 0 && mkdir(config->data_dir, 0700) != 0 && errno != EEXIST)
        rc = error_set_errno(err, errno, "cannot make the folder %s", config->data_dir);
    if (rc == 0)
        rc = store_open(config->data_dir, &server->store, err);
    if (rc == 0)
        rc = crash_note_begin(config->data_dir, daemon->crash, err);
    if (rc == 0 && daemon->crash[0] != '\0')
        log_event(LOG_ERROR, "daemon_crashed", "by=\"%s\"", daemon->crash);
    if (rc == 0)
        rc = check_tokens(server->store, config->listen, err);
    if (rc == 0)
        rc = hub_new((int)config->limits.streams, &server->hub, err);
    if (rc == 0)
        rc = start_sched(daemon, config, err);
    return rc == 0 ? http_listen(server, &daemon->listener, ret_port, err) : rc;
}

static void token_revoked(void *context)
{
    struct daemon *daemon = context;
    http_forget_tokens(&daemon->server);
}

/* Without it all works but `backpropd token` beside a running daemon. */
static void start_control(struct daemon *daemon)
{
    const struct control_config config = {.data_dir = daemon->server.config.data_dir,
                                          .store = daemon->server.store,
                                          .audit_rows = daemon->server.config.audit_rows,
                                          .revoked = token_revoked,
                                          .context = daemon};
    struct error err = {0};
    char quoted[600];
    if (control_start(&config, &daemon->control, &err) != 0)
        log_event(LOG_WARN, "control_unavailable", "error=%s",
                  log_quote(err.text, quoted, sizeof(quoted)));
}

static void stop(struct daemon *daemon)
{
    struct server *server = &daemon->server;
    int64_t now = clock_monotonic_ns();
    control_stop(daemon->control);
    if (daemon->listener)
        http_drain(daemon->listener);
    if (server->sched)
        sched_stop(server->sched, now + DRAIN_SCHED_MS * INT64_C(1000000));
    if (daemon->listener)
        http_close(daemon->listener, now + DRAIN_ALL_MS * INT64_C(1000000));
    if (server->store)
        store_close(server->store);
    hub_free(server->hub);
}

static void announce(const struct config *config, int port)
{
    struct address address;
    char url[ADDRESS_HOST_SIZE + 32];
    if (address_parse(config->listen, &address, NULL) != 0)
        return; /* it was listened on */
    address.port = port;
    address_format_url(&address, config->tls_certificate ? "https" : "http", url,
                       sizeof(url));
    printf("backpropd listening on %s\n", url);
    fflush(stdout);
}

int daemon_run(const struct config *config, struct error *err)
{
    struct daemon daemon = {0};
    int rc = set_log_level(config->log_level, err);
    if (rc == 0)
        rc = set_log_format(config->log_format, err);
    if (rc != 0)
        return rc;
    rc = raise_descriptor_limit(err);
    if (rc != 0)
        return rc;
    sigset_t signals;
    block_signals(&signals);
    int port = 0;
    rc = start(&daemon, config, &port, err);
    if (rc == 0) {
        start_control(&daemon);
        announce(config, port);
        log_event(LOG_INFO, "started", "version=%s slots=%d sandbox=%s", BACKPROP_VERSION,
                  daemon.server.config.slots, daemon.sandbox_level);
        wait_for_signal(&daemon, &signals);
    }
    stop(&daemon);
    if (rc == 0)
        log_event(LOG_INFO, "stopped", "uptime_s=%lld",
                  (long long)((clock_wall_us() - daemon.server.started_us) / 1000000));
    return rc;
}
