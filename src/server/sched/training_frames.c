/*
 * The frames of a training worker, one function each. The order of messages was checked
 * (wire/message.h); what is in them is checked here, and a negative return ends the
 * worker for speaking out of protocol.
 */
#include "base/log.h"
#include "base/memory.h"
#include "training.h"
#include "training_report.h"
#include "training_writes.h"

#include <stdlib.h>
#include <string.h>

typedef int take_object(struct training *training, json_t *object, size_t bytes,
                        struct error *err);

static int take_ready(struct training *training, json_t *object, size_t bytes,
                      struct error *err)
{
    (void)bytes;
    const char *version;
    int rc = payload_string(object, "version", 64, &version, err);
    char text[80];
    if (rc == 0)
        log_event(LOG_DEBUG, "worker_ready", "job=%s version=%s", training->id,
                  log_quote(version, text, sizeof(text)));
    return rc;
}

static int take_event(struct training *training, json_t *object, size_t bytes,
                      struct error *err)
{
    (void)bytes;
    const char *type, *message;
    char *data = NULL;
    int rc = payload_string(object, "type", PAYLOAD_MAX_TYPE, &type, err);
    if (rc == 0)
        rc = payload_string(object, "message", PAYLOAD_MAX_MESSAGE, &message, err);
    if (rc == 0)
        rc = payload_object_text(object, "data", true, &data, err);
    if (rc == 0)
        rc = training_report_event(training, type, message, data, err);
    free(data);
    return rc;
}

static int take_metrics(struct training *training, json_t *object, size_t bytes,
                        struct error *err)
{
    return training_report_metrics(training, object, bytes, err);
}

static int take_progress(struct training *training, json_t *object, size_t bytes,
                         struct error *err)
{
    return training_report_progress(training, object, bytes, err);
}

/* The announcement of a blob: CHECKPOINT or MODEL. */
static int begin_upload(struct training *training, json_t *object, bool model,
                        struct error *err)
{
    int64_t bytes;
    int rc =
        payload_integer(object, "bytes", 1, (int64_t)BLOB_UPLOAD_MAX_BYTES, &bytes, err);
    if (rc != 0)
        return rc;
    /* What was said before the blob is to be in the store before it. */
    training_report_flush(training);
    struct blob_upload_owner owner = {.sched = training->sched,
                                      .context = training,
                                      .submitted = training_write_submitted,
                                      .written = training_write_over};
    rc = blob_upload_new(&owner, (uint64_t)bytes, &training->upload, err);
    if (rc != 0)
        return rc;
    training->receives_model = model;
    if (!model)
        training->checkpoint_bytes = (size_t)bytes;
    json_decref(training->announced);
    training->announced = json_incref(object);
    return 0;
}

static int take_checkpoint(struct training *training, json_t *object, size_t bytes,
                           struct error *err)
{
    (void)bytes;
    const char *kind;
    int64_t step;
    double epoch;
    int rc = payload_string(object, "kind", 8, &kind, err);
    if (rc == 0 && strcmp(kind, "latest") != 0 && strcmp(kind, "best") != 0)
        rc = error_set(err, ERR_PROTOCOL, "a checkpoint of an unknown kind");
    if (rc == 0)
        rc = payload_integer(object, "step", 0, INT64_MAX, &step, err);
    if (rc == 0)
        rc = payload_number(object, "epoch", &epoch, err);
    return rc == 0 ? begin_upload(training, object, false, err) : rc;
}

static int take_model(struct training *training, json_t *object, size_t bytes,
                      struct error *err)
{
    (void)bytes;
    int64_t parameters;
    if (training->model)
        return error_set(err, ERR_PROTOCOL, "a second model");
    int rc = payload_integer(object, "parameters", 0, INT64_MAX, &parameters, err);
    if (rc == 0 && (!json_is_object(json_object_get(object, "preprocessing")) ||
                    !json_is_object(json_object_get(object, "formats"))))
        rc = error_set(err, ERR_PROTOCOL,
                       "a model whose \"preprocessing\" or \"formats\" is not an object");
    return rc == 0 ? begin_upload(training, object, true, err) : rc;
}

