/* Batch norm, and bias and ReLU of planes, for AVX2 and FMA. One vector is a pixel of a block of samples.
 * Sums of a channel are in single precision along part of a row and in double from there on, lane by lane. */
#include <math.h>

#include "avx2_lanes.h"
#include "cpu_planes.h"

#define INLINE static inline __attribute__((always_inline))
#define LANES SW_HAL_LANES
#define EPSILON 1e-5
#define RUN (64 * LANES) /* floats of a row that are summed in single precision */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static float inverse_deviation(float variance) {
    return (float) (1.0 / sqrt((double) variance + EPSILON));
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* One sum for each lane. */
struct sums {
    __m256d low, high;
};

INLINE void add_floats(struct sums *sums, __m256 v) {
    sums->low = _mm256_add_pd(sums->low, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
    sums->high = _mm256_add_pd(sums->high, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
}

/* The sum of the first `used` lanes. */
static double add_up(const struct sums *sums, int64_t used) {
    double lane[LANES];
    _mm256_storeu_pd(lane, sums->low);
    _mm256_storeu_pd(lane + 4, sums->high);
    for (int64_t i = used < 0 ? 0 : used; i < LANES; i++)
        lane[i] = 0.0;
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* ---- ReLU ------------------------------------------------------------------------------------ */

/* dy where not y <= 0; stored, too. */
INLINE __m256 stop_gradient(const float *y, float *dy) {
    __m256 open = _mm256_cmp_ps(_mm256_loadu_ps(y), _mm256_setzero_ps(), _CMP_NLE_UQ);
    __m256 gradient = _mm256_and_ps(_mm256_loadu_ps(dy), open);
    _mm256_storeu_ps(dy, gradient);
    return gradient;
}

/* ---- bias ------------------------------------------------------------------------------------ */

void sw_cpu_avx2_planes_bias_activate(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_planes_activation *p = args;
    const int64_t n = p->planes.width * LANES;
    const __m256 floor = _mm256_set1_ps(p->relu ? 0.0f : -INFINITY);
    for (int64_t plane = first; plane < last; plane++) {
        const __m256 bias = _mm256_set1_ps(p->bias[plane % p->planes.channels]);
        for (int64_t row = 0; row < p->planes.height; row++) {
            float *y = p->y + sw_cpu_row(&p->planes, plane, row);
            for (int64_t i = 0; i < n; i += LANES)
                _mm256_storeu_ps(y + i,
                                 _mm256_max_ps(floor, _mm256_add_ps(_mm256_loadu_ps(y + i), bias)));
        }
    }
}

INLINE void bias_row(const float *y, float *dy, int64_t n, struct sums *sums, const int relu) {
    for (int64_t start = 0; start < n; start += RUN) {
        __m256 sum = _mm256_setzero_ps();
        for (int64_t i = start, end = least(n, start + RUN); i < end; i += LANES)
            sum = _mm256_add_ps(sum, relu ? stop_gradient(y + i, dy + i) : _mm256_loadu_ps(dy + i));
        add_floats(sums, sum);
    }
}

void sw_cpu_avx2_planes_bias_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_planes_bias_gradient *p = args;
    const int64_t n = p->planes.width * LANES, rows = p->planes.height;
    for (int64_t c = first; c < last; c++) {
        struct sums sums = {_mm256_setzero_pd(), _mm256_setzero_pd()};
        for (int64_t row = 0; row < p->blocks * rows; row++) {
            int64_t at = sw_cpu_row(&p->planes, row / rows * p->planes.channels + c, row % rows);
            if (p->relu)
                bias_row(p->y + at, p->dy + at, n, &sums, 1);
            else
                bias_row(NULL, p->dy + at, n, &sums, 0);
        }
        if (p->dbias != NULL) p->dbias[c] = (float) add_up(&sums, LANES);
    }
}

/* ---- batch norm, forward --------------------------------------------------------------------- */

/* Sums of x - pivot and of its square: the pivot, one of the numbers, keeps the squares small where the
 * mean is large. */
INLINE void square_row(const float *x, int64_t n, __m256 pivot, struct sums *sums,
                       struct sums *squares) {
    for (int64_t start = 0; start < n; start += RUN) {
        __m256 sum = _mm256_setzero_ps(), square = _mm256_setzero_ps();
        for (int64_t i = start, end = least(n, start + RUN); i < end; i += LANES) {
            __m256 v = _mm256_sub_ps(_mm256_loadu_ps(x + i), pivot);
            sum = _mm256_add_ps(sum, v);
            square = _mm256_fmadd_ps(v, v, square);
        }
        add_floats(sums, sum);
        add_floats(squares, square);
    }
}

static void find_statistics(const struct sw_cpu_norm_statistics *p, int64_t c) {
    const struct sw_planes *planes = &p->planes;
    const double count = (double) (p->batch * planes->height * planes->width);
    const float pivot = p->x[sw_cpu_row(planes, c, 0)];
    double total = 0.0, total_squares = 0.0;
    for (int64_t block = 0; block < p->blocks; block++) {
        struct sums sums = {_mm256_setzero_pd(), _mm256_setzero_pd()}, squares = sums;
        for (int64_t row = 0; row < planes->height; row++)
            square_row(p->x + sw_cpu_row(planes, block * planes->channels + c, row),
                       planes->width * LANES, _mm256_set1_ps(pivot), &sums, &squares);
        total += add_up(&sums, p->batch - block * LANES);
        total_squares += add_up(&squares, p->batch - block * LANES);
    }
    double away = total / count, variance = total_squares / count - away * away;
    p->mean[c] = (float) ((double) pivot + away);
    p->variance[c] = variance < 0.0 ? 0.0f : (float) variance; /* lets NaN through */
}

void sw_cpu_avx2_norm_statistics(const void *args, int64_t first, int64_t last) {
    for (int64_t c = first; c < last; c++)
        find_statistics(args, c);
}

INLINE void apply_row(const float *x, const float *other, float *y, int64_t n, __m256 mean,
                      __m256 scale, __m256 shift, __m256 floor) {
    for (int64_t i = 0; i < n; i += LANES) {
        __m256 v = _mm256_sub_ps(_mm256_loadu_ps(x + i), mean);
        v = _mm256_fmadd_ps(v, scale, shift);
        if (other != NULL) v = _mm256_add_ps(v, _mm256_loadu_ps(other + i));
        _mm256_storeu_ps(y + i, _mm256_max_ps(floor, v));
    }
}

void sw_cpu_avx2_norm_apply(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_apply *p = args;
    const int64_t n = p->planes.width * LANES;
    const __m256 floor = _mm256_set1_ps(p->relu ? 0.0f : -INFINITY);
    for (int64_t plane = first; plane < last; plane++) {
        int64_t c = plane % p->planes.channels;
        const __m256 mean = _mm256_set1_ps(p->mean[c]), shift = _mm256_set1_ps(p->shift[c]);
        const __m256 scale = _mm256_set1_ps(inverse_deviation(p->variance[c]) * p->scale[c]);
        for (int64_t row = 0; row < p->planes.height; row++) {
            const float *x = p->x + sw_cpu_row(&p->planes, plane, row);
            float *y = p->y + sw_cpu_row(&p->out, plane, row);
            if (p->other != NULL)
                apply_row(x, p->other + sw_cpu_row(&p->other_planes, plane, row), y, n, mean, scale,
                          shift, floor);
            else
                apply_row(x, NULL, y, n, mean, scale, shift, floor);
        }
    }
}

/* ---- batch norm, backward -------------------------------------------------------------------- */

INLINE void product_row(const float *x, const float *y, float *dy, int64_t n, __m256 mean,
                        struct sums *sums, struct sums *products, const int relu) {
    for (int64_t start = 0; start < n; start += RUN) {
        __m256 sum = _mm256_setzero_ps(), product = _mm256_setzero_ps();
        for (int64_t i = start, end = least(n, start + RUN); i < end; i += LANES) {
            __m256 gradient = relu ? stop_gradient(y + i, dy + i) : _mm256_loadu_ps(dy + i);
            sum = _mm256_add_ps(sum, gradient);
            product = _mm256_fmadd_ps(gradient, _mm256_sub_ps(_mm256_loadu_ps(x + i), mean),
                                      product);
        }
        add_floats(sums, sum);
        add_floats(products, product);
    }
}

void sw_cpu_avx2_norm_backward_sums(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_sums *p = args;
    const int64_t n = p->planes.width * LANES, rows = p->planes.height;
    for (int64_t c = first; c < last; c++) {
        struct sums sums = {_mm256_setzero_pd(), _mm256_setzero_pd()}, products = sums;
        const __m256 mean = _mm256_set1_ps(p->mean[c]);
        for (int64_t row = 0; row < p->blocks * rows; row++) {
            int64_t plane = row / rows * p->planes.channels + c;
            const float *x = p->x + sw_cpu_row(&p->planes, plane, row % rows);
            int64_t at = sw_cpu_row(&p->out, plane, row % rows);
            if (p->relu)
                product_row(x, p->y + at, p->dy + at, n, mean, &sums, &products, 1);
            else
                product_row(x, NULL, p->dy + at, n, mean, &sums, &products, 0);
        }
        p->dshift[c] = (float) add_up(&sums, LANES);
        p->dscale[c] = (float) (add_up(&products, LANES) *
                                (double) inverse_deviation(p->variance[c]));
    }
}

/* The lanes of a block that are samples. */
static __m256 used_lanes(int64_t samples) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i limit = _mm256_set1_epi32((int) least(samples, LANES));
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, lanes));
}

