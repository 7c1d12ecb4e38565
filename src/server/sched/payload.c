/* See payload.h. */
#include "payload.h"

#include "base/memory.h"
#include "spec/json_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A year's worth of anything: larger counts are nonsense and would only spoil sums. */
#define LARGEST_STEP (INT64_C(1) << 53)

int payload_object(const struct frame *frame, json_t **ret_object, struct error *err)
{
    json_error_t fault;
    json_t *json = NULL;
    int rc = json_parse((const char *)frame->payload, frame->length,
                        JSON_REJECT_DUPLICATES, &json, &fault);
    if (rc == ERR_NOMEM)
        return error_set(err, rc, "no memory to read a %s message",
                         message_name(frame->type));
    if (rc != 0)
        return error_set(err, ERR_PROTOCOL, "a %s message that is not JSON: %s",
                         message_name(frame->type), fault.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return error_set(err, ERR_PROTOCOL, "a %s message that is not a JSON object",
                         message_name(frame->type));
    }
    *ret_object = json;
    return 0;
}

int payload_string(const json_t *object, const char *key, size_t longest,
                   const char **ret_text, struct error *err)
{
    const json_t *value = json_object_get(object, key);
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length == 0 || length > longest)
        return error_set(err, ERR_PROTOCOL, "\"%s\" is not a text of 1 to %zu bytes", key,
                         longest);
    *ret_text = json_string_value(value);
    return 0;
}

int payload_integer(const json_t *object, const char *key, int64_t minimum,
                    int64_t maximum, int64_t *ret_value, struct error *err)
{
    const json_t *value = json_object_get(object, key);
    int64_t integer = json_integer_value(value);
    if (!json_is_integer(value) || integer < minimum || integer > maximum)
        return error_set(err, ERR_PROTOCOL, "\"%s\" is not an integer from %lld to %lld",
                         key, (long long)minimum, (long long)maximum);
    *ret_value = integer;
    return 0;
}

int payload_number(const json_t *object, const char *key, double *ret_value,
                   struct error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return error_set(err, ERR_PROTOCOL, "\"%s\" is not a number", key);
    *ret_value = json_number_value(value);
    return 0;
}

char *payload_dump(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
}

int payload_object_text(const json_t *object, const char *key, bool optional,
                        char **ret_text, struct error *err)
{
    const json_t *value = json_object_get(object, key);
    bool missing = !value || json_is_null(value);
    if (!json_is_object(value) && !(missing && optional))
        return error_set(err, ERR_PROTOCOL, "\"%s\" is not an object", key);
    char *text = missing ? mem_strdup("{}") : payload_dump(value);
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory for \"%s\"", key);
    *ret_text = text;
    return 0;
}

int payload_progress(const json_t *object, char **ret_text, struct error *err)
{
    static const char *const known[] = {"epoch",
                                        "epochs",
                                        "step",
                                        "steps",
                                        "fraction",
                                        "eta_seconds",
                                        "samples_per_second"};
    json_t *kept = json_object();
    if (!kept)
        return error_set(err, ERR_NOMEM, "no memory for the progress");
    int rc = 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && rc == 0; i++) {
        json_t *value = json_object_get(object, known[i]);
        if (!value)
            continue;
        bool unknown = json_is_null(value); /* the time that is left, at first */
        if (!unknown && (!json_is_number(value) || json_number_value(value) < 0))
            rc = error_set(err, ERR_PROTOCOL, "\"%s\" is not a number from 0", known[i]);
        else if (json_object_set(kept, known[i], value) != 0)
            rc = error_set(err, ERR_NOMEM, "no memory for the progress");
    }
    char *text = NULL;
    if (rc == 0 && json_object_size(kept) > 0) {
        text = payload_dump(kept);
        if (!text)
            rc = error_set(err, ERR_NOMEM, "no memory for the progress");
    }
    json_decref(kept);
    if (rc == 0)
        *ret_text = text;
    return rc;
}

