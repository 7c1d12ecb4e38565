/* See onnx_graph.h. Numbers of fields are those of onnx.proto, IR version 8. */
#include "onnx_graph.h"

#include "protobuf.h"

#include <stdio.h>

#define BUFFER_MAXIMUM (SIZE_MAX / 2)
#define BATCH_DIMENSION "rows"

enum graph_field {
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE = 13
};
enum node_field {
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOMAIN = 7
};
enum attribute_field {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_S = 4,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_STRINGS = 9,
    ATTRIBUTE_TYPE = 20
};
/* AttributeProto.AttributeType */
enum attribute_type {
    TYPE_FLOAT = 1,
    TYPE_INT = 2,
    TYPE_STRING = 3,
    TYPE_INTS = 7,
    TYPE_STRINGS = 8
};
enum tensor_field {
    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_STRING_DATA = 6,
    TENSOR_NAME = 8,
    TENSOR_RAW_DATA = 9
};

void onnx_graph_init(struct onnx_graph *graph)
{
    *graph = (struct onnx_graph){.scope = ""};
    buffer_init(&graph->nodes, BUFFER_MAXIMUM);
    buffer_init(&graph->constants, BUFFER_MAXIMUM);
    buffer_init(&graph->inputs, BUFFER_MAXIMUM);
    buffer_init(&graph->outputs, BUFFER_MAXIMUM);
    buffer_init(&graph->node, BUFFER_MAXIMUM);
    buffer_init(&graph->part, BUFFER_MAXIMUM);
}

void onnx_graph_release(struct onnx_graph *graph)
{
    buffer_release(&graph->nodes);
    buffer_release(&graph->constants);
    buffer_release(&graph->inputs);
    buffer_release(&graph->outputs);
    buffer_release(&graph->node);
    buffer_release(&graph->part);
}

int onnx_graph_status(const struct onnx_graph *graph)
{
    const struct buffer *const buffers[] = {&graph->nodes, &graph->constants,
                                            &graph->inputs, &graph->outputs};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        if (buffers[i]->status != 0)
            return buffers[i]->status;
    }
    return 0;
}

struct onnx_value onnx_named(const char *name)
{
    struct onnx_value value;
    snprintf(value.name, sizeof(value.name), "%s", name);
    return value;
}

/* A new name. No column, layer or tensor has one that begins with a slash. */
static struct onnx_value new_value(struct onnx_graph *graph, const char *type)
{
    struct onnx_value value;
    snprintf(value.name, sizeof(value.name), "/%.*s/%s_%d", LAYER_NAME_SIZE, graph->scope,
             type, graph->count++);
    return value;
}

/* ---- nodes ---- */

void onnx_begin(struct onnx_graph *graph, const char *type)
{
    buffer_clear(&graph->node);
    graph->type = type;
    protobuf_string(&graph->node, NODE_OP_TYPE, type);
}

void onnx_input(struct onnx_graph *graph, const struct onnx_value *value)
{
    protobuf_string(&graph->node, NODE_INPUT, value->name);
}

void onnx_of_ml(struct onnx_graph *graph)
{
    protobuf_string(&graph->node, NODE_DOMAIN, "ai.onnx.ml");
    graph->uses_ml = true;
}

/* Attributes are made in graph->part. */
static struct buffer *begin_attribute(struct onnx_graph *graph, const char *name,
                                      enum attribute_type type)
{
    buffer_clear(&graph->part);
    protobuf_string(&graph->part, ATTRIBUTE_NAME, name);
    protobuf_integer(&graph->part, ATTRIBUTE_TYPE, type);
    return &graph->part;
}

static void end_attribute(struct onnx_graph *graph)
{
    protobuf_message(&graph->node, NODE_ATTRIBUTE, &graph->part);
}

void onnx_attr_integer(struct onnx_graph *graph, const char *name, int64_t value)
{
    protobuf_integer(begin_attribute(graph, name, TYPE_INT), ATTRIBUTE_I, value);
    end_attribute(graph);
}

void onnx_attr_float(struct onnx_graph *graph, const char *name, double value)
{
    protobuf_float(begin_attribute(graph, name, TYPE_FLOAT), ATTRIBUTE_F, (float)value);
    end_attribute(graph);
}

