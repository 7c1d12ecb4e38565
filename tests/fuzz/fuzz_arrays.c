/*
 * Ingest of arrays (IDX, NPY, gzip of either, and what is neither, such as NPZ): a byte
 * that says which parts there are, then the parts, each but the last with its length in
 * two bytes before it.
 */
#include "fuzz.h"
#include "ingested.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[INGESTED_MAX_PARTS] = {
        "train.features", "train.labels", "test.features", "test.labels"};
    struct fuzz_input input = {data, size};
    uint8_t choice = fuzz_take_byte(&input);
    unsigned chosen = choice & 15u;
    if (chosen == 0)
        chosen = 1;
    struct ingested_part parts[INGESTED_MAX_PARTS];
    int count = 0;
    for (int i = 0; i < INGESTED_MAX_PARTS; i++) {
        if (!(chosen & 1u << i))
            continue;
        struct ingested_part *part = &parts[count++];
        part->name = names[i];
        if (chosen >> (i + 1) != 0) {
            part->bytes = fuzz_take_run(&input, &part->length);
        } else {
            part->bytes = input.data;
            part->length = input.size;
        }
    }
    const struct ingest_options options = {.header = "auto",
                                           .delimiter = "auto",
                                           .max_expanded_bytes = (uint64_t)4 << 20,
                                           .max_rows = choice & 0x80 ? 3 : 100000};
    ingested_check(parts, count, &options);
    return 0;
}
