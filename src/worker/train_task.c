/*
 * The task "train": a spec, a dataset file, perhaps a checkpoint in; metrics, events,
 * checkpoints and a model out.
 */
#include "base/log.h"
#include "base/memory.h"
#include "data/dataset_file.h"
#include "data/pipeline.h"
#include "engine/export.h"
#include "engine/network.h"
#include "engine/trainer.h"
#include "process_limits.h"
#include "session.h"
#include "spec/job_spec.h"
#include "stored_dataset.h"
#include "task_spec.h"
#include "train_report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_MAX_BYTES ((size_t)64 << 30)

/* Everything a training needs, from the bottom up. */
struct training {
    struct task_spec task; /* facts and spec */
    unsigned char *checkpoint;
    size_t checkpoint_length;
    struct dataset_file *file;
    struct pipeline *pipeline;
    struct trainer *trainer;
};

static void training_release(struct training *training)
{
    trainer_free(training->trainer);
    pipeline_close(training->pipeline);
    dataset_file_close(training->file);
    free(training->checkpoint);
    task_spec_release(&training->task);
}

/* All that can be wrong before the first step, in the order in which it would show. */
static int prepare(struct channel *channel, const json_t *task, struct training *training,
                   struct error *err)
{
    int fd = TASK_FIRST_FD;
    int rc = stored_dataset_open(channel, task, fd, &training->file, err);
    close(fd);
    if (rc == 0)
        rc = pipeline_open(training->file, training->task.facts, training->task.spec,
                           &training->pipeline, err);
    if (rc == 0)
        rc =
            trainer_new(training->task.spec, training->pipeline, &training->trainer, err);
    return rc;
}

/* ---- the model ---- */

static int set_text(json_t *object, const char *key, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int rc = text ? json_object_set_new(object, key, json_string(text)) : -1;
    free(text);
    return rc == 0 ? 0 : ERR_NOMEM;
}

