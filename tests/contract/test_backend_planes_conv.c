/* Convolutions of every backend, dense and sparse, against sums in double over plain loops, for kernels,
 * strides, paddings, borders, channels and batches of all kinds. */
#include "images.h"

/* ---- problems -------------------------------------------------------------------------------- */

struct problem {
    struct sw_conv conv;
    int64_t batch, ld;
    struct sw_csr csr;
    float *w, *values, *x, *dy, *dx; /* w is 0 where values are not kept; dx is what is added to */
    struct exact *y_exact, *dx_exact, *dx_added, *dw_exact;
};

static int64_t count_weights(const struct sw_conv *c) {
    return c->out.channels * c->in.channels * c->kernel * c->kernel;
}

/* Every `every`-th weight from `from` on is kept. */
static void choose_weights(struct problem *p, int64_t from, int64_t every) {
    int64_t count = count_weights(&p->conv);
    uint8_t *mask = NULL;
    SW_TEST_OK(SW_ALLOC(&mask, (size_t) sw_mask_bytes(count), "test"));
    sw_mask_fill(mask, count);
    for (int64_t i = 0; i < count; i++)
        if (i < from || (i - from) % every != 0) sw_mask_clear_bit(mask, i);
    SW_TEST_OK(sw_csr_from_mask(mask, p->conv.out.channels, count / p->conv.out.channels, &p->csr));
    p->w = random_floats(count, 1);
    p->values = random_floats(p->csr.nnz, 2);
    sw_mask_gather(mask, count, p->w, p->values);
    sw_mask_scatter(mask, count, p->values, p->w);
    SW_FREE(&mask);
}

/* One term of the sums that the three products are: y[o] += w x, dx[c] += w dy, dw += dy x. */
static void add_terms(struct problem *p, int64_t w, int64_t y, int64_t x) {
    add_term(&p->y_exact[y], (double) p->w[w], (double) p->x[x]);
    add_term(&p->dx_exact[x], (double) p->w[w], (double) p->dy[y]);
    add_term(&p->dw_exact[w], (double) p->dy[y], (double) p->x[x]);
}

/* All taps of one output. */
static void add_output(struct problem *p, int64_t lane, int64_t o, int64_t oy, int64_t ox) {
    const struct sw_conv *c = &p->conv;
    int64_t y = pixel_at(&c->out, lane, o, oy, ox);
    int64_t w = o * c->in.channels * c->kernel * c->kernel;
    for (int64_t i = 0; i < c->in.channels; i++)
        for (int64_t ky = 0; ky < c->kernel; ky++)
            for (int64_t kx = 0; kx < c->kernel; kx++, w++) {
                int64_t iy = oy * c->stride + ky - c->padding;
                int64_t ix = ox * c->stride + kx - c->padding;
                if (iy < 0 || iy >= c->in.height || ix < 0 || ix >= c->in.width) continue;
                add_terms(p, w, y, pixel_at(&c->in, lane, i, iy, ix));
            }
}

static void compute_exactly(struct problem *p) {
    const struct sw_conv *c = &p->conv;
    int64_t n = image_floats(&c->in, p->ld);
    p->y_exact = exact_array(image_floats(&c->out, p->ld));
    p->dx_exact = exact_array(n);
    p->dx_added = exact_array(n);
    p->dw_exact = exact_array(count_weights(c));
    for_pixels(&c->out, p->ld) add_output(p, lane, channel, y, x);
    for (int64_t i = 0; i < n; i++) {
        p->dx_added[i] = p->dx_exact[i];
        add_term(&p->dx_added[i], (double) p->dx[i], 1.0);
    }
}

/* x keeps numbers without meaning behind the batch; gradients are zero there. */
static struct problem create_problem(const struct sw_conv *conv, int64_t batch, int64_t from,
                                     int64_t every) {
    struct problem p = {.conv = *conv, .batch = batch, .ld = sw_hal_lanes(batch)};
    choose_weights(&p, from, every);
    p.x = random_images(&conv->in, batch, 77.0f, 3);
    p.dy = random_images(&conv->out, batch, 0.0f, 4);
    p.dx = random_images(&conv->in, batch, 0.0f, 5);
    compute_exactly(&p);
    return p;
}

