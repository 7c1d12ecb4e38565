/*
 * See backup_command.h. Dataset files are never changed, so on one file system a backup
 * only needs another name for them. They are taken twice: all that are there before the
 * snapshot of the database, because a dataset of the snapshot may be deleted while the
 * database is copied, and after it those that came in between. A restore copies, so that
 * the data folder and its backup share no byte.
 */
#include "backup_command.h"

#include "base/io.h"
#include "check_command.h"
#include "file_copy.h"
#include "store/datasets.h"
#include "store/db.h"
#include "store/snapshot.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATASETS "datasets"
#define SNAPSHOT_TRIES 5

struct copying {
    const char *from, *to; /* data folders */
    bool may_link;
};

static int name_path(const char *folder, const char *part, const char *name,
                     char ret_path[PATH_MAX], struct error *err)
{
    if (snprintf(ret_path, PATH_MAX, "%s/%s%s", folder, part, name) >= PATH_MAX)
        return error_set(err, ERR_TOO_LARGE, "the folder's name is too long");
    return 0;
}

static int make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make the folder %s", path);
    return 0;
}

/* ---- folders of files ---- */

/* Calls `each` for every file of FOLDER/PART, but not for hidden ones. A folder that is
 * not there is empty. */
static int each_file(const char *folder, const char *part,
                     int (*each)(void *context, const char *name, struct error *err),
                     void *context, struct error *err)
{
    char path[PATH_MAX];
    int rc = name_path(folder, part, "", path, err);
    if (rc < 0)
        return rc;
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot read %s", path);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            rc = each(context, entry->d_name, err);
    closedir(dir);
    return rc;
}

static int refuse_file(void *context, const char *name, struct error *err)
{
    (void)name;
    const char *folder = context;
    return error_set(err, ERR_CONFLICT, "%s is there and is not empty", folder);
}

struct removal {
    const char *folder, *part;
};

static int remove_file(void *context, const char *name, struct error *err)
{
    const struct removal *removal = context;
    char path[PATH_MAX];
    int rc = name_path(removal->folder, removal->part, name, path, err);
    if (rc == 0 && unlink(path) != 0 && errno != EISDIR && errno != EPERM)
        rc = error_set_errno(err, errno, "cannot delete %s", path);
    return rc;
}

/* Deletes a backup that is not whole. */
static int remove_partial(const char *folder, struct error *err)
{
    char datasets[PATH_MAX];
    struct removal files = {folder, DATASETS "/"}, rest = {folder, ""};
    int rc = each_file(folder, DATASETS "/", remove_file, &files, err);
    if (rc == 0)
        rc = name_path(folder, DATASETS, "", datasets, err);
    if (rc == 0 && rmdir(datasets) != 0 && errno != ENOENT)
        rc = error_set_errno(err, errno, "cannot delete %s", datasets);
    if (rc == 0)
        rc = each_file(folder, "", remove_file, &rest, err);
    if (rc == 0 && rmdir(folder) != 0 && errno != ENOENT)
        rc = error_set_errno(err, errno, "cannot delete %s", folder);
    return rc;
}

/* ---- dataset files ---- */

static int copy_dataset(const struct copying *copying, const char *name,
                        struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    int rc = name_path(copying->from, DATASETS "/", name, from, err);
    if (rc == 0)
        rc = name_path(copying->to, DATASETS "/", name, to, err);
    return rc == 0 ? file_copy(from, to, copying->may_link, err) : rc;
}

static int copy_listed(void *context, const char *name, struct error *err)
{
    struct error cause = {0};
    int rc = copy_dataset(context, name, &cause);
    if (rc == ERR_NOT_FOUND) /* deleted since the folder was read */
        return 0;
    return rc == 0 ? 0 : error_set(err, rc, "%s", cause.text);
}

static int copy_used(void *context, const struct dataset_use *use, struct error *err)
{
    return copy_dataset(context, use->file_sha256, err);
}

/* Deletes from a backup what its database does not use. */
struct pruning {
    const struct copying *copying;
    struct db *db;
};

static int prune_file(void *context, const char *name, struct error *err)
{
    const struct pruning *pruning = context;
    struct removal removal = {pruning->copying->to, DATASETS "/"};
    bool used = true;
    int rc = datasets_file_used(pruning->db, name, &used, err);
    return rc == 0 && !used ? remove_file(&removal, name, err) : rc;
}

