/* Tables that ingest refuses: each with the place of the fault, and none does harm. */
#include "byte_fixture.h"
#include "ingest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_what_is_not_finite_is_refused_with_its_place(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "a,b,c\n1,2,inf\n-inf,1e39,x\n");
    assert_refused(&run, ERR_INVALID, "/table",
                   "row 2 (line 3), column 1 (\"a\"): \"-inf\" is not a finite number");
    assert_refused(&run, ERR_INVALID, "/table", "column 2 (\"b\"): \"1e39\"");
    assert_int_equal(run.violations.total, 2); /* c is text */
    ingest_run_release(&run);
}

static void test_ragged_rows_are_refused_with_their_place(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "a,b,c\n1,2,3\n4,5\n");
    assert_refused(&run, ERR_INVALID, "/table",
                   "row 2 (line 3): 3 fields expected, as in the first line; 2 found");
    ingest_run_release(&run);
}

static void test_faults_name_the_column(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "a,caf\xc3\xa9\n1,2\n3,\xff\n");
    assert_refused(&run, ERR_INVALID, "/table",
                   "row 2 (line 3), column 2 (\"caf\xc3\xa9\"): the byte 0xFF");
    ingest_run_release(&run);
}

static void test_tables_without_rows_are_refused(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "a,b\n");
    assert_refused(&run, ERR_INVALID, "/table",
                   "a header, but no rows; are its line ends lost?");
    ingest_run_release(&run);
    ingest_run_text(&run, "table", "");
    assert_refused(&run, ERR_INVALID, "/table", "an empty file");
    ingest_run_release(&run);
    ingest_run_text(&run, "table", "\n \n\n");
    assert_refused(&run, ERR_INVALID, "/table", "empty");
    ingest_run_release(&run);
}

static void test_too_many_rows_are_refused(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.max_rows = 2;
    ingest_run_add(&run, "table", fixture_text("a\n1\n2\n3\n"));
    ingest_run_go(&run);
    assert_refused(&run, ERR_TOO_LARGE, "/table", "more than 2 rows");
    ingest_run_release(&run);
}

static void test_what_is_no_table_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *expected;
    } files[] = {
        {"\x89PNG\r\n\x1a\n\0\0", 10, "a PNG picture"},
        {"\0\0\x08\x01\0\0\0\x01\x05", 9, "an IDX array, which is sent as the part"},
        {"\x93NUMPY\x01\0", 8, "a NumPy array"},
        {"PK\x03\x04\x14\0", 6, "a ZIP archive"},
        {"\0\0\0\0\0\0\0\0\0\0", 10, "binary data"},
        {"\xff\xfe"
         "a\0,\0b\0",
         8, "UTF-16 text"},
        {"<!DOCTYPE html>\n<p>", 19, "an HTML page"},
        {"%PDF-1.7\n", 9, "a PDF"},
        {"PAR1\x15\x04", 6, "a Parquet file"},
        {"[\n {\"a\": 1}]", 12, "this looks like JSON"},
        {"{\"a\": 1}\n", 9, "this looks like JSON"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct ingest_run run;
        ingest_run_init(&run);
        ingest_run_add(&run, "table", fixture_file(files[i].bytes, files[i].length));
        ingest_run_go(&run);
        assert_refused(&run, ERR_INVALID, "/table", files[i].expected);
        ingest_run_release(&run);
    }
}

static void test_a_bomb_is_refused(void **state)
{
    (void)state;
    char *lines = malloc(4 << 20);
    assert_non_null(lines);
    memset(lines, '1', 4 << 20);
    for (size_t i = 1; i < 4 << 20; i += 2)
        lines[i] = '\n';
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.max_expanded_bytes = 1 << 20;
    ingest_run_add(&run, "table", fixture_gzip(lines, 4 << 20));
    ingest_run_go(&run);
    assert_refused(&run, ERR_TOO_LARGE, "/table", "expands to more than 1048576 bytes");
    ingest_run_release(&run);
    free(lines);
}

static void test_unknown_options_are_refused(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.delimiter = "::";
    ingest_run_add(&run, "table", fixture_text("a\n1\n"));
    ingest_run_go(&run);
    assert_refused(&run, ERR_INVALID, "/table", "\"::\" found");
    ingest_run_release(&run);
    ingest_run_init(&run);
    run.options.header = "yes";
    ingest_run_add(&run, "table", fixture_text("a\n1\n"));
    ingest_run_go(&run);
    assert_refused(&run, ERR_INVALID, "/table", "\"yes\" found");
    ingest_run_release(&run);
}

static int give_up(void *context, uint64_t bytes_read)
{
    *(uint64_t *)context = bytes_read;
    return 1;
}

static void test_ingest_can_be_given_up(void **state)
{
    (void)state;
    char *csv = malloc(3 << 20);
    assert_non_null(csv);
    for (size_t i = 0; i < 3 << 20; i += 2)
        memcpy(csv + i, "1\n", 2);
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "table", fixture_file(csv, 3 << 20));
    uint64_t seen = 0;
    int output = fixture_file("", 0);
    assert_int_equal(ingest_run(run.parts, 1, &run.options, output, give_up, &seen,
                                &run.facts, &run.violations, &run.err),
                     ERR_CANCELLED);
    assert_in_range(seen, 1 << 20, 2 << 20);
    assert_int_equal(run.violations.total, 0);
    close(output);
    ingest_run_release(&run);
    free(csv);
}

static void test_mutated_tables_are_read_or_refused(void **state)
{
    (void)state;
    static const char good[] = "id,name,x,y\n1,\"a, b\",0.5,red\n2,\"c\"\"d\",1e3,blue\n"
                               "3,e,NA,red\n4,\"f\ng\",-7,green\n";
    static const char bytes[] = ",;\"\n\r\t|\0\xff\xc3 0eNif-.";
    uint32_t random = 31;
    int good_runs = 0, refused = 0;
    for (int i = 0; i < 3000; i++) {
        char csv[sizeof(good)];
        memcpy(csv, good, sizeof(good));
        size_t length = sizeof(good) - 1 - fixture_random(&random) % 8;
        for (uint32_t m = fixture_random(&random) % 4; m > 0; m--)
            csv[fixture_random(&random) % length] =
                bytes[fixture_random(&random) % (sizeof(bytes) - 1)];
        struct ingest_run run;
        ingest_run_init(&run);
        ingest_run_add(&run, "table", fixture_file(csv, length));
        ingest_run_go(&run);
        good_runs += run.rc == 0;
        refused += run.rc == ERR_INVALID && run.violations.total > 0;
        ingest_run_release(&run);
    }
    assert_int_equal(good_runs + refused, 3000);
    assert_true(good_runs > 500 && refused > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_finite_is_refused_with_its_place),
        cmocka_unit_test(test_ragged_rows_are_refused_with_their_place),
        cmocka_unit_test(test_faults_name_the_column),
        cmocka_unit_test(test_tables_without_rows_are_refused),
        cmocka_unit_test(test_too_many_rows_are_refused),
        cmocka_unit_test(test_what_is_no_table_is_named),
        cmocka_unit_test(test_a_bomb_is_refused),
        cmocka_unit_test(test_unknown_options_are_refused),
        cmocka_unit_test(test_ingest_can_be_given_up),
        cmocka_unit_test(test_mutated_tables_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
