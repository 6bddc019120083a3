#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"
#include "sweepstake/prune.h"

#define MOST 400 /* parameters of the network below */

static struct sw_arch arch;
static struct sw_trial_spec spec;
static uint8_t full[MOST / 8];
static float theta[MOST];
static struct sw_prune_report report;

/* mlp-13-5 on 9 features with 3 classes: layers of 117, 65 and 15 weights. */
static int set_up(void) {
    int64_t shape[3] = {1, 3, 3};
    if (sw_arch_create("mlp-13-5", shape, 3, &arch) != SW_OK) return 1;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_scope, "global");
    memset(full, 0, sizeof full);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sw_mask_fill(full + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
    return 0;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    return 0;
}

/* Normal weights, those of each layer `scale` times as large. */
static void fill(uint64_t seed, const double scale[3]) {
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] = (float) sw_random_normal(seed, SW_RANDOM_BENCH, 0, (uint64_t) i);
    for (int64_t l = 0; l < 3; l++)
        for (int64_t i = 0; i < sw_arch_layer(&arch, l)->count; i++)
            theta[sw_arch_layer(&arch, l)->offset + i] *= (float) scale[l];
}

static void prune(int64_t round, const uint8_t *parent, uint8_t *mask) {
    float survivors[MOST];
    float *next = survivors;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(parent + param->mask_offset, i))
                *next++ = theta[param->offset + i];
    }
    SW_TEST_OK(sw_prune_round(&spec, &arch, round, parent, survivors, NULL, mask, &report));
}

static int64_t kept_of(const uint8_t *mask, int64_t l) {
    return sw_mask_count(mask + sw_arch_layer(&arch, l)->mask_offset,
                         sw_arch_layer(&arch, l)->count);
}

static int64_t kept_in_all(const uint8_t *mask) {
    return kept_of(mask, 0) + kept_of(mask, 1) + kept_of(mask, 2);
}

/* Smallest weight kept and largest one removed of the layers first .. end. */
static void find_edge(const uint8_t *mask, int64_t first, int64_t end, float *kept, float *gone) {
    *kept = INFINITY;
    *gone = 0;
    for (int64_t l = first; l < end; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        for (int64_t i = 0; i < layer->count; i++) {
            float size = fabsf(theta[layer->offset + i]);
            if (sw_mask_get(mask + layer->mask_offset, i))
                *kept = fminf(*kept, size);
            else
                *gone = fmaxf(*gone, size);
        }
    }
}

/* ---- selection ------------------------------------------------------------------------------ */

static void hidden_layers_compete_and_the_output_keeps_its_rate(void) {
    uint8_t mask[MOST / 8] = {0};
    float kept = 0, gone = 0;
    int64_t most[3];
    fill(1, (double[3]){1, 2, 1});
    prune(1, full, mask);
    CU_ASSERT_EQUAL(kept_of(mask, 0) + kept_of(mask, 1), 182 - 36); /* 20 %: 36.4 */
    CU_ASSERT_EQUAL(kept_of(mask, 2), 15 - 2);                      /* 10 %: 1.5, rounded up */
    CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, 1), kept_in_all(mask));
    find_edge(mask, 0, 2, &kept, &gone);
    CU_ASSERT_TRUE(gone < kept);
    CU_ASSERT_TRUE(kept_of(mask, 1) * 117 > kept_of(mask, 0) * 65); /* the larger weights stay */
    sw_prune_kept(&spec, &arch, 1, most);
    CU_ASSERT_EQUAL(most[0], 117);
    CU_ASSERT_EQUAL(most[1], 65);
    CU_ASSERT_EQUAL(most[2], 13);
    CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_TOTAL);
}

static void an_output_rate_of_one_competes_and_of_zero_stays(void) {
    uint8_t mask[MOST / 8] = {0};
    float kept = 0, gone = 0;
    fill(2, (double[3]){1, 1, 0.5});
    spec.prune_output_rate = 1;
    prune(1, full, mask);
    CU_ASSERT_EQUAL(kept_in_all(mask), 197 - 39); /* 39.4 */
    find_edge(mask, 0, 3, &kept, &gone);
    CU_ASSERT_TRUE(gone < kept);
    CU_ASSERT_TRUE(kept_of(mask, 2) < 12);
    spec.prune_output_rate = 0;
    prune(1, full, mask);
    CU_ASSERT_EQUAL(kept_of(mask, 2), 15);
    CU_ASSERT_EQUAL(kept_in_all(mask), 197 - 36);
    spec.prune_output_rate = 0.5;
}

