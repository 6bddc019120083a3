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

/* ---- sgd ------------------------------------------------------------------------------------ */

static void check_sgd(double momentum, double decay, const struct sw_param *param,
                      double decay_expected) {
    struct sw_trial_spec spec;
    struct bench bench;
    float g[N];
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    spec.train_optimizer_momentum = momentum;
    spec.train_optimizer_weight_decay = decay;
    open_bench(&bench, &spec, param);
    CU_ASSERT_EQUAL(bench.n_states, momentum > 0);
    for (int64_t step = 1; step <= STEPS; step++) {
        update(&bench, &spec, step, rate(step), g);
        for (int i = 0; i < N; i++) {
            bench.v[i] = momentum * bench.v[i] + g[i] + decay_expected * bench.w[i];
            bench.w[i] -= rate(step) * bench.v[i];
        }
    }
    compare(&bench);
    close_bench(&bench);
}

static void sgd_follows_its_formula(void) {
    check_sgd(0, 0, &weight, 0);
    check_sgd(0.9, 0, &weight, 0);
    check_sgd(0, 0.1, &weight, 0.1);
    check_sgd(0.9, 0.1, &weight, 0.1);
}

/* ---- adam ----------------------------------------------------------------------------------- */

static void check_adam(double beta1, double beta2, double epsilon, double decay,
                       const struct sw_param *param, double decay_expected) {
    struct sw_trial_spec spec;
    struct bench bench;
    float gradients[N];
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, "adam");
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
            double g = gradients[i] + decay_expected * bench.w[i];
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
    check_adam(0.9, 0.999, 1e-8, 0, &weight, 0);
    check_adam(0.9, 0.999, 1e-8, 0.1, &weight, 0.1);
    check_adam(0.5, 0.9, 0.1, 0, &weight, 0);
    check_adam(0, 0.99, 1e-8, 0, &weight, 0);
}

static void biases_get_no_weight_decay(void) {
    check_sgd(0.9, 0.5, &bias, 0);
    check_adam(0.9, 0.999, 1e-8, 0.5, &bias, 0);
}

static CU_TestInfo tests[] = {
    {"sgd_follows_its_formula", sgd_follows_its_formula},
    {"adam_follows_its_formula", adam_follows_its_formula},
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
