/* What an observed step says of each of the user's layers. See stepper.h. */
#include "base/memory.h"
#include "stepper_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define ACTIVATION_SUFFIX ".activation"

/* The layer before `index` that the activation at `index` was written with, or -1. */
static int owner_of(const struct model_spec *model, int index)
{
    const struct layer *layer = &model->layers[index];
    if (layer->input_count != 1 || index == 0 || layer->inputs[0] != index - 1)
        return -1;
    const struct layer *owner = &model->layers[layer->inputs[0]];
    size_t length = strlen(owner->name);
    bool own = strncmp(layer->name, owner->name, length) == 0 &&
               strcmp(layer->name + length, ACTIVATION_SUFFIX) == 0;
    return own ? layer->inputs[0] : -1;
}

int stepper_plan_reports(struct stepper *stepper, struct error *err)
{
    const struct model_spec *model = graph_model(stepper->graph);
    size_t layers = (size_t)model->layer_count;
    stepper->reports = mem_alloc_array(layers, sizeof(struct report_row));
    stepper->observed_nodes = mem_alloc_array(layers, sizeof(bool));
    if (!stepper->reports || !stepper->observed_nodes)
        return error_set(err, ERR_NOMEM, "no memory for the reports");
    for (int i = 0; i < model->layer_count; i++) {
        int owner = owner_of(model, i);
        int row = owner < 0 ? stepper->report_count++ : stepper->report_count - 1;
        if (owner < 0)
            stepper->reports[row].node = i;
        stepper->reports[row].output = i;
        assert(owner < 0 || stepper->reports[row].node == owner);
    }
    for (int row = 0; row < stepper->report_count; row++)
        stepper->observed_nodes[stepper->reports[row].output] = true;
    return 0;
}

int stepper_layer_count(const struct stepper *stepper)
{
    return stepper->report_count;
}

static double ratio(double part, double whole)
{
    return part > 0 ? part / whole : 0;
}

static void report_parameters(const struct stepper *stepper, int node,
                              struct layer_report *report)
{
    struct segment_squares sums = {0};
    for (int i = 0; i < stepper->segment_count; i++) {
        if (stepper->segments[i].tensor->layer != node || !stepper->segments[i].trained)
            continue;
        report->has_parameters = true;
        for (int s = 0; s < stepper->slice_count; s++) {
            const struct segment_squares *part = &stepper->states[s].squares[i];
            sums.gradient += part->gradient;
            sums.change += part->change;
            sums.parameter += part->parameter;
        }
    }
    report->gradient_norm = sqrt(sums.gradient);
    report->update_ratio = ratio(sqrt(sums.change), sqrt(sums.parameter));
}

static void report_activation(const struct stepper *stepper, int node,
                              struct layer_report *report)
{
    double sum = 0, square_sum = 0, count = 0;
    size_t units = run_activation(stepper->states[0].run, node).units, dead = 0;
    for (int s = 0; s < stepper->slice_count; s++) {
        if (stepper->states[s].rows == 0)
            continue;
        struct activation_sums part = run_activation(stepper->states[s].run, node);
        sum += part.sum;
        square_sum += part.square_sum;
        count += (double)part.count;
    }
    for (size_t u = 0; u < units; u++) {
        bool alive = false;
        for (int s = 0; s < stepper->slice_count && !alive; s++) {
            /* `!(… == 0)`: a unit that gives NaN is not dead */
            if (stepper->states[s].rows > 0)
                alive = !(run_activation(stepper->states[s].run, node).largest[u] <= 0);
        }
        dead += !alive;
    }
    double mean = sum / count;
    report->activation_mean = mean;
    double variance = square_sum / count - mean * mean;
    report->activation_std = variance < 0 ? 0 : sqrt(variance);
    report->dead_fraction = (double)dead / (double)units;
}

void stepper_layer_report(const struct stepper *stepper, int which,
                          struct layer_report *ret_report)
{
    assert(which >= 0 && which < stepper->report_count && stepper->observed);
    const struct report_row *row = &stepper->reports[which];
    const struct model_spec *model = graph_model(stepper->graph);
    struct layer_report report = {.layer = &model->layers[row->node],
                                  .output = &model->layers[row->output]};
    report_parameters(stepper, row->node, &report);
    report_activation(stepper, row->output, &report);
    *ret_report = report;
}
