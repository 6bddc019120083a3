/* Networks against a plain double-precision implementation: dense, dense with a mask, sparse. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/mlp_double.h"
#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

/* Float results are compared relative to the largest value of their kind. */
#define TOLERANCE 1e-5
#define MAX_BATCH 24

/* A network and its double twin, with the same weights, samples and labels. */
struct lab {
    struct sw_hal *hal;
    struct sw_arch arch;
    struct sw_net *net;
    struct mlp_double mlp;
    uint8_t *mask;
    float *theta;         /* dense; nonsense where the mask removes */
    double *theta_double; /* 0 there */
    double *gradient;
    double x[MAX_BATCH * 24];
    int32_t labels[MAX_BATCH];
};

static const struct mlp_double shape = {3, {24, 40, 18, 5}};

/* ---- set-up --------------------------------------------------------------------------------- */

static double noise(uint64_t stream, int64_t index) {
    return sw_random_normal(77, SW_RANDOM_BENCH, stream, (uint64_t) index);
}

/* What a network is drawn and built with. Blocks of `side` are kept as one. */
struct setting {
    double density;
    int64_t side;
    struct sw_net_storage storage;
};

/* Keep about `density` of every layer, but at least its first block. */
static void draw_mask(struct lab *lab, double density, int64_t side) {
    for (int64_t l = 0; l < lab->arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&lab->arch, l);
        uint8_t *mask = lab->mask + param->mask_offset;
        int64_t columns = param->shape[1];
        sw_mask_fill(mask, param->count);
        for (int64_t i = 1; i < param->count; i++) {
            int64_t corner = i / columns / side * side * columns + i % columns / side * side;
            if (corner > 0 &&
                sw_random_uniform(5, SW_RANDOM_BENCH, (uint64_t) l, (uint64_t) corner) >= density)
                sw_mask_clear_bit(mask, i);
        }
    }
}

static void draw_weights(struct lab *lab) {
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        for (int64_t i = 0; i < param->count; i++) {
            int64_t at = param->offset + i;
            lab->theta[at] = (float) (0.3 * noise(10, at));
            lab->theta_double[at] = lab->theta[at];
            if (!param->prunable || sw_mask_get(lab->mask + param->mask_offset, i)) continue;
            lab->theta[at] = 1e6f;
            lab->theta_double[at] = 0;
        }
    }
}

static void draw_samples(struct lab *lab) {
    for (int64_t i = 0; i < MAX_BATCH * 24; i++)
        lab->x[i] = (float) noise(11, i);
    for (int64_t b = 0; b < MAX_BATCH; b++)
        lab->labels[b] = (int32_t) (sw_random_u64(77, SW_RANDOM_BENCH, 12, (uint64_t) b) % 5);
}

static void open_hal(const struct sw_backend *backend, enum sw_isa isa, int threads,
                     struct sw_hal **out) {
    const struct sw_hal_options options = {.threads = threads, .isa = isa};
    SW_TEST_OK(sw_hal_open(backend, &options, out));
}

static void set_up_as(struct lab *lab, const struct sw_backend *backend, enum sw_isa isa,
                      int threads, const struct setting *setting) {
    memset(lab, 0, sizeof *lab);
    lab->mlp = shape;
    open_hal(backend, isa, threads, &lab->hal);
    SW_TEST_OK(sw_arch_create("mlp-40-18", (int64_t[3]){2, 3, 4}, 5, &lab->arch));
    CU_ASSERT_EQUAL_FATAL(lab->arch.parameters, mlp_double_parameters(&lab->mlp));
    SW_TEST_OK(SW_ALLOC(&lab->mask, (size_t) lab->arch.mask_bytes, "mask"));
    SW_TEST_OK(SW_ALLOC(&lab->theta, (size_t) lab->arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&lab->theta_double, (size_t) lab->arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&lab->gradient, (size_t) lab->arch.parameters, "gradient"));
    draw_mask(lab, setting->density, setting->side);
    draw_weights(lab);
    draw_samples(lab);
    SW_TEST_OK(sw_net_create_as(lab->hal, &lab->arch, setting->density < 1 ? lab->mask : NULL,
                                MAX_BATCH, &setting->storage, &lab->net));
    SW_TEST_OK(sw_net_set_theta(lab->net, lab->theta));
}

static void set_up(struct lab *lab, const struct sw_backend *backend, enum sw_isa isa, int threads,
                   double density) {
    set_up_as(lab, backend, isa, threads, &(struct setting){.density = density, .side = 1});
}

