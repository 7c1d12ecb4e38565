/*
 * The task "gradcheck": a spec and a dataset file in; for each layer how far its analytic
 * gradients are from finite differences, in the double build of the engine, on the first
 * rows of the training split. This file is compiled with ENGINE_DOUBLE.
 */
#include "engine/gradcheck.h"

#include "base/memory.h"
#include "data/dataset_file.h"
#include "data/pipeline.h"
#include "process_limits.h"
#include "session.h"
#include "stored_dataset.h"
#include "task_spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_ROWS 8
#define MOST_NUMBERS 64  /* of each tensor */
#define FLOP_BUDGET 1e10 /* of all forward passes: some seconds */
#define TOLERANCE 1e-4
/* A gradient below it is compared as if it were this large: a difference quotient of
 * losses near 1 has about 1e-10 of rounding in it. */
#define LEAST_GRADIENT 1e-5

/* A few rows as the double build takes them. */
struct batch {
    size_t rows;
    real *x;
    void *target; /* int32 labels or float32 numbers, as in loss.h */
    float *x_single;
};

static void batch_release(struct batch *batch)
{
    free(batch->x);
    free(batch->target);
    free(batch->x_single);
}

static int batch_fill(struct batch *batch, const struct pipeline *pipeline,
                      const struct job_spec *spec, struct error *err)
{
    bool labels = loss_takes_labels(spec->loss.type);
    size_t there = pipeline_rows(pipeline, IN_TRAIN);
    batch->rows = there < MOST_ROWS ? there : MOST_ROWS;
    size_t numbers = batch->rows * (size_t)shape_elements(&spec->model.input);
    size_t targets =
        labels ? (size_t)spec->positions : (size_t)spec->features.target_width;
    batch->x = mem_alloc_array(numbers, sizeof(real));
    batch->x_single = mem_alloc_array(numbers, sizeof(float));
    batch->target = mem_alloc_array(batch->rows * targets, sizeof(float));
    if (!batch->x || !batch->x_single || !batch->target)
        return error_set(err, ERR_NOMEM, "no memory for the rows of the check");
    pipeline_fill(pipeline, IN_TRAIN, NULL, 0, batch->rows, batch->x_single,
                  batch->target);
    for (size_t i = 0; i < numbers; i++)
        batch->x[i] = (real)batch->x_single[i];
    return 0;
}

/* So many numbers of each tensor that all forward passes fit the budget. */
static size_t numbers_to_check(const struct model_spec *model, size_t rows)
{
    double tensors = 1; /* the input is one */
    for (int l = 0; l < model->layer_count; l++)
        tensors += model->layers[l].param_count;
    double each = 2.0 * (double)rows * (double)model->flops * tensors;
    double most = floor(FLOP_BUDGET / fmax(each, 1));
    return (size_t)fmin(fmax(most, 1), MOST_NUMBERS);
}

static json_t *error_to_json(double error)
{
    return isfinite(error) ? json_real(error) : json_string("Infinity");
}

/* What is known of one layer's tensors, added up. */
struct layer_check {
    size_t checked, kinks;
    double largest_error;
};

/* The tensors of a layer follow one another; the input's is not a layer's. */
static json_t *list_layers(const struct model_spec *model,
                           const struct gradcheck_tensor *tensors, size_t count,
                           bool *ret_passed)
{
    json_t *list = json_array();
    *ret_passed = true;
    for (size_t i = 0; i < count && list;) {
        int layer = tensors[i].layer;
        struct layer_check sum = {0};
        for (; i < count && tensors[i].layer == layer; i++) {
            sum.checked += tensors[i].checked;
            sum.kinks += tensors[i].kinks;
            sum.largest_error = fmax(sum.largest_error, tensors[i].largest_error);
        }
        if (layer == MODEL_INPUT)
            continue;
        bool passed = sum.largest_error <= TOLERANCE;
        *ret_passed = *ret_passed && passed;
        json_t *entry = json_pack(
            "{s:s, s:s, s:I, s:I, s:o, s:b}", "layer", model->layers[layer].name, "type",
            model->layers[layer].type->name, "parameters_checked",
            (json_int_t)sum.checked, "parameters_passed_over", (json_int_t)sum.kinks,
            "max_relative_error", error_to_json(sum.largest_error), "passed", passed);
        if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static int check(struct channel *channel, const struct job_spec *spec,
                 const struct batch *batch, struct error *err)
{
    struct gradcheck_options options = {
        .model = &spec->model,
        .loss = spec->loss,
        .rows = batch->rows,
        .input_is_ids = spec->features.vocabulary > 0,
        .seed = spec->seed,
        .most_numbers = numbers_to_check(&spec->model, batch->rows),
        .least_gradient = LEAST_GRADIENT,
    };
    struct gradcheck_tensor *tensors = NULL;
    size_t count = 0;
    int rc = gradcheck(&options, batch->x, batch->target, &tensors, &count, err);
    if (rc != 0)
        return rc;
    bool passed;
    json_t *layers = list_layers(&spec->model, tensors, count, &passed);
    free(tensors);
    json_t *done = json_pack("{s:{s:s, s:b, s:f, s:I, s:o}}", "report", "object",
                             "gradcheck", "passed", passed, "tolerance", TOLERANCE,
                             "rows", (json_int_t)batch->rows, "layers", layers);
    rc = channel_send_json(channel, MESSAGE_DONE, done, err);
    json_decref(done);
    return rc;
}

int gradcheck_task(struct channel *channel, const json_t *task,
                   struct violations *violations, struct error *err)
{
    struct task_spec task_spec = {0};
    struct dataset_file *file = NULL;
    struct pipeline *pipeline = NULL;
    struct batch batch = {0};
    int rc = limits_close_descriptors(TASK_FIRST_FD + 1, channel_output(channel), err);
    if (rc == 0)
        rc = task_spec_read(&task_spec, task, violations, err);
    if (rc == 0)
        rc = channel_ready(channel, err);
    if (rc == 0)
        rc = channel_listen(channel, err);
    if (rc == 0)
        rc = stored_dataset_open(channel, task, TASK_FIRST_FD, &file, err);
    if (rc == 0)
        rc = pipeline_open(file, task_spec.facts, task_spec.spec, &pipeline, err);
    if (rc == 0 && task_spec.spec->loss.balanced)
        pipeline_balance_classes(pipeline, (size_t)task_spec.spec->features.target_width,
                                 task_spec.spec->loss.class_weights);
    if (rc == 0)
        rc = batch_fill(&batch, pipeline, task_spec.spec, err);
    if (rc == 0)
        rc = check(channel, task_spec.spec, &batch, err);
    batch_release(&batch);
    pipeline_close(pipeline);
    dataset_file_close(file);
    task_spec_release(&task_spec);
    return rc;
}
