/* network_predict() of network.h: from raw outputs to
 * labels, probabilities and numbers. */
#include "network.h"

#include "base/memory.h"
#include "figures.h"
#include "network_internal.h"

#include <math.h>
#include <stdlib.h>

/* logits: [width] -> probabilities: [width], by softmax. */
static void softmax(const float *logits, size_t width, double *ret_probabilities)
{
    double largest = (double)logits[0], sum = 0;
    for (size_t c = 1; c < width; c++)
        largest = fmax(largest, (double)logits[c]);
    for (size_t c = 0; c < width; c++) {
        ret_probabilities[c] = exp((double)logits[c] - largest);
        sum += ret_probabilities[c];
    }
    for (size_t c = 0; c < width; c++)
        ret_probabilities[c] /= sum;
}

/* One logit -> probabilities of class 0 and 1, both exact for logits of any size. */
static void sigmoid_pair(float logit, double ret_probabilities[2])
{
    ret_probabilities[0] = 1 / (1 + exp((double)logit));
    ret_probabilities[1] = 1 / (1 + exp(-(double)logit));
}

/* {"label", "probabilities"}; `probabilities` has room for every class. */
static json_t *predict_class(const struct preprocess *preprocess, const float *output,
                             size_t width, double *probabilities)
{
    if (width == 1)
        sigmoid_pair(output[0], probabilities);
    else
        softmax(output, width, probabilities);

    json_t *named = json_object();
    size_t best = 0;
    for (size_t c = 0; c < preprocess->class_count; c++) {
        best = probabilities[c] > probabilities[best] ? c : best;
        if (json_object_set_new(named, preprocess->classes[c],
                                figure_to_json(probabilities[c])) != 0) {
            json_decref(named);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o}", "label", preprocess->classes[best], "probabilities",
                     named);
}

static json_t *original(const struct number_transform *transform, float number)
{
    return figure_to_json((double)number * transform->scale + transform->shift);
}

/* {"value": number} or {"values": [numbers]} in the target's own units. */
static json_t *predict_numbers(const struct preprocess *preprocess, const float *output,
                               size_t width)
{
    const struct number_transform *transform = &preprocess->target_number;
    if (width == 1)
        return json_pack("{s:o}", "value", original(transform, output[0]));
    json_t *values = json_array();
    for (size_t i = 0; i < width; i++) {
        if (json_array_append_new(values, original(transform, output[i])) != 0) {
            json_decref(values);
            return NULL;
        }
    }
    return json_pack("{s:o}", "values", values);
}

/* Numbers of a sample as nested lists of the dimensions; moves *numbers past them. */
static json_t *nested(const struct number_transform *transform, const int64_t *dims,
                      int rank, const float **numbers)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < dims[0] && list; i++) {
        json_t *item = rank > 1 ? nested(transform, dims + 1, rank - 1, numbers)
                                : original(transform, *(*numbers)++);
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* The columns of a row with their numbers. */
static json_t *columns(const struct preprocess *preprocess, const float *output)
{
    json_t *row = json_object();
    for (int i = 0; i < preprocess->input_count && row; i++) {
        const struct preprocess_column *column = &preprocess->inputs[i];
        if (json_object_set_new(row, column->name,
                                original(&column->number, output[i])) != 0) {
            json_decref(row);
            row = NULL;
        }
    }
    return row;
}

/* {"reconstruction": the sample or the row} in the input's own units. */
static json_t *predict_input(const struct preprocess *preprocess, const float *output)
{
    const struct shape *shape = &preprocess->sample_shape;
    return json_pack("{s:o}", "reconstruction",
                     preprocess->kind == DATASET_TABLE
                         ? columns(preprocess, output)
                         : nested(&preprocess->array, shape->dims, shape->rank, &output));
}

/* Do the classes (or numbers) and features fit the network's output and input? */
static bool is_matching(const struct network *network,
                        const struct preprocess *preprocess)
{
    size_t width = network_output_width(network);
    if ((size_t)preprocess->feature_count != network_input_width(network))
        return false;
    if (preprocess->target == TARGET_CATEGORY)
        return preprocess->class_count == (width == 1 ? 2 : width);
    return (size_t)preprocess->target_width == width;
}

json_t *network_predict(struct network *network, const struct preprocess *preprocess,
                        const float *x, size_t rows)
{
    size_t width = network_output_width(network), features = network_input_width(network);
    size_t chunk = network_max_rows(network);
    float *output = mem_alloc_array(chunk, width * sizeof *output);
    double *probabilities = mem_alloc_array(width + 1, sizeof *probabilities);
    json_t *predictions =
        output && probabilities && is_matching(network, preprocess) ? json_array() : NULL;
    for (size_t first = 0; predictions && first < rows; first += chunk) {
        size_t count = rows - first < chunk ? rows - first : chunk;
        network_forward(network, x + first * features, count, output);
        for (size_t r = 0; predictions && r < count; r++) {
            const float *row = output + r * width;
            json_t *prediction =
                preprocess->reconstructs ? predict_input(preprocess, row)
                : preprocess->target == TARGET_CATEGORY
                    ? predict_class(preprocess, row, width, probabilities)
                    : predict_numbers(preprocess, row, width);
            if (json_array_append_new(predictions, prediction) != 0) {
                json_decref(predictions);
                predictions = NULL;
            }
        }
    }
    free(output);
    free(probabilities);
    return predictions;
}
