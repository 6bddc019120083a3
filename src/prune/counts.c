/* From groups to weights: what a round keeps, exactly or at most, so that the store's slabs are large
 * enough; and what it probably keeps, for predictions. */
#include "prune_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum sw_prune_known sw_prune_known(const struct sw_trial_spec *spec) {
    int64_t side = sw_granularity_of(spec)->side;
    bool global = strcmp(spec->prune_scope, "global") == 0;
    if (side > 1 || (side == 0 && global)) return SW_PRUNE_KNOWS_BOUNDS;
    return global ? SW_PRUNE_KNOWS_TOTAL : SW_PRUNE_KNOWS_LAYERS;
}

/* Units can be removed where every layer reads the one before and nothing else. */
static bool is_chain(const struct sw_arch *arch) {
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        if (layer->rank != 2) return false;
        if (l > 0 && layer->shape[1] != sw_arch_layer(arch, l - 1)->shape[0]) return false;
        if (layer->output != (l == arch->n_layers - 1)) return false;
    }
    return true;
}

bool sw_prune_removes_units(const struct sw_trial_spec *spec) {
    return sw_granularity_of(spec)->side == 0;
}

static bool has_convolution(const struct sw_arch *arch) {
    bool found = false;
    for (int64_t l = 0; l < arch->n_layers; l++)
        found |= sw_arch_layer(arch, l)->rank == 4;
    return found;
}

static enum sw_status check_units(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                  const char **key) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    if (kind->kind == SW_GROUPS_NEURONS && !is_chain(arch))
        return SW_FAIL(SW_CONFIG,
                       "prune.granularity: %s needs a fully connected network, %s is none; filter "
                       "and channel are for networks with convolutions",
                       kind->name, arch->model);
    if (kind->kind != SW_GROUPS_FILTERS && kind->kind != SW_GROUPS_CHANNELS) return SW_OK;
    if (!has_convolution(arch))
        return SW_FAIL(SW_CONFIG,
                       "prune.granularity: %s needs convolutions, %s has none; neuron is for "
                       "fully connected networks",
                       kind->name, arch->model);
    if (spec->prune_shortcut_rate == 1) return SW_OK;
    *key = "prune.shortcut_rate";
    return SW_FAIL(SW_CONFIG,
                   "prune.shortcut_rate is not used by prune.granularity %s: filters of a shortcut "
                   "go with those that they are added to",
                   kind->name);
}

static enum sw_status check_stage(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                  const char **key) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    bool any = false;
    *key = "prune.granularity";
    SW_TRY(check_units(spec, arch, key));
    if (sw_prune_is_pattern(spec)) SW_TRY(sw_pattern_check(spec, arch, key));
    for (int64_t l = 0; l < arch->n_layers; l++)
        any |= sw_groups_count(kind, arch, l) > 0;
    if (!any && spec->prune_rounds > 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.granularity: no layer of %s has two blocks of %lld x %lld per side",
                       arch->model, (long long) kind->side, (long long) kind->side);
    SW_TRY(sw_allocation_of(spec)->check(spec, arch, key));
    SW_TRY(sw_ladder_check(spec, arch, key));
    SW_TRY(sw_within_check(spec, key));
    SW_TRY(sw_criterion_check(spec, arch, key));
    return sw_storage_check(spec, arch, key);
}

enum sw_status sw_prune_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                              const char **key) {
    struct sw_trial_spec stages[2];
    if (spec->prune_convert_round == SW_INT_NULL) {
        SW_TRY(check_stage(spec, arch, key));
        return sw_group_score_check(spec, 1, key);
    }
    sw_prune_stage(spec, spec->prune_convert_round, &stages[0]);
    sw_prune_stage(spec, spec->prune_convert_round + 1, &stages[1]);
    SW_TRY(check_stage(&stages[0], arch, key));
    SW_TRY(sw_group_score_check(stages, 2, key));
    SW_TRY(sw_convert_check(spec, arch, key));
    enum sw_status status = check_stage(&stages[1], arch, key);
    if (strcmp(*key, "prune.granularity") == 0) *key = "prune.convert.granularity";
    return status;
}

