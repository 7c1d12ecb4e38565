/*
 * The store on a disk that fails: every call that SQLite makes of the disk fails in turn,
 * in every scenario and in several ways. Then the write was refused with an error of the
 * right kind and nothing of it can be seen, or it is there as a whole; reads go on; and
 * the same write succeeds as soon as the disk does, without a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "faulty_vfs.h"
#include "store_scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITES (VFS_WRITE | VFS_TRUNCATE | VFS_SYNC)
#define ANY                                                                              \
    (WRITES | VFS_READ | VFS_SIZE | VFS_LOCK | VFS_SHM_MAP | VFS_SHM_LOCK | VFS_OPEN |   \
     VFS_DELETE)
#define INTEGRITY_EVERY 50

/* Faults of all sweeps together; main() asks for at least FAULTS_CLAIMED. */
static uint64_t injected, refused;

static bool is_expected(int rc, enum vfs_fault_way way)
{
    static const int codes[VFS_WAYS] = {[VFS_FAILS] = ERR_IO,
                                        [VFS_HALF] = ERR_IO,
                                        [VFS_FULL] = ERR_NO_SPACE,
                                        [VFS_HALF_FULL] = ERR_NO_SPACE,
                                        [VFS_NO_MEMORY] = ERR_NOMEM};
    return rc == 0 || rc == codes[way];
}

/* One fault in one run; false when the scenario makes fewer calls than `nth`. */
static bool try_fault(struct store *store, const struct scenario *scenario,
                      const struct vfs_fault *fault)
{
    struct actor actor;
    char before[STATE_SIZE], meanwhile[STATE_SIZE], after[STATE_SIZE],
        retried[STATE_SIZE];
    struct error err = {0};
    actor_prepare(store, scenario, &actor);
    read_state(store, before);
    faulty_vfs_begin(fault);
    int rc = call_wait(store, scenario->act, &actor, &err);
    if ((fault->calls & ~(unsigned)WRITES) == 0)
        read_state(store, meanwhile); /* of a disk that still cannot be written */
    uint64_t count = faulty_vfs_end();
    read_state(store, after);
    if (!is_expected(rc, fault->way))
        fail_msg("%s, fault %d at %d: %d (%s)", scenario->name, (int)fault->way,
                 (int)fault->nth, rc, err.text);
    if ((fault->calls & ~(unsigned)WRITES) == 0)
        assert_string_equal(meanwhile, after);
    assert_int_equal(strcmp(before, after) == 0, rc < 0);
    err = (struct error){0};
    if (rc < 0) {
        assert_int_equal(call_wait(store, scenario->act, &actor, &err), 0);
        read_state(store, retried);
        assert_string_not_equal(before, retried);
        refused++;
    }
    injected += count;
    if (count > 0 && fault->nth % INTEGRITY_EVERY == 0)
        check_integrity(store);
    return count > 0;
}

static void sweep_store(struct scene *scene, unsigned calls, enum vfs_fault_way way,
                        bool lasts)
{
    struct store *store = scene_open(scene);
    for (int i = 0; i < scenario_count; i++) {
        struct vfs_fault fault = {.calls = calls, .way = way, .nth = 1, .lasts = lasts};
        while (try_fault(store, &scenarios[i], &fault))
            fault.nth++;
        assert_true(fault.nth > 1);
    }
    char before[STATE_SIZE], after[STATE_SIZE];
    check_integrity(store);
    read_state(store, before);
    scene_close(scene);
    store = scene_open(scene);
    check_integrity(store);
    read_state(store, after);
    assert_string_equal(before, after);
}

static void test_every_write_that_fails(void **state)
{
    sweep_store(*state, WRITES, VFS_FAILS, false);
}

static void test_every_write_that_fails_for_a_while(void **state)
{
    sweep_store(*state, WRITES, VFS_FAILS, true);
}

static void test_every_write_that_finds_the_disk_full(void **state)
{
    sweep_store(*state, WRITES, VFS_FULL, false);
}

static void test_a_disk_that_is_full_for_a_while(void **state)
{
    sweep_store(*state, WRITES, VFS_FULL, true);
}

static void test_every_write_cut_short(void **state)
{
    sweep_store(*state, VFS_WRITE, VFS_HALF, false);
}

static void test_every_write_cut_short_by_a_full_disk(void **state)
{
    sweep_store(*state, VFS_WRITE, VFS_HALF_FULL, true);
}

static void test_every_call_of_any_kind_that_fails(void **state)
{
    sweep_store(*state, ANY, VFS_FAILS, false);
}

static void test_every_call_that_finds_no_memory(void **state)
{
    sweep_store(*state, ANY, VFS_NO_MEMORY, false);
}

static void test_a_disk_that_answers_nothing_for_a_while(void **state)
{
    sweep_store(*state, ANY, VFS_FAILS, true);
}

