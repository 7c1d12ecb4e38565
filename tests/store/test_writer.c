/*
 * The writer: groups, failures, closing, a full disk. The order of things is made certain
 * by a write that waits at a gate on the writer thread, so that what is submitted
 * meanwhile is one group.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_scene.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What happens on the writer thread, as it happens. */
struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;    /* the gate */
    bool reached; /* a write waits at the gate */
    int done_count;
    int order[1024];
    int codes[1024];
};

static void record_init(struct record *record)
{
    *record = (struct record){.open = false};
    pthread_mutex_init(&record->lock, NULL);
    pthread_cond_init(&record->changed, NULL);
}

/* One recorded write. `fails` is the code that its run returns after having written. */
struct step {
    struct store_write write; /* first */
    struct record *record;
    struct store *store;
    const char *key;
    int number;
    int fails;
    bool gate;
    struct step *after; /* submitted from `done` */
};

static int run_step(struct db *db, struct store_write *write, struct error *err)
{
    struct step *step = (struct step *)write;
    struct record *record = step->record;
    if (step->gate) {
        pthread_mutex_lock(&record->lock);
        record->reached = true;
        pthread_cond_broadcast(&record->changed);
        while (!record->open)
            pthread_cond_wait(&record->changed, &record->lock);
        pthread_mutex_unlock(&record->lock);
    }
    char key[64];
    snprintf(key, sizeof(key), "%s%d", step->key, step->number);
    int rc = note_key(db, key, err);
    if (rc == 0 && step->fails < 0)
        rc = error_set(err, step->fails, "as it was told");
    return rc;
}

static void step_done(struct store_write *write, int rc, const struct error *err)
{
    struct step *step = (struct step *)write;
    struct record *record = step->record;
    assert_int_equal(rc < 0, err->code < 0);
    if (step->after)
        store_submit(step->store, &step->after->write);
    pthread_mutex_lock(&record->lock);
    record->order[record->done_count] = step->number;
    record->codes[record->done_count] = rc;
    record->done_count++;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

static void step_init(struct step *step, struct record *record, struct store *store,
                      const char *key, int number)
{
    *step = (struct step){.write = {.run = run_step, .done = step_done},
                          .record = record,
                          .store = store,
                          .key = key,
                          .number = number};
}

static void await_done(struct record *record, int count)
{
    pthread_mutex_lock(&record->lock);
    while (record->done_count < count)
        pthread_cond_wait(&record->changed, &record->lock);
    pthread_mutex_unlock(&record->lock);
}

/* Holds the writer inside a write. */
static void close_gate(struct step *gate, struct store *store)
{
    gate->gate = true;
    store_submit(store, &gate->write);
    pthread_mutex_lock(&gate->record->lock);
    while (!gate->record->reached)
        pthread_cond_wait(&gate->record->changed, &gate->record->lock);
    pthread_mutex_unlock(&gate->record->lock);
}

static void open_gate(struct record *record)
{
    pthread_mutex_lock(&record->lock);
    record->open = true;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

static void test_writes_are_done_in_order_and_a_failing_one_fails_alone(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    struct record record;
    record_init(&record);
    struct step gate, steps[600];
    step_init(&gate, &record, store, "gate", 0);
    close_gate(&gate, store);
    for (int i = 0; i < 600; i++) {
        step_init(&steps[i], &record, store, "step", i + 1);
        steps[i].fails = i % 3 == 1 ? ERR_CONFLICT : 0;
        store_submit(store, &steps[i].write);
    }
    open_gate(&record);
    await_done(&record, 601);
    for (int i = 0; i < 601; i++) {
        assert_int_equal(record.order[i], i);
        assert_int_equal(record.codes[i], i % 3 == 2 ? ERR_CONFLICT : 0);
    }
    assert_int_equal(count_stored(store, "step"), 400);
}

static void test_a_write_is_visible_to_readers_when_done_is_called(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        note(store, key);
        assert_int_equal(count_stored(store, "k"), i + 1);
    }
}

static void test_done_may_submit_another_write(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    struct record record;
    record_init(&record);
    struct step steps[5];
    for (int i = 0; i < 5; i++)
        step_init(&steps[i], &record, store, "chain", i);
    for (int i = 0; i < 4; i++)
        steps[i].after = &steps[i + 1];
    store_submit(store, &steps[0].write);
    await_done(&record, 5);
    assert_int_equal(count_stored(store, "chain"), 5);
}

static void test_closing_runs_what_is_queued(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    struct record record;
    record_init(&record);
    struct step gate, steps[100];
    step_init(&gate, &record, store, "gate", 0);
    close_gate(&gate, store);
    for (int i = 0; i < 100; i++) {
        step_init(&steps[i], &record, store, "late", i + 1);
        store_submit(store, &steps[i].write);
    }
    open_gate(&record);
    scene_close(scene);
    assert_int_equal(record.done_count, 101);
    assert_int_equal(count_stored(scene_open(scene), "late"), 100);
}

/* store_close() on a thread of its own, to look at the store meanwhile. */
static void *close_on_thread(void *argument)
{
    store_close(argument);
    return NULL;
}

/* Waits until the closing has begun: a write submitted before is queued, one submitted
 * after is cancelled at once. */
static void test_a_write_after_closing_began_is_cancelled(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    struct record record;
    record_init(&record);
    struct step gate, last;
    static struct step probes[1000];
    step_init(&gate, &record, store, "gate", -1);
    step_init(&last, &record, store, "last", 5000);
    close_gate(&gate, store);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_on_thread, store), 0);
    int probe = 0;
    bool refused = false;
    while (!refused && probe < 1000) {
        step_init(&probes[probe], &record, store, "probe", probe);
        store_submit(store, &probes[probe++].write);
        pthread_mutex_lock(&record.lock);
        refused = record.done_count > 0;
        pthread_mutex_unlock(&record.lock);
        usleep(1000);
    }
    assert_true(refused);
    assert_int_equal(record.codes[0], ERR_CANCELLED);
    store_submit(store, &last.write);
    assert_int_equal(record.order[1], 5000);
    assert_int_equal(record.codes[1], ERR_CANCELLED);
    open_gate(&record);
    pthread_join(thread, NULL);
    scene->store = NULL;
    assert_int_equal(count_stored(scene_open(scene), "probe"), probe - 1);
}

