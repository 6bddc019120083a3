/* Pools, the ways between images and rows of a linear layer, gathering of images, dropout and sums of
 * gradients: every backend against plain loops. */
#include "images.h"

/* Compare a buffer of planes with what it should hold, and its bits for any number of threads. */
static void compare_images(const char *name, const struct sw_buffer *buffer,
                           const struct sw_planes *planes, int64_t ld, const struct exact *exact,
                           double tolerance, int slot) {
    float *result = fetch_images(buffer, planes, ld);
    int64_t n = image_floats(planes, ld);
    compare_with(name, result, exact, n, tolerance);
    same_for_any_threads(buffer->hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&result);
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct problem {
    struct sw_pooling pool;
    int64_t ld;
    float *x, *dy;
    struct exact *largest, *largest_dx, *mean, *mean_dx;
};

/* The window of one output: its largest number, the first in reading order on ties, and its mean. */
static void pool_window(struct problem *p, int64_t lane, int64_t channel, int64_t oy, int64_t ox) {
    const struct sw_pooling *pool = &p->pool;
    int64_t out = pixel_at(&pool->out, lane, channel, oy, ox), best = -1;
    double share = 1.0 / (double) (pool->kernel * pool->kernel), dy = (double) p->dy[out];
    for (int64_t k = 0; k < pool->kernel * pool->kernel; k++) {
        int64_t in = pixel_at(&pool->in, lane, channel, oy * pool->stride + k / pool->kernel,
                              ox * pool->stride + k % pool->kernel);
        if (best < 0 || p->x[in] > p->x[best]) best = in;
        add_term(&p->mean[out], (double) p->x[in], share);
        add_term(&p->mean_dx[in], dy, share);
    }
    p->largest[out].value = (double) p->x[best];
    add_term(&p->largest_dx[best], dy, 1.0);
}

/* Numbers of a small set: many windows have several largest ones. */
static struct problem create_problem(const struct sw_pooling *shape, int64_t batch, int coarse) {
    struct problem p = {.pool = *shape, .ld = sw_hal_lanes(batch)};
    p.x = random_images(&p.pool.in, batch, 3.0f, 1);
    p.dy = random_images(&p.pool.out, batch, 0.0f, 2);
    for (int64_t i = 0; i < image_floats(&p.pool.in, p.ld) && coarse; i++)
        p.x[i] = floorf(p.x[i] * 1.5f);
    p.largest = exact_array(image_floats(&p.pool.out, p.ld));
    p.mean = exact_array(image_floats(&p.pool.out, p.ld));
    p.largest_dx = exact_array(image_floats(&p.pool.in, p.ld));
    p.mean_dx = exact_array(image_floats(&p.pool.in, p.ld));
    for_pixels(&p.pool.out, p.ld) pool_window(&p, lane, channel, y, x);
    return p;
}

static void destroy_problem(struct problem *p) {
    SW_FREE(&p->x);
    SW_FREE(&p->dy);
    SW_FREE(&p->largest);
    SW_FREE(&p->largest_dx);
    SW_FREE(&p->mean);
    SW_FREE(&p->mean_dx);
}

static struct problem problem;

static void check_pools(struct sw_hal *hal) {
    const struct sw_pooling *pool = &problem.pool;
    const struct sw_planes *in = &pool->in, *out = &pool->out;
    int64_t ld = problem.ld;
    struct sw_buffer *x = upload_images(hal, in, ld, problem.x);
    struct sw_buffer *dy = upload_images(hal, out, ld, problem.dy);
    struct sw_buffer *y = upload_images(hal, out, ld, NULL);
    struct sw_buffer *dx = upload_images(hal, in, ld, NULL);
    SW_TEST_OK(sw_hal_average_pool(hal, pool, x, ld, y));
    compare_images("average pool", y, out, ld, problem.mean, 5e-7, 0);
    SW_TEST_OK(sw_hal_average_pool_backward(hal, pool, dy, ld, dx));
    compare_images("average pool backward", dx, in, ld, problem.mean_dx, 5e-7, 1);
    SW_TEST_OK(sw_hal_max_pool(hal, pool, x, ld, y));
    compare_images("max pool", y, out, ld, problem.largest, 0.0, 2);
    SW_TEST_OK(sw_hal_max_pool_backward(hal, pool, x, y, dy, ld, dx));
    compare_images("max pool backward", dx, in, ld, problem.largest_dx, 5e-7, 3);
    struct sw_pooling after_relu = *pool;
    after_relu.relu = 1;
    SW_TEST_OK(sw_hal_max_pool_backward(hal, &after_relu, x, y, dy, ld, dx));
    struct exact *stopped = exact_array(image_floats(in, ld));
    for (int64_t i = 0; i < image_floats(in, ld); i++)
        if (problem.x[i] > 0.0f) stopped[i] = problem.largest_dx[i];
    compare_images("max pool backward after ReLU", dx, in, ld, stopped, 5e-7, 4);
    SW_FREE(&stopped);
    sw_hal_free(&x);
    sw_hal_free(&y);
    sw_hal_free(&dx);
    sw_hal_free(&dy);
}

static const struct {
    int64_t channels, height, width, kernel, stride, border, batch;
} pool_shapes[] = {
    {1, 1, 1, 1, 1, 0, 1}, {3, 6, 8, 2, 2, 1, 5},    {4, 7, 5, 2, 2, 2, 13},  {2, 7, 9, 3, 2, 1, 8},
    {5, 6, 6, 3, 1, 0, 9}, {1, 9, 10, 2, 3, 1, 3},   {16, 4, 4, 2, 2, 1, 64}, {3, 5, 5, 5, 5, 0, 2},
    {2, 8, 3, 3, 4, 1, 8}, {3, 32, 32, 2, 2, 1, 13},
};

static void pools_agree_with_plain_loops(void) {
    for (int i = 0; i < 2 * (int) (sizeof pool_shapes / sizeof *pool_shapes); i++) {
        int64_t kernel = pool_shapes[i / 2].kernel, stride = pool_shapes[i / 2].stride;
        int64_t height = pool_shapes[i / 2].height, width = pool_shapes[i / 2].width;
        struct sw_pooling pool = {
            .in = {pool_shapes[i / 2].channels, height, width, pool_shapes[i / 2].border},
            .out = {pool_shapes[i / 2].channels, (height - kernel) / stride + 1,
                    (width - kernel) / stride + 1, 2 - pool_shapes[i / 2].border},
            .kernel = kernel,
            .stride = stride};
        problem = create_problem(&pool, pool_shapes[i / 2].batch, i % 2);
        on_every_device(check_pools);
        destroy_problem(&problem);
    }
}

static void check_pool_nan(struct sw_hal *hal) {
    struct sw_pooling pool = {{1, 2, 2, 0}, {1, 1, 1, 0}, 2, 2, 0};
    float numbers[32];
    for (int i = 0; i < 32; i++)
        numbers[i] = i % 8 == i / 8 ? NAN : (float) i;
    struct sw_buffer *x = floats(hal, numbers, 32), *y = unset(hal, 8);
    SW_TEST_OK(sw_hal_max_pool(hal, &pool, x, 8, y));
    float *result = fetch(y, 8);
    for (int lane = 0; lane < 8; lane++)
        CU_ASSERT_TRUE(lane < 4 ? isnan(result[lane]) : result[lane] == (float) (24 + lane));
    SW_FREE(&result);
    sw_hal_free(&x);
    sw_hal_free(&y);
}

static void nan_is_the_largest(void) {
    on_every_device(check_pool_nan);
}

/* ---- whole planes and rows of a linear layer ------------------------------------------------- */

static const struct {
    struct sw_planes planes;
    int64_t batch;
} row_shapes[] = {
    {{1, 1, 1, 0}, 1},  {{3, 5, 7, 1}, 5},   {{64, 8, 8, 0}, 64},
    {{7, 2, 2, 2}, 13}, {{2, 32, 32, 1}, 9},
};

static void check_rows(struct sw_hal *hal, const struct sw_planes *planes, int64_t batch) {
    int64_t ld = sw_hal_lanes(batch), area = planes->height * planes->width;
    int64_t features = planes->channels * area;
    float *images = random_images(planes, batch, 2.0f, 1);
    float *gradient = random_floats(features * ld, 2), *means = random_floats(features * ld, 3);
    struct exact *rows = exact_array(features * ld), *pooled = exact_array(planes->channels * ld);
    struct exact *back = exact_array(features * ld), *spread = exact_array(features * ld);
    for_pixels(planes, ld) {
        int64_t i = pixel_at(planes, lane, channel, y, x);
        int64_t feature = (channel * planes->height + y) * planes->width + x;
        rows[feature * ld + lane].value = (double) images[i];
        back[i].value = (double) gradient[feature * ld + lane];
        add_term(&pooled[channel * ld + lane], (double) images[i], 1.0 / (double) area);
        add_term(&spread[i], (double) means[channel * ld + lane], 1.0 / (double) area);
    }
    struct sw_buffer *in = upload_images(hal, planes, ld, images), *out = unset(hal, features * ld);
    struct sw_buffer *dy = floats(hal, gradient, features * ld);
    struct sw_buffer *dmean = floats(hal, means, planes->channels * ld);
    struct sw_buffer *mean = unset(hal, planes->channels * ld);
    struct sw_buffer *dx = upload_images(hal, planes, ld, NULL);
    SW_TEST_OK(sw_hal_flatten(hal, planes, in, ld, out));
    SW_TEST_OK(sw_hal_global_pool(hal, planes, in, ld, mean));
    float *flat = fetch(out, features * ld), *pool = fetch(mean, planes->channels * ld);
    compare_with("flatten", flat, rows, features * ld, 0.0);
    compare_with("global pool", pool, pooled, planes->channels * ld, 1.3e-7);
    SW_TEST_OK(sw_hal_unflatten(hal, planes, dy, ld, dx));
    compare_images("unflatten", dx, planes, ld, back, 0.0, 0);
    SW_TEST_OK(sw_hal_global_pool_backward(hal, planes, dmean, ld, dx));
    compare_images("global pool backward", dx, planes, ld, spread, 1.3e-7, 1);
    SW_FREE(&images);
    SW_FREE(&gradient);
    SW_FREE(&means);
    SW_FREE(&rows);
    SW_FREE(&pooled);
    SW_FREE(&back);
    SW_FREE(&spread);
    SW_FREE(&flat);
    SW_FREE(&pool);
    sw_hal_free(&in);
    sw_hal_free(&out);
    sw_hal_free(&dy);
    sw_hal_free(&dmean);
    sw_hal_free(&mean);
    sw_hal_free(&dx);
}

static int row_shape;
static void check_row_shape(struct sw_hal *hal) {
    check_rows(hal, &row_shapes[row_shape].planes, row_shapes[row_shape].batch);
}

static void planes_become_rows_and_rows_planes(void) {
    for (row_shape = 0; row_shape < (int) (sizeof row_shapes / sizeof *row_shapes); row_shape++)
        on_every_device(check_row_shape);
}

/* ---- gathering ------------------------------------------------------------------------------- */

enum { SAMPLES = 20 };

struct pictures {
    struct sw_planes planes;
    int64_t batch;
    uint8_t *images, labels[SAMPLES];
    float *table;
    int32_t index[64];
    struct sw_augment augment[64];
};

static struct pictures pictures;

static void create_pictures(const struct sw_planes *planes, int64_t batch) {
    int64_t n = SAMPLES * image_floats(planes, 1);
    pictures = (struct pictures){.planes = *planes, .batch = batch};
    SW_TEST_OK(SW_ALLOC(&pictures.images, (size_t) n, "test"));
    for (int64_t i = 0; i < n; i++)
        pictures.images[i] = (uint8_t) sw_random_u64(1, SW_RANDOM_BENCH, 1, (uint64_t) i);
    pictures.table = random_floats(planes->channels * 256, 2);
    for (int i = 0; i < SAMPLES; i++)
        pictures.labels[i] = (uint8_t) (i * 13);
    for (int64_t b = 0; b < batch; b++) {
        struct sw_random_words words = sw_random_draw(1, SW_RANDOM_BENCH, 3, (uint64_t) b);
        pictures.index[b] = (int32_t) (words.word[0] % SAMPLES);
        pictures.augment[b] = (struct sw_augment){.down = (int8_t) ((int) (words.word[1] % 9) - 4),
                                                  .right = (int8_t) ((int) (words.word[2] % 9) - 4),
                                                  .mirror = (int8_t) (words.word[3] % 2)};
    }
    pictures.augment[0] = (struct sw_augment){.down = -128, .right = 127, .mirror = 1};
}

/* The pixel of the shown image: moved, then mirrored; byte 0 where nothing is. */
static uint8_t shown_pixel(int64_t b, int64_t channel, int64_t y, int64_t x, int augmented) {
    const struct sw_planes *planes = &pictures.planes;
    struct sw_augment shown = augmented ? pictures.augment[b] : (struct sw_augment){0};
    if (shown.mirror) x = planes->width - 1 - x;
    y -= shown.down;
    x -= shown.right;
    if (y < 0 || y >= planes->height || x < 0 || x >= planes->width) return 0;
    return pictures.images[pixel_at(planes, pictures.index[b], channel, y, x)];
}

static void check_gather(struct sw_hal *hal) {
    const struct sw_planes *planes = &pictures.planes;
    int64_t batch = pictures.batch, ld = sw_hal_lanes(batch);
    struct sw_buffer *images = upload(hal, pictures.images, SAMPLES * image_floats(planes, 1));
    struct sw_buffer *labels = upload(hal, pictures.labels, SAMPLES);
    struct sw_buffer *table = floats(hal, pictures.table, planes->channels * 256);
    struct sw_buffer *labels_out = unset(hal, ld);
    for (int augmented = 0; augmented < 2; augmented++) {
        struct exact *exact = exact_array(image_floats(planes, ld));
        struct sw_buffer *to = upload_images(hal, planes, ld, NULL);
        for_pixels(planes, batch) exact[pixel_at(planes, lane, channel, y, x)].value =
            (double) pictures.table[channel * 256 + shown_pixel(lane, channel, y, x, augmented)];
        SW_TEST_OK(sw_hal_gather_planes(hal, images, labels, table, pictures.index,
                                        augmented ? pictures.augment : NULL, planes, batch, to,
                                        labels_out));
        compare_images("gather", to, planes, ld, exact, 0.0, augmented);
        int32_t out[64];
        SW_TEST_OK(sw_hal_download(labels_out, 0, out, ld * (int64_t) sizeof *out));
        for (int64_t b = 0; b < ld; b++)
            CU_ASSERT_EQUAL(out[b], b < batch ? pictures.labels[pictures.index[b]] : 0);
        SW_FREE(&exact);
        sw_hal_free(&to);
    }
    sw_hal_free(&images);
    sw_hal_free(&labels);
    sw_hal_free(&table);
    sw_hal_free(&labels_out);
}

static void images_are_moved_mirrored_and_looked_up(void) {
    static const struct {
        struct sw_planes planes;
        int64_t batch;
    } shapes[] = {{{1, 1, 1, 0}, 1}, {{3, 5, 7, 1}, 13}, {{1, 28, 28, 2}, 8}, {{3, 32, 32, 1}, 60}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        create_pictures(&shapes[i].planes, shapes[i].batch);
        on_every_device(check_gather);
        SW_FREE(&pictures.images);
        SW_FREE(&pictures.table);
    }
}

/* ---- borders, dropout, sums ------------------------------------------------------------------ */

static void check_borders(struct sw_hal *hal) {
    static const struct sw_planes shapes[] = {{3, 5, 7, 1}, {2, 1, 1, 3}, {4, 8, 8, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct sw_planes *planes = &shapes[i];
        int64_t n = sw_planes_floats(planes, 16);
        float *numbers = random_floats(n, 1);
        struct exact *exact = exact_array(image_floats(planes, 16));
        for_pixels(planes, 16) exact[pixel_at(planes, lane, channel, y, x)].value = (double)
            numbers[stored_at(planes, lane, channel, y, x)];
        struct sw_buffer *buffer = floats(hal, numbers, n);
        SW_TEST_OK(sw_hal_clear_border(hal, planes, 16, buffer));
        compare_images("clear border", buffer, planes, 16, exact, 0.0, (int) i);
        SW_FREE(&numbers);
        SW_FREE(&exact);
        sw_hal_free(&buffer);
    }
}

static void borders_are_cleared(void) {
    on_every_device(check_borders);
}

/* A copy of n numbers after dropout; free with SW_FREE. */
static float *dropped(struct sw_hal *hal, uint64_t seed, uint64_t stream, float rate, int64_t n,
                      const float *numbers) {
    struct sw_buffer *buffer = floats(hal, numbers, n);
    SW_TEST_OK(sw_hal_dropout(hal, seed, stream, rate, n, buffer));
    float *result = fetch(buffer, n);
    sw_hal_free(&buffer);
    return result;
}

static void check_dropout_of(struct sw_hal *hal, float rate, int64_t n, int slot) {
    float *numbers = random_floats(n, 1);
    float *result = dropped(hal, 5, 77, rate, n, numbers);
    int64_t bad = 0, zeros = 0;
    for (int64_t i = 0; i < n; i++) {
        struct sw_random_words words = sw_random_draw(5, SW_RANDOM_DROPOUT, 77, (uint64_t) (i / 4));
        int keep = ldexp((double) words.word[i % 4], -32) >= (double) rate;
        double want = keep ? (double) numbers[i] / (1.0 - (double) rate) : 0.0;
        bad += !(fabs((double) result[i] - want) <= 1.3e-7 * fabs(want));
        zeros += !keep;
    }
    CU_ASSERT_EQUAL(bad, 0);
    if (n > 10000) /* five standard deviations */
        CU_ASSERT_DOUBLE_EQUAL((double) zeros / (double) n, (double) rate, 2.5 / sqrt((double) n));
    same_for_any_threads(hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&numbers);
    SW_FREE(&result);
}

static void check_dropout(struct sw_hal *hal) {
    static const int64_t sizes[] = {0, 1, 3, 4, 4099, 100003};
    static const float rates[] = {0.0f, 0.1f, 0.5f, 0.97f};
    for (int i = 0; i < 6 * 4; i++)
        check_dropout_of(hal, rates[i % 4], sizes[i / 4], i);
}

static void dropout_keeps_its_share_and_scales_it(void) {
    on_every_device(check_dropout);
}

/* The gradient is dropped where the activation was, and nothing else drops the same. */
static void check_dropout_backward(struct sw_hal *hal) {
    enum { N = 1000 };
    float ones[N];
    for (int i = 0; i < N; i++)
        ones[i] = 1.0f;
    float *forward = dropped(hal, 1, 2, 0.5f, N, ones),
          *backward = dropped(hal, 1, 2, 0.5f, N, ones);
    float *next = dropped(hal, 1, 3, 0.5f, N, ones), *other = dropped(hal, 2, 2, 0.5f, N, ones);
    CU_ASSERT_EQUAL(memcmp(forward, backward, sizeof ones), 0);
    int same_next = 0, same_other = 0;
    for (int i = 0; i < N; i++) {
        same_next += forward[i] == next[i];
        same_other += forward[i] == other[i];
    }
    CU_ASSERT_DOUBLE_EQUAL(same_next, N / 2, 80.0);
    CU_ASSERT_DOUBLE_EQUAL(same_other, N / 2, 80.0);
    SW_FREE(&forward);
    SW_FREE(&backward);
    SW_FREE(&next);
    SW_FREE(&other);
}

static void dropout_is_the_same_backward(void) {
    on_every_device(check_dropout_backward);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void check_pool_arguments(struct sw_hal *hal) {
    struct sw_pooling pool = {{2, 5, 4, 1}, {2, 2, 2, 1}, 2, 2, 0}, bad = pool;
    struct sw_buffer *x = upload_images(hal, &pool.in, 8, NULL);
    struct sw_buffer *y = upload_images(hal, &pool.out, 8, NULL);
    struct sw_buffer *dx = upload_images(hal, &pool.in, 8, NULL);
    SW_TEST_OK(sw_hal_max_pool(hal, &pool, x, 8, y));
    SW_TEST_FAILS(sw_hal_max_pool(hal, NULL, x, 8, y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_max_pool(hal, &pool, x, 16, y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_max_pool(hal, &pool, y, 8, y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_max_pool(hal, &pool, x, 8, x), SW_INTERNAL);
    for (int i = 0; i < 6; i++) {
        bad = pool;
        int64_t *wrong[] = {&bad.out.height, &bad.out.width, &bad.out.channels,
                            &bad.kernel,     &bad.stride,    &bad.in.border};
        *wrong[i] = i < 3 ? 3 : -1;
        SW_TEST_FAILS(sw_hal_max_pool(hal, &bad, x, 8, y), SW_INTERNAL);
        SW_TEST_FAILS(sw_hal_average_pool(hal, &bad, x, 8, y), SW_INTERNAL);
        SW_TEST_FAILS(sw_hal_max_pool_backward(hal, &bad, x, y, y, 8, dx), SW_INTERNAL);
        SW_TEST_FAILS(sw_hal_average_pool_backward(hal, &bad, y, 8, dx), SW_INTERNAL);
    }
    SW_TEST_FAILS(sw_hal_max_pool_backward(hal, &pool, x, y, y, 8, x), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_max_pool_backward(hal, &pool, x, y, NULL, 8, dx), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_average_pool_backward(hal, &pool, y, 8, y), SW_INTERNAL);
    sw_hal_free(&x);
    sw_hal_free(&y);
    sw_hal_free(&dx);
}

static void check_other_arguments(struct sw_hal *hal) {
    const struct sw_planes planes = {2, 3, 3, 1};
    const int32_t index[2] = {0, 1}, outside[2] = {0, 2};
    struct sw_buffer *x = upload_images(hal, &planes, 8, NULL), *rows = unset(hal, 2 * 9 * 8);
    struct sw_buffer *small = unset(hal, 15), *table = unset(hal, 512), *labels = unset(hal, 8);
    struct sw_buffer *images = unset(hal, 9); /* two images of 18 bytes */
    SW_TEST_FAILS(sw_hal_flatten(hal, &planes, x, 8, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_flatten(hal, &planes, rows, 8, rows), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_unflatten(hal, &planes, small, 8, x), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_unflatten(hal, &planes, rows, 8, rows), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_global_pool(hal, &planes, x, 8, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_global_pool_backward(hal, &planes, small, 8, x), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_clear_border(hal, &planes, 16, x), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_clear_border(hal, NULL, 8, x), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dropout(hal, 1, 1, 1.0f, 15, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dropout(hal, 1, 1, -0.1f, 15, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dropout(hal, 1, 1, NAN, 15, small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dropout(hal, 1, 1, 0.5f, 16, small), SW_INTERNAL);
    SW_TEST_OK(sw_hal_gather_planes(hal, images, labels, table, index, NULL, &planes, 2, x, rows));
    SW_TEST_FAILS(
        sw_hal_gather_planes(hal, images, labels, table, outside, NULL, &planes, 2, x, rows),
        SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_gather_planes(hal, images, labels, table, NULL, NULL, &planes, 2, x, rows),
                  SW_INTERNAL);
    SW_TEST_FAILS(
        sw_hal_gather_planes(hal, images, labels, small, index, NULL, &planes, 2, x, rows),
        SW_INTERNAL);
    SW_TEST_FAILS(
        sw_hal_gather_planes(hal, images, labels, table, index, NULL, &planes, 9, x, rows),
        SW_INTERNAL);
    SW_TEST_FAILS(
        sw_hal_gather_planes(hal, images, labels, table, index, NULL, &planes, 2, x, labels),
        SW_INTERNAL);
    sw_hal_free(&x);
    sw_hal_free(&rows);
    sw_hal_free(&small);
    sw_hal_free(&table);
    sw_hal_free(&labels);
    sw_hal_free(&images);
}

static void wrong_arguments_are_refused(void) {
    on_every_device(check_pool_arguments);
    on_every_device(check_other_arguments);
}

static CU_TestInfo tests[] = {
    {"pools_agree_with_plain_loops", pools_agree_with_plain_loops},
    {"nan_is_the_largest", nan_is_the_largest},
    {"planes_become_rows_and_rows_planes", planes_become_rows_and_rows_planes},
    {"images_are_moved_mirrored_and_looked_up", images_are_moved_mirrored_and_looked_up},
    {"borders_are_cleared", borders_are_cleared},
    {"dropout_keeps_its_share_and_scales_it", dropout_keeps_its_share_and_scales_it},
    {"dropout_is_the_same_backward", dropout_is_the_same_backward},
    {"wrong_arguments_are_refused", wrong_arguments_are_refused},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"pools and others", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_backend_planes_pool", suites);
}
