/* Pools, and rows of linear layers, for AVX2: one vector is a pixel of a block of samples. Largest values of
 * 2 x 2 pixels, what networks use; other windows go to the plain kernels. */
#include <math.h>
#include <string.h>

#include "avx2_lanes.h"
#include "cpu_planes.h"

#define INLINE static inline __attribute__((always_inline))
#define LANES SW_HAL_LANES

static int is_halving(const struct sw_pooling *pool) {
    return pool->kernel == 2 && pool->stride == 2;
}

/* The larger one, NaN if there is one. */
INLINE __m256 larger(__m256 top, __m256 x) {
    __m256 above = _mm256_cmp_ps(x, top, _CMP_NLE_UQ);
    __m256 number = _mm256_cmp_ps(top, top, _CMP_ORD_Q);
    return _mm256_blendv_ps(top, x, _mm256_and_ps(above, number));
}

void sw_cpu_avx2_max_pool(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_pool *p = args;
    const struct sw_pooling *pool = &p->pool;
    const int64_t pitch = sw_cpu_pitch(&pool->in);
    if (!is_halving(pool)) {
        sw_cpu_ref_max_pool(args, first, last);
        return;
    }
    for (int64_t plane = first; plane < last; plane++)
        for (int64_t row = 0; row < pool->out.height; row++) {
            const float *x = p->x + sw_cpu_row(&pool->in, plane, 2 * row);
            float *y = p->y + sw_cpu_row(&pool->out, plane, row);
            for (int64_t i = 0; i < pool->out.width; i++, x += 2 * LANES) {
                __m256 top = larger(_mm256_loadu_ps(x), _mm256_loadu_ps(x + LANES));
                top = larger(top, _mm256_loadu_ps(x + pitch));
                top = larger(top, _mm256_loadu_ps(x + pitch + LANES));
                _mm256_storeu_ps(y + i * LANES, top);
            }
        }
}

/* Give what is left of dy, lane by lane, to a pixel that equals y. */
INLINE __m256 give(const float *x, __m256 y, __m256 left, float *dx) {
    __m256 here = _mm256_cmp_ps(_mm256_loadu_ps(x), y, _CMP_EQ_OQ);
    _mm256_storeu_ps(dx, _mm256_and_ps(left, here));
    return _mm256_andnot_ps(here, left);
}

/* One row of windows; `at` is its first pixel in x and dx. */
static void give_row(const struct sw_cpu_pool *p, int64_t at, int64_t out) {
    const int64_t pitch = sw_cpu_pitch(&p->pool.in);
    const __m256 floor = _mm256_set1_ps(p->pool.relu ? 0.0f : -INFINITY);
    for (int64_t i = 0; i < p->pool.out.width; i++, at += 2 * LANES, out += LANES) {
        __m256 y = _mm256_loadu_ps(p->y + out), left = _mm256_loadu_ps(p->dy + out);
        left = _mm256_and_ps(left, _mm256_cmp_ps(y, floor, _CMP_NLE_UQ));
        left = give(p->x + at, y, left, p->dx + at);
        left = give(p->x + at + LANES, y, left, p->dx + at + LANES);
        left = give(p->x + at + pitch, y, left, p->dx + at + pitch);
        (void) give(p->x + at + pitch + LANES, y, left, p->dx + at + pitch + LANES);
    }
}

static void zero_pixels(float *dx, int64_t pixels) {
    memset(dx, 0, (size_t) (pixels * LANES) * sizeof *dx);
}

void sw_cpu_avx2_max_pool_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_pool *p = args;
    const struct sw_pooling *pool = &p->pool;
    const struct sw_planes *in = &pool->in;
    if (!is_halving(pool)) {
        sw_cpu_ref_max_pool_backward(args, first, last);
        return;
    }
    for (int64_t plane = first; plane < last; plane++) {
        for (int64_t row = 0; row < pool->out.height; row++)
            give_row(p, sw_cpu_row(in, plane, 2 * row), sw_cpu_row(&pool->out, plane, row));
        for (int64_t row = 2 * pool->out.height; row < in->height; row++)
            zero_pixels(p->dx + sw_cpu_row(in, plane, row), in->width);
        if (in->width % 2 != 0)
            for (int64_t row = 0; row < in->height; row++)
                zero_pixels(p->dx + sw_cpu_row(in, plane, row) + (in->width - 1) * LANES, 1);
    }
}
