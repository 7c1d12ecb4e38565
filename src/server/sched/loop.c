/* See loop.h. Timers are a short sorted list: there are a few for each worker. */
#include "loop.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/pulse.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define LONGEST_WAIT_MS 60000

struct loop {
    int epoll_fd;
    struct loop_source bell; /* an eventfd that loop_post() rings */
    struct loop_timer *timers;
    struct pulse pulse;
    pthread_mutex_t lock; /* of the posted calls */
    struct loop_call *first, **last;
};

/* Empties the bell; the calls themselves are run by loop_turn(). */
static void bell_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    uint64_t rings;
    ssize_t got = read(source->fd, &rings, sizeof(rings));
    (void)got; /* nothing to read only means that it was emptied before */
}

int loop_new(struct loop **ret_loop, struct error *err)
{
    struct loop *loop = mem_alloc(sizeof(*loop));
    if (!loop)
        return error_set(err, ERR_NOMEM, "no memory for the scheduler");
    loop->bell = (struct loop_source){.fd = -1, .ready = bell_ready};
    loop->last = &loop->first;
    pthread_mutex_init(&loop->lock, NULL);
    int rc = 0;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd >= 0)
        loop->bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->bell.fd < 0)
        rc = error_set_errno(err, errno, "cannot make the scheduler's event loop");
    if (rc == 0)
        rc = loop_watch(loop, &loop->bell, EPOLLIN, err);
    if (rc != 0) {
        loop_free(loop);
        return rc;
    }
    *ret_loop = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    io_close(&loop->bell.fd);
    io_close(&loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void loop_post(struct loop *loop, struct loop_call *call)
{
    call->next = NULL;
    pthread_mutex_lock(&loop->lock);
    *loop->last = call;
    loop->last = &call->next;
    /* Rung under the lock: whoever runs the last call may free the loop right after. */
    uint64_t one = 1;
    ssize_t put = write(loop->bell.fd, &one, sizeof(one));
    (void)put; /* a full counter rings as well */
    pthread_mutex_unlock(&loop->lock);
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events,
               struct error *err)
{
    if (events == source->events)
        return 0;
    int operation = source->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (events == 0)
        operation = EPOLL_CTL_DEL;
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, operation, source->fd, &event) != 0)
        return error_set_errno(err, errno, "cannot watch a worker's descriptor");
    source->events = events;
    return 0;
}

void loop_unwatch(struct loop *loop, struct loop_source *source)
{
    /* Removing what is watched cannot fail. */
    int rc = loop_watch(loop, source, 0, NULL);
    (void)rc;
}

void loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t due_ns)
{
    loop_cancel_timer(loop, timer);
    timer->due_ns = due_ns;
    timer->armed = true;
    struct loop_timer **at = &loop->timers;
    while (*at && (*at)->due_ns <= due_ns)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

void loop_cancel_timer(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->armed)
        return;
    struct loop_timer **at = &loop->timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    timer->armed = false;
}

bool loop_run_calls(struct loop *loop)
{
    bool ran = false;
    for (;;) {
        pthread_mutex_lock(&loop->lock);
        struct loop_call *call = loop->first;
        loop->first = NULL;
        loop->last = &loop->first;
        pthread_mutex_unlock(&loop->lock);
        if (!call)
            return ran;
        while (call) {
            struct loop_call *next = call->next;
            call->run(call);
            call = next;
        }
        ran = true;
    }
}

/* Fires one timer that is due: it may change the list. */
static bool fire_due(struct loop *loop)
{
    struct loop_timer *timer = loop->timers;
    if (!timer || timer->due_ns > clock_monotonic_ns())
        return false;
    loop_cancel_timer(loop, timer);
    timer->fire(timer);
    return true;
}

/* Milliseconds until the next timer, rounded up so that it is due when the wait ends. */
static int wait_ms(const struct loop *loop)
{
    if (!loop->timers)
        return LONGEST_WAIT_MS;
    int64_t left = loop->timers->due_ns - clock_monotonic_ns();
    if (left <= 0)
        return 0;
    int64_t ms = (left + NS_PER_MS - 1) / NS_PER_MS;
    return ms < LONGEST_WAIT_MS ? (int)ms : LONGEST_WAIT_MS;
}

void loop_turn(struct loop *loop)
{
    pulse_begin(&loop->pulse);
    bool was_due = loop_run_calls(loop) || fire_due(loop);
    pulse_end(&loop->pulse);
    if (was_due)
        return;
    struct epoll_event event;
    int count = epoll_wait(loop->epoll_fd, &event, 1, wait_ms(loop));
    if (count < 0 && errno != EINTR)
        log_event(LOG_ERROR, "epoll_failed", "errno=%d", errno);
    if (count == 1) {
        struct loop_source *source = event.data.ptr;
        pulse_begin(&loop->pulse);
        source->ready(source, event.events);
        pulse_end(&loop->pulse);
    }
}

int64_t loop_busy_ns(const struct loop *loop)
{
    return pulse_busy_ns(&loop->pulse);
}