static void destroy_problem(struct problem *p) {
    sw_csr_fini(&p->csr);
    SW_FREE(&p->w);
    SW_FREE(&p->values);
    SW_FREE(&p->x);
    SW_FREE(&p->dy);
    SW_FREE(&p->dx);
    SW_FREE(&p->y_exact);
    SW_FREE(&p->dx_exact);
    SW_FREE(&p->dx_added);
    SW_FREE(&p->dw_exact);
}

/* Output sizes of a convolution and the borders that it needs, `extra` pixels wider. */
static int complete_conv(struct sw_conv *c, int64_t extra) {
    int64_t height = c->in.height + 2 * c->padding - c->kernel;
    int64_t width = c->in.width + 2 * c->padding - c->kernel;
    if (height < 0 || width < 0) return 0;
    c->in.border = c->padding + extra;
    c->out.height = height / c->stride + 1;
    c->out.width = width / c->stride + 1;
    c->out.border = sw_conv_gradient_border(c) + extra;
    return 1;
}

/* ---- the operations -------------------------------------------------------------------------- */

/* A problem on a device. */
struct loaded {
    struct sw_hal *hal;
    const struct problem *p;
    struct sw_sparse_conv *sparse;
    struct sw_buffer *w, *values, *x, *dy, *scratch;
};

static struct sw_buffer *create_scratch(struct sw_hal *hal, const struct problem *p) {
    struct sw_buffer *scratch = NULL;
    int64_t dense = sw_hal_conv_scratch(&p->conv, sw_hal_isa(hal), SW_FORMAT_DENSE,
                                        count_weights(&p->conv), p->ld);
    int64_t sparse = sw_hal_conv_scratch(&p->conv, sw_hal_isa(hal), SW_FORMAT_CSR, p->csr.nnz,
                                         p->ld);
    int64_t bytes = dense > sparse ? dense : sparse;
    if (bytes == 0) return NULL;
    SW_TEST_OK(sw_hal_alloc(hal, bytes, "scratch", &scratch));
    return scratch;
}

static struct loaded load_problem(struct sw_hal *hal, const struct problem *p) {
    struct loaded d = {.hal = hal, .p = p};
    SW_TEST_OK(sw_hal_sparse_conv_create(hal, &p->conv, &p->csr, &d.sparse));
    CU_ASSERT_EQUAL(sw_hal_sparse_conv_bytes(d.sparse),
                    sw_hal_sparse_conv_predict_bytes(sw_hal_isa(hal), &p->conv, p->csr.nnz));
    d.w = floats(hal, p->w, count_weights(&p->conv));
    d.values = floats(hal, p->values, p->csr.nnz);
    d.x = upload_images(hal, &p->conv.in, p->ld, p->x);
    d.dy = upload_images(hal, &p->conv.out, p->ld, p->dy);
    d.scratch = create_scratch(hal, p);
    return d;
}

static void unload_problem(struct loaded *d) {
    sw_hal_sparse_conv_free(&d->sparse);
    sw_hal_sparse_conv_free(&d->sparse);
    sw_hal_free(&d->w);
    sw_hal_free(&d->values);
    sw_hal_free(&d->x);
    sw_hal_free(&d->dy);
    sw_hal_free(&d->scratch);
}

static void check_forward(struct loaded *d, int sparse, int slot) {
    const struct problem *p = d->p;
    const struct sw_planes *out = &p->conv.out;
    struct sw_buffer *y = upload_images(d->hal, out, p->ld, NULL);
    SW_TEST_OK(sparse ? sw_hal_sparse_conv_forward(d->hal, d->sparse, d->values, d->x, NULL, p->ld,
                                                   0, d->scratch, y)
                      : sw_hal_conv_forward(d->hal, &p->conv, d->w, d->x, p->ld, d->scratch, y));
    float *result = fetch_images(y, out, p->ld);
    compare_with(sparse ? "sparse forward" : "forward", result, p->y_exact,
                 image_floats(out, p->ld), 5e-7);
    same_for_any_threads(d->hal, slot, result, (size_t) image_floats(out, p->ld) * sizeof *result);
    SW_FREE(&result);
    sw_hal_free(&y);
}

