/* See trainer_flow.h. */
#include "trainer_flow.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "trainer_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 1024
/* The steps of this number, twice it, four times it … are looked at in any case: so few
 * that they cost nothing, and what a short training is told does not hang on the clock.
 */
#define FIRST_APPOINTED 16
#define SLOW_UPDATES 1e-4 /* of the weights a step: hardly any movement */
#define FAST_UPDATES 0.1

static const char *const event_types[FLOW_TROUBLES] = {
    [FLOW_VANISHING] = "vanishing_gradient",
    [FLOW_EXPLODING] = "exploding_gradient",
    [FLOW_DEAD_UNITS] = "dead_units",
    [FLOW_PLATEAU] = "plateau",
};

/* ---- what the network is made of ---- */

static bool is_one_of(const char *name, const char *const names[])
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* The first layer of one of these ops; NULL: none. */
static const struct layer *find_layer(const struct trainer *trainer,
                                      const char *const ops[])
{
    const struct model_spec *model = &trainer->spec->model;
    for (int l = 0; l < model->layer_count; l++) {
        if (is_one_of(model->layers[l].op, ops))
            return &model->layers[l];
    }
    return NULL;
}

static const struct layer *find_squashing(const struct trainer *trainer)
{
    return find_layer(trainer, (const char *const[]){"sigmoid", "tanh", NULL});
}

static bool has_normalization(const struct trainer *trainer)
{
    return find_layer(trainer, (const char *const[]){"batch_norm", "layer_norm",
                                                     "group_norm", "rms_norm", NULL});
}

static bool has_joins(const struct trainer *trainer)
{
    return find_layer(trainer, (const char *const[]){"add", "concat", NULL});
}

static bool clips(const struct trainer *trainer)
{
    return trainer->spec->clip_norm > 0 || trainer->spec->clip_value > 0;
}

/* ---- advice ---- */

/* Adds one more thing to try, with what a list needs before it. */
static void suggest(struct buffer *text, int *count, const char *what)
{
    buffer_append_string(text, (*count)++ == 0 ? "Try " : "; or ");
    buffer_append_string(text, what);
}

static void suggest_rate(struct buffer *text, int *count, const char *direction,
                         double rate)
{
    buffer_printf(text, "%sa learning rate %s %g", (*count)++ == 0 ? "Try " : "; or ",
                  direction, rate);
}

static void advise_vanishing(struct buffer *text, const struct trainer *trainer)
{
    int count = 0;
    const struct layer *squashing = find_squashing(trainer);
    if (squashing) {
        buffer_printf(text, "%s squashes it at every layer. ", squashing->op);
        suggest(text, &count, "relu with the kernel_initializer he_uniform");
    } else {
        suggest(text, &count, "the kernel_initializer he_uniform");
    }
    if (!has_normalization(trainer))
        suggest(text, &count, "a normalization layer after each of the deep layers");
    if (!has_joins(trainer))
        suggest(text, &count, "residual connections");
    suggest(text, &count, "fewer layers");
}

static void advise_exploding(struct buffer *text, const struct trainer *trainer,
                             const struct flow_finding *finding)
{
    int count = 0;
    if (!finding->by_depth)
        suggest_rate(text, &count, "well below", trainer->flow.learning_rate);
    if (!clips(trainer))
        suggest(text, &count, "gradient_clip {\"norm\": 1}");
    if (!has_normalization(trainer))
        suggest(text, &count, "a normalization layer");
    if (finding->by_depth)
        suggest(text, &count, "smaller initial weights (kernel_initializer)");
    suggest(text, &count, "a schedule with warmup_steps");
}

static void advise_dead(struct buffer *text, const struct trainer *trainer)
{
    int count = 0;
    suggest_rate(text, &count, "below", trainer->flow.learning_rate);
    suggest(text, &count, "leaky_relu, elu or gelu, which pass a gradient below 0");
    suggest(text, &count, "a bias_initializer that is not negative");
    if (!has_normalization(trainer))
        suggest(text, &count, "a normalization layer before the activation");
}

