/*
 * Memory of the engine's large arrays: parameters, gradients, moments, activations.
 * Aligned to cache lines, and from a few megabytes on in huge pages where the kernel
 * grants them: matrices whose rows lie pages apart miss the TLB less (2 to 4 % of a step
 * of W3).
 */
#ifndef BACKPROP_FLAT_BUFFER_H
#define BACKPROP_FLAT_BUFFER_H

#include "real.h"

#include <stddef.h>

/* `count` zeros; NULL without memory. Freed with free(). */
real *flat_new(size_t count);

/* `count` numbers that are not set, so that pages that are never written cost nothing. */
real *flat_new_unset(size_t count);

#endif
