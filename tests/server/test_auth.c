/* Tokens: who is let in, and to what. */
#include "http_fixture.h"

#include "base/clock.h"
#include "http/reply.h"
#include "http/route.h"
#include "store/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct http_fixture fixture;

static void handle(struct request *request)
{
    reply_empty(request, 204);
}

const struct route route_table[] = {
    {"GET", "/open", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"GET", "/read", SCOPE_READ, BODY_NONE, 0, handle, NULL, NULL},
    {"POST", "/submit", SCOPE_SUBMIT, BODY_JSON, 100, handle, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

/* A token in the making. */
struct making {
    struct store_write write;
    enum token_scope scope;
    int64_t expires_us;
    char text[TOKEN_TEXT_SIZE];
    char id[ID_SIZE];
};

static int make(struct db *db, struct store_write *write, struct error *err)
{
    struct making *making = (struct making *)write;
    const struct token_wish wish = {
        .name = "test", .scope = making->scope, .expires_us = making->expires_us};
    return tokens_create(db, &wish, clock_wall_us(), making->text, making->id, err);
}

static void make_token(struct making *making, enum token_scope scope, int64_t expires_us)
{
    *making =
        (struct making){.write = {.run = make}, .scope = scope, .expires_us = expires_us};
    assert_int_equal(store_write_wait(fixture.server.store, &making->write, NULL), 0);
}

static void expect(const char *method, const char *path, const char *token, int status,
                   const char *code)
{
    char text[512];
    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s\r\n",
             method, path, token ? "Authorization: " : "", token ? token : "",
             token ? "\r\n" : "");
    client_expect(&fixture, text, status, code);
}

static void expect_bearer(const char *method, const char *path,
                          const struct making *making, int status, const char *code)
{
    char header[128];
    snprintf(header, sizeof(header), "Bearer %s", making->text);
    expect(method, path, header, status, code);
}

static void test_without_a_token_only_open_routes_answer(void **state)
{
    (void)state;
    fixture_start(&fixture, true);
    expect("GET", "/open", NULL, 204, "");
    expect("GET", "/read", NULL, 401, "token_required");
    expect("POST", "/submit", NULL, 401, "token_required");
    expect("GET", "/none", NULL, 404, "no_such_route");
    struct client_reply reply =
        client_ask(&fixture, "GET /read HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_non_null(strstr(reply.head, "\r\nWWW-Authenticate: Bearer realm="));
    client_reply_release(&reply);
    fixture_release(&fixture);
}

static void test_a_scope_has_the_lower_ones(void **state)
{
    (void)state;
    fixture_start(&fixture, true);
    struct making read;
    struct making submit;
    struct making admin;
    make_token(&read, SCOPE_READ, 0);
    make_token(&submit, SCOPE_SUBMIT, 0);
    make_token(&admin, SCOPE_ADMIN, 0);
    for (int i = 0; i < 2; i++) { /* from the store, then from the cache */
        expect_bearer("GET", "/read", &read, 204, "");
        expect_bearer("POST", "/submit", &read, 403, "insufficient_scope");
        expect_bearer("GET", "/read", &submit, 204, "");
        expect_bearer("POST", "/submit", &submit, 204, "");
        expect_bearer("POST", "/submit", &admin, 204, "");
    }
    fixture_release(&fixture);
}

static void test_what_is_no_live_token_is_refused(void **state)
{
    (void)state;
    fixture_start(&fixture, true);
    struct making expired;
    make_token(&expired, SCOPE_ADMIN, clock_wall_us() - 1);
    expect_bearer("GET", "/read", &expired, 401, "invalid_token");
    char longest[128] = "Bearer bp_";
    memset(longest + strlen(longest), 'a', TOKEN_TEXT_SIZE);
    const char *const headers[] = {"Bearer", "Bearer ", "Bearer nonsense",
                                   "Basic dXNlcjpwYXNz", longest};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        expect("GET", "/read", headers[i], 401, "invalid_token");
    fixture_release(&fixture);
}

/* As it is after the writes that were submitted before. */
static int64_t last_use(const struct making *making)
{
    struct making barrier;
    make_token(&barrier, SCOPE_READ, 0);
    struct db *db = store_read_begin(fixture.server.store, NULL);
    assert_non_null(db);
    struct token_row row = {0};
    assert_int_equal(tokens_verify(db, making->text, clock_wall_us(), &row, NULL), 0);
    store_read_end(fixture.server.store, db);
    int64_t at = row.last_used_us;
    token_row_release(&row);
    return at;
}

static void test_the_use_of_a_token_is_noted(void **state)
{
    (void)state;
    fixture_start(&fixture, true);
    struct making used;
    struct making unused;
    make_token(&used, SCOPE_READ, 0);
    make_token(&unused, SCOPE_READ, 0);
    int64_t before = clock_wall_us();
    expect_bearer("GET", "/read", &used, 204, "");
    int64_t noted = last_use(&used);
    assert_true(noted >= before && noted <= clock_wall_us());
    assert_int_equal(last_use(&unused), 0);
    expect_bearer("GET", "/read", &used, 204, "");
    assert_int_equal(last_use(&used), noted); /* once a minute is enough */
    fixture_release(&fixture);
}

static void test_loopback_is_open_unless_told_otherwise(void **state)
{
    (void)state;
    fixture_start(&fixture, false);
    expect("GET", "/read", NULL, 204, "");
    expect("POST", "/submit", NULL, 204, "");
    expect("GET", "/read", "Bearer nonsense", 204, "");
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_token_only_open_routes_answer),
        cmocka_unit_test(test_a_scope_has_the_lower_ones),
        cmocka_unit_test(test_what_is_no_live_token_is_refused),
        cmocka_unit_test(test_the_use_of_a_token_is_noted),
        cmocka_unit_test(test_loopback_is_open_unless_told_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
