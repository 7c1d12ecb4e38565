/*
 * The life of jobs under the scheduler: order, slots, what a user asks for, what becomes
 * visible when, and the way back to the queue.
 */
#include "base/clock.h"
#include "sched_fixture.h"
#include "store/blobs.h"
#include "store/checkpoints.h"
#include "store/metrics.h"
#include "store/models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD "progress 3;metrics 5;model 64;done completed"
#define MUCH_TIME (30 * CLOCK_NS_PER_SECOND)

/* ---- one job ---- */

static void test_job_runs_to_its_end_with_a_model(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, GOOD, id);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "completed");
    assert_int_equal(job.attempt, 1);
    assert_true(id_is_valid("mdl", job.model));
    assert_int_equal(strlen(job.weights_sha256), 64);
    fixture_expect_text(job.progress, "\"step\":3");
    fixture_expect_text(job.metrics, "0.25");
    assert_null(job.error);

    struct model_row model;
    struct error err = {0};
    unsigned char bytes[64];
    struct db *db = store_read_begin(f->store, &err);
    assert_int_equal(models_get(db, job.model, &model, &err), 0);
    assert_int_equal(blobs_read(db, model.blob, 0, bytes, sizeof(bytes), &err), 0);
    store_read_end(f->store, db);
    assert_int_equal(bytes[63], 63);
    assert_string_equal(model.sha256, job.weights_sha256);
    assert_int_equal(model.parameter_count, 16);
    fixture_expect_text(model.preprocessing, "table");
    fixture_expect_text(model.metrics, "0.5");
    model_row_release(&model);
    job_row_release(&job);
}

static void test_metrics_of_a_job_are_stored_with_what_is_not_finite(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, "metrics 5;metrics 7;model 64;done completed", id);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct error err = {0};
    struct metric_query query = {0};
    struct metric_result result;
    struct db *db = store_read_begin(f->store, &err);
    assert_int_equal(metrics_read(db, id, &query, &result, &err), 0);
    store_read_end(f->store, db);
    assert_int_equal(result.count, 2);
    assert_string_equal(result.series[0].name, "loss");
    assert_int_equal(result.series[0].count, 7); /* the first five came twice */
    assert_true(result.series[0].value[1] == 0.5);
    assert_int_equal(result.series[0].time_us[0], 1001);
    assert_true(isnan(result.series[1].value[0]));
    metric_result_release(&result);
}

static void test_model_larger_than_a_chunk_arrives_whole(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, "model 3000001;done completed", id);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct job_row job;
    struct model_row model;
    struct error err = {0};
    unsigned char byte;
    fixture_get_job(f, id, &job);
    struct db *db = store_read_begin(f->store, &err);
    assert_int_equal(models_get(db, job.model, &model, &err), 0);
    assert_int_equal(model.bytes, 3000001);
    assert_int_equal(blobs_read(db, model.blob, 3000000, &byte, 1, &err), 0);
    store_read_end(f->store, db);
    assert_int_equal(byte, 3000000 % 256);
    model_row_release(&model);
    job_row_release(&job);
}

static void test_events_of_a_worker_come_in_order(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, "event one;event two;model 4;done early_stopped", id);
    fixture_wait(f, id, JOB_SUCCEEDED);
    char last[64];
    fixture_wait_event(f, id, "note", last, sizeof(last));
    assert_string_equal(last, "two");
    assert_int_equal(fixture_count_events(f, id, "note"), 2);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "early_stopped");
    job_row_release(&job);
}

static void test_model_is_not_seen_before_the_end(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[64];
    fixture_post_job(f, "model 2000000;event there;obey", id);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.model, "");
    job_row_release(&job);
    struct model_row *rows;
    size_t count;
    bool more;
    struct error err = {0};
    struct db *db = store_read_begin(f->store, &err);
    struct page page = {.limit = 10};
    assert_int_equal(models_list(db, &page, &rows, &count, &more, &err), 0);
    store_read_end(f->store, db);
    free(rows);
    assert_int_equal(count, 0);
}

