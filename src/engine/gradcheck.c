/* See gradcheck.h. */
#include "gradcheck.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP 1e-5
#define SMALLEST_STEP 1e-8
#define STEP_DIVISOR 20
#define SMALL_ERROR 1e-6
#define KINK 0.1

struct check {
    const struct gradcheck_options *options;
    struct graph *graph;
    struct run *run;
    real *parameters, *gradients, *input, *input_gradient;
    const void *target;
};

static size_t input_count(const struct check *check)
{
    return check->options->rows * graph_input_width(check->graph);
}

/* The mean loss at the present parameters and input; the gradients too if asked for. */
static double evaluate(struct check *check, bool backward)
{
    struct loss_sums sums = {0};
    size_t rows = check->options->rows;
    memcpy(run_input(check->run), check->input, input_count(check) * sizeof(real));
    run_forward(check->run, check->parameters, rows, 0, 0, true, false);
    const struct model_spec *model = check->options->model;
    struct loss_layout layout =
        loss_layout_of(check->options->loss.type, &model->layers[model->output].output);
    size_t compared = rows * layout.positions;
    loss_compute(&check->options->loss, run_output(check->run), check->target, compared,
                 layout.width, compared, run_output_gradient(check->run), &sums);
    if (backward)
        run_backward(check->run, check->parameters, check->gradients);
    return loss_sums_loss(&sums);
}

/* One number: false when it sits on a kink. */
static bool numeric_gradient(struct check *check, real *number, double middle,
                             double relative_step, double *ret_gradient)
{
    real before = *number;
    double step = relative_step * (1.0 + fabs((double)before));
    *number = (real)((double)before + step);
    double above = evaluate(check, false);
    *number = (real)((double)before - step);
    double below = evaluate(check, false);
    *number = before;
    double right = (above - middle) / step, left = (middle - below) / step;
    *ret_gradient = (above - below) / (2 * step);
    return fabs(right - left) <= KINK * fmax(fabs(right), fabs(left)) + 1e-4;
}

/* The number's relative error; false when it sits on a kink. */
static bool relative_error(struct check *check, real *number, double exact, double middle,
                           double least, double *ret_error)
{
    double smallest = (double)INFINITY;
    for (double step = STEP; step >= SMALLEST_STEP && !(smallest <= SMALL_ERROR);
         step /= STEP_DIVISOR) {
        double numeric;
        if (!numeric_gradient(check, number, middle, step, &numeric))
            return false;
        double scale = fmax(least, fmax(fabs(exact), fabs(numeric)));
        double error = fabs(exact - numeric) / scale;
        if (error < smallest) /* NaN counts as the largest */
            smallest = error;
    }
    *ret_error = smallest;
    return true;
}

static void check_numbers(struct check *check, real *numbers, const real *analytic,
                          size_t count, struct gradcheck_tensor *tensor)
{
    size_t most = check->options->most_numbers;
    size_t stride = most > 0 && count > most ? count / most : 1;
    double middle = evaluate(check, false);
    for (size_t i = 0; i < count; i++)
        tensor->largest_gradient =
            fmax(tensor->largest_gradient, fabs((double)analytic[i]));
    double floor =
        check->options->least_gradient > 0 ? check->options->least_gradient : 1e-8;
    double least = fmax(1e-3 * tensor->largest_gradient, floor);
    for (size_t i = 0; i < count; i += stride) {
        double error;
        if (!relative_error(check, &numbers[i], (double)analytic[i], middle, least,
                            &error)) {
            tensor->kinks++;
            continue;
        }
        tensor->largest_error = fmax(tensor->largest_error, error);
        tensor->checked++;
    }
}

static int prepare(struct check *check, const real *x, struct error *err)
{
    const struct gradcheck_options *options = check->options;
    struct graph_options graph_options = {
        .max_rows = options->rows,
        .training = true,
        .input_gradient = !options->input_is_ids,
        .whole_gradient = true,
        .seed = options->seed,
        .defer_from = options->defer_from,
        .find_op = options->find_op,
    };
    int rc = graph_compile(options->model, &graph_options, &check->graph, err);
    if (rc == 0)
        rc = run_new(check->graph, &check->run, err);
    if (rc != 0)
        return rc;
    size_t size = graph_size(check->graph);
    check->parameters = mem_alloc_aligned(size, sizeof(real));
    check->gradients = mem_alloc_aligned(size, sizeof(real));
    check->input = mem_alloc_aligned(input_count(check), sizeof(real));
    check->input_gradient = mem_alloc_aligned(input_count(check), sizeof(real));
    if (!check->parameters || !check->gradients || !check->input ||
        !check->input_gradient)
        return error_set(err, ERR_NOMEM, "no memory for the gradient check");
    memcpy(check->input, x, input_count(check) * sizeof(real));
    rc = graph_initialize(check->graph, options->seed, check->parameters, err);
    if (rc != 0)
        return rc;
    /* Zero biases would leave half of what they do untested. */
    for (size_t i = 0; i < graph_trained_size(check->graph); i++)
        check->parameters[i] += (real)(0.1 * sin((double)(3 * i + 1)));
    return 0;
}

static void analytic_gradients(struct check *check)
{
    evaluate(check, true);
    if (!check->options->input_is_ids)
        memcpy(check->input_gradient, run_input_gradient(check->run),
               input_count(check) * sizeof(real));
    for (int n = 0; n < graph_node_count(check->graph); n++) {
        const struct node *node = graph_node(check->graph, n);
        if (!node->deferred)
            continue;
        const struct tensor *tensor = &node->params[0];
        size_t rows = (size_t)tensor->spec->shape.dims[tensor->axes[0]];
        run_gradient_rows(&check->run, 1, node, 0, rows,
                          check->gradients + tensor->offset);
    }
}

static void check_all(struct check *check, struct gradcheck_tensor *tensors,
                      size_t *count)
{
    analytic_gradients(check);
    *count = 0;
    for (int i = 0; i < graph_tensor_count(check->graph); i++) {
        const struct tensor *tensor = graph_tensor(check->graph, i);
        if (!tensor->spec->trainable)
            continue;
        struct gradcheck_tensor *result = &tensors[(*count)++];
        *result =
            (struct gradcheck_tensor){.layer = tensor->layer, .name = tensor->spec->name};
        check_numbers(check, check->parameters + tensor->offset,
                      check->gradients + tensor->offset, tensor->count, result);
    }
    struct gradcheck_tensor *input = &tensors[(*count)++];
    *input = (struct gradcheck_tensor){.layer = MODEL_INPUT, .name = "input"};
    if (!check->options->input_is_ids)
        check_numbers(check, check->input, check->input_gradient, input_count(check),
                      input);
}

int gradcheck(const struct gradcheck_options *options, const real *x, const void *target,
              struct gradcheck_tensor **ret_tensors, size_t *ret_count, struct error *err)
{
    struct check check = {.options = options, .target = target};
    int rc = prepare(&check, x, err);
    if (rc == 0) {
        size_t most = (size_t)graph_tensor_count(check.graph) + 1;
        struct gradcheck_tensor *tensors = mem_alloc_array(most, sizeof(*tensors));
        if (tensors) {
            check_all(&check, tensors, ret_count);
            *ret_tensors = tensors;
        } else {
            rc = error_set(err, ERR_NOMEM, "no memory for the gradient check");
        }
    }
    free(check.parameters);
    free(check.gradients);
    free(check.input);
    free(check.input_gradient);
    run_free(check.run);
    graph_free(check.graph);
    return rc;
}
