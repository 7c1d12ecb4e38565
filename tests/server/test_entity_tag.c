/* If-None-Match against one tag. */
#include "http/entity_tag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TAG "\"abc\""

static void test_the_tag_is_found_alone_in_a_list_and_weak(void **state)
{
    (void)state;
    assert_true(entity_tag_is_known(TAG, TAG));
    assert_true(entity_tag_is_known("\"x\", " TAG, TAG));
    assert_true(entity_tag_is_known("\"a,b\"," TAG " , \"y\"", TAG));
    assert_true(entity_tag_is_known("W/" TAG, TAG));
    assert_true(entity_tag_is_known("W/\"x\", W/" TAG, TAG));
    assert_true(entity_tag_is_known("*", TAG));
}

static void test_other_tags_and_nonsense_are_not_it(void **state)
{
    (void)state;
    static const char *const others[] = {"",     "abc",      "\"ab\"",      "\"abcd\"",
                                         "\"",   "\"abc",    "w/" TAG,      "\"x" TAG,
                                         "abc,", "\"x\" \"", "\"\\\"abc\"", ",,"};
    assert_false(entity_tag_is_known(NULL, TAG));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (entity_tag_is_known(others[i], TAG))
            fail_msg("%s", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_tag_is_found_alone_in_a_list_and_weak),
        cmocka_unit_test(test_other_tags_and_nonsense_are_not_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
