/*
 * What the tests of the store share: a folder of their own, a connection with
 * the schema applied (for the table families), and objects to put into it.
 */
#ifndef BACKPROP_TESTS_STORE_FIXTURE_H
#define BACKPROP_TESTS_STORE_FIXTURE_H

#include "store/datasets.h"
#include "store/db.h"
#include "store/jobs.h"
#include "store/store.h"

#define FOLDER_SIZE 64
#define TEST_NOW INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

/* Sixty-four characters: what a digest looks like. */
#define TEST_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* A new, empty folder, in memory where there is room, so that syncs cost nothing; and its
 * end with all that is in it. */
void folder_make(char ret_path[FOLDER_SIZE]);
void folder_remove(const char *path);

struct fixture {
    char folder[FOLDER_SIZE];
    char path[FOLDER_SIZE + 16]; /* of the database */
    struct db *db;               /* inside a transaction that is never committed */
};

/* For cmocka_unit_test_setup_teardown: *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Runs SQL as it is and asserts that it works; the first number that a query gives. */
void sql_run(struct db *db, const char *sql);
int64_t sql_int(struct db *db, const char *sql);

/* A dataset with this ID. */
void make_dataset(struct db *db, const char *id);

/* A queued job with a new ID, on a dataset that is made if it is not there. */
void make_job(struct db *db, int priority, const char *metadata, char ret_id[ID_SIZE]);

/* The same, started. */
int64_t make_running_job(struct db *db, char ret_id[ID_SIZE]);

/* A sealed blob with `bytes` bytes, all `fill`. */
int64_t make_blob(struct db *db, size_t bytes, unsigned char fill);

enum job_status status_of(struct db *db, const char *id);

/* A write made of a plain function, for store_write_wait() and store_submit(). */
struct call {
    struct store_write write; /* first */
    int (*run)(struct db *db, void *argument, struct error *err);
    void *argument;
};
void call_init(struct call *call,
               int (*run)(struct db *db, void *argument, struct error *err),
               void *argument);
int call_wait(struct store *store,
              int (*run)(struct db *db, void *argument, struct error *err),
              void *argument, struct error *err);

#endif
