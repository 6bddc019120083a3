/* What every backend has to do around the layers: gathering a batch, the loss, optimizers, reductions. */
#include "devices.h"

/* ---- gather ---------------------------------------------------------------------------------- */

struct pictures {
    int64_t features, plane, batch;
};

/* What tables hold: kernels may compute what they recognise, so the last two must not pass for it. */
enum table_kind { RANDOM, UNIT, NONE, NEARLY_UNIT, STANDARD, N_TABLES };

static float *create_table(int64_t planes, enum table_kind kind) {
    float *table = random_floats(planes * 256, 3);
    for (int64_t i = 0; i < planes * 256 && kind != RANDOM; i++) {
        float pixel = (float) (i % 256);
        table[i] = kind == NONE ? pixel : pixel / 255.0f;
        if (kind == STANDARD) table[i] = (table[i] - 0.2860f) / 0.3530f;
    }
    if (kind == NEARLY_UNIT) table[planes * 256 - 3] = nextafterf(table[planes * 256 - 3], 2.0f);
    return table;
}

/* A data set of 50 samples, all values random; batches take any of them in any order. */
static void check_gather_of(struct sw_hal *hal, const struct pictures *s, enum table_kind kind,
                            int slot) {
    enum { SAMPLES = 50 };
    int64_t ld = sw_hal_lanes(s->batch);
    int64_t planes = s->features / s->plane;
    uint8_t *images = malloc((size_t) (SAMPLES * s->features));
    uint8_t labels[SAMPLES];
    int32_t index[256];
    CU_ASSERT_PTR_NOT_NULL_FATAL(images);
    for (int64_t i = 0; i < SAMPLES * s->features; i++)
        images[i] = (uint8_t) sw_random_u64(1, SW_RANDOM_BENCH, 1, (uint64_t) i);
    for (int i = 0; i < SAMPLES; i++)
        labels[i] = (uint8_t) (i * 5 % 256);
    for (int64_t b = 0; b < s->batch; b++)
        index[b] = (int32_t) (sw_random_u64(1, SW_RANDOM_BENCH, 2, (uint64_t) b) % SAMPLES);
    float *table = create_table(planes, kind);
    struct sw_buffer *d_images = upload(hal, images, SAMPLES * s->features);
    struct sw_buffer *d_labels = upload(hal, labels, SAMPLES);
    struct sw_buffer *d_table = floats(hal, table, planes * 256);
    struct sw_buffer *d_x = unset(hal, s->features * ld);
    struct sw_buffer *d_out = unset(hal, ld);
    SW_TEST_OK(sw_hal_gather(hal, d_images, d_labels, d_table, index, s->features, s->plane,
                             s->batch, d_x, d_out));
    float *x = fetch(d_x, s->features * ld);
    int32_t out[256];
    SW_TEST_OK(sw_hal_download(d_out, 0, out, ld * (int64_t) sizeof *out));
    int64_t bad = 0;
    for (int64_t f = 0; f < s->features; f++)
        for (int64_t b = 0; b < ld; b++) {
            float want = 0.0f;
            if (b < s->batch) want = table[f / s->plane * 256 + images[index[b] * s->features + f]];
            bad += x[f * ld + b] != want;
        }
    for (int64_t b = 0; b < s->batch; b++)
        bad += out[b] != labels[index[b]];
    CU_ASSERT_EQUAL(bad, 0);
    same_for_any_threads(hal, slot, x, (size_t) (s->features * ld) * sizeof *x);
    index[s->batch - 1] = SAMPLES;
    SW_TEST_FAILS(sw_hal_gather(hal, d_images, d_labels, d_table, index, s->features, s->plane,
                                s->batch, d_x, d_out),
                  SW_INTERNAL);
    index[s->batch - 1] = -1;
    SW_TEST_FAILS(sw_hal_gather(hal, d_images, d_labels, d_table, index, s->features, s->plane,
                                s->batch, d_x, d_out),
                  SW_INTERNAL);
    sw_hal_free(&d_images);
    sw_hal_free(&d_labels);
    sw_hal_free(&d_table);
    sw_hal_free(&d_x);
    sw_hal_free(&d_out);
    SW_FREE(&table);
    SW_FREE(&x);
    free(images);
}

