/* What tests of the worker share: a dataset that was ingested, and tasks for it. */
#ifndef BACKPROP_TESTS_WORKER_WORLD_H
#define BACKPROP_TESTS_WORKER_WORLD_H

#include "worker_client.h"

#include <jansson.h>
#include <stdbool.h>

/* Learnable and small: y is the larger of a and b, c says whether a is larger. */
struct world {
    int file; /* the dataset file */
    json_t *facts;
};

/* For cmocka: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);

/* A file without a name that holds `text`. */
int memory_file(const char *text);

/* Options of an ingest, all "auto". */
json_t *ingest_options(void);

/* Starts a worker that ingests a table into `output`. */
void start_ingest(struct worker_client *client, const char *csv, int output);

/* The task of training a classifier of c. */
json_t *train_task(const struct world *world, int epochs, bool resume);

/* Starts a worker with that task. */
void start_train(struct worker_client *client, const struct world *world, int epochs);

#endif
