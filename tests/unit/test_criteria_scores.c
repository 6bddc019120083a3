/* SNIP, GraSP and SynFlow against plain double arithmetic. */
#include "../support/graph_double.h"
#include "../support/mlp_double.h"
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/prune/prune_internal.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

#define MOST 80000 /* parameters of the largest network below */
#define SAMPLES 50

static struct sw_trial_spec spec;
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static void *block;
static struct sw_hal *hal;
static float theta[MOST];
static uint8_t full[MOST / 8 + 64], mask[MOST / 8 + 64];
static struct sw_prune_report report;

/* ---- a network and its data ---------------------------------------------------------------- */

static void open_net(const char *model, const char *shape, int threads) {
    struct sw_hal_options options = {.threads = threads, .isa = sw_isa_detect()};
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, shape);
    SW_TEXT_COPY(spec.model_name, model);
    spec.data_classes = 4;
    spec.data_train = 160;
    spec.data_validation = 20;
    spec.data_test = 20;
    spec.train_batch = 24; /* the last pass has two samples */
    spec.prune_score_samples = SAMPLES;
    spec.seed = 4;
    SW_TEST_OK(sw_data_probe(&spec, &info));
    SW_TEST_OK(SW_ALLOC((char **) &block, (size_t) info.block_bytes, "data"));
    SW_TEST_OK(sw_data_decode(&spec, &info, block));
    SW_TEST_OK(sw_data_open(&spec, &info, block, &data));
    SW_TEST_OK(sw_arch_create(model, info.shape, info.classes, &arch));
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    CU_ASSERT_FATAL(arch.parameters <= MOST);
    sw_init_weights(&arch, sw_init_find("kaiming-normal"), true, 3, SW_RANDOM_INIT, 0, theta);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sw_mask_fill(full + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
}

static void close_net(void) {
    sw_hal_close(&hal);
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
}

static struct sw_prune_source source(void) {
    return (struct sw_prune_source){.theta0 = theta, .hal = hal, .data = &data};
}

/* Keep every third weight out of `full`. */
static void thin(uint8_t *out) {
    memcpy(out, full, sizeof full);
    for (int64_t l = 0; l < arch.n_layers; l++)
        for (int64_t i = 1; i < sw_arch_layer(&arch, l)->count; i += 3)
            sw_mask_clear_bit(out + sw_arch_layer(&arch, l)->mask_offset, i);
}

/* A criterion that has looked at the initial weights that `kept` keeps. */
static void look(const char *criterion, const uint8_t *kept, const struct sw_prune_source *from,
                 struct sw_scorer *scorer) {
    SW_TEXT_COPY(spec.prune_criterion, criterion);
    SW_TEXT_COPY(spec.prune_score_weights, "init");
    SW_TEST_OK(sw_scorer_init(scorer, &spec, &arch, 1, kept, NULL, from));
    SW_TEST_OK(sw_scorer_look(scorer, kept));
}

/* ---- the same in double -------------------------------------------------------------------- */

static const struct mlp_double mlp = {.n_layers = 3, .width = {16, 12, 8, 4}};
static double wide[MOST];
static double pixels[SAMPLES][16];
static int32_t labels[SAMPLES];

/* theta with removed weights at zero, and the samples that the criterion drew. */
static void widen(const uint8_t *kept) {
    int32_t order[160];
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            wide[param->offset + i] = param->prunable && !sw_mask_get(kept + param->mask_offset, i)
                                          ? 0
                                          : (double) theta[param->offset + i];
    }
    sw_random_permutation((uint64_t) spec.seed, SW_RANDOM_SCORE, 1, order,
                          data.count[SW_SPLIT_TRAIN]);
    for (int s = 0; s < SAMPLES; s++) {
        labels[s] = data.labels[SW_SPLIT_TRAIN][order[s]];
        for (int f = 0; f < 16; f++)
            pixels[s][f] = data.table[data.images[SW_SPLIT_TRAIN][order[s] * 16 + f]];
    }
}

