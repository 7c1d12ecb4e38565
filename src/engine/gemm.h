/*
 * Matrix products, row-major: OpenBLAS on one thread where all dimensions are large or
 * the CPU is older than AVX2, otherwise kernels of our own, which pack less.
 *
 *   gemm_nn   c[m, n] = a[m, k]  @ b[k, n]  + beta * c
 *   gemm_nt   c[m, n] = a[m, k]  @ b[n, k]ᵀ + beta * c
 *   gemm_tn   c[m, n] = a[k, m]ᵀ @ b[k, n]  + beta * c
 *
 * beta is 0 (c need not be set) or 1. lda, ldb, ldc are the distances of rows as stored.
 * Which kernel runs depends on the shape alone, so that the same call gives the same
 * bits.
 */
#ifndef BACKPROP_GEMM_H
#define BACKPROP_GEMM_H

#include "base/error.h"
#include "real.h"

#include <stddef.h>

struct gemm {
    size_t m, n, k;
    const real *a;
    size_t lda;
    const real *b;
    size_t ldb;
    int beta; /* 0 or 1 */
    real *c;
    size_t ldc;
    const real *bias; /* [n]: added to every row of c; NULL: none. Where beta is 0 only */
};

void gemm_nn(const struct gemm *gemm);
void gemm_nt(const struct gemm *gemm);
void gemm_tn(const struct gemm *gemm);

/*
 * The same with one b packed beforehand, for many products of few rows with it (a
 * recurrent weight, step after step), by kernels of our own whatever the shape. A b of k
 * and n takes gemm_packed_reals(); b's members of a call's `gemm` are not looked at.
 */
size_t gemm_packed_reals(size_t k, size_t n);
void gemm_pack_n(const struct gemm *gemm, real *ret_packed); /* b[k, n] */
void gemm_pack_t(const struct gemm *gemm, real *ret_packed); /* b[n, k], to be bᵀ */
void gemm_packed(const struct gemm *gemm, const real *packed);

/* Three plain loops, summing in double; what the tests compare with. */
void gemm_nn_reference(const struct gemm *gemm);
void gemm_nt_reference(const struct gemm *gemm);
void gemm_tn_reference(const struct gemm *gemm);

/* Makes OpenBLAS keep to the calling thread; idempotent. */
void gemm_use_one_thread(void);

/* Is there room for what OpenBLAS takes when each of so many threads makes its first
 * product? Without it, that product would never end. ERR_NOMEM. */
int gemm_check_room(int threads, struct error *err) __attribute__((warn_unused_result));

#endif
