/* See gemm.h. */
#include "gemm.h"
#include "gemm_kernel.h"

#include <cblas.h>
#include <string.h>
#include <sys/mman.h>

/*
 * From this on in every dimension OpenBLAS, which packs both operands, is ahead of our
 * own kernel (measured on Zen 4: 103 to 101 GFLOP/s at 1024 cubed; at 256 x 1024 x 1024
 * it is 100 to 101, at 128 x 256 x 784 it is 103 to 114).
 */
#define LARGE 512

/* OpenBLAS maps so much for each product under way at once, keeps it, and tries without
 * end when it cannot have it. It touches a small part. */
#define LIBRARY_BYTES ((size_t)128 << 20)

/* Whether OpenBLAS uses the vectors that this CPU has. It takes a CPU that is newer than
 * itself for an old one: on Zen 5 version 0.3.21 has 117 GFLOP/s where our own kernel has
 * 177 to 212 at 1024 cubed, and 147 to 181 at 4096. */
static bool openblas_knows_cpu(void)
{
    static const char *const cores[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
    if (gemm_isa_best() != GEMM_AVX512)
        return true;
    const char *core = openblas_get_corename();
    for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
        if (strcmp(core, cores[i]) == 0)
            return true;
    }
    return false;
}

static bool is_small(const struct product *p)
{
    return p->m < LARGE || p->n < LARGE || p->k < LARGE;
}

static void product(const struct product *p)
{
    enum gemm_isa isa = gemm_isa_best();
    if (isa != GEMM_BASELINE && (is_small(p) || !openblas_knows_cpu())) {
        gemm_kernel(isa, p);
        return;
    }
    CBLAS_TRANSPOSE a_order = p->a_column == 1 ? CblasNoTrans : CblasTrans;
    CBLAS_TRANSPOSE b_order = p->b_column == 1 ? CblasNoTrans : CblasTrans;
    size_t lda = p->a_column == 1 ? p->a_row : p->a_column;
    size_t ldb = p->b_column == 1 ? p->b_row : p->b_column;
    for (size_t i = 0; p->bias && i < p->m; i++)
        memcpy(p->c + i * p->c_row, p->bias, p->n * sizeof(real));
#ifdef ENGINE_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, a_order, b_order, (blasint)p->m, (blasint)p->n, (blasint)p->k, 1,
         p->a, (blasint)lda, p->b, (blasint)ldb, (real)(p->beta || p->bias), p->c,
         (blasint)p->c_row);
}

void gemm_nn(const struct gemm *g)
{
    product(&(struct product){g->m, g->n, g->k, g->a, g->lda, 1, g->b, g->ldb, 1, g->beta,
                              g->c, g->ldc, g->bias});
}

void gemm_nt(const struct gemm *g)
{
    product(&(struct product){g->m, g->n, g->k, g->a, g->lda, 1, g->b, 1, g->ldb, g->beta,
                              g->c, g->ldc, g->bias});
}

void gemm_tn(const struct gemm *g)
{
    product(&(struct product){g->m, g->n, g->k, g->a, 1, g->lda, g->b, g->ldb, 1, g->beta,
                              g->c, g->ldc, g->bias});
}

size_t gemm_packed_reals(size_t k, size_t n)
{
    return gemm_kernel_packed_reals(gemm_isa_best(), k, n);
}

void gemm_pack_n(const struct gemm *g, real *ret_packed)
{
    gemm_kernel_pack(gemm_isa_best(),
                     &(struct product){
                         .n = g->n, .k = g->k, .b = g->b, .b_row = g->ldb, .b_column = 1},
                     ret_packed);
}

void gemm_pack_t(const struct gemm *g, real *ret_packed)
{
    gemm_kernel_pack(gemm_isa_best(),
                     &(struct product){
                         .n = g->n, .k = g->k, .b = g->b, .b_row = 1, .b_column = g->ldb},
                     ret_packed);
}

void gemm_packed(const struct gemm *g, const real *packed)
{
    gemm_kernel_packed(gemm_isa_best(),
                       &(struct product){.m = g->m,
                                         .n = g->n,
                                         .k = g->k,
                                         .a = g->a,
                                         .a_row = g->lda,
                                         .a_column = 1,
                                         .beta = g->beta,
                                         .c = g->c,
                                         .c_row = g->ldc,
                                         .bias = g->bias},
                       packed);
}

/* a and b with the strides of their rows and columns, as in struct product. */
static void reference(const struct gemm *g, size_t a_row, size_t a_column, size_t b_row,
                      size_t b_column)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double sum = g->beta   ? (double)g->c[i * g->ldc + j]
                         : g->bias ? (double)g->bias[j]
                                   : 0.0;
            for (size_t k = 0; k < g->k; k++)
                sum += (double)g->a[i * a_row + k * a_column] *
                       (double)g->b[k * b_row + j * b_column];
            g->c[i * g->ldc + j] = (real)sum;
        }
    }
}

void gemm_nn_reference(const struct gemm *gemm)
{
    reference(gemm, gemm->lda, 1, gemm->ldb, 1);
}

void gemm_nt_reference(const struct gemm *gemm)
{
    reference(gemm, gemm->lda, 1, 1, gemm->ldb);
}

void gemm_tn_reference(const struct gemm *gemm)
{
    reference(gemm, 1, gemm->lda, gemm->ldb, 1);
}

int gemm_check_room(int threads, struct error *err)
{
    size_t bytes = (size_t)threads * LIBRARY_BYTES;
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return error_set(err, ERR_NOMEM, "no memory for the products of %d thread%s",
                         threads, threads == 1 ? "" : "s");
    munmap(room, bytes);
    return 0;
}

void gemm_use_one_thread(void)
{
    openblas_set_num_threads(1);
}
