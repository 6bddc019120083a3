/* Parameters of the convolutional models against the literature and PyTorch's state_dicts. */
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

static const int64_t grey[3] = {1, 28, 28}, colour[3] = {3, 32, 32};

static struct sw_arch make(const char *model, const int64_t shape[3]) {
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create(model, shape, 10, &arch));
    return arch;
}

static enum sw_status attempt(const char *model, int64_t channels, int64_t height, int64_t width) {
    struct sw_arch arch;
    enum sw_status status = sw_arch_create(model, (int64_t[3]){channels, height, width}, 10, &arch);
    if (status == SW_OK) sw_arch_fini(&arch);
    return status;
}

/* ---- counts --------------------------------------------------------------------------------- */

/* Trained parameters as PyTorch counts them for the same structures (`p.numel()` over parameters());
 * `prunable` leaves out biases and batch norm, `statistics` are two for each channel of batch norm. */
static void models_have_the_parameters_of_the_literature(void) {
    static const struct {
        const char *model;
        const int64_t *shape;
        int64_t trained, prunable, statistics, layers;
    } expected[] = {
        {"lenet-5", grey, 61706, 61470, 0, 5},
        {"conv-2", colour, 4301642, 4300992, 0, 5},
        {"conv-4", colour, 2425930, 2425024, 0, 7},
        {"conv-6", colour, 2262602, 2261184, 0, 9},
        {"conv-6-dropout", colour, 2262602, 2261184, 0, 9},
        {"resnet-8", colour, 78042, 77360, 672, 10},
        {"resnet-20", colour, 272474, 270896, 1568, 22},
        {"resnet-32", colour, 466906, 464432, 2464, 34},
        {"resnet-44", colour, 661338, 657968, 3360, 46},
        {"resnet-56", colour, 855770, 851504, 4256, 58},
        {"resnet-110", colour, 1730714, 1722416, 8288, 112},
        {"resnet-18", colour, 11173962, 11164352, 9600, 21},
        {"vgg-11", colour, 9228362, 9222848, 5504, 9},
        {"vgg-13", colour, 9413066, 9407168, 5888, 11},
        {"vgg-16", colour, 14724042, 14715584, 8448, 14},
        {"vgg-19", colour, 20035018, 20024000, 11008, 17},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct sw_arch arch = make(expected[i].model, expected[i].shape);
        CU_ASSERT_EQUAL(arch.trained, expected[i].trained);
        CU_ASSERT_EQUAL(arch.prunable, expected[i].prunable);
        CU_ASSERT_EQUAL(arch.parameters, expected[i].trained + expected[i].statistics);
        CU_ASSERT_EQUAL(arch.n_layers, expected[i].layers);
        sw_arch_fini(&arch);
    }
}

static void totals_are_those_of_the_parameters(void) {
    static const char *const models[] = {"lenet-5", "conv-4", "vgg-13", "resnet-18", "resnet-20"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct sw_arch arch = make(models[i], colour);
        int64_t offset = 0, trained = 0, prunable = 0, mask = 0, outputs = 0;
        for (int64_t p = 0; p < arch.n_params; p++) {
            const struct sw_param *param = &arch.params[p];
            int64_t count = 1;
            for (int64_t d = 0; d < param->rank; d++)
                count *= param->shape[d];
            for (int64_t d = param->rank; d < SW_MAX_RANK; d++)
                CU_ASSERT_EQUAL(param->shape[d], 0);
            CU_ASSERT_EQUAL(param->count, count);
            CU_ASSERT_EQUAL(param->offset, offset);
            CU_ASSERT_EQUAL(param->prunable, param->role == SW_ROLE_WEIGHT);
            if (param->prunable) CU_ASSERT_EQUAL(param->mask_offset, mask);
            offset += count;
            trained += sw_role_is_trained(param->role) ? count : 0;
            prunable += param->prunable ? count : 0;
            mask += param->prunable ? sw_mask_bytes(count) : 0;
            outputs += param->output;
        }
        CU_ASSERT_EQUAL(arch.parameters, offset);
        CU_ASSERT_EQUAL(arch.trained, trained);
        CU_ASSERT_EQUAL(arch.prunable, prunable);
        CU_ASSERT_EQUAL(arch.mask_bytes, mask);
        CU_ASSERT_EQUAL(outputs, 1);
        CU_ASSERT_EQUAL(sw_arch_layer(&arch, arch.n_layers - 1)->output, 1);
        sw_arch_fini(&arch);
    }
}