static void check_gather(struct sw_hal *hal) {
    static const struct pictures pictures[] = {{1, 1, 1},      {12, 4, 7},  {33, 11, 8},
                                               {784, 784, 60}, {27, 9, 64}, {3072, 1024, 128}};
    int slot = 0;
    for (int i = 0; i < (int) (sizeof pictures / sizeof *pictures); i++)
        for (int kind = 0; kind < N_TABLES; kind++)
            check_gather_of(hal, &pictures[i], (enum table_kind) kind, slot++);
}

static void gather_looks_up_and_transposes(void) {
    on_every_device(check_gather);
}

/* ---- loss ------------------------------------------------------------------------------------ */

struct loss_result {
    double loss;
    int64_t correct;
    float *dlogits; /* [classes, ld] */
};

static struct loss_result run_loss(struct sw_hal *hal, const float *logits, const int32_t *labels,
                                   int64_t classes, int64_t batch) {
    struct loss_result result = {.loss = NAN, .correct = -1};
    struct loss_result alone = result;
    int64_t ld = sw_hal_lanes(batch);
    struct sw_buffer *d_logits = floats(hal, logits, classes * ld);
    struct sw_buffer *d_labels = upload(hal, labels, ld * (int64_t) sizeof *labels);
    struct sw_buffer *d_gradient = unset(hal, classes * ld);
    SW_TEST_OK(sw_hal_loss(hal, d_logits, d_labels, classes, batch, d_gradient, &result.loss,
                           &result.correct));
    SW_TEST_OK(
        sw_hal_loss(hal, d_logits, d_labels, classes, batch, NULL, &alone.loss, &alone.correct));
    CU_ASSERT_EQUAL(memcmp(&alone.loss, &result.loss, sizeof alone.loss), 0);
    CU_ASSERT_EQUAL(alone.correct, result.correct);
    result.dlogits = fetch(d_gradient, classes * ld);
    sw_hal_free(&d_logits);
    sw_hal_free(&d_labels);
    sw_hal_free(&d_gradient);
    return result;
}

/* The same in double; returns the loss of sample b and fills its gradient[classes]. */
static double exact_loss(const float *logits, int32_t label, int64_t classes, int64_t ld, int64_t b,
                         int64_t batch, double *gradient, int64_t *answer) {
    double top = -INFINITY;
    double sum = 0;
    for (int64_t c = 0; c < classes; c++)
        if ((double) logits[c * ld + b] > top) {
            top = (double) logits[c * ld + b];
            *answer = c;
        }
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double) logits[c * ld + b] - top);
    for (int64_t c = 0; c < classes; c++)
        gradient[c] = (exp((double) logits[c * ld + b] - top) / sum - (c == label)) /
                      (double) batch;
    return log(sum) + top - (double) logits[label * ld + b];
}

static void check_loss_of(struct sw_hal *hal, int64_t classes, int64_t batch, float scale,
                          int slot) {
    int64_t ld = sw_hal_lanes(batch);
    float *logits = random_floats(classes * ld, 4);
    int32_t labels[1024];
    double gradient[1000];
    for (int64_t b = 0; b < ld; b++)
        labels[b] = (int32_t) (b * 7 % classes);
    for (int64_t c = 0; c < classes; c++)
        for (int64_t b = 0; b < ld; b++)
            logits[c * ld + b] = b < batch ? logits[c * ld + b] * scale : 3e38f;
    struct loss_result result = run_loss(hal, logits, labels, classes, batch);
    double loss = 0;
    int64_t correct = 0;
    int64_t bad = 0;
    for (int64_t b = 0; b < batch; b++) {
        int64_t answer = 0;
        loss += exact_loss(logits, labels[b], classes, ld, b, batch, gradient, &answer);
        correct += answer == labels[b];
        for (int64_t c = 0; c < classes; c++)
            bad += !(fabs((double) result.dlogits[c * ld + b] - gradient[c]) <=
                     5e-7 / (double) batch);
    }
    for (int64_t c = 0; c < classes; c++)
        for (int64_t b = batch; b < ld; b++)
            bad += result.dlogits[c * ld + b] != 0.0f;
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_EQUAL(result.correct, correct);
    CU_ASSERT_TRUE(fabs(result.loss - loss) <= 1e-6 * fabs(loss));
    same_for_any_threads(hal, slot, result.dlogits, (size_t) (classes * ld) * sizeof(float));
    same_for_any_threads(hal, slot + 1, &result.loss, sizeof result.loss);
    SW_FREE(&result.dlogits);
    SW_FREE(&logits);
}

