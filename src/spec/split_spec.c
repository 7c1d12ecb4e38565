/* See split_spec.h. */
#include "split_spec.h"

#include "attrs.h"
#include "base/error.h"
#include "canonical.h"
#include "features_text.h"
#include "report.h"

#include <math.h>
#include <string.h>

#define SUM_TOLERANCE 1e-6
/* A worked out rest is rounded to so many parts, so that 1 - 0.3 reads 0.7. */
#define FRACTION_PARTS 1e12

const char *const split_names[] = {"random", "stratified", "fixed", "contiguous", NULL};

#define FRACTION KEY_NUMBER, AT_LEAST(0), AT_MOST(1), DEFAULT("null")

static const struct key split_keys[] = {
    {"type", KEY_CHOICE, .choices = split_names, .word = "auto", DEFAULT("\"auto\"")},
    {0},
};
static const struct key fraction_keys[] = {
    {"train", FRACTION},
    {"validation", FRACTION},
    {"test", FRACTION},
    {0},
};

static double rest(double others)
{
    return round((1.0 - others) * FRACTION_PARTS) / FRACTION_PARTS;
}

/* The fractions of a split whose type is known. */
static int read_fractions(const json_t *json, struct split_spec *split,
                          struct violations *violations)
{
    static const char pointer[] = "/split/fractions";
    bool fixed = split->type == SPLIT_FIXED;
    if (!json) {
        split->train = fixed ? 0.9 : 0.8;
        split->validation = 0.1;
        split->test = fixed ? 0.0 : 0.1;
        return 0;
    }
    char found[FOUND_SIZE];
    if (!json_is_object(json))
        return violations_add(
            violations, pointer,
            "expected an object such as {\"train\": 0.8, \"validation\": "
            "0.1, \"test\": 0.1}, found %s",
            found_text(json, found));
    struct attrs attrs;
    int rc = attrs_read(json, pointer, fraction_keys, NULL, &attrs, NULL, violations);
    if (rc != 0)
        return rc;
    split->validation = attrs_number(&attrs, "validation");
    split->test = attrs_number(&attrs, "test");
    if (fixed && split->test > 0)
        return violations_add(
            violations, "/split/fractions/test",
            "expected 0, because the dataset's own test part is the test "
            "split, found %.15g",
            split->test);
    split->train = attrs_find(&attrs, "train")->is_null
                       ? rest(split->validation + split->test)
                       : attrs_number(&attrs, "train");
    double sum = split->train + split->validation + split->test;
    if (fabs(sum - 1.0) > SUM_TOLERANCE || split->train <= 0)
        return violations_add(
            violations, pointer,
            "expected fractions with the sum 1 and something to train on, "
            "found %.15g + %.15g + %.15g",
            split->train, split->validation, split->test);
    return 0;
}

/* A type that the dataset cannot have. */
static int check_type(enum split_type type, const struct dataset_facts *facts,
                      struct violations *violations)
{
    if (!facts)
        return 0;
    bool is_text = facts->kind == DATASET_TEXT;
    if (is_text != (type == SPLIT_CONTIGUOUS))
        return violations_add(violations, "/split/type",
                              is_text ? "expected \"contiguous\", because the dataset is "
                                        "a text, found \"%s\""
                                      : "expected \"random\", \"stratified\" or "
                                        "\"fixed\", because the dataset is no text, "
                                        "found \"%s\"",
                              split_names[type]);
    if (type == SPLIT_FIXED && facts->test_rows == 0)
        return violations_add(
            violations, "/split/type",
            "expected \"random\" or \"stratified\", because the dataset has no "
            "test part, found \"fixed\"");
    return 0;
}

static int read_split(const json_t *json, const struct dataset_facts *facts,
                      struct split_spec *split, struct violations *violations)
{
    static const char *const others[] = {"fractions", NULL};
    bool has_test = facts && facts->test_rows > 0;
    split->type = has_test ? SPLIT_FIXED : SPLIT_RANDOM;
    if (facts && facts->kind == DATASET_TEXT)
        split->type = SPLIT_CONTIGUOUS;
    struct attrs attrs;
    /* "split": "stratified" is short for {"type": "stratified"}. */
    json_t *short_form = json_is_string(json) ? json_object() : NULL;
    if (short_form && json_object_set(short_form, "type", (json_t *)(uintptr_t)json) != 0)
        violations->status = ERR_NOMEM;
    int rc = attrs_read(short_form ? short_form : json, "/split", split_keys, others,
                        &attrs, NULL, violations);
    json_decref(short_form);
    if (rc == 0 && !attrs_find(&attrs, "type")->is_word)
        split->type = (enum split_type)attrs_integer(&attrs, "type");
    if (rc == 0)
        rc = check_type(split->type, facts, violations);
    int fractions = read_fractions(json_object_get(json, "fractions"), split, violations);
    return rc != 0 ? rc : fractions;
}

