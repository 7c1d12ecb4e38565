/* Places are bounded in all and for each address, and come back. */
#include "http/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct sockaddr *four(const char *text)
{
    static struct sockaddr_in address;
    address = (struct sockaddr_in){.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return (const struct sockaddr *)&address;
}

static const struct sockaddr *six(const char *text)
{
    static struct sockaddr_in6 address;
    address = (struct sockaddr_in6){.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return (const struct sockaddr *)&address;
}

static void test_an_address_gets_no_more_than_its_part(void **state)
{
    (void)state;
    struct peers *peers = peers_new(5, 2);
    struct peer *places[5], *none = NULL;
    assert_int_equal(peers_enter(peers, four("10.0.0.1"), &places[0]), PEERS_OK);
    assert_int_equal(peers_enter(peers, four("10.0.0.1"), &places[1]), PEERS_OK);
    assert_int_equal(peers_enter(peers, four("10.0.0.1"), &none), PEERS_FULL_HERE);
    assert_int_equal(peers_look(peers, four("10.0.0.1")), PEERS_FULL_HERE);
    assert_int_equal(peers_enter(peers, four("10.0.0.2"), &places[2]), PEERS_OK);
    assert_int_equal(peers_enter(peers, four("10.0.0.2"), &places[3]), PEERS_OK);
    assert_int_equal(peers_enter(peers, four("10.0.0.3"), &places[4]), PEERS_OK);
    assert_int_equal(peers_enter(peers, four("10.0.0.4"), &none), PEERS_FULL);
    assert_null(none);
    assert_int_equal(peers_count(peers), 5);
    peers_leave(peers, places[0]);
    assert_int_equal(peers_enter(peers, four("10.0.0.1"), &places[0]), PEERS_OK);
    for (int i = 0; i < 5; i++)
        peers_leave(peers, places[i]);
    assert_int_equal(peers_count(peers), 0);
    peers_free(peers);
}

static void test_one_network_of_ipv6_is_one_peer(void **state)
{
    (void)state;
    struct peers *peers = peers_new(0, 1);
    struct peer *places[4], *none = NULL;
    assert_int_equal(peers_enter(peers, six("2001:db8:1:2::1"), &places[0]), PEERS_OK);
    assert_int_equal(peers_enter(peers, six("2001:db8:1:2:ffff::9"), &none),
                     PEERS_FULL_HERE);
    assert_int_equal(peers_enter(peers, six("2001:db8:1:3::1"), &places[1]), PEERS_OK);
    assert_int_equal(peers_enter(peers, four("10.0.0.1"), &places[2]), PEERS_OK);
    assert_int_equal(peers_enter(peers, six("::ffff:10.0.0.1"), &none), PEERS_FULL_HERE);
    assert_int_equal(peers_enter(peers, six("::ffff:10.0.0.2"), &places[3]), PEERS_OK);
    for (int i = 0; i < 4; i++)
        peers_leave(peers, places[i]);
    peers_free(peers);
}

static void test_many_addresses_come_and_go(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static struct peer *places[COUNT];
    struct peers *peers = peers_new(COUNT, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            char text[32];
            snprintf(text, sizeof(text), "10.%d.%d.1", i / 250, i % 250);
            assert_int_equal(peers_enter(peers, four(text), &places[i]), PEERS_OK);
        }
        assert_int_equal(peers_look(peers, NULL), PEERS_FULL);
        for (int i = 0; i < COUNT; i++)
            peers_leave(peers, places[(i * 7) % COUNT]); /* 7 is prime to 5000 */
        assert_int_equal(peers_count(peers), 0);
    }
    peers_free(peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_gets_no_more_than_its_part),
        cmocka_unit_test(test_one_network_of_ipv6_is_one_peer),
        cmocka_unit_test(test_many_addresses_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
