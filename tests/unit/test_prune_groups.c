#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"
#include "sweepstake/prune.h"

#define MOST 4000 /* parameters of the network below */

static struct sw_arch arch;
static struct sw_trial_spec spec;
static uint8_t full[MOST / 8];
static float theta[MOST];
static struct sw_prune_report report;

/* mlp-37-19 on 36 features with 10 classes: layers of 37 x 36, 19 x 37 and 10 x 19 weights. */
static int set_up(void) {
    int64_t shape[3] = {1, 6, 6};
    if (sw_arch_create("mlp-37-19", shape, 10, &arch) != SW_OK) return 1;
    sw_spec_set_defaults(&spec);
    spec.seed = 5;
    memset(full, 0, sizeof full);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sw_mask_fill(full + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] = (float) sw_random_normal(1, SW_RANDOM_BENCH, 0, (uint64_t) i);
    return 0;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    return 0;
}

static void choose(const char *granularity, const char *scope) {
    SW_TEXT_COPY(spec.prune_granularity, granularity);
    SW_TEXT_COPY(spec.prune_scope, scope);
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

static bool get(const uint8_t *mask, int64_t l, int64_t r, int64_t c) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    return sw_mask_get(mask + layer->mask_offset, r * layer->shape[1] + c);
}

static int64_t kept_of(const uint8_t *mask, int64_t l) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    return sw_mask_count(mask + layer->mask_offset, layer->count);
}

static float mean_size(int64_t l, int64_t top, int64_t bottom, int64_t left, int64_t right) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    double sum = 0;
    for (int64_t r = top; r < bottom; r++)
        for (int64_t c = left; c < right; c++)
            sum += fabsf(theta[layer->offset + r * layer->shape[1] + c]);
    return (float) (sum / (double) ((bottom - top) * (right - left)));
}

/* ---- blocks --------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Blocks of a layer are whole or gone; returns how many are whole. The lowest mean kept is above the
 * highest one removed. */
static int64_t count_blocks(const uint8_t *mask, int64_t l, int64_t side, float *kept,
                            float *gone) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    int64_t blocks = 0;
    for (int64_t top = 0; top < layer->shape[0]; top += side) {
        for (int64_t left = 0; left < layer->shape[1]; left += side) {
            int64_t bottom = least(top + side, layer->shape[0]);
            int64_t right = least(left + side, layer->shape[1]);
            bool whole = get(mask, l, top, left);
            for (int64_t r = top; r < bottom; r++)
                for (int64_t c = left; c < right; c++)
                    if (get(mask, l, r, c) != whole) CU_FAIL("a block is in pieces");
            float mean = mean_size(l, top, bottom, left, right);
            *(whole ? kept : gone) = whole ? fminf(*kept, mean) : fmaxf(*gone, mean);
            blocks += whole;
        }
    }
    return blocks;
}

static void blocks_go_as_one_with_exact_counts(void) {
    const struct {
        const char *name;
        int64_t side, blocks[3]; /* of the whole layers; 0: stays whole */
    } cases[] = {{"block4", 4, {10 * 9, 5 * 10, 3 * 5}},
                 {"block8", 8, {5 * 5, 3 * 5, 2 * 3}},
                 {"block16", 16, {3 * 3, 2 * 3, 0}}};
    for (int i = 0; i < 3; i++) {
        uint8_t parent[MOST / 8], mask[MOST / 8] = {0};
        int64_t left[3] = {cases[i].blocks[0], cases[i].blocks[1], cases[i].blocks[2]};
        choose(cases[i].name, "layer");
        memcpy(parent, full, sizeof parent);
        for (int64_t round = 1; round <= 6; round++) {
            int64_t most[3];
            prune(round, parent, mask);
            sw_prune_kept(&spec, &arch, round, most);
            for (int64_t l = 0; l < 3; l++) {
                float kept = INFINITY, gone = 0;
                double rate = l == 2 ? 0.1 : 0.2;
                CU_ASSERT_TRUE(kept_of(mask, l) <= most[l]);
                if (cases[i].blocks[l] == 0) {
                    CU_ASSERT_EQUAL(kept_of(mask, l), sw_arch_layer(&arch, l)->count);
                    continue;
                }
                left[l] -= (int64_t) floor(rate * (double) left[l] + 0.5);
                CU_ASSERT_EQUAL(count_blocks(mask, l, cases[i].side, &kept, &gone), left[l]);
                if (round == 1) CU_ASSERT_TRUE(gone < kept);
            }
            CU_ASSERT_TRUE(kept_of(mask, 0) + kept_of(mask, 1) + kept_of(mask, 2) <=
                           sw_prune_total(&spec, &arch, round));
            memcpy(parent, mask, sizeof parent);
        }
    }
}

