/* See store_fixture.h. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/blobs.h"
#include "store/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEMORY_MIN_BYTES (UINT64_C(1) << 30)

void folder_make(char ret_path[FOLDER_SIZE])
{
    struct statvfs memory; /* in a container it may be small */
    bool roomy = statvfs("/dev/shm", &memory) == 0 &&
                 memory.f_bavail * memory.f_frsize >= MEMORY_MIN_BYTES;
    snprintf(ret_path, FOLDER_SIZE, "%s/backprop-store-XXXXXX",
             roomy ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(ret_path));
}

void folder_remove(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    folder_make(fixture->folder);
    snprintf(fixture->path, sizeof(fixture->path), "%s/test.db", fixture->folder);
    struct error err = {0};
    int version = 0;
    assert_int_equal(db_open(fixture->path, DB_WRITER, &fixture->db, &err), 0);
    assert_int_equal(schema_apply(fixture->db, &version, &err), 0);
    sql_run(fixture->db, "BEGIN");
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    db_close(fixture->db);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

void sql_run(struct db *db, const char *sql)
{
    struct error err = {0};
    assert_int_equal(db_exec(db, sql, &err), 0);
}

int64_t sql_int(struct db *db, const char *sql)
{
    int64_t value = -1;
    struct error err = {0};
    assert_int_equal(db_read_int(db, sql, &value, &err), 0);
    return value;
}

void make_dataset(struct db *db, const char *id)
{
    char name[] = "digits", kind[] = "table", facts[] = "{}", preview[] = "[]";
    struct dataset_row row = {.name = name,
                              .kind = kind,
                              .sha256 = TEST_SHA256,
                              .bytes = 100,
                              .file_sha256 = TEST_SHA256,
                              .file_bytes = 80,
                              .facts = facts,
                              .preview = preview,
                              .created_us = TEST_NOW};
    snprintf(row.id, sizeof(row.id), "%s", id);
    struct error err = {0};
    assert_int_equal(datasets_insert(db, &row, &err), 0);
}

void make_job(struct db *db, int priority, const char *metadata, char ret_id[ID_SIZE])
{
    static const char dataset[] = "ds_shared";
    struct dataset_row found;
    struct error err = {0};
    if (datasets_get(db, dataset, &found, NULL) == ERR_NOT_FOUND)
        make_dataset(db, dataset);
    else
        dataset_row_release(&found);
    char name[] = "a job", spec[] = "{\"epochs\":1}";
    struct job_row row = {.name = name,
                          .priority = priority,
                          .threads = 1,
                          .max_attempts = 3,
                          .spec = spec,
                          .created_us = TEST_NOW};
    char *copy = strdup(metadata ? metadata : "{}");
    row.metadata = copy;
    id_make("job", row.id);
    memcpy(row.dataset, dataset, sizeof(dataset));
    char existing[ID_SIZE];
    assert_int_equal(jobs_insert(db, &row, NULL, NULL, existing, &err), 0);
    assert_string_equal(existing, "");
    memcpy(ret_id, row.id, sizeof(row.id));
    free(copy);
}

int64_t make_running_job(struct db *db, char ret_id[ID_SIZE])
{
    int64_t lease = 0;
    struct error err = {0};
    make_job(db, 0, NULL, ret_id);
    assert_int_equal(jobs_start(db, ret_id, TEST_NOW, &lease, &err), 0);
    return lease;
}

int64_t make_blob(struct db *db, size_t bytes, unsigned char fill)
{
    struct error err = {0};
    int64_t blob = 0, index = 0;
    unsigned char *chunk = malloc(BLOB_CHUNK_BYTES);
    assert_non_null(chunk);
    memset(chunk, fill, BLOB_CHUNK_BYTES);
    assert_int_equal(blobs_create(db, &blob, &err), 0);
    for (size_t left = bytes; left > 0; index++) {
        size_t length = left < BLOB_CHUNK_BYTES ? left : BLOB_CHUNK_BYTES;
        assert_int_equal(blobs_append(db, blob, index, chunk, length, &err), 0);
        left -= length;
    }
    assert_int_equal(blobs_seal(db, blob, bytes, TEST_SHA256, &err), 0);
    free(chunk);
    return blob;
}

enum job_status status_of(struct db *db, const char *id)
{
    struct job_row row;
    struct error err = {0};
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    enum job_status status = row.status;
    job_row_release(&row);
    return status;
}

static int run_call(struct db *db, struct store_write *write, struct error *err)
{
    struct call *call = (struct call *)write;
    return call->run(db, call->argument, err);
}

void call_init(struct call *call,
               int (*run)(struct db *db, void *argument, struct error *err),
               void *argument)
{
    *call = (struct call){.write = {.run = run_call}, .run = run, .argument = argument};
}

int call_wait(struct store *store,
              int (*run)(struct db *db, void *argument, struct error *err),
              void *argument, struct error *err)
{
    struct call call;
    call_init(&call, run, argument);
    return store_write_wait(store, &call.write, err);
}
