/* Layers over sequences [positions, units]. See layer_families.h. */
#include "base/error.h"
#include "initializer.h"
#include "job_spec.h"
#include "layer_families.h"
#include "report.h"

#include <stddef.h>
#include <string.h>

/* What attention works in: as many samples at a time as make a piece, and of a head so
 * many numbers a position. */
#define ATTENTION_PIECE 256
#define ATTENTION_HEAD_NUMBERS 66

const struct key embedding_keys[] = {
    {"input_dim", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_VOCABULARY), .word = "auto",
     DEFAULT("\"auto\"")},
    {"output_dim", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS)},
    {"embeddings_initializer", INITIALIZER(kernel_initializer_names),
     DEFAULT("\"uniform\"")},
    {0},
};

const struct key position_embedding_keys[] = {
    {"embeddings_initializer", INITIALIZER(kernel_initializer_names),
     DEFAULT("\"uniform\"")},
    {0},
};

const struct key multi_head_attention_keys[] = {
    {"num_heads", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS)},
    {"key_dim", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_UNITS), .word = "auto",
     DEFAULT("\"auto\"")},
    {"causal", KEY_BOOLEAN, DEFAULT("false")},
    {"use_bias", KEY_BOOLEAN, DEFAULT("true")},
    {"dropout", KEY_NUMBER, AT_LEAST(0), BELOW(1), DEFAULT("0")},
    {"kernel_initializer", INITIALIZER(kernel_initializer_names),
     DEFAULT("\"glorot_uniform\"")},
    {0},
};

/* A weight [rows, columns] of vectors; "pytorch" means what torch.nn.Embedding starts
 * with, N(0, 1). */
static void add_vectors(struct layer *layer, int64_t rows, int64_t columns)
{
    const struct attr *initializer = attrs_find(&layer->attrs, "embeddings_initializer");
    struct param_spec *weight = &layer->params[layer->param_count++];
    *weight = (struct param_spec){.name = "weight",
                                  .shape = {.rank = 2, .dims = {rows, columns}},
                                  .trainable = true,
                                  .decays = true};
    initializer_resolve(initializer, rows, columns, weight);
    if (strcmp(initializer->string, "pytorch") == 0) {
        weight->initializer = INIT_NORMAL;
        weight->scale = 1;
    }
}

static int too_many(const struct layer *layer, int64_t rows, int64_t columns,
                    struct violations *violations)
{
    return violations_add(violations, layer->pointer,
                          "expected at most %lld parameters, found %lld times %lld",
                          (long long)SPEC_MAX_PARAMETERS, (long long)rows,
                          (long long)columns);
}

int embedding_infer(const struct model_spec *model, int index, struct layer *layer,
                    struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    if (layer->inputs[0] != MODEL_INPUT || model->vocabulary == 0)
        return violations_add(violations, layer->pointer,
                              "expected the network's input, and as input the tokens of "
                              "a text dataset, found %s",
                              layer->inputs[0] == MODEL_INPUT ? "other data"
                                                              : "another layer's output");
    int64_t rows = attrs_integer(&layer->attrs, "input_dim");
    int64_t columns = attrs_integer(&layer->attrs, "output_dim");
    if (rows < model->vocabulary) {
        char at[POINTER_SIZE];
        return violations_add(violations, pointer_key(at, layer->pointer, "input_dim"),
                              "expected \"auto\" or at least %lld, the vocabulary of the "
                              "dataset, found %lld",
                              (long long)model->vocabulary, (long long)rows);
    }
    if (columns > SPEC_MAX_PARAMETERS / rows)
        return too_many(layer, rows, columns, violations);
    if (input->rank == SHAPE_MAX_RANK)
        return violations_add(violations, layer->pointer,
                              "expected an input of at most %d dimensions, found %d",
                              SHAPE_MAX_RANK - 1, input->rank);
    layer->output = *input;
    layer->output.dims[layer->output.rank++] = columns;
    add_vectors(layer, rows, columns);
    return layer_check_output(layer, violations);
}

