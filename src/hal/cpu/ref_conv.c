/* Convolutions, tap by tap: a tap (channel, ky, kx) of the kernel adds a shifted row of its input plane to
 * a row of outputs. Pixels outside of an image are skipped, borders are not read. */
#include <string.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Of n outputs in a row (or column), those whose tap `k` lies inside the image of `size` pixels: first ..
 * last. */
static void find_outputs(const struct sw_conv *c, int64_t k, int64_t size, int64_t n,
                         int64_t *first, int64_t *last) {
    int64_t before = c->padding - k; /* pixels by which output 0 stands in front of the image */
    *first = before > 0 ? (before + c->stride - 1) / c->stride : 0;
    *last = size - 1 + before < 0 ? 0 : least(n, (size - 1 + before) / c->stride + 1);
}

/* Input row of tap ky for output row oy, or -1 when it lies outside. */
static int64_t input_row(const struct sw_conv *c, int64_t oy, int64_t ky) {
    int64_t iy = oy * c->stride + ky - c->padding;
    return iy < 0 || iy >= c->in.height ? -1 : iy;
}

/* Output row whose tap ky is input row iy, or -1 when there is none. */
static int64_t output_row(const struct sw_conv *c, int64_t iy, int64_t ky) {
    int64_t down = iy + c->padding - ky;
    if (down < 0 || down % c->stride != 0 || down / c->stride >= c->out.height) return -1;
    return down / c->stride;
}

/* to[i to_step] += w from[i from_step] for n vectors. */
static void add_vectors(float w, const float *restrict from, int64_t from_step, float *restrict to,
                        int64_t to_step, int64_t n) {
    if (from_step == LANES && to_step == LANES) {
        for (int64_t i = 0; i < n * LANES; i++)
            to[i] += w * from[i];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int lane = 0; lane < LANES; lane++)
            to[i * to_step + lane] += w * from[i * from_step + lane];
}

/* ---- one tap ---------------------------------------------------------------------------------- */

/* Add tap `tap` = channel K K + ky K + kx of a block's x to row oy of outputs. */
static void add_forward(const struct sw_conv *c, const float *x, int64_t block, int64_t tap,
                        float w, int64_t oy, float *y) {
    int64_t area = c->kernel * c->kernel, kx = tap % c->kernel, first, last;
    int64_t iy = input_row(c, oy, tap % area / c->kernel);
    if (iy < 0) return;
    find_outputs(c, kx, c->in.width, c->out.width, &first, &last);
    const float *row = x + sw_cpu_row(&c->in, block * c->in.channels + tap / area, iy);
    add_vectors(w, row + (first * c->stride + kx - c->padding) * LANES, c->stride * LANES,
                y + first * LANES, LANES, last - first);
}

/* Add what tap (channel of dy) K K + ky K + kx of a block's dy gives to row iy of dx. */
static void add_backward(const struct sw_conv *c, const float *dy, int64_t block, int64_t tap,
                         float w, int64_t iy, float *dx) {
    int64_t area = c->kernel * c->kernel, kx = tap % c->kernel, first, last;
    int64_t oy = output_row(c, iy, tap % area / c->kernel);
    if (oy < 0) return;
    find_outputs(c, kx, c->in.width, c->out.width, &first, &last);
    const float *row = dy + sw_cpu_row(&c->out, block * c->out.channels + tap / area, oy);
    add_vectors(w, row + first * LANES, LANES, dx + (first * c->stride + kx - c->padding) * LANES,
                c->stride * LANES, last - first);
}

/* Sum over all samples and pixels of dy[o] times what the tap sees. */
static float tap_gradient(const struct sw_conv *c, const float *dy, const float *x, int64_t blocks,
                          int64_t o, int64_t tap) {
    int64_t area = c->kernel * c->kernel, kx = tap % c->kernel, first, last;
    find_outputs(c, kx, c->in.width, c->out.width, &first, &last);
    double sum[LANES] = {0};
    for (int64_t row = 0; row < blocks * c->out.height; row++) {
        int64_t block = row / c->out.height, oy = row % c->out.height;
        int64_t iy = input_row(c, oy, tap % area / c->kernel);
        if (iy < 0) continue;
        const float *a = dy + sw_cpu_row(&c->out, block * c->out.channels + o, oy) + first * LANES;
        const float *b = x + sw_cpu_row(&c->in, block * c->in.channels + tap / area, iy) +
                         (first * c->stride + kx - c->padding) * LANES;
        float part[LANES] = {0};
        for (int64_t i = 0; i < last - first; i++)
            for (int lane = 0; lane < LANES; lane++)
                part[lane] += a[i * LANES + lane] * b[i * c->stride * LANES + lane];
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] += (double) part[lane];
    }
    return (float) (((sum[0] + sum[4]) + (sum[2] + sum[6])) +
                    ((sum[1] + sum[5]) + (sum[3] + sum[7])));
}

