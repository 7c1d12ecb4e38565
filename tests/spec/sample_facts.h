/* Datasets that the tests of the spec talk about, and short ways to parse against them.
 */
#ifndef BACKPROP_SAMPLE_FACTS_H
#define BACKPROP_SAMPLE_FACTS_H

#include "base/violations.h"
#include "spec/job_spec.h"

#include <jansson.h>

/* Facts as JSON text. */
extern const char facts_of_titanic[]; /* 891 rows: numbers, categories, texts, a row_id */
extern const char facts_of_houses[];  /* 20640 rows: a price to predict */
extern const char facts_of_images[];  /* 60000 + 10000 uint8 [28, 28], 10 classes */
extern const char facts_of_signals[]; /* float32 [16, 4], labels of width 3 */
extern const char facts_of_text[];    /* 900 characters, 1000 bytes; 5 different ones */

/* New objects; a failure fails the test. */
json_t *sample_json(const char *text);
struct dataset_facts *sample_facts(const char *text);

/* Parses a job given as JSON text, in which ' stands for ", against facts (NULL:
 * unknown). On success *ret_spec is a new object. Returns job_spec_parse()'s result. */
int sample_parse(const char *job, const char *facts, struct job_spec **ret_spec,
                 struct violations *violations);

/* The same for a job that must be right. */
struct job_spec *sample_spec(const char *job, const char *facts);

/* Fails unless the job has a violation at `pointer` whose text contains `phrase`. */
void assert_violation(const char *job, const char *facts, const char *pointer,
                      const char *phrase);

/* The text of the canonical JSON at a path of keys, '/' between them: "loss/type". New.
 */
char *sample_canonical(const struct job_spec *spec, const char *path);
void assert_canonical(const struct job_spec *spec, const char *path,
                      const char *expected);

#endif
