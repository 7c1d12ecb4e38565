/*
 * Initializers by name: from a name and the fans of a layer to a distribution.
 *
 *   glorot_uniform  U(±sqrt(6 / (in + out)))  Glorot and Bengio 2010, eq. 16
 *   glorot_normal   N(0, 2 / (in + out))
 *   he_uniform      U(±sqrt(6 / in))          He et al. 2015, eq. 10
 *   he_normal       N(0, 2 / in)
 *   lecun_uniform   U(±sqrt(3 / in))          LeCun et al. 1998, eq. 16
 *   lecun_normal    N(0, 1 / in)
 *   pytorch         U(±1 / sqrt(in))          what torch.nn.Linear starts with
 *   uniform         U(±0.05)                  Keras' RandomUniform
 *   normal          N(0, 0.05²)               Keras' RandomNormal
 *   orthogonal      rows or columns orthonormal  Saxe et al. 2014; torch.nn.init's
 *   zeros, ones
 *   unit_forget     0, but 1 for an lstm's forget gate (Jozefowicz et al. 2015)
 *
 * The normal distributions are not truncated.
 */
#ifndef BACKPROP_INITIALIZER_H
#define BACKPROP_INITIALIZER_H

#include "model_spec.h"

#include <stdint.h>

/* NULL-terminated. */
extern const char *const kernel_initializer_names[];
extern const char *const bias_initializer_names[];
extern const char *const lstm_bias_initializer_names[];

/* Sets initializer and scale of `param`; `name` is one of the names above. */
void initializer_resolve(const char *name, int64_t fan_in, int64_t fan_out,
                         struct param_spec *param);

#endif
