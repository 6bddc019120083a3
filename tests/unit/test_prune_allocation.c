#include "../support/test_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"
#include "sweepstake/prune.h"

static const int64_t grey[3] = {1, 28, 28}, colour[3] = {3, 32, 32};
static struct sw_arch arch;
static struct sw_trial_spec spec;
static int64_t kept[SW_MAX_LAYERS];

static void make(const char *model, const int64_t *shape, int64_t classes, const char *allocation) {
    SW_TEST_OK(sw_arch_create(model, shape, classes, &arch));
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_allocation, allocation);
}

/* mlp-3 on 5 features with 2 classes: layers of 15 and 6 weights. */
static void make_small(const char *allocation) {
    make("mlp-3", (int64_t[3]){1, 1, 5}, 2, allocation);
}

/* One round to a sparsity, without a rate. */
static void aim(double target, int64_t rounds) {
    spec.prune_rate = NAN;
    spec.prune_target = target;
    spec.prune_rounds = rounds;
}

static int64_t total(int64_t round) {
    int64_t sum = 0;
    sw_prune_kept(&spec, &arch, round, kept);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sum += kept[l];
    return sum;
}

static bool is_convolution(int64_t l) {
    return sw_arch_layer(&arch, l)->rank == 4;
}

static void expect_refused(const char *key) {
    const char *found = NULL;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &found), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(found, key);
}

static void expect_allowed(void) {
    const char *found = NULL;
    SW_TEST_OK(sw_prune_check(&spec, &arch, &found));
}

/* ---- er, erk ------------------------------------------------------------------------------- */

/* Raw densities 8/15 and 5/6. Half of 21 weights: 11 = epsilon (8 + 5), that is 6.77 and 4.23 weights. A
 * fifth gone: 17 / 13 * 5/6 is above 1, so the second layer is dense and the first keeps 17 - 6. */
static void er_by_hand(void) {
    const char *const names[] = {"er", "erk"};
    for (int i = 0; i < 2; i++) {
        make_small(names[i]);
        aim(0.5, 1);
        CU_ASSERT_EQUAL(total(1), 11);
        CU_ASSERT_EQUAL(kept[0], 7);
        CU_ASSERT_EQUAL(kept[1], 4);
        aim(0.2, 1);
        CU_ASSERT_EQUAL(total(1), 17);
        CU_ASSERT_EQUAL(kept[0], 11);
        CU_ASSERT_EQUAL(kept[1], 6);
        sw_arch_fini(&arch);
    }
}

/* Power 0: all layers alike. Power 2 by hand: (8/15)^2 15 + (5/6)^2 6 = 8.4333; half of 21 is
 * epsilon 1.30435: 5.5652 and 5.4348 weights. Power 0.5: 10.9545 + 5.4772, epsilon .66945: 7.33, 3.67. */
static void erk_powers_by_hand(void) {
    make_small("erk");
    aim(0.5, 1);
    spec.prune_erk_power = 0; /* 7.857 and 3.143 */
    (void) total(1);
    CU_ASSERT_EQUAL(kept[0], 8);
    CU_ASSERT_EQUAL(kept[1], 3);
    spec.prune_erk_power = 2;
    (void) total(1);
    CU_ASSERT_EQUAL(kept[0], 6);
    CU_ASSERT_EQUAL(kept[1], 5);
    spec.prune_erk_power = 0.5;
    (void) total(1);
    CU_ASSERT_EQUAL(kept[0], 7);
    CU_ASSERT_EQUAL(kept[1], 4);
    sw_arch_fini(&arch);
}

/* Layers that are not dense have densities in proportion to their raw ones, to within one weight. */
static int64_t count_out_of_proportion(double power) {
    double epsilon = 0, raw[SW_MAX_LAYERS];
    int64_t wrong = 0, largest = -1;
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        double sum = 0;
        for (int64_t d = 0; d < layer->rank; d++)
            sum += (double) layer->shape[d];
        raw[l] = pow(sum / (double) layer->count, power);
        if (kept[l] < layer->count && (largest < 0 || kept[l] > kept[largest])) largest = l;
    }
    epsilon = (double) kept[largest] /
              ((double) sw_arch_layer(&arch, largest)->count * raw[largest]);
    for (int64_t l = 0; l < arch.n_layers; l++) {
        double wanted = fmin(1, epsilon * raw[l]) * (double) sw_arch_layer(&arch, l)->count;
        wrong += fabs(wanted - (double) kept[l]) > 1.01;
    }
    return wrong;
}