/* ---- names ---------------------------------------------------------------------------------- */

/* Names, one after the other with a space between, without those of statistics and biases. */
static void check_weights(const char *model, const int64_t *shape, const char *expected) {
    struct sw_arch arch = make(model, shape);
    char names[4096] = "";
    for (int64_t l = 0; l < arch.n_layers; l++) {
        strcat(names, sw_arch_layer(&arch, l)->name);
        strcat(names, " ");
    }
    CU_ASSERT_STRING_EQUAL(names, expected);
    sw_arch_fini(&arch);
}

static void weights_are_named_as_in_pytorch(void) {
    check_weights("lenet-5", grey, "conv1.weight conv2.weight fc1.weight fc2.weight fc3.weight ");
    check_weights("conv-4-dropout", colour,
                  "conv1.weight conv2.weight conv3.weight conv4.weight fc1.weight fc2.weight "
                  "fc3.weight ");
    check_weights("vgg-11", colour,
                  "features.0.weight features.4.weight features.8.weight features.11.weight "
                  "features.15.weight features.18.weight features.22.weight features.25.weight "
                  "classifier.weight ");
    check_weights("vgg-16", colour,
                  "features.0.weight features.3.weight features.7.weight features.10.weight "
                  "features.14.weight features.17.weight features.20.weight features.24.weight "
                  "features.27.weight features.30.weight features.34.weight features.37.weight "
                  "features.40.weight classifier.weight ");
    check_weights("resnet-8", colour,
                  "conv1.weight layer1.0.conv1.weight layer1.0.conv2.weight layer2.0.conv1.weight "
                  "layer2.0.conv2.weight layer2.0.downsample.0.weight layer3.0.conv1.weight "
                  "layer3.0.conv2.weight layer3.0.downsample.0.weight fc.weight ");
}

/* torchvision's resnet18().state_dict() without num_batches_tracked, and its first convolution as for
 * small images. */
static void a_residual_network_has_the_state_dict_of_torchvision(void) {
    static const struct {
        int64_t index;
        const char *name;
        int64_t rank, shape[SW_MAX_RANK];
        enum sw_param_role role;
        int shortcut;
    } expected[] = {
        {0, "conv1.weight", 4, {64, 3, 3, 3}, SW_ROLE_WEIGHT, 0},
        {1, "bn1.weight", 1, {64}, SW_ROLE_SCALE, 0},
        {2, "bn1.bias", 1, {64}, SW_ROLE_SHIFT, 0},
        {3, "bn1.running_mean", 1, {64}, SW_ROLE_MEAN, 0},
        {4, "bn1.running_var", 1, {64}, SW_ROLE_VARIANCE, 0},
        {5, "layer1.0.conv1.weight", 4, {64, 64, 3, 3}, SW_ROLE_WEIGHT, 0},
        {6, "layer1.0.bn1.weight", 1, {64}, SW_ROLE_SCALE, 0},
        {21, "layer1.1.bn2.weight", 1, {64}, SW_ROLE_SCALE, 0},
        {25, "layer2.0.conv1.weight", 4, {128, 64, 3, 3}, SW_ROLE_WEIGHT, 0},
        {26, "layer2.0.bn1.weight", 1, {128}, SW_ROLE_SCALE, 0},
        {27, "layer2.0.bn1.bias", 1, {128}, SW_ROLE_SHIFT, 0},
        {28, "layer2.0.bn1.running_mean", 1, {128}, SW_ROLE_MEAN, 0},
        {29, "layer2.0.bn1.running_var", 1, {128}, SW_ROLE_VARIANCE, 0},
        {30, "layer2.0.conv2.weight", 4, {128, 128, 3, 3}, SW_ROLE_WEIGHT, 0},
        {31, "layer2.0.bn2.weight", 1, {128}, SW_ROLE_SCALE, 0},
        {32, "layer2.0.bn2.bias", 1, {128}, SW_ROLE_SHIFT, 0},
        {33, "layer2.0.bn2.running_mean", 1, {128}, SW_ROLE_MEAN, 0},
        {34, "layer2.0.bn2.running_var", 1, {128}, SW_ROLE_VARIANCE, 0},
        {35, "layer2.0.downsample.0.weight", 4, {128, 64, 1, 1}, SW_ROLE_WEIGHT, 1},
        {36, "layer2.0.downsample.1.weight", 1, {128}, SW_ROLE_SCALE, 1},
        {37, "layer2.0.downsample.1.bias", 1, {128}, SW_ROLE_SHIFT, 1},
        {38, "layer2.0.downsample.1.running_mean", 1, {128}, SW_ROLE_MEAN, 1},
        {39, "layer2.0.downsample.1.running_var", 1, {128}, SW_ROLE_VARIANCE, 1},
        {40, "layer2.1.conv1.weight", 4, {128, 128, 3, 3}, SW_ROLE_WEIGHT, 0},
    };
    struct sw_arch arch = make("resnet-18", colour);
    CU_ASSERT_EQUAL_FATAL(arch.n_params, 102);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct sw_param *param = &arch.params[expected[i].index];
        CU_ASSERT_STRING_EQUAL(param->name, expected[i].name);
        CU_ASSERT_EQUAL(param->rank, expected[i].rank);
        CU_ASSERT_EQUAL(param->role, expected[i].role);
        CU_ASSERT_EQUAL(param->shortcut, expected[i].shortcut);
        CU_ASSERT_EQUAL(memcmp(param->shape, expected[i].shape, sizeof param->shape), 0);
    }
    CU_ASSERT_STRING_EQUAL(arch.params[100].name, "fc.weight");
    CU_ASSERT_STRING_EQUAL(arch.params[101].name, "fc.bias");
    sw_arch_fini(&arch);
}

