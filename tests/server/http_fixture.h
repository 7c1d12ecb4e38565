/* A listener on a free port with a store of its own, and a client of raw bytes. The test
 * program defines `route_table` itself, so that no handler of the daemon is linked. */
#ifndef BACKPROP_TEST_HTTP_FIXTURE_H
#define BACKPROP_TEST_HTTP_FIXTURE_H

#include "http/server.h"

#include <stdbool.h>
#include <stddef.h>

#define FIXTURE_MAX_UPLOAD 1000000

struct http_fixture {
    char folder[64];
    struct server server;
    struct http_listener *listener; /* NULL after fixture_stop */
    int port;
};

void fixture_start(struct http_fixture *fixture, bool require_token);
/* Drains and closes as the daemon does. */
void fixture_stop(struct http_fixture *fixture);
void fixture_release(struct http_fixture *fixture);

/* A connection to the listener; reads give up after ten seconds. */
int client_connect(const struct http_fixture *fixture);
/* True if nobody listens at the listener's port. */
bool client_is_refused(const struct http_fixture *fixture);
void client_send(int fd, const char *text);
/* Sends as much as the other side takes; false when it closed. */
bool client_send_bytes(int fd, const void *bytes, size_t length);

struct client_reply {
    int status;    /* 0: the connection was closed before a reply */
    char *head;    /* status line and headers */
    char *body;    /* decoded if it was chunked */
    size_t length; /* of the body */
    char code[64]; /* of a problem, or "" */
};

/* Reads one reply. `is_head`: none has a body. */
struct client_reply client_read(int fd, bool is_head);
void client_reply_release(struct client_reply *reply);

/* One exchange on a connection of its own. `text` is the whole request. */
struct client_reply client_ask(const struct http_fixture *fixture, const char *text);

/* client_ask, of which only status and code matter. */
void client_expect(const struct http_fixture *fixture, const char *text, int status,
                   const char *code);

#endif
