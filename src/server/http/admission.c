/* See admission.h. */
#include "admission.h"

#include "auth.h"
#include "listener.h"
#include "reply.h"
#include "site_policy.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BUSY_SECONDS "10" /* until there may be a place */

/* Each check returns true when the request may go on, and has replied otherwise. */

static bool check_running(struct request *request)
{
    if (!atomic_load(&request->server->draining))
        return true;
    reply_add_header(request, "Retry-After", "5");
    reply_add_header(request, "Connection", "close");
    reply_problem(request, 503, "shutting_down", "the server is shutting down");
    return false;
}

/* A surplus connection gets this one answer. */
static bool check_place(struct request *request)
{
    const struct http_limits *limits = &request->listener->limits;
    enum peers_answer place = watch_place(request->connection);
    if (place == PEERS_OK)
        return true;
    reply_add_header(request, "Retry-After", BUSY_SECONDS);
    reply_add_header(request, "Connection", "close");
    if (place == PEERS_FULL_HERE)
        reply_problem(request, 429, "too_many_connections",
                      "expected at most %lld connections from one address "
                      "(--max-connections-per-address)",
                      (long long)limits->connections_per_address);
    else
        reply_problem(request, 503, "too_many_connections",
                      "%lld connections are open, which is the limit "
                      "(--max-connections)",
                      (long long)limits->connections);
    return false;
}

/* The library bounds what it keeps of a head; this is about what is sane. */
static bool check_head(struct request *request)
{
    size_t length = strlen(request->uri);
    if (request->query_text)
        length += 1 + strlen(request->query_text);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (length > URI_MAX_BYTES)
        reply_problem(request, 414, "uri_too_long",
                      "expected an address of at most %d bytes, found %zu", URI_MAX_BYTES,
                      length);
    else if (info && info->header_size > HEADER_MAX_BYTES)
        reply_problem(request, 431, "headers_too_large",
                      "expected at most %d bytes of request line and headers, found %zu",
                      HEADER_MAX_BYTES, info->header_size);
    else
        return true;
    return false;
}

static bool check_route(struct request *request, const char *method)
{
    struct router_match *match = &request->match;
    router_find(route_table, method, request->uri, match);
    if (match->status == 404) {
        reply_problem(request, 404, "no_such_route", "there is nothing at %.200s",
                      request->uri);
        return false;
    }
    if (match->status == 405) {
        reply_add_header(request, "Allow", match->allow);
        reply_problem(request, 405, "method_not_allowed",
                      "expected the method %s, found %.20s", match->allow, method);
        return false;
    }
    return true;
}

static bool check_query(struct request *request)
{
    struct error err = {0};
    if (query_parse(request->query_text, &request->query, &err) != 0) {
        reply_problem(request, 400, "invalid_query", "%s", err.text);
        return false;
    }
    const char *known = request->match.route->query;
    const char *unknown = query_find_unknown(&request->query, known);
    if (!unknown)
        return true;
    if (known)
        reply_problem(request, 400, "unknown_argument",
                      "the query argument \"%.60s\" is not known here; known: %s",
                      unknown, known);
    else
        reply_problem(request, 400, "unknown_argument",
                      "the query argument \"%.60s\" is not known; there are none here",
                      unknown);
    return false;
}

/* JSON by any of its names. curl -d says application/x-www-form-urlencoded unless told
 * otherwise, and means JSON here. */
static bool is_json_type(const char *type)
{
    size_t length = strcspn(type, "; \t");
    static const char *const names[] = {"application/json", "text/json",
                                        "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && strncasecmp(type, names[i], length) == 0)
            return true;
    return length == 0 || (length > 5 && strncasecmp(type + length - 5, "+json", 5) == 0);
}

/* Content-Length as a number; libmicrohttpd has refused what is none. */
static uint64_t announced_length(struct request *request)
{
    const char *text = request_header(request, "Content-Length");
    if (!text)
        return 0;
    errno = 0;
    unsigned long long length = strtoull(text, NULL, 10);
    return errno == 0 ? length : UINT64_MAX;
}

static bool check_body(struct request *request)
{
    const struct route *route = request->match.route;
    if (!request->body_expected)
        return true;
    if (route->body == BODY_NONE) {
        reply_problem(request, 400, "body_not_expected", "this takes no body");
        return false;
    }
    const char *encoding = request_header(request, "Content-Encoding");
    bool may_be_gzip = route->body == BODY_UPLOAD;
    if (encoding && strcasecmp(encoding, "identity") != 0 &&
        !(may_be_gzip && strcasecmp(encoding, "gzip") == 0)) {
        reply_problem(request, 415, "unsupported_encoding",
                      "expected no Content-Encoding%s, found \"%.60s\"",
                      may_be_gzip ? " or gzip" : "", encoding);
        return false;
    }
    const char *type = request_header(request, "Content-Type");
    if (route->body == BODY_JSON && type && !is_json_type(type)) {
        reply_problem(request, 415, "unsupported_media_type",
                      "expected Content-Type application/json, found \"%.100s\"", type);
        return false;
    }
    uint64_t maximum = route->body == BODY_UPLOAD
                           ? request->server->config.max_upload_bytes
                           : route->body_max;
    if (request->body_announced > maximum) {
        reply_problem(request, 413, "too_large",
                      "expected a body of at most %llu bytes, %llu were announced",
                      (unsigned long long)maximum,
                      (unsigned long long)request->body_announced);
        return false;
    }
    return true;
}

/* What the path names must be the caller's, or is not there for it. */
static const struct {
    const char *prefix; /* of the pattern */
    enum owned_kind kind;
} owned[] = {{"/v1/datasets/{id}", OWNED_DATASET},
             {"/v1/jobs/{id}", OWNED_JOB},
             {"/v1/models/{id}", OWNED_MODEL}};

static bool check_owner(struct request *request)
{
    const struct route *route = request->match.route;
    const char *owner = request_sees(request);
    if (route->scope == 0 || !owner || !strstr(route->pattern, "{"))
        return true;
    struct error err = {0};
    int rc = ERR_NOT_FOUND; /* of a kind that has no owners: not for everybody */
    struct db *db = store_read_begin(request->server->store, &err);
    if (!db)
        rc = err.code;
    for (size_t i = 0; db && i < sizeof(owned) / sizeof(owned[0]); i++)
        if (strncmp(route->pattern, owned[i].prefix, strlen(owned[i].prefix)) == 0)
            rc = owners_check(db, owned[i].kind, owner, request_param(request, 0), &err);
    if (db)
        store_read_end(request->server->store, db);
    if (rc == 0)
        return true;
    error_set(&err, rc, "there is no such thing");
    reply_error(request, &err);
    return false;
}

void admission_check(struct request *request, const char *method)
{
    request->body_announced = announced_length(request);
    request->body_is_chunked = request_header(request, "Transfer-Encoding") != NULL;
    request->body_expected = request->body_announced > 0 || request->body_is_chunked;
    if (!check_running(request) || !check_place(request) || !check_head(request) ||
        !site_policy_check(request, method) || !check_route(request, method) ||
        !auth_check(request->listener->auth, request, request->match.route->scope) ||
        !check_owner(request) || !check_query(request) || !check_body(request))
        return;
    const struct route *route = request->match.route;
    if (route->body == BODY_JSON)
        buffer_init(&request->body, route->body_max);
    if (route->prepare)
        route->prepare(request);
}
