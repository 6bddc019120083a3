/* Tickets that are converted: a new mask of another granularity, from trained weights. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"

#define MOST 4000

static struct sw_arch arch, lenet;
static struct sw_trial_spec spec;
static float theta[MOST];
static uint8_t parent[MOST / 8], mask[MOST / 8];

/* mlp-37-19 on 36 features: layers of 37 x 36, 19 x 37 and 10 x 19 weights. */
static int set_up(void) {
    if (sw_arch_create("mlp-37-19", (int64_t[3]){1, 6, 6}, 10, &arch) != SW_OK) return 1;
    if (sw_arch_create("lenet-5", (int64_t[3]){1, 28, 28}, 10, &lenet) != SW_OK) return 1;
    for (int64_t i = 0; i < arch.parameters; i++)
        theta[i] = (float) sw_random_normal(1, SW_RANDOM_BENCH, 0, (uint64_t) i);
    return 0;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    sw_arch_fini(&lenet);
    return 0;
}

static void choose(const char *granularity, const char *scope) {
    sw_spec_set_defaults(&spec);
    spec.prune_rounds = 5;
    spec.prune_rate = 0.4;
    spec.prune_convert_round = 2;
    SW_TEXT_COPY(spec.prune_convert_granularity, granularity);
    SW_TEXT_COPY(spec.prune_scope, scope);
}

static void prune(int64_t round) {
    struct sw_prune_report report;
    float survivors[MOST];
    float *next = survivors;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(parent + param->mask_offset, i))
                *next++ = theta[param->offset + i];
    }
    const struct sw_prune_source source = {.theta0 = theta, .reference = theta};
    SW_TEST_OK(sw_prune_round(&spec, &arch, round, parent, survivors, &source, mask, &report));
}

static void begin(void) {
    memset(parent, 0, sizeof parent);
    memset(mask, 0, sizeof mask);
    for (int64_t l = 0; l < 3; l++)
        sw_mask_fill(parent + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
    for (int64_t round = 1; round <= 2; round++) {
        prune(round);
        memcpy(parent, mask, sizeof parent);
    }
}

static int64_t kept_of(int64_t l) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    return sw_mask_count(mask + layer->mask_offset, layer->count);
}

static bool is_nested(void) {
    for (int64_t l = 0; l < 3; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        if (!sw_mask_is_nested(mask + layer->mask_offset, parent + layer->mask_offset,
                               layer->count))
            return false;
    }
    return true;
}

/* Sum of the sizes of the parent's survivors in a block, over the block's weights. */
static double score(int64_t l, int64_t top, int64_t left, int64_t side) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    double sum = 0;
    int64_t n = 0;
    for (int64_t r = top; r < top + side && r < layer->shape[0]; r++)
        for (int64_t c = left; c < left + side && c < layer->shape[1]; c++, n++) {
            int64_t i = r * layer->shape[1] + c;
            if (sw_mask_get(parent + layer->mask_offset, i)) sum += fabsf(theta[layer->offset + i]);
        }
    return sum / (double) n;
}

/* Blocks are whole or gone, as many of a layer as have the ticket's density, and the best ones. */
static void blocks_take_the_place_of_weights(void) {
    const int64_t blocks[3] = {10 * 9, 5 * 10, 3 * 5};
    choose("block4", "layer");
    begin();
    prune(3);
    CU_ASSERT_FALSE(is_nested());
    for (int64_t l = 0; l < 3; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        int64_t whole = 0;
        double kept = INFINITY, gone = 0;
        for (int64_t top = 0; top < layer->shape[0]; top += 4)
            for (int64_t left = 0; left < layer->shape[1]; left += 4) {
                bool there = sw_mask_get(mask + layer->mask_offset, top * layer->shape[1] + left);
                double size = score(l, top, left, 4);
                whole += there;
                if (there) kept = fmin(kept, size);
                if (!there) gone = fmax(gone, size);
            }
        double density = (double) sw_mask_count(parent + layer->mask_offset, layer->count) /
                         (double) layer->count;
        CU_ASSERT_EQUAL(whole, (int64_t) floor(density * (double) blocks[l] + 0.5));
        CU_ASSERT_TRUE(gone <= kept * (1 + 1e-6));
        CU_ASSERT_TRUE(
            sw_mask_is_blocks(mask + layer->mask_offset, layer->shape[0], layer->shape[1], 4));
    }
    /* What follows is pruned from there, and stays nested. */
    for (int64_t round = 4; round <= 5; round++) {
        int64_t before = kept_of(0), most[SW_MAX_LAYERS];
        memcpy(parent, mask, sizeof parent);
        prune(round);
        CU_ASSERT_TRUE(is_nested());
        CU_ASSERT_TRUE(kept_of(0) < before);
        sw_prune_kept(&spec, &arch, round, most);
        CU_ASSERT_TRUE(kept_of(0) <= most[0] && kept_of(1) <= most[1] && kept_of(2) <= most[2]);
    }
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 5);
}

