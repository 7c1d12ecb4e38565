/*
 * An SQLite VFS that asks before it does: every call on a file of a watched folder goes
 * through a hook, which may let it pass, fail it, or let only a part of a write through.
 * Files elsewhere are left to the system's VFS.
 *
 * It is installed as the default, so a store that is opened afterwards uses it without
 * knowing. Files are not really synced: what a test wants of a sync is that it was asked
 * for.
 */
#ifndef BACKPROP_TESTS_HOOKED_VFS_H
#define BACKPROP_TESTS_HOOKED_VFS_H

#include <stdint.h>

enum vfs_call_kind {
    VFS_OPEN = 1,
    VFS_DELETE = 2,
    VFS_READ = 4,
    VFS_WRITE = 8,
    VFS_TRUNCATE = 16,
    VFS_SYNC = 32,
    VFS_SIZE = 64,
    VFS_LOCK = 128,
    VFS_SHM_MAP = 256,
    VFS_SHM_LOCK = 512
};

struct vfs_call {
    enum vfs_call_kind kind;
    const char *path;  /* of the file */
    const void *bytes; /* of a write */
    int64_t offset;    /* of a read or write; the new size of a truncation */
    int64_t length;
};

struct vfs_hooks {
    /* SQLITE_OK, or the code that the call is to give. Of a write that fails,
     * *ret_written bytes (0 if left alone) are written all the same. */
    int (*before)(void *context, const struct vfs_call *call, int64_t *ret_written);
    /* The call went well. May be NULL. */
    void (*after)(void *context, const struct vfs_call *call);
    void *context;
};

/* Files under `folder` are watched; both are borrowed until hooked_vfs_remove(). */
void hooked_vfs_install(const char *folder, const struct vfs_hooks *hooks);

/* The system's VFS is the default again; every connection must be closed. */
void hooked_vfs_remove(void);

#endif
