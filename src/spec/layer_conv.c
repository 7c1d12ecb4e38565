/* See layer_conv.h. */
#include "layer_conv.h"

#include "base/error.h"
#include "initializer.h"
#include "job_spec.h"
#include "layer_families.h"
#include "report.h"

#include <stddef.h>

#define CONV_KEYS(dimensions)                                                            \
    {                                                                                    \
        {"filters", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS)},                  \
            {"kernel_size", KEY_INTEGERS, AT_LEAST(1), AT_MOST(WINDOW_MAX),              \
             .list_length = (dimensions)},                                               \
            {"strides",           KEY_INTEGERS, AT_LEAST(1),                             \
             AT_MOST(WINDOW_MAX), DEFAULT("1"), .list_length = (dimensions)},            \
            {"padding",                                                                  \
             KEY_INTEGERS,                                                               \
             AT_LEAST(0),                                                                \
             AT_MOST(WINDOW_MAX),                                                        \
             DEFAULT("\"valid\""),                                                       \
             .choices = window_paddings,                                                 \
             .list_length = (dimensions)},                                               \
            {"dilation_rate",     KEY_INTEGERS, AT_LEAST(1),                             \
             AT_MOST(WINDOW_MAX), DEFAULT("1"), .list_length = (dimensions)},            \
            {"groups", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS), DEFAULT("1")}, \
            {"activation", KEY_CHOICE, .choices = activation_names,                      \
             DEFAULT("\"linear\"")},                                                     \
            {"use_bias", KEY_BOOLEAN, DEFAULT("true")},                                  \
            {"kernel_initializer", INITIALIZER(kernel_initializer_names),                \
             DEFAULT("\"glorot_uniform\"")},                                             \
            {"bias_initializer", INITIALIZER(bias_initializer_names), .word = "auto",    \
             DEFAULT("\"auto\"")},                                                       \
            {"l2", KEY_NUMBER, AT_LEAST(0), AT_MOST(1000), DEFAULT("0")}, {0},           \
    }

const struct key conv1d_keys[] = CONV_KEYS(1);
const struct key conv2d_keys[] = CONV_KEYS(2);

const struct window_keys conv1d_window = {1, "kernel_size", "dilation_rate", 1};
const struct window_keys conv2d_window = {2, "kernel_size", "dilation_rate", 1};

#define PANEL 16 /* channels are padded to a multiple of it */

#define FILTER_POINTS 6
#define FILTER_IMAGES 16
#define FILTER_BLOCK (INT64_C(64) << 10)

/* What the input and the filters are cut in. */
static int check_groups(const struct layer *layer, int64_t channels, int64_t filters,
                        int64_t groups, struct violations *violations)
{
    if (channels % groups == 0 && filters % groups == 0)
        return 0;
    char at[POINTER_SIZE];
    return violations_add(violations, pointer_key(at, layer->pointer, "groups"),
                          "expected a divisor of the %lld channels of the input and of "
                          "the %lld filters, found %lld",
                          (long long)channels, (long long)filters, (long long)groups);
}

static int check_parameters(const struct layer *layer, int64_t taps, int64_t channels,
                            int64_t filters, struct violations *violations)
{
    if (channels <= SPEC_MAX_PARAMETERS / taps &&
        filters <= SPEC_MAX_PARAMETERS / (taps * channels))
        return 0;
    return violations_add(
        violations, layer->pointer,
        "expected at most %lld parameters, found %lld filters that see %lld channels at "
        "%lld positions each",
        (long long)SPEC_MAX_PARAMETERS, (long long)filters, (long long)channels,
        (long long)taps);
}

static void add_params(struct layer *layer, const struct window *window, int64_t channels,
                       int64_t filters)
{
    int64_t height = (int64_t)window->rows.size, width = (int64_t)window->columns.size;
    int64_t fan_in = channels * height * width, fan_out = filters * height * width;
    struct shape kernel = {.rank = 4, .dims = {filters, channels, height, width}};
    if (window->dimensions == 1)
        kernel = (struct shape){.rank = 3, .dims = {filters, channels, width}};
    struct param_spec *weight = &layer->params[layer->param_count++];
    *weight = (struct param_spec){
        .name = "weight", .shape = kernel, .trainable = true, .decays = true};
    initializer_resolve(attrs_find(&layer->attrs, "kernel_initializer"), fan_in, fan_out,
                        weight);
    if (!attrs_boolean(&layer->attrs, "use_bias"))
        return;
    struct param_spec *bias = &layer->params[layer->param_count++];
    *bias = (struct param_spec){
        .name = "bias", .shape = {.rank = 1, .dims = {filters}}, .trainable = true};
    initializer_resolve(attrs_find(&layer->attrs, "bias_initializer"), fan_in, fan_out,
                        bias);
}

