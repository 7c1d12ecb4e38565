/*
 * The messages of the worker protocol and when each is legal.
 *
 * A conversation is about one task. The daemon speaks first:
 *
 *   daemon                                worker
 *   TASK {json}                     ->
 *   BLOB chunk … BLOB_END           ->         (a checkpoint or weights, if TASK says so)
 *                                   <-    READY {json}
 *   train:                          <-    PROGRESS {json}  (also the heartbeat)
 *                                   <-    METRICS  {json}
 *                                   <-    EVENT    {json}
 *   COMMAND {json}                  ->         (cancel, stop, pause)
 *                                   <-    CHECKPOINT {json}, BLOB …, BLOB_END
 *                                   <-    MODEL {json}, BLOB …, BLOB_END
 *                                   <-    DONE {json}  or  FAILED {json}
 *   ingest:                         <-    PROGRESS …, DONE {facts} or FAILED {json}
 *   serve: REQUEST {json}           ->
 *                                   <-    PIECE {json}, of an answer that comes in pieces
 *   COMMAND {json}                  ->         (cancel: the answer is not wanted any
 * more)
 *                                   <-    REPLY {json}, one for each REQUEST, in order
 *
 * Closing its standard input tells a serving worker to end, and any other to give up.
 * Payloads named {json} are one JSON object in UTF-8; BLOB is raw bytes; BLOB_END is
 * empty. docs/ARCHITECTURE.md lists the fields of each.
 */
#ifndef BACKPROP_MESSAGE_H
#define BACKPROP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_sender { FROM_DAEMON, FROM_WORKER };

/* The values are on the wire and are never renumbered. */
enum message_type {
    MESSAGE_TASK = 1,
    MESSAGE_BLOB = 2,
    MESSAGE_BLOB_END = 3,
    MESSAGE_COMMAND = 4,
    MESSAGE_REQUEST = 5,
    MESSAGE_READY = 16,
    MESSAGE_PROGRESS = 17,
    MESSAGE_METRICS = 18,
    MESSAGE_EVENT = 19,
    MESSAGE_CHECKPOINT = 20,
    MESSAGE_MODEL = 21,
    MESSAGE_REPLY = 22,
    MESSAGE_DONE = 23,
    MESSAGE_FAILED = 24,
    MESSAGE_PIECE = 25
};

/* Largest BLOB payload; a blob of any size is a run of these. */
#define MESSAGE_BLOB_BYTES (UINT32_C(1) << 20)

/* "metrics" for MESSAGE_METRICS, for logs; "unknown" for a number without a name. */
const char *message_name(unsigned type);

/* Largest legal payload of a message in bytes; 0 for an unknown type. */
size_t message_max_payload(unsigned type);

/* What one side of a conversation has said so far, as seen by its reader. */
struct conversation {
    enum message_sender from;
    bool opened;  /* TASK (daemon) or READY (worker) has come */
    bool in_blob; /* between the announcing message and BLOB_END */
    bool ended;   /* DONE or FAILED has come */
};

void conversation_init(struct conversation *conversation, enum message_sender from);

/* True if a message of this type and payload length may come now; then the state moves
 * on. */
bool conversation_accept(struct conversation *conversation, unsigned type, size_t length);

/* The reader has understood from TASK's JSON that a blob follows. */
void conversation_expect_blob(struct conversation *conversation);

#endif
