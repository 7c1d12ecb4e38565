/*
 * The two ends of a model in ONNX: from raw samples to the network's numbers, and from
 * its output to the values of a predict reply.
 *
 * Inputs. Arrays: "input" [rows, sample…] with the element type of the dataset. A table:
 * one for each column [rows, 1] under its name, numbers as float (NaN or infinite:
 * missing), categories as string (anything unknown: missing). A text: "tokens" int64
 * [rows, context length], numbered as its alphabet or as bytes.
 *
 * Outputs. Classes: "label" string [rows] and "probabilities" float [rows, classes].
 * The tokens of a text: "probabilities" of the next one, [rows, vocabulary] or [rows,
 * context length, vocabulary]. Numbers: "value" float [rows], or "values" [rows, width],
 * in the target's own units.
 */
#ifndef BACKPROP_ONNX_ENDS_H
#define BACKPROP_ONNX_ENDS_H

#include "data/preprocess.h"
#include "onnx_graph.h"
#include "spec/job_spec.h"

/* NULL, or why this preprocessing cannot be said in ONNX. */
const char *onnx_ends_obstacle(const struct preprocess *preprocess);

/* [rows, model input…] */
struct onnx_value onnx_emit_inputs(struct onnx_graph *graph,
                                   const struct preprocess *preprocess,
                                   const struct model_spec *model);

void onnx_emit_outputs(struct onnx_graph *graph, const struct preprocess *preprocess,
                       const struct onnx_value *output, const struct shape *shape);

#endif