/* With a bias and maybe a ReLU in the same pass: to the bit what the pass of its own gives. */
static void check_ending(struct loaded *d, int relu) {
    const struct sw_planes *out = &d->p->conv.out;
    const int64_t ld = d->p->ld;
    struct sw_buffer *y = upload_images(d->hal, out, ld, NULL);
    struct sw_buffer *apart = upload_images(d->hal, out, ld, NULL);
    float *numbers = random_floats(out->channels, 71);
    struct sw_buffer *bias = floats(d->hal, numbers, out->channels);
    SW_TEST_OK(sw_hal_sparse_conv_forward(d->hal, d->sparse, d->values, d->x, bias, ld, relu,
                                          d->scratch, y));
    SW_TEST_OK(sw_hal_sparse_conv_forward(d->hal, d->sparse, d->values, d->x, NULL, ld, relu,
                                          d->scratch, apart));
    SW_TEST_OK(sw_hal_planes_bias_activate(d->hal, out, bias, ld, relu, apart));
    float *result = fetch_images(y, out, ld), *expected = fetch_images(apart, out, ld);
    for (int64_t i = 0; i < image_floats(out, ld); i++)
        CU_ASSERT_EQUAL(result[i], expected[i]);
    SW_FREE(&result);
    SW_FREE(&expected);
    SW_FREE(&numbers);
    sw_hal_free(&y);
    sw_hal_free(&apart);
    sw_hal_free(&bias);
}

static void check_backward_data(struct loaded *d, int sparse, int add, int slot) {
    const struct problem *p = d->p;
    const struct sw_planes *in = &p->conv.in;
    struct sw_buffer *dx = upload_images(d->hal, in, p->ld, add ? p->dx : NULL);
    SW_TEST_OK(sparse ? sw_hal_sparse_conv_backward_data(d->hal, d->sparse, d->values, d->dy, p->ld,
                                                         add, d->scratch, dx)
                      : sw_hal_conv_backward_data(d->hal, &p->conv, d->w, d->dy, p->ld, add,
                                                  d->scratch, dx));
    float *result = fetch_images(dx, in, p->ld);
    compare_with(sparse ? "sparse backward data" : "backward data", result,
                 add ? p->dx_added : p->dx_exact, image_floats(in, p->ld), 5e-7);
    padding_is_zero(in, p->batch, result);
    same_for_any_threads(d->hal, slot, result, (size_t) image_floats(in, p->ld) * sizeof *result);
    SW_FREE(&result);
    sw_hal_free(&dx);
}

/* Of the exact gradient, those of the weights that are kept. */
static struct exact *exact_values(const struct problem *p) {
    struct exact *values = exact_array(p->csr.nnz);
    for (int64_t r = 0; r < p->csr.rows; r++)
        for (int32_t k = p->csr.row_start[r]; k < p->csr.row_start[r + 1]; k++)
            values[k] = p->dw_exact[r * p->csr.columns + p->csr.column[k]];
    return values;
}

static void check_backward_weights(struct loaded *d, int sparse, int slot) {
    const struct problem *p = d->p;
    int64_t n = sparse ? p->csr.nnz : count_weights(&p->conv);
    struct sw_buffer *dw = unset(d->hal, n);
    struct exact *kept = exact_values(p);
    SW_TEST_OK(sparse ? sw_hal_sparse_conv_backward_weights(d->hal, d->sparse, d->dy, d->x, p->ld,
                                                            d->scratch, dw)
                      : sw_hal_conv_backward_weights(d->hal, &p->conv, d->dy, d->x, p->ld,
                                                     d->scratch, dw));
    float *result = fetch(dw, n);
    compare_with(sparse ? "sparse backward weights" : "backward weights", result,
                 sparse ? kept : p->dw_exact, n, 5e-7);
    same_for_any_threads(d->hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&result);
    SW_FREE(&kept);
    sw_hal_free(&dw);
}

static struct problem problem;

