/*
 * Power that goes at any moment: before and after every sync, and between writes. Each
 * time the files are made as a disk might have kept them (unsynced writes lost, in part
 * or by the sector) and opened by another store: every write that was acknowledged is
 * there, each is there as a whole or not at all, in their order, and the file is sound.
 *
 * The cut happens inside of the VFS, on the writer's thread, so what was acknowledged at
 * that moment is known exactly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "power_cut.h"
#include "store/blobs.h"
#include "store_scenarios.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUTS_CLAIMED 400
#define SESSIONS 12
#define WRITES_PER_SESSION 24
#define CHUNK_BYTES 30000
#define WRITE_CUT_ODDS 24 /* one write in so many is a moment of a cut */

/* cmocka's assertions are for the test's own thread; these end the process. */
#define EXPECT(condition)                                                                \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                     \
        }                                                                                \
    } while (0)

struct trial {
    struct scene *scene;
    pthread_mutex_t lock; /* readers and the writer make calls at once */
    struct disk disk;
    int cuts;
    int submitted;
    _Atomic int acknowledged; /* writes 1 to this are */
};

/* Write i stores its key and a blob; every third deletes what the one two before it
 * stored. */
struct numbered {
    struct call call; /* first */
    struct trial *trial;
    int number;
};

static int delete_key(struct db *db, int number, struct error *err)
{
    char key[24];
    snprintf(key, sizeof(key), "w%06d", number);
    struct query q;
    query_begin(&q, db, "DELETE FROM meta WHERE key = :key RETURNING value");
    query_bind_text(&q, ":key", key);
    int rc = query_step(&q, err);
    int64_t blob = rc > 0 ? query_int(&q, 0) : 0;
    query_end(&q);
    return rc > 0 ? blobs_delete(db, blob, err) : ERR_INTERNAL;
}

static int run_numbered(struct db *db, void *context, struct error *err)
{
    static unsigned char chunk[CHUNK_BYTES];
    const struct numbered *numbered = context;
    int64_t blob = 0;
    char key[24], value[24];
    memset(chunk, numbered->number, sizeof(chunk));
    int rc = blobs_create(db, &blob, err);
    if (rc == 0)
        rc = blobs_append(db, blob, 0, chunk, sizeof(chunk), err);
    if (rc == 0)
        rc = blobs_seal(db, blob, sizeof(chunk), TEST_SHA256, err);
    if (rc < 0)
        return rc;
    snprintf(key, sizeof(key), "w%06d", numbered->number);
    snprintf(value, sizeof(value), "%lld", (long long)blob);
    struct query q;
    query_begin(&q, db, "INSERT INTO meta (key, value) VALUES (:key, :value)");
    query_bind_text(&q, ":key", key);
    query_bind_text(&q, ":value", value);
    rc = query_run(&q, err);
    if (rc == 0 && numbered->number % 3 == 2 && numbered->number > 2)
        rc = delete_key(db, numbered->number - 2, err);
    return rc;
}

static void numbered_done(struct store_write *write, int rc, const struct error *err)
{
    if (rc < 0)
        fprintf(stderr, "a write failed: %s\n", err->text);
    EXPECT(rc == 0);
    struct numbered *numbered = (struct numbered *)write;
    numbered->trial->acknowledged = numbered->number;
    free(numbered);
}

static void submit_numbered(struct trial *trial)
{
    struct numbered *numbered = calloc(1, sizeof(*numbered));
    assert_non_null(numbered);
    call_init(&numbered->call, run_numbered, numbered);
    numbered->call.write.done = numbered_done;
    numbered->trial = trial;
    numbered->number = ++trial->submitted;
    store_submit(trial->scene->store, &numbered->call.write);
}

/* ---- what is found ---- */

static bool should_be_there(int number, int last)
{
    return number <= last && !(number % 3 == 0 && number + 2 <= last);
}

static void check_key(struct db *db, int number, bool expected)
{
    char key[24];
    unsigned char bytes[CHUNK_BYTES];
    struct error err = {0};
    struct query q;
    snprintf(key, sizeof(key), "w%06d", number);
    query_begin(&q, db, "SELECT value FROM meta WHERE key = :key");
    query_bind_text(&q, ":key", key);
    int rc = query_step(&q, &err);
    int64_t blob = rc > 0 ? query_int(&q, 0) : 0;
    query_end(&q);
    EXPECT(rc == (expected ? 1 : 0));
    if (expected) {
        EXPECT(blobs_read(db, blob, 0, bytes, sizeof(bytes), &err) == 0);
        EXPECT(bytes[CHUNK_BYTES / 2] == (number & 0xff));
    }
}