static void check_loss(struct sw_hal *hal) {
    check_loss_of(hal, 10, 60, 3.0f, 0);
    check_loss_of(hal, 10, 128, 30.0f, 2);
    check_loss_of(hal, 1, 7, 1.0f, 4);
    check_loss_of(hal, 2, 1, 5.0f, 6);
    check_loss_of(hal, 1000, 100, 8.0f, 8);
    check_loss_of(hal, 10, 1000, 80.0f, 10);
}

static void loss_is_softmax_cross_entropy(void) {
    on_every_device(check_loss);
}

static void check_ties(struct sw_hal *hal) {
    enum { CLASSES = 4, LD = 8 };
    float logits[CLASSES * LD] = {0};
    int32_t labels[LD] = {0, 1, 2, 3};
    logits[1 * LD + 1] = logits[2 * LD + 1] = 5.0f; /* sample 1: classes 1 and 2 */
    logits[2 * LD + 2] = logits[1 * LD + 2] = 5.0f; /* sample 2: the same */
    logits[3 * LD + 3] = 5.0f;
    struct loss_result result = run_loss(hal, logits, labels, CLASSES, 4);
    CU_ASSERT_EQUAL(result.correct, 3); /* all but sample 2 */
    SW_FREE(&result.dlogits);
}

static void ties_go_to_the_lowest_class(void) {
    on_every_device(check_ties);
}

static void check_extremes(struct sw_hal *hal) {
    enum { CLASSES = 3, LD = 8 };
    float logits[CLASSES * LD] = {0};
    int32_t labels[LD] = {0, 1, 2};
    logits[0 * LD + 0] = 1e4f, logits[1 * LD + 0] = -1e4f; /* sure and right */
    logits[0 * LD + 1] = 1e4f, logits[1 * LD + 1] = -1e4f; /* sure and wrong */
    logits[0 * LD + 2] = 3e38f, logits[2 * LD + 2] = -3e38f;
    struct loss_result result = run_loss(hal, logits, labels, CLASSES, 3);
    CU_ASSERT_TRUE(isfinite(result.loss));
    CU_ASSERT_DOUBLE_EQUAL(result.loss, 2e4 + 2.0 * (double) 3e38f, 1e32);
    CU_ASSERT_EQUAL(result.correct, 1);
    for (int i = 0; i < CLASSES * LD; i++)
        CU_ASSERT_TRUE(isfinite(result.dlogits[i]));
    CU_ASSERT_DOUBLE_EQUAL((double) result.dlogits[0 * LD + 1], 1.0 / 3.0, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL((double) result.dlogits[1 * LD + 1], -1.0 / 3.0, 1e-7);
    SW_FREE(&result.dlogits);
}

static void extreme_logits_stay_finite(void) {
    on_every_device(check_extremes);
}

static void check_small_losses(struct sw_hal *hal) {
    enum { CLASSES = 2, LD = 8 };
    float logits[CLASSES * LD] = {0};
    int32_t labels[LD] = {0};
    logits[0] = 30.0f; /* -log softmax = log(1 + exp(-30)) = 9.36e-14 */
    struct loss_result result = run_loss(hal, logits, labels, CLASSES, 1);
    CU_ASSERT_DOUBLE_EQUAL(result.loss, log1p(exp(-30.0)), 5e-16);
    SW_FREE(&result.dlogits);
}

static void tiny_losses_are_not_lost(void) {
    on_every_device(check_small_losses);
}

static void check_nan(struct sw_hal *hal) {
    enum { CLASSES = 3, LD = 8 };
    const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < CLASSES; c++) {
            float logits[CLASSES * LD] = {0};
            int32_t labels[LD] = {0};
            logits[c * LD + 1] = bad[i];
            struct loss_result result = run_loss(hal, logits, labels, CLASSES, 2);
            CU_ASSERT_FALSE(isfinite(result.loss));
            SW_FREE(&result.dlogits);
        }
}

