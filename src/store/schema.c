/* See schema.h. */
#include "schema.h"

#include "migrations.h"

#include <stdio.h>
#include <string.h>

/* Of an empty file all three are 0. */
struct identity {
    int64_t application, version, objects;
};

static int read_identity(struct db *db, struct identity *ret_identity, struct error *err)
{
    int rc = db_read_int(db, "PRAGMA application_id", &ret_identity->application, err);
    if (rc == 0)
        rc = db_read_int(db, "PRAGMA user_version", &ret_identity->version, err);
    if (rc == 0)
        rc = db_read_int(db, "SELECT count(*) FROM sqlite_schema", &ret_identity->objects,
                         err);
    return rc;
}

static int check_identity(const struct identity *identity, struct error *err)
{
    bool empty =
        identity->application == 0 && identity->version == 0 && identity->objects == 0;
    if (empty)
        return 0;
    if (identity->application != SCHEMA_APPLICATION_ID || identity->version < 1)
        return error_set(err, ERR_CORRUPT,
                         "the data folder holds a database of another program: give "
                         "backpropd a folder of its own");
    if (identity->version > (int64_t)migrations_count)
        return error_set(err, ERR_CORRUPT,
                         "the data folder was written by a newer backpropd (schema %lld, "
                         "this one knows %zu): start that version, or restore a backup",
                         (long long)identity->version, migrations_count);
    return 0;
}

int schema_check(struct db *db, struct error *err)
{
    struct identity identity = {0};
    int rc = read_identity(db, &identity, err);
    if (rc == 0)
        rc = check_identity(&identity, err);
    if (rc == 0 && identity.version == 0)
        rc = error_set(err, ERR_CORRUPT, "the database is empty");
    return rc;
}

/* What a file keeps for good. The page size counts only while it is empty: 8 KiB would
 * write weights a quarter faster and everything small a tenth slower. */
static int prepare_file(struct db *db, struct error *err)
{
    int rc = db_exec(db, "PRAGMA page_size = 4096", err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db, "PRAGMA journal_mode = WAL");
    rc = query_step(&q, err);
    if (rc > 0)
        rc = strcmp(query_text(&q, 0), "wal") == 0
                 ? 0
                 : error_set(err, ERR_IO,
                             "the file system of the data folder cannot hold the store: "
                             "it has no shared memory maps (is it a network mount?)");
    query_end(&q);
    return rc;
}

static int apply(struct db *db, size_t index, struct error *err)
{
    char version[64];
    snprintf(version, sizeof(version), "PRAGMA user_version = %zu", index + 1);
    int rc = db_exec(db, (const char *)migrations[index].bytes, err);
    return rc < 0 ? rc : db_exec(db, version, err);
}

int schema_apply(struct db *db, int *ret_version, struct error *err)
{
    struct identity identity = {0};
    int rc = read_identity(db, &identity, err);
    if (rc == 0)
        rc = check_identity(&identity, err);
    if (rc == 0)
        rc = prepare_file(db, err);
    if (rc == 0)
        rc = db_exec(db, "BEGIN EXCLUSIVE", err);
    if (rc < 0)
        return rc;
    for (size_t i = (size_t)identity.version; i < migrations_count && rc == 0; i++)
        rc = apply(db, i, err);
    if (rc == 0)
        rc = db_exec(db, "COMMIT", err);
    if (rc == 0)
        *ret_version = (int)migrations_count;
    else if (db_in_transaction(db) && db_exec(db, "ROLLBACK", NULL) < 0)
        error_set(err, rc, "the store could not be prepared");
    return rc;
}
