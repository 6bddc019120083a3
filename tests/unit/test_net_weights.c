/* Weights going in and out of a network, its bytes, and masks that cannot be built. */
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

static struct sw_hal *hal;
static struct sw_arch arch; /* fc1 [9, 6], fc2 [5, 9], fc3 [4, 5]: no mask fills its last byte */
static uint8_t *mask;
static float *theta, *survivors;

static int set_up(void) {
    const struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    return sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK ||
           sw_arch_create("mlp-9-5", (int64_t[3]){1, 2, 3}, 4, &arch) != SW_OK ||
           SW_ALLOC(&mask, (size_t) arch.mask_bytes, "mask") != SW_OK ||
           SW_ALLOC(&theta, (size_t) arch.parameters, "theta") != SW_OK ||
           SW_ALLOC(&survivors, (size_t) arch.parameters, "survivors") != SW_OK;
}

static int tear_down(void) {
    SW_FREE(&mask);
    SW_FREE(&theta);
    SW_FREE(&survivors);
    sw_arch_fini(&arch);
    sw_hal_close(&hal);
    return 0;
}

/* Keep every `stride`-th weight of each layer; element i of theta is i. */
static void fill(int64_t stride) {
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&arch, l);
        sw_mask_fill(mask + param->mask_offset, param->count);
        for (int64_t i = 0; i < param->count; i++)
            if (i % stride != 0) sw_mask_clear_bit(mask + param->mask_offset, i);
    }
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] = (float) i;
}

static struct sw_net *build(const uint8_t *chosen, int64_t max_batch) {
    struct sw_net *net = NULL;
    SW_TEST_OK(sw_net_create(hal, &arch, chosen, max_batch, &net));
    return net;
}

/* ---- survivors ------------------------------------------------------------------------------ */

static void survivors_are_the_kept_elements_in_order(void) {
    fill(3);
    struct sw_net *net = build(mask, 4);
    CU_ASSERT_EQUAL_FATAL(sw_net_survivors(net), 18 + 9 + 15 + 5 + 7 + 4);
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_net_get_survivors(net, survivors));
    const float *next = survivors;
    for (int64_t p = 0; p < arch.n_params; p++)
        for (int64_t i = 0; i < arch.params[p].count; i++)
            if (!arch.params[p].prunable || i % 3 == 0)
                CU_ASSERT_EQUAL(*next++, theta[arch.params[p].offset + i]);
    CU_ASSERT_EQUAL(next - survivors, sw_net_survivors(net));
    sw_net_destroy(&net);
    CU_ASSERT_PTR_NULL(net);
}

static void survivors_come_back_as_they_went_in(void) {
    float back[200];
    fill(2);
    struct sw_net *net = build(mask, 4);
    for (int64_t i = 0; i < sw_net_survivors(net); i++)
        survivors[i] = 1.0f / (float) (i + 3);
    SW_TEST_OK(sw_net_set_survivors(net, survivors));
    SW_TEST_OK(sw_net_get_survivors(net, back));
    CU_ASSERT_EQUAL(memcmp(back, survivors, (size_t) sw_net_survivors(net) * sizeof *back), 0);
    sw_net_destroy(&net);
}

static void without_a_mask_everything_survives(void) {
    fill(1);
    struct sw_net *unmasked = build(NULL, 4), *full = build(mask, 4);
    CU_ASSERT_EQUAL(sw_net_survivors(unmasked), arch.parameters);
    CU_ASSERT_EQUAL(sw_net_survivors(full), arch.parameters);
    SW_TEST_OK(sw_net_set_theta(unmasked, theta));
    SW_TEST_OK(sw_net_get_survivors(unmasked, survivors));
    CU_ASSERT_EQUAL(memcmp(theta, survivors, (size_t) arch.parameters * sizeof *theta), 0);
    sw_net_destroy(&unmasked);
    sw_net_destroy(&full);
}

