/* Batch norm (Ioffe & Szegedy 2015), and bias and ReLU of planes. Sums of a channel are in double, one for
 * each lane, added in a fixed order. */
#include <math.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES
#define EPSILON 1e-5

static double add_lanes(const double *sum) {
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/* ---- bias ------------------------------------------------------------------------------------ */

void sw_cpu_ref_planes_bias_activate(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_planes_activation *p = args;
    const int64_t n = p->planes.width * LANES;
    for (int64_t plane = first; plane < last; plane++) {
        const float bias = p->bias[plane % p->planes.channels];
        for (int64_t row = 0; row < p->planes.height; row++) {
            float *restrict y = p->y + sw_cpu_row(&p->planes, plane, row);
            for (int64_t i = 0; i < n; i++) {
                float value = y[i] + bias;
                y[i] = p->relu && value < 0.0f ? 0.0f : value; /* lets NaN through */
            }
        }
    }
}

static void stop_gradient(const float *restrict y, float *restrict dy, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        dy[i] = y[i] <= 0.0f ? 0.0f : dy[i];
}

static void add_row(const float *restrict row, int64_t n, double *restrict sum) {
    for (int64_t i = 0; i < n; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] += (double) row[i + lane];
}

void sw_cpu_ref_planes_bias_backward(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_planes_bias_gradient *p = args;
    const int64_t n = p->planes.width * LANES, rows = p->planes.height;
    for (int64_t c = first; c < last; c++) {
        double sum[LANES] = {0};
        for (int64_t row = 0; row < p->blocks * rows; row++) {
            int64_t at = sw_cpu_row(&p->planes, row / rows * p->planes.channels + c, row % rows);
            if (p->relu) stop_gradient(p->y + at, p->dy + at, n);
            if (p->dbias != NULL) add_row(p->dy + at, n, sum);
        }
        if (p->dbias != NULL) p->dbias[c] = (float) add_lanes(sum);
    }
}

/* ---- batch norm ------------------------------------------------------------------------------ */

static void add_squares(const float *restrict row, int64_t n, double *restrict sum,
                        double *restrict squares) {
    for (int64_t i = 0; i < n; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            double value = (double) row[i + lane];
            sum[lane] += value;
            squares[lane] += value * value;
        }
}

/* Lanes behind the batch do not count. */
static void drop_lanes(double *sum, int64_t used) {
    for (int64_t lane = used; lane < LANES; lane++)
        sum[lane] = 0.0;
}

void sw_cpu_ref_norm_statistics(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_statistics *p = args;
    const struct sw_planes *planes = &p->planes;
    const double count = (double) (p->batch * planes->height * planes->width);
    for (int64_t c = first; c < last; c++) {
        double total = 0.0, total_squares = 0.0;
        for (int64_t block = 0; block < p->blocks; block++) {
            double sum[LANES] = {0}, squares[LANES] = {0};
            for (int64_t row = 0; row < planes->height; row++)
                add_squares(p->x + sw_cpu_row(planes, block * planes->channels + c, row),
                            planes->width * LANES, sum, squares);
            int64_t used = p->batch - block * LANES;
            drop_lanes(sum, used);
            drop_lanes(squares, used);
            total += add_lanes(sum);
            total_squares += add_lanes(squares);
        }
        double mean = total / count, variance = total_squares / count - mean * mean;
        p->mean[c] = (float) mean;
        p->variance[c] = variance < 0.0 ? 0.0f : (float) variance; /* lets NaN through */
    }
}

static float inverse_deviation(float variance) {
    return (float) (1.0 / sqrt((double) variance + EPSILON));
}

void sw_cpu_ref_norm_apply(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_apply *p = args;
    const int64_t n = p->planes.width * LANES;
    for (int64_t plane = first; plane < last; plane++) {
        int64_t c = plane % p->planes.channels;
        const float mean = p->mean[c], shift = p->shift[c];
        const float scale = inverse_deviation(p->variance[c]) * p->scale[c];
        for (int64_t row = 0; row < p->planes.height; row++) {
            const float *restrict x = p->x + sw_cpu_row(&p->planes, plane, row);
            float *restrict y = p->y + sw_cpu_row(&p->out, plane, row);
            for (int64_t i = 0; i < n; i++)
                y[i] = (x[i] - mean) * scale + shift;
            if (p->other != NULL) {
                const float *restrict other = p->other + sw_cpu_row(&p->other_planes, plane, row);
                for (int64_t i = 0; i < n; i++)
                    y[i] += other[i];
            }
            for (int64_t i = 0; i < n && p->relu; i++)
                y[i] = y[i] < 0.0f ? 0.0f : y[i]; /* lets NaN through */
        }
    }
}

static void add_products(const float *restrict dy, const float *restrict x, float mean, int64_t n,
                         double *restrict sum, double *restrict products) {
    for (int64_t i = 0; i < n; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            sum[lane] += (double) dy[i + lane];
            products[lane] += (double) dy[i + lane] * (double) (x[i + lane] - mean);
        }
}

void sw_cpu_ref_norm_backward_sums(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_sums *p = args;
    const int64_t n = p->planes.width * LANES, rows = p->planes.height;
    for (int64_t c = first; c < last; c++) {
        double sum[LANES] = {0}, products[LANES] = {0};
        for (int64_t row = 0; row < p->blocks * rows; row++) {
            int64_t plane = row / rows * p->planes.channels + c;
            const float *x = p->x + sw_cpu_row(&p->planes, plane, row % rows);
            int64_t at = sw_cpu_row(&p->out, plane, row % rows);
            if (p->relu) stop_gradient(p->y + at, p->dy + at, n);
            add_products(p->dy + at, x, p->mean[c], n, sum, products);
        }
        p->dshift[c] = (float) add_lanes(sum);
        p->dscale[c] = (float) (add_lanes(products) * (double) inverse_deviation(p->variance[c]));
    }
}

void sw_cpu_ref_norm_backward_data(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_norm_data *p = args;
    const struct sw_planes *planes = &p->planes;
    const double count = (double) (p->batch * planes->height * planes->width);
    for (int64_t plane = first; plane < last; plane++) {
        int64_t c = plane % planes->channels;
        const double inverse = (double) inverse_deviation(p->variance[c]);
        const float mean = p->mean[c], scale = (float) ((double) p->scale[c] * inverse);
        const float shared = (float) ((double) p->dshift[c] / count);
        const float slope = (float) ((double) p->dscale[c] * inverse / count);
        float used[LANES];
        for (int lane = 0; lane < LANES; lane++)
            used[lane] = plane / planes->channels * LANES + lane < p->batch ? scale : 0.0f;
        for (int64_t row = 0; row < planes->height; row++) {
            const float *restrict x = p->x + sw_cpu_row(planes, plane, row);
            const float *restrict dy = p->dy + sw_cpu_row(&p->out, plane, row);
            float *restrict dx = p->dx + sw_cpu_row(planes, plane, row);
            for (int64_t i = 0; i < planes->width * LANES; i += LANES)
                for (int lane = 0; lane < LANES; lane++)
                    dx[i + lane] = used[lane] *
                                   (dy[i + lane] - shared - (x[i + lane] - mean) * slope);
        }
    }
}
