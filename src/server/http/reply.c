/* See reply.h. A reply is put together as data in the request; response.c makes it a
 * response on the connection's thread. */
#include "reply.h"

#include "base/log.h"
#include "base/memory.h"
#include "counters.h"
#include "exchange.h"
#include "listener.h"
#include "problem.h"
#include "request_internal.h"
#include "stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DETAIL_BYTES 1024
#define RETRY_SECONDS "2" /* where nothing better is known */
#define JSON_CONTENT_TYPE "application/json"

/* Decimal digits that any double of a user's survives without growing others: 0.1 stays
 * 0.1. */
#define JSON_DIGITS 15

void reply_release(struct reply *reply)
{
    for (int i = 0; i < reply->header_count; i++)
        free(reply->headers[i].value);
    free(reply->bytes);
    stream_free(reply->stream);
    *reply = (struct reply){0};
}

void reply_add_header(struct request *request, const char *name, const char *value)
{
    struct reply *reply = &request->reply;
    char *copy = reply->header_count < REPLY_MAX_HEADERS ? mem_strdup(value) : NULL;
    if (!copy) {
        log_event(LOG_ERROR, "reply_header_lost", "request=\"%s\" header=%s", request->id,
                  name);
        return;
    }
    reply->headers[reply->header_count++] = (struct reply_header){name, copy};
}

/* Who is to come back later is told when (RFC 9110, section 10.2.3). */
static void add_retry_after(struct request *request)
{
    const struct reply *reply = &request->reply;
    for (int i = 0; i < reply->header_count; i++)
        if (strcmp(reply->headers[i].name, "Retry-After") == 0)
            return;
    reply_add_header(request, "Retry-After", RETRY_SECONDS);
}

/* Takes `bytes` over. */
static void finish(struct request *request, unsigned status, const char *content_type,
                   char *bytes, size_t length)
{
    struct reply *reply = &request->reply;
    if (status == 429 || status == 503)
        add_retry_after(request);
    reply->status = status;
    reply->content_type = content_type;
    reply->bytes = bytes;
    reply->length = length;
    exchange_replied(request);
}

void reply_no_memory(struct request *request)
{
    static const char text[] =
        "{\"type\":\"urn:problem-type:backpropd:out_of_memory\","
        "\"title\":\"Out of memory\",\"status\":500,\"detail\":\"the server has no "
        "memory for this reply\","
        "\"code\":\"out_of_memory\"}\n";
    reply_fixed(request, 500, PROBLEM_CONTENT_TYPE, text, sizeof(text) - 1);
}

void reply_fixed(struct request *request, unsigned status, const char *content_type,
                 const void *bytes, size_t length)
{
    request->reply.fixed = bytes;
    finish(request, status, content_type, NULL, length);
}

void reply_json(struct request *request, unsigned status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(JSON_DIGITS) |
                                             JSON_ENCODE_ANY)
                      : NULL;
    json_decref(json);
    if (!text) {
        reply_no_memory(request);
        return;
    }
    reply_json_text(request, status, text, strlen(text));
    free(text);
}

void reply_json_text(struct request *request, unsigned status, const char *text,
                     size_t length)
{
    char *copy = mem_resize_array(NULL, length + 1, 1);
    if (!copy) {
        reply_no_memory(request);
        return;
    }
    memcpy(copy, text, length);
    copy[length] = '\n'; /* so that a terminal's prompt comes on a line of its own */
    finish(request, status, JSON_CONTENT_TYPE, copy, length + 1);
}

void reply_bytes(struct request *request, unsigned status, const char *content_type,
                 const void *bytes, size_t length)
{
    char *copy = mem_resize_array(NULL, length > 0 ? length : 1, 1);
    if (!copy) {
        reply_no_memory(request);
        return;
    }
    memcpy(copy, bytes, length);
    finish(request, status, content_type, copy, length);
}

void reply_empty(struct request *request, unsigned status)
{
    finish(request, status, NULL, NULL, 0);
}

static void reply_rendered(struct request *request, const struct problem *problem)
{
    counters_add_problem(request->listener->counters, problem->code);
    struct buffer text;
    buffer_init(&text, PROBLEM_MAX_BYTES);
    problem_render(&text, problem);
    size_t length = 0;
    char *bytes = buffer_take(&text, &length);
    buffer_release(&text);
    if (bytes)
        finish(request, problem->status, PROBLEM_CONTENT_TYPE, bytes, length);
    else
        reply_no_memory(request);
}