static void fans_of_convolutions_count_the_kernel(void) {
    struct sw_arch arch = make("conv-2", colour);
    const struct sw_param *conv = sw_arch_layer(&arch, 1), *fc = sw_arch_layer(&arch, 2);
    CU_ASSERT_EQUAL(conv->fan_in, 64 * 9);
    CU_ASSERT_EQUAL(conv->fan_out, 64 * 9);
    CU_ASSERT_EQUAL(sw_arch_layer(&arch, 0)->fan_in, 3 * 9);
    CU_ASSERT_EQUAL(sw_arch_layer(&arch, 0)->fan_out, 64 * 9);
    CU_ASSERT_EQUAL(fc->fan_in, 16384);
    CU_ASSERT_EQUAL(fc->fan_out, 256);
    CU_ASSERT_EQUAL(arch.params[1].fan_in, 0);
    sw_arch_fini(&arch);
}

/* ---- layers --------------------------------------------------------------------------------- */

/* Every layer reads an earlier one of its shape, and so does a residual. */
static void check_layers(const char *model, int64_t side) {
    static struct sw_model_desc desc;
    SW_TEST_OK(sw_model_find(model)->describe(model, (int64_t[3]){3, side, side}, 10, &desc));
    CU_ASSERT_FATAL(desc.n_layers > 0 && desc.n_layers <= SW_MODEL_MAX_LAYERS);
    for (int64_t l = 0; l < desc.n_layers; l++) {
        const struct sw_layer_desc *layer = &desc.layers[l], *from, *other;
        CU_ASSERT_FATAL(layer->input >= SW_LAYER_INPUT && layer->input < l);
        if (layer->residual >= 0) {
            CU_ASSERT_FATAL(layer->kind == SW_LAYER_NORM && layer->residual < l);
            other = &desc.layers[layer->residual];
            CU_ASSERT(other->out == layer->out && other->out_height == layer->out_height &&
                      other->out_width == layer->out_width);
        }
        if (layer->input == SW_LAYER_INPUT) continue;
        from = &desc.layers[layer->input];
        CU_ASSERT(from->out == layer->in && from->out_height == layer->height &&
                  from->out_width == layer->width);
    }
    CU_ASSERT_EQUAL(desc.layers[desc.n_layers - 1].kind, SW_LAYER_LINEAR);
}

static void layers_fit_each_other(void) {
    static const char *const models[] = {"lenet-5", "conv-2-dropout", "conv-6",    "vgg-11",
                                         "vgg-19",  "resnet-18",      "resnet-20", "resnet-254"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        check_layers(models[i], 32);
        check_layers(models[i], 37);
        check_layers(models[i], 64);
    }
    check_layers("resnet-20", 1);
}

static void odd_images_lose_the_pixels_that_fill_no_window(void) {
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create("conv-4", (int64_t[3]){1, 15, 30}, 4, &arch));
    CU_ASSERT_EQUAL(sw_arch_layer(&arch, 4)->shape[1], 128 * 3 * 7);
    sw_arch_fini(&arch);
}

/* ---- what cannot be ------------------------------------------------------------------------- */

