/*
 * The task "evaluate": a model and a dataset file in; the model's figures over a split of
 * the dataset out. The rows go through the model's own preprocessing. The split is the
 * one that the model's spec makes of the dataset, or "all" of its rows.
 */
#include "base/memory.h"
#include "data/dataset_file.h"
#include "data/pipeline.h"
#include "engine/evaluation.h"
#include "process_limits.h"
#include "session.h"
#include "stored_dataset.h"
#include "task_spec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_ROWS 256
#define PARAMETERS_MAX_BYTES ((size_t)16 << 30)
#define MEMORY_MAX_MB (1024 * 1024) /* training's limit is not this task's */

struct evaluating {
    struct task_spec task;
    struct preprocess *preprocess;
    unsigned char *parameters;
    size_t bytes;
    struct network *network;
    struct dataset_file *file;
    struct pipeline *pipeline;
};

static void evaluating_release(struct evaluating *evaluating)
{
    pipeline_close(evaluating->pipeline);
    dataset_file_close(evaluating->file);
    network_free(evaluating->network);
    free(evaluating->parameters);
    preprocess_free(evaluating->preprocess);
    task_spec_release(&evaluating->task);
}

/* The bits of the splits to evaluate; 0 for a word that is none. */
static unsigned splits_of(const json_t *task, bool *ret_all)
{
    static const struct {
        const char *name;
        unsigned bits;
    } names[] = {{"train", 1u << IN_TRAIN},
                 {"validation", 1u << IN_VALIDATION},
                 {"test", 1u << IN_TEST},
                 {"all", 1u << IN_TRAIN | 1u << IN_TEST}};
    const char *name = json_string_value(json_object_get(task, "split"));
    *ret_all = name && strcmp(name, "all") == 0;
    for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, name) == 0)
            return names[i].bits;
    }
    return 0;
}

/* The spec as it reads the dataset whole: all of its train part in the training split,
 * its test part in the test split. What says how to train is of no use then, and could
 * ask for a validation split. */
static int read_all(json_t *spec, const json_t *facts)
{
    static const char *const useless[] = {"early_stopping", "learning_rate_schedule",
                                          "steps_per_epoch", "log_every_steps",
                                          "augmentation"};
    const char *kind = json_string_value(json_object_get(facts, "kind"));
    const json_t *rows = json_object_get(facts, "rows");
    const char *type = "random";
    if (json_integer_value(json_object_get(rows, "test")) > 0)
        type = "fixed";
    else if (kind && strcmp(kind, "text") == 0)
        type = "contiguous";
    for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++)
        json_object_del(spec, useless[i]);
    return json_object_set_new(
        spec, "split",
        json_pack("{s:s, s:{s:i}}", "type", type, "fractions", "train", 1));
}

static int read_task(struct evaluating *evaluating, const json_t *task, bool all,
                     struct violations *violations, struct error *err)
{
    json_t *copy = json_deep_copy(task);
    json_t *spec = json_object_get(copy, "spec");
    int rc = json_object_set_new(spec, "resources",
                                 json_pack("{s:i}", "memory_mb", MEMORY_MAX_MB));
    if (rc == 0 && all)
        rc = read_all(spec, json_object_get(task, "facts"));
    rc = rc != 0 ? error_set(err, ERR_NOMEM, "no memory for the task")
                 : task_spec_read(&evaluating->task, copy, violations, err);
    json_decref(copy);
    return rc;
}

static int load(const struct channel *channel, const json_t *task,
                struct evaluating *evaluating, struct error *err)
{
    const struct task_spec *parsed = &evaluating->task;
    int rc = network_load(parsed->spec, evaluating->parameters, evaluating->bytes,
                          BATCH_ROWS, &evaluating->network, err);
    if (rc == 0)
        rc = stored_dataset_open(channel, task, TASK_FIRST_FD, &evaluating->file, err);
    if (rc == 0)
        rc = pipeline_open_fitted(evaluating->file, parsed->facts, parsed->spec,
                                  &evaluating->preprocess, &evaluating->pipeline, err);
    return rc;
}

static int report(struct channel *channel, const struct evaluating *evaluating,
                  unsigned splits, const json_t *task, struct error *err)
{
    const char *split = json_string_value(json_object_get(task, "split"));
    size_t rows = 0;
    for (int s = 0; s < SPLIT_COUNT; s++)
        rows += splits >> s & 1 ? pipeline_rows(evaluating->pipeline, (enum split)s) : 0;
    if (rows == 0)
        return error_set(err, ERR_INVALID,
                         "The model's spec makes no %s split of this dataset.", split);
    json_t *found = NULL;
    int rc = evaluate(evaluating->task.spec, evaluating->pipeline, evaluating->network,
                      splits, &found, err);
    if (rc != 0)
        return rc;
    json_t *about = json_pack("{s:s, s:O?, s:O?, s:s}", "object", "evaluation", "model",
                              json_object_get(task, "model"), "dataset",
                              json_object_get(task, "dataset"), "split", split);
    json_t *done = about && json_object_update(about, found) == 0
                       ? json_pack("{s:O}", "report", about)
                       : NULL;
    rc = done ? channel_send_json(channel, MESSAGE_DONE, done, err)
              : error_set(err, ERR_NOMEM, "no memory for the report");
    json_decref(done);
    json_decref(about);
    json_decref(found);
    return rc;
}

int evaluate_task(struct channel *channel, const json_t *task,
                  struct violations *violations, struct error *err)
{
    struct evaluating evaluating = {0};
    bool all = false;
    unsigned splits = splits_of(task, &all);
    int rc = limits_close_descriptors(TASK_FIRST_FD + 1, channel_output(channel), err);
    if (rc == 0 && splits == 0)
        rc = error_set(err, ERR_PROTOCOL, "the task names no split");
    if (rc == 0)
        rc = read_task(&evaluating, task, all, violations, err);
    if (rc == 0)
        rc = preprocess_parse(json_object_get(task, "preprocessing"),
                              &evaluating.preprocess, err);
    if (rc == 0)
        rc = channel_read_blob(channel, PARAMETERS_MAX_BYTES, &evaluating.parameters,
                               &evaluating.bytes, err);
    if (rc == 0)
        rc = channel_ready(channel, err);
    if (rc == 0)
        rc = channel_listen(channel, err);
    if (rc == 0)
        rc = load(channel, task, &evaluating, err);
    if (rc == 0)
        rc = report(channel, &evaluating, splits, task, err);
    evaluating_release(&evaluating);
    return rc;
}
