/* See window.h. */
#include "window.h"

#include "base/error.h"
#include "report.h"

#include <assert.h>
#include <string.h>

const char *const window_paddings[] = {"valid", "same", NULL};

/* What the attributes say along one axis; `which` counts the axes of the layer. */
static size_t axis_value(const struct layer *layer, const char *key, int which,
                         size_t otherwise)
{
    const struct attr *attr = key ? attrs_find(&layer->attrs, key) : NULL;
    return attr && !attr->is_null ? (size_t)attr->list[which] : otherwise;
}

/* Padding of `total` in all, the odd one after. */
static void pad(struct window_axis *axis, size_t total)
{
    axis->before = total / 2;
    axis->after = total - total / 2;
}

/* The window's reach, the first to the last position that it sees. */
static size_t reach(const struct window_axis *axis)
{
    return (axis->size - 1) * axis->dilation + 1;
}

static struct window_axis read_axis(const struct window_keys *keys,
                                    const struct layer *layer, int which, size_t in)
{
    struct window_axis axis = {
        .in = in,
        .size = axis_value(layer, keys->size, which, 1),
        .dilation = axis_value(layer, keys->dilation, which, 1),
    };
    axis.stride = axis_value(layer, "strides", which, axis.size);
    const struct attr *padding = attrs_find(&layer->attrs, "padding");
    assert(padding);
    if (!padding->is_word) {
        axis.before = axis.after = (size_t)padding->list[which];
    } else if (strcmp(padding->string, "same") == 0) {
        size_t out = (in + axis.stride - 1) / axis.stride;
        size_t seen = (out - 1) * axis.stride + reach(&axis);
        pad(&axis, seen > in ? seen - in : 0);
    }
    size_t padded = in + axis.before + axis.after;
    if (padded >= reach(&axis))
        axis.out = (padded - reach(&axis)) / axis.stride + 1;
    return axis;
}

/* An axis that a window of one position leaves as it is. */
static const struct window_axis no_axis = {
    .in = 1, .out = 1, .size = 1, .stride = 1, .dilation = 1};

struct window window_of(const struct window_keys *keys, const struct shape *input,
                        const struct layer *layer)
{
    struct window window = {.dimensions = keys->dimensions, .rows = no_axis};
    int axes = keys->dimensions;
    window.channels = input->rank > axes ? (size_t)input->dims[axes] : 1;
    if (axes > 1)
        window.rows = read_axis(keys, layer, 0, (size_t)input->dims[0]);
    window.columns = read_axis(keys, layer, axes - 1, (size_t)input->dims[axes - 1]);
    return window;
}

static int check_axis(const struct window_keys *keys, const struct layer *layer,
                      const struct window_axis *axis, const char *what,
                      struct violations *violations)
{
    char at[POINTER_SIZE];
    const struct attr *padding = attrs_find(&layer->attrs, "padding");
    size_t most = (reach(axis) - 1 + (keys->padding_share - 1)) / keys->padding_share;
    if (padding && !padding->is_word && axis->before > most)
        return violations_add(violations, pointer_key(at, layer->pointer, "padding"),
                              "expected a padding of at most %zu, because the window "
                              "reaches over %zu positions of the %s, found %zu",
                              most, reach(axis), what, axis->before);
    if (axis->out == 0)
        return violations_add(violations, layer->pointer,
                              "expected an input whose %s is at least %zu, what the "
                              "window reaches over less its padding of %zu, found %zu",
                              what, reach(axis) - axis->before - axis->after,
                              axis->before + axis->after, axis->in);
    return 0;
}

const char *window_shapes(int dimensions)
{
    return dimensions == 2 ? "[height, width, channels] or [height, width]"
                           : "[length, channels] or [length]";
}

int window_infer(const struct window_keys *keys, const struct shape *input,
                 const struct layer *layer, struct window *ret_window,
                 struct violations *violations)
{
    int axes = keys->dimensions;
    if (input->rank != axes && input->rank != axes + 1) {
        char text[SHAPE_TEXT_SIZE];
        return violations_add(violations, layer->pointer,
                              "expected an input of the shape %s, found %s",
                              window_shapes(axes), shape_format(input, text));
    }
    struct window window = window_of(keys, input, layer);
    int rc = 0;
    if (axes > 1)
        rc = check_axis(keys, layer, &window.rows, "height", violations);
    if (check_axis(keys, layer, &window.columns, axes > 1 ? "width" : "length",
                   violations) != 0)
        rc = ERR_INVALID;
    if (rc == 0)
        *ret_window = window;
    return rc;
}

struct shape window_output(const struct window *window, int64_t channels)
{
    if (window->dimensions == 1)
        return (struct shape){.rank = 2,
                              .dims = {(int64_t)window->columns.out, channels}};
    return (struct shape){
        .rank = 3,
        .dims = {(int64_t)window->rows.out, (int64_t)window->columns.out, channels}};
}
