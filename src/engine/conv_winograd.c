/*
 * See conv_winograd.h. Images are done in blocks of some images, or of some rows of one,
 * whose numbers at the six points stay in the second-level cache:
 *
 *   v[point, image, row, tile, channel]     B' x, of input rows
 *   m[point, image, row, tile, filter]      the products, or A dy, of output rows
 *   u[point, kernel row, channel, filter]   G w in panels, or its gradient
 *
 * where a tile is what 7 - r neighbouring outputs of a row need.
 */
#include "conv_winograd.h"
#include "conv_axis.h"
#include "conv_kernel.h"
#include "winograd_points.h"

#include <string.h>

#define MIN_CHANNELS 16 /* below, the transforms take what the products save */
#define ALIGN 16        /* reals */
#define BLOCK_REALS (64 << 10)
#define MAX_IMAGES 16 /* of a block */

static size_t align(size_t count)
{
    return (count + ALIGN - 1) / ALIGN * ALIGN;
}

/* Outputs of a tile. */
static size_t step_of(const struct conv *conv)
{
    return WINOGRAD_POINTS + 1 - conv->columns.size;
}

static size_t tiles_of(const struct conv *conv)
{
    return (conv->columns.out + step_of(conv) - 1) / step_of(conv);
}

/* The convolution of dy that gives dx, but for the weight, which is to be turned. */
static struct window_axis turned_axis(const struct window_axis *axis)
{
    return (struct window_axis){.in = axis->out,
                                .out = axis->in,
                                .size = axis->size,
                                .stride = 1,
                                .dilation = 1,
                                .before = axis->size - 1 - axis->before};
}

static struct conv turned(const struct conv *conv)
{
    return (struct conv){.rows = turned_axis(&conv->rows),
                         .columns = turned_axis(&conv->columns),
                         .channels = conv->filters,
                         .filters = conv->channels,
                         .groups = 1,
                         .isa = conv->isa};
}

static bool is_plain(const struct window_axis *axis)
{
    return axis->stride == 1 && axis->dilation == 1 && axis->before < axis->size;
}

/* Whether the products that are saved outweigh the transforms. */
static bool pays(const struct window_axis *columns, size_t out)
{
    size_t step = WINOGRAD_POINTS + 1 - columns->size;
    return (out + step - 1) / step * WINOGRAD_POINTS * 5 <= out * columns->size * 4;
}

bool winograd_suits(const struct conv *conv)
{
    const struct window_axis *columns = &conv->columns;
    return conv->groups == 1 && is_plain(&conv->rows) && is_plain(columns) &&
           columns->size >= WINOGRAD_MIN_TAPS && columns->size <= WINOGRAD_MAX_TAPS &&
           conv->channels >= MIN_CHANNELS && conv->filters >= MIN_CHANNELS &&
           pays(columns, columns->out) && pays(columns, columns->in);
}

/* ---- blocks ---- */

