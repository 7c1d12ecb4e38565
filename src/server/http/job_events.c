/*
 * GET /v1/jobs/{id}/events: a page of events, or a live stream (Server-Sent Events,
 * WHATWG HTML section 9.2) when the client accepts text/event-stream; GET …/checkpoints.
 *
 * A stream keeps no queue: it is woken when something about the job was committed, and
 * reads from the store what came after the last event that it sent. So a slow reader
 * costs nothing and loses nothing. Stored events carry their sequence number as id, which
 * a client that comes back sends as Last-Event-ID; "progress" events are about now and
 * carry none. The stream ends when the job has ended and all was sent.
 */
#include "store/events.h"

#include "auth.h"
#include "base/clock.h"
#include "base/memory.h"
#include "hub.h"
#include "job_view.h"
#include "json_text.h"
#include "list_reply.h"
#include "listener.h"
#include "quota.h"
#include "reply.h"
#include "route.h"
#include "store/checkpoints.h"
#include "store_reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BATCH 100
#define STREAM_BUFFER_BYTES ((size_t)8 << 20)
#define KEEP_ALIVE_NS (15 * CLOCK_NS_PER_SECOND)

struct event_stream {
    struct server *server;
    struct stream *stream;
    struct hub_subscription *subscription; /* NULL until the first read */
    struct peer *peer;                     /* its place among the streams */
    char job[ID_SIZE];
    struct caller caller;
    uint64_t generation;   /* see auth_still_holds() */
    int64_t last_sequence; /* of the last event put into `pending` */
    char *last_progress;   /* text of the last "progress"; NULL before */
    struct buffer pending; /* made, not yet sent */
    size_t sent;           /* of pending */
    int64_t last_sent_ns;
    bool finished; /* the job had ended when `pending` was made */
};

static void wake_stream(void *context)
{
    struct event_stream *events = context;
    stream_wake(events->stream);
}

static void release_stream(void *context)
{
    struct event_stream *events = context;
    if (events->subscription)
        hub_unsubscribe(events->server->hub, events->subscription);
    quota_end_stream(events->server, events->peer);
    buffer_release(&events->pending);
    free(events->last_progress);
    free(events);
}

static void append_event(struct buffer *text, const struct event_row *row)
{
    buffer_printf(text, "id: %" PRId64 "\nevent: %s\ndata: ", row->sequence, row->type);
    event_view(text, row);
    buffer_append_string(text, "\n\n");
}

/* Progress and the latest metrics, when they differ from what was sent last. */
static int append_progress(struct event_stream *events, const struct job_row *row)
{
    struct buffer data;
    buffer_init(&data, STREAM_BUFFER_BYTES);
    buffer_append_char(&data, '{');
    json_text_string(&data, "object", "progress");
    json_text_string(&data, "job", row->id);
    json_text_string(&data, "status", job_status_name(row->status));
    json_text_raw(&data, "progress", row->progress);
    json_text_raw(&data, "metrics", row->metrics);
    buffer_append_char(&data, '}');
    int rc = buffer_status(&data);
    if (rc == 0 &&
        (!events->last_progress || strcmp(events->last_progress, data.data) != 0)) {
        buffer_printf(&events->pending, "event: progress\ndata: %s\n\n", data.data);
        free(events->last_progress);
        events->last_progress = mem_strdup(data.data);
        rc = events->last_progress ? buffer_status(&events->pending) : ERR_NOMEM;
    }
    buffer_release(&data);
    return rc;
}

static int append_news(struct event_stream *events, struct db *db, struct error *err)
{
    struct job_row row = {0};
    int rc = jobs_get(db, events->job, &row, err);
    if (rc != 0)
        return rc;
    struct event_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    rc = events_list(db, events->job, events->last_sequence, STREAM_BATCH, &rows, &count,
                     &has_more, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        append_event(&events->pending, &rows[i]);
        events->last_sequence = rows[i].sequence;
    }
    if (rc == 0)
        rc = append_progress(events, &row);
    events->finished = job_status_is_terminal(row.status) && !has_more;
    for (size_t i = 0; i < count; i++)
        event_row_release(&rows[i]);
    free(rows);
    job_row_release(&row);
    return rc;
}

/* Fills `pending` with what is new. */
static int refill(struct event_stream *events)
{
    buffer_clear(&events->pending);
    events->sent = 0;
    struct error err = {0};
    struct db *db = store_read_begin(events->server->store, &err);
    if (!db)
        return err.code;
    int rc = append_news(events, db, &err);
    store_read_end(events->server->store, db);
    if (rc == ERR_NOT_FOUND) { /* deleted while it was watched */
        events->finished = true;
        return 0;
    }
    int64_t silent_ns = clock_monotonic_ns() - events->last_sent_ns;
    if (rc == 0 && events->pending.length == 0 && silent_ns >= KEEP_ALIVE_NS)
        buffer_append_string(&events->pending, ": keep-alive\n\n");
    return rc != 0 ? rc : buffer_status(&events->pending);
}

static int64_t read_stream(void *context, uint64_t offset, char *ret_bytes,
                           size_t maximum)
{
    struct event_stream *events = context;
    (void)offset; /* a stream only goes forward */
    if (!events->subscription &&
        hub_subscribe(events->server->hub, events->job, wake_stream, events,
                      &events->subscription, NULL) != 0)
        return STREAM_FAILED;
    if (events->sent == events->pending.length) {
        if (events->finished || atomic_load(&events->server->draining) ||
            !auth_still_holds(events->server->listener->auth, &events->caller,
                              &events->generation))
            return 0;
        if (refill(events) != 0)
            return STREAM_FAILED;
        if (events->pending.length == 0)
            return events->finished ? 0 : STREAM_WAIT;
    }
    size_t count = events->pending.length - events->sent;
    if (count > maximum)
        count = maximum;
    memcpy(ret_bytes, events->pending.data + events->sent, count);
    events->sent += count;
    events->last_sent_ns = clock_monotonic_ns();
    return (int64_t)count;
}

