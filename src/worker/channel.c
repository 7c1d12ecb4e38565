/* See channel.h. One lock covers everything that is sent, a whole blob at a time, so that
 * the order on the wire is the order of the calls. */
#include "channel.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "spec/json_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where standard output goes: far from the descriptors of a task. */
#define OUTPUT_FD_FROM 64

#define POINTS_DELAY_NS (50 * INT64_C(1000000))
#define POINTS_MAX_BYTES ((size_t)1 << 20) /* then they are sent at once */
#define BEAT_NS (CLOCK_NS_PER_SECOND / 4)
#define QUIET_NS (CLOCK_NS_PER_SECOND / 2) /* so long nothing need be said */

struct channel {
    int output;
    const char *sandbox;        /* the level, for READY */
    struct frame_reader reader; /* of the listening thread once there is one */
    _Atomic int command;
    _Atomic bool
        ended; /* DONE or FAILED was said; no lock, since a sender may be stuck */

    pthread_mutex_t lock; /* of all below */
    struct buffer frame;  /* the one being put together */
    struct buffer points; /* {"points":[…, not closed yet */
    char *progress;       /* the last PROGRESS, or NULL */
    int64_t spoken_ns, points_ns;
    bool open; /* READY was said, and nothing that ends the conversation */
    bool busy;

    bool stopping;
    pthread_cond_t stop_beating;

    bool beats, listens; /* the threads below are there */
    pthread_t heart, ear;
};

/* ---- opening and closing ---- */

/* Frames keep the real standard output, everybody else gets standard error. */
static int take_output(struct channel *channel, struct error *err)
{
    channel->output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, OUTPUT_FD_FROM);
    if (channel->output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return error_set_errno(err, errno, "cannot take standard output for frames");
    return 0;
}

int channel_open(struct channel **ret_channel, struct error *err)
{
    struct channel *channel = mem_alloc(sizeof(*channel));
    if (!channel)
        return error_set(err, ERR_NOMEM, "no memory for the conversation");
    pthread_mutex_init(&channel->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&channel->stop_beating, &attributes);
    pthread_condattr_destroy(&attributes);
    buffer_init(&channel->frame, FRAME_HEADER_BYTES + (size_t)FRAME_MAX_PAYLOAD);
    buffer_init(&channel->points, 2 * POINTS_MAX_BYTES);
    frame_reader_init(&channel->reader, FROM_DAEMON);
    channel->busy = true;
    channel->sandbox = "none";
    int rc = take_output(channel, err);
    if (rc != 0) {
        channel_close(channel);
        return rc;
    }
    *ret_channel = channel;
    return 0;
}

void channel_close(struct channel *channel)
{
    if (!channel)
        return;
    if (channel->beats) {
        pthread_mutex_lock(&channel->lock);
        channel->stopping = true;
        pthread_cond_signal(&channel->stop_beating);
        pthread_mutex_unlock(&channel->lock);
        pthread_join(channel->heart, NULL);
    }
    if (channel->listens) { /* it waits in read(), holding nothing */
        pthread_cancel(channel->ear);
        pthread_join(channel->ear, NULL);
    }
    io_close(&channel->output);
    buffer_release(&channel->frame);
    buffer_release(&channel->points);
    free(channel->progress);
    frame_reader_release(&channel->reader);
    pthread_cond_destroy(&channel->stop_beating);
    pthread_mutex_destroy(&channel->lock);
    free(channel);
}

int channel_output(const struct channel *channel)
{
    return channel->output;
}

/* ---- reading ---- */

/* Commands grow stronger and are never taken back. */
static int take_command(struct channel *channel, const struct frame *frame)
{
    static const struct {
        const char *name;
        int command;
    } commands[] = {
        {"cancel", COMMAND_CANCEL}, {"stop", COMMAND_STOP}, {"pause", COMMAND_PAUSE}};
    json_t *json = NULL;
    if (json_parse((const char *)frame->payload, frame->length, 0, &json, NULL) ==
        ERR_NOMEM)
        return ERR_NOMEM;
    const char *name = json_string_value(json_object_get(json, "command"));
    int found = COMMAND_NONE;
    for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(name, commands[i].name) == 0)
            found = commands[i].command;
    json_decref(json);
    if (found > atomic_load(&channel->command))
        atomic_store(&channel->command, found);
    return found == COMMAND_NONE ? ERR_PROTOCOL : 0;
}

enum channel_command channel_command(const struct channel *channel)
{
    return (enum channel_command)atomic_load_explicit(&channel->command,
                                                      memory_order_relaxed);
}

/* The listening thread. When the daemon is gone, or makes no sense, nobody wants what
 * this process does: it ends without finishing anything. */
