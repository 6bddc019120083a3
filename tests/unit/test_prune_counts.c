#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/net.h"
#include "sweepstake/prune.h"

static const int64_t image[3] = {1, 28, 28};

static struct sw_arch make(const char *model, int64_t features, int64_t classes) {
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create(model, (int64_t[3]){1, 1, features}, classes, &arch));
    return arch;
}

static struct sw_trial_spec settings(double rate, double output_rate, double target) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    spec.prune_rate = rate;
    spec.prune_output_rate = output_rate;
    spec.prune_target = target;
    spec.prune_rounds = 1000;
    return spec;
}

static int64_t total_kept(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          int64_t round) {
    int64_t kept[SW_MAX_LAYERS], total = 0;
    sw_prune_kept(spec, arch, round, kept);
    for (int64_t l = 0; l < arch->n_layers; l++)
        total += kept[l];
    return total;
}

/* ---- iterative ----------------------------------------------------------------------------- */

/* Frankle & Carbin 2019, figures 1 and 3: percent of weights left of LeNet after n prunes. */
static void lenet_keeps_the_percentages_of_the_paper(void) {
    const struct {
        int64_t round;
        double percent;
    } paper[] = {{0, 100},  {1, 80.0}, {2, 64.1}, {3, 51.3}, {4, 41.1}, {7, 21.1},
                 {9, 13.5}, {12, 7.0}, {15, 3.6}, {16, 2.9}, {18, 1.9}, {20, 1.2}};
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create("lenet-300-100", image, 10, &arch));
    struct sw_trial_spec spec = settings(0.2, 0.5, NAN);
    for (size_t i = 0; i < sizeof paper / sizeof *paper; i++) {
        double kept = (double) total_kept(&spec, &arch, paper[i].round);
        double percent = 100 * kept / (double) arch.prunable;
        CU_ASSERT_DOUBLE_EQUAL(percent, paper[i].percent, 0.1);
        double requested = sw_prune_requested(&spec, &arch, paper[i].round);
        CU_ASSERT_DOUBLE_EQUAL(requested, 1 - kept / (double) arch.prunable, 2e-5);
    }
    sw_arch_fini(&arch);
}

static void each_layer_has_its_own_rate(void) {
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create("lenet-300-100", image, 10, &arch));
    struct sw_trial_spec spec = settings(0.2, 0.5, NAN);
    int64_t kept[3];
    sw_prune_kept(&spec, &arch, 1, kept);
    CU_ASSERT_EQUAL(kept[0], 188160);
    CU_ASSERT_EQUAL(kept[1], 24000);
    CU_ASSERT_EQUAL(kept[2], 900);
    sw_prune_kept(&spec, &arch, 2, kept);
    CU_ASSERT_EQUAL(kept[0], 150528);
    CU_ASSERT_EQUAL(kept[1], 19200);
    CU_ASSERT_EQUAL(kept[2], 810);
    spec.prune_output_rate = 0;
    sw_prune_kept(&spec, &arch, 9, kept);
    CU_ASSERT_EQUAL(kept[2], 1000);
    sw_arch_fini(&arch);
}

/* mlp-3 on 5 features with 2 classes: layers of 15 and 6 weights. */
static void halves_are_rounded_up(void) {
    struct sw_arch arch = make("mlp-3", 5, 2);
    struct sw_trial_spec spec = settings(0.5, 1, NAN);
    int64_t kept[2];
    sw_prune_kept(&spec, &arch, 1, kept); /* 7.5 and 3 go */
    CU_ASSERT_EQUAL(kept[0], 7);
    CU_ASSERT_EQUAL(kept[1], 3);
    sw_prune_kept(&spec, &arch, 2, kept); /* 3.5 and 1.5 go */
    CU_ASSERT_EQUAL(kept[0], 3);
    CU_ASSERT_EQUAL(kept[1], 1);
    sw_arch_fini(&arch);
}

static void a_share_below_half_a_weight_removes_none(void) {
    struct sw_arch arch = make("mlp-3", 5, 2);
    struct sw_trial_spec spec = settings(0.03, 1, NAN); /* 0.45 and 0.18 of a weight */
    CU_ASSERT_EQUAL(total_kept(&spec, &arch, 500), 21);
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 1000);
    sw_arch_fini(&arch);
}

static void no_layer_falls_below_min_keep(void) {
    struct sw_arch arch = make("mlp-3", 5, 2);
    struct sw_trial_spec spec = settings(0.9, 1, NAN);
    int64_t kept[2];
    const int64_t floors[] = {1, 4, 6, 10, 1000};
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++) {
        spec.prune_min_keep = floors[i];
        sw_prune_kept(&spec, &arch, 50, kept);
        CU_ASSERT_EQUAL(kept[0], floors[i] < 15 ? floors[i] : 15);
        CU_ASSERT_EQUAL(kept[1], floors[i] < 6 ? floors[i] : 6);
    }
    sw_arch_fini(&arch);
}

