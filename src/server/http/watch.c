/* See watch.h. */
#include "watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <linux/tcp.h> /* struct tcp_info with its later fields, unlike netinet/tcp.h */
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* Looks in a row: one may fall between the library's read and its parsing. */
#define ENDS_TO_CUT 2
#define LOOKS_AT_ONCE 32

/* A peer that is lost without a word is noticed after this, whoever's turn it is. */
#define LOST_SECONDS 60

struct watched {
    struct watched *next, **previous;
    int fd;
    struct peer *peer; /* NULL: a surplus connection */
    enum peers_answer place;
    int ends; /* looks in a row that found the peer's end */
    bool is_cut;
    atomic_int state;
    _Atomic int64_t since_ns;    /* of the state */
    int64_t full_since_ns;       /* since when all looks found no room; 0: it has some */
    uint64_t full_acked;         /* bytes that had arrived then */
    void (*gone)(void *context); /* under the lock, with its context */
    void *context;
};

struct watch {
    struct http_limits limits;
    struct peers *peers;
    atomic_int surplus;
    pthread_t thread;
    pthread_mutex_t lock; /* of the list: who is in it has an open socket */
    pthread_cond_t stop;
    bool stopping;
    struct watched *first;
    struct watched *next_look; /* the next to be looked at; NULL: none */
    _Atomic int64_t cuts[WATCH_CUT_COUNT];
};

static const char *const cut_names[WATCH_CUT_COUNT] = {
    [WATCH_CUT_HEADERS] = "headers_too_slow",
    [WATCH_CUT_READER] = "reads_too_slowly",
    [WATCH_CUT_ENDED] = "ended_half_way",
    [WATCH_CUT_REFUSED] = "too_many_connections"};

const char *watch_cut_name(enum watch_cut reason)
{
    return cut_names[reason];
}

int64_t watch_cuts(const struct watch *watch, enum watch_cut reason)
{
    return atomic_load_explicit(&watch->cuts[reason], memory_order_relaxed);
}

bool watch_is_at_end(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void cut(struct watch *watch, struct watched *watched, enum watch_cut reason)
{
    shutdown(watched->fd, SHUT_RDWR);
    if (watched->is_cut)
        return; /* its thread has not found out yet */
    watched->is_cut = true;
    log_event(LOG_DEBUG, "connection_cut", "reason=%s", cut_names[reason]);
    atomic_fetch_add(&watch->cuts[reason], 1);
}

/* Does the peer take what is sent to it more slowly than it must? What the kernel could
 * not send yet tells that the peer has no room; what the peer has acknowledged since,
 * how fast it makes some. */
static bool reads_too_slowly(const struct watch *watch, struct watched *watched,
                             int64_t now_ns)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (watch->limits.min_rate == 0 ||
        getsockopt(watched->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_notsent_bytes) + 4)
        return false;
    if (info.tcpi_notsent_bytes == 0) {
        watched->full_since_ns = 0;
        return false;
    }
    if (watched->full_since_ns == 0) {
        watched->full_since_ns = now_ns;
        watched->full_acked = info.tcpi_bytes_acked;
        return false;
    }
    int64_t seconds = (now_ns - watched->full_since_ns) / CLOCK_NS_PER_SECOND;
    if (seconds < WATCH_READ_SECONDS)
        return false;
    uint64_t least = (uint64_t)(seconds * watch->limits.min_rate);
    bool is_slow = info.tcpi_bytes_acked - watched->full_acked < least;
    watched->full_since_ns = 0; /* another period */
    return is_slow;
}

/* The request waits for a worker, or the reply is on its way. */
static void look_at_busy(struct watched *watched)
{
    if (!watched->gone || watched->ends < ENDS_TO_CUT)
        return;
    void (*gone)(void *context) = watched->gone;
    watched->gone = NULL;
    gone(watched->context);
}

static int64_t patience_ns(const struct watch *watch, const struct watched *watched)
{
    int64_t seconds = watch->limits.header_seconds;
    if (!watched->peer && (seconds == 0 || seconds > WATCH_SURPLUS_SECONDS))
        seconds = WATCH_SURPLUS_SECONDS;
    return seconds > 0 ? seconds * CLOCK_NS_PER_SECOND : INT64_MAX;
}

