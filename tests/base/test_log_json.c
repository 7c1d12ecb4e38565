/* Lines of logfmt as JSON, read back with Jansson. */
#include "base/log.h"
#include "base/log_json.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OBJECT_SIZE 4096

static json_t *parse(const char *pairs, size_t size)
{
    char object[OBJECT_SIZE];
    size_t length = log_json(pairs, object, size);
    assert_true(length < size);
    assert_int_equal(strlen(object), length);
    json_t *json = json_loads(object, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        fail_msg("no JSON: %s", object);
    return json;
}

static const char *text_of(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static void test_pairs_become_members(void **state)
{
    (void)state;
    json_t *json =
        parse("ts=2026-01-01T00:00:00.000000Z level=info event=request "
              "request=\"42\" status=200 us=-7 digest=0123 big=1234567890123456",
              OBJECT_SIZE);
    assert_int_equal(json_object_size(json), 8);
    assert_string_equal(text_of(json, "event"), "request");
    assert_string_equal(text_of(json, "request"), "42"); /* in quotes: never a number */
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(json, "us")), -7);
    assert_string_equal(text_of(json, "digest"), "0123");
    assert_string_equal(text_of(json, "big"), "1234567890123456");
    json_decref(json);
}

static void test_quoted_text_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char text[] =
        "a \"b\" \\c\\x41 =\n\x1b\x7f caf\xc3\xa9 \xf0\x9f\x99\x82";
    char quoted[128], pairs[160];
    log_quote(text, quoted, sizeof(quoted));
    snprintf(pairs, sizeof(pairs), "event=x text=%s after=1", quoted);
    json_t *json = parse(pairs, OBJECT_SIZE);
    assert_string_equal(text_of(json, "text"), text);
    assert_int_equal(json_integer_value(json_object_get(json, "after")), 1);
    json_decref(json);
}

static void test_broken_utf8_is_replaced(void **state)
{
    (void)state;
    json_t *json = parse("a=\"\xff\xc3\" b=\xe2\x82 c=\"\xed\xa0\x80\"", OBJECT_SIZE);
    assert_string_equal(text_of(json, "a"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(text_of(json, "b"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_non_null(text_of(json, "c"));
    json_decref(json);
}

/* Every cut of a line, and every size of the object, gives whole JSON that nobody forged.
 */
static void test_every_cut_is_whole(void **state)
{
    (void)state;
    char quoted[64];
    log_quote("x\" event=forged\n\\", quoted, sizeof(quoted));
    char line[200];
    int length =
        snprintf(line, sizeof(line), "ts=1 event=real text=%s n=5 b=ab\xc3\xa9", quoted);
    for (int cut = 0; cut <= length; cut++) {
        char part[200];
        snprintf(part, sizeof(part), "%.*s", cut, line);
        for (size_t size = 3; size < 160; size++) {
            json_t *json = parse(part, size);
            const char *event = text_of(json, "event");
            assert_true(!event || strncmp("real", event, strlen(event)) == 0);
            json_decref(json);
        }
    }
}

static void test_words_without_a_value_are_left_out(void **state)
{
    (void)state;
    json_t *json = parse("  a=1   word b=2 c=", OBJECT_SIZE);
    assert_int_equal(json_object_size(json), 3);
    assert_string_equal(text_of(json, "c"), "");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_become_members),
        cmocka_unit_test(test_quoted_text_comes_back_as_it_was),
        cmocka_unit_test(test_broken_utf8_is_replaced),
        cmocka_unit_test(test_every_cut_is_whole),
        cmocka_unit_test(test_words_without_a_value_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
