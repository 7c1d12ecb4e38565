/*
 * Compiling a model: an op for each layer, offsets for the parameters, and (graph_plan.c)
 * memory for the activations.
 */
#include "graph.h"
#include "graph_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Keeps every byte count of a flat buffer or an arena far from overflow. */
#define MAX_REALS (SIZE_MAX / 64)

static int no_memory(struct error *err)
{
    return error_set(err, ERR_NOMEM, "no memory for the network");
}

/* Gives the node its tensors, without offsets, and their axes as in PyTorch. */
static void add_params(struct node *node)
{
    for (int p = 0; p < node->layer->param_count; p++) {
        const struct param_spec *spec = &node->layer->params[p];
        struct tensor *tensor = &node->params[p];
        tensor->spec = spec;
        tensor->layer = node->index;
        tensor->count = (size_t)shape_elements(&spec->shape);
        for (int axis = 0; axis < spec->shape.rank; axis++)
            tensor->axes[axis] = axis;
    }
    node->param_count = node->layer->param_count;
}

/* The node whose params[0] the node's own is: itself, or an earlier one. */
static int weight_owner(const struct graph *graph, int index)
{
    const struct layer *layer = &graph->model->layers[index];
    return layer->shares ? layer->owner : index;
}

bool graph_shares_later(const struct graph *graph, const struct node *node, int after)
{
    for (int n = after + 1; graph->shares && n < graph->node_count; n++) {
        if (n != node->index && graph->model->layers[n].shares &&
            weight_owner(graph, n) == weight_owner(graph, node->index))
            return true;
    }
    return false;
}

static void share_tensor(struct graph *graph, struct node *node)
{
    struct tensor *tensor = &node->params[0];
    assert(node->layer->owner < node->index);
    tensor->owner = &graph->nodes[node->layer->owner].params[0];
    assert(tensor->owner->count == tensor->count && !tensor->owner->owner);
    memcpy(tensor->axes, tensor->owner->axes, sizeof(tensor->axes));
}

/*
 * A deferred gradient saves writing it for every slice, but keeps dy to the end of the
 * step: worth it where dy is the smaller of the two. In sequences and images it seldom
 * is.
 */
static bool may_defer(const struct graph *graph, const struct node *node)
{
    const struct graph_options *options = &graph->options;
    size_t dy;
    return options->training && options->defer_from > 0 &&
           node->flags & OP_DEFERS_GRADIENT &&
           node->params[0].count >= options->defer_from &&
           mem_multiply(options->max_rows, node->width, &dy) &&
           dy <= node->params[0].count && !node->layer->shares &&
           !graph_shares_later(graph, node, node->index);
}

static int compile_node(struct graph *graph, int index, struct error *err)
{
    const struct layer *layer = &graph->model->layers[index];
    struct node *node = &graph->nodes[index];
    node->layer = layer;
    node->index = index;
    node->op =
        graph->options.find_op ? graph->options.find_op(layer->op) : op_find(layer->op);
    if (!node->op)
        return error_set_at(err, ERR_INVALID, layer->pointer,
                            "the engine has no op \"%s\"", layer->op);
    node->flags = node->op->flags;
    node->whole_gradient = graph->options.whole_gradient;
    node->input_count = layer->input_count;
    for (int i = 0; i < layer->input_count; i++) {
        assert(layer->inputs[i] >= MODEL_INPUT && layer->inputs[i] < index);
        node->inputs[i] = layer->inputs[i];
        node->input_shapes[i] = model_input_shape(graph->model, index, i);
        node->input_widths[i] = (size_t)shape_elements(node->input_shapes[i]);
    }
    node->width = (size_t)shape_elements(&layer->output);
    add_params(node);
    if (layer->shares)
        share_tensor(graph, node);
    if (node->op->config_size > 0) {
        node->config = mem_alloc(node->op->config_size);
        if (!node->config)
            return no_memory(err);
    }
    if (node->op->plan) {
        int rc = node->op->plan(node, graph->options.max_rows, err);
        if (rc != 0)
            return rc;
    }
    node->deferred = may_defer(graph, node);
    graph->unit_count += node_units(node);
    return 0;
}

