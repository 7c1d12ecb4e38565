/*
 * What nobody sends by accident: every allocation failing in turn, thousands of damaged
 * specs, and requests that try to cost time. All must end in an answer.
 */
#include "base/rng.h"
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char full_job[] =
    "{'name':'n','dataset':'ds_1','features':{'inputs':['Age',{'name':'Sex','missing':"
    "'indicator'},{'name':'Pclass','type':'category'}],'target':{'name':'Survived'},"
    "'input_shape':null},'model':{'layers':[{'type':'dense','units':16,'activation':'"
    "relu',"
    "'name':'a','kernel_initializer':'he_normal','l2':0.01},{'type':'dropout','rate':0."
    "25},"
    "{'type':'activation','function':'leaky_relu','alpha':0.2},"
    "{'type':'dense','units':'auto'}]},'loss':'auto','optimizer':{'type':'sgd',"
    "'learning_rate':0.1,'momentum':0.9,'nesterov':true},'learning_rate_schedule':"
    "{'type':'reduce_on_plateau','patience':3},'gradient_clip':{'norm':1.5},'epochs':7,"
    "'batch_size':64,'seed':42,'split':{'type':'stratified','fractions':{'train':0.7,"
    "'validation':0.1,'test':0.2}},'early_stopping':{'patience':4},'checkpoint':"
    "{'every_seconds':10},'log_every_steps':'auto','resources':{'threads':2},'priority':"
    "1,"
    "'metadata':{'team':'x','n':3}}";

/* ---- allocations ---- */

/* Jansson's allocator is a pair of functions without a context, so the countdown is
 * global; it counts only while a test sets it. */
static long allocations_left = -1;

static void *failing_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return malloc(size);
}

static void test_every_failing_allocation_is_an_error_and_no_leak(void **state)
{
    (void)state;
    struct dataset_facts *facts = sample_facts(facts_of_titanic);
    json_t *json = sample_json(full_job);
    json_set_alloc_funcs(failing_malloc, free);
    int rc = ERR_NOMEM;
    long failing = 0;
    for (; rc == ERR_NOMEM; failing++) {
        struct violations violations;
        violations_init(&violations);
        struct job_spec *spec = NULL;
        allocations_left = failing;
        rc = job_spec_parse(json, facts, &spec, &violations);
        allocations_left = -1;
        if (violations.total > 0)
            fail_msg("allocation %ld: at %s: %s", failing, violations.items[0].pointer,
                     violations.items[0].detail);
        violations_release(&violations);
        if (rc == 0)
            job_spec_free(spec);
        else
            assert_null(spec);
    }
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(rc, 0);
    assert_true(failing > 100); /* as many allocations as failed before it went well */
    json_decref(json);
    facts_free(facts);
}

static void test_description_and_facts_survive_failing_allocations(void **state)
{
    (void)state;
    struct dataset_facts *facts = sample_facts(facts_of_titanic);
    struct job_spec *spec = sample_spec(full_job, facts_of_titanic);
    json_set_alloc_funcs(failing_malloc, free);
    json_t *json = NULL;
    long failing = 0;
    for (; !json; failing++) {
        allocations_left = failing;
        json = job_spec_describe(spec, 50);
        allocations_left = -1;
    }
    assert_true(failing > 20);
    json_decref(json);
    json = NULL;
    for (failing = 0; !json; failing++) {
        allocations_left = failing;
        json = facts_to_json(facts);
        allocations_left = -1;
    }
    assert_true(failing > 50);
    struct dataset_facts *copy = NULL;
    int rc = ERR_NOMEM;
    for (failing = 0; rc == ERR_NOMEM; failing++) {
        allocations_left = failing;
        rc = facts_parse(json, &copy, NULL);
        allocations_left = -1;
    }
    assert_int_equal(rc, 0);
    facts_free(copy);
    json_decref(json);
    json_set_alloc_funcs(malloc, free);
    job_spec_free(spec);
    facts_free(facts);
}