static void tear_down(struct lab *lab) {
    sw_net_destroy(&lab->net);
    sw_hal_close(&lab->hal);
    sw_arch_fini(&lab->arch);
    SW_FREE(&lab->mask);
    SW_FREE(&lab->theta);
    SW_FREE(&lab->theta_double);
    SW_FREE(&lab->gradient);
}

/* Put the first `batch` samples into the network, features first, padded with zeros. */
static void feed(struct lab *lab, int64_t batch) {
    float x[24 * MAX_BATCH] = {0};
    int64_t ld = sw_hal_lanes(batch);
    for (int64_t f = 0; f < 24; f++)
        for (int64_t b = 0; b < batch; b++)
            x[f * ld + b] = (float) lab->x[b * 24 + f];
    SW_TEST_OK(sw_hal_upload(sw_net_input(lab->net), 0, x, 24 * ld * (int64_t) sizeof *x));
    SW_TEST_OK(sw_hal_upload(sw_net_labels(lab->net), 0, lab->labels,
                             batch * (int64_t) sizeof *lab->labels));
}

static void run_passes(struct lab *lab, int64_t batch, double *loss_sum, int64_t *correct) {
    feed(lab, batch);
    SW_TEST_OK(sw_net_forward(lab->net, batch));
    SW_TEST_OK(sw_net_loss(lab->net, batch, true, loss_sum, correct));
    SW_TEST_OK(sw_net_backward(lab->net, batch));
}

/* ---- comparisons ---------------------------------------------------------------------------- */

static void check_logits(struct lab *lab, int64_t batch) {
    float logits[5 * MAX_BATCH];
    double expected[MLP_MAX_WIDTH];
    SW_TEST_OK(sw_net_get_logits(lab->net, batch, logits));
    for (int64_t b = 0; b < batch; b++) {
        mlp_double_logits(&lab->mlp, lab->theta_double, lab->x + b * 24, expected);
        for (int64_t c = 0; c < 5; c++)
            CU_ASSERT_DOUBLE_EQUAL(logits[c * sw_hal_lanes(batch) + b], expected[c],
                                   10 * TOLERANCE);
    }
}

static double largest_of(const double *values, int64_t n) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(values[i]));
    return largest;
}

/* Gradients of a parameter's survivors stand in the order of its kept elements. */
static void check_param(struct lab *lab, const struct sw_net_param *param, double allowed) {
    float gradients[40 * 24];
    int64_t next = 0;
    SW_TEST_OK(
        sw_hal_download(param->gradients, 0, gradients, param->n * (int64_t) sizeof *gradients));
    for (int64_t i = 0; i < param->param->count; i++) {
        if (param->param->prunable && !sw_mask_get(lab->mask + param->param->mask_offset, i))
            continue;
        CU_ASSERT_DOUBLE_EQUAL(gradients[next], lab->gradient[param->param->offset + i], allowed);
        next++;
    }
    CU_ASSERT_EQUAL(next, param->n);
}

static void check_batch(struct lab *lab, int64_t batch) {
    double loss_sum = NAN;
    int64_t correct = -1, n_params = 0;
    run_passes(lab, batch, &loss_sum, &correct);
    check_logits(lab, batch);
    double loss = mlp_double_loss(&lab->mlp, lab->theta_double, lab->x, lab->labels, batch);
    CU_ASSERT_DOUBLE_EQUAL(loss_sum / (double) batch, loss, TOLERANCE * loss);
    CU_ASSERT_EQUAL(correct,
                    mlp_double_correct(&lab->mlp, lab->theta_double, lab->x, lab->labels, batch));
    mlp_double_gradient(&lab->mlp, lab->theta_double, lab->x, lab->labels, batch, lab->gradient);
    double largest = largest_of(lab->gradient, lab->arch.parameters);
    CU_ASSERT(largest > 0.01);
    const struct sw_net_param *params = sw_net_params(lab->net, &n_params);
    CU_ASSERT_EQUAL(n_params, 6);
    for (int64_t p = 0; p < n_params; p++)
        check_param(lab, &params[p], TOLERANCE * largest);
}

/* Check a setting with every backend that runs here and every instruction set, counting the
 * formats of the layers. */
static void check_setting(const struct setting *setting, int formats[SW_FORMAT_COUNT]) {
    struct lab lab;
    for (size_t i = 0; sw_backend_at(i) != NULL; i++) {
        if (sw_backend_probe(sw_backend_at(i)) != SW_OK) continue;
        for (int isa = SW_ISA_GENERIC; isa <= (int) sw_isa_detect(); isa++) {
            set_up_as(&lab, sw_backend_at(i), (enum sw_isa) isa, 1, setting);
            for (int64_t l = 0; l < 3; l++)
                formats[sw_net_layer_format(lab.net, l)]++;
            check_batch(&lab, 1);
            check_batch(&lab, 7);
            check_batch(&lab, MAX_BATCH);
            check_batch(&lab, 16); /* a smaller batch after a larger one */
            tear_down(&lab);
        }
    }
}

