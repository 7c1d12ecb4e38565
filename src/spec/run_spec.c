/* See run_spec.h. */
#include "run_spec.h"

#include "attrs.h"
#include "base/error.h"
#include "canonical.h"
#include "report.h"
#include "training_spec.h"

#include <stdio.h>
#include <string.h>

#define SECONDS_PER_DAY 86400
#define SECONDS_PER_YEAR (366.0 * SECONDS_PER_DAY)
#define MEMORY_MAX_MB (1024.0 * 1024.0) /* 1 TiB */

/* Reads an object by a table, or an absent one as its defaults. */
static int read_object(const json_t *json, const char *pointer, const struct key *keys,
                       struct attrs *ret_attrs, json_t **ret_canonical,
                       struct violations *violations)
{
    char found[FOUND_SIZE];
    if (json && !json_is_object(json))
        return violations_add(violations, pointer, "expected an object, found %s",
                              found_text(json, found));
    json_t *canonical = json_object();
    int rc = attrs_read(json, pointer, keys, NULL, ret_attrs, canonical, violations);
    if (rc != 0)
        json_decref(canonical);
    else
        *ret_canonical = canonical;
    return rc;
}

int early_stopping_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                        struct violations *violations)
{
    static const struct key keys[] = {
        {"monitor", KEY_CHOICE, .choices = monitor_names, DEFAULT("\"val_loss\"")},
        {"patience", KEY_INTEGER, AT_LEAST(0), AT_MOST(SPEC_MAX_EPOCHS), DEFAULT("5")},
        {"min_delta", KEY_NUMBER, AT_LEAST(0), AT_MOST(1e9), DEFAULT("0")},
        {"restore_best_weights", KEY_BOOLEAN, DEFAULT("true")},
        {0},
    };
    struct early_stopping_spec *stopping = &spec->early_stopping;
    *stopping = (struct early_stopping_spec){0};
    if (!json || json_is_null(json)) {
        *ret_canonical = json_null();
        return 0;
    }
    struct attrs attrs;
    int rc =
        read_object(json, "/early_stopping", keys, &attrs, ret_canonical, violations);
    if (rc != 0)
        return rc;
    stopping->enabled = true;
    snprintf(stopping->monitor, sizeof(stopping->monitor), "%s",
             attrs_string(&attrs, "monitor"));
    stopping->patience = attrs_integer(&attrs, "patience");
    stopping->min_delta = attrs_number(&attrs, "min_delta");
    stopping->restore_best_weights = attrs_boolean(&attrs, "restore_best_weights");
    return 0;
}

int weight_averaging_read(const json_t *json, struct job_spec *spec,
                          json_t **ret_canonical, struct violations *violations)
{
    static const char *const types[] = {"ema", NULL};
    static const struct key keys[] = {
        {"type", KEY_CHOICE, .choices = types, DEFAULT("\"ema\"")},
        {"decay", KEY_NUMBER, ABOVE(0), BELOW(1), DEFAULT("0.999")},
        {0},
    };
    spec->average_decay = 0;
    if (!json || json_is_null(json)) {
        *ret_canonical = json_null();
        return 0;
    }
    struct attrs attrs;
    int rc =
        read_object(json, "/weight_averaging", keys, &attrs, ret_canonical, violations);
    if (rc == 0)
        spec->average_decay = attrs_number(&attrs, "decay");
    return rc;
}

int on_divergence_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                       struct violations *violations)
{
    static const struct key keys[] = {
        {"retries", KEY_INTEGER, AT_LEAST(0), AT_MOST(100), DEFAULT("0")},
        {"learning_rate_factor", KEY_NUMBER, ABOVE(0), BELOW(1), DEFAULT("0.5")},
        {0},
    };
    struct attrs attrs;
    int rc = read_object(json_is_null(json) ? NULL : json, "/on_divergence", keys, &attrs,
                         ret_canonical, violations);
    if (rc != 0)
        return rc;
    spec->divergence_retries = attrs_integer(&attrs, "retries");
    spec->divergence_factor = attrs_number(&attrs, "learning_rate_factor");
    return 0;
}

