/*
 * See job_spec.h. Every key of the job has a reader in a file of its own; this one calls
 * them in the order in which they depend on each other, checks what concerns two of them,
 * and puts their canonical JSON together.
 *
 * A reader that fails does not stop the others: only what depends on it is left out.
 */
#include "job_spec.h"

#include "augment_spec.h"
#include "base/error.h"
#include "base/memory.h"
#include "canonical.h"
#include "class_weights.h"
#include "cost.h"
#include "features_spec.h"
#include "report.h"
#include "run_spec.h"
#include "split_spec.h"
#include "training_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NAME "job"
/* 2^53 - 1: every JSON reader keeps it exactly. */
#define SEED_MAXIMUM 9007199254740991.0
#define ACCUMULATION_MAXIMUM 1024
#define LOGS_PER_EPOCH 100 /* "log_every_steps": "auto" */
#define BYTES_PER_MB (INT64_C(1024) * 1024)

/* All keys of a job, in the order of the canonical JSON. */
static const char *const job_keys[] = {
    "name",
    "dataset",
    "features",
    "augmentation",
    "model",
    "loss",
    "optimizer",
    "learning_rate_schedule",
    "gradient_clip",
    "weight_averaging",
    "on_divergence",
    "epochs",
    "steps_per_epoch",
    "batch_size",
    "gradient_accumulation",
    "seed",
    "split",
    "early_stopping",
    "checkpoint",
    "log_every_steps",
    "resources",
    "priority",
    "metadata",
    NULL,
};

static const struct key number_keys[] = {
    {"epochs", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_EPOCHS), DEFAULT("10")},
    {"steps_per_epoch", KEY_INTEGER, AT_LEAST(1), AT_MOST(1e9), .word = "auto",
     DEFAULT("\"auto\"")},
    {"batch_size", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_BATCH), DEFAULT("32")},
    {"gradient_accumulation", KEY_INTEGER, AT_LEAST(1), AT_MOST(ACCUMULATION_MAXIMUM),
     DEFAULT("1")},
    {"seed", KEY_INTEGER, AT_LEAST(0), AT_MOST(SEED_MAXIMUM), DEFAULT("0")},
    {"log_every_steps", KEY_INTEGER, AT_LEAST(1), AT_MOST(1e9), .word = "auto",
     DEFAULT("\"auto\"")},
    {"priority", KEY_INTEGER, AT_LEAST(-100), AT_MOST(100), DEFAULT("0")},
    {0},
};

/* One parse under way. */
struct job_reader {
    const json_t *json;
    const struct dataset_facts *facts; /* may be NULL */
    struct job_spec *spec;
    json_t *parts; /* canonical JSON by key, in the order of reading */
    struct violations *violations;
    struct attrs numbers;
    bool features_read, model_read, loss_read, loss_is_auto, split_read;
    bool optimizer_read, schedule_read, numbers_read, network_resolved;
};

static const json_t *value_of(const struct job_reader *reader, const char *key)
{
    return json_object_get(reader->json, key);
}

/* ---- keys on their own ---- */

static void read_name(struct job_reader *reader)
{
    const json_t *value = value_of(reader, "name");
    const char *name = value ? json_string_value(value) : "";
    bool plain = name && json_string_length(value) <= SPEC_MAX_NAME_BYTES;
    for (const char *c = name; plain && *c; c++)
        plain = (unsigned char)*c >= 0x20 && *c != 0x7f;
    if (!plain) {
        char found[FOUND_SIZE];
        violations_add(
            reader->violations, "/name",
            "expected a string of at most %d bytes without control characters, "
            "found %s",
            SPEC_MAX_NAME_BYTES, found_text(value, found));
        return;
    }
    snprintf(reader->spec->name, sizeof(reader->spec->name), "%s",
             name[0] != '\0' ? name : DEFAULT_NAME);
    canonical_set(reader->parts, "name", json_string(reader->spec->name),
                  reader->violations);
}