/* The database and what it names. ERR_NOT_FOUND when a dataset was deleted meanwhile. */
static int copy_snapshot(const struct copying *copying, struct error *err)
{
    struct db *db = NULL;
    struct pruning pruning = {.copying = copying};
    int rc = snapshot_open(copying->from, &db, err);
    if (rc < 0)
        return rc;
    pruning.db = db;
    rc = datasets_each_file(db, copy_used, (void *)(uintptr_t)copying, err);
    if (rc == 0)
        rc = each_file(copying->to, DATASETS "/", prune_file, &pruning, err);
    if (rc == 0)
        rc = snapshot_copy(db, copying->to, err);
    db_close(db);
    return rc;
}

static int copy_folder(struct copying *copying, struct error *err)
{
    char datasets[PATH_MAX];
    struct error cause = {0};
    int rc = make_folder(copying->to, err);
    if (rc == 0)
        rc = name_path(copying->to, DATASETS, "", datasets, err);
    if (rc == 0)
        rc = make_folder(datasets, err);
    if (rc == 0)
        rc = each_file(copying->from, DATASETS "/", copy_listed, copying, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < SNAPSHOT_TRIES; i++) {
        error_clear(&cause);
        rc = copy_snapshot(copying, &cause);
        if (rc != ERR_NOT_FOUND)
            break;
    }
    if (rc < 0)
        return error_set(err, rc, "%s", cause.text);
    rc = io_sync_folder(datasets, err);
    return rc == 0 ? io_sync_folder(copying->to, err) : rc;
}

/* ---- the commands ---- */

/* Gives the whole backup its name, for good. */
static int publish(const char *partial, const char *to, struct error *err)
{
    char parent[PATH_MAX];
    if (rename(partial, to) != 0)
        return error_set_errno(err, errno, "cannot name the backup %s", to);
    int rc = name_path(to, "..", "", parent, err);
    return rc == 0 ? io_sync_folder(parent, err) : rc;
}

int backup_command_run(const struct config *config, struct error *err)
{
    if (!config->to)
        return error_set(err, ERR_INVALID, "backup: expected --to DIR, a new folder");
    char partial[PATH_MAX];
    struct copying copying = {.from = config->data_dir, .to = partial, .may_link = true};
    if (snprintf(partial, sizeof(partial), "%s.partial", config->to) >=
        (int)sizeof(partial))
        return error_set(err, ERR_TOO_LARGE, "--to is too long");
    int rc = each_file(config->to, "", refuse_file, config->to, err);
    if (rc == 0)
        rc = remove_partial(partial, err);
    if (rc == 0)
        rc = copy_folder(&copying, err);
    if (rc == 0)
        rc = check_command_look(partial, true, err);
    if (rc == 0)
        rc = publish(partial, config->to, err);
    if (rc < 0) {
        if (remove_partial(partial, NULL) < 0)
            fprintf(stderr, "backpropd: %s could not be deleted\n", partial);
        return rc;
    }
    printf("backed up %s to %s\n", config->data_dir, config->to);
    return 0;
}

static int check_target(const char *dir, struct error *err)
{
    char path[PATH_MAX];
    int rc = name_path(dir, STORE_DATABASE, "", path, err);
    if (rc == 0 && access(path, F_OK) == 0)
        rc = error_set(err, ERR_CONFLICT,
                       "%s holds a store already, and nothing is overwritten: move it "
                       "away, or give another --data",
                       dir);
    return rc;
}

int restore_command_run(const struct config *config, struct error *err)
{
    if (!config->from)
        return error_set(err, ERR_INVALID, "restore: expected --from DIR, a backup");
    struct copying copying = {.from = config->from, .to = config->data_dir};
    int lock = -1;
    int rc = make_folder(config->data_dir, err);
    if (rc == 0)
        rc = store_lock(config->data_dir, &lock, err);
    if (rc == 0)
        rc = check_target(config->data_dir, err);
    if (rc == 0)
        rc = check_command_look(config->from, false, err);
    if (rc == 0)
        rc = copy_folder(&copying, err);
    if (rc == 0)
        rc = check_command_look(config->data_dir, true, err);
    io_close(&lock);
    if (rc == 0)
        printf("restored %s from %s\n", config->data_dir, config->from);
    return rc;
}
