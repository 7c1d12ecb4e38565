/*
 * What was acknowledged is there: a child writes and says so through a pipe after `done`,
 * is killed with SIGKILL at some moment, and the parent opens the store and looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 60
#define IN_FLIGHT 8

struct numbered {
    struct store_write write; /* first */
    struct store *store;
    int32_t *next;
    int32_t number;
    int pipe_fd;
};

static int insert_number(struct db *db, struct store_write *write, struct error *err)
{
    struct numbered *numbered = (struct numbered *)write;
    struct query q;
    query_begin(&q, db, "INSERT INTO meta (key, value) VALUES (:key, 'x')");
    char key[16];
    snprintf(key, sizeof(key), "n%d", numbered->number);
    query_bind_text(&q, ":key", key);
    return query_run(&q, err);
}

/* Acknowledges, and submits itself again with the next number: all on the writer thread.
 */
static void acknowledge(struct store_write *write_of, int rc, const struct error *err)
{
    (void)err;
    struct numbered *numbered = (struct numbered *)write_of;
    ssize_t size = (ssize_t)sizeof(numbered->number);
    if (rc < 0 ||
        write(numbered->pipe_fd, &numbered->number, sizeof(numbered->number)) != size)
        _exit(1);
    numbered->number = (*numbered->next)++;
    store_submit(numbered->store, write_of);
}

/* Writes numbers from `first` on until it is killed. */
static void write_until_killed(const char *folder, int32_t first, int pipe_fd)
{
    struct store *store = NULL;
    if (store_open(folder, &store, NULL) < 0)
        _exit(1);
    struct numbered writes[IN_FLIGHT];
    int32_t next = first + IN_FLIGHT; /* the writer thread's, once writes are submitted */
    for (int i = 0; i < IN_FLIGHT; i++)
        writes[i] =
            (struct numbered){.write = {.run = insert_number, .done = acknowledge},
                              .store = store,
                              .number = first + i,
                              .next = &next,
                              .pipe_fd = pipe_fd};
    for (int i = 0; i < IN_FLIGHT; i++)
        store_submit(store, &writes[i].write);
    for (;;)
        pause();
}

/* Lets a child write, kills it once it has acknowledged `enough`, and reads the rest of
 * what it had acknowledged. Marks those numbers; returns how many. */
static int run_round(const char *folder, int32_t first, int enough, bool *acknowledged,
                     int32_t bound)
{
    int ends[2], count = 0, status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        write_until_killed(folder, first, ends[1]);
    }
    close(ends[1]);
    int32_t number;
    while (read(ends[0], &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        assert_in_range(number, first, bound - 1);
        acknowledged[number] = true;
        if (++count == enough)
            kill(child, SIGKILL);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return count;
}

static bool is_stored(struct db *db, int32_t number)
{
    struct query q;
    struct error err = {0};
    char key[16];
    snprintf(key, sizeof(key), "n%d", number);
    query_begin(&q, db, "SELECT 1 FROM meta WHERE key = :key");
    query_bind_text(&q, ":key", key);
    int rc = query_step(&q, &err);
    assert_true(rc >= 0);
    query_end(&q);
    return rc > 0;
}

/* Reads the store back, checks all that was ever acknowledged; the next free number. */
static int32_t check_store(const char *folder, const bool *acknowledged, int32_t bound)
{
    struct store *store = NULL;
    struct error err = {0};
    assert_int_equal(store_open(folder, &store, &err), 0);
    struct db *db = store_read_begin(store, &err);
    assert_non_null(db);
    for (int32_t i = 0; i < bound; i++)
        if (acknowledged[i])
            assert_true(is_stored(db, i));
    assert_int_equal(sql_int(db, "SELECT count(*) FROM pragma_integrity_check"
                                 " WHERE integrity_check <> 'ok'"),
                     0);
    int64_t next = sql_int(db, "SELECT 1 + max(CAST(substr(key, 2) AS INTEGER)) FROM meta"
                               " WHERE key GLOB 'n[0-9]*'");
    store_read_end(store, db);
    store_close(store);
    return (int32_t)next;
}

static void test_what_was_acknowledged_survives_sigkill(void **state)
{
    (void)state;
    char parent[FOLDER_SIZE], folder[FOLDER_SIZE + 8];
    folder_make(parent);
    snprintf(folder, sizeof(folder), "%s/data", parent);
    const int32_t bound = 1 << 20;
    bool *acknowledged = calloc((size_t)bound, sizeof(*acknowledged));
    assert_non_null(acknowledged);
    int32_t next = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int enough = 1 + round * 7 % 40;
        assert_true(run_round(folder, next, enough, acknowledged, bound) >= enough);
        next = check_store(folder, acknowledged, bound);
    }
    assert_true(next >= ROUNDS);
    free(acknowledged);
    folder_remove(folder);
    folder_remove(parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_acknowledged_survives_sigkill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
