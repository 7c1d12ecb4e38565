/* What the kinds of ingest share; see ingest.h. */
#ifndef BACKPROP_INGEST_INTERNAL_H
#define BACKPROP_INGEST_INTERNAL_H

#include "byte_source.h"
#include "ingest.h"
#include "spec/facts.h"

#include <stdint.h>

/* One run of ingest. */
struct ingest {
    const struct ingest_options *options;
    int output_fd;
    ingest_progress *progress;
    void *context;
    uint64_t bytes_read;
    json_t *notes; /* owned: a list of strings */
    struct violations *violations;
};

/* Adds a note for the user. */
int ingest_note(struct ingest *ingest, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4), warn_unused_result));

/* Opens a part's bytes. Borrows both. New object. */
int ingest_open_part(struct ingest *ingest, const struct ingest_part *part,
                     struct byte_source **ret_source, struct error *err)
    __attribute__((warn_unused_result));

/* Adds a violation at a part ("" for none), and the same text to *err. Returns `code`. */
int ingest_refuse(struct ingest *ingest, int code, const char *part, struct error *err,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Turns a failure that a reader of the part met (in *cause) into a violation and *err.
 * Returns `code`. */
int ingest_refuse_cause(struct ingest *ingest, int code, const char *part,
                        const struct error *cause, struct error *err);

/* Rows that a part may have. */
uint64_t ingest_max_rows(const struct ingest *ingest);

/* Each kind: reads the parts, writes the output file, and gives the facts with their
 * "preview". What is wrong with the input was added to the violations. New reference. */
int table_ingest(struct ingest *ingest, const struct ingest_part *part,
                 json_t **ret_facts, struct error *err)
    __attribute__((warn_unused_result));
int text_ingest(struct ingest *ingest, const struct ingest_part *part, json_t **ret_facts,
                struct error *err) __attribute__((warn_unused_result));
int arrays_ingest(struct ingest *ingest, const struct ingest_part *parts, int count,
                  json_t **ret_facts, struct error *err)
    __attribute__((warn_unused_result));

#endif
