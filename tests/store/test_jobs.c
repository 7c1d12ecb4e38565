/* Jobs as rows: inserting once, lists, filters, the queue, counts, and what goes with a
 * job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/events.h"
#include "store_fixture.h"

#include "base/rng.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#define OTHER_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DAY_US (INT64_C(24) * 3600 * 1000000)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static void test_a_job_comes_back_as_it_was_inserted(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    make_job(db, 7, "{\"team\":\"vision\"}", id);
    struct job_row row;
    struct error err = {0};
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_string_equal(row.id, id);
    assert_string_equal(row.name, "a job");
    assert_string_equal(row.dataset, "ds_shared");
    assert_int_equal(row.status, JOB_QUEUED);
    assert_null(row.stop_reason);
    assert_int_equal(row.priority, 7);
    assert_int_equal(row.threads, 1);
    assert_int_equal(row.attempt, 0);
    assert_int_equal(row.max_attempts, 3);
    assert_int_equal(row.lease, 0);
    assert_string_equal(row.spec, "{\"epochs\":1}");
    assert_string_equal(row.metadata, "{\"team\":\"vision\"}");
    assert_null(row.progress);
    assert_null(row.metrics);
    assert_null(row.error);
    assert_string_equal(row.model, "");
    assert_string_equal(row.weights_sha256, "");
    assert_int_equal(row.created_us, TEST_NOW);
    assert_int_equal(row.started_us, 0);
    assert_int_equal(row.finished_us, 0);
    job_row_release(&row);
}

static void test_an_unknown_job_is_not_found(void **state)
{
    struct job_row row;
    int64_t number;
    struct error err = {0};
    assert_int_equal(jobs_get(db_of(state), "job_none", &row, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "there is no such job");
    assert_int_equal(jobs_queue_position(db_of(state), "job_none", &number, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(jobs_delete(db_of(state), "job_none", NULL), ERR_NOT_FOUND);
}

/* Inserts a job with a key; its ID and what jobs_insert() said. */
static int insert_keyed(struct db *db, const char *key, const char *body, int64_t now_us,
                        char ret_id[ID_SIZE], char ret_existing[ID_SIZE])
{
    char name[] = "keyed", spec[] = "{}";
    struct job_row row = {.name = name,
                          .threads = 1,
                          .max_attempts = 3,
                          .spec = spec,
                          .created_us = now_us};
    id_make("job", row.id);
    memcpy(row.dataset, "ds_1", 5);
    memcpy(ret_id, row.id, sizeof(row.id));
    return jobs_insert(db, &row, key, body, ret_existing, NULL);
}

static void test_a_job_on_no_dataset_is_refused_at_its_pointer(void **state)
{
    char name[] = "x", spec[] = "{}", existing[ID_SIZE];
    struct job_row row = {
        .id = "job_1", .name = name, .dataset = "ds_none", .spec = spec};
    struct error err = {0};
    assert_int_equal(jobs_insert(db_of(state), &row, NULL, NULL, existing, &err),
                     ERR_NOT_FOUND);
    assert_string_equal(err.pointer, "/dataset");
}

static void test_the_same_key_and_body_give_the_same_job(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    char first[ID_SIZE], second[ID_SIZE], existing[ID_SIZE];
    assert_int_equal(insert_keyed(db, "k", TEST_SHA256, TEST_NOW, first, existing), 0);
    assert_string_equal(existing, "");
    assert_int_equal(insert_keyed(db, "k", TEST_SHA256, TEST_NOW + 1, second, existing),
                     0);
    assert_string_equal(existing, first);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM jobs"), 1);
}

static void test_the_same_key_with_another_body_is_a_conflict(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    char id[ID_SIZE], existing[ID_SIZE];
    assert_int_equal(insert_keyed(db, "k", TEST_SHA256, TEST_NOW, id, existing), 0);
    assert_int_equal(insert_keyed(db, "k", OTHER_SHA256, TEST_NOW, id, existing),
                     ERR_CONFLICT);
    assert_int_equal(insert_keyed(db, "l", OTHER_SHA256, TEST_NOW, id, existing), 0);
    assert_string_equal(existing, "");
    assert_int_equal(sql_int(db, "SELECT count(*) FROM jobs"), 2);
}

