/*
 * The job spec: what a user posts to /v1/jobs, parsed, checked against the facts of its
 * dataset, with every default filled in.
 *
 * Parsing is the same code in the daemon (which answers with all violations) and in the
 * worker (which gets the canonical JSON with its task): parse(canonical) succeeds and its
 * canonical JSON is the same text.
 */
#ifndef BACKPROP_JOB_SPEC_H
#define BACKPROP_JOB_SPEC_H

#include "attrs.h"
#include "augment_spec.h"
#include "base/violations.h"
#include "facts.h"
#include "model_spec.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Hard limits, whatever the machine. docs/API.md lists them. */
#define SPEC_MAX_BYTES (1024 * 1024)
#define SPEC_MAX_DEPTH 32
#define SPEC_MAX_UNITS 65536
#define SPEC_MAX_VOCABULARY 1000000
#define SPEC_MAX_PARAMETERS INT64_C(1000000000)
#define SPEC_MAX_BATCH 65536
#define SPEC_MAX_EPOCHS 1000000
#define SPEC_MAX_THREADS 256
#define SPEC_MAX_NAME_BYTES 200
#define SPEC_MAX_CONTEXT 65536 /* tokens of a window of text */
#define SPEC_MAX_ONE_HOT 100   /* "inputs": "auto" passes over wider categories */

/* A named choice with attributes of its own: {"type": "adam", "learning_rate": 0.001}. */
struct choice {
    const char *type; /* static storage: a name of the matching table */
    struct attrs attrs;
};

enum normalization {
    NORMALIZE_NONE,
    NORMALIZE_ZSCORE,
    NORMALIZE_MINMAX,
    NORMALIZE_BYTES
};
enum missing_rule {
    MISSING_MEAN,
    MISSING_MEDIAN,
    MISSING_ZERO,
    MISSING_DROP,
    MISSING_INDICATOR
};

/* One input column of a table. A number gives one feature, and one more for "indicator"
 * (1 where the value was missing, the value itself replaced by the mean). A category
 * gives one feature for each of its values; a missing one is all zeros (or drops the row,
 * or with "indicator" sets one more feature). */
struct input_column {
    int column;            /* index into the facts' columns */
    enum column_type type; /* what it is used as: a number with listed values may be asked
                              for as a category */
    enum normalization normalization; /* numbers */
    enum missing_rule missing;
    int feature_count;
};

enum target_type { TARGET_CATEGORY, TARGET_NUMBER };

/* How a text becomes tokens: its characters, numbered in order of code point, or the
 * bytes of its UTF-8. */
enum tokenizer_type { TOKENIZE_CHARACTERS, TOKENIZE_BYTES };
#define BYTE_VOCABULARY 256

/* A text has windows of `context_length` token ids as samples; the target is a category,
 * the next token (target_column is -1, target_width the vocabulary). With
 * `reconstructs` the target is the input as the network gets it: TARGET_NUMBER of the
 * input's width, not normalized again, target_column -1. */
struct features_spec {
    int input_count; /* tables; 0 for arrays */
    struct input_column *inputs;
    enum normalization array_normalization; /* arrays: NONE, BYTES (x / 255), ZSCORE */
    int target_column;                      /* index into the facts' columns */
    enum target_type target;
    bool reconstructs;
    enum normalization target_normalization; /* TARGET_NUMBER: NONE or ZSCORE */
    int64_t target_width;                    /* classes, or numbers to predict */
    struct shape input_shape;                /* of one sample; see also model->input */
    enum tokenizer_type tokenizer;           /* texts, as the next two */
    int64_t context_length;
    int64_t vocabulary; /* different tokens; 0: the dataset is no text */
};

/* How the network's output meets the target. */
enum loss_type {
    LOSS_CROSS_ENTROPY,        /* logits [rows, classes], labels [rows] */
    LOSS_BINARY_CROSS_ENTROPY, /* one logit a row, labels 0 or 1 */
    LOSS_MSE,
    LOSS_MAE,
    LOSS_HUBER,    /* attribute delta */
    LOSS_LOG_COSH, /* log(cosh(error)) */
    LOSS_FOCAL     /* as cross entropy; attribute gamma */
};

struct loss_spec {
    enum loss_type type;
    double delta;           /* LOSS_HUBER */
    double label_smoothing; /* LOSS_CROSS_ENTROPY */
    double pos_weight;      /* LOSS_BINARY_CROSS_ENTROPY; 0 stands for 1 */
    double gamma;           /* LOSS_FOCAL */
    /* LOSS_CROSS_ENTROPY, LOSS_FOCAL: of each class; NULL: all 1. The job_spec owns it.
     * With `balanced` it is all 1: see pipeline_balance_classes(). */
    double *class_weights;
    bool balanced;
};

