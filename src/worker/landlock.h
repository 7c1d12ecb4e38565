/*
 * Landlock: a process gives up the file system. No path can be opened, made, removed,
 * executed or linked any more, by whatever system call; on newer kernels neither can TCP
 * ports be bound or reached, nor abstract sockets, nor processes outside be signalled.
 * Descriptors that are open already go on working.
 */
#ifndef BACKPROP_WORKER_LANDLOCK_H
#define BACKPROP_WORKER_LANDLOCK_H

#include "base/error.h"

/* For the calling thread and those that it starts later. Needs no_new_privs.
 * ERR_CONFLICT: the kernel has no Landlock, or it is switched off. */
int landlock_close_files(struct error *err) __attribute__((warn_unused_result));

#endif
