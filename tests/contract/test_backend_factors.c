/* What every backend has to do for weights that are products of two factors. */
#include "devices.h"

#define N_WEIGHTS 60007 /* enough for several threads, and no multiple of a vector */

/* Nothing is summed, so that all devices and instruction sets give the bits of the first. */
static void same_everywhere(int slot, const float *result, int64_t n) {
    static float *first[16];
    if (first[slot] == NULL) {
        SW_TEST_OK(SW_ALLOC(&first[slot], (size_t) n, "test"));
        memcpy(first[slot], result, (size_t) n * sizeof *result);
    }
    CU_ASSERT_EQUAL(memcmp(first[slot], result, (size_t) n * sizeof *result), 0);
}

/* ---- factors on a device, and in double ------------------------------------------------------ */

struct pairs {
    int64_t n;
    struct sw_factors on;           /* the device */
    double *u, *w;                  /* [n] each, as are those below */
    double *m_u, *m_w, *v_u, *v_w;  /* first and second moments */
    struct sw_factor_events events; /* as the device counted */
    int64_t unbalanced, flipped;    /* as they were in double */
};

static double *doubles(int64_t n) {
    double *to = NULL;
    SW_TEST_OK(SW_ALLOC(&to, (size_t) n, "test"));
    return to;
}

static void fetch_factors(struct pairs *p) {
    float *u = fetch(p->on.u, p->n);
    float *w = fetch(p->on.w, p->n);
    for (int64_t i = 0; i < p->n; i++) {
        p->u[i] = (double) u[i];
        p->w[i] = (double) w[i];
    }
    SW_FREE(&u);
    SW_FREE(&w);
}

static struct sw_buffer *zeros(struct sw_hal *hal, int64_t n) {
    struct sw_buffer *buffer = NULL;
    SW_TEST_OK(sw_hal_alloc(hal, n * (int64_t) sizeof(float), "test", &buffer));
    return buffer;
}

/* Random weights of about 0.1, some of them 0, factored with that beta. */
static void open_pairs(struct sw_hal *hal, int64_t n, float beta, int moments, struct pairs *p) {
    float *theta = random_floats(n, 31);
    memset(p, 0, sizeof *p);
    p->n = p->on.n = n;
    for (int64_t i = 0; i < n; i++)
        theta[i] = i % 7 == 3 ? 0.0f : theta[i] * 0.2f;
    p->on.theta = floats(hal, theta, n);
    p->on.u = unset(hal, n);
    p->on.w = unset(hal, n);
    p->on.first_u = moments > 0 ? zeros(hal, n) : NULL;
    p->on.first_w = moments > 0 ? zeros(hal, n) : NULL;
    p->on.second_u = moments > 1 ? zeros(hal, n) : NULL;
    p->on.second_w = moments > 1 ? zeros(hal, n) : NULL;
    double **arrays[] = {&p->u, &p->w, &p->m_u, &p->m_w, &p->v_u, &p->v_w};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = doubles(n);
    SW_TEST_OK(sw_hal_factor(hal, &p->on, beta, false));
    fetch_factors(p);
    SW_FREE(&theta);
}

static void close_pairs(struct pairs *p) {
    struct sw_buffer **buffers[] = {&p->on.theta,   &p->on.u,        &p->on.w,       &p->on.first_u,
                                    &p->on.first_w, &p->on.second_u, &p->on.second_w};
    double **arrays[] = {&p->u, &p->w, &p->m_u, &p->m_w, &p->v_u, &p->v_w};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        sw_hal_free(buffers[i]);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        SW_FREE(arrays[i]);
}

static int is_near(double a, double b, double tolerance) {
    return fabs(a - b) <= tolerance * (1 + fabs(b));
}

/* Factors and product agree with those in double; the product is the factors'. */
static void compare(struct sw_hal *hal, const struct pairs *p, double tolerance, int slot) {
    float *theta = fetch(p->on.theta, p->n);
    float *u = fetch(p->on.u, p->n);
    float *w = fetch(p->on.w, p->n);
    int64_t bad = 0;
    for (int64_t i = 0; i < p->n; i++)
        bad += !is_near((double) u[i], p->u[i], tolerance) ||
               !is_near((double) w[i], p->w[i], tolerance) || theta[i] != u[i] * w[i];
    CU_ASSERT_EQUAL(bad, 0);
    same_for_any_threads(hal, slot, theta, (size_t) p->n * sizeof *theta);
    same_everywhere(slot, u, p->n);
    SW_FREE(&theta);
    SW_FREE(&u);
    SW_FREE(&w);
}

