/* See folders.h. */
#include "folders.h"

#include "base/io.h"
#include "base/log.h"
#include "store/datasets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int folders_path(const struct server *server, const char *folder, const char *name,
                 char ret_path[FOLDERS_PATH_SIZE], struct error *err)
{
    int length =
        snprintf(ret_path, FOLDERS_PATH_SIZE, "%s/%s%s%s", server->config.data_dir,
                 folder, name[0] != '\0' ? "/" : "", name);
    if (length < 0 || length >= FOLDERS_PATH_SIZE)
        return error_set(err, ERR_TOO_LARGE, "the data folder's name is too long");
    return 0;
}

static bool is_digest(const char *name)
{
    return strlen(name) == DIGEST_HEX_SIZE - 1 &&
           strspn(name, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

void folders_drop_dataset(const struct server *server, struct db *db,
                          const char *file_sha256)
{
    bool used = true;
    char path[FOLDERS_PATH_SIZE];
    if (datasets_file_used(db, file_sha256, &used, NULL) != 0 || used ||
        folders_path(server, "datasets", file_sha256, path, NULL) != 0)
        return;
    if (unlink(path) != 0 && errno != ENOENT)
        log_event(LOG_WARN, "dataset_file_not_deleted", "file=%s errno=%d", file_sha256,
                  errno);
}

/* Makes a folder of the data folder and calls `each` for every file in it. */
static int visit(struct server *server, const char *folder,
                 void (*each)(struct server *server, struct db *db, const char *path,
                              const char *name),
                 struct db *db, struct error *err)
{
    char path[FOLDERS_PATH_SIZE];
    int rc = folders_path(server, folder, "", path, err);
    if (rc != 0)
        return rc;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make the folder %s", folder);
    DIR *dir = opendir(path);
    if (!dir)
        return error_set_errno(err, errno, "cannot read the folder %s", folder);
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char file[FOLDERS_PATH_SIZE];
        if (entry->d_name[0] != '.' &&
            folders_path(server, folder, entry->d_name, file, NULL) == 0)
            each(server, db, file, entry->d_name);
    }
    closedir(dir);
    return 0;
}

static void drop_leftover(struct server *server, struct db *db, const char *path,
                          const char *name)
{
    (void)server;
    (void)db;
    (void)name;
    unlink(path);
}

static void drop_orphan(struct server *server, struct db *db, const char *path,
                        const char *name)
{
    (void)path;
    if (is_digest(name))
        folders_drop_dataset(server, db, name);
}

int folders_prepare(struct server *server, struct error *err)
{
    int rc = visit(server, "tmp", drop_leftover, NULL, err);
    if (rc != 0)
        return rc;
    struct db *db = store_read_begin(server->store, err);
    if (!db)
        return ERR_INTERNAL;
    rc = visit(server, "datasets", drop_orphan, db, err);
    store_read_end(server->store, db);
    /* A dataset's file lasts only if the folder that it is renamed into does. */
    return rc == 0 ? io_sync_folder(server->config.data_dir, err) : rc;
}

int folders_open_dataset(const struct server *server, const char *sha256, int *ret_fd,
                         struct error *err)
{
    char path[FOLDERS_PATH_SIZE];
    int rc = folders_path(server, "datasets", sha256, path, err);
    if (rc != 0)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open the dataset");
    *ret_fd = fd;
    return 0;
}
