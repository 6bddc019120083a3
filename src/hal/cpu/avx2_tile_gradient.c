/* Gradients of the weights of sparse convolutions for AVX2 and FMA. The gradient of a tile of results stays
 * in registers while the taps of one channel of results in one block of input channels are gone through,
 * four at a time: each is the sum of its products with what it reads. */
#include <string.h>

#include "avx2_lanes.h"
#include "avx2_tiles.h"

#define CHUNK 4 /* taps at a time: their sums are one vector of four */

/* Some chunks of taps. */
struct gradient {
    const struct sw_cpu_tile_gradient *p;
    const struct sw_conv_chunk *chunk, *end;
};

/* Lane by lane, the sum of a tile's gradients times what the tap at `at` reads. */
INLINE __m256 multiply(const __m256 *dy, const float *const *in, int64_t at, const struct shape s) {
    __m256 sum = _mm256_mul_ps(dy[0], _mm256_loadu_ps(in[0] + at));
    for (int i = 1; i < s.width * s.groups; i++)
        sum = _mm256_fmadd_ps(dy[i], _mm256_loadu_ps(in[i / s.width] + at + i % s.width * s.step),
                              sum);
    return sum;
}

/* Add a tile's part to the sums of n taps, CHUNK or fewer. `in` are the corners of the groups. */
INLINE void add_taps(const __m256 *dy, const float *const *in, const uint16_t *offset, float *sums,
                     const int n, const struct shape s) {
    __m256 sum[CHUNK];
#pragma GCC unroll 4
    for (int k = 0; k < CHUNK; k++)
        sum[k] = k < n ? multiply(dy, in, (int64_t) offset[k < n ? k : 0] * LANES, s)
                       : _mm256_setzero_ps();
    put_four(add_lanes(sum[0], sum[1], sum[2], sum[3]), sums, 0, n);
}

/* The taps of one visit and one tile. */
INLINE void do_visit(const struct sw_cpu_tiles *t, const struct sw_conv_visit *visit,
                     const float *const *in, const float *out, float *sums, const struct shape s) {
    const uint16_t *offset = t->offset + visit->first;
    __m256 dy[VECTORS];
    sums += visit->first;
#pragma GCC unroll 8
    for (int i = 0; i < s.width * s.groups; i++)
        dy[i] = _mm256_loadu_ps(out + group_at(i / s.width, t->out_row, t->out_samples) +
                                i % s.width * s.out_step);
    for (int32_t c = visit->count / CHUNK; c > 0; c--, offset += CHUNK, sums += CHUNK)
        add_taps(dy, in, offset, sums, CHUNK, s);
    switch (visit->count % CHUNK) {
    case 1:
        add_taps(dy, in, offset, sums, 1, s);
        break;
    case 2:
        add_taps(dy, in, offset, sums, 2, s);
        break;
    case 3:
        add_taps(dy, in, offset, sums, 3, s);
        break;
    default:;
    }
}

/* Visits up to `end` of one block. */
INLINE void do_visits(const struct sw_cpu_tiles *t, float *sums, const struct sw_conv_visit *visit,
                      const struct sw_conv_visit *end, const struct tile *tile,
                      const struct shape s) {
    for (; visit < end; visit++) {
        const float *ahead = tile->ahead + visit->ahead * LANES, *corner = tile->in;
        fetch_tile(t, tile->out + visit[1].row * t->out_plane, s.groups);
        for (int64_t n = 0, at = visit->row * t->out_plane; n < tile->count; n++) {
            const float *in[4] = {NULL};
#pragma GCC unroll 4
            for (int g = 0; g < s.groups; g++)
                in[g] = corner + group_at(g, t->in_row, t->in_samples);
            fetch_ahead(ahead, t->in_pitch, t->ahead, s.step);
            fetch_tile(t, tile->below + at, s.groups);
            do_visit(t, visit, in, tile->out + at, sums, s);
            corner += s.width * s.step;
            ahead += s.width * s.step;
            at += s.width * s.out_step;
        }
    }
}

/* All chunks of one tile. */
INLINE void do_tile(const void *args, const struct tile *tile, const struct shape s) {
    const struct gradient *g = args;
    const struct sw_cpu_tiles t = g->p->tiles; /* nothing that is stored can change a copy */
    for (const struct sw_conv_chunk *chunk = g->chunk; chunk < g->end; chunk++) {
        struct tile at = *tile;
        at.in += chunk->block * t.block * t.in_plane;
        at.ahead += chunk->block * t.block * t.in_plane;
        do_visits(&t, g->p->sums, t.visits + chunk->first, t.visits + chunk->last, &at, s);
    }
}

DEFINE_SHAPES

void sw_cpu_avx2_tile_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_tile_gradient *p = args;
    const struct sw_cpu_tiles *t = &p->tiles;
    const struct gradient g = {.p = p, .chunk = p->chunk + first, .end = p->chunk + last};
    const struct sw_conv_visit *visit = t->visits + g.end[-1].last - 1;
    const int64_t start = t->visits[g.chunk->first].first, end = visit->first + visit->count;
    const int64_t bands = sw_cpu_count_bands(t), at_once = sw_cpu_samples_at_once(t);
    if (start < end) memset(p->sums + start, 0, (size_t) (end - start) * sizeof *p->sums);
    for (int64_t sample = 0; sample < t->samples; sample += at_once)
        for (int64_t band = 0; band < bands; band++)
            walk_samples(t, shapes, &g, sample,
                         t->samples - sample < at_once ? t->samples - sample : at_once, band, 0,
                         t->width);
    for (int64_t k = start; k < end; k++)
        p->dvalues[p->place[k]] = p->sums[k];
}