static void test_waiting_passes_on_the_error_of_the_write(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    note(store, "once");
    struct error err = {0};
    char key[] = "once";
    assert_int_equal(call_wait(store, note_key, key, &err), ERR_CONFLICT);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_true(err.text[0] != '\0');
    assert_null(strstr(err.text, "INSERT"));
}

static int fill(struct db *db, void *argument, struct error *err)
{
    struct query q;
    query_begin(&q, db, "INSERT INTO meta (key, value) VALUES (:key, hex(zeroblob(:n)))");
    query_bind_text(&q, ":key", argument);
    query_bind_int(&q, ":n", 300000);
    return query_run(&q, err);
}

static int fill_as_step(struct db *db, struct store_write *write, struct error *err)
{
    char key[] = "big";
    (void)write;
    return fill(db, key, err);
}

/* Two small writes and one that the disk has no room for, submitted as one group; it is
 * not one if the machine takes too long over it. Returns what became of the small ones.
 */
static int fill_the_disk(struct store *store, int number)
{
    struct record record;
    record_init(&record);
    struct step gate, early, big;
    step_init(&gate, &record, store, "small", number);
    step_init(&early, &record, store, "small", number + 1);
    step_init(&big, &record, store, "big", number);
    big.write.run = fill_as_step;
    close_gate(&gate, store);
    store_submit(store, &early.write);
    store_submit(store, &big.write);
    open_gate(&record);
    await_done(&record, 3);
    if (record.codes[2] != ERR_NO_SPACE)
        return ERR_INTERNAL;
    return record.codes[0] == 0 ? 0 : record.codes[1];
}

/* In a process of its own: a limit on the size of files stands for the full disk. */
static int live_on_a_full_disk(struct scene *scene)
{
    struct store *store = NULL;
    if (store_open(scene->folder, &store, NULL) < 0)
        return 1;
    struct rlimit unlimited, limit;
    getrlimit(RLIMIT_FSIZE, &unlimited);
    limit = unlimited;
    limit.rlim_cur = 400000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    int number = 0, rc = fill_the_disk(store, number);
    for (; rc == 0 && number < 100; number += 2, rc = fill_the_disk(store, number))
        ;
    int failures = rc != ERR_NO_SPACE;
    int64_t stored = count_stored(store, "small");
    setrlimit(RLIMIT_FSIZE, &unlimited);
    struct error err = {0};
    char after[] = "after", key[] = "big";
    failures += call_wait(store, note_key, after, &err) != 0;
    failures += call_wait(store, fill, key, &err) != 0;
    failures += count_stored(store, "small") != stored;
    store_close(store);
    return failures;
}

static void test_a_full_disk_fails_the_group_and_the_store_lives_on(void **state)
{
    struct scene *scene = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(live_on_a_full_disk(scene));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct store *store = scene_open(scene);
    assert_int_equal(count_stored(store, "after"), 1);
    assert_int_equal(count_stored(store, "big"), 1);
}

/* Three groups of 20 MiB: more than a checkpoint's worth each. */
static void test_the_wal_does_not_grow_without_end(void **state)
{
    struct scene *scene = *state;
    struct store *store = scene_open(scene);
    uint64_t bytes = 0;
    int version;
    for (int i = 0; i < 150; i++) {
        char key[32];
        snprintf(key, sizeof(key), "big%d", i);
        struct error err = {0};
        assert_int_equal(call_wait(store, fill, key, &err), 0);
    }
    struct stat status;
    assert_int_equal(stat(scene->wal, &status), 0);
    assert_true(status.st_size < 40 << 20);
    assert_int_equal(store_info(store, &bytes, &version), 0);
    assert_true(bytes > 80 << 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_writes_are_done_in_order_and_a_failing_one_fails_alone),
        TEST(test_a_write_is_visible_to_readers_when_done_is_called),
        TEST(test_done_may_submit_another_write),
        TEST(test_closing_runs_what_is_queued),
        TEST(test_a_write_after_closing_began_is_cancelled),
        TEST(test_waiting_passes_on_the_error_of_the_write),
        TEST(test_a_full_disk_fails_the_group_and_the_store_lives_on),
        TEST(test_the_wal_does_not_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
