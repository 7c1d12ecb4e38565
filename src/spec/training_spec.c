/* See training_spec.h. */
#include "training_spec.h"

#include "base/error.h"
#include "canonical.h"
#include "choice.h"
#include "class_weights.h"
#include "report.h"

#include <stddef.h>
#include <string.h>

#define RATE_MAXIMUM 10000 /* of learning rates and decays: far past any that trains */

const char *const loss_names[] = {"cross_entropy", "binary_cross_entropy",
                                  "mse",           "mae",
                                  "huber",         "log_cosh",
                                  "focal",         NULL};
const char *const optimizer_names[] = {"sgd",      "rmsprop", "adam",  "adamw", "adagrad",
                                       "adadelta", "nadam",   "radam", "lion",  NULL};
const char *const schedule_names[] = {
    "constant",          "step",       "exponential",     "cosine",
    "multi_step",        "polynomial", "cosine_restarts", "one_cycle",
    "reduce_on_plateau", NULL};
const char *const monitor_names[] = {
    "loss",    "val_loss", "accuracy",      "val_accuracy", "mae",
    "val_mae", "r2",       "val_r2",        "perplexity",   "val_perplexity",
    "val_auc", "val_f1",   "val_precision", "val_recall",   "val_top5_accuracy",
    NULL};

/* ---- loss ---- */

static const struct key huber_keys[] = {
    {"delta", KEY_NUMBER, ABOVE(0), AT_MOST(1e9), DEFAULT("1")},
    {0},
};

static const struct key cross_entropy_keys[] = {
    {"label_smoothing", KEY_NUMBER, AT_LEAST(0), BELOW(1), DEFAULT("0")},
    {"class_weights", KEY_OTHER, DEFAULT("null")},
    {0},
};
static const struct key binary_keys[] = {
    {"pos_weight", KEY_NUMBER, ABOVE(0), AT_MOST(1e6), DEFAULT("1")},
    {0},
};
static const struct key focal_keys[] = {
    {"gamma", KEY_NUMBER, AT_LEAST(0), AT_MOST(100), DEFAULT("2")},
    {"class_weights", KEY_OTHER, DEFAULT("null")},
    {0},
};

static const struct choice_type loss_table[] = {
    {.name = "auto"},
    {.name = "cross_entropy", .keys = cross_entropy_keys},
    {.name = "binary_cross_entropy", .keys = binary_keys},
    {.name = "mse"},
    {.name = "mae"},
    {.name = "huber", .keys = huber_keys},
    {.name = "log_cosh"},
    {.name = "focal", .keys = focal_keys},
    {.name = "categorical_crossentropy", .meaning = "cross_entropy"},
    {.name = "sparse_categorical_crossentropy", .meaning = "cross_entropy"},
    {.name = "binary_crossentropy", .meaning = "binary_cross_entropy"},
    {.name = "mean_squared_error", .meaning = "mse"},
    {.name = "mean_absolute_error", .meaning = "mae"},
    {0},
};

int loss_read(const json_t *json, struct loss_spec *ret_loss, bool *ret_is_auto,
              json_t **ret_canonical, struct violations *violations)
{
    struct choice choice;
    *ret_loss = (struct loss_spec){0};
    int rc = choice_read(json, "/loss", loss_table, "auto", &choice, ret_canonical,
                         violations);
    if (rc != 0)
        return rc;
    *ret_is_auto = strcmp(choice.type, "auto") == 0;
    for (int i = 0; loss_names[i]; i++) {
        if (strcmp(loss_names[i], choice.type) == 0)
            ret_loss->type = (enum loss_type)i;
    }
    const struct {
        const char *name;
        double *value;
    } numbers[] = {{"delta", &ret_loss->delta},
                   {"label_smoothing", &ret_loss->label_smoothing},
                   {"pos_weight", &ret_loss->pos_weight},
                   {"gamma", &ret_loss->gamma}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (attrs_has(&choice.attrs, numbers[i].name))
            *numbers[i].value = attrs_number(&choice.attrs, numbers[i].name);
    }
    if (!attrs_has(&choice.attrs, "class_weights") ||
        class_weights_check(attrs_find(&choice.attrs, "class_weights")->other,
                            violations) == 0)
        return 0;
    json_decref(*ret_canonical);
    *ret_canonical = NULL;
    return ERR_INVALID;
}

/* True if the user wrote "units": 1 for the last dense layer. */
static bool ends_with_one_unit(const struct model_spec *model)
{
    for (int i = model->layer_count - 1; i >= 0; i--) {
        const struct attrs *attrs = &model->layers[i].attrs;
        if (attrs_has(attrs, "units"))
            return attrs_integer(attrs, "units") == 1;
    }
    return false;
}