static void parameters_know_what_they_are(void) {
    int64_t n_params = 0;
    fill(3);
    struct sw_net *net = build(mask, 4);
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    CU_ASSERT_EQUAL_FATAL(n_params, 6);
    for (int64_t p = 0; p < 6; p++) {
        CU_ASSERT_PTR_EQUAL(params[p].param, &arch.params[p]);
        CU_ASSERT_EQUAL(sw_hal_bytes(params[p].values), params[p].n * 4);
        CU_ASSERT_EQUAL(sw_hal_bytes(params[p].gradients), params[p].n * 4);
    }
    CU_ASSERT_EQUAL(params[0].n, 18);
    CU_ASSERT_EQUAL(params[1].n, 9);
    CU_ASSERT_PTR_EQUAL(sw_net_hal(net), hal);
    CU_ASSERT_PTR_EQUAL(sw_net_arch(net), &arch);
    sw_net_destroy(&net);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void check_prediction(const char *model, int64_t max_batch, int64_t stride,
                             const struct sw_net_storage *storage, int formats[SW_FORMAT_COUNT]) {
    struct sw_arch large;
    struct sw_net *net = NULL;
    struct sw_net_memory predicted, actual;
    uint8_t *bits = NULL;
    int64_t kept[SW_MODEL_MAX_LAYERS];
    SW_TEST_OK(sw_arch_create(model, (int64_t[3]){1, 28, 28}, 10, &large));
    SW_TEST_OK(SW_ALLOC(&bits, (size_t) large.mask_bytes, "mask"));
    for (int64_t l = 0; l < large.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&large, l);
        sw_mask_fill(bits + param->mask_offset, param->count);
        for (int64_t i = 0; i < param->count; i++)
            if (i % stride != 0) sw_mask_clear_bit(bits + param->mask_offset, i);
        kept[l] = sw_mask_count(bits + param->mask_offset, param->count);
    }
    SW_TEST_OK(sw_net_create_as(hal, &large, bits, max_batch, storage, &net));
    sw_net_memory(net, &actual);
    sw_net_predict_memory(&large, kept, max_batch, sw_isa_detect(), storage, &predicted);
    CU_ASSERT_EQUAL(predicted.weights, actual.weights);
    CU_ASSERT_EQUAL(predicted.gradients, actual.gradients);
    CU_ASSERT_EQUAL(predicted.activations, actual.activations);
    CU_ASSERT_EQUAL(predicted.workspace, actual.workspace);
    CU_ASSERT_EQUAL(actual.gradients, sw_net_survivors(net) * 4);
    for (int64_t l = 0; l < large.n_layers; l++)
        formats[sw_net_layer_format(net, l)]++;
    sw_net_destroy(&net);
    sw_arch_fini(&large);
    SW_FREE(&bits);
}

static void predicted_bytes_are_the_allocated_ones(void) {
    const struct sw_net_storage table = {0};
    int formats[SW_FORMAT_COUNT] = {0};
    check_prediction("lenet-300-100", 60, 1, &table, formats);
    check_prediction("lenet-300-100", 256, 2, &table, formats);
    check_prediction("lenet-300-100", 1, 50, &table, formats);
    check_prediction("mlp-7", 3, 1, &table, formats);
    check_prediction("mlp-3-300-2-100", 17, 3, &table, formats);
    CU_ASSERT(formats[SW_FORMAT_DENSE] > 0 && formats[SW_FORMAT_CSR] > 0);
    for (int f = SW_FORMAT_DENSE; f <= SW_FORMAT_COO; f++) {
        const struct sw_net_storage forced = {.forced = true, .format = (enum sw_layer_format) f};
        formats[f] = 0;
        check_prediction("lenet-300-100", 8, 7, &forced, formats);
        CU_ASSERT_EQUAL(formats[f], 3);
    }
}

/* Layers of 64 x 784 and 32 x 64 weights, cut by no edge; 10 x 32 keeps everything. */
static void predicted_bytes_of_blocks_are_the_allocated_ones(void) {
    struct sw_arch blocks;
    struct sw_net *net = NULL;
    struct sw_net_memory predicted, actual;
    uint8_t bits[64 * 784 / 8 + 32 * 64 / 8 + 10 * 32 / 8];
    int64_t kept[3];
    SW_TEST_OK(sw_arch_create("mlp-64-32", (int64_t[3]){1, 28, 28}, 10, &blocks));
    CU_ASSERT_EQUAL_FATAL(blocks.mask_bytes, sizeof bits);
    for (int64_t side = 4; side <= 16; side *= 2) {
        const struct sw_net_storage storage = {.forced = true, .format = sw_format_bsr(side)};
        for (int64_t l = 0; l < 3; l++) {
            const struct sw_param *param = sw_arch_layer(&blocks, l);
            uint8_t *of = bits + param->mask_offset;
            int64_t columns = param->shape[1];
            sw_mask_fill(of, param->count);
            for (int64_t i = 0; i < param->count && l < 2; i++)
                if ((i / columns / side + i % columns / side) % 3 > 0) sw_mask_clear_bit(of, i);
            kept[l] = sw_mask_count(of, param->count);
        }
        SW_TEST_OK(sw_net_create_as(hal, &blocks, bits, 8, &storage, &net));
        CU_ASSERT_EQUAL(sw_net_layer_format(net, 1), storage.format);
        CU_ASSERT_EQUAL(sw_net_layer_format(net, 2), SW_FORMAT_DENSE);
        sw_net_memory(net, &actual);
        sw_net_predict_memory(&blocks, kept, 8, sw_isa_detect(), &storage, &predicted);
        CU_ASSERT_EQUAL(memcmp(&actual, &predicted, sizeof actual), 0);
        sw_net_destroy(&net);
    }
    sw_arch_fini(&blocks);
}

