/* Sparse convolutions for AVX2 and FMA, forward and backward to the input. The sums of a tile of results
 * stay in registers while the taps of one channel of results in one block of input channels are added:
 * for each a weight in all lanes, and one multiplication for each pixel with operands from the nearest
 * cache. Visits come in runs of equal count, so that the processor foresees nearly every jump. */
#include "avx2_tiles.h"

#define CHUNK 4 /* taps at a time; their weights are one load */

INLINE __m256 spread(__m256 four, const int which) {
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

/* Add n taps, CHUNK or fewer, to the sums. `in` are the corners of the groups. */
INLINE void add_taps(__m256 *sum, const float *const *in, const uint16_t *offset,
                     const float *values, const int n, const int width, const int groups,
                     const int64_t step) {
    __m256 four = _mm256_setzero_ps();
    if (n == CHUNK) four = _mm256_broadcast_ps((const __m128 *) (const void *) values);
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
        const int64_t at = (int64_t) offset[k] * LANES;
        const __m256 value = n == CHUNK ? spread(four, k) : _mm256_broadcast_ss(values + k);
#pragma GCC unroll 8
        for (int i = 0; i < width * groups; i++)
            sum[i] = _mm256_fmadd_ps(value, _mm256_loadu_ps(in[i / width] + at + i % width * step),
                                     sum[i]);
    }
}

/* A run of visits whose count is a multiple of CHUNK plus `rest`. */
INLINE void do_run(const struct sw_cpu_tile_product *p, const struct sw_conv_visit *visits,
                   const struct tile *tile, int start, const int rest, const int width,
                   const int groups, const int64_t step) {
    const struct sw_cpu_tiles *t = &p->tiles;
    const int32_t run = visits->run, chunks = visits->count / CHUNK;
    const float *in[4] = {NULL};
#pragma GCC unroll 4
    for (int g = 0; g < groups; g++)
        in[g] = tile->in + group_at(g, t->in_row, t->in_samples);
    for (int32_t v = 0; v < run; v++) {
        float *out = tile->out + visits[v].row * t->out_plane;
        const uint16_t *offset = t->offset + visits[v].first;
        const float *values = p->values + visits[v].first;
        __m256 sum[VECTORS];
        fetch_tile(t, tile->out + visits[v + 1].row * t->out_plane, groups);
        fetch_ahead(tile->ahead + visits[v].ahead * LANES, t->in_pitch, t->ahead, step);
#pragma GCC unroll 8
        for (int i = 0; i < width * groups; i++)
            sum[i] = _mm256_setzero_ps();
        if (!start)
#pragma GCC unroll 8
            for (int i = 0; i < width * groups; i++)
                sum[i] = _mm256_loadu_ps(out + group_at(i / width, t->out_row, t->out_samples) +
                                         i % width * t->out_step);
        for (int32_t c = 0; c < chunks; c++, offset += CHUNK, values += CHUNK)
            add_taps(sum, in, offset, values, CHUNK, width, groups, step);
        add_taps(sum, in, offset, values, rest, width, groups, step);
#pragma GCC unroll 8
        for (int i = 0; i < width * groups; i++)
            _mm256_storeu_ps(out + group_at(i / width, t->out_row, t->out_samples) +
                                 i % width * t->out_step,
                             sum[i]);
    }
}

/* All blocks of one tile. */
INLINE void do_tile(const void *args, const struct tile *tile, const int width, const int groups,
                    const int64_t step) {
    const struct sw_cpu_tile_product *p = args;
    const struct sw_cpu_tiles *t = &p->tiles;
    struct tile at = *tile;
    for (int64_t b = 0; b < t->blocks; b++) {
        const struct sw_conv_visit *visits = t->visits + t->start[b];
        const struct sw_conv_visit *end = t->visits + t->start[b + 1];
        const int start = b == 0 && !p->add;
        for (; visits < end; visits += visits->run)
            switch (visits->count % CHUNK) {
            case 0:
                do_run(p, visits, &at, start, 0, width, groups, step);
                break;
            case 1:
                do_run(p, visits, &at, start, 1, width, groups, step);
                break;
            case 2:
                do_run(p, visits, &at, start, 2, width, groups, step);
                break;
            default:
                do_run(p, visits, &at, start, 3, width, groups, step);
            }
        at.in += t->block * t->in_plane;
        at.ahead += t->block * t->in_plane;
    }
}

DEFINE_SHAPES

void sw_cpu_avx2_tile_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_tile_product *p = args;
    const struct sw_cpu_tiles *t = &p->tiles;
    int64_t bands = sw_cpu_count_bands(t);
    for (int64_t unit = first; unit < last; unit++)
        walk_band(t, shapes, p, unit / bands * sw_cpu_samples_at_once(t), unit % bands);
}
