/*
 * One HTTP exchange, as a handler sees it.
 *
 * A handler is called on an HTTP thread when the request's body is whole (streamed
 * uploads have their own hooks, see upload.h). It must see to it that exactly one
 * reply_…() of reply.h is called for the request, at once or later, from whatever thread:
 * until then the connection is suspended and costs no thread. Everything here is valid
 * until that reply.
 */
#ifndef BACKPROP_HTTP_REQUEST_H
#define BACKPROP_HTTP_REQUEST_H

#include "base/error.h"
#include "server.h"
#include "store/tokens.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define ROUTE_MAX_PARAMS 2
#define REQUEST_ID_SIZE 65

struct route;
struct request;

/* Who asks. Where no token is asked for, everybody is OWNER_LOCAL and may do everything.
 */
struct caller {
    int scope;              /* enum token_scope; 0 on routes that are open to all */
    char owner[OWNER_SIZE]; /* whose objects the caller makes and, below admin, sees */
    char token[ID_SIZE];    /* "": none was asked for */
    int64_t expires_us;     /* of the token; 0: never */
};

struct server *request_server(struct request *request);

/* What X-Request-Id of the reply and the log say: the client's own, or "req_…". Letters,
 * digits and "._:-". */
const char *request_id(struct request *request);

const struct caller *request_caller(const struct request *request);

/* Whose objects the caller sees: NULL for everybody's. What the path names has been
 * checked already; lists and what a body names are to be held to it. */
const char *request_sees(struct request *request);

/* The value of the n-th {…} in the route's pattern. */
const char *request_param(struct request *request, int n);

/* A query argument, percent-decoded, valid UTF-8; NULL when it is not there. None comes
 * twice, and none that the route table does not name. */
const char *request_query(struct request *request, const char *name);

/* Every query argument, in order. */
void request_each_query(struct request *request,
                        void (*each)(void *context, const char *name, const char *value),
                        void *context);

/* A header's value, or NULL. */
const char *request_header(struct request *request, const char *name);

/* The body: `length` bytes and a NUL. */
const char *request_body(struct request *request, size_t *ret_length);

/* Takes the body over; the caller frees it. */
char *request_take_body(struct request *request, size_t *ret_length);

/* What is to be done when the client goes away before the reply: gone(request, ticket),
 * on another thread, at most once, and never after the reply. It must not block, and must
 * not reply itself. To be called by the handler, before it returns. A client that closes
 * only its sending side is taken for gone, too, as by most servers. */
void request_on_gone(struct request *request,
                     void (*gone)(struct request *request, uint64_t ticket),
                     uint64_t ticket);

/* True when the client prefers `type` ("text/csv", "text/event-stream") by Accept. */
bool request_accepts(struct request *request, const char *type);

#endif
