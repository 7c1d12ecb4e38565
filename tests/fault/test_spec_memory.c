/*
 * Every allocation of the spec fails in turn, Jansson's as well: reading JSON, parsing a
 * job against each dataset, what :validate says of it, facts in and out. The jobs are the
 * seeds of the fuzzer (tests/fuzz/corpus), which say most of what a spec can.
 */
#include "../spec/sample_facts.h"
#include "memory_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS 14
#define FACTS_COUNT 5
#define FAULTS_CLAIMED 15000

static uint64_t injected;

static const char *const facts_texts[FACTS_COUNT] = {
    facts_of_titanic, facts_of_houses, facts_of_images, facts_of_signals, facts_of_text};

/* A job and the facts that it was written for. */
struct seed {
    const struct dataset_facts *facts; /* NULL: unknown */
    json_t *json;
    char *text;
};

/* A file of the corpus: a byte that says which facts, then the job. */
static void read_seed(int number, struct seed *ret_seed)
{
    static struct dataset_facts *facts[FACTS_COUNT];
    char path[64];
    snprintf(path, sizeof(path), "tests/fuzz/corpus/spec/seed_%02d", number);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    int which = fgetc(file);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    if (which < FACTS_COUNT && !facts[which])
        facts[which] = sample_facts(facts_texts[which]);
    ret_seed->facts = which < FACTS_COUNT ? facts[which] : NULL;
    ret_seed->text = text;
    ret_seed->json = json_loads(text, 0, NULL);
    assert_non_null(ret_seed->json);
}

static void release_seed(struct seed *seed)
{
    json_decref(seed->json);
    free(seed->text);
}

/* ---- the work ---- */

static int load(const void *input, struct error *err)
{
    (void)err;
    const struct seed *seed = input;
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    int rc = job_spec_load_json(seed->text, strlen(seed->text), &json, &violations);
    assert_int_equal(rc == 0, json != NULL);
    json_decref(json);
    violations_release(&violations);
    return rc;
}

static int parse(const void *input, struct error *err)
{
    (void)err;
    const struct seed *seed = input;
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    int rc = job_spec_parse(seed->json, seed->facts, &spec, &violations);
    assert_int_equal(rc == 0, spec != NULL);
    json_t *description = NULL;
    if (rc == 0 && seed->facts) {
        description = job_spec_describe(spec, 50);
        rc = description ? 0 : ERR_NOMEM;
    }
    json_decref(description);
    job_spec_free(spec);
    violations_release(&violations);
    return rc;
}

/* A job of which everything is wrong: the violations need memory as well. */
static int refuse(const void *input, struct error *err)
{
    (void)err;
    const struct seed *seed = input;
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    int rc = job_spec_parse(seed->json, seed->facts, &spec, &violations);
    assert_null(spec);
    if (violations.status != 0)
        rc = violations.status;
    violations_release(&violations);
    return rc;
}

static int facts_there_and_back(const void *input, struct error *err)
{
    struct dataset_facts *facts = NULL;
    int rc = facts_parse(input, &facts, err);
    json_t *json = rc == 0 ? facts_to_json(facts) : NULL;
    if (rc == 0 && !json)
        rc = ERR_NOMEM;
    json_decref(json);
    facts_free(facts);
    return rc;
}

/* ---- tests ---- */

static void test_every_job_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++) {
        struct seed seed;
        read_seed(i, &seed);
        /* The prediction of memory makes do with a plainer bound. */
        injected += memory_sweep_lenient(seed.text, parse, &seed, 0, 1);
        release_seed(&seed);
    }
}

static void test_reading_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++) {
        struct seed seed;
        read_seed(i, &seed);
        injected += memory_sweep(seed.text, load, &seed, 0, 1);
        release_seed(&seed);
    }
}

static void test_refusing_survives_every_failing_allocation(void **state)
{
    (void)state;
    struct seed seed = {.facts = sample_facts(facts_of_titanic)};
    seed.json = sample_json(
        "{'dataset':1,'features':{'inputs':['Agee','Name'],'target':'Nobody'},'model':"
        "{'layers':[{'type':'dens'},{'type':'dense'},{'type':'conv2d','filters':-1},"
        "{'type':'dropout','rate':'much'},7]},'epochs':0,'split':{'type':'fixed'},"
        "'optimizer':{'type':'adma'},'unknown':1,'metadata':[]}");
    injected +=
        memory_sweep_lenient("a job that is wrong", refuse, &seed, ERR_INVALID, 1);
    json_decref(seed.json);
    facts_free((struct dataset_facts *)(uintptr_t)seed.facts);
}

static void test_facts_survive_every_failing_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < FACTS_COUNT; i++) {
        json_t *json = sample_json(facts_texts[i]);
        injected += memory_sweep(facts_texts[i], facts_there_and_back, json, 0, 1);
        json_decref(json);
    }
}

static void test_as_many_failed_as_is_claimed(void **state)
{
    (void)state;
    print_message("allocations failed: %llu\n", (unsigned long long)injected);
    assert_true(injected >= FAULTS_CLAIMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_survives_every_failing_allocation),
        cmocka_unit_test(test_reading_survives_every_failing_allocation),
        cmocka_unit_test(test_refusing_survives_every_failing_allocation),
        cmocka_unit_test(test_facts_survive_every_failing_allocation),
        cmocka_unit_test(test_as_many_failed_as_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
