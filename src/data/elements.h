/*
 * Array elements to numbers: the one rule by which a stored element, of whatever type,
 * becomes a feature. Training and predicting share it, so that they agree to the bit.
 *
 * The rule: a feature is the float32 nearest to (x - shift) / scale worked out in double.
 * For bytes with shift 0 and scale 255 this is just the float32 division x / 255.0f: a
 * double holds more than twice a float's bits, so rounding twice does no harm (Figueroa,
 * "When is double rounding innocuous?", SIGNUM 1995).
 */
#ifndef BACKPROP_ELEMENTS_H
#define BACKPROP_ELEMENTS_H

#include "preprocess.h"
#include "spec/facts.h"

#include <stddef.h>

static inline float elements_feature(const struct number_transform *transform, double x)
{
    return (float)((x - transform->shift) / transform->scale);
}

/* The rule prepared for one type of element and one transform. */
struct elements_reader {
    enum element_type element;
    struct number_transform transform;
    bool copies;      /* float32 as it is: nothing to work out */
    float table[256]; /* for elements of one byte, by their bit pattern */
};

void elements_reader_init(struct elements_reader *reader, enum element_type element,
                          const struct number_transform *transform);

/* `count` elements as features. Elements lie on a boundary of their size. */
void elements_read(const struct elements_reader *reader, const void *elements,
                   size_t count, float *ret_features);

/* `count` elements as they are, in double. */
void elements_to_double(enum element_type element, const void *elements, size_t count,
                        double *ret_numbers);

#endif
