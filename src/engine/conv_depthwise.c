/*
 * Depthwise convolutions: each channel has a filter of its own, so that all three
 * functions are sums of products of vectors over the channels,
 *
 *   out[c] = start[c] + sum over (y, x) of a_yx[c] b_yx[c]
 *
 * over the taps of an output position, the taps that see an input position, or the
 * positions that a tap sees.
 */
#include "conv_axis.h"
#include "conv_internal.h"
#include "kernels.h"

#include <string.h>

/* Vector (y, x) begins a_outer * y + a_inner * x behind a, b likewise. */
struct channel_sums {
    size_t outer, inner, channels;
    const real *a, *b;
    ptrdiff_t a_outer, a_inner, b_outer, b_inner;
    const real *start; /* NULL: 0; may be out */
    real *out;
};

MULTIVERSION static void sum_channels(const struct channel_sums *s)
{
    size_t c = 0;
    for (; c + LANES <= s->channels; c += LANES) {
        real_lanes sum = {0};
        if (s->start)
            sum = *(const real_lanes *)(s->start + c);
        for (size_t y = 0; y < s->outer; y++) {
            const real *a = s->a + (ptrdiff_t)y * s->a_outer + c;
            const real *b = s->b + (ptrdiff_t)y * s->b_outer + c;
            for (size_t x = 0; x < s->inner; x++, a += s->a_inner, b += s->b_inner)
                sum += *(const real_lanes *)a * *(const real_lanes *)b;
        }
        *(real_lanes *)(s->out + c) = sum;
    }
    for (; c < s->channels; c++) {
        real sum = s->start ? s->start[c] : 0;
        for (size_t y = 0; y < s->outer; y++) {
            const real *a = s->a + (ptrdiff_t)y * s->a_outer + c;
            const real *b = s->b + (ptrdiff_t)y * s->b_outer + c;
            for (size_t x = 0; x < s->inner; x++)
                sum += a[(ptrdiff_t)x * s->a_inner] * b[(ptrdiff_t)x * s->b_inner];
        }
        s->out[c] = sum;
    }
}

/* Row distances of an image of the input, of the output, and of the weight. */
struct strides {
    ptrdiff_t pixel, x_row, y_row, w_row;
};

static struct strides strides_of(const struct conv *conv)
{
    ptrdiff_t pixel = (ptrdiff_t)conv->channels;
    return (struct strides){pixel, (ptrdiff_t)conv->columns.in * pixel,
                            (ptrdiff_t)conv->columns.out * pixel,
                            (ptrdiff_t)conv->columns.size * pixel};
}

/* The input's position of tap k of output position p, which exists. */
static ptrdiff_t input_of(const struct window_axis *axis, size_t p, size_t k)
{
    return (ptrdiff_t)(p * axis->stride + k * axis->dilation) - (ptrdiff_t)axis->before;
}

/* Row `row` of the output of one image. */
static void forward_row(const struct conv *conv, const real *x, const real *w,
                        const real *bias, size_t row, real *y)
{
    struct strides strides = strides_of(conv);
    struct span ky = axis_taps(&conv->rows, row);
    struct channel_sums sums = {
        .outer = ky.count,
        .channels = conv->channels,
        .a_outer = (ptrdiff_t)conv->rows.dilation * strides.x_row,
        .a_inner = (ptrdiff_t)conv->columns.dilation * strides.pixel,
        .b_outer = strides.w_row,
        .b_inner = strides.pixel,
        .start = bias,
        .out = y,
    };
    for (size_t column = 0; column < conv->columns.out; column++) {
        struct span kx = axis_taps(&conv->columns, column);
        sums.inner = kx.count;
        sums.a = x;
        if (ky.count > 0 && kx.count > 0)
            sums.a = x + input_of(&conv->rows, row, ky.first) * strides.x_row +
                     input_of(&conv->columns, column, kx.first) * strides.pixel;
        sums.b =
            w + (ptrdiff_t)ky.first * strides.w_row + (ptrdiff_t)kx.first * strides.pixel;
        sum_channels(&sums);
        sums.out += conv->channels;
    }
}

void depthwise_forward(const struct conv *conv, size_t images, const real *x,
                       const real *w, const real *bias, real *y)
{
    for (size_t image = 0; image < images; image++) {
        for (size_t row = 0; row < conv->rows.out; row++)
            forward_row(conv, x, w, bias, row,
                        y + row * conv->columns.out * conv->channels);
        x += conv_input_size(conv);
        y += conv_output_size(conv);
    }
}

