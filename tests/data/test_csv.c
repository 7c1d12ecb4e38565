/* CSV: what a right reader makes of it, how it fails, and that no bytes break it. */
#include "byte_fixture.h"
#include "data/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Reads everything and writes it down with fields in [] and a / after each record. */
static int read_csv(const char *bytes, size_t length, char delimiter, char *out,
                    size_t out_size, struct error *err)
{
    int fd = fixture_file(bytes, length);
    struct byte_source *source = NULL;
    struct csv_reader *reader = NULL;
    assert_int_equal(byte_source_open(fd, UINT64_MAX, NULL, NULL, &source, err), 0);
    assert_int_equal(csv_open(source, delimiter, true, &reader, err), 0);
    size_t at = 0;
    const struct csv_record *record = NULL;
    int rc = csv_next(reader, &record, err);
    out[0] = '\0';
    for (; rc == 0 && record; rc = csv_next(reader, &record, err)) {
        for (int i = 0; i < record->count; i++) {
            assert_int_equal(strlen(record->fields[i].text), record->fields[i].length);
            at +=
                (size_t)snprintf(out + at, out_size - at, "[%s]", record->fields[i].text);
            assert_true(at < out_size);
        }
        at += (size_t)snprintf(out + at, out_size - at, "/");
        assert_true(at < out_size);
    }
    csv_close(reader);
    byte_source_close(source);
    close(fd);
    return rc;
}

static void assert_csv(const char *csv, const char *expected)
{
    static char out[4096];
    struct error err = {0};
    int rc = read_csv(csv, strlen(csv), ',', out, sizeof(out), &err);
    if (rc != 0)
        fail_msg("%s", err.text);
    assert_string_equal(out, expected);
}

static void assert_csv_fails(const char *csv, const char *expected)
{
    static char out[4096];
    struct error err = {0};
    assert_int_equal(read_csv(csv, strlen(csv), ',', out, sizeof(out), &err),
                     ERR_INVALID);
    if (!strstr(err.text, expected))
        fail_msg("the error is: %s", err.text);
}

static void test_records_end_with_lf_crlf_cr_or_the_file(void **state)
{
    (void)state;
    assert_csv("a,b\n1,2\n", "[a][b]/[1][2]/");
    assert_csv("a,b\n1,2", "[a][b]/[1][2]/");
    assert_csv("a,b\r\n1,2\r\n", "[a][b]/[1][2]/");
    assert_csv("a,b\r\n1,2\r", "[a][b]/[1][2]/");
    assert_csv("a,b\r1,2\r3,4", "[a][b]/[1][2]/[3][4]/");
    assert_csv("a,b\r\n1,2\n3,4\r5,6", "[a][b]/[1][2]/[3][4]/[5][6]/");
}

static void test_empty_fields_are_kept(void **state)
{
    (void)state;
    assert_csv("a,b,c\n,,\n1,,\n,,3", "[a][b][c]/[][][]/[1][][]/[][][3]/");
    assert_csv("a,b,c\n1,\"\",\"\"\n2,3,4", "[a][b][c]/[1][][]/[2][3][4]/");
    assert_csv("a,b,c\r\n1,\"\",\"\"\r\n2,3,4", "[a][b][c]/[1][][]/[2][3][4]/");
    assert_csv("a,b\n1,", "[a][b]/[1][]/");
    assert_csv("a\n\"\"\n1", "[a]/[]/[1]/");
}

static void test_quotes_hold_delimiters_line_ends_and_quotes(void **state)
{
    (void)state;
    assert_csv("n,p\n\"Town, XY\",12\n", "[n][p]/[Town, XY][12]/");
    assert_csv("a,b\n1,\"so \"\"he\"\" said\"\n3,4\n",
               "[a][b]/[1][so \"he\" said]/[3][4]/");
    assert_csv("a,b\n\"one \ntwo\",5\n7,8\n", "[a][b]/[one \ntwo][5]/[7][8]/");
    assert_csv("a,b\r\n\"one \r\ntwo\",5\r\n7,8\r\n", "[a][b]/[one \r\ntwo][5]/[7][8]/");
    assert_csv("a,b\n1,\"x \n\"\"x\"\" \nx\"\n3,4\n",
               "[a][b]/[1][x \n\"x\" \nx]/[3][4]/");
    assert_csv("k,v\n1,\"{\"\"t\"\": \"\"P\"\", \"\"c\"\": [1.0, 2]}\"\n",
               "[k][v]/[1][{\"t\": \"P\", \"c\": [1.0, 2]}]/");
    assert_csv("a\n\"\"\"\"\n\"\"\"\"\"\"\n", "[a]/[\"]/[\"\"]/");
    assert_csv("a,b\n\"1\" ,\"2\"\t\n", "[a][b]/[1][2]/");
    assert_csv("a,b\n\"x\",\"y\"", "[a][b]/[x][y]/");
}

