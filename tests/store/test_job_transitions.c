/* The life of a job: every action on every status, leases, and the events of the changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/events.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

/* Puts a job into a status without asking anybody. */
static void force_status(struct db *db, enum job_status status)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "UPDATE jobs SET stop_reason = NULL, status = '%s', finished_us = %s",
             job_status_name(status), job_status_is_terminal(status) ? "5" : "NULL");
    sql_run(db, sql);
}

/* The newest event of a job; to be released by the caller. */
static struct event_row last_event(struct db *db, const char *id)
{
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more;
    struct error err = {0};
    assert_int_equal(events_list(db, id, 0, 1000, &rows, &count, &more, &err), 0);
    assert_true(count > 0);
    struct event_row last = rows[count - 1];
    for (size_t i = 0; i + 1 < count; i++)
        event_row_release(&rows[i]);
    free(rows);
    return last;
}

static void check_last_event(struct db *db, const char *id, const char *data)
{
    struct event_row event = last_event(db, id);
    assert_string_equal(event.type, "status");
    assert_string_equal(event.data, data);
    event_row_release(&event);
}

static int64_t count_events(struct db *db)
{
    return sql_int(db, "SELECT count(*) FROM events");
}

static void test_names_and_statuses_map_both_ways(void **state)
{
    (void)state;
    const char *const names[] = {"queued",    "running",  "pausing",
                                 "paused",    "stopping", "cancelling",
                                 "succeeded", "failed",   "cancelled"};
    for (int i = 0; i < JOB_STATUS_COUNT; i++) {
        assert_string_equal(job_status_name((enum job_status)i), names[i]);
        assert_int_equal(job_status_parse(names[i]), i);
        assert_int_equal(job_status_is_terminal((enum job_status)i), i >= JOB_SUCCEEDED);
    }
    assert_int_equal(job_status_parse("gone"), JOB_STATUS_COUNT);
    assert_int_equal(job_status_parse(""), JOB_STATUS_COUNT);
}

/* What the contract says of every action in every status; "" is a conflict. */
struct expectation {
    const char *from;
    const char *after[4]; /* cancel, stop, pause, resume */
};

static const struct expectation expectations[] = {
    {"queued", {"cancelled", "queued", "paused", "queued"}}, /* stop: it has run before */
    {"running", {"cancelling", "stopping", "pausing", "running"}},
    {"pausing", {"cancelling", "", "pausing", ""}},
    {"paused", {"cancelled", "queued", "paused", "queued"}},
    {"stopping", {"cancelling", "stopping", "", ""}},
    {"cancelling", {"cancelling", "", "", ""}},
    {"succeeded", {"", "", "", ""}},
    {"failed", {"", "", "", ""}},
    {"cancelled", {"cancelled", "", "", ""}},
};

static void test_every_action_on_every_status(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    make_running_job(db, id);
    assert_int_equal(sizeof(expectations) / sizeof(expectations[0]), JOB_STATUS_COUNT);
    for (int i = 0; i < JOB_STATUS_COUNT; i++) {
        for (int action = 0; action < 4; action++) {
            const struct expectation *row = &expectations[i];
            enum job_status from = job_status_parse(row->from), after = JOB_STATUS_COUNT;
            force_status(db, from);
            sql_run(db, "UPDATE jobs SET stop_requested = 0");
            bool stops_later = from == JOB_QUEUED && action == JOB_ACTION_STOP;
            int64_t events = count_events(db);
            bool changed = false;
            struct error err = {0};
            int rc = jobs_act(db, id, (enum job_action)action, TEST_NOW, &after, &changed,
                              &err);
            if (row->after[action][0] == '\0') {
                assert_int_equal(rc, ERR_CONFLICT);
                assert_non_null(strstr(err.text, row->from));
                assert_int_equal(status_of(db, id), from);
                assert_int_equal(count_events(db), events);
                continue;
            }
            assert_int_equal(rc, 0);
            assert_string_equal(job_status_name(after), row->after[action]);
            assert_int_equal(status_of(db, id), after);
            bool was_stopping = from == JOB_STOPPING && action == JOB_ACTION_STOP;
            assert_int_equal(changed, after != from || stops_later || was_stopping);
            assert_int_equal(count_events(db), events + (after != from));
        }
    }
}

