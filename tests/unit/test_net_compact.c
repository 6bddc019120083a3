/* Networks whose mask removes whole hidden units: smaller, and equal to the masked ones. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

#define MODEL "mlp-30-17"
#define FEATURES 25
#define BATCH 13
#define MOST 2000

static struct sw_hal *hal;
static struct sw_arch arch;
static uint8_t units[MOST / 8]; /* removes every third unit of fc1 and every fourth of fc2 */
static float theta[MOST];       /* removed weights are 0 */

static bool is_left(int64_t l, int64_t unit) {
    return l == 0 ? unit % 3 != 1 : l == 1 ? unit % 4 != 0 : true;
}

static bool stays(int64_t l, int64_t r, int64_t c) {
    return is_left(l, r) && (l == 0 || is_left(l - 1, c));
}

static int set_up(void) {
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    if (sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK) return 1;
    if (sw_arch_create(MODEL, (int64_t[3]){1, 5, 5}, 7, &arch) != SW_OK) return 1;
    memset(units, 0, sizeof units);
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] = 0.3F * (float) sw_random_normal(1, SW_RANDOM_BENCH, 0, (uint64_t) i);
    for (int64_t l = 0; l < 3; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        sw_mask_fill(units + layer->mask_offset, layer->count);
        for (int64_t i = 0; i < layer->count; i++) {
            if (stays(l, i / layer->shape[1], i % layer->shape[1])) continue;
            sw_mask_clear_bit(units + layer->mask_offset, i);
            theta[layer->offset + i] = 0;
        }
    }
    return 0;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    sw_hal_close(&hal);
    return 0;
}

static struct sw_net *build(const uint8_t *mask) {
    struct sw_net *net = NULL;
    SW_TEST_OK(sw_net_create(hal, &arch, mask, BATCH, &net));
    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    SW_TEST_OK(sw_net_set_theta(net, theta));
    return net;
}

/* One pass of the same samples; loss, logits and right answers. */
static double pass(struct sw_net *net, float *logits, int64_t *correct) {
    float x[FEATURES * 64] = {0};
    int32_t labels[64] = {0};
    int64_t ld = sw_hal_lanes(BATCH);
    double loss = 0;
    for (int64_t f = 0; f < FEATURES; f++)
        for (int64_t b = 0; b < BATCH; b++)
            x[f * ld + b] = (float) sw_random_normal(2, SW_RANDOM_BENCH, (uint64_t) f,
                                                     (uint64_t) b);
    for (int32_t b = 0; b < BATCH; b++)
        labels[b] = b % 7;
    SW_TEST_OK(sw_hal_upload(sw_net_input(net), 0, x, FEATURES * ld * 4));
    SW_TEST_OK(sw_hal_upload(sw_net_labels(net), 0, labels, ld * 4));
    SW_TEST_OK(sw_net_forward(net, BATCH));
    SW_TEST_OK(sw_net_get_logits(net, BATCH, logits));
    SW_TEST_OK(sw_net_loss(net, BATCH, true, &loss, correct));
    SW_TEST_OK(sw_net_backward(net, BATCH));
    return loss;
}

/* Gradients of all parameters, at their places in theta; 0 where there are none. */
static void get_gradients(const struct sw_net *net, bool compact, float *out) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    memset(out, 0, MOST * sizeof *out);
    for (int64_t p = 0; p < n_params; p++) {
        float values[MOST];
        const struct sw_param *param = params[p].param;
        int64_t used = 0;
        SW_TEST_OK(sw_hal_download(params[p].gradients, 0, values, params[p].n * 4));
        for (int64_t i = 0; i < param->count; i++) {
            bool there = !compact || (param->prunable ? sw_mask_get(units + param->mask_offset, i)
                                                      : is_left(p / 2, i));
            if (there) out[param->offset + i] = values[used++];
        }
        CU_ASSERT_EQUAL(used, params[p].n);
    }
}

/* ---- the same numbers ----------------------------------------------------------------------- */

