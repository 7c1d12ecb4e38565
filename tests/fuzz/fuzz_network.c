/*
 * From a job spec to a network that runs: a byte that chooses the dataset's facts, then
 * the spec. What the spec's checks accept (and is small enough for a fuzzer) compiles,
 * goes forward and backward within its memory, and is exported in all formats.
 */
#include "../spec/sample_facts.h"
#include "data/preprocess.h"
#include "engine/export.h"
#include "engine/graph.h"
#include "engine/network.h"
#include "fuzz.h"
#include "json_mutator.h"

#include <stdlib.h>
#include <string.h>

#define FACTS_COUNT 5
#define ROWS 3
#define MAX_PARAMETERS 20000
#define MAX_FLOPS 3000000
#define MAX_WIDTH 100000

const size_t fuzz_json_prefix = 1;

/* {"kind": "arrays", …} with one number as target, which fits any network of one number;
 * formats of others say that they are not available. */
static const char preprocess_text[] =
    "{'kind':'arrays','sample_shape':[4],'element':'float32','input':{'shift':0,"
    "'scale':1},'target':{'name':'y','type':'number','shift':0,'scale':1,'width':1}}";

static const struct dataset_facts *choose_facts(uint8_t choice)
{
    static const char *const texts[FACTS_COUNT] = {facts_of_titanic, facts_of_houses,
                                                   facts_of_images, facts_of_signals,
                                                   facts_of_text};
    static struct dataset_facts *facts[FACTS_COUNT];
    size_t i = choice % FACTS_COUNT;
    if (!facts[i])
        facts[i] = sample_facts(texts[i]);
    return facts[i];
}

static bool is_small(const struct job_spec *spec)
{
    const struct model_spec *model = &spec->model;
    if (model->parameter_count > MAX_PARAMETERS || model->flops > MAX_FLOPS ||
        shape_elements(&model->input) > MAX_WIDTH || model->layer_count > 60)
        return false;
    for (int i = 0; i < model->layer_count; i++)
        if (shape_elements(&model->layers[i].output) + model->layers[i].kept > MAX_WIDTH)
            return false;
    return true;
}

static void fill(real *numbers, size_t count, int64_t vocabulary)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = vocabulary > 0 ? (real)((int64_t)(i * 7) % vocabulary)
                                    : (real)((int)(i * 37 % 19) - 9) / 5;
}

static void train_a_step(const struct graph *graph, const struct job_spec *spec)
{
    size_t reals = graph_size(graph) + 1;
    real *parameters = calloc(reals, sizeof(real)),
         *gradients = calloc(reals, sizeof(real));
    struct run *run = NULL;
    struct error err = {0};
    FUZZ_EXPECT(parameters && gradients);
    FUZZ_EXPECT(graph_initialize(graph, 1, parameters, &err) == 0);
    FUZZ_EXPECT(run_new(graph, &run, &err) == 0);
    for (size_t rows = ROWS; rows > 0; rows--) {
        fill(run_input(run), rows * graph_input_width(graph), spec->model.vocabulary);
        run_forward(run, parameters, rows, 0, 5, true, rows == ROWS);
        fill(run_output_gradient(run), rows * graph_output_width(graph), 0);
        run_backward(run, parameters, gradients);
    }
    run_free(run);
    free(parameters);
    free(gradients);
}

static void export(const struct job_spec *spec, const struct graph *graph)
{
    size_t bytes = graph_exported_count(graph) * sizeof(float);
    float *parameters = calloc(graph_exported_count(graph) + 1, sizeof(float));
    FUZZ_EXPECT(parameters);
    struct network *network = NULL;
    struct error err = {0};
    FUZZ_EXPECT(network_load(spec, parameters, bytes, ROWS, &network, &err) == 0);
    FUZZ_EXPECT(network_exported_bytes(network) == bytes);
    json_t *json = sample_json(preprocess_text), *metadata = json_object();
    struct preprocess *preprocess = NULL;
    FUZZ_EXPECT(preprocess_parse(json, &preprocess, &err) == 0);
    json_t *formats = NULL;
    FUZZ_EXPECT(export_formats(spec, preprocess, parameters, bytes, metadata, &formats,
                               &err) == 0);
    FUZZ_EXPECT(json_object_get(formats, "safetensors"));
    json_decref(formats);
    json_decref(metadata);
    json_decref(json);
    preprocess_free(preprocess);
    network_free(network);
    free(parameters);
}

static void run(const struct job_spec *spec)
{
    const struct graph_options options = {.max_rows = ROWS, .training = true, .seed = 3};
    struct graph *graph = NULL;
    struct error err = {0};
    int rc = graph_compile(&spec->model, &options, &graph, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT(rc == 0);
    train_a_step(graph, spec);
    export(spec, graph);
    graph_free(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const struct dataset_facts *facts = choose_facts(fuzz_take_byte(&input));
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    struct job_spec *spec = NULL;
    if (job_spec_load_json((const char *)input.data, input.size, &json, &violations) ==
            0 &&
        job_spec_parse(json, facts, &spec, &violations) == 0 && is_small(spec))
        run(spec);
    job_spec_free(spec);
    json_decref(json);
    violations_release(&violations);
    return 0;
}