static json_t *split_json(const struct split_spec *split, struct violations *violations)
{
    json_t *fractions = json_object();
    canonical_set(fractions, "train", canonical_number(split->train), violations);
    canonical_set(fractions, "validation", canonical_number(split->validation),
                  violations);
    canonical_set(fractions, "test", canonical_number(split->test), violations);
    json_t *json = json_object();
    canonical_set(json, "type", json_string(split_names[split->type]), violations);
    canonical_set(json, "fractions", fractions, violations);
    return json;
}

int split_read(const json_t *json, const struct dataset_facts *facts,
               struct split_spec *ret_split, json_t **ret_canonical,
               struct violations *violations)
{
    *ret_split = (struct split_spec){0};
    if (json && !json_is_object(json) && !json_is_string(json)) {
        char found[FOUND_SIZE];
        return violations_add(
            violations, "/split",
            "expected an object such as {\"type\": \"random\", "
            "\"fractions\": {\"train\": 0.8, \"validation\": 0.1, \"test\": "
            "0.1}}, found %s",
            found_text(json, found));
    }
    int rc = read_split(json, facts, ret_split, violations);
    if (rc == 0)
        *ret_canonical = split_json(ret_split, violations);
    return rc;
}

static int check_rows(const char *name, double fraction, uint64_t part_rows,
                      uint64_t rows, struct violations *violations)
{
    if (fraction <= 0 || rows > 0)
        return 0;
    char at[POINTER_SIZE];
    return violations_add(
        violations, pointer_key(at, "/split/fractions", name),
        "expected a split of at least one row, found none: %.15g of %llu "
        "rows",
        fraction, (unsigned long long)part_rows);
}

static int check_windows(const char *name, double fraction, uint64_t tokens,
                         uint64_t windows, const struct features_spec *features,
                         struct violations *violations)
{
    if (fraction <= 0 || windows > 0)
        return 0;
    return violations_add(
        violations, "/features/context_length",
        "expected less than the %llu tokens of the %s split, found %lld",
        (unsigned long long)tokens, name, (long long)features->context_length);
}

/* The windows of each piece of a text. */
static int resolve_windows(const struct split_spec *split, uint64_t train,
                           uint64_t validation, uint64_t test,
                           const struct features_spec *features, uint64_t ret_windows[3],
                           struct violations *violations)
{
    const struct {
        const char *name;
        double fraction;
        uint64_t tokens;
    } pieces[] = {{"train", split->train, train},
                  {"validation", split->validation, validation},
                  {"test", split->test, test}};
    int rc = 0;
    for (int i = 0; i < 3; i++) {
        ret_windows[i] = features_text_windows(features, pieces[i].tokens);
        if (check_windows(pieces[i].name, pieces[i].fraction, pieces[i].tokens,
                          ret_windows[i], features, violations) != 0)
            rc = ERR_INVALID;
    }
    return rc;
}

int split_resolve(const struct split_spec *split, const struct dataset_facts *facts,
                  const struct features_spec *features, uint64_t *ret_train_rows,
                  uint64_t *ret_validation_rows, uint64_t *ret_test_rows,
                  struct violations *violations)
{
    int rc = 0;
    if (split->type == SPLIT_STRATIFIED && features->target != TARGET_CATEGORY)
        rc = violations_add(violations, "/split/type",
                            "expected \"random\", because the target is a number, found "
                            "\"stratified\"");
    bool is_text = features->vocabulary > 0;
    uint64_t rows = is_text ? features_text_tokens(features, facts) : facts->train_rows;
    uint64_t validation = (uint64_t)llround((double)rows * split->validation);
    uint64_t test = (uint64_t)llround((double)rows * split->test);
    uint64_t train = validation + test < rows ? rows - validation - test : 0;
    if (is_text) {
        uint64_t windows[3];
        rc = resolve_windows(split, train, validation, test, features, windows,
                             violations);
        *ret_train_rows = windows[0];
        *ret_validation_rows = windows[1];
        *ret_test_rows = windows[2];
        return rc;
    }
    if (check_rows("validation", split->validation, rows, validation, violations) != 0 ||
        check_rows("test", split->test, rows, test, violations) != 0 ||
        check_rows("train", split->train, rows, train, violations) != 0)
        rc = ERR_INVALID;
    *ret_train_rows = train;
    *ret_validation_rows = validation;
    *ret_test_rows = split->type == SPLIT_FIXED ? facts->test_rows : test;
    return rc;
}
