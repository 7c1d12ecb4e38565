/* See watch.h. */
#include "watch.h"

#include "base/clock.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* Looks in a row: one may fall between the library's read and its parsing. */
#define ENDS_TO_CUT 2

struct watched {
    struct watched *next, **previous;
    int fd;
    int ends; /* looks in a row that found the peer's end */
    atomic_int state;
    _Atomic int64_t since_ns; /* of the state */
};

struct watch {
    pthread_t thread;
    pthread_mutex_t lock; /* of the list: who is in it has an open socket */
    pthread_cond_t stop;
    bool stopping;
    struct watched *first;
};

static bool is_at_end(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void look(struct watched *watched, int64_t now_ns)
{
    int state = atomic_load(&watched->state);
    if (state == WATCH_BUSY) {
        watched->ends = 0;
        return;
    }
    watched->ends = is_at_end(watched->fd) ? watched->ends + 1 : 0;
    int64_t waited = now_ns - atomic_load(&watched->since_ns);
    bool is_late =
        state == WATCH_IDLE && waited > WATCH_HEADERS_SECONDS * CLOCK_NS_PER_SECOND;
    if (watched->ends >= ENDS_TO_CUT || is_late)
        shutdown(watched->fd, SHUT_RDWR);
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
        int64_t now = clock_monotonic_ns();
        for (struct watched *at = watch->first; at; at = at->next)
            look(at, now);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int watch_start(struct watch **ret_watch, struct error *err)
{
    struct watch *watch = mem_alloc(sizeof(*watch));
    if (!watch)
        return error_set(err, ERR_NOMEM, "no memory for the watch over connections");
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&watch->lock, NULL);
    int failure = pthread_create(&watch->thread, NULL, run, watch);
    if (failure != 0) {
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
    free(watch);
}

static void *add(struct watch *watch, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct watched *watched = info ? mem_alloc(sizeof(*watched)) : NULL;
    if (!watched)
        return NULL; /* it is served all the same */
    watched->fd = info->connect_fd;
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
    *watched->previous = watched->next;
    if (watched->next)
        watched->next->previous = watched->previous;
    pthread_mutex_unlock(&watch->lock);
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

void watch_set(struct MHD_Connection *connection, enum watch_state state)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct watched *watched = info ? info->socket_context : NULL;
    if (!watched || atomic_load(&watched->state) == (int)state)
        return;
    atomic_store(&watched->since_ns, clock_monotonic_ns());
    atomic_store(&watched->state, (int)state);
}