static void test_a_key_holds_for_a_day_and_is_then_forgotten(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    char id[ID_SIZE], existing[ID_SIZE];
    assert_int_equal(insert_keyed(db, "k", TEST_SHA256, TEST_NOW, id, existing), 0);
    assert_int_equal(
        insert_keyed(db, "k", OTHER_SHA256, TEST_NOW + DAY_US - 1, id, existing),
        ERR_CONFLICT);
    assert_int_equal(
        insert_keyed(db, "k", OTHER_SHA256, TEST_NOW + DAY_US + 1, id, existing), 0);
    assert_string_equal(existing, "");
    assert_int_equal(sql_int(db, "SELECT count(*) FROM idempotency_keys"), 1);
}

static void test_a_key_that_is_too_long_is_refused(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    char key[300], id[ID_SIZE], existing[ID_SIZE];
    memset(key, 'k', sizeof(key));
    key[256] = '\0';
    assert_int_equal(insert_keyed(db, key, TEST_SHA256, TEST_NOW, id, existing),
                     ERR_TOO_LARGE);
    key[255] = '\0';
    assert_int_equal(insert_keyed(db, key, TEST_SHA256, TEST_NOW, id, existing), 0);
}

static void test_the_queue_is_by_priority_then_age(void **state)
{
    struct db *db = db_of(state);
    const int priorities[] = {0, 5, -3, 5, 0, 100};
    const int order[] = {5, 1, 3, 0, 4, 2}; /* who comes first */
    char ids[6][ID_SIZE];
    for (int i = 0; i < 6; i++)
        make_job(db, priorities[i], NULL, ids[i]);
    for (int place = 0; place < 6; place++) {
        int64_t position = 0;
        struct error err = {0};
        assert_int_equal(jobs_queue_position(db, ids[order[place]], &position, &err), 0);
        assert_int_equal(position, place + 1);
    }
    for (int place = 0; place < 6; place++) {
        struct job_row row;
        struct error err = {0};
        int64_t lease, position = -1;
        assert_int_equal(jobs_next(db, TEST_NOW, true, &row, &err), 0);
        assert_string_equal(row.id, ids[order[place]]);
        assert_string_equal(row.spec, "{\"epochs\":1}");
        assert_int_equal(jobs_start(db, row.id, TEST_NOW, &lease, &err), 0);
        assert_int_equal(jobs_queue_position(db, row.id, &position, &err), 0);
        assert_int_equal(position, 0);
        job_row_release(&row);
    }
    struct job_row row;
    assert_int_equal(jobs_next(db, TEST_NOW, true, &row, NULL), ERR_NOT_FOUND);
}

/* One random thing happens to one random job. */
static void disturb(struct db *db, struct rng *rng, const char *id)
{
    int64_t lease = 0;
    enum job_status status;
    bool changed;
    switch (rng_below(rng, 5)) {
    case 0:
        if (jobs_start(db, id, TEST_NOW, &lease, NULL) == 0 && rng_below(rng, 2) == 0)
            assert_int_equal(jobs_release(db, id, lease,
                                          &(struct job_release){.count_attempt = true,
                                                                .now_us = TEST_NOW},
                                          &status, NULL),
                             0);
        break;
    case 1:
        (void)jobs_delete(db, id, NULL);
        break;
    default: /* cancel, stop, pause, resume: whether possible or not */
        (void)jobs_act(db, id, (enum job_action)rng_below(rng, 4), TEST_NOW, &status,
                       &changed, NULL);
    }
}

