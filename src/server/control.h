/*
 * How `backpropd token` reaches a running daemon: the socket "control" in the data
 * folder. Only the daemon's own user (and root) can open it, which the folder, the
 * socket's mode 0600 and the peer's credentials see to; whoever can do that could as well
 * stop the daemon and open the store.
 *
 * A client writes one JSON object {"verb", "scope", "name", "owner", "expires_days",
 * "id"}, ends its half of the connection, and reads one: {"code": 0, "output", "notice"}
 * or {"code": negative, "error"}.
 */
#ifndef BACKPROPD_CONTROL_H
#define BACKPROPD_CONTROL_H

#include "token_verbs.h"

struct control;

struct control_config {
    const char *data_dir; /* borrowed */
    struct store *store;
    int64_t audit_rows;
    void (*revoked)(void *context); /* a token was; on the control's thread */
    void *context;
};

/* Makes the socket and starts the thread that serves it. New object. */
int control_start(const struct control_config *config, struct control **ret_control,
                  struct error *err) __attribute__((warn_unused_result));

/* Ends the thread and removes the socket. NULL is allowed. */
void control_stop(struct control *control);

/* The client's side: has the daemon run the order. ERR_BUSY when there is no socket, or
 * nobody at it; else as token_verb_run(). */
int control_ask(const char *data_dir, const struct token_order *order,
                struct buffer *output, struct buffer *notice, struct error *err)
    __attribute__((warn_unused_result));

#endif
