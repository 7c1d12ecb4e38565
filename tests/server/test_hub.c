/* The hub wakes those who wait for a job, and nobody else. */
#include "http/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void count(void *context)
{
    ++*(int *)context;
}

static struct hub *new_hub(int maximum)
{
    struct hub *hub;
    struct error err = {0};
    assert_int_equal(hub_new(maximum, &hub, &err), 0);
    return hub;
}

static void test_only_subscribers_of_the_job_are_woken(void **state)
{
    (void)state;
    struct hub *hub = new_hub(10);
    int calls[3] = {0};
    static const char *const jobs[] = {"job_a", "job_b", "job_a"};
    struct hub_subscription *subscriptions[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            hub_subscribe(hub, jobs[i], count, &calls[i], &subscriptions[i], NULL), 0);
    hub_publish(hub, "job_a");
    hub_publish(hub, "job_c");
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 0);
    assert_int_equal(calls[2], 1);
    hub_publish_all(hub);
    assert_int_equal(calls[1], 1);
    hub_free(hub); /* and what is still subscribed */
}

static void test_after_unsubscribing_nothing_comes(void **state)
{
    (void)state;
    struct hub *hub = new_hub(10);
    int calls[3] = {0};
    struct hub_subscription *subscriptions[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            hub_subscribe(hub, "job_a", count, &calls[i], &subscriptions[i], NULL), 0);
    hub_unsubscribe(hub, subscriptions[1]); /* from the middle */
    hub_publish(hub, "job_a");
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 0);
    assert_int_equal(calls[2], 1);
    hub_unsubscribe(hub, subscriptions[2]); /* the first of the list */
    hub_unsubscribe(hub, subscriptions[0]);
    hub_publish(hub, "job_a");
    assert_int_equal(calls[0], 1);
    hub_free(hub);
}

static void test_the_limit_is_on_those_who_are_there(void **state)
{
    (void)state;
    struct hub *hub = new_hub(1);
    int calls = 0;
    struct hub_subscription *first;
    struct hub_subscription *second = NULL;
    struct error err = {0};
    assert_int_equal(hub_subscribe(hub, "job_a", count, &calls, &first, &err), 0);
    assert_int_equal(hub_subscribe(hub, "job_a", count, &calls, &second, &err), ERR_BUSY);
    assert_null(second);
    hub_unsubscribe(hub, first);
    assert_int_equal(hub_subscribe(hub, "job_a", count, &calls, &second, NULL), 0);
    hub_free(hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_subscribers_of_the_job_are_woken),
        cmocka_unit_test(test_after_unsubscribing_nothing_comes),
        cmocka_unit_test(test_the_limit_is_on_those_who_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