static void test_quote_inside_an_unquoted_field_is_an_ordinary_character(void **state)
{
    (void)state;
    assert_csv("a,b\n5\" pipe,x\"y\"\n", "[a][b]/[5\" pipe][x\"y\"]/");
}

static void test_utf8_and_its_byte_order_mark_are_read(void **state)
{
    (void)state;
    assert_csv("a,b\n4,\xca\xa4\n", "[a][b]/[4][\xca\xa4]/");
    assert_csv("\xef\xbb\xbf\"a\",b\n1,\xf0\x9f\x99\x82\n",
               "[a][b]/[1][\xf0\x9f\x99\x82]/");
    assert_csv("\xef\xbb\xbf", "");
}

static void test_lines_of_blanks_are_skipped_and_counted(void **state)
{
    (void)state;
    assert_csv("\n\na,b\n\n1,2\n  \t\n\r\n3,4\n\n", "[a][b]/[1][2]/[3][4]/");
    int fd = fixture_text("a\n\n1\n \n\n");
    struct byte_source *source = NULL;
    struct csv_reader *reader = NULL;
    const struct csv_record *record = NULL;
    assert_int_equal(byte_source_open(fd, 100, NULL, NULL, &source, NULL), 0);
    assert_int_equal(csv_open(source, ',', true, &reader, NULL), 0);
    do {
        assert_int_equal(csv_next(reader, &record, NULL), 0);
    } while (record);
    assert_int_equal(csv_blank_lines(reader), 3);
    csv_close(reader);
    byte_source_close(source);
    close(fd);
}

static void test_every_delimiter_is_read(void **state)
{
    (void)state;
    char out[256];
    assert_int_equal(read_csv("a;b\n1,5;\"x;y\"\n", 14, ';', out, sizeof(out), NULL), 0);
    assert_string_equal(out, "[a][b]/[1,5][x;y]/");
    assert_int_equal(read_csv("a\tb\n\t\n", 6, '\t', out, sizeof(out), NULL), 0);
    assert_string_equal(out, "[a][b]/[][]/");
    assert_int_equal(read_csv("a|b\n1|2", 7, '|', out, sizeof(out), NULL), 0);
    assert_string_equal(out, "[a][b]/[1][2]/");
}

static void test_ragged_rows_are_an_error_with_both_counts(void **state)
{
    (void)state;
    assert_csv_fails("a,b,c\n1,2,3\n4,5\n", "row 2 (line 3): 3 fields expected");
    assert_csv_fails("a,b,c\n1,2,3\n4,5\n", "2 found");
    assert_csv_fails("a,b\n\"x\ny\",2\n\n1,2,3\n", "row 2 (line 5): 2 fields expected");
}

static void test_unclosed_quote_names_where_it_begins(void **state)
{
    (void)state;
    assert_csv_fails("a,b\n1,2\n3,\"4\n5,6\n",
                     "row 2 (line 3), column 2: a quote is opened");
    assert_csv_fails("a,\"", "the header (line 1), column 2: a quote is opened");
}

static void test_text_after_a_closing_quote_is_an_error(void **state)
{
    (void)state;
    assert_csv_fails("a,b\n\"x\"y,2\n", "row 1 (line 2), column 1: the closing quote");
}

static void test_bytes_that_are_no_text_are_an_error(void **state)
{
    (void)state;
    char out[256];
    struct error err = {0};
    assert_csv_fails("a,b\n1,caf\xe9\n", "row 1 (line 2), column 2: the byte 0xE9");
    assert_csv_fails("a,b\n1,\xed\xa0\x80\n", "0xED"); /* a surrogate */
    assert_csv_fails("a,b\n1,\xc0\xaf\n", "0xC0");     /* not the shortest form */
    assert_csv_fails("a,b\n1,\xf4\x90\x80\x80\n", "0xF4");
    assert_int_equal(read_csv("a,b\n1,x\0y\n", 10, ',', out, sizeof(out), &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "column 2: \"x?y\" holds a NUL byte"));
}

