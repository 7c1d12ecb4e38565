/* See shape.h. */
#include "shape.h"

#include <stdio.h>

int64_t shape_elements(const struct shape *shape)
{
    int64_t elements = 1;
    for (int i = 0; i < shape->rank; i++)
        elements *= shape->dims[i];
    return elements;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i])
            return false;
    }
    return true;
}

bool shape_fits(const struct shape *shape)
{
    if (shape->rank < 1 || shape->rank > SHAPE_MAX_RANK)
        return false;
    int64_t elements = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 1 || shape->dims[i] > SHAPE_MAX_ELEMENTS / elements)
            return false;
        elements *= shape->dims[i];
    }
    return true;
}

const char *shape_format(const struct shape *shape, char text[SHAPE_TEXT_SIZE])
{
    int used = snprintf(text, SHAPE_TEXT_SIZE, "[");
    for (int i = 0; i < shape->rank; i++)
        used += snprintf(text + used, SHAPE_TEXT_SIZE - (size_t)used, "%s%lld",
                         i > 0 ? ", " : "", (long long)shape->dims[i]);
    snprintf(text + used, SHAPE_TEXT_SIZE - (size_t)used, "]");
    return text;
}