/* The worst difference over kept weights, relative to the largest number. */
static double worst(const double *found, const double *expected, const uint8_t *kept) {
    double most = 0, largest = 0;
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        for (int64_t i = 0; i < layer->count; i++) {
            int64_t at = layer->offset + i;
            if (!sw_mask_get(kept + layer->mask_offset, i)) {
                CU_ASSERT_EQUAL(found[at], 0);
                continue;
            }
            most = fmax(most, fabs(found[at] - expected[at]));
            largest = fmax(largest, fabs(expected[at]));
        }
    }
    return most / largest;
}

/* ---- gradients ----------------------------------------------------------------------------- */

static void snip_sees_the_gradient_of_the_loss(void) {
    static double gradient[MOST];
    struct sw_scorer scorer;
    open_net("mlp-12-8", "1x4x4", 1);
    struct sw_prune_source from = source();
    thin(mask);
    const uint8_t *const masks[] = {full, mask};
    for (int m = 0; m < 2; m++) {
        float scores[16 * 12];
        look("snip", masks[m], &from, &scorer);
        widen(masks[m]);
        mlp_double_differences(&mlp, wide, pixels[0], labels, SAMPLES, 1e-6, gradient);
        CU_ASSERT_TRUE(worst(scorer.gradient, gradient, masks[m]) < 2e-6);
        SW_TEST_OK(sw_scorer_score(&scorer, 0, masks[m], scores));
        for (int i = 0; i < 16 * 12; i++)
            CU_ASSERT_DOUBLE_EQUAL(scores[i], fabs(gradient[i] * wide[i]), 1e-6);
        sw_scorer_fini(&scorer);
    }
    close_net();
}

/* Gradient of the loss of logits / temperature: the output layer's parameters are divided. */
static void tempered_gradient(const double *at, double temperature, double *gradient) {
    static double divided[MOST];
    int64_t output = sw_arch_layer(&arch, 2)->offset;
    for (int64_t i = 0; i < arch.parameters; i++)
        divided[i] = i >= output ? at[i] / temperature : at[i];
    mlp_double_gradient(&mlp, divided, pixels[0], labels, SAMPLES, gradient);
    for (int64_t i = output; i < arch.parameters; i++)
        gradient[i] /= temperature;
}

static double weights_norm(const double *values) {
    double sum = 0;
    for (int64_t p = 0; p < arch.n_params; p++)
        for (int64_t i = 0; arch.params[p].prunable && i < arch.params[p].count; i++)
            sum += wide[arch.params[p].offset + i] != 0 ? pow(values[arch.params[p].offset + i], 2)
                                                        : 0;
    return sqrt(sum);
}

/* H g over weights alone, with the criterion's own step: units that switch within it count. */
static void double_product(double temperature, double *gradient, double *product) {
    static double moved[MOST], behind[MOST];
    tempered_gradient(wide, temperature, gradient);
    const double step = 1e-3 * weights_norm(wide) / weights_norm(gradient);
    for (int side = -1; side <= 1; side += 2) {
        memcpy(moved, wide, sizeof moved);
        for (int64_t p = 0; p < arch.n_params; p++)
            for (int64_t i = 0; arch.params[p].prunable && i < arch.params[p].count; i++) {
                int64_t at = arch.params[p].offset + i;
                if (wide[at] != 0) moved[at] += side * step * gradient[at];
            }
        tempered_gradient(moved, temperature, side < 0 ? behind : product);
    }
    for (int64_t i = 0; i < arch.parameters; i++)
        product[i] = (product[i] - behind[i]) / (2 * step);
}

