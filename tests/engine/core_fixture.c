/* See core_fixture.h. */
#include "core_fixture.h"

#include "spec/training_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

static json_t *parse(const char *text)
{
    char quoted[4096];
    assert_true(strlen(text) < sizeof(quoted));
    strcpy(quoted, text);
    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_error_t error;
    json_t *json = json_loads(quoted, 0, &error);
    if (!json)
        fail_msg("%s: %s", error.text, quoted);
    return json;
}

static void expect_none(struct violations *violations)
{
    if (violations->count > 0)
        fail_msg("%s: %s", violations->items[0].pointer, violations->items[0].detail);
    violations_release(violations);
}

struct model_spec core_model(const char *layers, const int64_t dims[SHAPE_MAX_RANK])
{
    return core_text_model(layers, dims, 0);
}

struct model_spec core_text_model(const char *layers, const int64_t dims[SHAPE_MAX_RANK],
                                  int64_t vocabulary)
{
    struct shape input = {0};
    while (input.rank < SHAPE_MAX_RANK && dims[input.rank] > 0) {
        input.dims[input.rank] = dims[input.rank];
        input.rank++;
    }
    struct violations violations;
    violations_init(&violations);
    json_t *json = json_pack("{s: o}", "layers", parse(layers));
    json_t *canonical = NULL;
    struct model_spec model;
    int rc = model_spec_read(json, &model, &canonical, &violations);
    if (rc == 0)
        rc = model_spec_resolve(&model, canonical, &input, vocabulary, 0, NULL,
                                &violations);
    expect_none(&violations);
    assert_int_equal(rc, 0);
    json_decref(canonical);
    json_decref(json);
    return model;
}

typedef int choice_reader(const json_t *json, struct choice *ret_choice,
                          json_t **ret_canonical, struct violations *violations);

static struct choice read_choice(const char *text, choice_reader *reader)
{
    struct violations violations;
    violations_init(&violations);
    json_t *json = parse(text), *canonical = NULL;
    struct choice choice;
    int rc = reader(json, &choice, &canonical, &violations);
    expect_none(&violations);
    assert_int_equal(rc, 0);
    json_decref(canonical);
    json_decref(json);
    return choice;
}

struct choice core_optimizer(const char *text)
{
    return read_choice(text, optimizer_read);
}

struct choice core_schedule(const char *text)
{
    return read_choice(text, schedule_read);
}

double core_number(size_t index)
{
    return sin(1.7 * (double)index + 0.3) * 0.9 + 0.05 * cos(0.31 * (double)index);
}
