/* Networks whose mask removes filters and hidden units: smaller, and equal to the masked ones. Masks come from
 * random prunes, which couple what residuals add; parameters and statistics of batch norm are random. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"

#define BATCH 5
#define CLASSES 6

struct lab {
    struct sw_hal *hal;
    struct sw_arch arch;
    uint8_t *mask;
    float *theta; /* removed weights are 0 */
    float *x;     /* [features, L] */
    int64_t kept[SW_MAX_LAYERS];
};

static float draw(const struct sw_param *param, int64_t i) {
    uint64_t at = (uint64_t) (param->offset + i);
    float normal = (float) sw_random_normal(1, SW_RANDOM_BENCH, 0, at);
    switch (param->role) {
    case SW_ROLE_WEIGHT:
        return normal * (float) sqrt(2.0 / (double) param->fan_in);
    case SW_ROLE_SCALE:
    case SW_ROLE_VARIANCE:
        return 0.5F + (float) sw_random_uniform(1, SW_RANDOM_BENCH, 1, at);
    default:
        return 0.3F * normal;
    }
}

static void prune(struct lab *lab, double rate) {
    struct sw_trial_spec spec;
    struct sw_prune_report report;
    const char *key = NULL;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_granularity, "filter");
    SW_TEXT_COPY(spec.prune_criterion, "random");
    spec.prune_rate = rate;
    SW_TEST_OK(sw_prune_check(&spec, &lab->arch, &key));
    SW_TEST_OK(
        sw_prune_round(&spec, &lab->arch, 1, lab->mask, lab->theta, NULL, lab->mask, &report));
    sw_prune_kept(&spec, &lab->arch, 1, lab->kept);
}

static void init(struct lab *lab, const char *model, const int64_t shape[3], double rate) {
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    int64_t features = shape[0] * shape[1] * shape[2], ld = sw_hal_lanes(BATCH);
    memset(lab, 0, sizeof *lab);
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &lab->hal));
    SW_TEST_OK(sw_arch_create(model, shape, CLASSES, &lab->arch));
    SW_TEST_OK(SW_ALLOC(&lab->mask, (size_t) lab->arch.mask_bytes, "mask"));
    SW_TEST_OK(SW_ALLOC(&lab->theta, (size_t) lab->arch.parameters, "weights"));
    SW_TEST_OK(SW_ALLOC(&lab->x, (size_t) (features * ld), "samples"));
    for (int64_t f = 0; f < features; f++)
        for (int64_t b = 0; b < BATCH; b++)
            lab->x[f * ld + b] = (float) sw_random_normal(2, SW_RANDOM_BENCH, (uint64_t) f,
                                                          (uint64_t) b);
    for (int64_t l = 0; l < lab->arch.n_layers; l++)
        sw_mask_fill(lab->mask + sw_arch_layer(&lab->arch, l)->mask_offset,
                     sw_arch_layer(&lab->arch, l)->count);
    prune(lab, rate);
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(lab->mask + param->mask_offset, i))
                lab->theta[param->offset + i] = draw(param, i);
    }
}

static void fini(struct lab *lab) {
    SW_FREE(&lab->mask);
    SW_FREE(&lab->theta);
    SW_FREE(&lab->x);
    sw_arch_fini(&lab->arch);
    sw_hal_close(&lab->hal);
}

static struct sw_net *build(struct lab *lab, const struct sw_net_storage *storage) {
    struct sw_net *net = NULL;
    SW_TEST_OK(sw_net_create_as(lab->hal, &lab->arch, lab->mask, BATCH, storage, &net));
    SW_TEST_OK(sw_net_set_theta(net, lab->theta));
    return net;
}

