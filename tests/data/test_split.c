/*
 * Splits. The permutations are those of an independent Philox4x32-10 in Python, drawn as
 * rng.h and split.h say (counter words: block, block, index, index << 16 | purpose).
 */
#include "data/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct split_spec spec_of(enum split_type type, double validation, double test)
{
    return (struct split_spec){.type = type,
                               .train = 1.0 - validation - test,
                               .validation = validation,
                               .test = test};
}

static void test_permutation_is_fisher_yates_by_philox(void **state)
{
    (void)state;
    static const uint32_t split_42[10] = {7, 3, 4, 6, 9, 0, 8, 2, 5, 1};
    static const uint32_t shuffle_42[2][10] = {{7, 8, 6, 5, 4, 2, 0, 9, 1, 3},
                                               {1, 2, 7, 4, 5, 3, 6, 0, 8, 9}};
    uint32_t order[10];
    struct rng rng;
    rng_init(&rng, 42, RNG_SPLIT, 0);
    split_permute(&rng, order, 10);
    assert_memory_equal(order, split_42, sizeof(order));
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        rng_init(&rng, 42, RNG_SHUFFLE, epoch);
        split_permute(&rng, order, 10);
        assert_memory_equal(order, shuffle_42[epoch], sizeof(order));
    }
}

static void test_permutation_of_nothing_and_of_one(void **state)
{
    (void)state;
    uint32_t order[2] = {77, 77};
    struct rng rng;
    rng_init(&rng, 1, RNG_SPLIT, 0);
    split_permute(&rng, order, 0);
    assert_int_equal(order[0], 77);
    split_permute(&rng, order, 1);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 77);
}

static void test_permutation_holds_every_row_once(void **state)
{
    (void)state;
    enum { ROWS = 10007 };
    uint32_t *order = calloc(ROWS, sizeof(*order));
    bool *seen = calloc(ROWS, sizeof(*seen));
    assert_true(order && seen);
    struct rng rng;
    rng_init(&rng, 3, RNG_SHUFFLE, 9);
    split_permute(&rng, order, ROWS);
    size_t in_place = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_true(order[i] < ROWS && !seen[order[i]]);
        seen[order[i]] = true;
        in_place += order[i] == i;
    }
    assert_true(in_place < 20); /* about one is expected */
    free(order);
    free(seen);
}

