/* Sniffing: which delimiter, and whether there is a header. */
#include "byte_fixture.h"
#include "data/csv.h"
#include "data/csv_sniff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct csv_format sniff_bytes(const char *csv, size_t length)
{
    int fd = fixture_file(csv, length);
    struct byte_source *source = NULL;
    struct missing_texts missing;
    struct csv_format format = {0};
    struct error err = {0};
    assert_int_equal(missing_texts_init(&missing, NULL, &err), 0);
    assert_int_equal(byte_source_open(fd, UINT64_MAX, NULL, NULL, &source, &err), 0);
    assert_int_equal(csv_sniff(source, "auto", "auto", &missing, &format, &err), 0);
    byte_source_close(source);
    missing_texts_release(&missing);
    close(fd);
    return format;
}

static struct csv_format sniff(const char *csv)
{
    return sniff_bytes(csv, strlen(csv));
}

static void assert_delimiter(const char *csv, char expected)
{
    char found = sniff(csv).delimiter;
    if (found != expected)
        fail_msg("'%c' was found in\n%s", found, csv);
}

static void assert_header(const char *csv, bool expected)
{
    if (sniff(csv).header != expected)
        fail_msg("%s header expected in\n%s", expected ? "a" : "no", csv);
}

static void test_each_delimiter_is_found(void **state)
{
    (void)state;
    assert_delimiter("a,b,c\n1,2,3\n", ',');
    assert_delimiter("a;b;c\n1;2;3\n", ';');
    assert_delimiter("a\tb\tc\n1\t2\t3\n", '\t');
    assert_delimiter("a|b|c\n1|2|3\n", '|');
    assert_delimiter("only\n1\n2\n", ',');
    assert_delimiter("", ',');
    assert_delimiter("\xef\xbb\xbf\"a\";\"b\"\n1;2\n", ';');
}

static void test_delimiters_inside_quotes_do_not_count(void **state)
{
    (void)state;
    assert_delimiter("name;x\n\"a,b,c\";1\n\"d,e,f\";2\n", ';');
    assert_delimiter("name,x\n\"a;b\",1\n\"c;d\",2\n", ',');
}

static void test_decimal_commas_do_not_hide_the_semicolon(void **state)
{
    (void)state;
    assert_delimiter("1,5;2,5;3,5\n4,5;5,5;6,5\n", ';');
    assert_delimiter("a;b\n1,5;2,5\n", ';');
    assert_true(sniff("a;b\n1,5;2,5\n").decimal_comma);
    assert_false(sniff("a;b\n1.5;2.5\n").decimal_comma);
}

static void test_other_delimiters_inside_fields_do_not_win(void **state)
{
    (void)state;
    assert_delimiter("a,b\nx;y,1\nz;w,2\n", ',');
    assert_delimiter("time,value\n12:30|1,5.5\n12:31|2,6.5\n", ',');
    assert_delimiter("a,b,c\n1,2,3\n4,5\n6,7,8\n", ','); /* a ragged row is no reason */
}

static void test_text_over_numbers_is_a_header(void **state)
{
    (void)state;
    assert_header("x,y\n1,2\n3,4\n", true);
    assert_header("name,y\nann,2\nbob,4\n", true);
    assert_header("x,y\n1,\n,NA\n", true);
    assert_header("a,b\n?,1\n2,?\n", true);
}

static void test_numbers_over_numbers_are_no_header(void **state)
{
    (void)state;
    assert_header("5.1,3.5,setosa\n4.9,3.0,setosa\n", false);
    assert_header("1,2\n3,4\n", false);
    assert_header("1,NA\n3,4\n", false);
    assert_header("7\n8\n9\n", false);
}

static void test_all_text_has_a_header_unless_its_texts_come_again(void **state)
{
    (void)state;
    assert_header("colour,size\nred,small\nblue,large\n", true);
    assert_header("red,small\nblue,large\nred,small\n", false);
    assert_header("a,,c\nx,y,z\n", false); /* a header without gaps */
    assert_header("colour\nred\n", true);
}

static void test_a_row_that_counts_the_columns_is_a_header(void **state)
{
    (void)state;
    assert_header("0,1,2,3\n5.5,6,7,8\n9,10,11,12.5\n", true);
    assert_header(",0,1,2\n0,5.5,6,7\n1,9,10,11\n", true);
    assert_header("0,1\n2,3\n", false);
    assert_header("0,1,2\n3,1,5\n", false); /* the 1 comes again */
    assert_header("0,1,2.5\n3.5,4,5\n", false);
    /* Numbers beyond all integers are compared as well. */
    assert_header("0,1,33333333333333333333333333\n3.5,4,5\n", false);
    assert_header("-1e300,1,2\n3.5,4,5\n", false);
}

static void test_a_header_alone_is_a_header(void **state)
{
    (void)state;
    assert_header("a,b,c\n", true);
    assert_header("1,2,3\n", false);
}

static void test_records_longer_than_the_first_sample_are_seen(void **state)
{
    (void)state;
    enum { COLUMNS = 4000 };
    char *csv = malloc(COLUMNS * 40);
    assert_non_null(csv);
    size_t at = 0;
    for (int i = 0; i < COLUMNS; i++)
        at += (size_t)sprintf(csv + at, "a_rather_long_name_%d%c", i,
                              i + 1 < COLUMNS ? ';' : '\n');
    assert_true(at > 65536);
    for (int i = 0; i < COLUMNS; i++)
        at += (size_t)sprintf(csv + at, "%d%c", i, i + 1 < COLUMNS ? ';' : '\n');
    struct csv_format format = sniff_bytes(csv, at);
    assert_int_equal(format.delimiter, ';');
    assert_true(format.header);
    free(csv);
}

static void test_random_bytes_are_judged_without_harm(void **state)
{
    (void)state;
    static const char alphabet[] = ",;\t|\"\n\r 19.-xNA\xff";
    uint32_t random = 11;
    int headers = 0;
    for (int i = 0; i < 5000; i++) {
        char csv[128];
        size_t length = fixture_random(&random) % sizeof(csv);
        for (size_t c = 0; c < length; c++)
            csv[c] = alphabet[fixture_random(&random) % sizeof(alphabet)];
        struct csv_format format = sniff_bytes(csv, length);
        assert_non_null(memchr(",;\t|", format.delimiter, 4));
        headers += format.header;
    }
    assert_in_range(headers, 100, 4900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_delimiter_is_found),
        cmocka_unit_test(test_delimiters_inside_quotes_do_not_count),
        cmocka_unit_test(test_decimal_commas_do_not_hide_the_semicolon),
        cmocka_unit_test(test_other_delimiters_inside_fields_do_not_win),
        cmocka_unit_test(test_text_over_numbers_is_a_header),
        cmocka_unit_test(test_numbers_over_numbers_are_no_header),
        cmocka_unit_test(test_all_text_has_a_header_unless_its_texts_come_again),
        cmocka_unit_test(test_a_row_that_counts_the_columns_is_a_header),
        cmocka_unit_test(test_a_header_alone_is_a_header),
        cmocka_unit_test(test_records_longer_than_the_first_sample_are_seen),
        cmocka_unit_test(test_random_bytes_are_judged_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
