/*
 * See train_report.h. Points are written as text without a JSON library in between: a
 * small network makes hundreds of thousands of numbers a second.
 */
#include "train_report.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES ((size_t)1 << 20)

static void append_string(struct buffer *text, const char *string)
{
    buffer_append_char(text, '"');
    for (const char *c = string; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buffer_append_char(text, '\\');
        if ((unsigned char)*c < 0x20)
            buffer_printf(text, "\\u%04x", (unsigned)*c);
        else
            buffer_append_char(text, *c);
    }
    buffer_append_char(text, '"');
}

/* A number; what JSON cannot say goes as a word. */
static void append_number(struct buffer *text, double value)
{
    if (isfinite(value))
        buffer_printf(text, "%.10g", value);
    else
        buffer_append_string(text, isnan(value)  ? "\"NaN\""
                                   : value > 0.0 ? "\"Infinity\""
                                                 : "\"-Infinity\"");
}

static enum train_command poll(void *context)
{
    static const enum train_command commands[] = {
        [COMMAND_NONE] = TRAIN_GO_ON,
        [COMMAND_STOP] = TRAIN_STOP,
        [COMMAND_PAUSE] = TRAIN_PAUSE,
        [COMMAND_CANCEL] = TRAIN_CANCEL,
    };
    const struct train_report *report = context;
    return commands[channel_command(report->channel)];
}

static int metrics(void *context, const struct metric_point *point)
{
    struct train_report *report = context;
    struct buffer *text = &report->text;
    buffer_clear(text);
    buffer_printf(text, "{\"step\":%lld,\"epoch\":", (long long)point->step);
    append_number(text, point->epoch);
    buffer_printf(text, ",\"time\":%lld", (long long)clock_wall_us());
    if (point->retry > 0)
        buffer_printf(text, ",\"retry\":%lld", (long long)point->retry);
    buffer_append_string(text, ",\"names\":[");
    for (int i = 0; i < point->count; i++) {
        if (i > 0)
            buffer_append_char(text, ',');
        append_string(text, point->names[i]);
    }
    buffer_append_string(text, "],\"values\":[");
    for (int i = 0; i < point->count; i++) {
        if (i > 0)
            buffer_append_char(text, ',');
        append_number(text, point->values[i]);
    }
    buffer_append_string(text, "]}");
    int rc = buffer_status(text);
    if (rc == 0)
        rc = channel_point(report->channel, text->data, text->length, &report->err);
    return rc;
}

/* {"latest", "best", "test"} as far as they are known. */
static int append_results(const struct train_report *report, struct buffer *text)
{
    json_t *results = trainer_results(report->trainer);
    char *json = results ? json_dumps(results, JSON_COMPACT) : NULL;
    json_decref(results);
    if (!json)
        return ERR_NOMEM;
    buffer_append_string(text, json);
    free(json);
    return 0;
}

/* `fraction` of the work is done. */
static int tell_progress(struct train_report *report, double fraction)
{
    const struct train_progress *p = &report->last;
    struct buffer *text = &report->text;
    buffer_clear(text);
    buffer_printf(text,
                  "{\"epoch\":%lld,\"epochs\":%lld,\"step\":%lld,\"steps\":%lld,"
                  "\"fraction\":%.6g,\"samples_per_second\":",
                  (long long)p->epoch, (long long)p->epochs, (long long)p->step,
                  (long long)p->steps, fraction);
    append_number(text, p->samples_per_second);
    if (fraction > 0.0)
        buffer_printf(text, ",\"eta_seconds\":%.6g",
                      p->seconds * (1.0 - fraction) / fraction);
    else
        buffer_append_string(text, ",\"eta_seconds\":null");
    buffer_append_string(text, ",\"metrics\":");
    int rc = append_results(report, text);
    buffer_append_char(text, '}');
    if (rc == 0)
        rc = buffer_status(text);
    if (rc == 0)
        rc = channel_progress(report->channel, text->data, text->length, &report->err);
    return rc;
}

static int progress(void *context, const struct train_progress *p)
{
    struct train_report *report = context;
    report->last = *p;
    return tell_progress(report, p->steps > 0 ? (double)p->step / (double)p->steps : 0.0);
}

int train_report_end(struct train_report *report)
{
    return tell_progress(report, 1.0);
}

static int event(void *context, const char *type, const char *message, const json_t *data)
{
    struct train_report *report = context;
    if (strcmp(type, "diverged") == 0) { /* the last one ends the run */
        free(report->divergence);
        report->divergence = mem_strdup(message);
    }
    json_t *copy = data ? json_deep_copy(data) : json_object();
    json_t *json =
        json_pack("{s:s, s:s, s:o}", "type", type, "message", message, "data", copy);
    int rc = channel_send_json(report->channel, MESSAGE_EVENT, json, &report->err);
    json_decref(json);
    return rc;
}

static int checkpoint(void *context, enum checkpoint_kind kind, int64_t step,
                      double epoch, const json_t *figures, const void *bytes,
                      size_t length)
{
    struct train_report *report = context;
    json_t *copy = figures ? json_deep_copy(figures) : json_object();
    json_t *json =
        json_pack("{s:s, s:I, s:f, s:I, s:o}", "kind",
                  kind == CHECKPOINT_BEST ? "best" : "latest", "step", (json_int_t)step,
                  "epoch", epoch, "bytes", (json_int_t)length, "metrics", copy);
    int rc = channel_send_blob(report->channel, MESSAGE_CHECKPOINT, json, bytes, length,
                               &report->err);
    json_decref(json);
    return rc;
}

void train_report_init(struct train_report *report, struct channel *channel,
                       const struct trainer *trainer)
{
    *report = (struct train_report){.channel = channel, .trainer = trainer};
    buffer_init(&report->text, TEXT_MAX_BYTES);
}

void train_report_release(struct train_report *report)
{
    buffer_release(&report->text);
    free(report->divergence);
}

struct train_hooks train_report_hooks(struct train_report *report)
{
    return (struct train_hooks){.context = report,
                                .poll = poll,
                                .metrics = metrics,
                                .progress = progress,
                                .event = event,
                                .checkpoint = checkpoint};
}