static double sparsity(void) {
    return 1 - (double) (kept_of(0) + kept_of(1) + kept_of(2)) / (double) arch.prunable;
}

static void sparsity_is_the_tickets_or_what_is_said(void) {
    static const char *const names[] = {"block4", "neuron", "weight"};
    static const char *const scopes[] = {"layer", "global"};
    for (int i = 0; i < 6; i++) {
        choose(names[i % 3], scopes[i / 3]);
        begin();
        double before = sparsity();
        prune(3);
        CU_ASSERT_DOUBLE_EQUAL(sparsity(), before, 0.035); /* of whole units */
        CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 3), before, 0.035);
        spec.prune_convert_sparsity = 0.8;
        memset(mask, 0, sizeof mask);
        prune(3);
        CU_ASSERT_DOUBLE_EQUAL(sparsity(), 0.8, 0.035);
    }
}

static void a_pattern_ends_the_trial(void) {
    choose("nm2-4", "layer");
    begin();
    prune(3);
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 3);
    CU_ASSERT_EQUAL(kept_of(0), 37 * 18);
    CU_ASSERT_EQUAL(kept_of(1), 19 * (18 + 1));
}

static void stages_have_granularities_of_their_own(void) {
    struct sw_trial_spec stage;
    choose("neuron", "layer");
    sw_prune_stage(&spec, 2, &stage);
    CU_ASSERT_STRING_EQUAL(stage.prune_granularity, "weight");
    CU_ASSERT_FALSE(sw_prune_removes_units(&stage));
    sw_prune_stage(&spec, 3, &stage);
    CU_ASSERT_TRUE(sw_prune_removes_units(&stage));
    CU_ASSERT_TRUE(sw_prune_is_conversion(&spec, 3) && sw_prune_is_conversion(&stage, 3));
    CU_ASSERT_FALSE(sw_prune_is_conversion(&spec, 2) || sw_prune_is_conversion(&stage, 4));
    begin();
    prune(3);
    memcpy(parent, mask, sizeof parent);
    SW_TEST_OK(sw_prune_control_mask(&spec, &arch, SW_CONTROL_SHUFFLE, 3, parent, mask));
    for (int64_t r = 0; r < 37; r++) { /* rows are whole or gone */
        int64_t n = 0;
        for (int64_t c = 0; c < 36; c++)
            n += sw_mask_get(mask, r * 36 + c);
        CU_ASSERT_TRUE(n == 0 || n == 36);
    }
}

static void expect_refusal(const struct sw_arch *of, const char *key) {
    const char *found = NULL;
    SW_TEST_FAILS(sw_prune_check(&spec, of, &found), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(found, key);
}

static void what_cannot_be_is_refused(void) {
    const char *key = NULL;
    choose("filter", "layer");
    SW_TEST_OK(sw_prune_check(&spec, &lenet, &key));
    expect_refusal(&arch, "prune.convert.granularity"); /* no convolutions */
    spec.prune_rounds = 2;
    expect_refusal(&lenet, "prune.convert.round");
    choose("filter", "layer");
    SW_TEXT_COPY(spec.prune_schedule, "one-shot");
    expect_refusal(&lenet, "prune.convert.round");
    choose("filter", "layer");
    spec.prune_target = 0.9;
    expect_refusal(&lenet, "prune.target");
    choose("block8", "layer");
    SW_TEXT_COPY(spec.prune_granularity, "nm2-4");
    expect_refusal(&arch, "prune.convert.round"); /* that stage has one round only */
    choose("nm2-4", "layer");
    spec.prune_convert_sparsity = 0.5;
    expect_refusal(&arch, "prune.convert.sparsity");
    choose("nm2-4", "global");
    expect_refusal(&arch, "prune.scope");
    choose("block8", "layer");
    SW_TEXT_COPY(spec.train_format, "bsr");
    expect_refusal(&arch, "train.format"); /* the first stage is none of blocks */
}

static CU_TestInfo convert[] = {
    {"blocks take the place of weights", blocks_take_the_place_of_weights},
    {"sparsity is the ticket's or what is said", sparsity_is_the_tickets_or_what_is_said},
    {"a pattern ends the trial", a_pattern_ends_the_trial},
    {"stages have granularities of their own", stages_have_granularities_of_their_own},
    {"what cannot be is refused", what_cannot_be_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"convert", set_up, tear_down, NULL, NULL, convert},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_convert", suites);
}