static void read_dataset(struct job_reader *reader)
{
    const json_t *value = value_of(reader, "dataset");
    const char *id = json_string_value(value);
    size_t length = id ? strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789_-")
                       : 0;
    if (!id || length == 0 || length >= sizeof(reader->spec->dataset) ||
        id[length] != '\0') {
        char found[FOUND_SIZE];
        violations_add(reader->violations, "/dataset",
                       "expected the ID of a dataset, such as \"ds_…\", found %s",
                       found_text(value, found));
        return;
    }
    snprintf(reader->spec->dataset, sizeof(reader->spec->dataset), "%s", id);
    canonical_set(reader->parts, "dataset", json_string(id), reader->violations);
}

/* The plain numbers of the top level are a table; this also finds unknown keys. */
static void read_numbers(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    reader->numbers_read =
        attrs_read(reader->json, "", number_keys, job_keys, &reader->numbers,
                   reader->parts, reader->violations) == 0;
    if (!reader->numbers_read)
        return;
    spec->epochs = attrs_integer(&reader->numbers, "epochs");
    spec->batch_size = attrs_integer(&reader->numbers, "batch_size");
    spec->gradient_accumulation =
        attrs_integer(&reader->numbers, "gradient_accumulation");
    spec->step_rows = spec->batch_size * spec->gradient_accumulation;
    spec->seed = (uint64_t)attrs_integer(&reader->numbers, "seed");
    spec->log_every_steps = attrs_integer(&reader->numbers, "log_every_steps");
    spec->priority = attrs_integer(&reader->numbers, "priority");
}

/* Keeps the canonical JSON of a key whose reader returned `rc`.
 * Returns true on success. */
static bool keep_part(struct job_reader *reader, const char *key, int rc,
                      json_t *canonical)
{
    if (rc == 0)
        canonical_set(reader->parts, key, canonical, reader->violations);
    return rc == 0;
}

/* ---- the readers of the other files ---- */

static void read_training(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    struct violations *violations = reader->violations;
    json_t *canonical = NULL;
    int rc = features_spec_read(value_of(reader, "features"), reader->facts,
                                &spec->features, &canonical, violations);
    reader->features_read = keep_part(reader, "features", rc, canonical);

    /* Its canonical JSON comes even when it failed, so that it has an
     * owner in any case. */
    rc = model_spec_read(value_of(reader, "model"), &spec->model, &canonical, violations);
    reader->model_read = rc == 0;
    canonical_set(reader->parts, "model", canonical, violations);

    rc = loss_read(value_of(reader, "loss"), &spec->loss, &reader->loss_is_auto,
                   &canonical, violations);
    reader->loss_read = keep_part(reader, "loss", rc, canonical);
    rc = optimizer_read(value_of(reader, "optimizer"), &spec->optimizer, &canonical,
                        violations);
    reader->optimizer_read = keep_part(reader, "optimizer", rc, canonical);
    rc = schedule_read(value_of(reader, "learning_rate_schedule"),
                       &spec->learning_rate_schedule, &canonical, violations);
    reader->schedule_read = keep_part(reader, "learning_rate_schedule", rc, canonical);
    rc = split_read(value_of(reader, "split"), reader->facts, &spec->split, &canonical,
                    violations);
    reader->split_read = keep_part(reader, "split", rc, canonical);
}

static void read_run(struct job_reader *reader)
{
    static const struct {
        const char *key;
        int (*read)(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                    struct violations *violations);
    } readers[] = {{"augmentation", augment_read},
                   {"gradient_clip", gradient_clip_read},
                   {"weight_averaging", weight_averaging_read},
                   {"on_divergence", on_divergence_read},
                   {"early_stopping", early_stopping_read},
                   {"checkpoint", checkpoint_read},
                   {"resources", resources_read},
                   {"metadata", metadata_read}};
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        json_t *canonical = NULL;
        int rc = readers[i].read(value_of(reader, readers[i].key), reader->spec,
                                 &canonical, reader->violations);
        keep_part(reader, readers[i].key, rc, canonical);
    }
}

