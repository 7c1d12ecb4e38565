/* See winograd_points.h. Loops run over LANES channels at a time, then over the channels
 * that are left, by the same text. */
#include "winograd_points.h"
#include "kernels.h"

#define MAX_OUTPUTS (WINOGRAD_POINTS + 1 - WINOGRAD_MIN_TAPS)

#define AT(type, x) (*(const type *)(x))
#define PUT(type, x, value) (*(type *)(x) = (value))

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Row p of G: 1, p, p², …, divided by the product of p's distances to the other points.
 * That of infinity is the last tap alone, see winograd_factor(). */
#define KERNEL_POINT(p, distances)                                                       \
    {                                                                                    \
        (real)(1 / (distances)), (real)((p) / (distances)),                              \
            (real)((p) * (p) / (distances)), (real)((p) * (p) * (p) / (distances)),      \
            (real)((p) * (p) * (p) * (p) / (distances))                                  \
    }
static const real kernel_points[WINOGRAD_POINTS - 1][WINOGRAD_MAX_TAPS] = {
    KERNEL_POINT(0.0, 1.0),     KERNEL_POINT(1.0, 3.0),   KERNEL_POINT(-1.0, -3.0),
    KERNEL_POINT(0.5, -0.9375), KERNEL_POINT(-2.0, 15.0),
};

real winograd_factor(size_t point, size_t tap, size_t taps)
{
    return point == WINOGRAD_POINTS - 1 ? (real)(tap == taps - 1)
                                        : kernel_points[point][tap];
}

/* B' x */
#define INPUT_POINTS(type, c)                                                            \
    do {                                                                                 \
        type x0 = AT(type, x[0] + (c)), x1 = AT(type, x[1] + (c));                       \
        type x2 = AT(type, x[2] + (c)), x3 = AT(type, x[3] + (c));                       \
        type x4 = AT(type, x[4] + (c)), x5 = AT(type, x[5] + (c));                       \
        type even = x4 - x2, odd = x3 - x1;                                              \
        PUT(type, v + (c), x0 + (real)1.5 * odd - 2 * x2 + x4);                          \
        PUT(type, v + point + (c), even + (real)2.5 * x3 + (real)1.5 * x2 - x1);         \
        PUT(type, v + 2 * point + (c), even + (real)0.5 * x3 - (real)1.5 * x2 + x1);     \
        PUT(type, v + 3 * point + (c), even + 2 * odd);                                  \
        PUT(type, v + 4 * point + (c), even - (real)0.5 * odd);                          \
        PUT(type, v + 5 * point + (c), x1 + (real)1.5 * even - 2 * x3 + x5);             \
    } while (0)

MULTIVERSION void winograd_input_row(const struct tile_row *row, const real *pixels,
                                     real *v)
{
    size_t channels = row->channels, point = row->point;
    for (size_t tile = 0; tile < row->tiles; tile++, v += row->tile) {
        const real *x[WINOGRAD_POINTS];
        for (size_t i = 0; i < WINOGRAD_POINTS; i++) {
            size_t at = tile * row->step + i - row->before; /* wraps below 0 */
            x[i] = at < row->pixels ? pixels + at * channels : row->zeros;
        }
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES)
            INPUT_POINTS(real_lanes, c);
        for (; c < channels; c++)
            INPUT_POINTS(real, c);
    }
}

/* A' m, added to `start`; `step` is a constant where it is inlined. */
#define OUTPUTS(type, c)                                                                 \
    do {                                                                                 \
        type m1 = AT(type, m + point + (c)), m2 = AT(type, m + 2 * point + (c));         \
        type m3 = AT(type, m + 3 * point + (c)), m4 = AT(type, m + 4 * point + (c));     \
        type sum = m1 + m2, gap = m1 - m2;                                               \
        type y[MAX_OUTPUTS] = {                                                          \
            AT(type, m + (c)) + sum + m3 + m4, gap + (real)0.5 * m3 - 2 * m4,            \
            sum + (real)0.25 * m3 + 4 * m4, gap + (real)0.125 * m3 - 8 * m4,             \
            sum + (real)0.0625 * m3 + 16 * m4};                                          \
        y[step - 1] += AT(type, m + 5 * point + (c));                                    \
        _Pragma("GCC unroll 5") for (size_t i = 0; i < step; i++) if (i < count)         \
            PUT(type, to + i * channels + (c),                                           \
                y[i] + AT(type, start + i * start_pixel + (c)));                         \
    } while (0)

