/* Orthogonal matrices: what they are, and that they are QR's of the numbers drawn. */
#include "engine/orthogonal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

static double *make(size_t rows, size_t columns)
{
    double *matrix = calloc(2 * rows * columns, sizeof(double));
    assert_non_null(matrix);
    struct rng rng;
    rng_init(&rng, 5, RNG_INITIALIZER, 1);
    orthogonal_fill(&rng, rows, columns, matrix + rows * columns, matrix);
    return matrix;
}

static void expect_orthonormal(size_t rows, size_t columns)
{
    double *q = make(rows, columns);
    size_t vectors = rows < columns ? rows : columns;
    size_t count = rows < columns ? columns : rows;
    size_t vector_step = rows < columns ? columns : 1;
    size_t step = rows < columns ? 1 : columns;
    for (size_t a = 0; a < vectors; a++) {
        for (size_t b = 0; b <= a; b++) {
            double product = 0;
            for (size_t i = 0; i < count; i++)
                product += q[a * vector_step + i * step] * q[b * vector_step + i * step];
            assert_true(fabs(product - (a == b)) < 1e-11);
        }
    }
    free(q);
}

static void test_rows_or_columns_are_orthonormal(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1},   {1, 7},    {7, 1},   {2, 2},
                                      {5, 5},   {9, 4},    {4, 9},   {64, 64},
                                      {65, 33}, {33, 130}, {200, 50}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        expect_orthonormal(sizes[i][0], sizes[i][1]);
}

/* What was drawn is Q times an upper triangular matrix with a positive diagonal. */
static void test_the_matrix_is_q_of_what_was_drawn(void **state)
{
    (void)state;
    enum { ROWS = 6, COLUMNS = 4 };
    double drawn[ROWS * COLUMNS], *q = make(ROWS, COLUMNS);
    struct rng rng;
    rng_init(&rng, 5, RNG_INITIALIZER, 1);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        drawn[i] = rng_normal(&rng);
    for (size_t a = 0; a < COLUMNS; a++) {
        for (size_t b = 0; b < COLUMNS; b++) {
            double r = 0;
            for (size_t i = 0; i < ROWS; i++)
                r += q[i * COLUMNS + a] * drawn[i * COLUMNS + b];
            assert_true(a == b ? r > 0.01 : a > b ? fabs(r) < 1e-12 : fabs(r) > 1e-6);
        }
    }
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_or_columns_are_orthonormal),
        cmocka_unit_test(test_the_matrix_is_q_of_what_was_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
