/* UTF-8: every code point is accepted, everything else is not, and texts are cut well. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static size_t encode(uint32_t point, char bytes[4])
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    bytes[0] = (char)(leads[length] | point);
    return length;
}

static void test_exactly_the_code_points_without_surrogates_are_valid(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x120000; point++) {
        char bytes[4];
        size_t length = encode(point, bytes);
        bool valid = point < 0x110000 && (point < 0xd800 || point > 0xdfff);
        if ((utf8_valid_prefix(bytes, length) == length) != valid)
            fail_msg("U+%04X is judged wrongly", point);
        for (size_t cut = 1; valid && cut < length; cut++) {
            assert_int_equal(utf8_valid_prefix(bytes, cut), 0);
            assert_true(utf8_is_cut_character(bytes, cut));
        }
    }
}

static void test_malformed_bytes_end_the_valid_prefix(void **state)
{
    (void)state;
    static const char *const texts[] = {"\x80",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xe0\x9f\xbf",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xc3(",
                                        "\xe2\x82("};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[32] = "twelve bytes";
        strcat(text, texts[i]);
        assert_int_equal(utf8_valid_prefix(text, strlen(text)), 12);
        assert_false(utf8_is_cut_character(texts[i], strlen(texts[i])));
    }
    assert_false(utf8_is_cut_character("", 0));
    assert_false(utf8_is_cut_character("a", 1));
}

static void test_only_nul_and_high_bytes_are_unusual(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 19; at++) {
            char text[19];
            memset(text, 'a', sizeof(text));
            text[at] = (char)byte;
            assert_int_equal(utf8_has_unusual(text, sizeof(text)),
                             byte == 0 || byte > 127);
        }
    }
    assert_false(utf8_has_unusual("", 0));
}

static void test_texts_are_cut_between_characters(void **state)
{
    (void)state;
    assert_int_equal(utf8_cut("abc", 3, 5), 3);
    assert_int_equal(utf8_cut("a\xe2\x82\xac"
                              "b",
                              5, 3),
                     1);
    assert_int_equal(utf8_cut("a\xe2\x82\xac"
                              "b",
                              5, 4),
                     4);
    assert_int_equal(utf8_cut("\xe2\x82\xac", 3, 0), 0);
}

static void test_code_points_go_to_characters_and_back(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < UTF8_CODE_POINTS; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        char text[UTF8_MAX_BYTES];
        size_t length = utf8_put(code, text);
        assert_int_equal(utf8_valid_prefix(text, length), length);
        const char *at = text;
        assert_int_equal(utf8_next(&at), code);
        assert_ptr_equal(at, text + length);
    }
}

static void test_excerpts_are_short_and_printable(void **state)
{
    (void)state;
    char excerpt[UTF8_EXCERPT_SIZE];
    assert_string_equal(utf8_excerpt("a\nb\xff\xc3\xa4\0z", 8, excerpt),
                        "a?b?\xc3\xa4?z");
    assert_string_equal(utf8_excerpt("", 0, excerpt), "");
    char text[100];
    memset(text, 'x', sizeof(text));
    memcpy(text + 47, "\xe2\x82\xac", 3); /* would be cut in two */
    utf8_excerpt(text, sizeof(text), excerpt);
    assert_int_equal(strlen(excerpt), 50);
    assert_string_equal(excerpt + 46, "x" UTF8_ELLIPSIS);
}

static void test_mended_texts_are_valid(void **state)
{
    (void)state;
    static const struct {
        const char *broken, *mended;
    } cases[] = {{"", ""},
                 {"plain \xc3\xa4", "plain \xc3\xa4"},
                 {"\xff", "?"},
                 {"a\xe2\x82\"b", "a??\"b"}, /* a character cut in two */
                 {"a\xf0\x9f\x92", "a???"},
                 {"\xed\xa0\x80z", "???z"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[16];
        strcpy(text, cases[i].broken);
        utf8_mend(text);
        assert_string_equal(text, cases[i].mended);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_the_code_points_without_surrogates_are_valid),
        cmocka_unit_test(test_malformed_bytes_end_the_valid_prefix),
        cmocka_unit_test(test_only_nul_and_high_bytes_are_unusual),
        cmocka_unit_test(test_texts_are_cut_between_characters),
        cmocka_unit_test(test_code_points_go_to_characters_and_back),
        cmocka_unit_test(test_excerpts_are_short_and_printable),
        cmocka_unit_test(test_mended_texts_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