static void divergence_shows_in_the_loss(void) {
    on_every_device(check_nan);
}

static void check_bad_labels(struct sw_hal *hal) {
    const int32_t wrong[] = {-1, 3, INT32_MAX};
    for (int i = 0; i < 3; i++) {
        const float logits[3 * 8] = {0};
        const int32_t labels[8] = {0, wrong[i]};
        double loss = 42;
        int64_t correct = 42;
        struct sw_buffer *d_logits = floats(hal, logits, 24);
        struct sw_buffer *d_labels = upload(hal, labels, sizeof labels);
        SW_TEST_FAILS(sw_hal_loss(hal, d_logits, d_labels, 3, 2, NULL, &loss, &correct),
                      SW_INTERNAL);
        CU_ASSERT_EQUAL(loss, 42);
        SW_TEST_OK(sw_hal_loss(hal, d_logits, d_labels, 3, 1, NULL, &loss, &correct));
        sw_hal_free(&d_logits);
        sw_hal_free(&d_labels);
    }
}

static void labels_out_of_range_are_refused(void) {
    on_every_device(check_bad_labels);
}

/* ---- optimizers ------------------------------------------------------------------------------ */

#define N_WEIGHTS 60007 /* enough for several threads, and no multiple of a vector */

static int near_all(const float *a, const double *b, int64_t n, double absolute, double relative) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double) a[i] - b[i]) <= absolute + relative * fabs(b[i]))) return 0;
    return 1;
}

static void check_sgd_of(struct sw_hal *hal, int64_t n, float momentum, bool nesterov, float decay,
                         int slot) {
    float *w0 = random_floats(n, 5);
    struct sw_buffer *w = floats(hal, w0, n);
    struct sw_buffer *v = NULL;
    double *exact_w = NULL;
    double *exact_v = NULL;
    const float lr = 0.1f;
    SW_TEST_OK(SW_ALLOC(&exact_w, (size_t) n, "test"));
    SW_TEST_OK(SW_ALLOC(&exact_v, (size_t) n, "test"));
    for (int64_t i = 0; i < n; i++)
        exact_w[i] = (double) w0[i];
    if (momentum != 0.0f) SW_TEST_OK(sw_hal_alloc(hal, n * 4, "velocity", &v));
    for (uint64_t step = 0; step < 3; step++) {
        float *g = random_floats(n, 10 + step);
        struct sw_buffer *d_g = floats(hal, g, n);
        if (nesterov)
            SW_TEST_OK(sw_hal_nesterov(hal, w, d_g, v, n, lr, momentum, decay));
        else
            SW_TEST_OK(sw_hal_sgd(hal, w, d_g, v, n, lr, momentum, decay));
        for (int64_t i = 0; i < n; i++) {
            double gradient = (double) g[i] + (double) decay * exact_w[i];
            exact_v[i] = (double) momentum * exact_v[i] + gradient;
            exact_w[i] -= (double) lr *
                          (nesterov ? gradient + (double) momentum * exact_v[i] : exact_v[i]);
        }
        sw_hal_free(&d_g);
        SW_FREE(&g);
    }
    float *result = fetch(w, n);
    CU_ASSERT_TRUE(near_all(result, exact_w, n, 5e-7, 5e-7));
    same_for_any_threads(hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&result);
    SW_FREE(&w0);
    SW_FREE(&exact_w);
    SW_FREE(&exact_v);
    sw_hal_free(&w);
    sw_hal_free(&v);
}

static void check_sgd(struct sw_hal *hal) {
    check_sgd_of(hal, N_WEIGHTS * 2, 0.9f, false, 1e-2f, 0);
    check_sgd_of(hal, N_WEIGHTS * 2, 0.0f, false, 0.0f, 1);
    check_sgd_of(hal, 5, 0.9f, false, 0.0f, 2);
    check_sgd_of(hal, 1, 0.0f, false, 1e-1f, 3);
}

static void check_nesterov(struct sw_hal *hal) {
    check_sgd_of(hal, N_WEIGHTS * 2, 0.9f, true, 1e-2f, 4);
    check_sgd_of(hal, 13, 0.5f, true, 0.0f, 5);
    check_sgd_of(hal, 1, 0.9f, true, 1e-1f, 6);
}

