/*
 * The watch over connections that keep the server waiting. Once a second it looks at
 * every connection that should be sending a request, and cuts it
 *
 * - when its peer has closed its side: libmicrohttpd 0.9.75 with epoll does not see an
 *   end that comes together with the last data, and would wait for its idle time;
 * - when no request has become whole in WATCH_HEADERS_SECONDS: trickled headers look like
 *   activity to the idle time.
 *
 * (A body's least speed is checked where it is received, see exchange.c.) Cutting is
 * shutdown(2) of the socket, which the connection's own thread then finds closed.
 */
#ifndef BACKPROP_HTTP_WATCH_H
#define BACKPROP_HTTP_WATCH_H

#include "base/error.h"

#include <microhttpd.h>

#define WATCH_HEADERS_SECONDS 60

struct watch;

/* Starts its thread. New object. */
int watch_start(struct watch **ret_watch, struct error *err)
    __attribute__((warn_unused_result));

/* Joins the thread; no connection may be left. NULL is allowed. */
void watch_stop(struct watch *watch);

/* libmicrohttpd's callback for connections that come and go; `context` is the watch. */
void watch_notify(void *context, struct MHD_Connection *connection, void **slot,
                  enum MHD_ConnectionNotificationCode code);

/* What a connection's peer is to do now. */
enum watch_state {
    WATCH_IDLE,      /* to send a request, or its headers */
    WATCH_RECEIVING, /* to send a body */
    WATCH_BUSY       /* to wait: it is the server's turn */
};
void watch_set(struct MHD_Connection *connection, enum watch_state state);

#endif