static void test_an_action_on_no_job_is_not_found(void **state)
{
    enum job_status status;
    bool changed;
    assert_int_equal(jobs_act(db_of(state), "job_none", JOB_ACTION_CANCEL, TEST_NOW,
                              &status, &changed, NULL),
                     ERR_NOT_FOUND);
}

static void test_stopping_again_a_job_that_a_stop_ended_is_no_error(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t lease = make_running_job(db, id);
    struct job_end end = {.status = JOB_SUCCEEDED, .stop_reason = "user_stopped"};
    enum job_status status;
    bool changed = true;
    struct error err = {0};
    assert_int_equal(jobs_finish(db, id, lease, &end, &err), 0);
    assert_int_equal(jobs_act(db, id, JOB_ACTION_STOP, TEST_NOW, &status, &changed, &err),
                     0);
    assert_int_equal(status, JOB_SUCCEEDED);
    assert_false(changed);
}

static void test_cancelling_a_queued_job_ends_it_at_once(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    make_job(db, 0, NULL, id);
    enum job_status status;
    bool changed;
    struct error err = {0};
    assert_int_equal(
        jobs_act(db, id, JOB_ACTION_CANCEL, TEST_NOW + 3, &status, &changed, &err), 0);
    struct job_row row;
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_string_equal(row.stop_reason, "cancelled");
    assert_int_equal(row.finished_us, TEST_NOW + 3);
    job_row_release(&row);
    check_last_event(
        db, id,
        "{\"from\":\"queued\",\"to\":\"cancelled\",\"stop_reason\":\"cancelled\"}");
}

static void test_the_making_of_a_job_is_its_first_event(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    make_job(db, 0, NULL, id);
    struct event_row event = last_event(db, id);
    assert_int_equal(event.sequence, 1);
    assert_int_equal(event.time_us, TEST_NOW);
    assert_string_equal(event.message, "queued");
    assert_string_equal(event.data,
                        "{\"from\":null,\"to\":\"queued\",\"stop_reason\":null}");
    event_row_release(&event);
}

static void test_a_start_gives_a_new_lease_and_counts_the_attempt(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    struct error err = {0};
    int64_t first = make_running_job(db, id), second = 0, none = 0;
    check_last_event(db, id,
                     "{\"from\":\"queued\",\"to\":\"running\",\"stop_reason\":null}");
    assert_int_equal(jobs_start(db, id, TEST_NOW, &none, NULL), ERR_CONFLICT);
    assert_int_equal(none, 0);
    enum job_status status;
    assert_int_equal(
        jobs_release(db, id, first,
                     &(struct job_release){.count_attempt = true, .now_us = TEST_NOW},
                     &status, &err),
        0);
    assert_int_equal(status, JOB_QUEUED);
    assert_int_equal(jobs_start(db, id, TEST_NOW + 9, &second, &err), 0);
    assert_true(second > first);
    struct job_row row;
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_int_equal(row.attempt, 2);
    assert_int_equal(row.lease, second);
    assert_int_equal(row.started_us, TEST_NOW); /* of the first start */
    job_row_release(&row);
    assert_int_equal(jobs_start(db, "job_none", TEST_NOW, &none, NULL), ERR_NOT_FOUND);
}

/* Everything that a worker may write, with a lease. */
static int write_all(struct db *db, const char *id, int64_t lease, int what)
{
    enum job_status status;
    struct job_end end = {.status = JOB_SUCCEEDED, .stop_reason = "completed"};
    switch (what) {
    case 0:
        return jobs_report(db, id, lease, "{}", NULL, NULL);
    case 1:
        return jobs_finish(db, id, lease, &end, NULL);
    default:
        return jobs_release(
            db, id, lease,
            &(struct job_release){.count_attempt = true, .now_us = TEST_NOW}, &status,
            NULL);
    }
}