static int64_t number_of(struct db *db, const char *sql)
{
    int64_t value = 0;
    struct error err = {0};
    EXPECT(db_read_int(db, sql, &value, &err) == 0);
    return value;
}

static void check_found(const char *folder, int acknowledged, int submitted)
{
    struct store *store = NULL;
    struct error err = {0};
    if (store_open(folder, &store, &err) != 0)
        fprintf(stderr, "in %s: %s\n", folder, err.text);
    EXPECT(store);
    struct db *db = store_read_begin(store, &err);
    EXPECT(db);
    EXPECT(number_of(db, "SELECT count(*) FROM pragma_integrity_check"
                         " WHERE integrity_check <> 'ok'") == 0);
    EXPECT(number_of(db, "SELECT count(*) FROM pragma_foreign_key_check") == 0);
    int last =
        (int)number_of(db, "SELECT coalesce(max(CAST(substr(key, 2) AS INTEGER)), 0)"
                           " FROM meta WHERE key GLOB 'w*'");
    if (last < acknowledged || last > submitted)
        fprintf(stderr, "in %s: %d of %d to %d\n", folder, last, acknowledged, submitted);
    EXPECT(last >= acknowledged && last <= submitted);
    int expected = 0;
    for (int i = 1; i <= last; i++) {
        check_key(db, i, should_be_there(i, last));
        expected += should_be_there(i, last) ? 1 : 0;
    }
    EXPECT(number_of(db, "SELECT count(*) FROM blob_seals") == expected);
    EXPECT(number_of(db, "SELECT count(*) FROM blobs") == expected);
    store_read_end(store, db);
    store_close(store);
}

/* ---- the cuts ---- */

static void cut(struct trial *trial)
{
    char folder[FOLDER_SIZE];
    folder_make(folder);
    disk_cut(&trial->disk, (enum power_cut_way)(trial->cuts % CUT_WAYS), folder);
    trial->cuts++;
    check_found(folder, trial->acknowledged, trial->submitted);
    folder_remove(folder);
}

static int before_call(void *context, const struct vfs_call *call, int64_t *ret_written)
{
    (void)ret_written;
    struct trial *trial = context;
    if (call->kind != VFS_SYNC && call->kind != VFS_WRITE)
        return SQLITE_OK;
    pthread_mutex_lock(&trial->lock);
    if (call->kind == VFS_SYNC || disk_dice(&trial->disk, WRITE_CUT_ODDS) == 0)
        cut(trial);
    pthread_mutex_unlock(&trial->lock);
    return SQLITE_OK;
}

static void after_call(void *context, const struct vfs_call *call)
{
    struct trial *trial = context;
    pthread_mutex_lock(&trial->lock);
    disk_note(&trial->disk, call);
    if (call->kind == VFS_SYNC)
        cut(trial);
    pthread_mutex_unlock(&trial->lock);
}

static void test_what_was_acknowledged_survives_a_power_cut(void **state)
{
    struct trial trial = {.scene = *state, .disk = {.random = 20260101}};
    const struct vfs_hooks hooks = {before_call, after_call, &trial};
    const char *more = getenv("BACKPROP_LONG_FAULTS");
    int sessions = more ? SESSIONS * 10 : SESSIONS;
    pthread_mutex_init(&trial.lock, NULL);
    hooked_vfs_install(trial.scene->parent, &hooks);
    for (int session = 0; session < sessions; session++) {
        scene_open(trial.scene);
        pthread_mutex_lock(&trial.lock);
        disk_sync_folder(&trial.disk); /* the store has done so when it is open */
        pthread_mutex_unlock(&trial.lock);
        for (int i = 0; i < WRITES_PER_SESSION; i++) {
            submit_numbered(&trial);
            while (i % 5 == session % 5 && trial.acknowledged < trial.submitted)
                usleep(100);
        }
        scene_close(trial.scene); /* copies the WAL back: cuts in there, too */
        assert_int_equal(trial.acknowledged, trial.submitted);
    }
    hooked_vfs_remove();
    pthread_mutex_destroy(&trial.lock);
    disk_release(&trial.disk);
    print_message("%d cuts, %d writes\n", trial.cuts, trial.submitted);
    assert_true(trial.cuts >= CUTS_CLAIMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_acknowledged_survives_a_power_cut,
                                        scene_setup, scene_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