/* ---- what concerns two keys ---- */

/* At every position the next token must be told without having been seen. */
static int check_causal(const struct job_reader *reader)
{
    const struct model_spec *model = &reader->spec->model;
    int rc = 0;
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        if (attrs_has(&layer->attrs, "causal") && !attrs_boolean(&layer->attrs, "causal"))
            rc = violations_add(reader->violations, layer->pointer,
                                "expected \"causal\": true, because the network is to "
                                "tell the next token at every position, which it would "
                                "see, found false");
    }
    return rc;
}

/* A network for text answers at every position, or with the last token's successor. */
static int check_text_output(const struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    const struct layer *last = &spec->model.layers[spec->model.output];
    int64_t length = spec->features.context_length, width = spec->features.vocabulary;
    const struct shape everywhere = {.rank = 2, .dims = {length, width}};
    const struct shape at_end = {.rank = 1, .dims = {width}};
    bool fits_everywhere = shape_equal(&last->output, &everywhere);
    if (fits_everywhere || shape_equal(&last->output, &at_end)) {
        spec->positions = fits_everywhere ? length : 1;
        return fits_everywhere ? check_causal(reader) : 0;
    }
    char shape[SHAPE_TEXT_SIZE];
    return violations_add(
        reader->violations, last->pointer,
        "expected the network's output to have the shape [%lld, %lld], a number for each "
        "of the different tokens at every position (or [%lld], for the token after the "
        "window), found %s; the last dense layer may say \"units\": \"auto\"",
        (long long)length, (long long)width, (long long)width,
        shape_format(&last->output, shape));
}

/* An autoencoder gives back as many numbers as it gets, in any shape. */
static int check_reconstruction(const struct job_reader *reader)
{
    const struct job_spec *spec = reader->spec;
    const struct layer *last = &spec->model.layers[spec->model.output];
    if (shape_elements(&last->output) == spec->features.target_width)
        return 0;
    char shape[SHAPE_TEXT_SIZE], input[SHAPE_TEXT_SIZE];
    return violations_add(reader->violations, last->pointer,
                          "expected the network's output to have %lld numbers, as many "
                          "as its input %s, which is the target, found %s; the last "
                          "dense layer may say \"units\": \"auto\"",
                          (long long)spec->features.target_width,
                          shape_format(&spec->features.input_shape, input),
                          shape_format(&last->output, shape));
}

/* What is turned or cut would no longer be what the network gives back. */
static void check_augmentation(const struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    if (spec->features.reconstructs && augment_is_on(&spec->augmentation))
        violations_add(reader->violations, "/augmentation",
                       "expected [], because the target is the input");
    else
        augment_check(&spec->augmentation, &spec->features.input_shape,
                      reader->violations);
}

/* The network must end in as many numbers a sample as the loss compares. */
static int check_output(const struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    if (spec->features.vocabulary > 0)
        return check_text_output(reader);
    spec->positions = 1;
    if (spec->features.reconstructs)
        return check_reconstruction(reader);
    const struct layer *last = &spec->model.layers[spec->model.output];
    int64_t width = loss_output_width(&spec->loss, &spec->features);
    if (last->output.rank == 1 && last->output.dims[0] == width)
        return 0;
    const struct column_facts *target =
        &reader->facts->columns[spec->features.target_column];
    char name[FOUND_SIZE], shape[SHAPE_TEXT_SIZE], why[96];
    if (spec->features.target == TARGET_NUMBER)
        snprintf(why, sizeof(why), "%lld number(s) to predict", (long long)width);
    else if (spec->loss.type == LOSS_BINARY_CROSS_ENTROPY)
        snprintf(why, sizeof(why), "one number tells its 2 classes apart");
    else
        snprintf(why, sizeof(why), "one number for each of its %lld classes",
                 (long long)width);
    return violations_add(reader->violations, last->pointer,
                          "expected the network's output to have the shape [%lld], "
                          "because of the target %s "
                          "(%s), found %s; %s",
                          (long long)width, found_string(target->name, name), why,
                          shape_format(&last->output, shape),
                          last->output.rank > 1
                              ? "a layer {\"type\": \"flatten\"} before the last dense "
                                "layer makes one row of it"
                              : "the last dense layer may say \"units\": \"auto\"");
}