/* 37 x 36 in blocks of 8: 16 whole, 4 of 8 x 4 at the right, 4 of 5 x 8 below, 1 of 5 x 4. */
static void the_most_weights_are_those_of_the_largest_blocks(void) {
    int64_t kept[3];
    choose("block8", "layer");
    CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_BOUNDS);
    sw_prune_kept(&spec, &arch, 0, kept);
    CU_ASSERT_EQUAL(kept[0], 37 * 36);
    CU_ASSERT_EQUAL(kept[1], 19 * 37);
    sw_prune_kept(&spec, &arch, 1, kept); /* 20 of 25 blocks, 12 of 15, 5 of 6 */
    CU_ASSERT_EQUAL(kept[0], 16 * 64 + 4 * 40);
    CU_ASSERT_EQUAL(kept[1], 8 * 64 + 2 * 40 + 2 * 24); /* right 8 x 5, below 3 x 8 */
    CU_ASSERT_EQUAL(kept[2], 2 * 64 + 1 * 24 + 2 * 16); /* right 8 x 3, below 2 x 8 */
    spec.prune_rate = 0.5;
    sw_prune_kept(&spec, &arch, 2, kept); /* 12, then 6 */
    CU_ASSERT_EQUAL(kept[0], 6 * 64);
    spec.prune_rate = 0.2;
}

static void blocks_compete_in_global_scope(void) {
    uint8_t mask[MOST / 8] = {0};
    float kept = INFINITY, gone = 0;
    choose("block8", "global");
    prune(1, full, mask);
    int64_t blocks = count_blocks(mask, 0, 8, &kept, &gone);
    blocks += count_blocks(mask, 1, 8, &kept, &gone);
    CU_ASSERT_EQUAL(blocks, 40 - 8);
    CU_ASSERT_TRUE(gone < kept);
    CU_ASSERT_TRUE(kept_of(mask, 0) + kept_of(mask, 1) + kept_of(mask, 2) <=
                   sw_prune_total(&spec, &arch, 1));
}

static void block_targets_are_met_in_blocks(void) {
    choose("block4", "layer");
    spec.prune_target = 0.5;
    int64_t rounds = sw_prune_rounds(&spec, &arch);
    uint8_t mask[MOST / 8] = {0}, parent[MOST / 8];
    float kept = INFINITY, gone = 0;
    memcpy(parent, full, sizeof parent);
    for (int64_t round = 1; round <= rounds; round++) {
        prune(round, parent, mask);
        memcpy(parent, mask, sizeof parent);
    }
    int64_t blocks = 0;
    for (int64_t l = 0; l < 3; l++)
        blocks += count_blocks(mask, l, 4, &kept, &gone);
    CU_ASSERT_EQUAL(blocks, 78); /* half of 155, rounded up */
    spec.prune_target = NAN;
}

/* ---- units ---------------------------------------------------------------------------------- */

/* Rows of a layer that are left; fails unless the mask is rows times columns. */
static int64_t count_units(const uint8_t *mask, int64_t l) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    int64_t units = 0;
    for (int64_t r = 0; r < layer->shape[0]; r++) {
        bool row = false;
        for (int64_t c = 0; c < layer->shape[1]; c++)
            row |= get(mask, l, r, c);
        units += row;
        for (int64_t c = 0; c < layer->shape[1]; c++) {
            bool column = l == 0;
            for (int64_t k = 0; l > 0 && k < sw_arch_layer(&arch, l - 1)->shape[1]; k++)
                column |= get(mask, l - 1, c, k);
            if (get(mask, l, r, c) != (row && column)) CU_FAIL("a unit is in pieces");
        }
    }
    return units;
}

