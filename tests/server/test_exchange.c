/* Requests through the real listener: what is refused and when, replies from other
 * threads, streams that sleep, and the drain. */
#include "http_fixture.h"

#include "http/reply.h"
#include "http/request_internal.h"
#include "http/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "Host: localhost\r\n"

static struct http_fixture fixture;

/* ---- handlers ---- */

static void handle_echo(struct request *request)
{
    json_t *json = json_pack("{s:s, s:s*}", "param", request_param(request, 0), "x",
                             request_query(request, "x"));
    reply_json(request, 200, json);
}

static void handle_length(struct request *request)
{
    size_t length;
    request_body(request, &length);
    reply_json(request, 200, json_pack("{s:i}", "length", (int)length));
}

static void handle_error(struct request *request)
{
    struct error err = {0};
    error_set(&err, atoi(request_param(request, 0)), "the cause /secret/path");
    reply_error(request, &err);
}

static void handle_types(struct request *request)
{
    reply_json(request, 200,
               json_pack("{s:b}", "csv", (int)request_accepts(request, "text/csv")));
}

static void prepare_upload(struct request *request)
{
    struct error err = {0};
    if (upload_new(fixture.folder, FIXTURE_MAX_UPLOAD,
                   request_header(request, "Content-Type"), &request->upload, &err) != 0)
        reply_problem(request, 415, "unsupported_media_type", "%s", err.text);
}

static void handle_upload(struct request *request)
{
    struct error err = {0};
    if (upload_finish(request->upload, &err) != 0) {
        reply_error(request, &err);
        return;
    }
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE];
    upload_identity(request->upload, &bytes, sha256);
    reply_json(request, 201, json_pack("{s:I}", "bytes", (json_int_t)bytes));
}

const struct route route_table[] = {
    {"GET", "/echo/{a}", 0, BODY_NONE, 0, handle_echo, "x y", NULL},
    {"POST", "/length", 0, BODY_JSON, 1000, handle_length, NULL, NULL},
    {"GET", "/error/{code}", 0, BODY_NONE, 0, handle_error, NULL, NULL},
    {"GET", "/types", 0, BODY_NONE, 0, handle_types, NULL, NULL},
    {"POST", "/upload", 0, BODY_UPLOAD, 0, handle_upload, NULL, prepare_upload},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

/* ---- tests ---- */

static void test_a_kept_connection_serves_one_request_after_another(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (int i = 0; i < 3; i++) {
        client_send(fd, "GET /echo/abc?x=1%202 HTTP/1.1\r\n" HOST "\r\n");
        struct client_reply reply = client_read(fd, false);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "{\"param\":\"abc\",\"x\":\"1 2\"}\n");
        assert_non_null(strstr(reply.head, "\r\nX-Request-Id: req_"));
        assert_non_null(strstr(reply.head, "\r\nX-Content-Type-Options: nosniff"));
        client_reply_release(&reply);
        client_send(fd, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
        reply = client_read(fd, false);
        assert_int_equal(reply.status, 404);
        client_reply_release(&reply);
    }
    close(fd);
}

static void test_head_gives_the_headers_of_get(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_send(fd, "HEAD /echo/abc HTTP/1.1\r\n" HOST "\r\n");
    struct client_reply reply = client_read(fd, true);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "\r\nContent-Length: 16\r\n"));
    client_reply_release(&reply);
    client_send(fd, "GET /echo/abc HTTP/1.1\r\n" HOST "\r\n"); /* nothing is in the way */
    reply = client_read(fd, false);
    assert_int_equal(reply.status, 200);
    client_reply_release(&reply);
    close(fd);
}

