/* See session.h. */
#include "session.h"

#include "process_limits.h"
#include "spec/json_parse.h"

#include <string.h>

struct task_type {
    const char *name;
    int (*run)(struct channel *channel, const json_t *task, struct violations *violations,
               struct error *err);
};

static const struct task_type task_types[] = {
    {"train", train_task},         {"ingest", ingest_task},     {"serve", serve_task},
    {"gradcheck", gradcheck_task}, {"evaluate", evaluate_task},
};

/* What the daemon calls an error of ours. */
static const char *task_code(int rc)
{
    static const struct {
        int rc;
        const char *code;
    } codes[] = {
        {ERR_INVALID, "invalid_data"}, {ERR_CORRUPT, "damaged"},
        {ERR_TOO_LARGE, "too_large"},  {ERR_NOMEM, "out_of_memory"},
        {ERR_NO_SPACE, "no_space"},    {ERR_IO, "disk_failure"},
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].rc == rc)
            return codes[i].code;
    return "internal_error";
}

json_t *session_violations(const struct violations *violations)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < violations->count; i++) {
        const struct violation *item = &violations->items[i];
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "pointer", item->pointer,
                                                  "detail", item->detail)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int session_fail(struct channel *channel, const char *code, const char *message,
                 const char *detail, const struct violations *violations,
                 struct error *err)
{
    json_t *list = violations ? session_violations(violations) : json_array();
    json_t *failed = json_pack("{s:s, s:s, s:s?, s:o?}", "code", code, "message",
                               message[0] != '\0' ? message : "The task cannot be done.",
                               "detail", detail, "violations", list);
    int rc = channel_send_json(channel, MESSAGE_FAILED, failed, err);
    json_decref(failed);
    return rc;
}

/* The task ended with an error: the daemon is told, where that is possible. */
static int tell(struct channel *channel, int rc, const struct violations *violations,
                struct error *err)
{
    if (rc == ERR_EOF)
        return rc;
    struct error fault = {0};
    int told = ERR_NOMEM;
    if (rc != ERR_NOMEM)
        told = session_fail(channel, task_code(rc), err->text, NULL, violations, &fault);
    if (told == ERR_NOMEM)
        channel_out_of_memory(channel);
    return told == ERR_EOF ? told : 0;
}

static int dispatch(struct channel *channel, const json_t *task, struct error *err)
{
    const char *name = json_string_value(json_object_get(task, "task"));
    for (size_t i = 0; name && i < sizeof(task_types) / sizeof(task_types[0]); i++) {
        if (strcmp(name, task_types[i].name) != 0)
            continue;
        struct violations violations;
        violations_init(&violations);
        int rc = task_types[i].run(channel, task, &violations, err);
        if (rc != 0)
            rc = tell(channel, rc, &violations, err);
        violations_release(&violations);
        return rc;
    }
    error_set(err, ERR_PROTOCOL, "a task that this worker does not know");
    return tell(channel, ERR_PROTOCOL, &(struct violations){0}, err);
}

int session_run(struct channel *channel, struct error *err)
{
    struct frame frame;
    int rc = channel_read(channel, &frame, err);
    if (rc != 0)
        return rc;
    json_error_t fault;
    json_t *task = NULL;
    rc = json_parse((const char *)frame.payload, frame.length, JSON_REJECT_DUPLICATES,
                    &task, &fault);
    if (rc == ERR_NOMEM) {
        error_set(err, rc, "no memory for the task");
        rc = tell(channel, rc, &(struct violations){0}, err);
    } else if (!json_is_object(task)) {
        error_set(err, ERR_PROTOCOL, "the task is not a JSON object: %s",
                  task ? "it is something else" : fault.text);
        rc = tell(channel, ERR_PROTOCOL, &(struct violations){0}, err);
    } else {
        rc = dispatch(channel, task, err);
    }
    json_decref(task);
    return rc;
}