static void densities_add_up_and_none_is_above_one(void) {
    const char *const models[] = {"conv-2", "conv-6", "resnet-20", "vgg-16"};
    const double powers[] = {1, 0.7};
    for (int m = 0; m < 4; m++) {
        for (int p = 0; p < 2; p++) {
            make(models[m], colour, 10, "erk");
            spec.prune_erk_power = powers[p];
            for (double target = 0.05; target < 1; target += 0.15) {
                aim(target, 1);
                int64_t goal = (int64_t) floor((1 - target) * (double) arch.prunable + 0.5);
                CU_ASSERT_EQUAL(total(1), goal);
                CU_ASSERT_EQUAL(count_out_of_proportion(powers[p]), 0);
                for (int64_t l = 0; l < arch.n_layers; l++)
                    CU_ASSERT_TRUE(kept[l] >= 1 && kept[l] <= sw_arch_layer(&arch, l)->count);
            }
            sw_arch_fini(&arch);
        }
    }
}

/* Rounds go through densities of their own: 20 % of what the whole network has left. */
static void rounds_shrink_every_layer_to_the_exact_target(void) {
    const char *const names[] = {"er", "erk", "seed_final_ratio"};
    int64_t before[SW_MAX_LAYERS];
    for (int i = 0; i < 3; i++) {
        make("conv-2", colour, 10, names[i]);
        spec.prune_target = 0.9;
        int64_t rounds = sw_prune_rounds(&spec, &arch), left = arch.prunable;
        CU_ASSERT_EQUAL(rounds, 11); /* 0.8^10 = .107, 0.8^11 = .086 */
        (void) total(0);
        for (int64_t round = 1; round <= rounds; round++) {
            memcpy(before, kept, sizeof before);
            left -= (int64_t) floor(0.2 * (double) left + 0.5);
            if (round == rounds) left = (int64_t) floor(0.1 * (double) arch.prunable + 0.5);
            CU_ASSERT_EQUAL(total(round), left);
            CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, round), left);
            for (int64_t l = 0; l < arch.n_layers; l++)
                CU_ASSERT_TRUE(kept[l] <= before[l] && kept[l] >= 1);
        }
        CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_LAYERS);
        sw_arch_fini(&arch);
    }
}

static void min_keep_holds_against_shares(void) {
    make_small("er");
    aim(0.5, 1);
    spec.prune_min_keep = 5;
    CU_ASSERT_EQUAL(total(1), 11);
    CU_ASSERT_EQUAL(kept[0], 6);
    CU_ASSERT_EQUAL(kept[1], 5);
    expect_allowed();
    spec.prune_min_keep = 6;
    expect_refused("prune.min_keep"); /* 12 of 11 */
    sw_arch_fini(&arch);
}

static void shares_need_layers_and_weights(void) {
    make("lenet-300-100", grey, 10, "erk");
    expect_allowed();
    SW_TEXT_COPY(spec.prune_scope, "global");
    expect_refused("prune.scope");
    SW_TEXT_COPY(spec.prune_scope, "layer");
    SW_TEXT_COPY(spec.prune_granularity, "neuron");
    expect_refused("prune.granularity");
    SW_TEXT_COPY(spec.prune_granularity, "block16");
    expect_allowed();
    aim(0.9, 1);
    sw_prune_likely(&spec, &arch, 1, kept);
    CU_ASSERT_EQUAL(kept[2], 1000); /* less than two blocks of 16 per side */
    sw_arch_fini(&arch);
}

/* ---- lth ----------------------------------------------------------------------------------- */