void loss_resolve(const struct features_spec *features, const struct model_spec *model,
                  struct loss_spec *ret_loss, json_t *canonical,
                  struct violations *violations)
{
    enum loss_type type = LOSS_MSE;
    if (features->target == TARGET_CATEGORY) {
        bool binary = features->target_width == 2 && features->vocabulary == 0 &&
                      ends_with_one_unit(model);
        type = binary ? LOSS_BINARY_CROSS_ENTROPY : LOSS_CROSS_ENTROPY;
    }
    /* Read like a user's, so that it has its attributes. */
    json_t *name = json_string(loss_names[type]), *full = NULL;
    bool is_auto;
    if (!name || loss_read(name, ret_loss, &is_auto, &full, violations) != 0 ||
        json_object_update(canonical, full) != 0)
        violations->status = ERR_NOMEM;
    json_decref(name);
    json_decref(full);
}

int loss_check(const struct loss_spec *loss, const struct features_spec *features,
               struct violations *violations)
{
    const char *name = loss_names[loss->type];
    bool wants_category = loss->type == LOSS_CROSS_ENTROPY ||
                          loss->type == LOSS_BINARY_CROSS_ENTROPY ||
                          loss->type == LOSS_FOCAL;
    if (wants_category && features->target != TARGET_CATEGORY)
        return violations_add(
            violations, "/loss",
            "expected a loss for numbers (mse, mae, huber or log_cosh), because the "
            "target "
            "is a number, found \"%s\"; or make the target a category with \"type\": "
            "\"category\" in /features/target",
            name);
    if (!wants_category && features->target == TARGET_CATEGORY)
        return violations_add(
            violations, "/loss",
            "expected a loss for categories (cross_entropy, binary_cross_entropy or "
            "focal), "
            "because the target is a category, found \"%s\"; or make the target a number "
            "with \"type\": \"number\" in /features/target",
            name);
    if (loss->type == LOSS_BINARY_CROSS_ENTROPY && features->vocabulary > 0)
        return violations_add(violations, "/loss",
                              "expected \"cross_entropy\" or \"focal\" for a text, found "
                              "\"%s\"",
                              name);
    if (loss->type == LOSS_BINARY_CROSS_ENTROPY && features->target_width != 2)
        return violations_add(violations, "/loss",
                              "expected \"cross_entropy\", because the target has %lld "
                              "classes, found \"%s\", which is for 2",
                              (long long)features->target_width, name);
    return 0;
}

int64_t loss_output_width(const struct loss_spec *loss,
                          const struct features_spec *features)
{
    return loss->type == LOSS_BINARY_CROSS_ENTROPY ? 1 : features->target_width;
}

const char *loss_activation(const struct loss_spec *loss)
{
    if (loss->type == LOSS_CROSS_ENTROPY || loss->type == LOSS_FOCAL)
        return "softmax";
    return loss->type == LOSS_BINARY_CROSS_ENTROPY ? "sigmoid" : NULL;
}

/* ---- optimizer ---- */

/* Keys that optimizers share; the defaults are in the rows. */
#define LEARNING_RATE "learning_rate", KEY_NUMBER, ABOVE(0), AT_MOST(RATE_MAXIMUM)
#define WEIGHT_DECAY "weight_decay", KEY_NUMBER, AT_LEAST(0), AT_MOST(RATE_MAXIMUM)
/* Which parameters weight_decay reaches. */
#define WEIGHT_DECAY_ON                                                                  \
    "weight_decay_on", KEY_CHOICE, .choices = decay_names, DEFAULT("\"weights\"")
#define EPSILON "epsilon", KEY_NUMBER, ABOVE(0), AT_MOST(1)
/* The share of a running mean that a step keeps. */
#define SHARE KEY_NUMBER, AT_LEAST(0), BELOW(1)

static const char *const decay_names[] = {"weights", "all", NULL};

