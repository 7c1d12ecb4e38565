/* See faulty_vfs.h. */
#include "faulty_vfs.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vfs_fault present; /* these three are under the lock */
static uint64_t counted, injected;

int vfs_fault_code(enum vfs_call_kind kind, enum vfs_fault_way way)
{
    if (way == VFS_NO_MEMORY)
        return SQLITE_IOERR_NOMEM;
    if (way == VFS_FULL || way == VFS_HALF_FULL) {
        errno = ENOSPC;
        if (kind == VFS_WRITE)
            return SQLITE_FULL;
    } else {
        errno = EIO;
    }
    switch (kind) {
    case VFS_OPEN:
        return SQLITE_CANTOPEN;
    case VFS_DELETE:
        return SQLITE_IOERR_DELETE;
    case VFS_READ:
        return SQLITE_IOERR_READ;
    case VFS_WRITE:
        return SQLITE_IOERR_WRITE;
    case VFS_TRUNCATE:
        return SQLITE_IOERR_TRUNCATE;
    case VFS_SYNC:
        return SQLITE_IOERR_FSYNC;
    case VFS_SIZE:
        return SQLITE_IOERR_FSTAT;
    case VFS_LOCK:
        return SQLITE_IOERR_LOCK;
    case VFS_SHM_MAP:
        return SQLITE_IOERR_SHMSIZE;
    case VFS_SHM_LOCK:
        return SQLITE_IOERR_SHMLOCK;
    }
    return SQLITE_IOERR;
}

static int before(void *context, const struct vfs_call *call, int64_t *ret_written)
{
    (void)context;
    pthread_mutex_lock(&lock);
    bool counts = (present.calls & (unsigned)call->kind) != 0;
    if (counts)
        counted++;
    bool fails = counts && present.nth > 0 &&
                 (counted == present.nth || (counted > present.nth && present.lasts));
    enum vfs_fault_way way = present.way;
    if (fails)
        injected++;
    pthread_mutex_unlock(&lock);
    if (!fails)
        return SQLITE_OK;
    if (way == VFS_HALF || way == VFS_HALF_FULL)
        *ret_written = call->length / 2;
    return vfs_fault_code(call->kind, way);
}

static const struct vfs_hooks hooks = {.before = before};

void faulty_vfs_install(const char *folder)
{
    hooked_vfs_install(folder, &hooks);
}

void faulty_vfs_remove(void)
{
    hooked_vfs_remove();
}

void faulty_vfs_begin(const struct vfs_fault *fault)
{
    pthread_mutex_lock(&lock);
    present = *fault;
    counted = injected = 0;
    pthread_mutex_unlock(&lock);
}

uint64_t faulty_vfs_end(void)
{
    pthread_mutex_lock(&lock);
    uint64_t count = injected;
    present = (struct vfs_fault){0};
    pthread_mutex_unlock(&lock);
    return count;
}

uint64_t faulty_vfs_count(void)
{
    pthread_mutex_lock(&lock);
    uint64_t count = counted;
    pthread_mutex_unlock(&lock);
    return count;
}