static void names_outside_a_family_are_refused(void) {
    static const char *const names[] = {"conv-",      "conv-3",     "conv-8",
                                        "conv-0",     "conv-2-",    "conv-2-dropouts",
                                        "conv-02",    "vgg-",       "vgg-12",
                                        "vgg-160",    "vgg-16-",    "vgg-16-bn",
                                        "resnet-",    "resnet-2",   "resnet-19",
                                        "resnet-50",  "resnet-260", "resnet-20-",
                                        "resnet-020", "resnet--20", "resnet-99999999999999",
                                        "resnet-152"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        SW_TEST_FAILS(attempt(names[i], 3, 32, 32), SW_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), names[i]));
    }
    SW_TEST_FAILS(attempt("vgg-15", 3, 32, 32), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "vgg-11, vgg-13, vgg-16 and vgg-19"));
    SW_TEST_FAILS(attempt("lenet-4", 1, 28, 28), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "lenet-5"));
}

static void images_that_are_too_small_are_refused(void) {
    static const struct {
        const char *model;
        int64_t side;
    } smallest[] = {{"lenet-5", 12}, {"conv-2", 2},    {"conv-4", 4},   {"conv-6", 8},
                    {"vgg-16", 32},  {"resnet-20", 1}, {"resnet-18", 1}};
    for (size_t i = 0; i < sizeof smallest / sizeof *smallest; i++) {
        int64_t side = smallest[i].side;
        char needs[64];
        snprintf(needs, sizeof needs, "at least %d x %d pixels", (int) side, (int) side);
        CU_ASSERT_EQUAL(attempt(smallest[i].model, 3, side, side), SW_OK);
        if (side == 1) continue;
        SW_TEST_FAILS(attempt(smallest[i].model, 3, side - 1, side + 40), SW_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), needs));
        SW_TEST_FAILS(attempt(smallest[i].model, 3, side + 40, side - 1), SW_CONFIG);
        SW_TEST_FAILS(attempt(smallest[i].model, 3, 1, 1), SW_CONFIG);
    }
}

static void impossible_inputs_are_refused(void) {
    SW_TEST_FAILS(attempt("vgg-16", 0, 32, 32), SW_CONFIG);
    SW_TEST_FAILS(attempt("conv-2", 3, -32, 32), SW_CONFIG);
    SW_TEST_FAILS(attempt("resnet-20", INT64_MAX, 2, INT64_MAX), SW_CONFIG);
    SW_TEST_FAILS(attempt("resnet-20", 1, 1 << 15, 1 << 14), SW_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "resnet-20"));
    SW_TEST_FAILS(attempt("conv-2", 3, 4096, 4096), SW_UNSUPPORTED); /* weights of fc1 */
}

/* ---- initialisation ------------------------------------------------------------------------- */

static void batch_norm_starts_as_the_identity_or_with_random_scales(void) {
    struct sw_arch arch = make("resnet-8", colour);
    float *plain = NULL, *scaled = NULL;
    const struct sw_init *init = sw_init_find("kaiming-normal");
    SW_TEST_OK(SW_ALLOC(&plain, (size_t) arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&scaled, (size_t) arch.parameters, "theta"));
    sw_init_weights(&arch, init, false, 4, SW_RANDOM_INIT, 0, plain);
    sw_init_weights(&arch, init, true, 4, SW_RANDOM_INIT, 0, scaled);
    double sum = 0;
    int64_t n = 0;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        bool one = param->role == SW_ROLE_SCALE || param->role == SW_ROLE_VARIANCE;
        for (int64_t i = param->offset; i < param->offset + param->count; i++) {
            if (param->role != SW_ROLE_WEIGHT) CU_ASSERT_EQUAL(plain[i], one ? 1 : 0);
            if (param->role != SW_ROLE_SCALE) {
                CU_ASSERT_EQUAL(scaled[i], plain[i]);
                continue;
            }
            CU_ASSERT(scaled[i] >= 0 && scaled[i] < 1);
            sum += scaled[i];
            n++;
        }
    }
    /* 336 values of mean 0.5 and deviation 0.29: their mean deviates by 0.016. */
    CU_ASSERT_EQUAL(n, 336);
    CU_ASSERT_DOUBLE_EQUAL(sum / (double) n, 0.5, 0.06);
    CU_ASSERT_EQUAL(
        scaled[arch.params[1].offset],
        (float) sw_random_uniform(4, SW_RANDOM_SCALE, 1, 0)); /* the parameter's own stream */
    SW_FREE(&plain);
    SW_FREE(&scaled);
    sw_arch_fini(&arch);
}