/* ---- all taps --------------------------------------------------------------------------------- */

static void set_row(float *row, int64_t width, int add) {
    if (!add) memset(row, 0, (size_t) (width * LANES) * sizeof *row);
}

void sw_cpu_ref_conv_forward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    const struct sw_conv *c = p->conv;
    int64_t taps = c->in.channels * c->kernel * c->kernel;
    for (int64_t r = first; r < last; r++) {
        int64_t block = r / c->out.height, oy = r % c->out.height;
        for (int64_t o = 0; o < c->out.channels; o++) {
            float *y = p->y + sw_cpu_row(&c->out, block * c->out.channels + o, oy);
            set_row(y, c->out.width, 0);
            for (int64_t tap = 0; tap < taps; tap++)
                add_forward(c, p->x, block, tap, p->w[o * taps + tap], oy, y);
        }
    }
}

void sw_cpu_ref_conv_backward_data(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    const struct sw_conv *c = p->conv;
    int64_t area = c->kernel * c->kernel, taps = c->out.channels * area;
    for (int64_t r = first; r < last; r++) {
        int64_t block = r / c->in.height, iy = r % c->in.height;
        for (int64_t i = 0; i < c->in.channels; i++) {
            float *dx = p->dx + sw_cpu_row(&c->in, block * c->in.channels + i, iy);
            set_row(dx, c->in.width, p->add);
            for (int64_t tap = 0; tap < taps; tap++) {
                float w = p->w[(tap / area * c->in.channels + i) * area + tap % area];
                add_backward(c, p->dy, block, tap, w, iy, dx);
            }
        }
    }
}

void sw_cpu_ref_conv_backward_weights(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_conv *p = args;
    const struct sw_conv *c = p->conv;
    int64_t taps = c->in.channels * c->kernel * c->kernel;
    for (int64_t o = 0; o < c->out.channels; o++)
        for (int64_t tap = first; tap < last; tap++)
            p->dw[o * taps + tap] = tap_gradient(c, p->dy, p->x, p->blocks, o, tap);
}

/* ---- some taps -------------------------------------------------------------------------------- */

void sw_cpu_ref_sparse_conv_forward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_conv *p = args;
    const struct sw_conv *c = &p->positions->conv;
    for (int64_t r = first; r < last; r++) {
        int64_t block = r / c->out.height, oy = r % c->out.height;
        for (int64_t o = 0; o < c->out.channels; o++) {
            float *y = p->y + sw_cpu_row(&c->out, block * c->out.channels + o, oy);
            set_row(y, c->out.width, 0);
            for (int32_t t = p->start[o]; t < p->start[o + 1]; t++)
                add_forward(c, p->x, block, p->index[t], p->values[t], oy, y);
        }
    }
}

void sw_cpu_ref_sparse_conv_backward_data(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_conv *p = args;
    const struct sw_conv *c = &p->positions->conv;
    for (int64_t r = first; r < last; r++) {
        int64_t block = r / c->in.height, iy = r % c->in.height;
        for (int64_t i = 0; i < c->in.channels; i++) {
            float *dx = p->dx + sw_cpu_row(&c->in, block * c->in.channels + i, iy);
            set_row(dx, c->in.width, p->add);
            for (int32_t t = p->start[i]; t < p->start[i + 1]; t++)
                add_backward(c, p->dy, block, p->index[t], p->values[p->place[t]], iy, dx);
        }
    }
}

void sw_cpu_ref_sparse_conv_backward_weights(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_conv *p = args;
    for (int64_t o = first; o < last; o++)
        for (int32_t t = p->start[o]; t < p->start[o + 1]; t++)
            p->dvalues[t] = tap_gradient(&p->positions->conv, p->dy, p->x, p->blocks, o,
                                         p->index[t]);
}
