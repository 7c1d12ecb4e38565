/*
 * The text format of Prometheus, version 0.0.4: families of samples.
 *
 *   exposition_family(text, "backpropd_jobs", "gauge", "Jobs by status.");
 *   exposition_integer(text, "backpropd_jobs", "status=\"queued\"", 3);
 *
 * Names, labels and help are our own words and need no escaping; `labels` is "" or the
 * pairs without braces. A family is said whether it has samples or not, so that its name
 * can be found. Failures stick in the buffer.
 */
#ifndef BACKPROP_HTTP_EXPOSITION_H
#define BACKPROP_HTTP_EXPOSITION_H

#include "base/buffer.h"
#include "base/histogram.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* `type`: "counter", "gauge" or "histogram". The samples follow at once. */
void exposition_family(struct buffer *text, const char *name, const char *type,
                       const char *help);
void exposition_integer(struct buffer *text, const char *name, const char *labels,
                        int64_t value);
void exposition_seconds(struct buffer *text, const char *name, const char *labels,
                        int64_t nanoseconds);
void exposition_histogram(struct buffer *text, const char *name, const char *labels,
                          const struct histogram_values *values);

/* A family of one sample without labels. */
void exposition_gauge(struct buffer *text, const char *name, const char *help,
                      int64_t value);
void exposition_counter(struct buffer *text, const char *name, const char *help,
                        int64_t value);

#endif