static void the_literatures_rates(void) {
    const struct {
        const char *model;
        double first, linear, output;
    } rates[] = {{"conv-2", 0.1, 0.2, 0.1},   {"conv-4", 0.1, 0.2, 0.1}, {"conv-6", 0.15, 0.2, 0.1},
                 {"resnet-20", 0.2, 0, 0},    {"resnet-18", 0.2, 0, 0},  {"vgg-19", 0.2, 0, 0},
                 {"lenet-300-100", 0, .2, .1}};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        make(rates[i].model, colour, 10, "lth");
        spec.prune_rate = 0.5; /* never looked at */
        expect_allowed();
        (void) total(1);
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            double rate = is_convolution(l) ? rates[i].first : rates[i].linear;
            if (layer->output) rate = rates[i].output;
            if (layer->shortcut) rate = 0;
            double left = (double) layer->count - floor(rate * (double) layer->count + 0.5);
            CU_ASSERT_DOUBLE_EQUAL((double) kept[l], left, 0);
        }
        SW_TEXT_COPY(spec.prune_scope, "global");
        if (rates[i].first > 0 && rates[i].linear > 0)
            expect_refused("prune.allocation");
        else
            expect_allowed();
        sw_arch_fini(&arch);
    }
    make("lenet-5", grey, 10, "lth");
    expect_refused("prune.allocation");
    sw_arch_fini(&arch);
}

/* Convolutions compete under 0.2, the output layer keeps all. */
static void lth_with_global_scope(void) {
    make("vgg-16", colour, 10, "lth");
    SW_TEXT_COPY(spec.prune_scope, "global");
    int64_t output = sw_arch_layer(&arch, arch.n_layers - 1)->count, rest = arch.prunable - output;
    rest -= (int64_t) floor(0.2 * (double) rest + 0.5);
    CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, 1), rest + output);
    sw_arch_fini(&arch);
}

/* ---- the seed's ratios --------------------------------------------------------------------- */

static void convolutions_lose_the_ratio_per_round(void) {
    make("conv-2", colour, 10, "seed_rate_ratio");
    (void) total(1);
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        double rate = is_convolution(l) ? 0.2 * 1.5 : layer->output ? 0.1 : 0.2;
        CU_ASSERT_DOUBLE_EQUAL((double) kept[l], (1 - rate) * (double) layer->count, 0.51);
    }
    spec.prune_rate = 0.6;
    spec.prune_ratio = 2;
    expect_refused("prune.ratio");
    spec.prune_rate = 0.2;
    SW_TEXT_COPY(spec.prune_scope, "global");
    expect_refused("prune.scope");
    sw_arch_fini(&arch);
    make("lenet-300-100", grey, 10, "seed_rate_ratio");
    expect_refused("prune.allocation");
    sw_arch_fini(&arch);
}

static void sparsities(double *convolution, double *linear) {
    int64_t all[2] = {0}, left[2] = {0};
    for (int64_t l = 0; l < arch.n_layers; l++) {
        all[is_convolution(l)] += sw_arch_layer(&arch, l)->count;
        left[is_convolution(l)] += kept[l];
    }
    *convolution = 1 - (double) left[1] / (double) all[1];
    *linear = 1 - (double) left[0] / (double) all[0];
}

