#include "../support/test_main.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/net.h"

static const int64_t image[3] = {1, 28, 28};

static struct sw_arch make(const char *model, const int64_t shape[3], int64_t classes) {
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create(model, shape, classes, &arch));
    return arch;
}

static enum sw_status attempt(const char *model, const int64_t shape[3], int64_t classes) {
    struct sw_arch arch;
    enum sw_status status = sw_arch_create(model, shape, classes, &arch);
    if (status == SW_OK) sw_arch_fini(&arch);
    return status;
}

/* ---- parameters ----------------------------------------------------------------------------- */

static void lenet_has_the_parameters_of_the_paper(void) {
    struct sw_arch arch = make("lenet-300-100", image, 10);
    CU_ASSERT_EQUAL(arch.n_params, 6);
    CU_ASSERT_EQUAL(arch.n_layers, 3);
    CU_ASSERT_EQUAL(arch.parameters, 266610);
    CU_ASSERT_EQUAL(arch.prunable, 266200);
    CU_ASSERT_EQUAL(arch.mask_bytes, 235200 / 8 + 30000 / 8 + 1000 / 8);
    CU_ASSERT_EQUAL(arch.classes, 10);
    CU_ASSERT_EQUAL(arch.input_shape[1], 28);
    CU_ASSERT_STRING_EQUAL(arch.model, "lenet-300-100");
    sw_arch_fini(&arch);
}

static void names_shapes_and_offsets_follow_pytorch(void) {
    const struct {
        const char *name;
        int64_t rank, rows, columns, offset, prunable, output, fan_in, fan_out;
    } expected[] = {
        {"fc1.weight", 2, 5, 12, 0, 1, 0, 12, 5},
        {"fc1.bias", 1, 5, 0, 60, 0, 0, 0, 0},
        {"fc2.weight", 2, 3, 5, 65, 1, 1, 5, 3},
        {"fc2.bias", 1, 3, 0, 80, 0, 0, 0, 0},
    };
    struct sw_arch arch = make("mlp-5", (int64_t[3]){3, 2, 2}, 3);
    CU_ASSERT_EQUAL_FATAL(arch.n_params, 4);
    for (int64_t p = 0; p < 4; p++) {
        const struct sw_param *param = &arch.params[p];
        CU_ASSERT_STRING_EQUAL(param->name, expected[p].name);
        CU_ASSERT_EQUAL(param->rank, expected[p].rank);
        CU_ASSERT_EQUAL(param->shape[0], expected[p].rows);
        CU_ASSERT_EQUAL(param->shape[1], expected[p].columns);
        CU_ASSERT_EQUAL(param->offset, expected[p].offset);
        CU_ASSERT_EQUAL(param->prunable, expected[p].prunable);
        CU_ASSERT_EQUAL(param->output, expected[p].output);
        CU_ASSERT_EQUAL(param->fan_in, expected[p].fan_in);
        CU_ASSERT_EQUAL(param->fan_out, expected[p].fan_out);
    }
    CU_ASSERT_EQUAL(arch.parameters, 83);
    sw_arch_fini(&arch);
}

static void every_mask_starts_on_a_byte(void) {
    struct sw_arch arch = make("mlp-5-7", (int64_t[3]){1, 1, 3}, 2);
    CU_ASSERT_EQUAL(sw_arch_layer(&arch, 0)->mask_offset, 0);
    CU_ASSERT_EQUAL(sw_arch_layer(&arch, 1)->mask_offset, 2); /* 15 weights */
    CU_ASSERT_EQUAL(sw_arch_layer(&arch, 2)->mask_offset, 7); /* 35 weights */
    CU_ASSERT_EQUAL(arch.mask_bytes, 9);                      /* 14 weights */
    sw_arch_fini(&arch);
}

static void layers_are_the_prunable_parameters(void) {
    struct sw_arch arch = make("lenet-300-100", image, 10);
    CU_ASSERT_STRING_EQUAL(sw_arch_layer(&arch, 1)->name, "fc2.weight");
    CU_ASSERT_STRING_EQUAL(sw_arch_layer(&arch, 2)->name, "fc3.weight");
    CU_ASSERT_PTR_NULL(sw_arch_layer(&arch, 3));
    sw_arch_fini(&arch);
    CU_ASSERT_PTR_NULL(arch.params);
    sw_arch_fini(&arch);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void malformed_names_are_refused(void) {
    const char *const names[] = {"mlp",      "mlp-",   "mlp-0",   "mlp-65537",
                                 "mlp-3-",   "mlp--3", "mlp-3x",  "mlp-+3",
                                 "mlp- 3",   "mlp-03", "mlp-3.0", "mlp-99999999999999999999",
                                 "mlp-3-0-3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        SW_TEST_FAILS(attempt(names[i], image, 10), SW_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), names[i]));
    }
    CU_ASSERT_EQUAL(attempt("mlp-65536", (int64_t[3]){1, 1, 1}, 2), SW_OK);
    CU_ASSERT_EQUAL(attempt("mlp-1-1-1-1-1-1-1-1-1-1-1-1-1-1", image, 2), SW_OK);
}

static void unknown_names_get_the_known_ones(void) {
    SW_TEST_FAILS(attempt("lenet-300-10", image, 10), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "did you mean 'lenet-300-100'"));
    SW_TEST_FAILS(attempt("", image, 10), SW_CONFIG);
    SW_TEST_FAILS(attempt("transformer", image, 10), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "mlp-A-B-..."));
    CU_ASSERT_PTR_NULL(sw_model_find("mlpx"));
    CU_ASSERT_PTR_NULL(sw_model_find("LENET-300-100"));
}