/* Loss, then the model's shapes, because the loss says how the network ends. */
static void resolve_network(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    struct violations *violations = reader->violations;
    if (!reader->facts || !reader->features_read || !reader->loss_read)
        return;
    if (reader->loss_is_auto && !reader->model_read)
        return;
    if (reader->loss_is_auto)
        loss_resolve(&spec->features, &spec->model, &spec->loss,
                     json_object_get(reader->parts, "loss"), violations);
    bool fits = loss_check(&spec->loss, &spec->features, violations) == 0;
    if (fits)
        fits =
            class_weights_resolve(
                json_object_get(json_object_get(reader->parts, "loss"), "class_weights"),
                &spec->features, reader->facts, &spec->loss, violations) == 0;
    if (!reader->model_read)
        return;
    int rc = model_spec_resolve(&spec->model, json_object_get(reader->parts, "model"),
                                &spec->features.input_shape, spec->features.vocabulary,
                                loss_output_width(&spec->loss, &spec->features),
                                loss_activation(&spec->loss), violations);
    if (rc == 0 && fits)
        reader->network_resolved = check_output(reader) == 0;
}

/* An epoch is all batches of the training rows, or as many as were asked for. */
static void resolve_steps(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    int64_t rows = (int64_t)spec->train_rows;
    int64_t steps = (rows + spec->step_rows - 1) / spec->step_rows;
    spec->steps_per_epoch = steps;
    const struct attr *asked = attrs_find(&reader->numbers, "steps_per_epoch");
    if (asked->is_word)
        return;
    if (asked->integer > steps)
        violations_add(reader->violations, "/steps_per_epoch",
                       "expected \"auto\" or at most %lld, the steps through %lld "
                       "training rows, found %lld",
                       (long long)steps, (long long)rows, (long long)asked->integer);
    spec->steps_per_epoch = asked->integer;
}

static void resolve_rows(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    if (!reader->facts || !reader->features_read || !reader->split_read)
        return;
    if (split_resolve(&spec->split, reader->facts, &spec->features, &spec->train_rows,
                      &spec->validation_rows, &spec->test_rows, reader->violations) != 0)
        return;
    if (!reader->numbers_read)
        return;
    resolve_steps(reader);
    if (attrs_find(&reader->numbers, "log_every_steps")->is_word) {
        spec->log_every_steps =
            (spec->steps_per_epoch + LOGS_PER_EPOCH - 1) / LOGS_PER_EPOCH;
        attrs_resolve(&reader->numbers, "log_every_steps",
                      json_integer(spec->log_every_steps), reader->parts,
                      reader->violations);
    }
}

/* What may be watched depends on the split and the target. */
static void check_monitors(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    struct violations *violations = reader->violations;
    if (!reader->split_read)
        return;
    bool validation = spec->split.validation > 0;
    const struct features_spec *features =
        reader->facts && reader->features_read ? &spec->features : NULL;
    if (spec->early_stopping.enabled)
        monitor_check(spec->early_stopping.monitor, "/early_stopping/monitor", validation,
                      features, violations);
    struct choice *schedule = &spec->learning_rate_schedule;
    if (!reader->schedule_read || !attrs_has(&schedule->attrs, "monitor"))
        return;
    if (!validation && strcmp(attrs_string(&schedule->attrs, "monitor"), "val_loss") == 0)
        attrs_resolve(&schedule->attrs, "monitor", json_string("loss"),
                      json_object_get(reader->parts, "learning_rate_schedule"),
                      violations);
    monitor_check(attrs_string(&schedule->attrs, "monitor"),
                  "/learning_rate_schedule/monitor", validation, features, violations);
}