static void upload(struct lab *lab, struct sw_net *net) {
    int64_t ld = sw_hal_lanes(BATCH), features = 1;
    int32_t labels[64] = {0};
    struct sw_buffer *rows = NULL;
    for (int i = 0; i < 3; i++)
        features *= lab->arch.input_shape[i];
    for (int32_t b = 0; b < BATCH; b++)
        labels[b] = b % CLASSES;
    SW_TEST_OK(sw_hal_alloc(lab->hal, features * ld * 4, "samples", &rows));
    SW_TEST_OK(sw_hal_upload(rows, 0, lab->x, features * ld * 4));
    SW_TEST_OK(sw_hal_unflatten(lab->hal, sw_net_input_planes(net), rows, ld, sw_net_input(net)));
    SW_TEST_OK(sw_hal_upload(sw_net_labels(net), 0, labels, ld * 4));
    sw_hal_free(&rows);
}

static void forward(struct lab *lab, struct sw_net *net, enum sw_net_mode mode, float *logits) {
    upload(lab, net);
    sw_net_set_mode(net, mode, 1, 0);
    SW_TEST_OK(sw_net_forward(net, BATCH));
    SW_TEST_OK(sw_net_get_logits(net, BATCH, logits));
}

static void expect_equal(const float *a, const float *b, int64_t n, int64_t stride) {
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < (stride > 0 ? BATCH : 1); j++) {
            int64_t at = stride > 0 ? i * stride + j : i;
            largest = fmax(largest, fabs((double) b[at]));
            worst = fmax(worst, fabs((double) a[at] - (double) b[at]));
        }
    CU_ASSERT_TRUE(largest > 0);
    CU_ASSERT_TRUE(worst <= 1e-5 * fmax(largest, 1));
}

/* Is unit u of a parameter left: does the layer that names it keep a weight of its row? */
static bool is_left(const struct lab *lab, int64_t p, int64_t u) {
    const struct sw_param *layer = sw_arch_layer(&lab->arch, lab->arch.units[p].makes);
    int64_t columns = layer->count / layer->shape[0];
    for (int64_t c = 0; c < columns; c++)
        if (sw_mask_get(lab->mask + layer->mask_offset, u * columns + c)) return true;
    return false;
}

/* Values [param->count] of the units that are left, one after the other. */
static int64_t squeeze(const struct lab *lab, int64_t p, float *values) {
    int64_t n = 0;
    for (int64_t u = 0; u < lab->arch.params[p].count; u++)
        if (is_left(lab, p, u)) values[n++] = values[u];
    return n;
}

/* Gradients, or values, of every parameter: those of the smaller network are among the masked one's. */
static void compare_params(struct lab *lab, struct sw_net *smaller, struct sw_net *masked,
                           bool gradients) {
    int64_t n_params = 0;
    const struct sw_net_param *a = sw_net_params(smaller, &n_params);
    const struct sw_net_param *b = sw_net_params(masked, &n_params);
    float *left = NULL, *whole = NULL;
    SW_TEST_OK(SW_ALLOC(&left, (size_t) lab->arch.parameters, "values"));
    SW_TEST_OK(SW_ALLOC(&whole, (size_t) lab->arch.parameters, "values"));
    for (int64_t p = 0; p < n_params; p++) {
        if (gradients && a[p].gradients == NULL) continue;
        struct sw_buffer *from = gradients ? a[p].gradients : a[p].values;
        SW_TEST_OK(sw_hal_download(from, 0, left, a[p].n * 4));
        from = gradients ? b[p].gradients : b[p].values;
        SW_TEST_OK(sw_hal_download(from, 0, whole, b[p].n * 4));
        int64_t n = a[p].param->prunable ? b[p].n : squeeze(lab, p, whole);
        CU_ASSERT_EQUAL_FATAL(a[p].n, n);
        CU_ASSERT_TRUE(sw_test_close(left, whole, (size_t) n, 2e-5, 2e-4));
    }
    SW_FREE(&left);
    SW_FREE(&whole);
}

static int64_t biggest_buffer(const struct sw_net *net) {
    struct sw_net_memory memory;
    sw_net_memory(net, &memory);
    return memory.activations;
}

/* ---- the same numbers ----------------------------------------------------------------------- */

