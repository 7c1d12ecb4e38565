/*
 * POST /v1/models/{id}/generate: the user's JSON goes to a serving worker as it is, and
 * the generated text comes back, whole or as a live stream (Server-Sent Events) of its
 * pieces.
 *
 * A stream begins with the first piece: until then the worker may still refuse, and its
 * refusal is an ordinary reply. Two sides hold a streamed generation, the scheduler
 * (until `done`) and the stream (until `release`); the last one frees it. A client that
 * goes away releases the stream, which withdraws the question; one that goes before that,
 * or whose generation is not streamed, is noticed by the watch (request_on_gone).
 */
#include "base/buffer.h"
#include "base/id.h"
#include "base/memory.h"
#include "model_answer.h"
#include "reply.h"
#include "route.h"
#include "spec/json_depth.h"
#include "spec/json_parse.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_MAX_BYTES ((size_t)8 << 20) /* no generation is that long */

struct generation {
    struct server *server;
    struct request *request; /* until the stream is the reply */
    struct stream *stream;   /* NULL before */
    char model[ID_SIZE];
    uint64_t ticket;
    bool started; /* the stream is the reply; of the scheduler's side */

    pthread_mutex_t lock; /* of all below */
    int holders;
    struct buffer pending; /* events, made and not yet sent */
    size_t sent;           /* bytes of it */
    bool finished;         /* nothing comes any more */
    bool gone;             /* the stream is over */
};

/* With the lock held, which it gives back; the last holder frees. */
static void let_go(struct generation *generation)
{
    bool last = --generation->holders == 0;
    pthread_mutex_unlock(&generation->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&generation->lock);
    buffer_release(&generation->pending);
    free(generation);
}

/* ---- the stream's side ---- */

static int64_t read_stream(void *context, uint64_t offset, char *ret_bytes,
                           size_t maximum)
{
    struct generation *generation = context;
    (void)offset; /* a stream only goes forward */
    pthread_mutex_lock(&generation->lock);
    struct buffer *pending = &generation->pending;
    size_t count = pending->length - generation->sent;
    int64_t result = (int64_t)(count < maximum ? count : maximum);
    if (buffer_status(pending) != 0)
        result = STREAM_FAILED;
    else if (count == 0 && !generation->finished)
        result = STREAM_WAIT;
    if (result > 0) {
        memcpy(ret_bytes, pending->data + generation->sent, (size_t)result);
        generation->sent += (size_t)result;
    }
    if (generation->sent == pending->length && buffer_status(pending) == 0) {
        buffer_clear(pending);
        generation->sent = 0;
    }
    pthread_mutex_unlock(&generation->lock);
    return result;
}

static void release_stream(void *context)
{
    struct generation *generation = context;
    pthread_mutex_lock(&generation->lock);
    generation->gone = true;
    /* Under the lock: as long as it is not finished, the scheduler is there. */
    if (!generation->finished)
        sched_withdraw(generation->server->sched, generation->model, generation->ticket);
    let_go(generation);
}

/* ---- the scheduler's side ---- */

static void append_event(struct generation *generation, const char *type,
                         const char *json, size_t length)
{
    struct buffer *pending = &generation->pending;
    buffer_printf(pending, "event: %s\ndata: ", type);
    buffer_append(pending, json, length);
    buffer_append_string(pending, "\n\n");
}

static void start_stream(struct generation *generation)
{
    struct stream_source source = {.content_type = "text/event-stream",
                                   .bytes = UINT64_MAX,
                                   .read = read_stream,
                                   .release = release_stream,
                                   .context = generation};
    struct request *request = generation->request;
    generation->started = true;
    generation->request = NULL;
    reply_add_header(request, "Cache-Control", "no-store");
    reply_add_header(request, "X-Accel-Buffering", "no");
    reply_stream(request, 200, &source, &generation->stream);
}

/* Wakes the stream, which may be gone. */
static void wake(struct generation *generation)
{
    if (!generation->gone)
        stream_wake(generation->stream);
}

static void take_piece(void *context, const char *json, size_t length)
{
    struct generation *generation = context;
    pthread_mutex_lock(&generation->lock);
    append_event(generation, "text", json, length);
    if (generation->started)
        wake(generation);
    else
        generation->holders++;
    pthread_mutex_unlock(&generation->lock);
    if (!generation->started)
        start_stream(generation);
}