static void test_counts_round_half_up_and_training_gets_the_rest(void **state)
{
    (void)state;
    static const struct {
        size_t rows;
        double validation, test;
        size_t expected[SPLIT_COUNT]; /* train, validation, test */
    } cases[] = {
        {10, 0.1, 0.1, {8, 1, 1}},
        {891, 0.1, 0.2, {624, 89, 178}}, /* 89.1, 178.2 */
        {5, 0.1, 0.1, {3, 1, 1}},        /* 0.5 rounds to 1 */
        {3, 0.1, 0.0, {3, 0, 0}},
        {3, 0.5, 0.5, {0, 1, 2}}, /* 1.5 rounds to 2; validation gets what is left */
        {0, 0.1, 0.1, {0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct split_spec spec =
            spec_of(SPLIT_RANDOM, cases[i].validation, cases[i].test);
        size_t counts[SPLIT_COUNT];
        split_counts(&spec, cases[i].rows, counts);
        for (int s = 0; s < SPLIT_COUNT; s++)
            assert_int_equal(counts[s], cases[i].expected[s]);
    }
    struct split_spec fixed = spec_of(SPLIT_FIXED, 0.2, 0.3);
    size_t counts[SPLIT_COUNT];
    split_counts(&fixed, 10, counts);
    assert_int_equal(counts[IN_TEST], 0);
    assert_int_equal(counts[IN_VALIDATION], 2);
    assert_int_equal(counts[IN_TRAIN], 8);
}

/* The permutation begins 7, 3 | 4, 6 (see above). */
static void
test_random_split_takes_test_then_validation_from_the_permutation(void **state)
{
    (void)state;
    struct split_spec spec = spec_of(SPLIT_RANDOM, 0.2, 0.2);
    uint8_t splits[10];
    assert_int_equal(split_assign(&spec, 42, NULL, 0, 10, splits), 0);
    static const uint8_t expected[10] = {IN_TRAIN,      IN_TRAIN, IN_TRAIN,      IN_TEST,
                                         IN_VALIDATION, IN_TRAIN, IN_VALIDATION, IN_TEST,
                                         IN_TRAIN,      IN_TRAIN};
    assert_memory_equal(splits, expected, sizeof(splits));
}

static void test_fixed_split_gives_no_row_to_the_test(void **state)
{
    (void)state;
    struct split_spec spec = spec_of(SPLIT_FIXED, 0.2, 0.0);
    uint8_t splits[10];
    assert_int_equal(split_assign(&spec, 42, NULL, 0, 10, splits), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(splits[i], i == 7 || i == 3 ? IN_VALIDATION : IN_TRAIN);
}

static void test_other_seeds_give_other_splits(void **state)
{
    (void)state;
    struct split_spec spec = spec_of(SPLIT_RANDOM, 0.3, 0.3);
    uint8_t first[100], again[100], other[100];
    assert_int_equal(split_assign(&spec, 1, NULL, 0, 100, first), 0);
    assert_int_equal(split_assign(&spec, 1, NULL, 0, 100, again), 0);
    assert_int_equal(split_assign(&spec, 2, NULL, 0, 100, other), 0);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, other, sizeof(first));
}

#define CLASSES_MAX 8

/* Splits rows whose class c has sizes[c] members, interleaved; ret_counts [classes,
 * splits]. */
static void count_stratified(const struct split_spec *spec, const size_t *sizes,
                             size_t classes, size_t ret_counts[CLASSES_MAX][SPLIT_COUNT])
{
    size_t rows = 0, left[CLASSES_MAX];
    for (size_t c = 0; c < classes; c++) {
        rows += sizes[c];
        left[c] = sizes[c];
    }
    int32_t *labels = calloc(rows, sizeof(*labels));
    uint8_t *splits = calloc(rows, sizeof(*splits));
    assert_true(labels && splits);
    for (size_t i = 0, c = 0; i < rows; i++, c = (c + 1) % classes) {
        while (left[c] == 0)
            c = (c + 1) % classes;
        labels[i] = (int32_t)c;
        left[c]--;
    }
    assert_int_equal(split_assign(spec, 5, labels, classes, rows, splits), 0);
    memset(ret_counts, 0, CLASSES_MAX * sizeof(*ret_counts));
    for (size_t i = 0; i < rows; i++)
        ret_counts[labels[i]][splits[i]]++;
    free(labels);
    free(splits);
}

static void test_stratified_split_keeps_whole_proportions_exactly(void **state)
{
    (void)state;
    struct split_spec spec = spec_of(SPLIT_STRATIFIED, 0.1, 0.2);
    static const size_t sizes[3] = {600, 300, 100};
    size_t counts[CLASSES_MAX][SPLIT_COUNT];
    count_stratified(&spec, sizes, 3, counts);
    for (size_t c = 0; c < 3; c++) {
        assert_int_equal(counts[c][IN_TEST], sizes[c] / 5);
        assert_int_equal(counts[c][IN_VALIDATION], sizes[c] / 10);
        assert_int_equal(counts[c][IN_TRAIN], sizes[c] * 7 / 10);
    }
}

/*
 * 17 rows, test llround(1.7) = 2, validation llround(3.4) = 3, so 5 held out. Shares of
 * the classes of 9, 5 and 3: 45/17 = 2 r 11, 25/17 = 1 r 8, 15/17 = 0 r 15. Two seats are
 * left: for the third class, then the first: 3, 1, 1. Of the 2 for the test: 6/5 = 1 r 1,
 * 2/5 = 0 r 2, 0 r 2; the one left goes to the second class, being the lower of equals.
 */
static void test_stratified_split_rounds_by_largest_remainders(void **state)
{
    (void)state;
    struct split_spec spec = spec_of(SPLIT_STRATIFIED, 0.2, 0.1);
    static const size_t sizes[3] = {9, 5, 3};
    static const size_t expected[3][SPLIT_COUNT] = {{6, 2, 1}, {4, 0, 1}, {2, 1, 0}};
    size_t counts[CLASSES_MAX][SPLIT_COUNT];
    count_stratified(&spec, sizes, 3, counts);
    for (size_t c = 0; c < 3; c++)
        for (int s = 0; s < SPLIT_COUNT; s++)
            assert_int_equal(counts[c][s], expected[c][s]);
}

static void test_stratified_totals_equal_the_random_ones(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 40; extra++) {
        struct split_spec spec = spec_of(SPLIT_STRATIFIED, 0.15, 0.25);
        size_t sizes[6] = {1, 1, 2, extra, 7 * extra, 31}, rows = 0;
        size_t counts[CLASSES_MAX][SPLIT_COUNT], expected[SPLIT_COUNT];
        for (size_t c = 0; c < 6; c++)
            rows += sizes[c];
        count_stratified(&spec, sizes, 6, counts);
        split_counts(&spec, rows, expected);
        for (int s = 0; s < SPLIT_COUNT; s++) {
            size_t total = 0;
            for (size_t c = 0; c < 6; c++)
                total += counts[c][s];
            assert_int_equal(total, expected[s]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permutation_is_fisher_yates_by_philox),
        cmocka_unit_test(test_permutation_of_nothing_and_of_one),
        cmocka_unit_test(test_permutation_holds_every_row_once),
        cmocka_unit_test(test_counts_round_half_up_and_training_gets_the_rest),
        cmocka_unit_test(
            test_random_split_takes_test_then_validation_from_the_permutation),
        cmocka_unit_test(test_fixed_split_gives_no_row_to_the_test),
        cmocka_unit_test(test_other_seeds_give_other_splits),
        cmocka_unit_test(test_stratified_split_keeps_whole_proportions_exactly),
        cmocka_unit_test(test_stratified_split_rounds_by_largest_remainders),
        cmocka_unit_test(test_stratified_totals_equal_the_random_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