static void test_a_position_is_what_counting_the_queue_gives(void **state)
{
    enum { JOBS = 2000 };
    struct db *db = db_of(state);
    static char ids[JOBS][ID_SIZE];
    struct rng rng;
    rng_init(&rng, 3, RNG_SAMPLE, 0);
    for (int i = 0; i < JOBS; i++)
        make_job(db, (int)rng_below(&rng, 3), NULL, ids[i]);
    for (int i = 0; i < JOBS; i++)
        disturb(db, &rng, ids[rng_below(&rng, JOBS)]);
    struct query q;
    struct error err = {0};
    query_begin(
        &q, db,
        "SELECT id, CASE status WHEN 'queued' THEN row_number() OVER (PARTITION BY"
        " status ORDER BY priority DESC, number) ELSE 0 END FROM jobs");
    int queued = 0;
    while (query_step(&q, &err) > 0) {
        int64_t position = -1;
        assert_int_equal(jobs_queue_position(db, query_text(&q, 0), &position, &err), 0);
        assert_int_equal(position, query_int(&q, 1));
        queued += position > 0;
    }
    query_end(&q);
    assert_true(queued > JOBS / 4);
    assert_int_equal(sql_int(db, "SELECT sum(jobs) FROM queue_blocks"), queued);
}

static void test_a_requeued_job_keeps_its_place(void **state)
{
    struct db *db = db_of(state);
    char first[ID_SIZE], second[ID_SIZE];
    enum job_status status;
    struct error err = {0};
    int64_t lease = make_running_job(db, first);
    make_job(db, 0, NULL, second);
    assert_int_equal(
        jobs_release(db, first, lease,
                     &(struct job_release){.count_attempt = true, .now_us = TEST_NOW},
                     &status, &err),
        0);
    struct job_row row;
    assert_int_equal(jobs_next(db, TEST_NOW, true, &row, &err), 0);
    assert_string_equal(row.id, first);
    job_row_release(&row);
}

/* One page; the rows' IDs go to `ids`. */
static size_t list(struct db *db, const char *after, int limit,
                   const struct job_filter *filter, char (*ids)[ID_SIZE], bool *ret_more)
{
    struct page page = {.limit = limit, .after = after};
    struct job_row *rows = NULL;
    size_t count = 0;
    struct error err = {0};
    assert_int_equal(jobs_list(db, &page, filter, &rows, &count, ret_more, &err), 0);
    for (size_t i = 0; i < count; i++) {
        assert_null(rows[i].spec);
        memcpy(ids[i], rows[i].id, ID_SIZE);
        job_row_release(&rows[i]);
    }
    free(rows);
    return count;
}

static void test_paging_has_no_gap_and_no_repetition_while_jobs_come_and_go(void **state)
{
    struct db *db = db_of(state);
    char made[100][ID_SIZE], extra[ID_SIZE], ids[7][ID_SIZE], after[ID_SIZE] = "";
    for (int i = 0; i < 100; i++)
        make_job(db, i % 3, NULL, made[i]);
    struct job_filter filter = {.status = -1};
    bool more = true;
    int seen = 0;
    while (more) {
        size_t count = list(db, after[0] ? after : NULL, 7, &filter, ids, &more);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(ids[i], made[99 - seen++]);
        memcpy(after, ids[count - 1], ID_SIZE);
        make_job(db, 0, NULL, extra); /* newer than the page */
        struct error err = {0};
        assert_int_equal(jobs_delete(db, after, &err), 0); /* the cursor's own job */
    }
    assert_int_equal(seen, 100);
}

static void test_has_more_is_exact_at_the_end(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], ids[10][ID_SIZE];
    for (int i = 0; i < 6; i++)
        make_job(db, 0, NULL, id);
    bool more = true;
    assert_int_equal(list(db, NULL, 6, NULL, ids, &more), 6);
    assert_false(more);
    assert_int_equal(list(db, NULL, 5, NULL, ids, &more), 5);
    assert_true(more);
    assert_int_equal(list(db, ids[4], 5, NULL, ids, &more), 1);
    assert_false(more);
    assert_int_equal(list(db, ids[0], 5, NULL, ids, &more), 0);
    assert_false(more);
}

