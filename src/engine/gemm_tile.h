/*
 * The tiles of our own product for one instruction set; a template that gemm_kernel.c
 * includes once for each. Before it, define
 *
 *   TILE_NAME(name)  the function's name for this instruction set
 *   TILE_TARGET      its target attribute, or nothing
 *   TILE_BYTES       bytes of a vector register
 *   TILE_ROWS        8 or 4: rows of the largest tile; twice that many registers hold
 *                    sums
 *
 * and it undefines them. A tile is [rows, vectors * WIDTH] elements of c, held in
 * registers while k runs:
 *
 *              b: [k, n]   one row of the tile's columns, loaded as vectors
 *   a: [m, k]              one column of the tile's rows, each broadcast
 *
 * a and b are addressed by strides, so that they may be parts of the user's matrices or
 * packed copies.
 */
#define TILE_WIDTH (TILE_BYTES / sizeof(real))

typedef real TILE_NAME(vector)
    __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

/* One tile; `rows` and `vectors` are constants where it is inlined. */
TILE_TARGET static inline __attribute__((always_inline)) void
TILE_NAME(tile)(size_t rows, size_t vectors, const struct panel *p, size_t first)
{
    const real *a = p->a + first * p->a_row;
    const real *from = p->from ? p->from + first * p->from_row : NULL;
    real *c = p->c + first * p->c_row;
    TILE_NAME(vector) sum[TILE_ROWS][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = from ? *(const TILE_NAME(vector) *)(from + r * p->from_row +
                                                            v * TILE_WIDTH)
                             : (TILE_NAME(vector)){0};
    }
    const real *b = p->b;
    for (size_t k = 0; k < p->k; k++, b += p->b_row, a += p->a_column) {
        TILE_NAME(vector) row[2];
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            row[v] = *(const TILE_NAME(vector) *)(b + v * TILE_WIDTH);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] += a[r * p->a_row] * row[v];
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            *(TILE_NAME(vector) *)(c + r * p->c_row + v * TILE_WIDTH) = sum[r][v];
    }
}

/* All rows of c for `vectors` vectors of columns. */
TILE_TARGET static inline __attribute__((always_inline)) void
TILE_NAME(columns)(size_t vectors, const struct panel *p)
{
    size_t i = 0;
    for (; i + TILE_ROWS <= p->m; i += TILE_ROWS)
        TILE_NAME(tile)(TILE_ROWS, vectors, p, i);
    size_t left = p->m - i;
    if (TILE_ROWS > 4 && left & 4) {
        TILE_NAME(tile)(4, vectors, p, i);
        i += 4;
    }
    if (left & 2) {
        TILE_NAME(tile)(2, vectors, p, i);
        i += 2;
    }
    if (left & 1)
        TILE_NAME(tile)(1, vectors, p, i);
}

TILE_TARGET static void TILE_NAME(one)(const struct panel *p)
{
    TILE_NAME(columns)(1, p);
}

TILE_TARGET static void TILE_NAME(two)(const struct panel *p)
{
    TILE_NAME(columns)(2, p);
}

#undef TILE_WIDTH
#undef TILE_NAME
#undef TILE_TARGET
#undef TILE_BYTES
#undef TILE_ROWS
