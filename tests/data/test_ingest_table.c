/* Ingest of tables: types, facts, stored columns and notes. */
#include "byte_fixture.h"
#include "ingest_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *type_of(const struct ingest_run *run, const char *name)
{
    return json_string_value(json_object_get(ingest_run_column(run, name), "type"));
}

static double statistic(const struct ingest_run *run, const char *name, const char *key)
{
    const json_t *value = json_object_get(ingest_run_column(run, name), key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static bool flag(const struct ingest_run *run, const char *name, const char *key)
{
    return json_is_true(json_object_get(ingest_run_column(run, name), key));
}

static json_int_t missing(const struct ingest_run *run, const char *name)
{
    return json_integer_value(json_object_get(ingest_run_column(run, name), "missing"));
}

/* `rows` lines after a header, each made by `format` from the row number, 1 … rows. */
static char *make_rows(const char *header, int rows, void (*make)(int row, char line[64]))
{
    char *csv = malloc(strlen(header) + 2 + (size_t)rows * 65);
    assert_non_null(csv);
    size_t at = (size_t)sprintf(csv, "%s\n", header);
    for (int row = 1; row <= rows; row++) {
        char line[64];
        make(row, line);
        at += (size_t)sprintf(csv + at, "%s\n", line);
    }
    return csv;
}

static void test_numbers_categories_and_texts_are_told_apart(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table",
                    "Id,Name,Sex,Age,Fare\n"
                    "1,\"Braund, Mr.\",male,22,7.25\n"
                    "2,\"Cumings, Mrs.\",female,38,71.5\n"
                    "3,\"Heikkinen\",female,,8\n");
    assert_int_equal(run.rc, 0);
    assert_string_equal(type_of(&run, "Sex"), "category");
    assert_string_equal(ingest_run_values(&run, "Sex"), "female,male");
    assert_string_equal(type_of(&run, "Age"), "number");
    assert_int_equal(missing(&run, "Age"), 1);
    assert_true(flag(&run, "Age", "integer"));
    assert_false(flag(&run, "Fare", "integer"));
    assert_string_equal(ingest_run_values(&run, "Fare"), "");
    assert_string_equal(ingest_run_values(&run, "Age"), "22,38");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(run.facts, "rows"), "train")),
        3);

    const float *age = ingest_run_numbers(&run, PART_TRAIN, 3);
    assert_true(age[0] == 22 && age[1] == 38 && isnan(age[2]));
    const int32_t *sex = ingest_run_codes(&run, PART_TRAIN, 2);
    assert_true(sex[0] == 1 && sex[1] == 0 && sex[2] == 0);
    ingest_run_release(&run);
}

static void test_statistics_are_those_of_the_numbers_that_are_there(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table",
                    "x,y\n1,1000000000000.5\nNA,1000000000001.5\n2,\n4.5,\n");
    assert_true(fabs(statistic(&run, "x", "mean") - 2.5) < 1e-15);
    assert_true(fabs(statistic(&run, "x", "std") - 1.4719601443879744) < 1e-14);
    assert_true(statistic(&run, "x", "min") == 1 && statistic(&run, "x", "max") == 4.5);
    assert_int_equal(missing(&run, "x"), 1);
    assert_true(statistic(&run, "y", "mean") == 1000000000001.0);
    assert_true(statistic(&run, "y", "std") == 0.5);
    ingest_run_release(&run);
}

static void test_usual_texts_mean_missing(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(
        &run, "table",
        "x,c\n1,a\nNA,N/A\nnan,NULL\nNaN,None\n?, ?\n-,<NA>\n\"\",#N/A\n-nan,n/a\n2,b\n");
    assert_string_equal(type_of(&run, "x"), "number");
    assert_int_equal(missing(&run, "x"), 7);
    assert_int_equal(missing(&run, "c"), 7);
    assert_string_equal(ingest_run_values(&run, "c"), "a,b");
    assert_int_equal(ingest_run_codes(&run, PART_TRAIN, 1)[3], -1);
    ingest_run_release(&run);
}

static void test_own_texts_for_missing_replace_the_usual_ones(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.missing = "-999, none";
    ingest_run_add(&run, "table", fixture_text("x,c\n1,NA\n-999,b\n 3,none\n,NA\n"));
    ingest_run_go(&run);
    assert_int_equal(missing(&run, "x"), 2);
    assert_true(statistic(&run, "x", "min") == 1);
    assert_int_equal(missing(&run, "c"), 1);
    assert_string_equal(ingest_run_values(&run, "c"), "NA,b");
    ingest_run_release(&run);
}

