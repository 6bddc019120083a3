/* Sparse products over blocked views, for AVX2 and FMA. The columns of a block are copied, 64 lanes at a
 * time, to where they lie side by side, and all rows then take what they need from there: mostly from
 * the nearest cache. Visits come in runs of equal count, and the loop over the last few places is
 * unrolled once for each remainder, so that the processor foresees nearly every jump. */
#include "avx2_lanes.h"

#define VECTORS 8 /* of the widest tile */
#define WIDEST (VECTORS * FLOATS)
#define CHUNK 8 /* places at a time */

/* Lanes column .. column + 8 V of the block's rows of `in`, side by side. */
static inline __attribute__((always_inline)) void pack(const float *in, int64_t ld, int64_t rows,
                                                       const int vectors, float *to) {
    for (int64_t r = 0; r < rows; r++, in += ld, to += vectors * FLOATS)
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            _mm256_store_ps(to + i * FLOATS, _mm256_loadu_ps(in + i * FLOATS));
}

/* The tile of a block: copied, or where it is when it is side by side already. */
static inline __attribute__((always_inline)) const float *
find_tile(const float *in, int64_t ld, int64_t rows, const int vectors, float *room) {
    if (ld == vectors * FLOATS) return in;
    pack(in, ld, rows, vectors, room);
    return room;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- out = W in ------------------------------------------------------------------------------ */

/* One of four values that are in both halves of a vector, in all its lanes. */
static inline __attribute__((always_inline)) __m256 spread(__m256 four, const int which) {
    switch (which) {
    case 0:
        return _mm256_permute_ps(four, 0x00);
    case 1:
        return _mm256_permute_ps(four, 0x55);
    case 2:
        return _mm256_permute_ps(four, 0xaa);
    default:
        return _mm256_permute_ps(four, 0xff);
    }
}

/* Add n places to the sums: place t to those of stream t % streams. Values are read four at a time,
 * as loads are what limits this loop. */
static inline __attribute__((always_inline)) void add_places(__m256 *sum, const float *tile,
                                                             const uint16_t *offset,
                                                             const float *values, const int n,
                                                             const int vectors, const int streams) {
#pragma GCC unroll 8
    for (int t = 0; t < n; t++) {
        const float *in = tile + (size_t) offset[t] * (size_t) (vectors * FLOATS);
        const int whole = t / 4 * 4 + 4 <= n;
        __m256 value = whole ? spread(_mm256_broadcast_ps(
                                          (const __m128 *) (const void *) (values + t / 4 * 4)),
                                      t % 4)
                             : _mm256_broadcast_ss(values + t);
        const int first = t % streams * vectors;
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            sum[first + i] = _mm256_fmadd_ps(value, _mm256_loadu_ps(in + i * FLOATS),
                                             sum[first + i]);
    }
}

/* A run of visits whose count is a multiple of CHUNK plus `rest`. Narrow tiles add in `streams`
 * independent sums, as one chain of additions would wait for its own results. */
static inline __attribute__((always_inline)) void
run_product(const struct sw_cpu_blocked_product *p, const struct sw_visit *visits,
            const float *tile, int64_t lane, int start, const int rest, const int vectors,
            const int streams) {
    const int32_t run = visits->run, chunks = visits->count / CHUNK;
    for (int32_t v = 0; v < run; v++) {
        float *out = p->out + visits[v].row * p->ld + lane;
        const uint16_t *offset = p->offset + visits[v].first;
        const float *values = p->values + visits[v].first;
        __m256 sum[VECTORS];
#pragma GCC unroll 8
        for (int i = 0; i < vectors * streams; i++)
            sum[i] = _mm256_setzero_ps();
        if (!start)
#pragma GCC unroll 8
            for (int i = 0; i < vectors; i++)
                sum[i] = _mm256_loadu_ps(out + i * FLOATS);
        for (int32_t c = 0; c < chunks; c++, offset += CHUNK, values += CHUNK)
            add_places(sum, tile, offset, values, CHUNK, vectors, streams);
        add_places(sum, tile, offset, values, rest, vectors, streams);
#pragma GCC unroll 8
        for (int half = streams / 2; half > 0; half /= 2)
#pragma GCC unroll 8
            for (int i = 0; i < half * vectors; i++)
                sum[i] = _mm256_add_ps(sum[i], sum[i + half * vectors]);
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            _mm256_storeu_ps(out + i * FLOATS, sum[i]);
    }
}

#define PRODUCT_CASE(rest)                                                                         \
    case rest:                                                                                     \
        run_product(p, at, tile, lane, start, rest, vectors, streams);                             \
        break;

/* All rows first .. last of one block and one tile. */
static inline __attribute__((always_inline)) void
product_block(const struct sw_cpu_blocked_product *p, const struct sw_visit *at,
              const struct sw_visit *end, const float *tile, int64_t lane, int start,
              const int vectors, const int streams) {
    for (; at < end; at += at->run)
        switch (at->count % CHUNK) {
            PRODUCT_CASE(0)
            PRODUCT_CASE(1)
            PRODUCT_CASE(2)
            PRODUCT_CASE(3)
            PRODUCT_CASE(4)
            PRODUCT_CASE(5)
            PRODUCT_CASE(6)
            PRODUCT_CASE(7)
        }
}

static inline __attribute__((always_inline)) void
product_tile(const struct sw_cpu_blocked_product *p, int64_t first, int64_t last, int64_t lane,
             const int vectors, const int streams) {
    _Alignas(64) float room[SW_SPARSE_BLOCK * WIDEST];
    const struct sw_visit *visits = p->visits;
    for (int64_t column = 0; column < p->columns; column += p->block, visits += p->rows) {
        const float *tile = find_tile(p->in + column * p->ld + lane, p->ld,
                                      least(p->block, p->columns - column), vectors, room);
        product_block(p, visits + first, visits + last, tile, lane, column == 0, vectors, streams);
    }
}

void sw_cpu_avx2_blocked_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_blocked_product *p = args;
    int64_t lane = 0;
    for (; lane + 64 <= p->ld; lane += 64)
        product_tile(p, first, last, lane, 8, 1);
    for (; lane + 32 <= p->ld; lane += 32)
        product_tile(p, first, last, lane, 4, 2);
    for (; lane + 16 <= p->ld; lane += 16)
        product_tile(p, first, last, lane, 2, 4);
    for (; lane < p->ld; lane += FLOATS)
        product_tile(p, first, last, lane, 1, 4);
}