static void reply_with_problem(struct request *request, unsigned status, const char *code,
                               const char *detail, const struct violations *violations)
{
    const struct problem problem = {status, code, detail, request->id, violations, NULL};
    reply_rendered(request, &problem);
}

void reply_problem_extended(struct request *request, unsigned status, const char *code,
                            const char *detail, const char *extension)
{
    const struct problem problem = {status, code, detail, request->id, NULL, extension};
    reply_rendered(request, &problem);
}

void reply_problem(struct request *request, unsigned status, const char *code,
                   const char *detail, ...)
{
    char text[DETAIL_BYTES];
    va_list args;
    va_start(args, detail);
    vsnprintf(text, sizeof(text), detail, args);
    va_end(args);
    reply_with_problem(request, status, code, text, NULL);
}

void reply_violations(struct request *request, unsigned status, const char *code,
                      const struct violations *violations)
{
    char text[DETAIL_BYTES];
    if (violations->total == 1 && violations->count == 1)
        snprintf(text, sizeof(text), "%s%s%s", violations->items[0].pointer,
                 violations->items[0].pointer[0] != '\0' ? ": " : "",
                 violations->items[0].detail);
    else
        snprintf(text, sizeof(text), "%zu things are wrong; see errors",
                 violations->total);
    reply_with_problem(request, status, code, text, violations);
}

/* What the codes of the lower layers mean to a client. */
static const struct {
    int error;
    unsigned status;
    const char *code;
} translations[] = {
    {ERR_NOT_FOUND, 404, "not_found"}, {ERR_CONFLICT, 409, "conflict"},
    {ERR_INVALID, 422, "invalid"},     {ERR_TOO_LARGE, 413, "too_large"},
    {ERR_BUSY, 503, "busy"},           {ERR_NO_SPACE, 507, "no_space"},
    {ERR_TIMEOUT, 504, "timeout"},     {ERR_CANCELLED, 503, "shutting_down"},
    {ERR_IO, 503, "disk_failure"},     {ERR_NOMEM, 503, "out_of_memory"},
    {ERR_CORRUPT, 500, "damaged"},     {ERR_WORKER, 500, "worker_crashed"},
};

/* What a client is told where the text names a system call. */
static const char *detail_of(const struct error *err)
{
    if (err->code == ERR_NO_SPACE)
        return "the server's disk is full";
    if (err->code == ERR_IO)
        return "the server's disk failed; its log has the cause under the request_id";
    return err->text;
}

/* What the operator should hear of. */
static void log_failure(const struct request *request, const struct error *err)
{
    char quoted[600];
    log_event(LOG_ERROR, "request_failed", "request=\"%s\" code=%s error=%s", request->id,
              error_code_name(err->code), log_quote(err->text, quoted, sizeof(quoted)));
}

void reply_error(struct request *request, const struct error *err)
{
    for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]); i++) {
        if (translations[i].error != err->code)
            continue;
        if (translations[i].status >= 500 && err->code != ERR_BUSY &&
            err->code != ERR_CANCELLED)
            log_failure(request, err);
        struct violations violations;
        violations_init(&violations);
        if (err->pointer[0] != '\0')
            violations_add(&violations, err->pointer, "%s", err->text);
        reply_with_problem(request, translations[i].status, translations[i].code,
                           detail_of(err), violations.count > 0 ? &violations : NULL);
        violations_release(&violations);
        return;
    }
    log_failure(request, err);
    reply_problem(
        request, 500, "internal_error",
        "something went wrong inside the server; its log has the cause under the "
        "request_id");
}

void reply_stream(struct request *request, unsigned status,
                  const struct stream_source *source, struct stream **ret_stream)
{
    struct stream *stream = stream_new(&request->listener->streams, source);
    if (!stream) {
        if (source->release)
            source->release(source->context);
        reply_no_memory(request);
        return;
    }
    if (ret_stream)
        *ret_stream = stream;
    request->reply.stream = stream;
    finish(request, status, source->content_type, NULL, 0);
}