static void test_filters_choose_by_status_and_metadata_and_both(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], ids[50][ID_SIZE];
    bool more;
    for (int i = 0; i < 30; i++) {
        int64_t lease;
        struct error err = {0};
        make_job(db, 0, i % 3 == 0 ? "{\"team\":\"a\",\"n\":1}" : "{\"team\":\"b\"}", id);
        if (i % 2 == 0)
            assert_int_equal(jobs_start(db, id, TEST_NOW, &lease, &err), 0);
    }
    struct job_filter running = {.status = JOB_RUNNING};
    struct job_filter team = {
        .status = -1, .metadata_key = "team", .metadata_value = "a"};
    struct job_filter both = team;
    both.status = JOB_RUNNING;
    struct job_filter none = {
        .status = -1, .metadata_key = "team", .metadata_value = "c"};
    struct job_filter failed = {.status = JOB_FAILED};
    assert_int_equal(list(db, NULL, 50, &running, ids, &more), 15);
    assert_int_equal(list(db, NULL, 50, &team, ids, &more), 10);
    assert_int_equal(list(db, NULL, 50, &both, ids, &more), 5);
    assert_int_equal(list(db, NULL, 50, &none, ids, &more), 0);
    assert_int_equal(list(db, NULL, 50, &failed, ids, &more), 0);
    for (int i = 1; i < 5; i++) { /* newest first in every list */
        list(db, NULL, 50, &both, ids, &more);
        assert_true(strcmp(ids[i - 1], ids[i]) > 0);
    }
}

static void test_metadata_of_every_scalar_type_is_found_as_text(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], ids[2][ID_SIZE];
    make_job(db, 0,
             "{\"s\":\"x'y\",\"i\":42,\"r\":1.5,\"t\":true,\"f\":false,\"n\":null,"
             "\"o\":{\"a\":1},\"l\":[1],\"\xc3\xa9 \\\" key\":\"v\"}",
             id);
    const char *const found[][2] = {{"s", "x'y"},   {"i", "42"},
                                    {"r", "1.5"},   {"t", "true"},
                                    {"f", "false"}, {"\xc3\xa9 \" key", "v"}};
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        struct job_filter filter = {
            .status = -1, .metadata_key = found[i][0], .metadata_value = found[i][1]};
        bool more;
        assert_int_equal(list(db, NULL, 2, &filter, ids, &more), 1);
    }
    assert_int_equal(sql_int(db, "SELECT count(*) FROM job_metadata"), 6);
}

static void test_counts_follow_every_change(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t counts[JOB_STATUS_COUNT], lease;
    struct error err = {0};
    for (int i = 0; i < 5; i++)
        make_job(db, 0, NULL, id);
    lease = make_running_job(db, id);
    struct job_end end = {.status = JOB_FAILED, .stop_reason = "diverged", .now_us = 9};
    assert_int_equal(jobs_finish(db, id, lease, &end, &err), 0);
    make_running_job(db, id);
    assert_int_equal(jobs_count(db, counts, &err), 0);
    assert_int_equal(counts[JOB_QUEUED], 5);
    assert_int_equal(counts[JOB_RUNNING], 1);
    assert_int_equal(counts[JOB_FAILED], 1);
    assert_int_equal(sql_int(db, "SELECT sum(jobs) FROM job_counts"), 7);
    sql_run(db, "DELETE FROM jobs WHERE status = 'queued'");
    assert_int_equal(jobs_count(db, counts, &err), 0);
    assert_int_equal(counts[JOB_QUEUED], 0);
}

/* Catches the connections that are opened, to ask SQLite what its statements did. */
static sqlite3 *opened;

static int catch_connection(sqlite3 *handle, char **error,
                            const struct sqlite3_api_routines *api)
{
    (void)error;
    (void)api;
    opened = handle;
    return SQLITE_OK;
}

static int catching_setup(void **state)
{
    sqlite3_auto_extension((void (*)(void))catch_connection);
    int rc = fixture_setup(state);
    sqlite3_cancel_auto_extension((void (*)(void))catch_connection);
    return rc;
}

