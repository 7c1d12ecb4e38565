/*
 * See exchange.h. What libmicrohttpd 0.9.75 asks for:
 *
 * - A response may be queued when the headers are known (then the connection is closed
 *   behind it) or when the body is whole, and at no time between. So who is refused while
 *   a body is on its way gets the reply at the body's end where that is near; otherwise
 *   it is written to the socket here, the rest is thrown away, and the connection closed.
 *   Closing at once would make the kernel reset the connection, and the client could lose
 *   the reply.
 * - A connection is suspended from its own thread only, and resumed only when it is
 *   suspended. `lock` orders a reply from another thread against the suspension.
 */
#include "exchange.h"

#include "access_log.h"
#include "admission.h"
#include "base/clock.h"
#include "counters.h"
#include "framing.h"
#include "listener.h"
#include "quota.h"
#include "reply.h"
#include "response.h"
#include "upload.h"
#include "watch.h"

#include <assert.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define READ_ON_BYTES (UINT64_C(1) << 20)        /* read to its end rather than cut */
#define LINGER_MAX_BYTES (UINT64_C(256) << 20)   /* thrown away before the cut */
#define SLOW_GRACE_NS (20 * CLOCK_NS_PER_SECOND) /* before the least rate holds */
#define EARLY_REPLY_MAX_BYTES ((size_t)1 << 20)

void *exchange_open(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct http_listener *listener = context;
    struct request *request = request_new(listener, uri);
    if (!request)
        return NULL;
    request->connection = connection;
    atomic_fetch_add(&listener->open, 1);
    return request;
}

void exchange_replied(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    assert(!request->replied);
    request->replied = true;
    if (request->phase == PHASE_SUSPENDED) {
        request->phase = PHASE_HANDLING;
        atomic_fetch_sub(&request->listener->suspended, 1);
        MHD_resume_connection(request->connection);
    }
    pthread_mutex_unlock(&request->lock);
}

static bool is_replied(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    bool replied = request->replied;
    pthread_mutex_unlock(&request->lock);
    return replied;
}

static enum MHD_Result queue_reply(struct request *request)
{
    request->phase = PHASE_REPLYING;
    request->replied_ns = clock_monotonic_ns();
    watch_set(request->connection, WATCH_BUSY);
    return response_queue(request);
}

/* Sends what the peer takes at once and says that nothing comes any more. A client that
 * cannot take it loses it. Nothing of libmicrohttpd's is on its way here. */
static void send_last_bytes(struct request *request, const char *bytes, size_t length)
{
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!socket)
        return;
    int fd = socket->connect_fd; /* the next look-up may use the same union */
    if (request->listener->tls) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
            request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        gnutls_session_t session = info ? info->tls_session : NULL;
        if (session && gnutls_record_send(session, bytes, length) > 0)
            gnutls_bye(session, GNUTLS_SHUT_WR);
    } else {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent;
    }
    shutdown(fd, SHUT_WR);
}

static void send_early_reply(struct request *request)
{
    struct buffer text;
    buffer_init(&text, EARLY_REPLY_MAX_BYTES);
    response_render(request, &text);
    if (buffer_status(&text) == 0)
        send_last_bytes(request, text.data, text.length);
    buffer_release(&text);
    request->phase = PHASE_LINGER;
}

/* How many bytes of the body are still to come, as far as that is known. */
static uint64_t bytes_left(const struct request *request)
{
    if (request->body_is_chunked || request->body_received > request->body_announced)
        return UINT64_MAX;
    return request->body_announced - request->body_received;
}

static enum MHD_Result begin(struct request *request, const char *method)
{
    request->phase = PHASE_BODY;
    request_adopt_id(request);
    if (!framing_check(request))
        return queue_reply(request); /* behind which the connection is closed */
    admission_check(request, method);
    watch_set(request->connection, request->body_expected ? WATCH_RECEIVING : WATCH_BUSY);
    if (!is_replied(request) || !request->body_expected)
        return MHD_YES; /* goes on, or replies in the next call, which keeps the
                           connection */
    const char *expect = request_header(request, "Expect");
    if (expect && strcasecmp(expect, "100-continue") == 0)
        return queue_reply(request); /* the client waits for leave to send */
    return MHD_YES;
}

/* What is said of a body that comes too slowly; NULL: it does not. */
static const char *find_slowness(const struct request *request)
{
    const struct http_limits *limits = &request->listener->limits;
    int64_t elapsed = clock_monotonic_ns() - request->started_ns;
    int64_t seconds = elapsed / CLOCK_NS_PER_SECOND;
    if (limits->body_seconds > 0 && seconds >= limits->body_seconds)
        return "the body took too long to arrive (--body-timeout)";
    if (elapsed >= SLOW_GRACE_NS &&
        request->body_received < (uint64_t)(seconds * limits->min_rate))
        return "the body came too slowly (--min-rate)";
    return NULL;
}

static int take_upload(struct request *request, const char *bytes, size_t length,
                       struct error *err)
{
    int rc = quota_check_upload(request, request->body_received - length, err);
    return rc == 0 ? upload_write(request->upload, bytes, length, err) : rc;
}

