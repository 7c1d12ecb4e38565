/* The shape of one sample (no batch dimension), row-major, channels last. */
#ifndef BACKPROP_SHAPE_H
#define BACKPROP_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_MAX_RANK 4
#define SHAPE_MAX_ELEMENTS (INT64_C(1) << 28) /* of one sample: 1 GiB of float32 */
#define SHAPE_TEXT_SIZE 96

struct shape {
    int rank; /* 1 … SHAPE_MAX_RANK */
    int64_t dims[SHAPE_MAX_RANK];
};

/* Number of elements; the validated shapes of a spec never overflow. */
int64_t shape_elements(const struct shape *shape);

bool shape_equal(const struct shape *a, const struct shape *b);

/* True if the rank is legal, every dimension is at least 1 and the elements are at most
 * SHAPE_MAX_ELEMENTS; overflows nothing, whatever the dimensions are. */
bool shape_fits(const struct shape *shape);

/* "[28, 28, 1]" */
const char *shape_format(const struct shape *shape, char text[SHAPE_TEXT_SIZE]);

#endif
