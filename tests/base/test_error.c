/* Errors: the first one wins, texts are cut and never overrun. */
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_error_holds_code_pointer_and_text(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set_at(&err, ERR_INVALID, "/a/b", "found %d", 7), ERR_INVALID);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.pointer, "/a/b");
    assert_string_equal(err.text, "found 7");
}

static void test_first_error_wins(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, ERR_IO, "the cause"), ERR_IO);
    assert_int_equal(error_set(&err, ERR_NOMEM, "the clean-up"), ERR_NOMEM);
    assert_int_equal(error_set_at(&err, ERR_INVALID, "/x", "later"), ERR_INVALID);
    assert_int_equal(error_set_errno(&err, ENOSPC, "later"), ERR_NO_SPACE);
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.text, "the cause");
    assert_string_equal(err.pointer, "");
    error_clear(&err);
    assert_int_equal(err.code, 0);
    error_set(&err, ERR_EOF, "anew");
    assert_string_equal(err.text, "anew");
}

static void test_no_error_struct_is_allowed(void **state)
{
    (void)state;
    error_clear(NULL);
    assert_int_equal(error_set(NULL, ERR_BUSY, "%s", "x"), ERR_BUSY);
    assert_int_equal(error_set_at(NULL, ERR_BUSY, "/x", "%s", "x"), ERR_BUSY);
    assert_int_equal(error_set_errno(NULL, EDQUOT, "%s", "x"), ERR_NO_SPACE);
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct error err = {0};
    error_set_at(&err, ERR_INVALID, text, "%s", text);
    assert_int_equal(strlen(err.pointer), sizeof(err.pointer) - 1);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    error_clear(&err);
    error_set_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_system_errors_say_why_and_map_to_codes(void **state)
{
    (void)state;
    static const struct {
        int value, code;
    } cases[] = {{ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE}, {EFBIG, ERR_NO_SPACE},
                 {ENOMEM, ERR_NOMEM},    {EIO, ERR_IO},          {ENOENT, ERR_IO}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        assert_int_equal(error_set_errno(&err, cases[i].value, "cannot open %s", "it"),
                         cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, "cannot open it: "));
        assert_non_null(strstr(err.text, strerror(cases[i].value)));
    }
}

static void test_every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(error_code_name(0), "ok");
    assert_string_equal(error_code_name(ERR_NOMEM), "out_of_memory");
    assert_string_equal(error_code_name(ERR_TOO_LARGE), "too_large");
    assert_string_equal(error_code_name(ERR_INTERNAL), "internal");
    for (int a = 0; a >= ERR_WORKER; a--)
        for (int b = 0; b > a; b--)
            assert_string_not_equal(error_code_name(a), error_code_name(b));
    assert_string_equal(error_code_name(1), "unknown");
    assert_string_equal(error_code_name(ERR_WORKER - 1), "unknown");
    assert_string_equal(error_code_name(INT_MIN), "unknown");
    assert_string_equal(error_code_name(INT_MAX), "unknown");
}

/* What is not UTF-8 could not be put into an answer. */
static void test_texts_are_utf8_whatever_they_quote(void **state)
{
    (void)state;
    struct error err = {0};
    error_set_at(&err, ERR_INVALID, "/\xff", "found \"%.2s\"", "\xe2\x82\xac");
    assert_string_equal(err.pointer, "/?");
    assert_string_equal(err.text, "found \"??\"");
    error_clear(&err);
    error_set(&err, ERR_INVALID, "near '%s'", "a\nb\tc\x7f");
    assert_string_equal(err.text, "near 'a b c '"); /* one line */
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text + sizeof(err.text) - 3, "\xe2\x82\xac", 3); /* is cut in two */
    error_clear(&err);
    error_set_errno(&err, EIO, "%s", text);
    assert_string_equal(err.text + sizeof(err.text) - 4, "x??");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_holds_code_pointer_and_text),
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_no_error_struct_is_allowed),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_texts_are_utf8_whatever_they_quote),
        cmocka_unit_test(test_system_errors_say_why_and_map_to_codes),
        cmocka_unit_test(test_every_code_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
