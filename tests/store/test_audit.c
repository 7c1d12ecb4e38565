/* The audit log: in order, bounded, never rewritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/audit.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static void append(struct db *db, int count, int64_t keep)
{
    struct error err = {0};
    for (int i = 0; i < count; i++) {
        struct audit_row row = {.time_us = TEST_NOW + i,
                                .owner = "alice",
                                .token = "tok_1",
                                .address = "127.0.0.1",
                                .request = "req_1",
                                .action = "POST /v1/jobs",
                                .object = "job_1",
                                .status = 201};
        assert_int_equal(audit_append(db, &row, keep, &err), 0);
    }
}

static void test_pages_go_from_the_newest_to_the_oldest(void **state)
{
    struct db *db = db_of(state);
    append(db, 25, 1000);
    int64_t before = 0, expected = 25;
    bool more = true;
    while (more) {
        struct audit_row *rows = NULL;
        size_t count = 0;
        struct error err = {0};
        assert_int_equal(audit_list(db, before, 10, &rows, &count, &more, &err), 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(rows[i].number, expected--);
        assert_true(count > 0);
        before = rows[count - 1].number;
        assert_string_equal(rows[0].owner, "alice");
        assert_string_equal(rows[0].token, "tok_1");
        assert_string_equal(rows[0].address, "127.0.0.1");
        assert_string_equal(rows[0].request, "req_1");
        assert_string_equal(rows[0].action, "POST /v1/jobs");
        assert_string_equal(rows[0].object, "job_1");
        assert_int_equal(rows[0].status, 201);
        free(rows);
    }
    assert_int_equal(expected, 0);
}

static void test_the_oldest_rows_go(void **state)
{
    struct db *db = db_of(state);
    append(db, 100, 40);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM audit"), 40);
    assert_int_equal(sql_int(db, "SELECT max(number) FROM audit"), 100);
    append(db, 1, 10); /* a lower limit is reached step by step, not in one long write */
    append(db, 1, 10);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM audit"), 10);
    assert_int_equal(sql_int(db, "SELECT min(number) FROM audit"), 93);
}

static void test_a_row_is_never_rewritten(void **state)
{
    struct db *db = db_of(state);
    append(db, 1, 10);
    assert_int_equal(db_exec(db, "UPDATE audit SET owner = 'bob'", NULL) < 0, 1);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM audit WHERE owner = 'alice'"), 1);
}

static void test_a_caller_without_a_token_is_noted_without_one(void **state)
{
    struct db *db = db_of(state);
    const struct audit_row row = {.owner = "local", .action = "DELETE /x", .status = 204};
    struct error err = {0};
    assert_int_equal(audit_append(db, &row, 10, &err), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM audit WHERE token IS NULL"), 1);
    struct audit_row *rows = NULL;
    size_t count = 0;
    bool more = false;
    assert_int_equal(audit_list(db, 0, 10, &rows, &count, &more, &err), 0);
    assert_string_equal(rows[0].token, "");
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pages_go_from_the_newest_to_the_oldest),
        TEST(test_the_oldest_rows_go),
        TEST(test_a_row_is_never_rewritten),
        TEST(test_a_caller_without_a_token_is_noted_without_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
