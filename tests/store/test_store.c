/*
 * The store as a whole: opening and refusing, the lock, groups of writes, snapshots. The
 * order of things is made certain by a write that waits at a gate on the writer thread,
 * so that what is submitted meanwhile is one group.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/schema.h"
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct scene {
    char parent[FOLDER_SIZE];
    char folder[FOLDER_SIZE + 16];
    char database[FOLDER_SIZE + 32];
    struct store *store;
};

static int scene_setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    folder_make(scene->parent);
    snprintf(scene->folder, sizeof(scene->folder), "%s/data", scene->parent);
    snprintf(scene->database, sizeof(scene->database), "%s/backpropd.db", scene->folder);
    *state = scene;
    return 0;
}

static int scene_teardown(void **state)
{
    struct scene *scene = *state;
    store_close(scene->store);
    if (access(scene->folder, F_OK) == 0)
        folder_remove(scene->folder);
    folder_remove(scene->parent);
    free(scene);
    return 0;
}

static struct store *open_scene(struct scene *scene)
{
    struct error err = {0};
    assert_int_equal(store_open(scene->folder, &scene->store, &err), 0);
    return scene->store;
}

static void close_scene(struct scene *scene)
{
    store_close(scene->store);
    scene->store = NULL;
}

/* A database at the store's place that the store did not make. */
static void make_database(struct scene *scene, const char *sql)
{
    sqlite3 *handle = NULL;
    mkdir(scene->folder, 0700);
    assert_int_equal(sqlite3_open(scene->database, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static int note_value(struct db *db, void *argument, struct error *err)
{
    struct query q;
    query_begin(&q, db, "INSERT INTO meta (key, value) VALUES (:key, 'x')");
    query_bind_text(&q, ":key", argument);
    return query_run(&q, err);
}

static char *name_of(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

static void note(struct store *store, const char *key)
{
    struct error err = {0};
    char *copy = name_of(key);
    assert_int_equal(call_wait(store, note_value, copy, &err), 0);
    free(copy);
}

/* How many keys with this prefix were noted. */
static int64_t count_notes(struct db *db, const char *prefix)
{
    struct query q;
    struct error err = {0};
    query_begin(&q, db, "SELECT count(*) FROM meta WHERE key GLOB :prefix || '*'");
    query_bind_text(&q, ":prefix", prefix);
    assert_int_equal(query_step(&q, &err), 1);
    int64_t count = query_int(&q, 0);
    query_end(&q);
    return count;
}

static int64_t count_stored(struct store *store, const char *prefix)
{
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_non_null(db);
    int64_t count = count_notes(db, prefix);
    store_read_end(store, db);
    return count;
}

static void test_makes_the_folder_and_the_schema_from_nothing(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct stat status;
    assert_int_equal(stat(scene->folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    uint64_t bytes = 0;
    int version = 0;
    assert_int_equal(store_info(store, &bytes, &version), 0);
    assert_int_equal(version, 1);
    assert_true(bytes > 4096);
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_int_equal(sql_int(db, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
    assert_int_equal(sql_int(db, "PRAGMA user_version"), 1);
    assert_int_equal(sql_int(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(sql_int(db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(sql_int(db, "PRAGMA synchronous"), 2);
    assert_int_equal(sql_int(db, "PRAGMA secure_delete"), 0);
    assert_int_equal(sql_int(db, "PRAGMA cell_size_check"), 1);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM pragma_table_list WHERE type ="
                                 " 'table' AND schema = 'main' AND NOT strict"
                                 " AND name NOT LIKE 'sqlite_%'"),
                     0);
    store_read_end(store, db);
}

static void test_reopening_keeps_what_was_written_and_leaves_no_wal(void **state)
{
    struct scene *scene = *state;
    note(open_scene(scene), "kept");
    close_scene(scene);
    char wal[FOLDER_SIZE + 64];
    snprintf(wal, sizeof(wal), "%s-wal", scene->database);
    assert_int_not_equal(access(wal, F_OK), 0);
    assert_int_equal(count_stored(open_scene(scene), "kept"), 1);
}

static void refused_with(struct scene *scene, int code, const char *part)
{
    struct error err = {0};
    assert_int_equal(store_open(scene->folder, &scene->store, &err), code);
    assert_null(scene->store);
    assert_non_null(strstr(err.text, part));
    assert_null(strstr(err.text, scene->parent)); /* no path in a text for users */
}

static void test_refuses_a_database_of_another_program_and_leaves_it_alone(void **state)
{
    struct scene *scene = *state;
    make_database(scene, "CREATE TABLE theirs (x); PRAGMA user_version = 1");
    refused_with(scene, ERR_CORRUPT, "another program");
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(scene->database, &handle), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(handle, "INSERT INTO theirs VALUES (1)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(handle);
    char wal[FOLDER_SIZE + 64];
    snprintf(wal, sizeof(wal), "%s-wal", scene->database);
    assert_int_not_equal(access(wal, F_OK), 0);
}

static void test_refuses_a_foreign_application_id(void **state)
{
    make_database(*state, "PRAGMA application_id = 77; PRAGMA user_version = 1");
    refused_with(*state, ERR_CORRUPT, "another program");
}

static void test_refuses_a_newer_schema_and_says_what_to_do(void **state)
{
    struct scene *scene = *state;
    open_scene(scene);
    close_scene(scene);
    make_database(scene, "PRAGMA user_version = 999");
    refused_with(scene, ERR_CORRUPT, "newer backpropd (schema 999");
}

static void test_refuses_a_file_that_is_no_database(void **state)
{
    struct scene *scene = *state;
    mkdir(scene->folder, 0700);
    FILE *file = fopen(scene->database, "w");
    for (int i = 0; i < 2000; i++)
        fputs("not a database ", file);
    fclose(file);
    refused_with(scene, ERR_CORRUPT, "not a database");
}

static void test_refuses_a_folder_that_cannot_be_made(void **state)
{
    struct scene *scene = *state;
    snprintf(scene->folder, sizeof(scene->folder), "/dev/null/x");
    struct error err = {0};
    assert_int_equal(store_open(scene->folder, &scene->store, &err), ERR_IO);
    snprintf(scene->folder, sizeof(scene->folder), "%s/data", scene->parent);
}

static void test_a_second_process_is_refused_until_the_first_has_closed(void **state)
{
    struct scene *scene = *state;
    int to_parent[2], to_child[2];
    assert_int_equal(pipe(to_parent), 0);
    assert_int_equal(pipe(to_child), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;
        char byte = store_open(scene->folder, &store, NULL) == 0 ? 'y' : 'n';
        ssize_t got = write(to_parent[1], &byte, 1);
        got += read(to_child[0], &byte, 1);
        store_close(store);
        _exit(got == 2 ? 0 : 1);
    }
    char byte = 0;
    assert_int_equal(read(to_parent[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    refused_with(scene, ERR_BUSY, "another backpropd uses this data folder");
    assert_int_equal(write(to_child[1], &byte, 1), 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    open_scene(scene);
    for (int i = 0; i < 2; i++) {
        close(to_parent[i]);
        close(to_child[i]);
    }
}

/* What happens on the writer thread, as it happens. */
struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;    /* the gate */
    bool reached; /* a write waits at the gate */
    int done_count;
    int order[1024];
    int codes[1024];
};

static void record_init(struct record *record)
{
    *record = (struct record){.open = false};
    pthread_mutex_init(&record->lock, NULL);
    pthread_cond_init(&record->changed, NULL);
}

/* One recorded write. `fails` is the code that its run returns after having written. */
struct step {
    struct store_write write; /* first */
    struct record *record;
    struct store *store;
    const char *key;
    int number;
    int fails;
    bool gate;
    struct step *after; /* submitted from `done` */
};

static int run_step(struct db *db, struct store_write *write, struct error *err)
{
    struct step *step = (struct step *)write;
    struct record *record = step->record;
    if (step->gate) {
        pthread_mutex_lock(&record->lock);
        record->reached = true;
        pthread_cond_broadcast(&record->changed);
        while (!record->open)
            pthread_cond_wait(&record->changed, &record->lock);
        pthread_mutex_unlock(&record->lock);
    }
    char key[64];
    snprintf(key, sizeof(key), "%s%d", step->key, step->number);
    int rc = note_value(db, key, err);
    if (rc == 0 && step->fails < 0)
        rc = error_set(err, step->fails, "as it was told");
    return rc;
}

static void step_done(struct store_write *write, int rc, const struct error *err)
{
    struct step *step = (struct step *)write;
    struct record *record = step->record;
    assert_int_equal(rc < 0, err->code < 0);
    if (step->after)
        store_submit(step->store, &step->after->write);
    pthread_mutex_lock(&record->lock);
    record->order[record->done_count] = step->number;
    record->codes[record->done_count] = rc;
    record->done_count++;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

static void step_init(struct step *step, struct record *record, struct store *store,
                      const char *key, int number)
{
    *step = (struct step){.write = {.run = run_step, .done = step_done},
                          .record = record,
                          .store = store,
                          .key = key,
                          .number = number};
}

static void await_done(struct record *record, int count)
{
    pthread_mutex_lock(&record->lock);
    while (record->done_count < count)
        pthread_cond_wait(&record->changed, &record->lock);
    pthread_mutex_unlock(&record->lock);
}

/* Holds the writer inside a write. */
static void close_gate(struct step *gate, struct store *store)
{
    gate->gate = true;
    store_submit(store, &gate->write);
    pthread_mutex_lock(&gate->record->lock);
    while (!gate->record->reached)
        pthread_cond_wait(&gate->record->changed, &gate->record->lock);
    pthread_mutex_unlock(&gate->record->lock);
}

static void open_gate(struct record *record)
{
    pthread_mutex_lock(&record->lock);
    record->open = true;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

static void test_writes_are_done_in_order_and_a_failing_one_fails_alone(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct record record;
    record_init(&record);
    struct step gate, steps[600];
    step_init(&gate, &record, store, "gate", 0);
    close_gate(&gate, store);
    for (int i = 0; i < 600; i++) {
        step_init(&steps[i], &record, store, "step", i + 1);
        steps[i].fails = i % 3 == 1 ? ERR_CONFLICT : 0;
        store_submit(store, &steps[i].write);
    }
    open_gate(&record);
    await_done(&record, 601);
    for (int i = 0; i < 601; i++) {
        assert_int_equal(record.order[i], i);
        assert_int_equal(record.codes[i], i % 3 == 2 ? ERR_CONFLICT : 0);
    }
    assert_int_equal(count_stored(store, "step"), 400);
}

static void test_a_write_is_visible_to_readers_when_done_is_called(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        note(store, key);
        assert_int_equal(count_stored(store, "k"), i + 1);
    }
}

static void test_done_may_submit_another_write(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct record record;
    record_init(&record);
    struct step steps[5];
    for (int i = 0; i < 5; i++)
        step_init(&steps[i], &record, store, "chain", i);
    for (int i = 0; i < 4; i++)
        steps[i].after = &steps[i + 1];
    store_submit(store, &steps[0].write);
    await_done(&record, 5);
    assert_int_equal(count_stored(store, "chain"), 5);
}

static void test_closing_runs_what_is_queued(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct record record;
    record_init(&record);
    struct step gate, steps[100];
    step_init(&gate, &record, store, "gate", 0);
    close_gate(&gate, store);
    for (int i = 0; i < 100; i++) {
        step_init(&steps[i], &record, store, "late", i + 1);
        store_submit(store, &steps[i].write);
    }
    open_gate(&record);
    close_scene(scene);
    assert_int_equal(record.done_count, 101);
    assert_int_equal(count_stored(open_scene(scene), "late"), 100);
}

/* store_close() on a thread of its own, to look at the store meanwhile. */
static void *close_on_thread(void *argument)
{
    store_close(argument);
    return NULL;
}

/* Waits until the closing has begun: a write submitted before is queued, one submitted
 * after is cancelled at once. */
static void test_a_write_after_closing_began_is_cancelled(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct record record;
    record_init(&record);
    struct step gate, last;
    static struct step probes[1000];
    step_init(&gate, &record, store, "gate", -1);
    step_init(&last, &record, store, "last", 5000);
    close_gate(&gate, store);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_on_thread, store), 0);
    int probe = 0;
    bool refused = false;
    while (!refused && probe < 1000) {
        step_init(&probes[probe], &record, store, "probe", probe);
        store_submit(store, &probes[probe++].write);
        pthread_mutex_lock(&record.lock);
        refused = record.done_count > 0;
        pthread_mutex_unlock(&record.lock);
        usleep(1000);
    }
    assert_true(refused);
    assert_int_equal(record.codes[0], ERR_CANCELLED);
    store_submit(store, &last.write);
    assert_int_equal(record.order[1], 5000);
    assert_int_equal(record.codes[1], ERR_CANCELLED);
    open_gate(&record);
    pthread_join(thread, NULL);
    scene->store = NULL;
    assert_int_equal(count_stored(open_scene(scene), "probe"), probe - 1);
}

static void test_waiting_passes_on_the_error_of_the_write(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    note(store, "once");
    struct error err = {0};
    char key[] = "once";
    assert_int_equal(call_wait(store, note_value, key, &err), ERR_CONFLICT);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_true(err.text[0] != '\0');
    assert_null(strstr(err.text, "INSERT"));
}

static void test_a_reader_keeps_its_snapshot(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_non_null(db);
    note(store, "new");
    assert_int_equal(count_notes(db, "new"), 0);
    store_read_end(store, db);
    assert_int_equal(count_stored(store, "new"), 1);
}

static void test_a_reader_cannot_write(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    char key[] = "sneaky";
    assert_int_equal(note_value(db, key, &err), ERR_IO);
    store_read_end(store, db);
    assert_int_equal(count_stored(store, "sneaky"), 0);
}

/* Writers and readers at once; for ThreadSanitizer as well. */
struct crowd {
    struct store *store;
    int number;
};

static void *crowd_main(void *argument)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < 20; i++) {
        char key[48], prefix[32];
        snprintf(prefix, sizeof(prefix), "c%02d-", crowd->number);
        snprintf(key, sizeof(key), "%s%02d", prefix, i);
        note(crowd->store, key);
        assert_int_equal(count_stored(crowd->store, prefix), i + 1);
    }
    return NULL;
}

static void test_forty_threads_write_and_read_what_they_wrote(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    pthread_t threads[40]; /* more than there are connections */
    struct crowd crowd[40];
    for (int i = 0; i < 40; i++) {
        crowd[i] = (struct crowd){store, i};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowd[i]), 0);
    }
    for (int i = 0; i < 40; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_stored(store, "c"), 40 * 20 + 1); /* and created_at */
}

static int fill(struct db *db, void *argument, struct error *err)
{
    struct query q;
    query_begin(&q, db, "INSERT INTO meta (key, value) VALUES (:key, hex(zeroblob(:n)))");
    query_bind_text(&q, ":key", argument);
    query_bind_int(&q, ":n", 300000);
    return query_run(&q, err);
}

/* In a process of its own: a limit on the size of files stands for the full disk. */
static int live_on_a_full_disk(struct scene *scene)
{
    struct store *store = NULL;
    if (store_open(scene->folder, &store, NULL) < 0)
        return 1;
    struct rlimit unlimited, limit;
    getrlimit(RLIMIT_FSIZE, &unlimited);
    limit = unlimited;
    limit.rlim_cur = 400000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    struct record record;
    record_init(&record);
    struct step gate, early;
    step_init(&gate, &record, store, "gate", 0);
    step_init(&early, &record, store, "early", 1);
    struct call big;
    char key[] = "big";
    call_init(&big, fill, key);
    close_gate(&gate, store); /* one group: gate, early, big */
    store_submit(store, &early.write);
    store_submit(store, &big.write);
    open_gate(&record);
    await_done(&record, 2);
    int failures = 0;
    failures += record.codes[0] != ERR_NO_SPACE || record.codes[1] != ERR_NO_SPACE;
    setrlimit(RLIMIT_FSIZE, &unlimited);
    struct error err = {0};
    char after[] = "after";
    failures += call_wait(store, note_value, after, &err) != 0;
    failures += call_wait(store, fill, key, &err) != 0;
    failures += count_stored(store, "gate") != 0 || count_stored(store, "early") != 0;
    store_close(store);
    return failures;
}

static void test_a_full_disk_fails_the_group_and_the_store_lives_on(void **state)
{
    struct scene *scene = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(live_on_a_full_disk(scene));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct store *store = open_scene(scene);
    assert_int_equal(count_stored(store, "after"), 1);
    assert_int_equal(count_stored(store, "big"), 1);
    assert_int_equal(count_stored(store, "gate"), 0);
}

/* Three groups of 20 MiB: more than a checkpoint's worth each. */
static void test_the_wal_does_not_grow_without_end(void **state)
{
    struct scene *scene = *state;
    struct store *store = open_scene(scene);
    uint64_t bytes = 0;
    int version;
    for (int i = 0; i < 150; i++) {
        char key[32];
        snprintf(key, sizeof(key), "big%d", i);
        struct error err = {0};
        assert_int_equal(call_wait(store, fill, key, &err), 0);
    }
    char wal[FOLDER_SIZE + 64];
    snprintf(wal, sizeof(wal), "%s-wal", scene->database);
    struct stat status;
    assert_int_equal(stat(wal, &status), 0);
    assert_true(status.st_size < 40 << 20);
    assert_int_equal(store_info(store, &bytes, &version), 0);
    assert_true(bytes > 80 << 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_makes_the_folder_and_the_schema_from_nothing),
        TEST(test_reopening_keeps_what_was_written_and_leaves_no_wal),
        TEST(test_refuses_a_database_of_another_program_and_leaves_it_alone),
        TEST(test_refuses_a_foreign_application_id),
        TEST(test_refuses_a_newer_schema_and_says_what_to_do),
        TEST(test_refuses_a_file_that_is_no_database),
        TEST(test_refuses_a_folder_that_cannot_be_made),
        TEST(test_a_second_process_is_refused_until_the_first_has_closed),
        TEST(test_writes_are_done_in_order_and_a_failing_one_fails_alone),
        TEST(test_a_write_is_visible_to_readers_when_done_is_called),
        TEST(test_done_may_submit_another_write),
        TEST(test_closing_runs_what_is_queued),
        TEST(test_a_write_after_closing_began_is_cancelled),
        TEST(test_waiting_passes_on_the_error_of_the_write),
        TEST(test_a_reader_keeps_its_snapshot),
        TEST(test_a_reader_cannot_write),
        TEST(test_forty_threads_write_and_read_what_they_wrote),
        TEST(test_a_full_disk_fails_the_group_and_the_store_lives_on),
        TEST(test_the_wal_does_not_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
