/* Identifiers: unique, ordered, recognisable. */
#include "base/id.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_made_identifiers_are_valid(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"ds", "job", "mdl", "swp", "ckpt"};
    for (size_t i = 0; i < 5; i++) {
        char id[ID_SIZE];
        id_make(prefixes[i], id);
        assert_true(id_is_valid(prefixes[i], id));
        assert_int_equal(strlen(id), strlen(prefixes[i]) + 1 + 26);
        for (size_t k = 0; k < 5; k++)
            assert_true(k == i || !id_is_valid(prefixes[k], id));
    }
}

static void test_identifiers_ascend_in_the_order_of_making(void **state)
{
    (void)state;
    char last[ID_SIZE], next[ID_SIZE];
    id_make("job", last);
    for (int i = 0; i < 20000; i++) { /* many of the same millisecond */
        id_make("job", next);
        assert_true(strcmp(last, next) < 0);
        memcpy(last, next, sizeof(last));
    }
}

/* The first ten characters are the milliseconds in base 32. */
static void test_identifier_tells_the_time_of_its_making(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    int64_t before = clock_wall_us() / 1000;
    char id[ID_SIZE];
    id_make("ds", id);
    int64_t milliseconds = 0;
    for (int i = 0; i < 10; i++)
        milliseconds = milliseconds * 32 + (strchr(alphabet, id[3 + i]) - alphabet);
    assert_true(milliseconds >= before && milliseconds <= clock_wall_us() / 1000);
}

#define THREADS 4
#define IDS_PER_THREAD 2000

static void *make_many(void *context)
{
    char(*ids)[ID_SIZE] = context;
    for (int i = 0; i < IDS_PER_THREAD; i++)
        id_make("mdl", ids[i]);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_threads_never_make_the_same_identifier(void **state)
{
    (void)state;
    char(*ids)[ID_SIZE] = calloc(THREADS * IDS_PER_THREAD, sizeof(*ids));
    assert_non_null(ids);
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(
            pthread_create(&threads[t], NULL, make_many, ids + t * IDS_PER_THREAD), 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    qsort(ids, THREADS * IDS_PER_THREAD, sizeof(*ids), compare);
    for (int i = 1; i < THREADS * IDS_PER_THREAD; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
    free(ids);
}

static void test_other_texts_are_no_identifiers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "job",
        "job_",
        "job_01k0000000000000000000000",   /* 25 characters */
        "job_01k000000000000000000000000", /* 27 */
        "job_01K00000000000000000000000",  /* upper case */
        "job_01k0000000000000000000000i",  /* not in the alphabet */
        "job_01k0000000000000000000000l",
        "job_01k0000000000000000000000o",
        "job_01k0000000000000000000000u",
        "job_01k000000000000000000000 0",
        "job_01k0000000000000000000000\n",
        "jobs_01k00000000000000000000000",
        "ds_01k00000000000000000000000",
        "job-01k00000000000000000000000",
        "job_../../../../../../etc/passwd",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (id_is_valid("job", texts[i]))
            fail_msg("%s", texts[i]);
    assert_true(id_is_valid("job", "job_01k00000000000000000000000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_identifiers_are_valid),
        cmocka_unit_test(test_identifiers_ascend_in_the_order_of_making),
        cmocka_unit_test(test_identifier_tells_the_time_of_its_making),
        cmocka_unit_test(test_threads_never_make_the_same_identifier),
        cmocka_unit_test(test_other_texts_are_no_identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