/* A value of a metric: a number, or one of the three words for what JSON cannot say. */
static int read_value(const json_t *json, double *ret_value, struct error *err)
{
    if (json_is_number(json)) {
        *ret_value = json_number_value(json);
        return 0;
    }
    const char *text = json_string_value(json);
    if (text && strcmp(text, "NaN") == 0)
        *ret_value = (double)NAN;
    else if (text && strcmp(text, "Infinity") == 0)
        *ret_value = (double)INFINITY;
    else if (text && strcmp(text, "-Infinity") == 0)
        *ret_value = -(double)INFINITY;
    else
        return error_set(
            err, ERR_PROTOCOL,
            "a metric's value is neither a number nor \"NaN\", \"Infinity\" or "
            "\"-Infinity\"");
    return 0;
}

/* How many values all points have together; checks the lists' lengths. */
static int count_values(const json_t *points, size_t *ret_count, struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        const json_t *names = json_object_get(point, "names");
        const json_t *values = json_object_get(point, "values");
        size_t length = json_array_size(names);
        if (!json_is_array(names) || !json_is_array(values) || length == 0 ||
            length != json_array_size(values) || length > METRICS_MAX_NAMES)
            return error_set(
                err, ERR_PROTOCOL,
                "a point's \"names\" and \"values\" are not lists of the same "
                "length, 1 to %d",
                METRICS_MAX_NAMES);
        count += length;
    }
    *ret_count = count;
    return 0;
}

/* Reads one point; its names and values go to `names` and `values`. */
static int read_point(const json_t *point, const char **names, double *values,
                      struct metric_row *ret_row, struct error *err)
{
    struct metric_row row = {.names = names, .values = values};
    int rc = payload_integer(point, "step", 0, LARGEST_STEP, &row.step, err);
    if (rc == 0)
        rc = payload_number(point, "epoch", &row.epoch, err);
    if (rc == 0)
        rc = payload_integer(point, "time", 0, INT64_MAX, &row.time_us, err);
    if (rc == 0 && json_object_get(point, "retry"))
        rc = payload_integer(point, "retry", 0, LARGEST_STEP, &row.retry, err);
    const json_t *name_list = json_object_get(point, "names");
    const json_t *value_list = json_object_get(point, "values");
    row.count = (int)json_array_size(name_list);
    for (int i = 0; i < row.count && rc == 0; i++) {
        const json_t *name = json_array_get(name_list, (size_t)i);
        size_t length = json_string_length(name);
        if (!json_is_string(name) || length == 0 || length > PAYLOAD_MAX_METRIC_NAME)
            return error_set(err, ERR_PROTOCOL,
                             "a metric's name is not a text of 1 to %d bytes",
                             PAYLOAD_MAX_METRIC_NAME);
        names[i] = json_string_value(name);
        rc = read_value(json_array_get(value_list, (size_t)i), &values[i], err);
    }
    if (rc == 0)
        *ret_row = row;
    return rc;
}

int payload_metrics(json_t *object, struct metric_batch **ret_batch, struct error *err)
{
    const json_t *points = json_object_get(object, "points");
    if (!json_is_array(points))
        return error_set(err, ERR_PROTOCOL, "\"points\" is not a list");
    size_t value_count = 0;
    int rc = count_values(points, &value_count, err);
    if (rc != 0)
        return rc;
    struct metric_batch *batch = mem_alloc(sizeof(*batch));
    if (!batch)
        return error_set(err, ERR_NOMEM, "no memory for metrics");
    batch->json = json_incref(object);
    batch->count = json_array_size(points);
    batch->rows = mem_alloc_array(batch->count, sizeof(*batch->rows));
    batch->names = mem_alloc_array(value_count, sizeof(*batch->names));
    batch->values = mem_alloc_array(value_count, sizeof(*batch->values));
    if (!batch->rows || !batch->names || !batch->values)
        rc = error_set(err, ERR_NOMEM, "no memory for metrics");
    size_t used = 0;
    for (size_t i = 0; i < batch->count && rc == 0; i++) {
        rc = read_point(json_array_get(points, i), batch->names + used,
                        batch->values + used, &batch->rows[i], err);
        used += (size_t)batch->rows[i].count;
    }
    if (rc != 0) {
        metric_batch_free(batch);
        return rc;
    }
    *ret_batch = batch;
    return 0;
}

void metric_batch_free(struct metric_batch *batch)
{
    if (!batch)
        return;
    json_decref(batch->json);
    free(batch->rows);
    free(batch->names);
    free(batch->values);
    free(batch);
}