/* ---- factoring ------------------------------------------------------------------------------- */

static const float thetas[] = {0.0f,  -0.0f, 1e-8f, -1e-8f, 1e-3f, -0.05f, 0.3f,
                               -1.0f, 1.0f,  2.5f,  -7.0f,  30.0f, -100.0f};
#define N_THETAS ((int64_t) (sizeof thetas / sizeof *thetas))

static void check_factor_of(struct sw_hal *hal, double beta) {
    struct sw_factors f = {.theta = floats(hal, thetas, N_THETAS),
                           .u = unset(hal, N_THETAS),
                           .w = unset(hal, N_THETAS),
                           .n = N_THETAS};
    SW_TEST_OK(sw_hal_factor(hal, &f, (float) beta, false));
    float *theta = fetch(f.theta, N_THETAS), *u = fetch(f.u, N_THETAS), *w = fetch(f.w, N_THETAS);
    CU_ASSERT_EQUAL(memcmp(theta, thetas, sizeof thetas), 0);
    for (int64_t i = 0; i < N_THETAS; i++) {
        double du = (double) u[i], dw = (double) w[i], t = (double) thetas[i];
        CU_ASSERT_TRUE(fabs(du * dw - t) <= 1e-6 * fabs(t));
        CU_ASSERT_TRUE(fabs(du * du - dw * dw - beta) <= 1e-6 * (du * du + dw * dw));
        CU_ASSERT_TRUE(beta > 0 ? du > 0 : du >= 0);
    }
    CU_ASSERT_DOUBLE_EQUAL(u[0], sqrt(beta), 1e-7 * sqrt(beta));
    CU_ASSERT_EQUAL(w[0], 0.0f);
    sw_hal_free(&f.theta);
    sw_hal_free(&f.u);
    sw_hal_free(&f.w);
    SW_FREE(&theta);
    SW_FREE(&u);
    SW_FREE(&w);
}

static void check_factor(struct sw_hal *hal) {
    const double betas[] = {1, 0.25, 4, 100, 0};
    for (size_t i = 0; i < sizeof betas / sizeof *betas; i++)
        check_factor_of(hal, betas[i]);
}

static void factors_have_the_product_and_the_difference(void) {
    on_every_device(check_factor);
}

/* Arrays of the form v w and v u keep their v, whatever happened to the factors in between; without
 * `project` they stay as they are. */
static void check_projection(struct sw_hal *hal) {
    enum { N = 29 };
    struct pairs p;
    float v[N], square[N], array[4][N];
    open_pairs(hal, N, 0.3f, 2, &p);
    for (int64_t i = 0; i < N; i++) {
        v[i] = 0.1f * (float) (i - 11);
        square[i] = 0.01f * (float) i;
        array[0][i] = (float) ((double) v[i] * p.w[i]);
        array[1][i] = (float) ((double) v[i] * p.u[i]);
        array[2][i] = (float) ((double) square[i] * p.w[i] * p.w[i]);
        array[3][i] = (float) ((double) square[i] * p.u[i] * p.u[i]);
    }
    struct sw_buffer *buffers[] = {p.on.first_u, p.on.first_w, p.on.second_u, p.on.second_w};
    for (int k = 0; k < 4; k++)
        SW_TEST_OK(sw_hal_upload(buffers[k], 0, array[k], sizeof array[k]));
    SW_TEST_OK(sw_hal_factor(hal, &p.on, 0.3f, false));
    for (int k = 0; k < 4; k++) {
        float *kept = fetch(buffers[k], N);
        CU_ASSERT_EQUAL(memcmp(kept, array[k], sizeof array[k]), 0);
        SW_FREE(&kept);
    }
    SW_TEST_OK(sw_hal_factor(hal, &p.on, 1.0f, true));
    fetch_factors(&p);
    for (int k = 0; k < 4; k++) {
        float *moved = fetch(buffers[k], N);
        for (int64_t i = 0; i < N; i++) {
            double factor = k % 2 == 0 ? p.w[i] : p.u[i];
            double expected = k < 2 ? (double) v[i] * factor : (double) square[i] * factor * factor;
            CU_ASSERT_TRUE(is_near((double) moved[i], expected, 1e-6));
        }
        SW_FREE(&moved);
    }
    close_pairs(&p);
}