/* Last-Event-ID, by header or (for clients that cannot set one) by ?after=. */
static bool read_last_event(struct request *request, int64_t *ret_sequence)
{
    const char *header = request_header(request, "Last-Event-ID");
    if (!header)
        return list_read_integer(request, "after", 0, INT64_MAX, 0, ret_sequence);
    char *end;
    errno = 0;
    long long value = strtoll(header, &end, 10);
    if (errno != 0 || end == header || *end != '\0' || value < 0) {
        reply_problem(request, 400, "invalid_header",
                      "Last-Event-ID: expected the id of an event, found \"%.40s\"",
                      header);
        return false;
    }
    *ret_sequence = value;
    return true;
}

static void start_stream(struct request *request, const struct job_row *row,
                         int64_t after)
{
    struct server *server = request_server(request);
    struct peer *peer;
    if (!quota_begin_stream(request, &peer))
        return;
    struct event_stream *events = mem_alloc(sizeof(*events));
    if (!events) {
        quota_end_stream(server, peer);
        reply_no_memory(request);
        return;
    }
    events->server = server;
    events->peer = peer;
    memcpy(events->job, row->id, sizeof(events->job));
    events->caller = *request_caller(request);
    events->last_sequence = after;
    events->last_sent_ns = clock_monotonic_ns();
    buffer_init(&events->pending, STREAM_BUFFER_BYTES);
    struct stream_source source = {.content_type = "text/event-stream",
                                   .bytes = UINT64_MAX,
                                   .read = read_stream,
                                   .release = release_stream,
                                   .context = events};
    reply_add_header(request, "Cache-Control", "no-store");
    reply_add_header(request, "X-Accel-Buffering", "no");
    reply_stream(request, 200, &source, &events->stream);
}

static void reply_page(struct request *request, const struct event_row *rows,
                       size_t count, bool has_more)
{
    struct buffer text;
    buffer_init(&text, VIEW_MAX_BYTES);
    list_open(&text);
    for (size_t i = 0; i < count; i++) {
        json_text_comma(&text);
        event_view(&text, &rows[i]);
    }
    buffer_append_char(&text, ']');
    json_text_name(&text, "first_id");
    buffer_printf(&text, count > 0 ? "%" PRId64 : "null",
                  count > 0 ? rows[0].sequence : 0);
    json_text_name(&text, "last_id");
    buffer_printf(&text, count > 0 ? "%" PRId64 : "null",
                  count > 0 ? rows[count - 1].sequence : 0);
    json_text_boolean(&text, "has_more", has_more);
    buffer_append_char(&text, '}');
    if (buffer_status(&text) == 0) {
        reply_json_text(request, 200, text.data, text.length);
    } else {
        struct error err = {0};
        error_set(&err, ERR_TOO_LARGE, "the page is too large; lower limit");
        reply_error(request, &err);
    }
    buffer_release(&text);
}

void job_handle_events(struct request *request)
{
    bool live = request_accepts(request, "text/event-stream");
    int64_t after, limit;
    if (!(live ? read_last_event(request, &after)
               : list_read_integer(request, "after", 0, INT64_MAX, 0, &after)) ||
        !list_read_integer(request, "limit", 1, PAGE_MAX, STREAM_BATCH, &limit))
        return;
    struct store *store = request_server(request)->store;
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    if (!db) {
        reply_error(request, &err);
        return;
    }
    struct job_row row = {0};
    struct event_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    int rc = jobs_get(db, request_param(request, 0), &row, &err);
    if (rc == 0)
        rc = events_list(db, row.id, after, (int)limit, &rows, &count, &has_more, &err);
    store_read_end(store, db);
    if (rc != 0)
        reply_error(request, &err);
    else if (!live)
        reply_page(request, rows, count, has_more);
    else if (job_status_is_terminal(row.status) && count == 0 && after > 0)
        reply_empty(request, 204); /* tells an EventSource not to come back */
    else
        start_stream(request, &row, after);
    for (size_t i = 0; i < count; i++)
        event_row_release(&rows[i]);
    free(rows);
    job_row_release(&row);
}

static int render_checkpoints(struct request *request, const void *argument,
                              struct db *db, struct buffer *text, struct error *err)
{
    (void)argument;
    struct job_row job = {0};
    struct checkpoint_row *rows = NULL;
    size_t count = 0;
    int rc = jobs_get(db, request_param(request, 0), &job, err);
    if (rc == 0)
        rc = checkpoints_list(db, job.id, &rows, &count, err);
    list_open(text);
    for (size_t i = 0; i < count; i++) {
        json_text_comma(text);
        checkpoint_view(text, &rows[i]);
    }
    list_close(text, count > 0 ? rows[0].id : NULL, count > 0 ? rows[count - 1].id : NULL,
               false);
    for (size_t i = 0; i < count; i++)
        checkpoint_row_release(&rows[i]);
    free(rows);
    job_row_release(&job);
    return rc;
}

void job_handle_checkpoints(struct request *request)
{
    reply_from_store(request, render_checkpoints, NULL);
}
