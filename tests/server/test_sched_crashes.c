/*
 * What the scheduler makes of workers that end badly: each harms its own job alone, the
 * job is tried again from its last checkpoint, and what was seen is told.
 */
#include "base/clock.h"
#include "sched_fixture.h"
#include "store/blobs.h"
#include "store/checkpoints.h"
#include "store/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A job with a script and one attempt has to fail as crashed, and its error to say
 * `part`. */
static void expect_crash(struct sched_fixture *f, const char *script, const char *part)
{
    char id[ID_SIZE];
    fixture_queue_job(f, &(struct job_wish){.script = script, .max_attempts = 1}, id);
    sched_wake(f->sched);
    fixture_wait(f, id, JOB_FAILED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "worker_crashed");
    fixture_expect_text(job.error, "\"code\":\"worker_crashed\"");
    fixture_expect_text(job.error, part);
    assert_string_equal(job.model, "");
    job_row_release(&job);
    assert_int_equal(fixture_count_events(f, id, "worker_crashed"), 1);
}

static void test_crash_is_told_with_signal_progress_and_last_words(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_queue_job(
        f,
        &(struct job_wish){.script = "progress 41;say about to fall;crash 11",
                           .max_attempts = 1},
        id);
    sched_wake(f->sched);
    fixture_wait(f, id, JOB_FAILED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    fixture_expect_text(job.error, "signal 11 (SIGSEGV, Segmentation fault)");
    fixture_expect_text(job.error, "Attempt 1 of 1.");
    fixture_expect_text(job.error, "\\\"step\\\":41");
    fixture_expect_text(job.error, "about to fall");
    job_row_release(&job);
}

static void test_crashed_job_leaves_its_neighbour_alone(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char good[ID_SIZE], text[16];
    fixture_post_job(f, "event ready;obey", good);
    fixture_wait_event(f, good, "note", text, sizeof(text));
    expect_crash(f, "crash 6", "SIGABRT");
    fixture_act(f, good, JOB_ACTION_STOP);
    fixture_wait(f, good, JOB_SUCCEEDED);
}

static void test_exit_status_without_an_end_is_a_crash(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    expect_crash(f, "exit 3", "exit status 3");
    expect_crash(f, "event nothing more", "exit status 0");
}

static void test_kill_from_outside_is_a_crash_and_not_out_of_memory(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    expect_crash(f, "crash 9", "SIGKILL");
}

static void test_escape_from_the_sandbox_is_told_in_words(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    expect_crash(
        f, "say forbidden system call 41;crash 31",
        "tried a forbidden system call, number 41, and was ended by its sandbox");
    expect_crash(f, "say forbidden system call 12345678901;crash 31",
                 "tried a forbidden system call and was ended by its sandbox");
    expect_crash(f, "crash 31",
                 "tried a forbidden system call and was ended by its sandbox");
}

static void test_silent_worker_is_killed(void **state)
{
    struct sched_fixture *f = *state;
    f->config.silence_ns = CLOCK_NS_PER_SECOND / 5;
    fixture_start(f);
    expect_crash(f, "progress 1;hang", "silent for 0.2 s");
    expect_crash(f, "mute", "silent for 0.2 s");
}

static void test_garbage_ends_the_worker(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    expect_crash(f, "raw 00000000ff;hang", "spoke out of protocol");
    expect_crash(f, "raw ffffffff12;hang", "spoke out of protocol");
    expect_crash(f, "raw 000000026300;hang", "spoke out of protocol"); /* unknown type */
    expect_crash(f, "raw 00800002121212;hang",
                 "spoke out of protocol"); /* 8 MiB of metrics */
    expect_crash(f, "raw 0000000502aabbccdd;hang",
                 "not legal now");                         /* BLOB unannounced */
    expect_crash(f, "raw 000000;exit 0", "exit status 0"); /* half a header */
}

static void test_lies_in_json_end_the_worker(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    static const char *const scripts[] = {
        "json 17 not json;hang",
        "json 17 [1,2];hang",
        "json 17 {\"step\":\"many\"};hang",
        "json 17 {\"step\":-4};hang",
        "json 17 {\"step\":1,\"step\":2};hang",
        "json 17 {\"metrics\":[]};hang",
        "json 18 {};hang",
        "json 18 {\"points\":[{\"step\":1}]};hang",
        "json 18 {\"points\":[{\"step\":1,\"epoch\":1,\"time\":1,\"names\":[\"a\",\"b\"],"
        "\"values\":[1]}]};hang",
        "json 18 {\"points\":[{\"step\":1,\"epoch\":1,\"time\":1,\"names\":[7],"
        "\"values\":[1]}]};hang",
        "json 18 {\"points\":[{\"step\":1.5,\"epoch\":1,\"time\":1,\"names\":[\"a\"],"
        "\"values\":[1]}]};hang",
        "json 18 {\"points\":[{\"step\":1,\"epoch\":1,\"time\":1,\"names\":[\"a\"],"
        "\"values\":[\"nan\"]}]};hang",
        "json 19 {\"type\":7,\"message\":\"x\"};hang",
        "json 19 {\"type\":\"x\",\"message\":\"\"};hang",
        "json 19 {\"type\":\"x\",\"message\":\"y\",\"data\":[]};hang",
        "json 20 {\"kind\":\"latest\",\"step\":1,\"epoch\":1,\"bytes\":0};hang",
        "json 20 {\"kind\":\"third\",\"step\":1,\"epoch\":1,\"bytes\":4};hang",
        "json 20 {\"kind\":\"best\",\"step\":1,\"epoch\":1,\"bytes\":9e30};hang",
        "json 21 {\"bytes\":4,\"parameters\":1};hang",
        "json 22 {\"status\":200};hang",
        "json 23 {\"stop_reason\":\"completed\"};hang",
        "json 23 {\"stop_reason\":\"paused\"};hang",
        "json 23 {\"stop_reason\":\"cancelled\"};hang",
        "json 24 {\"code\":\"because\",\"message\":\"x\"};hang",
        "json 24 {\"code\":\"diverged\"};hang",
        "model 4;model 4;hang",
        "model 4;done finished;hang",
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        expect_crash(f, scripts[i], "spoke out of protocol");
}

static void test_blob_of_another_length_than_announced_ends_the_worker(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    /* MODEL of 4 bytes, then a BLOB of 5. */
    expect_crash(
        f,
        "json 21 {\"bytes\":4,\"parameters\":1,\"preprocessing\":{},\"formats\":{}};"
        "raw 00000006020102030405;hang",
        "more bytes than the 4");
    expect_crash(
        f,
        "json 21 {\"bytes\":4,\"parameters\":1,\"preprocessing\":{},\"formats\":{}};"
        "raw 000000020201;raw 0000000103;hang",
        "1 bytes instead of the 4");
}

static void test_half_a_model_is_no_model(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    expect_crash(f, "half 4000000;crash 9", "SIGKILL");
    struct error err = {0};
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE];
    struct db *db = store_read_begin(f->store, &err);
    for (int64_t blob = 1; blob < 4; blob++)
        assert_int_equal(blobs_stat(db, blob, &bytes, sha256, &err), ERR_NOT_FOUND);
    store_read_end(f->store, db);
}

static void test_crashed_job_is_tried_again_from_its_last_checkpoint(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[96];
    fixture_post_job(f,
                     "a1:checkpoint 50;a1:checkpoint 60;a1:crash 11;resumed;model 4;"
                     "done completed",
                     id);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_int_equal(job.attempt, 2);
    job_row_release(&job);
    assert_int_equal(fixture_count_events(f, id, "worker_crashed"), 1);
    fixture_wait_event(f, id, "resumed", text, sizeof(text));
    assert_string_equal(text, "Going on from the checkpoint at step 60.");
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_expect_text(text, "bytes=60 ");
}

static void test_job_is_given_up_after_its_last_attempt(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_queue_job(f, &(struct job_wish){.script = "crash 8", .max_attempts = 2}, id);
    sched_wake(f->sched);
    fixture_wait(f, id, JOB_FAILED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_int_equal(job.attempt, 2);
    assert_string_equal(job.stop_reason, "worker_crashed");
    fixture_expect_text(job.error, "SIGFPE");
    fixture_expect_text(job.error, "Attempt 2 of 2.");
    job_row_release(&job);
    assert_int_equal(fixture_count_events(f, id, "worker_crashed"), 2);
}

static void test_job_that_waits_for_its_next_attempt_can_be_cancelled(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[256];
    fixture_queue_job(f, &(struct job_wish){.script = "crash 8", .max_attempts = 9}, id);
    sched_wake(f->sched);
    fixture_wait_event(f, id, "worker_crashed", text, sizeof(text));
    fixture_act(f, id, JOB_ACTION_CANCEL);
    fixture_wait(f, id, JOB_CANCELLED);
}

static void test_stop_is_remembered_over_a_crash(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], text[256];
    fixture_post_job(f, "a1:event ready;a1:crash 8;obey", id);
    fixture_wait_event(f, id, "worker_crashed", text, sizeof(text));
    fixture_act(f, id, JOB_ACTION_STOP);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "user_stopped");
    job_row_release(&job);
}

