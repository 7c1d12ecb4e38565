/* Tokens: made once, checked by digest, never stored in clear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/tokens.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static void create(struct db *db, enum token_scope scope, int64_t expires_us,
                   char ret_text[TOKEN_TEXT_SIZE], char ret_id[ID_SIZE])
{
    struct error err = {0};
    const struct token_wish wish = {
        .name = "ci", .scope = scope, .expires_us = expires_us};
    assert_int_equal(tokens_create(db, &wish, TEST_NOW, ret_text, ret_id, &err), 0);
}

static void test_a_token_is_known_by_its_text(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    create(db, SCOPE_SUBMIT, 0, text, id);
    assert_int_equal(strlen(text), 55); /* "bp_" and 256 bits, five a character */
    assert_memory_equal(text, "bp_", 3);
    assert_true(id_is_valid("tok", id));
    struct token_row row;
    struct error err = {0};
    assert_int_equal(tokens_verify(db, text, TEST_NOW + 1, &row, &err), 0);
    assert_string_equal(row.id, id);
    assert_string_equal(row.name, "ci");
    assert_int_equal(row.scope, SCOPE_SUBMIT);
    assert_int_equal(row.last_used_us, 0);
    token_row_release(&row);
}

static void test_two_tokens_have_nothing_in_common(void **state)
{
    char one[TOKEN_TEXT_SIZE], two[TOKEN_TEXT_SIZE], id[ID_SIZE];
    create(db_of(state), SCOPE_READ, 0, one, id);
    create(db_of(state), SCOPE_READ, 0, two, id);
    int same = 0;
    for (size_t i = 3; i < strlen(one); i++)
        same += one[i] == two[i];
    assert_true(same < 20); /* 52 characters of 32: 1.6 are expected */
}

