/* The inside of conv.h: conv.c for all convolutions, conv_depthwise.c for those with one
 * channel and one filter a group. */
#ifndef BACKPROP_CONV_INTERNAL_H
#define BACKPROP_CONV_INTERNAL_H

#include "conv.h"

static inline bool conv_is_depthwise(const struct conv *conv)
{
    return conv->groups > 1 && conv->groups == conv->channels &&
           conv->groups == conv->filters;
}

/* As in conv.h; these need no scratch. */
void depthwise_forward(const struct conv *conv, size_t images, const real *x,
                       const real *w, const real *bias, real *y);
void depthwise_backward_data(const struct conv *conv, size_t images, const real *dy,
                             const real *w, bool add, real *dx);
void depthwise_backward_weights(const struct conv *conv, size_t images, const real *x,
                                const real *dy, real *dw);

#endif
