/*
 * See gemm_kernel.h. The loops from outside in, as in Goto and van de Geijn, "Anatomy of
 * high-performance matrix multiplication" (ACM TOMS 34, 2008), but that packing is left
 * out where it brings nothing:
 *
 *   blocks of DEPTH of k, of HEIGHT of m   a's block stays in the second-level cache
 *   panels of two vectors of n             b's panel stays in the first-level cache
 *   tiles of rows                          sums stay in registers
 *
 * The tiles are compiled once for each instruction set and chosen by a table, not by the
 * loader, so that tests can run all that the CPU has.
 */
#include "gemm_kernel.h"
#include "kernels.h"

#include <string.h>

/* Measured on Zen 4 (32 KiB and 1 MiB of cache): b's panel takes 24
 * KiB, a's block 192. */
#define DEPTH 192
#define HEIGHT 256
#define MAX_WIDTH 16 /* reals of the widest vector */

/* Rows of b so far apart land in few cache sets, so the panel is packed when there are
 * rows of a enough to pay for it. */
#define FAR_ROWS 512
#define MANY_ROWS 128

/* One panel of columns of one block: what a tile function gets. */
struct panel {
    size_t m, k;
    const real *a;
    size_t a_row, a_column;
    const real *b;
    size_t b_row;
    const real *from; /* what sums start from: c itself, or a bias; NULL: 0 */
    size_t from_row;  /* 0 for a bias */
    real *c;
    size_t c_row;
};

#define TILE_NAME(name) name##_baseline
#define TILE_TARGET
#define TILE_BYTES 16
#define TILE_ROWS 4
#include "gemm_tile.h"

#ifdef __x86_64__
#define TILE_NAME(name) name##_avx2
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_BYTES 32
#define TILE_ROWS 4
#include "gemm_tile.h"

#define TILE_NAME(name) name##_avx512
#define TILE_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define TILE_BYTES 64
#define TILE_ROWS 8
#include "gemm_tile.h"

bool gemm_isa_supported(enum gemm_isa isa)
{
    switch (isa) {
    case GEMM_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("fma");
    case GEMM_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case GEMM_BASELINE:
        return true;
    case GEMM_ISA_COUNT:
        break;
    }
    return false;
}
#else
bool gemm_isa_supported(enum gemm_isa isa)
{
    return isa == GEMM_BASELINE;
}
#endif

enum gemm_isa gemm_isa_best(void)
{
    enum gemm_isa isa = GEMM_AVX512;
    while (!gemm_isa_supported(isa))
        isa--;
    return isa;
}

struct tiles {
    size_t width; /* reals of one vector */
    void (*one)(const struct panel *panel);
    void (*two)(const struct panel *panel); /* panels of two vectors */
};

static const struct tiles tiles_of[GEMM_ISA_COUNT] = {
    [GEMM_BASELINE] = {16 / sizeof(real), one_baseline, two_baseline},
#ifdef __x86_64__
    [GEMM_AVX2] = {32 / sizeof(real), one_avx2, two_avx2},
    [GEMM_AVX512] = {64 / sizeof(real), one_avx512, two_avx512},
#endif
};

typedef real quad
    __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* out[j * out_row + i] = x[i * x_row + j] for i < 4, j < count. */
static inline __attribute__((always_inline)) void
transpose4(const real *x, size_t x_row, size_t count, real *out, size_t out_row)
{
    size_t j = 0;
    for (; j + 4 <= count; j += 4, out += 4 * out_row) {
        quad a = *(const quad *)(x + j), b = *(const quad *)(x + x_row + j);
        quad c = *(const quad *)(x + 2 * x_row + j);
        quad d = *(const quad *)(x + 3 * x_row + j);
        quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        *(quad *)out = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
        *(quad *)(out + out_row) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
        *(quad *)(out + 2 * out_row) =
            __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
        *(quad *)(out + 3 * out_row) =
            __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
    for (; j < count; j++, out += out_row) {
        for (size_t i = 0; i < 4; i++)
            out[i] = x[i * x_row + j];
    }
}

MULTIVERSION void gemm_pack(const real *x, size_t row, size_t column, size_t count,
                            size_t length, size_t width, real *out)
{
    size_t done = 0;
    if (column == 1) {
        for (; done + 4 <= count; done += 4)
            transpose4(x + done * row, row, length, out + done, width);
    }
    if (done == width)
        return;
    if (row == 1 && count == width) {
        for (size_t j = 0; j < length; j++)
            memcpy(out + j * width, x + j * column, width * sizeof(real));
        return;
    }
    for (size_t j = 0; j < length; j++) {
        for (size_t i = done; i < count; i++)
            out[j * width + i] = x[i * row + j * column];
        for (size_t i = count; i < width; i++)
            out[j * width + i] = 0;
    }
}

/* The last columns of c, fewer than a vector, go through a zero-padded copy. */
static void tail_panel(const struct tiles *tiles, const struct product *p, size_t columns,
                       struct panel *panel, real *to)
{
    real tail[HEIGHT * MAX_WIDTH] __attribute__((aligned(64)));
    size_t width = tiles->width;
    panel->c = tail;
    panel->c_row = width;
    for (size_t i = 0; panel->from && i < p->m; i++) {
        for (size_t e = 0; e < width; e++)
            tail[i * width + e] = e < columns ? panel->from[i * panel->from_row + e] : 0;
    }
    panel->from = panel->from ? tail : NULL;
    panel->from_row = width;
    tiles->one(panel);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t e = 0; e < columns; e++)
            to[i * p->c_row + e] = tail[i * width + e];
    }
}

