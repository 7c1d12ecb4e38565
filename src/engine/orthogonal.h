/*
 * Orthogonal matrices (Saxe, McClelland and Ganguli 2014), as torch.nn.init.orthogonal_:
 * of a matrix of standard normal numbers the Q of the QR decomposition whose R has a
 * positive diagonal; of a wide matrix that of its transpose, transposed.
 *
 * In double in both builds of the engine, so that both get the same numbers.
 */
#ifndef BACKPROP_ORTHOGONAL_H
#define BACKPROP_ORTHOGONAL_H

#include "base/rng.h"

#include <stddef.h>

/* Fills [rows, columns] with numbers whose columns (or rows, if those are fewer) are
 * orthonormal, from rows * columns normal numbers of `rng`. `scratch`: as many again. */
void orthogonal_fill(struct rng *rng, size_t rows, size_t columns, double *scratch,
                     double *ret_matrix);

#endif