/* Row `row` of the gradient of one image. */
static void backward_row(const struct conv *conv, const real *dy, const real *w,
                         size_t row, bool add, real *dx)
{
    struct strides strides = strides_of(conv);
    const struct window_axis *rows = &conv->rows, *columns = &conv->columns;
    struct axis_phase py = axis_phase_of(rows, row % rows->stride);
    struct span iy = axis_phase_taps(rows, &py, row / rows->stride);
    struct channel_sums sums = {.outer = iy.count, .channels = conv->channels};
    sums.a_outer = (ptrdiff_t)py.gap * strides.y_row;
    sums.b_outer = -(ptrdiff_t)py.tap_step * strides.w_row;
    ptrdiff_t y = (ptrdiff_t)(row / rows->stride + iy.first * py.gap) + py.shift;
    ptrdiff_t ky = (ptrdiff_t)py.last_tap - (ptrdiff_t)(iy.first * py.tap_step);
    for (size_t phase = 0; phase < axis_phases(columns); phase++) {
        struct axis_phase px = axis_phase_of(columns, phase);
        sums.a_inner = (ptrdiff_t)px.gap * strides.pixel;
        sums.b_inner = -(ptrdiff_t)px.tap_step * strides.pixel;
        for (size_t q = 0; q < px.inputs; q++) {
            struct span ix = axis_phase_taps(columns, &px, q);
            ptrdiff_t x = (ptrdiff_t)(q + ix.first * px.gap) + px.shift;
            ptrdiff_t kx = (ptrdiff_t)px.last_tap - (ptrdiff_t)(ix.first * px.tap_step);
            bool any = iy.count > 0 && ix.count > 0;
            sums.inner = ix.count;
            sums.a = any ? dy + y * strides.y_row + x * strides.pixel : dy;
            sums.b = any ? w + ky * strides.w_row + kx * strides.pixel : w;
            sums.out = dx + (phase + q * columns->stride) * conv->channels;
            sums.start = add ? sums.out : NULL;
            sum_channels(&sums);
        }
    }
}

void depthwise_backward_data(const struct conv *conv, size_t images, const real *dy,
                             const real *w, bool add, real *dx)
{
    for (size_t image = 0; image < images; image++) {
        for (size_t row = 0; row < conv->rows.in; row++)
            backward_row(conv, dy, w, row, add,
                         dx + row * conv->columns.in * conv->channels);
        dy += conv_output_size(conv);
        dx += conv_input_size(conv);
    }
}

/* Adds the gradient of one tap in one image to dw. */
static void add_tap(const struct conv *conv, const real *x, const real *dy, size_t ky,
                    size_t kx, real *dw)
{
    struct strides strides = strides_of(conv);
    struct span rows = axis_outputs(&conv->rows, ky);
    struct span columns = axis_outputs(&conv->columns, kx);
    if (rows.count == 0 || columns.count == 0)
        return;
    sum_channels(&(struct channel_sums){
        .outer = rows.count,
        .inner = columns.count,
        .channels = conv->channels,
        .a = x + input_of(&conv->rows, rows.first, ky) * strides.x_row +
             input_of(&conv->columns, columns.first, kx) * strides.pixel,
        .a_outer = (ptrdiff_t)conv->rows.stride * strides.x_row,
        .a_inner = (ptrdiff_t)conv->columns.stride * strides.pixel,
        .b = dy + (ptrdiff_t)rows.first * strides.y_row +
             (ptrdiff_t)columns.first * strides.pixel,
        .b_outer = strides.y_row,
        .b_inner = strides.pixel,
        .start = dw,
        .out = dw,
    });
}

void depthwise_backward_weights(const struct conv *conv, size_t images, const real *x,
                                const real *dy, real *dw)
{
    size_t taps = conv->rows.size * conv->columns.size;
    memset(dw, 0, conv_weight_size(conv) * sizeof(real));
    for (size_t image = 0; image < images; image++) {
        for (size_t k = 0; k < taps; k++)
            add_tap(conv, x, dy, k / conv->columns.size, k % conv->columns.size,
                    dw + k * conv->channels);
        x += conv_input_size(conv);
        dy += conv_output_size(conv);
    }
}