static const struct key sgd_keys[] = {
    {LEARNING_RATE, DEFAULT("0.01")},
    {"momentum", SHARE, DEFAULT("0")},
    {"nesterov", KEY_BOOLEAN, DEFAULT("false")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON},
    {0},
};
static const struct key rmsprop_keys[] = {
    {LEARNING_RATE, DEFAULT("0.001")},
    {"rho", SHARE, DEFAULT("0.9")},
    {"momentum", SHARE, DEFAULT("0")},
    {"centered", KEY_BOOLEAN, DEFAULT("false")},
    {EPSILON, DEFAULT("1e-8")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON},
    {0},
};
static const struct key adam_keys[] = {
    {LEARNING_RATE, DEFAULT("0.001")},
    {"beta_1", SHARE, DEFAULT("0.9")},
    {"beta_2", SHARE, DEFAULT("0.999")},
    {EPSILON, DEFAULT("1e-8")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON}, /* added to the gradient */
    {0},
};
static const struct key adamw_keys[] = {
    {LEARNING_RATE, DEFAULT("0.001")},
    {"beta_1", SHARE, DEFAULT("0.9")},
    {"beta_2", SHARE, DEFAULT("0.999")},
    {EPSILON, DEFAULT("1e-8")},
    {WEIGHT_DECAY, DEFAULT("0.01")}, /* decoupled from it */
    {WEIGHT_DECAY_ON},
    {0},
};
static const struct key adagrad_keys[] = {
    {LEARNING_RATE, DEFAULT("0.01")},
    {"learning_rate_decay", KEY_NUMBER, AT_LEAST(0), AT_MOST(RATE_MAXIMUM), DEFAULT("0")},
    {EPSILON, DEFAULT("1e-10")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON},
    {0},
};
static const struct key adadelta_keys[] = {
    {LEARNING_RATE, DEFAULT("1")},
    {"rho", SHARE, DEFAULT("0.9")},
    {EPSILON, DEFAULT("1e-6")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON},
    {0},
};
static const struct key nadam_keys[] = {
    {LEARNING_RATE, DEFAULT("0.002")},
    {"beta_1", SHARE, DEFAULT("0.9")},
    {"beta_2", SHARE, DEFAULT("0.999")},
    {EPSILON, DEFAULT("1e-8")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON},
    {"momentum_decay", KEY_NUMBER, AT_LEAST(0), AT_MOST(RATE_MAXIMUM), DEFAULT("0.004")},
    {0},
};
static const struct key lion_keys[] = {
    {LEARNING_RATE, DEFAULT("0.0001")},
    {"beta_1", SHARE, DEFAULT("0.9")},
    {"beta_2", SHARE, DEFAULT("0.99")},
    {WEIGHT_DECAY, DEFAULT("0")},
    {WEIGHT_DECAY_ON},
    {0},
};

static const struct choice_type optimizer_table[] = {
    {.name = "sgd", .keys = sgd_keys},
    {.name = "rmsprop", .keys = rmsprop_keys},
    {.name = "adam", .keys = adam_keys},
    {.name = "adamw", .keys = adamw_keys},
    {.name = "adagrad", .keys = adagrad_keys},
    {.name = "adadelta", .keys = adadelta_keys},
    {.name = "nadam", .keys = nadam_keys},
    {.name = "radam", .keys = adam_keys},
    {.name = "lion", .keys = lion_keys},
    {0},
};

int optimizer_read(const json_t *json, struct choice *ret_optimizer,
                   json_t **ret_canonical, struct violations *violations)
{
    int rc = choice_read(json, "/optimizer", optimizer_table, "adam", ret_optimizer,
                         ret_canonical, violations);
    if (rc != 0 || strcmp(ret_optimizer->type, "sgd") != 0)
        return rc;
    const struct attrs *attrs = &ret_optimizer->attrs;
    if (attrs_boolean(attrs, "nesterov") && attrs_number(attrs, "momentum") <= 0) {
        json_decref(*ret_canonical);
        *ret_canonical = NULL;
        return violations_add(violations, "/optimizer/nesterov",
                              "expected false, because \"momentum\" is 0, found true");
    }
    return 0;
}

/* ---- schedule ---- */

/* Keys that schedules share. */
#define WARMUP_STEPS "warmup_steps", KEY_INTEGER, AT_LEAST(0), AT_MOST(1e9), DEFAULT("0")
#define MINIMUM_LEARNING_RATE                                                            \
    "minimum_learning_rate", KEY_NUMBER, AT_LEAST(0), AT_MOST(RATE_MAXIMUM), DEFAULT("0")
#define GAMMA "gamma", KEY_NUMBER, ABOVE(0), AT_MOST(1)

