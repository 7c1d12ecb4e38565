/* The task "ingest": uploaded parts in, a dataset file and facts out. */
#include "data/ingest.h"
#include "process_limits.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

struct ingest_request {
    struct ingest_part parts[INGEST_MAX_PARTS];
    int count;
    struct ingest_options options;
};

static int read_count(const json_t *options, const char *key, uint64_t *ret_count,
                      struct error *err)
{
    const json_t *value = json_object_get(options, key);
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        return error_set(err, ERR_PROTOCOL, "the option \"%s\" is not a count", key);
    *ret_count = (uint64_t)json_integer_value(value);
    return 0;
}

/* The parts' names; their descriptors are numbered in the same order. */
static int read_parts(const json_t *task, struct ingest_request *request,
                      struct error *err)
{
    const json_t *parts = json_object_get(task, "parts");
    size_t count = json_array_size(parts);
    if (count < 1 || count > INGEST_MAX_PARTS)
        return error_set(err, ERR_PROTOCOL, "a dataset has 1 to %d parts",
                         INGEST_MAX_PARTS);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(parts, i));
        if (!name)
            return error_set(err, ERR_PROTOCOL, "a part's name is not a text");
        request->parts[i] =
            (struct ingest_part){.name = name, .fd = TASK_FIRST_FD + (int)i};
    }
    request->count = (int)count;
    return 0;
}

static int read_request(const json_t *task, struct ingest_request *request,
                        struct error *err)
{
    const json_t *options = json_object_get(task, "options");
    const char *header = json_string_value(json_object_get(options, "header"));
    const char *delimiter = json_string_value(json_object_get(options, "delimiter"));
    request->options.header = header ? header : "auto";
    request->options.delimiter = delimiter ? delimiter : "auto";
    request->options.missing = json_string_value(json_object_get(options, "missing"));
    int rc = read_parts(task, request, err);
    if (rc == 0)
        rc = read_count(options, "max_expanded_bytes",
                        &request->options.max_expanded_bytes, err);
    if (rc == 0)
        rc = read_count(options, "max_rows", &request->options.max_rows, err);
    return rc;
}

static int tell_progress(void *context, uint64_t bytes_read)
{
    char text[64];
    int length =
        snprintf(text, sizeof(text), "{\"bytes\":%llu}", (unsigned long long)bytes_read);
    return channel_progress(context, text, (size_t)length, NULL);
}

int ingest_task(struct channel *channel, const json_t *task,
                struct violations *violations, struct error *err)
{
    struct ingest_request request = {.count = 0};
    int rc = read_request(task, &request, err);
    int output = TASK_FIRST_FD + request.count;
    if (rc == 0)
        rc = limits_close_descriptors(output + 1, channel_output(channel), err);
    if (rc == 0)
        rc = channel_ready(channel, err);
    if (rc == 0)
        rc = channel_listen(channel, err);
    json_t *facts = NULL;
    if (rc == 0)
        rc = ingest_run(request.parts, request.count, &request.options, output,
                        tell_progress, channel, &facts, violations, err);
    if (rc != 0) /* what is broken was uploaded so */
        return rc == ERR_CORRUPT ? ERR_INVALID : rc;
    json_t *done = json_pack("{s:o}", "facts", facts);
    rc = channel_send_json(channel, MESSAGE_DONE, done, err);
    json_decref(done);
    return rc;
}
