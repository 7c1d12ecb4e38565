/*
 * A network as the spec sees it: the user's layers flattened into an array that is sorted
 * so that every layer comes after its inputs, with shapes, parameters and costs.
 *
 * The engine compiles this array; the daemon only reads it. A layer of the JSON with an
 * "activation" gives two entries: the layer, and an activation that reads from it (none
 * for "linear"). {"type": "relu"} is short for
 * {"type": "activation", "function": "relu"}.
 *
 * A layer reads the one before it, or those that its "inputs" name: layers before it, or
 * "input", the network's input. So the list is sorted, and no graph has a cycle. The name
 * of a layer with an activation means what comes out of the activation.
 *
 * {"type": "residual", "layers": [...]} gives the entries of its layers, then a layer
 * "<name>.projection" (a dense one or a 1 x 1 convolution) that is taken out again where
 * the block keeps its input's shape, then the sum of both under the block's name.
 *
 * {"type": "transformer_block"} gives the entries of what it is short for, all of them
 * with its pointer.
 *
 * Two things are not as the user wrote them.
 *
 * The losses work on logits. So a softmax at the very end of a network that is trained
 * with cross_entropy, or a sigmoid with binary_cross_entropy, is left out of the array:
 * the loss and the predictions apply it. The canonical JSON keeps it.
 *
 * A dense layer acts on the last dimension of its input. But where the very first layer
 * is dense and the samples have more than one dimension (images), it gets them flat:
 * `input` then has rank 1. The names of the layers are not touched by this.
 */
#ifndef BACKPROP_MODEL_SPEC_H
#define BACKPROP_MODEL_SPEC_H

#include "attrs.h"
#include "base/violations.h"
#include "shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_MAX_LAYERS 2048
#define LAYER_MAX_PARAMS 8
#define LAYER_MAX_INPUTS 16
#define LAYER_NAME_SIZE 128
#define MODEL_MAX_DEPTH 8 /* of blocks in blocks */
#define MODEL_INPUT (-1)  /* as an input index: the network's input */

enum initializer {
    INIT_ZEROS,
    INIT_ONES,
    INIT_UNIFORM,          /* U(-scale, scale) */
    INIT_NORMAL,           /* N(0, scale²) */
    INIT_TRUNCATED_NORMAL, /* the same within two scales */
    INIT_ORTHOGONAL, /* [rows, the rest]: rows or columns orthogonal, of length scale */
    INIT_FORGET,     /* of four gates: 0, the second one's are 1 */
};

/* One tensor of a layer. Shapes are PyTorch's: [out, in], [out, in, kh, kw]. */
struct param_spec {
    const char *name; /* "weight", "bias", "running_mean"; static storage */
    struct shape shape;
    enum initializer initializer;
    double scale;   /* of the initializer, worked out from fan in and fan out */
    bool trainable; /* false: state that the layer keeps itself (running statistics) */
    bool decays;    /* weight decay and L2 apply (not for biases and norms) */
    bool shared;    /* its numbers are those of the first tensor of the layer's owner */
};

struct layer_type;

struct layer {
    const struct layer_type *type;
    const char *op; /* name in the engine's op table; static storage */
    /* "layers.0", the user's name, or "layers.0.activation". */
    char name[LAYER_NAME_SIZE];
    char pointer[LAYER_NAME_SIZE]; /* JSON Pointer of the layer: "/model/layers/0" */
    struct attrs attrs;
    bool is_projection; /* of a residual block, right before it in the array */
    /* A dense layer of an expanded block without units: they are those of the entry
     * `sized_by` (or MODEL_INPUT), times this; 0: any other layer. */
    int widening;
    int sized_by;
    /* "shared_weights": params[0] is that of the entry `owner`, which comes before and
     * shares none itself. */
    bool shares;
    int owner;
    int input_count;
    int inputs[LAYER_MAX_INPUTS]; /* indices of earlier layers, or MODEL_INPUT */
    struct shape output;
    bool channels_first; /* flatten: behind convolutions, see layer_shape.c */
    int param_count;
    struct param_spec params[LAYER_MAX_PARAMS];
    double l2;     /* added to the loss: l2 * sum of squares of decaying params */
    int64_t flops; /* of one sample's forward pass, multiply-add = 2 */
    /* Bounds of what the engine takes beside the output, in numbers: what training keeps
     * of a sample; what a call works in, in all and for each sample. See cost.h. */
    int64_t kept, scratch, scratch_row;
};

