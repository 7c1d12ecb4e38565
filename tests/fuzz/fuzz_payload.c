/*
 * What is in a worker's frames, as the daemon reads it: PROGRESS, METRICS, and the
 * members of the others. What is refused is refused as a fault of protocol; what is
 * accepted keeps its bounds.
 */
#include "fuzz.h"
#include "json_mutator.h"
#include "sched/payload.h"
#include "store/metrics.h"

#include <stdlib.h>
#include <string.h>

const size_t fuzz_json_prefix = 0;

static bool is_refusal(int rc, const struct error *err)
{
    return rc == ERR_PROTOCOL && fuzz_error_fits(rc, err);
}

static void check_progress(const json_t *object)
{
    struct error err = {0};
    char *text = NULL;
    int rc = payload_progress(object, &text, &err);
    FUZZ_EXPECT(rc == 0 || is_refusal(rc, &err));
    if (text) {
        json_t *json = json_loads(text, 0, NULL);
        FUZZ_EXPECT(json_is_object(json) && json_object_size(json) > 0);
        json_decref(json);
    }
    free(text);
}

static void check_metrics(json_t *object)
{
    struct error err = {0};
    struct metric_batch *batch = NULL;
    int rc = payload_metrics(object, &batch, &err);
    FUZZ_EXPECT(rc == 0 || is_refusal(rc, &err));
    for (size_t i = 0; batch && i < batch->count; i++) {
        const struct metric_row *row = &batch->rows[i];
        FUZZ_EXPECT(row->step >= 0 && row->time_us >= 0 && row->count >= 1 &&
                    row->count <= METRICS_MAX_NAMES);
        for (int n = 0; n < row->count; n++) {
            size_t length = strlen(row->names[n]);
            FUZZ_EXPECT(length >= 1 && length <= PAYLOAD_MAX_METRIC_NAME);
        }
    }
    metric_batch_free(batch);
}

static void check_members(const json_t *object)
{
    struct error err = {0};
    const char *text = NULL;
    int64_t integer = -1;
    double number;
    char *copy = NULL;
    int rc = payload_string(object, "type", PAYLOAD_MAX_TYPE, &text, &err);
    FUZZ_EXPECT(rc == 0 ? strlen(text) <= PAYLOAD_MAX_TYPE : is_refusal(rc, &err));
    error_clear(&err);
    rc = payload_integer(object, "step", 0, 1000, &integer, &err);
    FUZZ_EXPECT(rc == 0 ? integer >= 0 && integer <= 1000 : is_refusal(rc, &err));
    error_clear(&err);
    rc = payload_number(object, "epoch", &number, &err);
    FUZZ_EXPECT(rc == 0 || is_refusal(rc, &err));
    error_clear(&err);
    rc = payload_object_text(object, "data", true, &copy, &err);
    FUZZ_EXPECT(rc == 0 ? copy && copy[0] == '{' : is_refusal(rc, &err));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct frame frame = {MESSAGE_EVENT, data, size};
    struct error err = {0};
    json_t *object = NULL;
    int rc = payload_object(&frame, &object, &err);
    FUZZ_EXPECT(rc == 0 || is_refusal(rc, &err));
    if (rc == 0) {
        check_progress(object);
        check_metrics(object);
        check_members(object);
    }
    json_decref(object);
    return 0;
}
