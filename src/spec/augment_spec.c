/* See augment_spec.h. Each type is a row: its keys, and how they become a step. */
#include "augment_spec.h"

#include "base/error.h"
#include "canonical.h"
#include "choice.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

#define PIXELS_MAXIMUM 65536
#define VALUE_MAXIMUM 1e6

/* Keys that types share. */
#define PROBABILITY "probability", KEY_NUMBER, AT_LEAST(0), AT_MOST(1)
#define FACTOR KEY_NUMBER, ABOVE(0), BELOW(1), DEFAULT("null")
#define FILL_VALUE                                                                       \
    "fill_value", KEY_NUMBER, AT_LEAST(-VALUE_MAXIMUM), AT_MOST(VALUE_MAXIMUM),          \
        DEFAULT("0")
#define FILL_MODE                                                                        \
    "fill_mode", KEY_CHOICE, .choices = fill_mode_names, DEFAULT("\"constant\"")

static const char *const fill_mode_names[] = {
    [FILL_CONSTANT] = "constant", [FILL_NEAREST] = "nearest", [FILL_REFLECT] = "reflect",
    [FILL_WRAP] = "wrap",         [FILL_WRAP + 1] = NULL,
};
static const char *const interpolation_names[] = {"nearest", "bilinear", NULL};

static const struct key flip_keys[] = {
    {PROBABILITY, DEFAULT("0.5")},
    {0},
};
static const struct key shift_keys[] = {
    {"height_factor", FACTOR},
    {"width_factor", FACTOR},
    {"pixels", KEY_INTEGER, AT_LEAST(1), AT_MOST(PIXELS_MAXIMUM), DEFAULT("null")},
    {FILL_MODE},
    {FILL_VALUE},
    {PROBABILITY, DEFAULT("1")},
    {0},
};
static const struct key crop_keys[] = {
    {"padding", KEY_INTEGER, AT_LEAST(1), AT_MOST(PIXELS_MAXIMUM), DEFAULT("4")},
    {FILL_MODE},
    {FILL_VALUE},
    {PROBABILITY, DEFAULT("1")},
    {0},
};
static const struct key rotation_keys[] = {
    {"degrees", KEY_NUMBER, ABOVE(0), AT_MOST(180), DEFAULT("15")},
    {"interpolation", KEY_CHOICE, .choices = interpolation_names,
     DEFAULT("\"bilinear\"")},
    {FILL_MODE},
    {FILL_VALUE},
    {PROBABILITY, DEFAULT("1")},
    {0},
};
static const struct key cutout_keys[] = {
    {"size", KEY_INTEGER, AT_LEAST(1), AT_MOST(PIXELS_MAXIMUM), DEFAULT("8")},
    {FILL_VALUE},
    {PROBABILITY, DEFAULT("1")},
    {0},
};
static const struct key mixup_keys[] = {
    {"alpha", KEY_NUMBER, AT_LEAST(0.001), AT_MOST(100), DEFAULT("0.2")},
    {0},
};

static const struct choice_type type_table[] = {
    {.name = "horizontal_flip", .keys = flip_keys},
    {.name = "vertical_flip", .keys = flip_keys},
    {.name = "shift", .keys = shift_keys},
    {.name = "crop", .keys = crop_keys},
    {.name = "rotation", .keys = rotation_keys},
    {.name = "cutout", .keys = cutout_keys},
    {.name = "mixup", .keys = mixup_keys},
    {0},
};

bool augment_is_on(const struct augment_spec *augment)
{
    return augment->count > 0 || augment->mixup_alpha > 0;
}

/* ---- from attributes to a step ---- */

static int make_shift(const struct attrs *attrs, const char *pointer,
                      struct augment_step *step, struct violations *violations)
{
    bool pixels = !attrs_find(attrs, "pixels")->is_null;
    bool factors = !attrs_find(attrs, "height_factor")->is_null ||
                   !attrs_find(attrs, "width_factor")->is_null;
    if (pixels == factors)
        return violations_add(violations, pointer,
                              "expected \"pixels\", or \"height_factor\" and "
                              "\"width_factor\" (one or both), found %s",
                              pixels ? "both" : "neither");
    step->pixels = pixels ? attrs_integer(attrs, "pixels") : -1;
    step->height_factor = attrs_number(attrs, "height_factor");
    step->width_factor = attrs_number(attrs, "width_factor");
    return 0;
}

static int make_crop(const struct attrs *attrs, const char *pointer,
                     struct augment_step *step, struct violations *violations)
{
    (void)pointer;
    (void)violations;
    step->pixels = attrs_integer(attrs, "padding");
    return 0;
}

static int make_rotation(const struct attrs *attrs, const char *pointer,
                         struct augment_step *step, struct violations *violations)
{
    (void)pointer;
    (void)violations;
    step->degrees = attrs_number(attrs, "degrees");
    step->bilinear = strcmp(attrs_string(attrs, "interpolation"), "bilinear") == 0;
    return 0;
}

static int make_cutout(const struct attrs *attrs, const char *pointer,
                       struct augment_step *step, struct violations *violations)
{
    (void)pointer;
    (void)violations;
    step->size = attrs_integer(attrs, "size");
    return 0;
}

