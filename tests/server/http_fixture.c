/* See http_fixture.h. */
#include "http_fixture.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

void fixture_start(struct http_fixture *fixture, bool require_token)
{
    *fixture = (struct http_fixture){0};
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/test_http.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->server.config =
        (struct server_config){.listen = "127.0.0.1:0",
                               .data_dir = fixture->folder,
                               .require_token = require_token,
                               .audit_rows = 1000,
                               .threads = 2,
                               .max_upload_bytes = FIXTURE_MAX_UPLOAD};
    struct error err = {0};
    assert_int_equal(store_open(fixture->folder, &fixture->server.store, &err), 0);
    assert_int_equal(
        http_listen(&fixture->server, &fixture->listener, &fixture->port, &err), 0);
}

void fixture_stop(struct http_fixture *fixture)
{
    http_drain(fixture->listener);
    http_close(fixture->listener, clock_monotonic_ns() + 5 * CLOCK_NS_PER_SECOND);
    fixture->listener = NULL;
}

void fixture_release(struct http_fixture *fixture)
{
    if (fixture->listener)
        fixture_stop(fixture);
    store_close(fixture->server.store);
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", fixture->folder);
    assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
}

/* 0 or what errno says. */
static int try_connect(const struct http_fixture *fixture, int *ret_fd)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)fixture->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *ret_fd = fd;
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0
                                                                                : errno;
}

int client_connect(const struct http_fixture *fixture)
{
    int fd;
    assert_int_equal(try_connect(fixture, &fd), 0);
    return fd;
}

bool client_is_refused(const struct http_fixture *fixture)
{
    int fd;
    int failure = try_connect(fixture, &fd);
    close(fd);
    return failure == ECONNREFUSED;
}

bool client_send_bytes(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

void client_send(int fd, const char *text)
{
    assert_true(client_send_bytes(fd, text, strlen(text)));
}

/* One byte, or false at the end. Replies are short. */
static bool read_byte(int fd, struct buffer *to)
{
    char byte;
    if (recv(fd, &byte, 1, 0) != 1)
        return false;
    buffer_append(to, &byte, 1);
    return true;
}

static bool ends_with(const struct buffer *text, const char *ending)
{
    size_t length = strlen(ending);
    return text->length >= length &&
           memcmp(text->data + text->length - length, ending, length) == 0;
}

static bool read_exactly(int fd, size_t length, struct buffer *to)
{
    while (length > 0 && read_byte(fd, to))
        length--;
    return length == 0;
}

static bool read_chunks(int fd, struct buffer *body)
{
    for (;;) {
        struct buffer line;
        buffer_init(&line, 100);
        while (!ends_with(&line, "\r\n"))
            if (!read_byte(fd, &line)) {
                buffer_release(&line);
                return false;
            }
        size_t length = strtoul(line.data, NULL, 16);
        buffer_release(&line);
        struct buffer end;
        buffer_init(&end, 2);
        bool whole = read_exactly(fd, length, body) && read_exactly(fd, 2, &end);
        buffer_release(&end);
        if (!whole || length == 0)
            return whole;
    }
}

static void find_code(struct client_reply *reply)
{
    const char *code = strstr(reply->body, "\"code\":\"");
    if (code)
        snprintf(reply->code, sizeof(reply->code), "%.*s", (int)strcspn(code + 8, "\""),
                 code + 8);
}

struct client_reply client_read(int fd, bool is_head)
{
    struct client_reply reply = {0};
    struct buffer head;
    struct buffer body;
    buffer_init(&head, 1 << 16);
    buffer_init(&body, 1 << 24);
    while (!ends_with(&head, "\r\n\r\n") && read_byte(fd, &head))
        ;
    if (strncmp(head.data, "HTTP/1.1 ", 9) == 0) {
        reply.status = atoi(head.data + 9);
        const char *length = strcasestr(head.data, "\r\nContent-Length: ");
        bool no_body = is_head || reply.status == 204 || reply.status < 200;
        if (!no_body && strcasestr(head.data, "\r\nTransfer-Encoding: chunked"))
            read_chunks(fd, &body);
        else if (!no_body && length)
            read_exactly(fd, strtoul(length + 18, NULL, 10), &body);
    }
    reply.head = strdup(head.data);
    reply.body = strdup(body.data);
    reply.length = body.length;
    buffer_release(&head);
    buffer_release(&body);
    find_code(&reply);
    return reply;
}

void client_reply_release(struct client_reply *reply)
{
    free(reply->head);
    free(reply->body);
}

struct client_reply client_ask(const struct http_fixture *fixture, const char *text)
{
    int fd = client_connect(fixture);
    client_send(fd, text);
    struct client_reply reply = client_read(fd, strncmp(text, "HEAD", 4) == 0);
    close(fd);
    return reply;
}

void client_expect(const struct http_fixture *fixture, const char *text, int status,
                   const char *code)
{
    struct client_reply reply = client_ask(fixture, text);
    assert_int_equal(reply.status, status);
    assert_string_equal(reply.code, code);
    client_reply_release(&reply);
}