static void *listen_main(void *argument)
{
    struct channel *channel = argument;
    struct frame frame;
    while (frame_read(&channel->reader, STDIN_FILENO, &frame, NULL) == 0)
        if (frame.type != MESSAGE_COMMAND || take_command(channel, &frame) != 0)
            break;
    if (!atomic_load(&channel->ended))
        _exit(EXIT_FAILURE);
    return NULL;
}

int channel_listen(struct channel *channel, struct error *err)
{
    int failed = pthread_create(&channel->ear, NULL, listen_main, channel);
    if (failed != 0)
        return error_set_errno(err, error_of_thread(failed),
                               "cannot listen for commands");
    channel->listens = true;
    return 0;
}

int channel_read(struct channel *channel, struct frame *ret_frame, struct error *err)
{
    return frame_read(&channel->reader, STDIN_FILENO, ret_frame, err);
}

int channel_read_blob(struct channel *channel, size_t maximum, unsigned char **ret_bytes,
                      size_t *ret_length, struct error *err)
{
    struct buffer bytes;
    buffer_init(&bytes, maximum);
    conversation_expect_blob(&channel->reader.conversation);
    struct frame frame;
    int rc;
    while ((rc = channel_read(channel, &frame, err)) == 0 &&
           frame.type != MESSAGE_BLOB_END) {
        if (frame.type == MESSAGE_BLOB)
            buffer_append(&bytes, frame.payload, frame.length);
        else
            rc = take_command(channel, &frame);
        if (rc != 0)
            break;
    }
    if (rc == 0 && buffer_status(&bytes) != 0)
        rc = error_set(err, buffer_status(&bytes), "the blob does not fit into %zu bytes",
                       maximum);
    if (rc == 0) {
        *ret_bytes = (unsigned char *)buffer_take(&bytes, ret_length);
        if (!*ret_bytes)
            rc = error_set(err, ERR_NOMEM, "no memory for the blob");
    }
    buffer_release(&bytes);
    return rc;
}

int channel_is_cancelled(struct channel *channel, bool *ret_cancelled, struct error *err)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, 0) > 0) {
        struct frame frame;
        int rc = channel_read(channel, &frame, err);
        if (rc != 0)
            return rc;
        if (frame.type != MESSAGE_COMMAND)
            return error_set(err, ERR_PROTOCOL, "a %s message during an answer",
                             message_name(frame.type));
        *ret_cancelled = true;
    }
    return 0;
}

/* ---- sending; all with the lock held ---- */

/* The frame that was put together goes out, in one piece. */
static int write_frame(struct channel *channel, enum message_type type,
                       const void *payload, size_t length, struct error *err)
{
    buffer_clear(&channel->frame);
    int rc = frame_append(&channel->frame, type, payload, length);
    if (rc != 0)
        return error_set(err, rc, "a %s message of %zu bytes cannot be sent",
                         message_name(type), length);
    rc = io_write_full(channel->output, channel->frame.data, channel->frame.length);
    if (rc != 0)
        return error_set(err, rc, "the daemon does not read any more");
    channel->spoken_ns = clock_monotonic_ns();
    return 0;
}

static int flush_points(struct channel *channel, struct error *err)
{
    if (channel->points.length == 0)
        return 0;
    buffer_append_string(&channel->points, "]}");
    int rc = buffer_status(&channel->points);
    if (rc == 0)
        rc = write_frame(channel, MESSAGE_METRICS, channel->points.data,
                         channel->points.length, err);
    else
        error_set(err, rc, "no memory for metrics");
    buffer_clear(&channel->points);
    channel->points_ns = channel->spoken_ns;
    return rc;
}

static void say_ended(struct channel *channel)
{
    channel->open = false;
    atomic_store(&channel->ended, true);
}

/* A frame after the points that came before it. */
static int send_in_order(struct channel *channel, enum message_type type,
                         const void *payload, size_t length, struct error *err)
{
    int rc = flush_points(channel, err);
    /* Before it is sent: the daemon may close as soon as it has read it. */
    if (type == MESSAGE_DONE || type == MESSAGE_FAILED)
        say_ended(channel);
    if (rc == 0)
        rc = write_frame(channel, type, payload, length, err);
    if (type == MESSAGE_READY)
        channel->open = rc == 0;
    return rc;
}

int channel_send(struct channel *channel, enum message_type type, const char *payload,
                 size_t length, struct error *err)
{
    pthread_mutex_lock(&channel->lock);
    int rc = send_in_order(channel, type, payload, length, err);
    pthread_mutex_unlock(&channel->lock);
    return rc;
}

int channel_send_json(struct channel *channel, enum message_type type, const json_t *json,
                      struct error *err)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory for a %s message",
                         message_name(type));
    int rc = channel_send(channel, type, text, strlen(text), err);
    free(text);
    return rc;
}