static void test_a_lost_lease_can_write_nothing(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    struct error err = {0};
    int64_t lost = make_running_job(db, id), present = 0;
    enum job_status status;
    assert_int_equal(
        jobs_release(db, id, lost,
                     &(struct job_release){.count_attempt = true, .now_us = TEST_NOW},
                     &status, &err),
        0);
    for (int what = 0; what < 3; what++) /* queued: nobody has it */
        assert_int_equal(write_all(db, id, lost, what), ERR_CONFLICT);
    assert_int_equal(jobs_start(db, id, TEST_NOW, &present, &err), 0);
    int64_t events = count_events(db);
    for (int what = 0; what < 3; what++) {
        assert_int_equal(write_all(db, id, lost, what), ERR_CONFLICT);
        assert_int_equal(write_all(db, id, present + 1, what), ERR_CONFLICT);
    }
    assert_int_equal(status_of(db, id), JOB_RUNNING);
    assert_int_equal(count_events(db), events);
    assert_int_equal(write_all(db, id, present, 0), 0);
    assert_int_equal(write_all(db, id, present, 1), 0);
    for (int what = 0; what < 3; what++) /* ended */
        assert_int_equal(write_all(db, id, present, what), ERR_CONFLICT);
}

static void test_a_report_leaves_alone_what_it_does_not_name(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t lease = make_running_job(db, id);
    struct error err = {0};
    assert_int_equal(jobs_report(db, id, lease, "{\"p\":1}", "{\"m\":1}", &err), 0);
    assert_int_equal(jobs_report(db, id, lease, "{\"p\":2}", NULL, &err), 0);
    assert_int_equal(jobs_report(db, id, lease, NULL, NULL, &err), 0);
    struct job_row row;
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_string_equal(row.progress, "{\"p\":2}");
    assert_string_equal(row.metrics, "{\"m\":1}");
    job_row_release(&row);
}

static void test_an_end_is_recorded_with_all_that_it_says(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t lease = make_running_job(db, id);
    struct job_end end = {.status = JOB_SUCCEEDED,
                          .stop_reason = "early_stopped",
                          .error = "{\"code\":\"x\"}",
                          .metrics = "{\"best\":{}}",
                          .model = "mdl_1",
                          .weights_sha256 = TEST_SHA256,
                          .now_us = TEST_NOW + 50};
    struct error err = {0};
    assert_int_equal(jobs_finish(db, id, lease, &end, &err), 0);
    struct job_row row;
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_int_equal(row.status, JOB_SUCCEEDED);
    assert_string_equal(row.stop_reason, "early_stopped");
    assert_string_equal(row.error, "{\"code\":\"x\"}");
    assert_string_equal(row.metrics, "{\"best\":{}}");
    assert_string_equal(row.model, "mdl_1");
    assert_string_equal(row.weights_sha256, TEST_SHA256);
    assert_int_equal(row.finished_us, TEST_NOW + 50);
    job_row_release(&row);
    check_last_event(
        db, id,
        "{\"from\":\"running\",\"to\":\"succeeded\",\"stop_reason\":\"early_stopped\"}");
}

static void test_an_end_that_is_none_is_refused(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t lease = make_running_job(db, id);
    struct job_end live = {.status = JOB_PAUSED, .stop_reason = "completed"};
    struct job_end mute = {.status = JOB_FAILED};
    assert_int_equal(jobs_finish(db, id, lease, &live, NULL), ERR_INVALID);
    assert_int_equal(jobs_finish(db, id, lease, &mute, NULL), ERR_INVALID);
    assert_int_equal(status_of(db, id), JOB_RUNNING);
}

