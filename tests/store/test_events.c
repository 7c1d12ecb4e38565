/* Events: a sequence for each job, pages in order, gone with the job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/events.h"
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static int64_t append(struct db *db, const char *job, const char *type)
{
    int64_t sequence = 0;
    struct error err = {0};
    assert_int_equal(
        events_append(db, job, TEST_NOW, type, "said", "{\"a\":1}", &sequence, &err), 0);
    return sequence;
}

static void test_each_job_counts_its_own_events(void **state)
{
    struct db *db = db_of(state);
    char one[ID_SIZE], two[ID_SIZE];
    make_job(db, 0, NULL, one); /* the making of a job is its first event */
    make_job(db, 0, NULL, two);
    assert_int_equal(append(db, one, "epoch"), 2);
    assert_int_equal(append(db, one, "epoch"), 3);
    assert_int_equal(append(db, two, "epoch"), 2);
    assert_int_equal(append(db, one, "epoch"), 4);
}

static void test_a_page_goes_on_after_a_sequence_number(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    make_job(db, 0, NULL, job);
    for (int i = 0; i < 9; i++)
        append(db, job, "epoch");
    int64_t after = 0;
    bool more = true;
    int pages = 0;
    for (; more; pages++) {
        struct event_row *rows = NULL;
        size_t count = 0;
        struct error err = {0};
        assert_int_equal(events_list(db, job, after, 4, &rows, &count, &more, &err), 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(rows[i].sequence, after + 1);
            assert_int_equal(rows[i].time_us, TEST_NOW);
            assert_string_equal(rows[i].type, after == 0 ? "status" : "epoch");
            after = rows[i].sequence;
            event_row_release(&rows[i]);
        }
        free(rows);
    }
    assert_int_equal(after, 10);
    assert_int_equal(pages, 3);
}

static void test_message_and_data_may_be_left_out(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    make_job(db, 0, NULL, job);
    struct error err = {0};
    assert_int_equal(events_append(db, job, 5, "epoch", NULL, NULL, NULL, &err), 0);
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more;
    assert_int_equal(events_list(db, job, 1, 10, &rows, &count, &more, &err), 0);
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].message, "");
    assert_string_equal(rows[0].data, "{}");
    event_row_release(&rows[0]);
    free(rows);
}

static void test_an_event_of_no_job_is_refused(void **state)
{
    struct error err = {0};
    assert_int_equal(
        events_append(db_of(state), "job_none", 0, "epoch", "", "{}", NULL, &err),
        ERR_NOT_FOUND);
}

static void test_a_page_has_bounds(void **state)
{
    struct event_row *rows = NULL;
    size_t count;
    bool more;
    assert_int_equal(
        events_list(db_of(state), "job_none", 0, 0, &rows, &count, &more, NULL),
        ERR_INVALID);
    assert_int_equal(
        events_list(db_of(state), "job_none", 0, 1001, &rows, &count, &more, NULL),
        ERR_INVALID);
}

static void test_text_with_quotes_and_markup_comes_back_as_it_was(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    make_job(db, 0, NULL, job);
    const char *hostile = "'); DROP TABLE jobs; -- \"\\ <b> \xc3\xa9";
    struct error err = {0};
    assert_int_equal(events_append(db, job, 5, hostile, hostile, "{}", NULL, &err), 0);
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more;
    assert_int_equal(events_list(db, job, 1, 10, &rows, &count, &more, &err), 0);
    assert_string_equal(rows[0].type, hostile);
    assert_string_equal(rows[0].message, hostile);
    event_row_release(&rows[0]);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_job_counts_its_own_events),
        TEST(test_a_page_goes_on_after_a_sequence_number),
        TEST(test_message_and_data_may_be_left_out),
        TEST(test_an_event_of_no_job_is_refused),
        TEST(test_a_page_has_bounds),
        TEST(test_text_with_quotes_and_markup_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
