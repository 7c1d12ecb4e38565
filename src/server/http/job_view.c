/* See job_view.h. */
#include "job_view.h"

#include "json_text.h"

void job_view(struct buffer *buffer, const struct job_row *row, int64_t queue_position)
{
    buffer_append_char(buffer, '{');
    json_text_string(buffer, "object", "job");
    json_text_string(buffer, "id", row->id);
    json_text_string(buffer, "name", row->name);
    json_text_string(buffer, "owner", row->owner);
    json_text_string(buffer, "status", job_status_name(row->status));
    json_text_boolean(buffer, "terminal", job_status_is_terminal(row->status));
    json_text_string(buffer, "stop_reason", row->stop_reason);
    json_text_name(buffer, "queue_position");
    if (queue_position > 0)
        buffer_printf(buffer, "%lld", (long long)queue_position);
    else
        buffer_append_string(buffer, "null");
    json_text_integer(buffer, "attempt", row->attempt);
    json_text_time(buffer, "next_attempt_at",
                   row->status == JOB_QUEUED ? row->next_attempt_us : 0);
    json_text_boolean(buffer, "stop_requested", row->stop_requested);
    json_text_integer(buffer, "max_attempts", row->max_attempts);
    json_text_integer(buffer, "priority", row->priority);
    json_text_string(buffer, "dataset", row->dataset);
    json_text_string(buffer, "model", row->model[0] != '\0' ? row->model : NULL);
    json_text_raw(buffer, "progress", row->progress);
    json_text_raw(buffer, "metrics", row->metrics);
    json_text_raw(buffer, "error", row->error);
    if (row->spec)
        json_text_raw(buffer, "spec", row->spec);
    json_text_string(buffer, "weights_sha256",
                     row->weights_sha256[0] != '\0' ? row->weights_sha256 : NULL);
    json_text_raw(buffer, "metadata", row->metadata);
    json_text_time(buffer, "created_at", row->created_us);
    json_text_time(buffer, "started_at", row->started_us);
    json_text_time(buffer, "finished_at", row->finished_us);
    buffer_append_char(buffer, '}');
}

int job_view_read(struct buffer *buffer, struct db *db, const char *id, struct error *err)
{
    struct job_row row = {0};
    int rc = jobs_get(db, id, &row, err);
    if (rc != 0)
        return rc;
    int64_t position = 0;
    if (row.status == JOB_QUEUED)
        rc = jobs_queue_position(db, id, &position, err);
    if (rc == 0) {
        job_view(buffer, &row, position);
        rc = buffer_status(buffer);
        if (rc != 0)
            rc = error_set(err, rc, "the job is too large to show");
    }
    job_row_release(&row);
    return rc;
}

void model_view(struct buffer *buffer, const struct model_row *row)
{
    buffer_append_char(buffer, '{');
    json_text_string(buffer, "object", "model");
    json_text_string(buffer, "id", row->id);
    json_text_string(buffer, "name", row->name);
    json_text_string(buffer, "owner", row->owner);
    json_text_string(buffer, "job", row->job[0] != '\0' ? row->job : NULL);
    json_text_integer(buffer, "parameters", row->parameter_count);
    json_text_integer(buffer, "bytes", (int64_t)row->bytes);
    json_text_string(buffer, "weights_sha256", row->sha256);
    json_text_raw(buffer, "metrics", row->metrics);
    if (row->spec)
        json_text_raw(buffer, "spec", row->spec);
    if (row->preprocessing)
        json_text_raw(buffer, "preprocessing", row->preprocessing);
    json_text_time(buffer, "created_at", row->created_us);
    buffer_append_char(buffer, '}');
}

void checkpoint_view(struct buffer *buffer, const struct checkpoint_row *row)
{
    buffer_append_char(buffer, '{');
    json_text_string(buffer, "object", "checkpoint");
    json_text_string(buffer, "id", row->id);
    json_text_string(buffer, "kind", row->kind);
    json_text_integer(buffer, "step", row->step);
    json_text_number(buffer, "epoch", row->epoch);
    json_text_integer(buffer, "bytes", (int64_t)row->bytes);
    json_text_string(buffer, "sha256", row->sha256);
    json_text_raw(buffer, "metrics", row->metrics);
    json_text_time(buffer, "created_at", row->created_us);
    buffer_append_char(buffer, '}');
}

void event_view(struct buffer *buffer, const struct event_row *row)
{
    buffer_append_char(buffer, '{');
    json_text_string(buffer, "object", "event");
    json_text_integer(buffer, "id", row->sequence);
    json_text_string(buffer, "type", row->type);
    json_text_string(buffer, "message", row->message);
    json_text_raw(buffer, "data", row->data);
    json_text_time(buffer, "created_at", row->time_us);
    buffer_append_char(buffer, '}');
}
