/* See log.h. */
#include "log.h"

#include "clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < threshold)
        return;
    char time[CLOCK_RFC3339_SIZE];
    clock_format(clock_wall_us(), time);
    char line[LINE_MAX_BYTES];
    int used = snprintf(line, sizeof(line) - 1, "ts=%s level=%s event=%s", time,
                        names[level], event);
    if (format[0] != '\0') {
        line[used++] = ' ';
        va_list args;
        va_start(args, format);
        int more = vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, format, args);
        va_end(args);
        used = more < 0 ? used : used + more;
    }
    if (used > (int)sizeof(line) - 2)
        used = (int)sizeof(line) - 2;
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)used);
    (void)written; /* there is nowhere left to say that the log is gone */
}

const char *log_quote(const char *text, char *buffer, unsigned size)
{
    unsigned used = 0;
    buffer[used++] = '"';
    for (; *text != '\0' && used + 6 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            buffer[used++] = '\\';
            buffer[used++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            used += (unsigned)snprintf(buffer + used, 5, "\\x%02x", c);
        } else {
            buffer[used++] = (char)c;
        }
    }
    buffer[used++] = '"';
    buffer[used] = '\0';
    return buffer;
}