static int64_t whole_panels(int64_t channels)
{
    return (channels + PANEL - 1) / PANEL * PANEL;
}

/* Padded rows of an image and of its gradient, and the weights in panels. */
static int64_t direct_scratch(const struct window *window, int64_t filters,
                              int64_t groups)
{
    const struct window_axis *rows = &window->rows, *columns = &window->columns;
    int64_t span = (int64_t)((columns->size - 1) * columns->dilation);
    int64_t stride = (int64_t)columns->stride, out = (int64_t)columns->out;
    int64_t in_row = (out - 1) * stride + span + 1;
    int64_t beyond = (int64_t)columns->in / stride + 1 + span / stride - out;
    int64_t out_row = out + span / stride + 1 + (beyond > 0 ? beyond : 0) + 1;
    int64_t depth = (int64_t)window->channels / groups, wide = filters / groups;
    int64_t forward = depth * whole_panels(wide), backward = wide * whole_panels(depth);
    return (int64_t)rows->in * in_row * depth +
           (int64_t)rows->out * out_row * whole_panels(wide) +
           (int64_t)(rows->size * columns->size) *
               (forward > backward ? forward : backward) +
           depth + wide + 4 * PANEL;
}

/* That of minimal filtering (engine/conv_winograd.c): so many images or rows at 6 points,
 * and the kernel at them; 0 where the engine never takes it. */
static int64_t filtering_scratch(const struct window *window, int64_t filters,
                                 int64_t groups)
{
    const struct window_axis *rows = &window->rows, *columns = &window->columns;
    int64_t channels = (int64_t)window->channels, taps = (int64_t)columns->size;
    if (groups > 1 || taps < 2 || taps >= FILTER_POINTS || columns->stride > 1 ||
        columns->dilation > 1)
        return 0;
    int64_t longest = (int64_t)(columns->in > columns->out ? columns->in : columns->out);
    int64_t tiles = longest / (FILTER_POINTS + 1 - taps) + 1;
    int64_t row =
        FILTER_POINTS * tiles * (whole_panels(filters) + whole_panels(channels));
    int64_t image = (int64_t)(rows->in > rows->out ? rows->in : rows->out) * row;
    int64_t strip = 4 * (int64_t)rows->size * row;
    int64_t block =
        FILTER_IMAGES * image < FILTER_BLOCK ? FILTER_IMAGES * image : FILTER_BLOCK;
    strip = strip < image ? strip : image;
    return (block > strip ? block : strip) +
           (FILTER_POINTS * (int64_t)rows->size + 1) * whole_panels(filters) *
               whole_panels(channels) +
           filters + channels + 16 * PANEL;
}

static int64_t scratch_of(const struct window *window, int64_t filters, int64_t groups)
{
    int64_t direct = direct_scratch(window, filters, groups);
    int64_t filtering = filtering_scratch(window, filters, groups);
    return direct > filtering ? direct : filtering;
}

static int conv_infer(const struct window_keys *keys, const struct model_spec *model,
                      int index, struct layer *layer, struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    struct window window;
    int rc = window_infer(keys, input, layer, &window, violations);
    if (rc != 0)
        return rc;
    int64_t channels = (int64_t)window.channels;
    int64_t filters = attrs_integer(&layer->attrs, "filters");
    int64_t groups = attrs_integer(&layer->attrs, "groups");
    int64_t taps = (int64_t)(window.rows.size * window.columns.size);
    rc = check_groups(layer, channels, filters, groups, violations);
    if (rc == 0)
        rc = check_parameters(layer, taps, channels / groups, filters, violations);
    if (rc != 0)
        return rc;
    layer->output = window_output(&window, filters);
    rc = layer_check_output(layer, violations);
    if (rc != 0)
        return rc;
    add_params(layer, &window, channels / groups, filters);
    layer->scratch = scratch_of(&window, filters, groups);
    int64_t outputs = shape_elements(&layer->output);
    layer->l2 = attrs_number(&layer->attrs, "l2");
    int64_t seen = channels / groups;
    double flops = 2.0 * (double)outputs * (double)taps * (double)seen;
    layer->flops = flops < 1e15 ? (int64_t)flops : (int64_t)1e15;
    if (attrs_boolean(&layer->attrs, "use_bias"))
        layer->flops += outputs;
    return 0;
}

int conv1d_infer(const struct model_spec *model, int index, struct layer *layer,
                 struct violations *violations)
{
    return conv_infer(&conv1d_window, model, index, layer, violations);
}

int conv2d_infer(const struct model_spec *model, int index, struct layer *layer,
                 struct violations *violations)
{
    return conv_infer(&conv2d_window, model, index, layer, violations);
}