static void check_problem(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    unsigned before = CU_get_number_of_failures();
    for (int sparse = 0; sparse < 2; sparse++) {
        check_forward(&d, sparse, sparse * 4);
        check_backward_data(&d, sparse, 0, sparse * 4 + 1);
        check_backward_data(&d, sparse, 1, sparse * 4 + 2);
        check_backward_weights(&d, sparse, sparse * 4 + 3);
    }
    check_ending(&d, 0);
    check_ending(&d, 1);
    const struct sw_conv *c = &problem.conv;
    if (CU_get_number_of_failures() > before)
        fprintf(stderr,
                "  %lld -> %lld channels, %lld x %lld, kernel %lld, stride %lld, padding %lld, "
                "batch %lld, %d kept\n",
                (long long) c->in.channels, (long long) c->out.channels, (long long) c->in.height,
                (long long) c->in.width, (long long) c->kernel, (long long) c->stride,
                (long long) c->padding, (long long) problem.batch, (int) problem.csr.nnz);
    unload_problem(&d);
}

/* ---- small shapes: all kernels, strides and paddings ----------------------------------------- */

static const int64_t channels[][2] = {{1, 1}, {3, 4}, {2, 9}, {4, 3}, {1, 6}, {9, 2}, {5, 5}};
static const int64_t batches[] = {1, 5, 8, 13};
static const int64_t sizes[][2] = {{5, 7}, {1, 1}, {2, 2}, {8, 3}};
static const int64_t kept[][2] = {
    {0, 3}, {0, 1}, {5, 7}, {0, 11}, {1 << 20, 1}}; /* the last: none */

static void any_shape_agrees_with_plain_sums(void) {
    int64_t n = 0;
    for (int64_t i = 0; i < 4 * 3 * 4 * 4; i++) {
        struct sw_conv conv = {
            .kernel = 1 + i % 4 * 2, .stride = 1 + i / 4 % 3, .padding = i / 12 % 4};
        conv.in.height = sizes[i / 48][0];
        conv.in.width = sizes[i / 48][1];
        conv.in.channels = channels[n % 7][0];
        conv.out.channels = channels[n % 7][1];
        if (!complete_conv(&conv, n % 3)) continue;
        problem = create_problem(&conv, batches[n % 4], kept[n % 5][0], kept[n % 5][1]);
        on_every_device(check_problem);
        destroy_problem(&problem);
        n++;
    }
    CU_ASSERT_TRUE(n > 100);
}

/* ---- shapes of real networks ----------------------------------------------------------------- */

static const struct network_shape {
    int64_t in, out, height, width, kernel, stride, padding, batch;
    int64_t every; /* one in so many weights is kept */
} network_shapes[] = {
    {3, 16, 32, 32, 3, 1, 1, 5, 3},  {16, 16, 16, 16, 3, 1, 1, 8, 10},
    {16, 32, 8, 8, 3, 2, 1, 13, 10}, {16, 32, 8, 8, 1, 2, 0, 13, 5},
    {32, 35, 4, 4, 3, 1, 1, 64, 20}, {1, 6, 28, 28, 5, 1, 2, 2, 4},
    {40, 70, 2, 2, 3, 1, 1, 64, 50}, {33, 10, 7, 7, 7, 2, 3, 3, 9},
    {16, 3, 9, 5, 3, 1, 1, 9, 2},
};

static void shapes_of_networks_agree_with_plain_sums(void) {
    for (size_t i = 0; i < sizeof network_shapes / sizeof *network_shapes; i++) {
        const struct network_shape *s = &network_shapes[i];
        struct sw_conv conv = {.in = {.channels = s->in, .height = s->height, .width = s->width},
                               .out = {.channels = s->out},
                               .kernel = s->kernel,
                               .stride = s->stride,
                               .padding = s->padding};
        CU_ASSERT_TRUE_FATAL(complete_conv(&conv, 0));
        problem = create_problem(&conv, s->batch, 1, s->every);
        on_every_device(check_problem);
        destroy_problem(&problem);
    }
}

/* ---- gradients are those of the formula ------------------------------------------------------ */

/* Sum of dy times conv(input), in double. */
static double weighed_output(const struct problem *p, const double *weights, const double *input) {
    const struct sw_conv *c = &p->conv;
    int64_t area = c->kernel * c->kernel, taps = c->in.channels * area;
    double sum = 0.0;
    for_pixels(&c->out, p->batch) {
        double output = 0.0;
        for (int64_t t = 0; t < taps; t++) {
            int64_t iy = y * c->stride + t % area / c->kernel - c->padding;
            int64_t ix = x * c->stride + t % c->kernel - c->padding;
            if (iy >= 0 && iy < c->in.height && ix >= 0 && ix < c->in.width)
                output += weights[channel * taps + t] *
                          input[pixel_at(&c->in, lane, t / area, iy, ix)];
        }
        sum += output * (double) p->dy[pixel_at(&c->out, lane, channel, y, x)];
    }
    return sum;
}