static void grasp_sees_the_product_with_the_hessian(void) {
    static double gradient[MOST], product[MOST], found[MOST], expected[MOST];
    const double temperatures[] = {1, 200};
    struct sw_scorer scorer;
    open_net("mlp-12-8", "1x4x4", 1);
    struct sw_prune_source from = source();
    thin(mask);
    for (int t = 0; t < 2; t++) {
        const uint8_t *kept = t == 0 ? full : mask;
        spec.prune_score_temperature = temperatures[t];
        look("grasp", kept, &from, &scorer);
        widen(kept);
        double_product(temperatures[t], gradient, product);
        CU_ASSERT_TRUE(worst(scorer.gradient, gradient, kept) < 2e-6);
        for (int64_t i = 0; i < arch.parameters; i++) {
            found[i] = scorer.theta[i] * scorer.product[i];
            expected[i] = wide[i] * product[i];
        }
        double error = worst(found, expected, kept);
        if (error > 0.01) fprintf(stderr, "  temperature %g: %g\n", temperatures[t], error);
        CU_ASSERT_TRUE(error < 0.01);
        sw_scorer_fini(&scorer);
    }
    close_net();
}

/* Keep the largest w (H g): what goes lowers |g|^2 / 2 the least, or raises it. */
static void grasp_keeps_what_holds_the_gradient_up(void) {
    static double gradient[MOST], changed[MOST];
    struct sw_scorer scorer;
    open_net("mlp-12-8", "1x4x4", 1);
    struct sw_prune_source from = source();
    spec.prune_score_temperature = 1;
    look("grasp", full, &from, &scorer);
    widen(full);
    tempered_gradient(wide, 1, gradient);
    int64_t best = 0, least = 0, n = sw_arch_layer(&arch, 0)->count;
    for (int64_t i = 0; i < n; i++) {
        double score = scorer.theta[i] * scorer.product[i];
        if (score > scorer.theta[best] * scorer.product[best]) best = i;
        if (score < scorer.theta[least] * scorer.product[least]) least = i;
    }
    double flow[3] = {0};
    for (int which = 0; which < 3; which++) {
        double kept = wide[which == 1 ? best : least];
        if (which > 0) wide[which == 1 ? best : least] *= 0.99;
        tempered_gradient(wide, 1, changed);
        wide[which == 1 ? best : least] = kept;
        for (int64_t p = 0; p < arch.n_params; p++)
            for (int64_t i = 0; arch.params[p].prunable && i < arch.params[p].count; i++)
                flow[which] += pow(changed[arch.params[p].offset + i], 2);
    }
    CU_ASSERT_TRUE(flow[1] < flow[0]);
    CU_ASSERT_TRUE(flow[2] > flow[0]);
    sw_scorer_fini(&scorer);
    close_net();
}

/* ---- flow ---------------------------------------------------------------------------------- */

/* R: biases 0, batch norm an identity, absolute weights, an input of ones. */
static double flow_of(const struct sw_model_desc *desc, const double *at) {
    static double ones[3 * 64], absolute[MOST], logits[4];
    for (int i = 0; i < 3 * 64; i++)
        ones[i] = 1;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = param->offset; i < param->offset + param->count; i++)
            absolute[i] = param->role == SW_ROLE_WEIGHT     ? fabs(at[i])
                          : param->role == SW_ROLE_SCALE    ? 1
                          : param->role == SW_ROLE_VARIANCE ? 1 - 1e-5
                                                            : 0;
    }
    struct graph_double graph = {
        .desc = desc, .arch = &arch, .theta = absolute, .mode = SW_NET_EVALUATE};
    graph_double_logits(&graph, ones, 1, logits, NULL);
    return logits[0] + logits[1] + logits[2] + logits[3];
}

/* R is linear in every weight: a difference is exact whatever its step. */
static void check_flow(const char *model, const char *shape, int64_t stride) {
    static struct sw_model_desc desc;
    static double gradient[MOST];
    open_net(model, shape, 1);
    thin(mask);
    widen(mask);
    SW_TEST_OK(sw_model_find(model)->describe(model, info.shape, info.classes, &desc));
    for (int64_t l = 0; l < arch.n_layers; l++)
        for (int64_t i = 0; i < sw_arch_layer(&arch, l)->count; i++)
            if (!sw_mask_get(mask + sw_arch_layer(&arch, l)->mask_offset, i))
                theta[sw_arch_layer(&arch, l)->offset + i] = 0;
    SW_TEST_OK(sw_flow_gradient(&arch, theta, gradient));
    double whole = flow_of(&desc, wide);
    for (int64_t l = 0; l < arch.n_layers; l++)
        for (int64_t i = l % stride; i < sw_arch_layer(&arch, l)->count; i += stride) {
            int64_t at = sw_arch_layer(&arch, l)->offset + i;
            double kept = wide[at];
            wide[at] = 0;
            double share = 1 - flow_of(&desc, wide) / whole;
            wide[at] = kept;
            CU_ASSERT_DOUBLE_EQUAL(fabs(kept) * gradient[at], share, 1e-12);
        }
    close_net();
}