static inline __attribute__((always_inline)) void
output_tiles(const struct tile_row *row, size_t step, const real *m, const real *start,
             size_t start_pixel, real *to)
{
    size_t channels = row->channels, point = row->point;
    for (size_t tile = 0; tile < row->tiles; tile++) {
        size_t count = least(step, row->pixels - tile * step), c = 0;
        for (; c + LANES <= channels; c += LANES)
            OUTPUTS(real_lanes, c);
        for (; c < channels; c++)
            OUTPUTS(real, c);
        m += row->tile;
        start += step * start_pixel;
        to += step * channels;
    }
}

MULTIVERSION void winograd_output_row(const struct tile_row *row, const real *m,
                                      const real *start, size_t start_pixel, real *to)
{
    switch (row->step) {
    case 2:
        output_tiles(row, 2, m, start, start_pixel, to);
        break;
    case 3:
        output_tiles(row, 3, m, start, start_pixel, to);
        break;
    case 4:
        output_tiles(row, 4, m, start, start_pixel, to);
        break;
    default:
        output_tiles(row, MAX_OUTPUTS, m, start, start_pixel, to);
    }
}

/* A dy */
#define GRADIENT_POINTS(type, c)                                                         \
    do {                                                                                 \
        type y[MAX_OUTPUTS] = {0};                                                       \
        _Pragma("GCC unroll 5") for (size_t i = 0; i < step; i++) y[i] =                 \
            AT(type, dy[i] + (c));                                                       \
        type even = y[0] + y[2] + y[4], odd = y[1] + y[3];                               \
        PUT(type, m + (c), y[0]);                                                        \
        PUT(type, m + point + (c), even + odd);                                          \
        PUT(type, m + 2 * point + (c), even - odd);                                      \
        PUT(type, m + 3 * point + (c),                                                   \
            y[0] + (real)0.5 * y[1] + (real)0.25 * y[2] + (real)0.125 * y[3] +           \
                (real)0.0625 * y[4]);                                                    \
        PUT(type, m + 4 * point + (c),                                                   \
            y[0] - 2 * y[1] + 4 * y[2] - 8 * y[3] + 16 * y[4]);                          \
        PUT(type, m + 5 * point + (c), y[step - 1]);                                     \
    } while (0)

static inline __attribute__((always_inline)) void
gradient_tiles(const struct tile_row *row, size_t step, const real *pixels, real *m)
{
    size_t channels = row->channels, point = row->point;
    for (size_t tile = 0; tile < row->tiles; tile++, m += row->tile) {
        const real *dy[MAX_OUTPUTS];
        for (size_t i = 0; i < step; i++) {
            size_t at = tile * step + i;
            dy[i] = at < row->pixels ? pixels + at * channels : row->zeros;
        }
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES)
            GRADIENT_POINTS(real_lanes, c);
        for (; c < channels; c++)
            GRADIENT_POINTS(real, c);
    }
}

MULTIVERSION void winograd_gradient_row(const struct tile_row *row, const real *pixels,
                                        real *m)
{
    switch (row->step) {
    case 2:
        gradient_tiles(row, 2, pixels, m);
        break;
    case 3:
        gradient_tiles(row, 3, pixels, m);
        break;
    case 4:
        gradient_tiles(row, 4, pixels, m);
        break;
    default:
        gradient_tiles(row, MAX_OUTPUTS, pixels, m);
    }
}

MULTIVERSION void winograd_kernel(const real *w, size_t count, size_t taps,
                                  const real *factors, real *raw)
{
    for (size_t i = 0; i < count; i++)
        raw[i] = factors[0] * w[i];
    for (size_t k = 1; k < taps; k++) {
        for (size_t i = 0; i < count; i++)
            raw[i] += factors[k] * w[k * count + i];
    }
}

MULTIVERSION void winograd_kernel_gradient(const real *du, size_t point, size_t count,
                                           const real *factors, real *dw)
{
    for (size_t i = 0; i < count; i++)
        dw[i] = factors[0] * du[i] + factors[1] * du[point + i] +
                factors[2] * du[2 * point + i] + factors[3] * du[3 * point + i] +
                factors[4] * du[4 * point + i] + factors[5] * du[5 * point + i];
}