/* The panel that begins where `left` columns are left: its width, and how many of its
 * columns there are. */
static size_t panel_width(const struct tiles *tiles, size_t left, size_t *ret_columns)
{
    size_t width = left >= 2 * tiles->width ? 2 * tiles->width : tiles->width;
    *ret_columns = left < width ? left : width;
    return width;
}

/* One block of at most DEPTH of k and HEIGHT of m. `packed`: its panels of b, or NULL. */
static void block_product(const struct tiles *tiles, const struct product *p,
                          const real *packed, bool pack_all)
{
    real b[DEPTH * 2 * MAX_WIDTH] __attribute__((aligned(64)));
    struct panel panel = {
        .m = p->m, .k = p->k, .a = p->a, .a_row = p->a_row, .a_column = p->a_column};
    const real *from = p->beta ? p->c : p->bias;
    for (size_t j = 0, columns; j < p->n; j += columns) {
        size_t width = panel_width(tiles, p->n - j, &columns);
        panel.b = packed ? packed + j * p->k : p->b + j * p->b_column;
        panel.b_row = packed ? width : p->b_row;
        if (!packed && (pack_all || p->b_column != 1 || columns < width)) {
            gemm_pack(panel.b, p->b_column, p->b_row, columns, p->k, width, b);
            panel.b = b;
            panel.b_row = width;
        }
        panel.from = from ? from + j : NULL;
        panel.from_row = p->beta ? p->c_row : 0;
        panel.c = p->c + j;
        panel.c_row = p->c_row;
        if (columns < width)
            tail_panel(tiles, p, columns, &panel, p->c + j);
        else
            (width > tiles->width ? tiles->two : tiles->one)(&panel);
    }
}

/* All blocks; `packed` as from gemm_kernel_pack(), or NULL. */
static void all_blocks(enum gemm_isa isa, const struct product *p, const real *packed)
{
    bool pack_all = p->b_row >= FAR_ROWS && p->m >= MANY_ROWS;
    for (size_t i = 0; i < p->m; i += HEIGHT) {
        for (size_t k = 0; k < p->k; k += DEPTH) {
            struct product block = *p;
            block.m = p->m - i < HEIGHT ? p->m - i : HEIGHT;
            block.k = p->k - k < DEPTH ? p->k - k : DEPTH;
            block.a += i * p->a_row + k * p->a_column;
            if (!packed)
                block.b += k * p->b_row;
            block.c += i * p->c_row;
            block.beta = p->beta || k > 0;
            block_product(&tiles_of[isa], &block,
                          packed ? packed + gemm_kernel_packed_reals(isa, k, p->n) : NULL,
                          pack_all);
        }
    }
}

size_t gemm_kernel_packed_reals(enum gemm_isa isa, size_t k, size_t n)
{
    size_t width = tiles_of[isa].width;
    return k * ((n + width - 1) / width * width);
}

void gemm_kernel_pack(enum gemm_isa isa, const struct product *product, real *ret_packed)
{
    const struct tiles *tiles = &tiles_of[isa];
    for (size_t k = 0; k < product->k; k += DEPTH) {
        size_t depth = product->k - k < DEPTH ? product->k - k : DEPTH;
        for (size_t j = 0, columns; j < product->n; j += columns) {
            size_t width = panel_width(tiles, product->n - j, &columns);
            gemm_pack(product->b + k * product->b_row + j * product->b_column,
                      product->b_column, product->b_row, columns, depth, width,
                      ret_packed);
            ret_packed += depth * width;
        }
    }
}

void gemm_kernel_packed(enum gemm_isa isa, const struct product *product,
                        const real *packed)
{
    all_blocks(isa, product, packed);
}

/* c[m, 1] = a[m, k] @ b[k, 1]: dot products, in partial sums of a fixed order. */
MULTIVERSION static void column_product(const struct product *p)
{
    for (size_t i = 0; i < p->m; i++) {
        const real *a = p->a + i * p->a_row;
        real_lanes sums = {0};
        size_t k = 0;
        for (; k + LANES <= p->k; k += LANES)
            sums += *(const real_lanes *)(a + k) * *(const real_lanes *)(p->b + k);
        real sum = lanes_sum(&sums);
        for (; k < p->k; k++)
            sum += a[k] * p->b[k];
        real *c = p->c + i * p->c_row;
        *c = p->beta ? *c + sum : sum;
    }
}

void gemm_kernel(enum gemm_isa isa, const struct product *product)
{
    struct product p = *product;
    if (p.n == 1 && p.bias) {
        for (size_t i = 0; i < p.m; i++)
            p.c[i * p.c_row] = p.bias[0];
        p.beta = 1;
        p.bias = NULL;
    }
    if (p.n == 1 && p.a_row == 1 && p.c_row == 1) { /* c transposed is a row */
        p.m = product->n;
        p.n = product->m;
        p.a = product->b;
        p.a_row = 0;
        p.a_column = product->b_row;
        p.b = product->a;
        p.b_row = product->a_column;
        p.b_column = 1;
        p.c_row = p.n;
    } else if (p.n == 1 && p.a_column == 1 && p.b_row == 1) {
        column_product(&p);
        return;
    }
    all_blocks(isa, &p, NULL);
}
