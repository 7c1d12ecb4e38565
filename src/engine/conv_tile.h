/*
 * The tiles of a segmented product for one instruction set; a template that conv_kernel.c
 * includes once for each. Before it, define
 *
 *   TILE_NAME(name)  the function's name for this instruction set
 *   TILE_TARGET      its target attribute, or nothing
 *   TILE_BYTES       bytes of a vector register
 *   TILE_ROWS        rows of the largest tile, at most 14; twice that many registers hold
 *                    sums
 *
 * and it undefines them. A tile is [rows, vectors * WIDTH] elements of c, which stay in
 * registers over all segments (see conv_kernel.h). In a panel of m rows all tiles have
 * the same number of rows or one less, so that a width of 28 is two tiles of 14, and not
 * one of 16 and two remainders.
 */
#define TILE_WIDTH (TILE_BYTES / sizeof(real))

typedef real TILE_NAME(vector)
    __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

/* One tile; `rows`, `vectors` and `turned` are constants where it is inlined. */
TILE_TARGET static inline __attribute__((always_inline)) void
TILE_NAME(tile)(size_t rows, size_t vectors, bool turned, const struct segments *p,
                const real *a, const real *start, real *c)
{
    size_t a_row = turned ? 1 : p->a_row, a_step = turned ? p->a_step : 1;
    TILE_NAME(vector) sum[TILE_ROWS][2];
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] =
                *(const TILE_NAME(vector) *)(start + r * p->start_row + v * TILE_WIDTH);
    }
    for (size_t y = 0; y < p->outer; y++) {
        for (size_t x = 0; x < p->inner; x++) {
            const real *from = a + y * p->a_outer + x * p->a_inner;
            const real *b = p->b + y * p->b_outer + x * p->b_inner;
            for (size_t k = 0; k < p->k; k++, b += p->b_row, from += a_step) {
                TILE_NAME(vector) row[2];
#pragma GCC unroll 2
                for (size_t v = 0; v < vectors; v++)
                    row[v] = *(const TILE_NAME(vector) *)(b + v * TILE_WIDTH);
#pragma GCC unroll 16
                for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
                    for (size_t v = 0; v < vectors; v++)
                        sum[r][v] += from[r * a_row] * row[v];
                }
            }
        }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            *(TILE_NAME(vector) *)(c + r * p->c_row + v * TILE_WIDTH) = sum[r][v];
    }
}

/* Rows above TILE_ROWS never come; the constant keeps them from being compiled. */
#define TILE_CASE(rows)                                                                  \
    case rows:                                                                           \
        TILE_NAME(tile)                                                                  \
        ((rows) <= TILE_ROWS ? (rows) : 1, vectors, turned, p, a, start, c);             \
        break;

/* All rows of c for `vectors` vectors of columns. */
TILE_TARGET static inline __attribute__((always_inline)) void
TILE_NAME(panel)(size_t vectors, bool turned, const struct segments *p)
{
    const real *a = p->a, *start = p->start;
    real *c = p->c;
    size_t left = p->m;
    for (size_t tiles = (p->m + TILE_ROWS - 1) / TILE_ROWS; tiles > 0; tiles--) {
        size_t rows = (left + tiles - 1) / tiles;
        switch (rows) {
            TILE_CASE(1)
            TILE_CASE(2)
            TILE_CASE(3)
            TILE_CASE(4)
            TILE_CASE(5)
            TILE_CASE(6)
            TILE_CASE(7)
            TILE_CASE(8)
            TILE_CASE(9)
            TILE_CASE(10)
            TILE_CASE(11)
            TILE_CASE(12)
            TILE_CASE(13)
            TILE_CASE(14)
        default:
            break;
        }
        a += rows * (turned ? 1 : p->a_row);
        start += rows * p->start_row;
        c += rows * p->c_row;
        left -= rows;
    }
}

TILE_TARGET static void TILE_NAME(one)(const struct segments *p)
{
    TILE_NAME(panel)(1, false, p);
}

TILE_TARGET static void TILE_NAME(two)(const struct segments *p)
{
    TILE_NAME(panel)(2, false, p);
}

TILE_TARGET static void TILE_NAME(one_turned)(const struct segments *p)
{
    TILE_NAME(panel)(1, true, p);
}

TILE_TARGET static void TILE_NAME(two_turned)(const struct segments *p)
{
    TILE_NAME(panel)(2, true, p);
}

#undef TILE_CASE
#undef TILE_WIDTH
#undef TILE_NAME
#undef TILE_TARGET
#undef TILE_BYTES
#undef TILE_ROWS