/* What a type makes; mixup is none of the steps. */
static const struct maker {
    const char *name;
    enum augment_type type;
    int (*make)(const struct attrs *attrs, const char *pointer, struct augment_step *step,
                struct violations *violations); /* NULL: nothing of its own */
} makers[] = {
    {"horizontal_flip", AUGMENT_HORIZONTAL_FLIP, NULL},
    {"vertical_flip", AUGMENT_VERTICAL_FLIP, NULL},
    {"shift", AUGMENT_SHIFT, make_shift},
    {"crop", AUGMENT_SHIFT, make_crop},
    {"rotation", AUGMENT_ROTATION, make_rotation},
    {"cutout", AUGMENT_CUTOUT, make_cutout},
    {NULL, 0, NULL},
};

static int add_step(const struct choice *choice, const char *pointer,
                    struct augment_spec *augment, struct violations *violations)
{
    const struct attrs *attrs = &choice->attrs;
    const struct maker *maker = makers;
    while (maker->name && strcmp(maker->name, choice->type) != 0)
        maker++;
    if (!maker->name) {
        augment->mixup_alpha = attrs_number(attrs, "alpha");
        return 0;
    }
    struct augment_step step = {.type = maker->type,
                                .probability = attrs_number(attrs, "probability")};
    if (attrs_has(attrs, "fill_mode"))
        step.fill.mode = (enum fill_mode)attrs_integer(attrs, "fill_mode");
    if (attrs_has(attrs, "fill_value"))
        step.fill.value = (float)attrs_number(attrs, "fill_value");
    int rc = maker->make ? maker->make(attrs, pointer, &step, violations) : 0;
    if (rc == 0)
        augment->steps[augment->count++] = step;
    return rc;
}

/* ---- the list ---- */

/* Reads item `index`; its canonical JSON is appended to `list`. */
static int read_item(const json_t *item, size_t index, struct augment_spec *augment,
                     json_t *list, struct violations *violations)
{
    char pointer[POINTER_SIZE];
    pointer_index(pointer, "/augmentation", index);
    if (augment->mixup_alpha > 0)
        return violations_add(violations, pointer,
                              "expected nothing after \"mixup\", which mixes what the "
                              "others have made");
    struct choice choice;
    json_t *canonical;
    int rc = choice_read(item, pointer, type_table, "", &choice, &canonical, violations);
    if (rc != 0)
        return rc;
    rc = add_step(&choice, pointer, augment, violations);
    if (rc != 0)
        json_decref(canonical);
    else if (json_array_append_new(list, canonical) != 0)
        violations->status = ERR_NOMEM;
    return rc;
}

int augment_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                 struct violations *violations)
{
    char found[FOUND_SIZE];
    struct augment_spec augment = {0};
    if (json && !json_is_null(json) && !json_is_array(json))
        return violations_add(violations, "/augmentation",
                              "expected a list such as [{\"type\": "
                              "\"horizontal_flip\"}], found %s",
                              found_text(json, found));
    size_t count = json_array_size(json);
    if (count > AUGMENT_MAX_STEPS)
        return violations_add(violations, "/augmentation",
                              "expected at most %d steps, found %zu", AUGMENT_MAX_STEPS,
                              count);
    json_t *list = json_array();
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (read_item(json_array_get(json, i), i, &augment, list, violations) != 0)
            rc = ERR_INVALID;
    }
    if (rc != 0) {
        json_decref(list);
        return rc;
    }
    spec->augmentation = augment;
    *ret_canonical = list;
    return 0;
}

/* ---- against the samples ---- */

/* A step that moves or covers more than the image. */
static void check_reach(const struct augment_step *step, int index, int64_t height,
                        int64_t width, struct violations *violations)
{
    int64_t least = height < width ? height : width;
    int64_t reach = step->type == AUGMENT_CUTOUT  ? step->size - 1
                    : step->type == AUGMENT_SHIFT ? step->pixels
                                                  : 0;
    if (reach < least)
        return;
    char pointer[POINTER_SIZE];
    pointer_index(pointer, "/augmentation", (size_t)index);
    violations_add(violations, pointer,
                   "expected %s, because the images have %lld rows and %lld columns, "
                   "found %lld",
                   step->type == AUGMENT_CUTOUT ? "a size that fits into the image"
                                                : "to move by less than the image's size",
                   (long long)height, (long long)width,
                   (long long)(step->type == AUGMENT_CUTOUT ? step->size : reach));
}

int augment_check(const struct augment_spec *augment, const struct shape *sample,
                  struct violations *violations)
{
    if (!augment_is_on(augment))
        return 0;
    char shape[SHAPE_TEXT_SIZE];
    if (sample->rank != 2 && sample->rank != 3)
        return violations_add(violations, "/augmentation",
                              "expected [], because augmentation is for images: samples "
                              "of the shape [height, width] or [height, width, "
                              "channels], and these are %s",
                              shape_format(sample, shape));
    size_t before = violations->total;
    for (int i = 0; i < augment->count; i++)
        check_reach(&augment->steps[i], i, sample->dims[0], sample->dims[1], violations);
    return violations->total > before ? ERR_INVALID : 0;
}
