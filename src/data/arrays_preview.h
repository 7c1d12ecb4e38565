/* The preview of an arrays dataset: the first samples, {"label":
 * 9, "input": [[…], …]}. */
#ifndef BACKPROP_ARRAYS_PREVIEW_H
#define BACKPROP_ARRAYS_PREVIEW_H

#include "spec/facts.h"

#include <jansson.h>
#include <stddef.h>

/* How many samples of that shape are shown; the larger they are, the fewer. */
size_t arrays_preview_rows(const struct shape *sample);

/*
 * `samples`: [rows, sample…] of `element`; `labels`: [rows, width] or NULL. A large
 * sample is cut to a flat list of its first numbers. New reference; NULL without memory.
 */
json_t *arrays_preview(const struct shape *sample, enum element_type element,
                       const void *samples, const double *labels, size_t width,
                       size_t rows);

#endif
