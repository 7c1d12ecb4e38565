/*
 * Starting a worker: a process of its own group with exactly the descriptors it is to
 * have.
 *
 *   0, 1, 2   pipes whose other ends are in struct launched
 *   3, 4, …   what the caller lends, in its order
 *
 * Everything else is closed, signals are at their defaults and the environment is empty
 * but for what the numerics need, so that a worker's results do not depend on the shell
 * that the daemon was started from.
 */
#ifndef BACKPROP_SCHED_LAUNCH_H
#define BACKPROP_SCHED_LAUNCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAUNCH_MAX_FDS 16

/* What the process is started with. */
struct launch_order {
    const char *path; /* the executable */
    const char
        *sandbox; /* --sandbox of the worker: "strict", "auto", "none"; NULL: auto */
    int64_t memory_mb, file_mb; /* --memory-mb, --file-mb; 0: none of it is said */
    int threads;                /* --threads; 0: one */
    bool probe;                 /* it is to say how it is confined, and to end */
    const int *fds;             /* borrowed */
    int fd_count;
};

struct launched {
    pid_t pid;
    int pid_fd; /* readable once the process has ended */
    int input;  /* its standard input: the daemon writes; non-blocking, as all three */
    int output; /* its standard output */
    int errors; /* its standard error */
};

/* The caller owns the new descriptors and has to wait for the process. */
int launch_worker(const struct launch_order *order, struct launched *ret_launched,
                  struct error *err) __attribute__((warn_unused_result));

#endif
