/* Models and checkpoints: rows that own a sealed blob, and what goes with a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/blobs.h"
#include "store/checkpoints.h"
#include "store/events.h"
#include "store/metrics.h"
#include "store/models.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static int insert_model(struct db *db, const char *id, const char *job, int64_t blob)
{
    char text[] = "{\"x\":1}", name[] = "net";
    struct model_row row = {.name = name,
                            .blob = blob,
                            .bytes = 100,
                            .sha256 = TEST_SHA256,
                            .parameter_count = 25,
                            .spec = text,
                            .facts = text,
                            .preprocessing = text,
                            .formats = text,
                            .metrics = text,
                            .created_us = TEST_NOW};
    snprintf(row.id, sizeof(row.id), "%s", id);
    snprintf(row.job, sizeof(row.job), "%s", job);
    return models_insert(db, &row, NULL);
}

static int insert_checkpoint(struct db *db, const char *id, const char *job,
                             int64_t lease, const char *kind, int64_t step, int keep)
{
    char metrics[] = "{\"loss\":0.5}";
    struct checkpoint_row row = {.step = step,
                                 .epoch = 1.5,
                                 .blob = make_blob(db, 1000, (unsigned char)step),
                                 .metrics = metrics,
                                 .created_us = TEST_NOW + step};
    snprintf(row.id, sizeof(row.id), "%s", id);
    snprintf(row.kind, sizeof(row.kind), "%s", kind);
    return checkpoints_insert(db, job, lease, &row, keep, NULL);
}

static void test_a_model_comes_back_as_it_was_inserted(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    make_running_job(db, job);
    int64_t blob = make_blob(db, 100, 7);
    assert_int_equal(insert_model(db, "mdl_1", job, blob), 0);
    struct model_row row;
    struct error err = {0};
    assert_int_equal(models_get(db, "mdl_1", &row, &err), 0);
    assert_string_equal(row.id, "mdl_1");
    assert_string_equal(row.job, job);
    assert_string_equal(row.name, "net");
    assert_int_equal(row.blob, blob);
    assert_int_equal(row.bytes, 100);
    assert_string_equal(row.sha256, TEST_SHA256);
    assert_int_equal(row.parameter_count, 25);
    assert_string_equal(row.spec, "{\"x\":1}");
    assert_string_equal(row.facts, "{\"x\":1}");
    assert_string_equal(row.preprocessing, "{\"x\":1}");
    assert_string_equal(row.formats, "{\"x\":1}");
    assert_string_equal(row.metrics, "{\"x\":1}");
    assert_int_equal(row.created_us, TEST_NOW);
    model_row_release(&row);
    assert_int_equal(models_get(db, "mdl_2", &row, NULL), ERR_NOT_FOUND);
}

static void test_a_model_needs_a_job_and_a_sealed_blob_of_its_own(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    make_running_job(db, job);
    int64_t unsealed = 0, blob = make_blob(db, 10, 1);
    struct error err = {0};
    assert_int_equal(blobs_create(db, &unsealed, &err), 0);
    assert_int_equal(insert_model(db, "mdl_1", job, unsealed), ERR_CONFLICT);
    assert_int_equal(insert_model(db, "mdl_1", "job_none", blob), ERR_CONFLICT);
    assert_int_equal(insert_model(db, "mdl_1", job, blob), 0);
    assert_int_equal(insert_model(db, "mdl_2", job, blob), ERR_CONFLICT);
    assert_int_equal(blobs_delete(db, blob, NULL), ERR_CONFLICT); /* it is owned */
}

static void test_the_list_has_the_newest_first_without_large_texts(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    make_running_job(db, job);
    for (int i = 0; i < 5; i++) {
        char id[ID_SIZE];
        snprintf(id, sizeof(id), "mdl_%d", i);
        assert_int_equal(insert_model(db, id, job, make_blob(db, 10, 1)), 0);
    }
    struct page page = {.limit = 3};
    struct model_row *rows = NULL;
    size_t count = 0;
    bool more = false;
    struct error err = {0};
    assert_int_equal(models_list(db, &page, &rows, &count, &more, &err), 0);
    assert_int_equal(count, 3);
    assert_true(more);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].id[4], '4' - (int)i);
        assert_null(rows[i].spec);
        assert_null(rows[i].facts);
        assert_non_null(rows[i].metrics);
        model_row_release(&rows[i]);
    }
    free(rows);
    page.after = "mdl_2";
    assert_int_equal(models_list(db, &page, &rows, &count, &more, &err), 0);
    assert_int_equal(count, 2);
    assert_false(more);
    for (size_t i = 0; i < count; i++)
        model_row_release(&rows[i]);
    free(rows);
}

