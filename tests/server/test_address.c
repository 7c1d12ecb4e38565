/* Listen addresses, and which Host and Origin a request may name. */
#include "http/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_addresses_are_cut_into_host_and_port(void **state)
{
    (void)state;
    struct address address;
    assert_int_equal(address_parse("127.0.0.1:8080", &address, NULL), 0);
    assert_string_equal(address.host, "127.0.0.1");
    assert_int_equal(address.port, 8080);
    assert_int_equal(address_parse("[::1]:0", &address, NULL), 0);
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 0);
    assert_int_equal(address_parse("localhost", &address, NULL), 0);
    assert_int_equal(address.port, -1);
}

static void test_malformed_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"",           ":80",      "host:",      "host:x",
                                         "host:65536", "[::1",     "[::1]x:80",  "[]:80",
                                         "host:-1",    "host: 80", "host:123456"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct address address = {.port = 7};
        struct error err = {0};
        assert_int_equal(address_parse(broken[i], &address, &err), ERR_INVALID);
        assert_int_equal(err.code, ERR_INVALID);
        assert_int_equal(address.port, 7);
    }
}

static void test_loopback_is_told_from_the_rest(void **state)
{
    (void)state;
    static const char *const loopback[] = {"127.0.0.1", "127.9.9.9", "::1", "localhost",
                                           "LocalHost"};
    static const char *const other[] = {"0.0.0.0",
                                        "::",
                                        "10.0.0.1",
                                        "128.0.0.1",
                                        "127.0.0.1.evil.example",
                                        "localhost.evil.example"};
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++)
        assert_true(address_is_loopback(loopback[i]));
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        assert_false(address_is_loopback(other[i]));
}

static void test_urls_have_brackets_around_ipv6(void **state)
{
    (void)state;
    struct address address = {"::1", 80};
    char url[64];
    address_format_url(&address, url, sizeof(url));
    assert_string_equal(url, "http://[::1]:80");
    address = (struct address){"127.0.0.1", 8080};
    address_format_url(&address, url, sizeof(url));
    assert_string_equal(url, "http://127.0.0.1:8080");
}

static void test_a_rebound_name_is_not_allowed(void **state)
{
    (void)state;
    assert_true(address_allows_host("127.0.0.1", "127.0.0.1:8080"));
    assert_true(address_allows_host("127.0.0.1", "localhost:9"));
    assert_true(address_allows_host("127.0.0.1", "[::1]:80"));
    assert_true(address_allows_host("box.lan", "box.lan:8080"));
    assert_false(address_allows_host("127.0.0.1", "evil.example"));
    assert_false(address_allows_host("127.0.0.1", "evil.example:8080"));
    assert_false(address_allows_host("127.0.0.1", ""));
    assert_false(address_allows_host("127.0.0.1", "localhost.evil.example"));
}

static void test_an_origin_is_the_same_only_with_its_port(void **state)
{
    (void)state;
    assert_true(address_is_same_origin("http://localhost:8080", "localhost:8080"));
    assert_true(address_is_same_origin("https://box.example", "box.example"));
    assert_false(address_is_same_origin("http://localhost:3000", "localhost:8080"));
    assert_false(address_is_same_origin("null", "localhost:8080"));
    assert_false(address_is_same_origin("", "localhost:8080"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_cut_into_host_and_port),
        cmocka_unit_test(test_malformed_addresses_are_refused),
        cmocka_unit_test(test_loopback_is_told_from_the_rest),
        cmocka_unit_test(test_urls_have_brackets_around_ipv6),
        cmocka_unit_test(test_a_rebound_name_is_not_allowed),
        cmocka_unit_test(test_an_origin_is_the_same_only_with_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
