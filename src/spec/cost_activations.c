/* See cost_activations.h. Time is the index of the layer whose step back it is, from the
 * last to the first. */
#include "cost_activations.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The engine places buffers of different lifetimes greedily, which leaves gaps. */
#define GAPS 1.15
#define ALIGNMENT 16.0 /* numbers that each buffer may be longer */

/* Ops that work in place: their gradient is where their input's is. Of those, the ones
 * that need not see their input again have their output there, too. */
static const struct {
    const char *op;
    bool keeps_input;  /* backward looks at it */
    bool keeps_output; /* so that nobody else may work in it */
} in_place[] = {
    {"flatten", false, false},
    {"linear", false, false},
    {"reshape", false, false},
    {"dropout", false, false},
    {"position_embedding", false, false},
    {"sinusoidal_positions", false, false},
    {"relu", false, true},
    {"leaky_relu", false, true},
    {"sigmoid", false, true},
    {"elu", false, true},
    {"tanh", false, true},
    {"softmax", false, true},
    {"softplus", true, false},
    {"silu", true, false},
    {"gelu", true, false},
};

struct tally {
    const struct model_spec *model;
    double rows;
    int *readers, *last; /* by layer: how many read it, the last of them (or -1) */
    int *root, *low;     /* by layer: whose gradient it shares; until when that lives */
    double *change;      /* by time: of the numbers that live, against the time before */
};

static double width_of(const struct tally *tally, int layer)
{
    const struct shape *shape =
        layer == MODEL_INPUT ? &tally->model->input : &tally->model->layers[layer].output;
    return (double)shape_elements(shape);
}

static double buffer(const struct tally *tally, double width)
{
    return width * tally->rows + ALIGNMENT;
}

static int find_in_place(const struct layer *layer)
{
    if (layer->channels_first)
        return -1; /* it turns the numbers round */
    for (size_t i = 0; i < sizeof(in_place) / sizeof(in_place[0]); i++)
        if (strcmp(layer->op, in_place[i].op) == 0)
            return (int)i;
    return -1;
}

/* A layer whose one input nobody else reads, and which is as large. */
static bool could_share(const struct tally *tally, const struct layer *layer, int index)
{
    int input = layer->inputs[0];
    return layer->input_count == 1 && input != MODEL_INPUT &&
           tally->readers[input] == 1 && input != tally->model->output &&
           width_of(tally, input) == width_of(tally, index);
}

/* May its output lie where its input does? */
static bool works_in_input(const struct tally *tally, int index)
{
    const struct layer *layer = &tally->model->layers[index];
    int how = find_in_place(layer);
    if (how < 0 || !could_share(tally, layer, index) || in_place[how].keeps_input)
        return false;
    /* What made the input may want it back: only of some it is known that it does not. */
    static const char *const careless[] = {"dense",      "conv1d",     "conv2d",
                                           "batch_norm", "layer_norm", "rms_norm",
                                           "group_norm", "embedding",  NULL};
    const char *op = tally->model->layers[layer->inputs[0]].op;
    for (int i = 0; careless[i]; i++)
        if (strcmp(op, careless[i]) == 0)
            return true;
    int before = find_in_place(&tally->model->layers[layer->inputs[0]]);
    return before >= 0 && !in_place[before].keeps_output &&
           works_in_input(tally, layer->inputs[0]);
}

static void count_readers(struct tally *tally)
{
    const struct model_spec *model = tally->model;
    for (int n = 0; n < model->layer_count; n++) {
        tally->last[n] = -1;
        tally->root[n] = n;
        for (int i = 0; i < model->layers[n].input_count; i++) {
            int input = model->layers[n].inputs[i];
            if (input == MODEL_INPUT)
                continue;
            tally->readers[input]++;
            tally->last[input] = n;
        }
    }
}

/* Is the gradient of what a dense layer's weight is multiplied with left to the end? It
 * may be where it is the smaller of the two. */
static bool may_wait(const struct tally *tally, int index)
{
    const struct layer *layer = &tally->model->layers[index];
    return layer->param_count > 0 && strcmp(layer->op, "dense") == 0 &&
           width_of(tally, index) * tally->rows <=
               (double)shape_elements(&layer->params[0].shape);
}