static void advise_plateau(struct buffer *text, const struct trainer *trainer,
                           const struct flow_finding *finding)
{
    int count = 0;
    double rate = trainer->flow.learning_rate;
    if (trainer->flow.detector.alarms[FLOW_VANISHING].standing) {
        buffer_append_string(text, "The gradient vanishes on its way back to the first "
                                   "layers. ");
        advise_vanishing(text, trainer);
        return;
    }
    if (trainer->flow.detector.alarms[FLOW_DEAD_UNITS].standing) {
        buffer_append_string(text, "Too many units are dead. ");
        advise_dead(text, trainer);
        return;
    }
    if (finding->update_ratio < SLOW_UPDATES)
        suggest_rate(text, &count, "well above", rate);
    else if (finding->update_ratio > FAST_UPDATES)
        suggest_rate(text, &count, "well below", rate);
    else
        suggest_rate(text, &count, "above or below", rate);
    suggest(text, &count, "another initializer, optimizer or seed");
    suggest(text, &count,
            "more units; and see that the inputs can tell the target at "
            "all and are normalized");
}

/* ---- findings in words ---- */

static const char *name_of(const struct trainer *trainer, int which)
{
    return which < 0 ? NULL : trainer->flow.names[which];
}

/* What was found, then the advice, which begins at *ret_advice. */
static void write_message(struct buffer *text, const struct trainer *trainer,
                          enum flow_trouble trouble, const struct flow_finding *finding,
                          size_t *ret_advice)
{
    const char *layer = name_of(trainer, finding->layer);
    switch (trouble) {
    case FLOW_VANISHING:
        buffer_printf(text,
                      "The gradient vanishes: %.2g in %s against %.2g in %s, so the "
                      "first layers hardly learn. ",
                      finding->first_gradient, layer, finding->last_gradient,
                      name_of(trainer, finding->last));
        *ret_advice = text->length;
        advise_vanishing(text, trainer);
        break;
    case FLOW_EXPLODING:
        if (finding->by_depth)
            buffer_printf(text,
                          "The gradient explodes on its way back: %.3g in %s against "
                          "%.3g in %s. ",
                          finding->gradient_norm, layer, finding->last_gradient,
                          name_of(trainer, finding->last));
        else
            buffer_printf(text,
                          "The gradient explodes: its norm in %s is %.3g, a step changes "
                          "a layer's weights by %.3g of their size, and the loss has "
                          "risen from %.4g to %.4g. ",
                          layer, finding->gradient_norm, finding->update_ratio,
                          finding->first_loss, finding->loss);
        *ret_advice = text->length;
        advise_exploding(text, trainer, finding);
        break;
    case FLOW_DEAD_UNITS:
        buffer_printf(text,
                      "%.3g %% of the units of %s are dead: they give 0 for every row of "
                      "the batch, so no gradient passes them. ",
                      100 * finding->dead_fraction, layer);
        *ret_advice = text->length;
        advise_dead(text, trainer);
        break;
    case FLOW_PLATEAU:
    case FLOW_TROUBLES:
        buffer_printf(text,
                      "The network does not learn: for %lld epochs the loss has not "
                      "fallen by 1 %%; it is %.4g, and was %.4g in the first epoch. ",
                      (long long)finding->epochs_flat, finding->loss,
                      finding->first_loss);
        *ret_advice = text->length;
        advise_plateau(text, trainer, finding);
        break;
    }
    buffer_append_char(text, '.');
}

/* The ratio of first to last gradient, or null where there is none. */
static json_t *ratio_to_json(const struct flow_finding *finding)
{
    bool known = finding->first >= 0 && finding->last_gradient > 0;
    return known ? json_real(finding->first_gradient / finding->last_gradient)
                 : json_null();
}

static json_t *finding_to_json(const struct trainer *trainer, enum flow_trouble trouble,
                               const struct flow_finding *finding)
{
    json_t *data = json_pack(
        "{s:I, s:f, s:s?, s:o, s:o, s:o}", "step", (json_int_t)trainer->state.step,
        "epoch", (double)trainer->state.step / (double)trainer->steps_per_epoch, "layer",
        name_of(trainer, finding->layer), "loss", figure_to_json(finding->loss),
        "first_loss", figure_to_json(finding->first_loss), "update_ratio",
        figure_to_json(finding->update_ratio));
    if (!data)
        return NULL;
    json_t *more;
    if (trouble == FLOW_PLATEAU)
        more = json_pack("{s:I}", "epochs_without_progress",
                         (json_int_t)finding->epochs_flat);
    else
        more = json_pack("{s:s?, s:s?, s:o, s:o, s:o, s:o}", "first_layer",
                         name_of(trainer, finding->first), "last_layer",
                         name_of(trainer, finding->last), "first_gradient_norm",
                         figure_to_json(finding->first_gradient), "last_gradient_norm",
                         figure_to_json(finding->last_gradient), "ratio",
                         ratio_to_json(finding), "gradient_norm",
                         figure_to_json(finding->gradient_norm));
    int status = more ? json_object_update(data, more) : -1;
    json_decref(more);
    if (status == 0 && trouble == FLOW_DEAD_UNITS) {
        status =
            json_object_set_new(data, "dead_fraction", json_real(finding->dead_fraction));
        if (status == 0)
            status = json_object_set_new(data, "dead_layers",
                                         json_integer(finding->dead_layers));
    }
    if (status != 0) {
        json_decref(data);
        return NULL;
    }
    return data;
}

