/*
 * Augmentation: what is done to the images of the training rows before a step sees them,
 * in the order of the list. Validation, test and predict see the images as they are.
 *
 * One image is [height, width, channels] of the network's own numbers, after
 * normalization. Every draw is the row's own: see data/augment.h.
 *
 *   horizontal_flip  probability 0.5: left becomes right
 *   vertical_flip    probability 0.5: top becomes bottom
 *   shift            height_factor, width_factor, or pixels for both: moves by a whole
 *                    number of pixels, uniform in [-most, most], where most is
 *                    floor(factor size) or pixels
 *   crop             padding 4: padded by so many pixels on each side and cut to the old
 *                    size at a uniform place, as torchvision's RandomCrop
 *   rotation         degrees 15, interpolation "bilinear" or "nearest": about the centre
 *                    by an angle uniform in [-degrees, degrees]
 *   cutout           size 8: a square about a uniform pixel, cut off at the borders,
 *                    becomes fill_value; DeVries and Taylor 2017
 *   mixup            alpha 0.2, the last of the list: x = l x + (1 - l) x' and the same
 *                    of the targets, l from Beta(alpha, alpha); Zhang et al. 2018,
 *                    equation 1. x' is the next row in the order of the epoch
 *
 * All but mixup have a `probability` of being done to a row (1 where not said). shift,
 * crop and rotation have Keras' `fill_mode` for pixels from outside: "constant"
 * (`fill_value`, 0), "nearest", "reflect" (d c b a | a b c d | d c b a) or "wrap".
 */
#ifndef BACKPROP_AUGMENT_SPEC_H
#define BACKPROP_AUGMENT_SPEC_H

#include "base/violations.h"
#include "shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AUGMENT_MAX_STEPS 16

enum augment_type {
    AUGMENT_HORIZONTAL_FLIP,
    AUGMENT_VERTICAL_FLIP,
    AUGMENT_SHIFT, /* and crop, which is a shift by at most `padding` */
    AUGMENT_ROTATION,
    AUGMENT_CUTOUT
};

enum fill_mode { FILL_CONSTANT, FILL_NEAREST, FILL_REFLECT, FILL_WRAP };

struct augment_fill {
    enum fill_mode mode;
    float value; /* FILL_CONSTANT */
};

struct augment_step {
    enum augment_type type;
    double probability;
    struct augment_fill fill;
    double height_factor, width_factor; /* AUGMENT_SHIFT: of the image … */
    int64_t pixels;                     /* … or, unless negative, this many */
    double degrees;                     /* AUGMENT_ROTATION */
    bool bilinear;
    int64_t size; /* AUGMENT_CUTOUT */
};

struct augment_spec {
    int count;
    struct augment_step steps[AUGMENT_MAX_STEPS];
    double mixup_alpha; /* 0: rows are not mixed */
};

/* The target of a row that mixup made of two, where targets are classes: `share` of
 * `label`, the rest of `other`. */
struct mixed_label {
    int32_t label, other;
    float share;
};

/* True if training rows are not used as they are. */
bool augment_is_on(const struct augment_spec *augment);

/* A list of the objects above, or of names; null and [] (the default): none. Fills in
 * spec->augmentation, as the readers of run_spec.h do. */
struct job_spec;
int augment_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                 struct violations *violations);

/* Samples that are no images, or steps that reach beyond them, are violations. */
int augment_check(const struct augment_spec *augment, const struct shape *sample,
                  struct violations *violations);

#endif
