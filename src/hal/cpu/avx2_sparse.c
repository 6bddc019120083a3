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

/* All rows of the range for each tile in turn: the tile of `in` stays in the cache. */
static inline __attribute__((always_inline)) void
product_rows(const struct sw_cpu_sparse_product *p, int64_t first, int64_t last, const int placed) {
    int64_t column = 0;
    for (; column + 64 <= p->ld; column += 64)
        for (int64_t row = first; row < last; row++)
            product_tile(p, row, column, 8, 1, placed);
    for (; column + 32 <= p->ld; column += 32)
        for (int64_t row = first; row < last; row++)
            product_tile(p, row, column, 4, 2, placed);
    for (; column + 16 <= p->ld; column += 16)
        for (int64_t row = first; row < last; row++)
            product_tile(p, row, column, 2, 4, placed);
    for (; column < p->ld; column += FLOATS)
        for (int64_t row = first; row < last; row++)
            product_tile(p, row, column, 1, 4, placed);
}

void sw_cpu_avx2_sparse_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_product *p = args;
    if (p->place == NULL)
        product_rows(p, first, last, 0);
    else
        product_rows(p, first, last, 1);
}

/* ---- dvalues = dy transpose(x), at the nonzeros ---------------------------------------------- */

#define DOTS 4 /* nonzeros of a row at a time */

/* The sums of the lanes of four vectors. */
static inline __m128 add_lanes(const __m256 v[DOTS]) {
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

/* Dot products of one row of dy with four rows of x, over the whole batch. */
static inline __m128 four_dots(const float *dy, const float *const x[DOTS], int64_t ld) {
    __m256 even[DOTS];
    __m256 odd[DOTS];
#pragma GCC unroll 4
    for (int i = 0; i < DOTS; i++)
        even[i] = odd[i] = _mm256_setzero_ps();
    int64_t b = 0;
    for (; b + 2 * FLOATS <= ld; b += 2 * FLOATS) {
        __m256 dy_even = _mm256_loadu_ps(dy + b);
        __m256 dy_odd = _mm256_loadu_ps(dy + b + FLOATS);
#pragma GCC unroll 4
        for (int i = 0; i < DOTS; i++) {
            even[i] = _mm256_fmadd_ps(dy_even, _mm256_loadu_ps(x[i] + b), even[i]);
            odd[i] = _mm256_fmadd_ps(dy_odd, _mm256_loadu_ps(x[i] + b + FLOATS), odd[i]);
        }
    }
    if (b < ld) {
        __m256 last = _mm256_loadu_ps(dy + b);
#pragma GCC unroll 4
        for (int i = 0; i < DOTS; i++)
            even[i] = _mm256_fmadd_ps(last, _mm256_loadu_ps(x[i] + b), even[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < DOTS; i++)
        even[i] = _mm256_add_ps(even[i], odd[i]);
    return add_lanes(even);
}

void sw_cpu_avx2_sparse_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_gradient *p = args;
    for (int64_t row = first; row < last; row++) {
        const float *dy = p->dy + row * p->ld;
        const int32_t end = p->row_start[row + 1];
        for (int32_t k = p->row_start[row]; k < end; k += DOTS) {
            const float *x[DOTS];
            int32_t n = end - k < DOTS ? end - k : DOTS;
            /* Fewer than four are filled up with the first one; its extra sums are dropped. */
            for (int i = 0; i < DOTS; i++)
                x[i] = p->x + p->column[i < n ? k + i : k] * p->ld;
            __m128 sums = four_dots(dy, x, p->ld);
            __m128i keep = _mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3));
            _mm_maskstore_ps(p->dvalues + k, keep, sums);
        }
    }
}