/* He et al. 2015: variance 2 / (channels k k). 36864 values: the deviation's own is 0.4 %. */
static void weights_of_convolutions_have_the_deviation_of_their_fans(void) {
    struct sw_arch arch = make("conv-2", colour);
    float *theta = NULL;
    double squares = 0;
    const struct sw_param *conv = sw_arch_layer(&arch, 1);
    SW_TEST_OK(SW_ALLOC(&theta, (size_t) arch.parameters, "theta"));
    sw_init_weights(&arch, sw_init_find("kaiming-normal"), false, 4, SW_RANDOM_INIT, 0, theta);
    for (int64_t i = 0; i < conv->count; i++)
        squares += (double) theta[conv->offset + i] * theta[conv->offset + i];
    CU_ASSERT_DOUBLE_EQUAL(squares / (double) conv->count, 2.0 / 576, 0.03 * 2.0 / 576);
    SW_FREE(&theta);
    sw_arch_fini(&arch);
}

/* ---- operations ----------------------------------------------------------------------------- */

static void operations_count_output_pixels(void) {
    struct sw_arch arch = make("lenet-5", grey);
    const int64_t dense[5] = {150, 2400, 48000, 10080, 840}, sparse[5] = {15, 240, 100, 20, 3};
    /* Products and biases of conv1 on 28 x 28 and conv2 on 10 x 10, windows of 2 x 2 of the pools. */
    const double pools = 6 * 28 * 28 + 16 * 10 * 10, biases = 6 * 784 + 16 * 100 + 120 + 84 + 10;
    double products = 2.0 * (150 * 784 + 2400 * 100 + 48000 + 10080 + 840);
    CU_ASSERT_EQUAL(sw_net_forward_flops(&arch, dense), products + biases + pools);
    CU_ASSERT_EQUAL(sw_net_step_flops(&arch, dense),
                    3 * products - 2.0 * 150 * 784 + 2 * biases + 2 * pools);
    products = 2.0 * (15 * 784 + 240 * 100 + 100 + 20 + 3);
    CU_ASSERT_EQUAL(sw_net_forward_flops(&arch, sparse), products + biases + pools);
    sw_arch_fini(&arch);
}

/* 40.8 million multiplications, as counted for resnet-20 with option B on 32 x 32 pixels. */
static void operations_of_a_residual_network_are_those_of_the_literature(void) {
    struct sw_arch arch = make("resnet-20", colour);
    int64_t kept[64] = {0};
    double none = sw_net_forward_flops(&arch, kept), all;
    for (int64_t l = 0; l < arch.n_layers; l++)
        kept[l] = sw_arch_layer(&arch, l)->count;
    all = sw_net_forward_flops(&arch, kept);
    CU_ASSERT_EQUAL((all - none) / 2, 40813184);
    sw_arch_fini(&arch);
}

static CU_TestInfo parameters[] = {
    {"models_have_the_parameters_of_the_literature", models_have_the_parameters_of_the_literature},
    {"totals_are_those_of_the_parameters", totals_are_those_of_the_parameters},
    {"weights_are_named_as_in_pytorch", weights_are_named_as_in_pytorch},
    {"a_residual_network_has_the_state_dict_of_torchvision",
     a_residual_network_has_the_state_dict_of_torchvision},
    {"fans_of_convolutions_count_the_kernel", fans_of_convolutions_count_the_kernel},
    {"operations_count_output_pixels", operations_count_output_pixels},
    {"operations_of_a_residual_network_are_those_of_the_literature",
     operations_of_a_residual_network_are_those_of_the_literature},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo names[] = {
    {"layers_fit_each_other", layers_fit_each_other},
    {"odd_images_lose_the_pixels_that_fill_no_window",
     odd_images_lose_the_pixels_that_fill_no_window},
    {"names_outside_a_family_are_refused", names_outside_a_family_are_refused},
    {"images_that_are_too_small_are_refused", images_that_are_too_small_are_refused},
    {"impossible_inputs_are_refused", impossible_inputs_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo initialisation[] = {
    {"batch_norm_starts_as_the_identity_or_with_random_scales",
     batch_norm_starts_as_the_identity_or_with_random_scales},
    {"weights_of_convolutions_have_the_deviation_of_their_fans",
     weights_of_convolutions_have_the_deviation_of_their_fans},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"parameters", NULL, NULL, NULL, NULL, parameters},
    {"names", NULL, NULL, NULL, NULL, names},
    {"initialisation", NULL, NULL, NULL, NULL, initialisation},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_conv_arch", suites);
}
