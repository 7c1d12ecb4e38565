/* See cost.h. Worked out in double: no product of legal sizes overflows, and a prediction
 * needs no more digits. */
#include "cost.h"
#include "cost_activations.h"

#include <math.h>
#include <string.h>

#define NUMBER_BYTES 4.0
#define PROCESS_BYTES (24.0 * 1024 * 1024)
#define THREAD_BYTES (1.0 * 1024 * 1024)
#define SCORE_BYTES 5.0    /* of a row that is ranked for the AUC */
#define BYTES_MAXIMUM 9e18 /* below INT64_MAX */
#define STEP_SECONDS 1e-5
#define UPDATE_BYTES_PER_SECOND 8e9
#define FORWARD_AND_BACKWARD 3.0

/* Buffers as long as the parameters that the optimizer keeps: those that it always has,
 * and one more for each attribute that asks for it. */
static double moment_count(const struct choice *optimizer)
{
    static const struct {
        const char *type;
        double moments;
    } rows[] = {{"sgd", 0},   {"rmsprop", 1}, {"adam", 2},
                {"adamw", 2}, {"adagrad", 1}, {"adadelta", 2},
                {"nadam", 2}, {"radam", 2},   {"lion", 1}};
    const struct attrs *attrs = &optimizer->attrs;
    double count = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(optimizer->type, rows[i].type) == 0)
            count = rows[i].moments;
    }
    if (attrs_has(attrs, "momentum") && attrs_number(attrs, "momentum") > 0)
        count++;
    if (attrs_has(attrs, "centered") && attrs_boolean(attrs, "centered"))
        count++;
    return count;
}

/* Batches made ahead, and the two images that making them takes. */
static double augmentation_numbers(const struct job_spec *spec, double target_width)
{
    double image = (double)shape_elements(&spec->features.input_shape);
    return 2 * (double)spec->step_rows * (image + target_width + 2) + 2 * image;
}

int64_t cost_memory_bytes(const struct job_spec *spec, const struct dataset_facts *facts)
{
    double moments = moment_count(&spec->optimizer);
    double parameters = (double)spec->model.parameter_count;
    double numbers = parameters * (1 + (double)spec->threads + moments);
    numbers += parameters;
    if (spec->gradient_accumulation > 1)
        numbers += parameters * (double)spec->threads;
    if (spec->average_decay > 0)
        numbers += 2 * parameters; /* and in a checkpoint */
    numbers += parameters * (2 + moments);
    if (spec->divergence_retries > 0) /* the last good state, and in a checkpoint */
        numbers += 2 * parameters * (3 + moments);
    double slice = ceil((double)spec->batch_size / (double)spec->threads);
    numbers += (double)spec->threads * cost_activations(&spec->model, slice);
    double rows = (double)(spec->train_rows + spec->validation_rows + spec->test_rows);
    double width = spec->features.reconstructs ? 0
                   : spec->features.target == TARGET_NUMBER
                       ? (double)spec->features.target_width
                       : 1.0; /* one label */
    if (facts->kind == DATASET_TABLE)
        width += (double)shape_elements(&spec->features.input_shape);
    numbers += rows * (width + 4);
    if (augment_is_on(&spec->augmentation))
        numbers += augmentation_numbers(spec, width);
    if (spec->features.vocabulary > 0 && facts->text.characters < facts->train_rows)
        numbers += (double)facts->text.characters / 2; /* ids of 16 bits */
    double bytes =
        numbers * NUMBER_BYTES + PROCESS_BYTES + (double)spec->threads * THREAD_BYTES;
    if (spec->features.target == TARGET_CATEGORY && spec->features.target_width == 2)
        bytes += SCORE_BYTES * (double)(spec->validation_rows > spec->test_rows
                                            ? spec->validation_rows
                                            : spec->test_rows);
    return bytes < BYTES_MAXIMUM ? (int64_t)bytes : INT64_MAX;
}

double cost_seconds(const struct job_spec *spec, double gflops)
{
    double trained = fmin((double)spec->train_rows,
                          (double)spec->steps_per_epoch * (double)spec->step_rows);
    double rows = FORWARD_AND_BACKWARD * trained + (double)spec->validation_rows;
    double arithmetic =
        rows * (double)spec->model.flops / (gflops * 1e9 * (double)spec->threads);
    double buffers = 2 * (2 + moment_count(&spec->optimizer)); /* each read and written */
    double update = (double)spec->model.parameter_count * NUMBER_BYTES * buffers /
                    UPDATE_BYTES_PER_SECOND;
    double steps = (double)spec->steps_per_epoch * (STEP_SECONDS + update);
    return (double)spec->epochs * (arithmetic + steps);
}