static void make_row_id(int row, char line[64])
{
    sprintf(line, "%d,%d,%d,%d", row + 891, row == 7 ? 0 : row, -row, row % 3);
}

static void test_only_a_column_that_counts_the_rows_is_a_row_id(void **state)
{
    (void)state;
    char *csv = make_rows("id,gap,down,mod", 20, make_row_id);
    struct ingest_run run;
    ingest_run_text(&run, "table", csv);
    assert_true(flag(&run, "id", "row_id"));
    assert_string_equal(ingest_run_values(&run, "id"), "");
    assert_false(flag(&run, "gap", "row_id"));
    assert_false(flag(&run, "down", "row_id"));
    assert_false(flag(&run, "mod", "row_id"));
    assert_string_equal(ingest_run_values(&run, "mod"), "0,1,2");
    ingest_run_release(&run);
    free(csv);
    csv = make_rows("id,gap,down,mod", 19, make_row_id);
    ingest_run_text(&run, "table", csv);
    assert_false(flag(&run, "id", "row_id"));
    ingest_run_release(&run);
    free(csv);
}

static void test_integers_written_in_several_ways_are_one_value(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "x\n10\n2\n2.0\n+2\n 1e1 \n-0\n-3\n");
    assert_string_equal(ingest_run_values(&run, "x"), "-3,0,2,10");
    ingest_run_release(&run);
}

static void test_categories_that_mean_one_number_are_several(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "x\n1\n01\n1.0\n100\n1e2\n1\none\n");
    assert_string_equal(ingest_run_values(&run, "x"), "01,1,1.0,100,1e2,one");
    assert_int_equal(ingest_run_codes(&run, PART_TRAIN, 0)[5], 1);
    ingest_run_release(&run);
}

static void test_integers_that_float32_cannot_hold_are_not_listed(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "x,y\n16777216,16777217\n-16777216,1\n");
    assert_string_equal(ingest_run_values(&run, "x"), "-16777216,16777216");
    assert_string_equal(ingest_run_values(&run, "y"), "");
    assert_true(flag(&run, "y", "integer"));
    ingest_run_release(&run);
}

static void make_distinct(int row, char line[64])
{
    sprintf(line, "w%d,v%d,u%d,%d", row, row % 20, row % 1001, row * 2 % 2002);
}

static void
test_many_distinct_texts_are_text_and_repeated_ones_are_categories(void **state)
{
    (void)state;
    char *csv = make_rows("w,v,u,n", 3000, make_distinct);
    struct ingest_run run;
    ingest_run_text(&run, "table", csv);
    assert_string_equal(type_of(&run, "w"), "text");
    assert_string_equal(type_of(&run, "v"), "category");
    assert_string_equal(type_of(&run, "u"), "text"); /* 1001 values are one too many */
    assert_string_equal(type_of(&run, "n"), "number");
    assert_string_equal(ingest_run_values(&run, "n"), "");
    assert_null(dataset_file_find(run.file, PART_TRAIN, 0));
    ingest_run_release(&run);
    free(csv);
}

static void make_21_distinct(int row, char line[64])
{
    sprintf(line, "k%d,%d", row % 21, row);
}

static void test_categories_are_at_most_half_as_many_as_values(void **state)
{
    (void)state;
    for (int rows = 41; rows <= 42; rows++) {
        char *csv = make_rows("k,x", rows, make_21_distinct);
        struct ingest_run run;
        ingest_run_text(&run, "table", csv);
        assert_string_equal(type_of(&run, "k"), rows == 41 ? "text" : "category");
        ingest_run_release(&run);
        free(csv);
    }
}

static void test_few_distinct_texts_are_categories_even_if_none_repeats(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "k,x\nred,1\ngreen,2\nblue,3\n");
    assert_string_equal(type_of(&run, "k"), "category");
    assert_string_equal(ingest_run_values(&run, "k"), "blue,green,red");
    ingest_run_release(&run);
}

static void test_a_value_too_long_to_list_makes_a_column_text(void **state)
{
    (void)state;
    char csv[FACTS_MAX_NAME_BYTES + 64];
    for (int extra = 0; extra < 2; extra++) {
        size_t length = FACTS_MAX_NAME_BYTES + (size_t)extra;
        size_t at = (size_t)sprintf(csv, "k,x\na,1\n");
        memset(csv + at, 'y', length);
        strcpy(csv + at + length, ",2\n");
        struct ingest_run run;
        ingest_run_text(&run, "table", csv);
        assert_string_equal(type_of(&run, "k"), extra ? "text" : "category");
        ingest_run_release(&run);
    }
}

