/*
 * Download formats as recipes. A file in any format is a run of segments: either literal
 * bytes (headers, directories, padding) or a range of the exported parameters
 * (network.h). So the parameters are stored once, any format can be streamed with a known
 * length, and a byte range of the file is a walk over segments.
 *
 *   safetensors  header with `__metadata__` {"format": "pt", "spec", "preprocessing",
 *                "metrics"} (each a JSON text), then the parameters as they are
 *   npz          a zip of stored (not deflated) .npy members, CRC-32s worked out here
 *   onnx         the network with its preprocessing: see onnx.h
 */
#ifndef BACKPROP_EXPORT_H
#define BACKPROP_EXPORT_H

#include "base/error.h"
#include "network.h"

#include <jansson.h>

/*
 * New reference:
 *   {"safetensors": {"bytes": 940000, "segments": [{"hex": "…"}, {"offset": 0,
 *    "length": 939000}, …]}, "npz": {…}, "onnx": {…}}
 * or {"unavailable": "why"} for a format that this model cannot be had in. `parameters`
 * are the exported bytes. `metadata` is an object of strings for safetensors and ONNX.
 */
int export_formats(const struct job_spec *spec, const struct preprocess *preprocess,
                   const void *parameters, size_t bytes, const json_t *metadata,
                   json_t **ret_formats, struct error *err)
    __attribute__((warn_unused_result));

#endif
