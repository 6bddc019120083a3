#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/prune/prune_internal.h"
#include "sweepstake/mask.h"
#include "sweepstake/net.h"

#define N 8
#define MOST 90000 /* parameters of the largest network below */

static struct sw_trial_spec spec;

/* ---- formulas ------------------------------------------------------------------------------ */

/* Eight weights: grown, shrunk, crossed zero, equal to others, zero now, zero then, zero always, removed. */
static const float trained[N] = {3, 1, -2, 2, 0, -1, 0, 9};
static const float initial[N] = {1, 2, 2, -2, 1, 0, 0, 5};
static const double slopes[N] = {0.5, -4, 1, -1, 7, 0, 2, 0};
static const double products[N] = {-1, 2, 0.5, 0, 3, 4, 5, 0};
static const float scales[2] = {-0.5F, 0.25F};
static const uint8_t seven[1] = {0x7F};

static const struct {
    const char *name;
    float scores[N]; /* the last one is of no importance */
} table[] = {
    {"magnitude", {3, 1, 2, 2, 0, 1, 0}},
    {"large_final", {3, 1, 2, 2, 0, 1, 0}},
    {"small_final", {-3, -1, -2, -2, 0, -1, 0}},
    {"large_init", {1, 2, 2, 2, 1, 0, 0}},
    {"small_init", {-1, -2, -2, -2, -1, 0, 0}},
    {"magnitude_increase", {2, -1, 0, 0, -1, 1, 0}},
    {"movement", {2, 1, 4, 4, 1, 1, 0}},
    {"large_final_same_sign", {3, 1, 0, 0, 0, 0, 0}},
    {"large_final_diff_sign", {0, 0, 2, 2, 0, 0, 0}},
    /* Shares of the seven that are smaller: 6 2 4 4 0 2 0 now, 2 4 4 4 2 0 0 then. */
    {"large_init_large_final", {2 / 7.0F, 2 / 7.0F, 4 / 7.0F, 4 / 7.0F, 0, 0, 0}},
    {"sign_magnitude", {3, 1, 0.5F, 0.5F, 0, 1, 0}},
    /* Squares from the largest down: 9, 4 (index 3), 4 (index 2), 1 (index 5), 1 (index 1). */
    {"lamp", {1, 1 / 19.0F, 4 / 17.0F, 4 / 13.0F, 0, 1 / 18.0F, 0}},
    {"snip", {1.5F, 4, 2, 2, 0, 0, 0}},
    {"gradient", {0.5F, 4, 1, 1, 7, 0, 2}},
    {"grasp", {-3, 2, -1, 0, 0, -4, 0}},
    {"norm_scale", {0.5F, 0.5F, 0.5F, 0.5F, 0.25F, 0.25F, 0.25F}},
};

static struct sw_score_input hand_input(void) {
    sw_spec_set_defaults(&spec);
    spec.prune_sign_factor = 0.25;
    return (struct sw_score_input){.spec = &spec,
                                   .mask = seven,
                                   .weights = trained,
                                   .theta0 = initial,
                                   .reference = initial,
                                   .scale = scales,
                                   .gradient = slopes,
                                   .product = products,
                                   .count = N,
                                   .rows = 2};
}

static void formulas_give_the_numbers_of_the_table(void) {
    struct sw_score_input input = hand_input();
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        const struct sw_criterion *criterion = sw_criterion_find(table[t].name);
        float scores[N];
        CU_ASSERT_PTR_NOT_NULL(criterion);
        if (criterion == NULL) return;
        SW_TEST_OK(criterion->score(&input, scores));
        for (int i = 0; i < N - 1; i++)
            if (fabsf(scores[i] - table[t].scores[i]) > 1e-7F) {
                fprintf(stderr, "  %s: weight %d scores %g, not %g\n", table[t].name, i, scores[i],
                        table[t].scores[i]);
                CU_FAIL("a score is wrong");
            }
    }
}

/* The flow comes as gradient already divided by its sum. */
static void synflow_takes_the_size_of_the_weight(void) {
    struct sw_score_input input = hand_input();
    float scores[N];
    SW_TEST_OK(sw_criterion_find("synflow")->score(&input, scores));
    CU_ASSERT_EQUAL(scores[0], 1.5F);
    CU_ASSERT_EQUAL(scores[2], 2);
    CU_ASSERT_EQUAL(scores[6], 0);
}