/* The ends of a training by which a model is kept. */
static bool keeps_model(const char *reason)
{
    static const char *const reasons[] = {"completed", "early_stopped", "user_stopped",
                                          "time_limit"};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

static int take_done(struct training *training, json_t *object, size_t bytes,
                     struct error *err)
{
    (void)bytes;
    const char *reason;
    char *metrics = NULL;
    int rc = payload_string(object, "stop_reason", PAYLOAD_MAX_TYPE, &reason, err);
    if (rc != 0)
        return rc;
    bool paused = strcmp(reason, "paused") == 0 &&
                  (training->wish == WISH_PAUSE || training->draining);
    bool cancelled = strcmp(reason, "cancelled") == 0 && training->wish == WISH_CANCEL;
    if (!keeps_model(reason) && !paused && !cancelled)
        return error_set(err, ERR_PROTOCOL, "done for a reason that nobody gave");
    if (keeps_model(reason) && !training->model)
        return error_set(err, ERR_PROTOCOL, "done without a model");
    if (keeps_model(reason))
        rc = payload_object_text(object, "metrics", true, &metrics, err);
    if (rc != 0)
        return rc;
    training_report_flush(training);
    if (keeps_model(reason))
        training_write_success(training, reason, metrics);
    else
        training_write_release(training, false, 0);
    training_dismiss_worker(training);
    return 0;
}

static int take_failed(struct training *training, json_t *object, size_t bytes,
                       struct error *err)
{
    (void)bytes;
    static const struct {
        const char *code, *stop_reason;
    } codes[] = {
        {"invalid_data", "invalid_data"},
        {"damaged", "invalid_data"},
        {"diverged", "diverged"},
        {"out_of_memory", "out_of_memory"},
        {"internal_error", "internal_error"},
        {"too_large", "internal_error"},
        {"no_space", "internal_error"},
        {"disk_failure", "internal_error"},
    };
    const char *code, *message, *detail = NULL;
    int rc = payload_string(object, "code", PAYLOAD_MAX_TYPE, &code, err);
    if (rc == 0)
        rc = payload_string(object, "message", PAYLOAD_MAX_MESSAGE, &message, err);
    if (rc == 0 && json_is_string(json_object_get(object, "detail")))
        detail = json_string_value(json_object_get(object, "detail"));
    if (rc != 0)
        return rc;
    if (strcmp(code, "checkpoint_unusable") == 0 && training->checkpoint != 0) {
        training_pass_over_checkpoint(training, message);
        return 0;
    }
    const char *reason = NULL;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(code, codes[i].code) == 0)
            reason = codes[i].stop_reason;
    if (!reason)
        return error_set(err, ERR_PROTOCOL, "failed with an unknown code");
    json_t *violations = json_object_get(object, "violations");
    training_report_flush(training);
    training_write_failure(
        training, reason,
        training_error_json(reason, message, detail,
                            json_is_array(violations) ? violations : NULL));
    training_dismiss_worker(training);
    return 0;
}

static int take_blob(struct training *training, const struct frame *frame,
                     struct error *err)
{
    return blob_upload_append(training->upload, frame->payload, frame->length, err);
}

static int take_blob_end(struct training *training, struct error *err)
{
    struct blob_upload *upload = training->upload;
    int rc = blob_upload_finish(upload, err);
    if (rc != 0)
        return rc;
    training->upload = NULL;
    if (training->receives_model) {
        training->model = upload;
        training->model_object = training->announced;
        training->announced = NULL;
        return 0;
    }
    return training_write_checkpoint(training, upload, err);
}

static const struct {
    enum message_type type;
    take_object *take;
} objects[] = {
    {MESSAGE_READY, take_ready},
    {MESSAGE_PROGRESS, take_progress},
    {MESSAGE_METRICS, take_metrics},
    {MESSAGE_EVENT, take_event},
    {MESSAGE_CHECKPOINT, take_checkpoint},
    {MESSAGE_MODEL, take_model},
    {MESSAGE_DONE, take_done},
    {MESSAGE_FAILED, take_failed},
};

int training_take_frame(void *context, const struct frame *frame, struct error *err)
{
    struct training *training = context;
    if (training->state != TRAINING_RUNNING)
        return training->state == TRAINING_ENDING
                   ? 0 /* nobody is interested any more */
                   : error_set(err, ERR_PROTOCOL, "a word before its task");
    if (frame->type == MESSAGE_BLOB)
        return take_blob(training, frame, err);
    if (frame->type == MESSAGE_BLOB_END)
        return take_blob_end(training, err);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        if (objects[i].type != frame->type)
            continue;
        json_t *object = NULL;
        int rc = payload_object(frame, &object, err);
        if (rc == 0)
            rc = objects[i].take(training, object, frame->length, err);
        json_decref(object);
        return rc;
    }
    return error_set(err, ERR_PROTOCOL, "a %s message from a training worker",
                     message_name(frame->type));
}
