/* Rebound names and strangers' pages: every vector is refused before a handler runs. */
#include "http_fixture.h"

#include "http/reply.h"
#include "http/route.h"
#include "http/site_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REFUSED_BODY                                                                     \
    "POST /change HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n"              \
    "Expect: 100-continue\r\n\r\n"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct http_fixture fixture;
static atomic_int handled;

static void handle(struct request *request)
{
    atomic_fetch_add(&handled, 1);
    reply_empty(request, 204);
}

const struct route route_table[] = {
    {"GET", "/look", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"POST", "/change", 0, BODY_JSON, 100, handle, NULL, NULL},
    {"DELETE", "/change", 0, BODY_NONE, 0, handle, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, false);
    fixture.server.config.allow_hosts = "train.example, other.example";
    fixture.server.config.allow_origins = "https://page.example:444,http://two.example";
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

/* One request with these header lines; true when a handler ran. */
static bool is_let_through(const char *request_line, const char *headers, int status)
{
    char text[1024];
    int before = atomic_load(&handled);
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s\r\n", request_line, headers);
    struct client_reply reply = client_ask(&fixture, text);
    assert_int_equal(reply.status, status);
    client_reply_release(&reply);
    return atomic_load(&handled) > before;
}

static void test_a_rebound_name_is_not_answered_to(void **state)
{
    (void)state;
    static const char *const hosts[] = {"evil.example",
                                        "evil.example:8080",
                                        "127.0.0.1.evil.example",
                                        "localhost.evil.example",
                                        "evil.example@localhost",
                                        "localhost@evil.example",
                                        "127.0.0.1:80@evil.example",
                                        "0.0.0.0",
                                        "10.0.0.1",
                                        "[::]",
                                        "[::ffff:10.0.0.1]",
                                        "2130706433",
                                        "0x7f000001",
                                        "127.1",
                                        "localhost.",
                                        "localhost evil.example",
                                        "localhost,evil.example",
                                        "localhost/evil",
                                        "",
                                        "[localhost",
                                        "train.example.evil.example",
                                        "rain.example",
                                        "*",
                                        "%6cocalhost"};
    for (size_t i = 0; i < COUNT(hosts); i++) {
        char headers[256];
        snprintf(headers, sizeof(headers), "Host: %s\r\n", hosts[i]);
        assert_false(is_let_through("GET /look", headers, 421));
        assert_false(is_let_through("DELETE /change", headers, 421));
    }
}

static void test_two_hosts_or_none_are_refused(void **state)
{
    (void)state;
    assert_false(
        is_let_through("GET /look", "Host: localhost\r\nHost: evil.example\r\n", 400));
    assert_false(
        is_let_through("GET /look", "Host: localhost\r\nhost: localhost\r\n", 400));
    assert_false(is_let_through("GET /look", "", 400));
    int before = atomic_load(&handled);
    client_expect(&fixture, "GET /look HTTP/1.0\r\n\r\n", 400, "invalid_header");
    assert_int_equal(atomic_load(&handled), before);
}

static void test_the_request_line_may_not_name_another_host(void **state)
{
    (void)state;
    assert_false(
        is_let_through("GET http://evil.example/look", "Host: localhost\r\n", 421));
    assert_false(
        is_let_through("GET https://evil.example:80/look", "Host: localhost\r\n", 421));
    assert_false(
        is_let_through("GET http://localhost/look", "Host: evil.example\r\n", 421));
    assert_true(is_let_through("GET http://localhost/look", "Host: localhost\r\n", 204));
}

static void test_own_names_are_answered_to(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "localhost",     "LOCALHOST:9",    "127.0.0.1:8080", "127.3.2.1",
        "[::1]",         "[::1]:80",       "train.example",  "Train.Example:443",
        "other.example", "127.0.0.1:65535"};
    for (size_t i = 0; i < COUNT(hosts); i++) {
        char headers[256];
        snprintf(headers, sizeof(headers), "Host: %s\r\n", hosts[i]);
        assert_true(is_let_through("GET /look", headers, 204));
    }
}

/* What a browser may send along with a change, and whether it is let through. */
static const struct {
    const char *headers;
    bool allowed;
} changes[] = {
    {"", true}, /* curl */
    {"Origin: http://localhost:8080\r\n", true},
    {"Origin: https://localhost:8080\r\n", true}, /* behind a proxy that speaks TLS */
    {"Origin: http://LOCALHOST:8080\r\nSec-Fetch-Site: same-origin\r\n", true},
    {"Sec-Fetch-Site: same-origin\r\n", true},
    {"Sec-Fetch-Site: none\r\n", true},
    {"Origin: https://page.example:444\r\nSec-Fetch-Site: cross-site\r\n", true},
    {"Origin: http://two.example\r\n", true},
    {"Origin: http://evil.example\r\n", false},
    {"Origin: null\r\n", false},
    {"Origin: null\r\nSec-Fetch-Site: none\r\n", false},
    {"Origin:\r\n", false},
    {"Origin: http://localhost\r\n", false}, /* another port is another site */
    {"Origin: http://localhost:3000\r\nSec-Fetch-Site: same-site\r\n", false},
    {"Origin: http://localhost:80800\r\n", false},
    {"Origin: http://localhost:8080.evil.example\r\n", false},
    {"Origin: http://localhost:8080@evil.example\r\n", false},
    {"Origin: http://evil.example/localhost:8080\r\n", false},
    {"Origin: http://evil.example#localhost:8080\r\n", false},
    {"Origin: http://evil.example?http://localhost:8080\r\n", false},
    {"Origin: chrome-extension://localhost:8080\r\n", false},
    {"Origin: file://localhost:8080\r\n", false},
    {"Origin: localhost:8080\r\n", false},
    {"Origin: https://page.example\r\n", false},
    {"Origin: http://page.example:444\r\n", false},
    {"Origin: https://page.example:444,http://two.example\r\n", false},
    {"Origin: http://localhost:8080 http://evil.example\r\n", false},
    {"Sec-Fetch-Site: cross-site\r\n", false},
    {"Sec-Fetch-Site: same-site\r\n", false},
    {"Sec-Fetch-Site: Cross-Site\r\n", false},
    {"Sec-Fetch-Site: anything\r\n", false},
    {"Origin: http://localhost:8080\r\nSec-Fetch-Site: cross-site\r\n", false},
};