/* Central differences of weighed_output by number i of `moved`, which is weights or input. */
static double slope(const struct problem *p, const double *weights, const double *input,
                    double *moved, int64_t i) {
    const double step = 1e-3, kept_number = moved[i];
    moved[i] = kept_number + step;
    double above = weighed_output(p, weights, input);
    moved[i] = kept_number - step;
    double below = weighed_output(p, weights, input);
    moved[i] = kept_number;
    return (above - below) / (2.0 * step);
}

static double *doubles(const float *from, int64_t n) {
    double *to = NULL;
    SW_TEST_OK(SW_ALLOC(&to, (size_t) n, "test"));
    for (int64_t i = 0; i < n; i++)
        to[i] = (double) from[i];
    return to;
}

/* What the other tests compare with is itself the gradient of the output. */
static void gradients_are_slopes_of_the_output(void) {
    struct sw_conv conv = {.in = {.channels = 2, .height = 5, .width = 4},
                           .out = {.channels = 3},
                           .kernel = 3,
                           .stride = 2,
                           .padding = 1};
    CU_ASSERT_TRUE_FATAL(complete_conv(&conv, 0));
    struct problem p = create_problem(&conv, 2, 0, 1);
    double *weights = doubles(p.w, count_weights(&conv));
    double *input = doubles(p.x, image_floats(&conv.in, 2));
    for (int64_t i = 0; i < count_weights(&conv); i++)
        CU_ASSERT_DOUBLE_EQUAL(slope(&p, weights, input, weights, i), p.dw_exact[i].value, 1e-9);
    for (int64_t i = 0; i < image_floats(&conv.in, 2); i++)
        CU_ASSERT_DOUBLE_EQUAL(slope(&p, weights, input, input, i), p.dx_exact[i].value, 1e-9);
    SW_FREE(&weights);
    SW_FREE(&input);
    destroy_problem(&p);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

/* The dense products with a wrong shape; all have to refuse it. */
static void refuses_shape(const struct loaded *d, struct sw_conv conv, const char *word) {
    struct sw_sparse_conv *sparse = NULL;
    SW_TEST_FAILS(sw_hal_conv_forward(d->hal, &conv, d->w, d->x, 8, d->scratch, d->dy),
                  SW_INTERNAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), word));
    SW_TEST_FAILS(sw_hal_conv_backward_data(d->hal, &conv, d->w, d->dy, 8, 0, d->scratch, d->x),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_backward_weights(d->hal, &conv, d->dy, d->x, 8, d->scratch, d->w),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_create(d->hal, &conv, &d->p->csr, &sparse), SW_INTERNAL);
    CU_ASSERT_PTR_NULL(sparse);
}

static void check_shapes(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    struct sw_conv conv = problem.conv;
    conv.padding = 2;
    refuses_shape(&d, conv, "border");
    conv = problem.conv;
    conv.padding = -1;
    refuses_shape(&d, conv, "padding");
    conv = problem.conv;
    conv.stride = 0;
    refuses_shape(&d, conv, "stride");
    conv = problem.conv;
    conv.kernel = 0;
    refuses_shape(&d, conv, "kernel");
    conv = problem.conv;
    conv.kernel = 9;
    refuses_shape(&d, conv, "kernel");
    conv = problem.conv;
    conv.out.height++;
    refuses_shape(&d, conv, "height");
    conv = problem.conv;
    conv.out.width--;
    refuses_shape(&d, conv, "width");
    conv = problem.conv;
    conv.in.channels = 0;
    refuses_shape(&d, conv, "channels");
    conv = problem.conv;
    conv.in.border = -1;
    refuses_shape(&d, conv, "border");
    conv = problem.conv;
    conv.in.height = conv.in.width = INT32_MAX;
    refuses_shape(&d, conv, "2^31");
    conv = problem.conv;
    conv.in.channels = conv.out.channels = 1 << 20;
    refuses_shape(&d, conv, "weights");
    unload_problem(&d);
}

