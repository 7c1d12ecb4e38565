/* Ingest workers: facts and refusals are passed on, crashes are told, descriptors are
 * never left open, and those that wait have their turn. */
#include "base/clock.h"
#include "sched_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FACTS                                                                            \
    "{\"facts\":{\"kind\":\"table\",\"rows\":{\"train\":2,\"test\":0},\"columns\":[{"    \
    "\"name\":\"a\",\"type\":\"text\",\"missing\":0}]}}"

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static uint64_t last_ticket;

static int ask(struct sched_fixture *f, const char *script, struct answer *result)
{
    *result = (struct answer){.fixture = f};
    json_t *options = json_pack("{s:s}", "script", script);
    char *text = json_dumps(options, 0);
    struct ingest_job job = {.part_count = 2,
                             .part_names = {"train.features", "train.labels"},
                             .part_fds = {open_null(), open_null()},
                             .output_fd = open_null(),
                             .options = text,
                             .done = answer_take,
                             .context = result};
    struct error err = {0};
    int rc = sched_ingest(f->sched, &job, &last_ticket, &err);
    free(text);
    json_decref(options);
    return rc;
}

static void ingest(struct sched_fixture *f, const char *script, struct answer *result)
{
    assert_int_equal(ask(f, script, result), 0);
    fixture_wait_until(f, answer_is_there, result);
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void test_facts_are_passed_on(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    ingest(f, "json 17 {\"bytes\":10};json 23 " FACTS, &result);
    assert_int_equal(result.rc, 0);
    fixture_expect_text(result.json, "\"kind\":\"table\"");
}

static void test_refusals_are_passed_on_with_their_violations(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    ingest(f, "failed invalid_data", &result);
    assert_int_equal(result.rc, ERR_INVALID);
    fixture_expect_text(result.json, "row 7 is odd");
    fixture_expect_text(result.text, "It went wrong.");
    ingest(f, "failed too_large", &result);
    assert_int_equal(result.rc, ERR_TOO_LARGE);
    ingest(f, "failed out_of_memory", &result);
    assert_int_equal(result.rc, ERR_NOMEM);
}

static void test_failure_before_ready_is_passed_on(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    ingest(f, "unready", &result);
    assert_int_equal(result.rc, ERR_INTERNAL);
    fixture_expect_text(result.text, "It went wrong.");
}

static void test_crash_of_an_ingest_worker_is_told(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    ingest(f, "crash 11", &result);
    assert_int_equal(result.rc, ERR_WORKER);
    fixture_expect_text(result.text, "SIGSEGV");
    ingest(f, "exit 0", &result);
    fixture_expect_text(result.text, "exit status 0");
}

static void test_lies_of_an_ingest_worker_are_refused(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    static const char *const scripts[] = {
        "json 23 {};hang",  "json 23 {\"facts\":{\"kind\":\"cheese\"}};hang",
        "metrics 1;hang",   "json 24 {\"code\":\"odd\",\"message\":\"x\"};hang",
        "json 23 [1];hang", "raw 0000000001;hang",
        "model 4;hang",     "json 23 {\"facts\":[]};hang",
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        ingest(f, scripts[i], &result);
        assert_int_equal(result.rc, ERR_WORKER);
        fixture_expect_text(result.text, "spoke out of protocol");
    }
}

static void test_silent_ingest_worker_is_killed(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    f->config.silence_ns = CLOCK_NS_PER_SECOND / 5;
    fixture_start(f);
    ingest(f, "hang", &result);
    fixture_expect_text(result.text, "silent");
}

static void
test_waiting_ingests_have_their_turn_and_all_descriptors_are_closed(void **state)
{
    struct sched_fixture *f = *state;
    struct answer results[12], last;
    fixture_start(f);
    ingest(f, "json 23 " FACTS, &last);
    int before = open_descriptors();
    for (int i = 0; i < 12; i++)
        assert_int_equal(ask(f, i % 3 == 1 ? "crash 9" : "json 23 " FACTS, &results[i]),
                         0);
    for (int i = 0; i < 12; i++) {
        fixture_wait_until(f, answer_is_there, &results[i]);
        assert_int_equal(results[i].rc, i % 3 == 1 ? ERR_WORKER : 0);
        assert_int_equal(results[i].calls, 1);
    }
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    /* The scheduler's own two (its epoll and its bell) are closed as well. */
    assert_true(open_descriptors() <= before - 2);
}

/* As many workers as may be run: no more are started, which would open descriptors. */
static bool workers_are_started(void *context)
{
    const struct sched_fixture *f = context;
    struct sched_stats stats;
    sched_stats(f->sched, &stats);
    return stats.ingesting == f->config.max_ingests;
}

static void test_too_many_ingests_are_refused_at_once(void **state)
{
    struct sched_fixture *f = *state;
    static struct answer results[65];
    fixture_start(f);
    for (int i = 0; i < 64; i++)
        assert_int_equal(ask(f, "hang", &results[i]), 0);
    fixture_wait_until(f, workers_are_started, f);
    int before = open_descriptors();
    assert_int_equal(ask(f, "hang", &results[64]), ERR_BUSY);
    assert_int_equal(results[64].calls, 0);
    assert_true(open_descriptors() <= before);
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(results[i].calls, 1);
        assert_int_equal(results[i].rc, ERR_CANCELLED);
    }
}

