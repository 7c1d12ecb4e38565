/* Small datasets for tests: a mapped file from arrays in memory, facts from JSON text.
 * Every function fails the test that calls it when something goes wrong. */
#ifndef BACKPROP_DATASET_FIXTURE_H
#define BACKPROP_DATASET_FIXTURE_H

#include "data/dataset_file.h"
#include "data/pipeline.h"

/* Writes and maps arrays that have their `data` set. To be closed. */
struct dataset_file *fixture_file(const struct dataset_array *arrays, int count);

/* Parses facts; single quotes stand for double ones. To be freed. */
struct dataset_facts *fixture_facts(const char *text);

/* JSON in the same way. New reference. */
json_t *fixture_json(const char *text);

/* Opens a pipeline that must open. */
struct pipeline *fixture_open(const struct dataset_file *file,
                              const struct dataset_facts *facts,
                              const struct job_spec *spec);

/* Asserts that a split has just these source rows. */
void fixture_assert_rows(const struct pipeline *pipeline, enum split split,
                         const uint64_t *rows, size_t count);

/* Asserts that two lists of floats agree to 1e-6 of their size. */
void fixture_assert_floats(const float *found, const float *expected, size_t count);

#endif
