/*
 * Every allocation of the store fails in turn, SQLite's as well as its own: in every
 * scenario, while it opens, and in every way of reading. What failed says so
 * (ERR_NOMEM), leaves nothing half done and, under the sanitizers, nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_memory.h"
#include "faulty_vfs.h"
#include "store/blobs.h"
#include "store/checkpoints.h"
#include "store/events.h"
#include "store/metrics.h"
#include "store/models.h"
#include "store/tokens.h"
#include "store_scenarios.h"

#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_CLAIMED 5000
/* In a store that was just opened most allocations are of SQLite's parser and of the
 * schema, thousands of much the same: one in so many is tried, unless all are asked for.
 * In a store that has run, every one is. */
#define COLD_STRIDE 37

static uint64_t injected, refused;

/* ---- SQLite's allocations ---- */

static void *sqlite_malloc(int size)
{
    return failing_malloc((size_t)size);
}

static void *sqlite_realloc(void *block, int size)
{
    return failing_realloc(block, (size_t)size);
}

static int sqlite_size(void *block)
{
    return block ? (int)malloc_usable_size(block) : 0;
}

static int sqlite_round(int size)
{
    return (size + 7) & ~7;
}

static int sqlite_start(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void sqlite_stop(void *context)
{
    (void)context;
}

static const sqlite3_mem_methods memory = {sqlite_malloc, free,         sqlite_realloc,
                                           sqlite_size,   sqlite_round, sqlite_start,
                                           sqlite_stop,   NULL};

/* ---- writes ---- */

static bool try_write(struct store *store, const struct scenario *scenario, uint64_t nth,
                      enum failing_memory_mode mode)
{
    struct actor actor;
    char before[STATE_SIZE], after[STATE_SIZE], retried[STATE_SIZE];
    struct error err = {0};
    actor_prepare(store, scenario, &actor);
    read_state(store, before);
    failing_memory_begin(nth, mode);
    int rc = call_wait(store, scenario->act, &actor, &err);
    uint64_t count = failing_memory_end();
    read_state(store, after);
    if (rc != 0 && rc != ERR_NOMEM)
        fail_msg("%s, allocation %d: %d (%s)", scenario->name, (int)nth, rc, err.text);
    if ((strcmp(before, after) == 0) != (rc < 0))
        fail_msg("%s, allocation %d: %d, but\n%s\n%s", scenario->name, (int)nth, rc,
                 before, after);
    if (rc < 0) {
        assert_int_equal(call_wait(store, scenario->act, &actor, NULL), 0);
        read_state(store, retried);
        assert_string_not_equal(before, retried);
        refused++;
    }
    injected += count;
    return count > 0;
}

static uint64_t stride_of(void)
{
    return getenv("BACKPROP_LONG_FAULTS") ? 1 : COLD_STRIDE;
}

/* `cold`: the store is opened anew each time, so that statements are prepared again. */
static void sweep_writes(struct scene *scene, enum failing_memory_mode mode, bool cold)
{
    uint64_t stride = cold ? stride_of() : 1;
    for (int i = 0; i < scenario_count; i++) {
        uint64_t nth = 1;
        struct store *store = scene_open(scene);
        while (try_write(store, &scenarios[i], nth, mode)) {
            nth += stride;
            if (cold) {
                scene_close(scene);
                store = scene_open(scene);
            }
        }
        assert_true(nth > 10);
        check_integrity(store);
        scene_close(scene);
    }
}

static void test_every_allocation_of_a_write_fails_in_turn(void **state)
{
    sweep_writes(*state, FAIL_ONCE, false);
}

static void test_all_allocations_of_a_write_fail_from_one_on(void **state)
{
    sweep_writes(*state, FAIL_ON, false);
}

static void test_allocations_of_a_first_write_fail(void **state)
{
    sweep_writes(*state, FAIL_ONCE, true);
}

static void test_all_allocations_of_a_first_write_fail_from_one_on(void **state)
{
    sweep_writes(*state, FAIL_ON, true);
}

static void test_allocations_of_opening_fail(void **state)
{
    struct scene *scene = *state;
    uint64_t stride = stride_of();
    for (int anew = 0; anew < 2; anew++) {
        uint64_t count = 1;
        for (uint64_t nth = 1; count > 0; nth += stride) {
            struct error err = {0};
            failing_memory_begin(nth, FAIL_ONCE);
            int rc = store_open(scene->folder, &scene->store, &err);
            count = failing_memory_end();
            injected += count;
            if (rc != 0 && rc != ERR_NOMEM)
                fail_msg("opening, allocation %d: %d (%s)", (int)nth, rc, err.text);
            refused += rc < 0 ? 1 : 0;
            if (rc < 0)
                scene_open(scene);
            check_integrity(scene->store);
            scene_close(scene);
            if (anew == 0)
                folder_remove(scene->folder);
        }
        scene_open(scene);
        scene_close(scene);
    }
}

/* ---- reads ---- */

static int read_job(struct db *db, const struct actor *actor, struct error *err)
{
    struct job_row row;
    int64_t position;
    int rc = jobs_get(db, actor->job, &row, err);
    if (rc == 0)
        job_row_release(&row);
    return rc < 0 ? rc : jobs_queue_position(db, actor->job, &position, err);
}

static int list_jobs(struct db *db, const struct actor *actor, struct error *err)
{
    (void)actor;
    const struct page page = {.limit = 20};
    const struct job_filter filter = {
        .status = -1, .metadata_key = "team", .metadata_value = "vision"};
    struct job_row *rows = NULL;
    size_t count = 0;
    bool more;
    int rc = jobs_list(db, &page, &filter, &rows, &count, &more, err);
    for (size_t i = 0; i < count; i++)
        job_row_release(&rows[i]);
    free(rows);
    return rc;
}

static int read_metrics(struct db *db, const struct actor *actor, struct error *err)
{
    const struct metric_query query = {.max_points = 8};
    struct metric_result result;
    int rc = metrics_read(db, actor->job, &query, &result, err);
    if (rc == 0)
        metric_result_release(&result);
    return rc;
}

static int list_events(struct db *db, const struct actor *actor, struct error *err)
{
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more;
    int rc = events_list(db, actor->job, 0, 100, &rows, &count, &more, err);
    for (size_t i = 0; i < count; i++)
        event_row_release(&rows[i]);
    free(rows);
    return rc;
}

static int read_model(struct db *db, const struct actor *actor, struct error *err)
{
    static unsigned char bytes[1024];
    struct model_row row;
    int rc = models_get(db, actor->model, &row, err);
    if (rc < 0)
        return rc;
    rc = blobs_read(db, row.blob, 100, bytes, sizeof(bytes), err);
    model_row_release(&row);
    return rc;
}

static int read_dataset(struct db *db, const struct actor *actor, struct error *err)
{
    struct dataset_row row;
    int rc = datasets_get(db, actor->dataset, &row, err);
    if (rc == 0)
        dataset_row_release(&row);
    return rc;
}

static int list_checkpoints(struct db *db, const struct actor *actor, struct error *err)
{
    struct checkpoint_row *rows = NULL;
    size_t count = 0;
    int rc = checkpoints_list(db, actor->job, &rows, &count, err);
    for (size_t i = 0; i < count; i++)
        checkpoint_row_release(&rows[i]);
    free(rows);
    return rc;
}

static int (*const reads[])(struct db *db, const struct actor *actor,
                            struct error *err) = {
    read_job,   list_jobs,    read_metrics,    list_events,
    read_model, read_dataset, list_checkpoints};

static int read_all(struct store *store, const struct actor *actor, size_t which,
                    struct error *err)
{
    struct db *db = store_read_begin(store, err);
    if (!db)
        return ERR_NOMEM;
    int rc = reads[which](db, actor, err);
    store_read_end(store, db);
    return rc;
}

static void test_allocations_of_a_read_fail(void **state)
{
    struct scene *scene = *state;
    struct actor actor;
    struct store *store = scene_open(scene);
    actor_prepare(store, &scenarios[scenario_count - 1], &actor); /* a finished job */
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        uint64_t count = 1;
        for (uint64_t nth = 1; count > 0; nth += stride_of()) {
            struct error err = {0};
            scene_close(scene);
            store = scene_open(scene);
            failing_memory_begin(nth, FAIL_ONCE);
            int rc = read_all(store, &actor, i, &err);
            count = failing_memory_end();
            injected += count;
            refused += rc < 0 ? 1 : 0;
            if (rc != 0 && rc != ERR_NOMEM)
                fail_msg("read %d, allocation %d: %d (%s)", (int)i, (int)nth, rc,
                         err.text);
            assert_int_equal(read_all(store, &actor, i, NULL), 0);
        }
        count = 1;
        for (uint64_t nth = 1; count > 0; nth++) {
            failing_memory_begin(nth, FAIL_ONCE);
            int rc = read_all(store, &actor, i, NULL);
            count = failing_memory_end();
            injected += count;
            refused += rc < 0 ? 1 : 0;
            assert_true(rc == 0 || rc == ERR_NOMEM);
        }
    }
}

static void test_as_many_faults_as_claimed(void **state)
{
    (void)state;
    print_message("%llu allocations failed, %llu calls refused\n",
                  (unsigned long long)injected, (unsigned long long)refused);
    assert_true(injected >= FAULTS_CLAIMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, quick_setup, quick_teardown)

/* The disk is not what is tested: the VFS that does not sync saves most of the time. */
static int quick_setup(void **state)
{
    int rc = scene_setup(state);
    faulty_vfs_install(((struct scene *)*state)->parent);
    return rc;
}

static int quick_teardown(void **state)
{
    scene_close(*state);
    faulty_vfs_remove();
    return scene_teardown(state);
}

int main(void)
{
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(test_every_allocation_of_a_write_fails_in_turn),
        TEST(test_all_allocations_of_a_write_fail_from_one_on),
        TEST(test_allocations_of_a_first_write_fail),
        TEST(test_all_allocations_of_a_first_write_fail_from_one_on),
        TEST(test_allocations_of_opening_fail),
        TEST(test_allocations_of_a_read_fail),
        cmocka_unit_test(test_as_many_faults_as_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