static void nesterov_follows_its_formula(void) {
    on_every_device(check_nesterov);
}

static void sgd_follows_its_formula(void) {
    on_every_device(check_sgd);
}

struct adam_state {
    double *w, *m, *v;
};

static void exact_adam(struct adam_state *s, const float *g, int64_t n,
                       const struct sw_adam_step *p) {
    for (int64_t i = 0; i < n; i++) {
        s->w[i] *= 1 - (double) p->lr * (double) p->decoupled;
        double gradient = (double) g[i] + (double) p->decay * s->w[i];
        s->m[i] = (double) p->beta1 * s->m[i] + (1 - (double) p->beta1) * gradient;
        s->v[i] = (double) p->beta2 * s->v[i] + (1 - (double) p->beta2) * gradient * gradient;
        s->w[i] -= (double) p->lr * (s->m[i] / (double) p->correction1) /
                   (sqrt(s->v[i] / (double) p->correction2) + (double) p->epsilon);
    }
}

static struct sw_adam_step adam_step(int step, float decay, float decoupled) {
    return (struct sw_adam_step){.lr = 1.2e-3f,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.999f,
                                 .epsilon = 1e-8f,
                                 .decay = decay,
                                 .decoupled = decoupled,
                                 .correction1 = (float) (1.0 - pow((double) 0.9f, step)),
                                 .correction2 = (float) (1.0 - pow((double) 0.999f, step))};
}

static void check_adam_of(struct sw_hal *hal, int64_t n, float decay, float decoupled, int slot) {
    float *w0 = random_floats(n, 6);
    struct sw_buffer *w = floats(hal, w0, n);
    struct sw_buffer *m = NULL;
    struct sw_buffer *v = NULL;
    struct adam_state exact = {NULL, NULL, NULL};
    SW_TEST_OK(SW_ALLOC(&exact.w, (size_t) n, "test"));
    SW_TEST_OK(SW_ALLOC(&exact.m, (size_t) n, "test"));
    SW_TEST_OK(SW_ALLOC(&exact.v, (size_t) n, "test"));
    for (int64_t i = 0; i < n; i++)
        exact.w[i] = (double) w0[i];
    SW_TEST_OK(sw_hal_alloc(hal, n * 4, "first moment", &m));
    SW_TEST_OK(sw_hal_alloc(hal, n * 4, "second moment", &v));
    for (int step = 1; step <= 4; step++) {
        struct sw_adam_step parameters = adam_step(step, decay, decoupled);
        float *g = random_floats(n, 20 + (uint64_t) step);
        g[0] = 0.0f; /* never moves: 0 / (0 + epsilon) */
        struct sw_buffer *d_g = floats(hal, g, n);
        SW_TEST_OK(sw_hal_adam(hal, w, d_g, m, v, n, &parameters));
        exact_adam(&exact, g, n, &parameters);
        sw_hal_free(&d_g);
        SW_FREE(&g);
    }
    float *result = fetch(w, n);
    CU_ASSERT_TRUE(near_all(result, exact.w, n, 2e-7, 5e-7));
    if (decay == 0.0f && decoupled == 0.0f) CU_ASSERT_EQUAL(result[0], w0[0]);
    same_for_any_threads(hal, slot, result, (size_t) n * sizeof *result);
    SW_FREE(&result);
    SW_FREE(&w0);
    SW_FREE(&exact.w);
    SW_FREE(&exact.m);
    SW_FREE(&exact.v);
    sw_hal_free(&w);
    sw_hal_free(&m);
    sw_hal_free(&v);
}

static void check_adam(struct sw_hal *hal) {
    check_adam_of(hal, N_WEIGHTS, 1e-2f, 0.0f, 0);
    check_adam_of(hal, 13, 0.0f, 0.0f, 1);
    check_adam_of(hal, 1, 0.0f, 0.0f, 2);
}

static void check_adamw(struct sw_hal *hal) {
    check_adam_of(hal, N_WEIGHTS, 0.0f, 10.0f, 3);
    check_adam_of(hal, 13, 0.0f, 1e-2f, 4);
    check_adam_of(hal, 1, 1e-2f, 50.0f, 5); /* both at once: shrinking comes first */
}

static void adamw_follows_its_formula(void) {
    on_every_device(check_adamw);
}

