/* See log.h. */
#include "log.h"

#include "clock.h"
#include "log_json.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define PRIORITY_BYTES 3 /* "<6>" */
/* Every byte may become six, but for the few lines that are near the maximum. */
#define OBJECT_MAX_BYTES (2 * LINE_MAX_BYTES)

static enum log_level threshold = LOG_INFO;
static enum log_format line_format = LOG_LOGFMT;
static bool to_journal;
static _Atomic int64_t counts[LOG_LEVEL_COUNT];

void log_set_level(enum log_level level)
{
    threshold = level;
}

/* "device:inode" of what the journal gave as standard error; a descriptor that was
 * redirected since is another. */
static bool is_journal(const char *stream)
{
    struct stat file;
    char own[64];
    if (!stream || fstat(STDERR_FILENO, &file) != 0)
        return false;
    snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)file.st_dev,
             (unsigned long long)file.st_ino);
    return strcmp(own, stream) == 0;
}

void log_set_format(enum log_format format)
{
    line_format = format;
    to_journal = is_journal(getenv("JOURNAL_STREAM"));
}

bool log_is_on(enum log_level level)
{
    return level >= threshold;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};
    return names[level];
}

int64_t log_count(enum log_level level)
{
    return atomic_load_explicit(&counts[level], memory_order_relaxed);
}

/* One write, so that lines of several threads do not mix. `line` has room for a priority
 * in front and for a newline behind. */
static void write_line(enum log_level level, char *line, size_t length)
{
    static const char *const priorities[LOG_LEVEL_COUNT] = {"<7>", "<6>", "<4>", "<3>"};
    line[PRIORITY_BYTES + length] = '\n';
    size_t skipped = PRIORITY_BYTES;
    if (to_journal) {
        memcpy(line, priorities[level], PRIORITY_BYTES);
        skipped = 0;
    }
    ssize_t written =
        write(STDERR_FILENO, line + skipped, PRIORITY_BYTES - skipped + length + 1);
    (void)written; /* there is nowhere left to say that the log is gone */
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    atomic_fetch_add_explicit(&counts[level], 1, memory_order_relaxed);
    char time[CLOCK_RFC3339_SIZE];
    clock_format(clock_wall_us(), time);
    char line[PRIORITY_BYTES + LINE_MAX_BYTES];
    char *pairs = line + PRIORITY_BYTES;
    int used = snprintf(pairs, LINE_MAX_BYTES - 1, "ts=%s level=%s event=%s", time,
                        log_level_name(level), event);
    if (format[0] != '\0') {
        pairs[used++] = ' ';
        va_list args;
        va_start(args, format);
        int more =
            vsnprintf(pairs + used, LINE_MAX_BYTES - 1 - (size_t)used, format, args);
        va_end(args);
        used = more < 0 ? used : used + more;
    }
    if (used > LINE_MAX_BYTES - 2)
        used = LINE_MAX_BYTES - 2;
    if (line_format == LOG_JSON) {
        char object[PRIORITY_BYTES + OBJECT_MAX_BYTES];
        size_t length = log_json(pairs, object + PRIORITY_BYTES, OBJECT_MAX_BYTES - 1);
        write_line(level, object, length);
    } else {
        write_line(level, line, (size_t)used);
    }
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