static void test_failed_message_fails_the_job_without_another_try(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    static const char *const codes[] = {"diverged", "invalid_data", "out_of_memory",
                                        "internal_error"};
    for (size_t i = 0; i < 4; i++) {
        char id[ID_SIZE], script[64];
        snprintf(script, sizeof(script), "failed %s", codes[i]);
        fixture_post_job(f, script, id);
        fixture_wait(f, id, JOB_FAILED);
        struct job_row job;
        fixture_get_job(f, id, &job);
        assert_string_equal(job.stop_reason, codes[i]);
        assert_int_equal(job.attempt, 1);
        fixture_expect_text(job.error, "It went wrong.");
        fixture_expect_text(job.error, "Row 7.");
        fixture_expect_text(job.error, "row 7 is odd");
        job_row_release(&job);
    }
}

/* ---- order and slots ---- */

struct start_order {
    struct sched_fixture *fixture;
    const char *ids[8];
    int count;
};

static bool all_have_ended(void *context)
{
    struct start_order *order = context;
    for (int i = 0; i < order->count; i++) {
        struct job_row job;
        fixture_get_job(order->fixture, order->ids[i], &job);
        bool ended = job_status_is_terminal(job.status);
        job_row_release(&job);
        if (!ended)
            return false;
    }
    return true;
}

static int64_t started(struct sched_fixture *f, const char *id)
{
    struct job_row job;
    fixture_get_job(f, id, &job);
    int64_t time = job.started_us;
    job_row_release(&job);
    return time;
}

static void test_higher_priority_goes_first_then_age(void **state)
{
    struct sched_fixture *f = *state;
    f->config.slots = 1;
    char low[ID_SIZE], middle[ID_SIZE], middle2[ID_SIZE], high[ID_SIZE];
    struct job_wish wish = {.script = GOOD, .priority = -5};
    fixture_queue_job(f, &wish, low);
    wish.priority = 0;
    fixture_queue_job(f, &wish, middle);
    fixture_queue_job(f, &wish, middle2);
    wish.priority = 7;
    fixture_queue_job(f, &wish, high);
    fixture_start(f);
    struct start_order order = {f, {low, middle, middle2, high}, 4};
    fixture_wait_until(f, all_have_ended, &order);
    assert_true(started(f, high) < started(f, middle));
    assert_true(started(f, middle) < started(f, middle2));
    assert_true(started(f, middle2) < started(f, low));
}

static void test_wide_job_waits_for_its_slots_and_is_not_overtaken(void **state)
{
    struct sched_fixture *f = *state;
    char first[ID_SIZE], wide[ID_SIZE], small[ID_SIZE];
    fixture_start(f);
    fixture_post_job(f, "obey", first);
    fixture_wait(f, first, JOB_RUNNING);
    struct job_wish wish = {.script = GOOD, .threads = 2};
    fixture_queue_job(f, &wish, wide);
    fixture_queue_job(f, &(struct job_wish){.script = GOOD}, small);
    sched_wake(f->sched);
    fixture_act(f, first, JOB_ACTION_CANCEL);
    struct start_order order = {f, {wide, small}, 2};
    fixture_wait_until(f, all_have_ended, &order);
    assert_true(started(f, wide) < started(f, small));
    struct job_row job;
    fixture_get_job(f, first, &job);
    assert_true(job.finished_us <= started(f, wide));
    job_row_release(&job);
}

static void test_job_with_more_threads_than_slots_takes_them_all(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_queue_job(f, &(struct job_wish){.script = "obey", .threads = 64}, id);
    sched_wake(f->sched);
    fixture_wait(f, id, JOB_RUNNING);
    struct sched_stats stats;
    sched_stats(f->sched, &stats);
    assert_int_equal(stats.slots_used, 2);
    fixture_act(f, id, JOB_ACTION_CANCEL);
    fixture_wait(f, id, JOB_CANCELLED);
}

static void test_two_small_jobs_run_side_by_side(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char one[ID_SIZE], two[ID_SIZE], three[ID_SIZE];
    fixture_post_job(f, "obey", one);
    fixture_post_job(f, "obey", two);
    fixture_post_job(f, GOOD, three);
    fixture_wait(f, one, JOB_RUNNING);
    fixture_wait(f, two, JOB_RUNNING);
    struct job_row job;
    fixture_get_job(f, three, &job);
    assert_int_equal(job.status, JOB_QUEUED);
    job_row_release(&job);
    fixture_act(f, one, JOB_ACTION_STOP);
    fixture_wait(f, three, JOB_SUCCEEDED);
    fixture_act(f, two, JOB_ACTION_STOP);
    fixture_wait(f, two, JOB_SUCCEEDED);
}

