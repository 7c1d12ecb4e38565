/* Ingest of a table: a byte that chooses header, delimiter and texts for missing values,
 * then the file (CSV, or gzip). */
#include "fuzz.h"
#include "ingested.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const headers[] = {"auto", "true", "false"};
    static const char *const delimiters[] = {"auto", ",", ";", "tab", "|"};
    static const char *const missing[] = {NULL, "", "x,,-1"};
    struct fuzz_input input = {data, size};
    uint8_t choice = fuzz_take_byte(&input);
    const struct ingest_options options = {.header = headers[choice % 3],
                                           .delimiter = delimiters[choice / 3 % 5],
                                           .missing = missing[choice / 15 % 3],
                                           .max_expanded_bytes = (uint64_t)1 << 20,
                                           .max_rows = choice & 0x80 ? 7 : 100000};
    const struct ingested_part part = {"table", input.data, input.size};
    ingested_check(&part, 1, &options);
    return 0;
}