static void compare(const char *model, const int64_t shape[3], double rate,
                    enum sw_layer_format format) {
    const struct sw_net_storage storage = {.forced = true, .format = format};
    struct lab lab;
    float a[CLASSES * 64], b[CLASSES * 64];
    double loss = 0, expected = 0;
    int64_t correct = 0;
    init(&lab, model, shape, rate);
    struct sw_net *smaller = build(&lab, &(struct sw_net_storage){0});
    struct sw_net *masked = build(&lab, &storage);
    CU_ASSERT_TRUE(biggest_buffer(smaller) < biggest_buffer(masked));
    forward(&lab, smaller, SW_NET_EVALUATE, a);
    forward(&lab, masked, SW_NET_EVALUATE, b);
    expect_equal(a, b, CLASSES, sw_hal_lanes(BATCH));
    forward(&lab, smaller, SW_NET_TRAIN, a);
    forward(&lab, masked, SW_NET_TRAIN, b);
    expect_equal(a, b, CLASSES, sw_hal_lanes(BATCH));
    SW_TEST_OK(sw_net_loss(smaller, BATCH, true, &loss, &correct));
    SW_TEST_OK(sw_net_loss(masked, BATCH, true, &expected, &correct));
    CU_ASSERT_DOUBLE_EQUAL(loss, expected, 1e-5 * expected);
    SW_TEST_OK(sw_net_backward(smaller, BATCH));
    SW_TEST_OK(sw_net_backward(masked, BATCH));
    compare_params(&lab, smaller, masked, true);
    compare_params(&lab, smaller, masked, false); /* running statistics moved */
    sw_net_destroy(&smaller);
    sw_net_destroy(&masked);
    fini(&lab);
}

static const int64_t grey[3] = {1, 28, 28}, colour[3] = {3, 32, 32}, small[3] = {3, 12, 12};

static void lenet_5(void) {
    compare("lenet-5", grey, 0.4, SW_FORMAT_DENSE);
    compare("lenet-5", grey, 0.4, SW_FORMAT_CSR);
}
static void conv_2(void) {
    compare("conv-2", small, 0.6, SW_FORMAT_DENSE);
    compare("conv-4", small, 0.9, SW_FORMAT_CSR);
}
static void vgg_11(void) {
    compare("vgg-11", colour, 0.7, SW_FORMAT_DENSE);
}
static void resnet_20(void) {
    compare("resnet-20", small, 0.5, SW_FORMAT_DENSE);
    compare("resnet-20", small, 0.9, SW_FORMAT_CSR);
}

/* ---- what it looks like from outside --------------------------------------------------------- */

static void survivors_are_those_of_the_whole_network(void) {
    struct lab lab;
    init(&lab, "resnet-8", small, 0.5);
    struct sw_net *net = build(&lab, &(struct sw_net_storage){0});
    float *survivors = NULL, *back = NULL;
    int64_t n = 0;
    SW_TEST_OK(SW_ALLOC(&survivors, (size_t) lab.arch.parameters, "values"));
    SW_TEST_OK(SW_ALLOC(&back, (size_t) lab.arch.parameters, "values"));
    for (int64_t p = 0; p < lab.arch.n_params; p++) {
        const struct sw_param *param = &lab.arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(lab.mask + param->mask_offset, i))
                survivors[n++] = lab.theta[param->offset + i];
    }
    CU_ASSERT_EQUAL_FATAL(sw_net_survivors(net), n);
    SW_TEST_OK(sw_net_get_survivors(net, back));
    CU_ASSERT_EQUAL(memcmp(back, survivors, (size_t) n * sizeof *back), 0);
    for (int64_t i = 0; i < n; i++)
        survivors[i] = 1.0F / (float) (i + 2);
    SW_TEST_OK(sw_net_set_survivors(net, survivors));
    SW_TEST_OK(sw_net_get_survivors(net, back));
    CU_ASSERT_EQUAL(memcmp(back, survivors, (size_t) n * sizeof *back), 0);
    SW_FREE(&survivors);
    SW_FREE(&back);
    sw_net_destroy(&net);
    fini(&lab);
}