/* ---- gradient checks: short tasks too ---- */

#define REPORT "{\"report\":{\"passed\":true,\"layers\":[]}}"

static int ask_check(struct sched_fixture *f, const char *script, struct answer *result)
{
    *result = (struct answer){.fixture = f};
    json_t *json =
        json_pack("{s:s, s:{s:s}}", "task", "gradcheck", "spec", "script", script);
    char *text = json_dumps(json, 0);
    struct check_job job = {
        .dataset_fd = open_null(), .task = text, .done = answer_take, .context = result};
    struct error err = {0};
    int rc = sched_check(f->sched, &job, &last_ticket, &err);
    free(text);
    json_decref(json);
    return rc;
}

static void check(struct sched_fixture *f, const char *script, struct answer *result)
{
    assert_int_equal(ask_check(f, script, result), 0);
    fixture_wait_until(f, answer_is_there, result);
    assert_int_equal(result->calls, 1);
}

static void test_report_of_a_gradient_check_is_passed_on(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    check(f, "json 23 " REPORT, &result);
    assert_int_equal(result.rc, 0);
    fixture_expect_text(result.json, "\"passed\":true");
    int before = open_descriptors();
    for (int i = 0; i < 5; i++)
        check(f, "json 23 " REPORT, &result);
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    assert_true(open_descriptors() <= before);
}

static void test_failures_of_a_gradient_check_are_told(void **state)
{
    struct sched_fixture *f = *state;
    struct answer result;
    fixture_start(f);
    check(f, "failed invalid_data", &result);
    assert_int_equal(result.rc, ERR_INVALID);
    fixture_expect_text(result.text, "It went wrong.");
    check(f, "crash 11", &result);
    assert_int_equal(result.rc, ERR_WORKER);
    fixture_expect_text(result.text, "SIGSEGV");
    static const char *const lies[] = {
        "json 23 {};hang",
        "json 23 " FACTS ";hang",
        "json 23 {\"report\":{\"passed\":1,\"layers\":[]}};hang",
        "json 23 {\"report\":{\"passed\":true}};hang",
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        check(f, lies[i], &result);
        assert_int_equal(result.rc, ERR_WORKER);
        fixture_expect_text(result.text, "spoke out of protocol");
    }
}

static void test_waiting_gradient_checks_are_answered_when_the_daemon_goes(void **state)
{
    struct sched_fixture *f = *state;
    struct answer results[3];
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask_check(f, "hang", &results[i]), 0);
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].calls, 1);
        assert_int_equal(results[i].rc, ERR_CANCELLED);
    }
}

static void test_a_task_that_nobody_waits_for_ends_at_once(void **state)
{
    struct sched_fixture *f = *state;
    struct answer results[4];
    uint64_t tickets[4];
    fixture_start(f);
    for (int i = 0; i < 4; i++) { /* two run, two wait */
        assert_int_equal(i % 2 == 0 ? ask(f, "hang", &results[i])
                                    : ask_check(f, "hang", &results[i]),
                         0);
        tickets[i] = last_ticket;
    }
    fixture_wait_until(f, workers_are_started, f);
    sched_withdraw_task(f->sched, 77);
    for (int i = 3; i >= 0; i--) {
        sched_withdraw_task(f->sched, tickets[i]);
        sched_withdraw_task(f->sched, tickets[i]);
        fixture_wait_until(f, answer_is_there, &results[i]);
        assert_int_equal(results[i].rc, ERR_CANCELLED);
    }
    ingest(f, "json 23 " FACTS, &results[0]); /* their places are free */
    assert_int_equal(results[0].rc, 0);
    sched_withdraw_task(f->sched, last_ticket);
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    for (int i = 0; i < 4; i++)
        assert_int_equal(results[i].calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(test_facts_are_passed_on),
        TEST(test_refusals_are_passed_on_with_their_violations),
        TEST(test_failure_before_ready_is_passed_on),
        TEST(test_crash_of_an_ingest_worker_is_told),
        TEST(test_lies_of_an_ingest_worker_are_refused),
        TEST(test_silent_ingest_worker_is_killed),
        TEST(test_waiting_ingests_have_their_turn_and_all_descriptors_are_closed),
        TEST(test_too_many_ingests_are_refused_at_once),
        TEST(test_a_task_that_nobody_waits_for_ends_at_once),
        TEST(test_report_of_a_gradient_check_is_passed_on),
        TEST(test_failures_of_a_gradient_check_are_told),
        TEST(test_waiting_gradient_checks_are_answered_when_the_daemon_goes),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
