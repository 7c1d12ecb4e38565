/* Listen addresses. */
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
    static const char *const loopback[] = {"127.0.0.1",        "127.9.9.9", "::1",
                                           "::ffff:127.0.0.1", "localhost", "LocalHost"};
    static const char *const other[] = {"0.0.0.0",
                                        "::",
                                        "::ffff:0.0.0.0",
                                        "::ffff:10.0.0.1",
                                        "10.0.0.1",
                                        "2130706433",
                                        "0x7f.1",
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
    address_format_url(&address, "http", url, sizeof(url));
    assert_string_equal(url, "http://[::1]:80");
    address = (struct address){"127.0.0.1", 8080};
    address_format_url(&address, "https", url, sizeof(url));
    assert_string_equal(url, "https://127.0.0.1:8080");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_cut_into_host_and_port),
        cmocka_unit_test(test_malformed_addresses_are_refused),
        cmocka_unit_test(test_loopback_is_told_from_the_rest),
        cmocka_unit_test(test_urls_have_brackets_around_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
