/* See conv_axis.h. */
#include "conv_axis.h"

/* Numbers i from 0 to below `count` with low <= at + i * step < high. */
static struct span between(ptrdiff_t at, size_t step, size_t count, ptrdiff_t low,
                           ptrdiff_t high)
{
    ptrdiff_t gap = (ptrdiff_t)step;
    ptrdiff_t first = at < low ? (low - at + gap - 1) / gap : 0;
    ptrdiff_t end = at < high ? (high - at + gap - 1) / gap : 0;
    if (end > (ptrdiff_t)count)
        end = (ptrdiff_t)count;
    return (struct span){(size_t)first, end > first ? (size_t)(end - first) : 0};
}

struct span axis_taps(const struct window_axis *axis, size_t p)
{
    ptrdiff_t at = (ptrdiff_t)(p * axis->stride) - (ptrdiff_t)axis->before;
    return between(at, axis->dilation, axis->size, 0, (ptrdiff_t)axis->in);
}

struct span axis_outputs(const struct window_axis *axis, size_t k)
{
    ptrdiff_t at = (ptrdiff_t)(k * axis->dilation) - (ptrdiff_t)axis->before;
    return between(at, axis->stride, axis->out, 0, (ptrdiff_t)axis->in);
}

size_t axis_padded(const struct window_axis *axis)
{
    return (axis->out - 1) * axis->stride + (axis->size - 1) * axis->dilation + 1;
}

static size_t greatest_common_divisor(size_t a, size_t b)
{
    while (b > 0) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

size_t axis_phases(const struct window_axis *axis)
{
    return axis->stride < axis->in ? axis->stride : axis->in;
}

struct axis_phase axis_phase_of(const struct window_axis *axis, size_t phase)
{
    size_t stride = axis->stride, dilation = axis->dilation;
    size_t common = greatest_common_divisor(stride, dilation);
    struct axis_phase found = {.tap_step = stride / common,
                               .gap = dilation / common,
                               .inputs = (axis->in - phase + stride - 1) / stride};
    size_t at = phase + axis->before;
    /* Taps that fit repeat after tap_step, so one of the last so many does, or none. */
    for (size_t back = 1; back <= axis->size && back <= found.tap_step; back++) {
        size_t tap = axis->size - back;
        ptrdiff_t distance = (ptrdiff_t)at - (ptrdiff_t)(tap * dilation);
        if (distance % (ptrdiff_t)stride != 0)
            continue;
        found.last_tap = tap;
        found.count = tap / found.tap_step + 1;
        found.shift = distance / (ptrdiff_t)stride;
        break;
    }
    return found;
}

struct span axis_phase_taps(const struct window_axis *axis,
                            const struct axis_phase *phase, size_t q)
{
    return between((ptrdiff_t)q + phase->shift, phase->gap, phase->count, 0,
                   (ptrdiff_t)axis->out);
}

void axis_overhang(const struct window_axis *axis, size_t *ret_before, size_t *ret_after)
{
    ptrdiff_t before = 0, after = 0;
    for (size_t p = 0; p < axis_phases(axis); p++) {
        struct axis_phase phase = axis_phase_of(axis, p);
        if (phase.count == 0)
            continue;
        ptrdiff_t last = (ptrdiff_t)(phase.inputs - 1) + phase.shift +
                         (ptrdiff_t)((phase.count - 1) * phase.gap);
        ptrdiff_t behind = last - (ptrdiff_t)(axis->out - 1);
        before = -phase.shift > before ? -phase.shift : before;
        after = behind > after ? behind : after;
    }
    *ret_before = (size_t)before;
    *ret_after = (size_t)after;
}
