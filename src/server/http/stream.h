/*
 * Streams: bodies that are produced while they are sent (reply.h says how). Inside this
 * folder: libmicrohttpd's content reader over a struct stream_source.
 *
 * A reader that has nothing puts its connection to sleep (MHD_suspend_connection is legal
 * in a content reader); stream_wake() from any thread ends the sleep. The flag `woken`
 * closes the gap between "nothing there" and the sleep.
 */
#ifndef BACKPROP_HTTP_STREAM_H
#define BACKPROP_HTTP_STREAM_H

#include "pulses.h"
#include "reply.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>

struct stream_list {
    pthread_mutex_t lock; /* taken before a stream's own */
    struct stream *first;
    struct pulses *pulses; /* borrowed: of the threads that read streams */
    bool ending;
};

void stream_list_init(struct stream_list *list, struct pulses *pulses);
void stream_list_release(struct stream_list *list);

/* Live streams (of unknown length) end at their next read; sleepers are woken for it. */
void stream_list_end(struct stream_list *list);

/* Copies the source. NULL without memory (the source is not released). */
struct stream *stream_new(struct stream_list *list, const struct stream_source *source);

/* Releases the source. For a stream that was never queued; else the response does it. */
void stream_free(struct stream *stream);

/* The response, which owns the stream from now on; NULL without memory. */
struct MHD_Response *stream_response(struct stream *stream,
                                     struct MHD_Connection *connection);

#endif
