/* SQLite's writes and syncs in a copy of the daemon: a shared library's calls cannot be
 * wrapped by the linker, so they are caught by a VFS. See faulty_calls.h. */
#include "faulty_calls.h"
#include "faulty_vfs.h"

#include <errno.h>
#include <sqlite3.h>

static int before(void *context, const struct vfs_call *call, int64_t *ret_written)
{
    (void)context;
    (void)ret_written;
    enum fault_call kind = call->kind == VFS_WRITE  ? CALL_STORE_WRITE
                           : call->kind == VFS_SYNC ? CALL_STORE_SYNC
                                                    : 0;
    if (kind == 0 || !fault_now(kind))
        return SQLITE_OK;
    bool full = faults_shared()->error == ENOSPC;
    return vfs_fault_code(call->kind, full ? VFS_FULL : VFS_FAILS);
}

static const struct vfs_hooks hooks = {.before = before};

__attribute__((constructor)) static void install(void)
{
    hooked_vfs_install("/", &hooks);
}
