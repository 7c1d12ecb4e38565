/* job_spec_describe(): the figures of a spec, for people who ask before they train. */
#include "base/error.h"
#include "canonical.h"
#include "cost.h"
#include "job_spec.h"

static json_t *layer_json(const struct layer *layer, struct violations *violations)
{
    int64_t parameters = 0;
    for (int i = 0; i < layer->param_count; i++)
        parameters += layer->params[i].trainable && !layer->params[i].shared
                          ? shape_elements(&layer->params[i].shape)
                          : 0;
    json_t *json = json_object();
    canonical_set(json, "name", json_string(layer->name), violations);
    canonical_set(json, "type", json_string(layer->type->name), violations);
    canonical_set(json, "output_shape", canonical_shape(&layer->output), violations);
    canonical_set(json, "parameters", json_integer(parameters), violations);
    canonical_set(json, "flops", json_integer(layer->flops), violations);
    return json;
}

json_t *job_spec_describe(const struct job_spec *spec, double gflops)
{
    struct violations memory; /* carries the one failure that is possible here */
    violations_init(&memory);
    json_t *layers = json_array();
    for (int i = 0; i < spec->model.layer_count; i++)
        canonical_append(layers, layer_json(&spec->model.layers[i], &memory), &memory);
    json_t *json = json_object();
    canonical_set(json, "layers", layers, &memory);
    canonical_set(json, "parameters", json_integer(spec->model.parameter_count), &memory);
    canonical_set(json, "memory_bytes", json_integer(spec->memory_bytes), &memory);
    canonical_set(json, "steps", json_integer(spec->epochs * spec->steps_per_epoch),
                  &memory);
    canonical_set(json, "estimated_seconds", json_real(cost_seconds(spec, gflops)),
                  &memory);
    if (memory.status != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}