static void convolutions_are_dense_or_csr(void) {
    struct sw_arch conv;
    struct sw_net *net = NULL;
    uint8_t *bits = NULL;
    SW_TEST_OK(sw_arch_create("conv-2", (int64_t[3]){1, 8, 8}, 10, &conv));
    SW_TEST_OK(SW_ALLOC(&bits, (size_t) conv.mask_bytes, "mask"));
    for (int64_t l = 0; l < conv.n_layers; l++)
        for (int64_t i = 0; i < sw_arch_layer(&conv, l)->count; i += 3)
            bits[sw_arch_layer(&conv, l)->mask_offset + i / 8] |= (uint8_t) (1U << (i % 8));
    for (int f = 0; f < SW_FORMAT_COUNT; f++) {
        const struct sw_net_storage storage = {.forced = true, .format = (enum sw_layer_format) f};
        enum sw_status wanted = f <= SW_FORMAT_CSR ? SW_OK : SW_CONFIG;
        SW_TEST_FAILS(sw_net_create_as(hal, &conv, bits, 8, &storage, &net), wanted);
        sw_net_destroy(&net);
    }
    SW_FREE(&bits);
    sw_arch_fini(&conv);
}

static void bytes_of_a_small_network_add_up(void) {
    struct sw_arch small;
    struct sw_net *net = NULL;
    struct sw_net_memory memory;
    SW_TEST_OK(sw_arch_create("mlp-9-5", (int64_t[3]){1, 2, 3}, 7, &small));
    SW_TEST_OK(sw_net_create(hal, &small, NULL, 4, &net));
    sw_net_memory(net, &memory);
    CU_ASSERT_EQUAL(memory.weights, (9 * 7 + 5 * 10 + 7 * 6) * 4);
    CU_ASSERT_EQUAL(memory.gradients, memory.weights);
    /* Input 6, outputs 9, 5 and 7, gradients of 9 (or 7) and of 5 features, and labels; 8 lanes. */
    CU_ASSERT_EQUAL(memory.activations, (6 + 9 + 5 + 7 + 9 + 5 + 1) * 8 * 4);
    CU_ASSERT_EQUAL(memory.workspace, 0);
    sw_net_destroy(&net);
    sw_arch_fini(&small);
}

/* ---- what cannot be built ------------------------------------------------------------------- */

static void a_mask_that_empties_a_layer_is_refused(void) {
    struct sw_net *net = NULL;
    fill(2);
    const struct sw_param *param = sw_arch_layer(&arch, 1);
    for (int64_t i = 0; i < param->count; i++)
        sw_mask_clear_bit(mask + param->mask_offset, i);
    SW_TEST_FAILS(sw_net_create(hal, &arch, mask, 4, &net), SW_CONFIG);
    CU_ASSERT_PTR_NULL(net);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "fc2.weight"));
}

static void impossible_batches_are_refused(void) {
    struct sw_net *net = NULL;
    SW_TEST_FAILS(sw_net_create(hal, &arch, NULL, 0, &net), SW_CONFIG);
    SW_TEST_FAILS(sw_net_create(hal, &arch, NULL, -5, &net), SW_CONFIG);
    SW_TEST_FAILS(sw_net_create(hal, &arch, NULL, INT64_MAX, &net), SW_CONFIG);
    CU_ASSERT_PTR_NULL(net);
    sw_net_destroy(&net);
}

static CU_TestInfo weights[] = {
    {"survivors_are_the_kept_elements_in_order", survivors_are_the_kept_elements_in_order},
    {"survivors_come_back_as_they_went_in", survivors_come_back_as_they_went_in},
    {"without_a_mask_everything_survives", without_a_mask_everything_survives},
    {"parameters_know_what_they_are", parameters_know_what_they_are},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo bytes[] = {
    {"predicted_bytes_are_the_allocated_ones", predicted_bytes_are_the_allocated_ones},
    {"predicted_bytes_of_blocks_are_the_allocated_ones",
     predicted_bytes_of_blocks_are_the_allocated_ones},
    {"convolutions_are_dense_or_csr", convolutions_are_dense_or_csr},
    {"bytes_of_a_small_network_add_up", bytes_of_a_small_network_add_up},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo refusals[] = {
    {"a_mask_that_empties_a_layer_is_refused", a_mask_that_empties_a_layer_is_refused},
    {"impossible_batches_are_refused", impossible_batches_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"weights", set_up, tear_down, NULL, NULL, weights},
    {"bytes", set_up, tear_down, NULL, NULL, bytes},
    {"refusals", set_up, tear_down, NULL, NULL, refusals},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_weights", suites);
}
