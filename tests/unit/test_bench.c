/* The benchmarks do real work and their figures fit together. */
#include <string.h>

#include "../../src/bench/bench.h"
#include "../support/test_main.h"
#include "sweepstake/mask.h"

static struct sw_bench_step_options small(double sparsity) {
    return (struct sw_bench_step_options){.model = "mlp-40-20",
                                          .backend = "cpu",
                                          .input_shape = {2, 5, 4},
                                          .classes = 7,
                                          .batch = 13,
                                          .sparsity = sparsity,
                                          .steps = 9,
                                          .threads = 1,
                                          .isa = sw_isa_detect()};
}

static void step_figures_fit_together(void) {
    struct sw_bench_step_options options = small(0);
    struct sw_bench_step step;
    SW_TEST_OK(sw_bench_time_step(&options, &step));
    CU_ASSERT_EQUAL(step.steps, 9);
    CU_ASSERT(step.fastest_ms > 0 && step.fastest_ms <= step.step_ms &&
              step.step_ms <= step.slowest_ms);
    CU_ASSERT_DOUBLE_EQUAL(step.us_per_sample, step.step_ms * 1e3 / 13, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(step.gflops, step.flops / step.step_ms * 1e-6, 1e-9 * step.gflops);
    CU_ASSERT_EQUAL(step.parameters, 40 * 40 + 40 + 40 * 20 + 20 + 20 * 7 + 7);
    CU_ASSERT_EQUAL(step.survivors, step.parameters);
    CU_ASSERT_EQUAL(step.bytes_optimizer, step.parameters * 4); /* one momentum each */
    CU_ASSERT(step.loss > 0);
}

static void sparser_is_less_work_and_memory(void) {
    struct sw_bench_step_options options = small(0), sparse_options = small(0.9);
    struct sw_bench_step dense, sparse;
    SW_TEST_OK(sw_bench_time_step(&options, &dense));
    SW_TEST_OK(sw_bench_time_step(&sparse_options, &sparse));
    CU_ASSERT(sparse.flops < 0.2 * dense.flops);
    CU_ASSERT(sparse.bytes_gradients < 0.2 * dense.bytes_gradients);
    CU_ASSERT(sparse.survivors < dense.survivors / 5);
}

static void step_stops_early_when_asked(void) {
    struct sw_bench_step_options options = small(0);
    struct sw_bench_step step;
    options.steps = 1000000;
    options.seconds = 1e-9;
    SW_TEST_OK(sw_bench_time_step(&options, &step));
    CU_ASSERT_EQUAL(step.steps, 3);
}

static void wrong_names_are_refused(void) {
    struct sw_bench_step_options options = small(0);
    struct sw_bench_step step;
    options.model = "lenet-301-100";
    SW_TEST_FAILS(sw_bench_time_step(&options, &step), SW_CONFIG);
    options = small(0);
    options.backend = "abacus";
    SW_TEST_FAILS(sw_bench_time_step(&options, &step), SW_NOT_FOUND);
}

static void random_masks_have_the_asked_density(void) {
    static uint8_t mask[10000 / 8];
    memset(mask, 0, sizeof mask);
    int64_t kept = sw_bench_random_mask(mask, 10000, 0.9, 3);
    CU_ASSERT_EQUAL(kept, sw_mask_count(mask, 10000));
    CU_ASSERT(kept > 880 && kept < 1120); /* four deviations of 30 around 1000 */
    memset(mask, 0, sizeof mask);
    CU_ASSERT_EQUAL(sw_bench_random_mask(mask, 5, 0.999999, 3), 1); /* never empty */
    CU_ASSERT(sw_mask_get(mask, 0));
}

static void the_median_is_in_the_middle(void) {
    double times[] = {5, 1, 9, 3, 7};
    CU_ASSERT_EQUAL(sw_bench_median(times, 5), 5);
    CU_ASSERT_EQUAL(times[0], 1);
    CU_ASSERT_EQUAL(times[4], 9);
}

int main(void) {
    CU_TestInfo tests[] = {
        {"step_figures_fit_together", step_figures_fit_together},
        {"sparser_is_less_work_and_memory", sparser_is_less_work_and_memory},
        {"step_stops_early_when_asked", step_stops_early_when_asked},
        {"wrong_names_are_refused", wrong_names_are_refused},
        {"random_masks_have_the_asked_density", random_masks_have_the_asked_density},
        {"the_median_is_in_the_middle", the_median_is_in_the_middle},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"bench", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return sw_test_main("test_bench", suites);
}
