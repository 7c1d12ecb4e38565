/* The spec and the facts of a task, parsed as the daemon parsed them before. */
#ifndef BACKPROP_WORKER_TASK_SPEC_H
#define BACKPROP_WORKER_TASK_SPEC_H

#include "base/error.h"
#include "base/violations.h"
#include "spec/job_spec.h"

#include <jansson.h>

struct task_spec {
    struct dataset_facts *facts;
    struct job_spec *spec;
};

/* From TASK's "facts" and "spec". ERR_PROTOCOL where they cannot be: the daemon has
 * checked them. */
int task_spec_read(struct task_spec *task_spec, const json_t *task,
                   struct violations *violations, struct error *err)
    __attribute__((warn_unused_result));
void task_spec_release(struct task_spec *task_spec);

#endif