/* A schedule may not go down to more than it starts from. */
static void check_rates(struct job_reader *reader)
{
    const struct job_spec *spec = reader->spec;
    const struct attrs *schedule = &spec->learning_rate_schedule.attrs;
    if (!reader->optimizer_read || !reader->schedule_read ||
        !attrs_has(schedule, "minimum_learning_rate"))
        return;
    double rate = attrs_number(&spec->optimizer.attrs, "learning_rate");
    double minimum = attrs_number(schedule, "minimum_learning_rate");
    if (minimum > rate)
        violations_add(
            reader->violations, "/learning_rate_schedule/minimum_learning_rate",
            "expected at most the optimizer's learning rate %.15g, found %.15g", rate,
            minimum);
}

static void check_memory(struct job_reader *reader)
{
    struct job_spec *spec = reader->spec;
    spec->memory_bytes = cost_memory_bytes(spec, reader->facts);
    int64_t needed_mb = spec->memory_bytes / BYTES_PER_MB + 1;
    if (spec->memory_bytes > spec->memory_mb * BYTES_PER_MB)
        violations_add(
            reader->violations, "/resources/memory_mb",
            "expected at least %lld, the megabytes that this job is predicted to "
            "need, found %lld",
            (long long)needed_mb, (long long)spec->memory_mb);
}

/* ---- the whole ---- */

static void read_job(struct job_reader *reader)
{
    size_t before = reader->violations->total;
    read_name(reader);
    read_dataset(reader);
    read_numbers(reader);
    read_training(reader);
    read_run(reader);
    if (reader->violations->status != 0)
        return;
    resolve_network(reader);
    resolve_rows(reader);
    if (reader->facts && reader->features_read)
        check_augmentation(reader);
    check_monitors(reader);
    check_rates(reader);
    if (reader->network_resolved && reader->violations->total == before)
        check_memory(reader);
}

/* The parts in the order of job_keys. */
static json_t *assemble(const json_t *parts, struct violations *violations)
{
    json_t *canonical = json_object();
    for (int i = 0; job_keys[i]; i++) {
        json_t *part = json_object_get(parts, job_keys[i]);
        if (part)
            canonical_set(canonical, job_keys[i], json_incref(part), violations);
    }
    return canonical;
}

int job_spec_parse(const json_t *json, const struct dataset_facts *facts,
                   struct job_spec **ret_spec, struct violations *violations)
{
    size_t before = violations->total;
    if (!json_is_object(json)) {
        char found[FOUND_SIZE];
        return violations_add(violations, "", "expected an object, found %s",
                              found_text(json, found));
    }
    struct job_reader reader = {.json = json, .facts = facts, .violations = violations};
    int rc = ERR_NOMEM;
    reader.spec = mem_alloc(sizeof(*reader.spec));
    reader.parts = json_object();
    if (!reader.spec || !reader.parts)
        goto out;
    read_job(&reader);
    if (violations->total == before && violations->status == 0)
        reader.spec->canonical = assemble(reader.parts, violations);
    rc = violations->status;
    if (rc == 0 && violations->total > before)
        rc = ERR_INVALID;
    if (rc == 0) {
        *ret_spec = reader.spec;
        reader.spec = NULL;
    }
out:
    job_spec_free(reader.spec);
    json_decref(reader.parts);
    return rc;
}

void job_spec_free(struct job_spec *spec)
{
    if (!spec)
        return;
    features_spec_release(&spec->features);
    model_spec_release(&spec->model);
    free(spec->loss.class_weights);
    json_decref(spec->canonical);
    free(spec);
}
