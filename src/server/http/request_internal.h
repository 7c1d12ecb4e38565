/*
 * What a request is inside this folder.
 *
 *   BEGIN ──► BODY ──► HANDLING ──► (SUSPENDED ──►) REPLYING
 *     │         │                                      ▲
 *     └─────────┴── refused: the reply is there before the body is, and what comes is
 *                   thrown away
 *
 * The HTTP thread of the connection owns a request. Other threads touch only `reply`
 * (before `replied`), `phase` and `replied` under `lock`, by exchange_replied().
 */
#ifndef BACKPROP_HTTP_REQUEST_INTERNAL_H
#define BACKPROP_HTTP_REQUEST_INTERNAL_H

#include "base/buffer.h"
#include "base/id.h"
#include "query.h"
#include "request.h"
#include "router.h"

#include <microhttpd.h>
#include <pthread.h>

#define REPLY_MAX_HEADERS 12
#define REQUEST_ID_HEADER "X-Request-Id"

enum request_phase {
    PHASE_BEGIN,    /* the headers are there */
    PHASE_BODY,     /* the body is coming */
    PHASE_LINGER,   /* the refusal was sent; waiting for the client to see it */
    PHASE_HANDLING, /* the handler runs */
    PHASE_SUSPENDED,
    PHASE_REPLYING /* the response was given to libmicrohttpd */
};

struct stream;

struct reply_header {
    const char *name; /* borrowed: a literal */
    char *value;      /* owned */
};

/* A reply as data; it becomes a response on the connection's own thread. */
struct reply {
    unsigned status;
    const char *content_type; /* borrowed: a literal; NULL without a body */
    char *bytes;              /* owned; NULL: none, or `fixed` */
    const void *fixed;        /* bytes that live as long as the process */
    size_t length;            /* of bytes or fixed */
    struct stream *stream;    /* owned until it is queued */
    int header_count;
    struct reply_header headers[REPLY_MAX_HEADERS];
};

struct upload;

struct request {
    struct server *server;
    struct http_listener *listener;
    struct MHD_Connection *connection; /* borrowed */
    struct router_match match;
    struct caller caller;
    struct query query;
    struct buffer body;    /* BODY_JSON */
    struct upload *upload; /* BODY_UPLOAD; owned */
    bool body_expected, body_is_chunked;
    bool has_upload_place;          /* see quota.h */
    uint64_t body_announced;        /* Content-Length; 0 when unknown */
    uint64_t body_received;         /* bytes, those thrown away too */
    uint64_t lingered;              /* bytes thrown away in PHASE_LINGER */
    int64_t started_ns, replied_ns; /* replied_ns: the reply went to libmicrohttpd */
    char id[REQUEST_ID_SIZE];

    void (*gone)(struct request *request, uint64_t ticket); /* see request_on_gone() */
    uint64_t ticket;

    pthread_mutex_t lock;
    enum request_phase phase;
    bool replied;
    struct reply reply;

    char *query_text;      /* into uri, or NULL */
    const char *authority; /* behind it: of "http://host:port/path"; NULL: none */
    char uri[];            /* as it came; the path ends in a NUL where the '?' was */
};

/* A new request for a URI as it came in the request line. NULL without memory. */
struct request *request_new(struct http_listener *listener, const char *uri);

/* Takes the identifier that the client or a proxy gave by X-Request-Id, if it is well
 * formed: 1 to 64 letters, digits, and "._:-". Else it keeps its own. */
void request_adopt_id(struct request *request);

/* With its upload and reply. */
void request_free(struct request *request);

/* Frees what a reply owns. */
void reply_release(struct reply *reply);

/* A reply whose bytes live as long as the process. */
void reply_fixed(struct request *request, unsigned status, const char *content_type,
                 const void *bytes, size_t length);

#endif