struct model_spec {
    struct shape input;
    int layer_count;
    struct layer *layers;    /* owned */
    int output;              /* index of the layer whose output is the network's */
    int64_t parameter_count; /* trainable */
    int64_t flops;           /* of one sample's forward pass */
    int64_t vocabulary;      /* the input is token ids below it; 0: it is no ids */
};

/* The shape that input `which` of layer `index` has. */
const struct shape *model_input_shape(const struct model_spec *model, int index,
                                      int which);

/*
 * The two steps from JSON to a model; between them the loss is chosen, which needs to see
 * the layers and decides how the network ends.
 *
 * model_spec_read() reads {"layers": [...]} at the pointer "/model" (NULL: absent):
 * types, names and attributes, no shapes. *ret_canonical is a new reference, set with the
 * model on ERR_INVALID as well, so that reading can go on; NULL only without memory.
 *
 * model_spec_resolve() fills in "units": "auto" with `auto_units`, leaves out the last
 * layer where its op is `folded` (NULL: nothing), and infers shapes, parameters and costs
 * for samples of the shape `input`, whose numbers are token ids below `vocabulary` (0:
 * other numbers). Both return 0 or ERR_INVALID with violations added;
 * no memory sets the violations' status.
 */
int model_spec_read(const json_t *json, struct model_spec *ret_model,
                    json_t **ret_canonical, struct violations *violations);
int model_spec_resolve(struct model_spec *model, json_t *canonical,
                       const struct shape *input, int64_t vocabulary, int64_t auto_units,
                       const char *folded, struct violations *violations);
void model_spec_release(struct model_spec *model);

/*
 * A type of layer: one row of the table in layer_table.c.
 *
 * `infer` gets a layer with type, attrs and inputs set, and fills in output, params and
 * flops; on a violation (a shape that does not fit) it adds it at layer->pointer and
 * returns ERR_INVALID.
 */
struct layer_type {
    const char *name; /* in the JSON: "dense" */
    const char *op; /* in the engine's op table; NULL for "activation" alone, which is the
                       long form of the row that its "function" names: no layer has it */
    const struct key *keys; /* NULL: none */
    bool takes_activation;  /* has the key "activation" */
    bool slides;            /* windows over positions, which make an image of any input */
    const char *auto_bias;  /* what "bias_initializer": "auto" means unless the kernel is
                               "pytorch"; NULL: "zeros" */
    bool joins;             /* needs "inputs", two names or more */
    bool may_share;         /* has the key "shared_weights" */
    bool nests;             /* a block with "layers" of its own, to whose output its input
                               is added */
    int (*infer)(const struct model_spec *model, int index, struct layer *layer,
                 struct violations *violations);
    /* NULL: none. For a type that is short for several layers and has no entry of its
     * own: a new list of them as JSON, whose names begin with the layer's; NULL without
     * memory. The last of them is what the layer's name means. A dense layer among them
     * may say "units": "auto" and LAYER_WIDENING. */
    json_t *(*expand)(const struct layer *layer);
};

#define LAYER_WIDENING "widening"

/* All types; ends with a row whose name is NULL. */
extern const struct layer_type layer_table[];

/* The row of that name, or NULL. */
const struct layer_type *layer_type_find(const char *name);

/* Names of the activation functions, NULL-terminated; each is an op of the engine. */
extern const char *const activation_names[];

#endif