static void test_the_table_refuses_what_it_does_not_have(void **state)
{
    (void)state;
    client_expect(&fixture, "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404,
                  "no_such_route");
    client_expect(&fixture, "GET /echo/a/ HTTP/1.1\r\n" HOST "\r\n", 404,
                  "no_such_route");
    client_expect(&fixture, "GET /echo/a?z=1 HTTP/1.1\r\n" HOST "\r\n", 400,
                  "unknown_argument");
    client_expect(&fixture, "GET /echo/a?x=%00 HTTP/1.1\r\n" HOST "\r\n", 400,
                  "invalid_query");
    client_expect(&fixture, "GET /echo/a HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx",
                  400, "body_not_expected");
    struct client_reply reply =
        client_ask(&fixture, "DELETE /length HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(reply.status, 405);
    assert_non_null(strstr(reply.head, "\r\nAllow: POST\r\n"));
    client_reply_release(&reply);
}

static void test_strangers_hosts_and_origins_are_refused(void **state)
{
    (void)state;
    client_expect(&fixture, "GET /echo/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421,
                  "host_not_allowed");
    client_expect(&fixture,
                  "POST /length HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n"
                  "Content-Length: 2\r\n\r\n{}",
                  403, "origin_not_allowed");
    client_expect(&fixture,
                  "POST /length HTTP/1.1\r\n" HOST "Origin: http://localhost\r\n"
                  "Content-Length: 2\r\n\r\n{}",
                  200, "");
}

static void test_json_is_accepted_by_any_of_its_names(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int status;
    } types[] = {{"application/json", 200},
                 {"application/json; charset=utf-8", 200},
                 {"application/vnd.x+json", 200},
                 {"application/x-www-form-urlencoded", 200},
                 {"text/csv", 415},
                 {"application/jsonx", 415}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "POST /length HTTP/1.1\r\n" HOST
                 "Content-Type: %s\r\nContent-Length: 2\r\n\r\n{}",
                 types[i].type);
        client_expect(&fixture, text, types[i].status,
                      types[i].status == 200 ? "" : "unsupported_media_type");
    }
    client_expect(&fixture,
                  "POST /length HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 200,
                  "");
}

static void test_who_asks_before_sending_is_refused_before_sending(void **state)
{
    (void)state;
    client_expect(&fixture,
                  "POST /length HTTP/1.1\r\n" HOST
                  "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
                  413, "too_large");
    client_expect(&fixture,
                  "POST /nothing HTTP/1.1\r\n" HOST
                  "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
                  404, "no_such_route");
    int fd = client_connect(&fixture);
    client_send(fd, "POST /length HTTP/1.1\r\n" HOST
                    "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    struct client_reply reply = client_read(fd, false);
    assert_int_equal(reply.status, 100);
    client_reply_release(&reply);
    client_send(fd, "{}");
    reply = client_read(fd, false);
    assert_int_equal(reply.status, 200);
    client_reply_release(&reply);
    close(fd);
}

static void test_a_refused_short_body_leaves_the_connection_usable(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    char body[2001];
    memset(body, 'x', 2000);
    body[2000] = '\0';
    for (int i = 0; i < 2; i++) {
        client_send(fd, "POST /length HTTP/1.1\r\n" HOST "Content-Length: 2000\r\n\r\n");
        client_send(fd, body);
        struct client_reply reply = client_read(fd, false);
        assert_int_equal(reply.status, 413);
        assert_non_null(strstr(reply.body, "1000"));
        client_reply_release(&reply);
    }
    close(fd);
}

/* The client sends on and on; it must still be able to read why it was refused. */
static void expect_early_refusal(const char *head, const char *piece, size_t length)
{
    int fd = client_connect(&fixture);
    client_send(fd, head);
    for (int i = 0; i < 64; i++)
        if (!client_send_bytes(fd, piece, length))
            break;
    struct client_reply reply = client_read(fd, false);
    assert_int_equal(reply.status, 413);
    assert_string_equal(reply.code, "too_large");
    assert_non_null(strstr(reply.head, "\r\nConnection: close\r\n"));
    client_reply_release(&reply);
    close(fd);
}

static void test_a_long_refused_body_does_not_hide_the_refusal(void **state)
{
    (void)state;
    static char piece[100000];
    memset(piece, 'x', sizeof(piece));
    expect_early_refusal("POST /length HTTP/1.1\r\n" HOST
                         "Content-Length: 6400000\r\n\r\n",
                         piece, sizeof(piece));
}

static void test_a_chunked_body_is_capped_while_it_comes(void **state)
{
    (void)state;
    static char chunk[8 + 0x10000 + 2];
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "0010000\n", 8); /* leading zeros and a bare LF are legal enough */
    memcpy(chunk, "010000\r\n", 8);
    memcpy(chunk + 8 + 0x10000, "\r\n", 2);
    expect_early_refusal("POST /length HTTP/1.1\r\n" HOST
                         "Transfer-Encoding: chunked\r\n\r\n",
                         chunk, sizeof(chunk));
    expect_early_refusal("POST /upload HTTP/1.1\r\n" HOST
                         "Transfer-Encoding: chunked\r\n\r\n",
                         chunk, sizeof(chunk));
}

