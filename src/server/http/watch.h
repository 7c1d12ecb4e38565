/*
 * The watch over connections: who may come in, and who keeps the server waiting.
 *
 * There are so many connections in all and so many from one address (limits.h). A
 * connection over that is let in as a surplus one: it is answered that there are too
 * many, and closed. Over WATCH_SURPLUS_MAX of those it is closed without a word.
 *
 * Once a second the watch looks at every connection, and cuts it when
 *
 * - its peer has closed its side while it is the peer's turn: libmicrohttpd 0.9.75 with
 *   epoll does not see an end that comes together with the last data, and would wait for
 *   its idle time;
 * - no request has become whole within the time for that: trickled headers look like
 *   activity to the idle time;
 * - its peer reads a reply more slowly than the least rate: for WATCH_READ_SECONDS there
 *   always was something that it had no room for.
 *
 * A peer that goes away while its request waits for a worker is reported to the request.
 * (A body's least rate is checked where it is received, see exchange.c.) Cutting is
 * shutdown(2) of the socket, which the connection's own thread then finds closed.
 */
#ifndef BACKPROP_HTTP_WATCH_H
#define BACKPROP_HTTP_WATCH_H

#include "base/error.h"
#include "limits.h"
#include "peers.h"

#include <microhttpd.h>
#include <stdbool.h>

#define WATCH_SURPLUS_MAX 64
#define WATCH_SURPLUS_SECONDS 5 /* for a surplus connection to send its request */
#define WATCH_READ_SECONDS 15

struct watch;

/* Starts its thread. New object. */
int watch_start(const struct http_limits *limits, struct watch **ret_watch,
                struct error *err) __attribute__((warn_unused_result));

/* Joins the thread; no connection may be left. NULL is allowed. */
void watch_stop(struct watch *watch);

/* libmicrohttpd's callback before a connection is accepted; `context` is the watch. */
enum MHD_Result watch_admit(void *context, const struct sockaddr *address,
                            socklen_t length);

/* libmicrohttpd's callback for connections that come and go; `context` is the watch. */
void watch_notify(void *context, struct MHD_Connection *connection, void **slot,
                  enum MHD_ConnectionNotificationCode code);

/* Whether the connection has a place, or why it is a surplus one. */
enum peers_answer watch_place(struct MHD_Connection *connection);

/* What a connection's peer is to do now. */
enum watch_state {
    WATCH_IDLE,      /* to send a request, or its headers */
    WATCH_RECEIVING, /* to send a body */
    WATCH_BUSY       /* to wait or to read: it is the server's turn */
};
void watch_set(struct MHD_Connection *connection, enum watch_state state);

/* While the connection is WATCH_BUSY: calls gone(context) once if the peer closes its
 * side; on the watch's thread, must not block. `gone` NULL ends that: when it has
 * returned, no call is under way. */
void watch_for_end(struct watch *watch, struct MHD_Connection *connection,
                   void (*gone)(void *context), void *context);

/* Connections now, surplus ones aside. */
int64_t watch_count(struct watch *watch);

/* Connections that were cut since the start, by why. Any thread. */
enum watch_cut {
    WATCH_CUT_HEADERS, /* no request became whole in time */
    WATCH_CUT_READER,  /* the peer read too slowly */
    WATCH_CUT_ENDED,   /* the peer closed its side half-way */
    WATCH_CUT_REFUSED, /* a surplus one too many: closed without a word */
    WATCH_CUT_COUNT
};
const char *watch_cut_name(enum watch_cut reason);
int64_t watch_cuts(const struct watch *watch, enum watch_cut reason);

/* True when the peer of a socket has closed its side and nothing is left to be read. */
bool watch_is_at_end(int fd);

#endif
