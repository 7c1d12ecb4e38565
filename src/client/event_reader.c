/* See event_reader.h. */
#include "event_reader.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

void event_reader_init(struct event_reader *reader, event_handler *handle, void *context)
{
    *reader = (struct event_reader){.handle = handle, .context = context};
    buffer_init(&reader->line, LINE_MAX_BYTES);
}

void event_reader_release(struct event_reader *reader)
{
    buffer_release(&reader->line);
}

static int take_line(struct event_reader *reader)
{
    static const char event[] = "event: ", data[] = "data: ";
    const char *line = reader->line.data;
    if (strncmp(line, event, sizeof(event) - 1) == 0) {
        snprintf(reader->type, sizeof(reader->type), "%s", line + sizeof(event) - 1);
        return 0;
    }
    if (strncmp(line, data, sizeof(data) - 1) != 0)
        return 0;
    json_t *json = json_loads(line + sizeof(data) - 1, 0, NULL);
    int rc = json ? reader->handle(reader->context, reader->type, json) : ERR_PROTOCOL;
    json_decref(json);
    return rc;
}

int event_reader_push(struct event_reader *reader, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && reader->rc == 0; i++) {
        if (bytes[i] != '\n') {
            buffer_append_char(&reader->line, bytes[i]);
            continue;
        }
        reader->rc = buffer_status(&reader->line);
        if (reader->rc == 0)
            reader->rc = take_line(reader);
        buffer_clear(&reader->line);
    }
    return reader->rc;
}
