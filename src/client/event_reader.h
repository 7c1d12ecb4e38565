/* Server-Sent Events out of the bytes of an answer, each an event with one line of JSON.
 */
#ifndef BACKPROP_CLIENT_EVENT_READER_H
#define BACKPROP_CLIENT_EVENT_READER_H

#include "base/buffer.h"

#include <jansson.h>

#define EVENT_TYPE_SIZE 32

/* Unlike 0, the return ends the reading. */
typedef int event_handler(void *context, const char *type, const json_t *data);

struct event_reader {
    event_handler *handle;
    void *context;
    struct buffer line; /* that is not whole yet */
    char type[EVENT_TYPE_SIZE];
    int rc; /* of the handler, or of what could not be read */
};

void event_reader_init(struct event_reader *reader, event_handler *handle, void *context);
void event_reader_release(struct event_reader *reader);

/* Takes bytes as they come. Returns reader->rc. */
int event_reader_push(struct event_reader *reader, const char *bytes, size_t length);

#endif