static void synflow_sees_the_share_of_the_flow(void) {
    check_flow("mlp-12-8", "1x4x4", 1);
    check_flow("resnet-8", "3x8x8", 613); /* strides, shortcuts, batch norm, a global pool */
}

/* Scores of every layer without a way around it are shares of the same flow. */
static void flow_is_conserved(void) {
    static double gradient[MOST];
    const struct {
        const char *model, *shape;
    } chains[] = {{"mlp-12-8", "1x4x4"}, {"mlp-40-3-40", "1x6x6"}, {"lenet-5", "1x16x16"}};
    for (size_t c = 0; c < sizeof chains / sizeof *chains; c++) {
        open_net(chains[c].model, chains[c].shape, 1);
        SW_TEST_OK(sw_flow_gradient(&arch, theta, gradient));
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            double sum = 0;
            for (int64_t i = layer->offset; i < layer->offset + layer->count; i++)
                sum += fabs((double) theta[i]) * gradient[i];
            CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-12);
        }
        close_net();
    }
}

/* 12 layers of weights around 1e30: the flow is near 1e370, above every double. */
static void huge_flows_are_scaled(void) {
    static double gradient[MOST], plain[MOST];
    open_net("mlp-8-8-8-8-8-8-8-8-8-8-8", "1x4x4", 1);
    SW_TEST_OK(sw_flow_gradient(&arch, theta, plain));
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] *= 1e30F;
    SW_TEST_OK(sw_flow_gradient(&arch, theta, gradient));
    for (int64_t i = 0; i < sw_arch_layer(&arch, 3)->count; i++) {
        int64_t at = sw_arch_layer(&arch, 3)->offset + i;
        CU_ASSERT_DOUBLE_EQUAL(gradient[at] * 1e30 / plain[at], 1, 1e-5);
    }
    theta[0] = INFINITY;
    CU_ASSERT_EQUAL(sw_flow_gradient(&arch, theta, gradient), SW_UNSUPPORTED);
    close_net();
}

/* ---- masks --------------------------------------------------------------------------------- */

static void prune_global(const char *criterion, double rate, int64_t steps) {
    struct sw_prune_source from = source();
    SW_TEXT_COPY(spec.prune_criterion, criterion);
    SW_TEXT_COPY(spec.prune_score_weights, "init");
    SW_TEXT_COPY(spec.prune_scope, "global");
    spec.prune_output_rate = 1;
    spec.prune_rate = rate;
    spec.prune_score_steps = steps;
    SW_TEST_OK(sw_prune_round(&spec, &arch, 1, full, NULL, &from, mask, &report));
}

static int64_t held(void) {
    int64_t n = 0;
    for (int64_t l = 0; l < arch.n_layers; l++)
        n += report.held_at[l] >= 0;
    return n;
}

/* A wide layer between narrow ones: each of its weights carries little. In one cut it is emptied, in a
 * hundred small ones no layer is, down to 99.5 %. */
static void synflow_does_not_collapse_a_layer(void) {
    open_net("mlp-150-4-150", "1x12x12", 1);
    prune_global("synflow", 0.99, 1);
    CU_ASSERT_TRUE(held() > 0);
    for (int deep = 0; deep < 2; deep++) {
        int64_t total = 0;
        prune_global("synflow", deep != 0 ? 0.995 : 0.99, 100);
        CU_ASSERT_EQUAL(held(), 0);
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            int64_t kept = sw_mask_count(mask + layer->mask_offset, layer->count);
            CU_ASSERT_TRUE(kept >= 1);
            total += kept;
        }
        CU_ASSERT_EQUAL(total, sw_prune_total(&spec, &arch, 1));
    }
    close_net();
}

