/* See conv_kernel.h. The tiles are compiled once for each instruction set and chosen by a
 * table, as those of gemm_kernel.c. */
#include "conv_kernel.h"

#include <string.h>

#define MAX_WIDTH 16 /* reals of the widest vector */
#define TAIL_ROWS 64

#define TILE_NAME(name) name##_baseline
#define TILE_TARGET
#define TILE_BYTES 16
#define TILE_ROWS 4
#include "conv_tile.h"

#ifdef __x86_64__
#define TILE_NAME(name) name##_avx2
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_BYTES 32
#define TILE_ROWS 6
#include "conv_tile.h"

#define TILE_NAME(name) name##_avx512
#define TILE_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define TILE_BYTES 64
#define TILE_ROWS 14
#include "conv_tile.h"
#endif

typedef void panel_function(const struct segments *segments);

static const struct {
    size_t width;           /* reals of a vector */
    panel_function *one[2]; /* of one vector: straight and turned */
    panel_function *two[2]; /* of two */
} tiles_of[GEMM_ISA_COUNT] = {
    [GEMM_BASELINE] = {16 / sizeof(real),
                       {one_baseline, one_turned_baseline},
                       {two_baseline, two_turned_baseline}},
#ifdef __x86_64__
    [GEMM_AVX2] = {32 / sizeof(real),
                   {one_avx2, one_turned_avx2},
                   {two_avx2, two_turned_avx2}},
    [GEMM_AVX512] = {64 / sizeof(real),
                     {one_avx512, one_turned_avx512},
                     {two_avx512, two_turned_avx512}},
#endif
};

size_t conv_kernel_width(enum gemm_isa isa)
{
    return tiles_of[isa].width;
}

size_t conv_kernel_panel(enum gemm_isa isa, size_t left)
{
    size_t width = tiles_of[isa].width;
    return left >= 2 * width ? 2 * width : width;
}

/* c has fewer columns than a vector: its rows go through a copy that has. */
static void tail_panel(enum gemm_isa isa, const struct segments *segments, size_t left)
{
    real rows[TAIL_ROWS * MAX_WIDTH] __attribute__((aligned(64)));
    size_t width = tiles_of[isa].width;
    struct segments p = *segments;
    for (size_t i = 0; i < segments->m; i += p.m) {
        p.m = segments->m - i < TAIL_ROWS ? segments->m - i : TAIL_ROWS;
        real *c = segments->c + i * segments->c_row;
        bool adds = segments->start == segments->c;
        for (size_t r = 0; adds && r < p.m; r++) {
            memcpy(rows + r * width, c + r * segments->c_row, left * sizeof(real));
            memset(rows + r * width + left, 0, (width - left) * sizeof(real));
        }
        p.start = adds ? rows : segments->start + i * segments->start_row;
        p.start_row = adds ? width : segments->start_row;
        p.c = rows;
        p.c_row = width;
        tiles_of[isa].one[p.turned](&p);
        for (size_t r = 0; r < p.m; r++)
            memcpy(c + r * segments->c_row, rows + r * width, left * sizeof(real));
        p.a += p.m * (p.turned ? 1 : p.a_row);
    }
}

void conv_kernel(enum gemm_isa isa, const struct segments *segments, size_t left)
{
    size_t width = tiles_of[isa].width;
    if (left < width)
        tail_panel(isa, segments, left);
    else if (left < 2 * width)
        tiles_of[isa].one[segments->turned](segments);
    else
        tiles_of[isa].two[segments->turned](segments);
}
