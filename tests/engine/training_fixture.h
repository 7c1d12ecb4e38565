/*
 * A dataset in memory, a spec and an open pipeline: what the tests of training start
 * from. Every failure fails the test.
 */
#ifndef BACKPROP_TRAINING_FIXTURE_H
#define BACKPROP_TRAINING_FIXTURE_H

#include "data/pipeline.h"
#include "engine/trainer.h"

#include <stdint.h>

/* Arrays: features float32 [rows, features] and labels, one or the other kind. */
struct training_data {
    size_t rows, features;
    int64_t image[3]; /* height, width, channels: of so many features; 0: no image */
    const float *x;
    int classes;           /* 0: numbers */
    const int32_t *labels; /* [rows], each of the classes at least once */
    const float *numbers;  /* [rows, width]; NaN: missing */
    size_t width;
};

struct training_fixture {
    struct dataset_facts *facts;
    struct dataset_file *file;
    struct job_spec *spec;
    struct pipeline *pipeline;
};

/* `spec` is a job spec without "dataset"; borrowed. */
void training_fixture_open(struct training_fixture *fixture,
                           const struct training_data *data, const json_t *spec);

/* The same from JSON text, in which ' stands for ". */
void training_fixture_open_text(struct training_fixture *fixture,
                                const struct training_data *data, const char *spec);

/* A text in place of rows; its facts do not list characters, so the spec says "byte". */
void training_fixture_open_prose(struct training_fixture *fixture, const char *prose,
                                 const char *spec);
void training_fixture_close(struct training_fixture *fixture);

/* Made-up data that a small network can learn: `classes` blobs, or for 0 classes `width`
 * smooth functions of the features with the given mean and scale. Freed by the caller. */
struct training_data made_up_data(size_t rows, size_t features, int classes,
                                  size_t width);
void made_up_data_release(struct training_data *data);

/* A trainer that must not fail to be made. */
struct trainer *make_trainer(const struct training_fixture *fixture);

/* A run that must not fail; hooks may be NULL. */
enum train_end run_trainer(struct trainer *trainer, const struct train_hooks *hooks);

/* The exported bytes of the kept network. Freed by the caller. */
unsigned char *exported_bytes(const struct trainer *trainer, size_t *ret_bytes);

#endif
