/*
 * Log lines on standard error, one write a line, in logfmt
 *   ts=2026-01-01T00:00:00.000000Z level=info event=job_started job=job_… attempt=1
 * or as JSON objects of the same. An event is a fixed snake_case word; what varies goes
 * into key=value pairs. No token, path of the server or SQL text is ever logged.
 *
 * Where standard error is systemd's journal (JOURNAL_STREAM), each line begins with its
 * priority, such as "<4>", which the journal takes off (sd-daemon(3)).
 */
#ifndef BACKPROP_LOG_H
#define BACKPROP_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Lines below `level` are dropped. The default is LOG_INFO, in logfmt. Call before
 * threads start. Setting the format also looks whether standard error is the journal. */
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* True if lines of this level are written. */
bool log_is_on(enum log_level level);

/* "debug", "info", "warn", "error". */
const char *log_level_name(enum log_level level);

/* `format` makes the key=value pairs; quote text from outside with log_quote(). */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lines of a level since the start, those that were dropped aside. Any thread. */
int64_t log_count(enum log_level level);

/* `text` in double quotes with escapes, cut to the size of
 * the buffer. Returns `buffer`. */
const char *log_quote(const char *text, char *buffer, unsigned size);

#endif