/* ---- dvalues = dy transpose(x), at the nonzeros ---------------------------------------------- */

/* Dot products of the row in `dy` with n columns of the tile, n at most four. The first tile of the
 * batch sets them, the others add to them. */
static inline __attribute__((always_inline)) void add_dots(const __m256 *dy, const float *tile,
                                                           const uint16_t *offset, float *out,
                                                           int start, const int n,
                                                           const int vectors) {
    __m256 sum[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const float *x = tile + (size_t) offset[k < n ? k : 0] * (size_t) (vectors * FLOATS);
        sum[k] = k < n ? _mm256_mul_ps(dy[0], _mm256_loadu_ps(x)) : _mm256_setzero_ps();
#pragma GCC unroll 8
        for (int i = 1; i < vectors && k < n; i++)
            sum[k] = _mm256_fmadd_ps(dy[i], _mm256_loadu_ps(x + i * FLOATS), sum[k]);
    }
    put_four(add_lanes(sum[0], sum[1], sum[2], sum[3]), out, start, n);
}

static inline __attribute__((always_inline)) void
run_gradient(const struct sw_cpu_blocked_gradient *p, const struct sw_visit *visits,
             const float *tile, int64_t lane, const int rest, const int vectors) {
    const int32_t run = visits->run, fours = visits->count / 4;
    for (int32_t v = 0; v < run; v++) {
        const float *row = p->dy + visits[v].row * p->ld + lane;
        const uint16_t *offset = p->offset + visits[v].first;
        float *out = p->dvalues + visits[v].first;
        __m256 dy[VECTORS];
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            dy[i] = _mm256_loadu_ps(row + i * FLOATS);
        for (int32_t k = 0; k < fours; k++, offset += 4, out += 4)
            add_dots(dy, tile, offset, out, lane == 0, 4, vectors);
        if (rest > 0) add_dots(dy, tile, offset, out, lane == 0, rest, vectors);
    }
}

static inline __attribute__((always_inline)) void
gradient_tile(const struct sw_cpu_blocked_gradient *p, int64_t first, int64_t last, int64_t lane,
              const int vectors) {
    _Alignas(64) float room[SW_SPARSE_BLOCK * WIDEST];
    const struct sw_visit *visits = p->visits;
    for (int64_t column = 0; column < p->columns; column += p->block, visits += p->rows) {
        const float *tile = find_tile(p->x + column * p->ld + lane, p->ld,
                                      least(p->block, p->columns - column), vectors, room);
        for (const struct sw_visit *at = visits + first; at < visits + last; at += at->run)
            switch (at->count % 4) {
            case 0:
                run_gradient(p, at, tile, lane, 0, vectors);
                break;
            case 1:
                run_gradient(p, at, tile, lane, 1, vectors);
                break;
            case 2:
                run_gradient(p, at, tile, lane, 2, vectors);
                break;
            default:
                run_gradient(p, at, tile, lane, 3, vectors);
            }
    }
}

void sw_cpu_avx2_blocked_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_blocked_gradient *p = args;
    int64_t lane = 0;
    for (; lane + 64 <= p->ld; lane += 64)
        gradient_tile(p, first, last, lane, 8);
    for (; lane + 32 <= p->ld; lane += 32)
        gradient_tile(p, first, last, lane, 4);
    for (; lane + 16 <= p->ld; lane += 16)
        gradient_tile(p, first, last, lane, 2);
    for (; lane < p->ld; lane += FLOATS)
        gradient_tile(p, first, last, lane, 1);
}