static void equal_scores_go_by_index(void) {
    struct sw_score_input input = hand_input();
    float scores[N];
    uint8_t mask[1] = {0x7F};
    SW_TEST_OK(sw_criterion_find("large_final")->score(&input, scores));
    SW_TEST_OK(sw_prune_select(scores, N, 3, mask)); /* 0 4 6, then 1 goes before 5 */
    CU_ASSERT_EQUAL(mask[0], 1 << 0 | 1 << 2 | 1 << 3);
    mask[0] = 0x7F;
    SW_TEST_OK(sw_prune_select(scores, N, 2, mask)); /* of 2 and 3 the lower index */
    CU_ASSERT_EQUAL(mask[0], 1 << 0 | 1 << 3);
}

/* Within a layer LAMP keeps what magnitude does. */
static void lamp_orders_a_layer_by_magnitude(void) {
    float weights[500], scores[500];
    uint8_t mask[64], by_lamp[64], by_size[64];
    struct sw_score_input input = hand_input();
    sw_mask_fill(mask, 500);
    for (int i = 0; i < 500; i++)
        weights[i] = (float) (i * 7919 % 101 - 50); /* many ties */
    input.weights = weights;
    input.mask = mask;
    input.count = 500;
    for (int keep = 1; keep < 500; keep += 83) {
        memcpy(by_lamp, mask, sizeof mask);
        memcpy(by_size, mask, sizeof mask);
        SW_TEST_OK(sw_criterion_find("lamp")->score(&input, scores));
        SW_TEST_OK(sw_prune_select(scores, 500, keep, by_lamp));
        SW_TEST_OK(sw_criterion_find("magnitude")->score(&input, scores));
        SW_TEST_OK(sw_prune_select(scores, 500, keep, by_size));
        CU_ASSERT_EQUAL(memcmp(by_lamp, by_size, 63), 0);
    }
}

static void every_criterion_documents_itself(void) {
    const struct sw_criterion *criterion = NULL;
    size_t n = 0;
    for (; (criterion = sw_criterion_at(n)) != NULL; n++) {
        CU_ASSERT_PTR_EQUAL(sw_criterion_find(criterion->name), criterion);
        CU_ASSERT_TRUE(strlen(criterion->summary) > 5 && strlen(criterion->source) > 5 &&
                       strlen(criterion->formula) > 2);
        for (size_t i = 0; criterion->options != NULL && criterion->options[i] != NULL; i++)
            CU_ASSERT_PTR_NOT_NULL(sw_spec_find_field(criterion->options[i]));
    }
    CU_ASSERT_EQUAL(n, 18);
}

/* ---- whole networks ------------------------------------------------------------------------ */

static struct sw_arch arch;
static float theta[MOST];
static uint8_t full[MOST / 8 + 64], mask[MOST / 8 + 64];
static struct sw_prune_report report;

static void open_arch(const char *model, int64_t channels, int64_t side) {
    int64_t shape[3] = {channels, side, side};
    SW_TEST_OK(sw_arch_create(model, shape, 4, &arch));
    CU_ASSERT_FATAL(arch.parameters <= MOST);
    sw_spec_set_defaults(&spec);
    sw_init_weights(&arch, sw_init_find("kaiming-normal"), true, 3, SW_RANDOM_INIT, 0, theta);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sw_mask_fill(full + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
}

static enum sw_status prune_once(void) {
    return sw_prune_round(&spec, &arch, 1, full, theta, NULL, mask, &report);
}

static int64_t kept_of(int64_t l) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    return sw_mask_count(mask + layer->mask_offset, layer->count);
}

/* One layer's weights are a thousandth of the others': magnitude removes it first. */
static void shrink_layer(int64_t l) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    for (int64_t i = 0; i < layer->count; i++)
        theta[layer->offset + i] *= 1e-3F;
}

static void lamp_leaves_a_weight_in_every_layer(void) {
    open_arch("mlp-40-30-20", 1, 6);
    shrink_layer(1);
    SW_TEXT_COPY(spec.prune_scope, "global");
    spec.prune_output_rate = 1;
    spec.prune_rate = 0.999; /* three or four weights for four layers */
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    SW_TEST_OK(prune_once());
    CU_ASSERT_EQUAL(report.held_at[1], 0); /* held by the floor only */
    SW_TEXT_COPY(spec.prune_criterion, "lamp");
    spec.prune_rate = 0.9985;
    SW_TEST_OK(prune_once());
    for (int64_t l = 0; l < arch.n_layers; l++) {
        CU_ASSERT_TRUE(kept_of(l) >= 1);
        CU_ASSERT_EQUAL(report.held_at[l], -1);
    }
    sw_arch_fini(&arch);
}