static void test_a_reason_with_quotes_makes_a_sound_event(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t lease = make_running_job(db, id);
    struct job_end end = {.status = JOB_FAILED, .stop_reason = "a\"b\\c"};
    struct error err = {0};
    assert_int_equal(jobs_finish(db, id, lease, &end, &err), 0);
    check_last_event(
        db, id,
        "{\"from\":\"running\",\"to\":\"failed\",\"stop_reason\":\"a\\\"b\\\\c\"}");
}

static void test_a_worker_that_is_gone_leaves_its_job_where_it_was_going(void **state)
{
    struct db *db = db_of(state);
    const enum job_status cases[][2] = {{JOB_RUNNING, JOB_QUEUED},
                                        {JOB_STOPPING, JOB_QUEUED},
                                        {JOB_PAUSING, JOB_PAUSED},
                                        {JOB_CANCELLING, JOB_CANCELLED}};
    for (size_t i = 0; i < 4; i++) {
        char id[ID_SIZE];
        int64_t lease = make_running_job(db, id);
        force_status(db, cases[i][0]);
        enum job_status status = JOB_STATUS_COUNT;
        struct error err = {0};
        assert_int_equal(
            jobs_release(db, id, lease,
                         &(struct job_release){.count_attempt = true, .now_us = TEST_NOW},
                         &status, &err),
            0);
        assert_int_equal(status, cases[i][1]);
        struct job_row row;
        assert_int_equal(jobs_get(db, id, &row, &err), 0);
        assert_int_equal(row.status, cases[i][1]);
        assert_int_equal(row.attempt, 1);
        assert_int_equal(row.stop_reason != NULL, status == JOB_CANCELLED);
        assert_int_equal(row.finished_us, status == JOB_CANCELLED ? TEST_NOW : 0);
        job_row_release(&row);
        sql_run(db, "DELETE FROM jobs");
    }
}

static const struct job_release crashed = {.count_attempt = true, .now_us = TEST_NOW};

static void act(struct db *db, const char *id, enum job_action action, int expected_rc)
{
    enum job_status status;
    bool changed;
    assert_int_equal(jobs_act(db, id, action, TEST_NOW, &status, &changed, NULL),
                     expected_rc);
}

static void test_a_stop_outlives_worker_and_daemon(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    enum job_status status;
    int recovered;
    struct error err = {0};
    int64_t lease = make_running_job(db, id);
    act(db, id, JOB_ACTION_STOP, 0);
    assert_int_equal(jobs_release(db, id, lease, &crashed, &status, &err), 0);
    assert_int_equal(status, JOB_QUEUED);
    assert_int_equal(jobs_start(db, id, TEST_NOW, &lease, &err), 0);
    assert_int_equal(status_of(db, id), JOB_STOPPING);
    assert_int_equal(jobs_recover(db, NULL, TEST_NOW, &recovered, &err), 0);
    assert_int_equal(status_of(db, id), JOB_QUEUED);
    act(db, id, JOB_ACTION_PAUSE, ERR_CONFLICT); /* as one that is stopping */
    act(db, id, JOB_ACTION_STOP, 0);
    assert_int_equal(jobs_start(db, id, TEST_NOW, &lease, &err), 0);
    assert_int_equal(status_of(db, id), JOB_STOPPING);
}

static void test_a_paused_job_can_be_stopped_and_one_that_never_ran_cannot(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], fresh[ID_SIZE];
    enum job_status status;
    struct error err = {0};
    int64_t lease = make_running_job(db, id);
    act(db, id, JOB_ACTION_PAUSE, 0);
    assert_int_equal(jobs_release(db, id, lease, &crashed, &status, &err), 0);
    assert_int_equal(status, JOB_PAUSED);
    act(db, id, JOB_ACTION_STOP, 0);
    assert_int_equal(jobs_start(db, id, TEST_NOW, &lease, &err), 0);
    assert_int_equal(status_of(db, id), JOB_STOPPING);
    make_job(db, 0, NULL, fresh);
    act(db, fresh, JOB_ACTION_STOP, ERR_CONFLICT);
    act(db, fresh, JOB_ACTION_PAUSE, 0);
    act(db, fresh, JOB_ACTION_STOP, ERR_CONFLICT);
}

