/* The definition of a convolution as loops, and its derivatives likewise. See conv.h. */
#include "base/memory.h"
#include "conv.h"

#include <stdlib.h>
#include <string.h>

/* One product of the sum: x, w and y are at these places in their arrays. */
struct term {
    size_t x, w, y;
};

typedef void term_function(void *context, const struct term *term);

/* The input's position, or SIZE_MAX in the padding. */
static size_t seen(const struct window_axis *axis, size_t out, size_t tap)
{
    size_t at = out * axis->stride + tap * axis->dilation;
    return at < axis->before || at - axis->before >= axis->in ? SIZE_MAX
                                                              : at - axis->before;
}

/* The terms of one output position and one tap. */
static void visit_channels(const struct conv *conv, size_t x, size_t w, size_t y,
                           term_function *visit, void *context)
{
    size_t depth = conv->channels / conv->groups, wide = conv->filters / conv->groups;
    for (size_t o = 0; o < conv->filters; o++) {
        for (size_t c = 0; c < depth; c++) {
            struct term term = {x * conv->channels + o / wide * depth + c,
                                (w * depth + c) * conv->filters + o,
                                y * conv->filters + o};
            visit(context, &term);
        }
    }
}

static void visit_image(const struct conv *conv, size_t image, term_function *visit,
                        void *context)
{
    const struct window_axis *rows = &conv->rows, *columns = &conv->columns;
    for (size_t i = 0; i < rows->out * columns->out * rows->size * columns->size; i++) {
        size_t kx = i % columns->size, ky = i / columns->size % rows->size;
        size_t p = i / (columns->size * rows->size);
        size_t row = seen(rows, p / columns->out, ky);
        size_t column = seen(columns, p % columns->out, kx);
        if (row == SIZE_MAX || column == SIZE_MAX)
            continue;
        visit_channels(conv, (image * rows->in + row) * columns->in + column,
                       ky * columns->size + kx, image * rows->out * columns->out + p,
                       visit, context);
    }
}

struct sums {
    const real *a, *b;
    double *out;
};

static void add_to_y(void *context, const struct term *t)
{
    const struct sums *sums = context;
    sums->out[t->y] += (double)sums->a[t->x] * (double)sums->b[t->w];
}

static void add_to_x(void *context, const struct term *t)
{
    const struct sums *sums = context;
    sums->out[t->x] += (double)sums->a[t->y] * (double)sums->b[t->w];
}

static void add_to_w(void *context, const struct term *t)
{
    const struct sums *sums = context;
    sums->out[t->w] += (double)sums->a[t->x] * (double)sums->b[t->y];
}

/* out[i] = start[i % period] + the sum of its terms; NULL: 0. Left alone without memory,
 * which a test then sees. */
static void sum_terms(const struct conv *conv, size_t images, struct sums *sums,
                      term_function *visit, const real *start, size_t period, real *out,
                      size_t count)
{
    sums->out = mem_alloc_array(count, sizeof(double));
    if (!sums->out)
        return;
    for (size_t i = 0; start && i < count; i++)
        sums->out[i] = (double)start[i % period];
    for (size_t image = 0; image < images; image++)
        visit_image(conv, image, visit, sums);
    for (size_t i = 0; i < count; i++)
        out[i] = (real)sums->out[i];
    free(sums->out);
}

void conv_forward_reference(const struct conv *conv, size_t images, const real *x,
                            const real *w, const real *bias, real *y)
{
    sum_terms(conv, images, &(struct sums){.a = x, .b = w}, add_to_y, bias, conv->filters,
              y, images * conv_output_size(conv));
}

void conv_backward_data_reference(const struct conv *conv, size_t images, const real *dy,
                                  const real *w, real *dx)
{
    sum_terms(conv, images, &(struct sums){.a = dy, .b = w}, add_to_x, NULL, 1, dx,
              images * conv_input_size(conv));
}

void conv_backward_weights_reference(const struct conv *conv, size_t images,
                                     const real *x, const real *dy, real *dw)
{
    sum_terms(conv, images, &(struct sums){.a = x, .b = dy}, add_to_w, NULL, 1, dw,
              conv_weight_size(conv));
}