static void test_many_jobs_all_end(void **state)
{
    struct sched_fixture *f = *state;
    char ids[30][ID_SIZE];
    fixture_start(f);
    for (int i = 0; i < 30; i++)
        fixture_post_job(f, GOOD, ids[i]);
    for (int i = 0; i < 30; i++)
        fixture_wait(f, ids[i], JOB_SUCCEEDED);
}

/* ---- what a user asks for ---- */

static void test_queued_job_is_cancelled_without_a_worker(void **state)
{
    struct sched_fixture *f = *state;
    f->config.slots = 1;
    fixture_start(f);
    char first[ID_SIZE], second[ID_SIZE];
    fixture_post_job(f, "obey", first);
    fixture_wait(f, first, JOB_RUNNING);
    fixture_post_job(f, GOOD, second);
    fixture_act(f, second, JOB_ACTION_CANCEL);
    fixture_wait(f, second, JOB_CANCELLED);
    fixture_act(f, first, JOB_ACTION_CANCEL);
    fixture_wait(f, first, JOB_CANCELLED);
    struct job_row job;
    fixture_get_job(f, second, &job);
    assert_int_equal(job.attempt, 0);
    job_row_release(&job);
}

static void test_running_job_is_cancelled(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, "checkpoint 100;event ready;obey", id);
    char text[16];
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_act(f, id, JOB_ACTION_CANCEL);
    fixture_wait(f, id, JOB_CANCELLED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "cancelled");
    assert_string_equal(job.model, "");
    job_row_release(&job);
    assert_int_equal(fixture_count_events(f, id, "worker_crashed"), 0);
}

static void test_worker_that_ignores_a_cancel_is_killed(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[16];
    fixture_post_job(f, "event ready;hang", id);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_act(f, id, JOB_ACTION_CANCEL);
    fixture_wait(f, id, JOB_CANCELLED);
    assert_int_equal(fixture_count_events(f, id, "worker_crashed"), 0);
}

static void test_cancel_right_after_the_post_is_honoured(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    for (int i = 0; i < 10; i++) {
        char id[ID_SIZE];
        fixture_post_job(f, "obey", id);
        fixture_act(f, id, JOB_ACTION_CANCEL);
        fixture_wait(f, id, JOB_CANCELLED);
    }
}

static void test_stopped_job_keeps_its_model(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, "obey", id);
    fixture_wait(f, id, JOB_RUNNING);
    fixture_act(f, id, JOB_ACTION_STOP);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "user_stopped");
    assert_true(id_is_valid("mdl", job.model));
    job_row_release(&job);
}

static void test_paused_job_goes_on_from_its_checkpoint(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[64];
    fixture_post_job(f, "resumed;obey", id);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    assert_string_equal(text, "bytes=0 sum=0");
    fixture_act(f, id, JOB_ACTION_PAUSE);
    fixture_wait(f, id, JOB_PAUSED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_int_equal(job.attempt, 0); /* a pause is not the job's fault */
    job_row_release(&job);
    fixture_act(f, id, JOB_ACTION_RESUME);
    fixture_wait_event(f, id, "resumed", text, sizeof(text));
    assert_string_equal(text, "Going on from the checkpoint at step 100.");
    fixture_act(f, id, JOB_ACTION_STOP);
    fixture_wait(f, id, JOB_SUCCEEDED);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    unsigned sum = 0;
    for (unsigned i = 0; i < 100; i++)
        sum = sum * 31 + i;
    char expected[64];
    snprintf(expected, sizeof(expected), "bytes=100 sum=%u", sum);
    assert_string_equal(text, expected);
}

/* ---- drain ---- */

static void test_drained_job_is_back_in_the_queue_and_goes_on(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[64];
    fixture_post_job(f, "event ready;a1:obey;resumed;model 4;done completed", id);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_stop(f, MUCH_TIME);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_int_equal(job.status, JOB_QUEUED);
    assert_int_equal(job.attempt, 0);
    job_row_release(&job);
    struct error err = {0};
    struct checkpoint_row *rows;
    size_t count;
    struct db *db = store_read_begin(f->store, &err);
    assert_int_equal(checkpoints_list(db, id, &rows, &count, &err), 0);
    store_read_end(f->store, db);
    assert_int_equal(count, 1);
    checkpoint_row_release(&rows[0]);
    free(rows);

    fixture_start(f);
    fixture_wait_event(f, id, "resumed", text, sizeof(text));
    fixture_act(f, id, JOB_ACTION_STOP);
    fixture_wait(f, id, JOB_SUCCEEDED);
    /* Of no use any more. */
    db = store_read_begin(f->store, &err);
    assert_int_equal(checkpoints_list(db, id, &rows, &count, &err), 0);
    store_read_end(f->store, db);
    free(rows);
    assert_int_equal(count, 0);
}

static void test_job_that_does_not_drain_is_killed_and_queued_again(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[64];
    fixture_post_job(f, "event ready;hang", id);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_stop(f, CLOCK_NS_PER_SECOND / 10);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_int_equal(job.status, JOB_QUEUED);
    assert_int_equal(job.attempt, 0);
    job_row_release(&job);
}

static void test_stop_right_after_start_leaves_the_queue_as_it_was(void **state)
{
    struct sched_fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        char id[ID_SIZE];
        fixture_queue_job(f, &(struct job_wish){.script = "obey"}, id);
        fixture_start(f);
        fixture_stop(f, MUCH_TIME);
        struct job_row job;
        fixture_get_job(f, id, &job);
        assert_int_equal(job.status, JOB_QUEUED);
        assert_int_equal(job.attempt, 0);
        job_row_release(&job);
    }
}