/* A narrower border than the gradient needs: forward is fine, backward data is not. */
static void check_gradient_border(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    struct sw_conv conv = problem.conv;
    conv.out.border = sw_conv_gradient_border(&conv) - 1;
    struct sw_sparse_conv *sparse = NULL;
    SW_TEST_OK(sw_hal_sparse_conv_create(hal, &conv, &problem.csr, &sparse));
    SW_TEST_OK(sw_hal_conv_forward(hal, &conv, d.w, d.x, 8, d.scratch, d.dy));
    SW_TEST_OK(sw_hal_sparse_conv_forward(hal, sparse, d.values, d.x, NULL, 8, 0, d.scratch, d.dy));
    SW_TEST_FAILS(sw_hal_conv_backward_data(hal, &conv, d.w, d.dy, 8, 0, d.scratch, d.x),
                  SW_INTERNAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "border"));
    SW_TEST_FAILS(
        sw_hal_sparse_conv_backward_data(hal, sparse, d.values, d.dy, 8, 0, d.scratch, d.x),
        SW_INTERNAL);
    sw_hal_sparse_conv_free(&sparse);
    unload_problem(&d);
}

static void check_buffers(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    const struct sw_conv *c = &problem.conv;
    struct sw_buffer *small = unset(hal, problem.csr.nnz - 1), *scratch = d.scratch;
    SW_TEST_FAILS(sw_hal_conv_forward(hal, c, small, d.x, 8, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, small, 8, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, d.x, 8, scratch, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, d.x, 7, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, d.x, 16, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, d.x, 8, scratch, d.x), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(hal, NULL, d.w, d.x, 8, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_forward(NULL, c, d.w, d.x, 8, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_backward_data(hal, c, d.w, d.dy, 8, 0, scratch, d.dy), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_backward_weights(hal, c, d.dy, d.x, 8, scratch, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_conv_backward_weights(hal, c, d.dy, d.x, 8, scratch, d.x), SW_INTERNAL);
    const struct sw_sparse_conv *s = d.sparse;
    SW_TEST_FAILS(sw_hal_sparse_conv_forward(hal, NULL, d.values, d.x, NULL, 8, 0, scratch, d.dy),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_forward(hal, s, d.values, d.x, d.dy, 8, 1, scratch, d.dy),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_forward(hal, s, small, d.x, NULL, 8, 0, scratch, d.dy),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_forward(hal, s, d.values, d.x, NULL, 16, 0, scratch, d.dy),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_backward_data(hal, s, d.values, d.dy, 8, 0, scratch, d.dy),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_backward_weights(hal, s, d.dy, d.x, 8, scratch, small),
                  SW_INTERNAL);
    if (scratch != NULL) {
        SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, d.x, 8, NULL, d.dy), SW_INTERNAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "scratch"));
        SW_TEST_FAILS(sw_hal_conv_forward(hal, c, d.w, d.x, 8, small, d.dy), SW_INTERNAL);
    }
    sw_hal_free(&small);
    unload_problem(&d);
}

/* Positions of other weights, and positions outside. */
static void check_positions(struct sw_hal *hal) {
    struct sw_sparse_conv *sparse = NULL;
    struct sw_csr csr = problem.csr;
    csr.rows--;
    SW_TEST_FAILS(sw_hal_sparse_conv_create(hal, &problem.conv, &csr, &sparse), SW_INTERNAL);
    csr = problem.csr;
    int32_t kept_column = csr.column[3];
    csr.column[3] = (int32_t) csr.columns;
    SW_TEST_FAILS(sw_hal_sparse_conv_create(hal, &problem.conv, &csr, &sparse), SW_INTERNAL);
    csr.column[3] = kept_column;
    SW_TEST_FAILS(sw_hal_sparse_conv_create(hal, &problem.conv, NULL, &sparse), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_conv_create(NULL, &problem.conv, &csr, &sparse), SW_INTERNAL);
    CU_ASSERT_PTR_NULL(sparse);
    SW_TEST_OK(sw_hal_sparse_conv_create(hal, &problem.conv, &csr, &sparse));
    struct sw_hal *other = open_device(sw_backend_find("cpu"), SW_ISA_GENERIC, 1);
    SW_TEST_FAILS(sw_hal_sparse_conv_forward(other, sparse, NULL, NULL, NULL, 8, 0, NULL, NULL),
                  SW_INTERNAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "another device"));
    sw_hal_close(&other);
    sw_hal_sparse_conv_free(&sparse);
}

