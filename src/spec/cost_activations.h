/*
 * What the activations of a network take: a bound of the engine's arena, from the layers
 * alone. The engine plans the arena by what each op reads again; here it is enough to
 * know that
 *
 * - every output is kept to the end, but where a layer works in its input's place;
 * - the gradient of a value lives from the step back of its last reader to that of its
 *   own layer, or to the end of all where a dense layer's may wait;
 * - what a layer works in lives for that layer's step alone.
 *
 * A test of the engine compares it with arenas of the examples and of random networks.
 */
#ifndef BACKPROP_COST_ACTIVATIONS_H
#define BACKPROP_COST_ACTIVATIONS_H

#include "model_spec.h"

/* Numbers that one slice of `rows` rows takes while it trains. */
double cost_activations(const struct model_spec *model, double rows);

#endif
