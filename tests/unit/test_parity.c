/* Whole networks against PyTorch in double precision: loss, every gradient, and everything after five steps.
 * Weights, images, labels and masks come from the same hash of their position as in
 * tests/golden/make_golden.py, which made the summaries that are compared. A missing file is a failure.
 *
 * Tolerances: gradients of one step 2e-4 of their norm, values after five steps and losses 1e-3 of theirs. With
 * batch norm 1e-2 and 5e-3: there a unit is near zero often enough that single precision puts some on the
 * other side of the ReLU, and its whole gradient with it (PyTorch's own float32 gradients are up to 8e-3 away
 * from its float64 ones on these networks). An element may be wrong by ten times the norm's tolerance times the
 * size of a usual element. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

#define STEPS 5
#define RATE 0.001f
#define MOMENTUM 0.9f
#define KEPT 0.1
#define ELEMENTS 4
#define MAX_SAMPLES 16

/* ---- numbers from positions ----------------------------------------------------------------- */

static uint32_t mix(uint32_t stream, uint32_t position) {
    uint32_t x = stream * 0x9e3779b9u + position;
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

static double uniform(int64_t stream, int64_t position) {
    return (mix((uint32_t) stream, (uint32_t) position) >> 8) / 16777216.0;
}

/* ---- a network and its batch ---------------------------------------------------------------- */

struct lab {
    const char *model;
    FILE *golden;
    int masked;
    int64_t samples;
    struct sw_arch arch;
    float *theta;
    uint8_t *mask;
    uint8_t *images, *labels;
    float table[3 * 256];
    int32_t index[MAX_SAMPLES];
    struct sw_hal *hal;
    struct sw_net *net;
    struct sw_buffer **velocity; /* per parameter */
    struct sw_buffer *device_images, *device_labels, *device_table;
    double gradient_tolerance, value_tolerance;
    int wrong; /* lines that differ */
};

static double value_of(const struct lab *lab, int64_t p, int64_t i) {
    const struct sw_param *param = &lab->arch.params[p];
    double u = uniform(p, i);
    switch (param->role) {
    case SW_ROLE_WEIGHT:
        if (lab->masked && uniform(1000 + p, i) >= KEPT) return 0;
        return (u - 0.5) * 2 *
               exp2(nearbyint(log2(sqrt(6 / (double) param->fan_in / (lab->masked ? KEPT : 1)))));
    case SW_ROLE_SCALE:
        return 0.75 + u / 2;
    case SW_ROLE_MEAN:
        return 0;
    case SW_ROLE_VARIANCE:
        return 1;
    default:
        return (u - 0.5) / 4;
    }
}

static void fill_weights(struct lab *lab) {
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        if (param->prunable) sw_mask_fill(lab->mask + param->mask_offset, param->count);
        for (int64_t i = 0; i < param->count; i++) {
            lab->theta[param->offset + i] = (float) value_of(lab, p, i);
            if (param->prunable && lab->masked && uniform(1000 + p, i) >= KEPT)
                sw_mask_clear_bit(lab->mask + param->mask_offset, i);
        }
    }
}

static void fill_batch(struct lab *lab) {
    int64_t features = lab->arch.input_shape[0] * lab->arch.input_shape[1] *
                       lab->arch.input_shape[2];
    SW_TEST_OK(SW_ALLOC(&lab->images, (size_t) (lab->samples * features), "images"));
    SW_TEST_OK(SW_ALLOC(&lab->labels, (size_t) lab->samples, "labels"));
    for (int64_t i = 0; i < lab->samples * features; i++)
        lab->images[i] = (uint8_t) (mix(5000, (uint32_t) i) & 255);
    for (int64_t i = 0; i < lab->samples; i++) {
        lab->labels[i] = (uint8_t) (mix(5001, (uint32_t) i) % 10);
        lab->index[i] = (int32_t) i;
    }
    for (int i = 0; i < 3 * 256; i++)
        lab->table[i] = (float) ((i % 256) / 255.0);
    SW_TEST_OK(sw_hal_wrap(lab->hal, lab->images, lab->samples * features, &lab->device_images));
    SW_TEST_OK(sw_hal_wrap(lab->hal, lab->labels, lab->samples, &lab->device_labels));
    SW_TEST_OK(sw_hal_wrap(lab->hal, lab->table, (int64_t) sizeof lab->table, &lab->device_table));
}

static void build(struct lab *lab) {
    const struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    const int64_t grey[3] = {1, 28, 28}, colour[3] = {3, 32, 32};
    bool lenet = strcmp(lab->model, "lenet-5") == 0;
    SW_TEST_OK(sw_arch_create(lab->model, lenet ? grey : colour, 10, &lab->arch));
    SW_TEST_OK(SW_ALLOC(&lab->theta, (size_t) lab->arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&lab->mask, (size_t) lab->arch.mask_bytes, "mask"));
    SW_TEST_OK(SW_ALLOC(&lab->velocity, (size_t) lab->arch.n_params, "velocities"));
    fill_weights(lab);
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &lab->hal));
    SW_TEST_OK(sw_net_create(lab->hal, &lab->arch, lab->mask, lab->samples, &lab->net));
    SW_TEST_OK(sw_net_set_theta(lab->net, lab->theta));
    bool norm = sw_net_has_statistics(lab->net);
    lab->gradient_tolerance = norm ? 1e-2 : 2e-4;
    lab->value_tolerance = norm ? 5e-3 : 1e-3;
    fill_batch(lab);
}

