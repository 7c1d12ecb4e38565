/*
 * The job spec: a byte that chooses the dataset's facts, then the text that a user posts.
 *
 * Promises: a refusal has violations, and the other way round; what is accepted can be
 * described; its canonical JSON is accepted again and is then the same.
 */
#include "../spec/sample_facts.h"
#include "fuzz.h"
#include "json_mutator.h"

#include <stdlib.h>
#include <string.h>

#define FACTS_COUNT 5

const size_t fuzz_json_prefix = 1;

static const struct dataset_facts *choose_facts(uint8_t choice)
{
    static const char *const texts[FACTS_COUNT] = {facts_of_titanic, facts_of_houses,
                                                   facts_of_images, facts_of_signals,
                                                   facts_of_text};
    static struct dataset_facts *facts[FACTS_COUNT];
    size_t i = choice % (FACTS_COUNT + 1);
    if (i == FACTS_COUNT)
        return NULL; /* the dataset is unknown */
    if (!facts[i])
        facts[i] = sample_facts(texts[i]);
    return facts[i];
}

static void check_accepted(const struct job_spec *spec, const struct dataset_facts *facts)
{
    if (facts) {
        json_t *description = job_spec_describe(spec, 50);
        FUZZ_EXPECT(description);
        json_decref(description);
    }
    struct job_spec *again = NULL;
    struct violations violations;
    violations_init(&violations);
    FUZZ_EXPECT(job_spec_parse(spec->canonical, facts, &again, &violations) == 0);
    FUZZ_EXPECT(json_equal(again->canonical, spec->canonical));
    FUZZ_EXPECT(again->memory_bytes == spec->memory_bytes);
    violations_release(&violations);
    job_spec_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const struct dataset_facts *facts = choose_facts(fuzz_take_byte(&input));
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    int rc = job_spec_load_json((const char *)input.data, input.size, &json, &violations);
    if (rc == 0) {
        struct job_spec *spec = NULL;
        rc = job_spec_parse(json, facts, &spec, &violations);
        FUZZ_EXPECT((rc == 0) == (spec != NULL));
        if (rc == 0)
            check_accepted(spec, facts);
        job_spec_free(spec);
    }
    FUZZ_EXPECT(rc == 0 || (rc == ERR_INVALID && violations.total > 0));
    FUZZ_EXPECT(fuzz_violations_fit(rc, &violations));
    json_decref(json);
    violations_release(&violations);
    return 0;
}
