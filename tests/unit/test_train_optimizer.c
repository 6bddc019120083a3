/* Optimizers against plain double loops over some steps with the same gradients. */
#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/train.h"

#define N 37
#define STEPS 20

static struct sw_hal *hal;
static const struct sw_param weight = {.name = "fc1.weight", .count = N, .prunable = 1};
static const struct sw_param bias = {.name = "fc1.bias", .count = N};

static int set_up(void) {
    const struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    return sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK;
}

static int tear_down(void) {
    sw_hal_close(&hal);
    return 0;
}

static float draw(uint64_t stream, int64_t i) {
    return (float) sw_random_normal(3, SW_RANDOM_BENCH, stream, (uint64_t) i);
}

/* A parameter on a device with its optimizer's arrays, and the values in double. */
struct bench {
    const struct sw_optimizer *optimizer;
    struct sw_net_param param;
    struct sw_buffer *states[4];
    int n_states;
    double w[N], m[N], v[N];
};

static void open_bench(struct bench *bench, const struct sw_trial_spec *spec,
                       const struct sw_param *param) {
    float values[N];
    memset(bench, 0, sizeof *bench);
    bench->optimizer = sw_optimizer_find(spec->train_optimizer_name);
    bench->n_states = bench->optimizer->n_states(spec);
    bench->param.param = param;
    bench->param.n = N;
    SW_TEST_OK(sw_hal_alloc(hal, N * 4, "values", &bench->param.values));
    SW_TEST_OK(sw_hal_alloc(hal, N * 4, "gradients", &bench->param.gradients));
    for (int s = 0; s < bench->n_states; s++)
        SW_TEST_OK(sw_hal_alloc(hal, N * 4, "state", &bench->states[s]));
    for (int i = 0; i < N; i++)
        bench->w[i] = values[i] = draw(1, i);
    SW_TEST_OK(sw_hal_upload(bench->param.values, 0, values, sizeof values));
}

static void close_bench(struct bench *bench) {
    sw_hal_free(&bench->param.values);
    sw_hal_free(&bench->param.gradients);
    for (int s = 0; s < bench->n_states; s++)
        sw_hal_free(&bench->states[s]);
}

static void update(struct bench *bench, const struct sw_trial_spec *spec, int64_t step, double lr,
                   float *g) {
    for (int i = 0; i < N; i++)
        g[i] = draw(100 + (uint64_t) step, i);
    SW_TEST_OK(sw_hal_upload(bench->param.gradients, 0, g, N * 4));
    SW_TEST_OK(bench->optimizer->update(hal, spec, &bench->param, bench->states, step, lr));
}

static void compare(struct bench *bench) {
    float values[N];
    SW_TEST_OK(sw_hal_download(bench->param.values, 0, values, sizeof values));
    for (int i = 0; i < N; i++)
        CU_ASSERT_DOUBLE_EQUAL(values[i], bench->w[i], 2e-6 + 2e-6 * fabs(bench->w[i]));
}

/* The rate changes with the step, as under a warmup. */
static double rate(int64_t step) {
    return 0.01 * (double) step / STEPS;
}

/* Two steps with the gradient 1 on weights of 1, at the rate 0.1: what element 0 becomes. */
static double two_steps(const struct sw_trial_spec *spec) {
    struct bench bench;
    float ones[N], values[N];
    open_bench(&bench, spec, &weight);
    for (int i = 0; i < N; i++)
        ones[i] = 1;
    SW_TEST_OK(sw_hal_upload(bench.param.values, 0, ones, sizeof ones));
    SW_TEST_OK(sw_hal_upload(bench.param.gradients, 0, ones, sizeof ones));
    for (int64_t step = 1; step <= 2; step++)
        SW_TEST_OK(bench.optimizer->update(hal, spec, &bench.param, bench.states, step, 0.1));
    SW_TEST_OK(sw_hal_download(bench.param.values, 0, values, sizeof values));
    close_bench(&bench);
    return (double) values[0];
}

/* ---- sgd ------------------------------------------------------------------------------------ */

/* PyTorch's SGD with weight decay l, momentum mu, rate c, no dampening:
 *     g = g + l w;  b = mu b + g;  with nesterov g = g + mu b, otherwise g = b;  w = w - c g */
static void check_sgd(double momentum, bool nesterov, double decay, const struct sw_param *param,
                      double decay_expected) {
    struct sw_trial_spec spec;
    struct bench bench;
    float g[N];
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    spec.train_optimizer_momentum = momentum;
    spec.train_optimizer_nesterov = nesterov;
    spec.train_optimizer_weight_decay = decay;
    open_bench(&bench, &spec, param);
    CU_ASSERT_EQUAL(bench.n_states, momentum > 0);
    for (int64_t step = 1; step <= STEPS; step++) {
        update(&bench, &spec, step, rate(step), g);
        for (int i = 0; i < N; i++) {
            double gradient = g[i] + decay_expected * bench.w[i];
            bench.v[i] = momentum * bench.v[i] + gradient;
            bench.w[i] -= rate(step) * (nesterov ? gradient + momentum * bench.v[i] : bench.v[i]);
        }
    }
    compare(&bench);
    close_bench(&bench);
}

