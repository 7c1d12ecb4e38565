/*
 * A daemon for one worker: starts the real backprop-worker, talks frames with it over
 * pipes and keeps what it says.
 */
#ifndef BACKPROP_TESTS_WORKER_CLIENT_H
#define BACKPROP_TESTS_WORKER_CLIENT_H

#include "base/buffer.h"
#include "wire/frame.h"

#include <jansson.h>
#include <sys/types.h>

struct worker_client {
    pid_t pid;
    int input, output;
    struct frame_reader reader;
    int counts[32];        /* frames of each type so far */
    json_t *last[32];      /* the last object of each type; NULL: none */
    struct buffer blob;    /* the last blob */
    struct buffer metrics; /* all METRICS texts, one a line */
    struct buffer events;  /* all EVENT texts, one a line */
};

/* `fds` become 3, 4, … */
void client_start(struct worker_client *client, const int *fds, int count);

/* Closes the pipes, waits for the process and frees. Returns its wait status. */
int client_end(struct worker_client *client);

/* Sends; false when the worker does not read any more. */
bool client_send(struct worker_client *client, enum message_type type, const char *text);
bool client_send_json(struct worker_client *client, enum message_type type, json_t *json);
bool client_send_blob(struct worker_client *client, const void *bytes, size_t length);

/* Reads frames until one of this type has come; its object (borrowed), or NULL when the
 * worker closed before that. A blob is complete when its BLOB_END was asked for. */
const json_t *client_read_until(struct worker_client *client, enum message_type type);

/* Reads until DONE or FAILED; the test fails unless it is `type`. Borrowed. */
const json_t *client_read_end(struct worker_client *client, enum message_type type);

#endif
