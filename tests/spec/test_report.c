/* How violations are worded: pointers, found values, suggestions. */
#include "base/rng.h"
#include "sample_facts.h"
#include "spec/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void test_pointer_escapes_tilde_and_slash(void **state)
{
    (void)state;
    char pointer[POINTER_SIZE];
    assert_string_equal(pointer_key(pointer, "/a", "b/c~d"), "/a/b~1c~0d");
    assert_string_equal(pointer_key(pointer, "", ""), "/");
    assert_string_equal(pointer_index(pointer, "/layers", 12), "/layers/12");
}

static void test_key_too_long_for_a_pointer_points_at_its_object(void **state)
{
    (void)state;
    char pointer[POINTER_SIZE], key[2 * POINTER_SIZE];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_string_equal(pointer_key(pointer, "/metadata", key), "/metadata");
    key[POINTER_SIZE - 2] = '\0'; /* with the slash exactly full */
    assert_string_equal(pointer_key(pointer, "", key), "");
    key[POINTER_SIZE - 4] = '\0';
    assert_int_equal(strlen(pointer_key(pointer, "", key)), POINTER_SIZE - 3);
}

static void assert_found(const char *json, const char *expected)
{
    json_t *value = sample_json(json);
    char text[FOUND_SIZE];
    assert_string_equal(found_text(value, text), expected);
    json_decref(value);
}

static void test_found_values_are_compact_json(void **state)
{
    (void)state;
    char text[FOUND_SIZE];
    assert_string_equal(found_text(NULL, text), "nothing");
    assert_found("2.5", "2.5");
    assert_found("0.1", "0.1");
    assert_found("null", "null");
    assert_found("'a\\\"b'", "\"a\\\"b\"");
    assert_found("{'a': [1, 2]}", "{\"a\":[1,2]}");
}

static void test_long_found_values_are_cut_between_characters(void **state)
{
    (void)state;
    char json[300], text[FOUND_SIZE], string[256];
    for (size_t ascii = 0; ascii < 4; ascii++) {
        memset(string, 'x', ascii);
        for (size_t i = 0; i < 40; i++)
            memcpy(string + ascii + 3 * i, "€", 4);
        snprintf(json, sizeof(json), "\"%s\"", string);
        json_t *value = sample_json(json);
        assert_non_null(value);
        found_text(value, text);
        assert_true(strlen(text) <= FOUND_MAX_BYTES + strlen("…"));
        assert_string_equal(text + strlen(text) - strlen("…"), "…");
        json_t *back = json_stringn(text, strlen(text)); /* NULL unless it is UTF-8 */
        assert_non_null(back);
        json_decref(back);
        json_decref(value);
        back = json_string(found_string(string, text));
        assert_non_null(back);
        json_decref(back);
    }
}

static void test_short_strings_are_quoted_whole(void **state)
{
    (void)state;
    char text[FOUND_SIZE], string[FOUND_MAX_BYTES];
    assert_string_equal(found_string("Age", text), "\"Age\"");
    memset(string, 'x', sizeof(string) - 1);
    string[sizeof(string) - 1] = '\0';
    assert_int_equal(strlen(found_string(string, text)), sizeof(string) + 1);
    assert_int_equal(text[sizeof(string)], '"');
}

static const char *hint(const char *name, char text[HINT_SIZE])
{
    static const char *const names[] = {"learning_rate", "epsilon", "units", "batch_size",
                                        "momentum",      "Age",     NULL};
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (int i = 0; names[i]; i++)
        nearest_offer(&nearest, names[i]);
    return nearest_hint(&nearest, text);
}

static void test_nearest_name_is_suggested(void **state)
{
    (void)state;
    static const struct {
        const char *name, *meant;
    } rows[] = {{"learning_rte", "learning_rate"},
                {"untis", "units"},
                {"Units", "units"},
                {"lr", "learning_rate"},
                {"eps", "epsilon"},
                {"batch", "batch_size"},
                {"bs", "batch_size"},
                {"momentums", "momentum"},
                {"AGE", "Age"},
                {"uints", "units"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[HINT_SIZE], expected[64];
        snprintf(expected, sizeof(expected), "; did you mean \"%s\"?", rows[i].meant);
        assert_string_equal(hint(rows[i].name, text), expected);
    }
}

static void test_far_names_get_no_suggestion(void **state)
{
    (void)state;
    char text[HINT_SIZE], name[300];
    assert_string_equal(hint("dropout", text), "");
    assert_string_equal(hint("x", text), "");
    assert_string_equal(hint("", text), "");
    memset(name, 'u', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_string_equal(hint(name, text), "");
}

static void test_edit_distance_beats_abbreviation(void **state)
{
    (void)state;
    struct nearest nearest;
    char text[HINT_SIZE];
    nearest_init(&nearest, "rat");
    nearest_offer(&nearest, "rat_catcher");
    nearest_offer(&nearest, "rate");
    assert_string_equal(nearest_hint(&nearest, text), "; did you mean \"rate\"?");
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The whole matrix, straight from the definition. */
static size_t naive_distance(const char *a, const char *b)
{
    size_t d[16][16], n = strlen(a), m = strlen(b);
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            d[i][j] = i == 0 ? j : i;
            if (i == 0 || j == 0)
                continue;
            d[i][j] = least_of(d[i - 1][j], d[i][j - 1]) + 1;
            d[i][j] = least_of(d[i][j], d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least_of(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

static void test_edit_distance_agrees_with_its_definition(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3, RNG_SAMPLE, 0);
    int near = 0;
    for (int i = 0; i < 20000; i++) {
        char a[16] = "", b[16] = "";
        for (uint32_t n = 2 + rng_below(&rng, 13), c = 0; c < n; c++)
            a[c] = (char)('x' + rng_below(&rng, 2));
        for (uint32_t n = 1 + rng_below(&rng, 14), c = 0; c < n; c++)
            b[c] = (char)('x' + rng_below(&rng, 2));
        if (strncmp(a, b, strlen(a)) == 0)
            continue; /* an abbreviation, whatever the distance */
        size_t limit = strlen(a) < 3 ? 1 : least_of(strlen(a) / 3, 4);
        size_t distance = naive_distance(a, b);
        struct nearest nearest;
        nearest_init(&nearest, a);
        nearest_offer(&nearest, b);
        bool expected = distance <= limit && distance < strlen(a);
        assert_int_equal(nearest.best != NULL, expected);
        if (expected)
            assert_int_equal(nearest.distance, distance);
        near += expected;
    }
    assert_true(near > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pointer_escapes_tilde_and_slash),
        cmocka_unit_test(test_key_too_long_for_a_pointer_points_at_its_object),
        cmocka_unit_test(test_found_values_are_compact_json),
        cmocka_unit_test(test_long_found_values_are_cut_between_characters),
        cmocka_unit_test(test_short_strings_are_quoted_whole),
        cmocka_unit_test(test_nearest_name_is_suggested),
        cmocka_unit_test(test_far_names_get_no_suggestion),
        cmocka_unit_test(test_edit_distance_beats_abbreviation),
        cmocka_unit_test(test_edit_distance_agrees_with_its_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
