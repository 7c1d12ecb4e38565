/* One run of ingest with all that comes out of it, for the tests of its kinds. */
#ifndef BACKPROP_TESTS_INGEST_FIXTURE_H
#define BACKPROP_TESTS_INGEST_FIXTURE_H

#include "base/violations.h"
#include "data/dataset_file.h"
#include "data/ingest.h"

#include <jansson.h>

#define FIXTURE_PARTS 4

struct ingest_run {
    struct ingest_options options; /* header and delimiter auto, ample limits */
    struct ingest_part parts[FIXTURE_PARTS];
    int count;
    int rc;
    struct error err;
    struct violations violations;
    json_t *facts;             /* NULL when it failed */
    struct dataset_file *file; /* NULL when it failed */
};

void ingest_run_init(struct ingest_run *run);

/* Adds a part; takes the descriptor. */
void ingest_run_add(struct ingest_run *run, const char *name, int fd);

/* Runs ingest. On success the facts were parsed back by facts_parse, and the output file
 * was opened and agrees with them in its arrays' rows. */
void ingest_run_go(struct ingest_run *run);

void ingest_run_release(struct ingest_run *run);

/* A run over one part with this text. */
void ingest_run_text(struct ingest_run *run, const char *part, const char *text);

/* The facts of a column; fails the test if there is none. */
const json_t *ingest_run_column(const struct ingest_run *run, const char *name);

/* The values of a column as "a,b,c"; "" without any. */
const char *ingest_run_values(const struct ingest_run *run, const char *name);

const float *ingest_run_numbers(const struct ingest_run *run, enum dataset_part part,
                                int column);
const int32_t *ingest_run_codes(const struct ingest_run *run, enum dataset_part part,
                                int column);

/* Fails the test unless some note holds `text`. */
void assert_note(const struct ingest_run *run, const char *text);

/* Fails the test unless the run was refused with a violation at `pointer` that holds
 * `text`. */
void assert_refused(const struct ingest_run *run, int code, const char *pointer,
                    const char *text);

#endif