static int tell(const struct trainer *trainer, enum flow_trouble trouble,
                const struct flow_finding *finding)
{
    struct buffer text;
    buffer_init(&text, MESSAGE_BYTES);
    size_t advice = 0;
    write_message(&text, trainer, trouble, finding, &advice);
    int status = buffer_status(&text);
    json_t *data = status == 0 ? finding_to_json(trainer, trouble, finding) : NULL;
    if (data && json_object_set_new(data, "advice", json_string(text.data + advice)) != 0)
        status = ERR_NOMEM;
    if (status == 0)
        status = report_event(trainer, event_types[trouble], text.data, data);
    else
        json_decref(data);
    buffer_release(&text);
    return status;
}

/* ---- life ---- */

int trainer_flow_init(struct trainer *trainer)
{
    size_t layers = (size_t)stepper_layer_count(trainer->stepper);
    trainer->flow.layers = mem_alloc_array(layers, sizeof *trainer->flow.layers);
    trainer->flow.names = mem_alloc_array(layers, sizeof *trainer->flow.names);
    return trainer->flow.layers && trainer->flow.names ? 0 : ERR_NOMEM;
}

void trainer_flow_release(struct trainer *trainer)
{
    free(trainer->flow.layers);
    free(trainer->flow.names);
}

void trainer_flow_begin(struct trainer *trainer)
{
    flow_detector_init(&trainer->flow.detector, trainer->spec->epochs,
                       trainer->state.step == 0);
    trainer->flow.wants = false;
}

bool trainer_flow_wants(const struct trainer *trainer)
{
    int64_t step = trainer->state.step;
    bool appointed = step >= FIRST_APPOINTED && (step & (step - 1)) == 0;
    return (trainer->flow.wants || appointed) && trainer->hooks->metrics;
}

/* ---- looking ---- */

static int observe(struct trainer *trainer, double loss, size_t rows)
{
    struct trainer_flow *flow = &trainer->flow;
    int count = stepper_layer_count(trainer->stepper);
    for (int l = 0; l < count; l++) {
        struct layer_report report;
        stepper_layer_report(trainer->stepper, l, &report);
        flow->names[l] = report.layer->name;
        flow->layers[l] = (struct flow_layer){
            .trained = report.has_parameters,
            .rectified = strcmp(report.output->op, "relu") == 0,
            .gradient_norm = report.gradient_norm,
            .update_ratio = report.update_ratio,
            .dead_fraction = report.dead_fraction,
        };
    }
    struct flow_finding findings[FLOW_TROUBLES];
    unsigned found =
        flow_detector_observe(&flow->detector, flow->layers, count, rows, loss, findings);
    int status = 0;
    for (int trouble = 0; trouble < FLOW_TROUBLES && status == 0; trouble++) {
        if (found & 1U << trouble)
            status = tell(trainer, (enum flow_trouble)trouble, &findings[trouble]);
    }
    return status;
}

int trainer_flow_step(struct trainer *trainer, double loss, size_t rows, bool observed)
{
    trainer->flow.wants = flow_detector_step(&trainer->flow.detector, loss);
    return observed ? observe(trainer, loss, rows) : 0;
}

int trainer_flow_epoch(struct trainer *trainer, double loss)
{
    struct flow_finding finding;
    if (!trainer->hooks->metrics || !flow_detector_epoch(&trainer->flow.detector, loss,
                                                         trainer->state.step, &finding))
        return 0;
    return tell(trainer, FLOW_PLATEAU, &finding);
}
