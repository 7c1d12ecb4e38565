/* What the store says of itself: figures of the writer, whether it can write, totals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_scene.h"

#include "base/clock.h"
#include "store/totals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail_as_told(struct db *db, void *argument, struct error *err)
{
    (void)db;
    (void)argument;
    return error_set(err, ERR_CONFLICT, "as it was told");
}

static void test_writes_and_commits_are_counted(void **state)
{
    struct store *store = scene_open(*state);
    struct store_stats before, after;
    store_stats(store, &before);
    char key[] = "a";
    struct call call;
    for (int i = 0; i < 5; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%s%d", key, i);
        assert_int_equal(call_wait(store, note_key, text, NULL), 0);
    }
    call_init(&call, fail_as_told, NULL);
    assert_int_equal(store_write_wait(store, &call.write, NULL), ERR_CONFLICT);
    store_stats(store, &after);
    assert_int_equal(after.writer.committed - before.writer.committed, 5);
    assert_int_equal(after.writer.failed - before.writer.failed, 1);
    assert_int_equal(after.writer.failed_groups, before.writer.failed_groups);
    assert_true(after.writer.commit.total > before.writer.commit.total);
    assert_int_equal(after.writer.write.total - before.writer.write.total, 6);
    assert_int_equal(after.writer.waiting, 0);
    assert_int_equal(after.writer.last_failure, 0); /* it was the write's own fault */
    assert_true(after.database_bytes > 0 && after.wal_bytes > 0);
}

/* The failure that the writer knows of, after a trial. */
static int try_write(struct store *store)
{
    struct store_stats before, after;
    store_stats(store, &before);
    int64_t done = before.writer.committed + before.writer.failed;
    store_try_write(store);
    int64_t end = clock_monotonic_ns() + 20 * CLOCK_NS_PER_SECOND;
    do {
        const struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
        store_stats(store, &after);
    } while (after.writer.committed + after.writer.failed == done &&
             clock_monotonic_ns() < end);
    return after.writer.last_failure;
}

/* In a process of its own: a limit on the size of files stands for the full disk. */
static int find_the_disk_full(struct scene *scene)
{
    struct store *store = NULL;
    if (store_open(scene->folder, &store, NULL) < 0)
        return 100;
    int failures = try_write(store) != 0;
    struct rlimit unlimited, limit;
    getrlimit(RLIMIT_FSIZE, &unlimited);
    limit = unlimited;
    limit.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 3; i++)
        failures += try_write(store) != ERR_NO_SPACE;
    struct store_stats stats;
    store_stats(store, &stats);
    failures += stats.writer.failed_groups + stats.writer.failed < 3;
    setrlimit(RLIMIT_FSIZE, &unlimited);
    failures += try_write(store) != 0;
    store_close(store);
    return failures;
}

static void test_a_trial_tells_whether_the_store_can_write(void **state)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(find_the_disk_full(*state));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_totals(void **state)
{
    struct fixture *fixture = *state;
    struct store_totals totals;
    assert_int_equal(totals_read(fixture->db, &totals, NULL), 0);
    assert_int_equal(totals.oldest_queued_us, 0);
    assert_int_equal(totals.datasets, 0);
    char job[ID_SIZE], other[ID_SIZE];
    make_job(fixture->db, 0, "{}", job);
    make_job(fixture->db, 5, "{}", other);
    sql_run(fixture->db, "UPDATE jobs SET created_us = 1000 + number");
    make_dataset(fixture->db, "ds_second"); /* the same file */
    sql_run(fixture->db, "UPDATE datasets SET file_bytes = 7");
    assert_int_equal(totals_read(fixture->db, &totals, NULL), 0);
    assert_int_equal(totals.jobs[JOB_QUEUED], 2);
    assert_int_equal(totals.oldest_queued_us, 1001);
    assert_int_equal(totals.datasets,
                     sql_int(fixture->db, "SELECT count(*) FROM datasets"));
    assert_int_equal(
        totals.dataset_bytes,
        7 * sql_int(fixture->db, "SELECT count(DISTINCT file_sha256) FROM datasets"));
    assert_int_equal(totals.models, 0);
    assert_int_equal(totals.model_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_writes_and_commits_are_counted, scene_setup,
                                        scene_teardown),
        cmocka_unit_test_setup_teardown(test_a_trial_tells_whether_the_store_can_write,
                                        scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_totals, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