static void test_a_changed_or_foreign_text_is_not_found(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    create(db, SCOPE_READ, 0, text, id);
    struct token_row row;
    for (size_t i = 0; i < strlen(text); i++) {
        char changed[TOKEN_TEXT_SIZE];
        memcpy(changed, text, sizeof(changed));
        changed[i] = changed[i] == 'x' ? 'y' : 'x';
        assert_int_equal(tokens_verify(db, changed, TEST_NOW, &row, NULL), ERR_NOT_FOUND);
    }
    assert_int_equal(tokens_verify(db, "", TEST_NOW, &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(tokens_verify(db, "bp_", TEST_NOW, &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(tokens_verify(db, id, TEST_NOW, &row, NULL), ERR_NOT_FOUND);
}

static void test_an_expired_token_is_not_found(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    struct token_row row;
    bool any = false;
    struct error err = {0};
    create(db, SCOPE_READ, TEST_NOW + 100, text, id);
    assert_int_equal(tokens_verify(db, text, TEST_NOW + 99, &row, &err), 0);
    token_row_release(&row);
    assert_int_equal(tokens_any(db, TEST_NOW + 99, &any, &err), 0);
    assert_true(any);
    assert_int_equal(tokens_verify(db, text, TEST_NOW + 100, &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(tokens_any(db, TEST_NOW + 100, &any, &err), 0);
    assert_false(any);
}

static void test_a_deleted_token_is_not_found(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    create(db, SCOPE_READ, 0, text, id);
    struct token_row row;
    struct error err = {0};
    assert_int_equal(tokens_delete(db, id, &err), 0);
    assert_int_equal(tokens_verify(db, text, TEST_NOW, &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(tokens_delete(db, id, NULL), ERR_NOT_FOUND);
}

static void test_use_is_noted_at_most_once_a_minute(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    create(db, SCOPE_READ, 0, text, id);
    const int64_t second = 1000000;
    const int64_t uses[] = {TEST_NOW, TEST_NOW + 59 * second, TEST_NOW + 60 * second};
    const int64_t noted[] = {TEST_NOW, TEST_NOW, TEST_NOW + 60 * second};
    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        struct token_row row;
        assert_int_equal(tokens_touch(db, id, uses[i], &err), 0);
        assert_int_equal(tokens_verify(db, text, uses[i], &row, &err), 0);
        assert_int_equal(row.last_used_us, noted[i]);
        token_row_release(&row);
    }
}

static void test_the_list_has_the_newest_first(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], ids[3][ID_SIZE];
    for (int i = 0; i < 3; i++)
        create(db, (enum token_scope)(i + 1), 0, text, ids[i]);
    struct token_row *rows = NULL;
    size_t count = 0;
    struct error err = {0};
    bool has_more = true;
    const struct page page = {.limit = 10};
    assert_int_equal(tokens_list(db, &page, &rows, &count, &has_more, &err), 0);
    assert_false(has_more);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rows[i].id, ids[2 - i]);
        assert_int_equal(rows[i].scope, 3 - i);
        token_row_release(&rows[i]);
    }
    free(rows);
}

static void test_an_owner_is_the_token_itself_unless_named(void **state)
{
    struct db *db = db_of(state);
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    struct token_row row;
    struct error err = {0};
    create(db, SCOPE_READ, 0, text, id);
    assert_int_equal(tokens_verify(db, text, TEST_NOW, &row, &err), 0);
    assert_string_equal(row.owner, id);
    token_row_release(&row);
    const struct token_wish wish = {.owner = "team-1@example.org", .scope = SCOPE_READ};
    assert_int_equal(tokens_create(db, &wish, TEST_NOW, text, id, &err), 0);
    assert_int_equal(tokens_get(db, id, &row, &err), 0);
    assert_string_equal(row.owner, "team-1@example.org");
    assert_null(row.name);
    token_row_release(&row);
}

static void test_a_wish_that_makes_no_sense_is_refused(void **state)
{
    static char long_name[TOKEN_NAME_MAX + 2], long_owner[OWNER_SIZE + 1];
    memset(long_name, 'n', sizeof(long_name) - 1);
    memset(long_owner, 'o', sizeof(long_owner) - 1);
    const struct token_wish wishes[] = {
        {.scope = 0},
        {.scope = (enum token_scope)4},
        {.scope = SCOPE_READ, .name = long_name},
        {.scope = SCOPE_READ, .name = "two\nlines"},
        {.scope = SCOPE_READ, .name = "\xff"},
        {.scope = SCOPE_READ, .owner = ""},
        {.scope = SCOPE_READ, .owner = "a b"},
        {.scope = SCOPE_READ, .owner = "../a"},
        {.scope = SCOPE_READ, .owner = long_owner},
    };
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        char text[TOKEN_TEXT_SIZE] = "untouched", id[ID_SIZE];
        struct error err = {0};
        assert_int_equal(
            tokens_create(db_of(state), &wishes[i], TEST_NOW, text, id, &err),
            ERR_INVALID);
        assert_int_equal(err.pointer[0], '/');
        assert_string_equal(text, "untouched");
    }
}

static bool file_contains(const char *path, const char *needle)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    static char bytes[4 << 20];
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return memmem(bytes, length, needle, strlen(needle)) != NULL;
}

static void test_the_text_is_in_no_file_of_the_store(void **state)
{
    struct fixture *fixture = *state;
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE], wal[FOLDER_SIZE + 32];
    create(fixture->db, SCOPE_ADMIN, 0, text, id);
    sql_run(fixture->db, "COMMIT");
    snprintf(wal, sizeof(wal), "%s-wal", fixture->path);
    assert_true(file_contains(wal, id)); /* the row is there */
    assert_false(file_contains(wal, text));
    assert_false(file_contains(wal, text + 3));
    int pages;
    struct error err = {0};
    assert_int_equal(db_checkpoint(fixture->db, true, &pages, &err), 0);
    assert_true(file_contains(fixture->path, id));
    assert_false(file_contains(fixture->path, text));
    assert_false(file_contains(fixture->path, text + 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_token_is_known_by_its_text),
        TEST(test_two_tokens_have_nothing_in_common),
        TEST(test_a_changed_or_foreign_text_is_not_found),
        TEST(test_an_expired_token_is_not_found),
        TEST(test_a_deleted_token_is_not_found),
        TEST(test_use_is_noted_at_most_once_a_minute),
        TEST(test_the_list_has_the_newest_first),
        TEST(test_an_owner_is_the_token_itself_unless_named),
        TEST(test_a_wish_that_makes_no_sense_is_refused),
        TEST(test_the_text_is_in_no_file_of_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