int channel_progress(struct channel *channel, const char *text, size_t length,
                     struct error *err)
{
    char *copy = mem_strndup(text, length);
    if (!copy)
        return error_set(err, ERR_NOMEM, "no memory for the progress");
    pthread_mutex_lock(&channel->lock);
    free(channel->progress);
    channel->progress = copy;
    int rc = send_in_order(channel, MESSAGE_PROGRESS, copy, length, err);
    pthread_mutex_unlock(&channel->lock);
    return rc;
}

int channel_point(struct channel *channel, const char *text, size_t length,
                  struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&channel->lock);
    buffer_append_string(&channel->points,
                         channel->points.length == 0 ? "{\"points\":[" : ",");
    buffer_append(&channel->points, text, length);
    if (channel->points.length >= POINTS_MAX_BYTES ||
        clock_monotonic_ns() - channel->points_ns >= POINTS_DELAY_NS)
        rc = flush_points(channel, err);
    pthread_mutex_unlock(&channel->lock);
    return rc;
}

int channel_send_blob(struct channel *channel, enum message_type announcement,
                      const json_t *json, const void *bytes, size_t length,
                      struct error *err)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory for a %s message",
                         message_name(announcement));
    pthread_mutex_lock(&channel->lock);
    int rc = send_in_order(channel, announcement, text, strlen(text), err);
    const unsigned char *at = bytes;
    for (size_t left = length; left > 0 && rc == 0;) {
        size_t count = left < MESSAGE_BLOB_BYTES ? left : MESSAGE_BLOB_BYTES;
        rc = write_frame(channel, MESSAGE_BLOB, at, count, err);
        at += count;
        left -= count;
    }
    if (rc == 0)
        rc = write_frame(channel, MESSAGE_BLOB_END, NULL, 0, err);
    pthread_mutex_unlock(&channel->lock);
    free(text);
    return rc;
}

void channel_out_of_memory(struct channel *channel)
{
    static const char text[] =
        "{\"code\":\"out_of_memory\",\"message\":\"The worker has run "
        "out of memory.\"}";
    pthread_mutex_lock(&channel->lock);
    say_ended(channel);
    int rc = frame_write(channel->output, MESSAGE_FAILED, text, sizeof(text) - 1, NULL);
    (void)rc; /* nobody is left to be told */
    pthread_mutex_unlock(&channel->lock);
}

/* ---- the beating ---- */

/* With the lock held: says what is overdue. */
static int beat(struct channel *channel)
{
    if (!channel->open || !channel->busy)
        return 0;
    int64_t now = clock_monotonic_ns();
    int rc = 0;
    if (now - channel->points_ns >= BEAT_NS)
        rc = flush_points(channel, NULL);
    const char *text = channel->progress ? channel->progress : "{}";
    if (rc == 0 && now - channel->spoken_ns >= QUIET_NS)
        rc = send_in_order(channel, MESSAGE_PROGRESS, text, strlen(text), NULL);
    return rc;
}

static void *beat_main(void *argument)
{
    struct channel *channel = argument;
    pthread_mutex_lock(&channel->lock);
    while (!channel->stopping) {
        if (beat(channel) != 0)
            _exit(EXIT_FAILURE); /* nobody reads any more */
        if (!channel->busy) {
            pthread_cond_wait(&channel->stop_beating, &channel->lock);
            continue;
        }
        int64_t next = clock_monotonic_ns() + BEAT_NS;
        struct timespec until = {.tv_sec = (time_t)(next / CLOCK_NS_PER_SECOND),
                                 .tv_nsec = (long)(next % CLOCK_NS_PER_SECOND)};
        pthread_cond_timedwait(&channel->stop_beating, &channel->lock, &until);
    }
    pthread_mutex_unlock(&channel->lock);
    return NULL;
}

void channel_set_sandbox(struct channel *channel, const char *level)
{
    channel->sandbox = level;
}

int channel_ready(struct channel *channel, struct error *err)
{
    char text[128];
    int length = snprintf(text, sizeof(text),
                          "{\"version\":\"%s\",\"sandbox\":\"%s\",\"blas\":\"openblas\"}",
                          BACKPROP_VERSION, channel->sandbox);
    int failed = pthread_create(&channel->heart, NULL, beat_main, channel);
    if (failed != 0)
        return error_set_errno(err, error_of_thread(failed),
                               "cannot start the heartbeat");
    channel->beats = true;
    return channel_send(channel, MESSAGE_READY, text, (size_t)length, err);
}

void channel_set_busy(struct channel *channel, bool busy)
{
    pthread_mutex_lock(&channel->lock);
    channel->busy = busy;
    pthread_cond_signal(&channel->stop_beating);
    pthread_mutex_unlock(&channel->lock);
}
