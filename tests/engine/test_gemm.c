/* The matrix products against their naive references, for every instruction set that the
 * CPU has and every way a product is cut. */
#include "engine/gemm.h"
#include "engine/gemm_kernel.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GUARD ((real)12345)

struct size {
    size_t m, n, k;
};

/* Each remainder of tiles, vectors and blocks; both sides of every threshold. */
static const struct size sizes[] = {
    {1, 1, 1},       {1, 1, 17},    {5, 1, 33},    {1, 7, 3},      {2, 3, 4},
    {3, 16, 5},      {4, 15, 8},    {7, 17, 9},    {8, 31, 16},    {9, 32, 1},
    {15, 33, 2},     {13, 64, 32},  {16, 47, 31},  {31, 48, 13},   {32, 64, 64},
    {33, 65, 191},   {64, 1, 32},   {64, 10, 192}, {65, 5, 193},   {17, 70, 400},
    {256, 33, 20},   {257, 40, 10}, {300, 3, 200}, {130, 520, 37}, {20, 600, 30},
    {520, 515, 513},
};

typedef void product_function(const struct gemm *gemm);

struct matrices {
    real *a, *b, *c, *expected, *bias;
    size_t c_count;
};

static real *random_numbers(struct rng *rng, size_t count)
{
    real *numbers = malloc(count * sizeof(real));
    assert_non_null(numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (real)(2 * rng_uniform(rng) - 1);
    return numbers;
}

/* c with rows of ldc > n: what lies between must not be touched. */
static struct matrices make(const struct gemm *gemm, size_t a_rows, size_t b_rows)
{
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, gemm->m * 1000000 + gemm->n * 1000 + gemm->k);
    struct matrices matrices = {.c_count = gemm->m * gemm->ldc};
    matrices.a = random_numbers(&rng, a_rows * gemm->lda);
    matrices.b = random_numbers(&rng, b_rows * gemm->ldb);
    matrices.c = random_numbers(&rng, matrices.c_count);
    matrices.bias = random_numbers(&rng, gemm->n);
    for (size_t i = 0; i < gemm->m; i++) {
        for (size_t j = gemm->n; j < gemm->ldc; j++)
            matrices.c[i * gemm->ldc + j] = GUARD;
    }
    matrices.expected = malloc(matrices.c_count * sizeof(real));
    assert_non_null(matrices.expected);
    memcpy(matrices.expected, matrices.c, matrices.c_count * sizeof(real));
    return matrices;
}

static void release(struct matrices *matrices)
{
    free(matrices->a);
    free(matrices->b);
    free(matrices->c);
    free(matrices->expected);
    free(matrices->bias);
}

static void expect_equal(const struct matrices *matrices, const struct gemm *gemm)
{
    double tolerance =
        (sizeof(real) == sizeof(double) ? 1e-14 : 1e-6) * (4 + sqrt((double)gemm->k) * 2);
    for (size_t i = 0; i < matrices->c_count; i++) {
        double difference = (double)matrices->c[i] - (double)matrices->expected[i];
        if (!(fabs(difference) <= tolerance))
            fail_msg("[%zu x %zu x %zu] element %zu is off by %g", gemm->m, gemm->n,
                     gemm->k, i, difference);
    }
}

static void compare(struct gemm gemm, size_t a_rows, size_t b_rows,
                    product_function *fast, product_function *reference)
{
    for (int beta = 0; beta <= 1; beta++) {
        struct matrices matrices = make(&gemm, a_rows, b_rows);
        gemm.beta = beta;
        gemm.bias = beta == 0 && gemm.k % 2 == 1 ? matrices.bias : NULL;
        gemm.a = matrices.a;
        gemm.b = matrices.b;
        gemm.c = matrices.c;
        fast(&gemm);
        gemm.c = matrices.expected;
        reference(&gemm);
        expect_equal(&matrices, &gemm);
        release(&matrices);
    }
}

static void compare_all(size_t gap, product_function *nn, product_function *nt,
                        product_function *tn)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct size s = sizes[i];
        struct gemm gemm = {.m = s.m, .n = s.n, .k = s.k, .ldc = s.n + gap};
        gemm.lda = s.k + gap;
        gemm.ldb = s.n + gap;
        compare(gemm, s.m, s.k, nn, gemm_nn_reference);
        gemm.ldb = s.k + gap;
        compare(gemm, s.m, s.n, nt, gemm_nt_reference);
        gemm.lda = s.m + gap;
        gemm.ldb = s.n + gap;
        compare(gemm, s.k, s.k, tn, gemm_tn_reference);
    }
}

static void test_products_equal_their_references(void **state)
{
    (void)state;
    gemm_use_one_thread();
    compare_all(0, gemm_nn, gemm_nt, gemm_tn);
}

static void test_products_of_parts_of_matrices_leave_the_rest_alone(void **state)
{
    (void)state;
    gemm_use_one_thread();
    compare_all(3, gemm_nn, gemm_nt, gemm_tn);
}

/* The kernel for one instruction set as a product_function. */
#define KERNEL_OF(name, isa)                                                             \
    static void name##_nn(const struct gemm *g)                                          \
    {                                                                                    \
        gemm_kernel(isa, &(struct product){g->m, g->n, g->k, g->a, g->lda, 1, g->b,      \
                                           g->ldb, 1, g->beta, g->c, g->ldc, g->bias});  \
    }                                                                                    \
    static void name##_nt(const struct gemm *g)                                          \
    {                                                                                    \
        gemm_kernel(isa, &(struct product){g->m, g->n, g->k, g->a, g->lda, 1, g->b, 1,   \
                                           g->ldb, g->beta, g->c, g->ldc, g->bias});     \
    }                                                                                    \
    static void name##_tn(const struct gemm *g)                                          \
    {                                                                                    \
        gemm_kernel(isa, &(struct product){g->m, g->n, g->k, g->a, 1, g->lda, g->b,      \
                                           g->ldb, 1, g->beta, g->c, g->ldc, g->bias});  \
    }

