/*
 * An ONNX graph under construction (https://onnx.ai/onnx/repo-docs/IR.html, opset 17):
 * nodes are appended one after the other, each reading values that are there already.
 *
 *   onnx_begin(graph, "Gemm");              the operator,
 *   onnx_input(graph, &x);                  its inputs in order,
 *   onnx_attr_integer(graph, "transB", 1);  its attributes,
 *   y = onnx_end(graph);                    and a new value for its output
 *
 * Constants of the exporter's own are written here; the trained parameters are mentioned
 * by name and length alone, because their bytes are ranges of a recipe. Failures stick in
 * the graph's buffers.
 */
#ifndef BACKPROP_ONNX_GRAPH_H
#define BACKPROP_ONNX_GRAPH_H

#include "base/buffer.h"
#include "recipe.h"
#include "spec/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ONNX_OPSET 17
#define ONNX_NAME_SIZE (FACTS_MAX_NAME_BYTES + 64)

/* TensorProto.DataType */
enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_STRING = 8,
    ONNX_DOUBLE = 11
};

/* The name of a value. */
struct onnx_value {
    char name[ONNX_NAME_SIZE];
};

struct onnx_graph {
    struct buffer nodes, constants, inputs, outputs; /* fields of a GraphProto */
    struct buffer node;                              /* under construction */
    struct buffer part;                              /* of a message */
    const char *type;                                /* operator of `node` */
    const char *scope;                               /* the layer that is being written */
    int count;                                       /* of values so far */
    bool uses_ml; /* an operator of ai.onnx.ml is among the nodes */
};

void onnx_graph_init(struct onnx_graph *graph);
void onnx_graph_release(struct onnx_graph *graph);
int onnx_graph_status(const struct onnx_graph *graph);

/* A value of that name, which the caller knows to be there. */
struct onnx_value onnx_named(const char *name);

/* ---- nodes ---- */

void onnx_begin(struct onnx_graph *graph, const char *type);
void onnx_input(struct onnx_graph *graph, const struct onnx_value *value);
void onnx_attr_integer(struct onnx_graph *graph, const char *name, int64_t value);
void onnx_attr_float(struct onnx_graph *graph, const char *name, double value);
void onnx_attr_string(struct onnx_graph *graph, const char *name, const char *value);
void onnx_attr_integers(struct onnx_graph *graph, const char *name, const int64_t *values,
                        size_t count);
void onnx_attr_strings(struct onnx_graph *graph, const char *name,
                       const char *const *values, size_t count);

/* The operator is one of ai.onnx.ml. */
void onnx_of_ml(struct onnx_graph *graph);

/* One more output, before onnx_end() makes the last one. */
struct onnx_value onnx_output(struct onnx_graph *graph);
struct onnx_value onnx_end(struct onnx_graph *graph);

/* The same with the name that the user knows the value by. */
struct onnx_value onnx_end_as(struct onnx_graph *graph, const char *name);

/* Nodes without attributes. */
struct onnx_value onnx_unary(struct onnx_graph *graph, const char *type,
                             const struct onnx_value *x);
struct onnx_value onnx_binary(struct onnx_graph *graph, const char *type,
                              const struct onnx_value *a, const struct onnx_value *b);

struct onnx_value onnx_cast(struct onnx_graph *graph, const struct onnx_value *x,
                            enum onnx_type type);
struct onnx_value onnx_transpose(struct onnx_graph *graph, const struct onnx_value *x,
                                 const int64_t *axes, size_t rank);

/* To [rows, dims…]: the rows of the batch are left as they are. */
struct onnx_value onnx_reshape(struct onnx_graph *graph, const struct onnx_value *x,
                               const int64_t *dims, size_t rank);

/* ---- constants ---- */

/* Elements as they lie in memory; rank 0: one number. */
struct onnx_value onnx_constant(struct onnx_graph *graph, enum onnx_type type,
                                const int64_t *dims, size_t rank, const void *elements,
                                size_t bytes);
struct onnx_value onnx_constant_float(struct onnx_graph *graph, double value);
struct onnx_value onnx_constant_double(struct onnx_graph *graph, double value);
struct onnx_value onnx_constant_integers(struct onnx_graph *graph, const int64_t *values,
                                         size_t count);
struct onnx_value onnx_constant_strings(struct onnx_graph *graph,
                                        const char *const *values, size_t count);

/* The head of a TensorProto for a trained tensor, whose bytes follow it. */
void onnx_tensor_head(struct buffer *out, const struct exported_tensor *tensor);

/* ---- what goes in and comes out ---- */

/* [rows, dims…], any number of rows. */
struct onnx_value onnx_graph_input(struct onnx_graph *graph, const char *name,
                                   enum onnx_type type, const int64_t *dims, size_t rank);

/* Says what a value is that readers cannot work out for themselves. */
void onnx_declare(struct onnx_graph *graph, const struct onnx_value *value,
                  enum onnx_type type, const int64_t *dims, size_t rank);
void onnx_graph_output(struct onnx_graph *graph, const char *name, enum onnx_type type,
                       const int64_t *dims, size_t rank);

#endif
