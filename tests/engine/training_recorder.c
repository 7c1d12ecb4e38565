/* See training_recorder.h. */
#include "training_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Room for one more element behind `count` of them; the array, moved if need be. */
static void *grow(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array; /* room for the next power of two is there */
    void *grown = realloc(array, (count > 0 ? 2 * count : 1) * size);
    assert_non_null(grown);
    return grown;
}

static enum train_command on_poll(void *context)
{
    struct recorder *recorder = context;
    recorder->polls++;
    bool now = recorder->command_after > 0 && recorder->polls >= recorder->command_after;
    return now ? recorder->command : TRAIN_GO_ON;
}

static int on_metrics(void *context, const struct metric_point *point)
{
    struct recorder *recorder = context;
    for (int i = 0; i < point->count; i++) {
        recorder->values =
            grow(recorder->values, recorder->value_count, sizeof *recorder->values);
        struct recorded_value *value = &recorder->values[recorder->value_count++];
        snprintf(value->name, sizeof value->name, "%s", point->names[i]);
        value->step = point->step;
        value->epoch = point->epoch;
        value->value = point->values[i];
    }
    return recorder->fail_metrics;
}

static int on_progress(void *context, const struct train_progress *progress)
{
    struct recorder *recorder = context;
    recorder->progress =
        grow(recorder->progress, recorder->progress_count, sizeof *recorder->progress);
    recorder->progress[recorder->progress_count++] = *progress;
    return 0;
}

static int on_event(void *context, const char *type, const char *message,
                    const json_t *data)
{
    struct recorder *recorder = context;
    recorder->events =
        grow(recorder->events, recorder->event_count, sizeof *recorder->events);
    struct recorded_event *event = &recorder->events[recorder->event_count++];
    snprintf(event->type, sizeof event->type, "%s", type);
    snprintf(event->message, sizeof event->message, "%s", message);
    event->data = json_deep_copy(data);
    assert_true(json_is_object(event->data));
    return 0;
}

static int on_checkpoint(void *context, enum checkpoint_kind kind, int64_t step,
                         double epoch, const json_t *metrics, const void *bytes,
                         size_t length)
{
    struct recorder *recorder = context;
    recorder->checkpoints = grow(recorder->checkpoints, recorder->checkpoint_count,
                                 sizeof *recorder->checkpoints);
    struct recorded_checkpoint *checkpoint =
        &recorder->checkpoints[recorder->checkpoint_count++];
    *checkpoint = (struct recorded_checkpoint){.kind = kind,
                                               .step = step,
                                               .epoch = epoch,
                                               .metrics = json_deep_copy(metrics),
                                               .bytes = malloc(length),
                                               .length = length};
    assert_true(json_is_object(checkpoint->metrics) && checkpoint->bytes);
    memcpy(checkpoint->bytes, bytes, length);
    return 0;
}

void recorder_init(struct recorder *recorder)
{
    *recorder = (struct recorder){
        .hooks = {.context = recorder,
                  .poll = on_poll,
                  .metrics = on_metrics,
                  .progress = on_progress,
                  .event = on_event,
                  .checkpoint = on_checkpoint},
    };
}

void recorder_release(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->event_count; i++)
        json_decref(recorder->events[i].data);
    for (size_t i = 0; i < recorder->checkpoint_count; i++) {
        json_decref(recorder->checkpoints[i].metrics);
        free(recorder->checkpoints[i].bytes);
    }
    free(recorder->values);
    free(recorder->events);
    free(recorder->checkpoints);
    free(recorder->progress);
}

size_t recorder_count(const struct recorder *recorder, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < recorder->value_count; i++)
        count += strcmp(recorder->values[i].name, name) == 0;
    return count;
}

const struct recorded_value *recorder_value(const struct recorder *recorder,
                                            const char *name, size_t which)
{
    for (size_t i = 0; i < recorder->value_count; i++) {
        if (strcmp(recorder->values[i].name, name) == 0 && which-- == 0)
            return &recorder->values[i];
    }
    fail_msg("no such value of %s", name);
    return NULL;
}

const struct recorded_event *recorder_event(const struct recorder *recorder,
                                            const char *type)
{
    for (size_t i = 0; i < recorder->event_count; i++) {
        if (strcmp(recorder->events[i].type, type) == 0)
            return &recorder->events[i];
    }
    return NULL;
}

const struct recorded_checkpoint *recorder_checkpoint(const struct recorder *recorder,
                                                      enum checkpoint_kind kind)
{
    for (size_t i = recorder->checkpoint_count; i > 0; i--) {
        if (recorder->checkpoints[i - 1].kind == kind)
            return &recorder->checkpoints[i - 1];
    }
    return NULL;
}