/* ---- leases ---- */

struct theft {
    struct store_write write;
    const char *id;
    int64_t lease;
};

static int steal(struct db *db, struct store_write *write, struct error *err)
{
    struct theft *theft = (struct theft *)write;
    enum job_status status;
    int rc = jobs_release(db, theft->id, theft->lease,
                          &(struct job_release){.count_attempt = true, .now_us = 1},
                          &status, err);
    return rc == 0 ? jobs_start(db, theft->id, 1, &theft->lease, err) : rc;
}

static bool has_no_worker(void *context)
{
    struct sched_fixture *f = context;
    struct sched_stats stats;
    sched_stats(f->sched, &stats);
    return stats.training == 0;
}

static void test_worker_without_a_lease_writes_nothing_and_ends(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], other[ID_SIZE];
    fixture_post_job(f, "event ready;obey", id);
    fixture_wait(f, id, JOB_RUNNING);
    struct job_row job;
    fixture_get_job(f, id, &job);
    struct theft theft = {.id = id, .lease = job.lease};
    job_row_release(&job);
    fixture_write(f, steal, &theft.write);
    /* It makes a model and says that it was stopped: refused. */
    fixture_act(f, id, JOB_ACTION_STOP);
    /* Another job shows that the scheduler is sane and its slots are free again. */
    fixture_queue_job(f, &(struct job_wish){.script = GOOD, .threads = 2}, other);
    sched_wake(f->sched);
    fixture_wait(f, other, JOB_SUCCEEDED);
    fixture_wait_until(f, has_no_worker, f);
    fixture_get_job(f, id, &job);
    assert_int_equal(job.status, JOB_STOPPING);
    assert_string_equal(job.model, "");
    assert_int_equal(job.lease, theft.lease);
    job_row_release(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(test_job_runs_to_its_end_with_a_model),
        TEST(test_metrics_of_a_job_are_stored_with_what_is_not_finite),
        TEST(test_model_larger_than_a_chunk_arrives_whole),
        TEST(test_events_of_a_worker_come_in_order),
        TEST(test_model_is_not_seen_before_the_end),
        TEST(test_failed_message_fails_the_job_without_another_try),
        TEST(test_higher_priority_goes_first_then_age),
        TEST(test_wide_job_waits_for_its_slots_and_is_not_overtaken),
        TEST(test_job_with_more_threads_than_slots_takes_them_all),
        TEST(test_two_small_jobs_run_side_by_side),
        TEST(test_many_jobs_all_end),
        TEST(test_queued_job_is_cancelled_without_a_worker),
        TEST(test_running_job_is_cancelled),
        TEST(test_worker_that_ignores_a_cancel_is_killed),
        TEST(test_cancel_right_after_the_post_is_honoured),
        TEST(test_stopped_job_keeps_its_model),
        TEST(test_paused_job_goes_on_from_its_checkpoint),
        TEST(test_drained_job_is_back_in_the_queue_and_goes_on),
        TEST(test_job_that_does_not_drain_is_killed_and_queued_again),
        TEST(test_stop_right_after_start_leaves_the_queue_as_it_was),
        TEST(test_worker_without_a_lease_writes_nothing_and_ends),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
