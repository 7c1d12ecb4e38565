/* See snapshot.h. */
#include "snapshot.h"

#include "schema.h"
#include "store.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define PARTIAL ".partial"

static int name_file(const char *dir, const char *suffix, char ret_path[PATH_MAX],
                     struct error *err)
{
    if (snprintf(ret_path, PATH_MAX, "%s/" STORE_DATABASE "%s", dir, suffix) >= PATH_MAX)
        return error_set(err, ERR_TOO_LARGE, "the folder's name is too long");
    return 0;
}

int snapshot_open(const char *dir, struct db **ret_db, struct error *err)
{
    char path[PATH_MAX];
    int rc = name_file(dir, "", path, err);
    if (rc == 0 && access(path, F_OK) != 0)
        rc =
            error_set(err, ERR_NOT_FOUND, "there is no " STORE_DATABASE " in the folder");
    struct db *db = NULL;
    if (rc == 0)
        rc = db_open(path, DB_READER, &db, err);
    if (rc == 0)
        rc = db_run(db, "BEGIN", err);
    if (rc == 0)
        rc = schema_check(db, err); /* its first read takes the snapshot */
    if (rc < 0)
        db_close(db);
    else
        *ret_db = db;
    return rc;
}

static int sync_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = 0;
    if (fd < 0 || fsync(fd) != 0)
        rc = error_set_errno(err, errno, "cannot sync the copy of the database");
    io_close(&fd);
    return rc;
}

int snapshot_copy(struct db *db, const char *dir, struct error *err)
{
    char path[PATH_MAX], partial[PATH_MAX];
    int rc = name_file(dir, "", path, err);
    if (rc == 0)
        rc = name_file(dir, PARTIAL, partial, err);
    if (rc == 0 && access(path, F_OK) == 0)
        rc =
            error_set(err, ERR_CONFLICT, "the folder holds a " STORE_DATABASE " already");
    if (rc == 0 && unlink(partial) != 0 && errno != ENOENT)
        rc = error_set_errno(err, errno, "cannot delete what an earlier copy left");
    if (rc == 0)
        rc = db_copy(db, partial, err);
    if (rc == 0)
        rc = sync_file(partial, err);
    if (rc == 0 && rename(partial, path) != 0)
        rc = error_set_errno(err, errno, "cannot name the copy of the database");
    return rc == 0 ? io_sync_folder(dir, err) : rc;
}