void sw_cpu_avx2_norm_backward_data(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_data *p = args;
    const struct sw_planes *planes = &p->planes;
    const double count = (double) (p->batch * planes->height * planes->width);
    for (int64_t plane = first; plane < last; plane++) {
        int64_t c = plane % planes->channels;
        const double inverse = (double) inverse_deviation(p->variance[c]);
        const __m256 used = used_lanes(p->batch - plane / planes->channels * LANES);
        const __m256 scale = _mm256_set1_ps((float) ((double) p->scale[c] * inverse));
        const __m256 mean = _mm256_set1_ps(p->mean[c]);
        const __m256 shared = _mm256_set1_ps((float) ((double) p->dshift[c] / count));
        const __m256 slope = _mm256_set1_ps((float) ((double) p->dscale[c] * inverse / count));
        for (int64_t row = 0; row < planes->height; row++) {
            const float *x = p->x + sw_cpu_row(planes, plane, row);
            const float *dy = p->dy + sw_cpu_row(&p->out, plane, row);
            float *dx = p->dx + sw_cpu_row(planes, plane, row);
            for (int64_t i = 0; i < planes->width * LANES; i += LANES) {
                __m256 away = _mm256_sub_ps(_mm256_loadu_ps(x + i), mean);
                __m256 v = _mm256_sub_ps(_mm256_loadu_ps(dy + i), shared);
                v = _mm256_mul_ps(_mm256_fnmadd_ps(away, slope, v), scale);
                _mm256_storeu_ps(dx + i, _mm256_and_ps(v, used));
            }
        }
    }
}
