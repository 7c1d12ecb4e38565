/*
 * Poolings over windows (see conv_axis.h), each channel on its own:
 *
 *   max_pool      y = the largest of the window's numbers; dx = dy where it was found
 *                 first, as in PyTorch. Padding is never the largest.
 *   average_pool  y = sum / n, dx = dy / n, where n counts the padding, too, as PyTorch
 *                 does, unless count_include_pad is false
 *
 * Where the largest was is found again in x and y: cheaper than keeping it.
 */
#include "conv_axis.h"
#include "kernels.h"
#include "op.h"
#include "spec/layer_pool.h"

#include <string.h>

struct pool_config {
    struct window window;
    bool counts_padding;
    bool tiles; /* each input position lies in exactly one window */
};

/* One window: the taps that are no padding, [rows, columns, channels]. */
struct view {
    size_t rows, columns, channels;
    size_t row, pixel; /* distances */
    size_t first;      /* of the first number, in the image */
};

/* What the lanes compute, which the functions of one number compute for the rest. */
typedef __typeof__((real_lanes){0} > (real_lanes){0}) mask_lanes;

/* Macros, because a function must not return vectors that the baseline does not have. */
#define LANES_AT(x) (*(const real_lanes *)(x))

/*
 * NaN wins, so that it is not lost. A plain loop over channels: gcc takes comparisons of
 * its vectors apart where NaN is asked for as well, and a pooling then costs a tenth of a
 * small network of convolutions.
 */
MULTIVERSION static void find_largest(const struct view *v, const real *restrict x,
                                      real *restrict y)
{
    x += v->first;
    memcpy(y, x, v->channels * sizeof(real));
    for (size_t i = 0; i < v->rows; i++) {
        for (size_t j = 0; j < v->columns; j++) {
            const real *restrict other = x + i * v->row + j * v->pixel;
            for (size_t c = 0; c < v->channels; c++)
                y[c] = ((other[c] > y[c]) | (other[c] != other[c])) ? other[c] : y[c];
        }
    }
}

/* dx += dy at the first number of the window that is y; or dx = that, and 0 elsewhere. */
MULTIVERSION static void send_to_largest(const struct view *v, const real *x,
                                         const real *y, const real *dy, bool add,
                                         real *dx)
{
    size_t c = 0;
    x += v->first;
    dx += v->first;
    for (; c + LANES <= v->channels; c += LANES) {
        real_lanes most = LANES_AT(y + c), left = LANES_AT(dy + c);
        for (size_t i = 0; i < v->rows; i++) {
            for (size_t j = 0; j < v->columns; j++) {
                size_t at = c + i * v->row + j * v->pixel;
                mask_lanes here = LANES_AT(x + at) == most;
                real_lanes sent = (real_lanes)(here & (mask_lanes)left);
                left = (real_lanes)(~here & (mask_lanes)left);
                if (add)
                    sent += LANES_AT(dx + at);
                *(real_lanes *)(dx + at) = sent;
            }
        }
    }
    for (; c < v->channels; c++) {
        real left = dy[c];
        for (size_t i = 0; i < v->rows; i++) {
            for (size_t j = 0; j < v->columns; j++) {
                size_t at = c + i * v->row + j * v->pixel;
                real sent = x[at] == y[c] ? left : 0;
                left = x[at] == y[c] ? 0 : left;
                dx[at] = add ? dx[at] + sent : sent;
            }
        }
    }
}

MULTIVERSION static void sum_window(const struct view *v, const real *x, real scale,
                                    real *y)
{
    x += v->first;
    for (size_t c = 0; c < v->channels; c++)
        y[c] = 0;
    for (size_t i = 0; i < v->rows; i++) {
        for (size_t j = 0; j < v->columns; j++) {
            const real *pixel = x + i * v->row + j * v->pixel;
            ELEMENTWISE
            for (size_t c = 0; c < v->channels; c++)
                y[c] += pixel[c];
        }
    }
    for (size_t c = 0; c < v->channels; c++)
        y[c] *= scale;
}

MULTIVERSION static void spread_window(const struct view *v, const real *dy, real scale,
                                       real *dx)
{
    dx += v->first;
    for (size_t i = 0; i < v->rows; i++) {
        for (size_t j = 0; j < v->columns; j++) {
            real *pixel = dx + i * v->row + j * v->pixel;
            ELEMENTWISE
            for (size_t c = 0; c < v->channels; c++)
                pixel[c] += scale * dy[c];
        }
    }
}

