/*
 * See db.h. Prepared statements are kept in a small open-addressed table by the address
 * of their SQL: a server runs the same few dozen statements all its life, and finding one
 * is a comparison of pointers.
 */
#include "db.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_SLOTS 256 /* a power of two; about 90 are in use */
#define BUSY_TIMEOUT_MS 5000
#define TRUNCATE_TIMEOUT_MS 200

struct statement {
    const char *sql; /* NULL: the slot is free */
    sqlite3_stmt *handle;
    bool running;
};

struct db {
    sqlite3 *handle;
    int wal_pages;
    bool found_damage;
    struct statement statements[STATEMENT_SLOTS];
};

/* secure_delete is on in Debian's build and would write every freed page of weights once
 * more. The WAL is checkpointed by the writer thread alone. No memory map: it made no
 * read measurably faster, and with one a bad sector kills the process instead of failing
 * a read. */
static const char settings[] = "PRAGMA foreign_keys = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA secure_delete = OFF;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA wal_autocheckpoint = 0;"
                               "PRAGMA journal_size_limit = 67108864;";
static const char writer_settings[] = "PRAGMA cache_size = -16384;";
static const char reader_settings[] = "PRAGMA cache_size = -4096;"
                                      "PRAGMA query_only = ON;";

#define DAMAGE_ADVICE                                                                    \
    ": `backpropd check` says where; `backpropd restore` puts in its place what "        \
    "`backpropd backup` has kept"

struct failure {
    int sqlite_code; /* primary or extended */
    int code;
    const char *text;
};

static const struct failure failures[] = {
    {SQLITE_CONSTRAINT_UNIQUE, ERR_CONFLICT, "the store has such an object already"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, ERR_CONFLICT, "the store has such an object already"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, ERR_CONFLICT,
     "the object is in use or its owner is gone"},
    {SQLITE_IOERR_NOMEM, ERR_NOMEM, "out of memory in the store"},
    {SQLITE_FULL, ERR_NO_SPACE, "the disk of the data folder is full"},
    {SQLITE_CORRUPT, ERR_CORRUPT, "the store is damaged" DAMAGE_ADVICE},
    {SQLITE_NOTADB, ERR_CORRUPT,
     "the store is damaged or is not a database" DAMAGE_ADVICE},
    {SQLITE_BUSY, ERR_BUSY, "the store is busy"},
    {SQLITE_LOCKED, ERR_BUSY, "the store is busy"},
    {SQLITE_PROTOCOL, ERR_BUSY, "the store is busy"},
    {SQLITE_NOMEM, ERR_NOMEM, "out of memory in the store"},
    {SQLITE_TOOBIG, ERR_TOO_LARGE, "a value is too long for the store"},
    {SQLITE_READONLY, ERR_IO, "the store cannot be written"},
    {SQLITE_CANTOPEN, ERR_IO, "the store cannot be opened"},
    {SQLITE_PERM, ERR_IO, "the store may not be opened"},
    {SQLITE_IOERR, ERR_IO, "the store could not be read or written"},
    {SQLITE_INTERRUPT, ERR_CANCELLED, "the query was interrupted"},
};

/* SQLite knows ENOSPC alone; a quota and a limit on file size are the same to a user. It
 * notes errno for most failures, but not for that of a COMMIT: hence the second look. */
static bool disk_is_full(sqlite3 *handle, int sqlite_code, int errno_value)
{
    static const int reasons[] = {ENOSPC, EDQUOT, EFBIG};
    bool full = false;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        full = full || errno_value == reasons[i] ||
               sqlite3_system_errno(handle) == reasons[i];
    int primary = sqlite_code & 0xff;
    return full && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN);
}

/* Called straight after what failed: errno counts. */
static int fail(struct db *db, int sqlite_code, struct error *err)
{
    if (db->handle && disk_is_full(db->handle, sqlite_code, errno))
        sqlite_code = SQLITE_FULL;
    int primary = sqlite_code & 0xff;
    int cause = db->handle ? sqlite3_system_errno(db->handle) : 0;
    if (primary == SQLITE_CANTOPEN && (cause == EMFILE || cause == ENFILE))
        return error_set(err, ERR_BUSY, "the store gets no descriptor; try again later");
    db->found_damage =
        db->found_damage || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].sqlite_code == sqlite_code ||
            failures[i].sqlite_code == (sqlite_code & 0xff))
            return error_set(err, failures[i].code, "%s", failures[i].text);
    log_event(LOG_ERROR, "store_failure", "sqlite_code=%d", sqlite_code);
    return error_set(err, ERR_INTERNAL, "the store failed (SQLite code %d)", sqlite_code);
}

