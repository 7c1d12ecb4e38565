/*
 * See network.h. A network is the forward half of a graph with one run of its own; the
 * engine's layouts stay inside.
 */
#include "network_internal.h"

#include "base/memory.h"
#include "gemm.h"
#include "graph.h"
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

struct network {
    struct graph *graph; /* owned, as all below */
    struct run *run;
    real *parameters; /* graph_size() reals, in the engine's layouts */
};

int network_new(const struct job_spec *spec, size_t max_rows,
                struct network **ret_network, struct error *err)
{
    struct network *network = mem_alloc(sizeof *network);
    if (!network) {
        error_set(err, ERR_NOMEM, "no memory for a network");
        return ERR_NOMEM;
    }
    struct graph_options options = {.max_rows = max_rows, .seed = spec->seed};
    int status = graph_compile(&spec->model, &options, &network->graph, err);
    if (status == 0)
        status = run_new(network->graph, &network->run, err);
    if (status == 0) {
        network->parameters = mem_alloc_aligned(graph_size(network->graph), sizeof(real));
        if (!network->parameters)
            status = error_set(err, ERR_NOMEM, "no memory for %zu parameters",
                               graph_size(network->graph));
    }
    if (status != 0) {
        network_free(network);
        return status;
    }
    *ret_network = network;
    return 0;
}

int network_load(const struct job_spec *spec, const void *parameters, size_t bytes,
                 size_t max_rows, struct network **ret_network, struct error *err)
{
    struct network *network = NULL;
    int status = network_new(spec, max_rows, &network, err);
    if (status != 0)
        return status;
    status = gemm_check_room(1, err);
    if (status != 0) {
        network_free(network);
        return status;
    }
    if (bytes != network_exported_bytes(network)) {
        status = error_set(err, ERR_CORRUPT,
                           "the model has %zu bytes of parameters, but %zu came",
                           network_exported_bytes(network), bytes);
        network_free(network);
        return status;
    }
    /* `parameters` may lie anywhere in a message; the import reads aligned floats. */
    float *aligned = mem_alloc_aligned(bytes, 1);
    if (!aligned) {
        network_free(network);
        return error_set(err, ERR_NOMEM, "no memory for %zu bytes of parameters", bytes);
    }
    memcpy(aligned, parameters, bytes);
    graph_import(network->graph, aligned, network->parameters);
    free(aligned);
    *ret_network = network;
    return 0;
}

void network_free(struct network *network)
{
    if (!network)
        return;
    run_free(network->run);
    graph_free(network->graph);
    free(network->parameters);
    free(network);
}

void network_set_parameters(struct network *network, const real *parameters)
{
    memcpy(network->parameters, parameters, graph_size(network->graph) * sizeof(real));
}

double network_l2_loss(const struct network *network)
{
    double sum = 0;
    for (int i = 0; i < graph_tensor_count(network->graph); i++) {
        const struct tensor *tensor = graph_tensor(network->graph, i);
        double l2 = graph_model(network->graph)->layers[tensor->layer].l2;
        if (l2 > 0 && tensor->spec->decays)
            sum += l2 *
                   vector_square_sum(network->parameters + tensor->offset, tensor->count);
    }
    return sum;
}

size_t network_exported_bytes(const struct network *network)
{
    return graph_exported_count(network->graph) * sizeof(float);
}

void network_export(const struct network *network, void *ret_bytes)
{
    graph_export(network->graph, network->parameters, ret_bytes);
}

size_t network_output_width(const struct network *network)
{
    return graph_output_width(network->graph);
}

size_t network_input_width(const struct network *network)
{
    return graph_input_width(network->graph);
}

size_t network_max_rows(const struct network *network)
{
    return graph_max_rows(network->graph);
}

void network_forward(struct network *network, const float *x, size_t rows,
                     float *ret_output)
{
    if (rows == 0)
        return;
    memcpy(run_input(network->run), x,
           rows * graph_input_width(network->graph) * sizeof(float));
    run_forward(network->run, network->parameters, rows, 0, 0, false, false);
    memcpy(ret_output, run_output(network->run),
           rows * graph_output_width(network->graph) * sizeof(float));
}
