/* See choice.h. */
#include "choice.h"

#include "base/error.h"
#include "canonical.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

static const struct choice_type *find_row(const struct choice_type *table,
                                          const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

/* `value` is what should have been a type's name. */
static int add_unknown_type(const json_t *value, const char *pointer,
                            const struct choice_type *table,
                            struct violations *violations)
{
    struct nearest nearest;
    nearest_init(&nearest, json_is_string(value) ? json_string_value(value) : "");
    char expected[256] = "";
    for (; table->name; table++) {
        nearest_offer(&nearest, table->name);
        if (table->meaning)
            continue;
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof(expected) - used, "%s\"%s\"",
                 used > 0 ? ", " : "", table->name);
    }
    char found[FOUND_SIZE], hint[HINT_SIZE];
    return violations_add(violations, pointer, "expected one of %s, found %s%s", expected,
                          found_text(value, found), nearest_hint(&nearest, hint));
}

int choice_read(const json_t *json, const char *pointer, const struct choice_type *table,
                const char *fallback, struct choice *ret_choice, json_t **ret_canonical,
                struct violations *violations)
{
    static const char *const others[] = {"type", NULL};
    *ret_choice = (struct choice){0};
    *ret_canonical = NULL;
    char at[POINTER_SIZE];
    const json_t *type = json;
    if (json_is_object(json)) {
        type = json_object_get(json, "type");
        pointer_key(at, pointer, "type");
    } else {
        snprintf(at, sizeof(at), "%s", pointer);
    }
    const char *name = json ? json_string_value(type) : fallback;
    const struct choice_type *row = name ? find_row(table, name) : NULL;
    if (row && row->meaning)
        row = find_row(table, row->meaning);
    if (!row)
        return add_unknown_type(type, at, table, violations);
    json_t *canonical = json_object();
    canonical_set(canonical, "type", json_string(row->name), violations);
    int rc = attrs_read(json_is_object(json) ? json : NULL, pointer, row->keys, others,
                        &ret_choice->attrs, canonical, violations);
    if (rc != 0) {
        json_decref(canonical);
        return rc;
    }
    ret_choice->type = row->name;
    *ret_canonical = canonical;
    return 0;
}
