/* See response.h. */
#include "response.h"

#include "listener.h"
#include "problem.h"
#include "stream.h"

#include <stdio.h>
#include <strings.h>

#define HSTS_HEADER "Strict-Transport-Security"
#define HSTS_SIZE 48

/* Of every reply, errors and files too, unless it has its own: nothing is guessed,
 * framed, kept or told to other sites. */
static const struct {
    const char *name, *value;
} standing_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};

#define STANDING_COUNT (sizeof(standing_headers) / sizeof(standing_headers[0]))

static bool has_header(const struct reply *reply, const char *name)
{
    for (int i = 0; i < reply->header_count; i++)
        if (strcasecmp(reply->headers[i].name, name) == 0)
            return true;
    return false;
}

static struct MHD_Response *make_response(struct request *request)
{
    struct reply *reply = &request->reply;
    if (reply->stream) {
        struct MHD_Response *response =
            stream_response(reply->stream, request->connection);
        if (response)
            reply->stream = NULL; /* the response's */
        return response;
    }
    if (reply->bytes) {
        struct MHD_Response *response = MHD_create_response_from_buffer(
            reply->length, reply->bytes, MHD_RESPMEM_MUST_FREE);
        if (response)
            reply->bytes = NULL;
        return response;
    }
    /* libmicrohttpd's parameter is not const, but persistent bytes are only read. */
    return MHD_create_response_from_buffer(reply->length, (void *)(uintptr_t)reply->fixed,
                                           MHD_RESPMEM_PERSISTENT);
}

/* Tells browsers to use TLS alone for so long; "" when that was not asked for. */
static const char *hsts_value(const struct request *request, char text[HSTS_SIZE])
{
    int64_t seconds = request->listener->tls ? request->server->config.hsts_seconds : 0;
    text[0] = '\0';
    if (seconds > 0)
        snprintf(text, HSTS_SIZE, "max-age=%lld", (long long)seconds);
    return text;
}

enum MHD_Result response_queue(struct request *request)
{
    struct reply *reply = &request->reply;
    struct MHD_Response *response = make_response(request);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, REQUEST_ID_HEADER, request->id);
    for (size_t i = 0; i < STANDING_COUNT; i++)
        if (!has_header(reply, standing_headers[i].name))
            MHD_add_response_header(response, standing_headers[i].name,
                                    standing_headers[i].value);
    char hsts[HSTS_SIZE];
    if (hsts_value(request, hsts)[0] != '\0')
        MHD_add_response_header(response, HSTS_HEADER, hsts);
    if (reply->content_type)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    for (int i = 0; i < reply->header_count; i++)
        MHD_add_response_header(response, reply->headers[i].name,
                                reply->headers[i].value);
    enum MHD_Result result =
        MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

void response_render(const struct request *request, struct buffer *buffer)
{
    const struct reply *reply = &request->reply;
    const char *bytes = reply->bytes ? reply->bytes : reply->fixed;
    buffer_printf(buffer, "HTTP/1.1 %u %s\r\nConnection: close\r\n", reply->status,
                  problem_status_phrase(reply->status));
    buffer_printf(buffer, "Content-Length: %zu\r\n" REQUEST_ID_HEADER ": %s\r\n",
                  reply->length, request->id);
    for (size_t i = 0; i < STANDING_COUNT; i++)
        if (!has_header(reply, standing_headers[i].name))
            buffer_printf(buffer, "%s: %s\r\n", standing_headers[i].name,
                          standing_headers[i].value);
    char hsts[HSTS_SIZE];
    if (hsts_value(request, hsts)[0] != '\0')
        buffer_printf(buffer, HSTS_HEADER ": %s\r\n", hsts);
    if (reply->content_type)
        buffer_printf(buffer, "Content-Type: %s\r\n", reply->content_type);
    for (int i = 0; i < reply->header_count; i++)
        buffer_printf(buffer, "%s: %s\r\n", reply->headers[i].name,
                      reply->headers[i].value);
    buffer_append_string(buffer, "\r\n");
    if (bytes)
        buffer_append(buffer, bytes, reply->length);
}
