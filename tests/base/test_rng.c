/*
 * Philox4x32-10: the published vectors of Random123 (its file kat_vectors, the three
 * lines "philox4x32 10"), and streams checked against an independent implementation in
 * Python, drawn as rng.h says.
 */
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static void test_blocks_equal_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint32_t block[4];
        rng_philox(vectors[i].counter, vectors[i].key, block);
        assert_memory_equal(block, vectors[i].expected, sizeof(block));
    }
}

/* seed, purpose and index must all reach the block: the whole of each. */
static void test_stream_is_named_by_seed_purpose_and_index(void **state)
{
    (void)state;
    static const uint32_t expected[6] = {0xaee2c2a7, 0xf57346fa, 0x0440b95f,
                                         0x5781233a, 0x7b8c353f, 0xf7eb6634};
    struct rng rng;
    rng_init(&rng, 0x123456789abcdef0, RNG_AUGMENT, 0xa5a5deadbeef);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rng_next(&rng), expected[i]);

    static const struct {
        uint64_t seed;
        enum rng_purpose purpose;
        uint64_t index;
    } others[] = {
        {0x123456789abcdef1, RNG_AUGMENT, 0xa5a5deadbeef},
        {0x023456789abcdef0, RNG_AUGMENT, 0xa5a5deadbeef},
        {0x123456789abcdef0, RNG_SAMPLE, 0xa5a5deadbeef},
        {0x123456789abcdef0, RNG_AUGMENT, 0xa5a5deadbeee},
        {0x123456789abcdef0, RNG_AUGMENT, 0x25a5deadbeef},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        rng_init(&rng, others[i].seed, others[i].purpose, others[i].index);
        assert_int_not_equal(rng_next(&rng), expected[0]);
    }
}

static void test_any_block_is_reached_without_replay(void **state)
{
    (void)state;
    uint32_t drawn[40];
    struct rng rng;
    rng_init(&rng, 9, RNG_DROPOUT, 3);
    for (int i = 0; i < 40; i++)
        drawn[i] = rng_next(&rng);
    for (int block = 9; block >= 0; block--) {
        rng_seek(&rng, (uint64_t)block);
        for (int i = block * 4; i < 40; i++)
            assert_int_equal(rng_next(&rng), drawn[i]);
    }
}

static void test_block_number_carries_into_its_high_word(void **state)
{
    (void)state;
    struct rng rng, high;
    rng_init(&rng, 1, RNG_SPLIT, 0);
    rng_seek(&rng, UINT32_MAX);
    for (int i = 0; i < 4; i++)
        (void)rng_next(&rng);
    rng_init(&high, 1, RNG_SPLIT, 0);
    rng_seek(&high, UINT64_C(1) << 32);
    uint32_t carried = rng_next(&rng);
    assert_int_equal(carried, rng_next(&high));
    rng_seek(&rng, 0);
    assert_int_not_equal(carried, rng_next(&rng));
}

/* The Python side rejects by the definition: low half of value * bound under
 * (2^32 - bound) mod bound. 3000000000 rejects about three values in ten. */
static void test_bounded_draws_reject_as_defined(void **state)
{
    (void)state;
    static const uint32_t tens[12] = {1, 3, 4, 9, 3, 5, 5, 5, 6, 3, 2, 1};
    static const uint32_t large[8] = {1024735371, 1337127467, 2844148317, 1139607982,
                                      1621535414, 569416564,  2478191558, 57072471};
    struct rng rng;
    rng_init(&rng, 7, RNG_SAMPLE, 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(rng_below(&rng, 10), tens[i]);
    rng_init(&rng, 7, RNG_SAMPLE, 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(rng_below(&rng, 3000000000), large[i]);
    assert_int_equal(rng_below(&rng, 1), 0);
}

/* 60000 draws of 0 … 5: 10000 each, with a standard deviation of 91. */
static void test_bounded_draws_are_even(void **state)
{
    (void)state;
    int counts[6] = {0};
    struct rng rng;
    rng_init(&rng, 11, RNG_SHUFFLE, 0);
    for (int i = 0; i < 60000; i++)
        counts[rng_below(&rng, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(counts[i], 9500, 10500);
}

/* The values of the stream are 2251308, 5730735, 7477758, 15905630 after the shift by 8.
 */
static void test_uniform_is_the_upper_24_bits(void **state)
{
    (void)state;
    static const uint32_t upper[4] = {2251308, 5730735, 7477758, 15905630};
    struct rng rng;
    rng_init(&rng, 7, RNG_SAMPLE, 0);
    for (int i = 0; i < 4; i++) {
        float drawn = rng_uniform(&rng);
        assert_true(drawn == (float)upper[i] / 16777216.0F);
        assert_true(drawn >= 0.0F && drawn < 1.0F);
    }
}

/* Box and Muller's formula in Python over the same stream. */
static void test_normal_is_box_and_muller(void **state)
{
    (void)state;
    static const double expected[3] = {-1.090661261197707, 1.2041629345844274,
                                       -1.4832492767067509};
    struct rng rng;
    rng_init(&rng, 7, RNG_SAMPLE, 0);
    for (int i = 0; i < 3; i++)
        assert_float_equal(rng_normal(&rng), expected[i], 1e-12);
}

static void test_normal_has_mean_0_and_variance_1(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    double sum = 0, squares = 0;
    struct rng rng;
    rng_init(&rng, 5, RNG_INITIALIZER, 2);
    for (int i = 0; i < DRAWS; i++) {
        double x = rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
    }
    assert_float_equal(sum / DRAWS, 0.0, 0.015); /* more than four standard errors */
    assert_float_equal(squares / DRAWS, 1.0, 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_equal_the_published_vectors),
        cmocka_unit_test(test_stream_is_named_by_seed_purpose_and_index),
        cmocka_unit_test(test_any_block_is_reached_without_replay),
        cmocka_unit_test(test_block_number_carries_into_its_high_word),
        cmocka_unit_test(test_bounded_draws_reject_as_defined),
        cmocka_unit_test(test_bounded_draws_are_even),
        cmocka_unit_test(test_uniform_is_the_upper_24_bits),
        cmocka_unit_test(test_normal_is_box_and_muller),
        cmocka_unit_test(test_normal_has_mean_0_and_variance_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