static int note_wal_pages(void *context, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct db *db = context;
    db->wal_pages = pages;
    return SQLITE_OK;
}

int db_open(const char *path, enum db_mode mode, struct db **ret_db, struct error *err)
{
    struct db *db = mem_alloc(sizeof(*db));
    if (!db)
        return error_set(err, ERR_NOMEM, "out of memory opening the store");
    int flags = mode == DB_READER ? SQLITE_OPEN_READONLY
                                  : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        rc = fail(db, rc, err);
        goto out;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
    rc = db_exec(db, settings, err);
    if (rc == 0)
        rc = db_exec(db, mode == DB_READER ? reader_settings : writer_settings, err);
    if (rc == 0)
        sqlite3_wal_hook(db->handle, note_wal_pages, db);
out:
    if (rc < 0)
        db_close(db);
    else
        *ret_db = db;
    return rc;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < STATEMENT_SLOTS; i++)
        sqlite3_finalize(db->statements[i].handle);
    int rc = sqlite3_close(db->handle);
    assert(rc == SQLITE_OK); /* a statement that is not in the table would be a leak */
    (void)rc;
    free(db);
}

int db_exec(struct db *db, const char *sql, struct error *err)
{
    errno = 0;
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(db, rc, err);
}

int db_run(struct db *db, const char *sql, struct error *err)
{
    struct query q;
    query_begin(&q, db, sql);
    return query_run(&q, err);
}

int db_prepare(struct db *db, const char *sql, struct error *err)
{
    struct query q;
    query_begin(&q, db, sql);
    int rc = query_status(&q, err);
    query_end(&q);
    return rc;
}

int db_read_int(struct db *db, const char *sql, int64_t *ret_value, struct error *err)
{
    struct query q;
    query_begin(&q, db, sql);
    int rc = query_step(&q, err);
    if (rc > 0) {
        *ret_value = query_int(&q, 0);
        rc = 0;
    } else if (rc == 0) {
        rc = error_set(err, ERR_INTERNAL, "the store gave no answer");
    }
    query_end(&q);
    return rc;
}