int gradient_clip_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                       struct violations *violations)
{
    static const struct key keys[] = {
        {"norm", KEY_NUMBER, ABOVE(0), AT_MOST(1e9), DEFAULT("null")},
        {"value", KEY_NUMBER, ABOVE(0), AT_MOST(1e9), DEFAULT("null")},
        {0},
    };
    struct attrs attrs;
    int rc = read_object(json_is_null(json) ? NULL : json, "/gradient_clip", keys, &attrs,
                         ret_canonical, violations);
    if (rc != 0)
        return rc;
    spec->clip_norm = attrs_number(&attrs, "norm");
    spec->clip_value = attrs_number(&attrs, "value");
    return 0;
}

int checkpoint_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                    struct violations *violations)
{
    static const struct key keys[] = {
        {"every_seconds", KEY_INTEGER, AT_LEAST(1), AT_MOST(SECONDS_PER_DAY),
         DEFAULT("30")},
        {"keep_best", KEY_INTEGER, AT_LEAST(0), AT_MOST(10), DEFAULT("1")},
        {"keep_latest", KEY_INTEGER, AT_LEAST(1), AT_MOST(10), DEFAULT("1")},
        {0},
    };
    struct attrs attrs;
    int rc = read_object(json, "/checkpoint", keys, &attrs, ret_canonical, violations);
    if (rc != 0)
        return rc;
    spec->checkpoint_every_seconds = attrs_integer(&attrs, "every_seconds");
    spec->checkpoint_keep_best = attrs_integer(&attrs, "keep_best");
    spec->checkpoint_keep_latest = attrs_integer(&attrs, "keep_latest");
    return 0;
}

int resources_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                   struct violations *violations)
{
    static const struct key keys[] = {
        {"threads", KEY_INTEGER, AT_LEAST(1), AT_MOST(SPEC_MAX_THREADS), DEFAULT("1")},
        {"memory_mb", KEY_INTEGER, AT_LEAST(1), AT_MOST(MEMORY_MAX_MB), DEFAULT("2048")},
        {"max_seconds", KEY_INTEGER, AT_LEAST(0), AT_MOST(SECONDS_PER_YEAR),
         DEFAULT("0")},
        {"max_attempts", KEY_INTEGER, AT_LEAST(1), AT_MOST(100), DEFAULT("3")},
        {0},
    };
    struct attrs attrs;
    int rc = read_object(json, "/resources", keys, &attrs, ret_canonical, violations);
    if (rc != 0)
        return rc;
    spec->threads = attrs_integer(&attrs, "threads");
    spec->memory_mb = attrs_integer(&attrs, "memory_mb");
    spec->max_seconds = attrs_integer(&attrs, "max_seconds");
    spec->max_attempts = attrs_integer(&attrs, "max_attempts");
    return 0;
}

static int check_metadata_entry(const char *key, const json_t *value,
                                struct violations *violations)
{
    char at[POINTER_SIZE], found[FOUND_SIZE];
    if (strlen(key) > METADATA_MAX_KEY_BYTES)
        return violations_add(violations, "/metadata",
                              "expected keys of at most %d bytes, found %s",
                              METADATA_MAX_KEY_BYTES, found_string(key, found));
    bool simple =
        json_is_string(value) || json_is_number(value) || json_is_boolean(value);
    if (simple && json_string_length(value) <= METADATA_MAX_VALUE_BYTES)
        return 0;
    return violations_add(
        violations, pointer_key(at, "/metadata", key),
        "expected a string of at most %d bytes, a number, true or false, found %s",
        METADATA_MAX_VALUE_BYTES, found_text(value, found));
}

int metadata_read(const json_t *json, struct job_spec *spec, json_t **ret_canonical,
                  struct violations *violations)
{
    (void)spec;
    char found[FOUND_SIZE];
    if (json && !json_is_object(json))
        return violations_add(violations, "/metadata", "expected an object, found %s",
                              found_text(json, found));
    if (json_object_size(json) > METADATA_MAX_KEYS)
        return violations_add(violations, "/metadata",
                              "expected at most %d keys, found %zu", METADATA_MAX_KEYS,
                              json_object_size(json));
    json_t *walked = (json_t *)(uintptr_t)json; /* not changed by the walk */
    const char *key;
    json_t *value;
    int rc = 0;
    json_object_foreach(walked, key, value)
    {
        if (check_metadata_entry(key, value, violations) != 0)
            rc = ERR_INVALID;
    }
    if (rc == 0)
        *ret_canonical = json ? json_deep_copy(json) : json_object();
    return rc;
}
