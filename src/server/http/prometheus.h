/*
 * What GET /metrics says, in parts. No label holds an identifier or a user's text: their
 * values are route templates, statuses, codes and reasons, which are few and fixed.
 */
#ifndef BACKPROP_HTTP_PROMETHEUS_H
#define BACKPROP_HTTP_PROMETHEUS_H

#include "base/buffer.h"
#include "server.h"

#define PROMETHEUS_LABELS_SIZE 192

void prometheus_append_http(struct buffer *text, struct http_listener *listener);

/* Slots, workers and how jobs ended. */
void prometheus_append_workers(struct buffer *text, struct server *server);

/* The writer, sizes, and what the store holds. */
void prometheus_append_store(struct buffer *text, struct server *server);

/* The process as Linux sees it, by the names that Prometheus' client libraries use. */
void prometheus_append_process(struct buffer *text, const struct server *server);

#endif
