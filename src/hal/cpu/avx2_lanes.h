/* What the kernels for AVX2 do with the lanes of a vector. */
#pragma once

#include <immintrin.h>

#include "cpu.h"

#define FLOATS 8 /* of a vector */

/* Sums of the lanes of four vectors. Shuffles and additions: horizontal additions are three of these each. */
static inline __m128 add_lanes(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    __m256 all = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

/* Write, or unless `start` add, the first n of four numbers. Masked stores take many cycles on AMD's
 * processors. */
static inline __attribute__((always_inline)) void put_four(__m128 four, float *out, int start,
                                                           const int n) {
    if (n == 4) {
        _mm_storeu_ps(out, start ? four : _mm_add_ps(four, _mm_loadu_ps(out)));
        return;
    }
    float numbers[4];
    _mm_storeu_ps(numbers, four);
#pragma GCC unroll 3
    for (int i = 0; i < n; i++)
        out[i] = start ? numbers[i] : out[i] + numbers[i];
}
