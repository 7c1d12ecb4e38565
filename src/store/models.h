/* Trained models: the exported parameters as a sealed blob, and what is needed to use
 * them. */
#ifndef BACKPROP_STORE_MODELS_H
#define BACKPROP_STORE_MODELS_H

#include "base/id.h"
#include "digest.h"
#include "owners.h"
#include "page.h"
#include "store.h"

#include <stdbool.h>

struct model_row {
    char id[ID_SIZE];
    char job[ID_SIZE];
    char owner[OWNER_SIZE]; /* the job's; models_insert() looks it up */
    char *name;
    int64_t blob;
    uint64_t bytes;               /* of the parameters */
    char sha256[DIGEST_HEX_SIZE]; /* of the parameters */
    int64_t parameter_count;
    char *spec;          /* canonical JSON text */
    char *facts;         /* JSON text: of the dataset it was trained on */
    char *preprocessing; /* JSON text, see data/preprocess.h */
    char *formats;       /* JSON text, see engine/export.h */
    char *metrics;       /* JSON text {"latest", "best", "test"} */
    int64_t created_us;
};

void model_row_release(struct model_row *row);

int models_insert(struct db *db, const struct model_row *row, struct error *err);
int models_get(struct db *db, const char *id, struct model_row *ret_row,
               struct error *err);

/* Newest first; spec, facts, preprocessing and formats are NULL. */
int models_list(struct db *db, const struct page *page, struct model_row **ret_rows,
                size_t *ret_count, bool *ret_has_more, struct error *err);

/* With its blob; the job stays and its `model` becomes empty. */
int models_delete(struct db *db, const char *id, struct error *err);

#endif