/* ---- what lies on the disk after a failed sync ---- */

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_non_null(in);
    assert_non_null(out);
    size_t length;
    while ((length = fread(block, 1, sizeof(block), in)) > 0)
        assert_int_equal(fwrite(block, 1, length, out), length);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* What a store would hold that is opened on the files as they are now. */
static void read_state_of_copy(const struct scene *scene, char ret_state[STATE_SIZE])
{
    struct scene *copy = NULL;
    assert_int_equal(scene_setup((void **)&copy), 0);
    mkdir(copy->folder, 0700);
    copy_file(scene->database, copy->database);
    if (access(scene->wal, F_OK) == 0)
        copy_file(scene->wal, copy->wal);
    read_state(scene_open(copy), ret_state);
    check_integrity(copy->store);
    assert_int_equal(scene_teardown((void **)&copy), 0);
}

/* A COMMIT whose sync fails has written all its frames; a process that is killed before
 * the next COMMIT must not find them. */
static void test_a_write_refused_for_its_sync_is_not_there_after_a_crash(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    for (int i = 0; i < scenario_count; i++) {
        struct actor actor;
        char before[STATE_SIZE], found[STATE_SIZE];
        actor_prepare(store, &scenarios[i], &actor);
        read_state(store, before);
        faulty_vfs_begin(&(struct vfs_fault){.calls = VFS_SYNC, .nth = 1});
        int rc = call_wait(store, scenarios[i].act, &actor, NULL);
        assert_int_equal(faulty_vfs_end(), 1);
        injected++;
        assert_int_equal(rc, ERR_IO);
        read_state_of_copy(scene, found);
        assert_string_equal(before, found);
    }
}

/* ---- several writes in one transaction ---- */

#define GROUP 12

struct noted {
    struct call call; /* first */
    char key[24];
    int rc;
    _Atomic int *left;
};

static void noted_done(struct store_write *write, int rc, const struct error *err)
{
    (void)err;
    struct noted *noted = (struct noted *)write;
    noted->rc = rc;
    --*noted->left;
}

/* Waits for `left` to become 0 while a write of the test's own passes the writer, so
 * that all before it are done. */
static void write_group(struct store *store, int round, struct noted notes[GROUP])
{
    _Atomic int left = GROUP;
    for (int i = 0; i < GROUP; i++) {
        notes[i] = (struct noted){.left = &left};
        snprintf(notes[i].key, sizeof(notes[i].key), "group-%d-%02d", round, i);
        call_init(&notes[i].call, note_key, notes[i].key);
        notes[i].call.write.done = noted_done;
    }
    for (int i = 0; i < GROUP; i++)
        store_submit(store, &notes[i].call.write);
    while (left > 0)
        usleep(200);
}

static void test_each_write_of_a_failed_group_hears_the_truth(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    for (uint64_t nth = 1; nth <= 60; nth++) {
        struct noted notes[GROUP];
        faulty_vfs_begin(&(struct vfs_fault){
            .calls = ANY, .way = nth % 2 ? VFS_FAILS : VFS_NO_MEMORY, .nth = nth});
        write_group(store, (int)nth, notes);
        injected += faulty_vfs_end();
        for (int i = 0; i < GROUP; i++) {
            assert_true(is_expected(notes[i].rc, nth % 2 ? VFS_FAILS : VFS_NO_MEMORY));
            assert_int_equal(count_stored(store, notes[i].key), notes[i].rc == 0);
        }
    }
    check_integrity(store);
}

/* ---- opening, reading, checkpoints, closing ---- */

/* From nothing: makes the folder, the file, the WAL and the schema. */
static void test_opening_fails_clearly_and_succeeds_later(void **state)
{
    struct scene *scene = *state;
    for (int way = 0; way < VFS_WAYS; way++) {
        uint64_t count = 1;
        for (uint64_t nth = 1; count > 0; nth++) {
            struct error err = {0};
            faulty_vfs_begin(&(struct vfs_fault){
                .calls = ANY, .way = (enum vfs_fault_way)way, .nth = nth});
            int rc = store_open(scene->folder, &scene->store, &err);
            count = faulty_vfs_end();
            injected += count;
            if (!is_expected(rc, (enum vfs_fault_way)way))
                fail_msg("opening, way %d, nth %d: %d (%s)", way, (int)nth, rc, err.text);
            if (rc < 0)
                scene_open(scene);
            note(scene->store, "opened");
            check_integrity(scene->store);
            scene_close(scene);
            folder_remove(scene->folder);
        }
    }
}

