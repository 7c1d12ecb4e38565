/* See task_spec.h. */
#include "task_spec.h"

int task_spec_read(struct task_spec *task_spec, const json_t *task,
                   struct violations *violations, struct error *err)
{
    *task_spec = (struct task_spec){0};
    struct error fault = {0};
    int rc = facts_parse(json_object_get(task, "facts"), &task_spec->facts, &fault);
    if (rc != 0)
        return error_set(err, rc == ERR_NOMEM ? rc : ERR_PROTOCOL,
                         "the task's facts cannot be: %s", fault.text);
    rc = job_spec_parse(json_object_get(task, "spec"), task_spec->facts, &task_spec->spec,
                        violations);
    if (rc == 0)
        return 0;
    const char *pointer = violations->count > 0 ? violations->items[0].pointer : "";
    const char *detail =
        violations->count > 0 ? violations->items[0].detail : "no reason";
    return error_set(err, rc == ERR_NOMEM ? rc : ERR_PROTOCOL,
                     "the task's spec cannot be: %s: %s", pointer, detail);
}

void task_spec_release(struct task_spec *task_spec)
{
    job_spec_free(task_spec->spec);
    facts_free(task_spec->facts);
}
