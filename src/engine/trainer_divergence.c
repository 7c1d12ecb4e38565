/*
 * See trainer_divergence.h. The loss of a batch is computed before its update, so by the
 * time it is seen the update has been made. The search therefore looks at the parameters
 * first and then runs the batch forward again: rare, so it may be slow.
 */
#include "trainer_divergence.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "trainer_report.h"

#include <math.h>
#include <stdlib.h>

#define MESSAGE_BYTES 1024

/* What was found to be not finite. */
struct culprit {
    const char *what;  /* "input", "parameters", "output"; "loss": nothing else was */
    const char *layer; /* its name; NULL for the input and the loss */
    int64_t row;       /* "input": number of the row in the dataset, otherwise -1 */
};

static bool all_finite(const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]))
            return false;
    }
    return true;
}

bool divergence_parameters_are_finite(const struct trainer *trainer)
{
    return all_finite(stepper_parameters(trainer->stepper),
                      graph_trained_size(stepper_graph(trainer->stepper)));
}

static bool parameters_are_finite(const struct trainer *trainer, const struct node *node)
{
    const real *parameters = stepper_parameters(trainer->stepper);
    for (int p = 0; p < node->param_count; p++) {
        const struct tensor *tensor = &node->params[p];
        if (!all_finite(parameters + tensor->offset, tensor->count))
            return false;
    }
    return true;
}

/* The first of `count` rows at x: [count, width] that is not finite, or `count`. */
static size_t find_input(const real *x, size_t width, size_t count)
{
    size_t row = 0;
    while (row < count && all_finite(x + row * width, width))
        row++;
    return row;
}

/* The first node whose output, as the run saw it, is not finite; NULL if all are. */
static const char *find_output(const struct run *run, const struct graph *graph)
{
    for (int n = 0; n < graph_node_count(graph); n++) {
        struct activation_sums sums = run_activation(run, n);
        if (!isfinite(sums.sum) || !isfinite(sums.square_sum))
            return graph_node(graph, n)->layer->name;
    }
    return NULL;
}

/* Looks for bad numbers in the data of `count` rows at a position of the order; true if
 * *culprit was found. */
static bool search_input(const struct trainer *trainer, size_t position, size_t count,
                         struct run *run, void *target, struct culprit *culprit)
{
    const uint32_t *order = trainer->order + position;
    pipeline_fill(trainer->pipeline, IN_TRAIN, order, 0, count, run_input(run), target);
    size_t width = graph_input_width(stepper_graph(trainer->stepper));
    size_t row = find_input(run_input(run), width, count);
    if (row == count)
        return false;
    uint64_t number;
    pipeline_source_rows(trainer->pipeline, IN_TRAIN, order + row, 0, 1, &number);
    *culprit = (struct culprit){.what = "input", .row = (int64_t)number};
    return true;
}

/* The same in `count` rows of the batch from `done` on, and in what the network makes of
 * what the step saw. */
static bool search_rows(const struct trainer *trainer, const struct batch *batch,
                        size_t done, size_t count, struct run *run, void *target,
                        struct culprit *culprit)
{
    const struct graph *graph = stepper_graph(trainer->stepper);
    if (search_input(trainer, batch->first + done, count, run, target, culprit))
        return true;
    batch->source.fill(batch->source.context, done, count, run_input(run), target);
    run_forward(run, stepper_parameters(trainer->stepper), count, 0,
                (uint64_t)trainer->state.step, true, true);
    const char *layer = find_output(run, graph);
    if (layer)
        *culprit = (struct culprit){.what = "output", .layer = layer, .row = -1};
    return layer != NULL;
}

/* Looks through the batch, as many rows at a time as a slice takes. */
static int search_batch(const struct trainer *trainer,
                        const struct divergence *divergence, struct culprit *culprit)
{
    const struct graph *graph = stepper_graph(trainer->stepper);
    const struct batch *batch = divergence->batch;
    size_t most = graph_max_rows(graph);
    struct run *run = NULL;
    const struct job_spec *spec = trainer->spec;
    size_t target_bytes =
        batch->source.mixed
            ? sizeof(struct mixed_label)
            : (size_t)spec->positions *
                  loss_target_bytes(spec->loss.type, (size_t)spec->features.target_width);
    void *target = mem_alloc_array(most, target_bytes);
    int status = target ? run_new(graph, &run, NULL) : ERR_NOMEM;
    for (size_t done = 0; status == 0 && done < batch->rows; done += most) {
        size_t left = batch->rows - done;
        if (search_rows(trainer, batch, done, left < most ? left : most, run, target,
                        culprit))
            break;
    }
    /* Mixup mixes the last row with the first one of the next batch. */
    size_t next = batch->first + batch->rows;
    if (status == 0 && trainer->spec->augmentation.mixup_alpha > 0 && culprit->row < 0)
        search_input(trainer,
                     next < pipeline_rows(trainer->pipeline, IN_TRAIN) ? next : 0, 1, run,
                     target, culprit);
    run_free(run);
    free(target);
    return status;
}

