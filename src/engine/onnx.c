/*
 * See onnx.h. The graph comes first as bytes in memory, but for the parameters: their
 * lengths are known, so the length of every message around them is, too.
 */
#include "onnx.h"

#include "onnx_ends.h"
#include "onnx_ops.h"
#include "protobuf.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define IR_VERSION 8
#define ML_OPSET 3
#define PRODUCER "backpropd"
#define GRAPH_NAME "network"
#define MOST_BYTES INT32_MAX /* readers of protobuf take no more */

enum model_field {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER = 2,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14
};
enum {
    GRAPH_NAME_FIELD = 2,
    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2
};

static json_t *unavailable(const char *why, const char *detail)
{
    char text[256];
    snprintf(text, sizeof(text), "%s%s", why, detail);
    return json_pack("{s:s}", "unavailable", text);
}

/* NULL, or the type of a layer that has no ONNX form. */
static const char *layer_obstacle(const struct model_spec *model)
{
    for (int i = 0; i < model->layer_count; i++) {
        if (!onnx_op_find(model->layers[i].op))
            return model->layers[i].op;
    }
    return NULL;
}

/* ---- the layers ---- */

/* `tensors`: the layer's own. Returns the value of its output. */
static struct onnx_value
emit_layer(struct onnx_graph *graph, const struct model_spec *model, int index,
           const struct onnx_value *input, const struct onnx_value *outputs,
           const struct exported_tensor *tensors, struct onnx_layer *room)
{
    const struct layer *layer = &model->layers[index];
    room->model = model;
    room->layer = layer;
    room->index = index;
    room->input_count = layer->input_count;
    for (int i = 0; i < layer->input_count; i++)
        room->inputs[i] =
            layer->inputs[i] == MODEL_INPUT ? *input : outputs[layer->inputs[i]];
    for (int p = 0; p < layer->param_count; p++)
        room->params[p] = onnx_named(tensors[p].name);
    graph->scope = layer->name;
    return onnx_op_find(layer->op)->emit(graph, room);
}

static int emit_layers(struct onnx_graph *graph, const struct model_spec *model,
                       const struct onnx_value *input,
                       const struct exported_tensor *tensors,
                       struct onnx_value *ret_output)
{
    struct onnx_value *outputs =
        mem_alloc_array((size_t)model->layer_count, sizeof(*outputs));
    struct onnx_layer *room = mem_alloc(sizeof(*room));
    for (int i = 0; outputs && room && i < model->layer_count; i++) {
        outputs[i] = emit_layer(graph, model, i, input, outputs, tensors, room);
        tensors += model->layers[i].param_count;
    }
    int rc = outputs && room ? 0 : ERR_NOMEM;
    if (rc == 0)
        *ret_output = outputs[model->output];
    free(outputs);
    free(room);
    return rc;
}

static int emit_graph(struct onnx_graph *graph, const struct job_spec *spec,
                      const struct preprocess *preprocess,
                      const struct exported_tensor *tensors)
{
    const struct model_spec *model = &spec->model;
    struct onnx_value output;
    struct onnx_value input = onnx_emit_inputs(graph, preprocess, model);
    int rc = emit_layers(graph, model, &input, tensors, &output);
    if (rc != 0)
        return rc;
    graph->scope = "";
    onnx_emit_outputs(graph, preprocess, &output, &model->layers[model->output].output);
    return onnx_graph_status(graph);
}

/* ---- the file ---- */

static void append_opset(struct buffer *out, const char *domain, int version)
{
    struct buffer opset;
    buffer_init(&opset, SIZE_MAX / 2);
    protobuf_string(&opset, OPSET_DOMAIN, domain);
    protobuf_integer(&opset, OPSET_VERSION, version);
    protobuf_message(out, MODEL_OPSET, &opset);
    buffer_release(&opset);
}

