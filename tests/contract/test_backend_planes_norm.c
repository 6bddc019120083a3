/* Batch norm of every backend, and bias and ReLU of planes, against sums in double. */
#include "images.h"

#define EPSILON 1e-5

static const struct shape {
    int64_t channels, height, width, batch;
    int64_t border, out_border;
} shapes[] = {
    {1, 1, 1, 1, 0, 0}, {3, 5, 7, 5, 1, 2},  {16, 2, 2, 8, 0, 1},   {2, 1, 1, 13, 2, 0},
    {5, 9, 4, 1, 1, 1}, {4, 8, 8, 64, 1, 1}, {3, 32, 32, 13, 0, 1},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* ---- a problem and its results in double ----------------------------------------------------- */

struct problem {
    struct sw_planes planes, out, other_planes;
    int64_t batch, ld;
    int relu;
    float *x, *y, *other, *dy;                 /* y: some activation, half of it 0 */
    float *mean, *variance, *scale, *shift;    /* [C], as floats that operations are given */
    struct exact *mean_exact, *variance_exact; /* of the batch */
};

static void compute_statistics(struct problem *p) {
    int64_t area = p->planes.height * p->planes.width;
    double n = (double) (p->batch * area);
    p->mean_exact = exact_array(p->planes.channels);
    p->variance_exact = exact_array(p->planes.channels);
    for_pixels(&p->planes, p->batch) add_term(
        &p->mean_exact[channel], (double) p->x[pixel_at(&p->planes, lane, channel, y, x)], 1.0 / n);
    for_pixels(&p->planes, p->batch) {
        double away = (double) p->x[pixel_at(&p->planes, lane, channel, y, x)] -
                      p->mean_exact[channel].value;
        add_term(&p->variance_exact[channel], away, away / n);
    }
    for (int64_t c = 0; c < p->planes.channels; c++) {
        p->mean[c] = (float) p->mean_exact[c].value;
        p->variance[c] = (float) p->variance_exact[c].value;
        p->variance_exact[c].scale += 1e-9;
    }
}

static struct problem create_problem(const struct shape *s, int relu) {
    struct problem p = {.batch = s->batch, .ld = sw_hal_lanes(s->batch), .relu = relu};
    p.planes = (struct sw_planes){s->channels, s->height, s->width, s->border};
    p.out = (struct sw_planes){s->channels, s->height, s->width, s->out_border};
    p.other_planes = (struct sw_planes){s->channels, s->height, s->width, s->border + 1};
    p.x = random_images(&p.planes, s->batch, 31.0f, 1);
    p.y = random_images(&p.out, s->batch, 5.0f, 2);
    p.other = random_images(&p.other_planes, s->batch, 7.0f, 3);
    p.dy = random_images(&p.out, s->batch, 0.0f, 4);
    for (int64_t i = 0; i < image_floats(&p.out, p.ld); i += 2)
        p.y[i] = 0.0f;
    /* Far from zero, where squares would cancel in single precision. */
    for_pixels(&p.planes, p.batch)
        p.x[pixel_at(&p.planes, lane, channel, y, x)] += 3.0f * (float) channel;
    p.mean = random_floats(s->channels, 5);
    p.variance = random_floats(s->channels, 6);
    p.scale = random_floats(s->channels, 7);
    p.shift = random_floats(s->channels, 8);
    compute_statistics(&p);
    return p;
}

static void destroy_problem(struct problem *p) {
    SW_FREE(&p->x);
    SW_FREE(&p->y);
    SW_FREE(&p->other);
    SW_FREE(&p->dy);
    SW_FREE(&p->mean);
    SW_FREE(&p->variance);
    SW_FREE(&p->scale);
    SW_FREE(&p->shift);
    SW_FREE(&p->mean_exact);
    SW_FREE(&p->variance_exact);
}

/* The problem on a device. */
struct loaded {
    struct sw_hal *hal;
    struct sw_buffer *x, *y, *other, *dy, *mean, *variance, *scale, *shift;
};

static struct loaded load_problem(struct sw_hal *hal, const struct problem *p) {
    int64_t channels = p->planes.channels;
    return (struct loaded){.hal = hal,
                           .x = upload_images(hal, &p->planes, p->ld, p->x),
                           .y = upload_images(hal, &p->out, p->ld, p->y),
                           .other = upload_images(hal, &p->other_planes, p->ld, p->other),
                           .dy = upload_images(hal, &p->out, p->ld, p->dy),
                           .mean = floats(hal, p->mean, channels),
                           .variance = floats(hal, p->variance, channels),
                           .scale = floats(hal, p->scale, channels),
                           .shift = floats(hal, p->shift, channels)};
}

static void unload_problem(struct loaded *d) {
    sw_hal_free(&d->x);
    sw_hal_free(&d->y);
    sw_hal_free(&d->other);
    sw_hal_free(&d->dy);
    sw_hal_free(&d->mean);
    sw_hal_free(&d->variance);
    sw_hal_free(&d->scale);
    sw_hal_free(&d->shift);
}

static struct problem problem;

/* Run a check on every device for every shape, without and with ReLU. */
static void on_every_problem(void (*check)(struct sw_hal *hal)) {
    for (size_t i = 0; i < 2 * N_SHAPES; i++) {
        problem = create_problem(&shapes[i / 2], (int) (i % 2));
        on_every_device(check);
        destroy_problem(&problem);
    }
}

/* Compare a buffer of planes that an operation wrote, and its bits for any number of threads. */
static void compare_images(const struct loaded *d, const char *name, const struct sw_buffer *buffer,
                           const struct sw_planes *planes, const struct exact *exact,
                           double tolerance, int slot) {
    float *result = fetch_images(buffer, planes, problem.ld);
    int64_t n = image_floats(planes, problem.ld);
    compare_with(name, result, exact, image_floats(planes, problem.batch), tolerance);
    same_for_any_threads(d->hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&result);
}

static void compare_channels(const struct loaded *d, const char *name,
                             const struct sw_buffer *buffer, const struct exact *exact,
                             double tolerance, int slot) {
    int64_t n = problem.planes.channels;
    float *result = fetch(buffer, n);
    compare_with(name, result, exact, n, tolerance);
    same_for_any_threads(d->hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&result);
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void check_statistics(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    struct sw_buffer *mean = unset(hal, problem.planes.channels);
    struct sw_buffer *variance = unset(hal, problem.planes.channels);
    SW_TEST_OK(sw_hal_norm_statistics(hal, &problem.planes, d.x, problem.batch, mean, variance));
    compare_channels(&d, "mean", mean, problem.mean_exact, 1.3e-7, 0);
    compare_channels(&d, "variance", variance, problem.variance_exact, 2e-6, 1);
    sw_hal_free(&mean);
    sw_hal_free(&variance);
    unload_problem(&d);
}

static void statistics_are_those_of_the_batch(void) {
    on_every_problem(check_statistics);
}

static void check_track(struct sw_hal *hal) {
    const float mean[3] = {1.0f, -2.0f, 0.5f}, variance[3] = {4.0f, 0.0f, 1.0f};
    const float old_mean[3] = {0.0f, 1.0f, 3.0f}, old_variance[3] = {1.0f, 1.0f, 2.0f};
    struct sw_buffer *d_mean = floats(hal, mean, 3), *d_variance = floats(hal, variance, 3);
    for (int64_t n = 1; n <= 5; n += 2) {
        struct sw_buffer *to_mean = floats(hal, old_mean, 3);
        struct sw_buffer *to_variance = floats(hal, old_variance, 3);
        double unbiased = n == 1 ? 1.0 : (double) n / (double) (n - 1);
        SW_TEST_OK(sw_hal_norm_track(hal, 3, n, 0.1f, d_mean, d_variance, to_mean, to_variance));
        float *means = fetch(to_mean, 3), *variances = fetch(to_variance, 3);
        for (int c = 0; c < 3; c++) {
            CU_ASSERT_DOUBLE_EQUAL((double) means[c],
                                   0.9 * (double) old_mean[c] + 0.1 * (double) mean[c], 3e-7);
            CU_ASSERT_DOUBLE_EQUAL(
                (double) variances[c],
                0.9 * (double) old_variance[c] + 0.1 * unbiased * (double) variance[c], 3e-7);
        }
        SW_FREE(&means);
        SW_FREE(&variances);
        sw_hal_free(&to_mean);
        sw_hal_free(&to_variance);
    }
    sw_hal_free(&d_mean);
    sw_hal_free(&d_variance);
}

static void running_statistics_move(void) {
    on_every_device(check_track);
}

/* ---- the output ------------------------------------------------------------------------------ */

/* Of channel c: x as the output sees it, before scale and shift. */
static double normalized(double x, double mean, double variance) {
    return (x - mean) / sqrt(variance + EPSILON);
}

static struct exact *exact_output(int with_other) {
    const struct problem *p = &problem;
    struct exact *exact = exact_array(image_floats(&p->out, p->ld));
    for_pixels(&p->out, p->batch) {
        int64_t i = pixel_at(&p->out, lane, channel, y, x);
        double mean = (double) p->mean[channel], variance = (double) p->variance[channel];
        /* x - mean loses as much as the larger of the two has: the scale is that of the terms. */
        add_term(&exact[i], (double) p->x[i],
                 (double) p->scale[channel] / sqrt(variance + EPSILON));
        add_term(&exact[i], -mean, (double) p->scale[channel] / sqrt(variance + EPSILON));
        add_term(&exact[i], (double) p->shift[channel], 1.0);
        if (with_other) add_term(&exact[i], (double) p->other[i], 1.0);
        if (p->relu && exact[i].value < 0.0) exact[i].value = 0.0;
    }
    return exact;
}

static void check_apply(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    for (int with_other = 0; with_other < 2; with_other++) {
        struct sw_buffer *y = upload_images(hal, &p->out, p->ld, NULL);
        struct exact *exact = exact_output(with_other);
        SW_TEST_OK(sw_hal_norm_apply(hal, &p->planes, &p->out, d.x, d.mean, d.variance, d.scale,
                                     d.shift, with_other ? d.other : NULL,
                                     with_other ? &p->other_planes : NULL, p->ld, p->relu, y));
        compare_images(&d, "norm", y, &p->out, exact, 4e-7, with_other);
        float *result = fetch(y, sw_planes_floats(&p->out, p->ld));
        for (int64_t i = 0; i < sw_planes_floats(&p->out, p->ld); i++)
            CU_ASSERT_TRUE(isfinite(result[i]));
        SW_FREE(&result);
        SW_FREE(&exact);
        sw_hal_free(&y);
    }
    unload_problem(&d);
}

static void output_is_normalized_scaled_and_shifted(void) {
    on_every_problem(check_apply);
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* dy where the activation is above zero. */
static double stopped(const struct problem *p, int64_t i) {
    return p->relu && p->y[i] <= 0.0f ? 0.0 : (double) p->dy[i];
}

static void check_sums(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    int64_t n = image_floats(&p->out, p->ld), channels = p->planes.channels;
    struct exact *dy = exact_array(n);
    struct exact *dscale = exact_array(channels), *dshift = exact_array(channels);
    for_pixels(&p->out, p->batch) {
        int64_t i = pixel_at(&p->out, lane, channel, y, x);
        dy[i].value = stopped(p, i);
        add_term(&dshift[channel], dy[i].value, 1.0);
        double root = sqrt((double) p->variance[channel] + EPSILON);
        add_term(&dscale[channel], dy[i].value,
                 ((double) p->x[i] - (double) p->mean[channel]) / root);
        /* x - mean is rounded: its error is that of the larger of the two. */
        dscale[channel].scale += fabs(dy[i].value * (double) p->mean[channel]) / root;
    }
    struct sw_buffer *d_scale = unset(hal, channels), *d_shift = unset(hal, channels);
    SW_TEST_OK(sw_hal_norm_backward_sums(hal, &p->planes, &p->out, d.x, d.mean, d.variance,
                                         p->relu ? d.y : NULL, p->batch, p->relu, d.dy, d_scale,
                                         d_shift));
    compare_images(&d, "dy", d.dy, &p->out, dy, 0.0, 0);
    compare_channels(&d, "dshift", d_shift, dshift, 1.3e-7, 1);
    compare_channels(&d, "dscale", d_scale, dscale, 3e-7, 2);
    SW_FREE(&dy);
    SW_FREE(&dscale);
    SW_FREE(&dshift);
    sw_hal_free(&d_scale);
    sw_hal_free(&d_shift);
    unload_problem(&d);
}

static void scale_and_shift_get_their_sums(void) {
    on_every_problem(check_sums);
}

/* dscale and dshift need not be the sums of dy here: the formula is what is checked. */
static void check_data(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    double n = (double) (p->batch * p->planes.height * p->planes.width);
    struct exact *exact = exact_array(image_floats(&p->planes, p->ld));
    for_pixels(&p->planes, p->batch) {
        int64_t i = pixel_at(&p->planes, lane, channel, y, x);
        double mean = (double) p->mean[channel];
        double root = sqrt((double) p->variance[channel] + EPSILON);
        double factor = (double) p->scale[channel] / root;
        double part = -(double) p->scale[channel] / (n * root); /* scale is also given as dscale */
        add_term(&exact[i], factor, (double) p->dy[i]);
        add_term(&exact[i], factor, -(double) p->shift[channel] / n);
        add_term(&exact[i], factor * part, (double) p->x[i]);
        add_term(&exact[i], factor * part, -mean);
    }
    struct sw_buffer *dx = upload_images(hal, &p->planes, p->ld, NULL);
    SW_TEST_OK(sw_hal_norm_backward_data(hal, &p->planes, &p->out, d.x, d.mean, d.variance, d.scale,
                                         d.scale, d.shift, d.dy, p->batch, dx));
    compare_images(&d, "dx", dx, &p->planes, exact, 5e-7, 0);
    float *result = fetch_images(dx, &p->planes, p->ld);
    padding_is_zero(&p->planes, p->batch, result);
    SW_FREE(&result);
    SW_FREE(&exact);
    sw_hal_free(&dx);
    unload_problem(&d);
}

static void data_gradient_follows_the_formula(void) {
    on_every_problem(check_data);
}

/* Sum of dy relu(norm(x) scale + shift) with the statistics of x itself, in double. */
static double weighed_output(const struct problem *p, const double *input, const double *scale,
                             const double *shift) {
    double sum = 0.0, n = (double) (p->batch * p->planes.height * p->planes.width);
    for (int64_t c = 0; c < p->planes.channels; c++) {
        double mean = 0.0, variance = 0.0;
        for_pixels(&p->planes, p->batch) if (channel == c)
            mean += input[pixel_at(&p->planes, lane, channel, y, x)] / n;
        for_pixels(&p->planes, p->batch) if (channel == c) {
            double away = input[pixel_at(&p->planes, lane, channel, y, x)] - mean;
            variance += away * away / n;
        }
        for_pixels(&p->planes, p->batch) if (channel == c) {
            int64_t i = pixel_at(&p->planes, lane, channel, y, x);
            double output = normalized(input[i], mean, variance) * scale[c] + shift[c];
            if (p->relu && output < 0.0) output = 0.0;
            sum += output * (double) p->dy[i];
        }
    }
    return sum;
}

/* Central difference of weighed_output by *moved, one of its numbers. */
static double slope(const struct problem *p, const double *input, const double *scale,
                    const double *shift, double *moved) {
    const double step = 1e-6, kept = *moved;
    *moved = kept + step;
    double above = weighed_output(p, input, scale, shift);
    *moved = kept - step;
    double below = weighed_output(p, input, scale, shift);
    *moved = kept;
    return (above - below) / (2.0 * step);
}

static double *doubles(const float *from, int64_t n) {
    double *to = NULL;
    SW_TEST_OK(SW_ALLOC(&to, (size_t) n, "test"));
    for (int64_t i = 0; i < n; i++)
        to[i] = (double) from[i];
    return to;
}

/* Forward and backward of the device, compared with slopes of the formula. */
static void check_slopes(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    int64_t channels = p->planes.channels;
    struct sw_buffer *dscale = unset(hal, channels), *dshift = unset(hal, channels);
    struct sw_buffer *dx = upload_images(hal, &p->planes, p->ld, NULL);
    SW_TEST_OK(sw_hal_norm_statistics(hal, &p->planes, d.x, p->batch, d.mean, d.variance));
    SW_TEST_OK(sw_hal_norm_apply(hal, &p->planes, &p->out, d.x, d.mean, d.variance, d.scale,
                                 d.shift, NULL, NULL, p->ld, p->relu, d.y));
    SW_TEST_OK(sw_hal_norm_backward_sums(hal, &p->planes, &p->out, d.x, d.mean, d.variance, d.y,
                                         p->batch, p->relu, d.dy, dscale, dshift));
    SW_TEST_OK(sw_hal_norm_backward_data(hal, &p->planes, &p->out, d.x, d.mean, d.variance, d.scale,
                                         dscale, dshift, d.dy, p->batch, dx));
    float *to_scale = fetch(dscale, channels), *to_shift = fetch(dshift, channels);
    float *to_x = fetch_images(dx, &p->planes, p->ld);
    double *scale = doubles(p->scale, channels), *shift = doubles(p->shift, channels);
    double *input = doubles(p->x, image_floats(&p->planes, p->batch));
    for (int64_t c = 0; c < channels; c++) {
        CU_ASSERT_DOUBLE_EQUAL((double) to_scale[c], slope(p, input, scale, shift, &scale[c]),
                               2e-5);
        CU_ASSERT_DOUBLE_EQUAL((double) to_shift[c], slope(p, input, scale, shift, &shift[c]),
                               2e-5);
    }
    for (int64_t i = 0; i < image_floats(&p->planes, p->batch); i++)
        CU_ASSERT_DOUBLE_EQUAL((double) to_x[i], slope(p, input, scale, shift, &input[i]), 2e-5);
    SW_FREE(&to_scale);
    SW_FREE(&to_shift);
    SW_FREE(&to_x);
    SW_FREE(&scale);
    SW_FREE(&shift);
    SW_FREE(&input);
    sw_hal_free(&dscale);
    sw_hal_free(&dshift);
    sw_hal_free(&dx);
    unload_problem(&d);
}

static void gradients_are_slopes_of_the_output(void) {
    for (int relu = 0; relu < 2; relu++) {
        problem = create_problem(&(struct shape){2, 3, 2, 5, 1, 2}, relu);
        on_every_device(check_slopes);
        destroy_problem(&problem);
    }
}

/* ---- bias ------------------------------------------------------------------------------------ */

static void check_bias(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    struct exact *exact = exact_array(image_floats(&p->out, p->ld));
    struct sw_buffer *output = upload_images(hal, &p->out, p->ld, p->dy);
    for_pixels(&p->out, p->batch) {
        int64_t i = pixel_at(&p->out, lane, channel, y, x);
        add_term(&exact[i], (double) p->dy[i], 1.0);
        add_term(&exact[i], (double) p->shift[channel], 1.0);
        if (p->relu && exact[i].value < 0.0) exact[i].value = 0.0;
    }
    SW_TEST_OK(sw_hal_planes_bias_activate(hal, &p->out, d.shift, p->ld, p->relu, output));
    compare_images(&d, "bias", output, &p->out, exact, 1.3e-7, 0);
    SW_FREE(&exact);
    sw_hal_free(&output);
    unload_problem(&d);
}

static void bias_is_added_inside_the_border(void) {
    on_every_problem(check_bias);
}

static void check_bias_backward(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    int64_t channels = p->planes.channels;
    struct exact *dy = exact_array(image_floats(&p->out, p->ld)), *dbias = exact_array(channels);
    for_pixels(&p->out, p->batch) {
        int64_t i = pixel_at(&p->out, lane, channel, y, x);
        dy[i].value = stopped(p, i);
        add_term(&dbias[channel], dy[i].value, 1.0);
    }
    struct sw_buffer *alone = upload_images(hal, &p->out, p->ld, p->dy);
    struct sw_buffer *sums = unset(hal, channels), *y = p->relu ? d.y : NULL;
    SW_TEST_OK(sw_hal_planes_bias_backward(hal, &p->out, y, p->ld, p->relu, d.dy, sums));
    SW_TEST_OK(sw_hal_planes_bias_backward(hal, &p->out, y, p->ld, p->relu, alone, NULL));
    compare_images(&d, "dy", d.dy, &p->out, dy, 0.0, 0);
    compare_images(&d, "dy without dbias", alone, &p->out, dy, 0.0, 1);
    compare_channels(&d, "dbias", sums, dbias, 1.3e-7, 2);
    SW_FREE(&dy);
    SW_FREE(&dbias);
    sw_hal_free(&alone);
    sw_hal_free(&sums);
    unload_problem(&d);
}

static void bias_gets_its_sums(void) {
    on_every_problem(check_bias_backward);
}

/* NaN must not become 0 on its way: divergence has to show. */
static void check_nan(struct sw_hal *hal) {
    const struct sw_planes planes = {.channels = 1, .height = 1, .width = 1};
    const float zero = 0.0f, one = 1.0f;
    float numbers[8] = {1, NAN, -1, 2, 3, 4, 5, 6};
    struct sw_buffer *bias = floats(hal, &zero, 1), *scale = floats(hal, &one, 1);
    struct sw_buffer *x = floats(hal, numbers, 8), *y = unset(hal, 8);
    SW_TEST_OK(
        sw_hal_norm_apply(hal, &planes, &planes, x, bias, scale, scale, bias, NULL, NULL, 8, 1, y));
    SW_TEST_OK(sw_hal_planes_bias_activate(hal, &planes, bias, 8, 1, x));
    float *applied = fetch(y, 8), *activated = fetch(x, 8);
    CU_ASSERT_TRUE(isnan(applied[1]));
    CU_ASSERT_TRUE(isnan(activated[1]));
    CU_ASSERT_EQUAL(activated[2], 0.0f);
    SW_TEST_OK(sw_hal_norm_statistics(hal, &planes, x, 8, bias, scale));
    float *mean = fetch(bias, 1), *variance = fetch(scale, 1);
    CU_ASSERT_TRUE(isnan(*mean));
    CU_ASSERT_TRUE(isnan(*variance));
    SW_FREE(&applied);
    SW_FREE(&activated);
    SW_FREE(&mean);
    SW_FREE(&variance);
    sw_hal_free(&bias);
    sw_hal_free(&scale);
    sw_hal_free(&x);
    sw_hal_free(&y);
}

static void nan_passes_through(void) {
    on_every_device(check_nan);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void check_norm_arguments(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct problem *p = &problem;
    const struct sw_planes *in = &p->planes, *out = &p->out;
    struct sw_planes wide = *out, other = p->other_planes;
    struct sw_buffer *small = unset(hal, 2);
    wide.border += 5;
    other.width++;
    int64_t b = p->batch, ld = p->ld;
    SW_TEST_FAILS(sw_hal_norm_statistics(hal, in, d.x, 0, d.mean, d.variance), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_statistics(hal, in, d.x, b + 8, d.mean, d.variance), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_statistics(hal, in, d.x, b, d.mean, d.mean), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_statistics(hal, in, d.x, b, small, d.variance), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_statistics(hal, NULL, d.x, b, d.mean, d.variance), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_track(hal, 3, 0, 0.1f, d.mean, d.variance, d.scale, d.shift),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_track(hal, 3, 9, 1.1f, d.mean, d.variance, d.scale, d.shift),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_track(hal, 3, 9, NAN, d.mean, d.variance, d.scale, d.shift),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_track(hal, 3, 9, 0.1f, d.mean, d.variance, d.scale, d.scale),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_track(hal, 3, 9, 0.1f, d.mean, d.variance, d.scale, d.mean),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_apply(hal, in, &wide, d.x, d.mean, d.variance, d.scale, d.shift, NULL,
                                    NULL, ld, 0, d.y),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_apply(hal, in, &other, d.x, d.mean, d.variance, d.scale, d.shift,
                                    NULL, NULL, ld, 0, d.y),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_apply(hal, in, out, d.x, d.mean, d.variance, d.scale, d.shift,
                                    d.other, &other, ld, 0, d.y),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_apply(hal, in, out, d.x, d.mean, d.variance, d.scale, d.shift,
                                    d.other, NULL, ld, 0, d.y),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_apply(hal, in, out, d.x, d.mean, small, d.scale, d.shift, NULL, NULL,
                                    ld, 0, d.y),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_apply(hal, in, NULL, d.x, d.mean, d.variance, d.scale, d.shift, NULL,
                                    NULL, ld, 0, d.y),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_backward_sums(hal, in, out, d.x, d.mean, d.variance, NULL, b, 1, d.dy,
                                            d.scale, d.shift),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_backward_sums(hal, in, out, d.x, d.mean, d.variance, d.y, b, 1, d.y,
                                            d.scale, d.shift),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_backward_sums(hal, in, out, d.x, d.mean, d.variance, d.y, b, 1, d.dy,
                                            d.scale, d.scale),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_backward_data(hal, in, out, d.x, d.mean, d.variance, d.scale, small,
                                            d.shift, d.dy, b, d.other),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_norm_backward_data(hal, in, out, d.x, d.mean, d.variance, d.scale, d.scale,
                                            d.shift, d.dy, b, d.x),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_planes_bias_activate(hal, out, small, ld, 0, d.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_planes_bias_activate(hal, &wide, d.shift, ld, 0, d.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_planes_bias_activate(hal, out, d.shift, ld + 1, 0, d.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_planes_bias_backward(hal, out, NULL, ld, 1, d.dy, d.shift), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_planes_bias_backward(hal, out, d.y, ld, 1, d.y, d.shift), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_planes_bias_backward(hal, out, d.y, ld, 1, d.dy, small), SW_INTERNAL);
    sw_hal_free(&small);
    unload_problem(&d);
}

static void wrong_arguments_are_refused(void) {
    problem = create_problem(&shapes[1], 0);
    on_every_device(check_norm_arguments);
    destroy_problem(&problem);
}

static CU_TestInfo tests[] = {
    {"statistics_are_those_of_the_batch", statistics_are_those_of_the_batch},
    {"running_statistics_move", running_statistics_move},
    {"output_is_normalized_scaled_and_shifted", output_is_normalized_scaled_and_shifted},
    {"scale_and_shift_get_their_sums", scale_and_shift_get_their_sums},
    {"data_gradient_follows_the_formula", data_gradient_follows_the_formula},
    {"gradients_are_slopes_of_the_output", gradients_are_slopes_of_the_output},
    {"bias_is_added_inside_the_border", bias_is_added_inside_the_border},
    {"bias_gets_its_sums", bias_gets_its_sums},
    {"nan_passes_through", nan_passes_through},
    {"wrong_arguments_are_refused", wrong_arguments_are_refused},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"norm", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_backend_planes_norm", suites);
}
