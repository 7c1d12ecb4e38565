/* The store as a whole: opening and refusing, the lock, snapshots, many threads at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/schema.h"
#include "store_scene.h"

#include <glob.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A database at the store's place that the store did not make. */
static void make_database(struct scene *scene, const char *sql)
{
    sqlite3 *handle = NULL;
    mkdir(scene->folder, 0700);
    assert_int_equal(sqlite3_open(scene->database, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static int count_migrations(void)
{
    glob_t found;
    assert_int_equal(glob("migrations/*.sql", 0, NULL, &found), 0);
    int count = (int)found.gl_pathc;
    globfree(&found);
    return count;
}

static void test_makes_the_folder_and_the_schema_from_nothing(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    struct stat status;
    assert_int_equal(stat(scene->folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    uint64_t bytes = 0;
    int version = 0;
    assert_int_equal(store_info(store, &bytes, &version), 0);
    assert_int_equal(version, count_migrations());
    assert_true(bytes > 4096);
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_int_equal(sql_int(db, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
    assert_int_equal(sql_int(db, "PRAGMA user_version"), version);
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
    note(scene_open(scene), "kept");
    scene_close(scene);
    assert_int_not_equal(access(scene->wal, F_OK), 0);
    assert_int_equal(count_stored(scene_open(scene), "kept"), 1);
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
    assert_int_not_equal(access(scene->wal, F_OK), 0);
}

static void test_refuses_a_foreign_application_id(void **state)
{
    make_database(*state, "PRAGMA application_id = 77; PRAGMA user_version = 1");
    refused_with(*state, ERR_CORRUPT, "another program");
}

static void test_refuses_a_newer_schema_and_says_what_to_do(void **state)
{
    struct scene *scene = *state;
    scene_open(scene);
    scene_close(scene);
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
    scene_open(scene);
    for (int i = 0; i < 2; i++) {
        close(to_parent[i]);
        close(to_child[i]);
    }
}

static void test_a_reader_keeps_its_snapshot(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
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
    struct store *store = scene_open(scene);
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    char key[] = "sneaky";
    assert_int_equal(note_key(db, key, &err), ERR_IO);
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
    struct store *store = scene_open(scene);
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
        TEST(test_a_reader_keeps_its_snapshot),
        TEST(test_a_reader_cannot_write),
        TEST(test_forty_threads_write_and_read_what_they_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
