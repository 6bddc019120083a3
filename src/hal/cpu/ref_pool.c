/* Pools, and what stands between planes and the rows of a linear layer. */
#include <string.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES

static void zero_plane(const struct sw_planes *planes, float *x, int64_t plane) {
    for (int64_t row = 0; row < planes->height; row++)
        memset(x + sw_cpu_row(planes, plane, row), 0, (size_t) (planes->width * LANES) * sizeof *x);
}

/* Floats from a plane's first pixel inside to the first pixel of the window of output (oy, ox). */
static int64_t window_at(const struct sw_pooling *pool, int64_t oy, int64_t ox) {
    return oy * pool->stride * sw_cpu_pitch(&pool->in) + ox * pool->stride * LANES;
}

/* ---- largest --------------------------------------------------------------------------------- */

static void find_largest(const float *restrict window, int64_t pitch, int64_t kernel,
                         float *restrict y) {
    float top[LANES];
    memcpy(top, window, sizeof top);
    for (int64_t ky = 0; ky < kernel; ky++)
        for (int64_t kx = 0; kx < kernel; kx++) {
            const float *x = window + ky * pitch + kx * LANES;
            for (int lane = 0; lane < LANES; lane++)
                top[lane] = x[lane] > top[lane] || x[lane] != x[lane] ? x[lane] : top[lane];
        }
    memcpy(y, top, sizeof top);
}

void sw_cpu_ref_max_pool(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_pool *p = args;
    const struct sw_pooling *pool = &p->pool;
    for (int64_t plane = first; plane < last; plane++) {
        const float *x = p->x + sw_cpu_row(&pool->in, plane, 0);
        for (int64_t oy = 0; oy < pool->out.height; oy++) {
            float *y = p->y + sw_cpu_row(&pool->out, plane, oy);
            for (int64_t ox = 0; ox < pool->out.width; ox++)
                find_largest(x + window_at(pool, oy, ox), sw_cpu_pitch(&pool->in), pool->kernel,
                             y + ox * LANES);
        }
    }
}

/* In each lane dy goes to the first pixel of the window that equals y. */
static void give_to_largest(const float *restrict window, int64_t pitch, int64_t kernel, int relu,
                            const float *restrict y, const float *restrict dy, float *restrict dx) {
    float left[LANES];
    for (int lane = 0; lane < LANES; lane++)
        left[lane] = relu && y[lane] <= 0.0f ? 0.0f : dy[lane];
    for (int64_t ky = 0; ky < kernel; ky++)
        for (int64_t kx = 0; kx < kernel; kx++) {
            const int64_t at = ky * pitch + kx * LANES;
            for (int lane = 0; lane < LANES; lane++) {
                int here = window[at + lane] == y[lane];
                dx[at + lane] += here ? left[lane] : 0.0f;
                left[lane] = here ? 0.0f : left[lane];
            }
        }
}

void sw_cpu_ref_max_pool_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_pool *p = args;
    const struct sw_pooling *pool = &p->pool;
    for (int64_t plane = first; plane < last; plane++) {
        int64_t in = sw_cpu_row(&pool->in, plane, 0);
        zero_plane(&pool->in, p->dx, plane);
        for (int64_t oy = 0; oy < pool->out.height; oy++) {
            int64_t out = sw_cpu_row(&pool->out, plane, oy);
            for (int64_t ox = 0; ox < pool->out.width; ox++, out += LANES) {
                int64_t window = in + window_at(pool, oy, ox);
                give_to_largest(p->x + window, sw_cpu_pitch(&pool->in), pool->kernel, pool->relu,
                                p->y + out, p->dy + out, p->dx + window);
            }
        }
    }
}

/* ---- mean ------------------------------------------------------------------------------------ */

void sw_cpu_ref_average_pool(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_pool *p = args;
    const struct sw_pooling *pool = &p->pool;
    const float share = 1.0f / (float) (pool->kernel * pool->kernel);
    for (int64_t plane = first; plane < last; plane++) {
        const float *x = p->x + sw_cpu_row(&pool->in, plane, 0);
        for (int64_t oy = 0; oy < pool->out.height; oy++) {
            float *y = p->y + sw_cpu_row(&pool->out, plane, oy);
            for (int64_t ox = 0; ox < pool->out.width; ox++) {
                const float *window = x + window_at(pool, oy, ox);
                float sum[LANES] = {0};
                for (int64_t k = 0; k < pool->kernel * pool->kernel; k++)
                    for (int lane = 0; lane < LANES; lane++)
                        sum[lane] += window[k / pool->kernel * sw_cpu_pitch(&pool->in) +
                                            k % pool->kernel * LANES + lane];
                for (int lane = 0; lane < LANES; lane++)
                    y[ox * LANES + lane] = sum[lane] * share;
            }
        }
    }
}

