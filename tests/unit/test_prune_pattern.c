/* N:M patterns: exact in every window, ragged ones at the ends of rows included. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/prune.h"

#define MOST 4000

static struct sw_arch arch;
static struct sw_trial_spec spec;
static float theta[MOST];
static uint8_t full[MOST / 8], mask[MOST / 8];
static struct sw_prune_report report;

/* mlp-13-10 on 15 features has rows of 15, 13 and 10. */
static int set_up(void) {
    if (sw_arch_create("mlp-13-10", (int64_t[3]){1, 3, 5}, 7, &arch) != SW_OK) return 1;
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

static void choose(const char *granularity) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_granularity, granularity);
}

/* With nothing removed, survivors are all parameters. */
static void prune(void) {
    SW_TEST_OK(sw_prune_round(&spec, &arch, 1, full, theta, NULL, mask, &report));
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Every window keeps min(keep, its size); with `scores` those are the largest ones. */
static void expect_pattern(int64_t l, int64_t keep, int64_t of, bool scores) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    const uint8_t *bits = mask + layer->mask_offset;
    int64_t columns = layer->shape[1], wrong = 0;
    for (int64_t r = 0; r < layer->shape[0]; r++)
        for (int64_t left = 0; left < columns; left += of) {
            int64_t n = 0, right = least(left + of, columns);
            float kept = INFINITY, gone = -1;
            for (int64_t i = r * columns + left; i < r * columns + right; i++) {
                bool there = sw_mask_get(bits, i);
                float size = fabsf(theta[layer->offset + i]);
                n += there;
                if (there) kept = fminf(kept, size);
                if (!there) gone = fmaxf(gone, size);
            }
            wrong += n != least(keep, right - left) || (scores && gone > kept);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void every_window_keeps_its_best(void) {
    static const struct {
        const char *name;
        int64_t keep, of, kept[3];
    } cases[] = {{"nm2-4", 2, 4, {13 * (6 + 2), 10 * (6 + 1), 7 * (4 + 2)}},
                 {"nm4-8", 4, 8, {13 * (4 + 4), 10 * (4 + 4), 7 * (4 + 2)}}};
    for (int i = 0; i < 2; i++) {
        int64_t kept[SW_MAX_LAYERS], total = 0;
        choose(cases[i].name);
        prune();
        CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_LAYERS);
        sw_prune_kept(&spec, &arch, 1, kept);
        for (int64_t l = 0; l < 3; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            expect_pattern(l, cases[i].keep, cases[i].of, true);
            CU_ASSERT_EQUAL(sw_mask_count(mask + layer->mask_offset, layer->count),
                            cases[i].kept[l]);
            CU_ASSERT_EQUAL(kept[l], cases[i].kept[l]);
            CU_ASSERT_EQUAL(report.held_at[l], -1);
            total += kept[l];
        }
        CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, 1), total);
        CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 1),
                               1 - (double) total / (double) arch.prunable, 1e-12);
        CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 1); /* of 20 */
    }
}

/* Of equal scores the first ones go, as everywhere. */
static void ties_go_by_index(void) {
    float saved[MOST];
    memcpy(saved, theta, sizeof saved);
    for (int64_t i = 0; i < MOST; i++)
        theta[i] = i % 2 == 0 ? 0.5F : -0.5F;
    choose("nm2-4");
    prune();
    CU_ASSERT_EQUAL(mask[0], 0xCC);
    CU_ASSERT_EQUAL(mask[1] & 0x7F, 0x6C); /* weights 8..11, 12..14 */
    memcpy(theta, saved, sizeof saved);
}

static void a_rate_of_0_leaves_the_output_whole(void) {
    choose("nm2-4");
    spec.prune_output_rate = 0;
    prune();
    const struct sw_param *output = sw_arch_layer(&arch, 2);
    CU_ASSERT_EQUAL(sw_mask_count(mask + output->mask_offset, output->count), output->count);
    expect_pattern(0, 2, 4, true);
    CU_ASSERT_EQUAL(sw_prune_total(&spec, &arch, 1), 13 * 8 + 10 * 7 + 70);
}

static void shuffled_patterns_are_patterns(void) {
    uint8_t ticket[MOST / 8];
    choose("nm4-8");
    spec.prune_output_rate = 0;
    prune();
    memcpy(ticket, mask, sizeof ticket);
    SW_TEST_OK(sw_prune_control_mask(&spec, &arch, SW_CONTROL_SHUFFLE, 1, ticket, mask));
    CU_ASSERT_NOT_EQUAL(memcmp(mask, ticket, (size_t) arch.mask_bytes), 0);
    expect_pattern(0, 4, 8, false);
    expect_pattern(1, 4, 8, false);
    const struct sw_param *output = sw_arch_layer(&arch, 2);
    CU_ASSERT_EQUAL(sw_mask_count(mask + output->mask_offset, output->count), output->count);
}

static void what_a_pattern_says_is_not_said_again(void) {
    const char *key = NULL;
    choose("nm2-4");
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    SW_TEXT_COPY(spec.prune_scope, "global");
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.scope");
    choose("nm2-4");
    spec.prune_target = 0.5;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.target");
    choose("nm2-4");
    spec.prune_conv_rate = 0.5;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.conv_rate");
    choose("nm2-4");
    spec.prune_min_keep = 50;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.min_keep");
    choose("nm2-4");
    SW_TEXT_COPY(spec.train_format, "bsr");
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "train.format");
}

static CU_TestInfo pattern[] = {
    {"every window keeps its best", every_window_keeps_its_best},
    {"ties go by index", ties_go_by_index},
    {"a rate of 0 leaves the output whole", a_rate_of_0_leaves_the_output_whole},
    {"shuffled patterns are patterns", shuffled_patterns_are_patterns},
    {"what a pattern says is not said again", what_a_pattern_says_is_not_said_again},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"pattern", set_up, tear_down, NULL, NULL, pattern},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_pattern", suites);
}