/* ---- over all windows of an image ---- */

static struct view view_of(const struct window *window, size_t row, size_t column)
{
    struct span y = axis_taps(&window->rows, row);
    struct span x = axis_taps(&window->columns, column);
    struct view view = {.rows = y.count,
                        .columns = x.count,
                        .channels = window->channels,
                        .row = window->columns.in * window->channels,
                        .pixel = window->channels};
    view.first =
        (row * window->rows.stride + y.first - window->rows.before) * view.row +
        (column * window->columns.stride + x.first - window->columns.before) * view.pixel;
    return view;
}

static real share(const struct pool_config *config, const struct view *view)
{
    const struct window *window = &config->window;
    size_t count = config->counts_padding ? window->rows.size * window->columns.size
                                          : view->rows * view->columns;
    return (real)(1.0 / (double)count);
}

/* Calls with `view`, `in` and `out`: where the image and the window's output begin. */
#define EACH_WINDOW(node, call, body)                                                    \
    do {                                                                                 \
        const struct pool_config *config = (node)->config;                               \
        const struct window *window = &config->window;                                   \
        size_t out = 0;                                                                  \
        for (size_t r = 0; r < (call)->rows; r++) {                                      \
            size_t in = r * (node)->input_widths[0];                                     \
            for (size_t row = 0; row < window->rows.out; row++) {                        \
                for (size_t column = 0; column < window->columns.out; column++) {        \
                    struct view view = view_of(window, row, column);                     \
                    body;                                                                \
                    out += window->channels;                                             \
                }                                                                        \
            }                                                                            \
        }                                                                                \
    } while (0)

static void max_forward(const struct node *node, const struct op_call *call)
{
    EACH_WINDOW(node, call, find_largest(&view, call->x[0] + in, call->y + out));
}

/* Before gradients are added up; not where each position is written once anyway. */
static void clear_gradient(const struct node *node, const struct op_call *call)
{
    memset(call->dx[0], 0, call->rows * node->input_widths[0] * sizeof(real));
}

static void max_backward(const struct node *node, const struct op_call *call)
{
    bool tiles = ((const struct pool_config *)node->config)->tiles;
    if (!tiles)
        clear_gradient(node, call);
    EACH_WINDOW(node, call,
                send_to_largest(&view, call->x[0] + in, call->y + out, call->dy + out,
                                !tiles, call->dx[0] + in));
}

static void average_forward(const struct node *node, const struct op_call *call)
{
    EACH_WINDOW(node, call,
                sum_window(&view, call->x[0] + in, share(config, &view), call->y + out));
}

static void average_backward(const struct node *node, const struct op_call *call)
{
    clear_gradient(node, call);
    EACH_WINDOW(
        node, call,
        spread_window(&view, call->dy + out, share(config, &view), call->dx[0] + in));
}

/* ---- planning ---- */

static bool tiles_axis(const struct window_axis *axis)
{
    return axis->stride == axis->size && axis->before == 0 &&
           axis->out * axis->size == axis->in;
}

static int pool_plan(struct node *node, const struct window_keys *keys)
{
    struct pool_config *config = node->config;
    const struct attrs *attrs = &node->layer->attrs;
    config->window = window_of(keys, node->input_shapes[0], node->layer);
    config->tiles =
        tiles_axis(&config->window.rows) && tiles_axis(&config->window.columns);
    config->counts_padding = attrs_has(attrs, "count_include_pad") &&
                             attrs_boolean(attrs, "count_include_pad");
    return 0;
}

static int plan1d(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    return pool_plan(node, &pool1d_window);
}

static int plan2d(struct node *node, size_t max_rows, struct error *err)
{
    (void)max_rows;
    (void)err;
    return pool_plan(node, &pool2d_window);
}

#define POOL(function, kind, planner, op_flags)                                          \
    const struct op OP_SYMBOL(function) = {                                              \
        .name = #function,                                                               \
        .flags = (op_flags),                                                             \
        .config_size = sizeof(struct pool_config),                                       \
        .plan = (planner),                                                               \
        .forward = kind##_forward,                                                       \
        .backward = kind##_backward,                                                     \
    }

POOL(max_pool1d, max, plan1d, OP_NEEDS_INPUT | OP_NEEDS_OUTPUT);
POOL(max_pool2d, max, plan2d, OP_NEEDS_INPUT | OP_NEEDS_OUTPUT);
POOL(average_pool1d, average, plan1d, 0);
POOL(average_pool2d, average, plan2d, 0);