enum split_type { SPLIT_RANDOM, SPLIT_STRATIFIED, SPLIT_FIXED, SPLIT_CONTIGUOUS };

/* Random and stratified: all three are cut from the dataset's train part in the order of
 * a random permutation of its rows; a test part is then not used. SPLIT_FIXED: the
 * dataset's own test part is the test split, and only validation is cut from the train
 * part. SPLIT_CONTIGUOUS, for texts: pieces of the text, training first, then validation,
 * then test. See split_spec.h. */
struct split_spec {
    enum split_type type;
    double train, validation, test;
};

struct early_stopping_spec {
    bool enabled;
    char monitor[ATTR_STRING_SIZE]; /* "val_loss", "loss", "val_accuracy", … */
    int64_t patience;               /* epochs */
    double min_delta;
    bool restore_best_weights;
};

struct job_spec {
    char name[SPEC_MAX_NAME_BYTES + 1];
    char dataset[64];
    struct features_spec features;
    struct augment_spec augmentation;
    struct model_spec model;
    struct loss_spec loss;
    struct choice optimizer;              /* a row of training_spec.c */
    struct choice learning_rate_schedule; /* the same; each with warmup_steps */
    double clip_norm, clip_value;         /* 0: off */
    int64_t divergence_retries;           /* on_divergence */
    double divergence_factor;             /* of the learning rates, each time */
    double average_decay;                 /* weight_averaging; 0: off */
    int64_t epochs, batch_size;
    int64_t gradient_accumulation; /* batches that give one update */
    uint64_t seed;
    struct split_spec split;
    struct early_stopping_spec early_stopping;
    int64_t checkpoint_every_seconds, checkpoint_keep_best, checkpoint_keep_latest;
    int64_t log_every_steps; /* step metrics every so many steps; "auto": 100 an epoch */
    int64_t threads, memory_mb, max_seconds; /* max_seconds 0: no limit */
    int64_t max_attempts;
    int64_t priority; /* -100 … 100, higher first */

    /* What the split will give, before rows without a target are dropped; windows of a
     * text. */
    uint64_t train_rows, validation_rows, test_rows;
    int64_t step_rows;       /* of one update: batch_size * gradient_accumulation */
    int64_t steps_per_epoch; /* all batches of the training rows, or fewer if asked for */
    int64_t positions;    /* labels of a sample: context_length where a network for text
                             answers at every position, otherwise 1 */
    int64_t memory_bytes; /* predicted peak of the worker */
    json_t *canonical;    /* owned: the resolved spec, "metadata" included */
};

/*
 * Parses and checks. `facts` is NULL when the dataset is unknown: then only what does not
 * depend on it is checked; features, shapes, costs and row counts stay zero, and "auto"
 * stays "auto" in the canonical JSON. New object. Returns ERR_INVALID when the violations
 * say what is wrong (a part that only makes sense once another is right is left out), or
 * ERR_NOMEM.
 */
int job_spec_parse(const json_t *json, const struct dataset_facts *facts,
                   struct job_spec **ret_spec, struct violations *violations)
    __attribute__((warn_unused_result));
void job_spec_free(struct job_spec *spec);

/* From the text of a request to JSON: checks size, depth, UTF-8, syntax (with line and
 * column) and duplicate keys. New reference. ERR_INVALID with one violation at "", or
 * ERR_NOMEM. */
int job_spec_load_json(const char *text, size_t length, json_t **ret_json,
                       struct violations *violations) __attribute__((warn_unused_result));

/* What POST /v1/jobs:validate adds: {"layers": [{"name", "type", "output_shape",
 * "parameters", "flops"}], "parameters", "memory_bytes", "steps", "estimated_seconds"}.
 * For a spec that was parsed with facts. `gflops` is the assumed speed of one thread. New
 * reference, NULL without memory. */
json_t *job_spec_describe(const struct job_spec *spec, double gflops);

/* Names for JSON, NULL-terminated tables indexed by the enums above. */
extern const char *const loss_names[];
extern const char *const split_names[];
extern const char *const normalization_names[];
extern const char *const missing_rule_names[];
extern const char *const target_type_names[];
extern const char *const tokenizer_names[];

#endif
