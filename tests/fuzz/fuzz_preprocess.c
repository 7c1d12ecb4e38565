/*
 * The preprocessing that is stored with a model, and a predict request read by it:
 * {"preprocessing": {…}, "body": {…}}. What is accepted prints to JSON that is accepted
 * again; a body gives either violations or finite room for its rows.
 */
#include "data/preprocess.h"
#include "fuzz.h"
#include "json_mutator.h"

#include <stdlib.h>

#define MAX_ROWS 50

const size_t fuzz_json_prefix = 0;

static void check_print(const struct preprocess *preprocess)
{
    json_t *first = preprocess_to_json(preprocess);
    struct preprocess *again = NULL;
    FUZZ_EXPECT(first && preprocess_parse(first, &again, NULL) == 0);
    json_t *second = preprocess_to_json(again);
    FUZZ_EXPECT(json_equal(first, second));
    FUZZ_EXPECT(again->feature_count == preprocess->feature_count);
    json_decref(first);
    json_decref(second);
    preprocess_free(again);
}

static void ask(const struct preprocess *preprocess, const json_t *body)
{
    struct violations violations;
    violations_init(&violations);
    float *x = NULL;
    size_t rows = 0;
    int rc = preprocess_request(preprocess, body, MAX_ROWS, &x, &rows, &violations);
    FUZZ_EXPECT(rc == 0 || (rc == ERR_INVALID && violations.total > 0) ||
                rc == ERR_NOMEM);
    FUZZ_EXPECT(fuzz_violations_fit(rc, &violations));
    if (rc == 0) {
        FUZZ_EXPECT(rows > 0 && rows <= MAX_ROWS);
        fuzz_touch(x, rows * (size_t)preprocess->feature_count * sizeof(*x));
    }
    free(x);
    violations_release(&violations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return 0;
    struct preprocess *preprocess = NULL;
    struct error err = {0};
    int rc = preprocess_parse(json_object_get(json, "preprocessing"), &preprocess, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    if (rc == 0) {
        check_print(preprocess);
        if (preprocess->kind != DATASET_TEXT)
            ask(preprocess, json_object_get(json, "body"));
    }
    preprocess_free(preprocess);
    json_decref(json);
    return 0;
}