static void test_a_deleted_model_takes_its_blob_and_leaves_its_job(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    struct job_end end = {
        .status = JOB_SUCCEEDED, .stop_reason = "completed", .model = "mdl_1"};
    struct error err = {0};
    assert_int_equal(insert_model(db, "mdl_1", job, make_blob(db, 100, 1)), 0);
    assert_int_equal(jobs_finish(db, job, lease, &end, &err), 0);
    assert_int_equal(models_delete(db, "mdl_1", &err), 0);
    assert_int_equal(models_delete(db, "mdl_1", NULL), ERR_NOT_FOUND);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blobs"), 0);
    struct job_row row;
    assert_int_equal(jobs_get(db, job, &row, &err), 0);
    assert_string_equal(row.model, "");
    assert_int_equal(row.status, JOB_SUCCEEDED);
    job_row_release(&row);
}

static void test_only_the_newest_checkpoints_of_a_kind_are_kept(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    assert_int_equal(insert_checkpoint(db, "ckpt_b", job, lease, "best", 1, 1), 0);
    for (int i = 0; i < 5; i++) {
        char id[ID_SIZE];
        snprintf(id, sizeof(id), "ckpt_%d", i);
        assert_int_equal(insert_checkpoint(db, id, job, lease, "latest", 10 + i, 2), 0);
    }
    struct checkpoint_row *rows = NULL;
    size_t count = 0;
    struct error err = {0};
    assert_int_equal(checkpoints_list(db, job, &rows, &count, &err), 0);
    assert_int_equal(count, 3);
    const char *const ids[] = {"ckpt_4", "ckpt_3", "ckpt_b"};
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rows[i].id, ids[i]);
        assert_string_equal(rows[i].kind, i < 2 ? "latest" : "best");
        assert_int_equal(rows[i].bytes, 1000);
        assert_string_equal(rows[i].sha256, TEST_SHA256);
        assert_string_equal(rows[i].metrics, "{\"loss\":0.5}");
        checkpoint_row_release(&rows[i]);
    }
    free(rows);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blobs"), 3);
    assert_int_equal(checkpoints_delete_all(db, job, &err), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blob_chunks"), 0);
}

static void test_a_checkpoint_needs_the_lease_and_a_place(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    assert_int_equal(insert_checkpoint(db, "c", job, lease + 1, "latest", 1, 1),
                     ERR_CONFLICT);
    assert_int_equal(insert_checkpoint(db, "c", "job_none", lease, "latest", 1, 1),
                     ERR_NOT_FOUND);
    assert_int_equal(insert_checkpoint(db, "c", job, lease, "latest", 1, 0), ERR_INVALID);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM checkpoints"), 0);
}

static void test_a_job_takes_all_that_it_owns_with_it(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE], other[ID_SIZE];
    make_job(db, 0, "{\"team\":\"kept\"}", other);
    make_job(db, 0, "{\"team\":\"gone\"}", job);
    int64_t lease = 0;
    struct error err = {0};
    assert_int_equal(jobs_start(db, job, TEST_NOW, &lease, &err), 0);
    const char *const names[] = {"loss"};
    const double values[] = {0.5};
    struct metric_row point = {.step = 1, .count = 1, .names = names, .values = values};
    assert_int_equal(metrics_append(db, job, lease, &point, 1, &err), 0);
    assert_int_equal(insert_checkpoint(db, "ckpt_1", job, lease, "latest", 1, 1), 0);
    assert_int_equal(insert_model(db, "mdl_1", job, make_blob(db, 100, 1)), 0);
    struct job_end end = {.status = JOB_SUCCEEDED, .stop_reason = "completed"};
    assert_int_equal(jobs_finish(db, job, lease, &end, &err), 0);
    assert_int_equal(jobs_delete(db, job, &err), 0);
    const char *const emptied[] = {
        "SELECT count(*) FROM blobs",
        "SELECT count(*) FROM blob_chunks",
        "SELECT count(*) FROM blob_seals",
        "SELECT count(*) FROM checkpoints",
        "SELECT count(*) FROM models",
        "SELECT count(*) FROM metric_points",
        "SELECT count(*) FROM metric_sets",
        "SELECT count(*) FROM job_metadata WHERE value = 'gone'"};
    for (size_t i = 0; i < sizeof(emptied) / sizeof(emptied[0]); i++)
        assert_int_equal(sql_int(db, emptied[i]), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM events"), 1); /* the other's */
    assert_int_equal(sql_int(db, "SELECT count(*) FROM job_specs"), 1);
    assert_int_equal(status_of(db, other), JOB_QUEUED);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_model_comes_back_as_it_was_inserted),
        TEST(test_a_model_needs_a_job_and_a_sealed_blob_of_its_own),
        TEST(test_the_list_has_the_newest_first_without_large_texts),
        TEST(test_a_deleted_model_takes_its_blob_and_leaves_its_job),
        TEST(test_only_the_newest_checkpoints_of_a_kind_are_kept),
        TEST(test_a_checkpoint_needs_the_lease_and_a_place),
        TEST(test_a_job_takes_all_that_it_owns_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