static void counts_never_rise(void) {
    struct sw_arch arch = make("mlp-7-3", 11, 4);
    const double rates[] = {1e-6, 0.05, 0.3, 0.77, 0.999999};
    const double targets[] = {NAN, 0.5, 0.93};
    for (int i = 0; i < 15; i++) {
        struct sw_trial_spec spec = settings(rates[i % 5], 0.5, targets[i / 5]);
        int64_t before[3], after[3];
        sw_prune_kept(&spec, &arch, 0, before);
        for (int64_t round = 1; round < 40; round++) {
            sw_prune_kept(&spec, &arch, round, after);
            for (int l = 0; l < 3; l++) {
                CU_ASSERT_TRUE(after[l] <= before[l] && after[l] >= 1);
                before[l] = after[l];
            }
        }
    }
    sw_arch_fini(&arch);
}

/* ---- target -------------------------------------------------------------------------------- */

/* For many targets and rates the last round keeps exactly what is asked for, and none before it less. */
static void a_target_is_met_exactly_and_never_passed(void) {
    struct sw_arch arch = make("mlp-30-10", 64, 10);
    int misses = 0;
    for (int t = 1; t < 100; t++) {
        for (int r = 1; r < 10; r++) {
            struct sw_trial_spec spec = settings(r / 10.0, 0.5, t / 100.0);
            int64_t goal = (int64_t) floor((1 - t / 100.0) * (double) arch.prunable + 0.5);
            int64_t rounds = sw_prune_rounds(&spec, &arch);
            misses += total_kept(&spec, &arch, rounds) != goal;
            misses += total_kept(&spec, &arch, rounds + 3) != goal;
            misses += rounds < 1 || total_kept(&spec, &arch, rounds - 1) <= goal;
        }
    }
    CU_ASSERT_EQUAL(misses, 0);
    sw_arch_fini(&arch);
}

/* The second prune would remove 37632, 4800 and 90 weights; the target leaves room for 26720 of these 42522.
 * Exact shares: 23647.22, 3016.23 and 56.55; the one with the largest remainder is rounded up. */
static void the_last_round_scales_all_layers_by_one_factor(void) {
    struct sw_arch arch;
    SW_TEST_OK(sw_arch_create("lenet-300-100", image, 10, &arch));
    struct sw_trial_spec spec = settings(0.2, 0.5, 0.3);
    int64_t first[3], last[3];
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 2);
    sw_prune_kept(&spec, &arch, 1, first);
    sw_prune_kept(&spec, &arch, 2, last);
    CU_ASSERT_EQUAL(first[0] - last[0], 23647);
    CU_ASSERT_EQUAL(first[1] - last[1], 3016);
    CU_ASSERT_EQUAL(first[2] - last[2], 57);
    CU_ASSERT_EQUAL(last[0] + last[1] + last[2], 186340);
    sw_arch_fini(&arch);
}

/* Two layers of 6 weights, 3 of each would go, room for 5: shares 2.5 and 2.5. */
static void equal_remainders_go_to_the_lower_layer(void) {
    struct sw_arch arch = make("mlp-2", 3, 3);
    struct sw_trial_spec spec = settings(0.5, 1, 5.0 / 12);
    int64_t kept[2];
    sw_prune_kept(&spec, &arch, 1, kept);
    CU_ASSERT_EQUAL(kept[0], 3);
    CU_ASSERT_EQUAL(kept[1], 4);
    sw_arch_fini(&arch);
}

static void a_target_that_a_round_hits_ends_there(void) {
    struct sw_arch arch = make("mlp-2", 3, 3); /* 12 weights, half of them go at once */
    struct sw_trial_spec spec = settings(0.5, 1, 0.5);
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 1);
    CU_ASSERT_EQUAL(total_kept(&spec, &arch, 1), 6);
    CU_ASSERT_EQUAL(total_kept(&spec, &arch, 9), 6);
    CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 9), 0.5, 0);
    sw_arch_fini(&arch);
}

static void a_target_of_zero_prunes_nothing(void) {
    struct sw_arch arch = make("mlp-3", 5, 2);
    struct sw_trial_spec spec = settings(0.5, 1, 0);
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 0);
    CU_ASSERT_EQUAL(total_kept(&spec, &arch, 4), 21);
    CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, &arch, 4), 0, 0);
    sw_arch_fini(&arch);
}

static void an_unreachable_target_uses_all_rounds(void) {
    struct sw_arch arch = make("mlp-3", 5, 2);
    struct sw_trial_spec spec = settings(0.5, 1,
                                         0.99); /* 21 weights: 0 left, but layers keep 1 each */
    spec.prune_rounds = 25;
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 25);
    CU_ASSERT_EQUAL(total_kept(&spec, &arch, 25), 2);
    spec.prune_rounds = 0;
    CU_ASSERT_EQUAL(sw_prune_rounds(&spec, &arch), 0);
    sw_arch_fini(&arch);
}

