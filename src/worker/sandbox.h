/*
 * The sandbox: what a worker gives up before it reads the first byte from outside.
 *
 *   no new privileges    process_limits.h, at every level
 *   no new descriptors   RLIMIT_NOFILE; those that it has go on working
 *   no files             Landlock, where the kernel has it
 *   few system calls     seccomp, see syscall_filter.h
 *
 * It is entered while there is one thread; threads that come later are born into it. It
 * cannot be left. What a worker still can do: compute, start threads, read and write the
 * descriptors that it was given, and end.
 */
#ifndef BACKPROP_WORKER_SANDBOX_H
#define BACKPROP_WORKER_SANDBOX_H

#include "base/error.h"

#include <stdbool.h>

enum sandbox_policy {
    SANDBOX_NONE,  /* for debuggers and profilers */
    SANDBOX_AUTO,  /* as much as the kernel has */
    SANDBOX_STRICT /* all of it, or an error */
};

/* What was reached; the weakest first. */
enum sandbox_level {
    SANDBOX_LEVEL_NONE,    /* "none": nobody asked for it */
    SANDBOX_LEVEL_BASIC,   /* "basic": no filter of system calls */
    SANDBOX_LEVEL_LAX,     /* "lax": a sanitizer's build, with holes for its runtime */
    SANDBOX_LEVEL_SECCOMP, /* "seccomp": no Landlock */
    SANDBOX_LEVEL_FULL     /* "full" */
};

struct sandbox_state {
    enum sandbox_level level;
    struct error missing; /* why it is not full; no code when it is, or was not wanted */
};

/* "strict", "auto" or "none"; false for another word. */
bool sandbox_policy_parse(const char *word, enum sandbox_policy *ret_policy);

const char *sandbox_level_name(enum sandbox_level level);

/* Enters the sandbox. ERR_CONFLICT when all of it was wanted and the kernel has less: the
 * process then is in as much of it as there is, and is to end. */
int sandbox_enter(enum sandbox_policy policy, struct sandbox_state *ret_state,
                  struct error *err) __attribute__((warn_unused_result));

#endif
