/* The models themselves: logits against plain double arithmetic, and bytes in advance. */
#include <math.h>
#include <string.h>

#include "../support/graph_double.h"
#include "../support/test_main.h"
#include "sweepstake/memory.h"

#define CLASSES 10
#define BATCH 3
#define LD 8

struct lab {
    struct sw_hal *hal;
    struct sw_arch arch;
    struct sw_net *net;
    uint8_t *mask;
    int64_t kept[SW_MAX_LAYERS];
};

static void open_hal(struct lab *lab) {
    const struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &lab->hal));
}

/* Keep every stride-th weight of every layer. */
static void set_up(struct lab *lab, const char *model, int64_t channels, int64_t side,
                   int64_t stride) {
    memset(lab, 0, sizeof *lab);
    open_hal(lab);
    SW_TEST_OK(sw_arch_create(model, (int64_t[3]){channels, side, side}, CLASSES, &lab->arch));
    SW_TEST_OK(SW_ALLOC(&lab->mask, (size_t) lab->arch.mask_bytes, "mask"));
    for (int64_t l = 0; l < lab->arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&lab->arch, l);
        uint8_t *bits = lab->mask + param->mask_offset;
        if (stride == 1) sw_mask_fill(bits, param->count);
        for (int64_t i = 0; stride > 1 && i < param->count; i += stride)
            bits[i >> 3] |= (uint8_t) (1 << (i & 7));
        lab->kept[l] = sw_mask_count(bits, param->count);
    }
}

static void tear_down(struct lab *lab) {
    sw_net_destroy(&lab->net);
    sw_hal_close(&lab->hal);
    sw_arch_fini(&lab->arch);
    SW_FREE(&lab->mask);
}

/* ---- logits --------------------------------------------------------------------------------- */

/* Weights as a training begins with, and running statistics that are not the ones of the start. */
static void draw_weights(const struct lab *lab, float *theta, double *theta_double) {
    sw_init_weights(&lab->arch, sw_init_find("kaiming-normal"), true, 3, SW_RANDOM_INIT, 0, theta);
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        for (int64_t i = 0; i < param->count; i++) {
            int64_t at = param->offset + i;
            double draw = sw_random_uniform(8, SW_RANDOM_BENCH, 0, (uint64_t) at);
            if (param->role == SW_ROLE_VARIANCE) theta[at] = (float) (0.5 + draw);
            if (param->role == SW_ROLE_MEAN) theta[at] = (float) (draw - 0.5);
            bool kept = !param->prunable || sw_mask_get(lab->mask + param->mask_offset, i);
            theta_double[at] = kept ? theta[at] : 0;
        }
    }
}

/* x[batch, features] into the planes of the network. */
static void feed(struct lab *lab, const double *x, int64_t features) {
    struct sw_buffer *staging = NULL;
    float *rows = NULL;
    int64_t bytes = features * LD * (int64_t) sizeof *rows;
    SW_TEST_OK(SW_ALLOC(&rows, (size_t) (features * LD), "rows"));
    for (int64_t f = 0; f < features; f++)
        for (int64_t b = 0; b < BATCH; b++)
            rows[f * LD + b] = (float) x[b * features + f];
    SW_TEST_OK(sw_hal_alloc(lab->hal, bytes, "rows", &staging));
    SW_TEST_OK(sw_hal_upload(staging, 0, rows, bytes));
    SW_TEST_OK(sw_hal_unflatten(lab->hal, sw_net_input_planes(lab->net), staging, LD,
                                sw_net_input(lab->net)));
    sw_hal_free(&staging);
    SW_FREE(&rows);
}

