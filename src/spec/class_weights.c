/* See class_weights.h. */
#include "class_weights.h"

#include "base/error.h"
#include "base/memory.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

#define AT "/loss/class_weights"
#define WEIGHT_MAXIMUM 1e6

static bool is_weight(const json_t *json)
{
    double weight = json_number_value(json);
    return json_is_number(json) && weight > 0 && weight <= WEIGHT_MAXIMUM;
}

static int add_bad_weight(const char *pointer, const json_t *found,
                          struct violations *violations)
{
    char text[FOUND_SIZE];
    return violations_add(violations, pointer,
                          "expected a number above 0 and at most %g, found %s",
                          WEIGHT_MAXIMUM, found_text(found, text));
}

static int check_list(const json_t *list, struct violations *violations)
{
    int rc = 0;
    size_t i;
    json_t *weight;
    json_array_foreach((json_t *)(uintptr_t)list, i, weight)
    {
        char at[POINTER_SIZE];
        if (!is_weight(weight))
            rc = add_bad_weight(pointer_index(at, AT, i), weight, violations);
    }
    return rc;
}

static int check_names(const json_t *object, struct violations *violations)
{
    int rc = 0;
    const char *label;
    json_t *weight;
    json_object_foreach((json_t *)(uintptr_t)object, label, weight)
    {
        char at[POINTER_SIZE];
        if (!is_weight(weight))
            rc = add_bad_weight(pointer_key(at, AT, label), weight, violations);
    }
    return rc;
}

int class_weights_check(const json_t *json, struct violations *violations)
{
    if (!json)
        return 0;
    if (json_is_array(json) && json_array_size(json) > 0)
        return check_list(json, violations);
    if (json_is_object(json) && json_object_size(json) > 0)
        return check_names(json, violations);
    if (json_is_string(json) && strcmp(json_string_value(json), "balanced") == 0)
        return 0;
    char found[FOUND_SIZE];
    return violations_add(violations, AT,
                          "expected \"balanced\", an object of weights by label, a list "
                          "of weights, or null, found %s",
                          found_text(json, found));
}

static int find_label(const struct column_facts *target, const char *label)
{
    for (size_t i = 0; i < target->value_count; i++) {
        if (strcmp(target->values[i], label) == 0)
            return (int)i;
    }
    return -1;
}

static int add_unknown_label(const char *label, const struct column_facts *target,
                             struct violations *violations)
{
    char at[POINTER_SIZE], found[FOUND_SIZE], hint[HINT_SIZE];
    struct nearest nearest;
    nearest_init(&nearest, label);
    for (size_t i = 0; i < target->value_count; i++)
        nearest_offer(&nearest, target->values[i]);
    return violations_add(violations, pointer_key(at, AT, label),
                          "expected a label of the target, found %s%s",
                          found_string(label, found), nearest_hint(&nearest, hint));
}

static int take_names(const json_t *object, const struct features_spec *features,
                      const struct dataset_facts *facts, double *weights,
                      struct violations *violations)
{
    static const struct column_facts unlisted = {0};
    int at = features->target_column, rc = 0;
    bool listed = at >= 0 && (size_t)at < facts->column_count &&
                  facts->columns[at].value_count == (size_t)features->target_width;
    const struct column_facts *target = listed ? &facts->columns[at] : &unlisted;
    const char *label;
    json_t *weight;
    json_object_foreach((json_t *)(uintptr_t)object, label, weight)
    {
        int index = find_label(target, label);
        if (index < 0)
            rc = add_unknown_label(label, target, violations);
        else
            weights[index] = json_number_value(weight);
    }
    return rc;
}

int class_weights_resolve(const json_t *json, const struct features_spec *features,
                          const struct dataset_facts *facts, struct loss_spec *loss,
                          struct violations *violations)
{
    if (!json || json_is_null(json))
        return 0;
    size_t classes = (size_t)features->target_width;
    if (json_is_array(json) && json_array_size(json) != classes)
        return violations_add(violations, AT,
                              "expected %zu weights, one for each class of the target, "
                              "found %zu",
                              classes, json_array_size(json));
    if (json_is_string(json) && features->vocabulary > 0)
        return violations_add(violations, AT,
                              "expected a list of weights, because the tokens of a text "
                              "are not counted, found \"balanced\"");
    loss->class_weights = mem_alloc_array(classes, sizeof(*loss->class_weights));
    if (!loss->class_weights) {
        violations->status = ERR_NOMEM;
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < classes; i++)
        loss->class_weights[i] =
            json_is_array(json) ? json_number_value(json_array_get(json, i)) : 1.0;
    loss->balanced = json_is_string(json);
    return json_is_object(json)
               ? take_names(json, features, facts, loss->class_weights, violations)
               : 0;
}
