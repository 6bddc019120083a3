/* Gradients of dense weights for AVX2 and FMA: a tile of 4 channels of outputs by 3 taps stays in registers;
 * per output pixel 4 gradients and 3 inputs are loaded for 12 FMAs, and lanes are added in the end. The
 * outputs go in parts whose gradients stay in the nearest cache while all taps pass, and the taps in parts
 * whose inputs stay in the second one. */
#include <immintrin.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES
#define ROWS 4              /* channels of outputs in a tile */
#define TAPS 3              /* in a tile */
#define TAP_LIST 96         /* taps whose part of the input stays in the second cache */
#define GRADIENT_PIXELS 128 /* of a tile, whose gradients stay in the nearest cache */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

struct pixel {
    int64_t dy, x;
};

/* Some taps and some outputs: their places in x and in dy add up to those of what they multiply. */
struct gradient_part {
    int64_t tap, n;
    int64_t place[TAP_LIST]; /* of a tap for the first output of block 0 */
    int64_t pixel, n_pixels;
    struct pixel at[GRADIENT_PIXELS];
};

static void fill_places(const struct sw_conv *c, struct gradient_part *part) {
    const int64_t area = c->kernel * c->kernel;
    for (int64_t t = 0; t < part->n; t++) {
        int64_t k = (part->tap + t) % area;
        part->place[t] = sw_cpu_row(&c->in, (part->tap + t) / area, k / c->kernel - c->padding) +
                         (k % c->kernel - c->padding) * LANES;
    }
}

/* Outputs from number part->pixel on, counted block by block in reading order. */
static void fill_pixels(const struct sw_conv *c, struct gradient_part *part) {
    int64_t row = part->pixel / c->out.width, ox = part->pixel % c->out.width;
    for (int64_t i = 0; i < part->n_pixels; row++, ox = 0) {
        int64_t block = row / c->out.height, oy = row % c->out.height;
        int64_t dy = block * c->out.channels * sw_planes_stride(&c->out) +
                     oy * sw_cpu_pitch(&c->out);
        int64_t x = block * c->in.channels * sw_planes_stride(&c->in) +
                    oy * c->stride * sw_cpu_pitch(&c->in);
        for (; i < part->n_pixels && ox < c->out.width; i++, ox++) {
            part->at[i].dy = dy + ox * LANES;
            part->at[i].x = x + ox * c->stride * LANES;
        }
    }
}

