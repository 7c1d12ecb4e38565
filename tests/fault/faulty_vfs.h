/*
 * Faults of the disk under SQLite: the nth call of some kinds fails, once or from then
 * on, in one of several ways.
 *
 *   faulty_vfs_install(folder);
 *   faulty_vfs_begin(&(struct vfs_fault){.calls = VFS_WRITE, .nth = 3, …});
 *   …
 *   uint64_t injected = faulty_vfs_end();
 *
 * One at a time in a process; any thread may call the store meanwhile.
 */
#ifndef BACKPROP_TESTS_FAULTY_VFS_H
#define BACKPROP_TESTS_FAULTY_VFS_H

#include "hooked_vfs.h"

#include <stdbool.h>
#include <stdint.h>

enum vfs_fault_way {
    VFS_FAILS,     /* an I/O error */
    VFS_HALF,      /* half of a write is done, then an I/O error */
    VFS_FULL,      /* the disk is full */
    VFS_HALF_FULL, /* half of a write is done, then the disk is full */
    VFS_NO_MEMORY,
    VFS_WAYS
};

struct vfs_fault {
    unsigned calls; /* which kinds count and fail: enum vfs_call_kind, or-ed */
    enum vfs_fault_way way;
    uint64_t nth; /* from 1; 0: none fails */
    bool lasts;   /* all that follow fail as well */
};

/* What the system's VFS says when such a call fails; sets errno. */
int vfs_fault_code(enum vfs_call_kind kind, enum vfs_fault_way way);

void faulty_vfs_install(const char *folder);
void faulty_vfs_remove(void);

void faulty_vfs_begin(const struct vfs_fault *fault);

/* From here on nothing fails. How many calls failed. */
uint64_t faulty_vfs_end(void);

/* Calls of the kinds that count since faulty_vfs_begin(). */
uint64_t faulty_vfs_count(void);

#endif
