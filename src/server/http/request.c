/* See request.h and request_internal.h. */
#include "request.h"

#include "base/clock.h"
#include "base/memory.h"
#include "listener.h"
#include "request_internal.h"
#include "upload.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A client that takes the server for a proxy names the whole address ("http://host/path",
 * RFC 9112 section 3.2.2); the path is meant. *ret_authority is "host" and its length, 0
 * without one; site_policy.h checks it like the Host header. */
static const char *skip_authority(const char *uri, const char **ret_authority,
                                  size_t *ret_length)
{
    static const char *const schemes[] = {"http://", "https://"};
    *ret_authority = uri;
    *ret_length = 0;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(uri, schemes[i], length) != 0)
            continue;
        *ret_authority = uri + length;
        *ret_length = strcspn(uri + length, "/?");
        return uri + length + *ret_length;
    }
    return uri;
}

struct request *request_new(struct http_listener *listener, const char *uri)
{
    const char *authority;
    size_t authority_length;
    uri = skip_authority(uri, &authority, &authority_length);
    size_t length = strlen(uri);
    struct request *request =
        mem_alloc(sizeof(*request) + length + 1 + authority_length + 1);
    if (!request)
        return NULL;
    request->server = listener->server;
    request->listener = listener;
    request->started_ns = clock_monotonic_ns();
    request->match.index = -1;
    id_make("req", request->id);
    pthread_mutex_init(&request->lock, NULL);
    buffer_init(&request->body, 0);
    memcpy(request->uri, uri, length + 1);
    if (authority_length > 0) {
        memcpy(request->uri + length + 1, authority, authority_length);
        request->authority = request->uri + length + 1; /* mem_alloc gave zeros */
    }
    char *mark = strchr(request->uri, '?');
    if (mark) {
        *mark = '\0';
        request->query_text = mark + 1;
    }
    return request;
}

void request_free(struct request *request)
{
    if (!request)
        return;
    upload_free(request->upload);
    if (request->has_upload_place)
        atomic_fetch_sub(&request->listener->uploads, 1);
    buffer_release(&request->body);
    reply_release(&request->reply);
    /* A connection whose client is gone ends without a look at the reply, while whoever
     * made it may still be in exchange_replied(). */
    pthread_mutex_lock(&request->lock);
    pthread_mutex_unlock(&request->lock);
    pthread_mutex_destroy(&request->lock);
    free(request);
}

void request_adopt_id(struct request *request)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._:-";
    const char *id = request_header(request, REQUEST_ID_HEADER);
    if (!id)
        return;
    size_t length = strlen(id);
    if (length > 0 && length < REQUEST_ID_SIZE && strspn(id, allowed) == length)
        memcpy(request->id, id, length + 1);
}

struct server *request_server(struct request *request)
{
    return request->server;
}

const char *request_id(struct request *request)
{
    return request->id;
}

const struct caller *request_caller(const struct request *request)
{
    return &request->caller;
}

const char *request_sees(struct request *request)
{
    return request->caller.scope >= SCOPE_ADMIN ? NULL : request->caller.owner;
}

const char *request_param(struct request *request, int n)
{
    return request->match.params[n];
}

const char *request_query(struct request *request, const char *name)
{
    return query_find(&request->query, name);
}

void request_each_query(struct request *request,
                        void (*each)(void *context, const char *name, const char *value),
                        void *context)
{
    for (int i = 0; i < request->query.count; i++)
        each(context, request->query.arguments[i].name,
             request->query.arguments[i].value);
}

const char *request_header(struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *request_body(struct request *request, size_t *ret_length)
{
    *ret_length = request->body.length;
    return request->body.data;
}

char *request_take_body(struct request *request, size_t *ret_length)
{
    return buffer_take(&request->body, ret_length);
}

void request_on_gone(struct request *request,
                     void (*gone)(struct request *request, uint64_t ticket),
                     uint64_t ticket)
{
    request->gone = gone;
    request->ticket = ticket;
}

/* The weight of media type `type` in an Accept header (RFC 9110, section 12.5.1), looking
 * at exact names only; -1 when it is not named. */
static double accept_weight(const char *accept, const char *type)
{
    size_t length = strlen(type);
    while (*accept != '\0') {
        accept += strspn(accept, " \t,");
        size_t range = strcspn(accept, ",");
        if (strncasecmp(accept, type, length) == 0 && strchr(" \t;,", accept[length])) {
            const char *weight = accept + length;
            while (weight < accept + range) {
                weight += strspn(weight, " \t;");
                if ((weight[0] == 'q' || weight[0] == 'Q') && weight[1] == '=')
                    return strtod(weight + 2, NULL);
                weight += strcspn(weight, ";,");
                if (*weight != ';')
                    break;
            }
            return 1.0;
        }
        accept += range;
    }
    return -1.0;
}

bool request_accepts(struct request *request, const char *type)
{
    const char *accept = request_header(request, "Accept");
    if (!accept)
        return false;
    double weight = accept_weight(accept, type);
    return weight > 0.0 && weight >= accept_weight(accept, "application/json");
}
