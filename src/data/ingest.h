/*
 * Ingest: uploaded bytes in, a dataset file and facts out, in bounded memory.
 *
 * Every part may be gzip (seen by its magic bytes) and expands to at most
 * `max_expanded_bytes` and INGEST_MAX_RATIO times its size. Formats are recognised by
 * what the caller says and by magic bytes, never by file names alone.
 */
#ifndef BACKPROP_INGEST_H
#define BACKPROP_INGEST_H

#include "base/error.h"
#include "base/violations.h"

#include <jansson.h>
#include <stdint.h>

#define INGEST_MAX_PARTS 8
#define INGEST_MAX_RATIO 1100 /* deflate cannot do more than about 1032 */
/* As JSON text, preview and notes included. */
#define INGEST_MAX_FACTS_BYTES ((size_t)6 << 20)
#define INGEST_PREVIEW_ROWS 20

struct ingest_part {
    const char *name; /* "table", "text", "train.features", "train.labels",
                         "test.features", "test.labels"; borrowed */
    int fd;           /* an open regular file, borrowed; read from its start */
};

struct ingest_options {
    const char *header;    /* "auto", "true", "false" */
    const char *delimiter; /* "auto", ",", ";", "tab", "|" */
    /* Comma-separated texts that mean missing; NULL: those of missing_texts.c. */
    const char *missing;
    uint64_t max_expanded_bytes;
    uint64_t max_rows; /* of a part; FACTS_MAX_ROWS bounds them in any case */
};

/* Called for every MiB or so with the bytes read so far (as they are stored, all parts
 * and both passes over them counted); a non-zero return gives up with ERR_CANCELLED. */
typedef int ingest_progress(void *context, uint64_t bytes_read);

/*
 * Reads the parts, writes the dataset file to `output_fd` (an empty regular file), and
 * returns the facts (see spec/facts.h) with these keys added:
 *   "preview": the first rows (at most 20) as a list of objects for a table, or of
 *              {"label", "input"} for arrays, long values cut;
 *   "notes":   what a user should know: "delimiter ; was found", "12 empty lines skipped"
 *
 * On ERR_INVALID or ERR_TOO_LARGE the violations say which part, row, column and value,
 * the pointer being "/<part name>" ("" where no part is to blame). New reference.
 */
int ingest_run(const struct ingest_part *parts, int count,
               const struct ingest_options *options, int output_fd,
               ingest_progress *progress, void *context, json_t **ret_facts,
               struct violations *violations, struct error *err)
    __attribute__((warn_unused_result));

#endif