static void a_smaller_network_computes_what_the_masked_one_does(void) {
    struct sw_net *smaller = build(units), *whole = build(NULL); /* with zeros in their places */
    float a[7 * 64], b[7 * 64], da[MOST], db[MOST];
    int64_t right = 0, other = 0, n_params = 0;
    double loss = pass(smaller, a, &right), expected = pass(whole, b, &other);
    CU_ASSERT_EQUAL(sw_net_params(smaller, &n_params)[0].n, 20 * FEATURES);
    CU_ASSERT_EQUAL(sw_net_params(smaller, &n_params)[1].n, 20);
    CU_ASSERT_EQUAL(sw_net_params(smaller, &n_params)[3].n, 12);
    CU_ASSERT_DOUBLE_EQUAL(loss, expected, 1e-5 * expected);
    CU_ASSERT_EQUAL(right, other);
    for (int64_t i = 0; i < 7 * sw_hal_lanes(BATCH); i++)
        CU_ASSERT_DOUBLE_EQUAL(a[i], b[i], 1e-5);
    get_gradients(smaller, true, da);
    get_gradients(whole, false, db);
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = 0; i < param->count; i++) {
            bool kept = !param->prunable || sw_mask_get(units + param->mask_offset, i);
            if (kept) CU_ASSERT_DOUBLE_EQUAL(da[param->offset + i], db[param->offset + i], 1e-5);
        }
    }
    sw_net_destroy(&smaller);
    sw_net_destroy(&whole);
}

static void survivors_are_those_of_the_whole_network(void) {
    float survivors[MOST], back[MOST];
    struct sw_net *net = build(units);
    int64_t n = 0;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(units + param->mask_offset, i))
                survivors[n++] = theta[param->offset + i];
    }
    CU_ASSERT_EQUAL(sw_net_survivors(net), n);
    SW_TEST_OK(sw_net_get_survivors(net, back));
    CU_ASSERT_EQUAL(memcmp(back, survivors, (size_t) n * sizeof *back), 0);
    for (int64_t i = 0; i < n; i++)
        survivors[i] = 1.0F / (float) (i + 2);
    SW_TEST_OK(sw_net_set_survivors(net, survivors));
    SW_TEST_OK(sw_net_get_survivors(net, back));
    CU_ASSERT_EQUAL(memcmp(back, survivors, (size_t) n * sizeof *back), 0);
    sw_net_destroy(&net);
}

/* ---- which masks ---------------------------------------------------------------------------- */

static int64_t hidden_biases(const uint8_t *mask) {
    int64_t n_params = 0;
    struct sw_net *net = build(mask);
    int64_t n = sw_net_params(net, &n_params)[1].n;
    sw_net_destroy(&net);
    return n;
}

static void only_masks_of_units_make_smaller_networks(void) {
    uint8_t mask[MOST / 8];
    const struct sw_param *fc2 = sw_arch_layer(&arch, 1), *fc3 = sw_arch_layer(&arch, 2);
    CU_ASSERT_EQUAL(hidden_biases(units), 20);
    CU_ASSERT_EQUAL(hidden_biases(NULL), 30);
    memcpy(mask, units, sizeof mask);
    sw_mask_clear_bit(mask, 0); /* a hole in a unit that is left */
    CU_ASSERT_EQUAL(hidden_biases(mask), 30);
    memcpy(mask, units, sizeof mask);
    mask[(fc2->mask_offset * 8 + 30 + 1) / 8] |= (uint8_t) (1U << ((30 + 1) % 8));
    CU_ASSERT_EQUAL(hidden_biases(mask), 30); /* unit 1 of fc1 is gone and read by unit 1 of fc2 */
    memcpy(mask, units, sizeof mask);
    for (int64_t i = 0; i < 17; i++)
        sw_mask_clear_bit(mask + fc3->mask_offset, i);
    CU_ASSERT_EQUAL(hidden_biases(mask), 30); /* an output unit cannot go */
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void its_bytes_are_the_predicted_ones(void) {
    struct sw_net_memory actual, predicted, masked;
    const int64_t kept[3] = {20 * FEATURES, 12 * 20, 7 * 12};
    struct sw_net *net = build(units);
    sw_net_memory(net, &actual);
    sw_net_predict_unit_memory(&arch, kept, BATCH, sw_isa_detect(), &predicted);
    CU_ASSERT_EQUAL(memcmp(&actual, &predicted, sizeof actual), 0);
    sw_net_predict_memory(&arch, kept, BATCH, sw_isa_detect(), &(struct sw_net_storage){0},
                          &masked);
    CU_ASSERT_TRUE(actual.activations < masked.activations);
    CU_ASSERT_TRUE(actual.weights < masked.weights);
    sw_net_destroy(&net);
}

static CU_TestInfo compact[] = {
    {"a smaller network computes what the masked one does",
     a_smaller_network_computes_what_the_masked_one_does},
    {"survivors are those of the whole network", survivors_are_those_of_the_whole_network},
    {"only masks of units make smaller networks", only_masks_of_units_make_smaller_networks},
    {"its bytes are the predicted ones", its_bytes_are_the_predicted_ones},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"compact", set_up, tear_down, NULL, NULL, compact},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_compact", suites);
}
