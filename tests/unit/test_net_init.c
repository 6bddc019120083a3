#include "../support/test_main.h"

#include <math.h>
#include <string.h>

#include "sweepstake/memory.h"
#include "sweepstake/net.h"

static struct sw_arch arch; /* fc1 [200, 100], fc2 [50, 200]: fan-ins and fan-outs all differ */
static float *theta, *other;

static int set_up(void) {
    return sw_arch_create("mlp-200", (int64_t[3]){1, 10, 10}, 50, &arch) != SW_OK ||
           SW_ALLOC(&theta, (size_t) arch.parameters, "theta") != SW_OK ||
           SW_ALLOC(&other, (size_t) arch.parameters, "theta") != SW_OK;
}

static int tear_down(void) {
    SW_FREE(&theta);
    SW_FREE(&other);
    sw_arch_fini(&arch);
    return 0;
}

static const struct sw_init *find(const char *name) {
    const struct sw_init *init = sw_init_find(name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(init);
    return init;
}

static void draw(const char *name, uint64_t seed, enum sw_random_purpose purpose, int64_t round,
                 float *out) {
    sw_init_weights(&arch, find(name), false, seed, purpose, round, out);
}

struct moments {
    double mean, deviation, kurtosis, largest;
};

static struct moments measure(const float *values, int64_t n) {
    struct moments m = {0, 0, 0, 0};
    double fourth = 0;
    for (int64_t i = 0; i < n; i++) {
        double square = (double) values[i] * values[i];
        m.mean += values[i] / (double) n;
        m.deviation += square / (double) n;
        fourth += square * square / (double) n;
        m.largest = fmax(m.largest, fabs(values[i]));
    }
    m.kurtosis = fourth / (m.deviation * m.deviation);
    m.deviation = sqrt(m.deviation);
    return m;
}

/* The mean of n values deviates by sigma / sqrt(n), their deviation by about sigma / sqrt(2 n);
 * five of those are allowed. The kurtosis tells a normal (3) from a uniform (1.8) distribution. */
static void check_layer(const char *name, int64_t layer, double deviation, int uniform) {
    const struct sw_param *param = sw_arch_layer(&arch, layer);
    draw(name, 11, SW_RANDOM_INIT, 0, theta);
    struct moments m = measure(theta + param->offset, param->count);
    double root = sqrt((double) param->count);
    CU_ASSERT_DOUBLE_EQUAL(m.mean, 0, 5 * deviation / root);
    CU_ASSERT_DOUBLE_EQUAL(m.deviation, deviation, 5 * deviation / (root * sqrt(2)));
    CU_ASSERT_DOUBLE_EQUAL(m.kurtosis, uniform ? 1.8 : 3, 0.25);
    if (uniform) {
        CU_ASSERT(m.largest <= sqrt(3) * deviation * (1 + 1e-6));
        CU_ASSERT(m.largest > sqrt(3) * deviation * 0.99);
    } else {
        CU_ASSERT(m.largest > 3.3 * deviation);
    }
}

static void moments_are_those_of_the_formulas(void) {
    check_layer("glorot-normal", 0, sqrt(2.0 / 300), 0);
    check_layer("glorot-normal", 1, sqrt(2.0 / 250), 0);
    check_layer("glorot-uniform", 0, sqrt(2.0 / 300), 1);
    check_layer("kaiming-normal", 0, sqrt(2.0 / 100), 0);
    check_layer("kaiming-normal", 1, sqrt(2.0 / 200), 0);
    check_layer("kaiming-uniform", 1, sqrt(2.0 / 200), 1);
}

static void biases_start_at_zero(void) {
    memset(theta, 1, (size_t) arch.parameters * sizeof *theta);
    draw("kaiming-normal", 1, SW_RANDOM_INIT, 0, theta);
    for (int64_t p = 0; p < arch.n_params; p++)
        for (int64_t i = 0; i < arch.params[p].count && !arch.params[p].prunable; i++)
            CU_ASSERT_EQUAL(theta[arch.params[p].offset + i], 0);
}

static int is_same(void) {
    return memcmp(theta, other, (size_t) arch.parameters * sizeof *theta) == 0;
}

static void a_draw_depends_on_seed_purpose_and_round_only(void) {
    draw("glorot-normal", 5, SW_RANDOM_REINIT, 3, theta);
    draw("glorot-normal", 5, SW_RANDOM_REINIT, 3, other);
    CU_ASSERT(is_same());
    draw("glorot-normal", 6, SW_RANDOM_REINIT, 3, other);
    CU_ASSERT(!is_same());
    draw("glorot-normal", 5, SW_RANDOM_REINIT, 4, other);
    CU_ASSERT(!is_same());
    draw("glorot-normal", 5, SW_RANDOM_INIT, 3, other);
    CU_ASSERT(!is_same());
}

/* An element is found from its place alone: stream round << 32 | parameter, index within it. */
static void elements_can_be_drawn_alone_and_in_any_order(void) {
    const struct sw_param *fc2 = sw_arch_layer(&arch, 1);
    draw("kaiming-normal", 9, SW_RANDOM_REINIT, 2, theta);
    for (int64_t i = fc2->count - 1; i >= 0; i -= 37) {
        double normal = sw_random_normal(9, SW_RANDOM_REINIT, (uint64_t) 2 << 32 | 2, (uint64_t) i);
        CU_ASSERT_EQUAL(theta[fc2->offset + i], (float) (sqrt(2.0 / 200) * normal));
    }
}

static void a_layer_does_not_depend_on_the_layers_behind_it(void) {
    struct sw_arch longer;
    float *longer_theta = NULL;
    SW_TEST_OK(sw_arch_create("mlp-200-7", (int64_t[3]){1, 10, 10}, 50, &longer));
    SW_TEST_OK(SW_ALLOC(&longer_theta, (size_t) longer.parameters, "theta"));
    draw("glorot-normal", 5, SW_RANDOM_INIT, 0, theta);
    sw_init_weights(&longer, find("glorot-normal"), false, 5, SW_RANDOM_INIT, 0, longer_theta);
    CU_ASSERT_EQUAL(memcmp(theta, longer_theta, (size_t) (200 * 100) * sizeof *theta), 0);
    SW_FREE(&longer_theta);
    sw_arch_fini(&longer);
}

static void weights_that_are_not_kept_are_left_alone(void) {
    static const char *const names[] = {"glorot-normal", "kaiming-uniform"};
    uint8_t *mask = NULL;
    SW_TEST_OK(SW_ALLOC(&mask, (size_t) arch.mask_bytes, "mask"));
    for (int64_t i = 0; i < arch.mask_bytes; i++)
        mask[i] = (uint8_t) (37 * i);
    for (int n = 0; n < 2; n++) {
        int64_t wrong = 0, kept = 0;
        draw(names[n], 5, SW_RANDOM_REINIT, 3, theta);
        for (int64_t i = 0; i < arch.parameters; i++)
            other[i] = -7;
        sw_init_kept(&arch, find(names[n]), false, 5, SW_RANDOM_REINIT, 3, mask, other);
        for (int64_t p = 0; p < arch.n_params; p++)
            for (int64_t i = 0; i < arch.params[p].count; i++) {
                const struct sw_param *param = &arch.params[p];
                bool keeps = !param->prunable || sw_mask_get(mask + param->mask_offset, i);
                wrong += other[param->offset + i] != (keeps ? theta[param->offset + i] : -7);
                kept += keeps;
            }
        CU_ASSERT_EQUAL(wrong, 0);
        CU_ASSERT_TRUE(kept > arch.parameters / 3 && kept < arch.parameters * 2 / 3);
    }
    SW_FREE(&mask);
}

static void registry_finds_every_name_and_nothing_else(void) {
    size_t n = 0;
    for (; sw_init_at(n) != NULL; n++)
        CU_ASSERT_PTR_EQUAL(sw_init_find(sw_init_at(n)->name), sw_init_at(n));
    CU_ASSERT_EQUAL(n, 4);
    CU_ASSERT_PTR_NULL(sw_init_find("glorot"));
    CU_ASSERT_PTR_NULL(sw_init_find(""));
}

static CU_TestInfo tests[] = {
    {"moments_are_those_of_the_formulas", moments_are_those_of_the_formulas},
    {"biases_start_at_zero", biases_start_at_zero},
    {"a_draw_depends_on_seed_purpose_and_round_only",
     a_draw_depends_on_seed_purpose_and_round_only},
    {"elements_can_be_drawn_alone_and_in_any_order", elements_can_be_drawn_alone_and_in_any_order},
    {"a_layer_does_not_depend_on_the_layers_behind_it",
     a_layer_does_not_depend_on_the_layers_behind_it},
    {"weights_that_are_not_kept_are_left_alone", weights_that_are_not_kept_are_left_alone},
    {"registry_finds_every_name_and_nothing_else", registry_finds_every_name_and_nothing_else},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"init", set_up, tear_down, NULL, NULL, tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_init", suites);
}
