/* What an earlier process left in the data folder is cleared at start, and only that. */
#include "http_fixture.h"

#include "base/clock.h"
#include "http/folders.h"
#include "http/route.h"
#include "store/datasets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define USED "1111111111111111111111111111111111111111111111111111111111111111"
#define ORPHAN "2222222222222222222222222222222222222222222222222222222222222222"

const struct route route_table[] = {{NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL}};

static struct http_fixture fixture;

static void path_of(const char *folder, const char *name,
                    char ret_path[FOLDERS_PATH_SIZE])
{
    assert_int_equal(folders_path(&fixture.server, folder, name, ret_path, NULL), 0);
}

static void make_file(const char *folder, const char *name)
{
    char path[FOLDERS_PATH_SIZE];
    path_of(folder, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static bool exists(const char *folder, const char *name)
{
    char path[FOLDERS_PATH_SIZE];
    path_of(folder, name, path);
    return access(path, F_OK) == 0;
}

static int insert(struct db *db, struct store_write *write, struct error *err)
{
    (void)write;
    char name[] = "used";
    char kind[] = "table";
    char facts[] = "{}";
    char preview[] = "[]";
    struct dataset_row row = {.name = name,
                              .kind = kind,
                              .facts = facts,
                              .preview = preview,
                              .created_us = clock_wall_us()};
    id_make("ds", row.id);
    memcpy(row.sha256, USED, sizeof(USED));
    memcpy(row.file_sha256, USED, sizeof(USED));
    return datasets_insert(db, &row, err);
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, false);
    struct store_write write = {.run = insert};
    assert_int_equal(store_write_wait(fixture.server.store, &write, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

static void test_the_start_clears_what_nobody_uses(void **state)
{
    (void)state;
    make_file("tmp", "ds_half");
    make_file("datasets", USED);
    make_file("datasets", ORPHAN);
    make_file("datasets", "README");
    struct error err = {0};
    assert_int_equal(folders_prepare(&fixture.server, &err), 0);
    assert_false(exists("tmp", "ds_half"));
    assert_true(exists("datasets", USED));
    assert_false(exists("datasets", ORPHAN));
    assert_true(exists("datasets", "README")); /* not ours */
}

static void test_a_file_in_use_is_not_dropped(void **state)
{
    (void)state;
    make_file("datasets", USED);
    make_file("datasets", ORPHAN);
    struct db *db = store_read_begin(fixture.server.store, NULL);
    assert_non_null(db);
    folders_drop_dataset(&fixture.server, db, USED);
    folders_drop_dataset(&fixture.server, db, ORPHAN);
    folders_drop_dataset(&fixture.server, db, ORPHAN); /* gone already */
    store_read_end(fixture.server.store, db);
    assert_true(exists("datasets", USED));
    assert_false(exists("datasets", ORPHAN));
}

static void test_the_folders_are_for_the_daemon_alone(void **state)
{
    (void)state;
    static const char *const folders[] = {"tmp", "datasets"};
    for (int i = 0; i < 2; i++) {
        char path[FOLDERS_PATH_SIZE];
        struct stat status;
        path_of(folders[i], "", path);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 077, 0);
    }
}

static void test_a_path_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char name[FOLDERS_PATH_SIZE];
    char path[FOLDERS_PATH_SIZE];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(folders_path(&fixture.server, "tmp", name, path, NULL),
                     ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_start_clears_what_nobody_uses, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_in_use_is_not_dropped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_folders_are_for_the_daemon_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_path_that_does_not_fit_is_refused, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