static void adam_follows_its_formula(void) {
    on_every_device(check_adam);
}

/* An element's result may not depend on where it stands, or pruning would change its neighbours. */
static void check_positions(struct sw_hal *hal) {
    enum { N = 40 };
    float *w0 = random_floats(N + 1, 7);
    float *g = random_floats(N + 1, 8);
    float *result[2];
    const struct sw_adam_step step = adam_step(1, 1e-3f, 1e-2f);
    for (int shift = 0; shift < 2; shift++) {
        struct sw_buffer *w = floats(hal, w0 + shift, N);
        struct sw_buffer *d_g = floats(hal, g + shift, N);
        struct sw_buffer *m = NULL;
        struct sw_buffer *v = NULL;
        SW_TEST_OK(sw_hal_alloc(hal, (int64_t) N * 4, "first moment", &m));
        SW_TEST_OK(sw_hal_alloc(hal, (int64_t) N * 4, "second moment", &v));
        SW_TEST_OK(sw_hal_adam(hal, w, d_g, m, v, N, &step));
        SW_TEST_OK(sw_hal_sgd(hal, w, d_g, v, N, 0.1f, 0.9f, 1e-3f));
        SW_TEST_OK(sw_hal_nesterov(hal, w, d_g, v, N, 0.1f, 0.9f, 1e-3f));
        result[shift] = fetch(w, N);
        sw_hal_free(&w);
        sw_hal_free(&d_g);
        sw_hal_free(&m);
        sw_hal_free(&v);
    }
    CU_ASSERT_EQUAL(memcmp(result[0] + 1, result[1], (N - 1) * sizeof(float)), 0);
    SW_FREE(&result[0]);
    SW_FREE(&result[1]);
    SW_FREE(&w0);
    SW_FREE(&g);
}

static void results_do_not_depend_on_the_place(void) {
    on_every_device(check_positions);
}

/* ---- reductions ------------------------------------------------------------------------------ */

static void check_sum_squares(struct sw_hal *hal) {
    static const int64_t sizes[] = {0, 1, 7, 8, 9, 4096, 4097, 300007};
    for (int i = 0; i < (int) (sizeof sizes / sizeof *sizes); i++) {
        int64_t n = sizes[i];
        float *x = random_floats(n, 9);
        struct sw_buffer *d_x = floats(hal, x, n);
        long double exact = 0;
        double sum = NAN;
        for (int64_t k = 0; k < n; k++)
            exact += (long double) x[k] * (long double) x[k];
        SW_TEST_OK(sw_hal_sum_squares(hal, d_x, n, &sum));
        CU_ASSERT_TRUE(fabsl((long double) sum - exact) <= 1e-14L * exact);
        same_for_any_threads(hal, i, &sum, sizeof sum);
        sw_hal_free(&d_x);
        SW_FREE(&x);
    }
}

static void sum_of_squares_in_double(void) {
    on_every_device(check_sum_squares);
}

static CU_TestInfo input[] = {
    {"gather_looks_up_and_transposes", gather_looks_up_and_transposes},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo loss[] = {
    {"loss_is_softmax_cross_entropy", loss_is_softmax_cross_entropy},
    {"ties_go_to_the_lowest_class", ties_go_to_the_lowest_class},
    {"extreme_logits_stay_finite", extreme_logits_stay_finite},
    {"tiny_losses_are_not_lost", tiny_losses_are_not_lost},
    {"divergence_shows_in_the_loss", divergence_shows_in_the_loss},
    {"labels_out_of_range_are_refused", labels_out_of_range_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo optimizers[] = {
    {"sgd_follows_its_formula", sgd_follows_its_formula},
    {"nesterov_follows_its_formula", nesterov_follows_its_formula},
    {"adam_follows_its_formula", adam_follows_its_formula},
    {"adamw_follows_its_formula", adamw_follows_its_formula},
    {"results_do_not_depend_on_the_place", results_do_not_depend_on_the_place},
    {"sum_of_squares_in_double", sum_of_squares_in_double},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"input", NULL, NULL, NULL, NULL, input},
        {"loss", NULL, NULL, NULL, NULL, loss},
        {"optimizers", NULL, NULL, NULL, NULL, optimizers},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_backend_training", suites);
}
