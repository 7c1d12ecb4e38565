/* Train hooks that write down everything, and give a command at a step of choice. */
#ifndef BACKPROP_TRAINING_RECORDER_H
#define BACKPROP_TRAINING_RECORDER_H

#include "engine/trainer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorded_value {
    char name[METRIC_NAME_SIZE];
    int64_t step;
    double epoch, value;
};

struct recorded_event {
    char type[64], message[1024];
    json_t *data; /* owned */
};

struct recorded_checkpoint {
    enum checkpoint_kind kind;
    int64_t step;
    double epoch;
    json_t *metrics; /* owned, as the bytes */
    unsigned char *bytes;
    size_t length;
};

struct recorder {
    struct train_hooks hooks;   /* give this to trainer_run() */
    enum train_command command; /* what poll answers … */
    int64_t command_after;      /* … from its call of this number on; 0: never */
    int64_t polls;
    int fail_metrics; /* returned by the metrics hook */

    struct recorded_value *values;
    size_t value_count;
    struct recorded_event *events;
    size_t event_count;
    struct recorded_checkpoint *checkpoints;
    size_t checkpoint_count;
    struct train_progress *progress;
    size_t progress_count;
};

void recorder_init(struct recorder *recorder);
void recorder_release(struct recorder *recorder);

/* How many values of a name there are; the `which`-th of them, which must exist. */
size_t recorder_count(const struct recorder *recorder, const char *name);
const struct recorded_value *recorder_value(const struct recorder *recorder,
                                            const char *name, size_t which);

/* The first event of a type, or NULL. */
const struct recorded_event *recorder_event(const struct recorder *recorder,
                                            const char *type);

/* The last checkpoint of a kind, or NULL. */
const struct recorded_checkpoint *recorder_checkpoint(const struct recorder *recorder,
                                                      enum checkpoint_kind kind);

#endif