/* Damages the newest checkpoint behind the store's back. */
static void damage_newest_checkpoint(struct sched_fixture *f)
{
    sqlite3 *db = NULL;
    char path[160];
    snprintf(path, sizeof(path), "%s/backpropd.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE blob_chunks SET bytes = zeroblob(length(bytes))"
                                  " WHERE blob = (SELECT max(blob) FROM blob_seals)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

static void test_damaged_checkpoint_is_passed_over(void **state)
{
    struct sched_fixture *f = *state;
    char id[ID_SIZE], text[96];
    fixture_start(f);
    /* A pause leaves a checkpoint of another size; there is one of 50 from before. */
    fixture_post_job(f, "checkpoint 50;resumed;obey", id);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_act(f, id, JOB_ACTION_PAUSE);
    fixture_wait(f, id, JOB_PAUSED);
    damage_newest_checkpoint(f);
    fixture_act(f, id, JOB_ACTION_RESUME);
    fixture_wait_event(f, id, "checkpoint_unusable", text, sizeof(text));
    fixture_wait(f, id, JOB_RUNNING);
    fixture_act(f, id, JOB_ACTION_STOP);
    fixture_wait(f, id, JOB_SUCCEEDED);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    fixture_expect_text(text, "bytes=50 "); /* though keep_latest is 1 */
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_int_equal(job.attempt, 1); /* not the worker's fault */
    job_row_release(&job);
    assert_int_equal(fixture_count_events(f, id, "worker_crashed"), 0);
}

static void test_checkpoint_that_the_worker_refuses_is_passed_over(void **state)
{
    struct sched_fixture *f = *state;
    char id[ID_SIZE], text[96];
    fixture_start(f);
    fixture_post_job(
        f, "a1:checkpoint 50;a1:crash 11;a2:resumed;a2:failed checkpoint_unusable", id);
    /* The second start of attempt 2 has no checkpoint to refuse, so it breaks the
     * protocol. */
    fixture_wait_event(f, id, "checkpoint_unusable", text, sizeof(text));
    fixture_wait(f, id, JOB_FAILED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    fixture_expect_text(job.error, "exit status 0");
    assert_int_equal(job.attempt, 3);
    job_row_release(&job);
    fixture_wait_event(f, id, "note", text, sizeof(text));
    assert_string_equal(text, "bytes=0 sum=0");
}

static void test_missing_dataset_file_fails_the_job_at_once(void **state)
{
    struct sched_fixture *f = *state;
    char path[192], id[ID_SIZE];
    snprintf(path, sizeof(path), "%s/datasets/%064x", f->dir, 0xaa);
    assert_int_equal(unlink(path), 0);
    fixture_start(f);
    fixture_post_job(f, "obey", id);
    fixture_wait(f, id, JOB_FAILED);
    struct job_row job;
    fixture_get_job(f, id, &job);
    assert_string_equal(job.stop_reason, "internal_error");
    fixture_expect_text(job.error, "dataset");
    assert_null(strstr(job.error, f->dir));
    job_row_release(&job);
}

static void test_worker_that_says_done_and_does_not_end_is_killed(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE], next[ID_SIZE];
    fixture_queue_job(
        f, &(struct job_wish){.script = "model 4;done completed;hang", .threads = 2}, id);
    sched_wake(f->sched);
    fixture_wait(f, id, JOB_SUCCEEDED);
    fixture_post_job(f, "model 4;done completed", next);
    fixture_wait(f, next, JOB_SUCCEEDED); /* the slots came back */
}

static void test_flood_of_metrics_is_stored_whole_in_bounded_memory(void **state)
{
    struct sched_fixture *f = *state;
    fixture_start(f);
    char id[ID_SIZE];
    fixture_post_job(f, "flood 300;model 4;done completed", id);
    fixture_wait(f, id, JOB_SUCCEEDED);
    struct error err = {0};
    struct metric_query query = {0};
    struct metric_result result;
    struct db *db = store_read_begin(f->store, &err);
    assert_int_equal(metrics_read(db, id, &query, &result, &err), 0);
    store_read_end(f->store, db);
    assert_int_equal(result.series[0].count, 1000);
    metric_result_release(&result);
}

static void test_worker_that_cannot_be_executed_fails_the_start(void **state)
{
    struct sched_fixture *f = *state;
    f->config.worker_path = "/tmp/there-is-no-such-worker";
    struct error err = {0};
    assert_true(sched_start(&f->config, &f->sched, &err) < 0);
}

static void test_worker_that_does_not_start_counts_as_a_crash(void **state)
{
    struct sched_fixture *f = *state;
    char script[128];
    snprintf(script, sizeof(script), "%s/broken", f->dir);
    FILE *file = fopen(script, "we");
    assert_non_null(file);
    fputs("#!/there/is/no/such/interpreter\n", file);
    fclose(file);
    assert_int_equal(chmod(script, 0700), 0);
    f->config.worker_path = script;
    fixture_start(f);
    expect_crash(f, "obey", "cannot start the worker");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(test_crash_is_told_with_signal_progress_and_last_words),
        TEST(test_crashed_job_leaves_its_neighbour_alone),
        TEST(test_exit_status_without_an_end_is_a_crash),
        TEST(test_kill_from_outside_is_a_crash_and_not_out_of_memory),
        TEST(test_escape_from_the_sandbox_is_told_in_words),
        TEST(test_silent_worker_is_killed),
        TEST(test_garbage_ends_the_worker),
        TEST(test_lies_in_json_end_the_worker),
        TEST(test_blob_of_another_length_than_announced_ends_the_worker),
        TEST(test_half_a_model_is_no_model),
        TEST(test_crashed_job_is_tried_again_from_its_last_checkpoint),
        TEST(test_job_is_given_up_after_its_last_attempt),
        TEST(test_job_that_waits_for_its_next_attempt_can_be_cancelled),
        TEST(test_stop_is_remembered_over_a_crash),
        TEST(test_damaged_checkpoint_is_passed_over),
        TEST(test_checkpoint_that_the_worker_refuses_is_passed_over),
        TEST(test_missing_dataset_file_fails_the_job_at_once),
        TEST(test_worker_that_says_done_and_does_not_end_is_killed),
        TEST(test_flood_of_metrics_is_stored_whole_in_bounded_memory),
        TEST(test_worker_that_cannot_be_executed_fails_the_start),
        TEST(test_worker_that_does_not_start_counts_as_a_crash),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