static void check_logits(struct lab *lab, const struct graph_double *graph, const double *x,
                         int64_t features) {
    float logits[CLASSES * LD];
    double expected[CLASSES * BATCH], largest = 0;
    graph_double_logits(graph, x, BATCH, expected, NULL);
    feed(lab, x, features);
    sw_net_set_mode(lab->net, graph->mode, graph->seed, graph->step);
    SW_TEST_OK(sw_net_forward(lab->net, BATCH));
    SW_TEST_OK(sw_net_get_logits(lab->net, BATCH, logits));
    for (int64_t i = 0; i < CLASSES * BATCH; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (int64_t b = 0; b < BATCH; b++)
        for (int64_t c = 0; c < CLASSES; c++)
            CU_ASSERT_DOUBLE_EQUAL(logits[c * LD + b], expected[b * CLASSES + c], 2e-5 * largest);
}

static void check_model(const char *model, int64_t channels, int64_t side, int64_t stride) {
    static struct sw_model_desc desc;
    struct lab lab;
    float *theta = NULL;
    double *theta_double = NULL, *x = NULL;
    int64_t features = channels * side * side;
    set_up(&lab, model, channels, side, stride);
    SW_TEST_OK(sw_model_find(model)->describe(model, lab.arch.input_shape, CLASSES, &desc));
    SW_TEST_OK(SW_ALLOC(&theta, (size_t) lab.arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&theta_double, (size_t) lab.arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&x, (size_t) (BATCH * features), "samples"));
    draw_weights(&lab, theta, theta_double);
    for (int64_t i = 0; i < BATCH * features; i++)
        x[i] = (float) sw_random_normal(8, SW_RANDOM_BENCH, 1, (uint64_t) i);
    SW_TEST_OK(sw_net_create(lab.hal, &lab.arch, lab.mask, BATCH, &lab.net));
    SW_TEST_OK(sw_net_set_theta(lab.net, theta));
    struct graph_double graph = {&desc, &lab.arch, theta_double, SW_NET_EVALUATE, 5, 6};
    check_logits(&lab, &graph, x, features);
    graph.mode = SW_NET_TRAIN;
    check_logits(&lab, &graph, x, features);
    SW_FREE(&theta);
    SW_FREE(&theta_double);
    SW_FREE(&x);
    tear_down(&lab);
}

static void models_compute_what_their_layers_say(void) {
    check_model("lenet-5", 1, 28, 1);
    check_model("lenet-5", 3, 17, 5);
    check_model("conv-4", 2, 9, 1);
    check_model("conv-6-dropout", 1, 8, 10);
    check_model("resnet-8", 3, 10, 1);
    check_model("resnet-20", 1, 7, 10);
    check_model("resnet-18", 2, 8, 20);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void check_bytes(const char *model, int64_t channels, int64_t side, int64_t stride,
                        int64_t max_batch) {
    struct lab lab;
    struct sw_net_memory predicted, actual;
    int64_t kept = 0, n_params = 0, trained = 0, values = 0;
    set_up(&lab, model, channels, side, stride);
    SW_TEST_OK(sw_net_create(lab.hal, &lab.arch, lab.mask, max_batch, &lab.net));
    sw_net_memory(lab.net, &actual);
    sw_net_predict_memory(&lab.arch, lab.kept, max_batch, sw_isa_detect(),
                          &(struct sw_net_storage){0}, &predicted);
    CU_ASSERT_EQUAL(predicted.weights, actual.weights);
    CU_ASSERT_EQUAL(predicted.gradients, actual.gradients);
    CU_ASSERT_EQUAL(predicted.activations, actual.activations);
    CU_ASSERT_EQUAL(predicted.workspace, actual.workspace);
    const struct sw_net_param *params = sw_net_params(lab.net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        values += params[p].n;
        if (params[p].gradients != NULL) trained += params[p].n;
    }
    for (int64_t l = 0; l < lab.arch.n_layers; l++)
        kept += lab.kept[l];
    CU_ASSERT_EQUAL(sw_net_survivors(lab.net), values);
    CU_ASSERT_EQUAL(values, kept + lab.arch.parameters - lab.arch.prunable);
    CU_ASSERT_EQUAL(actual.gradients, trained * 4);
    CU_ASSERT_EQUAL(trained, kept + lab.arch.trained - lab.arch.prunable);
    CU_ASSERT(actual.weights >= values * 4);
    if (stride == 1) CU_ASSERT_EQUAL(actual.weights, values * 4);
    tear_down(&lab);
}

static void predicted_bytes_are_the_allocated_ones(void) {
    static const char *const models[] = {"conv-2",    "conv-4",    "conv-6",     "conv-2-dropout",
                                         "vgg-11",    "vgg-13",    "vgg-16",     "vgg-19",
                                         "resnet-18", "resnet-20", "resnet-110", "resnet-32"};
    for (int64_t stride = 1; stride <= 10; stride += 9) {
        check_bytes("lenet-5", 1, 28, stride, 17);
        for (size_t i = 0; i < sizeof models / sizeof *models; i++)
            check_bytes(models[i], 3, 32, stride, 2);
    }
    check_bytes("resnet-20", 3, 21, 2, 20);
    check_bytes("vgg-11", 1, 40, 50, 1);
}

/* By hand: lenet-5 for two samples, 8 lanes. The image has a border of 2 for conv1; nothing goes backward
 * through conv1, so its 6 planes of 28 x 28 have none; conv2 needs one of 4 around its 16 gradients of 10 x 10.
 * Gradients take two slots in turn: the larger one ends with that of conv2, the other one with that of its
 * input, 6 planes of 14 x 14. */
static void bytes_of_a_small_network_add_up(void) {
    struct lab lab;
    struct sw_net_memory memory;
    set_up(&lab, "lenet-5", 1, 28, 1);
    SW_TEST_OK(sw_net_create(lab.hal, &lab.arch, lab.mask, 2, &lab.net));
    sw_net_memory(lab.net, &memory);
    CU_ASSERT_EQUAL(memory.weights, 61706 * 4);
    int64_t outputs = 6 * 28 * 28 + 6 * 14 * 14 + 16 * 18 * 18 + 16 * 5 * 5 + 400 + 120 + 84 + 10;
    int64_t slots = 6 * 14 * 14 + 16 * 18 * 18;
    CU_ASSERT_EQUAL(memory.activations, (32 * 32 + outputs + slots + 1) * 8 * 4);
    tear_down(&lab);
}

static CU_TestInfo logits[] = {
    {"models_compute_what_their_layers_say", models_compute_what_their_layers_say},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo bytes[] = {
    {"predicted_bytes_are_the_allocated_ones", predicted_bytes_are_the_allocated_ones},
    {"bytes_of_a_small_network_add_up", bytes_of_a_small_network_add_up},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"logits", NULL, NULL, NULL, NULL, logits},
    {"bytes", NULL, NULL, NULL, NULL, bytes},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_conv_models", suites);
}
