/* Recurrent layers. See layer_families.h. Keys and defaults are Keras's, tensors and
 * their names torch.nn.LSTM's and torch.nn.GRU's. */
#include "base/error.h"
#include "initializer.h"
#include "job_spec.h"
#include "layer_families.h"
#include "report.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
#define RECURRENT_KEYS(bias_names)                                                       \
    {                                                                                    \
        {"units", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS)},                    \
        {"return_sequences", KEY_BOOLEAN, DEFAULT("false")},                             \
        {"truncate", KEY_INTEGER, AT_LEAST(0), AT_MOST(SHAPE_MAX_ELEMENTS),              \
         DEFAULT("0")},                                                                  \
        {"use_bias", KEY_BOOLEAN, DEFAULT("true")},                                      \
        {"kernel_initializer", INITIALIZER(kernel_initializer_names),                    \
         DEFAULT("\"glorot_uniform\"")},                                                 \
        {"recurrent_initializer", INITIALIZER(kernel_initializer_names),                 \
         DEFAULT("\"orthogonal\"")},                                                     \
        {"bias_initializer", INITIALIZER(bias_names), .word = "auto",                    \
         DEFAULT("\"auto\"")},                                                           \
        {"l2", KEY_NUMBER, AT_LEAST(0), AT_MOST(1000), DEFAULT("0")},                    \
        {0},                                                                             \
    }
/* clang-format on */

const struct key lstm_keys[] = RECURRENT_KEYS(lstm_bias_initializer_names);
const struct key gru_keys[] = RECURRENT_KEYS(bias_initializer_names);

#define PANEL 64       /* no panel of a weight is wider */
#define CHUNK_ROWS 192 /* of a product over several steps */
#define MOST_PARTS 2   /* that a recurrent weight is packed in */
#define KEPT_GATES 4   /* numbers that training keeps for each unit and step, and … */
#define GATE_FLOPS 12  /* … what it takes to make them from the sums */
#define MOST_STATES 2

/* Sizes of one layer, all within the bounds of SHAPE_MAX_ELEMENTS. */
struct sizes {
    int64_t steps, features, units, gates;
};

/* A weight [gates units, in] whose fans are Keras's; PyTorch's know the units alone. */
static void add_weight(struct layer *layer, const char *name,
                       const struct attr *initializer, const struct sizes *sizes,
                       int64_t in)
{
    bool pytorch = strcmp(initializer->string, "pytorch") == 0;
    int64_t out = sizes->gates * sizes->units;
    struct param_spec *weight = &layer->params[layer->param_count++];
    *weight = (struct param_spec){.name = name,
                                  .shape = {.rank = 2, .dims = {out, in}},
                                  .trainable = true,
                                  .decays = true};
    initializer_resolve(initializer, pytorch ? sizes->units : in, out, weight);
}

static void add_bias(struct layer *layer, const char *name,
                     const struct attr *initializer, const struct sizes *sizes)
{
    int64_t out = sizes->gates * sizes->units;
    struct param_spec *bias = &layer->params[layer->param_count++];
    *bias = (struct param_spec){
        .name = name, .shape = {.rank = 1, .dims = {out}}, .trainable = true};
    initializer_resolve(initializer, sizes->units, out, bias);
}

static int check_sizes(const struct layer *layer, const struct sizes *sizes,
                       struct violations *violations)
{
    int64_t inputs = sizes->features + sizes->units;
    int64_t out = sizes->gates * sizes->units;
    if (out > SPEC_MAX_PARAMETERS / inputs)
        return violations_add(violations, layer->pointer,
                              "expected at most %lld parameters, found %lld gates times "
                              "%lld inputs and units",
                              (long long)SPEC_MAX_PARAMETERS, (long long)out,
                              (long long)inputs);
    int64_t numbers = (KEPT_GATES + MOST_STATES) * sizes->units;
    if (numbers > SHAPE_MAX_ELEMENTS / sizes->steps)
        return violations_add(violations, layer->pointer,
                              "expected at most %lld numbers to keep of a sample, found "
                              "%lld steps of %lld",
                              (long long)SHAPE_MAX_ELEMENTS, (long long)sizes->steps,
                              (long long)numbers);
    return 0;
}

static int64_t whole_panels(int64_t columns)
{
    return (columns + PANEL - 1) / PANEL * PANEL;
}

/* The reals of a weight in panels, whichever way it is turned. */
static int64_t packed(int64_t rows, int64_t columns)
{
    int64_t one = rows * whole_panels(columns), other = columns * whole_panels(rows);
    return one > other ? one : other;
}

/* What a call works in beside its rows: weights in panels, and a chunk of rows. */
static int64_t scratch_of(const struct sizes *sizes)
{
    int64_t units = sizes->units, out = sizes->gates * units;
    return packed(sizes->features, out) + packed(units, out) +
           MOST_PARTS * PANEL * units + 2 * KEPT_GATES * units +
           CHUNK_ROWS * (sizes->features + (KEPT_GATES + MOST_STATES) * units) +
           16 * PANEL;
}

static int recurrent_infer(const struct model_spec *model, int index, struct layer *layer,
                           int64_t gates, struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    const struct attrs *attrs = &layer->attrs;
    if (input->rank != 2) {
        char text[SHAPE_TEXT_SIZE];
        return violations_add(violations, layer->pointer,
                              "expected an input of the shape [steps, features], as a "
                              "reshape layer may make it, found %s",
                              shape_format(input, text));
    }
    struct sizes sizes = {.steps = input->dims[0],
                          .features = input->dims[1],
                          .units = attrs_integer(attrs, "units"),
                          .gates = gates};
    int rc = check_sizes(layer, &sizes, violations);
    if (rc != 0)
        return rc;
    if (attrs_boolean(attrs, "return_sequences"))
        layer->output = (struct shape){.rank = 2, .dims = {sizes.steps, sizes.units}};
    else
        layer->output = (struct shape){.rank = 1, .dims = {sizes.units}};
    layer->l2 = attrs_number(attrs, "l2");
    layer->kept = sizes.steps * (KEPT_GATES + MOST_STATES) * sizes.units;
    layer->scratch = scratch_of(&sizes);
    layer->scratch_row =
        sizes.features + 3 * sizes.units + 2 * (KEPT_GATES + MOST_STATES) * sizes.units;
    layer->flops = sizes.steps * sizes.units *
                   (2 * gates * (sizes.features + sizes.units) + gates * GATE_FLOPS);
    add_weight(layer, "weight_ih_l0", attrs_find(attrs, "kernel_initializer"), &sizes,
               sizes.features);
    add_weight(layer, "weight_hh_l0", attrs_find(attrs, "recurrent_initializer"), &sizes,
               sizes.units);
    if (!attrs_boolean(attrs, "use_bias"))
        return 0;
    /* Two biases that are only ever added up; one is enough to start from. */
    const struct attr *bias = attrs_find(attrs, "bias_initializer");
    static const struct attr zeros = {.string = "zeros"};
    add_bias(layer, "bias_ih_l0", bias, &sizes);
    add_bias(layer, "bias_hh_l0", strcmp(bias->string, "pytorch") == 0 ? bias : &zeros,
             &sizes);
    return 0;
}

int lstm_infer(const struct model_spec *model, int index, struct layer *layer,
               struct violations *violations)
{
    return recurrent_infer(model, index, layer, 4, violations);
}

int gru_infer(const struct model_spec *model, int index, struct layer *layer,
              struct violations *violations)
{
    return recurrent_infer(model, index, layer, 3, violations);
}