int64_t db_changes(const struct db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t db_last_number(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

bool db_in_transaction(const struct db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

bool db_found_damage(const struct db *db)
{
    return db->found_damage;
}

int db_wal_pages(const struct db *db)
{
    return db->wal_pages;
}

int db_checkpoint(struct db *db, bool truncate, int *ret_pages, struct error *err)
{
    int log = 0, done = 0;
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    sqlite3_busy_timeout(db->handle, TRUNCATE_TIMEOUT_MS);
    errno = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, &log, &done);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (rc != SQLITE_OK)
        return fail(db, rc, err);
    if (truncate)
        db->wal_pages = 0;
    *ret_pages = done;
    return 0;
}

int db_copy(struct db *db, const char *path, struct error *err)
{
    struct db target = {.handle = NULL};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    errno = 0;
    int rc = sqlite3_open_v2(path, &target.handle, flags, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(target.handle,
                          "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL,
                          NULL, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_backup *backup =
            sqlite3_backup_init(target.handle, "main", db->handle, "main");
        if (backup)
            sqlite3_backup_step(backup, -1);
        rc = backup ? sqlite3_backup_finish(backup) : sqlite3_errcode(target.handle);
    }
    if (rc == SQLITE_OK) /* one file, without a log beside it */
        rc =
            sqlite3_exec(target.handle, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    int code = rc == SQLITE_OK ? 0 : fail(&target, rc, err);
    sqlite3_close(target.handle);
    return code;
}

static struct statement *find_slot(struct db *db, const char *sql)
{
    size_t at = ((uintptr_t)sql >> 3) * 31;
    for (size_t i = 0; i < STATEMENT_SLOTS; i++) {
        struct statement *slot = &db->statements[(at + i) % STATEMENT_SLOTS];
        if (slot->sql == sql || !slot->sql)
            return slot;
    }
    return NULL;
}

void query_begin(struct query *q, struct db *db, const char *sql)
{
    struct statement *slot = find_slot(db, sql);
    *q = (struct query){.db = db};
    if (!slot) { /* more statements than slots: a bug, but no reason to fall over */
        q->status = SQLITE_INTERNAL;
        return;
    }
    assert(!slot->running);
    if (!slot->sql) {
        q->status = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                       &slot->handle, NULL);
        if (q->status != SQLITE_OK)
            return;
        slot->sql = sql;
    }
    slot->running = true;
    q->statement = slot;
}

void query_end(struct query *q)
{
    if (!q->statement)
        return;
    sqlite3_reset(q->statement->handle);
    sqlite3_clear_bindings(q->statement->handle);
    q->statement->running = false;
    q->statement = NULL;
}

/* SQLite's functions take NULL, that of a query which failed to begin,
 * for an empty row. */
static sqlite3_stmt *handle_of(const struct query *q)
{
    return q->statement ? q->statement->handle : NULL;
}

/* The index of a parameter, or 0 when the query failed already. */
static int parameter(const struct query *q, const char *name)
{
    if (q->status != SQLITE_OK)
        return 0;
    int index = sqlite3_bind_parameter_index(handle_of(q), name);
    assert(index > 0);
    return index;
}

void query_bind_text(struct query *q, const char *name, const char *value)
{
    int index = parameter(q, name);
    if (index > 0)
        q->status = sqlite3_bind_text(handle_of(q), index, value, -1, SQLITE_STATIC);
}

void query_bind_int(struct query *q, const char *name, int64_t value)
{
    int index = parameter(q, name);
    if (index > 0)
        q->status = sqlite3_bind_int64(handle_of(q), index, value);
}

void query_bind_real(struct query *q, const char *name, double value)
{
    int index = parameter(q, name);
    if (index > 0)
        q->status = sqlite3_bind_double(handle_of(q), index, value);
}

void query_bind_blob(struct query *q, const char *name, const void *bytes, size_t length)
{
    int index = parameter(q, name);
    if (index > 0)
        q->status =
            sqlite3_bind_blob64(handle_of(q), index, bytes, length, SQLITE_STATIC);
}

int query_step(struct query *q, struct error *err)
{
    if (q->status == SQLITE_OK) {
        errno = 0;
        int rc = sqlite3_step(handle_of(q));
        if (rc == SQLITE_ROW || rc == SQLITE_DONE)
            return rc == SQLITE_ROW;
        q->status = rc;
    }
    return fail(q->db, q->status, err);
}

int query_run(struct query *q, struct error *err)
{
    int rc;
    do
        rc = query_step(q, err);
    while (rc > 0);
    query_end(q);
    return rc;
}

int query_status(const struct query *q, struct error *err)
{
    return q->status == SQLITE_OK ? 0 : fail(q->db, q->status, err);
}

int64_t query_int(const struct query *q, int column)
{
    return sqlite3_column_int64(handle_of(q), column);
}

double query_real(const struct query *q, int column)
{
    return sqlite3_column_double(handle_of(q), column);
}

const char *query_text(const struct query *q, int column)
{
    const unsigned char *text = sqlite3_column_text(handle_of(q), column);
    return text ? (const char *)text : "";
}

const void *query_blob(const struct query *q, int column, size_t *ret_length)
{
    const void *bytes = sqlite3_column_blob(handle_of(q), column);
    *ret_length = (size_t)sqlite3_column_bytes(handle_of(q), column);
    return bytes;
}

char *query_copy_text(struct query *q, int column)
{
    if (sqlite3_column_type(handle_of(q), column) == SQLITE_NULL)
        return NULL;
    const unsigned char *text = sqlite3_column_text(handle_of(q), column);
    char *copy = text ? mem_strdup((const char *)text) : NULL;
    if (!copy)
        q->status = SQLITE_NOMEM;
    return copy;
}

void query_read_text(struct query *q, int column, char *field, size_t size)
{
    const char *text = query_text(q, column);
    size_t length = strlen(text);
    if (length >= size) {
        q->status = SQLITE_CORRUPT;
        return;
    }
    memcpy(field, text, length + 1);
}