/* Lays the tensors out, those with `trained` as asked, and lists them. */
static int place_tensors(struct graph *graph, bool trained, struct error *err)
{
    for (int n = 0; n < graph->node_count; n++) {
        struct node *node = &graph->nodes[n];
        for (int p = 0; p < node->param_count; p++) {
            struct tensor *tensor = &node->params[p];
            if (tensor->spec->trainable != trained)
                continue;
            if (tensor->owner) { /* placed before; exported under both names */
                tensor->offset = tensor->owner->offset;
                graph->exported_count += tensor->count;
                continue;
            }
            if (tensor->count > MAX_REALS - graph->size - GRAPH_ALIGN)
                return error_set(err, ERR_TOO_LARGE,
                                 "the parameters do not fit in memory");
            tensor->offset = graph->size;
            graph->size += (tensor->count + GRAPH_ALIGN - 1) / GRAPH_ALIGN * GRAPH_ALIGN;
            graph->exported_count += tensor->count;
            graph->tensors[graph->tensor_count++] = tensor;
        }
    }
    return 0;
}

static int place_parameters(struct graph *graph, struct error *err)
{
    size_t count = 0;
    for (int n = 0; n < graph->node_count; n++)
        count += (size_t)graph->nodes[n].param_count;
    graph->tensors = mem_alloc_array(count, sizeof(struct tensor *));
    if (!graph->tensors)
        return no_memory(err);
    int rc = place_tensors(graph, true, err);
    graph->trained_size = graph->size;
    return rc != 0 ? rc : place_tensors(graph, false, err);
}

int graph_compile(const struct model_spec *model, const struct graph_options *options,
                  struct graph **ret_graph, struct error *err)
{
    assert(options->max_rows > 0 && model->layer_count > 0);
    struct graph *graph = mem_alloc(sizeof(*graph));
    if (!graph)
        return no_memory(err);
    graph->model = model;
    graph->options = *options;
    graph->nodes = mem_alloc_array((size_t)model->layer_count, sizeof(struct node));
    if (!graph->nodes) {
        free(graph);
        return no_memory(err);
    }
    int rc = 0;
    graph->node_count = model->layer_count;
    for (int n = 0; n < graph->node_count; n++)
        graph->shares = graph->shares || model->layers[n].shares;
    for (int n = 0; n < graph->node_count && rc == 0; n++)
        rc = compile_node(graph, n, err);
    if (rc == 0)
        rc = place_parameters(graph, err);
    if (rc == 0)
        rc = graph_plan_memory(graph, err);
    if (rc != 0) {
        graph_free(graph);
        return rc;
    }
    *ret_graph = graph;
    return 0;
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    for (int n = 0; n < graph->node_count; n++)
        free(graph->nodes[n].config);
    free(graph->nodes);
    free(graph->tensors);
    free(graph->values);
    free(graph->plans);
    free(graph->buffers);
    free(graph);
}

size_t node_units(const struct node *node)
{
    const struct shape *shape = &node->layer->output;
    return (size_t)shape->dims[shape->rank - 1];
}

const struct model_spec *graph_model(const struct graph *graph)
{
    return graph->model;
}

size_t graph_size(const struct graph *graph)
{
    return graph->size;
}

size_t graph_trained_size(const struct graph *graph)
{
    return graph->trained_size;
}

size_t graph_input_width(const struct graph *graph)
{
    return graph->values[0].width;
}

size_t graph_output_width(const struct graph *graph)
{
    return graph->values[value_of(graph->model->output)].width;
}

size_t graph_max_rows(const struct graph *graph)
{
    return graph->options.max_rows;
}

size_t graph_arena_bytes(const struct graph *graph)
{
    return graph->arena_size * sizeof(real);
}

int graph_node_count(const struct graph *graph)
{
    return graph->node_count;
}

const struct node *graph_node(const struct graph *graph, int which)
{
    assert(which >= 0 && which < graph->node_count);
    return &graph->nodes[which];
}

int graph_tensor_count(const struct graph *graph)
{
    return graph->tensor_count;
}

const struct tensor *graph_tensor(const struct graph *graph, int which)
{
    assert(which >= 0 && which < graph->tensor_count);
    return graph->tensors[which];
}