static void names_longer_than_the_store_keeps_are_refused(void) {
    SW_TEST_FAILS(attempt("mlp-10000-10000-10000-10000-10000", image, 10), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "too long"));
}

static void hidden_layers_are_bounded(void) {
    char name[128] = "mlp";
    struct sw_model_desc desc;
    const struct sw_model *model = sw_model_find("mlp-3");
    for (int i = 0; i < 32; i++)
        strcat(name, "-2");
    SW_TEST_OK(model->describe(name, image, 10, &desc));
    CU_ASSERT_EQUAL(desc.n_layers, 33);
    CU_ASSERT_STRING_EQUAL(desc.layers[32].name, "fc33");
    CU_ASSERT_EQUAL(desc.layers[32].relu, 0);
    CU_ASSERT_EQUAL(desc.layers[31].relu, 1);
    strcat(name, "-2");
    SW_TEST_FAILS(model->describe(name, image, 10, &desc), SW_CONFIG);
}

static void impossible_inputs_are_refused(void) {
    SW_TEST_FAILS(attempt("mlp-3", (int64_t[3]){1, 0, 28}, 10), SW_CONFIG);
    SW_TEST_FAILS(attempt("mlp-3", (int64_t[3]){1, -1, -28}, 10), SW_CONFIG);
    SW_TEST_FAILS(attempt("mlp-3", (int64_t[3]){65536, 65536, 65536}, 10), SW_CONFIG);
    SW_TEST_FAILS(attempt("mlp-3", (int64_t[3]){INT64_MAX, INT64_MAX, 2}, 10), SW_CONFIG);
    SW_TEST_FAILS(attempt("mlp-3", image, 0), SW_CONFIG);
    SW_TEST_FAILS(attempt("mlp-3", image, INT64_MAX), SW_CONFIG);
}

static void layers_too_large_for_32_bit_positions_are_refused(void) {
    SW_TEST_FAILS(attempt("mlp-65536-32768", image, 10), SW_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "fc2.weight"));
    CU_ASSERT_EQUAL(attempt("mlp-65536-32767", image, 10), SW_OK);
}

static void registry_ends_and_every_model_is_described(void) {
    size_t n = 0;
    for (; sw_model_at(n) != NULL; n++) {
        CU_ASSERT(strlen(sw_model_at(n)->name) > 0);
        CU_ASSERT(strlen(sw_model_at(n)->summary) > 0);
    }
    CU_ASSERT_EQUAL(n, 6);
    CU_ASSERT_PTR_NULL(sw_model_at(SIZE_MAX));
}

/* ---- operations per sample ------------------------------------------------------------------ */

static void operations_count_kept_weights_and_biases(void) {
    struct sw_arch arch = make("lenet-300-100", image, 10);
    const int64_t dense[3] = {235200, 30000, 1000}, sparse[3] = {100, 20, 3};
    CU_ASSERT_EQUAL(sw_net_forward_flops(&arch, dense), 2.0 * 266200 + 410);
    CU_ASSERT_EQUAL(sw_net_forward_flops(&arch, sparse), 2.0 * 123 + 410);
    /* Forward, weight and bias gradients, and no gradient towards the image. */
    CU_ASSERT_EQUAL(sw_net_step_flops(&arch, dense), 2 * (2.0 * 266200 + 410) + 2.0 * 31000);
    CU_ASSERT_EQUAL(sw_net_step_flops(&arch, sparse), 2 * (2.0 * 123 + 410) + 2.0 * 23);
    sw_arch_fini(&arch);
}

static CU_TestInfo parameters[] = {
    {"lenet_has_the_parameters_of_the_paper", lenet_has_the_parameters_of_the_paper},
    {"names_shapes_and_offsets_follow_pytorch", names_shapes_and_offsets_follow_pytorch},
    {"every_mask_starts_on_a_byte", every_mask_starts_on_a_byte},
    {"layers_are_the_prunable_parameters", layers_are_the_prunable_parameters},
    {"operations_count_kept_weights_and_biases", operations_count_kept_weights_and_biases},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo names[] = {
    {"malformed_names_are_refused", malformed_names_are_refused},
    {"unknown_names_get_the_known_ones", unknown_names_get_the_known_ones},
    {"names_longer_than_the_store_keeps_are_refused",
     names_longer_than_the_store_keeps_are_refused},
    {"hidden_layers_are_bounded", hidden_layers_are_bounded},
    {"impossible_inputs_are_refused", impossible_inputs_are_refused},
    {"layers_too_large_for_32_bit_positions_are_refused",
     layers_too_large_for_32_bit_positions_are_refused},
    {"registry_ends_and_every_model_is_described", registry_ends_and_every_model_is_described},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"parameters", NULL, NULL, NULL, NULL, parameters},
    {"names", NULL, NULL, NULL, NULL, names},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_arch", suites);
}
