/* See tallies.h. */
#include "tallies.h"

#include "base/clock.h"

#include <stdbool.h>
#include <string.h>

#define MUTE_LIMIT 3
#define MUTE_MEMORY_NS (60 * CLOCK_NS_PER_SECOND)

static const char *const exit_names[WORKER_EXIT_COUNT] = {
    [WORKER_EXIT_CLEAN] = "clean",      [WORKER_EXIT_FAILURE] = "failure",
    [WORKER_EXIT_SIGNAL] = "signal",    [WORKER_EXIT_OUT_OF_MEMORY] = "out_of_memory",
    [WORKER_EXIT_STOPPED] = "stopped",  [WORKER_EXIT_SILENT] = "silent",
    [WORKER_EXIT_PROTOCOL] = "protocol"};

static const char *const end_reasons[END_REASON_COUNT] = {
    "completed",     "early_stopped",  "user_stopped", "time_limit",
    "cancelled",     "diverged",       "invalid_data", "worker_crashed",
    "out_of_memory", "internal_error", "other"};

const char *worker_exit_name(enum worker_exit how)
{
    return exit_names[how];
}

const char *end_reason_name(int reason)
{
    return end_reasons[reason];
}

static void note_mute(struct tallies *tallies)
{
    atomic_store(&tallies->mute_ns, clock_monotonic_ns());
    atomic_fetch_add(&tallies->mute, 1);
}

void tallies_start(struct tallies *tallies, bool started)
{
    atomic_fetch_add(started ? &tallies->starts : &tallies->start_failures, 1);
    if (!started)
        note_mute(tallies);
}

void tallies_spoke(struct tallies *tallies)
{
    atomic_store(&tallies->mute, 0);
}

void tallies_exit(struct tallies *tallies, enum worker_exit how, bool spoke)
{
    atomic_fetch_add(&tallies->exits[how], 1);
    if (!spoke && how != WORKER_EXIT_STOPPED)
        note_mute(tallies);
}

void tallies_job_end(struct tallies *tallies, const char *stop_reason)
{
    int reason = 0;
    while (reason < END_REASON_COUNT - 1 &&
           (!stop_reason || strcmp(end_reasons[reason], stop_reason) != 0))
        reason++;
    atomic_fetch_add(&tallies->ended[reason], 1);
}

int tallies_check_workers(const struct tallies *tallies, struct error *err)
{
    int mute = atomic_load(&tallies->mute);
    int64_t age = clock_monotonic_ns() - atomic_load(&tallies->mute_ns);
    if (mute < MUTE_LIMIT || age > MUTE_MEMORY_NS)
        return 0;
    return error_set(err, ERR_INTERNAL,
                     "the last %d workers could not be started or ended without a word",
                     mute);
}
