/*
 * See elements.h.
 *
 * Bytes go through a table of 256 floats: one load for each, exact for every transform,
 * and over shuffled rows no slower than a vectorised division, because both wait for
 * memory. The wider types divide in double; a multiply-add by a reciprocal would give
 * other bits with and without FMA.
 */
#include "elements.h"

#include "base/multiversion.h"

#include <string.h>

void elements_reader_init(struct elements_reader *reader, enum element_type element,
                          const struct number_transform *transform)
{
    *reader = (struct elements_reader){.element = element, .transform = *transform};
    reader->copies =
        element == ELEMENT_FLOAT32 && transform->shift == 0.0 && transform->scale == 1.0;
    for (int bits = 0; bits < 256; bits++) {
        int x = element == ELEMENT_INT8 && bits > 127 ? bits - 256 : bits;
        reader->table[bits] = elements_feature(transform, x);
    }
}

static void read_bytes(const float table[256], const uint8_t *restrict bytes,
                       size_t count, float *restrict ret_features)
{
    for (size_t i = 0; i < count; i++)
        ret_features[i] = table[bytes[i]];
}

/* One loop for each wider type; `restrict` lets the compiler vectorise it. */
#define DEFINE_READ(name, type)                                                          \
    MULTIVERSION static void name(const struct number_transform *transform,              \
                                  const type *restrict elements, size_t count,           \
                                  float *restrict ret_features)                          \
    {                                                                                    \
        const struct number_transform rule = *transform;                                 \
        for (size_t i = 0; i < count; i++)                                               \
            ret_features[i] = elements_feature(&rule, (double)elements[i]);              \
    }

DEFINE_READ(read_int16, int16_t)
DEFINE_READ(read_int32, int32_t)
DEFINE_READ(read_float32, float)
DEFINE_READ(read_float64, double)

void elements_read(const struct elements_reader *reader, const void *elements,
                   size_t count, float *ret_features)
{
    if (reader->copies) {
        memcpy(ret_features, elements, count * sizeof(float));
        return;
    }
    switch (reader->element) {
    case ELEMENT_UINT8:
    case ELEMENT_INT8:
        read_bytes(reader->table, elements, count, ret_features);
        break;
    case ELEMENT_INT16:
        read_int16(&reader->transform, elements, count, ret_features);
        break;
    case ELEMENT_INT32:
        read_int32(&reader->transform, elements, count, ret_features);
        break;
    case ELEMENT_FLOAT32:
        read_float32(&reader->transform, elements, count, ret_features);
        break;
    case ELEMENT_FLOAT64:
        read_float64(&reader->transform, elements, count, ret_features);
        break;
    }
}

#define DEFINE_WIDEN(name, type)                                                         \
    static void name(const type *restrict elements, size_t count,                        \
                     double *restrict ret_numbers)                                       \
    {                                                                                    \
        for (size_t i = 0; i < count; i++)                                               \
            ret_numbers[i] = (double)elements[i];                                        \
    }

DEFINE_WIDEN(widen_uint8, uint8_t)
DEFINE_WIDEN(widen_int8, int8_t)
DEFINE_WIDEN(widen_int16, int16_t)
DEFINE_WIDEN(widen_int32, int32_t)
DEFINE_WIDEN(widen_float32, float)

void elements_to_double(enum element_type element, const void *elements, size_t count,
                        double *ret_numbers)
{
    switch (element) {
    case ELEMENT_UINT8:
        widen_uint8(elements, count, ret_numbers);
        break;
    case ELEMENT_INT8:
        widen_int8(elements, count, ret_numbers);
        break;
    case ELEMENT_INT16:
        widen_int16(elements, count, ret_numbers);
        break;
    case ELEMENT_INT32:
        widen_int32(elements, count, ret_numbers);
        break;
    case ELEMENT_FLOAT32:
        widen_float32(elements, count, ret_numbers);
        break;
    case ELEMENT_FLOAT64:
        memcpy(ret_numbers, elements, count * sizeof(double));
        break;
    }
}