static void check_density(double density, int formats[SW_FORMAT_COUNT]) {
    check_setting(&(struct setting){.density = density, .side = 1}, formats);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void the_reference_agrees_with_differences_of_its_loss(void) {
    struct lab lab;
    double differences[24 * 40 + 40 + 40 * 18 + 18 + 18 * 5 + 5];
    set_up(&lab, sw_backend_find("cpu"), SW_ISA_GENERIC, 1, 0.5);
    mlp_double_gradient(&lab.mlp, lab.theta_double, lab.x, lab.labels, 7, lab.gradient);
    mlp_double_differences(&lab.mlp, lab.theta_double, lab.x, lab.labels, 7, 1e-5, differences);
    for (int64_t i = 0; i < lab.arch.parameters; i++)
        CU_ASSERT_DOUBLE_EQUAL(lab.gradient[i], differences[i], 1e-7);
    tear_down(&lab);
}

static void a_dense_network_agrees_with_the_reference(void) {
    int formats[SW_FORMAT_COUNT] = {0};
    check_density(1, formats);
    CU_ASSERT(formats[SW_FORMAT_DENSE] > 0);
}

static void a_masked_network_agrees_in_both_formats(void) {
    int formats[SW_FORMAT_COUNT] = {0};
    check_density(0.95, formats);
    check_density(0.6, formats);
    CU_ASSERT(formats[SW_FORMAT_DENSE] > 0);
    check_density(0.2, formats);
    check_density(0.02, formats);
    CU_ASSERT(formats[SW_FORMAT_CSR] > 0);
}

/* Layers of 40 x 24, 18 x 40 and 5 x 18 weights: every block is cut somewhere. */
static void every_format_agrees_with_the_reference(void) {
    for (int f = 0; f < SW_FORMAT_COUNT; f++) {
        enum sw_layer_format format = (enum sw_layer_format) f;
        int64_t block = sw_format_block(format);
        int formats[SW_FORMAT_COUNT] = {0};
        struct setting setting = {.density = 0.5,
                                  .side = block > 0 ? block : 1,
                                  .storage = {.forced = true, .format = format}};
        check_setting(&setting, formats);
        CU_ASSERT(formats[f] > 0);
        for (int other = 0; other < SW_FORMAT_COUNT; other++) /* layers that stay whole are dense */
            CU_ASSERT(other == f || other == SW_FORMAT_DENSE || formats[other] == 0);
    }
}

/* The table knows blocks where there are kernels for them that pay, and only where a mask is made of them. */
static void blocks_are_found_in_masks(void) {
    struct lab lab;
    struct setting setting = {.density = 0.3, .side = 8};
    if (sw_isa_detect() < SW_ISA_AVX2) return;
    const struct sw_backend *cpu = sw_backend_find("cpu");
    set_up_as(&lab, cpu, SW_ISA_AVX2, 1, &setting);
    CU_ASSERT_EQUAL(sw_net_layer_format(lab.net, 0), SW_FORMAT_BSR8);
    tear_down(&lab);
    setting.storage.block = 4; /* each block is four of these */
    set_up_as(&lab, cpu, SW_ISA_AVX2, 1, &setting);
    CU_ASSERT_EQUAL(sw_net_layer_format(lab.net, 0), SW_FORMAT_BSR4);
    tear_down(&lab);
    setting.storage.block = 1;
    set_up_as(&lab, cpu, SW_ISA_AVX2, 1, &setting);
    CU_ASSERT_EQUAL(sw_net_layer_format(lab.net, 0), SW_FORMAT_CSR);
    tear_down(&lab);
    setting.storage.block = 16; /* it is made of none */
    set_up_as(&lab, cpu, SW_ISA_AVX2, 1, &setting);
    CU_ASSERT_EQUAL(sw_net_layer_format(lab.net, 0), SW_FORMAT_CSR);
    sw_net_destroy(&lab.net);
    setting.storage = (struct sw_net_storage){.forced = true, .format = SW_FORMAT_BSR16};
    SW_TEST_FAILS(
        sw_net_create_as(lab.hal, &lab.arch, lab.mask, MAX_BATCH, &setting.storage, &lab.net),
        SW_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(lab.net);
    tear_down(&lab);
}

static void results_do_not_depend_on_threads_or_rebuilding(void) {
    const double densities[] = {1, 0.8, 0.1};
    const int threads[] = {1, 2, 3, 1};
    for (size_t d = 0; d < 3; d++) {
        float first[1000], again[1000];
        for (int build = 0; build < 4; build++) {
            struct lab lab;
            double loss_sum = 0;
            int64_t correct = 0, n_params = 0;
            set_up(&lab, sw_backend_find("cpu"), sw_isa_detect(), threads[build], densities[d]);
            run_passes(&lab, 13, &loss_sum, &correct);
            const struct sw_net_param *weight = sw_net_params(lab.net, &n_params);
            SW_TEST_OK(sw_hal_download(weight->gradients, 0, again, weight->n * 4));
            if (build == 0) memcpy(first, again, sizeof first);
            CU_ASSERT_EQUAL(memcmp(first, again, (size_t) weight->n * 4), 0);
            tear_down(&lab);
        }
    }
}

static void padding_does_not_reach_results(void) {
    struct lab lab;
    float many[5 * MAX_BATCH], few[5 * MAX_BATCH];
    set_up(&lab, sw_backend_find("cpu"), sw_isa_detect(), 1, 0.5);
    feed(&lab, 16);
    SW_TEST_OK(sw_net_forward(lab.net, 16));
    SW_TEST_OK(sw_net_get_logits(lab.net, 16, many));
    feed(&lab, 3);
    SW_TEST_OK(sw_net_forward(lab.net, 3));
    SW_TEST_OK(sw_net_get_logits(lab.net, 3, few));
    for (int64_t c = 0; c < 5; c++)
        for (int64_t b = 0; b < 3; b++)
            CU_ASSERT_DOUBLE_EQUAL(few[c * 8 + b], many[c * 16 + b], TOLERANCE);
    tear_down(&lab);
}

static void a_loss_without_backward_leaves_no_gradient(void) {
    struct lab lab;
    double loss_sum = 0;
    int64_t correct = 0;
    set_up(&lab, sw_backend_find("cpu"), sw_isa_detect(), 1, 1);
    feed(&lab, 4);
    SW_TEST_FAILS(sw_net_loss(lab.net, 4, true, &loss_sum, &correct), SW_INTERNAL);
    SW_TEST_OK(sw_net_forward(lab.net, 4));
    SW_TEST_FAILS(sw_net_backward(lab.net, 4), SW_INTERNAL);
    SW_TEST_OK(sw_net_loss(lab.net, 4, false, &loss_sum, &correct));
    SW_TEST_FAILS(sw_net_backward(lab.net, 4), SW_INTERNAL);
    SW_TEST_OK(sw_net_loss(lab.net, 4, true, &loss_sum, &correct));
    SW_TEST_FAILS(sw_net_backward(lab.net, 5), SW_INTERNAL);
    SW_TEST_OK(sw_net_backward(lab.net, 4));
    SW_TEST_FAILS(sw_net_backward(lab.net, 4), SW_INTERNAL); /* the first pass used it up */
    tear_down(&lab);
}

static void batches_out_of_range_are_refused(void) {
    struct lab lab;
    set_up(&lab, sw_backend_find("cpu"), sw_isa_detect(), 1, 1);
    SW_TEST_FAILS(sw_net_forward(lab.net, 0), SW_INTERNAL);
    SW_TEST_FAILS(sw_net_forward(lab.net, -1), SW_INTERNAL);
    SW_TEST_FAILS(sw_net_forward(lab.net, MAX_BATCH + 1), SW_INTERNAL);
    SW_TEST_FAILS(sw_net_forward(lab.net, INT64_MAX), SW_INTERNAL);
    tear_down(&lab);
}

static CU_TestInfo tests[] = {
    {"the_reference_agrees_with_differences_of_its_loss",
     the_reference_agrees_with_differences_of_its_loss},
    {"a_dense_network_agrees_with_the_reference", a_dense_network_agrees_with_the_reference},
    {"a_masked_network_agrees_in_both_formats", a_masked_network_agrees_in_both_formats},
    {"every_format_agrees_with_the_reference", every_format_agrees_with_the_reference},
    {"blocks_are_found_in_masks", blocks_are_found_in_masks},
    {"results_do_not_depend_on_threads_or_rebuilding",
     results_do_not_depend_on_threads_or_rebuilding},
    {"padding_does_not_reach_results", padding_does_not_reach_results},
    {"a_loss_without_backward_leaves_no_gradient", a_loss_without_backward_leaves_no_gradient},
    {"batches_out_of_range_are_refused", batches_out_of_range_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"passes", NULL, NULL, NULL, NULL, tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_pass", suites);
}
