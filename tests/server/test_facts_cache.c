/* Facts are parsed once for many posts, belong to nobody's thread, and do not pile up. */
#include "base/memory.h"
#include "http/facts_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4

static const char text[] =
    "{\"kind\":\"table\",\"rows\":{\"train\":20},\"columns\":[{\"name\":\"a\",\"type\":"
    "\"number\",\"missing\":0,\"min\":0,\"max\":1,\"mean\":0.5,\"std\":0.2,\"distinct\":"
    "9,"
    "\"integral\":false}]}";

static int setup(void **state)
{
    *state = facts_cache_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    facts_cache_free(*state);
    return 0;
}

static struct shared_facts *borrow(struct facts_cache *cache, const char *dataset)
{
    struct shared_facts *shared = NULL;
    struct error err = {0};
    assert_int_equal(facts_cache_borrow(cache, dataset, text, &shared, &err), 0);
    assert_int_equal(shared->facts->column_count, 1);
    return shared;
}

static void test_the_same_dataset_gives_the_same_facts(void **state)
{
    struct shared_facts *first = borrow(*state, "ds_1"), *again = borrow(*state, "ds_1"),
                        *other = borrow(*state, "ds_2");
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, other);
    facts_cache_give_back(*state, first);
    facts_cache_give_back(*state, again);
    facts_cache_give_back(*state, other);
    facts_cache_give_back(*state, NULL);
}

static void test_borrowed_facts_outlive_their_place(void **state)
{
    struct shared_facts *held = borrow(*state, "ds_held");
    for (int i = 0; i < 3 * FACTS_CACHE_SLOTS; i++) {
        char dataset[16];
        snprintf(dataset, sizeof(dataset), "ds_%d", i);
        facts_cache_give_back(*state, borrow(*state, dataset));
    }
    assert_int_equal(held->facts->column_count, 1);
    struct shared_facts *anew = borrow(*state, "ds_held");
    assert_ptr_not_equal(anew, held);
    facts_cache_give_back(*state, held);
    facts_cache_give_back(*state, anew);
}

static void test_what_is_used_stays(void **state)
{
    struct shared_facts *used = borrow(*state, "ds_used");
    for (int i = 0; i < 3 * FACTS_CACHE_SLOTS; i++) {
        char dataset[16];
        snprintf(dataset, sizeof(dataset), "ds_%d", i);
        facts_cache_give_back(*state, borrow(*state, dataset));
        struct shared_facts *again = borrow(*state, "ds_used");
        assert_ptr_equal(again, used);
        facts_cache_give_back(*state, again);
    }
    facts_cache_give_back(*state, used);
}

static void test_damaged_facts_are_an_error_and_not_kept(void **state)
{
    struct shared_facts *shared = NULL;
    struct error err = {0};
    assert_int_equal(facts_cache_borrow(*state, "ds_1", "{", &shared, &err),
                     ERR_INTERNAL);
    facts_cache_give_back(*state, borrow(*state, "ds_1"));
}

static void *use_often(void *argument)
{
    struct facts_cache *cache = argument;
    size_t columns = 0;
    for (int i = 0; i < 2000; i++) {
        char dataset[16];
        struct shared_facts *shared = NULL;
        snprintf(dataset, sizeof(dataset), "ds_%d", i % (2 * FACTS_CACHE_SLOTS));
        if (facts_cache_borrow(cache, dataset, text, &shared, NULL) != 0)
            return NULL;
        columns += shared->facts->column_count;
        facts_cache_give_back(cache, shared);
    }
    return columns == 2000 ? cache : NULL;
}

static void test_many_threads_share_it(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_often, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, *state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_same_dataset_gives_the_same_facts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_borrowed_facts_outlive_their_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_used_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_facts_are_an_error_and_not_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads_share_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
