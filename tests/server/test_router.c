/* Routes are found by whole segments; what fits no row is 404, another method 405. */
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void handle(struct request *request)
{
    (void)request;
}

static const struct route table[] = {
    {"GET", "/", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"GET", "/things", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"POST", "/things", 0, BODY_JSON, 10, handle, NULL, NULL},
    {"POST", "/things:check", 0, BODY_JSON, 10, handle, NULL, NULL},
    {"GET", "/things/{id}", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"DELETE", "/things/{id}", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"GET", "/things/{id}/parts/{part}", 0, BODY_NONE, 0, handle, NULL, NULL},
    {"GET", "/{*file}", 0, BODY_NONE, 0, handle, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int find(const char *method, const char *path, struct router_match *match)
{
    router_find(table, method, path, match);
    return match->index;
}

static void test_literal_paths_match_whole(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("GET", "/", &match), 0);
    assert_int_equal(find("GET", "/things", &match), 1);
    assert_int_equal(find("POST", "/things", &match), 2);
    assert_int_equal(find("POST", "/things:check", &match), 3);
    assert_int_equal(match.status, 200);
}

static void test_params_are_whole_segments(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("GET", "/things/a1/parts/b-2", &match), 6);
    assert_string_equal(match.params[0], "a1");
    assert_string_equal(match.params[1], "b-2");
}

static void test_trailing_garbage_is_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/things/",           "/things/a/", "/things//parts/b",
        "/things/a/parts",    "//things",   "/things/a/parts/b/c",
        "/things/a/partsX/b", "things",     ""};
    struct router_match match;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(find("GET", paths[i], &match), -1);
        assert_int_equal(match.status, 404);
    }
}

static void test_head_uses_the_row_of_get(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("HEAD", "/things/a", &match), 4);
    assert_int_equal(match.status, 200);
}

static void test_another_method_is_405_with_all_that_are_allowed(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("PUT", "/things/a", &match), -1);
    assert_int_equal(match.status, 405);
    assert_string_equal(match.allow, "GET, HEAD, DELETE");
    find("DELETE", "/things", &match);
    assert_string_equal(match.allow, "GET, HEAD, POST");
}

static void test_a_file_row_allows_nothing_it_does_not_have(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("GET", "/style.css", &match), 7);
    assert_int_equal(find("POST", "/style.css", &match), -1);
    assert_int_equal(match.status, 404);
}

static void test_a_param_that_is_too_long_is_not_found(void **state)
{
    (void)state;
    char path[400] = "/things/";
    memset(path + 8, 'a', 300);
    struct router_match match;
    assert_int_equal(find("GET", path, &match), -1);
    assert_int_equal(match.status, 404);
    path[8 + ROUTE_PARAM_SIZE - 1] = '\0';
    assert_int_equal(find("GET", path, &match), 4);
    assert_int_equal(strlen(match.params[0]), ROUTE_PARAM_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literal_paths_match_whole),
        cmocka_unit_test(test_params_are_whole_segments),
        cmocka_unit_test(test_trailing_garbage_is_not_found),
        cmocka_unit_test(test_head_uses_the_row_of_get),
        cmocka_unit_test(test_another_method_is_405_with_all_that_are_allowed),
        cmocka_unit_test(test_a_file_row_allows_nothing_it_does_not_have),
        cmocka_unit_test(test_a_param_that_is_too_long_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
