/* Every criterion with every kind of group, and with tickets that are converted: it works, or says why not. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/prune/prune_internal.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

#define MOST 80000 /* parameters of the network below */

static struct sw_trial_spec spec;
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static void *block;
static struct sw_hal *hal;
static float theta[MOST], other[MOST], survivors[MOST];
static uint8_t full[MOST / 8 + 64], parent[MOST / 8 + 64], mask[MOST / 8 + 64];
static struct sw_prune_report report;

static void choose(const char *criterion, const char *granularity) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "3x8x8");
    spec.data_classes = 4;
    spec.data_train = 64;
    spec.data_validation = 4;
    spec.data_test = 4;
    spec.train_batch = 24;
    spec.prune_score_samples = 40;
    spec.prune_score_steps = 5;
    spec.prune_rate = 0.5;
    spec.prune_output_rate = 0;
    spec.prune_rounds = 3;
    spec.seed = 4;
    SW_TEXT_COPY(spec.prune_criterion, criterion);
    SW_TEXT_COPY(spec.prune_granularity, granularity);
}

static int set_up(void) {
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    choose("magnitude", "weight");
    if (sw_data_probe(&spec, &info) != SW_OK ||
        SW_ALLOC((char **) &block, (size_t) info.block_bytes, "data") != SW_OK ||
        sw_data_decode(&spec, &info, block) != SW_OK ||
        sw_data_open(&spec, &info, block, &data) != SW_OK ||
        sw_arch_create("resnet-8", info.shape, info.classes, &arch) != SW_OK ||
        sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK || arch.parameters > MOST)
        return 1;
    sw_init_weights(&arch, sw_init_find("kaiming-normal"), true, 3, SW_RANDOM_INIT, 0, theta);
    sw_init_weights(&arch, sw_init_find("kaiming-normal"), true, 5, SW_RANDOM_INIT, 0, other);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sw_mask_fill(full + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
    return 0;
}

static int tear_down(void) {
    sw_hal_close(&hal);
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
    return 0;
}

static enum sw_status prune(int64_t round) {
    const struct sw_prune_source source = {
        .theta0 = other, .reference = other, .hal = hal, .data = &data};
    float *next = survivors;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(parent + param->mask_offset, i))
                *next++ = theta[param->offset + i];
    }
    return sw_prune_round(&spec, &arch, round, parent, survivors, &source, mask, &report);
}

static int64_t kept_of(const uint8_t *bits, int64_t l) {
    return sw_mask_count(bits + sw_arch_layer(&arch, l)->mask_offset,
                         sw_arch_layer(&arch, l)->count);
}

static void expect_counts(int64_t round) {
    int64_t kept[SW_MAX_LAYERS];
    sw_prune_kept(&spec, &arch, round, kept);
    for (int64_t l = 0; l < arch.n_layers; l++)
        CU_ASSERT_EQUAL(kept_of(mask, l), kept[l]);
}

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* ---- every criterion with every kind of group ------------------------------------------------------ */

static const char *reason_for(const char *criterion, const char *granularity) {
    if (is(criterion, "norm_scale") && is(granularity, "channel")) return "prune.criterion";
    if (is(criterion, "synflow") && is(granularity, "nm2-4")) return "prune.score_steps";
    return NULL;
}

static void criteria_choose_filters_channels_and_patterns(void) {
    static const char *const kinds[] = {"filter", "channel", "nm2-4"};
    const struct sw_criterion *criterion = NULL;
    for (size_t c = 0; (criterion = sw_criterion_at(c)) != NULL; c++)
        for (int k = 0; k < 3; k++) {
            const char *key = NULL, *refused = reason_for(criterion->name, kinds[k]);
            choose(criterion->name, kinds[k]);
            if (refused != NULL) {
                SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
                CU_ASSERT_STRING_EQUAL(key, refused);
                continue;
            }
            SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
            memcpy(parent, full, sizeof parent);
            for (int64_t round = 1; round <= sw_prune_rounds(&spec, &arch); round++) {
                SW_TEST_OK(prune(round));
                expect_counts(round);
                for (int64_t l = 0; l < arch.n_layers; l++)
                    CU_ASSERT_TRUE(sw_mask_is_nested(mask + sw_arch_layer(&arch, l)->mask_offset,
                                                     parent + sw_arch_layer(&arch, l)->mask_offset,
                                                     sw_arch_layer(&arch, l)->count));
                memcpy(parent, mask, sizeof parent);
            }
        }
}

static void a_pattern_takes_synflow_in_one_step(void) {
    const char *key = NULL;
    choose("synflow", "nm2-4");
    spec.prune_score_steps = 1;
    memcpy(parent, full, sizeof parent);
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    SW_TEST_OK(prune(1));
    expect_counts(1);
}

static bool has_row(const struct sw_param *layer, int64_t row) {
    int64_t columns = layer->count / layer->shape[0];
    for (int64_t i = row * columns; i < (row + 1) * columns; i++)
        if (sw_mask_get(mask + layer->mask_offset, i)) return true;
    return false;
}

/* The second layer makes its units alone: those with the smallest scales are gone. */
static void filters_go_by_the_scale_of_their_norm(void) {
    const struct sw_param *layer = sw_arch_layer(&arch, 1), *scale = NULL;
    float smallest_left = INFINITY, largest_gone = 0;
    choose("norm_scale", "filter");
    memcpy(parent, full, sizeof parent);
    SW_TEST_OK(sw_find_scale(&arch, layer, &scale));
    CU_ASSERT_EQUAL_FATAL(sw_arch_units(&arch, 1)->makes, 1);
    for (int64_t r = 0; r < layer->shape[0]; r++)
        theta[scale->offset + r] = (float) ((r * 7 + 3) % 16) - 7.5F;
    SW_TEST_OK(prune(1));
    for (int64_t r = 0; r < layer->shape[0]; r++) {
        float size = fabsf(theta[scale->offset + r]);
        bool left = has_row(layer, r);
        if (left)
            smallest_left = fminf(smallest_left, size);
        else
            largest_gone = fmaxf(largest_gone, size);
    }
    CU_ASSERT_TRUE(largest_gone > 0 && largest_gone <= smallest_left);
}

