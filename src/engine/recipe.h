/*
 * A recipe: how a download format is put together, in the order of the file, from literal
 * bytes and ranges of the exported parameters. See export.h.
 */
#ifndef BACKPROP_RECIPE_H
#define BACKPROP_RECIPE_H

#include "base/buffer.h"
#include "spec/model_spec.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* One exported tensor: where it lies in the parameters and what it is called. */
struct exported_tensor {
    char name[LAYER_NAME_SIZE + 64]; /* "layers.0.weight" */
    const struct shape *shape;       /* borrowed from the spec */
    size_t offset, length;           /* bytes in the exported parameters */
};

struct recipe {
    json_t *segments; /* owned; NULL: there was no memory for it */
    uint64_t bytes;   /* of the file so far */
    int status;       /* 0 or ERR_NOMEM; sticks */
};

void recipe_init(struct recipe *recipe);

/* Unless it was finished. */
void recipe_release(struct recipe *recipe);

void recipe_literal(struct recipe *recipe, const struct buffer *literal);
void recipe_range(struct recipe *recipe, size_t offset, size_t length);

/* {"bytes", "segments"}, a new reference, and the recipe is empty; NULL without
 * memory. */
json_t *recipe_finish(struct recipe *recipe);

#endif