struct block_size {
    size_t images, rows; /* rows of the output; all of them where images > 1 */
    size_t seen;         /* rows of the input that so many see at most */
    size_t v_row, m_row; /* reals of a row at one point */
    size_t v_image, m_image, v_point, m_point;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct block_size block_size_of(const struct conv *conv)
{
    const struct window_axis *rows = &conv->rows;
    struct block_size size = {.images = 1, .rows = rows->out};
    size.v_row = tiles_of(conv) * conv->channels;
    size.m_row = tiles_of(conv) * align(conv->filters);
    size_t most = BLOCK_REALS / WINOGRAD_POINTS, row = size.v_row + size.m_row;
    size_t image =
        least(rows->in, rows->out + rows->size - 1) * size.v_row + rows->out * size.m_row;
    if (image <= most)
        size.images = least(most / image, MAX_IMAGES);
    else if (most / row > 4 * rows->size)
        size.rows = least(rows->out, most / row - rows->size);
    else
        size.rows = least(rows->out, 3 * rows->size);
    size.seen = least(rows->in, size.rows + rows->size - 1);
    size.v_image = size.seen * size.v_row;
    size.m_image = size.rows * size.m_row;
    size.v_point = size.images * size.v_image;
    size.m_point = size.images * size.m_image;
    return size;
}

/* What a call works on at a time, and its scratch. */
struct block {
    struct block_size size;
    size_t images;         /* in this one */
    struct span rows;      /* of the output */
    struct span seen;      /* of the input */
    real *v, *m, *u, *raw; /* raw: one row of the kernel at one point */
    real *line;            /* zeros, or the bias: a whole number of panels */
};

static size_t kernel_reals(const struct conv *conv)
{
    size_t forward = conv->channels * align(conv->filters);
    size_t backward = conv->filters * align(conv->channels);
    return conv->rows.size * (forward > backward ? forward : backward);
}

static size_t line_reals(const struct conv *conv)
{
    return align(conv->channels > conv->filters ? conv->channels : conv->filters) + ALIGN;
}

static size_t block_reals(const struct conv *conv)
{
    struct block_size size = block_size_of(conv);
    return WINOGRAD_POINTS * (align(size.v_point) + align(size.m_point));
}

size_t winograd_scratch(const struct conv *conv)
{
    struct conv back = turned(conv);
    size_t forward = block_reals(conv), backward = block_reals(&back);
    return (forward > backward ? forward : backward) +
           WINOGRAD_POINTS * kernel_reals(conv) + align(conv->channels * conv->filters) +
           line_reals(conv);
}

static struct block cut(const struct conv *conv, real *scratch)
{
    struct block block = {.size = block_size_of(conv), .line = scratch};
    block.raw = block.line + line_reals(conv);
    block.u = block.raw + align(conv->channels * conv->filters);
    block.v = block.u + WINOGRAD_POINTS * kernel_reals(conv);
    block.m = block.v + WINOGRAD_POINTS * align(block.size.v_point);
    memset(block.line, 0, line_reals(conv) * sizeof(real));
    return block;
}

typedef void block_function(const struct conv *conv, struct block *block, size_t image,
                            void *context);

static void each_block(const struct conv *conv, size_t images, struct block *block,
                       block_function *function, void *context)
{
    const struct window_axis *rows = &conv->rows;
    for (size_t image = 0; image < images; image += block->images) {
        block->images = least(block->size.images, images - image);
        for (size_t p = 0; p < rows->out; p += block->rows.count) {
            block->rows = (struct span){p, least(block->size.rows, rows->out - p)};
            size_t end = least(rows->in,
                               p + block->rows.count + rows->size - 1 > rows->before
                                   ? p + block->rows.count + rows->size - 1 - rows->before
                                   : 0);
            size_t first = least(p > rows->before ? p - rows->before : 0, end);
            block->seen = (struct span){first, end - first};
            function(conv, block, image, context);
        }
    }
}

/* v of the block, from the images behind x. */
static void transform_input(const struct conv *conv, const struct block *block,
                            const real *x)
{
    struct tile_row row = {.channels = conv->channels,
                           .pixels = conv->columns.in,
                           .tiles = tiles_of(conv),
                           .step = step_of(conv),
                           .before = conv->columns.before,
                           .tile = conv->channels,
                           .point = block->size.v_point,
                           .zeros = block->line};
    for (size_t image = 0; image < block->images; image++) {
        const real *from = x + image * conv_input_size(conv) +
                           block->seen.first * conv->columns.in * conv->channels;
        real *v = block->v + image * block->size.v_image;
        for (size_t y = 0; y < block->seen.count; y++, v += block->size.v_row) {
            winograd_input_row(&row, from, v);
            from += conv->columns.in * conv->channels;
        }
    }
}

static struct tile_row output_tile_row(const struct conv *conv, const struct block *block)
{
    return (struct tile_row){.channels = conv->filters,
                             .pixels = conv->columns.out,
                             .tiles = tiles_of(conv),
                             .step = step_of(conv),
                             .tile = align(conv->filters),
                             .point = block->size.m_point,
                             .zeros = block->line};
}

/* m of the block, from the gradients behind dy. */
static void transform_gradient(const struct conv *conv, const struct block *block,
                               const real *dy)
{
    struct tile_row row = output_tile_row(conv, block);
    size_t pixels = conv->columns.out * conv->filters;
    for (size_t image = 0; image < block->images; image++) {
        const real *from =
            dy + image * conv_output_size(conv) + block->rows.first * pixels;
        real *m = block->m + image * block->size.m_image;
        for (size_t y = 0; y < block->rows.count; y++, m += block->size.m_row)
            winograd_gradient_row(&row, from + y * pixels, m);
    }
}

/* ---- forward, and backward to the data ---- */

/* u in panels of [rows, depth, panel]. `turn`: w is that of the convolution whose turned
 * one `conv` is, so taps count from the last, and channels are filters. */
static void pack_kernel(const struct conv *conv, const real *w, bool turn,
                        const struct block *block)
{
    size_t rows = conv->rows.size, taps = conv->columns.size;
    size_t depth = conv->channels, wide = conv->filters, count = depth * wide;
    for (size_t point = 0; point < WINOGRAD_POINTS; point++) {
        real factors[WINOGRAD_MAX_TAPS], *u = block->u + point * kernel_reals(conv);
        for (size_t k = 0; k < taps; k++)
            factors[k] = winograd_factor(point, turn ? taps - 1 - k : k, taps);
        for (size_t y = 0; y < rows; y++) {
            size_t ky = turn ? rows - 1 - y : y;
            winograd_kernel(w + ky * taps * count, count, taps, factors, block->raw);
            for (size_t j = 0, panel; j < wide; j += panel) {
                panel = conv_kernel_panel(conv->isa, wide - j);
                gemm_pack(block->raw + (turn ? j * depth : j), turn ? depth : 1,
                          turn ? 1 : wide, least(panel, wide - j), depth, panel,
                          u + (j * rows + y * panel) * depth);
            }
        }
    }
}

/* m of rows [first, first + count) of one image at one point and panel; all see the same
 * taps. */
static void multiply_rows(const struct conv *conv, const struct block *block,
                          size_t image, size_t point, struct span taps, struct span run,
                          size_t j)
{
    const struct block_size *size = &block->size;
    size_t tiles = tiles_of(conv),
           panel = conv_kernel_panel(conv->isa, conv->filters - j);
    struct segments s = {.m = run.count * tiles,
                         .k = conv->channels,
                         .outer = taps.count,
                         .inner = 1,
                         .a = block->v + point * size->v_point + image * size->v_image,
                         .a_row = conv->channels,
                         .a_outer = size->v_row,
                         .b = block->u + point * kernel_reals(conv),
                         .b_row = panel,
                         .b_outer = conv->channels * panel,
                         .start = block->line,
                         .c = block->m + point * size->m_point + image * size->m_image +
                              (run.first - block->rows.first) * size->m_row + j,
                         .c_row = align(conv->filters)};
    if (taps.count > 0)
        s.a += (run.first + taps.first - conv->rows.before - block->seen.first) *
               size->v_row;
    s.b += (j * conv->rows.size + taps.first * panel) * conv->channels;
    conv_kernel(conv->isa, &s, panel);
}

/* Rows from `first` on that see the same taps. */
static struct span equal_rows(const struct conv *conv, const struct block *block,
                              size_t first, struct span taps)
{
    size_t end = first + 1;
    for (; end < block->rows.first + block->rows.count; end++) {
        struct span next = axis_taps(&conv->rows, end);
        if (next.first != taps.first || next.count != taps.count)
            break;
    }
    return (struct span){first, end - first};
}

static void multiply(const struct conv *conv, const struct block *block)
{
    size_t end = block->rows.first + block->rows.count;
    for (size_t point = 0; point < WINOGRAD_POINTS; point++) {
        for (size_t j = 0; j < conv->filters;
             j += conv_kernel_panel(conv->isa, conv->filters - j)) {
            for (size_t image = 0; image < block->images; image++) {
                struct span run = {block->rows.first, 0};
                for (; run.first < end; run.first += run.count) {
                    struct span taps = axis_taps(&conv->rows, run.first);
                    run = equal_rows(conv, block, run.first, taps);
                    multiply_rows(conv, block, image, point, taps, run, j);
                }
            }
        }
    }
}

struct transfer {
    const real *x;
    const real *start; /* a pixel for all; NULL: y itself */
    real *y;
};

static void convolve_block(const struct conv *conv, struct block *block, size_t image,
                           void *context)
{
    const struct transfer *transfer = context;
    transform_input(conv, block, transfer->x + image * conv_input_size(conv));
    multiply(conv, block);
    struct tile_row row = output_tile_row(conv, block);
    size_t pixels = conv->columns.out * conv->filters;
    for (size_t i = 0; i < block->images; i++) {
        real *y = transfer->y + (image + i) * conv_output_size(conv) +
                  block->rows.first * pixels;
        const real *m = block->m + i * block->size.m_image;
        for (size_t p = 0; p < block->rows.count; p++, m += block->size.m_row) {
            winograd_output_row(&row, m, transfer->start ? transfer->start : y,
                                transfer->start ? 0 : conv->filters, y);
            y += pixels;
        }
    }
}

void winograd_forward(const struct conv *conv, size_t images, const real *x,
                      const real *w, const real *bias, real *y, real *scratch)
{
    struct block block = cut(conv, scratch);
    struct transfer transfer = {x, bias ? bias : block.line, y};
    pack_kernel(conv, w, false, &block);
    each_block(conv, images, &block, convolve_block, &transfer);
}

void winograd_backward_data(const struct conv *conv, size_t images, const real *dy,
                            const real *w, bool add, real *dx, real *scratch)
{
    struct conv back = turned(conv);
    struct block block = cut(&back, scratch);
    struct transfer transfer = {dy, add ? NULL : block.line, dx};
    pack_kernel(&back, w, true, &block);
    each_block(&back, images, &block, convolve_block, &transfer);
}

/* ---- backward to the weights ---- */

struct gradients {
    const real *x, *dy;
};

static void add_block(const struct conv *conv, struct block *block, size_t image,
                      void *context)
{
    const struct gradients *gradients = context;
    const struct block_size *size = &block->size;
    transform_input(conv, block, gradients->x + image * conv_input_size(conv));
    transform_gradient(conv, block, gradients->dy + image * conv_output_size(conv));
    size_t last = block->rows.first + block->rows.count, tiles = tiles_of(conv);
    for (size_t point = 0; point < WINOGRAD_POINTS; point++) {
        for (size_t ky = 0; ky < conv->rows.size; ky++) {
            struct span outputs = axis_outputs(&conv->rows, ky);
            size_t end = least(outputs.first + outputs.count, last);
            size_t first =
                outputs.first > block->rows.first ? outputs.first : block->rows.first;
            if (first >= end)
                continue;
            struct segments s = {
                .m = conv->channels,
                .k = (end - first) * tiles,
                .outer = block->images,
                .inner = 1,
                .a = block->v + point * size->v_point +
                     (first + ky - conv->rows.before - block->seen.first) * size->v_row,
                .a_step = conv->channels,
                .a_outer = size->v_image,
                .turned = true,
                .b_row = align(conv->filters),
                .b_outer = size->m_image,
                .start_row = conv->filters,
                .c_row = conv->filters};
            for (size_t j = 0; j < conv->filters;
                 j += conv_kernel_panel(conv->isa, conv->filters - j)) {
                s.b = block->m + point * size->m_point +
                      (first - block->rows.first) * size->m_row + j;
                s.c = block->u + point * kernel_reals(conv) +
                      ky * conv->channels * conv->filters + j;
                s.start = s.c;
                conv_kernel(conv->isa, &s, conv->filters - j);
            }
        }
    }
}

void winograd_backward_weights(const struct conv *conv, size_t images, const real *x,
                               const real *dy, real *dw, real *scratch)
{
    struct block block = cut(conv, scratch);
    struct gradients gradients = {x, dy};
    size_t count = conv->channels * conv->filters, taps = conv->columns.size;
    memset(block.u, 0, WINOGRAD_POINTS * kernel_reals(conv) * sizeof(real));
    each_block(conv, images, &block, add_block, &gradients);
    for (size_t ky = 0; ky < conv->rows.size; ky++) {
        for (size_t k = 0; k < taps; k++) {
            real factors[WINOGRAD_POINTS];
            for (size_t point = 0; point < WINOGRAD_POINTS; point++)
                factors[point] = winograd_factor(point, k, taps);
            winograd_kernel_gradient(block.u + ky * count, kernel_reals(conv), count,
                                     factors, dw + (ky * taps + k) * count);
        }
    }
}