/* One filter with a single large weight, one of many middling ones. */
static void the_rule_of_groups_decides_over_filters(void) {
    static const char *const rules[] = {"mean", "l1", "l2", "max"};
    const struct sw_param *layer = sw_arch_layer(&arch, 1);
    int64_t columns = layer->count / layer->shape[0];
    for (int i = 0; i < 4; i++) {
        choose("magnitude", "filter");
        SW_TEXT_COPY(spec.prune_group_score, rules[i]);
        memcpy(parent, full, sizeof parent);
        for (int64_t e = 0; e < layer->count; e++)
            theta[layer->offset + e] = e / columns < layer->shape[0] / 2 ? 0.01F : 0.5F;
        for (int64_t r = 0; r < layer->shape[0] / 2; r++)
            theta[layer->offset + r * columns] = 1;
        SW_TEST_OK(prune(1));
        bool spiky = has_row(layer, 0);
        bool even = has_row(layer, layer->shape[0] - 1);
        CU_ASSERT_EQUAL(spiky, is(rules[i], "max"));
        CU_ASSERT_EQUAL(even, !is(rules[i], "max"));
    }
}

/* ---- conversions ----------------------------------------------------------------------------------- */

static int64_t returned(void) {
    int64_t n = 0;
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        for (int64_t i = 0; i < layer->count; i++)
            n += sw_mask_get(mask + layer->mask_offset, i) &&
                 !sw_mask_get(parent + layer->mask_offset, i);
    }
    return n;
}

static void convert_to(const char *granularity) {
    SW_TEXT_COPY(spec.prune_convert_granularity, granularity);
    spec.prune_convert_round = 1;
}

static void tickets_are_converted_by_every_criterion(void) {
    static const char *const kinds[] = {"filter", "block4"};
    const struct sw_criterion *criterion = NULL;
    for (size_t c = 0; (criterion = sw_criterion_at(c)) != NULL; c++)
        for (int k = 0; k < 2; k++) {
            const char *key = NULL;
            int64_t most[SW_MAX_LAYERS];
            choose(criterion->name, "weight");
            convert_to(kinds[k]);
            if (criterion->negative) {
                SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
                CU_ASSERT_STRING_EQUAL(key, "prune.convert.round");
                continue;
            }
            SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
            memcpy(parent, full, sizeof parent);
            SW_TEST_OK(prune(1));
            memcpy(parent, mask, sizeof parent);
            SW_TEST_OK(prune(2));
            CU_ASSERT_TRUE(returned() > 0);
            sw_prune_kept(&spec, &arch, 2, most);
            for (int64_t l = 0; l < arch.n_layers; l++)
                CU_ASSERT_TRUE(kept_of(mask, l) <= most[l]);
            memcpy(parent, mask, sizeof parent);
            SW_TEST_OK(prune(3));
            CU_ASSERT_EQUAL(returned(), 0);
        }
}

static void expect_refusal(const char *key, const char *reason) {
    const char *found = NULL;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &found), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(found, key);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), reason));
}

static void what_conversions_cannot_do_is_refused(void) {
    const char *key = NULL;
    choose("sign_magnitude", "weight");
    convert_to("filter");
    SW_TEXT_COPY(spec.prune_sign_reference, "previous");
    expect_refusal("prune.sign_reference", "two rounds ago");
    spec.prune_rounds = 2; /* the round of the conversion is the last one */
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    choose("magnitude", "weight");
    SW_TEXT_COPY(spec.prune_group_score, "l1");
    expect_refusal("prune.group_score", "one by one");
    convert_to("filter"); /* the second stage uses it */
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    convert_to("nm2-4");
    expect_refusal("prune.group_score", "one by one");
}

static void schedules_within_a_training_remove_weights_or_blocks(void) {
    static const char *const kinds[] = {"filter", "channel", "nm2-4", "nm4-8"};
    static const char *const schedules[] = {"cubic", "seed_dynamic"};
    const char *key = NULL;
    for (int s = 0; s < 2; s++) {
        for (int k = 0; k < 4; k++) {
            choose("magnitude", kinds[k]);
            SW_TEXT_COPY(spec.prune_schedule, schedules[s]);
            expect_refusal("prune.granularity", "while it trains");
        }
        choose("magnitude", "weight");
        SW_TEXT_COPY(spec.prune_schedule, schedules[s]);
        SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
        convert_to("block4");
        expect_refusal("prune.convert.round", "lets weights return");
    }
}

static CU_TestInfo groups[] = {
    {"criteria choose filters, channels and patterns",
     criteria_choose_filters_channels_and_patterns},
    {"a pattern takes synflow in one step", a_pattern_takes_synflow_in_one_step},
    {"filters go by the scale of their norm", filters_go_by_the_scale_of_their_norm},
    {"the rule of groups decides over filters", the_rule_of_groups_decides_over_filters},
    {"schedules within a training remove weights or blocks",
     schedules_within_a_training_remove_weights_or_blocks},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo conversions[] = {
    {"tickets are converted by every criterion", tickets_are_converted_by_every_criterion},
    {"what conversions cannot do is refused", what_conversions_cannot_do_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"groups", set_up, tear_down, NULL, NULL, groups},
    {"conversions", set_up, tear_down, NULL, NULL, conversions},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_criteria_structure", suites);
}