/* What a downloaded file says about itself: JSON texts in an object of strings. */
static json_t *describe_file(const struct job_spec *spec, json_t *preprocessing,
                             json_t *results)
{
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    if (set_text(metadata, "spec", spec->canonical) != 0 ||
        set_text(metadata, "preprocessing", preprocessing) != 0 ||
        set_text(metadata, "metrics", results) != 0) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

/* MODEL and its bytes. `results` is borrowed. */
static int send_model(struct channel *channel, const struct training *training,
                      json_t *results, struct error *err)
{
    const struct job_spec *spec = training->task.spec;
    const struct network *network = trainer_network(training->trainer);
    size_t bytes = network_exported_bytes(network);
    void *parameters = mem_alloc_array(bytes, 1);
    json_t *preprocessing = preprocess_to_json(pipeline_preprocess(training->pipeline));
    json_t *metadata = preprocessing ? describe_file(spec, preprocessing, results) : NULL;
    json_t *formats = NULL;
    int rc =
        parameters && metadata ? 0 : error_set(err, ERR_NOMEM, "no memory for the model");
    if (rc == 0) {
        network_export(network, parameters);
        rc = export_formats(spec, pipeline_preprocess(training->pipeline), parameters,
                            bytes, metadata, &formats, err);
    }
    if (rc == 0) {
        json_t *model = json_pack("{s:I, s:I, s:O, s:O, s:O}", "bytes", (json_int_t)bytes,
                                  "parameters", (json_int_t)spec->model.parameter_count,
                                  "preprocessing", preprocessing, "formats", formats,
                                  "metrics", results);
        rc = channel_send_blob(channel, MESSAGE_MODEL, model, parameters, bytes, err);
        json_decref(model);
    }
    json_decref(formats);
    json_decref(metadata);
    json_decref(preprocessing);
    free(parameters);
    return rc;
}

/* ---- the end ---- */

static int send_done(struct channel *channel, const char *reason, json_t *results,
                     struct error *err)
{
    json_t *done = json_pack("{s:s, s:O?}", "stop_reason", reason, "metrics", results);
    int rc = channel_send_json(channel, MESSAGE_DONE, done, err);
    json_decref(done);
    return rc;
}

/* The last words of a training that came to an end of some kind. */
static int conclude(struct channel *channel, const struct training *training,
                    enum train_end end, struct train_report *report, struct error *err)
{
    static const struct {
        const char *reason;
        bool keeps_model;
    } ends[] = {
        [TRAIN_COMPLETED] = {"completed", true},
        [TRAIN_EARLY_STOPPED] = {"early_stopped", true},
        [TRAIN_USER_STOPPED] = {"user_stopped", true},
        [TRAIN_TIME_LIMIT] = {"time_limit", true},
        [TRAIN_DIVERGED] = {"diverged", false},
        [TRAIN_CANCELLED] = {"cancelled", false},
        [TRAIN_PAUSED] = {"paused", false},
    };
    if (end == TRAIN_DIVERGED)
        return session_fail(channel, "diverged",
                            report->divergence ? report->divergence
                                               : "The loss is no number any more.",
                            NULL, NULL, err);
    if (!ends[end].keeps_model)
        return send_done(channel, ends[end].reason, NULL, err);
    json_t *results = trainer_results(training->trainer);
    if (!results)
        return error_set(err, ERR_NOMEM, "no memory for the results");
    int rc = train_report_end(report);
    if (rc == 0)
        rc = send_model(channel, training, results, err);
    if (rc == 0)
        rc = send_done(channel, ends[end].reason, results, err);
    json_decref(results);
    return rc;
}

static int run(struct channel *channel, struct training *training, struct error *err)
{
    enum train_end end = TRAIN_COMPLETED;
    struct train_report report;
    train_report_init(&report, channel, training->trainer);
    struct train_hooks hooks = train_report_hooks(&report);
    int rc = trainer_run(training->trainer, &hooks, &end, err);
    if (rc == 0)
        rc = conclude(channel, training, end, &report, err);
    else if (report.err.code == ERR_EOF) /* a hook found that nobody reads */
        rc = ERR_EOF;
    train_report_release(&report);
    return rc;
}

/* The checkpoint is as the daemon stored it, so one that does not fit is nobody's
 * mistake: the daemon is asked for another. */
static int restore(struct channel *channel, struct training *training, bool *ret_refused,
                   struct error *err)
{
    struct error fault = {0};
    int rc = trainer_restore(training->trainer, training->checkpoint,
                             training->checkpoint_length, &fault);
    free(training->checkpoint);
    training->checkpoint = NULL;
    if (rc == ERR_CORRUPT || rc == ERR_INVALID) {
        *ret_refused = true;
        return session_fail(channel, "checkpoint_unusable", fault.text, NULL, NULL, err);
    }
    return rc == 0 ? 0 : error_set(err, rc, "%s", fault.text);
}

int train_task(struct channel *channel, const json_t *task, struct violations *violations,
               struct error *err)
{
    struct training training = {0};
    bool resume = json_is_true(json_object_get(task, "resume")), refused = false;
    int rc = limits_close_descriptors(TASK_FIRST_FD + 1, channel_output(channel), err);
    if (rc == 0)
        rc = task_spec_read(&training.task, task, violations, err);
    if (rc == 0 && resume)
        rc = channel_read_blob(channel, CHECKPOINT_MAX_BYTES, &training.checkpoint,
                               &training.checkpoint_length, err);
    if (rc == 0)
        rc = channel_ready(channel, err);
    if (rc == 0)
        rc = channel_listen(channel, err);
    if (rc == 0)
        rc = prepare(channel, task, &training, err);
    if (rc == 0 && resume)
        rc = restore(channel, &training, &refused, err);
    if (rc == 0 && !refused)
        rc = run(channel, &training, err);
    if (rc == ERR_CANCELLED) {
        error_clear(err);
        rc = send_done(channel, "cancelled", NULL, err);
    }
    training_release(&training);
    return rc;
}