static void units_go_with_the_weights_that_read_them(void) {
    uint8_t parent[MOST / 8], mask[MOST / 8] = {0};
    int64_t left[2] = {37, 19}, kept[3];
    choose("neuron", "layer");
    CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_LAYERS);
    memcpy(parent, full, sizeof parent);
    for (int64_t round = 1; round <= 8; round++) {
        prune(round, parent, mask);
        for (int64_t l = 0; l < 2; l++) {
            left[l] -= (int64_t) floor(0.2 * (double) left[l] + 0.5);
            CU_ASSERT_EQUAL(count_units(mask, l), left[l]);
        }
        CU_ASSERT_EQUAL(count_units(mask, 2), 10);
        sw_prune_kept(&spec, &arch, round, kept);
        for (int64_t l = 0; l < 3; l++)
            CU_ASSERT_EQUAL(kept_of(mask, l), kept[l]);
        CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, round), kept[0] + kept[1] + kept[2]);
        memcpy(parent, mask, sizeof parent);
    }
    double share = 0.8 * 0.8;
    CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 2),
                           1 - (share * 1332 + share * share * 703 + share * 190) / 2225, 1e-12);
}

static void units_with_small_incoming_weights_go_first(void) {
    uint8_t mask[MOST / 8] = {0}, next[MOST / 8] = {0};
    choose("neuron", "layer");
    prune(1, full, mask);
    float kept = INFINITY, gone = 0;
    for (int64_t r = 0; r < 37; r++) {
        float size = mean_size(0, r, r + 1, 0, 36);
        *(get(mask, 0, r, 0) ? &kept : &gone) = get(mask, 0, r, 0) ? fminf(kept, size)
                                                                   : fmaxf(gone, size);
    }
    CU_ASSERT_TRUE(gone < kept);
    /* Of fc2 only the weights that are left count, in the next round. */
    prune(2, mask, next);
    kept = INFINITY;
    gone = 0;
    for (int64_t r = 0; r < 19; r++) {
        double sum = 0;
        int n = 0;
        for (int64_t c = 0; c < 37; c++) {
            if (!get(mask, 1, r, c)) continue;
            sum += fabsf(theta[sw_arch_layer(&arch, 1)->offset + r * 37 + c]);
            n++;
        }
        bool stays = false;
        for (int64_t c = 0; c < 37; c++)
            stays |= get(next, 1, r, c);
        if (n > 0 && stays) kept = fminf(kept, (float) (sum / n));
        if (n > 0 && !stays) gone = fmaxf(gone, (float) (sum / n));
    }
    CU_ASSERT_TRUE(gone > 0 && gone < kept);
}

static void units_of_all_layers_compete_in_global_scope(void) {
    uint8_t mask[MOST / 8] = {0};
    int64_t likely[3], most[3];
    choose("neuron", "global");
    CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_BOUNDS);
    prune(1, full, mask);
    CU_ASSERT_EQUAL(count_units(mask, 0) + count_units(mask, 1), 56 - 11);
    CU_ASSERT_EQUAL(count_units(mask, 2), 10);
    sw_prune_kept(&spec, &arch, 1, most);
    sw_prune_likely(&spec, &arch, 1, likely);
    for (int64_t l = 0; l < 3; l++)
        CU_ASSERT_TRUE(kept_of(mask, l) <= most[l] && likely[l] <= most[l] && likely[l] > 0);
}

