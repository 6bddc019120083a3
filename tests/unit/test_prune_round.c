#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"
#include "sweepstake/prune.h"

#define MOST 2000 /* parameters of the networks below */

static struct sw_arch arch;
static struct sw_trial_spec spec;
static uint8_t full[MOST / 8];
static float theta[MOST]; /* "trained" weights, biases included */
static struct sw_prune_report report;

/* mlp-13-5 on 9 features with 3 classes: layers of 117, 65 and 15 weights, none a whole byte. */
static int set_up(void) {
    int64_t shape[3] = {1, 3, 3};
    if (sw_arch_create("mlp-13-5", shape, 3, &arch) != SW_OK) return 1;
    sw_spec_set_defaults(&spec);
    spec.seed = 3;
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

/* Survivors of `mask` out of theta, parameters in order. */
static void gather(const uint8_t *mask, float *survivors) {
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        const float *from = theta + param->offset;
        if (param->prunable) {
            survivors += sw_mask_gather(mask + param->mask_offset, param->count, from, survivors);
            continue;
        }
        memcpy(survivors, from, (size_t) param->count * sizeof *from);
        survivors += param->count;
    }
}

static enum sw_status prune(int64_t round, const uint8_t *parent, uint8_t *mask) {
    float survivors[MOST];
    gather(parent, survivors);
    return sw_prune_round(&spec, &arch, round, parent, survivors, NULL, mask, &report);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void rounds_are_nested_with_exact_counts(void) {
    uint8_t parent[MOST / 8], mask[MOST / 8] = {0};
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    memcpy(parent, full, sizeof parent);
    for (int64_t round = 1; round <= 12; round++) {
        int64_t kept[3];
        sw_prune_kept(&spec, &arch, round, kept);
        SW_TEST_OK(prune(round, parent, mask));
        for (int64_t l = 0; l < 3; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            const uint8_t *bits = mask + layer->mask_offset;
            CU_ASSERT_EQUAL(sw_mask_count(bits, layer->count), kept[l]);
            CU_ASSERT_TRUE(sw_mask_is_nested(bits, parent + layer->mask_offset, layer->count));
            CU_ASSERT_TRUE(sw_mask_is_clean(bits, layer->count));
        }
        memcpy(parent, mask, sizeof parent);
    }
}

static void magnitude_removes_the_smallest_weights(void) {
    uint8_t mask[MOST / 8] = {0};
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    SW_TEST_OK(prune(1, full, mask));
    for (int64_t l = 0; l < 3; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        float largest_gone = 0, smallest_left = INFINITY;
        for (int64_t i = 0; i < layer->count; i++) {
            float size = fabsf(theta[layer->offset + i]);
            if (!sw_mask_get(mask + layer->mask_offset, i))
                largest_gone = fmaxf(largest_gone, size);
            else
                smallest_left = fminf(smallest_left, size);
        }
        CU_ASSERT_TRUE(largest_gone < smallest_left);
    }
}

static void random_depends_on_seed_and_round_alone(void) {
    uint8_t first[MOST / 8] = {0}, again[MOST / 8] = {0}, other[MOST / 8] = {0};
    float kept_value = theta[0];
    SW_TEXT_COPY(spec.prune_criterion, "random");
    SW_TEST_OK(prune(1, full, first));
    theta[0] = 1e6F; /* of no importance */
    SW_TEST_OK(prune(1, full, again));
    theta[0] = kept_value;
    CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
    spec.seed++;
    SW_TEST_OK(prune(1, full, other));
    spec.seed--;
    CU_ASSERT_NOT_EQUAL(memcmp(first, other, sizeof first), 0);
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    SW_TEST_OK(prune(1, full, other));
    CU_ASSERT_NOT_EQUAL(memcmp(first, other, sizeof first), 0);
}

/* Layers have streams of their own: scores of one do not repeat in another. */
static void random_scores_differ_between_layers_and_rounds(void) {
    const struct sw_criterion *criterion = sw_criterion_find("random");
    float a[64], b[64], c[64];
    SW_TEST_OK(criterion->score(
        &(struct sw_score_input){.count = 64, .seed = 5, .round = 1, .layer = 0}, a));
    SW_TEST_OK(criterion->score(
        &(struct sw_score_input){.count = 64, .seed = 5, .round = 1, .layer = 1}, b));
    SW_TEST_OK(criterion->score(
        &(struct sw_score_input){.count = 64, .seed = 5, .round = 2, .layer = 0}, c));
    int equal = 0;
    for (int i = 0; i < 64; i++) {
        equal += a[i] == b[i] || a[i] == c[i];
        CU_ASSERT_TRUE(a[i] >= 0 && a[i] <= 1);
    }
    CU_ASSERT_EQUAL(equal, 0);
}

static void an_unknown_criterion_is_named(void) {
    uint8_t mask[MOST / 8] = {0x55};
    SW_TEXT_COPY(spec.prune_criterion, "size");
    SW_TEST_FAILS(prune(1, full, mask), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "'size'"));
    CU_ASSERT_EQUAL(mask[0], 0x55); /* nothing is written on failure */
}

static void counts_above_the_parents_are_refused(void) {
    uint8_t parent[MOST / 8] = {0}, mask[MOST / 8] = {0x55};
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    SW_TEST_OK(prune(3, full, parent));
    SW_TEST_FAILS(prune(2, parent, mask), SW_INTERNAL);
    CU_ASSERT_EQUAL(mask[0], 0x55);
}

static CU_TestInfo rounds[] = {
    {"rounds are nested with exact counts", rounds_are_nested_with_exact_counts},
    {"magnitude removes the smallest weights", magnitude_removes_the_smallest_weights},
    {"random depends on seed and round alone", random_depends_on_seed_and_round_alone},
    {"random scores differ between layers and rounds",
     random_scores_differ_between_layers_and_rounds},
    {"an unknown criterion is named", an_unknown_criterion_is_named},
    {"counts above the parent's are refused", counts_above_the_parents_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"rounds", set_up, tear_down, NULL, NULL, rounds},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_round", suites);
}
