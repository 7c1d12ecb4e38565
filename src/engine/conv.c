/* See conv.h. */
#include "conv.h"
#include "conv_axis.h"
#include "conv_internal.h"
#include "conv_kernel.h"
#include "conv_winograd.h"

#include <string.h>

#define ALIGN 16 /* reals: panels and images in scratch begin at such places */

/* Rows of pixels, each of so many channels that lie together: an image of one group. */
struct plane {
    const real *at;
    size_t pixel, row; /* distances */
};

/* Scratch of a call, cut up. */
struct workspace {
    real *input, *output; /* padded images */
    real *weights;        /* in panels */
    real *line;           /* the bias, or zeros: a whole number of panels */
};

static size_t align(size_t count)
{
    return (count + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t depth(const struct conv *conv)
{
    return conv->channels / conv->groups;
}

static size_t wide(const struct conv *conv)
{
    return conv->filters / conv->groups;
}

/* A 1 x 1 convolution over all positions is one over a single row of them. */
static bool is_pointwise(const struct window *window)
{
    const struct window_axis *axes[] = {&window->rows, &window->columns};
    for (int i = 0; i < 2; i++) {
        if (axes[i]->size != 1 || axes[i]->stride != 1 || axes[i]->out != axes[i]->in)
            return false;
    }
    return true;
}

struct conv conv_make(const struct window *window, size_t filters, size_t groups)
{
    struct conv conv = {.rows = window->rows,
                        .columns = window->columns,
                        .channels = window->channels,
                        .filters = filters,
                        .groups = groups,
                        .isa = gemm_isa_best()};
    if (is_pointwise(window)) {
        conv.columns.in = conv.columns.out = window->rows.in * window->columns.in;
        conv.rows.in = conv.rows.out = 1;
    }
    return conv;
}

size_t conv_input_size(const struct conv *conv)
{
    return conv->rows.in * conv->columns.in * conv->channels;
}

size_t conv_output_size(const struct conv *conv)
{
    return conv->rows.out * conv->columns.out * conv->filters;
}

size_t conv_weight_size(const struct conv *conv)
{
    return conv->rows.size * conv->columns.size * depth(conv) * conv->filters;
}

/* Reals of each part of the scratch. */
struct parts {
    size_t input, output, weights, line;
};

static struct parts parts_of(const struct conv *conv)
{
    size_t before, after, taps = conv->rows.size * conv->columns.size;
    axis_overhang(&conv->columns, &before, &after);
    size_t forward = depth(conv) * align(wide(conv));
    size_t backward = wide(conv) * align(depth(conv));
    return (struct parts){
        .input = align(conv->rows.in * axis_padded(&conv->columns) * depth(conv)),
        .output = align(conv->rows.out * (before + conv->columns.out + after) *
                        align(wide(conv))),
        .weights = taps * (forward > backward ? forward : backward),
        .line = align(wide(conv) + depth(conv)),
    };
}

size_t conv_scratch(const struct conv *conv)
{
    if (conv_is_depthwise(conv))
        return 0;
    if (winograd_suits(conv))
        return winograd_scratch(conv);
    struct parts parts = parts_of(conv);
    return parts.input + parts.output + align(parts.weights) + parts.line;
}

static struct workspace cut(const struct conv *conv, real *scratch)
{
    struct parts parts = parts_of(conv);
    struct workspace space = {.input = scratch, .output = scratch + parts.input};
    space.weights = space.output + parts.output;
    space.line = space.weights + align(parts.weights);
    memset(space.line, 0, parts.line * sizeof(real));
    return space;
}

/* Copies pixels of `from`, which has so many in a row, to rows of `width` pixels of
 * `channels` that begin `before` pixels earlier; the rest is zero. */
static void pad_rows(const struct plane *from, size_t rows, size_t pixels, size_t before,
                     size_t width, size_t copied, size_t channels, real *to)
{
    size_t count = pixels < width - before ? pixels : width - before;
    size_t after = width - before - count;
    for (size_t y = 0; y < rows; y++) {
        const real *row = from->at + y * from->row;
        memset(to, 0, before * channels * sizeof(real));
        to += before * channels;
        if (from->pixel == channels && copied == channels) {
            memcpy(to, row, count * channels * sizeof(real));
            to += count * channels;
        } else {
            for (size_t x = 0; x < count; x++, to += channels) {
                memcpy(to, row + x * from->pixel, copied * sizeof(real));
                memset(to + copied, 0, (channels - copied) * sizeof(real));
            }
        }
        memset(to, 0, after * channels * sizeof(real));
        to += after * channels;
    }
}

/* The input of one image and group; its columns count from -before. */
static struct plane input_plane(const struct conv *conv, const real *x, size_t group,
                                real *padded)
{
    const struct window_axis *columns = &conv->columns;
    struct plane plane = {x + group * depth(conv), conv->channels,
                          columns->in * conv->channels};
    size_t width = axis_padded(columns);
    if (columns->before == 0 && width <= columns->in)
        return plane;
    pad_rows(&plane, conv->rows.in, columns->in, columns->before, width, depth(conv),
             depth(conv), padded);
    return (struct plane){padded, depth(conv), width * depth(conv)};
}

/* Taps along the columns that lie one behind the other are one segment. */
static bool is_one_segment(size_t taps, size_t gap, const struct plane *plane,
                           size_t channels)
{
    return taps == 1 || (gap == 1 && plane->pixel == channels);
}

/* ---- forward ---- */

/* The group's weights as panels of [taps, depth, panel]. */
static void pack_forward(const struct conv *conv, const real *w, size_t group,
                         real *packed)
{
    size_t length = conv->rows.size * conv->columns.size * depth(conv);
    for (size_t j = 0; j < wide(conv);) {
        size_t left = wide(conv) - j, panel = conv_kernel_panel(conv->isa, left);
        gemm_pack(w + group * wide(conv) + j, 1, conv->filters,
                  left < panel ? left : panel, length, panel, packed + j * length);
        j += panel;
    }
}

static void forward_image(const struct conv *conv, const struct plane *x,
                          const struct workspace *space, real *y)
{
    const struct window_axis *rows = &conv->rows, *columns = &conv->columns;
    size_t channels = depth(conv), taps = columns->size;
    bool joined = is_one_segment(taps, columns->dilation, x, channels);
    struct segments s = {
        .m = columns->out,
        .k = joined ? taps * channels : channels,
        .inner = joined ? 1 : taps,
        .a_row = columns->stride * x->pixel,
        .a_outer = rows->dilation * x->row,
        .a_inner = columns->dilation * x->pixel,
        .c_row = conv->filters,
    };
    for (size_t j = 0; j < wide(conv); j += s.b_row) {
        size_t left = wide(conv) - j;
        s.b_row = conv_kernel_panel(conv->isa, left);
        s.b_inner = channels * s.b_row;
        s.b_outer = taps * s.b_inner;
        s.start = space->line + j;
        for (size_t p = 0; p < rows->out; p++) {
            struct span ky = axis_taps(rows, p);
            s.outer = ky.count;
            s.a = x->at;
            if (ky.count > 0)
                s.a += (p * rows->stride + ky.first * rows->dilation - rows->before) *
                       x->row;
            s.b =
                space->weights + j * rows->size * taps * channels + ky.first * s.b_outer;
            s.c = y + p * columns->out * conv->filters + j;
            conv_kernel(conv->isa, &s, left);
        }
    }
}

void conv_forward(const struct conv *conv, size_t images, const real *x, const real *w,
                  const real *bias, real *y, real *scratch)
{
    if (conv_is_depthwise(conv)) {
        depthwise_forward(conv, images, x, w, bias, y);
        return;
    }
    if (winograd_suits(conv)) {
        winograd_forward(conv, images, x, w, bias, y, scratch);
        return;
    }
    struct workspace space = cut(conv, scratch);
    for (size_t group = 0; group < conv->groups; group++) {
        pack_forward(conv, w, group, space.weights);
        if (bias)
            memcpy(space.line, bias + group * wide(conv), wide(conv) * sizeof(real));
        for (size_t image = 0; image < images; image++) {
            struct plane plane =
                input_plane(conv, x + image * conv_input_size(conv), group, space.input);
            forward_image(conv, &plane, &space,
                          y + image * conv_output_size(conv) + group * wide(conv));
        }
    }
}

/* ---- backward, data ---- */

/* One phase of rows and one of columns (see conv_axis.h), and where its weights lie. */
struct phase {
    size_t row, column;
    struct axis_phase y, x;
    size_t taps;
    real *weights;
};

static struct phase phase_of(const struct conv *conv, size_t row, size_t column)
{
    struct phase phase = {row, column, axis_phase_of(&conv->rows, row),
                          axis_phase_of(&conv->columns, column), .taps = 0};
    phase.taps = phase.y.count * phase.x.count;
    return phase;
}

/* The weights of a phase as panels of [taps of y, taps of x, wide, panel]. */
static void pack_phase(const struct conv *conv, const real *w, size_t group,
                       const struct phase *phase)
{
    size_t channels = depth(conv), length = wide(conv);
    for (size_t j = 0; j < channels;) {
        size_t left = channels - j, panel = conv_kernel_panel(conv->isa, left);
        real *to = phase->weights + j * phase->taps * length;
        for (size_t i = 0; i < phase->taps; i++, to += length * panel) {
            size_t ky = phase->y.last_tap - i / phase->x.count * phase->y.tap_step;
            size_t kx = phase->x.last_tap - i % phase->x.count * phase->x.tap_step;
            size_t tap = ky * conv->columns.size + kx;
            gemm_pack(w + (tap * channels + j) * conv->filters + group * length,
                      conv->filters, 1, left < panel ? left : panel, length, panel, to);
        }
        j += panel;
    }
}

/* Writes (or adds to) the positions of one phase of dx. Columns of dy count from -before;
 * without `zeros` to start from, it adds. */
static void backward_phase(const struct conv *conv, const struct plane *dy, size_t before,
                           const struct phase *phase, const real *zeros, real *dx)
{
    const struct window_axis *rows = &conv->rows, *columns = &conv->columns;
    size_t channels = wide(conv), taps = phase->x.count;
    bool joined = is_one_segment(taps, phase->x.gap, dy, channels);
    struct segments s = {
        .m = phase->x.inputs,
        .k = joined ? taps * channels : channels,
        .inner = joined ? 1 : taps,
        .a_row = dy->pixel,
        .a_outer = phase->y.gap * dy->row,
        .a_inner = phase->x.gap * dy->pixel,
        .start = zeros,
        .start_row = zeros ? 0 : columns->stride * conv->channels,
        .c_row = columns->stride * conv->channels,
    };
    size_t column = taps > 0 ? (size_t)((ptrdiff_t)before + phase->x.shift) : 0;
    for (size_t j = 0; j < depth(conv); j += s.b_row) {
        size_t left = depth(conv) - j;
        s.b_row = conv_kernel_panel(conv->isa, left);
        s.b_inner = channels * s.b_row;
        s.b_outer = taps * s.b_inner;
        for (size_t q = 0; q < phase->y.inputs; q++) {
            struct span iy = axis_phase_taps(rows, &phase->y, q);
            s.outer = taps > 0 ? iy.count : 0;
            s.a = dy->at + column * dy->pixel;
            if (iy.count > 0)
                s.a += (ptrdiff_t)dy->row *
                       ((ptrdiff_t)(q + iy.first * phase->y.gap) + phase->y.shift);
            s.b = phase->weights + j * phase->taps * channels + iy.first * s.b_outer;
            s.c = dx + j +
                  ((phase->row + q * rows->stride) * columns->in + phase->column) *
                      conv->channels;
            if (!zeros)
                s.start = s.c;
            conv_kernel(conv->isa, &s, left);
        }
    }
}

/* dy of one image and group; its columns count from -before. */
static struct plane gradient_plane(const struct conv *conv, const real *dy, size_t group,
                                   size_t before, size_t after, real *padded)
{
    size_t out = conv->columns.out, width = before + out + after;
    struct plane plane = {dy + group * wide(conv), conv->filters, out * conv->filters};
    if (width == out)
        return plane;
    pad_rows(&plane, conv->rows.out, out, before, width, wide(conv), wide(conv), padded);
    return (struct plane){padded, wide(conv), width * wide(conv)};
}

typedef void phase_function(const struct conv *conv, const struct phase *phase,
                            void *context);

static void each_phase(const struct conv *conv, real *weights, phase_function *function,
                       void *context)
{
    for (size_t row = 0; row < axis_phases(&conv->rows); row++) {
        for (size_t column = 0; column < axis_phases(&conv->columns); column++) {
            struct phase phase = phase_of(conv, row, column);
            phase.weights = weights;
            function(conv, &phase, context);
            weights += phase.taps * wide(conv) * align(depth(conv));
        }
    }
}

struct backward {
    const real *w, *zeros;
    size_t group, before;
    struct plane dy;
    real *dx;
};

static void do_pack(const struct conv *conv, const struct phase *phase, void *context)
{
    const struct backward *backward = context;
    pack_phase(conv, backward->w, backward->group, phase);
}

static void do_backward(const struct conv *conv, const struct phase *phase, void *context)
{
    const struct backward *backward = context;
    backward_phase(conv, &backward->dy, backward->before, phase, backward->zeros,
                   backward->dx + backward->group * depth(conv));
}

void conv_backward_data(const struct conv *conv, size_t images, const real *dy,
                        const real *w, bool add, real *dx, real *scratch)
{
    if (conv_is_depthwise(conv)) {
        depthwise_backward_data(conv, images, dy, w, add, dx);
        return;
    }
    if (winograd_suits(conv)) {
        winograd_backward_data(conv, images, dy, w, add, dx, scratch);
        return;
    }
    struct workspace space = cut(conv, scratch);
    struct backward backward = {.w = w, .zeros = add ? NULL : space.line};
    size_t after;
    axis_overhang(&conv->columns, &backward.before, &after);
    for (size_t group = 0; group < conv->groups; group++) {
        backward.group = group;
        each_phase(conv, space.weights, do_pack, &backward);
        for (size_t image = 0; image < images; image++) {
            backward.dy = gradient_plane(conv, dy + image * conv_output_size(conv), group,
                                         backward.before, after, space.output);
            backward.dx = dx + image * conv_input_size(conv);
            each_phase(conv, space.weights, do_backward, &backward);
        }
    }
}

/* ---- backward, weights ---- */

/* Adds one image's gradient of row `ky` of the group's kernels to dw. */
static void add_kernel_row(const struct conv *conv, const struct plane *x,
                           const struct plane *dy, size_t ky, real *dw)
{
    const struct window_axis *rows = &conv->rows, *columns = &conv->columns;
    struct span seen = axis_outputs(rows, ky);
    if (seen.count == 0)
        return;
    size_t channels = depth(conv);
    bool joined = is_one_segment(columns->size, columns->dilation, x, channels);
    struct segments s = {
        .m = joined ? columns->size * channels : channels,
        .k = columns->out,
        .outer = seen.count,
        .inner = 1,
        .a_step = columns->stride * x->pixel,
        .a_outer = rows->stride * x->row,
        .turned = true,
        .b_row = dy->pixel,
        .b_outer = dy->row,
        .start_row = conv->filters,
        .c_row = conv->filters,
    };
    const real *from =
        x->at + (seen.first * rows->stride + ky * rows->dilation - rows->before) * x->row;
    for (size_t j = 0; j < wide(conv);
         j += conv_kernel_panel(conv->isa, wide(conv) - j)) {
        s.b = dy->at + seen.first * dy->row + j;
        for (size_t kx = 0; kx < (joined ? 1 : columns->size); kx++) {
            s.a = from + kx * columns->dilation * x->pixel;
            s.c = dw + kx * channels * conv->filters + j;
            s.start = s.c;
            conv_kernel(conv->isa, &s, wide(conv) - j);
        }
    }
}

/* dy of one image and group, its pixels a whole number of vectors. */
static struct plane whole_panels(const struct conv *conv, const real *dy, size_t group,
                                 real *padded)
{
    size_t out = conv->columns.out, width = conv_kernel_width(conv->isa);
    struct plane plane = {dy + group * wide(conv), conv->filters, out * conv->filters};
    if (wide(conv) % width == 0)
        return plane;
    size_t pixel = align(wide(conv));
    pad_rows(&plane, conv->rows.out, out, 0, out, wide(conv), pixel, padded);
    return (struct plane){padded, pixel, out * pixel};
}

void conv_backward_weights(const struct conv *conv, size_t images, const real *x,
                           const real *dy, real *dw, real *scratch)
{
    if (conv_is_depthwise(conv)) {
        depthwise_backward_weights(conv, images, x, dy, dw);
        return;
    }
    if (winograd_suits(conv)) {
        winograd_backward_weights(conv, images, x, dy, dw, scratch);
        return;
    }
    struct workspace space = cut(conv, scratch);
    memset(dw, 0, conv_weight_size(conv) * sizeof(real));
    size_t row = conv->columns.size * depth(conv) * conv->filters;
    for (size_t group = 0; group < conv->groups; group++) {
        for (size_t image = 0; image < images; image++) {
            struct plane from =
                input_plane(conv, x + image * conv_input_size(conv), group, space.input);
            struct plane gradient = whole_panels(
                conv, dy + image * conv_output_size(conv), group, space.output);
            for (size_t ky = 0; ky < conv->rows.size; ky++)
                add_kernel_row(conv, &from, &gradient, ky,
                               dw + ky * row + group * wide(conv));
        }
    }
}