static void norm_scale_removes_whole_filters(void) {
    open_arch("resnet-8", 3, 8);
    SW_TEXT_COPY(spec.prune_criterion, "norm_scale");
    spec.prune_output_rate = 0;
    spec.prune_rate = 0.25;
    SW_TEST_OK(prune_once());
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l), *scale = NULL;
        int64_t columns = layer->count / layer->shape[0];
        SW_TEST_OK(sw_find_scale(&arch, layer, &scale));
        CU_ASSERT_EQUAL(scale == NULL, layer->output != 0);
        if (scale == NULL) CU_ASSERT_EQUAL(kept_of(l), layer->count);
        float largest_gone = 0, smallest_left = INFINITY;
        for (int64_t i = 0; scale != NULL && i < layer->count; i++) {
            float size = fabsf(theta[scale->offset + i / columns]);
            bool kept = sw_mask_get(mask + layer->mask_offset, i);
            CU_ASSERT_EQUAL(kept, sw_mask_get(mask + layer->mask_offset, i / columns * columns));
            if (kept)
                smallest_left = fminf(smallest_left, size);
            else
                largest_gone = fmaxf(largest_gone, size);
        }
        CU_ASSERT_TRUE(largest_gone < smallest_left);
    }
    sw_arch_fini(&arch);
}

/* Scores of the units of a layer, under one rule after the other. */
static void groups_add_up_as_they_are_told(void) {
    const float scores[12] = {1, 2, 3, 4, -5, 6, 7, 8, 9, 10, 11, 12};
    const uint8_t kept[2] = {0x77, 0x00}; /* 1 2 3 | -5 6 7 | nothing */
    const struct sw_granularity *units = sw_granularity_entry(4);
    struct sw_param layer = {.rank = 2, .shape = {3, 4}, .count = 12};
    const float expected[4][2] = {{2, 8 / 3.0F}, {6, 8}, {3.7416574F, 10.488089F}, {3, 7}};
    CU_ASSERT_STRING_EQUAL_FATAL(units->name, "neuron");
    for (int rule = SW_GROUP_MEAN; rule <= SW_GROUP_MAX; rule++) {
        float out[3];
        memset(out, 0, sizeof out);
        sw_groups_score(units, &layer, 1, (enum sw_group_rule) rule, kept, scores, out);
        CU_ASSERT_DOUBLE_EQUAL(out[0], expected[rule][0], 1e-6);
        CU_ASSERT_DOUBLE_EQUAL(out[1], expected[rule][1], 1e-6);
        CU_ASSERT_TRUE(isnan(out[2]));
        SW_TEXT_COPY(spec.prune_group_score, sw_group_score_at((size_t) rule, NULL));
        CU_ASSERT_EQUAL(sw_group_rule_of(&spec), (enum sw_group_rule) rule);
    }
}

/* ---- steps --------------------------------------------------------------------------------- */

static void counts_between_fall_exponentially(void) {
    CU_ASSERT_EQUAL(sw_ladder_between(1000, 10, 1, 2), 100);
    CU_ASSERT_EQUAL(sw_ladder_between(1000, 1, 1, 3), 100);
    CU_ASSERT_EQUAL(sw_ladder_between(1000, 1, 2, 3), 10);
    CU_ASSERT_EQUAL(sw_ladder_between(1000, 1, 3, 3), 1);
    CU_ASSERT_EQUAL(sw_ladder_between(500, 500, 1, 9), 500);
    int64_t last = 1 << 20;
    for (int64_t step = 1; step <= 100; step++) {
        int64_t count = sw_ladder_between(1 << 20, 1 << 10, step, 100);
        double exact = pow(2, 20 - (double) step / 10);
        CU_ASSERT_TRUE(count <= last);
        CU_ASSERT_DOUBLE_EQUAL((double) count, exact, 0.5 + 1e-6 * exact);
        last = count;
    }
    CU_ASSERT_EQUAL(last, 1 << 10);
}

/* ---- what does not fit --------------------------------------------------------------------- */

static void refuse(const char *at_key, const char *part) {
    const char *key = NULL;
    CU_ASSERT_EQUAL(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, at_key);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), part));
}