static void test_chunked_bodies_arrive_whole(void **state)
{
    (void)state;
    struct client_reply reply = client_ask(
        &fixture, "POST /length HTTP/1.1\r\n" HOST
                  "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3\r\nfgh\r\n"
                  "0\r\n\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{\"length\":8}\n");
    client_reply_release(&reply);
}

static void test_errors_become_the_fitting_status(void **state)
{
    (void)state;
    static const struct {
        int error, status;
        const char *code;
        bool tells; /* the error's own text */
    } cases[] = {{ERR_NOT_FOUND, 404, "not_found", true},
                 {ERR_CONFLICT, 409, "conflict", true},
                 {ERR_INVALID, 422, "invalid", true},
                 {ERR_TOO_LARGE, 413, "too_large", true},
                 {ERR_BUSY, 503, "busy", true},
                 {ERR_NO_SPACE, 507, "no_space", false},
                 {ERR_TIMEOUT, 504, "timeout", true},
                 {ERR_IO, 503, "disk_failure", false},
                 {ERR_NOMEM, 503, "out_of_memory", true},
                 {ERR_CORRUPT, 500, "damaged", true},
                 {ERR_WORKER, 500, "worker_crashed", true},
                 {ERR_INTERNAL, 500, "internal_error", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "GET /error/%d HTTP/1.1\r\n" HOST "\r\n",
                 cases[i].error);
        struct client_reply reply = client_ask(&fixture, text);
        assert_int_equal(reply.status, cases[i].status);
        assert_string_equal(reply.code, cases[i].code);
        bool tells = strstr(reply.body, "/secret/path") != NULL;
        assert_int_equal(tells, cases[i].tells);
        bool retry = strstr(reply.head, "Retry-After") != NULL;
        assert_int_equal(retry, cases[i].status == 503);
        client_reply_release(&reply);
    }
}

static void test_accept_must_name_the_type_and_prefer_it(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool csv;
    } cases[] = {{"text/csv", true},
                 {"text/csv; q=0.5, */*;q=0.1", true},
                 {"application/json, text/csv", true},
                 {"application/json, text/csv;q=0.5", false},
                 {"*/*", false},
                 {"text/*", false},
                 {"text/csv;q=0", false},
                 {"text/csvx", false},
                 {"text/html;level=1;q=0.4, text/csv;header=present", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "GET /types HTTP/1.1\r\n" HOST "Accept: %s\r\n\r\n",
                 cases[i].accept);
        struct client_reply reply = client_ask(&fixture, text);
        assert_string_equal(reply.body,
                            cases[i].csv ? "{\"csv\":true}\n" : "{\"csv\":false}\n");
        client_reply_release(&reply);
    }
}