/* The job that is next at a time, or "none". */
static const char *next_at(struct db *db, int64_t now_us, bool suspects)
{
    static char id[ID_SIZE];
    struct job_row row;
    struct error err = {0};
    int rc = jobs_next(db, now_us, suspects, &row, &err);
    if (rc == ERR_NOT_FOUND)
        return "none";
    assert_int_equal(rc, 0);
    snprintf(id, sizeof(id), "%s", row.id);
    job_row_release(&row);
    return id;
}

static void test_a_job_waits_for_its_next_attempt_and_keeps_its_place(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], younger[ID_SIZE];
    enum job_status status;
    struct error err = {0};
    int64_t lease = make_running_job(db, id), next = -1, position = 0;
    make_job(db, 0, NULL, younger);
    assert_int_equal(jobs_next_attempt(db, TEST_NOW, &next, &err), 0);
    assert_int_equal(next, 0);
    struct job_release release = crashed;
    release.next_attempt_us = TEST_NOW + 5000000;
    assert_int_equal(jobs_release(db, id, lease, &release, &status, &err), 0);
    assert_string_equal(next_at(db, TEST_NOW, true), younger);
    assert_int_equal(jobs_queue_position(db, id, &position, &err), 0);
    assert_int_equal(position, 1);
    assert_int_equal(jobs_next_attempt(db, TEST_NOW, &next, &err), 0);
    assert_int_equal(next, TEST_NOW + 5000000);
    assert_string_equal(next_at(db, next, true), id);
    int64_t later = -1; /* one that is due, and held up by something else, is none */
    assert_int_equal(jobs_next_attempt(db, next, &later, &err), 0);
    assert_int_equal(later, 0);
    /* A clock that was set back makes nobody wait for a year. */
    assert_string_equal(next_at(db, TEST_NOW - INT64_C(31000000000000), true), id);
    assert_int_equal(jobs_start(db, id, next, &lease, &err), 0);
    assert_int_equal(jobs_next_attempt(db, TEST_NOW, &next, &err), 0);
    assert_int_equal(next, 0);
}

static void test_the_wait_between_attempts_grows_up_to_a_limit(void **state)
{
    (void)state;
    const int64_t expected[] = {200000, 200000, 800000, 3200000, 12800000, 30000000};
    for (int attempts = 0; attempts < 6; attempts++)
        assert_int_equal(jobs_backoff_us(attempts), expected[attempts]);
    assert_int_equal(jobs_backoff_us(100), 30000000);
}

/* Starts the job and lets the daemon crash with it; its status afterwards. */
static enum job_status crash_with(struct db *db, const char *id)
{
    int64_t lease;
    int recovered;
    struct error err = {0};
    if (status_of(db, id) == JOB_QUEUED)
        assert_int_equal(jobs_start(db, id, TEST_NOW, &lease, &err), 0);
    assert_int_equal(jobs_recover(db, "signal 11 (SIGSEGV)", TEST_NOW, &recovered, &err),
                     0);
    assert_int_equal(recovered, 1);
    return status_of(db, id);
}

static void test_a_job_that_takes_the_daemon_down_is_set_aside(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], other[ID_SIZE];
    make_running_job(db, id); /* with three attempts */
    assert_int_equal(crash_with(db, id), JOB_QUEUED);
    make_job(db, 0, NULL, other);
    assert_string_equal(next_at(db, TEST_NOW, true), other); /* it waits, */
    assert_string_equal(next_at(db, TEST_NOW + 200000, true), id);
    assert_string_equal(next_at(db, TEST_NOW + 200000, false), other); /* it is one */
    assert_int_equal(crash_with(db, id), JOB_QUEUED);
    assert_int_equal(crash_with(db, id), JOB_FAILED);
    struct job_row row;
    struct error err = {0};
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_string_equal(row.stop_reason, "internal_error");
    assert_non_null(strstr(row.error, "ended by signal 11 (SIGSEGV)"));
    assert_non_null(strstr(row.error, "Attempt 3 of 3, and 3 such ends"));
    job_row_release(&row);
}