static void test_booleans_are_categories(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "b,x\ntrue,1\nfalse,2\ntrue,3\n");
    assert_string_equal(ingest_run_values(&run, "b"), "false,true");
    ingest_run_release(&run);
}

static void test_column_without_values_is_text_and_noted(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "x,empty\n1,\n2,NA\n");
    assert_string_equal(type_of(&run, "empty"), "text");
    assert_int_equal(missing(&run, "empty"), 2);
    assert_note(&run, "column \"empty\" has no values");
    ingest_run_release(&run);
}

/* A note cuts long names at a byte; the facts must be JSON all the same. */
static void test_notes_on_long_names_do_not_break_characters(void **state)
{
    (void)state;
    char csv[200] = "x,";
    for (int i = 0; i < 30; i++)
        strcat(csv, "\xe2\x82\xac");
    strcat(csv, "\n1,\n2,NA\n");
    struct ingest_run run;
    ingest_run_text(&run, "table", csv);
    assert_int_equal(run.rc, 0);
    assert_note(&run, "\xe2\x82\xac?\" has no values");
    ingest_run_release(&run);
}

static void make_nearly(int row, char line[64])
{
    if (row == 42)
        sprintf(line, "12 EUR,5");
    else
        sprintf(line, "%d.5,1", row);
}

static void test_few_texts_among_numbers_are_noted_with_the_first(void **state)
{
    (void)state;
    char *csv = make_rows("price,x", 150, make_nearly);
    struct ingest_run run;
    ingest_run_text(&run, "table", csv);
    assert_string_equal(type_of(&run, "price"), "text");
    assert_note(&run,
                "column \"price\" holds numbers but for 1 values, the first in row 42 "
                "(line 43): \"12 EUR\"");
    ingest_run_release(&run);
    free(csv);
}

static void test_a_table_without_header_names_its_columns(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table",
                    "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n");
    assert_string_equal(type_of(&run, "c0"), "number");
    assert_string_equal(ingest_run_values(&run, "c2"), "setosa,versicolor");
    assert_note(&run, "no header was found; the columns are named c0 to c2");
    ingest_run_release(&run);
}

static void test_the_header_can_be_forced_either_way(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.header = "true";
    ingest_run_add(&run, "table", fixture_text("2019,2020\n1,2\n3,4\n"));
    ingest_run_go(&run);
    assert_true(statistic(&run, "2020", "max") == 4);
    ingest_run_release(&run);
    ingest_run_init(&run);
    run.options.header = "false";
    ingest_run_add(&run, "table", fixture_text("a,b\n1,2\n"));
    ingest_run_go(&run);
    assert_string_equal(ingest_run_values(&run, "c0"), "1,a");
    assert_int_equal(json_array_size(json_object_get(run.facts, "notes")), 0);
    ingest_run_release(&run);
}

static void test_delimiter_empty_lines_and_decimal_commas_are_noted(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "table", "a;b\n1,5;x\n\n2,5;y\n\n");
    assert_note(&run, "the delimiter ; was found");
    assert_note(&run, "2 empty lines skipped");
    assert_note(&run, "decimal comma");
    assert_string_equal(ingest_run_values(&run, "a"), "1,5,2,5");
    ingest_run_release(&run);
}

static void test_a_gzip_table_is_read(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "table", fixture_gzip("a,b\n1,x\n2,y\n", 12));
    ingest_run_go(&run);
    assert_true(ingest_run_numbers(&run, PART_TRAIN, 0)[1] == 2);
    ingest_run_release(&run);
}

static void test_preview_shows_the_first_rows_with_long_values_cut(void **state)
{
    (void)state;
    char csv[4096];
    size_t at = (size_t)sprintf(csv, "n,r,c,t\n1,0.5,,");
    for (int i = 0; i < 60; i++)
        at += (size_t)sprintf(csv + at, "\xc3\xa4!");
    at += (size_t)sprintf(csv + at, "\n");
    for (int i = 2; i <= 30; i++)
        at += (size_t)sprintf(csv + at, "%d,0.25,k%d,short %d\n", i, i % 2, i);
    struct ingest_run run;
    ingest_run_text(&run, "table", csv);
    const json_t *preview = json_object_get(run.facts, "preview");
    assert_int_equal(json_array_size(preview), INGEST_PREVIEW_ROWS);
    const json_t *row = json_array_get(preview, 0);
    assert_int_equal(json_integer_value(json_object_get(row, "n")), 1);
    assert_true(json_is_real(json_object_get(row, "r")));
    assert_true(json_is_null(json_object_get(row, "c")));
    const char *cut = json_string_value(json_object_get(row, "t"));
    assert_int_equal(strlen(cut), 102); /* 99 bytes and the ellipsis */
    assert_string_equal(cut + 96, "\xc3\xa4!\xe2\x80\xa6");
    ingest_run_release(&run);
}

