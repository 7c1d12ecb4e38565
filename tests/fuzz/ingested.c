/* See ingested.h. */
#include "ingested.h"

#include "data/dataset_file.h"
#include "fuzz.h"
#include "spec/facts.h"

#include <unistd.h>

static void check_array(const struct dataset_file *file, enum dataset_part part,
                        int column, uint64_t rows, bool expected)
{
    const struct dataset_array *array = dataset_file_find(file, part, column);
    FUZZ_EXPECT((array != NULL) == expected);
    if (array) {
        FUZZ_EXPECT(array->dims[0] >= 0 && (uint64_t)array->dims[0] == rows);
        fuzz_touch(array->data, array->bytes);
    }
}

static void check_file(int output, const json_t *json)
{
    struct dataset_facts *facts = NULL;
    struct dataset_file *file = NULL;
    struct error err = {0};
    FUZZ_EXPECT(facts_parse(json, &facts, &err) == 0);
    FUZZ_EXPECT(dataset_file_open(output, &file, &err) == 0);
    bool arrays = facts->kind != DATASET_TABLE, test = facts->test_rows > 0;
    check_array(file, PART_TRAIN, DATASET_FEATURES, facts->train_rows, arrays);
    check_array(file, PART_TEST, DATASET_FEATURES, facts->test_rows, arrays && test);
    for (size_t i = 0; i < facts->column_count; i++) {
        bool stored = facts->columns[i].type != COLUMN_TEXT;
        check_array(file, PART_TRAIN, (int)i, facts->train_rows, stored);
        check_array(file, PART_TEST, (int)i, facts->test_rows, stored && test);
    }
    dataset_file_close(file);
    facts_free(facts);
}

void ingested_check(const struct ingested_part *parts, int count,
                    const struct ingest_options *options)
{
    struct ingest_part files[INGESTED_MAX_PARTS];
    for (int i = 0; i < count; i++)
        files[i] = (struct ingest_part){.name = parts[i].name,
                                        .fd = fuzz_file(parts[i].bytes, parts[i].length)};
    int output = fuzz_file("", 0);
    struct violations violations;
    violations_init(&violations);
    struct error err = {0};
    json_t *facts = NULL;
    int rc =
        ingest_run(files, count, options, output, NULL, NULL, &facts, &violations, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT(fuzz_violations_fit(rc, &violations));
    FUZZ_EXPECT((rc == 0) == (facts != NULL));
    FUZZ_EXPECT(rc == 0 ||
                ((rc == ERR_INVALID || rc == ERR_TOO_LARGE) && violations.total > 0));
    if (rc == 0) {
        size_t bytes = json_dumpb(facts, NULL, 0, JSON_COMPACT);
        FUZZ_EXPECT(bytes > 0 && bytes <= INGEST_MAX_FACTS_BYTES);
        check_file(output, facts);
    }
    json_decref(facts);
    violations_release(&violations);
    close(output);
    for (int i = 0; i < count; i++)
        close(files[i].fd);
}