static void wrong_arguments_are_refused(void) {
    struct sw_conv conv = {.in = {.channels = 2, .height = 5, .width = 6},
                           .out = {.channels = 3},
                           .kernel = 3,
                           .stride = 1,
                           .padding = 1};
    CU_ASSERT_TRUE_FATAL(complete_conv(&conv, 0));
    problem = create_problem(&conv, 3, 0, 1);
    on_every_device(check_shapes);
    on_every_device(check_gradient_border);
    on_every_device(check_buffers);
    on_every_device(check_positions);
    destroy_problem(&problem);
}

/* ---- the border that a gradient needs -------------------------------------------------------- */

/* Reading every output that any input pixel belongs to stays within the border. */
static void gradient_borders_are_wide_enough(void) {
    for (int64_t i = 0; i < 7 * 3 * 4 * 9; i++) {
        struct sw_conv c = {.kernel = 1 + i % 7, .stride = 1 + i / 7 % 3, .padding = i / 21 % 4};
        c.in = (struct sw_planes){.channels = 1, .height = 1 + i / 84, .width = 9 - i / 84};
        c.out.channels = 1;
        if (!complete_conv(&c, 0)) continue;
        int64_t needed = 0;
        for (int64_t pixel = 0; pixel < 9; pixel++)
            for (int64_t k = 0; k < c.kernel; k++) {
                int64_t down = pixel + c.padding - k;
                if ((down + 64 * c.stride) % c.stride != 0) continue;
                int64_t output = (down + 64 * c.stride) / c.stride - 64;
                if (-output > needed) needed = -output;
                if (pixel < c.in.height && output - c.out.height + 1 > needed)
                    needed = output - c.out.height + 1;
                if (pixel < c.in.width && output - c.out.width + 1 > needed)
                    needed = output - c.out.width + 1;
            }
        CU_ASSERT_TRUE(sw_conv_gradient_border(&c) >= needed);
        CU_ASSERT_TRUE(sw_conv_gradient_border(&c) <= needed + 1);
    }
}

static void formats_follow_density(void) {
    struct sw_conv conv = {.in = {.channels = 64, .height = 8, .width = 8, .border = 1},
                           .out = {.channels = 64, .height = 8, .width = 8, .border = 1},
                           .kernel = 3,
                           .stride = 1,
                           .padding = 1};
    int64_t count = count_weights(&conv);
    for (int isa = SW_ISA_GENERIC; isa <= SW_ISA_AVX2; isa++) {
        int changes = 0;
        CU_ASSERT_EQUAL(sw_hal_choose_conv_format((enum sw_isa) isa, &conv, count),
                        SW_FORMAT_DENSE);
        CU_ASSERT_EQUAL(sw_hal_choose_conv_format((enum sw_isa) isa, &conv, count / 50),
                        SW_FORMAT_CSR);
        for (int64_t nnz = 1; nnz <= count; nnz++)
            changes += sw_hal_choose_conv_format((enum sw_isa) isa, &conv, nnz) !=
                       sw_hal_choose_conv_format((enum sw_isa) isa, &conv, nnz - 1);
        CU_ASSERT_EQUAL(changes, 1);
    }
}

static CU_TestInfo tests[] = {
    {"any_shape_agrees_with_plain_sums", any_shape_agrees_with_plain_sums},
    {"shapes_of_networks_agree_with_plain_sums", shapes_of_networks_agree_with_plain_sums},
    {"gradients_are_slopes_of_the_output", gradients_are_slopes_of_the_output},
    {"wrong_arguments_are_refused", wrong_arguments_are_refused},
    {"gradient_borders_are_wide_enough", gradient_borders_are_wide_enough},
    {"formats_follow_density", formats_follow_density},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"convolutions", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_backend_planes_conv", suites);
}
