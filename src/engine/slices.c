/* See slices.h. */
#include "slices.h"

#include "base/memory.h"

#include <assert.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Some 10 microseconds of spinning: longer than the waits of an even cut, shorter than
 * what a sleeping thread costs to wake. */
#define SPINS 400

/* Products keep blocks on the stack. */
#define STACK_BYTES (1024 * 1024)

struct slice_thread {
    struct slices *slices;
    int slice;
    pthread_t thread;
};

/* A number that threads wait for to change. */
struct signal {
    _Alignas(64) atomic_uint value;
    atomic_uint sleepers;
};

/* On a cache line of its own, because all slices write it. */
struct head_count {
    _Alignas(64) atomic_int slices;
};

struct slices {
    int count;
    int started;
    struct slice_thread *threads;
    slice_function *function; /* of the present run; NULL: end */
    void *context;
    struct signal begin;       /* counts runs */
    struct signal arrived;     /* counts barriers passed; the end of a run is one */
    struct head_count waiting; /* at the present barrier */
};

static void pause_briefly(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

static void signal_wait(struct signal *signal, unsigned old)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&signal->value, memory_order_acquire) != old)
            return;
        pause_briefly();
    }
    atomic_fetch_add(&signal->sleepers, 1);
    while (atomic_load(&signal->value) == old)
        syscall(SYS_futex, &signal->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&signal->sleepers, 1);
}

/* Sleepers count themselves before they look at the value, and the value is changed
 * before the sleepers are looked at; both in one total order, so nobody is left asleep.
 */
static void signal_all(struct signal *signal)
{
    atomic_fetch_add(&signal->value, 1);
    if (atomic_load(&signal->sleepers) > 0)
        syscall(SYS_futex, &signal->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void slices_barrier(struct slices *slices)
{
    if (slices->count == 1)
        return;
    unsigned old = atomic_load(&slices->arrived.value);
    if (atomic_fetch_add(&slices->waiting.slices, 1) == slices->count - 1) {
        atomic_store(&slices->waiting.slices, 0);
        signal_all(&slices->arrived);
    } else {
        signal_wait(&slices->arrived, old);
    }
}

static void *serve(void *argument)
{
    struct slice_thread *self = argument;
    struct slices *slices = self->slices;
    for (unsigned run = 0;; run++) {
        signal_wait(&slices->begin, run);
        if (!slices->function)
            return NULL;
        slices->function(slices->context, self->slice);
        slices_barrier(slices);
    }
}

static int start(struct slices *slices, struct error *err)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed != 0)
        return error_set_errno(err, failed, "cannot start threads");
    failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (failed == 0 && slices->started < slices->count - 1) {
        struct slice_thread *thread = &slices->threads[slices->started];
        thread->slices = slices;
        thread->slice = slices->started + 1;
        failed = pthread_create(&thread->thread, &attributes, serve, thread);
        if (failed == 0)
            slices->started++;
    }
    pthread_attr_destroy(&attributes);
    if (failed != 0)
        return error_set_errno(err, error_of_thread(failed),
                               "cannot start thread %d of %d", slices->started + 2,
                               slices->count);
    return 0;
}

int slices_new(int count, struct slices **ret_slices, struct error *err)
{
    assert(count > 0);
    struct slices *slices = mem_alloc_aligned(1, sizeof(*slices));
    if (!slices)
        return error_set(err, ERR_NOMEM, "no memory for threads");
    slices->count = count;
    slices->threads = mem_alloc_array((size_t)count, sizeof(struct slice_thread));
    if (!slices->threads) {
        free(slices);
        return error_set(err, ERR_NOMEM, "no memory for threads");
    }
    int rc = count > 1 ? start(slices, err) : 0;
    if (rc != 0) {
        slices_free(slices);
        return rc;
    }
    *ret_slices = slices;
    return 0;
}

void slices_free(struct slices *slices)
{
    if (!slices)
        return;
    slices->function = NULL;
    signal_all(&slices->begin);
    for (int i = 0; i < slices->started; i++)
        pthread_join(slices->threads[i].thread, NULL);
    free(slices->threads);
    free(slices);
}

int slices_count(const struct slices *slices)
{
    return slices->count;
}

void slices_run(struct slices *slices, slice_function *function, void *context)
{
    if (slices->count == 1) {
        function(context, 0);
        return;
    }
    slices->function = function;
    slices->context = context;
    signal_all(&slices->begin);
    function(context, 0);
    slices_barrier(slices);
}

void slices_cut(size_t total, size_t grain, int slice, int count, size_t *ret_first,
                size_t *ret_count)
{
    assert(grain > 0 && slice >= 0 && slice < count);
    size_t parts = (size_t)count, part = (size_t)slice;
    size_t grains = (total + grain - 1) / grain;
    size_t base = grains / parts, extra = grains % parts;
    size_t first = (part * base + (part < extra ? part : extra)) * grain;
    size_t last = first + (base + (part < extra ? 1 : 0)) * grain;
    if (last > total)
        last = total;
    *ret_first = first < total ? first : total;
    *ret_count = last > first ? last - first : 0;
}
