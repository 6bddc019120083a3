/* Dense convolutions for AVX2 and FMA, straight from planes: no copy of the input is made (im2col), as a
 * pixel of eight samples is a vector already. A tile of 4 rows of weights by 3 pixels stays in registers:
 * per tap 4 broadcasts and 3 loads for 12 FMAs. Pixels of a tile need not be neighbours, so that tiles are
 * full whatever the width of an image. Taps go in chunks of channels whose part of the input stays in the
 * nearest cache while all rows of weights pass. */
#include <immintrin.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES
#define ROWS SW_CONV_GROUP /* of weights in a tile */
#define PIXELS 3           /* in a tile */
#define LIST 66            /* pixels that share a pass over the weights */
#define CHUNK_BYTES 14336  /* of a tile's input, for one chunk of taps */
#define GROUPS 16          /* of ROWS rows whose weights for a chunk stay in the second cache */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- out[row][pixel] = sum over taps of w[row][tap] in[pixel + offset[tap]] -------------------- */

/* Pixels to compute: addresses of their first taps and of their outputs in row 0. */
struct pixel_list {
    int64_t n;
    const float *in[LIST];
    float *out[LIST];
};

struct product {
    const float *w;        /* [rows / ROWS][taps][ROWS] */
    const int32_t *offset; /* [taps] */
    int64_t rows, taps;
    int64_t row_taps;   /* taps that follow each other in one row of pixels */
    int64_t chunk;      /* taps at a time */
    int64_t out_stride; /* floats from row to row of outputs */
    int add;
};

/* `n` taps of a group of rows for `pixels` pixels. Sums begin at 0, or with what is in the output. */
static inline __attribute__((always_inline)) void
product_tile(const struct product *p, const float *w, const int32_t *offset, int64_t n, int64_t row,
             const float *const *in, float *const *out, int start, const int pixels) {
    __m256 sum[ROWS][PIXELS];
    const int64_t rows = least(ROWS, p->rows - row);
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int i = 0; i < pixels; i++)
            sum[r][i] = start || r >= rows ? _mm256_setzero_ps()
                                           : _mm256_loadu_ps(out[i] + (row + r) * p->out_stride);
    for (int64_t t = 0; t < n; t++, w += ROWS) {
        __m256 x[PIXELS];
#pragma GCC unroll 3
        for (int i = 0; i < pixels; i++)
            x[i] = _mm256_loadu_ps(in[i] + offset[t]);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            __m256 weight = _mm256_broadcast_ss(w + r);
#pragma GCC unroll 3
            for (int i = 0; i < pixels; i++)
                sum[r][i] = _mm256_fmadd_ps(weight, x[i], sum[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int i = 0; i < pixels; i++)
            if (r < rows) _mm256_storeu_ps(out[i] + (row + r) * p->out_stride, sum[r][i]);
}

/* Groups of rows first .. last, taps tap .. tap + n, for the tile of pixels that begins at `at`. */
static inline __attribute__((always_inline)) void
product_groups(const struct product *p, int64_t first, int64_t last, int64_t tap, int64_t n,
               const struct pixel_list *list, int64_t at, const int pixels) {
    const float *in[PIXELS];
    float *out[PIXELS];
    for (int i = 0; i < pixels; i++) {
        in[i] = list->in[at + i];
        out[i] = list->out[at + i];
    }
    for (int64_t g = first; g < last; g++)
        product_tile(p, p->w + (g * p->taps + tap) * ROWS, p->offset + tap, n, g * ROWS, in, out,
                     tap == 0 && !p->add, pixels);
}

/* All pixels of a list, in tiles of three; the last four are two twos. */
static void product_pixels(const struct product *p, int64_t first, int64_t last, int64_t tap,
                           int64_t n, const struct pixel_list *list) {
    int64_t at = 0;
    for (; list->n - at >= 3 && list->n - at != 4; at += 3)
        product_groups(p, first, last, tap, n, list, at, 3);
    for (; list->n - at >= 2; at += 2)
        product_groups(p, first, last, tap, n, list, at, 2);
    if (list->n > at) product_groups(p, first, last, tap, n, list, at, 1);
}

static void zero_pixels(const struct product *p, const struct pixel_list *list) {
    for (int64_t i = 0; i < list->n; i++)
        for (int64_t r = 0; r < p->rows; r++)
            _mm256_storeu_ps(list->out[i] + r * p->out_stride, _mm256_setzero_ps());
}

/* Bring into the second cache what a list reads and writes: more streams than the processor foresees. */
static void prefetch_pixels(const struct product *p, const struct pixel_list *list) {
    for (int64_t i = 0; i < list->n; i += 2) {
        for (int64_t t = 0; t < p->taps; t += p->row_taps)
            _mm_prefetch((const char *) (list->in[i] + p->offset[t]), _MM_HINT_T1);
        for (int64_t r = 0; r < p->rows; r++)
            _mm_prefetch((const char *) (list->out[i] + r * p->out_stride), _MM_HINT_T1);
    }
}

/* Compute the pixels of a list and empty it. */
static void flush_pixels(const struct product *p, struct pixel_list *list) {
    prefetch_pixels(p, list);
    const int64_t groups = (p->rows + ROWS - 1) / ROWS;
    if (p->taps == 0 && !p->add) zero_pixels(p, list);
    for (int64_t g = 0; g < groups; g += GROUPS)
        for (int64_t tap = 0; tap < p->taps; tap += p->chunk)
            product_pixels(p, g, least(g + GROUPS, groups), tap, least(p->chunk, p->taps - tap),
                           list);
    list->n = 0;
}

/* Taps of as many channels as the nearest cache takes: they reach over ky rows and kx columns of pixels, `step` pixels from one pixel of a tile to the next. */
static int64_t choose_chunk(int64_t ky, int64_t kx, int64_t step) {
    int64_t bytes = ky * (kx + (PIXELS - 1) * step) * LANES * (int64_t) sizeof(float);
    int64_t channels = CHUNK_BYTES / (bytes > 0 ? bytes : 1);
    return (channels > 1 ? channels : 1) * (ky * kx > 0 ? ky * kx : 1);
}

/* ---- forward ---------------------------------------------------------------------------------- */

/* Scratch: weights in groups of rows, then offsets. */
static int64_t group_floats(int64_t rows, int64_t taps) {
    return (rows + ROWS - 1) / ROWS * ROWS * taps;
}

static int64_t forward_taps(const struct sw_conv *c) {
    return c->in.channels * c->kernel * c->kernel;
}

/* Places of the taps of an output, from its first one. */
static void fill_offsets(const struct sw_conv *c, int32_t *offset) {
    for (int64_t i = 0; i < c->in.channels; i++)
        for (int64_t ky = 0; ky < c->kernel; ky++)
            for (int64_t kx = 0; kx < c->kernel; kx++)
                *offset++ = (int32_t) (i * sw_planes_stride(&c->in) + ky * sw_cpu_pitch(&c->in) +
                                       kx * LANES);
}

void sw_cpu_avx2_conv_pack_forward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    const int64_t taps = forward_taps(p->conv), rows = p->conv->out.channels;
    for (int64_t g = first; g < last; g++) {
        float *to = p->scratch + g * taps * ROWS;
        for (int64_t r = 0; r < ROWS; r++) {
            const float *from = p->w + (g * ROWS + r) * taps;
            for (int64_t t = 0; t < taps; t++)
                to[t * ROWS + r] = g * ROWS + r < rows ? from[t] : 0.0f;
        }
    }
    if (first == 0)
        fill_offsets(p->conv, (int32_t *) (void *) (p->scratch + group_floats(rows, taps)));
}

