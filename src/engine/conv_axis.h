/*
 * Which taps of a window see what along one axis: the index arithmetic of convolutions
 * and poolings, in one place. Tap k of output position p sees the input's position
 *
 *   p * stride - before + k * dilation
 *
 * Holds no `real`: the same in both builds.
 */
#ifndef BACKPROP_CONV_AXIS_H
#define BACKPROP_CONV_AXIS_H

#include "spec/window.h"

#include <stddef.h>

/* Positions first, first + 1, …; count may be 0. */
struct span {
    size_t first, count;
};

/* The taps of output position p that do not lie in the padding. */
struct span axis_taps(const struct window_axis *axis, size_t p);

/* The output positions whose tap k does not lie in the padding. */
struct span axis_outputs(const struct window_axis *axis, size_t k);

/* Positions of the padded input that windows see: from -before on. */
size_t axis_padded(const struct window_axis *axis);

/*
 * The way back, from an input position to the outputs that see it. With a stride s they
 * differ between positions, but are alike for positions x = phase + s * q:
 *
 *   tap last_tap - i * tap_step  of output position  q + shift + i * gap,   i < count
 *
 * in ascending order of the output positions, those outside of the output included.
 */
struct axis_phase {
    size_t count, last_tap, tap_step, gap;
    ptrdiff_t shift;
    size_t inputs; /* numbers q */
};

struct axis_phase axis_phase_of(const struct window_axis *axis, size_t phase);

/* The i whose output positions exist, for one q. */
struct span axis_phase_taps(const struct window_axis *axis,
                            const struct axis_phase *phase, size_t q);

/* Phases that have inputs: the stride, or fewer on a short axis. */
size_t axis_phases(const struct window_axis *axis);

/* Positions before 0 and behind the last of the output that any phase's taps reach. */
void axis_overhang(const struct window_axis *axis, size_t *ret_before, size_t *ret_after);

#endif