static void destroy(struct lab *lab) {
    for (int64_t p = 0; p < lab->arch.n_params; p++)
        sw_hal_free(&lab->velocity[p]);
    sw_hal_free(&lab->device_images);
    sw_hal_free(&lab->device_labels);
    sw_hal_free(&lab->device_table);
    sw_net_destroy(&lab->net);
    sw_hal_close(&lab->hal);
    SW_FREE(&lab->velocity);
    SW_FREE(&lab->theta);
    SW_FREE(&lab->mask);
    SW_FREE(&lab->images);
    SW_FREE(&lab->labels);
    sw_arch_fini(&lab->arch);
}

/* ---- golden lines --------------------------------------------------------------------------- */

struct golden {
    char kind[16], name[48];
    double norm, dot, elements[ELEMENTS];
    int numbers; /* that the line has */
};

static void next_line(struct lab *lab, struct golden *golden) {
    char line[256];
    memset(golden, 0, sizeof *golden);
    do {
        if (fgets(line, sizeof line, lab->golden) == NULL) {
            fprintf(stderr, "  %s: the golden file ends early\n", lab->model);
            CU_FAIL_FATAL("golden file");
            return;
        }
    } while (line[0] == '#');
    golden->numbers = sscanf(line, "%15s %47s %lf %lf %lf %lf %lf %lf", golden->kind, golden->name,
                             &golden->norm, &golden->dot, &golden->elements[0],
                             &golden->elements[1], &golden->elements[2], &golden->elements[3]) -
                      2;
}

static void expect(struct lab *lab, const struct golden *golden, const char *what, double got,
                   double wanted, double allowed) {
    if (fabs(got - wanted) <= allowed) return;
    lab->wrong++;
    fprintf(stderr, "  %s%s: %s %s: %s is %.9g, PyTorch has %.9g (allowed: %.2g)\n", lab->model,
            lab->masked ? ", masked" : "", golden->kind, golden->name, what, got, wanted, allowed);
}

static void expect_loss(struct lab *lab, double got) {
    struct golden golden;
    next_line(lab, &golden);
    CU_ASSERT_STRING_EQUAL(golden.kind, "loss");
    expect(lab, &golden, "the loss", got, golden.norm, lab->value_tolerance * golden.norm);
}

/* A whole parameter against its line. */
static void expect_tensor(struct lab *lab, const char *kind, int64_t p, const float *values,
                          double tolerance) {
    const struct sw_param *param = &lab->arch.params[p];
    struct golden golden;
    double norm = 0, dot = 0;
    next_line(lab, &golden);
    CU_ASSERT_STRING_EQUAL(golden.kind, kind);
    CU_ASSERT_STRING_EQUAL(golden.name, param->name);
    CU_ASSERT_EQUAL(golden.numbers, 2 + ELEMENTS);
    for (int64_t i = 0; i < param->count; i++) {
        norm += (double) values[i] * values[i];
        dot += mix((uint32_t) (2000 + p), (uint32_t) i) & 1 ? values[i] : -(double) values[i];
    }
    double allowed = tolerance * golden.norm + 1e-7, usual = allowed / sqrt((double) param->count);
    expect(lab, &golden, "the norm", sqrt(norm), golden.norm, allowed);
    expect(lab, &golden, "the dot product", dot, golden.dot, 4 * allowed);
    for (int k = 0; k < ELEMENTS; k++) {
        uint32_t place = mix((uint32_t) (3000 + p), (uint32_t) k) % (uint32_t) param->count;
        expect(lab, &golden, "an element", values[place], golden.elements[k],
               10 * usual + tolerance * fabs(golden.elements[k]));
    }
}

/* ---- five steps ----------------------------------------------------------------------------- */

/* Survivors to where they stand in a whole parameter; zero elsewhere. */
static void spread(const struct lab *lab, const struct sw_param *param, const float *kept,
                   float *whole) {
    for (int64_t i = 0; i < param->count; i++) {
        bool there = !param->prunable || sw_mask_get(lab->mask + param->mask_offset, i);
        whole[i] = there ? *kept++ : 0;
    }
}