static void projected_arrays_keep_what_they_are_about(void) {
    on_every_device(check_projection);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void count(struct pairs *p, int64_t i, double u, double w) {
    p->unbalanced += p->u[i] * p->u[i] >= p->w[i] * p->w[i] && u * u < w * w;
    p->flipped += (p->u[i] < 0) != (u < 0);
    p->u[i] = u;
    p->w[i] = w;
}

/* One step without momentum: theta and u^2 - w^2 become what the formulas say. */
static void check_formulas(struct sw_hal *hal) {
    const struct sw_sgd_step step = {.lr = 0.3f, .decay = 0.02f};
    const double lr = (double) step.lr, left = 1 - lr * (double) step.decay;
    struct pairs p;
    open_pairs(hal, N_WEIGHTS, 1.0f, 0, &p);
    float *g = random_floats(N_WEIGHTS, 32);
    struct sw_buffer *d_g = floats(hal, g, N_WEIGHTS);
    float *before = fetch(p.on.theta, N_WEIGHTS);
    SW_TEST_OK(sw_hal_factored_sgd(hal, &p.on, d_g, &step, &p.events));
    float *after = fetch(p.on.theta, N_WEIGHTS);
    fetch_factors(&p);
    int64_t bad = 0;
    for (int64_t i = 0; i < N_WEIGHTS; i++) {
        double theta = (double) before[i], e = lr * (double) g[i];
        double sum = sqrt(4 * theta * theta + 1);
        double theta_next = theta * (left * left + e * e) - left * e * sum;
        double beta_next = left * left - e * e;
        bad += !is_near((double) after[i], theta_next, 1e-6) ||
               !is_near(p.u[i] * p.u[i] - p.w[i] * p.w[i], beta_next, 1e-6);
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_EQUAL(p.events.unbalanced + p.events.flipped, 0);
    sw_hal_free(&d_g);
    SW_FREE(&g);
    SW_FREE(&before);
    SW_FREE(&after);
    close_pairs(&p);
}

static void one_step_follows_the_formulas(void) {
    on_every_device(check_formulas);
}

static void exact_sgd(struct pairs *p, const float *g, const struct sw_sgd_step *s) {
    double momentum = (double) s->momentum, decay = (double) s->decay, lr = (double) s->lr;
    for (int64_t i = 0; i < p->n; i++) {
        double g_u = (double) g[i] * p->w[i] + decay * p->u[i];
        double g_w = (double) g[i] * p->u[i] + decay * p->w[i];
        p->m_u[i] = momentum * p->m_u[i] + g_u;
        p->m_w[i] = momentum * p->m_w[i] + g_w;
        double d_u = s->nesterov ? g_u + momentum * p->m_u[i] : p->m_u[i];
        double d_w = s->nesterov ? g_w + momentum * p->m_w[i] : p->m_w[i];
        count(p, i, p->u[i] - lr * d_u, p->w[i] - lr * d_w);
    }
}

/* Few of the many comparisons stand so near to equality that floats decide otherwise. */
static void compare_events(const struct pairs *p) {
    CU_ASSERT_TRUE(llabs(p->events.unbalanced - p->unbalanced) <= p->n / 10000);
    CU_ASSERT_TRUE(llabs(p->events.flipped - p->flipped) <= p->n / 10000);
}

static void check_sgd_of(struct sw_hal *hal, int64_t n, const struct sw_sgd_step *step, int slot) {
    struct pairs p;
    open_pairs(hal, n, 1.0f, step->momentum != 0.0f ? 1 : 0, &p);
    for (uint64_t k = 0; k < 3; k++) {
        float *g = random_floats(n, 40 + k);
        struct sw_buffer *d_g = floats(hal, g, n);
        SW_TEST_OK(sw_hal_factored_sgd(hal, &p.on, d_g, step, &p.events));
        exact_sgd(&p, g, step);
        sw_hal_free(&d_g);
        SW_FREE(&g);
    }
    compare(hal, &p, 2e-6, slot);
    compare_events(&p);
    if (n == N_WEIGHTS) CU_ASSERT_EQUAL(p.unbalanced > 0, step->lr > 1.0f);
    if (n == N_WEIGHTS) CU_ASSERT_EQUAL(p.flipped > 0, step->lr > 1.0f);
    close_pairs(&p);
}

static void check_sgd(struct sw_hal *hal) {
    const struct sw_sgd_step steps[] = {{0.1f, 0.0f, 1e-2f, false},
                                        {0.05f, 0.9f, 1e-2f, false},
                                        {0.05f, 0.9f, 1e-2f, true},
                                        {1.2f, 0.0f, 0.0f, false},
                                        {0.1f, 0.5f, 0.0f, true}};
    const int64_t sizes[] = {N_WEIGHTS, N_WEIGHTS, N_WEIGHTS, N_WEIGHTS, 13};
    for (int i = 0; i < 5; i++)
        check_sgd_of(hal, sizes[i], &steps[i], i);
}

static void sgd_on_factors_follows_its_formula(void) {
    on_every_device(check_sgd);
}

static void exact_moments(double *m, double *v, double g, const struct sw_adam_step *s) {
    *m = (double) s->beta1 * *m + (1 - (double) s->beta1) * g;
    *v = (double) s->beta2 * *v + (1 - (double) s->beta2) * g * g;
}

static double adam_change(double m, double v, const struct sw_adam_step *s) {
    return (double) s->lr * (m / (double) s->correction1) /
           (sqrt(v / (double) s->correction2) + (double) s->epsilon);
}

static void exact_adam(struct pairs *p, const float *g, const struct sw_adam_step *s) {
    double left = 1 - (double) s->lr * (double) s->decoupled, decay = (double) s->decay;
    for (int64_t i = 0; i < p->n; i++) {
        double u = left * p->u[i], w = left * p->w[i];
        exact_moments(&p->m_u[i], &p->v_u[i], (double) g[i] * p->w[i] + decay * u, s);
        exact_moments(&p->m_w[i], &p->v_w[i], (double) g[i] * p->u[i] + decay * w, s);
        count(p, i, u - adam_change(p->m_u[i], p->v_u[i], s),
              w - adam_change(p->m_w[i], p->v_w[i], s));
    }
}

/* An epsilon well above the rounding of tiny gradients, which Adam would make steps of full size. */
static void check_adam_of(struct sw_hal *hal, int64_t n, float decay, float decoupled, int slot) {
    struct pairs p;
    open_pairs(hal, n, 1.0f, 2, &p);
    for (int k = 1; k <= 4; k++) {
        const struct sw_adam_step step = {.lr = 1e-2f,
                                          .beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .epsilon = 1e-4f,
                                          .decay = decay,
                                          .decoupled = decoupled,
                                          .correction1 = (float) (1.0 - pow((double) 0.9f, k)),
                                          .correction2 = (float) (1.0 - pow((double) 0.999f, k))};
        float *g = random_floats(n, 50 + (uint64_t) k);
        struct sw_buffer *d_g = floats(hal, g, n);
        SW_TEST_OK(sw_hal_factored_adam(hal, &p.on, d_g, &step, &p.events));
        exact_adam(&p, g, &step);
        sw_hal_free(&d_g);
        SW_FREE(&g);
    }
    compare(hal, &p, 2e-6, slot);
    compare_events(&p);
    close_pairs(&p);
}

static void check_adam(struct sw_hal *hal) {
    check_adam_of(hal, N_WEIGHTS, 1e-2f, 0.0f, 5);
    check_adam_of(hal, N_WEIGHTS, 0.0f, 1.0f, 6);
    check_adam_of(hal, 13, 0.0f, 0.0f, 7);
    check_adam_of(hal, 1, 1e-2f, 10.0f, 8);
}

static void adam_on_factors_follows_its_formula(void) {
    on_every_device(check_adam);
}

/* An element's result may not depend on where it stands, or pruning would change its neighbours. */
static void check_positions(struct sw_hal *hal) {
    enum { N = 40 };
    const struct sw_sgd_step sgd = {0.1f, 0.9f, 1e-3f, true};
    const struct sw_adam_step adam = {0.1f, 0.9f, 0.999f, 1e-8f, 1e-3f, 1e-2f, 0.1f, 0.001f};
    float *theta = random_floats(N + 1, 7), *g = random_floats(N + 1, 8), *result[2];
    for (int shift = 0; shift < 2; shift++) {
        struct pairs p;
        open_pairs(hal, N, 1.0f, 2, &p);
        struct sw_buffer *d_g = floats(hal, g + shift, N);
        SW_TEST_OK(sw_hal_upload(p.on.theta, 0, theta + shift, (int64_t) N * 4));
        SW_TEST_OK(sw_hal_factor(hal, &p.on, 0.5f, true));
        SW_TEST_OK(sw_hal_factored_adam(hal, &p.on, d_g, &adam, &p.events));
        SW_TEST_OK(sw_hal_factored_sgd(hal, &p.on, d_g, &sgd, &p.events));
        result[shift] = fetch(p.on.theta, N);
        sw_hal_free(&d_g);
        close_pairs(&p);
    }
    CU_ASSERT_EQUAL(memcmp(result[0] + 1, result[1], (N - 1) * sizeof(float)), 0);
    SW_FREE(&result[0]);
    SW_FREE(&result[1]);
    SW_FREE(&theta);
    SW_FREE(&g);
}

static void results_do_not_depend_on_places(void) {
    on_every_device(check_positions);
}

/* ---- wrong arguments ------------------------------------------------------------------------- */

static void check_refusals(struct sw_hal *hal) {
    enum { N = 8 };
    struct pairs p;
    open_pairs(hal, N, 1.0f, 2, &p);
    const struct sw_sgd_step sgd = {.lr = 0.1f, .momentum = 0.9f};
    const struct sw_adam_step adam = {.correction1 = 1.0f, .correction2 = 1.0f};
    struct sw_buffer *g = zeros(hal, N);
    struct sw_factors bad[7];
    for (int i = 0; i < 7; i++)
        bad[i] = p.on;
    bad[0].u = NULL;
    bad[1].w = p.on.u;
    bad[2].first_w = NULL;
    bad[3].second_u = bad[3].second_w = NULL;
    bad[4].first_u = bad[4].first_w = NULL;
    bad[5].n = N + 1;
    bad[6].theta = p.on.second_w;
    for (int i = 0; i < 7; i++)
        SW_TEST_FAILS(sw_hal_factored_adam(hal, &bad[i], g, &adam, &p.events), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factored_sgd(hal, &bad[4], g, &sgd, &p.events), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factored_sgd(hal, &p.on, p.on.u, &sgd, &p.events), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factored_sgd(hal, &p.on, NULL, &sgd, &p.events), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factored_sgd(hal, &p.on, g, &sgd, NULL), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factor(hal, &p.on, -1.0f, false), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factor(hal, &p.on, NAN, false), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_factor(hal, &bad[1], 1.0f, false), SW_INTERNAL);
    SW_TEST_OK(sw_hal_factored_sgd(hal, &p.on, g, &sgd, &p.events));
    sw_hal_free(&g);
    close_pairs(&p);
}

static void wrong_arguments_are_refused(void) {
    on_every_device(check_refusals);
}

int main(void) {
    static CU_TestInfo tests[] = {
        {"factors have the product and the difference",
         factors_have_the_product_and_the_difference},
        {"projected arrays keep what they are about", projected_arrays_keep_what_they_are_about},
        {"one step follows the formulas", one_step_follows_the_formulas},
        {"sgd on factors follows its formula", sgd_on_factors_follows_its_formula},
        {"adam on factors follows its formula", adam_on_factors_follows_its_formula},
        {"results do not depend on places", results_do_not_depend_on_places},
        {"wrong arguments are refused", wrong_arguments_are_refused},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"factors", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return sw_test_main("test_backend_factors", suites);
}