static void look(struct watch *watch, struct watched *watched, int64_t now_ns)
{
    int state = atomic_load(&watched->state);
    bool asks = state != WATCH_BUSY || watched->gone;
    watched->ends = asks && watch_is_at_end(watched->fd) ? watched->ends + 1 : 0;
    int64_t waited = now_ns - atomic_load(&watched->since_ns);
    if (state != WATCH_BUSY)
        watched->full_since_ns = 0;
    else if (reads_too_slowly(watch, watched, now_ns)) {
        /* What is on its way to it is thrown away when the socket is closed. */
        const struct linger none = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(watched->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        cut(watch, watched, WATCH_CUT_READER);
    }
    if (state == WATCH_BUSY)
        look_at_busy(watched);
    else if (watched->ends >= ENDS_TO_CUT)
        cut(watch, watched, WATCH_CUT_ENDED);
    else if (state == WATCH_IDLE && waited > patience_ns(watch, watched))
        cut(watch, watched, WATCH_CUT_HEADERS);
}

/* With the lock held, which it gives up now and then: connections come and go on threads
 * that serve others, too, and a look is a system call or two. */
static void look_at_all(struct watch *watch)
{
    int64_t now = clock_monotonic_ns();
    int looks = 0;
    watch->next_look = watch->first;
    while (watch->next_look) {
        struct watched *watched = watch->next_look;
        watch->next_look = watched->next;
        look(watch, watched, now);
        if (++looks % LOOKS_AT_ONCE == 0) {
            pthread_mutex_unlock(&watch->lock);
            sched_yield();
            pthread_mutex_lock(&watch->lock);
        }
    }
}

static void *run(void *context)
{
    struct watch *watch = context;
    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&watch->stop, &watch->lock, &until);
        look_at_all(watch);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int watch_start(const struct http_limits *limits, struct watch **ret_watch,
                struct error *err)
{
    struct watch *watch = mem_alloc(sizeof(*watch));
    if (watch)
        watch->peers = peers_new(limits->connections, limits->connections_per_address);
    if (!watch || !watch->peers) {
        free(watch);
        return error_set(err, ERR_NOMEM, "no memory for the watch over connections");
    }
    watch->limits = *limits;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&watch->lock, NULL);
    int failure = pthread_create(&watch->thread, NULL, run, watch);
    if (failure != 0) {
        peers_free(watch->peers);
        free(watch);
        return error_set_errno(err, failure, "cannot start the watch over connections");
    }
    *ret_watch = watch;
    return 0;
}

void watch_stop(struct watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_signal(&watch->stop);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->stop);
    pthread_mutex_destroy(&watch->lock);
    peers_free(watch->peers);
    free(watch);
}

/* ---- coming and going ---- */

enum MHD_Result watch_admit(void *context, const struct sockaddr *address,
                            socklen_t length)
{
    struct watch *watch = context;
    (void)length;
    bool is_surplus = peers_look(watch->peers, address) != PEERS_OK;
    if (!is_surplus || atomic_load(&watch->surplus) < WATCH_SURPLUS_MAX)
        return MHD_YES;
    atomic_fetch_add(&watch->cuts[WATCH_CUT_REFUSED], 1);
    return MHD_NO;
}

/* So that the kernel gives up a peer that is gone, too. */
static void set_patience(int fd)
{
    const int on = 1, idle = LOST_SECONDS / 2, interval = 10, count = 3;
    const unsigned lost_ms = LOST_SECONDS * 1000;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms, sizeof(lost_ms));
}

static struct watched *add(struct watch *watch, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct watched *watched = socket ? mem_alloc(sizeof(*watched)) : NULL;
    if (!watched)
        return NULL;                  /* it is answered that there is no memory */
    watched->fd = socket->connect_fd; /* the next look-up may use the same union */
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    watched->place =
        peers_enter(watch->peers, client ? client->client_addr : NULL, &watched->peer);
    if (!watched->peer)
        atomic_fetch_add(&watch->surplus, 1);
    set_patience(watched->fd);
    atomic_store(&watched->since_ns, clock_monotonic_ns());
    pthread_mutex_lock(&watch->lock);
    watched->next = watch->first;
    watched->previous = &watch->first;
    if (watch->first)
        watch->first->previous = &watched->next;
    watch->first = watched;
    pthread_mutex_unlock(&watch->lock);
    return watched;
}

static void drop(struct watch *watch, struct watched *watched)
{
    pthread_mutex_lock(&watch->lock);
    if (watch->next_look == watched)
        watch->next_look = watched->next;
    *watched->previous = watched->next;
    if (watched->next)
        watched->next->previous = watched->previous;
    pthread_mutex_unlock(&watch->lock);
    if (watched->peer)
        peers_leave(watch->peers, watched->peer);
    else
        atomic_fetch_sub(&watch->surplus, 1);
    free(watched);
}

void watch_notify(void *context, struct MHD_Connection *connection, void **slot,
                  enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *slot = add(context, connection);
    else if (*slot)
        drop(context, *slot); /* the socket is closed when this has returned */
}

static struct watched *find(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

enum peers_answer watch_place(struct MHD_Connection *connection)
{
    const struct watched *watched = find(connection);
    return watched ? watched->place : PEERS_FULL;
}

void watch_set(struct MHD_Connection *connection, enum watch_state state)
{
    struct watched *watched = find(connection);
    if (!watched || atomic_load(&watched->state) == (int)state)
        return;
    atomic_store(&watched->since_ns, clock_monotonic_ns());
    atomic_store(&watched->state, (int)state);
}

void watch_for_end(struct watch *watch, struct MHD_Connection *connection,
                   void (*gone)(void *context), void *context)
{
    struct watched *watched = find(connection);
    if (!watched)
        return;
    pthread_mutex_lock(&watch->lock);
    watched->gone = gone;
    watched->context = context;
    pthread_mutex_unlock(&watch->lock);
}

int64_t watch_count(struct watch *watch)
{
    return peers_count(watch->peers);
}