static int find_culprit(const struct trainer *trainer,
                        const struct divergence *divergence, struct culprit *culprit)
{
    const struct graph *graph = stepper_graph(trainer->stepper);
    *culprit = (struct culprit){.what = "loss", .row = -1};
    for (int n = 0; n < graph_node_count(graph); n++) {
        const struct node *node = graph_node(graph, n);
        if (!parameters_are_finite(trainer, node)) {
            *culprit = (struct culprit){
                .what = "parameters", .layer = node->layer->name, .row = -1};
            break;
        }
    }
    if (!divergence->batch)
        return 0;
    struct culprit in_batch = {.what = "loss", .row = -1};
    int status = search_batch(trainer, divergence, &in_batch);
    /* Bad numbers in the data explain everything after them. */
    if (status == 0 && (in_batch.row >= 0 || !culprit->layer))
        *culprit = in_batch;
    return status;
}

/* What may help, in a sentence. */
static void advise(struct buffer *text, const struct trainer *trainer,
                   const struct divergence *divergence, const struct culprit *culprit)
{
    const struct job_spec *spec = trainer->spec;
    if (culprit->row >= 0) {
        buffer_printf(text,
                      "Row %lld of the dataset has a value that is not finite, or too "
                      "large for a 32-bit float; correct or remove it.",
                      (long long)culprit->row);
        return;
    }
    buffer_printf(text, "Try a learning rate below %g", divergence->learning_rate);
    if (spec->clip_norm <= 0 && spec->clip_value <= 0)
        buffer_append_string(text, ", or set gradient_clip to {\"norm\": 1}");
    if (spec->features.target == TARGET_NUMBER && !spec->features.reconstructs &&
        spec->features.target_normalization == NORMALIZE_NONE)
        buffer_append_string(text, ", or let the target be normalized");
    buffer_append_char(text, '.');
}

/* The epoch, from 1, that the step belongs to. */
static int64_t epoch_of(const struct trainer *trainer,
                        const struct divergence *divergence)
{
    return (divergence->step - 1) / trainer->steps_per_epoch + 1;
}

static void describe(struct buffer *text, const struct trainer *trainer,
                     const struct divergence *divergence, const struct culprit *culprit)
{
    buffer_printf(text, "Training diverged at step %lld (epoch %lld): ",
                  (long long)divergence->step, (long long)epoch_of(trainer, divergence));
    if (isfinite(divergence->loss))
        buffer_append_string(text, "the weights are no longer finite numbers");
    else
        buffer_printf(text, "the loss became %s",
                      isnan(divergence->loss) ? "NaN" : "infinite");
    if (culprit->layer)
        buffer_printf(text, "; the first layer whose %s is not finite is %s",
                      culprit->what, culprit->layer);
    buffer_append_string(text, ". ");
    advise(text, trainer, divergence, culprit);
}

/* The source rows of the batch, at most DIVERGENCE_MAX_ROWS. NULL without memory. */
static json_t *list_rows(const struct trainer *trainer,
                         const struct divergence *divergence)
{
    uint64_t rows[DIVERGENCE_MAX_ROWS];
    size_t rows_in_all = divergence->batch ? divergence->batch->rows : 0;
    size_t count = rows_in_all < DIVERGENCE_MAX_ROWS ? rows_in_all : DIVERGENCE_MAX_ROWS;
    json_t *list = json_array();
    if (count > 0)
        pipeline_source_rows(trainer->pipeline, IN_TRAIN,
                             trainer->order + divergence->batch->first, 0, count, rows);
    for (size_t i = 0; i < count && list; i++) {
        if (json_array_append_new(list, json_integer((json_int_t)rows[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

int divergence_report(const struct trainer *trainer, const struct divergence *divergence)
{
    struct culprit culprit;
    struct buffer message, advice;
    buffer_init(&message, MESSAGE_BYTES);
    buffer_init(&advice, MESSAGE_BYTES);
    int status = find_culprit(trainer, divergence, &culprit);
    if (status != 0)
        goto out;
    describe(&message, trainer, divergence, &culprit);
    advise(&advice, trainer, divergence, &culprit);
    status = buffer_status(&message);
    if (status == 0)
        status = buffer_status(&advice);
    if (status != 0)
        goto out;
    status = report_event(
        trainer, "diverged", message.data,
        json_pack("{s:I, s:I, s:o, s:s, s:s?, s:f, s:s, s:o, s:I}", "step",
                  (json_int_t)divergence->step, "epoch",
                  (json_int_t)epoch_of(trainer, divergence), "loss",
                  figure_to_json(divergence->loss), "found_in", culprit.what, "layer",
                  culprit.layer, "learning_rate", divergence->learning_rate, "advice",
                  advice.data, "rows", list_rows(trainer, divergence), "batch_rows",
                  (json_int_t)(divergence->batch ? divergence->batch->rows : 0)));
out:
    buffer_release(&message);
    buffer_release(&advice);
    return status;
}
