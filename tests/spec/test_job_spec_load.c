/* From the text of a request to JSON: syntax, size, depth, duplicate keys. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void assert_refused(const char *text, size_t length, const char *phrase)
{
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    assert_int_equal(job_spec_load_json(text, length, &json, &violations), ERR_INVALID);
    assert_null(json);
    assert_int_equal(violations.count, 1);
    assert_string_equal(violations.items[0].pointer, "");
    if (!strstr(violations.items[0].detail, phrase))
        fail_msg("expected \"%s\" in: %s", phrase, violations.items[0].detail);
    violations_release(&violations);
}

static void assert_loads(const char *text, size_t length)
{
    struct violations violations;
    violations_init(&violations);
    json_t *json = NULL;
    assert_int_equal(job_spec_load_json(text, length, &json, &violations), 0);
    assert_non_null(json);
    json_decref(json);
    assert_int_equal(violations.total, 0);
    violations_release(&violations);
}

static void test_json_is_loaded(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": [1, 2.5, null, \"ü\\u00fc\\\"[\"]}";
    assert_loads(text, strlen(text));
    assert_loads("[]", 2);
}

static void test_syntax_errors_say_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *phrase;
    } rows[] = {
        {"", "line 1, column 0"},
        {"{\n \"a\": 1,\n}", "line 3, column 1"},
        {"{\"a\": tru}", "line 1"},
        {"{\"a\": 1} x", "end of file expected"},
        {"{\"a\": 1", "line 1"},
        {"{'a': 1}", "line 1"},
        {"\"a\"", "line 1"},
        {"{\"a\": 01}", "line 1"},
        {"{\"a\": NaN}", "line 1"},
        {"{\"a\": 1e999}", "real number overflow"},
        {"{\"a\": 99999999999999999999}", "too big integer"},
        {"{\"a\": \"\\u0000\"}", "\\u0000"},
        {"{\"a\": \"\xff\"}", "unable to decode byte 0xff"},
        {"{\"a\": \"\xc3\"}", "line 1"},
        {"{\"a\": \"\\ud800\"}", "line 1"},
        {"{\"a\": \"x\ny\"}", "line 1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_refused(rows[i].text, strlen(rows[i].text), rows[i].phrase);
    assert_refused("{\"a\": \0}", 8, "line 1");
}

static void test_duplicate_keys_are_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"epochs\": 1,\n \"epochs\": 2}";
    assert_refused(text, strlen(text), "duplicate object key");
    static const char nested[] = "{\"a\": [{\"b\": 1, \"b\": 1}]}";
    assert_refused(nested, strlen(nested), "duplicate object key");
}

static void test_depth_is_limited_before_parsing(void **state)
{
    (void)state;
    size_t length = SPEC_MAX_BYTES;
    char *text = malloc(length);
    assert_non_null(text);
    memset(text, '[', SPEC_MAX_DEPTH);
    memset(text + SPEC_MAX_DEPTH, ']', SPEC_MAX_DEPTH);
    assert_loads(text, 2 * SPEC_MAX_DEPTH);
    text[0] = '\n';
    memset(text + 1, '[', length - 1);
    assert_refused(text, length,
                   "at most 32 levels of nested JSON, found more at line 2, "
                   "column 33");
    /* Brackets in strings are text. */
    char *inside = stpcpy(text, "[\"\\\\\\\"");
    memset(inside, '[', 2 * SPEC_MAX_DEPTH);
    stpcpy(inside + 2 * SPEC_MAX_DEPTH, "\"]");
    assert_loads(text, strlen(text));
    free(text);
}

static void test_size_is_limited(void **state)
{
    (void)state;
    char *text = malloc(SPEC_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, ' ', SPEC_MAX_BYTES + 1);
    text[0] = '{';
    text[1] = '}';
    assert_loads(text, SPEC_MAX_BYTES);
    assert_refused(text, SPEC_MAX_BYTES + 1,
                   "expected at most 1048576 bytes of JSON, found 1048577");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_loaded),
        cmocka_unit_test(test_syntax_errors_say_line_and_column),
        cmocka_unit_test(test_duplicate_keys_are_refused),
        cmocka_unit_test(test_depth_is_limited_before_parsing),
        cmocka_unit_test(test_size_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