/* A schedule says how a round gets to its counts, not which they are. */
static void one_shot_rounds_keep_what_iterative_ones_do(void) {
    struct sw_arch arch = make("mlp-30-10", 64, 10);
    struct sw_trial_spec iterative = settings(0.3, 0.5, 0.8), cut = iterative;
    int64_t a[3], b[3];
    SW_TEXT_COPY(cut.prune_schedule, "one-shot");
    CU_ASSERT_EQUAL(sw_prune_rounds(&iterative, &arch), sw_prune_rounds(&cut, &arch));
    for (int64_t round = 0; round < 8; round++) {
        sw_prune_kept(&iterative, &arch, round, a);
        sw_prune_kept(&cut, &arch, round, b);
        CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    }
    CU_ASSERT_EQUAL(sw_prune_parent_round(&iterative, 5), 4);
    CU_ASSERT_EQUAL(sw_prune_parent_round(&cut, 5), 0);
    sw_arch_fini(&arch);
}

/* ---- words --------------------------------------------------------------------------------- */

static void registries_list_their_words(void) {
    const char *summary = NULL;
    CU_ASSERT_STRING_EQUAL(sw_scope_at(0, &summary), "layer");
    CU_ASSERT_TRUE(summary != NULL && strlen(summary) > 5);
    CU_ASSERT_STRING_EQUAL(sw_granularity_at(0, &summary), "weight");
    CU_ASSERT_STRING_EQUAL(sw_prune_schedule_at(0, NULL), "iterative");
    CU_ASSERT_STRING_EQUAL(sw_scope_at(1, &summary), "global");
    CU_ASSERT_PTR_NULL(sw_scope_at(2, &summary));
    CU_ASSERT_STRING_EQUAL(sw_granularity_at(4, &summary), "neuron");
    CU_ASSERT_STRING_EQUAL(sw_granularity_at(5, &summary), "filter");
    CU_ASSERT_STRING_EQUAL(sw_granularity_at(6, &summary), "channel");
    CU_ASSERT_STRING_EQUAL(sw_granularity_at(7, &summary), "nm2-4");
    CU_ASSERT_STRING_EQUAL(sw_granularity_at(8, &summary), "nm4-8");
    CU_ASSERT_PTR_NULL(sw_granularity_at(9, NULL));
    CU_ASSERT_STRING_EQUAL(sw_prune_schedule_at(1, &summary), "one-shot");
    CU_ASSERT_PTR_NULL(sw_prune_schedule_at(4, NULL));
    CU_ASSERT_PTR_NULL(sw_prune_schedule_options("linear"));
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(strlen(sw_prune_schedule_source(i)) > 20);
        CU_ASSERT_PTR_NOT_NULL(sw_prune_schedule_options(sw_prune_schedule_at(i, NULL)));
    }
    CU_ASSERT_PTR_NULL(sw_criterion_find("magnitudes"));
    CU_ASSERT_STRING_EQUAL(sw_score_weights_at(1, &summary), "init");
    CU_ASSERT_PTR_NULL(sw_score_weights_at(2, NULL));
    CU_ASSERT_STRING_EQUAL(sw_group_score_at(3, &summary), "max");
    CU_ASSERT_PTR_NULL(sw_group_score_at(4, NULL));
    CU_ASSERT_STRING_EQUAL(sw_score_reference_at(2, &summary), "previous");
    CU_ASSERT_PTR_NULL(sw_score_reference_at(3, NULL));
}

static CU_TestInfo iterative[] = {
    {"lenet keeps the percentages of the paper", lenet_keeps_the_percentages_of_the_paper},
    {"each layer has its own rate", each_layer_has_its_own_rate},
    {"halves are rounded up", halves_are_rounded_up},
    {"a share below half a weight removes none", a_share_below_half_a_weight_removes_none},
    {"no layer falls below min_keep", no_layer_falls_below_min_keep},
    {"counts never rise", counts_never_rise},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo target[] = {
    {"a target is met exactly and never passed", a_target_is_met_exactly_and_never_passed},
    {"the last round scales all layers by one factor",
     the_last_round_scales_all_layers_by_one_factor},
    {"equal remainders go to the lower layer", equal_remainders_go_to_the_lower_layer},
    {"a target that a round hits ends there", a_target_that_a_round_hits_ends_there},
    {"a target of zero prunes nothing", a_target_of_zero_prunes_nothing},
    {"an unreachable target uses all rounds", an_unreachable_target_uses_all_rounds},
    {"one-shot rounds keep what iterative ones do", one_shot_rounds_keep_what_iterative_ones_do},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo words[] = {
    {"registries list their words", registries_list_their_words},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"iterative", NULL, NULL, NULL, NULL, iterative},
    {"target", NULL, NULL, NULL, NULL, target},
    {"words", NULL, NULL, NULL, NULL, words},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_counts", suites);
}
