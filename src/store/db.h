/*
 * The one gateway to SQLite: a connection, its prepared statements, and queries with
 * named parameters. Private to the store; nothing outside src/store sees SQL.
 *
 *   struct query q;
 *   query_begin(&q, db, "SELECT name FROM jobs WHERE id = :id");
 *   query_bind_text(&q, ":id", id);
 *   int rc = query_step(&q, err);          1: a row, 0: no more, negative: failed
 *   if (rc > 0)
 *       name = query_copy_text(&q, 0);
 *   query_end(&q);                         always, however it went
 *
 * A failure to prepare, to bind or to copy sticks to the query: the next query_step() or
 * query_status() tells. The SQL must be a string that lives as long as the connection (a
 * literal), because statements are kept and found again by its address. A query that is
 * running cannot be begun a second time on the same connection.
 *
 * Texts of errors are fixed sentences: they hold no SQL, no value and no path. A
 * connection belongs to one thread at a time.
 */
#ifndef BACKPROP_STORE_DB_H
#define BACKPROP_STORE_DB_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

enum db_mode {
    DB_WRITER, /* makes the file if there is none */
    DB_READER  /* cannot write */
};

/* Opens a connection with the settings of the store. The file's own settings (WAL, page
 * size) are the schema's business, see schema.h. New object. */
int db_open(const char *path, enum db_mode mode, struct db **ret_db, struct error *err)
    __attribute__((warn_unused_result));
void db_close(struct db *db);

/* Runs statements without parameters or results. */
int db_exec(struct db *db, const char *sql, struct error *err)
    __attribute__((warn_unused_result));

/* The same for one statement that is kept (a literal, as for query_begin()). */
int db_run(struct db *db, const char *sql, struct error *err)
    __attribute__((warn_unused_result));

/* Prepares a kept statement ahead, so that running it later asks for less memory. */
int db_prepare(struct db *db, const char *sql, struct error *err)
    __attribute__((warn_unused_result));

/* The first column of the first row of a query without parameters, as a number. */
int db_read_int(struct db *db, const char *sql, int64_t *ret_value, struct error *err)
    __attribute__((warn_unused_result));

/* Rows that the last INSERT, UPDATE or DELETE touched, and the last row number made. */
int64_t db_changes(const struct db *db);
int64_t db_last_number(const struct db *db);

/* False once the transaction is over, be it because SQLite itself rolled it back. */
bool db_in_transaction(const struct db *db);

/* True once SQLite found the file damaged through this connection. */
bool db_found_damage(const struct db *db);

/* Pages in the WAL after the last COMMIT of this connection. */
int db_wal_pages(const struct db *db);

/* Copies pages from the WAL to the file. With `truncate`, waits for readers a little and
 * leaves an empty WAL; ERR_BUSY when they did not go. *ret_pages: pages of the WAL that
 * are in the file now. */
int db_checkpoint(struct db *db, bool truncate, int *ret_pages, struct error *err)
    __attribute__((warn_unused_result));

/* Writes the database as this connection sees it into a new file, page by page; not
 * synced. The connection should be in a read transaction, so that it sees one state. */
int db_copy(struct db *db, const char *path, struct error *err)
    __attribute__((warn_unused_result));

struct query {
    struct db *db;
    struct statement *statement; /* borrowed from the connection; NULL if it failed */
    int status;                  /* 0, or the SQLite code of the first failure */
};

void query_begin(struct query *q, struct db *db, const char *sql);
void query_end(struct query *q);

/* Values are borrowed until query_end(). A NULL text or blob binds NULL. */
void query_bind_text(struct query *q, const char *name, const char *value);
void query_bind_int(struct query *q, const char *name, int64_t value);
void query_bind_real(struct query *q, const char *name, double value);
void query_bind_blob(struct query *q, const char *name, const void *bytes, size_t length);

/* 1: there is a row, 0: the end, negative: failed. */
int query_step(struct query *q, struct error *err) __attribute__((warn_unused_result));

/* Steps to the end and ends the query: for statements that return nothing. */
int query_run(struct query *q, struct error *err) __attribute__((warn_unused_result));

/* 0, or the error of the first failure. */
int query_status(const struct query *q, struct error *err)
    __attribute__((warn_unused_result));

/* Columns of the present row, from 0. NULL reads as 0, "" or NULL. */
int64_t query_int(const struct query *q, int column);
double query_real(const struct query *q, int column);

/* New string, NULL for NULL (and on failure, which sticks). */
char *query_copy_text(struct query *q, int column);

/* Into a field of `size` bytes; a longer text is a failure (ERR_CORRUPT). */
void query_read_text(struct query *q, int column, char *field, size_t size);

/* Borrowed until the next step. */
const char *query_text(const struct query *q, int column);
const void *query_blob(const struct query *q, int column, size_t *ret_length);

#endif