static void test_pages_of_other_sites_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        char headers[512];
        snprintf(headers, sizeof(headers), "Host: localhost:8080\r\n%s",
                 changes[i].headers);
        int status = changes[i].allowed ? 204 : 403;
        bool let_through = is_let_through("DELETE /change", headers, status);
        assert_int_equal(let_through, changes[i].allowed);
        let_through = is_let_through("POST /change", headers, status);
        assert_int_equal(let_through, changes[i].allowed);
        /* Looking is harmless: no page can read the reply. */
        assert_true(is_let_through("GET /look", headers, 204));
    }
    assert_false(is_let_through("DELETE /change",
                                "Host: localhost\r\nOrigin: http://localhost\r\n"
                                "Origin: http://evil.example\r\n",
                                400));
}

static void expect_header(const char *text, const char *wanted, bool is_there)
{
    struct client_reply reply = client_ask(&fixture, text);
    bool found = strstr(reply.head, wanted) != NULL;
    assert_int_equal(found, is_there);
    client_reply_release(&reply);
}

static void test_only_listed_pages_may_read_replies(void **state)
{
    (void)state;
#define PREFLIGHT(origin)                                                                \
    "OPTIONS /change HTTP/1.1\r\nHost: localhost\r\nOrigin: " origin                     \
    "\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    client_expect(&fixture, PREFLIGHT("http://two.example"), 204, "");
    client_expect(&fixture, PREFLIGHT("http://evil.example"), 403, "origin_not_allowed");
    expect_header(PREFLIGHT("http://two.example"),
                  "\r\nAccess-Control-Allow-Headers: Authorization", true);
    expect_header(PREFLIGHT("http://two.example"), "Allow-Credentials", false);
    expect_header(PREFLIGHT("http://evil.example"), "Access-Control-", false);
    expect_header("GET /look HTTP/1.1\r\nHost: localhost\r\n"
                  "Origin: http://two.example\r\n\r\n",
                  "\r\nAccess-Control-Allow-Origin: http://two.example\r\n", true);
    expect_header("GET /look HTTP/1.1\r\nHost: localhost\r\n"
                  "Origin: http://localhost\r\n\r\n",
                  "Access-Control-", false);
    expect_header("GET /look HTTP/1.1\r\nHost: localhost\r\n\r\n", "Access-Control-",
                  false);
}

static void test_every_reply_says_what_browsers_may_not_do(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /look HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "DELETE /look HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /look HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        REFUSED_BODY,
    };
    static const char *const headers[] = {
        "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
        "\r\nReferrer-Policy: no-referrer\r\n",
        "\r\nCross-Origin-Resource-Policy: same-origin\r\n",
        "\r\nCache-Control: no-store\r\n",
    };
    for (size_t i = 0; i < COUNT(requests); i++)
        for (size_t j = 0; j < COUNT(headers); j++)
            expect_header(requests[i], headers[j], true);
}

static void test_lists_are_checked_at_the_start(void **state)
{
    (void)state;
    static const char *const bad_hosts[] = {"http://a.example", "*.example", "*",
                                            "a.example, b/c", "[::1]"};
    static const char *const bad_origins[] = {"*",
                                              "null",
                                              "a.example",
                                              "http://a.example/",
                                              "ftp://a.example",
                                              "https://",
                                              "http://a.example, https://b.example/path",
                                              "http://user@a.example"};
    for (size_t i = 0; i < COUNT(bad_hosts); i++)
        assert_int_equal(site_policy_check_lists(bad_hosts[i], NULL, NULL), ERR_INVALID);
    for (size_t i = 0; i < COUNT(bad_origins); i++)
        assert_int_equal(site_policy_check_lists(NULL, bad_origins[i], NULL),
                         ERR_INVALID);
    assert_int_equal(site_policy_check_lists("", "", NULL), 0);
    assert_int_equal(site_policy_check_lists(NULL, NULL, NULL), 0);
    assert_int_equal(site_policy_check_lists("a.example fe80::1,b",
                                             "https://a.example, http://b.example:80",
                                             NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rebound_name_is_not_answered_to),
        cmocka_unit_test(test_two_hosts_or_none_are_refused),
        cmocka_unit_test(test_the_request_line_may_not_name_another_host),
        cmocka_unit_test(test_own_names_are_answered_to),
        cmocka_unit_test(test_pages_of_other_sites_change_nothing),
        cmocka_unit_test(test_only_listed_pages_may_read_replies),
        cmocka_unit_test(test_every_reply_says_what_browsers_may_not_do),
        cmocka_unit_test(test_lists_are_checked_at_the_start),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
