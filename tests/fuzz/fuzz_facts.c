/*
 * The facts of a dataset, which a worker made: JSON in. What is accepted prints to JSON
 * that is accepted again and prints the same.
 */
#include "fuzz.h"
#include "json_mutator.h"
#include "spec/facts.h"

#include <string.h>

const size_t fuzz_json_prefix = 0;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (!json)
        return 0;
    struct dataset_facts *facts = NULL;
    struct error err = {0};
    int rc = facts_parse(json, &facts, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT((rc == 0) == (facts != NULL));
    if (rc == 0) {
        json_t *first = facts_to_json(facts);
        struct dataset_facts *again = NULL;
        FUZZ_EXPECT(first && facts_parse(first, &again, NULL) == 0);
        json_t *second = facts_to_json(again);
        FUZZ_EXPECT(json_equal(first, second));
        for (size_t i = 0; i < facts->column_count; i++) {
            int found = facts_find_column(facts, facts->columns[i].name);
            FUZZ_EXPECT(found >= 0 && (size_t)found <= i);
        }
        json_decref(first);
        json_decref(second);
        facts_free(again);
    }
    facts_free(facts);
    json_decref(json);
    return 0;
}
