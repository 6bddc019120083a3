/* Gathering a batch with AVX2: eight features of eight samples are transposed as bytes in registers,
 * so that x is written in whole vectors and every line of it is finished while it is near. */
#include <immintrin.h>
#include <math.h>

#include "cpu.h"

#define SIDE 8
#define NEAR 32 /* features whose part of x stays in the nearest cache */

/* A table whose entries are pixel / divisor, correctly rounded. Those of data.normalize's unit and
 * none are; what they give is computed faster than looked up. */
struct ratio {
    __m256 divisor, inverse;
};

/* The quotient of two small integers, correctly rounded: an estimate and one correction. */
static inline __m256 divide(__m256 pixels, struct ratio ratio) {
    __m256 quotient = _mm256_mul_ps(pixels, ratio.inverse);
    __m256 rest = _mm256_fnmadd_ps(quotient, ratio.divisor, pixels);
    return _mm256_fmadd_ps(rest, ratio.inverse, quotient);
}

/* Whether `divide` gives all 256 entries, bit for bit. */
static int find_ratio(const float *table, struct ratio *ratio) {
    ratio->inverse = _mm256_set1_ps(table[1]);
    ratio->divisor = _mm256_set1_ps(rintf(1.0f / table[1]));
    __m256i differences = _mm256_setzero_si256();
    __m256 pixels = _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7);
    for (int i = 0; i < 256; i += SIDE) {
        __m256i entries = _mm256_loadu_si256((const __m256i *) (const void *) (table + i));
        __m256i found = _mm256_castps_si256(divide(pixels, *ratio));
        differences = _mm256_or_si256(differences, _mm256_xor_si256(entries, found));
        pixels = _mm256_add_ps(pixels, _mm256_set1_ps(SIDE));
    }
    return _mm256_testz_si256(differences, differences);
}

/* Where the samples b .. b + 8 begin, and which of them exist: padding repeats one that does. */
struct octet {
    const uint8_t *from[SIDE];
    __m256 exists;
};

static inline struct octet find_octet(const struct sw_cpu_gather *p, int64_t b) {
    struct octet octet;
    int64_t real = p->batch - b;
    for (int64_t i = 0; i < SIDE; i++)
        octet.from[i] = p->images + (int64_t) p->index[i < real ? b + i : b] * p->features;
    __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i limit = _mm256_set1_epi32(real < SIDE ? (int) real : SIDE);
    octet.exists = _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, lanes));
    return octet;
}

static inline __m128i load_eight(const uint8_t *from) {
    return _mm_loadl_epi64((const __m128i *) (const void *) from);
}

/* Bytes of features f .. f + 8: two features of eight samples in each of rows[4]. */
static inline void transpose_bytes(const struct octet *octet, int64_t f, __m128i rows[4]) {
    __m128i pair[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        pair[i] = _mm_unpacklo_epi8(load_eight(octet->from[2 * i] + f),
                                    load_eight(octet->from[2 * i + 1] + f));
    __m128i low01 = _mm_unpacklo_epi16(pair[0], pair[1]);
    __m128i low23 = _mm_unpacklo_epi16(pair[2], pair[3]);
    __m128i high01 = _mm_unpackhi_epi16(pair[0], pair[1]);
    __m128i high23 = _mm_unpackhi_epi16(pair[2], pair[3]);
    rows[0] = _mm_unpacklo_epi32(low01, low23);
    rows[1] = _mm_unpackhi_epi32(low01, low23);
    rows[2] = _mm_unpacklo_epi32(high01, high23);
    rows[3] = _mm_unpackhi_epi32(high01, high23);
}

static inline void store_quotients(__m128i bytes, struct ratio ratio, __m256 exists, float *to) {
    __m256 pixels = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    _mm256_storeu_ps(to, _mm256_and_ps(divide(pixels, ratio), exists));
}

/* Features first .. last, a multiple of eight of them. */
static void gather_quotients(const struct sw_cpu_gather *p, struct ratio ratio, int64_t first,
                             int64_t last) {
    for (int64_t b = 0; b < p->ld; b += SIDE) {
        struct octet octet = find_octet(p, b);
        float *to = p->x + first * p->ld + b;
        for (int64_t f = first; f < last; f += SIDE) {
            __m128i rows[4];
            transpose_bytes(&octet, f, rows);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++, to += 2 * p->ld) {
                store_quotients(rows[i], ratio, octet.exists, to);
                store_quotients(_mm_srli_si128(rows[i], 8), ratio, octet.exists, to + p->ld);
            }
        }
    }
}

/* How many of n features come next: whole octets, at most NEAR. */
static int64_t whole_octets(int64_t n) {
    return (n < NEAR ? n : NEAR) / SIDE * SIDE;
}

void sw_cpu_avx2_gather(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_gather *p = args;
    while (first < last) {
        int64_t plane = first / p->plane;
        int64_t end = (plane + 1) * p->plane < last ? (plane + 1) * p->plane : last;
        struct ratio ratio;
        if (find_ratio(p->table + plane * 256, &ratio))
            for (int64_t n; (n = whole_octets(end - first)) > 0; first += n)
                gather_quotients(p, ratio, first, first + n);
        sw_cpu_ref_gather(p, first, end); /* other tables, and what is left */
        first = end;
    }
}