/* Numbers that are kept from the way forward. */
static double kept_numbers(const struct tally *tally)
{
    double numbers = buffer(tally, width_of(tally, MODEL_INPUT));
    for (int n = 0; n < tally->model->layer_count; n++) {
        if (!works_in_input(tally, n))
            numbers += buffer(tally, width_of(tally, n));
        if (tally->model->layers[n].kept > 0)
            numbers += buffer(tally, (double)tally->model->layers[n].kept);
    }
    return numbers;
}

/* When which gradients live. */
static void lay_out_gradients(struct tally *tally)
{
    const struct model_spec *model = tally->model;
    for (int n = model->layer_count - 1; n >= 0; n--) {
        int reader = tally->last[n];
        bool shares = reader >= 0 && find_in_place(&model->layers[reader]) >= 0 &&
                      could_share(tally, &model->layers[reader], reader);
        if (shares)
            tally->root[n] = tally->root[reader];
        int low = may_wait(tally, n) ? 0 : n;
        int root = tally->root[n];
        if (!shares || low < tally->low[root])
            tally->low[root] = low;
    }
    for (int n = 0; n < model->layer_count; n++) {
        if (tally->root[n] != n)
            continue;
        int high = tally->last[n] >= 0 && n != model->output ? tally->last[n]
                                                             : model->layer_count - 1;
        double numbers = buffer(tally, width_of(tally, n));
        tally->change[high] += numbers;
        if (tally->low[n] > 0)
            tally->change[tally->low[n] - 1] -= numbers;
    }
}

/* What a layer works in on its way back, or forward. */
static double working_numbers(const struct tally *tally, int index)
{
    const struct layer *layer = &tally->model->layers[index];
    double numbers =
        (double)layer->scratch + (double)layer->scratch_row * tally->rows + ALIGNMENT;
    for (int i = 0; i < layer->input_count; i++) {
        int input = layer->inputs[i];
        if (input != MODEL_INPUT && tally->readers[input] > 1) /* to be added */
            numbers += buffer(tally, width_of(tally, input));
    }
    for (int n = index + 1; n < tally->model->layer_count; n++)
        if (tally->model->layers[n].shares && tally->model->layers[n].owner == index)
            return numbers + (double)shape_elements(&layer->params[0].shape) + ALIGNMENT;
    return numbers;
}

static double most_numbers(const struct tally *tally)
{
    double most = 0, live = 0;
    for (int n = tally->model->layer_count - 1; n >= 0; n--) {
        live += tally->change[n];
        double now = live + working_numbers(tally, n);
        most = now > most ? now : most;
    }
    return most;
}

/* Without memory for the tally: outputs and gradients of all layers at once. */
static double plain_bound(const struct tally *tally)
{
    double numbers = 2 * buffer(tally, width_of(tally, MODEL_INPUT));
    for (int n = 0; n < tally->model->layer_count; n++) {
        const struct layer *layer = &tally->model->layers[n];
        numbers += buffer(tally, 2 * width_of(tally, n) + (double)layer->kept) +
                   (double)layer->scratch + (double)layer->scratch_row * tally->rows;
    }
    return numbers;
}

double cost_activations(const struct model_spec *model, double rows)
{
    size_t count = (size_t)model->layer_count;
    struct tally tally = {.model = model, .rows = rows};
    int *numbers = mem_alloc_array(4 * count, sizeof(*numbers));
    tally.change = mem_alloc_array(count, sizeof(*tally.change));
    double result;
    if (numbers && tally.change) {
        tally.readers = numbers;
        tally.last = numbers + count;
        tally.root = numbers + 2 * count;
        tally.low = numbers + 3 * count;
        count_readers(&tally);
        double kept = kept_numbers(&tally);
        lay_out_gradients(&tally);
        result = (kept + most_numbers(&tally)) * GAPS;
    } else {
        result = plain_bound(&tally);
    }
    free(numbers);
    free(tally.change);
    return result;
}
