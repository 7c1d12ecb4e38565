/* Datasets: rows, pages, and that what a job needs is not deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static void test_a_dataset_comes_back_as_it_was_inserted(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    struct dataset_row row;
    struct error err = {0};
    assert_int_equal(datasets_get(db, "ds_1", &row, &err), 0);
    assert_string_equal(row.id, "ds_1");
    assert_string_equal(row.name, "digits");
    assert_string_equal(row.kind, "table");
    assert_string_equal(row.sha256, TEST_SHA256);
    assert_string_equal(row.file_sha256, TEST_SHA256);
    assert_int_equal(row.bytes, 100);
    assert_int_equal(row.file_bytes, 80);
    assert_string_equal(row.facts, "{}");
    assert_string_equal(row.preview, "[]");
    assert_int_equal(row.created_us, TEST_NOW);
    dataset_row_release(&row);
}

static void test_an_unknown_dataset_is_not_found(void **state)
{
    struct dataset_row row;
    struct error err = {0};
    assert_int_equal(datasets_get(db_of(state), "ds_none", &row, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "there is no such dataset");
    char file[DIGEST_HEX_SIZE];
    bool last;
    assert_int_equal(datasets_delete(db_of(state), "ds_none", file, &last, NULL),
                     ERR_NOT_FOUND);
}

static void test_the_same_id_twice_is_a_conflict(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    struct dataset_row row;
    struct error err = {0};
    assert_int_equal(datasets_get(db, "ds_1", &row, &err), 0);
    assert_int_equal(datasets_insert(db, &row, &err), ERR_CONFLICT);
    dataset_row_release(&row);
}

static void test_pages_go_from_newest_to_oldest_without_previews(void **state)
{
    struct db *db = db_of(state);
    for (int i = 0; i < 25; i++) {
        char id[ID_SIZE];
        snprintf(id, sizeof(id), "ds_%02d", i);
        make_dataset(db, id);
    }
    char after[ID_SIZE] = "";
    bool more = true;
    int seen = 0;
    while (more) {
        struct page page = {.limit = 10, .after = after[0] ? after : NULL};
        struct dataset_row *rows = NULL;
        size_t count = 0;
        struct error err = {0};
        assert_int_equal(datasets_list(db, &page, &rows, &count, &more, &err), 0);
        for (size_t i = 0; i < count; i++, seen++) {
            char expected[ID_SIZE];
            snprintf(expected, sizeof(expected), "ds_%02d", 24 - seen);
            assert_string_equal(rows[i].id, expected);
            assert_null(rows[i].preview);
            memcpy(after, rows[i].id, sizeof(after));
            dataset_row_release(&rows[i]);
        }
        free(rows);
    }
    assert_int_equal(seen, 25);
}

static void test_a_page_has_bounds(void **state)
{
    const int limits[] = {0, -1, PAGE_MAX + 1};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct page page = {.limit = limits[i]};
        struct dataset_row *rows = NULL;
        size_t count;
        bool more;
        assert_int_equal(datasets_list(db_of(state), &page, &rows, &count, &more, NULL),
                         ERR_INVALID);
        assert_null(rows);
    }
}

static void test_a_shared_file_goes_with_its_last_dataset(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    make_dataset(db, "ds_2");
    char file[DIGEST_HEX_SIZE] = "";
    bool last = true, used = false;
    struct error err = {0};
    assert_int_equal(datasets_delete(db, "ds_1", file, &last, &err), 0);
    assert_string_equal(file, TEST_SHA256);
    assert_false(last);
    assert_int_equal(datasets_file_used(db, file, &used, &err), 0);
    assert_true(used);
    assert_int_equal(datasets_delete(db, "ds_2", file, &last, &err), 0);
    assert_true(last);
    assert_int_equal(datasets_file_used(db, file, &used, &err), 0);
    assert_false(used);
}

static void test_a_dataset_is_kept_while_a_job_needs_it(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE], file[DIGEST_HEX_SIZE];
    make_job(db, 0, NULL, job);
    struct job_row row;
    struct error err = {0};
    assert_int_equal(jobs_get(db, job, &row, &err), 0);
    bool last, changed;
    assert_int_equal(datasets_delete(db, row.dataset, file, &last, NULL), ERR_CONFLICT);
    enum job_status status;
    assert_int_equal(
        jobs_act(db, job, JOB_ACTION_CANCEL, TEST_NOW, &status, &changed, &err), 0);
    assert_int_equal(datasets_delete(db, row.dataset, file, &last, &err), 0);
    job_row_release(&row);
    assert_int_equal(jobs_get(db, job, &row, &err), 0); /* the job still tells of it */
    assert_true(row.dataset[0] != '\0');
    job_row_release(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_dataset_comes_back_as_it_was_inserted),
        TEST(test_an_unknown_dataset_is_not_found),
        TEST(test_the_same_id_twice_is_a_conflict),
        TEST(test_pages_go_from_newest_to_oldest_without_previews),
        TEST(test_a_page_has_bounds),
        TEST(test_a_shared_file_goes_with_its_last_dataset),
        TEST(test_a_dataset_is_kept_while_a_job_needs_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