/* A sequence [positions, units]; anything else is a violation. */
static int check_sequence(const struct model_spec *model, int index,
                          const struct layer *layer, struct violations *violations)
{
    const struct shape *input = model_input_shape(model, index, 0);
    char shape[SHAPE_TEXT_SIZE];
    if (input->rank == 2)
        return 0;
    return violations_add(violations, layer->pointer,
                          "expected an input of the shape [positions, units], found %s",
                          shape_format(input, shape));
}

int sinusoidal_infer(const struct model_spec *model, int index, struct layer *layer,
                     struct violations *violations)
{
    int rc = check_sequence(model, index, layer, violations);
    return rc != 0 ? rc : same_infer(model, index, layer, violations);
}

int position_embedding_infer(const struct model_spec *model, int index,
                             struct layer *layer, struct violations *violations)
{
    int rc = sinusoidal_infer(model, index, layer, violations);
    if (rc != 0)
        return rc;
    int64_t rows = layer->output.dims[0], columns = layer->output.dims[1];
    add_vectors(layer, rows, columns);
    return 0;
}

/* Queries, keys and values of all heads side by side are so many numbers a position each;
 * -1 with a violation. */
static int64_t attention_width(const struct layer *layer, int64_t units,
                               struct violations *violations)
{
    int64_t heads = attrs_integer(&layer->attrs, "num_heads");
    bool even = attrs_find(&layer->attrs, "key_dim")->is_word;
    char at[POINTER_SIZE];
    if (even && units % heads != 0) {
        violations_add(violations, pointer_key(at, layer->pointer, "num_heads"),
                       "expected a divisor of the input's %lld units, or a \"key_dim\", "
                       "found %lld",
                       (long long)units, (long long)heads);
        return -1;
    }
    int64_t width = even ? units : heads * attrs_integer(&layer->attrs, "key_dim");
    if (width > SPEC_MAX_UNITS || width > SPEC_MAX_PARAMETERS / 4 / units) {
        violations_add(violations, layer->pointer,
                       "expected \"num_heads\" times \"key_dim\" of at most %d and at "
                       "most %lld parameters, found %lld for inputs of %lld units",
                       SPEC_MAX_UNITS, (long long)SPEC_MAX_PARAMETERS, (long long)width,
                       (long long)units);
        return -1;
    }
    return width;
}

static void add_projection(struct layer *layer, const char *weight_name,
                           const char *bias_name, int64_t out, int64_t in)
{
    struct param_spec *weight = &layer->params[layer->param_count++];
    *weight = (struct param_spec){.name = weight_name,
                                  .shape = {.rank = 2, .dims = {out, in}},
                                  .trainable = true,
                                  .decays = true};
    initializer_resolve(attrs_find(&layer->attrs, "kernel_initializer"), in, out, weight);
    if (attrs_boolean(&layer->attrs, "use_bias"))
        layer->params[layer->param_count++] =
            (struct param_spec){.name = bias_name,
                                .shape = {.rank = 1, .dims = {out}},
                                .initializer = INIT_ZEROS,
                                .trainable = true};
}

int multi_head_attention_infer(const struct model_spec *model, int index,
                               struct layer *layer, struct violations *violations)
{
    int rc = check_sequence(model, index, layer, violations);
    if (rc != 0)
        return rc;
    layer->output = *model_input_shape(model, index, 0);
    int64_t positions = layer->output.dims[0], units = layer->output.dims[1];
    int64_t width = attention_width(layer, units, violations);
    if (width < 0)
        return ERR_INVALID;
    add_projection(layer, "in_proj_weight", "in_proj_bias", 3 * width, units);
    add_projection(layer, "out_proj.weight", "out_proj.bias", units, width);
    int64_t seen =
        attrs_boolean(&layer->attrs, "causal") ? (positions + 1) / 2 : positions;
    layer->flops = 8 * positions * units * width + 4 * positions * seen * width;
    int64_t heads = attrs_integer(&layer->attrs, "num_heads");
    int64_t piece = positions > ATTENTION_PIECE ? positions : ATTENTION_PIECE;
    layer->kept = positions * (4 * width + heads);
    layer->scratch = piece * (5 * width + heads) +
                     (4 * (width / heads) + ATTENTION_HEAD_NUMBERS) * positions;
    return layer_check_output(layer, violations);
}