void onnx_attr_string(struct onnx_graph *graph, const char *name, const char *value)
{
    protobuf_string(begin_attribute(graph, name, TYPE_STRING), ATTRIBUTE_S, value);
    end_attribute(graph);
}

void onnx_attr_integers(struct onnx_graph *graph, const char *name, const int64_t *values,
                        size_t count)
{
    struct buffer *attribute = begin_attribute(graph, name, TYPE_INTS);
    for (size_t i = 0; i < count; i++)
        protobuf_integer(attribute, ATTRIBUTE_INTS, values[i]);
    end_attribute(graph);
}

void onnx_attr_strings(struct onnx_graph *graph, const char *name,
                       const char *const *values, size_t count)
{
    struct buffer *attribute = begin_attribute(graph, name, TYPE_STRINGS);
    for (size_t i = 0; i < count; i++)
        protobuf_string(attribute, ATTRIBUTE_STRINGS, values[i]);
    end_attribute(graph);
}

struct onnx_value onnx_output(struct onnx_graph *graph)
{
    struct onnx_value value = new_value(graph, graph->type);
    protobuf_string(&graph->node, NODE_OUTPUT, value.name);
    return value;
}

struct onnx_value onnx_end_as(struct onnx_graph *graph, const char *name)
{
    protobuf_string(&graph->node, NODE_OUTPUT, name);
    protobuf_string(&graph->node, NODE_NAME, name);
    protobuf_message(&graph->nodes, GRAPH_NODE, &graph->node);
    return onnx_named(name);
}

struct onnx_value onnx_end(struct onnx_graph *graph)
{
    struct onnx_value value = new_value(graph, graph->type);
    return onnx_end_as(graph, value.name);
}

struct onnx_value onnx_unary(struct onnx_graph *graph, const char *type,
                             const struct onnx_value *x)
{
    onnx_begin(graph, type);
    onnx_input(graph, x);
    return onnx_end(graph);
}

struct onnx_value onnx_binary(struct onnx_graph *graph, const char *type,
                              const struct onnx_value *a, const struct onnx_value *b)
{
    onnx_begin(graph, type);
    onnx_input(graph, a);
    onnx_input(graph, b);
    return onnx_end(graph);
}

struct onnx_value onnx_cast(struct onnx_graph *graph, const struct onnx_value *x,
                            enum onnx_type type)
{
    onnx_begin(graph, "Cast");
    onnx_input(graph, x);
    onnx_attr_integer(graph, "to", type);
    return onnx_end(graph);
}

struct onnx_value onnx_transpose(struct onnx_graph *graph, const struct onnx_value *x,
                                 const int64_t *axes, size_t rank)
{
    onnx_begin(graph, "Transpose");
    onnx_input(graph, x);
    onnx_attr_integers(graph, "perm", axes, rank);
    return onnx_end(graph);
}

struct onnx_value onnx_reshape(struct onnx_graph *graph, const struct onnx_value *x,
                               const int64_t *dims, size_t rank)
{
    int64_t shape[SHAPE_MAX_RANK + 4] = {-1};
    for (size_t d = 0; d < rank; d++)
        shape[d + 1] = dims[d];
    struct onnx_value constant = onnx_constant_integers(graph, shape, rank + 1);
    return onnx_binary(graph, "Reshape", x, &constant);
}

/* ---- constants ---- */

/* A TensorProto but for its data. */
static void tensor_head(struct buffer *out, const char *name, enum onnx_type type,
                        const int64_t *dims, size_t rank)
{
    for (size_t d = 0; d < rank; d++)
        protobuf_integer(out, TENSOR_DIMS, dims[d]);
    protobuf_integer(out, TENSOR_DATA_TYPE, type);
    protobuf_string(out, TENSOR_NAME, name);
}

struct onnx_value onnx_constant(struct onnx_graph *graph, enum onnx_type type,
                                const int64_t *dims, size_t rank, const void *elements,
                                size_t bytes)
{
    struct onnx_value value = new_value(graph, "constant");
    buffer_clear(&graph->part);
    tensor_head(&graph->part, value.name, type, dims, rank);
    protobuf_bytes(&graph->part, TENSOR_RAW_DATA, elements, bytes);
    protobuf_message(&graph->constants, GRAPH_INITIALIZER, &graph->part);
    return value;
}

struct onnx_value onnx_constant_float(struct onnx_graph *graph, double value)
{
    float element = (float)value;
    return onnx_constant(graph, ONNX_FLOAT, NULL, 0, &element, sizeof(element));
}