static void test_a_reader_fails_clearly_and_the_next_one_reads(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    note(store, "there");
    scene_close(scene);
    uint64_t count = 1;
    for (uint64_t nth = 1; count > 0; nth++) {
        store = scene_open(scene); /* so that readers open their connections anew */
        struct error err = {0};
        faulty_vfs_begin(&(struct vfs_fault){.calls = VFS_READ | VFS_OPEN | VFS_SHM_MAP |
                                                      VFS_SHM_LOCK | VFS_LOCK | VFS_SIZE,
                                             .nth = nth});
        struct db *db = store_read_begin(store, &err);
        int64_t value = 0;
        int rc =
            db ? db_read_int(db, "SELECT count(*) FROM meta", &value, &err) : err.code;
        count = faulty_vfs_end();
        injected += count;
        assert_true(is_expected(rc, VFS_FAILS));
        assert_true(rc < 0 || value == 2);
        if (db)
            store_read_end(store, db);
        assert_int_equal(count_stored(store, "there"), 1);
        scene_close(scene);
    }
}

/* Copying the WAL back fails at every call: nothing is lost, and the next one does it. */
static void test_a_checkpoint_that_fails_loses_nothing(void **state)
{
    struct scene *scene = *state;
    scene_open(scene);
    scene_close(scene);
    struct db *db = NULL;
    struct error err = {0};
    assert_int_equal(db_open(scene->database, DB_WRITER, &db, &err), 0);
    char key[48];
    for (int truncate = 0; truncate < 2; truncate++) {
        uint64_t count = 1;
        for (uint64_t nth = 1; count > 0; nth++) {
            int pages = 0;
            for (int i = 0; i < 5; i++) {
                snprintf(key, sizeof(key), "k%d-%d-%d", truncate, (int)nth, i);
                assert_int_equal(note_key(db, key, &err), 0);
            }
            faulty_vfs_begin(&(struct vfs_fault){.calls = ANY, .nth = nth});
            int rc = db_checkpoint(db, truncate == 1, &pages, &err);
            count = faulty_vfs_end();
            injected += count;
            assert_true(is_expected(rc, VFS_FAILS));
            assert_int_equal(count_notes(db, key), 1);
            err = (struct error){0};
            assert_int_equal(db_checkpoint(db, truncate == 1, &pages, &err), 0);
            assert_int_equal(sql_int(db, "SELECT count(*) FROM pragma_integrity_check"
                                         " WHERE integrity_check <> 'ok'"),
                             0);
        }
    }
    int64_t stored = count_notes(db, "k");
    db_close(db);
    assert_int_equal(count_stored(scene_open(scene), "k"), stored);
}

static void test_a_store_that_closes_on_a_failing_disk_loses_nothing(void **state)
{
    struct scene *scene = *state;
    uint64_t count = 1;
    for (uint64_t nth = 1; count > 0; nth++) {
        char key[48];
        snprintf(key, sizeof(key), "closed-%03d", (int)nth);
        note(scene_open(scene), key);
        faulty_vfs_begin(
            &(struct vfs_fault){.calls = ANY, .nth = nth, .lasts = nth % 2 == 0});
        scene_close(scene);
        count = faulty_vfs_end();
        injected += count;
        assert_int_equal(count_stored(scene_open(scene), "closed-"), nth);
        check_integrity(scene->store);
        scene_close(scene);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faulty_setup, faulty_teardown)
#define FAULTS_CLAIMED 3000

static int faulty_setup(void **state)
{
    int rc = scene_setup(state);
    faulty_vfs_install(((struct scene *)*state)->parent);
    return rc;
}

static int faulty_teardown(void **state)
{
    struct scene *scene = *state;
    scene_close(scene);
    faulty_vfs_remove();
    return scene_teardown(state);
}

static void test_as_many_faults_as_claimed(void **state)
{
    (void)state;
    print_message("%llu faults, %llu writes refused\n", (unsigned long long)injected,
                  (unsigned long long)refused);
    assert_true(injected >= FAULTS_CLAIMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_write_that_fails),
        TEST(test_every_write_that_fails_for_a_while),
        TEST(test_every_write_that_finds_the_disk_full),
        TEST(test_a_disk_that_is_full_for_a_while),
        TEST(test_every_write_cut_short),
        TEST(test_every_write_cut_short_by_a_full_disk),
        TEST(test_every_call_of_any_kind_that_fails),
        TEST(test_every_call_that_finds_no_memory),
        TEST(test_a_disk_that_answers_nothing_for_a_while),
        TEST(test_a_write_refused_for_its_sync_is_not_there_after_a_crash),
        TEST(test_each_write_of_a_failed_group_hears_the_truth),
        TEST(test_opening_fails_clearly_and_succeeds_later),
        TEST(test_a_reader_fails_clearly_and_the_next_one_reads),
        TEST(test_a_checkpoint_that_fails_loses_nothing),
        TEST(test_a_store_that_closes_on_a_failing_disk_loses_nothing),
        cmocka_unit_test(test_as_many_faults_as_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