void sw_cpu_avx2_conv_forward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    const struct sw_conv *c = p->conv;
    const int64_t taps = forward_taps(c), away = c->in.border - c->padding;
    const float *offsets = p->scratch + group_floats(c->out.channels, taps);
    struct product product = {.w = p->scratch,
                              .offset = (const int32_t *) (const void *) offsets,
                              .rows = c->out.channels,
                              .taps = taps,
                              .row_taps = c->kernel,
                              .chunk = choose_chunk(c->kernel, c->kernel, c->stride),
                              .out_stride = sw_planes_stride(&c->out)};
    struct pixel_list list = {0};
    for (int64_t r = first; r < last; r++) {
        int64_t block = r / c->out.height, oy = r % c->out.height;
        const float *in = p->x + block * c->in.channels * sw_planes_stride(&c->in) +
                          (oy * c->stride + away) * sw_cpu_pitch(&c->in) + away * LANES;
        float *out = p->y + sw_cpu_row(&c->out, block * c->out.channels, oy);
        for (int64_t ox = 0; ox < c->out.width; ox++) {
            list.in[list.n] = in + ox * c->stride * LANES;
            list.out[list.n++] = out + ox * LANES;
            if (list.n == LIST) flush_pixels(&product, &list);
        }
    }
    flush_pixels(&product, &list);
}

/* ---- backward data ---------------------------------------------------------------------------- */

/* Input pixels iy = py + stride m, ix = px + stride n are one phase: the same taps reach them, those with
 * ky = (py + padding) modulo the stride and kx likewise, and read outputs m + (py + padding - ky) / stride.
 * In the scratch, weights of all phases stand behind each other, then the offsets of all phases. */
struct phase {
    int64_t py, px;
    int64_t first_ky, first_kx, n_ky, n_kx;
    int64_t taps;
    int64_t weights, offsets; /* where they begin */
};

