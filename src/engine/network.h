/*
 * A network: a compiled graph with its parameters, for exact forward passes outside of
 * training, and the way of its parameters out of the engine and back.
 *
 * Exported parameters are one run of little-endian float32 in PyTorch's layouts, the
 * layers in graph order, each layer's tensors in the order of its param_specs. That run
 * is what `weights_sha256` is the digest of, and what every download format is cut from.
 */
#ifndef BACKPROP_NETWORK_H
#define BACKPROP_NETWORK_H

#include "base/error.h"
#include "data/preprocess.h"
#include "spec/job_spec.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct network;

/* Compiles the model for batches of at most `max_rows` and gives it the exported
 * parameters. Borrows spec. New object. */
int network_load(const struct job_spec *spec, const void *parameters, size_t bytes,
                 size_t max_rows, struct network **ret_network, struct error *err)
    __attribute__((warn_unused_result));
void network_free(struct network *network);

/* Size of the exported parameters in bytes. */
size_t network_exported_bytes(const struct network *network);

/* Writes them to `bytes` (network_exported_bytes() long). */
void network_export(const struct network *network, void *ret_bytes);

/*
 * x: [rows, features] -> output: [rows, outputs], raw (logits, normalized numbers).
 * rows <= max_rows. Not thread-safe: a network has one arena.
 */
void network_forward(struct network *network, const float *x, size_t rows,
                     float *ret_output);

/* Numbers a row of network_forward()'s output has. */
size_t network_output_width(const struct network *network);

/*
 * The reply of a predict request, from preprocessed rows to what the user asked for:
 * [{"label": "0", "probabilities": {"0": 0.83, "1": 0.17}}] or [{"value": 3.2}]
 * ({"values": […]} when more than one number is predicted). Runs in chunks of max_rows.
 * New reference; NULL without memory, or when the preprocessing does not fit the network
 * (other numbers of features, classes or outputs).
 */
json_t *network_predict(struct network *network, const struct preprocess *preprocess,
                        const float *x, size_t rows);

#endif
