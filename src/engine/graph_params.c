/* Parameters between the engine's flat buffer and PyTorch's layouts, and their first
 * values. */
#include "graph.h"
#include "graph_internal.h"
#include "orthogonal.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Walks over a tensor's elements in PyTorch's order and says where each lies in the
 * engine's. The engine's order is a permutation of the axes, so every axis of PyTorch's
 * has a stride.
 */
struct walk {
    int rank;
    size_t dims[SHAPE_MAX_RANK], strides[SHAPE_MAX_RANK], index[SHAPE_MAX_RANK];
    size_t offset;
};

static struct walk walk_start(const struct tensor *tensor)
{
    const struct shape *shape = &tensor->spec->shape;
    struct walk walk = {.rank = shape->rank};
    size_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        int axis = tensor->axes[i];
        walk.strides[axis] = stride;
        stride *= (size_t)shape->dims[axis];
    }
    for (int axis = 0; axis < shape->rank; axis++)
        walk.dims[axis] = (size_t)shape->dims[axis];
    return walk;
}

/* The offset of the present element; goes on to the next. */
static size_t walk_next(struct walk *walk)
{
    size_t offset = walk->offset;
    for (int axis = walk->rank - 1; axis >= 0; axis--) {
        walk->offset += walk->strides[axis];
        if (++walk->index[axis] < walk->dims[axis])
            break;
        walk->offset -= walk->dims[axis] * walk->strides[axis];
        walk->index[axis] = 0;
    }
    return offset;
}

void graph_export_param(const struct tensor *tensor, const real *engine, real *ret_torch)
{
    struct walk walk = walk_start(tensor);
    for (size_t i = 0; i < tensor->count; i++)
        ret_torch[i] = engine[walk_next(&walk)];
}

void graph_import_param(const struct tensor *tensor, const real *torch, real *ret_engine)
{
    struct walk walk = walk_start(tensor);
    for (size_t i = 0; i < tensor->count; i++)
        ret_engine[walk_next(&walk)] = torch[i];
}

static double truncated_normal(struct rng *rng)
{
    double value = rng_normal(rng);
    while (fabs(value) > 2)
        value = rng_normal(rng);
    return value;
}

/* Number i of `count` of a distribution without a shape. */
static double draw(const struct param_spec *spec, size_t i, size_t count, struct rng *rng)
{
    switch (spec->initializer) {
    case INIT_ZEROS:
        break;
    case INIT_ONES:
        return 1;
    case INIT_UNIFORM:
        return spec->scale * (2 * (double)rng_uniform(rng) - 1);
    case INIT_NORMAL:
        return spec->scale * rng_normal(rng);
    case INIT_TRUNCATED_NORMAL:
        return spec->scale * truncated_normal(rng);
    case INIT_FORGET:
        return i / (count / 4) == 1;
    case INIT_ORTHOGONAL:
        break; /* initialize_orthogonal() */
    }
    return 0;
}

/* Single precision in both builds, so that both start from the same numbers. */
static real rounded(double value)
{
    return (real)(float)value;
}

/* The tensor as a matrix: its first axis, and all the others. */
static int initialize_orthogonal(const struct tensor *tensor, struct rng *rng,
                                 real *ret_engine, struct error *err)
{
    size_t rows = (size_t)tensor->spec->shape.dims[0];
    double *matrix = mem_alloc_array(tensor->count, 2 * sizeof(double));
    if (!matrix)
        return error_set(err, ERR_NOMEM, "no memory to initialize the parameters");
    orthogonal_fill(rng, rows, tensor->count / rows, matrix + tensor->count, matrix);
    struct walk walk = walk_start(tensor);
    for (size_t i = 0; i < tensor->count; i++)
        ret_engine[walk_next(&walk)] = rounded(tensor->spec->scale * matrix[i]);
    free(matrix);
    return 0;
}

static int initialize_tensor(const struct tensor *tensor, struct rng *rng,
                             real *ret_engine, struct error *err)
{
    if (tensor->spec->initializer == INIT_ORTHOGONAL)
        return initialize_orthogonal(tensor, rng, ret_engine, err);
    struct walk walk = walk_start(tensor);
    for (size_t i = 0; i < tensor->count; i++)
        ret_engine[walk_next(&walk)] = rounded(draw(tensor->spec, i, tensor->count, rng));
    return 0;
}

int graph_initialize(const struct graph *graph, uint64_t seed, real *ret_parameters,
                     struct error *err)
{
    memset(ret_parameters, 0, graph->size * sizeof(real));
    uint64_t index = 0;
    int rc = 0;
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        for (int p = 0; p < node->param_count && rc == 0; p++) {
            struct rng rng;
            rng_init(&rng, seed, RNG_INITIALIZER, index++);
            if (node->params[p].owner)
                continue;
            rc = initialize_tensor(&node->params[p], &rng,
                                   ret_parameters + node->params[p].offset, err);
        }
    }
    return rc;
}

size_t graph_exported_count(const struct graph *graph)
{
    return graph->exported_count;
}

void graph_export(const struct graph *graph, const real *parameters, float *ret_exported)
{
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        for (int p = 0; p < node->param_count; p++) {
            const struct tensor *tensor = &node->params[p];
            struct walk walk = walk_start(tensor);
            for (size_t i = 0; i < tensor->count; i++)
                *ret_exported++ = (float)parameters[tensor->offset + walk_next(&walk)];
        }
    }
}

void graph_import(const struct graph *graph, const float *exported, real *ret_parameters)
{
    memset(ret_parameters, 0, graph->size * sizeof(real));
    for (int n = 0; n < graph->node_count; n++) {
        const struct node *node = &graph->nodes[n];
        for (int p = 0; p < node->param_count; p++) {
            const struct tensor *tensor = &node->params[p];
            struct walk walk = walk_start(tensor);
            for (size_t i = 0; i < tensor->count; i++)
                ret_parameters[tensor->offset + walk_next(&walk)] = (real)*exported++;
        }
    }
}