static void test_uploads_are_streamed_and_checked(void **state)
{
    (void)state;
    client_expect(&fixture,
                  "POST /upload HTTP/1.1\r\n" HOST "Content-Type: text/csv\r\n"
                  "Content-Length: 3\r\n\r\na,b",
                  201, "");
    client_expect(&fixture,
                  "POST /upload HTTP/1.1\r\n" HOST "Content-Type: image/png\r\n"
                  "Content-Length: 3\r\n\r\na,b",
                  415, "unsupported_media_type");
    client_expect(&fixture,
                  "POST /upload HTTP/1.1\r\n" HOST "Content-Encoding: br\r\n"
                  "Content-Length: 3\r\n\r\na,b",
                  415, "unsupported_encoding");
    client_expect(&fixture, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
                  422, "invalid");
    client_expect(
        &fixture,
        "POST /upload HTTP/1.1\r\n" HOST
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 68\r\n\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"zzz\"\r\n\r\n0123456789\r\n--B--",
        422, "invalid");
}

static void test_a_client_that_goes_away_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int fd = client_connect(&fixture);
        client_send(fd,
                    "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\nhalf");
        close(fd);
    }
    fixture_stop(&fixture); /* AddressSanitizer tells of what was not freed */
    char command[128];
    snprintf(command, sizeof(command), "test -z \"$(ls '%s/tmp')\"", fixture.folder);
    assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
}

static void test_a_client_that_ends_half_way_is_let_go(void **state)
{
    (void)state;
    static const char *const halves[] = {
        "GET /echo/a HTT",
        "GET /echo/a HTTP/1.1\r\n" HOST,
        "POST /length HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n{}",
        "POST /length HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
    };
    enum { COUNT = 40 };
    int fds[COUNT];
    int whole = client_connect(&fixture); /* a client that merely waits is kept */
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(&fixture);
        client_send(fds[i], halves[i % 4]);
        shutdown(fds[i], SHUT_WR); /* the end may come together with the data */
    }
    for (int i = 0; i < COUNT; i++) {
        char byte;
        assert_int_equal(recv(fds[i], &byte, 1, 0), 0);
        close(fds[i]);
    }
    client_send(whole, "GET /echo/a HTTP/1.1\r\n" HOST "\r\n");
    shutdown(whole, SHUT_WR);
    struct client_reply reply = client_read(whole, false);
    assert_int_equal(reply.status, 200);
    client_reply_release(&reply);
    close(whole);
}

static void test_malformed_http_ends_the_connection_and_not_the_server(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /echo/a HTTP/9.9\r\n\r\n",
        "GET /echo/a HTTP/1.1\r\n\r\n",
        "POST /length HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
        "POST /length HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",
        "POST /length HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        int fd = client_connect(&fixture);
        client_send(fd, broken[i]);
        shutdown(fd, SHUT_WR);
        struct client_reply reply = client_read(fd, false);
        assert_true(reply.status == 0 || (reply.status >= 400 && reply.status < 600));
        client_reply_release(&reply);
        close(fd);
    }
    client_expect(&fixture, "GET /echo/a HTTP/1.1\r\n" HOST "\r\n", 200, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_kept_connection_serves_one_request_after_another),
        TEST(test_head_gives_the_headers_of_get),
        TEST(test_the_table_refuses_what_it_does_not_have),
        TEST(test_strangers_hosts_and_origins_are_refused),
        TEST(test_json_is_accepted_by_any_of_its_names),
        TEST(test_who_asks_before_sending_is_refused_before_sending),
        TEST(test_a_refused_short_body_leaves_the_connection_usable),
        TEST(test_a_long_refused_body_does_not_hide_the_refusal),
        TEST(test_a_chunked_body_is_capped_while_it_comes),
        TEST(test_chunked_bodies_arrive_whole),
        TEST(test_errors_become_the_fitting_status),
        TEST(test_accept_must_name_the_type_and_prefer_it),
        TEST(test_uploads_are_streamed_and_checked),
        TEST(test_a_client_that_goes_away_leaves_nothing),
        TEST(test_a_client_that_ends_half_way_is_let_go),
        TEST(test_malformed_http_ends_the_connection_and_not_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
