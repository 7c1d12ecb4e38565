/* Ingest of a text for language models. */
#include "fuzz.h"
#include "ingested.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ingest_options options = {.header = "auto",
                                           .delimiter = "auto",
                                           .max_expanded_bytes = (uint64_t)1 << 20,
                                           .max_rows = 1000000};
    const struct ingested_part part = {"text", data, size};
    ingested_check(&part, 1, &options);
    return 0;
}