/* Twelve rounds: nested, the total exact, no layer above its bound. */
static void totals_are_exact_and_masks_nested(void) {
    uint8_t parent[MOST / 8], mask[MOST / 8] = {0};
    fill(3, (double[3]){1, 0.3, 1});
    memcpy(parent, full, sizeof parent);
    for (int64_t round = 1; round <= 12; round++) {
        int64_t most[3];
        prune(round, parent, mask);
        sw_prune_kept(&spec, &arch, round, most);
        CU_ASSERT_EQUAL(kept_in_all(mask), sw_prune_total(&spec, &arch, round));
        for (int64_t l = 0; l < 3; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            const uint8_t *bits = mask + layer->mask_offset;
            CU_ASSERT_TRUE(kept_of(mask, l) <= most[l] && kept_of(mask, l) >= 1);
            CU_ASSERT_TRUE(sw_mask_is_nested(bits, parent + layer->mask_offset, layer->count));
            CU_ASSERT_TRUE(sw_mask_is_clean(bits, layer->count));
        }
        memcpy(parent, mask, sizeof parent);
    }
}

static void equal_scores_go_from_the_first_layer_on(void) {
    uint8_t mask[MOST / 8] = {0};
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] = i % 2 == 0 ? 1 : -1;
    prune(1, full, mask);
    CU_ASSERT_EQUAL(kept_of(mask, 0), 117 - 36);
    CU_ASSERT_EQUAL(kept_of(mask, 1), 65);
    for (int64_t i = 0; i < 117; i++)
        CU_ASSERT_EQUAL(sw_mask_get(mask, i), i >= 36);
}

/* ---- floors --------------------------------------------------------------------------------- */

static void min_keep_holds_a_layer_that_would_collapse(void) {
    uint8_t mask[MOST / 8] = {0};
    const struct sw_param *layer = sw_arch_layer(&arch, 1);
    int best = 0;
    fill(4, (double[3]){1, 1e-3, 1});
    spec.prune_rate = 0.5;
    spec.prune_min_keep = 3;
    prune(1, full, mask);
    CU_ASSERT_EQUAL(kept_of(mask, 1), 3);
    CU_ASSERT_EQUAL(kept_of(mask, 0), 91 - 3); /* the total stays exact */
    CU_ASSERT_EQUAL(report.held_at[0], -1);
    CU_ASSERT_EQUAL(report.held_at[1], 0);
    CU_ASSERT_EQUAL(report.held_at[2], -1);
    /* Its three largest weights stay. */
    for (int64_t i = 0; i < layer->count; i++) {
        int larger = 0;
        for (int64_t j = 0; j < layer->count; j++)
            larger += fabsf(theta[layer->offset + j]) > fabsf(theta[layer->offset + i]);
        bool stays = sw_mask_get(mask + layer->mask_offset, i);
        CU_ASSERT_EQUAL(stays, larger < 3);
        best += stays;
    }
    CU_ASSERT_EQUAL(best, 3);
    spec.prune_rate = 0.2;
    spec.prune_min_keep = 1;
}

static void without_need_min_keep_says_nothing(void) {
    uint8_t mask[MOST / 8] = {0};
    fill(5, (double[3]){1, 1, 1});
    prune(1, full, mask);
    for (int64_t l = 0; l < 3; l++)
        CU_ASSERT_EQUAL(report.held_at[l], -1);
}