static void expect_gradients(struct lab *lab) {
    int64_t n = 0;
    const struct sw_net_param *params = sw_net_params(lab->net, &n);
    for (int64_t p = 0; p < n; p++) {
        const struct sw_param *param = params[p].param;
        float *kept = NULL, *whole = NULL;
        if (!sw_role_is_trained(param->role)) continue;
        SW_TEST_OK(SW_ALLOC(&kept, (size_t) params[p].n, "gradients"));
        SW_TEST_OK(SW_ALLOC(&whole, (size_t) param->count, "gradients"));
        SW_TEST_OK(
            sw_hal_download(params[p].gradients, 0, kept, params[p].n * (int64_t) sizeof *kept));
        spread(lab, param, kept, whole);
        expect_tensor(lab, "gradient", p, whole, lab->gradient_tolerance);
        SW_FREE(&kept);
        SW_FREE(&whole);
    }
}

static void expect_values(struct lab *lab) {
    float *survivors = NULL, *next, *whole = NULL;
    SW_TEST_OK(SW_ALLOC(&survivors, (size_t) sw_net_survivors(lab->net), "survivors"));
    SW_TEST_OK(SW_ALLOC(&whole, (size_t) lab->arch.parameters, "values"));
    SW_TEST_OK(sw_net_get_survivors(lab->net, survivors));
    next = survivors;
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        spread(lab, param, next, whole);
        next += param->prunable ? sw_mask_count(lab->mask + param->mask_offset, param->count)
                                : param->count;
        expect_tensor(lab, "value", p, whole, lab->value_tolerance);
    }
    SW_FREE(&survivors);
    SW_FREE(&whole);
}

static void update(struct lab *lab) {
    int64_t n = 0;
    const struct sw_net_param *params = sw_net_params(lab->net, &n);
    for (int64_t p = 0; p < n; p++) {
        if (params[p].gradients == NULL) continue;
        if (lab->velocity[p] == NULL)
            SW_TEST_OK(sw_hal_alloc(lab->hal, params[p].n * (int64_t) sizeof(float), "velocity",
                                    &lab->velocity[p]));
        SW_TEST_OK(sw_hal_sgd(lab->hal, params[p].values, params[p].gradients, lab->velocity[p],
                              params[p].n, RATE, MOMENTUM, 0));
    }
}

static double pass(struct lab *lab, bool backward) {
    double loss = 0;
    int64_t correct = 0;
    SW_TEST_OK(sw_hal_gather_planes(lab->hal, lab->device_images, lab->device_labels,
                                    lab->device_table, lab->index, NULL,
                                    sw_net_input_planes(lab->net), lab->samples,
                                    sw_net_input(lab->net), sw_net_labels(lab->net)));
    SW_TEST_OK(sw_net_forward(lab->net, lab->samples));
    SW_TEST_OK(sw_net_loss(lab->net, lab->samples, backward, &loss, &correct));
    return loss / (double) lab->samples;
}

static void train_and_compare(struct lab *lab) {
    for (int64_t step = 0; step < STEPS; step++) {
        sw_net_set_mode(lab->net, SW_NET_TRAIN, 0, step);
        expect_loss(lab, pass(lab, true));
        SW_TEST_OK(sw_net_backward(lab->net, lab->samples));
        if (step == 0) expect_gradients(lab);
        update(lab);
    }
    expect_values(lab);
    sw_net_set_mode(lab->net, SW_NET_EVALUATE, 0, 0);
    expect_loss(lab, pass(lab, false));
}

static void compare(const char *model) {
    char path[128];
    snprintf(path, sizeof path, "tests/golden/%s.txt", model);
    FILE *golden = fopen(path, "r");
    if (golden == NULL) fprintf(stderr, "  %s: cannot be opened\n", path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(golden);
    for (int masked = 0; masked <= 1; masked++) {
        struct golden line;
        struct lab lab = {.model = model, .golden = golden, .masked = masked};
        next_line(&lab, &line);
        CU_ASSERT_STRING_EQUAL_FATAL(line.kind, "masked");
        CU_ASSERT_EQUAL_FATAL(atoi(line.name), masked);
        lab.samples = (int64_t) line.norm;
        CU_ASSERT_FATAL(lab.samples >= 1 && lab.samples <= MAX_SAMPLES);
        build(&lab);
        train_and_compare(&lab);
        CU_ASSERT_EQUAL(lab.wrong, 0);
        destroy(&lab);
    }
    (void) fclose(golden);
}

/* ---- networks ------------------------------------------------------------------------------- */

static void test_lenet_5(void) {
    compare("lenet-5");
}
static void test_conv_2(void) {
    compare("conv-2");
}
static void test_resnet_20(void) {
    compare("resnet-20");
}
static void test_resnet_18(void) {
    compare("resnet-18");
}
static void test_vgg_16(void) {
    compare("vgg-16");
}

int main(void) {
    static CU_TestInfo tests[] = {
        {"lenet-5 is PyTorch's", test_lenet_5},     {"conv-2 is PyTorch's", test_conv_2},
        {"resnet-20 is PyTorch's", test_resnet_20}, {"resnet-18 is PyTorch's", test_resnet_18},
        {"vgg-16 is PyTorch's", test_vgg_16},       CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {"parity", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_parity", suites);
}
