/* Gradients of dense weights for AVX2 and FMA: a tile of 4 channels of outputs by 3 taps stays in registers;
 * per output pixel 4 gradients and 3 inputs are loaded for 12 FMAs, and lanes are added in the end. The
 * outputs go in parts whose gradients stay in the nearest cache while all taps pass, and the taps in parts
 * whose inputs stay in the second one. */
#include <immintrin.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES
#define ROWS 4              /* channels of outputs in a tile */
#define TAPS 3              /* in a tile */
#define TAP_LIST 288        /* taps whose part of the input stays in the second cache */
#define GRADIENT_PIXELS 128 /* of a tile, whose gradients stay in the nearest cache */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Some taps and some outputs: their places add up to those in x of what they multiply. */
struct gradient_part {
    int64_t tap, n;
    int64_t place[TAP_LIST]; /* of a tap for the first output of block 0 */
    int64_t pixel, n_pixels;
    int64_t x_at[GRADIENT_PIXELS];
    int64_t dy_at[GRADIENT_PIXELS];
    _Alignas(64) float dy[GRADIENT_PIXELS * ROWS * LANES]; /* of a tile's channels: [pixel][row] */
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
            part->dy_at[i] = dy + ox * LANES;
            part->x_at[i] = x + ox * c->stride * LANES;
        }
    }
}

/* Add the lanes of four vectors: pairs, pairs of pairs, then the two halves. */
static inline __m128 add_lanes(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

/* Bring into the second cache what a part reads of x, and what the next copy reads of dy: more
 * streams than the processor foresees. */
static void prefetch_inputs(const struct sw_cpu_conv *p, const struct gradient_part *part) {
    for (int64_t t = 0; t < part->n; t += p->conv->kernel)
        for (int64_t i = 0; i < part->n_pixels; i += 2)
            _mm_prefetch((const char *) (p->x + part->place[t] + part->x_at[i]), _MM_HINT_T1);
}

static void prefetch_gradients(const struct sw_cpu_conv *p, int64_t row,
                               const struct gradient_part *part) {
    const struct sw_planes *out = &p->conv->out;
    for (int64_t r = row; r < least(row + ROWS, out->channels); r++)
        for (int64_t i = 0; i < part->n_pixels; i += 2)
            _mm_prefetch((const char *) (p->dy + sw_cpu_row(out, r, 0) + part->dy_at[i]),
                         _MM_HINT_T1);
}

/* Copy the gradients of ROWS channels to where they lie side by side: planes of many blocks of samples may
 * all fall into the same few sets of a cache. A channel that is not there is another one's copy. */
static void copy_gradients(const struct sw_cpu_conv *p, int64_t row, struct gradient_part *part) {
    const struct sw_planes *out = &p->conv->out;
    for (int64_t r = 0; r < ROWS; r++) {
        const float *from = p->dy + sw_cpu_row(out, least(row + r, out->channels - 1), 0);
        float *to = part->dy + r * LANES;
        for (int64_t i = 0; i < part->n_pixels; i++, to += ROWS * LANES)
            _mm256_store_ps(to, _mm256_loadu_ps(from + part->dy_at[i]));
    }
}

/* sum[row][tap] over all pixels of a part; `second` and `third` are the floats from the first tap in x to the
 * others. */
static inline __attribute__((always_inline)) void
sum_pixels(const int64_t *x_at, int64_t n, const float *dy, const float *x, int64_t second,
           int64_t third, __m256 out[ROWS][TAPS], const int taps) {
    __m256 sum[ROWS][TAPS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int t = 0; t < taps; t++)
            sum[r][t] = _mm256_setzero_ps();
    for (const int64_t *end = x_at + n; x_at < end; x_at++, dy += ROWS * LANES) {
        const float *input = x + *x_at;
        __m256 seen[TAPS];
        seen[0] = _mm256_loadu_ps(input);
        if (taps > 1) seen[1] = _mm256_loadu_ps(input + second);
        if (taps > 2) seen[2] = _mm256_loadu_ps(input + third);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            __m256 gradient = _mm256_load_ps(dy + r * LANES);
#pragma GCC unroll 3
            for (int t = 0; t < taps; t++)
                sum[r][t] = _mm256_fmadd_ps(gradient, seen[t], sum[r][t]);
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
        const int64_t *x_at, int64_t n, const float *dy, const float *x, int64_t second,           \
        int64_t third, __m256 out[ROWS][TAPS]) {                                                   \
        sum_pixels(x_at, n, dy, x, second, third, out, taps);                                      \
    }
SUM_PIXELS(1)
SUM_PIXELS(2)
SUM_PIXELS(3)

/* dw of the channels from `row` on for `taps` taps from number `t` of the part on. */
static void gradient_tile(const struct sw_cpu_conv *p, const struct gradient_part *part,
                          int64_t row, int64_t t, int taps) {
    const float *x = p->x + part->place[t];
    const int64_t rows = least(ROWS, p->conv->out.channels - row);
    const int64_t columns = p->conv->in.channels * p->conv->kernel * p->conv->kernel;
    const int64_t second = taps > 1 ? part->place[t + 1] - part->place[t] : 0;
    const int64_t third = taps > 2 ? part->place[t + 2] - part->place[t] : 0;
    __m256 sum[ROWS][TAPS];
    (taps == 3   ? sum_pixels_3
     : taps == 2 ? sum_pixels_2
                 : sum_pixels_1)(part->x_at, part->n_pixels, part->dy, x, second, third, sum);
    float *dw = p->dw + row * columns + part->tap + t;
    for (int i = 0; i < taps; i++) {
        float lanes[ROWS];
        _mm_storeu_ps(lanes, add_lanes(sum[0][i], sum[1][i], sum[2][i], sum[3][i]));
        for (int64_t r = 0; r < rows; r++)
            dw[r * columns + i] = part->pixel == 0 ? lanes[r] : dw[r * columns + i] + lanes[r];
    }
}

/* All channels of outputs for the taps of a part; the last four taps are two twos. */
static void gradient_of_part(const struct sw_cpu_conv *p, struct gradient_part *part) {
    prefetch_inputs(p, part);
    for (int64_t row = 0; row < p->conv->out.channels; row += ROWS) {
        copy_gradients(p, row, part);
        prefetch_gradients(p, row + ROWS, part);
        for (int64_t t = 0, n; t < part->n; t += n) {
            int64_t left = part->n - t;
            n = left == 4 ? 2 : least(left, TAPS);
            gradient_tile(p, part, row, t, (int) n);
        }
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