/* "a,b\n1,<count bytes>\n" */
static int read_long_field(size_t count, bool quoted, struct error *err)
{
    char *csv = malloc(count + 32);
    char *out = malloc(count + 64);
    assert_non_null(csv);
    assert_non_null(out);
    size_t at = (size_t)sprintf(csv, "a,b\n1,%s", quoted ? "\"" : "");
    memset(csv + at, 'x', count);
    at += count;
    at += (size_t)sprintf(csv + at, "%s\n", quoted ? "\"" : "");
    int rc = read_csv(csv, at, ',', out, count + 64, err);
    free(csv);
    free(out);
    return rc;
}

static void test_fields_over_the_limit_are_refused(void **state)
{
    (void)state;
    for (int quoted = 0; quoted < 2; quoted++) {
        struct error err = {0};
        assert_int_equal(read_long_field(CSV_MAX_FIELD_BYTES, quoted, &err), 0);
        assert_int_equal(read_long_field(CSV_MAX_FIELD_BYTES + 1, quoted, &err),
                         ERR_TOO_LARGE);
        assert_non_null(
            strstr(err.text, "row 1 (line 2), column 2: a field of more than"));
        error_clear(&err);
        assert_int_equal(read_long_field(5 << 20, quoted, &err), ERR_TOO_LARGE);
    }
}

/* A record of `fields` fields of `length` bytes each. */
static int read_wide_record(int fields, size_t length, struct error *err)
{
    size_t size = (size_t)fields * (length + 1) + 1;
    char *csv = malloc(size);
    char *out = malloc(size * 3);
    assert_non_null(csv);
    assert_non_null(out);
    memset(csv, 'x', size);
    for (int i = 0; i < fields; i++)
        csv[(size_t)(i + 1) * (length + 1) - 1] = i + 1 < fields ? ',' : '\n';
    int rc = read_csv(csv, size - 1, ',', out, size * 3, err);
    free(csv);
    free(out);
    return rc;
}

static void test_records_over_the_limits_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(read_wide_record(FACTS_MAX_COLUMNS, 2, &err), 0);
    assert_int_equal(read_wide_record(FACTS_MAX_COLUMNS, 900, &err), 0);
    assert_int_equal(read_wide_record(FACTS_MAX_COLUMNS + 1, 2, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "more than 4096 fields"));
    error_clear(&err);
    assert_int_equal(read_wide_record(4 * FACTS_MAX_COLUMNS, 2, &err), ERR_TOO_LARGE);
    error_clear(&err);
    assert_int_equal(read_wide_record(4000, 1200, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "a record of more than 4194304 bytes"));
}

/* Records that lie across every border of the window come out the same. */
static void test_long_files_are_read_across_window_borders(void **state)
{
    (void)state;
    enum { ROWS = 60000 };
    char *csv = malloc(ROWS * 40);
    assert_non_null(csv);
    size_t at = (size_t)sprintf(csv, "n,text,last\r\n");
    for (int i = 0; i < ROWS; i++)
        at += (size_t)sprintf(csv + at, "%d,\"%.*s\"\"\r\n,\",%d\r\n", i, i % 7,
                              "abcdefg", -i);
    int fd = fixture_file(csv, at);
    struct byte_source *source = NULL;
    struct csv_reader *reader = NULL;
    const struct csv_record *record = NULL;
    assert_int_equal(byte_source_open(fd, at, NULL, NULL, &source, NULL), 0);
    assert_int_equal(csv_open(source, ',', true, &reader, NULL), 0);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(csv_next(reader, &record, NULL), 0);
        assert_int_equal(record->row, 0);
        for (int i = 0; i < ROWS; i++) {
            char expected[32];
            assert_int_equal(csv_next(reader, &record, NULL), 0);
            assert_int_equal(record->row, i + 1);
            assert_int_equal(record->line, 2 + 2 * i);
            assert_int_equal(atoi(record->fields[0].text), i);
            snprintf(expected, sizeof(expected), "%.*s\"\r\n,", i % 7, "abcdefg");
            assert_string_equal(record->fields[1].text, expected);
            assert_int_equal(atoi(record->fields[2].text), -i);
        }
        assert_int_equal(csv_next(reader, &record, NULL), 0);
        assert_null(record);
        assert_int_equal(csv_rewind(reader, NULL), 0);
    }
    csv_close(reader);
    byte_source_close(source);
    close(fd);
    free(csv);
}

