/* Gradients of the weights of sparse convolutions for AVX2 and FMA. The gradient of a tile of results stays
 * in registers while the taps of one channel of results in one block of input channels are gone through:
 * each adds its products to a vector of sums, one lane for each sample of a block. The sums of a chunk of
 * visits lie side by side near the processor until all tiles have been added. */
#include <string.h>

#include "avx2_tiles.h"

struct gradient {
    const struct sw_cpu_tile_gradient *p;
    const struct sw_conv_chunk *chunk;
    float *sums; /* [taps of the chunk, LANES] */
};

/* One visit: its taps' sums are `sums`. */
INLINE void add_visit(const struct sw_cpu_tiles *t, const struct sw_conv_visit *visit,
                      const struct tile *tile, float *sums, const int width, const int groups,
                      const int64_t step) {
    const float *dy = tile->out + visit->row * t->out_plane;
    const uint16_t *offset = t->offset + visit->first;
    const float *in[4] = {NULL};
    __m256 gradient[VECTORS];
    fetch_tile(t, tile->out + visit[1].row * t->out_plane, groups);
    fetch_ahead(tile->ahead + visit->ahead * LANES, t->in_pitch, t->ahead, step);
#pragma GCC unroll 4
    for (int g = 0; g < groups; g++)
        in[g] = tile->in + group_at(g, t->in_row, t->in_samples);
#pragma GCC unroll 8
    for (int i = 0; i < width * groups; i++)
        gradient[i] = _mm256_loadu_ps(dy + group_at(i / width, t->out_row, t->out_samples) +
                                      i % width * t->out_step);
    for (int32_t k = 0; k < visit->count; k++) {
        const int64_t at = (int64_t) offset[k] * LANES;
        __m256 sum = _mm256_load_ps(sums + k * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < width * groups; i++)
            sum = _mm256_fmadd_ps(gradient[i],
                                  _mm256_loadu_ps(in[i / width] + at + i % width * step), sum);
        _mm256_store_ps(sums + k * LANES, sum);
    }
}

INLINE void do_tile(const void *args, const struct tile *tile, const int width, const int groups,
                    const int64_t step) {
    const struct gradient *g = args;
    const struct sw_cpu_tiles *t = &g->p->tiles;
    const struct sw_conv_visit *visits = t->visits + g->chunk->first;
    const int64_t n = g->chunk->last - g->chunk->first, skip = g->chunk->block * t->block;
    const struct tile at = {.in = tile->in + skip * t->in_plane,
                            .ahead = tile->ahead + skip * t->in_plane,
                            .out = tile->out};
    for (int64_t v = 0; v < n; v++)
        add_visit(t, visits + v, &at, g->sums + (visits[v].first - visits->first) * LANES, width,
                  groups, step);
}

DEFINE_SHAPES

/* Sum of the lanes: halves, pairs of pairs, pairs. */
INLINE float add_lanes(__m256 v) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static void do_chunk(const struct sw_cpu_tile_gradient *p, const struct sw_conv_chunk *chunk) {
    _Alignas(64) float sums[SW_CONV_CHUNK * LANES];
    const struct sw_cpu_tiles *t = &p->tiles;
    const struct sw_conv_visit *last = t->visits + chunk->last - 1;
    const int64_t first = t->visits[chunk->first].first, n = last->first + last->count - first;
    const int64_t bands = sw_cpu_count_bands(t);
    struct gradient gradient = {.p = p, .chunk = chunk, .sums = sums};
    memset(sums, 0, (size_t) (n * LANES) * sizeof *sums);
    for (int64_t sample = 0; sample < t->samples; sample += sw_cpu_samples_at_once(t))
        for (int64_t band = 0; band < bands; band++)
            walk_band(t, shapes, &gradient, sample, band);
    for (int64_t k = 0; k < n; k++)
        p->dvalues[p->place[first + k]] = add_lanes(_mm256_load_ps(sums + k * LANES));
}

void sw_cpu_avx2_tile_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_tile_gradient *p = args;
    for (int64_t c = first; c < last; c++)
        do_chunk(p, p->chunk + c);
}
