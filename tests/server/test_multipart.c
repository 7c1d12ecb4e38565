/* multipart/form-data, cut into pieces at every place. */
#include "http/multipart.h"

#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TYPE "multipart/form-data; boundary=xYz"

/* What was found, as text: "<name|filename>data</>". */
static int note_begin(void *context, const char *name, const char *filename,
                      struct error *err)
{
    (void)err;
    buffer_printf(context, "<%s|%s>", name, filename);
    return 0;
}

static int note_data(void *context, const char *bytes, size_t length, struct error *err)
{
    (void)err;
    buffer_append(context, bytes, length);
    return 0;
}

static int note_end(void *context, struct error *err)
{
    (void)err;
    buffer_append_string(context, "</>");
    return 0;
}

static int stop(void *context, const char *bytes, size_t length, struct error *err)
{
    (void)context;
    (void)bytes;
    (void)length;
    return error_set(err, ERR_TOO_LARGE, "stop");
}

/* Parses `body` in pieces of `piece` bytes. */
static int parse(const char *type, const char *body, size_t length, size_t piece,
                 struct buffer *notes)
{
    buffer_init(notes, 1 << 20);
    const struct multipart_events events = {note_begin, note_data, note_end, notes};
    struct multipart *multipart;
    struct error err = {0};
    int rc = multipart_new(type, &events, &multipart, &err);
    if (rc != 0)
        return rc;
    for (size_t at = 0; rc == 0 && at < length; at += piece)
        rc = multipart_write(multipart, body + at,
                             length - at < piece ? length - at : piece, &err);
    if (rc == 0)
        rc = multipart_finish(multipart, &err);
    assert_int_equal(rc != 0, err.code != 0);
    multipart_free(multipart);
    return rc;
}

static void expect(const char *body, const char *expected)
{
    size_t length = strlen(body);
    for (size_t piece = 1; piece <= length; piece++) {
        struct buffer notes;
        assert_int_equal(parse(TYPE, body, length, piece, &notes), 0);
        assert_string_equal(notes.data, expected);
        buffer_release(&notes);
    }
}

static void expect_invalid(const char *type, const char *body)
{
    for (size_t piece = 1; piece <= strlen(body) + 1; piece++) {
        struct buffer notes;
        assert_int_equal(parse(type, body, strlen(body), piece, &notes), ERR_INVALID);
        buffer_release(&notes);
    }
}

static void test_parts_are_found_however_the_input_is_cut(void **state)
{
    (void)state;
    expect("--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n"
           "--xYz\r\ncontent-disposition: form-data; name=b; filename=\"f.csv\"\r\n"
           "Content-Type: text/csv\r\n\r\nt\r\nw\no\r\n--xYz--\r\nepilogue",
           "<a|>one</><b|f.csv>t\r\nw\no</>");
}

static void test_what_almost_is_a_delimiter_is_data(void **state)
{
    (void)state;
    expect("preamble\r\n--xYz \r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
           "\r\n\r\n--xY\r\n--\r\r\n-\r\n\r\n--xYz--",
           "<a|>\r\n\r\n--xY\r\n--\r\r\n-\r\n</>");
}

static void test_an_empty_part_and_an_empty_form_are_whole(void **state)
{
    (void)state;
    expect("--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--xYz--",
           "<a|></>");
    expect("--xYz--\r\n", "");
}

static void test_quoted_names_may_hold_anything(void **state)
{
    (void)state;
    expect("--xYz\r\nContent-Disposition: form-data; filename=\"a;b \\\"c\\\".csv\"; "
           "name=\"x=y\"\r\n\r\n1\r\n--xYz--",
           "<x=y|a;b \"c\".csv>1</>");
}

static void test_malformed_forms_are_refused(void **state)
{
    (void)state;
    expect_invalid(TYPE, "");
    expect_invalid(TYPE, "no delimiter at all");
    expect_invalid(TYPE,
                   "--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut");
    expect_invalid(TYPE, "--xYz\r\nContent-Type: text/csv\r\n\r\nno name\r\n--xYz--");
    expect_invalid(TYPE, "--xYz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xYz--");
    expect_invalid(TYPE,
                   "--xYz\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n--xYz--");
    expect_invalid(TYPE, "--xYzz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1");
    expect_invalid(TYPE, "--xYz-\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1");
}

static void test_a_boundary_is_needed(void **state)
{
    (void)state;
    expect_invalid("multipart/form-data", "--xYz--");
    expect_invalid("multipart/form-data; boundary=", "--xYz--");
    expect_invalid("multipart/form-data; boundary=\"\"", "----");
    char longest[200];
    snprintf(longest, sizeof(longest), "multipart/form-data; boundary=%0*d",
             MULTIPART_MAX_BOUNDARY + 1, 0);
    expect_invalid(longest, "--xYz--");
}

static void test_headers_without_end_are_cut(void **state)
{
    (void)state;
    static char body[MULTIPART_MAX_LINE * 2] = "--xYz\r\n";
    memset(body + 7, 'h', sizeof(body) - 8);
    struct buffer notes;
    assert_int_equal(parse(TYPE, body, strlen(body), 100, &notes), ERR_INVALID);
    buffer_release(&notes);
    size_t at = 7;
    for (int i = 0; i <= MULTIPART_MAX_HEADERS; i++)
        at += (size_t)snprintf(body + at, sizeof(body) - at, "X: %d\r\n", i);
    assert_int_equal(parse(TYPE, body, at, 100, &notes), ERR_INVALID);
    buffer_release(&notes);
}

static void test_a_failing_event_stops_the_parser(void **state)
{
    (void)state;
    static const char body[] =
        "--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xYz--";
    struct buffer notes;
    buffer_init(&notes, 1000);
    const struct multipart_events events = {note_begin, stop, note_end, &notes};
    struct multipart *multipart;
    struct error err = {0};
    assert_int_equal(multipart_new(TYPE, &events, &multipart, &err), 0);
    assert_int_equal(multipart_write(multipart, body, sizeof(body) - 1, &err),
                     ERR_TOO_LARGE);
    assert_string_equal(notes.data, "<a|>");
    multipart_free(multipart);
    buffer_release(&notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_found_however_the_input_is_cut),
        cmocka_unit_test(test_what_almost_is_a_delimiter_is_data),
        cmocka_unit_test(test_an_empty_part_and_an_empty_form_are_whole),
        cmocka_unit_test(test_quoted_names_may_hold_anything),
        cmocka_unit_test(test_malformed_forms_are_refused),
        cmocka_unit_test(test_a_boundary_is_needed),
        cmocka_unit_test(test_headers_without_end_are_cut),
        cmocka_unit_test(test_a_failing_event_stops_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