/* A slow and plain reader of the same grammar, to compare with. Unequal counts and text
 * that is not UTF-8 are left to the other tests. */
static bool naive_csv(const char *csv, size_t length, char *out)
{
    size_t i = 0;
    char *record_start = out;
    bool blank = true, quoted_any = false;
    int fields = 0;
    while (i < length) {
        if (fields == 0) {
            record_start = out;
            blank = true;
            quoted_any = false;
        }
        *out++ = '[';
        if (csv[i] == '"') {
            quoted_any = true;
            for (i++;; i++) {
                if (i >= length)
                    return false;
                if (csv[i] == '"' && (i + 1 >= length || csv[i + 1] != '"'))
                    break;
                i += csv[i] == '"';
                *out++ = csv[i];
            }
            for (i++; i < length && (csv[i] == ' ' || csv[i] == '\t'); i++)
                ;
            if (i < length && !strchr(",\r\n", csv[i]))
                return false;
        } else {
            for (; i < length && !strchr(",\r\n", csv[i]); i++) {
                blank = blank && (csv[i] == ' ' || csv[i] == '\t');
                *out++ = csv[i];
            }
        }
        *out++ = ']';
        fields++;
        if (i < length && csv[i] == ',') {
            i++;
            if (i < length)
                continue;
            *out++ = '[';
            *out++ = ']';
            fields++;
        }
        if (fields == 1 && blank && !quoted_any)
            out = record_start;
        else
            *out++ = '/';
        fields = 0;
        if (i < length)
            i += csv[i] == '\r' && i + 1 < length && csv[i + 1] == '\n' ? 2 : 1;
    }
    *out = '\0';
    return true;
}

static void test_random_csv_is_read_as_a_naive_reader_reads_it(void **state)
{
    (void)state;
    static const char alphabet[] = ",,\"\"\n\r x1\t";
    uint32_t random = 2024;
    int compared = 0;
    for (int i = 0; i < 30000; i++) {
        char csv[32], expected[256], out[256];
        size_t length = fixture_random(&random) % 24;
        for (size_t c = 0; c < length; c++)
            csv[c] = alphabet[fixture_random(&random) % (sizeof(alphabet) - 1)];
        struct error err = {0};
        int rc = read_csv(csv, length, ',', out, sizeof(out), &err);
        bool valid = naive_csv(csv, length, expected);
        if (rc != 0 && strstr(err.text, "fields expected"))
            continue;
        assert_int_equal(rc == 0, valid);
        if (valid)
            assert_string_equal(out, expected);
        compared++;
    }
    assert_true(compared > 10000);
}

static void test_random_bytes_never_break_the_reader(void **state)
{
    (void)state;
    uint32_t random = 7;
    int failures = 0;
    for (int i = 0; i < 5000; i++) {
        char csv[300], out[2048];
        size_t length = fixture_random(&random) % sizeof(csv);
        for (size_t c = 0; c < length; c++)
            csv[c] = (char)fixture_random(&random);
        struct error err = {0};
        int rc = read_csv(csv, length, ',', out, sizeof(out), &err);
        failures += rc != 0;
        assert_true(rc == 0 || (rc == ERR_INVALID && err.text[0] != '\0'));
    }
    assert_true(failures > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_end_with_lf_crlf_cr_or_the_file),
        cmocka_unit_test(test_empty_fields_are_kept),
        cmocka_unit_test(test_quotes_hold_delimiters_line_ends_and_quotes),
        cmocka_unit_test(test_quote_inside_an_unquoted_field_is_an_ordinary_character),
        cmocka_unit_test(test_utf8_and_its_byte_order_mark_are_read),
        cmocka_unit_test(test_lines_of_blanks_are_skipped_and_counted),
        cmocka_unit_test(test_every_delimiter_is_read),
        cmocka_unit_test(test_ragged_rows_are_an_error_with_both_counts),
        cmocka_unit_test(test_unclosed_quote_names_where_it_begins),
        cmocka_unit_test(test_text_after_a_closing_quote_is_an_error),
        cmocka_unit_test(test_bytes_that_are_no_text_are_an_error),
        cmocka_unit_test(test_fields_over_the_limit_are_refused),
        cmocka_unit_test(test_records_over_the_limits_are_refused),
        cmocka_unit_test(test_long_files_are_read_across_window_borders),
        cmocka_unit_test(test_random_csv_is_read_as_a_naive_reader_reads_it),
        cmocka_unit_test(test_random_bytes_never_break_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
