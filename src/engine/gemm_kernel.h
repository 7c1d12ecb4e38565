/*
 * Our own matrix product, behind gemm.h: register tiles over cache blocks, packing only
 * where the strides of the operands would make cache lines evict each other. On small and
 * middling matrices it is faster than OpenBLAS (figures: gemm.c).
 */
#ifndef BACKPROP_GEMM_KERNEL_H
#define BACKPROP_GEMM_KERNEL_H

#include "real.h"

#include <stdbool.h>
#include <stddef.h>

/* Instruction sets, from the one that every CPU has. */
enum gemm_isa { GEMM_BASELINE, GEMM_AVX2, GEMM_AVX512, GEMM_ISA_COUNT };

bool gemm_isa_supported(enum gemm_isa isa);

/* The best that this CPU has. */
enum gemm_isa gemm_isa_best(void);

/* c[m, n] = a[m, k] @ b[k, n] + beta * c, or + bias in every row, with element [i, j] of
 * a and b at i * row + j * column, where row or column is 1; c's rows are contiguous.
 * Needs about 50 KiB of stack. */
struct product {
    size_t m, n, k;
    const real *a;
    size_t a_row, a_column;
    const real *b;
    size_t b_row, b_column;
    int beta; /* 0 or 1 */
    real *c;
    size_t c_row;
    const real *bias; /* [n], or NULL; where beta is 0 only */
};

/* Packs a panel of b: element [i, j] at x[i * row + j * column] for i < count, j < length
 * goes to out[j * width + i]; the columns from `count` to `width` become zeros. */
void gemm_pack(const real *x, size_t row, size_t column, size_t count, size_t length,
               size_t width, real *out);

void gemm_kernel(enum gemm_isa isa, const struct product *product);

/*
 * One b for many products: gemm_kernel_pack() writes k, n and b of `product` as the
 * panels that the tiles read, gemm_kernel_packed() computes with them (b of its `product`
 * is not looked at). Packed for another instruction set they mean nothing.
 *
 *   packed: blocks of k, in each the panels of n: [panels][k of the block][panel's width]
 */
size_t gemm_kernel_packed_reals(enum gemm_isa isa, size_t k, size_t n);
void gemm_kernel_pack(enum gemm_isa isa, const struct product *product, real *ret_packed);
void gemm_kernel_packed(enum gemm_isa isa, const struct product *product,
                        const real *packed);

#endif
