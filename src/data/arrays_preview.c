/* See arrays_preview.h. */
#include "arrays_preview.h"

#include "elements.h"
#include "ingest.h"

#include <math.h>

#define SHOWN_ELEMENTS 20480 /* of all samples together */
#define CUT_ELEMENTS 64      /* of a sample that is larger than that */
#define SHOWN_LABELS 64
#define EXACT_INTEGER 1e15

size_t arrays_preview_rows(const struct shape *sample)
{
    int64_t rows = SHOWN_ELEMENTS / shape_elements(sample);
    if (rows < 1)
        return 1;
    return rows < INGEST_PREVIEW_ROWS ? (size_t)rows : INGEST_PREVIEW_ROWS;
}

static json_t *show_number(double number)
{
    if (fabs(number) < EXACT_INTEGER && fabs(number - nearbyint(number)) <= 0)
        return json_integer((json_int_t)number);
    return json_real(number);
}

static json_t *show_element(enum element_type element, const char *elements, size_t index)
{
    double number;
    elements_to_double(element, elements + index * element_type_bytes(element), 1,
                       &number);
    return show_number(number);
}

/* The elements from *index on as nested lists of dims[0 … rank). */
static json_t *show_nested(const int64_t *dims, int rank, enum element_type element,
                           const char *elements, size_t *index)
{
    if (rank == 0)
        return show_element(element, elements, (*index)++);
    json_t *items = json_array();
    for (int64_t i = 0; i < dims[0]; i++) {
        json_t *item = show_nested(dims + 1, rank - 1, element, elements, index);
        if (json_array_append_new(items, item) != 0) {
            json_decref(items);
            return NULL;
        }
    }
    return items;
}

static json_t *show_sample(const struct shape *sample, enum element_type element,
                           const char *elements)
{
    size_t index = 0;
    if (shape_elements(sample) <= SHOWN_ELEMENTS)
        return show_nested(sample->dims, sample->rank, element, elements, &index);
    const int64_t cut = CUT_ELEMENTS;
    return show_nested(&cut, 1, element, elements, &index);
}

static json_t *show_label(const double *labels, size_t width)
{
    if (width == 1)
        return show_number(labels[0]);
    json_t *items = json_array();
    for (size_t i = 0; i < width && i < SHOWN_LABELS; i++) {
        if (json_array_append_new(items, show_number(labels[i])) != 0) {
            json_decref(items);
            return NULL;
        }
    }
    return items;
}

json_t *arrays_preview(const struct shape *sample, enum element_type element,
                       const void *samples, const double *labels, size_t width,
                       size_t rows)
{
    const size_t sample_bytes =
        (size_t)shape_elements(sample) * element_type_bytes(element);
    json_t *preview = json_array();
    for (size_t i = 0; i < rows; i++) {
        json_t *row = json_object();
        int failed = 0;
        if (labels)
            failed =
                json_object_set_new(row, "label", show_label(labels + i * width, width));
        json_t *input =
            show_sample(sample, element, (const char *)samples + i * sample_bytes);
        failed |= json_object_set_new(row, "input", input);
        failed |= json_array_append_new(preview, row);
        if (failed) {
            json_decref(preview);
            return NULL;
        }
    }
    return preview;
}