static void take_body(struct request *request, const char *bytes, size_t length)
{
    const struct route *route = request->match.route;
    struct error err = {0};
    if (route->body == BODY_JSON) {
        buffer_append(&request->body, bytes, length);
        int rc = buffer_status(&request->body);
        if (rc == ERR_TOO_LARGE)
            error_set(&err, rc, "expected a body of at most %zu bytes", route->body_max);
        else if (rc != 0)
            error_set(&err, rc, "no memory for the body");
    } else if (take_upload(request, bytes, length, &err) != 0) {
        upload_free(request->upload); /* the disk's space is wanted now */
        request->upload = NULL;
    }
    if (err.code != 0)
        reply_error(request, &err);
}

static enum MHD_Result receive(struct request *request, const char *bytes, size_t length)
{
    request->body_received += length;
    const char *slowness = find_slowness(request);
    if (slowness) {
        if (is_replied(request))
            return MHD_NO;
        reply_problem(request, 408, "body_too_slow", "%s", slowness);
        send_early_reply(request);
        return MHD_YES; /* the next piece ends it */
    }
    if (request->phase == PHASE_LINGER) {
        request->lingered += length;
        return request->lingered <= LINGER_MAX_BYTES ? MHD_YES : MHD_NO;
    }
    if (!is_replied(request))
        take_body(request, bytes, length);
    if (is_replied(request) && bytes_left(request) > READ_ON_BYTES)
        send_early_reply(request);
    return MHD_YES;
}

/* The watch's: the client has closed its side. */
static void client_is_gone(void *context)
{
    struct request *request = context;
    pthread_mutex_lock(&request->lock);
    if (!request->replied)
        request->gone(request, request->ticket);
    pthread_mutex_unlock(&request->lock);
}

/* The body is whole: runs the handler, and suspends the connection if
 * it has not replied. */
static enum MHD_Result handle(struct request *request)
{
    struct http_listener *listener = request->listener;
    request->phase = PHASE_HANDLING;
    watch_set(request->connection, WATCH_BUSY);
    /* Counted before the look at `draining`, so that http_drain() sees either. */
    atomic_fetch_add(&listener->handling, 1);
    if (atomic_load(&request->server->draining)) {
        reply_add_header(request, "Retry-After", "5");
        reply_problem(request, 503, "shutting_down", "the server is shutting down");
    } else {
        request->match.route->handle(request);
    }
    if (request->gone)
        watch_for_end(listener->watch, request->connection, client_is_gone, request);
    pthread_mutex_lock(&request->lock);
    bool replied = request->replied;
    if (!replied) {
        request->phase = PHASE_SUSPENDED;
        atomic_fetch_add(&listener->suspended, 1);
        MHD_suspend_connection(request->connection);
    }
    pthread_mutex_unlock(&request->lock);
    atomic_fetch_sub(&listener->handling, 1);
    return replied ? queue_reply(request) : MHD_YES;
}

static enum MHD_Result go_on(struct request *request, const char *method,
                             const char *upload_data, size_t *upload_data_size)
{
    if (request->phase == PHASE_BEGIN)
        return begin(request, method);
    if (*upload_data_size > 0) {
        size_t length = *upload_data_size;
        *upload_data_size = 0;
        return receive(request, upload_data, length);
    }
    if (request->phase == PHASE_LINGER)
        return MHD_NO; /* was replied to; nothing more comes */
    if (is_replied(request))
        return queue_reply(request);
    return handle(request);
}

enum MHD_Result exchange_access(void *context, struct MHD_Connection *connection,
                                const char *url, const char *method, const char *version,
                                const char *upload_data, size_t *upload_data_size,
                                void **request_slot)
{
    (void)connection;
    (void)url;
    (void)version;
    struct http_listener *listener = context;
    struct request *request = *request_slot;
    if (!request)
        return MHD_NO; /* there was no memory for it */
    struct pulse *pulse = pulses_own(&listener->pulses);
    pulse_begin(pulse);
    enum MHD_Result result = go_on(request, method, upload_data, upload_data_size);
    pulse_end(pulse);
    return result;
}

void exchange_completed(void *context, struct MHD_Connection *connection,
                        void **request_slot, enum MHD_RequestTerminationCode code)
{
    (void)code;
    struct http_listener *listener = context;
    struct request *request = *request_slot;
    watch_set(connection, WATCH_IDLE);
    if (!request)
        return;
    *request_slot = NULL;
    if (request->gone)
        watch_for_end(listener->watch, connection, NULL, NULL);
    bool sent = request->phase == PHASE_REPLYING || request->phase == PHASE_LINGER;
    unsigned status = sent ? request->reply.status : 0;
    int64_t elapsed = clock_monotonic_ns() - request->started_ns;
    int64_t until_reply = sent && request->replied_ns > 0
                              ? request->replied_ns - request->started_ns
                              : elapsed;
    counters_add(listener->counters, request->match.index, status, until_reply,
                 request->body_received);
    access_log_write(request, status, elapsed);
    request_free(request);
    atomic_fetch_sub(&listener->open, 1);
}
