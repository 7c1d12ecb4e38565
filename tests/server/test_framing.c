/* Requests whose end two readers could see in two places are refused, and nothing that
 * follows them on the connection is taken for another request. */
#include "http_fixture.h"

#include "http/reply.h"
#include "http/request_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define POST "POST /length HTTP/1.1\r\nHost: localhost\r\n"
#define CHUNKED "2\r\n{}\r\n0\r\n\r\n"
#define SMUGGLED "GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n"

static struct http_fixture fixture;
static int counted;

static void handle_length(struct request *request)
{
    size_t length;
    request_body(request, &length);
    reply_json(request, 200, json_pack("{s:i}", "length", (int)length));
}

static void handle_count(struct request *request)
{
    counted++;
    reply_json(request, 200, json_pack("{}"));
}

const struct route route_table[] = {
    {"POST", "/length", 0, BODY_JSON, 1000, handle_length, NULL, NULL},
    {"GET", "/count", 0, BODY_NONE, 0, handle_count, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int set_up(void **state)
{
    (void)state;
    counted = 0;
    fixture_start(&fixture, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

/* Sends it with another request behind it; the connection ends with the refusal. */
static void expect_refused(const char *request, const char *code)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s" SMUGGLED, request);
    int fd = client_connect(&fixture);
    client_send(fd, text);
    struct client_reply reply = client_read(fd, false);
    if (reply.status != 400)
        fail_msg("%s: %d", request, reply.status);
    assert_string_equal(reply.code, code);
    assert_non_null(strstr(reply.head, "Connection: close"));
    client_reply_release(&reply);
    reply = client_read(fd, false);
    assert_int_equal(reply.status, 0);
    client_reply_release(&reply);
    close(fd);
    assert_int_equal(counted, 0);
}

static void test_a_length_beside_chunks_is_refused(void **state)
{
    (void)state;
    expect_refused(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" CHUNKED,
                   "invalid_header");
    expect_refused(POST
                   "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n" CHUNKED,
                   "invalid_header");
}

static void test_a_header_of_framing_comes_once(void **state)
{
    (void)state;
    expect_refused(POST "Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}  ",
                   "invalid_header");
    expect_refused(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
                   "invalid_header");
    expect_refused(
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" CHUNKED,
        "invalid_header");
}

static void test_only_chunks_are_understood(void **state)
{
    (void)state;
    static const char *const codings[] = {"gzip",     "gzip, chunked",    "identity",
                                          "xchunked", "chunked, chunked", ""};
    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), POST "Transfer-Encoding: %s\r\n\r\n" CHUNKED,
                 codings[i]);
        expect_refused(text, "unsupported_transfer_encoding");
    }
}

static void test_names_of_headers_have_no_spaces(void **state)
{
    (void)state;
    expect_refused(POST "Transfer-Encoding : chunked\r\n\r\n" CHUNKED, "invalid_header");
    expect_refused(POST "X Y: z\r\nContent-Length: 2\r\n\r\n{}", "invalid_header");
}

static void test_what_is_clear_is_taken(void **state)
{
    (void)state;
    client_expect(&fixture, POST "Transfer-Encoding: Chunked\r\n\r\n" CHUNKED, 200, "");
    client_expect(&fixture, POST "Content-Length: 2\r\nX-Odd!#$%: y\r\n\r\n{}", 200, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_length_beside_chunks_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_header_of_framing_comes_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_only_chunks_are_understood, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_names_of_headers_have_no_spaces, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_clear_is_taken, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
