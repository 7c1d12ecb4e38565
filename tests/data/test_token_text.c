/* Tokens to text as they come: only whole characters, and always UTF-8. */
#include "data/token_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define R TOKEN_TEXT_REPLACEMENT

static const struct tokenizer bytes = {.type = TOKENIZE_BYTES,
                                       .vocabulary = BYTE_VOCABULARY};

/* What is given out after each token, with '|' between. */
static void assert_text(const char *tokens, size_t count, const char *expected)
{
    struct token_text text;
    struct buffer out;
    buffer_init(&out, 1000);
    token_text_init(&text, &bytes);
    for (size_t i = 0; i < count; i++) {
        token_text_push(&text, (unsigned char)tokens[i], &out);
        buffer_append_char(&out, '|');
    }
    token_text_finish(&text, &out);
    assert_int_equal(utf8_valid_prefix(out.data, out.length), out.length);
    assert_string_equal(out.data, expected);
    buffer_release(&out);
}

static void test_characters_wait_until_they_are_whole(void **state)
{
    (void)state;
    assert_text("a\xc3\xb6z", 4, "a||\xc3\xb6|z|");
    assert_text("\xf0\x9f\x98\x80", 4, "|||\xf0\x9f\x98\x80|");
}

static void test_what_is_no_character_is_replaced(void **state)
{
    (void)state;
    assert_text("\xff\x80", 2, R "|" R "|");
    assert_text("\xc3"
                "a",
                2, "|" R "a|");
    assert_text("\xe2\x82\xff\xc3\xb6", 5, "||" R R R "||\xc3\xb6|");
    assert_text("\xf0\x9f", 2, "||" R);
    assert_text("a\0b", 3, "a|" R "|b|");
    assert_text("\xed\xa0\x80", 3, "|" R R "|" R "|"); /* a surrogate */
}

static void test_random_bytes_are_always_text(void **state)
{
    (void)state;
    unsigned number = 1;
    struct token_text text;
    struct buffer out;
    buffer_init(&out, 100000);
    token_text_init(&text, &bytes);
    for (int i = 0; i < 20000; i++) {
        number = number * 1664525u + 1013904223u;
        token_text_push(&text, number >> 24, &out);
        assert_true(text.held_bytes < UTF8_MAX_BYTES);
    }
    token_text_finish(&text, &out);
    assert_int_equal(buffer_status(&out), 0);
    assert_int_equal(utf8_valid_prefix(out.data, out.length), out.length);
    assert_null(memchr(out.data, '\0', out.length));
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_wait_until_they_are_whole),
        cmocka_unit_test(test_what_is_no_character_is_replaced),
        cmocka_unit_test(test_random_bytes_are_always_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