struct weight {
    float size;
    int64_t layer, index;
};
static int compare_weights(const void *a, const void *b) {
    const struct weight *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* One weight after the other, from the smallest on, unless its layer is at its floor. */
static void prune_by_hand(int64_t remove, int64_t floor, uint8_t *mask) {
    struct weight list[182];
    int64_t n = 0, left[2] = {117, 65};
    for (int64_t l = 0; l < 2; l++)
        for (int64_t i = 0; i < sw_arch_layer(&arch, l)->count; i++)
            list[n++] = (struct weight){fabsf(theta[sw_arch_layer(&arch, l)->offset + i]), l, i};
    qsort(list, (size_t) n, sizeof *list, compare_weights);
    for (int64_t i = 0; i < n && remove > 0; i++) {
        if (left[list[i].layer] <= floor) continue;
        left[list[i].layer]--;
        remove--;
        sw_mask_clear_bit(mask + sw_arch_layer(&arch, list[i].layer)->mask_offset, list[i].index);
    }
}

static void floors_agree_with_pruning_one_weight_after_the_other(void) {
    const int64_t floors[] = {1, 10, 40, 64, 65};
    spec.prune_output_rate = 0;
    spec.prune_rate = 0.4;
    for (int t = 0; t < 60; t++) {
        uint8_t mask[MOST / 8] = {0}, by_hand[MOST / 8];
        fill((uint64_t) t, (double[3]){1, 0.05 * (1 + t % 12), 1});
        if (t % 3 == 0) /* many equal ones */
            for (int64_t i = 0; i < arch.parameters; i++)
                theta[i] = roundf(2 * theta[i]) / 2;
        spec.prune_min_keep = floors[t % 5];
        prune(1, full, mask);
        memcpy(by_hand, full, sizeof by_hand);
        prune_by_hand(73, spec.prune_min_keep, by_hand); /* 72.8 */
        CU_ASSERT_EQUAL(memcmp(mask, by_hand, (size_t) arch.mask_bytes), 0);
    }
    spec.prune_output_rate = 0.5;
    spec.prune_rate = 0.2;
    spec.prune_min_keep = 1;
}

static void layer_scope_reports_its_floors_too(void) {
    uint8_t mask[MOST / 8] = {0};
    struct sw_trial_spec saved = spec;
    SW_TEXT_COPY(spec.prune_scope, "layer");
    spec.prune_min_keep = 60;
    fill(6, (double[3]){1, 1, 1});
    prune(1, full, mask);
    CU_ASSERT_EQUAL(report.held_at[0], -1);
    CU_ASSERT_EQUAL(report.held_at[1], 52);
    CU_ASSERT_EQUAL(kept_of(mask, 1), 60);
    CU_ASSERT_EQUAL(report.held_at[2], 13); /* min_keep is its size */
    CU_ASSERT_EQUAL(kept_of(mask, 2), 15);
    spec = saved;
}

/* ---- counts --------------------------------------------------------------------------------- */

static void a_target_is_met_exactly(void) {
    spec.prune_target = 0.7;
    spec.prune_rounds = 100;
    int64_t rounds = sw_prune_rounds(&spec, &arch);
    CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, rounds), 59); /* 59.1 */
    CU_ASSERT_TRUE(sw_prune_total(&spec, &arch, rounds - 1) > 59);
    spec.prune_target = NAN;
}

static void likely_counts_are_uniform(void) {
    int64_t likely[3];
    sw_prune_likely(&spec, &arch, 3, likely);
    double share = (double) (sw_prune_total(&spec, &arch, 3) - likely[2]) / 182;
    CU_ASSERT_DOUBLE_EQUAL((double) likely[0] / 117, share, 0.5 / 117 + 1e-9);
    CU_ASSERT_DOUBLE_EQUAL((double) likely[1] / 65, share, 0.5 / 65 + 1e-9);
    CU_ASSERT_EQUAL(likely[2], 11); /* 15, 13 (1.5 go), 12, 11 */
    CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 3),
                           1 - (182 * 0.512 + 15 * 0.729) / 197, 1e-12);
}

static CU_TestInfo selection[] = {
    {"hidden layers compete and the output keeps its rate",
     hidden_layers_compete_and_the_output_keeps_its_rate},
    {"an output rate of one competes and of zero stays",
     an_output_rate_of_one_competes_and_of_zero_stays},
    {"totals are exact and masks nested", totals_are_exact_and_masks_nested},
    {"equal scores go from the first layer on", equal_scores_go_from_the_first_layer_on},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo floors[] = {
    {"min_keep holds a layer that would collapse", min_keep_holds_a_layer_that_would_collapse},
    {"without need min_keep says nothing", without_need_min_keep_says_nothing},
    {"floors agree with pruning one weight after the other",
     floors_agree_with_pruning_one_weight_after_the_other},
    {"layer scope reports its floors too", layer_scope_reports_its_floors_too},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo counts[] = {
    {"a target is met exactly", a_target_is_met_exactly},
    {"likely counts are uniform", likely_counts_are_uniform},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"selection", set_up, tear_down, NULL, NULL, selection},
    {"floors", set_up, tear_down, NULL, NULL, floors},
    {"counts", set_up, tear_down, NULL, NULL, counts},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_global", suites);
}