/* Jansson words the failure of some allocations as a syntax error, so either is right. */
static void test_loading_survives_failing_allocations(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": [1, \"two\", {\"b\": null}], \"c\": 2.5}";
    json_set_alloc_funcs(failing_malloc, free);
    json_t *json = NULL;
    int rc = ERR_NOMEM;
    long failing = 0;
    for (; rc != 0; failing++) {
        struct violations violations;
        violations_init(&violations);
        allocations_left = failing;
        rc = job_spec_load_json(text, strlen(text), &json, &violations);
        allocations_left = -1;
        assert_int_equal(violations.total, rc == ERR_INVALID);
        assert_true(rc == 0 || rc == ERR_INVALID || rc == ERR_NOMEM);
        assert_int_equal(rc == 0, json != NULL);
        violations_release(&violations);
    }
    assert_true(failing > 10);
    json_decref(json);
    json_set_alloc_funcs(malloc, free);
}

/* ---- damaged specs ---- */

/* Parses a text as the server would; any answer is right as long as it is consistent. */
static void digest(const char *text, size_t length, const struct dataset_facts *facts)
{
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    struct job_spec *spec = NULL;
    int rc = job_spec_load_json(text, length, &json, &violations);
    if (rc == 0)
        rc = job_spec_parse(json, facts, &spec, &violations);
    assert_true(rc == 0 || rc == ERR_INVALID);
    assert_int_equal(rc == 0, violations.total == 0);
    assert_int_equal(rc == 0, spec != NULL);
    json_decref(json);
    job_spec_free(spec);
    violations_release(&violations);
}

static void test_texts_with_damaged_bytes_get_an_answer(void **state)
{
    (void)state;
    struct dataset_facts *facts = sample_facts(facts_of_titanic);
    json_t *json = sample_json(full_job);
    char *text = json_dumps(json, JSON_COMPACT);
    size_t length = strlen(text);
    char *damaged = malloc(length + 1);
    assert_non_null(damaged);
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, 0);
    static const char bytes[] = "{}[]\",:0123456789.eE-+truefalsnl\\/ \x80\xff";
    for (int i = 0; i < 3000; i++) {
        memcpy(damaged, text, length + 1);
        for (uint32_t n = 1 + rng_below(&rng, 3); n > 0; n--)
            damaged[rng_below(&rng, (uint32_t)length)] =
                bytes[rng_below(&rng, sizeof(bytes) - 1)];
        digest(damaged,
               rng_below(&rng, 10) > 0 ? length : rng_below(&rng, (uint32_t)length),
               facts);
    }
    free(damaged);
    free(text);
    json_decref(json);
    facts_free(facts);
}

/* The values that break careless code. New reference. */
static json_t *odd_value(struct rng *rng)
{
    static const char *const texts[] = {"null",
                                        "true",
                                        "0",
                                        "-1",
                                        "1",
                                        "2.5",
                                        "1e308",
                                        "-1e308",
                                        "5e-324",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "\"\"",
                                        "\"auto\"",
                                        "\"Sex\"",
                                        "\"Name\"",
                                        "[]",
                                        "{}",
                                        "[1,2]",
                                        "[[[]]]",
                                        "{\"type\":\"dense\"}",
                                        "{\"name\":\"Age\"}",
                                        "\"relu\"",
                                        "65536",
                                        "\"~/\""};
    size_t count = sizeof(texts) / sizeof(texts[0]);
    return json_loads(texts[rng_below(rng, (uint32_t)count)], JSON_DECODE_ANY, NULL);
}

