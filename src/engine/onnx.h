/*
 * A model as an ONNX file (https://onnx.ai, IR version 8, opset 17): a recipe whose
 * ranges are the initializers' bytes. Raw samples go in and the values of a predict reply
 * come out; see onnx_ends.h for both, onnx_ops.h for what is between them.
 */
#ifndef BACKPROP_ONNX_H
#define BACKPROP_ONNX_H

#include "base/error.h"
#include "data/preprocess.h"
#include "recipe.h"
#include "spec/job_spec.h"

#include <jansson.h>

/*
 * The format's entry of export_formats(), a new reference, or {"unavailable": why} for a
 * model that ONNX cannot say. `tensors` are all of the model's, in order; `metadata` is
 * an object of strings. NULL without memory.
 */
json_t *onnx_format(const struct job_spec *spec, const struct preprocess *preprocess,
                    const struct exported_tensor *tensors, size_t count,
                    const json_t *metadata);

#endif
