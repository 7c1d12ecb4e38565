/*
 * The worker's end of the conversation with the daemon.
 *
 * Frames may be sent from any thread. A second thread beats: it sends a PROGRESS when
 * nothing was said for a while, so that a long step is not taken for a hang. A third one
 * listens, where a task takes commands (train) or just has to notice that the daemon is
 * gone (ingest); then the process ends at once, because nobody wants what it does.
 *
 * Standard output is for frames alone: channel_open() takes it away, and whatever a
 * library prints goes to standard error.
 */
#ifndef BACKPROP_WORKER_CHANNEL_H
#define BACKPROP_WORKER_CHANNEL_H

#include "base/error.h"
#include "wire/frame.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct channel;

/* The last command that came. */
enum channel_command { COMMAND_NONE, COMMAND_STOP, COMMAND_PAUSE, COMMAND_CANCEL };

/* New object. */
int channel_open(struct channel **ret_channel, struct error *err)
    __attribute__((warn_unused_result));

/* Ends the beating. NULL is allowed. A thread that listens is left behind: the process is
 * about to end, and closing standard input is not this side's to do. */
void channel_close(struct channel *channel);

/* Where frames go; not to be closed. */
int channel_output(const struct channel *channel);

/* ---- reading, before channel_listen() and instead of it ---- */

/* The next frame; ERR_EOF when the daemon has closed. */
int channel_read(struct channel *channel, struct frame *ret_frame, struct error *err)
    __attribute__((warn_unused_result));

/* The blob that TASK announced: grows as it comes, up to `maximum` bytes. To be freed. */
int channel_read_blob(struct channel *channel, size_t maximum, unsigned char **ret_bytes,
                      size_t *ret_length, struct error *err)
    __attribute__((warn_unused_result));

/* Has a COMMAND come that ends the answer under way? Takes those that are there, without
 * waiting; anything else is ERR_PROTOCOL. */
int channel_is_cancelled(struct channel *channel, bool *ret_cancelled, struct error *err)
    __attribute__((warn_unused_result));

/* Starts the thread that listens. */
int channel_listen(struct channel *channel, struct error *err)
    __attribute__((warn_unused_result));
enum channel_command channel_command(const struct channel *channel);

/* ---- sending ---- */

/* How this process is confined, for READY; a constant. "none" unless it is said. */
void channel_set_sandbox(struct channel *channel, const char *level);

/* Says READY and starts to beat. */
int channel_ready(struct channel *channel, struct error *err)
    __attribute__((warn_unused_result));

/* A worker that has nothing to do need not beat. At first it has. */
void channel_set_busy(struct channel *channel, bool busy);

/* One frame with a text, or with JSON (which is not taken over; NULL is ERR_NOMEM). */
int channel_send(struct channel *channel, enum message_type type, const char *payload,
                 size_t length, struct error *err) __attribute__((warn_unused_result));
int channel_send_json(struct channel *channel, enum message_type type, const json_t *json,
                      struct error *err) __attribute__((warn_unused_result));

/* A PROGRESS; its text is said again as long as there is nothing new. */
int channel_progress(struct channel *channel, const char *text, size_t length,
                     struct error *err) __attribute__((warn_unused_result));

/* One point of METRICS, as the text of a JSON object. Points are gathered and sent in
 * their order at most about twenty times a second, and before any other frame. */
int channel_point(struct channel *channel, const char *text, size_t length,
                  struct error *err) __attribute__((warn_unused_result));

/* `announcement` (CHECKPOINT or MODEL, with "bytes"), then the blob. */
int channel_send_blob(struct channel *channel, enum message_type announcement,
                      const json_t *json, const void *bytes, size_t length,
                      struct error *err) __attribute__((warn_unused_result));

/* Memory has run out: says so without needing any. */
void channel_out_of_memory(struct channel *channel);

#endif
