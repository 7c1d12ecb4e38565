/*
 * The system calls that a worker may make, by seccomp: those that computing, waiting,
 * threads and open descriptors need, and nothing that has a path, an address or another
 * process in it.
 *
 *   allowed      the table in syscall_filter.c
 *   refused      a few that the C library tries and can do without: they fail
 *   all others   end the process by SIGSYS, after a line on standard error:
 *                "forbidden system call N"
 */
#ifndef BACKPROP_WORKER_SYSCALL_FILTER_H
#define BACKPROP_WORKER_SYSCALL_FILTER_H

#include "base/error.h"

/* The runtime of a sanitizer opens files, asks about itself and, to look for leaks, stops
 * its own threads by ptrace from a process that it clones. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SYSCALL_FILTER_LAX 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SYSCALL_FILTER_LAX 1
#endif
#endif
#ifndef SYSCALL_FILTER_LAX
#define SYSCALL_FILTER_LAX 0
#endif

/* For all threads there are and will be. Needs no_new_privs. ERR_CONFLICT: the kernel has
 * no seccomp filters; ERR_NOMEM. */
int syscall_filter_install(struct error *err) __attribute__((warn_unused_result));

#endif
