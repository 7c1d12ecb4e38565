/*
 * Log lines in logfmt on standard error, one write a line:
 *   ts=2026-01-01T00:00:00.000000Z level=info event=job_started job=job_… attempt=1
 * An event is a fixed snake_case word; what varies goes into key=value pairs. No token,
 * path of the server or SQL text is ever logged.
 */
#ifndef BACKPROP_LOG_H
#define BACKPROP_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below `level` are dropped. The default is LOG_INFO. Call before threads start. */
void log_set_level(enum log_level level);

/* `format` makes the key=value pairs; quote text from outside with log_quote(). */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `text` in double quotes with escapes, cut to the size of
 * the buffer. Returns `buffer`. */
const char *log_quote(const char *text, char *buffer, unsigned size);

#endif
