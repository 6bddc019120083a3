/* Filters and channels as groups: exact counts, coupled by residuals, with everything that reads them. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"

static struct sw_arch resnet, lenet;
static struct sw_trial_spec spec;
static float *theta; /* of the larger one */
static uint8_t *full, *mask, *parent;
static float *survivors;
static struct sw_prune_report report;

static int set_up(void) {
    if (sw_arch_create("resnet-8", (int64_t[3]){3, 8, 8}, 10, &resnet) != SW_OK) return 1;
    if (sw_arch_create("lenet-5", (int64_t[3]){1, 28, 28}, 10, &lenet) != SW_OK) return 1;
    size_t bytes = (size_t) resnet.mask_bytes, n = (size_t) resnet.parameters;
    if (SW_ALLOC(&theta, n, "t") != SW_OK || SW_ALLOC(&survivors, n, "t") != SW_OK ||
        SW_ALLOC(&full, bytes, "t") != SW_OK || SW_ALLOC(&mask, bytes, "t") != SW_OK ||
        SW_ALLOC(&parent, bytes, "t") != SW_OK)
        return 1;
    for (size_t i = 0; i < n; i++)
        theta[i] = (float) sw_random_normal(1, SW_RANDOM_BENCH, 0, i);
    return 0;
}

static int tear_down(void) {
    SW_FREE(&theta);
    SW_FREE(&survivors);
    SW_FREE(&full);
    SW_FREE(&mask);
    SW_FREE(&parent);
    sw_arch_fini(&resnet);
    sw_arch_fini(&lenet);
    return 0;
}

static void choose(const struct sw_arch *arch, const char *granularity, const char *scope) {
    sw_spec_set_defaults(&spec);
    spec.seed = 5;
    SW_TEXT_COPY(spec.prune_granularity, granularity);
    SW_TEXT_COPY(spec.prune_scope, scope);
    for (int64_t l = 0; l < arch->n_layers; l++)
        sw_mask_fill(full + sw_arch_layer(arch, l)->mask_offset, sw_arch_layer(arch, l)->count);
    memcpy(parent, full, (size_t) arch->mask_bytes);
}

static void prune(const struct sw_arch *arch, int64_t round) {
    float *next = survivors;
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (!param->prunable || sw_mask_get(parent + param->mask_offset, i))
                *next++ = theta[param->offset + i];
    }
    const struct sw_prune_source source = {.theta0 = theta, .reference = theta};
    SW_TEST_OK(sw_prune_round(&spec, arch, round, parent, survivors, &source, mask, &report));
}

static bool has(const struct sw_arch *arch, const uint8_t *bits, int64_t l, int64_t i) {
    return sw_mask_get(bits + sw_arch_layer(arch, l)->mask_offset, i);
}

static int64_t columns_of(const struct sw_arch *arch, int64_t l) {
    return sw_arch_layer(arch, l)->count / sw_arch_layer(arch, l)->shape[0];
}

static bool has_row(const struct sw_arch *arch, const uint8_t *bits, int64_t l, int64_t r) {
    for (int64_t c = 0; c < columns_of(arch, l); c++)
        if (has(arch, bits, l, r * columns_of(arch, l) + c)) return true;
    return false;
}

static int64_t count_rows(const struct sw_arch *arch, const uint8_t *bits, int64_t l) {
    int64_t n = 0;
    for (int64_t r = 0; r < sw_arch_layer(arch, l)->shape[0]; r++)
        n += has_row(arch, bits, l, r);
    return n;
}

#define MOST_ROWS 128

