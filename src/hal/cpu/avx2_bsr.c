/* Products over matrices of blocks, for AVX2 and FMA: small dense products held in registers. An input
 * vector is loaded once for four rows of a block, where single weights load it once each. */
#include "avx2_lanes.h"

#define ROWS 4 /* of a register tile, at most */
#define VECTORS 3

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- out = W in ------------------------------------------------------------------------------ */

/* A tile of the output: rows `row` .. row + rows of the block row, lanes `lane` and on. */
struct tile {
    int64_t block_row, row, lane;
};

/* Add n columns of a block to the sums. Row i of the tile and column k have their value at
 * i * row_step + k * column_step. */
static inline __attribute__((always_inline)) void
add_block(__m256 sum[ROWS][VECTORS], const float *values, int64_t row_step, int64_t column_step,
          const float *in, int64_t ld, int64_t n, const int rows, const int vectors) {
    for (int64_t k = 0; k < n; k++, in += ld, values += column_step) {
        __m256 x[VECTORS];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            x[v] = _mm256_loadu_ps(in + v * FLOATS);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            __m256 value = _mm256_broadcast_ss(values + i * row_step);
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sum[i][v] = _mm256_fmadd_ps(value, x[v], sum[i][v]);
        }
    }
}

static inline __attribute__((always_inline)) void product_tile(const struct sw_cpu_bsr_product *p,
                                                               const struct tile *tile,
                                                               const int rows, const int vectors,
                                                               const int transposed) {
    __m256 sum[ROWS][VECTORS];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[i][v] = _mm256_setzero_ps();
    for (int32_t t = p->start[tile->block_row]; t < p->start[tile->block_row + 1]; t++) {
        struct sw_bsr_block block = p->blocks[t];
        int64_t column = block.index * p->side, n = least(p->side, p->columns - column);
        int64_t row_step = transposed ? 1 : block.width, column_step = transposed ? block.width : 1;
        add_block(sum, p->values + block.first + tile->row * row_step, row_step, column_step,
                  p->in + column * p->ld + tile->lane, p->ld, n, rows, vectors);
    }
    float *out = p->out + (tile->block_row * p->side + tile->row) * p->ld + tile->lane;
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            _mm256_storeu_ps(out + i * p->ld + v * FLOATS, sum[i][v]);
}

/* All rows of a block row, for some lanes. Only those at the lower edge are no multiple of ROWS. */
static inline __attribute__((always_inline)) void product_rows(const struct sw_cpu_bsr_product *p,
                                                               int64_t block_row, int64_t lane,
                                                               const int vectors,
                                                               const int transposed) {
    int64_t rows = least(p->side, p->rows - block_row * p->side);
    struct tile tile = {.block_row = block_row, .lane = lane};
    for (; tile.row + ROWS <= rows; tile.row += ROWS)
        product_tile(p, &tile, ROWS, vectors, transposed);
    switch (rows - tile.row) {
    case 3:
        product_tile(p, &tile, 3, vectors, transposed);
        break;
    case 2:
        product_tile(p, &tile, 2, vectors, transposed);
        break;
    case 1:
        product_tile(p, &tile, 1, vectors, transposed);
        break;
    default:
        break;
    }
}

static inline __attribute__((always_inline)) void
product(const struct sw_cpu_bsr_product *p, int64_t first, int64_t last, const int transposed) {
    for (int64_t block_row = first; block_row < last; block_row++) {
        int64_t lane = 0, left = p->ld / FLOATS;
        for (; left >= 3 && left != 4; left -= 3, lane += 3 * FLOATS)
            product_rows(p, block_row, lane, 3, transposed);
        for (; left >= 2; left -= 2, lane += 2 * FLOATS)
            product_rows(p, block_row, lane, 2, transposed);
        if (left == 1) product_rows(p, block_row, lane, 1, transposed);
    }
}

void sw_cpu_avx2_bsr_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_bsr_product *p = args;
    if (p->transposed)
        product(p, first, last, 1);
    else
        product(p, first, last, 0);
}

/* ---- dvalues = dy transpose(x), at the blocks ------------------------------------------------- */

/* Dot products of `rows` rows of dy, at most 3, with n rows of x, at most 4, over the whole batch. */
static inline __attribute__((always_inline)) void gradient_tile(const float *dy, const float *x,
                                                                int64_t ld, float *out,
                                                                int64_t width, const int rows,
                                                                const int n) {
    __m256 sum[3][4];
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            sum[i][k] = _mm256_setzero_ps();
    for (int64_t b = 0; b < ld; b += FLOATS) {
        __m256 d[3];
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++)
            d[i] = _mm256_loadu_ps(dy + i * ld + b);
#pragma GCC unroll 4
        for (int k = 0; k < n; k++) {
            __m256 in = _mm256_loadu_ps(x + k * ld + b);
#pragma GCC unroll 3
            for (int i = 0; i < rows; i++)
                sum[i][k] = _mm256_fmadd_ps(d[i], in, sum[i][k]);
        }
    }
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
        put_four(add_lanes(sum[i][0], sum[i][1], sum[i][2], sum[i][3]), out + i * width, 1, n);
}

/* `rows` rows of a block with n columns. */
static inline __attribute__((always_inline)) void gradient_rows(const float *dy, const float *x,
                                                                int64_t ld, float *out,
                                                                int64_t width, int64_t n,
                                                                const int rows) {
    int64_t k = 0;
    for (; k + 4 <= n; k += 4)
        gradient_tile(dy, x + k * ld, ld, out + k, width, rows, 4);
    switch (n - k) {
    case 3:
        gradient_tile(dy, x + k * ld, ld, out + k, width, rows, 3);
        break;
    case 2:
        gradient_tile(dy, x + k * ld, ld, out + k, width, rows, 2);
        break;
    case 1:
        gradient_tile(dy, x + k * ld, ld, out + k, width, rows, 1);
        break;
    default:
        break;
    }
}

void sw_cpu_avx2_bsr_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_bsr_gradient *p = args;
    for (int64_t block_row = first; block_row < last; block_row++) {
        int64_t rows = least(p->side, p->rows - block_row * p->side);
        const float *dy = p->dy + block_row * p->side * p->ld;
        for (int32_t t = p->start[block_row]; t < p->start[block_row + 1]; t++) {
            struct sw_bsr_block block = p->blocks[t];
            int64_t column = block.index * p->side, n = least(p->side, p->columns - column);
            const float *x = p->x + column * p->ld;
            float *out = p->dvalues + block.first;
            int64_t i = 0, left = rows;
            for (; left >= 3 && left != 4; left -= 3, i += 3)
                gradient_rows(dy + i * p->ld, x, p->ld, out + i * block.width, block.width, n, 3);
            for (; left >= 2; left -= 2, i += 2)
                gradient_rows(dy + i * p->ld, x, p->ld, out + i * block.width, block.width, n, 2);
            if (left == 1)
                gradient_rows(dy + i * p->ld, x, p->ld, out + i * block.width, block.width, n, 1);
        }
    }
}