static void test_lists_and_the_queue_walk_indexes_and_sort_nothing(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], ids[20][ID_SIZE];
    for (int i = 0; i < 500; i++) {
        make_job(db, i % 5, i % 2 ? "{\"team\":\"a\"}" : "{\"team\":\"b\"}", id);
        int64_t lease;
        struct error err = {0};
        if (i % 3 == 0)
            assert_int_equal(jobs_start(db, id, TEST_NOW, &lease, &err), 0);
    }
    for (int kind = 0; kind < 4; kind++) {
        struct job_filter filter = {.status = kind & 1 ? JOB_RUNNING : -1};
        filter.metadata_key = kind & 2 ? "team" : NULL;
        filter.metadata_value = "a";
        bool more;
        assert_int_equal(list(db, id, 20, &filter, ids, &more), 20);
    }
    struct job_row row;
    int64_t position, counts[JOB_STATUS_COUNT];
    struct error err = {0};
    assert_int_equal(jobs_next(db, TEST_NOW, true, &row, &err), 0);
    job_row_release(&row);
    assert_int_equal(jobs_queue_position(db, id, &position, &err), 0);
    int checked = 0;
    for (sqlite3_stmt *at = sqlite3_next_stmt(opened, NULL); at;
         at = sqlite3_next_stmt(opened, at), checked++) {
        if (sqlite3_stmt_status(at, SQLITE_STMTSTATUS_SORT, 0) != 0 ||
            (sqlite3_stmt_status(at, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0) != 0 &&
             !strstr(sqlite3_sql(at), "json_each")))
            fail_msg("this query sorts or scans: %s", sqlite3_sql(at));
    }
    assert_true(checked > 10);
    assert_int_equal(jobs_count(db, counts, &err), 0);
}

static void test_a_job_that_a_worker_has_cannot_be_deleted(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    make_running_job(db, id);
    const char *const live[] = {"running", "pausing", "stopping", "cancelling"};
    for (size_t i = 0; i < 4; i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "UPDATE jobs SET status = '%s'", live[i]);
        sql_run(db, sql);
        struct error err = {0};
        assert_int_equal(jobs_delete(db, id, &err), ERR_CONFLICT);
        assert_non_null(strstr(err.text, live[i]));
    }
    sql_run(db, "UPDATE jobs SET status = 'paused'");
    struct error err = {0};
    assert_int_equal(jobs_delete(db, id, &err), 0);
}

static void test_a_write_with_malformed_metadata_inserts_nothing_by_halves(void **state)
{
    struct db *db = db_of(state);
    make_dataset(db, "ds_1");
    char name[] = "x", spec[] = "{}", metadata[] = "{\"a\":", existing[ID_SIZE];
    struct job_row row = {.id = "job_1",
                          .name = name,
                          .dataset = "ds_1",
                          .spec = spec,
                          .metadata = metadata,
                          .threads = 1};
    assert_true(jobs_insert(db, &row, NULL, NULL, existing, NULL) < 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM job_metadata"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_job_comes_back_as_it_was_inserted),
        TEST(test_an_unknown_job_is_not_found),
        TEST(test_a_job_on_no_dataset_is_refused_at_its_pointer),
        TEST(test_the_same_key_and_body_give_the_same_job),
        TEST(test_the_same_key_with_another_body_is_a_conflict),
        TEST(test_a_key_holds_for_a_day_and_is_then_forgotten),
        TEST(test_a_key_that_is_too_long_is_refused),
        TEST(test_the_queue_is_by_priority_then_age),
        TEST(test_a_position_is_what_counting_the_queue_gives),
        TEST(test_a_requeued_job_keeps_its_place),
        TEST(test_paging_has_no_gap_and_no_repetition_while_jobs_come_and_go),
        TEST(test_has_more_is_exact_at_the_end),
        TEST(test_filters_choose_by_status_and_metadata_and_both),
        TEST(test_metadata_of_every_scalar_type_is_found_as_text),
        TEST(test_counts_follow_every_change),
        cmocka_unit_test_setup_teardown(
            test_lists_and_the_queue_walk_indexes_and_sort_nothing, catching_setup,
            fixture_teardown),
        TEST(test_a_job_that_a_worker_has_cannot_be_deleted),
        TEST(test_a_write_with_malformed_metadata_inserts_nothing_by_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
