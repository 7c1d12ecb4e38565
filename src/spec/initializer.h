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
 *   uniform         U(±limit)                 Keras' RandomUniform; limit 0.05
 *   normal          N(0, stddev²)             Keras' RandomNormal; stddev 0.05
 *   truncated_normal  the same, numbers beyond 2 stddev drawn again
 *   orthogonal      rows or columns orthogonal, of length gain (1)
 *                                             Saxe et al. 2014; torch.nn.init's
 *   zeros, ones
 *   unit_forget     0, but 1 for an lstm's forget gate (Jozefowicz et al. 2015)
 *
 * The other normal distributions are not truncated. What has a stddev, a limit or a gain
 * may be written as {"type": "normal", "stddev": 0.02}.
 */
#ifndef BACKPROP_INITIALIZER_H
#define BACKPROP_INITIALIZER_H

#include "model_spec.h"

#include <stdint.h>

/* The type and choices of a key for an initializer: {"kernel_initializer",
 * INITIALIZER(kernel_initializer_names), DEFAULT("\"normal\"")}. */
#define INITIALIZER(names) KEY_CHOICE, .choices = (names), .numbers = initializer_numbers

extern const struct choice_number initializer_numbers[];

/* NULL-terminated. */
extern const char *const kernel_initializer_names[];
extern const char *const bias_initializer_names[];
extern const char *const lstm_bias_initializer_names[];

/* Sets initializer and scale of `param` by the value of such a key. */
void initializer_resolve(const struct attr *attr, int64_t fan_in, int64_t fan_out,
                         struct param_spec *param);

#endif