static void test_column_names_are_made_whole_and_unique(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.header = "true";
    ingest_run_add(&run, "table", fixture_text(" a ,a,,a,\"x\ny\",a.1\n1,2,3,4,5,6\n"));
    ingest_run_go(&run);
    static const char *const expected[] = {"a", "a.1", "c2", "a.2", "x\ny", "a.1.1"};
    const json_t *columns = json_object_get(run.facts, "columns");
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(columns, i), "name")),
            expected[i]);
    ingest_run_release(&run);
}

static void test_a_long_column_name_is_cut(void **state)
{
    (void)state;
    char csv[1024];
    memset(csv, 'n', 700);
    csv[300] = ',';
    strcpy(csv + 601, "\n1,2\n");
    struct ingest_run run;
    ingest_run_text(&run, "table", csv);
    assert_int_equal(run.rc, 0); /* the fixture parses the facts, which bound names */
    ingest_run_release(&run);
}

/* 4096 columns whose distinct values together need far more than the memory for them. */
static void test_a_wide_table_of_many_values_stays_in_bounds(void **state)
{
    (void)state;
    enum { ROWS = 150, COLUMNS = FACTS_MAX_COLUMNS };
    char *csv = malloc((size_t)ROWS * COLUMNS * 64);
    assert_non_null(csv);
    size_t at = 0;
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < COLUMNS; i++)
            at += (size_t)sprintf(csv + at, "%s-%06d-%06d-0123456789012345678%c",
                                  "a-long-category", i, row / 2,
                                  i + 1 < COLUMNS ? ',' : '\n');
    struct ingest_run run;
    ingest_run_init(&run);
    run.options.header = "false";
    ingest_run_add(&run, "table", fixture_file(csv, at));
    ingest_run_go(&run);
    assert_int_equal(run.rc, 0);
    assert_note(&run, "because those of all columns together are too many");
    assert_note(&run, "further notes are left out");
    assert_true(json_dumpb(run.facts, NULL, 0, JSON_COMPACT) <= INGEST_MAX_FACTS_BYTES);
    int categories = 0;
    for (int i = 0; i < COLUMNS; i++)
        categories += dataset_file_find(run.file, PART_TRAIN, i) != NULL;
    assert_in_range(categories, 100, COLUMNS - 1);
    ingest_run_release(&run);
    free(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_categories_and_texts_are_told_apart),
        cmocka_unit_test(test_statistics_are_those_of_the_numbers_that_are_there),
        cmocka_unit_test(test_usual_texts_mean_missing),
        cmocka_unit_test(test_own_texts_for_missing_replace_the_usual_ones),
        cmocka_unit_test(test_only_a_column_that_counts_the_rows_is_a_row_id),
        cmocka_unit_test(test_integers_written_in_several_ways_are_one_value),
        cmocka_unit_test(test_categories_that_mean_one_number_are_several),
        cmocka_unit_test(test_integers_that_float32_cannot_hold_are_not_listed),
        cmocka_unit_test(
            test_many_distinct_texts_are_text_and_repeated_ones_are_categories),
        cmocka_unit_test(test_categories_are_at_most_half_as_many_as_values),
        cmocka_unit_test(test_few_distinct_texts_are_categories_even_if_none_repeats),
        cmocka_unit_test(test_a_value_too_long_to_list_makes_a_column_text),
        cmocka_unit_test(test_booleans_are_categories),
        cmocka_unit_test(test_column_without_values_is_text_and_noted),
        cmocka_unit_test(test_notes_on_long_names_do_not_break_characters),
        cmocka_unit_test(test_few_texts_among_numbers_are_noted_with_the_first),
        cmocka_unit_test(test_a_table_without_header_names_its_columns),
        cmocka_unit_test(test_the_header_can_be_forced_either_way),
        cmocka_unit_test(test_delimiter_empty_lines_and_decimal_commas_are_noted),
        cmocka_unit_test(test_a_gzip_table_is_read),
        cmocka_unit_test(test_preview_shows_the_first_rows_with_long_values_cut),
        cmocka_unit_test(test_column_names_are_made_whole_and_unique),
        cmocka_unit_test(test_a_long_column_name_is_cut),
        cmocka_unit_test(test_a_wide_table_of_many_values_stays_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