/* Replaces, removes or adds a value somewhere below `json`. */
static void mutate(json_t *json, struct rng *rng)
{
    size_t size = json_is_array(json) ? json_array_size(json) : json_object_size(json);
    uint32_t at = size > 0 ? rng_below(rng, (uint32_t)size) : 0;
    json_t *child = NULL;
    const char *key = "units";
    if (json_is_array(json)) {
        child = json_array_get(json, at);
    } else {
        void *iterator = json_object_iter(json);
        for (uint32_t i = 0; iterator && i < at; i++)
            iterator = json_object_iter_next(json, iterator);
        if (iterator) {
            key = json_object_iter_key(iterator);
            child = json_object_iter_value(iterator);
        }
    }
    if ((json_is_object(child) || json_is_array(child)) && rng_below(rng, 4) > 0) {
        mutate(child, rng);
        return;
    }
    uint32_t kind = rng_below(rng, 6);
    char copy[64];
    snprintf(copy, sizeof(copy), "%s", key);
    if (json_is_array(json) && kind == 0 && size > 0)
        json_array_remove(json, at);
    else if (json_is_array(json) && (kind == 1 || size == 0))
        json_array_append_new(json, odd_value(rng));
    else if (json_is_array(json))
        json_array_set_new(json, at, odd_value(rng));
    else if (kind == 0)
        json_object_del(json, copy);
    else if (kind == 1)
        json_object_set_new(json, "unts", odd_value(rng));
    else
        json_object_set_new(json, copy, odd_value(rng));
}

static void test_trees_with_odd_values_get_an_answer(void **state)
{
    (void)state;
    const char *const all[] = {facts_of_titanic, facts_of_houses, facts_of_images,
                               facts_of_signals, facts_of_text,   NULL};
    struct dataset_facts *facts[6] = {NULL};
    for (size_t i = 0; i < 6; i++)
        facts[i] = all[i] ? sample_facts(all[i]) : NULL;
    struct rng rng;
    rng_init(&rng, 2, RNG_SAMPLE, 0);
    for (int i = 0; i < 4000; i++) {
        json_t *json = sample_json(full_job);
        for (uint32_t n = 1 + rng_below(&rng, 4); n > 0; n--)
            mutate(json, &rng);
        char *text = json_dumps(json, JSON_COMPACT);
        digest(text, strlen(text),
               facts[rng_below(&rng, 3) > 0 ? 0 : rng_below(&rng, 6)]);
        free(text);
        json_decref(json);
    }
    for (size_t i = 0; i < 6; i++)
        facts_free(facts[i]);
}

/* ---- requests that are all violations ---- */

static void test_hundred_violations_are_kept_and_all_are_counted(void **state)
{
    (void)state;
    char *text = malloc(SPEC_MAX_BYTES);
    assert_non_null(text);
    char *end = text + sprintf(text, "{");
    for (int i = 0; i < 50000; i++)
        end += sprintf(end, "\"k%d\":1,", i);
    stpcpy(end, "\"dataset\":\"d\",\"model\":{\"layers\":[{\"type\":\"flatten\"}]}}");
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    struct job_spec *spec = NULL;
    assert_int_equal(job_spec_load_json(text, strlen(text), &json, &violations), 0);
    assert_int_equal(job_spec_parse(json, NULL, &spec, &violations), ERR_INVALID);
    assert_int_equal(violations.count, VIOLATIONS_MAX);
    assert_int_equal(violations.total, 50000);
    json_decref(json);
    violations_release(&violations);
    free(text);
}

static void test_nested_json_that_skipped_the_loader_does_no_harm(void **state)
{
    (void)state;
    json_t *json = json_object();
    for (int i = 0; i < 1000; i++)
        json = json_pack("{s:o, s:o}", "metadata", json, "type", json_array());
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    assert_int_equal(job_spec_parse(json, NULL, &spec, &violations), ERR_INVALID);
    json_decref(json);
    violations_release(&violations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failing_allocation_is_an_error_and_no_leak),
        cmocka_unit_test(test_description_and_facts_survive_failing_allocations),
        cmocka_unit_test(test_loading_survives_failing_allocations),
        cmocka_unit_test(test_texts_with_damaged_bytes_get_an_answer),
        cmocka_unit_test(test_trees_with_odd_values_get_an_answer),
        cmocka_unit_test(test_hundred_violations_are_kept_and_all_are_counted),
        cmocka_unit_test(test_nested_json_that_skipped_the_loader_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