static int64_t first_tap(const struct sw_conv *c, int64_t pixel) {
    return (pixel + c->padding) % c->stride;
}

static int64_t count_taps(const struct sw_conv *c, int64_t first) {
    return first < c->kernel ? (c->kernel - 1 - first) / c->stride + 1 : 0;
}

/* Phase number `index` of stride squared, given the one before it (NULL for the first). */
static struct phase find_phase(const struct sw_conv *c, int64_t index, const struct phase *before) {
    struct phase f = {.py = index / c->stride, .px = index % c->stride};
    f.first_ky = first_tap(c, f.py);
    f.first_kx = first_tap(c, f.px);
    f.n_ky = count_taps(c, f.first_ky);
    f.n_kx = count_taps(c, f.first_kx);
    f.taps = c->out.channels * f.n_ky * f.n_kx;
    if (before != NULL) {
        f.weights = before->weights + group_floats(c->in.channels, before->taps);
        f.offsets = before->offsets + before->taps;
    } else {
        f.offsets = group_floats(c->in.channels, c->out.channels * c->kernel * c->kernel);
    }
    return f;
}

/* Weights of a group of input channels: w[o, channel, ky, kx] for the taps of a phase in order o, ky, kx. */
static void pack_phase(const struct sw_cpu_conv *p, const struct phase *f, int64_t group) {
    const struct sw_conv *c = p->conv;
    const int64_t channels = least(ROWS, c->in.channels - group * ROWS),
                  area = c->kernel * c->kernel;
    float *to = p->scratch + f->weights + group * f->taps * ROWS;
    for (int64_t o = 0; o < c->out.channels; o++) {
        const float *from = p->w + (o * c->in.channels + group * ROWS) * area;
        for (int64_t ky = f->first_ky; ky < c->kernel; ky += c->stride)
            for (int64_t kx = f->first_kx; kx < c->kernel; kx += c->stride, to += ROWS)
                for (int64_t r = 0; r < ROWS; r++)
                    to[r] = r < channels ? from[r * area + ky * c->kernel + kx] : 0.0f;
    }
}

static void fill_phase_offsets(const struct sw_conv *c, const struct phase *f, int32_t *offset) {
    for (int64_t o = 0; o < c->out.channels; o++)
        for (int64_t ky = f->first_ky; ky < c->kernel; ky += c->stride)
            for (int64_t kx = f->first_kx; kx < c->kernel; kx += c->stride) {
                int64_t down = (f->py + c->padding - ky) / c->stride;
                int64_t right = (f->px + c->padding - kx) / c->stride;
                *offset++ = (int32_t) (o * sw_planes_stride(&c->out) +
                                       down * sw_cpu_pitch(&c->out) + right * LANES);
            }
}

void sw_cpu_avx2_conv_pack_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    struct phase f;
    for (int64_t i = 0; i < p->conv->stride * p->conv->stride; i++) {
        f = find_phase(p->conv, i, i > 0 ? &f : NULL);
        for (int64_t g = first; g < last; g++)
            pack_phase(p, &f, g);
        if (first == 0)
            fill_phase_offsets(p->conv, &f, (int32_t *) (void *) (p->scratch + f.offsets));
    }
}

static void backward_phase(const struct sw_cpu_conv *p, const struct phase *f, int64_t first,
                           int64_t last) {
    const struct sw_conv *c = p->conv;
    struct product product = {.w = p->scratch + f->weights,
                              .offset = (const int32_t *) (const void *) (p->scratch + f->offsets),
                              .rows = c->in.channels,
                              .taps = f->taps,
                              .row_taps = f->n_kx,
                              .chunk = choose_chunk(f->n_ky, f->n_kx, 1),
                              .out_stride = sw_planes_stride(&c->in),
                              .add = p->add};
    struct pixel_list list = {0};
    for (int64_t r = first; r < last; r++) {
        int64_t block = r / c->in.height, iy = r % c->in.height;
        if (iy % c->stride != f->py) continue;
        const float *in = p->dy + sw_cpu_row(&c->out, block * c->out.channels, iy / c->stride);
        float *out = p->dx + sw_cpu_row(&c->in, block * c->in.channels, iy);
        for (int64_t ix = f->px; ix < c->in.width; ix += c->stride) {
            list.in[list.n] = in + ix / c->stride * LANES;
            list.out[list.n++] = out + ix * LANES;
            if (list.n == LIST) flush_pixels(&product, &list);
        }
    }
    flush_pixels(&product, &list);
}

void sw_cpu_avx2_conv_backward_data(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    struct phase f;
    for (int64_t i = 0; i < p->conv->stride * p->conv->stride; i++) {
        f = find_phase(p->conv, i, i > 0 ? &f : NULL);
        backward_phase(p, &f, first, last);
    }
}
