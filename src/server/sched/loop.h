/*
 * The event loop of the scheduler's thread: descriptors that become ready, timers, and
 * calls that other threads hand over.
 *
 * Everything but loop_post() belongs to the thread that runs the loop. One event is taken
 * from the kernel at a time, so a callback may free any source, its own included: no
 * event of a freed source is left over in a list.
 */
#ifndef BACKPROP_SCHED_LOOP_H
#define BACKPROP_SCHED_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* The object in which a source, timer or call is the member `member`. */
#define LOOP_OWNER(pointer, type, member)                                                \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A descriptor being watched; embedded in what it belongs to. */
struct loop_source {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT; 0 while it is not watched */
    void (*ready)(struct loop_source *source, uint32_t events);
};

/* A moment to wait for; embedded too. All zero is a timer that is not set. */
struct loop_timer {
    int64_t due_ns; /* of clock_monotonic_ns() */
    bool armed;
    void (*fire)(struct loop_timer *timer);
    struct loop_timer *next;
};

/* Something for the loop's thread to run; `run` may free it. */
struct loop_call {
    void (*run)(struct loop_call *call);
    struct loop_call *next;
};

/* New object. */
int loop_new(struct loop **ret_loop, struct error *err)
    __attribute__((warn_unused_result));
void loop_free(struct loop *loop);

/* From any thread. Calls run in the order of their posting. */
void loop_post(struct loop *loop, struct loop_call *call);

/* Watches source->fd for `events`, or changes what it is watched for; 0 stops watching. A
 * hang-up or an error on the descriptor makes it ready as long as it is watched at all.
 */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events,
               struct error *err) __attribute__((warn_unused_result));
void loop_unwatch(struct loop *loop, struct loop_source *source);

/* Calls timer->fire once at `due_ns`, or moves a timer that is set already. */
void loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t due_ns);
void loop_cancel_timer(struct loop *loop, struct loop_timer *timer);

/* Runs what was posted. True if there was something. */
bool loop_run_calls(struct loop *loop);

/* For how long the loop's thread has been busy with one thing; 0 while it waits. Any
 * thread. */
int64_t loop_busy_ns(const struct loop *loop);

/* Waits for one event, or what was posted, or a timer, and handles it. */
void loop_turn(struct loop *loop);

#endif