void sw_cpu_ref_average_pool_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_pool *p = args;
    const struct sw_pooling *pool = &p->pool;
    const float share = 1.0f / (float) (pool->kernel * pool->kernel);
    for (int64_t plane = first; plane < last; plane++) {
        float *dx = p->dx + sw_cpu_row(&pool->in, plane, 0);
        zero_plane(&pool->in, p->dx, plane);
        for (int64_t oy = 0; oy < pool->out.height; oy++) {
            const float *dy = p->dy + sw_cpu_row(&pool->out, plane, oy);
            for (int64_t ox = 0; ox < pool->out.width; ox++) {
                float *window = dx + window_at(pool, oy, ox);
                for (int64_t k = 0; k < pool->kernel * pool->kernel; k++)
                    for (int lane = 0; lane < LANES; lane++)
                        window[k / pool->kernel * sw_cpu_pitch(&pool->in) +
                               k % pool->kernel * LANES + lane] += dy[ox * LANES + lane] * share;
            }
        }
    }
}

/* ---- rows of a linear layer ------------------------------------------------------------------ */

/* The lanes of a plane's channel (and pixel) in a row of a linear layer. */
static int64_t lanes_at(const struct sw_planes *planes, int64_t plane, int64_t row, int64_t ld) {
    return row * ld + plane / planes->channels * LANES;
}

void sw_cpu_ref_global_pool(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_global_pool *p = args;
    const struct sw_planes *planes = &p->planes;
    const double share = 1.0 / (double) (planes->height * planes->width);
    for (int64_t plane = first; plane < last; plane++) {
        double sum[LANES] = {0};
        for (int64_t row = 0; row < planes->height; row++) {
            const float *x = p->x + sw_cpu_row(planes, plane, row);
            for (int64_t i = 0; i < planes->width * LANES; i += LANES)
                for (int lane = 0; lane < LANES; lane++)
                    sum[lane] += (double) x[i + lane];
        }
        float *y = p->y + lanes_at(planes, plane, plane % planes->channels, p->ld);
        for (int lane = 0; lane < LANES; lane++)
            y[lane] = (float) (sum[lane] * share);
    }
}

void sw_cpu_ref_global_pool_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_global_pool *p = args;
    const struct sw_planes *planes = &p->planes;
    const float share = 1.0f / (float) (planes->height * planes->width);
    for (int64_t plane = first; plane < last; plane++) {
        const float *dy = p->y + lanes_at(planes, plane, plane % planes->channels, p->ld);
        for (int64_t row = 0; row < planes->height; row++) {
            float *dx = p->x + sw_cpu_row(planes, plane, row);
            for (int64_t i = 0; i < planes->width * LANES; i += LANES)
                for (int lane = 0; lane < LANES; lane++)
                    dx[i + lane] = dy[lane] * share;
        }
    }
}

/* Row of a linear layer that a plane's first pixel becomes; pixels follow in reading order. */
static int64_t first_feature(const struct sw_planes *planes, int64_t plane) {
    return plane % planes->channels * planes->height * planes->width;
}

void sw_cpu_ref_flatten(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_flatten *p = args;
    const struct sw_planes *planes = &p->planes;
    for (int64_t plane = first; plane < last; plane++) {
        float *y = p->y + lanes_at(planes, plane, first_feature(planes, plane), p->ld);
        for (int64_t row = 0; row < planes->height; row++) {
            const float *x = p->x + sw_cpu_row(planes, plane, row);
            for (int64_t i = 0; i < planes->width; i++, y += p->ld)
                memcpy(y, x + i * LANES, LANES * sizeof *y);
        }
    }
}

void sw_cpu_ref_unflatten(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_flatten *p = args;
    const struct sw_planes *planes = &p->planes;
    for (int64_t plane = first; plane < last; plane++) {
        const float *y = p->y + lanes_at(planes, plane, first_feature(planes, plane), p->ld);
        for (int64_t row = 0; row < planes->height; row++) {
            float *x = p->x + sw_cpu_row(planes, plane, row);
            for (int64_t i = 0; i < planes->width; i++, y += p->ld)
                memcpy(x + i * LANES, y, LANES * sizeof *x);
        }
    }
}
