/*
 * What the scheduler counts since its start: workers by how they ended, jobs by why, and
 * whether workers get as far as to speak at all. Counted on the scheduler's thread, read
 * by any. The names become labels of metrics, so they are few and fixed.
 */
#ifndef BACKPROP_SCHED_TALLIES_H
#define BACKPROP_SCHED_TALLIES_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum worker_exit {
    WORKER_EXIT_CLEAN,   /* status 0 */
    WORKER_EXIT_FAILURE, /* another status */
    WORKER_EXIT_SIGNAL,  /* a crash, or killed from outside */
    WORKER_EXIT_OUT_OF_MEMORY,
    WORKER_EXIT_STOPPED,  /* by the daemon: it was of no use any more */
    WORKER_EXIT_SILENT,   /* by the daemon: no sign of life */
    WORKER_EXIT_PROTOCOL, /* by the daemon: it spoke out of turn */
    WORKER_EXIT_COUNT
};

/* "clean", "failure", "signal" … */
const char *worker_exit_name(enum worker_exit how);

#define END_REASON_COUNT 11

/* The stop_reason of jobs, "completed" …; the last is "other". */
const char *end_reason_name(int reason);

/* All zero is the beginning. */
struct tallies {
    _Atomic int64_t starts, start_failures;
    _Atomic int64_t exits[WORKER_EXIT_COUNT];
    _Atomic int64_t ended[END_REASON_COUNT];
    atomic_int mute; /* workers in a row that were not started, or ended without a word */
    _Atomic int64_t mute_ns; /* when the last of them was, of clock_monotonic_ns() */
};

/* A worker was started, or could not be. */
void tallies_start(struct tallies *tallies, bool started);

/* A worker said its first frame. */
void tallies_spoke(struct tallies *tallies);

/* It ended; `spoke`: it had said something. */
void tallies_exit(struct tallies *tallies, enum worker_exit how, bool spoke);

/* A job ended; NULL is "other". */
void tallies_job_end(struct tallies *tallies, const char *stop_reason);

/* 0, or ERR_INTERNAL: the last few workers, the last of them within a minute, did not
 * start or ended without a word. After that minute the next one is the test. */
int tallies_check_workers(const struct tallies *tallies, struct error *err);

#endif