/* Add the lanes of four vectors: pairs, pairs of pairs, then the two halves. */
static inline __m128 add_lanes(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

/* Channels of outputs of a tile: `stride` floats lie between them; `from` .. `to` of them are new. */
struct gradient_rows {
    int64_t row, stride;
    int64_t from, to;
};

/* The rows that begin with `row` when there are fewer than ROWS left: the last ROWS, of which some were
 * there before; or that row ROWS times, when there are no ROWS. */
static struct gradient_rows choose_rows(const struct sw_conv *c, int64_t row) {
    int64_t all = c->out.channels;
    if (all < ROWS) return (struct gradient_rows){.row = row, .to = 1};
    struct gradient_rows rows = {
        .row = least(row, all - ROWS), .stride = sw_planes_stride(&c->out), .to = ROWS};
    rows.from = row - rows.row;
    return rows;
}

/* sum[row][tap] over n pixels: `rows` and `taps` are the floats between rows of dy and from the first tap to
 * the others. */
static inline __attribute__((always_inline)) void
sum_pixels(const struct pixel *at, int64_t n, const float *dy, int64_t row, const float *x,
           int64_t second, int64_t third, __m256 out[ROWS][TAPS], const int taps) {
    __m256 sum[ROWS][TAPS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int t = 0; t < taps; t++)
            sum[r][t] = _mm256_setzero_ps();
    for (const struct pixel *end = at + n; at < end; at++) {
        const float *gradient = dy + at->dy, *input = x + at->x;
        __m256 seen[TAPS];
        seen[0] = _mm256_loadu_ps(input);
        if (taps > 1) seen[1] = _mm256_loadu_ps(input + second);
        if (taps > 2) seen[2] = _mm256_loadu_ps(input + third);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++, gradient += row) {
            __m256 there = _mm256_loadu_ps(gradient);
#pragma GCC unroll 3
            for (int t = 0; t < taps; t++)
                sum[r][t] = _mm256_fmadd_ps(there, seen[t], sum[r][t]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int t = 0; t < taps; t++)
            out[r][t] = sum[r][t];
}

/* Functions of their own: inlined, the loop has too few registers for its addresses. */
#define SUM_PIXELS(taps)                                                                           \
    static __attribute__((noinline)) void sum_pixels_##taps(                                       \
        const struct pixel *at, int64_t n, const float *dy, int64_t row, const float *x,           \
        int64_t second, int64_t third, __m256 out[ROWS][TAPS]) {                                   \
        sum_pixels(at, n, dy, row, x, second, third, out, taps);                                   \
    }
SUM_PIXELS(1)
SUM_PIXELS(2)
SUM_PIXELS(3)

/* dw of some rows for `taps` taps from number `t` of the part on. */
static inline __attribute__((always_inline)) void gradient_tile(const struct sw_cpu_conv *p,
                                                                const struct gradient_part *part,
                                                                const struct gradient_rows *rows,
                                                                int64_t t, const int taps) {
    const float *dy = p->dy + sw_cpu_row(&p->conv->out, rows->row, 0);
    const float *x = p->x + part->place[t];
    const int64_t columns = p->conv->in.channels * p->conv->kernel * p->conv->kernel;
    const int64_t second = taps > 1 ? part->place[t + 1] - part->place[t] : 0;
    const int64_t third = taps > 2 ? part->place[t + 2] - part->place[t] : 0;
    __m256 sum[ROWS][TAPS];
    (taps == 3   ? sum_pixels_3
     : taps == 2 ? sum_pixels_2
                 : sum_pixels_1)(part->at, part->n_pixels, dy, rows->stride, x, second, third, sum);
    float *dw = p->dw + rows->row * columns + part->tap + t;
#pragma GCC unroll 3
    for (int i = 0; i < taps; i++) {
        float lanes[ROWS];
        _mm_storeu_ps(lanes, add_lanes(sum[0][i], sum[1][i], sum[2][i], sum[3][i]));
        for (int64_t r = rows->from; r < rows->to; r++)
            dw[r * columns + i] = part->pixel == 0 ? lanes[r] : dw[r * columns + i] + lanes[r];
    }
}

/* All channels of outputs for the taps of a part; the last four taps are two twos. */
static void gradient_of_part(const struct sw_cpu_conv *p, const struct gradient_part *part) {
    const int64_t channels = p->conv->out.channels;
    for (int64_t row = 0; row < channels; row += channels < ROWS ? 1 : ROWS) {
        const struct gradient_rows rows = choose_rows(p->conv, row);
        int64_t t = 0;
        for (; part->n - t >= 3 && part->n - t != 4; t += 3)
            gradient_tile(p, part, &rows, t, 3);
        for (; part->n - t >= 2; t += 2)
            gradient_tile(p, part, &rows, t, 2);
        if (part->n > t) gradient_tile(p, part, &rows, t, 1);
    }
}

void sw_cpu_avx2_conv_backward_weights(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    const int64_t pixels = p->blocks * p->conv->out.height * p->conv->out.width;
    struct gradient_part part;
    for (part.tap = first; part.tap < last; part.tap += part.n) {
        part.n = least(TAP_LIST, last - part.tap);
        fill_places(p->conv, &part);
        for (part.pixel = 0; part.pixel < pixels; part.pixel += part.n_pixels) {
            part.n_pixels = least(GRADIENT_PIXELS, pixels - part.pixel);
            fill_pixels(p->conv, &part);
            gradient_of_part(p, &part);
        }
    }
}
