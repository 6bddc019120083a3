/* Sparse convolutions for AVX2 and FMA, forward and backward to the input. The sums of a tile of results
 * stay in registers while the taps of one channel of results in one block of input channels are added:
 * for each a weight in all lanes, and one multiplication for each pixel with operands from the nearest
 * cache. Visits are sorted by count, so that the processor foresees nearly every jump. */
#include <math.h>

#include "avx2_lanes.h"
#include "avx2_tiles.h"

#define CHUNK 4 /* taps at a time; their weights are one load */

/* Add n taps, CHUNK or fewer, to the sums. `in` are the corners of the groups. */
INLINE void add_taps(__m256 *sum, const float *const *in, const uint16_t *offset,
                     const float *values, const int n, const struct shape s) {
    __m256 four = _mm256_setzero_ps();
    if (n == CHUNK) four = _mm256_broadcast_ps((const __m128 *) (const void *) values);
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
        const int64_t at = (int64_t) offset[k] * LANES;
        const __m256 value = n == CHUNK ? spread(four, k) : _mm256_broadcast_ss(values + k);
#pragma GCC unroll 8
        for (int i = 0; i < s.width * s.groups; i++)
            sum[i] = _mm256_fmadd_ps(
                value, _mm256_loadu_ps(in[i / s.width] + at + i % s.width * s.step), sum[i]);
    }
}

/* What is done to sums at last: a bias for each channel (NULL: nothing is done), a limit from below. */
struct ending {
    const float *bias;
    float floor;
};

/* The taps of one visit and one tile. */
INLINE void do_visit(const struct sw_cpu_tiles *t, const float *values,
                     const struct sw_conv_visit *visit, const float *const *in, float *out,
                     int start, const struct ending *ending, const struct shape s) {
    const uint16_t *offset = t->offset + visit->first;
    __m256 sum[VECTORS];
    values += visit->first;
#pragma GCC unroll 8
    for (int i = 0; i < s.width * s.groups; i++)
        sum[i] = _mm256_setzero_ps();
    if (!start)
#pragma GCC unroll 8
        for (int i = 0; i < s.width * s.groups; i++)
            sum[i] = _mm256_loadu_ps(out + group_at(i / s.width, t->out_row, t->out_samples) +
                                     i % s.width * s.out_step);
    for (int32_t c = visit->count / CHUNK; c > 0; c--, offset += CHUNK, values += CHUNK)
        add_taps(sum, in, offset, values, CHUNK, s);
    if ((visit->count & 2) != 0) {
        add_taps(sum, in, offset, values, 2, s);
        offset += 2;
        values += 2;
    }
    if ((visit->count & 1) != 0) add_taps(sum, in, offset, values, 1, s);
    if (ending != NULL) {
        const __m256 bias = _mm256_broadcast_ss(ending->bias + visit->row);
        const __m256 floor = _mm256_broadcast_ss(&ending->floor);
#pragma GCC unroll 8
        for (int i = 0; i < s.width * s.groups; i++)
            sum[i] = _mm256_max_ps(floor, _mm256_add_ps(sum[i], bias)); /* lets NaN through */
    }
#pragma GCC unroll 8
    for (int i = 0; i < s.width * s.groups; i++)
        _mm256_storeu_ps(out + group_at(i / s.width, t->out_row, t->out_samples) +
                             i % s.width * s.out_step,
                         sum[i]);
}

/* What the kernel of one tile is told. */
struct product {
    const struct sw_cpu_tiles *part;
    const float *values;
    int add;
    struct ending ending;
};

/* Visits up to `end` of one block; they set the sums when `start` is not 0, or add to them. */
INLINE void do_visits(const struct sw_cpu_tiles *t, const float *values,
                      const struct sw_conv_visit *visit, const struct sw_conv_visit *end,
                      const struct tile *tile, int start, const struct ending *ending,
                      const struct shape s) {
    for (; visit < end; visit++) {
        float *out = tile->out + visit->row * t->out_plane;
        const float *ahead = tile->ahead + visit->ahead * LANES, *corner = tile->in;
        fetch_tile(t, tile->out + visit[1].row * t->out_plane, s.groups);
        for (int64_t n = 0; n < tile->count; n++) {
            const float *in[4] = {NULL};
#pragma GCC unroll 4
            for (int g = 0; g < s.groups; g++)
                in[g] = corner + group_at(g, t->in_row, t->in_samples);
            fetch_ahead(ahead, t->in_pitch, t->ahead, s.step);
            do_visit(t, values, visit, in, out, start, ending, s);
            corner += s.width * s.step;
            ahead += s.width * s.step;
            out += s.width * s.out_step;
        }
    }
}

/* All blocks of one tile. */
INLINE void do_tile(const void *args, const struct tile *tile, const struct shape s) {
    const struct product *p = args;
    const struct sw_cpu_tiles t = *p->part; /* nothing that is stored can change a copy */
    struct tile at = *tile;
    for (int64_t b = 0; b < t.blocks; b++) {
        const struct sw_conv_visit *visit = t.visits + t.start[b], *end = t.visits + t.start[b + 1];
        const int start = b == 0 && !p->add;
        if (b == t.blocks - 1 && p->ending.bias != NULL)
            do_visits(&t, p->values, visit, end, &at, start, &p->ending, s);
        else
            do_visits(&t, p->values, visit, end, &at, start, NULL, s);
        at.in += t.block * t.in_plane;
        at.ahead += t.block * t.in_plane;
    }
}

DEFINE_SHAPES

/* Part of a unit: one band of one part, from column x on. */
static void do_part(const struct product *product, int64_t sample, int64_t samples, int64_t band,
                    int64_t x) {
    const struct sw_cpu_tiles *t = product->part;
    const int64_t width = t->width - x < t->span * TILE_WIDTH ? t->width - x : t->span * TILE_WIDTH;
    if (band >= sw_cpu_count_bands(t)) return;
    walk_samples(t, shapes, product, sample, samples, band, x, width);
}

void sw_cpu_avx2_tile_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_tile_product *p = args;
    const struct sw_cpu_tiles *t = p->parts;
    const struct ending ending = {p->bias, p->relu ? 0.0f : -INFINITY};
    const int64_t bands = sw_cpu_count_bands(t), at_once = sw_cpu_samples_at_once(t);
    for (int64_t unit = first; unit < last; unit++) {
        int64_t sample = unit / bands * at_once;
        int64_t samples = t->samples - sample < at_once ? t->samples - sample : at_once;
        for (int64_t x = 0; x < t->width; x += t->span * TILE_WIDTH)
            for (int64_t i = 0; i < p->n_parts; i++)
                do_part(&(struct product){t + i, p->values, p->add, ending}, sample, samples,
                        unit % bands, x);
    }
}