/* Every weight is there exactly when the unit that it makes and the one that it reads are. */
static void expect_units(const struct sw_arch *arch, const uint8_t *bits) {
    bool rows[16][MOST_ROWS];
    int64_t wrong = 0;
    for (int64_t l = 0; l < arch->n_layers; l++)
        for (int64_t r = 0; r < sw_arch_layer(arch, l)->shape[0]; r++)
            rows[l][r] = has_row(arch, bits, l, r);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param_units *units = sw_arch_units(arch, l);
        int64_t columns = columns_of(arch, l);
        for (int64_t i = 0; i < sw_arch_layer(arch, l)->count; i++) {
            bool made = rows[units->makes][i / columns];
            bool read = units->reads < 0 || rows[units->reads][i % columns / units->span];
            wrong += has(arch, bits, l, i) != (made && read);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static int64_t kept_of(const struct sw_arch *arch, const uint8_t *bits, int64_t l) {
    return sw_mask_count(bits + sw_arch_layer(arch, l)->mask_offset, sw_arch_layer(arch, l)->count);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void rounds_remove_exact_counts(const struct sw_arch *arch, const char *granularity) {
    int64_t left[SW_MAX_LAYERS], kept[SW_MAX_LAYERS];
    choose(arch, granularity, "layer");
    spec.prune_rate = 0.3;
    CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_LAYERS);
    for (int64_t l = 0; l < arch->n_layers; l++)
        left[l] = sw_arch_layer(arch, l)->shape[0];
    for (int64_t round = 1; round <= 5; round++) {
        int64_t total = 0;
        prune(arch, round);
        expect_units(arch, mask);
        sw_prune_kept(&spec, arch, round, kept);
        for (int64_t l = 0; l < arch->n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(arch, l);
            if (!layer->output) left[l] -= (int64_t) floor(0.3 * (double) left[l] + 0.5);
            CU_ASSERT_EQUAL(count_rows(arch, mask, l), left[l]);
            CU_ASSERT_EQUAL(kept_of(arch, mask, l), kept[l]);
            CU_ASSERT_TRUE(sw_mask_is_nested(mask + layer->mask_offset, parent + layer->mask_offset,
                                             layer->count));
            total += kept[l];
        }
        CU_ASSERT_EQUAL(sw_prune_total(&spec, arch, round), total);
        double sparsity = 1 - (double) total / (double) arch->prunable;
        CU_ASSERT_DOUBLE_EQUAL(sw_prune_requested(&spec, arch, round), sparsity, 0.06);
        memcpy(parent, mask, (size_t) arch->mask_bytes);
    }
}

static void counts_are_exact(void) {
    rounds_remove_exact_counts(&resnet, "filter");
    rounds_remove_exact_counts(&resnet, "channel");
    rounds_remove_exact_counts(&lenet, "filter");
    rounds_remove_exact_counts(&lenet, "channel");
}

/* 0.3 of 16, 32, 64 channels go once, however many layers make them: what the whole network has. */
static void targets_count_units_once(void) {
    choose(&resnet, "filter", "layer");
    spec.prune_target = 0.5;
    int64_t rounds = sw_prune_rounds(&spec, &resnet), units = 0, all = 0;
    for (int64_t round = 1; round <= rounds; round++) {
        prune(&resnet, round);
        memcpy(parent, mask, (size_t) resnet.mask_bytes);
    }
    for (int64_t l = 0; l + 1 < resnet.n_layers; l++) {
        if (sw_arch_units(&resnet, l)->makes != l) continue;
        units += count_rows(&resnet, mask, l);
        all += sw_arch_layer(&resnet, l)->shape[0];
    }
    CU_ASSERT_EQUAL(all, 2 * (16 + 32 + 64));
    CU_ASSERT_EQUAL(units, all / 2);
}

static void convolutions_may_have_their_own_rate(void) {
    choose(&lenet, "filter", "layer");
    spec.prune_conv_rate = 0.5;
    spec.prune_rate = 1e-6;
    prune(&lenet, 1);
    expect_units(&lenet, mask);
    const int64_t rows[5] = {3, 8, 120, 84, 10};
    for (int64_t l = 0; l < 5; l++)
        CU_ASSERT_EQUAL(count_rows(&lenet, mask, l), rows[l]);
    CU_ASSERT_EQUAL(kept_of(&lenet, mask, 2), 120 * 8 * 25);
}

/* ---- scores ---------------------------------------------------------------------------------- */

/* Mean size of a layer's kept weights that make unit u, or read it. */
static double mean_size(const struct sw_arch *arch, int64_t l, int64_t u, bool read) {
    const struct sw_param *layer = sw_arch_layer(arch, l);
    int64_t rows = layer->shape[0], columns = columns_of(arch, l), n = 0;
    int64_t span = read ? sw_arch_units(arch, l)->span : columns;
    double sum = 0;
    for (int64_t r = read ? 0 : u; r < (read ? rows : u + 1); r++)
        for (int64_t c = 0; c < span; c++) {
            int64_t i = r * columns + (read ? u * span : 0) + c;
            if (!has(arch, parent, l, i)) continue;
            sum += fabsf(theta[layer->offset + i]);
            n++;
        }
    return n > 0 ? sum / (double) n : NAN;
}

static double score(const struct sw_arch *arch, int64_t name, int64_t u, bool read) {
    double sum = 0;
    int64_t n = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param_units *units = sw_arch_units(arch, l);
        if ((read ? units->reads : units->makes) != name) continue;
        sum += mean_size(arch, l, u, read);
        n++;
    }
    return sum / (double) n;
}

/* Of every group of layers the units with the lowest scores went, in the second round too. */
static void lowest_scores_go(const struct sw_arch *arch, const char *granularity, bool global) {
    bool read = strcmp(granularity, "channel") == 0;
    choose(arch, granularity, global ? "global" : "layer");
    for (int64_t round = 1; round <= 2; round++) {
        double kept = INFINITY, gone = 0;
        prune(arch, round);
        expect_units(arch, mask);
        for (int64_t l = 0; l + 1 < arch->n_layers; l++) {
            if (sw_arch_units(arch, l)->makes != l) continue;
            if (!global) {
                kept = INFINITY;
                gone = 0;
            }
            for (int64_t u = 0; u < sw_arch_layer(arch, l)->shape[0]; u++) {
                if (!has_row(arch, parent, l, u)) continue;
                double size = score(arch, l, u, read);
                if (has_row(arch, mask, l, u))
                    kept = fmin(kept, size);
                else
                    gone = fmax(gone, size);
            }
            if (!global) CU_ASSERT_TRUE(gone > 0 && gone < kept * (1 + 1e-6));
        }
        CU_ASSERT_TRUE(gone > 0 && gone < kept * (1 + 1e-6));
        memcpy(parent, mask, (size_t) arch->mask_bytes);
    }
}

static void a_groups_score_is_the_mean_over_its_layers(void) {
    lowest_scores_go(&resnet, "filter", false);
    lowest_scores_go(&resnet, "channel", false);
    lowest_scores_go(&lenet, "channel", false);
}

static void groups_compete_in_global_scope(void) {
    lowest_scores_go(&resnet, "filter", true);
    lowest_scores_go(&lenet, "channel", true);
    int64_t likely[SW_MAX_LAYERS], most[SW_MAX_LAYERS];
    CU_ASSERT_EQUAL(sw_prune_known(&spec), SW_PRUNE_KNOWS_BOUNDS);
    sw_prune_kept(&spec, &lenet, 2, most);
    sw_prune_likely(&spec, &lenet, 2, likely);
    for (int64_t l = 0; l < lenet.n_layers; l++)
        CU_ASSERT_TRUE(kept_of(&lenet, mask, l) <= most[l] && likely[l] <= most[l] &&
                       likely[l] > 0);
}

static void min_keep_counts_filters(void) {
    const struct sw_param *layer = sw_arch_layer(&resnet, 3);
    float *saved = NULL;
    SW_TEST_OK(SW_ALLOC(&saved, (size_t) layer->count, "t"));
    memcpy(saved, theta + layer->offset, (size_t) layer->count * sizeof *saved);
    for (int64_t i = 0; i < layer->count; i++)
        theta[layer->offset + i] *= 1e-3F;
    choose(&resnet, "filter", "global");
    spec.prune_rate = 0.6;
    spec.prune_min_keep = 3;
    prune(&resnet, 1);
    expect_units(&resnet, mask);
    CU_ASSERT_EQUAL(count_rows(&resnet, mask, 3), 3);
    CU_ASSERT_EQUAL(report.held_at[3], 0);
    memcpy(theta + layer->offset, saved, (size_t) layer->count * sizeof *saved);
    SW_FREE(&saved);
}

/* ---- controls and the rest ------------------------------------------------------------------- */

static void shuffled_filters_stay_filters(void) {
    choose(&resnet, "filter", "layer");
    spec.prune_rate = 0.5;
    prune(&resnet, 1);
    memcpy(parent, mask, (size_t) resnet.mask_bytes);
    SW_TEST_OK(sw_prune_control_mask(&spec, &resnet, SW_CONTROL_SHUFFLE, 1, parent, mask));
    expect_units(&resnet, mask);
    CU_ASSERT_NOT_EQUAL(memcmp(mask, parent, (size_t) resnet.mask_bytes), 0);
    for (int64_t l = 0; l < resnet.n_layers; l++)
        CU_ASSERT_EQUAL(kept_of(&resnet, mask, l), kept_of(&resnet, parent, l));
    SW_TEST_OK(sw_prune_control_mask(&spec, &resnet, SW_CONTROL_RANDOM, 1, parent, mask));
    for (int64_t l = 0; l < resnet.n_layers; l++)
        CU_ASSERT_EQUAL(kept_of(&resnet, mask, l), kept_of(&resnet, parent, l));
}

static void removed_filters_are_silent(void) {
    choose(&resnet, "filter", "layer");
    CU_ASSERT_TRUE(sw_prune_silences(&spec, SW_CONTROL_TICKET));
    CU_ASSERT_FALSE(sw_prune_silences(&spec, SW_CONTROL_RANDOM));
    spec.prune_rate = 0.5;
    prune(&resnet, 1);
    float *next = survivors;
    for (int64_t p = 0; p < resnet.n_params; p++) {
        const struct sw_param *param = &resnet.params[p];
        int64_t n = param->prunable ? sw_mask_count(mask + param->mask_offset, param->count)
                                    : param->count;
        for (int64_t i = 0; i < n; i++)
            *next++ = 7;
    }
    sw_prune_silence(&resnet, mask, survivors);
    next = survivors;
    int64_t wrong = 0, silent = 0;
    for (int64_t p = 0; p < resnet.n_params; p++) {
        const struct sw_param *param = &resnet.params[p];
        int64_t n = param->prunable ? sw_mask_count(mask + param->mask_offset, param->count)
                                    : param->count;
        for (int64_t i = 0; i < n; i++, next++) {
            bool gone = !param->prunable && sw_role_is_trained(param->role) &&
                        !has_row(&resnet, mask, resnet.units[p].makes, i);
            wrong += *next != (gone ? 0 : 7);
            silent += gone;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(silent, 2 * (8 * 3 + 16 * 3 + 32 * 3)); /* scales and shifts of nine norms */
    SW_TEXT_COPY(spec.prune_granularity, "neuron");
    CU_ASSERT_FALSE(sw_prune_silences(&spec, SW_CONTROL_TICKET));
}

static void what_cannot_be_is_refused(void) {
    struct sw_arch plain;
    const char *key = NULL;
    SW_TEST_OK(sw_arch_create("mlp-8", (int64_t[3]){1, 3, 3}, 4, &plain));
    choose(&lenet, "filter", "layer");
    SW_TEST_OK(sw_prune_check(&spec, &lenet, &key));
    SW_TEST_FAILS(sw_prune_check(&spec, &plain, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.granularity");
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "neuron is for"));
    SW_TEXT_COPY(spec.prune_granularity, "neuron");
    SW_TEST_FAILS(sw_prune_check(&spec, &lenet, &key), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "filter and channel"));
    SW_TEXT_COPY(spec.prune_granularity, "channel");
    spec.prune_shortcut_rate = 0.5;
    SW_TEST_FAILS(sw_prune_check(&spec, &resnet, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.shortcut_rate");
    spec.prune_shortcut_rate = 1;
    SW_TEXT_COPY(spec.train_format, "bsr");
    SW_TEST_FAILS(sw_prune_check(&spec, &resnet, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "train.format");
    sw_arch_fini(&plain);
}

static CU_TestInfo counts[] = {
    {"counts are exact", counts_are_exact},
    {"targets count units once", targets_count_units_once},
    {"convolutions may have their own rate", convolutions_may_have_their_own_rate},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo scores[] = {
    {"a group's score is the mean over its layers", a_groups_score_is_the_mean_over_its_layers},
    {"groups compete in global scope", groups_compete_in_global_scope},
    {"min_keep counts filters", min_keep_counts_filters},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo others[] = {
    {"shuffled filters stay filters", shuffled_filters_stay_filters},
    {"removed filters are silent", removed_filters_are_silent},
    {"what cannot be is refused", what_cannot_be_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"counts", set_up, tear_down, NULL, NULL, counts},
    {"scores", set_up, tear_down, NULL, NULL, scores},
    {"others", set_up, tear_down, NULL, NULL, others},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_filters", suites);
}