static const struct key constant_keys[] = {
    {WARMUP_STEPS},
    {0},
};
static const struct key step_keys[] = {
    {"step_epochs", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_EPOCHS)},
    {GAMMA, DEFAULT("0.1")},
    {WARMUP_STEPS},
    {0},
};
static const struct key exponential_keys[] = {
    {GAMMA},
    {WARMUP_STEPS},
    {0},
};
static const struct key cosine_keys[] = {
    {MINIMUM_LEARNING_RATE},
    {WARMUP_STEPS},
    {0},
};
static const struct key multi_step_keys[] = {
    {"milestones", KEY_INTEGERS, AT_LEAST(1), AT_MOST(SPEC_MAX_EPOCHS)},
    {GAMMA, DEFAULT("0.1")},
    {WARMUP_STEPS},
    {0},
};
static const struct key polynomial_keys[] = {
    {"power", KEY_NUMBER, ABOVE(0), AT_MOST(100), DEFAULT("1")},
    {MINIMUM_LEARNING_RATE},
    {WARMUP_STEPS},
    {0},
};
static const struct key cosine_restarts_keys[] = {
    {"period_epochs", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_EPOCHS)},
    {"period_multiplier", KEY_INTEGER, AT_LEAST(1), AT_MOST(100), DEFAULT("1")},
    {MINIMUM_LEARNING_RATE},
    {WARMUP_STEPS},
    {0},
};
static const struct key one_cycle_keys[] = {
    {"pct_start", KEY_NUMBER, AT_LEAST(0), AT_MOST(1), DEFAULT("0.3")},
    {"div_factor", KEY_NUMBER, AT_LEAST(1), AT_MOST(1e9), DEFAULT("25")},
    {"final_div_factor", KEY_NUMBER, AT_LEAST(1), AT_MOST(1e9), DEFAULT("1e4")},
    {WARMUP_STEPS},
    {0},
};
static const struct key plateau_keys[] = {
    {"monitor", KEY_CHOICE, .choices = monitor_names, DEFAULT("\"val_loss\"")},
    {"factor", KEY_NUMBER, ABOVE(0), BELOW(1), DEFAULT("0.1")},
    {"patience", KEY_INTEGER, AT_LEAST(0), AT_MOST(SPEC_MAX_EPOCHS), DEFAULT("10")},
    {"min_delta", KEY_NUMBER, AT_LEAST(0), AT_MOST(1e9), DEFAULT("1e-4")},
    {MINIMUM_LEARNING_RATE},
    {WARMUP_STEPS},
    {0},
};

static const struct choice_type schedule_table[] = {
    {.name = "constant", .keys = constant_keys},
    {.name = "step", .keys = step_keys},
    {.name = "exponential", .keys = exponential_keys},
    {.name = "cosine", .keys = cosine_keys},
    {.name = "multi_step", .keys = multi_step_keys},
    {.name = "polynomial", .keys = polynomial_keys},
    {.name = "cosine_restarts", .keys = cosine_restarts_keys},
    {.name = "one_cycle", .keys = one_cycle_keys},
    {.name = "reduce_on_plateau", .keys = plateau_keys},
    {0},
};

int schedule_read(const json_t *json, struct choice *ret_schedule, json_t **ret_canonical,
                  struct violations *violations)
{
    return choice_read(json, "/learning_rate_schedule", schedule_table, "constant",
                       ret_schedule, ret_canonical, violations);
}

/* ---- monitors ---- */

/* What the metrics of a target need; those of numbers and of categories differ. */
static const struct monitor_rule {
    const char *metric; /* without val_ */
    bool of_categories;
    int64_t least_classes, most_classes;
} monitor_rules[] = {
    {"mae", false, 0, 0},
    {"r2", false, 0, 0},
    {"accuracy", true, 0, INT64_MAX},
    {"precision", true, 0, INT64_MAX},
    {"recall", true, 0, INT64_MAX},
    {"f1", true, 0, INT64_MAX},
    {"auc", true, 2, 2},
    {"top5_accuracy", true, 6, INT64_MAX},
    {0},
};

static void check_target(const char *monitor, const struct monitor_rule *rule,
                         const char *pointer, const struct features_spec *features,
                         struct violations *violations)
{
    bool categories = features->target == TARGET_CATEGORY;
    int64_t classes = features->target_width;
    if (rule->of_categories != categories)
        violations_add(violations, pointer,
                       categories ? "expected a metric of categories (loss, accuracy), "
                                    "because the target is a category, found \"%s\""
                                  : "expected a metric of numbers (loss, mae, r2), "
                                    "because the target is a number, found \"%s\"",
                       monitor);
    else if (categories &&
             (classes < rule->least_classes || classes > rule->most_classes))
        violations_add(violations, pointer,
                       "expected a metric that a target of %lld classes has, such as "
                       "\"val_accuracy\", found \"%s\", which is for %s",
                       (long long)classes, monitor,
                       rule->most_classes == 2 ? "2" : "more than 5");
}

void monitor_check(const char *monitor, const char *pointer, bool has_validation,
                   const struct features_spec *features, struct violations *violations)
{
    bool of_validation = strncmp(monitor, "val_", 4) == 0;
    const char *metric = of_validation ? monitor + 4 : monitor;
    if (of_validation && !has_validation) {
        violations_add(violations, pointer,
                       "expected a metric of the training data such as \"loss\", "
                       "because the split has no validation part, found \"%s\"",
                       monitor);
        return;
    }
    if (strcmp(metric, "perplexity") == 0) {
        if (features && features->vocabulary == 0)
            violations_add(violations, pointer,
                           "expected another metric, because only a text has a "
                           "perplexity, found \"%s\"",
                           monitor);
        return;
    }
    for (const struct monitor_rule *rule = monitor_rules; rule->metric; rule++) {
        if (features && strcmp(rule->metric, metric) == 0)
            check_target(monitor, rule, pointer, features, violations);
    }
}