static int64_t beats;
static void count_beat(void *context) {
    (void) context;
    beats++;
}

/* Convolutions, batch norm, shortcuts; the parent is sparse. */
static void masks_are_the_same_for_any_threads(void) {
    static const char *const criteria[] = {"snip", "gradient", "grasp", "synflow"};
    static uint8_t first[4][MOST / 8 + 64], parent[MOST / 8 + 64];
    for (int threads = 1; threads <= 3; threads++) {
        open_net("resnet-8", "3x8x8", threads);
        SW_TEXT_COPY(spec.prune_score_weights, "init");
        spec.prune_score_steps = 3;
        thin(parent);
        struct sw_prune_source from = source();
        from.alive = count_beat;
        for (int c = 0; c < 4; c++) {
            spec.prune_rate = 0.5;
            spec.prune_output_rate = 1;
            SW_TEXT_COPY(spec.prune_criterion, criteria[c]);
            beats = 0;
            SW_TEST_OK(sw_prune_round(&spec, &arch, 1, parent, NULL, &from, mask, &report));
            CU_ASSERT_TRUE(beats >= 3);
            if (threads == 1) memcpy(first[c], mask, sizeof mask);
            CU_ASSERT_EQUAL(memcmp(first[c], mask, (size_t) arch.mask_bytes), 0);
            CU_ASSERT_TRUE(c == 0 || memcmp(first[0], mask, (size_t) arch.mask_bytes) != 0);
            for (int64_t l = 0; l < arch.n_layers; l++)
                CU_ASSERT_TRUE(sw_mask_is_nested(mask + sw_arch_layer(&arch, l)->mask_offset,
                                                 parent + sw_arch_layer(&arch, l)->mask_offset,
                                                 sw_arch_layer(&arch, l)->count));
        }
        close_net();
    }
}

/* Other rounds and seeds look at other samples; more samples than there are mean all. */
static void samples_depend_on_seed_and_round(void) {
    static uint8_t first[MOST / 8 + 64];
    open_net("mlp-12-8", "1x4x4", 1);
    spec.prune_score_samples = SW_INT_NULL;
    CU_ASSERT_EQUAL(sw_prune_samples(&spec, 4), 40);
    prune_global("snip", 0.5, 1);
    memcpy(first, mask, sizeof mask);
    prune_global("snip", 0.5, 1);
    CU_ASSERT_EQUAL(memcmp(first, mask, (size_t) arch.mask_bytes), 0);
    spec.seed++;
    prune_global("snip", 0.5, 1);
    CU_ASSERT_NOT_EQUAL(memcmp(first, mask, (size_t) arch.mask_bytes), 0);
    spec.prune_score_samples = 140;
    prune_global("snip", 0.5, 1);
    memcpy(first, mask, sizeof mask);
    spec.prune_score_samples = 100000;
    prune_global("snip", 0.5, 1);
    CU_ASSERT_EQUAL(memcmp(first, mask, (size_t) arch.mask_bytes), 0);
    close_net();
}

static CU_TestInfo scores[] = {
    {"snip sees the gradient of the loss", snip_sees_the_gradient_of_the_loss},
    {"grasp sees the product with the Hessian", grasp_sees_the_product_with_the_hessian},
    {"grasp keeps what holds the gradient up", grasp_keeps_what_holds_the_gradient_up},
    {"synflow sees the share of the flow", synflow_sees_the_share_of_the_flow},
    {"flow is conserved", flow_is_conserved},
    {"huge flows are scaled", huge_flows_are_scaled},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo masks[] = {
    {"synflow does not collapse a layer", synflow_does_not_collapse_a_layer},
    {"masks are the same for any threads", masks_are_the_same_for_any_threads},
    {"samples depend on seed and round", samples_depend_on_seed_and_round},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"scores", NULL, NULL, NULL, NULL, scores},
    {"masks", NULL, NULL, NULL, NULL, masks},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_criteria_scores", suites);
}