/* Everything after the graph. */
static void append_tail(struct buffer *out, const struct onnx_graph *graph,
                        const json_t *metadata)
{
    const char *key;
    json_t *value;
    struct buffer entry;
    append_opset(out, "", ONNX_OPSET);
    if (graph->uses_ml)
        append_opset(out, "ai.onnx.ml", ML_OPSET);
    buffer_init(&entry, SIZE_MAX / 2);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
    {
        buffer_clear(&entry);
        protobuf_string(&entry, ENTRY_KEY, key);
        protobuf_string(&entry, ENTRY_VALUE, json_string_value(value));
        protobuf_message(out, MODEL_METADATA, &entry);
    }
    buffer_release(&entry);
}

/* The parts of the graph that are not tensors. */
static const struct buffer *graph_part(const struct onnx_graph *graph, int which)
{
    const struct buffer *const parts[] = {&graph->nodes, &graph->constants,
                                          &graph->inputs, &graph->outputs};
    return which < 4 ? parts[which] : NULL;
}

/* Bytes of the whole graph: `literal` is what has been written of it so far. */
static uint64_t graph_bytes(const struct onnx_graph *graph, const struct buffer *literal,
                            const struct exported_tensor *tensors, size_t count)
{
    uint64_t bytes = literal->length;
    for (int i = 0; graph_part(graph, i); i++)
        bytes += graph_part(graph, i)->length;
    struct buffer head;
    buffer_init(&head, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&head);
        onnx_tensor_head(&head, &tensors[i]);
        bytes += head.length + tensors[i].length;
    }
    buffer_release(&head);
    return bytes;
}

/* Model, graph, the graph's parts, its tensors, the rest of the model. */
static void assemble(struct recipe *recipe, const struct onnx_graph *graph,
                     const struct exported_tensor *tensors, size_t count,
                     const json_t *metadata)
{
    struct buffer literal, name;
    buffer_init(&literal, SIZE_MAX / 2);
    buffer_init(&name, SIZE_MAX / 2);
    protobuf_string(&name, GRAPH_NAME_FIELD, GRAPH_NAME);
    protobuf_integer(&literal, MODEL_IR_VERSION, IR_VERSION);
    protobuf_string(&literal, MODEL_PRODUCER, PRODUCER);
    protobuf_prefix(&literal, MODEL_GRAPH, graph_bytes(graph, &name, tensors, count));
    buffer_append(&literal, name.data, name.length);
    for (int i = 0; graph_part(graph, i); i++)
        buffer_append(&literal, graph_part(graph, i)->data, graph_part(graph, i)->length);
    for (size_t i = 0; i < count; i++) {
        onnx_tensor_head(&literal, &tensors[i]);
        recipe_literal(recipe, &literal);
        recipe_range(recipe, tensors[i].offset, tensors[i].length);
        buffer_clear(&literal);
    }
    append_tail(&literal, graph, metadata);
    recipe_literal(recipe, &literal);
    buffer_release(&literal);
    buffer_release(&name);
}

json_t *onnx_format(const struct job_spec *spec, const struct preprocess *preprocess,
                    const struct exported_tensor *tensors, size_t count,
                    const json_t *metadata)
{
    const char *obstacle = layer_obstacle(&spec->model);
    if (obstacle)
        return unavailable("ONNX has no form of layers of the type ", obstacle);
    obstacle = onnx_ends_obstacle(preprocess);
    if (obstacle)
        return unavailable("ONNX cannot hold the preprocessing: ", obstacle);
    json_t *format = NULL;
    struct onnx_graph graph;
    struct recipe recipe;
    onnx_graph_init(&graph);
    recipe_init(&recipe);
    if (emit_graph(&graph, spec, preprocess, tensors) == 0) {
        assemble(&recipe, &graph, tensors, count, metadata);
        format = recipe.bytes > MOST_BYTES
                     ? unavailable("an ONNX file holds at most 2 GiB", "")
                     : recipe_finish(&recipe);
    }
    recipe_release(&recipe);
    onnx_graph_release(&graph);
    return format;
}