/* algorithms: s_fc = S N / (r N_c + N_f); Conv-2 at 80 % would need 1.195 of the convolutions. */
static void the_ratio_of_sparsities_is_capped(void) {
    double convolution = 0, linear = 0;
    char note[120];
    make("conv-2", colour, 10, "seed_final_ratio");
    aim(0.5, 1);
    (void) total(1);
    sparsities(&convolution, &linear);
    CU_ASSERT_DOUBLE_EQUAL(convolution, 1.5 * linear, 1e-4);
    CU_ASSERT_FALSE(sw_prune_note(&spec, &arch, 1, note, sizeof note));
    aim(0.8, 1);
    CU_ASSERT_EQUAL(total(1), (int64_t) floor(0.2 * (double) arch.prunable + 0.5));
    sparsities(&convolution, &linear);
    CU_ASSERT_DOUBLE_EQUAL(convolution, 0.95, 1e-4);
    CU_ASSERT_TRUE(linear < 0.8 && linear > 0.79);
    CU_ASSERT_TRUE(sw_prune_note(&spec, &arch, 1, note, sizeof note));
    CU_ASSERT_PTR_NOT_NULL(strstr(note, "prune.ratio_cap 0.95"));
    CU_ASSERT_TRUE(strlen(note) < 80); /* room of an alert */
    aim(0.97, 1);                      /* above the cap: all alike */
    (void) total(1);
    sparsities(&convolution, &linear);
    CU_ASSERT_DOUBLE_EQUAL(convolution, 0.97, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(linear, 0.97, 1e-4);
    sw_arch_fini(&arch);
    make("resnet-20", colour, 10, "seed_final_ratio"); /* linear is 640 of 270,896 */
    aim(0.9, 1);
    (void) total(1);
    sparsities(&convolution, &linear);
    CU_ASSERT_DOUBLE_EQUAL(linear, 0.6, 2e-3);
    sw_arch_fini(&arch);
}

/* ---- rules --------------------------------------------------------------------------------- */

static void rules_by_name(void) {
    make("conv-2", colour, 10, "rates"); /* conv1, conv2, fc1, fc2, fc3 */
    const char *const texts[] = {"conv*=0.1, fc1=0.5 fc*.weight=0", " fc1=0.5,fc*=0 , conv?=1e-1 "};
    const double rates[] = {0.1, 0.1, 0.5, 0, 0};
    CU_ASSERT_EQUAL_FATAL(arch.n_layers, 5);
    for (int i = 0; i < 2; i++) {
        SW_TEXT_COPY(spec.prune_rates, texts[i]);
        expect_allowed();
        (void) total(1);
        for (int64_t l = 0; l < 5; l++)
            CU_ASSERT_DOUBLE_EQUAL((double) kept[l],
                                   (1 - rates[l]) * (double) sw_arch_layer(&arch, l)->count, 0.51);
    }
    SW_TEXT_COPY(spec.prune_rates, "fc3=0.3"); /* the others as ever */
    (void) total(1);
    CU_ASSERT_EQUAL(kept[4], 1792); /* 2560 - 768 */
    CU_ASSERT_DOUBLE_EQUAL((double) kept[0], 0.8 * 1728, 0.51);
    sw_arch_fini(&arch);
}

static void bad_rules_are_refused(void) {
    const char *const bad[] = {"conv*",      "conv*=",   "=0.1",
                               "conv*=x",    "conv*=1",  "conv*=-0.1",
                               "conv*=nan",  "cov*=0.1", "conv*=0.1 conv1=0.2",
                               "conv*=0.1=2"};
    make("conv-2", colour, 10, "rates");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        SW_TEXT_COPY(spec.prune_rates, bad[i]);
        expect_refused("prune.rates");
    }
    SW_TEXT_COPY(spec.prune_rates, "conv*=0.1");
    SW_TEXT_COPY(spec.prune_scope, "global");
    expect_refused("prune.rates");
    sw_arch_fini(&arch);
    make("lenet-300-100", grey, 10, "rates");
    SW_TEXT_COPY(spec.prune_granularity, "neuron");
    SW_TEXT_COPY(spec.prune_rates, "fc3=0.1"); /* output units are never removed */
    expect_refused("prune.rates");
    sw_arch_fini(&arch);
}

/* ---- solving for the rate ------------------------------------------------------------------ */

static void a_rate_is_solved_from_target_and_rounds(void) {
    make("lenet-300-100", grey, 10, "rates");
    spec.prune_output_rate = 1;
    for (int64_t rounds = 1; rounds <= 30; rounds += 7) {
        aim(0.95, rounds);
        expect_allowed();
        double rate = 1 - pow(0.05, 1.0 / (double) rounds);
        CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 1), rate, 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, rounds), 0.95, 0);
    }
    sw_arch_fini(&arch);
}

/* With rates of their own for some layers, all rounds are used and the last one is exact. */
static void the_last_round_of_a_solved_rate_is_exact(void) {
    const char *const names[] = {"rates", "seed_rate_ratio", "erk", "er", "seed_final_ratio"};
    for (int i = 0; i < 5; i++) {
        for (int64_t rounds = 1; rounds < 25; rounds += 4) {
            make("conv-2", colour, 10, names[i]);
            aim(0.917, rounds);
            expect_allowed();
            int64_t goal = (int64_t) floor((1 - 0.917) * (double) arch.prunable + 0.5);
            CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), rounds);
            CU_ASSERT_EQUAL(total(rounds), goal);
            CU_ASSERT_TRUE(total(rounds - 1) > goal);
            sw_arch_fini(&arch);
        }
    }
}