static void what_says_nothing_is_refused(void) {
    const char *key = NULL;
    open_arch("mlp-40-30", 1, 6);
    SW_TEXT_COPY(spec.prune_criterion, "norm_scale");
    refuse("prune.criterion", "fc1.weight");
    SW_TEXT_COPY(spec.prune_criterion, "movement");
    SW_TEXT_COPY(spec.prune_score_weights, "init");
    refuse("prune.score_weights", "movement");
    SW_TEXT_COPY(spec.prune_criterion, "synflow");
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    SW_TEXT_COPY(spec.prune_score_weights, "trained");
    SW_TEXT_COPY(spec.prune_criterion, "sign_magnitude");
    SW_TEXT_COPY(spec.prune_sign_reference, "previous");
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    SW_TEXT_COPY(spec.prune_schedule, "one-shot");
    refuse("prune.sign_reference", "one-shot");
    SW_TEXT_COPY(spec.prune_criterion, "small_final");
    SW_TEXT_COPY(spec.prune_group_score, "l2");
    refuse("prune.group_score", "one by one");
    SW_TEXT_COPY(spec.prune_granularity, "neuron");
    refuse("prune.group_score", "negative");
    SW_TEXT_COPY(spec.prune_group_score, "l1");
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    sw_arch_fini(&arch);
    open_arch("resnet-8", 3, 8);
    SW_TEXT_COPY(spec.prune_criterion, "norm_scale");
    refuse("prune.criterion", "prune.output_rate 0");
    spec.prune_output_rate = 0;
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    SW_TEXT_COPY(spec.prune_scope, "global");
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    sw_arch_fini(&arch);
}

static void missing_sources_are_told(void) {
    open_arch("mlp-40-30", 1, 6);
    static const char *const hungry[] = {"large_init", "snip", "grasp", "sign_magnitude"};
    for (size_t i = 0; i < sizeof hungry / sizeof *hungry; i++) {
        SW_TEXT_COPY(spec.prune_criterion, hungry[i]);
        CU_ASSERT_EQUAL(prune_once(), SW_INTERNAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), hungry[i]));
    }
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    CU_ASSERT_EQUAL(sw_prune_round(&spec, &arch, 1, full, NULL, NULL, mask, &report), SW_INTERNAL);
    sw_arch_fini(&arch);
}

/* With prune.score_weights init nobody looks at trained weights. */
static void initial_weights_are_scored_when_asked(void) {
    static float other[MOST];
    static uint8_t expected[MOST / 8 + 64];
    open_arch("mlp-40-30", 1, 6);
    SW_TEST_OK(prune_once());
    memcpy(expected, mask, sizeof mask);
    struct sw_prune_source source = {.theta0 = theta};
    SW_TEXT_COPY(spec.prune_score_weights, "init");
    SW_TEST_OK(sw_prune_round(&spec, &arch, 1, full, NULL, &source, mask, &report));
    CU_ASSERT_EQUAL(memcmp(mask, expected, (size_t) arch.mask_bytes), 0);
    SW_TEST_OK(sw_prune_round(&spec, &arch, 1, full, other, &source, mask, &report));
    CU_ASSERT_EQUAL(memcmp(mask, expected, (size_t) arch.mask_bytes), 0);
    CU_ASSERT_FALSE(sw_prune_is_standalone(&spec)); /* the mask of the round before is needed */
    SW_TEXT_COPY(spec.prune_schedule, "one-shot");
    CU_ASSERT_TRUE(sw_prune_is_standalone(&spec));
    spec.rewind_to = 5;
    CU_ASSERT_FALSE(sw_prune_is_standalone(&spec));
    sw_arch_fini(&arch);
}

static CU_TestInfo formulas[] = {
    {"formulas give the numbers of the table", formulas_give_the_numbers_of_the_table},
    {"synflow takes the size of the weight", synflow_takes_the_size_of_the_weight},
    {"equal scores go by index", equal_scores_go_by_index},
    {"lamp orders a layer by magnitude", lamp_orders_a_layer_by_magnitude},
    {"every criterion documents itself", every_criterion_documents_itself},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo networks[] = {
    {"lamp leaves a weight in every layer", lamp_leaves_a_weight_in_every_layer},
    {"norm_scale removes whole filters", norm_scale_removes_whole_filters},
    {"groups add up as they are told", groups_add_up_as_they_are_told},
    {"counts between fall exponentially", counts_between_fall_exponentially},
    {"what says nothing is refused", what_says_nothing_is_refused},
    {"missing sources are told", missing_sources_are_told},
    {"initial weights are scored when asked", initial_weights_are_scored_when_asked},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"formulas", NULL, NULL, NULL, NULL, formulas},
    {"networks", NULL, NULL, NULL, NULL, networks},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_criteria", suites);
}
