/* What the generated gradient checks share. */
#ifndef BACKPROP_GRADCHECK_FIXTURE_H
#define BACKPROP_GRADCHECK_FIXTURE_H

#include "spec/model_spec.h"

#include <stddef.h>

/* Fails the test unless the gradients of all tensors and of the input x: [rows, …] equal
 * finite differences within `tolerance`. Some numbers of each tensor are checked; the
 * target is made up. `name` is said of what fails. */
void gradcheck_expect(const struct model_spec *model, size_t rows, const double *x,
                      double tolerance, const char *name);

#endif
