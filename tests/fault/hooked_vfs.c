/* See hooked_vfs.h. A file of ours is this header followed by the system's. */
#include "hooked_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

struct hooked_file {
    sqlite3_file base; /* first: SQLite sees only this */
    const char *path;  /* SQLite's own, as long as the file is open */
    sqlite3_file *real;
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs hooked_vfs;
static const char *watched;
static const struct vfs_hooks *hooks;

static bool is_watched(const char *path)
{
    return path && strncmp(path, watched, strlen(watched)) == 0;
}

static int ask(const struct vfs_call *call, int64_t *ret_written)
{
    int64_t written = 0;
    int rc = hooks->before(hooks->context, call, &written);
    if (ret_written)
        *ret_written = written;
    return rc;
}

static int tell(int rc, const struct vfs_call *call)
{
    if (rc == SQLITE_OK && hooks->after)
        hooks->after(hooks->context, call);
    return rc;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct hooked_file *)file)->real;
}

static struct vfs_call call_on(sqlite3_file *file, enum vfs_call_kind kind)
{
    return (struct vfs_call){.kind = kind, .path = ((struct hooked_file *)file)->path};
}

static int hooked_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int hooked_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset)
{
    struct vfs_call call = call_on(file, VFS_READ);
    call.offset = offset;
    call.length = length;
    int rc = ask(&call, NULL);
    return rc != SQLITE_OK
               ? rc
               : real_of(file)->pMethods->xRead(real_of(file), bytes, length, offset);
}

static int hooked_write(sqlite3_file *file, const void *bytes, int length,
                        sqlite3_int64 offset)
{
    struct vfs_call call = call_on(file, VFS_WRITE);
    call.bytes = bytes;
    call.offset = offset;
    call.length = length;
    int64_t part = 0;
    int rc = ask(&call, &part);
    sqlite3_file *real = real_of(file);
    if (rc == SQLITE_OK)
        return tell(real->pMethods->xWrite(real, bytes, length, offset), &call);
    if (part > 0 && real->pMethods->xWrite(real, bytes, (int)part, offset) == SQLITE_OK) {
        call.length = part;
        tell(SQLITE_OK, &call);
    }
    return rc;
}

static int hooked_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct vfs_call call = call_on(file, VFS_TRUNCATE);
    call.offset = size;
    int rc = ask(&call, NULL);
    if (rc != SQLITE_OK)
        return rc;
    return tell(real_of(file)->pMethods->xTruncate(real_of(file), size), &call);
}

static int hooked_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct vfs_call call = call_on(file, VFS_SYNC);
    return tell(ask(&call, NULL), &call);
}

static int hooked_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    struct vfs_call call = call_on(file, VFS_SIZE);
    int rc = ask(&call, NULL);
    return rc != SQLITE_OK ? rc
                           : real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int hooked_lock(sqlite3_file *file, int level)
{
    struct vfs_call call = call_on(file, VFS_LOCK);
    int rc = ask(&call, NULL);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xLock(real_of(file), level);
}

static int hooked_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int hooked_check_lock(sqlite3_file *file, int *ret_reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_reserved);
}

static int hooked_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int hooked_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int hooked_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int hooked_shm_map(sqlite3_file *file, int page, int size, int extend,
                          void volatile **ret_region)
{
    struct vfs_call call = call_on(file, VFS_SHM_MAP);
    int rc = ask(&call, NULL);
    if (rc != SQLITE_OK)
        return rc;
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend,
                                            ret_region);
}

static int hooked_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    struct vfs_call call = call_on(file, VFS_SHM_LOCK);
    int rc = flags & SQLITE_SHM_LOCK ? ask(&call, NULL) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void hooked_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int hooked_shm_unmap(sqlite3_file *file, int unlink)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), unlink);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory maps of the file */
    .xClose = hooked_close,
    .xRead = hooked_read,
    .xWrite = hooked_write,
    .xTruncate = hooked_truncate,
    .xSync = hooked_sync,
    .xFileSize = hooked_size,
    .xLock = hooked_lock,
    .xUnlock = hooked_unlock,
    .xCheckReservedLock = hooked_check_lock,
    .xFileControl = hooked_control,
    .xSectorSize = hooked_sector_size,
    .xDeviceCharacteristics = hooked_characteristics,
    .xShmMap = hooked_shm_map,
    .xShmLock = hooked_shm_lock,
    .xShmBarrier = hooked_shm_barrier,
    .xShmUnmap = hooked_shm_unmap,
};

static int hooked_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                       int *ret_flags)
{
    (void)vfs;
    if (!is_watched(path))
        return system_vfs->xOpen(system_vfs, path, file, flags, ret_flags);
    struct hooked_file *hooked = (struct hooked_file *)file;
    *hooked = (struct hooked_file){.path = path, .real = (sqlite3_file *)(hooked + 1)};
    const struct vfs_call call = {.kind = VFS_OPEN, .path = path};
    int rc = ask(&call, NULL);
    if (rc == SQLITE_OK)
        rc = system_vfs->xOpen(system_vfs, path, hooked->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        file->pMethods = &methods;
    return tell(rc, &call);
}

static int hooked_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    const struct vfs_call call = {.kind = VFS_DELETE, .path = path};
    int rc = is_watched(path) ? ask(&call, NULL) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    rc = system_vfs->xDelete(system_vfs, path, sync_folder);
    return is_watched(path) ? tell(rc, &call) : rc;
}

void hooked_vfs_install(const char *folder, const struct vfs_hooks *with)
{
    watched = folder;
    hooks = with;
    system_vfs = sqlite3_vfs_find(NULL);
    hooked_vfs = *system_vfs;
    hooked_vfs.zName = "hooked";
    hooked_vfs.pNext = NULL;
    hooked_vfs.szOsFile += (int)sizeof(struct hooked_file);
    hooked_vfs.xOpen = hooked_open;
    hooked_vfs.xDelete = hooked_delete;
    sqlite3_vfs_register(&hooked_vfs, 1);
}

void hooked_vfs_remove(void)
{
    sqlite3_vfs_unregister(&hooked_vfs);
    sqlite3_vfs_register(system_vfs, 1);
}