static void what_cannot_be_solved_is_refused(void) {
    make_small("rates");
    spec.prune_rate = NAN;
    expect_refused("prune.rate"); /* no target */
    aim(0.5, 0);
    expect_refused("prune.rate"); /* no rounds */
    aim(0.95, 3);                 /* 1 of 21, and two layers */
    expect_refused("prune.target");
    spec.prune_output_rate = 0;
    aim(0.75, 3); /* 5 of 21, and the output layer has 6 */
    expect_refused("prune.target");
    aim(0.6, 3);
    expect_allowed();
    CU_ASSERT_EQUAL(total(3), 8);
    sw_arch_fini(&arch);
}

/* ---- ties ---------------------------------------------------------------------------------- */

/* Equal weights everywhere: exactly the planned number goes, the lowest indices first. */
static void ties_are_cut_exactly(void) {
    const char *const names[] = {"rates", "lth", "seed_rate_ratio", "seed_final_ratio",
                                 "er",    "erk"};
    for (int i = 0; i < 6; i++) {
        make("conv-2", grey, 10, names[i]);
        float *theta = calloc((size_t) arch.parameters, sizeof *theta);
        uint8_t *mask = malloc((size_t) arch.mask_bytes);
        uint8_t *parent = malloc((size_t) arch.mask_bytes);
        struct sw_prune_report report;
        for (int64_t p = 0; p < arch.parameters; p++)
            theta[p] = p % 2 ? 0.5F : -0.5F;
        for (int64_t l = 0; l < arch.n_layers; l++)
            sw_mask_fill(parent + sw_arch_layer(&arch, l)->mask_offset,
                         sw_arch_layer(&arch, l)->count);
        SW_TEST_OK(sw_prune_round(&spec, &arch, 1, parent, theta, NULL, mask, &report));
        (void) total(1);
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            const uint8_t *bits = mask + layer->mask_offset;
            CU_ASSERT_EQUAL(sw_mask_count(bits, layer->count), kept[l]);
            CU_ASSERT_TRUE(sw_mask_get(bits, layer->count - 1));
            if (kept[l] < layer->count) {
                CU_ASSERT_FALSE(sw_mask_get(bits, layer->count - kept[l] - 1));
                CU_ASSERT_TRUE(sw_mask_get(bits, layer->count - kept[l]));
            }
        }
        free(theta);
        free(mask);
        free(parent);
        sw_arch_fini(&arch);
    }
}

static void allocations_list_their_words(void) {
    const char *summary = NULL, *source = NULL, *name = NULL;
    size_t n = 0;
    for (; (name = sw_allocation_at(n, &summary, &source)) != NULL; n++) {
        CU_ASSERT_TRUE(strlen(summary) > 20 && strlen(source) > 20);
        CU_ASSERT_PTR_NOT_NULL(sw_allocation_options(name));
    }
    CU_ASSERT_EQUAL(n, 6);
    CU_ASSERT_STRING_EQUAL(sw_allocation_at(0, NULL, NULL), "rates");
    CU_ASSERT_PTR_NULL(sw_allocation_options("even"));
}

static CU_TestInfo shares[] = {
    {"er by hand", er_by_hand},
    {"erk powers by hand", erk_powers_by_hand},
    {"densities add up and none is above one", densities_add_up_and_none_is_above_one},
    {"rounds shrink every layer to the exact target",
     rounds_shrink_every_layer_to_the_exact_target},
    {"min_keep holds against shares", min_keep_holds_against_shares},
    {"shares need layers and weights", shares_need_layers_and_weights},
    {"the ratio of sparsities is capped", the_ratio_of_sparsities_is_capped},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo rates[] = {
    {"the literature's rates", the_literatures_rates},
    {"lth with global scope", lth_with_global_scope},
    {"convolutions lose the ratio per round", convolutions_lose_the_ratio_per_round},
    {"rules by name", rules_by_name},
    {"bad rules are refused", bad_rules_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo solved[] = {
    {"a rate is solved from target and rounds", a_rate_is_solved_from_target_and_rounds},
    {"the last round of a solved rate is exact", the_last_round_of_a_solved_rate_is_exact},
    {"what cannot be solved is refused", what_cannot_be_solved_is_refused},
    {"ties are cut exactly", ties_are_cut_exactly},
    {"allocations list their words", allocations_list_their_words},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"shares", NULL, NULL, NULL, NULL, shares},
    {"rates", NULL, NULL, NULL, NULL, rates},
    {"solved rates", NULL, NULL, NULL, NULL, solved},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_allocation", suites);
}