static void test_a_drain_gives_the_attempt_back(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE];
    int64_t lease = make_running_job(db, id);
    enum job_status status;
    struct error err = {0};
    assert_int_equal(
        jobs_release(db, id, lease,
                     &(struct job_release){.count_attempt = false, .now_us = TEST_NOW},
                     &status, &err),
        0);
    struct job_row row;
    assert_int_equal(jobs_get(db, id, &row, &err), 0);
    assert_int_equal(row.attempt, 0);
    assert_int_equal(row.lease, lease); /* the lease never goes back */
    job_row_release(&row);
}

static void test_recovery_releases_every_live_job_and_no_other(void **state)
{
    struct db *db = db_of(state);
    char ids[JOB_STATUS_COUNT][ID_SIZE];
    for (int i = 0; i < JOB_STATUS_COUNT; i++) {
        make_running_job(db, ids[i]);
        char sql[200];
        enum job_status status = (enum job_status)i;
        snprintf(sql, sizeof(sql),
                 "UPDATE jobs SET status = '%s', finished_us = %s WHERE id = '%s'",
                 job_status_name(status), job_status_is_terminal(status) ? "5" : "NULL",
                 ids[i]);
        sql_run(db, sql);
    }
    int recovered = 0;
    struct error err = {0};
    assert_int_equal(jobs_recover(db, NULL, TEST_NOW, &recovered, &err), 0);
    assert_int_equal(recovered, 4);
    const enum job_status after[] = {
        [JOB_QUEUED] = JOB_QUEUED,       [JOB_RUNNING] = JOB_QUEUED,
        [JOB_PAUSING] = JOB_PAUSED,      [JOB_PAUSED] = JOB_PAUSED,
        [JOB_STOPPING] = JOB_QUEUED,     [JOB_CANCELLING] = JOB_CANCELLED,
        [JOB_SUCCEEDED] = JOB_SUCCEEDED, [JOB_FAILED] = JOB_FAILED,
        [JOB_CANCELLED] = JOB_CANCELLED};
    for (int i = 0; i < JOB_STATUS_COUNT; i++)
        assert_int_equal(status_of(db, ids[i]), after[i]);
    assert_int_equal(jobs_recover(db, NULL, TEST_NOW, &recovered, &err), 0);
    assert_int_equal(recovered, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_and_statuses_map_both_ways),
        TEST(test_every_action_on_every_status),
        TEST(test_an_action_on_no_job_is_not_found),
        TEST(test_stopping_again_a_job_that_a_stop_ended_is_no_error),
        TEST(test_cancelling_a_queued_job_ends_it_at_once),
        TEST(test_the_making_of_a_job_is_its_first_event),
        TEST(test_a_start_gives_a_new_lease_and_counts_the_attempt),
        TEST(test_a_lost_lease_can_write_nothing),
        TEST(test_a_report_leaves_alone_what_it_does_not_name),
        TEST(test_an_end_is_recorded_with_all_that_it_says),
        TEST(test_an_end_that_is_none_is_refused),
        TEST(test_a_reason_with_quotes_makes_a_sound_event),
        TEST(test_a_worker_that_is_gone_leaves_its_job_where_it_was_going),
        TEST(test_a_stop_outlives_worker_and_daemon),
        TEST(test_a_paused_job_can_be_stopped_and_one_that_never_ran_cannot),
        TEST(test_a_job_waits_for_its_next_attempt_and_keeps_its_place),
        TEST(test_the_wait_between_attempts_grows_up_to_a_limit),
        TEST(test_a_job_that_takes_the_daemon_down_is_set_aside),
        TEST(test_a_drain_gives_the_attempt_back),
        TEST(test_recovery_releases_every_live_job_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