/* With b packed beforehand, and b's own place not given. */
static void packed_product(enum gemm_isa isa, const struct gemm *g, size_t b_row,
                           size_t b_column)
{
    struct product product = {.m = g->m,
                              .n = g->n,
                              .k = g->k,
                              .a = g->a,
                              .a_row = g->lda,
                              .a_column = 1,
                              .b = g->b,
                              .b_row = b_row,
                              .b_column = b_column,
                              .beta = g->beta,
                              .c = g->c,
                              .c_row = g->ldc,
                              .bias = g->bias};
    size_t count = gemm_kernel_packed_reals(isa, g->k, g->n);
    real *packed = malloc((count + 1) * sizeof(real));
    assert_non_null(packed);
    packed[count] = GUARD;
    gemm_kernel_pack(isa, &product, packed);
    assert_true(packed[count] == GUARD);
    product.b = NULL;
    gemm_kernel_packed(isa, &product, packed);
    free(packed);
}

/* The packed kernel for one instruction set as product_functions; a is never seen
 * transposed there. */
#define PACKED_KERNEL_OF(name, isa)                                                      \
    static void name##_packed_nn(const struct gemm *g)                                   \
    {                                                                                    \
        packed_product(isa, g, g->ldb, 1);                                               \
    }                                                                                    \
    static void name##_packed_nt(const struct gemm *g)                                   \
    {                                                                                    \
        packed_product(isa, g, 1, g->ldb);                                               \
    }

PACKED_KERNEL_OF(baseline, GEMM_BASELINE)
PACKED_KERNEL_OF(avx2, GEMM_AVX2)
PACKED_KERNEL_OF(avx512, GEMM_AVX512)

KERNEL_OF(baseline, GEMM_BASELINE)
KERNEL_OF(avx2, GEMM_AVX2)
KERNEL_OF(avx512, GEMM_AVX512)

static void test_kernels_of_every_instruction_set_equal_the_references(void **state)
{
    (void)state;
    static const struct {
        product_function *nn, *nt, *tn, *packed_nn, *packed_nt;
    } kernels[GEMM_ISA_COUNT] = {
        [GEMM_BASELINE] = {baseline_nn, baseline_nt, baseline_tn, baseline_packed_nn,
                           baseline_packed_nt},
        [GEMM_AVX2] = {avx2_nn, avx2_nt, avx2_tn, avx2_packed_nn, avx2_packed_nt},
        [GEMM_AVX512] = {avx512_nn, avx512_nt, avx512_tn, avx512_packed_nn,
                         avx512_packed_nt},
    };
    assert_true(gemm_isa_supported(GEMM_BASELINE));
    for (enum gemm_isa isa = GEMM_BASELINE; isa < GEMM_ISA_COUNT; isa++) {
        if (!gemm_isa_supported(isa)) {
            print_message("[  NOTE    ] this CPU lacks instruction set %d\n", (int)isa);
            continue;
        }
        compare_all(0, kernels[isa].nn, kernels[isa].nt, kernels[isa].tn);
        compare_all(5, kernels[isa].nn, kernels[isa].nt, kernels[isa].tn);
        compare_all(0, kernels[isa].packed_nn, kernels[isa].packed_nt, kernels[isa].tn);
        compare_all(5, kernels[isa].packed_nn, kernels[isa].packed_nt, kernels[isa].tn);
    }
}

static void packed_n(const struct gemm *g)
{
    real *packed = malloc(gemm_packed_reals(g->k, g->n) * sizeof(real));
    assert_non_null(packed);
    gemm_pack_n(g, packed);
    gemm_packed(g, packed);
    free(packed);
}

static void packed_t(const struct gemm *g)
{
    real *packed = malloc(gemm_packed_reals(g->k, g->n) * sizeof(real));
    assert_non_null(packed);
    gemm_pack_t(g, packed);
    gemm_packed(g, packed);
    free(packed);
}

static void test_products_with_a_packed_matrix_equal_their_references(void **state)
{
    (void)state;
    compare_all(0, packed_n, packed_t, gemm_tn);
    compare_all(4, packed_n, packed_t, gemm_tn);
}

static void test_a_product_gives_the_same_bits_each_time(void **state)
{
    (void)state;
    struct gemm gemm = {.m = 70, .n = 130, .k = 210, .lda = 210, .ldb = 130, .ldc = 130};
    struct matrices matrices = make(&gemm, 70, 210);
    gemm.a = matrices.a;
    gemm.b = matrices.b;
    gemm.c = matrices.c;
    gemm_nn(&gemm);
    gemm.c = matrices.expected;
    gemm_nn(&gemm);
    assert_memory_equal(matrices.c, matrices.expected, matrices.c_count * sizeof(real));
    release(&matrices);
}

static void test_room_for_products_is_checked(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(gemm_check_room(2, &err), 0);
    assert_int_equal(gemm_check_room(1 << 20, &err), ERR_NOMEM); /* 128 TiB */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_for_products_is_checked),
        cmocka_unit_test(test_products_equal_their_references),
        cmocka_unit_test(test_products_of_parts_of_matrices_leave_the_rest_alone),
        cmocka_unit_test(test_kernels_of_every_instruction_set_equal_the_references),
        cmocka_unit_test(test_products_with_a_packed_matrix_equal_their_references),
        cmocka_unit_test(test_a_product_gives_the_same_bits_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
