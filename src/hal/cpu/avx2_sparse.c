/* Sparse products for AVX2 and FMA. Activations are batch-innermost, so one nonzero multiplies a
 * contiguous run of the batch: a tile of it stays in registers while a row's nonzeros go by. */
#include <immintrin.h>

#include "cpu.h"

#define FLOATS 8 /* of a vector */

/* ---- out = W in ------------------------------------------------------------------------------ */

/* One row of one tile of `vectors` vectors. Narrow tiles take `streams` nonzeros at a time, as one
 * chain of additions would wait for its own results; their sums are added in pairs at the end. */
static inline __attribute__((always_inline)) void
product_tile(const struct sw_cpu_sparse_product *p, int64_t row, int64_t column, const int vectors,
             const int streams, const int placed) {
    __m256 sum[8];
    const float *in = p->in + column;
#pragma GCC unroll 8
    for (int i = 0; i < vectors * streams; i++)
        sum[i] = _mm256_setzero_ps();
    int32_t t = p->start[row];
    const int32_t end = p->start[row + 1];
    for (; t + streams <= end; t += streams) {
#pragma GCC unroll 8
        for (int s = 0; s < streams; s++) {
            const float *from = in + p->index[t + s] * p->ld;
            __m256 value = _mm256_broadcast_ss(p->values + (placed ? p->place[t + s] : t + s));
#pragma GCC unroll 8
            for (int i = 0; i < vectors; i++)
                sum[s * vectors + i] = _mm256_fmadd_ps(value, _mm256_loadu_ps(from + i * FLOATS),
                                                       sum[s * vectors + i]);
        }
    }
    for (; t < end; t++) {
        const float *from = in + p->index[t] * p->ld;
        __m256 value = _mm256_broadcast_ss(p->values + (placed ? p->place[t] : t));
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            sum[i] = _mm256_fmadd_ps(value, _mm256_loadu_ps(from + i * FLOATS), sum[i]);
    }
    float *out = p->out + row * p->ld + column;
#pragma GCC unroll 8
    for (int half = streams / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half * vectors; i++)
            sum[i] = _mm256_add_ps(sum[i], sum[i + half * vectors]);
#pragma GCC unroll 8
    for (int i = 0; i < vectors; i++)
        _mm256_storeu_ps(out + i * FLOATS, sum[i]);
}

/* One row, tile after tile. Rows come before tiles: with the tiles outside, the rows of `in` would be
 * visited at a stride that is a power of two for usual batches, and use half of each cache. */
static inline __attribute__((always_inline)) void product_row(const struct sw_cpu_sparse_product *p,
                                                              int64_t row, const int placed) {
    int64_t column = 0;
    for (; column + 64 <= p->ld; column += 64)
        product_tile(p, row, column, 8, 1, placed);
    for (; column + 32 <= p->ld; column += 32)
        product_tile(p, row, column, 4, 2, placed);
    for (; column + 16 <= p->ld; column += 16)
        product_tile(p, row, column, 2, 4, placed);
    for (; column < p->ld; column += FLOATS)
        product_tile(p, row, column, 1, 4, placed);
}

void sw_cpu_avx2_sparse_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_product *p = args;
    if (p->place == NULL)
        for (int64_t row = first; row < last; row++)
            product_row(p, row, 0);
    else
        for (int64_t row = first; row < last; row++)
            product_row(p, row, 1);
}

/* ---- dvalues = dy transpose(x), at the nonzeros ---------------------------------------------- */

/* Dot products of one row of dy with eight rows of x, over the whole batch. */
static inline __m256 eight_dots(const float *dy, const float *const x[FLOATS], int64_t ld) {
    __m256 sum[FLOATS];
#pragma GCC unroll 8
    for (int i = 0; i < FLOATS; i++)
        sum[i] = _mm256_setzero_ps();
    for (int64_t b = 0; b < ld; b += FLOATS) {
        __m256 shared = _mm256_loadu_ps(dy + b);
#pragma GCC unroll 8
        for (int i = 0; i < FLOATS; i++)
            sum[i] = _mm256_fmadd_ps(shared, _mm256_loadu_ps(x[i] + b), sum[i]);
    }
    /* Add the lanes of all eight at once: pairs, pairs of pairs, then the two halves. */
    __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(sum[0], sum[1]), _mm256_hadd_ps(sum[2], sum[3]));
    __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(sum[4], sum[5]), _mm256_hadd_ps(sum[6], sum[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                         _mm256_permute2f128_ps(low, high, 0x31));
}

/* Gradients of nonzeros k .. k + n of a row, n at most eight. Missing ones repeat the first. */
static inline __attribute__((always_inline)) __m256
eight_gradients(const struct sw_cpu_sparse_gradient *p, const float *dy, int32_t k, int32_t n) {
    const float *x[FLOATS];
#pragma GCC unroll 8
    for (int i = 0; i < FLOATS; i++)
        x[i] = p->x + p->column[i < n ? k + i : k] * p->ld;
    return eight_dots(dy, x, p->ld);
}

void sw_cpu_avx2_sparse_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_gradient *p = args;
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int64_t row = first; row < last; row++) {
        const float *dy = p->dy + row * p->ld;
        int32_t k = p->row_start[row];
        const int32_t end = p->row_start[row + 1];
        for (; k + FLOATS <= end; k += FLOATS)
            _mm256_storeu_ps(p->dvalues + k, eight_gradients(p, dy, k, FLOATS));
        if (k == end) continue;
        __m256i kept = _mm256_cmpgt_epi32(_mm256_set1_epi32(end - k), lanes);
        _mm256_maskstore_ps(p->dvalues + k, kept, eight_gradients(p, dy, k, end - k));
    }
}