struct onnx_value onnx_constant_double(struct onnx_graph *graph, double value)
{
    return onnx_constant(graph, ONNX_DOUBLE, NULL, 0, &value, sizeof(value));
}

struct onnx_value onnx_constant_integers(struct onnx_graph *graph, const int64_t *values,
                                         size_t count)
{
    int64_t dims[] = {(int64_t)count};
    return onnx_constant(graph, ONNX_INT64, dims, 1, values, count * sizeof(*values));
}

struct onnx_value onnx_constant_strings(struct onnx_graph *graph,
                                        const char *const *values, size_t count)
{
    struct onnx_value value = new_value(graph, "constant");
    int64_t dims[] = {(int64_t)count};
    buffer_clear(&graph->part);
    tensor_head(&graph->part, value.name, ONNX_STRING, dims, 1);
    for (size_t i = 0; i < count; i++)
        protobuf_string(&graph->part, TENSOR_STRING_DATA, values[i]);
    protobuf_message(&graph->constants, GRAPH_INITIALIZER, &graph->part);
    return value;
}

void onnx_tensor_head(struct buffer *out, const struct exported_tensor *tensor)
{
    struct buffer head;
    buffer_init(&head, BUFFER_MAXIMUM);
    tensor_head(&head, tensor->name, ONNX_FLOAT, tensor->shape->dims,
                (size_t)tensor->shape->rank);
    protobuf_prefix(&head, TENSOR_RAW_DATA, tensor->length);
    protobuf_prefix(out, GRAPH_INITIALIZER, head.length + tensor->length);
    buffer_append(out, head.data, head.length);
    if (head.status != 0)
        out->status = head.status;
    buffer_release(&head);
}

/* ---- what goes in and comes out ---- */

enum value_info_field { VALUE_NAME = 1, VALUE_TYPE = 2 };
enum type_field { TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2 };
enum shape_field { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

static void add_dimension(struct buffer *shape, const char *name, int64_t value)
{
    struct buffer dimension;
    buffer_init(&dimension, BUFFER_MAXIMUM);
    if (name)
        protobuf_string(&dimension, DIM_PARAM, name);
    else
        protobuf_integer(&dimension, DIM_VALUE, value);
    protobuf_message(shape, SHAPE_DIM, &dimension);
    buffer_release(&dimension);
}

/* A ValueInfoProto with a tensor type of the shape [rows, dims…]. */
static void value_info(struct buffer *out, int field, const char *name,
                       enum onnx_type element, const int64_t *dims, size_t rank)
{
    struct buffer shape, tensor, type, info;
    buffer_init(&shape, BUFFER_MAXIMUM);
    buffer_init(&tensor, BUFFER_MAXIMUM);
    buffer_init(&type, BUFFER_MAXIMUM);
    buffer_init(&info, BUFFER_MAXIMUM);
    add_dimension(&shape, BATCH_DIMENSION, 0);
    for (size_t d = 0; d < rank; d++)
        add_dimension(&shape, NULL, dims[d]);
    protobuf_integer(&tensor, TENSOR_ELEMENT, element);
    protobuf_message(&tensor, TENSOR_SHAPE, &shape);
    protobuf_message(&type, TYPE_TENSOR, &tensor);
    protobuf_string(&info, VALUE_NAME, name);
    protobuf_message(&info, VALUE_TYPE, &type);
    protobuf_message(out, field, &info);
    buffer_release(&shape);
    buffer_release(&tensor);
    buffer_release(&type);
    buffer_release(&info);
}

struct onnx_value onnx_graph_input(struct onnx_graph *graph, const char *name,
                                   enum onnx_type type, const int64_t *dims, size_t rank)
{
    value_info(&graph->inputs, GRAPH_INPUT, name, type, dims, rank);
    return onnx_named(name);
}

void onnx_graph_output(struct onnx_graph *graph, const char *name, enum onnx_type type,
                       const int64_t *dims, size_t rank)
{
    value_info(&graph->outputs, GRAPH_OUTPUT, name, type, dims, rank);
}

void onnx_declare(struct onnx_graph *graph, const struct onnx_value *value,
                  enum onnx_type type, const int64_t *dims, size_t rank)
{
    value_info(&graph->outputs, GRAPH_VALUE, value->name, type, dims, rank);
}