/* A layer that would lose all units keeps min_keep of them. */
static void min_keep_counts_units(void) {
    uint8_t mask[MOST / 8] = {0};
    const struct sw_param *layer = sw_arch_layer(&arch, 1);
    float saved[MOST];
    memcpy(saved, theta, sizeof saved);
    for (int64_t i = 0; i < layer->count; i++)
        theta[layer->offset + i] *= 1e-3F;
    choose("neuron", "global");
    spec.prune_rate = 0.5;
    spec.prune_min_keep = 4;
    prune(1, full, mask);
    CU_ASSERT_EQUAL(count_units(mask, 1), 4);
    CU_ASSERT_EQUAL(count_units(mask, 0), 28 - 4);
    CU_ASSERT_EQUAL(report.held_at[1], 0);
    spec.prune_rate = 0.2;
    spec.prune_min_keep = 1;
    memcpy(theta, saved, sizeof saved);
}

/* ---- controls ------------------------------------------------------------------------------- */

static void shuffled_groups_stay_groups(void) {
    const char *const names[] = {"block4", "block8", "block16", "neuron"};
    const int64_t sides[] = {4, 8, 16, 0};
    for (int i = 0; i < 4; i++) {
        uint8_t first[MOST / 8] = {0}, ticket[MOST / 8] = {0}, mask[MOST / 8];
        choose(names[i], "layer");
        prune(1, full, first);
        prune(2, first, ticket);
        SW_TEST_OK(sw_prune_control_mask(&spec, &arch, SW_CONTROL_SHUFFLE, 2, ticket, mask));
        CU_ASSERT_NOT_EQUAL(memcmp(mask, ticket, (size_t) arch.mask_bytes), 0);
        for (int64_t l = 0; l < 3; l++) {
            float unused = 0, other = 0;
            CU_ASSERT_EQUAL(kept_of(mask, l), kept_of(ticket, l));
            CU_ASSERT_TRUE(sw_mask_is_clean(mask + sw_arch_layer(&arch, l)->mask_offset,
                                            sw_arch_layer(&arch, l)->count));
            if (sides[i] == 0) CU_ASSERT_EQUAL(count_units(mask, l), count_units(ticket, l));
            if (sides[i] > 0 && kept_of(ticket, l) < sw_arch_layer(&arch, l)->count)
                CU_ASSERT_EQUAL(count_blocks(mask, l, sides[i], &unused, &other),
                                count_blocks(ticket, l, sides[i], &unused, &other));
        }
    }
}

static void networks_that_cannot_be_cut_are_refused(void) {
    struct sw_arch small;
    const char *key = NULL;
    int64_t shape[3] = {1, 3, 3};
    SW_TEST_OK(sw_arch_create("mlp-8", shape, 4, &small));
    choose("block16", "layer");
    SW_TEST_FAILS(sw_prune_check(&spec, &small, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.granularity");
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "16 x 16"));
    choose("block4", "layer");
    SW_TEST_OK(sw_prune_check(&spec, &small, &key));
    choose("neuron", "layer");
    SW_TEST_OK(sw_prune_check(&spec, &small, &key));
    small.params[0].rank = 4; /* as a convolution has */
    SW_TEST_FAILS(sw_prune_check(&spec, &small, &key), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "fully connected"));
    sw_arch_fini(&small);
}

static CU_TestInfo blocks[] = {
    {"blocks go as one with exact counts", blocks_go_as_one_with_exact_counts},
    {"the most weights are those of the largest blocks",
     the_most_weights_are_those_of_the_largest_blocks},
    {"blocks compete in global scope", blocks_compete_in_global_scope},
    {"block targets are met in blocks", block_targets_are_met_in_blocks},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo units[] = {
    {"units go with the weights that read them", units_go_with_the_weights_that_read_them},
    {"units with small incoming weights go first", units_with_small_incoming_weights_go_first},
    {"units of all layers compete in global scope", units_of_all_layers_compete_in_global_scope},
    {"min_keep counts units", min_keep_counts_units},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo others[] = {
    {"shuffled groups stay groups", shuffled_groups_stay_groups},
    {"networks that cannot be cut are refused", networks_that_cannot_be_cut_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"blocks", set_up, tear_down, NULL, NULL, blocks},
    {"units", set_up, tear_down, NULL, NULL, units},
    {"others", set_up, tear_down, NULL, NULL, others},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_groups", suites);
}