static void its_bytes_are_the_predicted_ones(void) {
    const char *const models[] = {"lenet-5", "conv-2", "resnet-20"};
    for (int i = 0; i < 3; i++) {
        struct sw_net_memory actual, predicted;
        struct lab lab;
        init(&lab, models[i], grey, 0.5);
        struct sw_net *net = build(&lab, &(struct sw_net_storage){0});
        sw_net_memory(net, &actual);
        sw_net_predict_unit_memory(&lab.arch, lab.kept, BATCH, sw_isa_detect(), &predicted);
        CU_ASSERT_EQUAL(memcmp(&actual, &predicted, sizeof actual), 0);
        sw_net_destroy(&net);
        fini(&lab);
    }
}

/* Units of a ResNet-8: one name per stage, each block's first convolution for itself. */
static void residuals_couple_units(void) {
    static const struct {
        const char *name;
        int64_t makes, reads, span;
    } expected[] = {
        {"conv1.weight", 0, SW_UNITS_INPUT, 9},    {"layer1.0.conv1.weight", 1, 0, 9},
        {"layer1.0.conv2.weight", 0, 1, 9},        {"layer2.0.conv1.weight", 3, 0, 9},
        {"layer2.0.conv2.weight", 4, 3, 9},        {"layer2.0.downsample.0.weight", 4, 0, 1},
        {"layer3.0.conv1.weight", 6, 4, 9},        {"layer3.0.conv2.weight", 7, 6, 9},
        {"layer3.0.downsample.0.weight", 7, 4, 1}, {"fc.weight", 9, 7, 1},
    };
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create("resnet-8", small, CLASSES, &arch));
    CU_ASSERT_EQUAL_FATAL(arch.n_layers, 10);
    for (int64_t l = 0; l < 10; l++) {
        const struct sw_param_units *units = sw_arch_units(&arch, l);
        CU_ASSERT_STRING_EQUAL(sw_arch_layer(&arch, l)->name, expected[l].name);
        CU_ASSERT_EQUAL(units->makes, expected[l].makes);
        CU_ASSERT_EQUAL(units->reads, expected[l].reads);
        CU_ASSERT_EQUAL(units->span, expected[l].span);
    }
    sw_arch_fini(&arch);
    SW_TEST_OK(sw_arch_create("lenet-5", grey, CLASSES, &arch));
    CU_ASSERT_EQUAL(sw_arch_units(&arch, 2)->reads, 1);
    CU_ASSERT_EQUAL(sw_arch_units(&arch, 2)->span, 25); /* 16 channels of 5 x 5 */
    sw_arch_fini(&arch);
}

/* A single weight more or less, and it is a masked network again. */
static void only_masks_of_units_make_smaller_networks(void) {
    struct lab lab;
    init(&lab, "resnet-8", small, 0.5);
    const struct sw_param *shortcut = sw_arch_layer(&lab.arch, 5);
    struct sw_net *net = build(&lab, &(struct sw_net_storage){0});
    int64_t bytes = biggest_buffer(net), bit = 0;
    sw_net_destroy(&net);
    for (int change = 0; change < 2; change++) {
        uint8_t *bits = lab.mask + shortcut->mask_offset;
        for (bit = 0; sw_mask_get(bits, bit) == (change == 0);)
            bit++;
        bits[bit / 8] ^= (uint8_t) (1U << (bit % 8));
        net = build(&lab, &(struct sw_net_storage){0});
        CU_ASSERT_TRUE(biggest_buffer(net) > bytes);
        sw_net_destroy(&net);
        bits[bit / 8] ^= (uint8_t) (1U << (bit % 8));
    }
    fini(&lab);
}

static CU_TestInfo equal[] = {
    {"lenet-5", lenet_5}, {"conv-2", conv_2},
    {"vgg-11", vgg_11},   {"resnet-20 with all its groups", resnet_20},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo outside[] = {
    {"survivors are those of the whole network", survivors_are_those_of_the_whole_network},
    {"its bytes are the predicted ones", its_bytes_are_the_predicted_ones},
    {"residuals couple units", residuals_couple_units},
    {"only masks of units make smaller networks", only_masks_of_units_make_smaller_networks},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"equal", NULL, NULL, NULL, NULL, equal},
    {"outside", NULL, NULL, NULL, NULL, outside},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_filters", suites);
}