/* The last event of a stream: the whole answer, or what went wrong. */
static void append_end(struct generation *generation, int rc, const char *json,
                       size_t length)
{
    json_t *answer = NULL;
    if (rc == 0)
        rc = json_parse(json, length, 0, &answer, NULL);
    json_t *body = json_object_get(answer, "body");
    bool is_done =
        rc == 0 && json_integer_value(json_object_get(answer, "status")) == 200;
    char *text = is_done ? json_dumps(body, JSON_COMPACT) : NULL;
    static const char fault[] =
        "{\"code\":\"interrupted\",\"detail\":\"The generation was "
        "interrupted.\"}";
    if (text)
        append_event(generation, "done", text, strlen(text));
    else
        append_event(generation, "error", fault, sizeof(fault) - 1);
    free(text);
    json_decref(answer);
}

static void finish(void *context, int rc, const char *json, size_t length,
                   const struct error *err)
{
    struct generation *generation = context;
    if (!generation->started)
        model_answer_reply(generation->request, rc, json, length, err);
    pthread_mutex_lock(&generation->lock);
    if (generation->started) {
        append_end(generation, rc, json, length);
        generation->finished = true;
        wake(generation);
    }
    let_go(generation);
}

/* ---- the request ---- */

/* What is no JSON, or too deep, is NULL here, and the worker's to refuse. */
static json_t *load_body(const char *body, size_t length)
{
    int line, column;
    json_t *json = NULL;
    if (json_is_too_deep(body, length, JSON_MAX_DEPTH, &line, &column) ||
        json_parse(body, length, JSON_REJECT_DUPLICATES, &json, NULL) != 0)
        return NULL;
    return json;
}

/* `"stream": true` in the body. */
static bool body_asks_for_stream(const char *body, size_t length)
{
    json_t *json = load_body(body, length);
    bool asks = json_is_true(json_object_get(json, "stream"));
    json_decref(json);
    return asks;
}

/* The body with "stream": true, for a client that asked by Accept; NULL: leave it. */
static char *ask_for_stream(const char *body, size_t length, size_t *ret_length)
{
    json_t *json = load_body(body, length);
    bool open = json_is_object(json) && !json_object_get(json, "stream");
    if (!open || json_object_set_new(json, "stream", json_true()) != 0) {
        json_decref(json);
        return NULL;
    }
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    *ret_length = text ? strlen(text) : 0;
    return text;
}

static struct generation *generation_new(struct request *request)
{
    struct generation *generation = mem_alloc(sizeof(*generation));
    if (!generation)
        return NULL;
    generation->server = request_server(request);
    generation->request = request;
    generation->holders = 1;
    snprintf(generation->model, sizeof(generation->model), "%s",
             request_param(request, 0));
    pthread_mutex_init(&generation->lock, NULL);
    buffer_init(&generation->pending, PENDING_MAX_BYTES);
    return generation;
}

static void generate_stream(struct request *request, char *body, size_t length)
{
    struct generation *generation = generation_new(request);
    if (!generation) {
        free(body);
        reply_no_memory(request);
        return;
    }
    const struct sched_question question = {.model_id = generation->model,
                                            .verb = "generate",
                                            .body = body,
                                            .length = length,
                                            .piece = take_piece,
                                            .done = finish,
                                            .context = generation};
    struct error err = {0};
    generation->holders++; /* this function, which looks at the ticket */
    int rc = sched_ask(generation->server->sched, &question, &generation->ticket, &err);
    if (rc == 0) {
        request_on_gone(request, model_answer_withdraw, generation->ticket);
    } else {
        free(body);
        reply_error(request, &err);
        generation->holders--; /* the scheduler has none */
    }
    pthread_mutex_lock(&generation->lock);
    let_go(generation);
}

void model_handle_generate(struct request *request)
{
    size_t length;
    char *body = request_take_body(request, &length);
    if (body && request_accepts(request, "text/event-stream")) {
        size_t new_length;
        char *asking = ask_for_stream(body, length, &new_length);
        if (asking) {
            free(body);
            body = asking;
            length = new_length;
        }
    }
    if (body && body_asks_for_stream(body, length))
        generate_stream(request, body, length);
    else
        model_answer_ask(request, "generate", body, length);
}