bool sw_prune_note(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                   char *out, size_t size) {
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round, &stage);
    const struct sw_allocation *allocation = sw_allocation_of(&stage);
    struct sw_ladder ladder;
    if (allocation->ratio == NULL || round == 0) return false;
    sw_ladder_climb(&stage, arch, round, &ladder);
    double left = (double) sw_ladder_kept(&ladder) / (double) sw_ladder_size(&ladder);
    double ratio = allocation->ratio(&stage, arch, ladder.groups, left);
    if (ratio == stage.prune_ratio) return false;
    (void) snprintf(out, size, "prune.ratio_cap %g holds convolutions: the ratio is %.3g, not %g",
                    stage.prune_ratio_cap, ratio, stage.prune_ratio);
    return true;
}

/* ---- groups of a layer ---------------------------------------------------------------------- */

/* At most: the others of its pool keep no more than their floors. */
static int64_t most_groups(const struct sw_ladder *ladder, int64_t l) {
    const struct sw_pool *pool = &ladder->pool[ladder->pool_of[l]];
    int64_t most = pool->kept - (pool->floor - ladder->floor[l]);
    return most < ladder->groups[l] ? most : ladder->groups[l];
}

/* Its share of the pool. */
static int64_t likely_groups(const struct sw_ladder *ladder, int64_t l) {
    const struct sw_pool *pool = &ladder->pool[ladder->pool_of[l]];
    double share = (double) pool->kept / (double) pool->size;
    int64_t likely = (int64_t) floor(share * (double) ladder->groups[l] + 0.5);
    return likely > ladder->floor[l] ? likely : ladder->floor[l];
}

/* ---- weights of the layers ------------------------------------------------------------------ */

/* Rows that are left, times the columns that read what is left. */
static void count_units(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                        const struct sw_ladder *ladder,
                        int64_t (*groups)(const struct sw_ladder *, int64_t), int64_t *kept) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        int64_t own = sw_groups_rows(kind, arch, l), inputs = sw_groups_columns(kind, arch, l);
        int64_t rows = layer->shape[0], columns = layer->count / rows;
        if (ladder->pool_of[own] >= 0) rows = groups(ladder, own);
        if (inputs >= 0 && ladder->pool_of[inputs] >= 0)
            columns = groups(ladder, inputs) * sw_arch_units(arch, l)->span;
        kept[l] = rows * columns;
    }
}

void sw_prune_kept(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                   int64_t *kept) {
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round, &stage);
    const struct sw_granularity *kind = sw_granularity_of(&stage);
    struct sw_ladder ladder;
    sw_ladder_climb(&stage, arch, round, &ladder);
    if (kind->side == 0) {
        count_units(&stage, arch, &ladder, most_groups, kept);
        return;
    }
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        kept[l] = ladder.pool_of[l] < 0 ? layer->count
                                        : sw_groups_most(kind, layer, most_groups(&ladder, l));
    }
}

void sw_prune_likely(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                     int64_t *kept) {
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round, &stage);
    const struct sw_granularity *kind = sw_granularity_of(&stage);
    struct sw_ladder ladder;
    sw_ladder_climb(&stage, arch, round, &ladder);
    if (kind->side == 0) {
        count_units(&stage, arch, &ladder, likely_groups, kept);
        return;
    }
    for (int64_t l = 0; l < arch->n_layers; l++) {
        int64_t count = sw_arch_layer(arch, l)->count;
        kept[l] = count;
        if (ladder.pool_of[l] < 0) continue;
        /* The mean size of a block, ragged ones included. */
        double groups = (double) likely_groups(&ladder, l) / (double) ladder.groups[l];
        kept[l] = kind->side == 1 ? likely_groups(&ladder, l)
                                  : (int64_t) floor(groups * (double) count + 0.5);
    }
}

int64_t sw_prune_total(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                       int64_t round) {
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round, &stage);
    int64_t kept[SW_MAX_LAYERS], of_pool[SW_MAX_LAYERS] = {0}, total = 0;
    int64_t side = sw_granularity_of(&stage)->side;
    struct sw_ladder ladder;
    sw_ladder_climb(&stage, arch, round, &ladder);
    sw_prune_kept(&stage, arch, round, kept);
    for (int64_t l = 0; l < arch->n_layers; l++)
        *(ladder.pool_of[l] < 0 ? &total : &of_pool[ladder.pool_of[l]]) += kept[l];
    for (int64_t p = 0; p < ladder.n_pools; p++) {
        int64_t most = ladder.pool[p].kept * side * side;
        total += side > 0 && most < of_pool[p] ? most : of_pool[p];
    }
    return total;
}
