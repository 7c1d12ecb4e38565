/* See stream.h. */
#include "stream.h"

#include "base/memory.h"
#include "watch.h"

#include <stdlib.h>

#define BLOCK_BYTES ((size_t)32 * 1024)
#define MAX_RETRIES 8

struct stream {
    struct stream_list *list;
    struct stream *next, **previous; /* in the list, under its lock */
    struct stream_source source;
    struct MHD_Connection *connection; /* NULL until it is queued */
    pthread_mutex_t lock;
    bool woken;    /* since the last read began */
    bool sleeping; /* the connection is suspended */
};

void stream_list_init(struct stream_list *list, struct pulses *pulses)
{
    list->pulses = pulses;
    pthread_mutex_init(&list->lock, NULL);
    list->first = NULL;
    list->ending = false;
}

void stream_list_release(struct stream_list *list)
{
    pthread_mutex_destroy(&list->lock);
}

void stream_list_end(struct stream_list *list)
{
    pthread_mutex_lock(&list->lock);
    list->ending = true;
    for (struct stream *stream = list->first; stream; stream = stream->next)
        stream_wake(stream);
    pthread_mutex_unlock(&list->lock);
}

static bool is_ending(struct stream_list *list)
{
    pthread_mutex_lock(&list->lock);
    bool ending = list->ending;
    pthread_mutex_unlock(&list->lock);
    return ending;
}

struct stream *stream_new(struct stream_list *list, const struct stream_source *source)
{
    struct stream *stream = mem_alloc(sizeof(*stream));
    if (!stream)
        return NULL;
    stream->source = *source;
    stream->list = list;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_mutex_lock(&list->lock);
    stream->next = list->first;
    stream->previous = &list->first;
    if (list->first)
        list->first->previous = &stream->next;
    list->first = stream;
    pthread_mutex_unlock(&list->lock);
    return stream;
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->list->lock);
    *stream->previous = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    pthread_mutex_unlock(&stream->list->lock);
    if (stream->source.release)
        stream->source.release(stream->source.context);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

void stream_wake(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->woken = true;
    if (stream->sleeping) {
        stream->sleeping = false;
        MHD_resume_connection(stream->connection);
    }
    pthread_mutex_unlock(&stream->lock);
}

/* A sleeper is not watched by the library: that its peer is gone is seen here, whenever
 * it was woken for nothing. */
static bool is_deserted(const struct stream *stream)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info && watch_is_at_end(info->connect_fd);
}

/* Puts the connection to sleep, unless news came since `woken` was cleared. */
static bool fall_asleep(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool asleep = !stream->woken;
    if (asleep) {
        stream->sleeping = true;
        MHD_suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&stream->lock);
    return asleep;
}

static ssize_t read_stream(void *context, uint64_t offset, char *bytes, size_t maximum)
{
    struct stream *stream = context;
    bool endless = stream->source.bytes == UINT64_MAX;
    for (int i = 0; i < MAX_RETRIES; i++) {
        pthread_mutex_lock(&stream->lock);
        stream->woken = false;
        pthread_mutex_unlock(&stream->lock);
        bool ending = is_ending(stream->list);
        if (endless && ending)
            return MHD_CONTENT_READER_END_OF_STREAM;
        struct pulse *pulse = pulses_own(stream->list->pulses);
        pulse_begin(pulse);
        int64_t got = stream->source.read(stream->source.context, offset, bytes, maximum);
        pulse_end(pulse);
        if (got > 0)
            return (ssize_t)got;
        if (got == 0 && endless)
            return MHD_CONTENT_READER_END_OF_STREAM;
        /* No stream may sleep past the end. */
        if (got != STREAM_WAIT || ending || is_deserted(stream))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (fall_asleep(stream))
            return 0;
    }
    return 0; /* woken again and again with nothing to send: let other connections have a
                 turn */
}

static void free_stream(void *context)
{
    stream_free(context);
}

struct MHD_Response *stream_response(struct stream *stream,
                                     struct MHD_Connection *connection)
{
    stream->connection = connection;
    uint64_t size =
        stream->source.bytes == UINT64_MAX ? MHD_SIZE_UNKNOWN : stream->source.bytes;
    return MHD_create_response_from_callback(size, BLOCK_BYTES, read_stream, stream,
                                             free_stream);
}