static void sgd_follows_its_formula(void) {
    check_sgd(0, false, 0, &weight, 0);
    check_sgd(0.9, false, 0, &weight, 0);
    check_sgd(0, false, 0.1, &weight, 0.1);
    check_sgd(0.9, false, 0.1, &weight, 0.1);
}

static void nesterov_follows_its_formula(void) {
    check_sgd(0.9, true, 0, &weight, 0);
    check_sgd(0.9, true, 0.1, &weight, 0.1);
    check_sgd(0.5, true, 0.1, &weight, 0.1);
}

static void nesterov_looks_one_momentum_step_ahead(void) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    spec.train_optimizer_momentum = 0.9;
    CU_ASSERT_DOUBLE_EQUAL(two_steps(&spec), 1 - 0.1 - 0.19, 1e-6);
    spec.train_optimizer_nesterov = 1;
    CU_ASSERT_DOUBLE_EQUAL(two_steps(&spec), 1 - 0.19 - 0.271, 1e-6);
}

/* ---- adam ----------------------------------------------------------------------------------- */

/* PyTorch's Adam and AdamW with weight decay l, rate c:
 *     adam: g = g + l w;  adamw: w = w - c l w
 *     m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *     w = w - c (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + e) */
static void check_adam(const char *name, double beta1, double beta2, double epsilon, double decay,
                       const struct sw_param *param, double decay_expected) {
    bool decoupled = strcmp(name, "adamw") == 0;
    struct sw_trial_spec spec;
    struct bench bench;
    float gradients[N];
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, name);
    spec.train_optimizer_beta1 = beta1;
    spec.train_optimizer_beta2 = beta2;
    spec.train_optimizer_epsilon = epsilon;
    spec.train_optimizer_weight_decay = decay;
    open_bench(&bench, &spec, param);
    CU_ASSERT_EQUAL(bench.n_states, 2);
    for (int64_t step = 1; step <= STEPS; step++) {
        double correction1 = 1 - pow(beta1, (double) step),
               correction2 = 1 - pow(beta2, (double) step);
        update(&bench, &spec, step, rate(step), gradients);
        for (int i = 0; i < N; i++) {
            double g = gradients[i];
            if (decoupled)
                bench.w[i] -= rate(step) * decay_expected * bench.w[i];
            else
                g += decay_expected * bench.w[i];
            bench.m[i] = beta1 * bench.m[i] + (1 - beta1) * g;
            bench.v[i] = beta2 * bench.v[i] + (1 - beta2) * g * g;
            bench.w[i] -= rate(step) * (bench.m[i] / correction1) /
                          (sqrt(bench.v[i] / correction2) + epsilon);
        }
    }
    compare(&bench);
    close_bench(&bench);
}

static void adam_follows_its_formula(void) {
    check_adam("adam", 0.9, 0.999, 1e-8, 0, &weight, 0);
    check_adam("adam", 0.9, 0.999, 1e-8, 0.1, &weight, 0.1);
    check_adam("adam", 0.5, 0.9, 0.1, 0, &weight, 0);
    check_adam("adam", 0, 0.99, 1e-8, 0, &weight, 0);
}

static void adamw_follows_its_formula(void) {
    check_adam("adamw", 0.9, 0.999, 1e-8, 0, &weight, 0);
    check_adam("adamw", 0.9, 0.999, 1e-8, 0.1, &weight, 0.1);
    check_adam("adamw", 0.5, 0.9, 0.1, 1, &weight, 1);
}

/* Under a constant gradient Adam's step is the rate itself, so the decay can be read off. */
static void adamw_shrinks_weights_by_rate_times_decay(void) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    spec.train_optimizer_weight_decay = 0.5;
    CU_ASSERT_DOUBLE_EQUAL(two_steps(&spec), 0.8, 1e-3); /* Adam's scale swallows the penalty */
    SW_TEXT_COPY(spec.train_optimizer_name, "adamw");
    CU_ASSERT_DOUBLE_EQUAL(two_steps(&spec), (1 * 0.95 - 0.1) * 0.95 - 0.1, 1e-5);
    spec.train_optimizer_weight_decay = 0;
    CU_ASSERT_DOUBLE_EQUAL(two_steps(&spec), 0.8, 1e-5);
}

static void biases_get_no_weight_decay(void) {
    check_sgd(0.9, false, 0.5, &bias, 0);
    check_sgd(0.9, true, 0.5, &bias, 0);
    check_adam("adam", 0.9, 0.999, 1e-8, 0.5, &bias, 0);
    check_adam("adamw", 0.9, 0.999, 1e-8, 0.5, &bias, 0);
}

static CU_TestInfo tests[] = {
    {"sgd_follows_its_formula", sgd_follows_its_formula},
    {"nesterov_follows_its_formula", nesterov_follows_its_formula},
    {"nesterov_looks_one_momentum_step_ahead", nesterov_looks_one_momentum_step_ahead},
    {"adam_follows_its_formula", adam_follows_its_formula},
    {"adamw_follows_its_formula", adamw_follows_its_formula},
    {"adamw_shrinks_weights_by_rate_times_decay", adamw_shrinks_weights_by_rate_times_decay},
    {"biases_get_no_weight_decay", biases_get_no_weight_decay},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"optimizers", set_up, tear_down, NULL, NULL, tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_train_optimizer", suites);
}
