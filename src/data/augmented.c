/* See augmented.h. */
#include "augmented.h"

#include "augment.h"

/* The room: an image for augment_image(), the row after the last one of a range, and that
 * row's numbers to predict. */
static size_t image_numbers(const struct job_spec *spec)
{
    return (size_t)shape_elements(&spec->features.input_shape);
}

size_t augmented_room(const struct job_spec *spec)
{
    return 2 * image_numbers(spec) + (size_t)spec->features.target_width;
}

size_t augmented_target_bytes(const struct job_spec *spec)
{
    if (spec->features.target == TARGET_NUMBER)
        return (size_t)spec->features.target_width * sizeof(float);
    return spec->augmentation.mixup_alpha > 0 ? sizeof(struct mixed_label)
                                              : sizeof(int32_t);
}

static struct augment_draw draw_of(const struct augmented_rows *rows, size_t position)
{
    uint64_t row;
    pipeline_source_rows(rows->pipeline, IN_TRAIN, rows->order + position, 0, 1, &row);
    return (struct augment_draw){rows->spec->seed, rows->epoch, row};
}

static void augment_row(const struct augmented_rows *rows, size_t position, float *x)
{
    const struct shape *shape = &rows->spec->features.input_shape;
    struct image_size size = {(size_t)shape->dims[0], (size_t)shape->dims[1],
                              shape->rank == 3 ? (size_t)shape->dims[2] : 1};
    struct augment_draw draw = draw_of(rows, position);
    augment_image(&rows->spec->augmentation, &size, &draw, x, rows->room);
}

/* A row and its target before mixing. */
struct row {
    float *x;
    int32_t label;
    float *numbers; /* TARGET_NUMBER */
};

static void fill_row(const struct augmented_rows *rows, size_t position, struct row *row)
{
    bool is_number = rows->spec->features.target == TARGET_NUMBER;
    pipeline_fill(rows->pipeline, IN_TRAIN, rows->order + position, 0, 1, row->x,
                  is_number ? (void *)row->numbers : (void *)&row->label);
    augment_row(rows, position, row->x);
}

static void mix(float *x, const float *other, float share, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = share * x[i] + (1 - share) * other[i];
}

/* Each row is mixed when the next one has been filled, and before that one is mixed. */
static void fill_mixed(const struct augmented_rows *rows, size_t first, size_t count,
                       float *ret_x, void *ret_target)
{
    size_t width = image_numbers(rows->spec);
    size_t total = pipeline_rows(rows->pipeline, IN_TRAIN);
    size_t target_width = (size_t)rows->spec->features.target_width;
    bool is_number = rows->spec->features.target == TARGET_NUMBER;
    float *numbers = is_number ? ret_target : NULL;
    struct mixed_label *labels = ret_target;
    struct row row = {.x = ret_x, .numbers = numbers};
    fill_row(rows, first, &row);
    for (size_t i = 0; i < count; i++) {
        size_t position = first + i;
        struct row next = {.x = rows->room + width, .numbers = rows->room + 2 * width};
        if (i + 1 < count)
            next = (struct row){.x = row.x + width,
                                .numbers = numbers ? row.numbers + target_width : NULL};
        fill_row(rows, position + 1 < total ? position + 1 : 0, &next);
        struct augment_draw draw = draw_of(rows, position);
        float share =
            (float)augment_mixup_share(rows->spec->augmentation.mixup_alpha, &draw);
        mix(row.x, next.x, share, width);
        if (is_number)
            mix(row.numbers, next.numbers, share, target_width);
        else
            labels[i] = (struct mixed_label){row.label, next.label, share};
        row = next;
    }
}

void augmented_fill(const struct augmented_rows *rows, size_t first, size_t count,
                    float *ret_x, void *ret_target)
{
    if (count == 0)
        return;
    if (rows->spec->augmentation.mixup_alpha > 0) {
        fill_mixed(rows, first, count, ret_x, ret_target);
        return;
    }
    size_t width = image_numbers(rows->spec);
    pipeline_fill(rows->pipeline, IN_TRAIN, rows->order + first, 0, count, ret_x,
                  ret_target);
    for (size_t i = 0; i < count; i++)
        augment_row(rows, first + i, ret_x + i * width);
}
