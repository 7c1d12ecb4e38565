/* What the rest of the engine may do with a network. */
#ifndef BACKPROP_NETWORK_INTERNAL_H
#define BACKPROP_NETWORK_INTERNAL_H

#include "network.h"
#include "real.h"

/* A network without weights yet: all zero. Borrows spec. New object. */
int network_new(const struct job_spec *spec, size_t max_rows,
                struct network **ret_network, struct error *err)
    __attribute__((warn_unused_result));

/* Copies a flat buffer of parameters of the same model, in the engine's layouts (they do
 * not depend on the options that a graph is compiled with). */
void network_set_parameters(struct network *network, const real *parameters);

/* The L2 penalty of its parameters, as a training adds it to its losses. */
double network_l2_loss(const struct network *network);

size_t network_input_width(const struct network *network);
size_t network_max_rows(const struct network *network);

#endif
